/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_SKEW_H
#define POND_SRC_SKEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache/exchange.h"

/*
 * Whether this node's clock is off, as the exchange judged it last: for those who would date
 * something with it, on any thread. Zero it to begin.
 */
enum { SKEW_SENTENCE_SIZE = 192 };

struct skew {
    _Atomic int64_t off_ms; /* how far it is ahead of the others', negative: behind; 0: it is right
                               as far as anybody knows */
    bool doubted;           /* the only other one that is heard differs. Main thread */
};

/* Takes the exchange's judgement, and logs where it has changed. Returns whether the clock was
 * found off, or is so no more. Main thread. */
bool skew_judge(struct skew *skew, const struct exchange_clock *clock);

/* What to tell people while the clock is off: by how much, what that prevents, the remedy. False,
 * and an empty string, while it is not. Any thread. */
bool skew_sentence(const struct skew *skew, char out[SKEW_SENTENCE_SIZE]);

#endif
