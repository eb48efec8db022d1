/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_HEALTH_H
#define POND_SRC_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/store.h"
#include "election/view.h"
#include "src/base/time.h"
#include "src/remember.h"

/*
 * Decides why this node is demoted (election/ballot.h: DEMOTIONS), from what is seen of it. Pure:
 * the time comes in, nothing is read or written. src/vitals.h looks, and tells the election.
 *
 * Each cause must have lasted before it counts, and must be gone for HEALTH_STEADY_NS before it
 * counts no more: every change here may be a change of master, so nothing may flap. Zero all of
 * these to begin.
 */
#define HEALTH_STEADY_NS MONO_S(3)
#define HEALTH_STORE_NS MONO_S(3)  /* changes fail for so long, though they are tried again */
#define HEALTH_STUCK_NS MONO_S(30) /* at one group of changes: a busy disk alone is no reason */
#define HEALTH_CLOCK_NS MONO_S(10) /* the clocks of several hosts may be set one after another */
#define HEALTH_DOUBT_NS MONO_S(60) /* see health_hand_ended */
enum { HEALTH_PROBES = 6, HEALTH_PROBES_FAILED = 3, HEALTH_PROBES_GOOD = 3 };

/* A cause, and for how long it has been as it is seen now. */
struct health_cause {
    bool counts;
    bool seen;
    mono_t since;
};

/* ---- the node as a whole --------------------------------------------------------------------- */

struct health {
    struct health_cause store, clock, http;
    unsigned probes; /* one bit each, the latest lowest; set: it failed */
};

struct health_look {
    mono_t now;
    enum store_status store; /* store_figures.health */
    int64_t store_busy_ns;   /* store_figures.busy_ns */
    bool remembers;          /* remember_is_sound */
    bool clock_off;
};

/* The sum of DEMOTION_STORE, _CLOCK and _HTTP. */
uint16_t health_judge(struct health *health, const struct health_look *look);

/* How a request to our own HTTP port went. Three of the last six that failed are a cause, so that
 * one of two workers that hangs is noticed too; the last three that did not are its end. */
void health_probed(struct health *health, bool answered);

/* ---- a tier: by hand ------------------------------------------------------------------------- */

struct health_hand {
    struct remember_hand hand; /* the one that the rest is about */
    mono_t seen;
    mono_t end;
    bool doubted;
};

/* It was demoted just now, for so long; 0: until it is restored. */
void health_hand_begin(struct health_hand *h, const struct remember_hand *hand, int64_t for_ns,
                       mono_t now);

/*
 * Has the demotion ended by itself? While the node runs, the monotonic clock alone counts: whoever
 * steps the wall clock neither ends nor prolongs it. Over a restart only the wall clock knows:
 *  - what it says is left counts, but never more than the whole. So a clock that was stepped back
 *    (to 1970) begins it anew, and strands nobody;
 *  - where it says that it is over, the node may have been down for long, or the clock may be wrong
 *    (in 2106). So it holds for HEALTH_DOUBT_NS more, in which the others are heard. If the clock
 *    is set, or found off by them meanwhile (ahead_ms), what is left by the right time counts.
 */
bool health_hand_ended(struct health_hand *h, const struct remember_hand *hand, mono_t now,
                       wall_t wall, int64_t ahead_ms);

/* How much is left, in ns; 0: it does not end by itself, or is over. */
int64_t health_hand_left(const struct health_hand *h, mono_t now);

/* ---- a tier: is the catalogue behind its master's? ------------------------------------------- */

struct health_sync {
    uint64_t store; /* of the master that is followed; ours while we are it */
    bool synced;
};

/* Until our catalogue was once equal to that of the master followed, since our start or since it
 * keeps another store; after that small lags do not count. `own` is our head now. */
bool health_is_behind(struct health_sync *sync, const struct view_tier *tier,
                      const struct store_head *own);

/* The whole catalogue of the host `from`, store `store_id`, was read and taken. */
void health_compared(struct health_sync *sync, const struct view_tier *tier,
                     const struct address *from, uint64_t store_id);

#endif
