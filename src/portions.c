/* SPDX-License-Identifier: ISC */
#include "src/portions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "src/base/must.h"
#include "src/lru.h"

enum { PORTIONS_MAGIC = 0x706f7274, PORTIONS_BUCKETS = 1024 };

/* What one host has: there is none for who has nothing. */
struct portion {
    struct address host;
    uint64_t amount;
    struct portion *next;
};

struct portions {
    unsigned magic;
    struct portions_most most;
    uint64_t secret;
    pthread_mutex_t lock; /* guards the rest */
    uint64_t own, others; /* that they have */
    struct portion *buckets[PORTIONS_BUCKETS];
};

struct portions *portions_new(const struct portions_most *most)
{
    struct portions *p = calloc(1, sizeof(*p));

    MUST(p != NULL);
    MUST(most->host <= most->others && most->others <= most->whole);
    p->magic = PORTIONS_MAGIC;
    p->most = *most;
    MUST(getrandom(&p->secret, sizeof(p->secret), 0) == sizeof(p->secret));
    MUST(pthread_mutex_init(&p->lock, NULL) == 0);
    return p;
}

static void free_all(struct portion *portion)
{
    struct portion *next;

    for (; portion; portion = next) {
        next = portion->next;
        free(portion);
    }
}

void portions_free(struct portions *p)
{
    if (!p)
        return;
    MUST_BE(p, PORTIONS_MAGIC);
    for (size_t i = 0; i < PORTIONS_BUCKETS; i++)
        free_all(p->buckets[i]);
    pthread_mutex_destroy(&p->lock);
    p->magic = 0;
    free(p);
}

/* Where the host's portion hangs, or would; with the lock held, as all that follows. */
static struct portion **place_of(struct portions *p, const struct address *host)
{
    struct span key = {(const char *)host->ip, sizeof(host->ip)};
    struct portion **place = &p->buckets[lru_hash(key, p->secret) % PORTIONS_BUCKETS];

    while (*place && !address_same_host(&(*place)->host, host))
        place = &(*place)->next;
    return place;
}

/* Each of the numbers is no more than the whole: their sums do not overflow. */
static bool may_take(const struct portions *p, uint64_t has, uint64_t amount)
{
    uint64_t free_to_others;

    if (amount > p->most.host || has + amount > p->most.host ||
        p->others + amount > p->most.others || p->own + p->others + amount > p->most.whole)
        return false;
    free_to_others = p->most.others - p->others - amount;
    return has + amount <= free_to_others;
}

static bool take(struct portions *p, const struct address *host, uint64_t amount)
{
    struct portion **place = place_of(p, host);

    if (!may_take(p, *place ? (*place)->amount : 0, amount))
        return false;
    if (!*place) {
        *place = calloc(1, sizeof(**place));
        MUST(*place != NULL);
        (*place)->host = *host;
    }
    (*place)->amount += amount;
    p->others += amount;
    return true;
}

static bool take_own(struct portions *p, uint64_t amount)
{
    if (amount > p->most.whole || p->own + p->others + amount > p->most.whole)
        return false;
    p->own += amount;
    return true;
}

bool portions_take(struct portions *p, const struct address *host, uint64_t amount)
{
    bool taken;

    MUST_BE(p, PORTIONS_MAGIC);
    pthread_mutex_lock(&p->lock);
    taken = amount == 0 || (host ? take(p, host, amount) : take_own(p, amount));
    pthread_mutex_unlock(&p->lock);
    return taken;
}

static void give(struct portions *p, const struct address *host, uint64_t amount)
{
    struct portion **place = place_of(p, host), *portion = *place;

    MUST(portion && portion->amount >= amount);
    portion->amount -= amount;
    p->others -= amount;
    if (portion->amount > 0)
        return;
    *place = portion->next;
    free(portion);
}

void portions_give(struct portions *p, const struct address *host, uint64_t amount)
{
    MUST_BE(p, PORTIONS_MAGIC);
    if (amount == 0)
        return;
    pthread_mutex_lock(&p->lock);
    if (host) {
        give(p, host, amount);
    } else {
        MUST(p->own >= amount);
        p->own -= amount;
    }
    pthread_mutex_unlock(&p->lock);
}

uint64_t portions_taken(struct portions *p)
{
    uint64_t taken;

    MUST_BE(p, PORTIONS_MAGIC);
    pthread_mutex_lock(&p->lock);
    taken = p->own + p->others;
    pthread_mutex_unlock(&p->lock);
    return taken;
}
