/* SPDX-License-Identifier: ISC */
#ifndef POND_ELECTION_VIEW_H
#define POND_ELECTION_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "election/ballot.h"
#include "election/reason.h"
#include "src/base/time.h"

/*
 * What the rest of the daemon may know of an election: who is master in each tier, and what this
 * node is there. The election's thread publishes, any thread reads, nobody ever waits: a reader
 * whom a writer overtakes reads again. The only part of election/ that cache/ may include.
 */
enum { VIEW_TIERS_MAX = 64 };

struct view_tier {
    char tier[TIER_SIZE];
    enum ballot_role role;
    bool has_master;
    char master[NODE_SIZE];        /* its name; ours where we are it; empty: none is known */
    struct address master_address; /* with its HTTP port */
    struct address address;        /* ours in the tier */
    struct ballot_pair pair;       /* the master's; without one, ours */
    struct address successor;      /* whom the master names, or we name; all zero: nobody */
    uint16_t demotion;             /* the master's */
    uint16_t own_demotion;
    uint64_t epoch;          /* the highest known: it never goes back */
    struct ballot_head head; /* the master's catalogue, as its last advert told */
    mono_t last_advert;      /* heard, or sent where we are master; MONO_NEVER: none yet */
    mono_t since;            /* of role and master */
    mono_t good_until;       /* beyond it this view counts for nothing: the election has stood
                                still. Compare with the clock at the moment of the decision */
    enum reason reason;      /* of the last change of role or master */
    uint32_t members;        /* heard lately, ourselves not counted */
    uint32_t others;         /* candidates that the nets file names, ourselves not counted */
    uint32_t others_heard;   /* of them, those that are believed: who may take over from a master */
    uint32_t unconfirmed;    /* the sum of what their standings told */
};

struct view;
size_t view_size(void); /* bytes: the caller provides the memory, zeroed, for no tiers yet */

/* The election's thread. A tier of that name is replaced, else added; VIEW_TIERS_MAX at most. */
void view_publish(struct view *view, const struct view_tier *tier);
void view_withdraw(struct view *view, const char *tier); /* we are no longer in it */

/* Any thread. view_list returns how many there are, sorted by name. */
bool view_find(const struct view *view, const char *tier, struct view_tier *out);
size_t view_list(const struct view *view, struct view_tier out[VIEW_TIERS_MAX]);

#endif
