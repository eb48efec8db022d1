/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>
#include <xxhash.h>

#include "src/base/must.h"

/* Dice, hashes and sets of hashes. */

bool sim_chance(struct sim *sim, unsigned thousandths)
{
    return rng_below(&sim->rng, 1000) < thousandths;
}

int64_t sim_between(struct sim *sim, int64_t least, int64_t most)
{
    return least + (int64_t)rng_below(&sim->rng, (uint64_t)(most - least + 1));
}

int64_t sim_scale(struct sim *sim, int64_t least, int64_t most)
{
    unsigned magnitudes = 1;
    int64_t from;

    while (least << magnitudes < most)
        magnitudes++;
    from = least << rng_below(&sim->rng, magnitudes);
    return sim_between(sim, from, 2 * from < most ? 2 * from : most);
}

uint64_t sim_hash(const void *bytes, size_t len, uint64_t seed)
{
    uint64_t hash = XXH3_64bits(bytes, len) ^ seed * 0x9e3779b97f4a7c15u;

    hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9u;
    return hash ? hash : 1;
}

/* ---- sets ------------------------------------------------------------------------------------ */

static size_t set_place(const struct sim_set *set, uint64_t number)
{
    size_t i = (size_t)(number * 0x9e3779b97f4a7c15u) & (set->cap - 1);

    while (set->at[i] && set->at[i] != number)
        i = (i + 1) & (set->cap - 1);
    return i;
}

static void set_grow(struct sim_set *set)
{
    struct sim_set bigger = {.cap = set->cap ? 2 * set->cap : 256};

    bigger.at = calloc(bigger.cap, sizeof(*bigger.at));
    MUST(bigger.at != NULL);
    for (size_t i = 0; i < set->cap; i++)
        if (set->at[i])
            bigger.at[set_place(&bigger, set->at[i])] = set->at[i];
    bigger.used = set->used;
    free(set->at);
    *set = bigger;
}

bool sim_set_add(struct sim_set *set, uint64_t number)
{
    size_t i;

    MUST(number != 0);
    if (2 * set->used >= set->cap)
        set_grow(set);
    i = set_place(set, number);
    if (set->at[i])
        return false;
    set->at[i] = number;
    set->used++;
    return true;
}

bool sim_set_has(const struct sim_set *set, uint64_t number)
{
    return set->used && set->at[set_place(set, number)] == number;
}

void sim_set_free(struct sim_set *set)
{
    free(set->at);
    *set = (struct sim_set){0};
}
