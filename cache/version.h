/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_VERSION_H
#define POND_CACHE_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/text.h"
#include "src/base/time.h"

/*
 * A version is a reading of a hybrid logical clock (Kulkarni et al., 2014): 48 bits of milliseconds
 * since 1970, then 16 bits of counter. Later versions are greater numbers. As text it is
 * "MILLISECONDS.COUNTER". Zero means: no version.
 */
struct version {
    uint64_t bits;
};

#define VERSION_NONE ((struct version){0})

enum {
    VERSION_TEXT_SIZE = 24,
    VERSION_AHEAD_MAX_MS = 60000 /* a version further ahead of our clock than this is not taken */
};

static inline bool version_newer(struct version a, struct version b)
{
    return a.bits > b.bits;
}

static inline bool version_same(struct version a, struct version b)
{
    return a.bits == b.bits;
}

static inline int64_t version_ms(struct version v)
{
    return (int64_t)(v.bits >> 16);
}

/*
 * What came from an ISconf host has no version, and no manifest of its author's vouches for it. It
 * gets one that is made of its mtime: seconds where others have milliseconds, and a counter that no
 * clock of this century comes to there. So among themselves such versions order by mtime, all nodes
 * make the same one of the same file, and each that a clock gave is above them.
 */
#define VERSION_MTIME_MAX INT64_C(9223372035) /* of which 64 bits can hold the nanoseconds */

struct version version_of_mtime(int64_t seconds); /* 0 to VERSION_MTIME_MAX */
bool version_is_unverified(struct version v);

/* Is v too far ahead of the local clock to be taken now? */
bool version_is_ahead(struct version v, wall_t now);

const char *version_text(struct version v, char out[VERSION_TEXT_SIZE]);
bool version_parse(struct span text, struct version *out);

/* The clock: the greatest version that was given out or seen. Owned by the store's writer. */
struct version_clock {
    struct version last;
};

/* A version above all that the clock gave or saw, above `than`, and not below `now`. */
struct version version_next(struct version_clock *clock, wall_t now, struct version than);

/* The wall clock is known to be right: what was given ahead of it was given while it was not, and
 * nobody would take what is above that. */
void version_forget_ahead(struct version_clock *clock, wall_t now);

/* Takes note of a version made elsewhere; one that is ahead must have been refused before. */
void version_seen(struct version_clock *clock, struct version v);

#endif
