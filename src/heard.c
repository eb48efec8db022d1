/* SPDX-License-Identifier: ISC */
#include "src/heard.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/lock.h"
#include "src/base/must.h"
#include "src/base/node.h"
#include "src/lru.h"

struct heard_node {
    char node[NODE_SIZE];
    size_t count;
    struct address list[HEARD_ADDRESSES]; /* the one heard last first */
};

struct heard {
    pthread_mutex_t lock; /* guards all below */
    struct lru *lru;
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

static struct heard_node *add(struct heard *heard, struct span node, uint64_t hash)
{
    bool taken_over;
    struct heard_node *row = &heard->rows[lru_take(heard->lru, hash, &taken_over)];

    MUST(span_copy(node, row->node, sizeof(row->node)));
    row->count = 0;
    return row;
}

/* Where it stands among the node's addresses, or where it may: at the end, or over the last. */
static size_t place_of(struct heard_node *row, const struct address *from)
{
    size_t i = 0;

    while (i < row->count && !address_same_host(&row->list[i], from))
        i++;
    if (i == row->count && row->count < HEARD_ADDRESSES)
        row->count++;
    return i < HEARD_ADDRESSES ? i : HEARD_ADDRESSES - 1;
}

static void move_to_front(struct heard_node *row, const struct address *from)
{
    size_t place = place_of(row, from);

    memmove(&row->list[1], &row->list[0], place * sizeof(row->list[0]));
    row->list[0] = *from;
    row->list[0].port = 0;
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
    move_to_front(known, from);
    pthread_mutex_unlock(&heard->lock);
}

size_t heard_find(struct heard *heard, struct span node, struct address out[HEARD_ADDRESSES])
{
    uint64_t hash = lru_hash(node, 0);
    size_t count = 0;
    int row;

    pthread_mutex_lock(&heard->lock);
    row = find(heard, node, hash);
    if (row != LRU_NONE) {
        count = heard->rows[row].count;
        memcpy(out, heard->rows[row].list, count * sizeof(*out));
    }
    pthread_mutex_unlock(&heard->lock);
    return count;
}
