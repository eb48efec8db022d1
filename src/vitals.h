/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_VITALS_H
#define POND_SRC_VITALS_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/store.h"
#include "election/elect.h"
#include "election/view.h"
#include "src/recent.h"
#include "src/remember.h"
#include "src/skew.h"

/*
 * Watches how this node is, and tells the election what it then says of itself: why it is demoted
 * (src/health.h decides), whether its catalogue is behind, what its head is. A thread and a loop of
 * its own, so that a main loop that stands still is noticed as what it is: an HTTP server that does
 * not answer. It looks four times a second, and whenever it is poked.
 */
struct vitals;

struct vitals_options {
    struct store *store;
    struct remember *remember;
    const struct view *view;
    const struct skew *skew;
    struct recent *recent;
    struct address http; /* where our own server listens */

    /* On the thread of vitals; must not wait. `self` without its head. */
    void (*tell)(void *arg, const char *tier, const struct elect_self *self);
    void (*head)(void *arg, const struct ballot_head *head);
    void *arg;
};
struct vitals *vitals_new(const struct vitals_options *options);
void vitals_stop(struct vitals *vitals); /* nothing is told any more; may be repeated */
void vitals_free(struct vitals *vitals); /* NULL: nothing */

/* The store or a role has changed: look now. Any thread, at any time before vitals_free. */
void vitals_poke(struct vitals *vitals);

/* The whole catalogue of the host `from`, store `store_id`, was read and taken. Any thread. */
void vitals_compared(struct vitals *vitals, const struct address *from, uint64_t store_id);

/* ---- demotion by hand: any thread ------------------------------------------------------------ */

enum { VITALS_SENTENCE_SIZE = 4096 };
#define VITALS_FOR_MAX_S (INT64_C(3650) * 24 * 3600) /* ten years: longer is for ever */

enum vitals_verdict {
    VITALS_DONE,
    VITALS_NO_TIER,      /* this node has no role in a tier of that name */
    VITALS_NO_CANDIDATE, /* it is a slave there */
    VITALS_NOT_KEPT      /* the disk did not take it: nothing is changed */
};

/* For so many seconds, or until it is restored (0). It is on disk when they return; they wait for
 * that. The sentence says what was done, or what is wrong. */
enum vitals_verdict vitals_demote(struct vitals *vitals, const char *tier, int64_t for_s,
                                  char sentence[VITALS_SENTENCE_SIZE]);
enum vitals_verdict vitals_restore(struct vitals *vitals, const char *tier,
                                   char sentence[VITALS_SENTENCE_SIZE]);

/* How it stands with it. False: it is not demoted by hand there. */
struct vitals_hand {
    wall_t since;
    int64_t left_ns; /* 0: until it is restored */
};
bool vitals_hand(struct vitals *vitals, const char *tier, struct vitals_hand *out);

/* Adds the causes of a demotion as words: "its clock is off, somebody demoted it". */
void vitals_causes(uint16_t demotion, struct text *out);

#endif
