/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_TIME_H
#define POND_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Two clocks, two types, so that the compiler tells them apart.
 *
 * mono_t is a reading of CLOCK_MONOTONIC: for deadlines, intervals, "how long ago". It never jumps,
 * and means nothing on another host or after a reboot. wall_t is milliseconds since 1970 (UTC): for
 * versions, dates and the log. It can be stepped either way at any moment, so no interval is ever
 * measured with it. Deciding code reads neither: it is told the time in the event.
 */
typedef struct {
    int64_t ns;
} mono_t;

typedef struct {
    int64_t ms;
} wall_t;

#define MONO_MS(n) ((int64_t)(n)*1000000)
#define MONO_S(n) ((int64_t)(n)*1000000000)

/* The deadline of one who has none. */
#define MONO_NEVER ((mono_t){INT64_MAX})

/* `ns` after `t`; never stays never. */
static inline mono_t mono_after(mono_t t, int64_t ns)
{
    if (t.ns == INT64_MAX || (ns > 0 && t.ns > INT64_MAX - ns))
        return MONO_NEVER;
    return (mono_t){t.ns + ns};
}

/* Nanoseconds from `from` to `to`; negative where `to` is the earlier. */
static inline int64_t mono_between(mono_t from, mono_t to)
{
    return to.ns - from.ns;
}

static inline bool mono_reached(mono_t now, mono_t deadline)
{
    return now.ns >= deadline.ns;
}

static inline mono_t mono_earlier(mono_t a, mono_t b)
{
    return a.ns < b.ns ? a : b;
}

#endif
