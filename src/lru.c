/* SPDX-License-Identifier: ISC */
#include "src/lru.h"

#include <stdlib.h>

#include "src/base/must.h"

struct link {
    uint64_t hash;
    int next_of_hash;
    int older, newer; /* neighbours by use */
};

struct lru {
    int capacity;
    int used;
    int oldest, newest;
    uint64_t mask;
    int *heads; /* by hash */
    struct link links[];
};

struct lru *lru_new(int capacity)
{
    struct lru *lru = calloc(1, sizeof(*lru) + (size_t)capacity * sizeof(struct link));
    size_t heads = 1;

    MUST(lru != NULL && capacity > 0);
    while (heads < (size_t)capacity)
        heads *= 2;
    lru->capacity = capacity;
    lru->oldest = lru->newest = LRU_NONE;
    lru->mask = heads - 1;
    lru->heads = malloc(heads * sizeof(*lru->heads));
    MUST(lru->heads != NULL);
    for (size_t i = 0; i < heads; i++)
        lru->heads[i] = LRU_NONE;
    return lru;
}

void lru_free(struct lru *lru)
{
    if (!lru)
        return;
    free(lru->heads);
    free(lru);
}

uint64_t lru_hash(struct span key, uint64_t secret)
{
    uint64_t hash = secret ^ 0xcbf29ce484222325u;

    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.at[i]) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

int lru_first(const struct lru *lru, uint64_t hash)
{
    int row = lru->heads[hash & lru->mask];

    while (row != LRU_NONE && lru->links[row].hash != hash)
        row = lru->links[row].next_of_hash;
    return row;
}

int lru_next(const struct lru *lru, int row)
{
    uint64_t hash = lru->links[row].hash;

    do
        row = lru->links[row].next_of_hash;
    while (row != LRU_NONE && lru->links[row].hash != hash);
    return row;
}

static void unlink_use(struct lru *lru, int row)
{
    struct link *link = &lru->links[row];

    if (link->older == LRU_NONE)
        lru->oldest = link->newer;
    else
        lru->links[link->older].newer = link->newer;
    if (link->newer == LRU_NONE)
        lru->newest = link->older;
    else
        lru->links[link->newer].older = link->older;
}

static void link_use(struct lru *lru, int row)
{
    lru->links[row].older = lru->newest;
    lru->links[row].newer = LRU_NONE;
    if (lru->newest == LRU_NONE)
        lru->oldest = row;
    else
        lru->links[lru->newest].newer = row;
    lru->newest = row;
}

void lru_use(struct lru *lru, int row)
{
    MUST(row >= 0 && row < lru->used);
    if (row == lru->newest)
        return;
    unlink_use(lru, row);
    link_use(lru, row);
}

static void forget_hash(struct lru *lru, int row)
{
    int *at = &lru->heads[lru->links[row].hash & lru->mask];

    while (*at != row)
        at = &lru->links[*at].next_of_hash;
    *at = lru->links[row].next_of_hash;
}

int lru_take(struct lru *lru, uint64_t hash, bool *taken_over)
{
    int row = lru->used;

    *taken_over = lru->used == lru->capacity;
    if (*taken_over) {
        row = lru->oldest;
        unlink_use(lru, row);
        forget_hash(lru, row);
    } else {
        lru->used++;
    }
    lru->links[row].hash = hash;
    lru->links[row].next_of_hash = lru->heads[hash & lru->mask];
    lru->heads[hash & lru->mask] = row;
    link_use(lru, row);
    return row;
}
