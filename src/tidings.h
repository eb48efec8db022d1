/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_TIDINGS_H
#define POND_SRC_TIDINGS_H

#include <stdbool.h>

#include "election/ballot.h"
#include "src/mailbox.h"

/*
 * What the elections hear that the cache wants to know, carried from their thread to the main one:
 * that a tier's master is another, that the master's head is, and how members stand. However much
 * is heard while the main thread is busy, it is one letter: of each tier and each member the last
 * counts. What finds no room is dropped: the next standing makes it good.
 */
enum { TIDINGS_STANDINGS_MAX = 512 /* of different members, not read yet */ };

struct tidings;

struct tidings_options {
    struct mailbox *mailbox;

    /* Main thread. Tiers first, then standings in the order in which they came. What the tier is
     * now stands in the view; where it does not, it was left. */
    void (*viewed)(void *arg, const char *tier, bool other_master);
    void (*standing)(void *arg, const struct ballot *standing);
    void *arg;
};
struct tidings *tidings_new(const struct tidings_options *options);

/* For election_ears: the election's thread. They wait for no more than a copy. */
void tidings_viewed(void *tidings, const char *tier, bool other_master);
void tidings_standing(void *tidings, const struct ballot *standing);

/* Once the elections have ended and the mailbox was freed. NULL: nothing. */
void tidings_free(struct tidings *tidings);

#endif
