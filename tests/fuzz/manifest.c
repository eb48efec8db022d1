/* SPDX-License-Identifier: ISC */
/* Manifests as they come from other nodes: what is taken is within its bounds, and comes back from
 * what we would write ourselves. */
#include "cache/manifest.h"

#include <string.h>

#include "cache/chunk.h"
#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const struct manifest *m)
{
    MUST(strlen(m->name) > 0 && strlen(m->name) <= NAME_MAX_LEN);
    MUST(version_newer(m->version, m->replaces));
    if (m->deleted) {
        MUST(m->size == 0 && digest_is_zero(&m->sha256));
        return;
    }
    MUST(m->size <= INT64_MAX && (m->mode & ~07777u) == 0);
    MUST(chunk_count(m->size, m->chunk_size) <= CHUNK_COUNT_MAX);
}

static void comes_back(const struct manifest *m)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct manifest back;

    manifest_write(m, &text);
    MUST(!text.full && manifest_has_sum((struct span){text.at, text.len}));
    MUST(manifest_read((struct span){text.at, text.len}, &back) == MESSAGE_OK);
    MUST(manifest_compare(m, &back) == 0 && strcmp(m->name, back.name) == 0);
    MUST(memcmp(m->knew, back.knew, sizeof(back.knew)) == 0);
    MUST(m->size == back.size && m->mtime_ns == back.mtime_ns && m->mode == back.mode);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size}, one;
    struct manifest m;

    while (manifest_read_next(&rest, &m, &one) == MESSAGE_OK) {
        MUST(one.len > 0 && one.len <= MESSAGE_MAX);
        check_bounds(&m);
        comes_back(&m);
    }
    return 0;
}
