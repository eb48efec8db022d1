/* SPDX-License-Identifier: ISC */
#include "tools/sim/twin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/chunk.h"
#include "src/base/must.h"

/* By their digits from the left: names are the same before them. */
static int by_name(const void *a, const void *b)
{
    char left[16], right[16];

    snprintf(left, sizeof(left), "%d", *(const int *)a);
    snprintf(right, sizeof(right), "%d", *(const int *)b);
    return strcmp(left, right);
}

void twin_begin(struct twin *twin, uint64_t store_id, size_t count, wall_t born)
{
    twin_free(twin);
    *twin = (struct twin){.store_id = store_id, .count = count, .born = born};
    twin->entries = calloc(count, sizeof(*twin->entries));
    MUST(twin->entries != NULL);
    twin->order = calloc(count, sizeof(*twin->order));
    MUST(twin->order != NULL);
    for (size_t i = 0; i < count; i++)
        twin->order[i] = (int)i;
    qsort(twin->order, count, sizeof(*twin->order), by_name);
}

void twin_free(struct twin *twin)
{
    for (size_t i = 0; i < twin->count; i++)
        free(twin->entries[i].rivals);
    free(twin->entries);
    free(twin->order);
    *twin = (struct twin){0};
}

/* A name, its version and its content, which tells versions of one moment apart, are added to the
 * sum over all of them, or taken out of it. */
static void sum(struct twin *twin, int name, struct version version, const struct digest *sha256)
{
    struct {
        uint64_t name, version;
        struct digest sha256;
    } row = {(uint64_t)name, version.bits, *sha256};
    struct digest one;

    digest_of(&row, sizeof(row), &one);
    for (size_t b = 0; b < sizeof(one.bytes); b++)
        twin->digest.bytes[b] ^= one.bytes[b];
}

/* ---- conflicts ------------------------------------------------------------------------------- */

const struct twin_rival *twin_rival(const struct twin *twin, int name, struct version version,
                                    const struct digest *sha256)
{
    const struct twin_entry *entry = &twin->entries[name];

    for (size_t i = 0; i < entry->rival_count; i++)
        if (version_same(entry->rivals[i].version, version) &&
            digest_same(&entry->rivals[i].sha256, sha256))
            return &entry->rivals[i];
    return NULL;
}

static void keep_rival(struct twin *twin, int name, const struct twin_rival *rival)
{
    struct twin_entry *entry = &twin->entries[name];

    if (twin_rival(twin, name, rival->version, &rival->sha256))
        return;
    entry->rivals = realloc(entry->rivals, (entry->rival_count + 1) * sizeof(*entry->rivals));
    MUST(entry->rivals != NULL);
    entry->rivals[entry->rival_count++] = *rival;
}

static bool conflicts(const struct manifest *newer, const struct manifest *older, bool unconfirmed,
                      const struct twin_mistakes *mistakes)
{
    if (mistakes->no_rivals || older->deleted)
        return false;
    return mistakes->all_rivals || manifest_conflicts(newer, older, unconfirmed);
}

static void read_entry(const struct twin_entry *entry, struct manifest *out)
{
    MUST(manifest_read((struct span){entry->text, entry->len}, out) == MESSAGE_OK);
}

/* Which of the two is the older one is kept beside the other, where they are in conflict. */
static void meet(struct twin *twin, int name, const struct manifest *manifest, bool newer,
                 const struct twin_mistakes *mistakes)
{
    const struct twin_entry *entry = &twin->entries[name];
    struct manifest ours;

    read_entry(entry, &ours);
    if (newer && conflicts(manifest, &ours, entry->unconfirmed, mistakes))
        keep_rival(twin, name,
                   &(struct twin_rival){manifest_node(ours.node), entry->version, entry->sha256,
                                        entry->held});
    else if (!newer && conflicts(&ours, manifest, false, mistakes))
        keep_rival(twin, name,
                   &(struct twin_rival){manifest_node(manifest->node), manifest->version,
                                        manifest->sha256, false});
}

/* ---- versions -------------------------------------------------------------------------------- */

uint64_t twin_chunk(const struct digest *sha256, uint32_t chunk)
{
    uint64_t number;

    memcpy(&number, sha256->bytes, sizeof(number));
    return number + chunk * UINT64_C(0x9e3779b97f4a7c15);
}

static void take(struct twin *twin, int name, const struct manifest *manifest, struct span text,
                 bool held, const struct twin_mistakes *mistakes)
{
    struct twin_entry *entry = &twin->entries[name];
    bool wanted = !held && !manifest->deleted && (entry->held || entry->wanted);
    struct text kept = TEXT_OVER(entry->text);

    text_add(&kept, text.at, text.len);
    if (!manifest_has_sum(text)) /* as the store does: what was spoilt on the way is spoilt once */
        manifest_stamp(&kept);
    MUST(!kept.full);
    entry->len = kept.len;
    if (entry->known)
        sum(twin, name, entry->version, &entry->sha256);
    sum(twin, name, manifest->version, &manifest->sha256);
    entry->known = true;
    entry->held = held;
    entry->wanted = wanted;
    entry->tries = 0;
    entry->sequence = ++twin->sequence;
    entry->version = manifest->version;
    entry->sha256 = manifest->sha256;
    entry->size = manifest->size;
    if (!mistakes->old_chunks) {
        entry->had = 0;
        entry->listed = false;
    }
    for (uint32_t i = 0; i < TWIN_CHUNKS_MAX && held; i++)
        entry->chunks[i] = twin_chunk(&entry->sha256, i);
    entry->deleted = manifest->deleted;
    version_seen(&twin->clock, manifest->version);
}

/* Every other name has content of several chunks. */
static uint64_t size_of(int name, struct version version)
{
    uint64_t chunks = name % 2 ? 0 : 1 + version_ms(version) % (TWIN_CHUNKS_MAX - 1);

    return 5 + chunks * CHUNK_SIZE_MIN;
}

/* Of whom it came and when: two that are put in the same moment are not the same. */
static void describe_content(struct manifest *manifest)
{
    char bytes[64];
    struct text text = TEXT_OVER(bytes);

    text_printf(&text, "%llx %s", (unsigned long long)manifest->version.bits, manifest->node);
    MUST(!text.full);
    digest_of(text.at, text.len, &manifest->sha256);
}

/* As the store has it (cache/jobs.c). */
static bool may_have_written_others(const struct twin *twin, const struct twin_entry *entry,
                                    const struct manifest *manifest)
{
    struct version last = manifest_own_last(manifest);

    if (!last.bits || version_ms(last) < twin->born.ms + VERSION_AHEAD_MAX_MS)
        return last.bits != 0;
    for (size_t i = 0; i < entry->rival_count; i++)
        if (entry->rivals[i].node == manifest_node(manifest->node) &&
            version_newer(entry->rivals[i].version, last))
            return true;
    return false;
}

void twin_put(struct twin *twin, int name, const char *whole_name, const char *node, wall_t wall,
              bool deleted)
{
    const struct twin_entry *entry = &twin->entries[name];
    struct manifest manifest = {.deleted = deleted}, old;
    char bytes[1024];
    struct text text = TEXT_OVER(bytes);

    MUST(span_copy(span_of(whole_name), manifest.name, sizeof(manifest.name)));
    MUST(span_copy(span_of(node), manifest.node, sizeof(manifest.node)));
    if (entry->known) {
        read_entry(entry, &old);
        manifest_replace(&manifest, &old);
        if (may_have_written_others(twin, entry, &manifest))
            manifest_forget_own(&manifest);
    }
    manifest.version = version_next(&twin->clock, wall, manifest.replaces);
    if (!deleted) {
        manifest.size = size_of(name, manifest.version);
        manifest.mode = 0644;
        manifest.mtime_ns = wall.ms * 1000000;
        manifest.chunk_size = chunk_size_for(manifest.size);
        describe_content(&manifest);
        digest_of(manifest.sha256.bytes, sizeof(manifest.sha256.bytes), &manifest.chunks);
    }
    manifest_write(&manifest, &text);
    MUST(!text.full);
    take(twin, name, &manifest, (struct span){text.at, text.len}, !deleted,
         &(struct twin_mistakes){.older = false});
}

enum twin_status twin_adopt(struct twin *twin, int name, const struct manifest *manifest,
                            struct span text, wall_t wall, const struct twin_mistakes *mistakes)
{
    const struct twin_entry *entry = &twin->entries[name];
    struct manifest ours = {.version = entry->version, .sha256 = entry->sha256};
    int order = entry->known ? manifest_compare(manifest, &ours) : 1;

    if (version_is_ahead(manifest->version, wall) && !mistakes->ahead)
        return TWIN_AHEAD;
    if (entry->known && order != 0)
        meet(twin, name, manifest, order > 0, mistakes);
    if (order <= 0 && !mistakes->older)
        return TWIN_NOT_NEWER;
    take(twin, name, manifest, text, false, mistakes);
    return TWIN_TAKEN;
}

void twin_rebuild(struct twin *twin, uint64_t store_id)
{
    twin->store_id = store_id;
    twin->sequence = 0;
    for (size_t i = 0; i < twin->count; i++) {
        struct twin_entry *entry = &twin->entries[twin->order[i]];

        if (entry->known)
            entry->sequence = ++twin->sequence;
        entry->wanted = entry->unconfirmed = false;
    }
}

bool twin_is_by(const struct twin *twin, int name, const char *node)
{
    struct manifest manifest;

    read_entry(&twin->entries[name], &manifest);
    return strcmp(manifest.node, node) == 0;
}

int twin_next(const struct twin *twin, uint64_t since)
{
    int next = -1;

    for (size_t i = 0; i < twin->count; i++) {
        const struct twin_entry *entry = &twin->entries[i];

        if (entry->known && entry->sequence > since &&
            (next < 0 || entry->sequence < twin->entries[next].sequence))
            next = (int)i;
    }
    return next;
}
