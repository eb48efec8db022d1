/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ELECTION_H
#define POND_SRC_ELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "election/elect.h"
#include "election/view.h"
#include "src/gate.h"
#include "src/members.h"
#include "src/remember.h"
#include "src/roles.h"
#include "src/seal.h"

/*
 * Drives the elections of all tiers in which this node has a role, on a thread of its own with its
 * own loop and sockets (advert_port: UDP for ballots, TCP for the watched connection), so that no
 * load on the cache, no slow disk and no hook can look like a dead master. It waits for nothing:
 * what it wants on disk goes to src/remember.h, changes of role to src/roles.h, what the rest of
 * the daemon may know into the view.
 *
 * It reads all ballots that have come before it judges a deadline, tells the machine by how much it
 * was late itself (by CLOCK_BOOTTIME, which goes on in suspend), and signs an advert to all once.
 */
struct election;

struct election_tier {
    char tier[TIER_SIZE];
    struct elect_rules rules;
    struct address group; /* advert_addr: multicast group for adverts to all; zero: unicast */
    char group_if[16];    /* advert_if; empty: that of our address in the tier */
};

/* What the cache wants to know of what is heard. On the election's thread, after the view was
 * published: they must not wait. */
struct election_ears {
    /* The tier's master or what we are there is another than was told last; or the master has
     * adverted since, and told its head; or we have left the tier, and it is in the view no more.
     * Our own head, where we are master, is no news. */
    void (*viewed)(void *arg, const char *tier, bool other_master);
    /* A member's standing, believed. */
    void (*standing)(void *arg, const struct ballot *standing);
    void *arg;
};

struct election_options {
    const char *node;
    const char *domain;
    uint64_t boot;
    const struct members *members;
    const struct keyring *keyring; /* NULL: no keys */
    enum auth_mode auth;
    const struct address *listen; /* with advert_port */
    size_t listen_count;
    struct gate_rules rules; /* gate_rules_of() of the cache's gate, where it is also noted who
                                spoke from where; zeroed: no rules, and nothing is noted */
    struct signers *signers; /* with which keys; NULL: no keys */
    struct view *view;
    struct roles *roles;
    struct remember *remember;
    const struct election_tier *tiers;
    size_t tier_count;
    struct elect_self self;    /* of every tier, to begin with */
    struct election_ears ears; /* NULLs: nobody listens */
};

/* Logs what failed; NULL then. The elections begin at once: all tiers are in the view when it
 * returns. */
struct election *election_new(const struct election_options *options);

/* Any thread. The last one said counts; an empty tier: all of them, those to come too. The head in
 * it does not count: it is told by election_head, for all tiers, and as often as it changes. */
void election_tell(struct election *election, const char *tier, const struct elect_self *self);
void election_head(struct election *election, const struct ballot_head *head);

/* After a reload: tiers that are new are joined, those that are gone are left, rules and groups of
 * the others are compared and applied. `auth` likewise. Any thread; has happened once it returns.
 */
void election_reload(struct election *election, const struct election_tier *tiers, size_t count,
                     enum auth_mode auth);

/* When the loop turned last: once a second at least, unless it hangs. Any thread. */
mono_t election_turned(const struct election *election);

/* Leaves all tiers: a master says so and names its successor. When it returns, that is sent, and
 * the last changes of role are posted. */
void election_leave(struct election *election);
void election_free(struct election *election); /* NULL: nothing */

/* The members of a tier that are heard, for pond peers: free() the list. Any thread; it takes a
 * round of the election's loop. */
size_t election_members(struct election *election, const char *tier, struct elect_member **list);

struct election_figures {
    uint64_t adverts_sent;
    uint64_t ballots_heard;         /* let in by the gate */
    uint64_t reasons[REASON_COUNT]; /* of all tiers */
    int64_t late_ns;                /* the most that the loop ever was late */
    uint64_t watched;               /* connections held for others, now */
};
void election_figures(struct election *election, struct election_figures *out); /* any thread */

#endif
