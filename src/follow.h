/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_FOLLOW_H
#define POND_SRC_FOLLOW_H

#include "election/ballot.h"
#include "src/cache_loop.h"
#include "src/confirm.h"
#include "src/fetch.h"
#include "src/filler.h"
#include "src/flights.h"
#include "src/holders.h"
#include "src/routes.h"

/*
 * What follows for the cache from what the elections decide: whom it asks, tells and compares with,
 * what it keeps, and what becomes of the fetches that are under way. Main thread, but where said.
 */
struct follow {
    const struct routes *routes;
    const struct view *view;
    struct store *store;
    struct fetch *fetch;
    struct flights *flights;
    struct cache_loop *cache;
    struct filler *filler;
    struct confirm *confirm;
    struct holders *holders;
    struct address masters[ROUTES_MAX]; /* whom we followed when we looked last */
    size_t master_count;
};

/* Something has changed, whatever it was: looks where we stand and whom we follow. Who must not be
 * asked any more is left at once, in the middle of a chunk, and whoever waits gets the new one. */
void follow_look(struct follow *follow);

/* The head of a tier's master, or its master, is another. */
void follow_view(struct follow *follow, const char *tier);

/* How a member stands, as it told. */
void follow_standing(struct follow *follow, const struct ballot *standing);

/* Whom to ask for this content, the best first: who said that it holds it, the masters that we
 * follow, the backups of tiers that we lead. Any thread. */
void follow_sources(const struct follow *follow, const struct digest *sha256,
                    struct flights_found *found);

#endif
