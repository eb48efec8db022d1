/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_RATE_H
#define POND_SRC_RATE_H

#include <stdint.h>

#include "src/base/time.h"

/*
 * How fast bytes come in, by what came within the last RATE_SLOTS slots: true from the first bytes
 * on, falls when nothing comes, and is 0 when nothing has come for so long. Pure.
 */
enum { RATE_SLOTS = 8 };
#define RATE_SLOT_NS MONO_MS(250)

struct rate {
    mono_t began;
    int64_t slot; /* the latest, counted from time 0 */
    uint64_t bytes[RATE_SLOTS];
};

void rate_begin(struct rate *rate, mono_t now);
void rate_add(struct rate *rate, mono_t now, uint64_t bytes);
uint64_t rate_read(const struct rate *rate, mono_t now); /* bytes a second */

#endif
