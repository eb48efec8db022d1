/* SPDX-License-Identifier: ISC */
#include "tools/sim/twin.h"

#include <stdlib.h>
#include <string.h>

#include "cache/chunk.h"
#include "src/base/must.h"

void twin_begin(struct twin *twin, uint64_t store_id, size_t count)
{
    twin_free(twin);
    *twin = (struct twin){.store_id = store_id, .count = count};
    twin->entries = calloc(count, sizeof(*twin->entries));
    MUST(twin->entries != NULL);
}

void twin_free(struct twin *twin)
{
    free(twin->entries);
    *twin = (struct twin){0};
}

/* A name and its version are added to the sum over all of them, or taken out of it. */
static void sum(struct twin *twin, int name, struct version version)
{
    uint64_t pair[] = {(uint64_t)name, version.bits};
    struct digest one;

    digest_of(pair, sizeof(pair), &one);
    for (size_t b = 0; b < sizeof(one.bytes); b++)
        twin->digest.bytes[b] ^= one.bytes[b];
}

static void take(struct twin *twin, int name, const struct manifest *manifest, struct span text,
                 bool held)
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
        sum(twin, name, entry->version);
    sum(twin, name, manifest->version);
    entry->known = true;
    entry->held = held;
    entry->wanted = wanted;
    entry->tries = 0;
    entry->sequence = ++twin->sequence;
    entry->version = manifest->version;
    entry->sha256 = manifest->sha256;
    entry->deleted = manifest->deleted;
    version_seen(&twin->clock, manifest->version);
}

void twin_put(struct twin *twin, int name, const char *whole_name, const char *node, wall_t wall,
              bool deleted)
{
    const struct twin_entry *entry = &twin->entries[name];
    struct manifest manifest = {.deleted = deleted};
    char bytes[1024];
    struct text text = TEXT_OVER(bytes);

    MUST(span_copy(span_of(whole_name), manifest.name, sizeof(manifest.name)));
    MUST(span_copy(span_of(node), manifest.node, sizeof(manifest.node)));
    manifest.replaces = entry->known ? entry->version : VERSION_NONE;
    manifest.version = version_next(&twin->clock, wall, manifest.replaces);
    if (!deleted) {
        manifest.size = 5;
        manifest.mode = 0644;
        manifest.mtime_ns = wall.ms * 1000000;
        manifest.chunk_size = chunk_size_for(manifest.size);
        digest_of(&manifest.version, sizeof(manifest.version), &manifest.sha256);
        digest_of(manifest.sha256.bytes, sizeof(manifest.sha256.bytes), &manifest.chunks);
    }
    manifest_write(&manifest, &text);
    MUST(!text.full);
    take(twin, name, &manifest, (struct span){text.at, text.len}, !deleted);
}

enum twin_status twin_adopt(struct twin *twin, int name, const struct manifest *manifest,
                            struct span text, wall_t wall, bool older, bool ahead)
{
    const struct twin_entry *entry = &twin->entries[name];
    struct manifest ours = {.version = entry->version, .sha256 = entry->sha256};

    if (version_is_ahead(manifest->version, wall) && !ahead)
        return TWIN_AHEAD;
    if (entry->known && manifest_compare(manifest, &ours) <= 0 && !older)
        return TWIN_NOT_NEWER;
    take(twin, name, manifest, text, false);
    return TWIN_TAKEN;
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
