/* SPDX-License-Identifier: ISC */
#include "src/clock.h"

#include <time.h>

#include "src/base/must.h"

static struct timespec read_clock(clockid_t clock)
{
    struct timespec t;

    MUST(clock_gettime(clock, &t) == 0);
    return t;
}

mono_t clock_mono(void)
{
    struct timespec t = read_clock(CLOCK_MONOTONIC);

    return (mono_t){MONO_S(t.tv_sec) + t.tv_nsec};
}

wall_t clock_wall(void)
{
    struct timespec t = read_clock(CLOCK_REALTIME);

    return (wall_t){(int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000};
}

int64_t clock_slept(void)
{
    struct timespec mono = read_clock(CLOCK_MONOTONIC), boot = read_clock(CLOCK_BOOTTIME);

    return MONO_S(boot.tv_sec - mono.tv_sec) + (boot.tv_nsec - mono.tv_nsec);
}
