/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_FILLER_H
#define POND_SRC_FILLER_H

#include <stdbool.h>

#include "cache/store.h"
#include "src/flights.h"

/*
 * Fetches in the background what the store marks as wanted: newer versions of what was held here,
 * and what was found rotten. Goes through the list again and again, SHARES_FILLER of its own at a
 * time, of which SHARES_LARGE may be large, ever less often while nothing comes of it. What is
 * small does not wait for what is large: a slow line that keeps all of those does not hold it up.
 * Main thread.
 */
struct ev_loop;
struct filler;

struct filler *filler_new(struct ev_loop *loop, struct store *store, struct flights *flights);
void filler_free(struct filler *filler);

/* There may be something new to fetch. */
void filler_poke(struct filler *filler);

/* A flight has ended, whoever it was for. */
void filler_flight_ended(struct filler *filler, bool landed);

#endif
