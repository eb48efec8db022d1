/* SPDX-License-Identifier: ISC */
#include "src/asks.h"

#include <stdlib.h>

#include "src/base/must.h"

/* A ticket is a slot's number and how often the slot was used, so that an old ticket is known for
 * old: slot + ASKS_MAX * use, with uses counted from 1. */
struct slot {
    struct ask *ask;
    uint64_t use;
    size_t next_free;
};

struct asks {
    size_t first_free; /* ASKS_MAX: none */
    struct slot slots[ASKS_MAX];
};

struct asks *asks_new(void)
{
    struct asks *asks = calloc(1, sizeof(*asks));

    MUST(asks != NULL);
    for (size_t i = 0; i < ASKS_MAX; i++)
        asks->slots[i].next_free = i + 1;
    return asks;
}

void asks_free(struct asks *asks)
{
    if (!asks)
        return;
    for (size_t i = 0; i < ASKS_MAX; i++)
        MUST(asks->slots[i].ask == NULL);
    free(asks);
}

uint64_t asks_add(struct asks *asks, struct ask *ask)
{
    size_t at = asks->first_free;
    struct slot *slot = &asks->slots[at];

    if (at == ASKS_MAX)
        return 0;
    asks->first_free = slot->next_free;
    slot->ask = ask;
    slot->use++;
    return slot->use * ASKS_MAX + at;
}

static struct ask *take(struct asks *asks, uint64_t ticket)
{
    size_t at = ticket % ASKS_MAX;
    struct slot *slot = &asks->slots[at];
    struct ask *ask = slot->ask;

    if (!ask || slot->use != ticket / ASKS_MAX)
        return NULL;
    slot->ask = NULL;
    slot->next_free = asks->first_free;
    asks->first_free = at;
    return ask;
}

void asks_answer(struct asks *asks, const struct exchange_action *answer)
{
    struct ask *ask = take(asks, answer->ticket);

    if (!ask)
        return;
    MUST(answer->source_count <= EXCHANGE_SURVEY_MAX);
    ask->found = answer->found;
    ask->busy = answer->busy;
    ask->replaced = answer->replaced;
    ask->source_count = answer->source_count;
    for (size_t i = 0; i < ask->source_count; i++)
        ask->sources[i] = answer->sources[i];
    ask->done(ask);
}

void asks_drop(struct asks *asks, uint64_t ticket)
{
    struct ask *ask = take(asks, ticket);

    if (ask)
        ask_refuse(ask);
}

void ask_refuse(struct ask *ask)
{
    ask->found = false;
    ask->busy = true;
    ask->source_count = 0;
    ask->done(ask);
}

void asks_end(struct asks *asks)
{
    for (size_t i = 0; i < ASKS_MAX; i++) {
        if (asks->slots[i].ask)
            ask_refuse(take(asks, asks->slots[i].use * ASKS_MAX + i));
    }
}
