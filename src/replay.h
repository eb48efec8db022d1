/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_REPLAY_H
#define POND_SRC_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/address.h"
#include "src/base/text.h"
#include "src/base/time.h"

/*
 * Takes each message of a node once. For each node name: the incarnation (boot) that it was last
 * heard with, and a window over its counters, so that reordering is forgiven. Enough for whohas and
 * ihave, which decide nothing by themselves (design section 5).
 *
 * A higher boot replaces a lower one. A lower one is refused, unless the known one has not been
 * heard for REPLAY_SILENCE: a node whose clock was stepped back and whose state was lost is taken
 * again after that time. The window of the highest boot is kept meanwhile, so that what was said
 * under it is not taken twice for that. While both are heard, from different hosts, two nodes use
 * one name.
 *
 * Bounded: the node that was unheard for longest makes room. All memory is taken at the start.
 * Give it only what has been found authentic: else strangers fill the table. One thread.
 */
enum { REPLAY_NODES = 8192, REPLAY_WINDOW = 1024 };

#define REPLAY_SILENCE MONO_S(60)

struct replay;
struct replay *replay_new(void);
void replay_free(struct replay *replay);

enum replay_verdict {
    REPLAY_FRESH,
    REPLAY_SEEN,    /* heard before, or too old to tell */
    REPLAY_OLD_BOOT /* of an earlier boot than the one that is being heard */
};

/* With REPLAY_OLD_BOOT, *known gets the address from which the other boot was last heard. */
enum replay_verdict replay_take(struct replay *replay, mono_t now, struct span node, uint64_t boot,
                                uint64_t counter, const struct address *from,
                                struct address *known);

/* The window alone, for others who count: all zero to begin; `top` is the highest seen. */
struct replay_window {
    bool any;
    uint64_t top;
    uint64_t bits[REPLAY_WINDOW / 64]; /* by counter modulo REPLAY_WINDOW */
};

/* Is the counter new in this window? Then it is marked. */
bool replay_window_take(struct replay_window *window, uint64_t counter);

#endif
