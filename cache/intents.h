/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_INTENTS_H
#define POND_CACHE_INTENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "cache/files.h"

/*
 * Which content files a group of changes brings and takes away, in tmp/intents while the group is
 * under way: so the next start finds what a crash left without looking at every file. The file is
 * not synced: after a power cut a stray content file may stay, until the next verify or rebuild.
 */
enum intent {
    INTENT_PUT =
        'p', /* a put brings it, or it was fetched and is small: without a commit it goes */
    INTENT_LAND = 'l', /* it was fetched: without a commit it is partial content again */
    INTENT_DROP = 'd'  /* nobody refers to it any more, or it had to make room: it goes */
};

struct intents {
    struct intent_row {
        char kind;
        struct digest sha256;
    } * rows;
    size_t count, room;
};

void intents_add(struct intents *intents, enum intent kind, const struct digest *sha256);
enum store_status intents_save(const struct home *home, const struct intents *intents);

/* The group has ended, one way or the other. */
void intents_clear(const struct home *home, struct intents *intents);

/* Finishes what the last run left: for each content that the catalogue does not hold. */
void intents_finish(struct store *store);

#endif
