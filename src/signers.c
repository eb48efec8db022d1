/* SPDX-License-Identifier: ISC */
#include "src/signers.h"

#include <pthread.h>
#include <stdlib.h>

#include "src/base/lock.h"
#include "src/base/must.h"
#include "src/lru.h"

struct signer {
    struct address from;
    uint64_t generation; /* of the keys */
    size_t key;          /* as signers_find tells it */
};

struct signers {
    pthread_mutex_t lock; /* guards all below */
    const struct keyring *keyring;
    struct lru *lru;
    struct signer rows[SIGNERS_MAX];
};

struct signers *signers_new(const struct keyring *keyring)
{
    struct signers *signers = calloc(1, sizeof(*signers));

    MUST(signers != NULL);
    lock_init(&signers->lock);
    signers->keyring = keyring;
    signers->lru = lru_new(SIGNERS_MAX);
    return signers;
}

void signers_free(struct signers *signers)
{
    if (!signers)
        return;
    lru_free(signers->lru);
    pthread_mutex_destroy(&signers->lock);
    free(signers);
}

static uint64_t hash_of(const struct address *from)
{
    return lru_hash((struct span){(const char *)from->ip, sizeof(from->ip)}, from->scope);
}

static int find(const struct signers *signers, const struct address *from, uint64_t hash)
{
    int row = lru_first(signers->lru, hash);

    while (row != LRU_NONE && !address_same_host(&signers->rows[row].from, from))
        row = lru_next(signers->lru, row);
    return row;
}

void signers_note(struct signers *signers, const struct address *from, bool is_signed, size_t key)
{
    uint64_t hash = hash_of(from);
    bool taken_over;
    int row;

    pthread_mutex_lock(&signers->lock);
    row = find(signers, from, hash);
    if (row == LRU_NONE)
        row = lru_take(signers->lru, hash, &taken_over);
    else
        lru_use(signers->lru, row);
    signers->rows[row] =
        (struct signer){*from, keyring_generation(signers->keyring), is_signed ? key + 1 : 0};
    pthread_mutex_unlock(&signers->lock);
}

bool signers_find(struct signers *signers, const struct address *from, size_t *key)
{
    uint64_t hash = hash_of(from);
    bool found;
    int row;

    pthread_mutex_lock(&signers->lock);
    row = find(signers, from, hash);
    found =
        row != LRU_NONE && signers->rows[row].generation == keyring_generation(signers->keyring);
    if (found)
        *key = signers->rows[row].key;
    pthread_mutex_unlock(&signers->lock);
    return found;
}
