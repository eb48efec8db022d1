/* SPDX-License-Identifier: ISC */
#include "src/replay.h"

#include <stdlib.h>
#include <string.h>

#include "cache/name.h"
#include "src/base/must.h"
#include "src/lru.h"

struct heard {
    char node[NODE_SIZE];
    uint64_t boot; /* that was heard last */
    mono_t at;
    struct address from;
    uint64_t highest;           /* boot */
    struct replay_window top;   /* of the highest */
    struct replay_window lower; /* of `boot`, where that is a lower one */
};

struct replay {
    struct lru *lru;
    struct heard rows[REPLAY_NODES];
};

struct replay *replay_new(void)
{
    struct replay *replay = calloc(1, sizeof(*replay));

    MUST(replay != NULL);
    replay->lru = lru_new(REPLAY_NODES);
    return replay;
}

void replay_free(struct replay *replay)
{
    if (!replay)
        return;
    lru_free(replay->lru);
    free(replay);
}

static uint64_t *word_of(struct replay_window *window, uint64_t counter)
{
    return &window->bits[counter % REPLAY_WINDOW / 64];
}

/* Moves the window up to a new top, and clears what it passes over. */
static void raise(struct replay_window *window, uint64_t counter)
{
    if (!window->any || counter - window->top >= REPLAY_WINDOW) {
        memset(window->bits, 0, sizeof(window->bits));
    } else {
        for (uint64_t c = window->top + 1; c != counter; c++)
            *word_of(window, c) &= ~((uint64_t)1 << c % 64);
    }
    window->any = true;
    window->top = counter;
    *word_of(window, counter) |= (uint64_t)1 << counter % 64;
}

bool replay_window_take(struct replay_window *window, uint64_t counter)
{
    uint64_t bit = (uint64_t)1 << counter % 64;

    if (!window->any || counter > window->top) {
        raise(window, counter);
        return true;
    }
    if (window->top - counter >= REPLAY_WINDOW || *word_of(window, counter) & bit)
        return false;
    *word_of(window, counter) |= bit;
    return true;
}

static int find(const struct replay *replay, struct span node, uint64_t hash)
{
    int row = lru_first(replay->lru, hash);

    while (row != LRU_NONE && !span_is(node, replay->rows[row].node))
        row = lru_next(replay->lru, row);
    return row;
}

static struct heard *add(struct replay *replay, struct span node, uint64_t hash)
{
    bool taken_over;
    struct heard *heard = &replay->rows[lru_take(replay->lru, hash, &taken_over)];

    MUST(span_copy(node, heard->node, sizeof(heard->node)));
    heard->boot = heard->highest = 0;
    heard->top.any = false;
    return heard;
}

/* The window for what is said under this boot. */
static struct replay_window *window_of(struct heard *heard, uint64_t boot)
{
    if (boot > heard->highest) {
        heard->highest = boot;
        heard->top.any = false;
    }
    if (boot == heard->highest)
        return &heard->top;
    if (boot != heard->boot)
        heard->lower.any = false;
    return &heard->lower;
}

enum replay_verdict replay_take(struct replay *replay, mono_t now, struct span node, uint64_t boot,
                                uint64_t counter, const struct address *from, struct address *known)
{
    uint64_t hash = lru_hash(node, 0);
    int row = find(replay, node, hash);
    struct heard *heard;

    if (row == LRU_NONE) {
        heard = add(replay, node, hash);
    } else {
        heard = &replay->rows[row];
        if (boot < heard->boot && mono_between(heard->at, now) < REPLAY_SILENCE) {
            *known = heard->from;
            return REPLAY_OLD_BOOT;
        }
        lru_use(replay->lru, row);
    }
    if (!replay_window_take(window_of(heard, boot), counter))
        return REPLAY_SEEN;
    heard->boot = boot;
    heard->at = now;
    heard->from = *from;
    return REPLAY_FRESH;
}
