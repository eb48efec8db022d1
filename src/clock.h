/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_CLOCK_H
#define POND_SRC_CLOCK_H

#include "src/base/time.h"

/* The clocks of the host. The only places in the daemon that read them; any thread. */
mono_t clock_mono(void);
wall_t clock_wall(void);

/* Nanoseconds for which the host has slept since it booted: CLOCK_BOOTTIME goes on in suspend,
 * CLOCK_MONOTONIC stands still. It only grows, but for the time between the two readings. */
int64_t clock_slept(void);

#endif
