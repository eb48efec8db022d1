/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_CACHE_LOOP_INNER_H
#define POND_SRC_CACHE_LOOP_INNER_H

#include <ev.h>

#include "src/audience.h"
#include "src/cache_loop.h"
#include "src/known.h"

/* What the files of the cache's loop (src/cache_loop*.c) share; nobody else includes it. */
enum { CACHE_LOOP_MAGIC = 0x636c6f6f };

struct cache_loop {
    unsigned magic;
    struct cache_loop_options options;
    struct exchange *exchange;
    struct asks *asks;
    struct learn *learn;
    struct audience *audience;
    struct known *known;
    struct route_place place; /* as the machine was told */
    struct udp *udp;          /* NULL once stopped */
    struct address *singles;  /* the members that are named singly, sorted */
    size_t single_count;
    uint64_t singles_generation;
    struct ev_timer recheck;
    size_t unchecked; /* the peers before this one are still to be looked at */
    struct address *joined;
    size_t joined_count; /* still to be introduced */
    struct ev_timer timer;
    mono_t armed; /* the deadline that the timer runs to */
    struct ev_timer clock;
    struct exchange_actions actions;
};

/* ---- cache_loop.c --------------------------------------------------------------------------- */

/* One event in, its actions out. What *event holds afterwards means nothing. */
void cache_loop_step(struct cache_loop *cache, struct exchange_event *event);
void cache_loop_flush(struct cache_loop *cache); /* sends what the steps have said */

/* ---- cache_loop_store.c: what the machine has the store do ------------------------------------
 */

void cache_loop_confirm(struct cache_loop *cache, const struct exchange_action *action);
void cache_loop_want(struct cache_loop *cache, const struct exchange_action *action);

/* ---- cache_loop_members.c: members that join and leave --------------------------------------- */

void cache_loop_members_begin(struct cache_loop *cache); /* introduces them all */
void cache_loop_members_end(struct cache_loop *cache);

#endif
