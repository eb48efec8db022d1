/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_SLOTS_H
#define POND_CACHE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/time.h"

/*
 * The narrow half of a bounded table: for each row its key and when it is due, kept apart from the
 * rows themselves, which are large, so that looking for one touches little memory. Rows are named
 * by their index. Pure. One thread.
 */
enum { SLOTS_MAX = 1024, SLOTS_NONE = -1 };

struct slots {
    size_t used;
    size_t end; /* all slots behind are free */
    uint64_t key[SLOTS_MAX];
    mono_t due[SLOTS_MAX]; /* MONO_NEVER: waits for something else than time */
};

/* A hash of a string, never 0, which is the key of a free slot. Different strings may share one. */
uint64_t slots_key(uint64_t seed, const char *string);

/* The first slot at or behind `from` with this key, or SLOTS_NONE. */
int slots_find(const struct slots *slots, uint64_t key, int from);

/* A free slot below `most`, now taken, or SLOTS_NONE. */
int slots_take(struct slots *slots, size_t most, uint64_t key, mono_t due);

/* The same; where none is free, the one that is due first is taken over. */
int slots_take_over(struct slots *slots, size_t most, uint64_t key, mono_t due);

void slots_free(struct slots *slots, int slot);

/* The one that is due first, or SLOTS_NONE where there is none but such as never are. */
int slots_first(const struct slots *slots);

/* When that is: MONO_NEVER where there is none. */
mono_t slots_due(const struct slots *slots);

#endif
