/* SPDX-License-Identifier: ISC */
#include "src/holders.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

enum { BUCKETS = HOLDERS_MAX, NONE = 0 };

struct word {
    struct digest sha256;
    struct address http;
    size_t next;    /* in its bucket: place + 1; NONE */
    bool forgotten; /* in no bucket */
};

struct holders {
    pthread_mutex_t lock;
    size_t count;
    size_t oldest; /* the place that is taken next */
    size_t first[BUCKETS];
    struct word words[HOLDERS_MAX];
};

struct holders *holders_new(void)
{
    struct holders *holders = calloc(1, sizeof(*holders));

    MUST(holders != NULL);
    MUST(pthread_mutex_init(&holders->lock, NULL) == 0);
    return holders;
}

void holders_free(struct holders *holders)
{
    if (!holders)
        return;
    pthread_mutex_destroy(&holders->lock);
    free(holders);
}

static size_t *bucket_of(struct holders *holders, const struct digest *sha256)
{
    uint16_t hash;

    memcpy(&hash, sha256->bytes, sizeof(hash));
    return &holders->first[hash % BUCKETS];
}

static void unlink_word(struct holders *holders, size_t place)
{
    size_t *at = bucket_of(holders, &holders->words[place].sha256);

    while (*at != place + 1)
        at = &holders->words[*at - 1].next;
    *at = holders->words[place].next;
}

static bool is_known(struct holders *holders, const struct digest *sha256,
                     const struct address *http)
{
    for (size_t at = *bucket_of(holders, sha256); at != NONE; at = holders->words[at - 1].next) {
        const struct word *word = &holders->words[at - 1];
        if (digest_same(&word->sha256, sha256) && address_same(&word->http, http))
            return true;
    }
    return false;
}

static void enter(struct holders *holders, const struct digest *sha256, const struct address *http)
{
    size_t place = holders->oldest, *bucket = bucket_of(holders, sha256);

    if (holders->count < HOLDERS_MAX)
        holders->count++;
    else if (!holders->words[place].forgotten)
        unlink_word(holders, place);
    holders->words[place] = (struct word){.sha256 = *sha256, .http = *http, .next = *bucket};
    *bucket = place + 1;
    holders->oldest = (place + 1) % HOLDERS_MAX;
}

void holders_note(struct holders *holders, const struct digest *sha256, const struct address *http)
{
    pthread_mutex_lock(&holders->lock);
    if (!is_known(holders, sha256, http))
        enter(holders, sha256, http);
    pthread_mutex_unlock(&holders->lock);
}

static void forget_word(struct holders *holders, size_t place)
{
    unlink_word(holders, place);
    holders->words[place].forgotten = true;
}

void holders_forget(struct holders *holders, const struct address *http)
{
    pthread_mutex_lock(&holders->lock);
    for (size_t place = 0; place < holders->count; place++) {
        const struct word *word = &holders->words[place];
        if (!word->forgotten && address_same(&word->http, http))
            forget_word(holders, place);
    }
    pthread_mutex_unlock(&holders->lock);
}

void holders_gone(struct holders *holders, const struct digest *sha256, const struct address *http)
{
    size_t at;

    pthread_mutex_lock(&holders->lock);
    at = *bucket_of(holders, sha256);
    while (at != NONE && !(digest_same(&holders->words[at - 1].sha256, sha256) &&
                           address_same(&holders->words[at - 1].http, http)))
        at = holders->words[at - 1].next;
    if (at != NONE)
        forget_word(holders, at - 1);
    pthread_mutex_unlock(&holders->lock);
}

size_t holders_find(struct holders *holders, const struct digest *sha256, struct address *out,
                    size_t most)
{
    size_t count = 0;

    pthread_mutex_lock(&holders->lock);
    for (size_t at = *bucket_of(holders, sha256); at != NONE && count < most;
         at = holders->words[at - 1].next) {
        if (digest_same(&holders->words[at - 1].sha256, sha256))
            out[count++] = holders->words[at - 1].http;
    }
    pthread_mutex_unlock(&holders->lock);
    return count;
}
