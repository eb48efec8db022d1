/* SPDX-License-Identifier: ISC */
#include "src/heard.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/lock.h"
#include "src/base/must.h"
#include "src/lru.h"

/* An address of a node, in the chain of those with the same hash. Numbered from 1: 0 is none. */
struct heard_place {
    struct address address;
    uint16_t next;
};

struct heard_node {
    char node[NODE_SIZE];
    bool below;
    size_t count;
    uint8_t order[HEARD_ADDRESSES]; /* of its places: the one heard last first */
    struct heard_place places[HEARD_ADDRESSES];
};

enum { CHAINS = 16384 };
_Static_assert(HEARD_NODES *HEARD_ADDRESSES < UINT16_MAX, "places have a number");

struct heard {
    pthread_mutex_t lock; /* guards all below */
    struct lru *lru;
    uint16_t chains[CHAINS]; /* by address: the first place */
    struct heard_node rows[HEARD_NODES];
};

struct heard *heard_new(void)
{
    struct heard *heard = calloc(1, sizeof(*heard));

    MUST(heard != NULL);
    lock_init(&heard->lock);
    heard->lru = lru_new(HEARD_NODES);
    return heard;
}

void heard_free(struct heard *heard)
{
    if (!heard)
        return;
    lru_free(heard->lru);
    pthread_mutex_destroy(&heard->lock);
    free(heard);
}

static int find(const struct heard *heard, struct span node, uint64_t hash)
{
    int row = lru_first(heard->lru, hash);

    while (row != LRU_NONE && !span_is(node, heard->rows[row].node))
        row = lru_next(heard->lru, row);
    return row;
}

/* ---- by address ------------------------------------------------------------------------------ */

static uint16_t number_of(const struct heard *heard, const struct heard_node *row, size_t place)
{
    return (uint16_t)((size_t)(row - heard->rows) * HEARD_ADDRESSES + place + 1);
}

static struct heard_place *place_at(struct heard *heard, uint16_t number)
{
    size_t index = number - 1u;

    return &heard->rows[index / HEARD_ADDRESSES].places[index % HEARD_ADDRESSES];
}

static uint16_t *chain_of(struct heard *heard, const struct address *address)
{
    struct span ip = {(const char *)address->ip, sizeof(address->ip)};

    return &heard->chains[lru_hash(ip, 0) % CHAINS];
}

static void enter_place(struct heard *heard, struct heard_node *row, size_t place,
                        const struct address *from)
{
    uint16_t *chain = chain_of(heard, from);

    row->places[place] = (struct heard_place){*from, *chain};
    row->places[place].address.port = 0;
    *chain = number_of(heard, row, place);
}

static void leave_place(struct heard *heard, const struct heard_node *row, size_t place)
{
    uint16_t *at = chain_of(heard, &row->places[place].address);
    uint16_t number = number_of(heard, row, place);

    while (*at != number)
        at = &place_at(heard, *at)->next;
    *at = row->places[place].next;
}

/* ---- by node --------------------------------------------------------------------------------- */

static struct heard_node *add(struct heard *heard, struct span node, uint64_t hash)
{
    bool taken_over;
    struct heard_node *row = &heard->rows[lru_take(heard->lru, hash, &taken_over)];

    for (size_t i = 0; i < row->count; i++)
        leave_place(heard, row, row->order[i]);
    MUST(span_copy(node, row->node, sizeof(row->node)));
    row->below = false;
    row->count = 0;
    return row;
}

/* Where it stands in the node's order; at the end, or over the last one, where it is new. */
static size_t find_or_enter(struct heard *heard, struct heard_node *row, const struct address *from)
{
    size_t i = 0;

    while (i < row->count && !address_same_host(&row->places[row->order[i]].address, from))
        i++;
    if (i < row->count)
        return i;
    if (row->count < HEARD_ADDRESSES)
        row->order[row->count] = (uint8_t)row->count, row->count++;
    else
        leave_place(heard, row, row->order[row->count - 1]);
    enter_place(heard, row, row->order[row->count - 1], from);
    return row->count - 1;
}

static void move_to_front(struct heard *heard, struct heard_node *row, const struct address *from)
{
    size_t i = find_or_enter(heard, row, from);
    uint8_t place = row->order[i];

    memmove(&row->order[1], &row->order[0], i * sizeof(row->order[0]));
    row->order[0] = place;
}

void heard_note(struct heard *heard, struct span node, const struct address *from)
{
    uint64_t hash = lru_hash(node, 0);
    struct heard_node *known;
    int row;

    pthread_mutex_lock(&heard->lock);
    row = find(heard, node, hash);
    if (row == LRU_NONE) {
        known = add(heard, node, hash);
    } else {
        known = &heard->rows[row];
        lru_use(heard->lru, row);
    }
    move_to_front(heard, known, from);
    pthread_mutex_unlock(&heard->lock);
}

size_t heard_find(struct heard *heard, struct span node, struct address out[HEARD_ADDRESSES])
{
    size_t count = 0;
    int row;

    pthread_mutex_lock(&heard->lock);
    row = find(heard, node, lru_hash(node, 0));
    for (; row != LRU_NONE && count < heard->rows[row].count; count++) {
        const struct heard_node *known = &heard->rows[row];
        out[count] = known->places[known->order[count]].address;
    }
    pthread_mutex_unlock(&heard->lock);
    return count;
}

size_t heard_at(struct heard *heard, const struct address *from, heard_wants *wants, void *arg,
                char out[HEARD_NAMES][NODE_SIZE])
{
    size_t count = 0, looked_at = 0;

    pthread_mutex_lock(&heard->lock);
    for (uint16_t at = *chain_of(heard, from);
         at && count < HEARD_NAMES && looked_at < HEARD_NAMES_LOOKED_AT;
         at = place_at(heard, at)->next) {
        const char *node = heard->rows[(at - 1u) / HEARD_ADDRESSES].node;
        if (!address_same_host(&place_at(heard, at)->address, from))
            continue;
        looked_at++;
        if (wants(arg, node))
            memcpy(out[count++], node, NODE_SIZE);
    }
    pthread_mutex_unlock(&heard->lock);
    return count;
}

void heard_tell_below(struct heard *heard, struct span node, bool below)
{
    int row;

    pthread_mutex_lock(&heard->lock);
    row = find(heard, node, lru_hash(node, 0));
    if (row != LRU_NONE)
        heard->rows[row].below = below;
    pthread_mutex_unlock(&heard->lock);
}

bool heard_is_below(struct heard *heard, struct span node)
{
    bool below;
    int row;

    pthread_mutex_lock(&heard->lock);
    row = find(heard, node, lru_hash(node, 0));
    below = row != LRU_NONE && heard->rows[row].below;
    pthread_mutex_unlock(&heard->lock);
    return below;
}
