/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_SHARES_H
#define POND_CACHE_SHARES_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/address.h"
#include "src/base/node.h"

/*
 * Who may take one of the places for fetches, so that nobody starves others: a tier may take as
 * many as it would leave free, a host half as many, and always a few. So one tier alone has half of
 * the places, two have a third each, and there is room for the next one that comes. The last places
 * are the own host's; what is fetched in the background has a small share of its own. Pure.
 */
enum {
    SHARES_MAX = 256,   /* places */
    SHARES_OWN = 16,    /* of these, which only the own host gets */
    SHARES_FILLER = 64, /* the most that are filled in the background */
    SHARES_LARGE = 16,  /* of these, what is large, as the filler sees to (src/filler.h) */
    SHARES_LEAST = 4    /* that a tier, and a host, may have while there are free ones at all */
};

enum share_kind { SHARE_OWN_HOST, SHARE_FILLER, SHARE_MEMBER };

/* For whom a fetch is begun, or read. */
struct share {
    enum share_kind kind;
    char tier[TIER_SIZE]; /* of a member: one that we lead */
    struct address host;
};

/* NULL: our own. */
static inline const struct address *share_host(const struct share *share)
{
    return share->kind == SHARE_MEMBER ? &share->host : NULL;
}

/* How many places are taken. */
struct shares_taken {
    size_t all;
    size_t filler; /* by the filler */
    size_t tier;   /* by members of this one's tier */
    size_t host;   /* by this one's host */
};

/* Counts a place that somebody has, for one who wants one. */
void shares_count(struct shares_taken *taken, const struct share *has, const struct share *wants);

/* May it have one more? */
bool shares_allow(const struct shares_taken *taken, enum share_kind kind);

#endif
