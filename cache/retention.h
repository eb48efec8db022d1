/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_RETENTION_H
#define POND_CACHE_RETENTION_H

#include "cache/manifest.h"
#include "src/base/time.h"

/* Tombstones are kept for 90 days, so that whoever was away for less learns of the removal. */
enum { TOMBSTONE_DAYS = 90 };

static inline bool retention_is_over(wall_t since, wall_t now)
{
    return now.ms - since.ms > (int64_t)TOMBSTONE_DAYS * 24 * 3600 * 1000;
}

static inline bool tombstone_is_old(const struct manifest *m, wall_t now)
{
    return retention_is_over((wall_t){version_ms(m->version)}, now);
}

/*
 * What the journal says of a name that was forgotten (store_forget): a tombstone of ours, one above
 * the version that goes, that replaces nothing, while every removal knows what it removes. It takes
 * that version away where it stands before it in the journal, and nothing that comes after it: the
 * same version may be learned again.
 */
static inline struct manifest forgotten_end(const struct manifest *goes)
{
    return (struct manifest){.version = {goes->version.bits + 1}, .deleted = true};
}

static inline bool forgotten_is_end(const struct manifest *m, struct span node)
{
    return m->deleted && version_same(m->replaces, VERSION_NONE) && span_is(node, m->node);
}

static inline struct version forgotten_version(const struct manifest *end)
{
    return (struct version){end->version.bits - 1};
}

/* Conflicts for 30, from when they were noted. */
enum { CONFLICT_DAYS = 30 };

/* And so many of them: one more has the oldest go. */
enum { CONFLICTS_MAX = 10000 };

static inline wall_t conflict_end(uint64_t since_ms)
{
    return (wall_t){(int64_t)since_ms + (int64_t)CONFLICT_DAYS * 24 * 3600 * 1000};
}

static inline bool conflict_is_old(uint64_t since_ms, wall_t now)
{
    return now.ms > conflict_end(since_ms).ms;
}

#endif
