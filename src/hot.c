/* SPDX-License-Identifier: ISC */
#include "src/hot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "src/base/must.h"
#include "src/lru.h"

enum {
    HOT_MAGIC = 0x686f7474,
    ENTRY_MAGIC = 0x686f7465,
    BUCKETS = 4096,
    SEEN = 8192 /* what was asked for lately: so many, as far as they do not fall together */
};

struct hot_entry {
    uint32_t magic;
    _Atomic unsigned users; /* the table is one of them */
    struct hot *hot;
    _Atomic uint64_t edition;
    mono_t fresh_until;
    struct hot_answer answer;

    /* Under the lock, while it is in the table: */
    struct hot_entry *next_in_bucket;
    struct hot_entry *newer, *older;
    bool listed;

    uint64_t hash;
    uint64_t variant;
    size_t target_len;
    char target[];
};

struct hot {
    uint32_t magic;
    struct hot_options options;
    uint64_t secret;
    _Atomic size_t size;
    pthread_mutex_t lock; /* guards the rest */
    struct hot_entry *newest, *oldest;
    struct hot_entry *buckets[BUCKETS];
    uint32_t seen[SEEN]; /* hashes of keys, each in its place */
};

struct hot *hot_new(const struct hot_options *options)
{
    struct hot *hot = calloc(1, sizeof(*hot));

    MUST(hot != NULL);
    hot->magic = HOT_MAGIC;
    hot->options = *options;
    MUST(getrandom(&hot->secret, sizeof(hot->secret), 0) == sizeof(hot->secret));
    MUST(pthread_mutex_init(&hot->lock, NULL) == 0);
    return hot;
}

/* ---- entries --------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct hot *hot, const struct hot_key *key)
{
    return lru_hash(key->target, hot->secret) + key->variant * UINT64_C(0x9e3779b97f4a7c15);
}

static bool is_of(const struct hot_entry *e, uint64_t hash, const struct hot_key *key)
{
    return e->hash == hash && e->variant == key->variant && e->target_len == key->target.len &&
           memcmp(e->target, key->target.at, e->target_len) == 0;
}

void hot_leave(struct hot_entry *e)
{
    MUST_BE(e, ENTRY_MAGIC);
    if (atomic_fetch_sub(&e->users, 1) > 1)
        return;
    e->hot->options.drop(e->answer.response);
    e->magic = 0;
    free(e);
}

const struct hot_answer *hot_answer_of(const struct hot_entry *e)
{
    return &e->answer;
}

uint64_t hot_edition(const struct hot_entry *e)
{
    return atomic_load(&e->edition);
}

void hot_stands(struct hot_entry *e, uint64_t edition)
{
    atomic_store(&e->edition, edition);
}

void hot_gone(struct hot *hot, size_t size)
{
    MUST(atomic_fetch_sub(&hot->size, size) >= size);
}

size_t hot_size(const struct hot *hot)
{
    return atomic_load(&hot->size);
}

/* ---- the table: under the lock --------------------------------------------------------------- */

static struct hot_entry *look_up(const struct hot *hot, uint64_t hash, const struct hot_key *key)
{
    struct hot_entry *e = hot->buckets[hash % BUCKETS];

    while (e && !is_of(e, hash, key))
        e = e->next_in_bucket;
    return e;
}

static void unlink_age(struct hot *hot, struct hot_entry *e)
{
    *(e->newer ? &e->newer->older : &hot->newest) = e->older;
    *(e->older ? &e->older->newer : &hot->oldest) = e->newer;
}

static void link_newest(struct hot *hot, struct hot_entry *e)
{
    e->newer = NULL;
    e->older = hot->newest;
    *(e->older ? &e->older->newer : &hot->oldest) = e;
    hot->newest = e;
}

static void take_out(struct hot *hot, struct hot_entry *e)
{
    struct hot_entry **link = &hot->buckets[e->hash % BUCKETS];

    while (*link != e)
        link = &(*link)->next_in_bucket;
    *link = e->next_in_bucket;
    unlink_age(hot, e);
    e->listed = false;
    hot_leave(e);
}

static void put_in(struct hot *hot, struct hot_entry *e)
{
    struct hot_entry **bucket = &hot->buckets[e->hash % BUCKETS];

    e->next_in_bucket = *bucket;
    *bucket = e;
    link_newest(hot, e);
    e->listed = true;
}

/* ---- from outside ---------------------------------------------------------------------------- */

struct hot_entry *hot_find(struct hot *hot, const struct hot_key *key, mono_t now)
{
    uint64_t hash = hash_of(hot, key);
    struct hot_entry *e;

    MUST_BE(hot, HOT_MAGIC);
    pthread_mutex_lock(&hot->lock);
    e = look_up(hot, hash, key);
    if (e && mono_reached(now, e->fresh_until)) {
        take_out(hot, e);
        e = NULL;
    }
    if (e) {
        atomic_fetch_add(&e->users, 1);
        if (e != hot->newest) {
            unlink_age(hot, e);
            link_newest(hot, e);
        }
    }
    pthread_mutex_unlock(&hot->lock);
    return e;
}

void hot_forget(struct hot *hot, struct hot_entry *e)
{
    MUST_BE(hot, HOT_MAGIC);
    MUST_BE(e, ENTRY_MAGIC);
    pthread_mutex_lock(&hot->lock);
    if (e->listed)
        take_out(hot, e);
    pthread_mutex_unlock(&hot->lock);
}

bool hot_is_wanted(struct hot *hot, const struct hot_key *key)
{
    uint64_t hash = hash_of(hot, key);
    uint32_t mark = (uint32_t)(hash >> 32) | 1; /* 0: nothing was seen there */
    bool wanted;

    MUST_BE(hot, HOT_MAGIC);
    pthread_mutex_lock(&hot->lock);
    wanted = hot->seen[hash % SEEN] == mark;
    hot->seen[hash % SEEN] = mark;
    pthread_mutex_unlock(&hot->lock);
    return wanted;
}

static struct hot_entry *entry_new(struct hot *hot, const struct hot_key *key,
                                   const struct hot_answer *answer)
{
    struct hot_entry *e = malloc(sizeof(*e) + key->target.len);

    MUST(e != NULL);
    *e = (struct hot_entry){.magic = ENTRY_MAGIC,
                            .users = 1,
                            .hot = hot,
                            .answer = *answer,
                            .hash = hash_of(hot, key),
                            .variant = key->variant,
                            .target_len = key->target.len};
    memcpy(e->target, key->target.at, key->target.len);
    return e;
}

/* What is still being sent to somebody gives its room back when that is through, not before. */
bool hot_take_room(struct hot *hot, size_t size)
{
    bool taken;

    MUST_BE(hot, HOT_MAGIC);
    pthread_mutex_lock(&hot->lock);
    while (size > hot->options.most - hot_size(hot) && hot->oldest)
        take_out(hot, hot->oldest);
    taken = size <= hot->options.most - hot_size(hot);
    if (taken)
        atomic_fetch_add(&hot->size, size);
    pthread_mutex_unlock(&hot->lock);
    return taken;
}

void hot_keep(struct hot *hot, const struct hot_key *key, const struct hot_answer *answer,
              uint64_t edition, mono_t now)
{
    struct hot_entry *e = entry_new(hot, key, answer), *before;

    MUST_BE(hot, HOT_MAGIC);
    e->fresh_until = mono_after(now, hot->options.fresh_ns);
    atomic_store(&e->edition, edition);
    pthread_mutex_lock(&hot->lock);
    before = look_up(hot, e->hash, key);
    if (before)
        take_out(hot, before);
    put_in(hot, e);
    pthread_mutex_unlock(&hot->lock);
}

void hot_free(struct hot *hot)
{
    if (!hot)
        return;
    MUST_BE(hot, HOT_MAGIC);
    while (hot->oldest)
        take_out(hot, hot->oldest);
    MUST(hot_size(hot) == 0);
    pthread_mutex_destroy(&hot->lock);
    hot->magic = 0;
    free(hot);
}
