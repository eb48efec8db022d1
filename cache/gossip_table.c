/* SPDX-License-Identifier: ISC */
#include "cache/gossip_table.h"

#include <string.h>

#include "src/base/must.h"

/* ---- chains ---------------------------------------------------------------------------------- */

/* FNV-1a, from where no stranger knows it to begin. */
static size_t bucket_of(const struct gossip_table *table, struct span key)
{
    uint64_t hash = table->seed;

    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (uint8_t)key.at[i]) * 0x100000001b3u;
    return (hash ^ hash >> 32) % GOSSIP_BUCKETS;
}

static size_t bucket_at(const struct gossip_table *table, const struct address *host)
{
    return bucket_of(table, (struct span){(const char *)host->ip, sizeof(host->ip)});
}

static void enter(uint16_t *first, uint16_t *next, size_t place)
{
    next[place] = *first;
    *first = (uint16_t)(place + 1);
}

static void leave(uint16_t *first, uint16_t *next, size_t place)
{
    while (*first != place + 1) {
        MUST(*first);
        first = &next[*first - 1];
    }
    *first = next[place];
}

static size_t place_of(const struct gossip_table *table, const struct gossip_node *node)
{
    return (size_t)(node - table->list);
}

static void enter_addresses(struct gossip_table *table, const struct gossip_node *node)
{
    size_t place = place_of(table, node) * HEARTBEAT_ADDRESSES_MAX;

    for (size_t i = 0; i < node->beat.address_count; i++)
        enter(&table->first_at[bucket_at(table, &node->beat.addresses[i])], table->next_at,
              place + i);
}

static void leave_addresses(struct gossip_table *table, const struct gossip_node *node)
{
    size_t place = place_of(table, node) * HEARTBEAT_ADDRESSES_MAX;

    for (size_t i = 0; i < node->beat.address_count; i++)
        leave(&table->first_at[bucket_at(table, &node->beat.addresses[i])], table->next_at,
              place + i);
}

/* ---- finding --------------------------------------------------------------------------------- */

struct gossip_node *gossip_table_find(struct gossip_table *table, const char *node)
{
    for (size_t at = table->first[bucket_of(table, span_of(node))]; at; at = table->next[at - 1]) {
        if (strcmp(table->list[at - 1].beat.node, node) == 0)
            return &table->list[at - 1];
    }
    return NULL;
}

/* The node at a place of the chains by address, where it tells that address there. */
static const struct gossip_node *who_tells(const struct gossip_table *table, size_t place,
                                           const struct address *host)
{
    const struct gossip_node *node = &table->list[place / HEARTBEAT_ADDRESSES_MAX];
    const struct address *told = &node->beat.addresses[place % HEARTBEAT_ADDRESSES_MAX];

    return address_same_host(told, host) ? node : NULL;
}

bool gossip_table_is_at(const struct gossip_table *table, const struct address *host)
{
    for (size_t at = table->first_at[bucket_at(table, host)]; at; at = table->next_at[at - 1]) {
        const struct gossip_node *node = who_tells(table, at - 1, host);
        if (node && !node->lost)
            return true;
    }
    return false;
}

/* ---- room ------------------------------------------------------------------------------------ */

/* Of the nodes that speak from there: how many, and the one unheard for longest. */
static size_t count_from(const struct gossip_table *table, const struct address *from,
                         const struct gossip_node **oldest)
{
    size_t count = 0;

    *oldest = NULL;
    for (size_t at = table->first_at[bucket_at(table, from)]; at; at = table->next_at[at - 1]) {
        const struct gossip_node *node = who_tells(table, at - 1, from);
        if (!node || !address_same_host(&node->from, from))
            continue;
        count++;
        if (!*oldest || node->heard.ns < (*oldest)->heard.ns)
            *oldest = node;
    }
    return count;
}

/* Members stay where others can go. */
static bool goes_before(const struct gossip_node *a, const struct gossip_node *b)
{
    if (a->member != b->member)
        return !a->member;
    return a->heard.ns < b->heard.ns;
}

struct gossip_node *gossip_table_room(struct gossip_table *table, const struct address *from,
                                      mono_t stale)
{
    const struct gossip_node *oldest;
    size_t place = 0;

    if (count_from(table, from, &oldest) >= GOSSIP_NAMES_MAX)
        return oldest->lost || mono_reached(stale, oldest->heard)
                   ? &table->list[place_of(table, oldest)]
                   : NULL;
    if (table->count < GOSSIP_NODES_MAX)
        return &table->list[table->count++];
    for (size_t i = 1; i < GOSSIP_NODES_MAX; i++)
        place = goes_before(&table->list[i], &table->list[place]) ? i : place;
    return &table->list[place];
}

void gossip_table_clear(struct gossip_table *table, struct gossip_node *node)
{
    MUST(*node->beat.node);
    leave_addresses(table, node);
    leave(&table->first[bucket_of(table, span_of(node->beat.node))], table->next,
          place_of(table, node));
    *node = (struct gossip_node){.lost = true};
}

/* In the same order, so that its places in the chains stay. */
static bool same_addresses(const struct heartbeat *a, const struct heartbeat *b)
{
    bool same = a->address_count == b->address_count;

    for (size_t i = 0; same && i < a->address_count; i++)
        same = address_same_host(&a->addresses[i], &b->addresses[i]);
    return same;
}

void gossip_table_set(struct gossip_table *table, struct gossip_node *node,
                      const struct heartbeat *beat)
{
    bool is_new = !*node->beat.node;
    bool stays = same_addresses(&node->beat, beat);

    MUST(*beat->node && (is_new || strcmp(node->beat.node, beat->node) == 0));
    if (!stays)
        leave_addresses(table, node);
    node->beat = *beat;
    if (!stays)
        enter_addresses(table, node);
    if (is_new)
        enter(&table->first[bucket_of(table, span_of(beat->node))], table->next,
              place_of(table, node));
}
