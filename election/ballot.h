/* SPDX-License-Identifier: ISC */
#ifndef POND_ELECTION_BALLOT_H
#define POND_ELECTION_BALLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/address.h"
#include "src/base/digest.h"
#include "src/base/node.h"
#include "src/base/time.h"

/*
 * What the members of a tier say to each other about its election, typed: adverts, standings and
 * solicits. Their text form is src/advert.h's. Any thread.
 */
enum ballot_kind {
    BALLOT_ADVERT,   /* the master's heartbeat, to all; or its answer to a solicit, to one */
    BALLOT_STANDING, /* how another member stands, to the candidates; or its answer to a solicit */
    BALLOT_SOLICIT   /* "say how you stand, and this nonce, so that I know it is you, and now" */
};

enum ballot_role { BALLOT_SLAVE, BALLOT_BACKUP, BALLOT_MASTER };

/* As it stands in messages, and as people are told: "slave", "backup", "master". */
const char *ballot_role_name(enum ballot_role role);

/* Base and skew, CARP's: base + skew/256 seconds is the interval at which a master adverts. */
struct ballot_pair {
    uint32_t base_us;
    uint8_t skew;
};

/* In nanoseconds. */
static inline int64_t ballot_interval(struct ballot_pair pair)
{
    return (int64_t)pair.base_us * 1000 + (int64_t)pair.skew * (1000000000 / 256);
}

/* A catalogue's head, and the time: of both the election only tells others. */
struct ballot_head {
    uint64_t store;
    uint64_t sequence;
    struct digest digest;
    wall_t clock; /* what the sender's wall clock said as it spoke; 0: it did not tell */
};

enum { BALLOT_NONCE_SIZE = 16 };
struct ballot_nonce {
    uint8_t bytes[BALLOT_NONCE_SIZE];
};

/*
 * Why a node is demoted: the sum of what holds. Lower is better, and compared before all else. The
 * row: enumerator, value, what to tell people.
 */
#define DEMOTIONS(ROW)                                                                             \
    ROW(DEMOTION_BEHIND, 1, "its catalogue is behind its master's")                                \
    ROW(DEMOTION_CLOCK, 16, "its clock is off")                                                    \
    ROW(DEMOTION_STORE, 32, "its store takes nothing")                                             \
    ROW(DEMOTION_HTTP, 64, "its HTTP server does not answer")                                      \
    ROW(DEMOTION_HAND, 128, "somebody demoted it")
enum demotion {
#define DEMOTION_ENUM(id, value, words) id = (value),
    DEMOTIONS(DEMOTION_ENUM)
#undef DEMOTION_ENUM
        DEMOTION_MAX = 1023 /* more is no demotion */
};

struct ballot {
    enum ballot_kind kind;
    char tier[TIER_SIZE];
    char node[NODE_SIZE];
    uint64_t boot;          /* the sender's incarnation; 0 is none */
    uint64_t counter;       /* rises with every ballot of one boot */
    struct address address; /* the sender's own in the tier, with its HTTP port */
    bool has_echo;
    struct ballot_nonce echo; /* the nonce of the solicit that this answers */

    /* advert and standing: */
    struct ballot_pair pair;
    uint16_t demotion;
    uint64_t epoch; /* advert: of this mastership; standing: the highest that it knows */
    struct ballot_head head;

    /* advert: */
    bool leaving;
    struct address successor; /* all zero: none is known */

    /* standing: */
    enum ballot_role role; /* backup or slave */
    bool asks;             /* it wants to take over */
    bool behind;           /* its catalogue is not yet its master's */
    uint32_t unconfirmed;  /* puts that no candidate has confirmed */
    bool below;            /* it is a candidate of a tier that hangs below this one */

    /* solicit: */
    struct ballot_nonce nonce;
};

/*
 * Section 6's order, of two who would be master: lower demotion, then the smaller interval, then
 * the lower address. Negative: a is the better.
 */
struct ballot_rank {
    uint16_t demotion;
    struct ballot_pair pair;
    struct address address;
};
int ballot_compare(const struct ballot_rank *a, const struct ballot_rank *b);

#endif
