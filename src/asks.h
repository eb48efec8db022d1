/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ASKS_H
#define POND_SRC_ASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/exchange.h"
#include "src/base/time.h"
#include "src/mailbox.h"

/*
 * The questions that wait for the exchange's answer, by ticket. Bounded; the asker's memory. Main
 * thread.
 */
enum { ASKS_MAX = 4096 };

struct ask {
    enum exchange_ask kind;
    char name[NAME_SIZE];
    size_t copies; /* EXCHANGE_ASK_COPIES: so many, ours counted where we are a candidate, */
    mono_t until;  /* by then */
    struct version version; /* of this version, */
    struct digest sha256;   /* of this content */
    bool found;             /* out */
    bool busy;              /* out: not found, but later perhaps */
    bool replaced;          /* out: not found, and another version is here in its place */
    struct exchange_source sources[EXCHANGE_SURVEY_MAX]; /* out */
    size_t source_count;
    void (*done)(struct ask *ask);    /* once; the ask is the caller's again */
    void (*dropped)(struct ask *ask); /* after `done`: nothing more comes of dropping it */
    void *owner;
    void *asked; /* whom, and the way there: src/cache_loop.h's, like the rest */
    uint64_t ticket;
    struct letter letter, drop;
};

struct asks;
struct asks *asks_new(void);
void asks_free(struct asks *asks); /* none may be left */

/* Its ticket, or 0 where there are ASKS_MAX already. */
uint64_t asks_add(struct asks *asks, struct ask *ask);

/* The end of one: fills in what was found, forgets it, calls done. Unknown tickets are passed over:
 * their asks were ended before. */
void asks_answer(struct asks *asks, const struct exchange_action *answer);

/* Ends one that nobody waits for any more, as busy. */
void asks_drop(struct asks *asks, uint64_t ticket);

/* Ends one that has no ticket, as busy. */
void ask_refuse(struct ask *ask);

/* Ends all as busy. */
void asks_end(struct asks *asks);

#endif
