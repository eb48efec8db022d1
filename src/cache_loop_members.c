/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "src/base/must.h"
#include "src/cache_loop_inner.h"

enum { RECHECK_BATCH = 64 /* peers looked at, and members introduced, in one turn of the loop */ };

static const double RECHECK_EVERY = 0.001; /* seconds: others get their turn between */

static int compare_addresses(const void *a, const void *b)
{
    return address_compare(a, b);
}

/* The list is made anew only where the members were replaced. */
static void list_singles(struct cache_loop *cache)
{
    uint64_t generation = members_generation(cache->options.members);

    if (cache->singles && cache->singles_generation == generation)
        return;
    free(cache->singles);
    cache->single_count = members_singles(cache->options.members, NULL, &cache->singles);
    cache->singles_generation = generation;
    qsort(cache->singles, cache->single_count, sizeof(*cache->singles), compare_addresses);
}

static void introduce(struct cache_loop *cache, const struct address *member)
{
    struct exchange_event event = {.kind = EXCHANGE_MEMBER, .from = *member};

    event.from.port = cache->options.port;
    cache_loop_step(cache, &event);
}

/* Of those whom the nets files hold: a heartbeat makes nobody a member. */
void cache_loop_found(struct cache_loop *cache, const struct address *http)
{
    const struct members *members = cache->options.members;
    struct exchange_event event = {.kind = EXCHANGE_FOUND, .from = *http, .http_port = http->port};

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    if (members_is_own(members, http) || !members_hold(members, http))
        return;
    event.from.port = cache->options.port;
    cache_loop_step(cache, &event);
    cache_loop_flush(cache);
}

void cache_loop_lost(struct cache_loop *cache, const struct address *host)
{
    struct exchange_event event = {.kind = EXCHANGE_LOST, .from = *host};

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    cache_loop_step(cache, &event);
    cache_loop_flush(cache);
}

static bool is_single(const struct members *members, const struct address *address)
{
    struct member member;

    return members_find(members, address, &member) && network_is_single(&member.network);
}

static void recheck_peer(struct cache_loop *cache, const struct peer *peer)
{
    const struct members *members = cache->options.members;
    struct exchange_event event = {.kind = EXCHANGE_LEFT, .from = peer->address};

    if (members_take_datagram(members, &event.from))
        event.kind =
            peer->member && is_single(members, &event.from) ? EXCHANGE_MEMBER : EXCHANGE_STRANGER;
    cache_loop_step(cache, &event);
}

/* Backwards, for the last peer takes the place of one that is forgotten. */
static void on_recheck(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct cache_loop *cache = timer->data;
    const struct peers *peers;

    (void)events;
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    peers = exchange_peers(cache->exchange);
    for (int i = 0; i < RECHECK_BATCH && cache->unchecked; i++)
        if (--cache->unchecked < peers->count)
            recheck_peer(cache, &peers->list[cache->unchecked]);
    for (int i = 0; i < RECHECK_BATCH && cache->joined_count; i++) {
        const struct address *joined = &cache->joined[--cache->joined_count];
        if (is_single(cache->options.members, joined)) /* it may have left meanwhile */
            introduce(cache, joined);
    }
    cache_loop_flush(cache);
    if (!cache->unchecked && !cache->joined_count)
        ev_timer_stop(loop, timer);
}

/* Of the members that are listed now those that were not before: both lists are sorted. */
static void add_joined(struct cache_loop *cache, const struct address *old, size_t old_count)
{
    size_t at = 0, most = cache->joined_count + cache->single_count;

    cache->joined = realloc(cache->joined, (most + 1) * sizeof(*cache->joined));
    MUST(cache->joined != NULL);
    for (size_t i = 0; i < cache->single_count; i++) {
        const struct address *single = &cache->singles[i];
        while (at < old_count && address_compare(&old[at], single) < 0)
            at++;
        if (at == old_count || address_compare(&old[at], single) != 0)
            cache->joined[cache->joined_count++] = *single;
    }
}

void cache_loop_recheck(struct cache_loop *cache)
{
    struct address *old = cache->singles;
    size_t old_count = cache->single_count;

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    cache->singles = NULL;
    list_singles(cache);
    add_joined(cache, old, old_count);
    free(old);
    cache->unchecked = exchange_peers(cache->exchange)->count;
    ev_timer_start(cache->options.loop, &cache->recheck);
}

void cache_loop_members_begin(struct cache_loop *cache)
{
    ev_timer_init(&cache->recheck, on_recheck, 0., RECHECK_EVERY);
    cache->recheck.data = cache;
    list_singles(cache);
    for (size_t i = 0; i < cache->single_count; i++)
        introduce(cache, &cache->singles[i]);
}

void cache_loop_members_end(struct cache_loop *cache)
{
    ev_timer_stop(cache->options.loop, &cache->recheck);
    free(cache->singles);
    free(cache->joined);
}
