/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_GOSSIP_TABLE_H
#define POND_CACHE_GOSSIP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/heartbeat.h"
#include "src/base/time.h"

/*
 * Who was heard by heartbeat (cache/gossip.h decides what becomes of them): found by name and by
 * the addresses that it tells. Bounded as a whole, and for each address that heartbeats come from:
 * so no host fills it with names. Pure: no clock, no allocation. One thread.
 */
enum {
    GOSSIP_NODES_MAX = 4096,
    GOSSIP_NAMES_MAX = 32, /* that are heard from one address: several nodes of a host, or names
                              that it had one after another */
    GOSSIP_BUCKETS = 4096,
    GOSSIP_PLACES = GOSSIP_NODES_MAX * HEARTBEAT_ADDRESSES_MAX
};
_Static_assert(GOSSIP_PLACES < UINT16_MAX, "places are kept in 16 bits");

struct gossip_node {
    struct heartbeat beat; /* the last one */
    struct address from;   /* where that came from, with its port: one of the addresses in it */
    mono_t heard;
    bool member;
    bool vouched;
    bool lost;
};

struct gossip_table {
    uint64_t seed; /* of the hashes: so that no stranger knows what falls together */
    size_t count;
    struct gossip_node list[GOSSIP_NODES_MAX];
    /* A place + 1, 0: none. By name, of nodes in the list; by address, of all of their addresses,
     * node by node. */
    uint16_t first[GOSSIP_BUCKETS], next[GOSSIP_NODES_MAX];
    uint16_t first_at[GOSSIP_BUCKETS], next_at[GOSSIP_PLACES];
};

struct gossip_node *gossip_table_find(struct gossip_table *table, const char *node);

/* Is a node that is not lost at this address, whatever the port? */
bool gossip_table_is_at(const struct gossip_table *table, const struct address *host);

/* Where one that is new, and heard from there, can go. Either it is free, without a name; or who is
 * in it makes room, and is cleared first: of that address's nodes where it has as many as it may,
 * else of all the one that is no member, and was unheard for longest. NULL: all that speak from
 * that address were heard since `stale`. */
struct gossip_node *gossip_table_room(struct gossip_table *table, const struct address *from,
                                      mono_t stale);

/* Forgets who is in the place. */
void gossip_table_clear(struct gossip_table *table, struct gossip_node *node);

/* What the node says now: its first, in a place that is free, or a later one of the same name. */
void gossip_table_set(struct gossip_table *table, struct gossip_node *node,
                      const struct heartbeat *beat);

#endif
