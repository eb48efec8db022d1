/* SPDX-License-Identifier: ISC */
#include "src/cache_loop.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"

enum {
    CACHE_LOOP_MAGIC = 0x636c6f6f,
    BLAME_MAGIC = 0x626c616d,
    RECHECK_BATCH = 64 /* peers looked at, and members introduced, in one turn of the loop */
};

static const double CLOCK_EVERY = 2.0;     /* seconds */
static const double RECHECK_EVERY = 0.001; /* seconds: others get their turn between */

struct cache_loop {
    unsigned magic;
    struct cache_loop_options options;
    struct exchange *exchange;
    struct asks *asks;
    struct learn *learn;
    struct udp *udp;         /* NULL once stopped */
    struct address *singles; /* the members that are named singly, sorted */
    size_t single_count;
    uint64_t singles_generation;
    struct ev_timer recheck;
    size_t unchecked; /* the peers before this one are still to be looked at */
    struct address *joined;
    size_t joined_count; /* still to be introduced */
    struct ev_timer timer;
    mono_t armed; /* the deadline that the timer runs to */
    struct ev_timer clock;
    struct exchange_actions actions;
};

/* ---- events --------------------------------------------------------------------------------- */

static struct exchange_local look_up(struct cache_loop *cache, struct span name)
{
    struct exchange_local local = {.known = false};
    struct store_entry entry;

    if (store_find(cache->options.store, name, &entry) != STORE_OK)
        return local;
    local.known = true;
    local.held = entry.held;
    local.deleted = entry.manifest.deleted;
    local.version = entry.manifest.version;
    local.sha256 = entry.manifest.sha256;
    local.size = entry.manifest.size;
    local.mtime = entry.manifest.mtime_ns / MONO_S(1);
    return local;
}

static void send_to(struct cache_loop *cache, const struct address *to, struct span bytes)
{
    const struct members *members = cache->options.members;
    struct address own;

    if (!members_take_datagram(members, to))
        return; /* it left, and is about to be forgotten */
    udp_send(cache->udp, to, members_own_for(members, to, &own) ? &own : NULL, bytes);
}

static void send_to_member(struct cache_loop *cache, const struct address *to, struct span bytes)
{
    struct address there = *to;

    there.port = cache->options.port;
    send_to(cache, &there, bytes);
}

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

/* Section 3's table: the broadcast address, the members that are named singly, and of member
 * networks those hosts that have been heard. */
static void send_to_all(struct cache_loop *cache, struct span bytes)
{
    const struct peers *peers = exchange_peers(cache->exchange);

    udp_broadcast(cache->udp, bytes);
    list_singles(cache);
    for (size_t i = 0; i < cache->single_count; i++)
        send_to_member(cache, &cache->singles[i], bytes);
    for (size_t i = 0; i < peers->count; i++) {
        const struct peer *peer = &peers->list[i];
        if (!peer->member && peer->ever_heard &&
            members_hold(cache->options.members, &peer->address))
            send_to_member(cache, &peer->address, bytes);
    }
}

static void send_notice(struct cache_loop *cache, const struct exchange_action *action)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct span bytes;

    speaker_say(cache->options.speaker, &action->notice, clock_wall(), &text);
    bytes = (struct span){text.at, text.len};
    if (action->audiences)
        send_to_all(cache, bytes);
    else
        send_to(cache, &action->to, bytes);
}

static void tell_fault(struct cache_loop *cache, const struct exchange_action *action)
{
    const struct peers *peers = exchange_peers(cache->exchange);

    stat_add(STAT_BLAMED, 1);
    for (size_t i = 0; i < peers->count; i++) {
        if (address_same_host(&peers->list[i].address, &action->to))
            cache->options.fault(cache->options.arg, &peers->list[i], action->fault);
    }
}

static void carry_out(struct cache_loop *cache, const struct exchange_action *action)
{
    switch (action->kind) {
    case EXCHANGE_SEND:
        send_notice(cache, action);
        break;
    case EXCHANGE_LEARN:
        learn_name(cache->learn, span_of(action->name), &action->to);
        break;
    case EXCHANGE_COMPARE:
        learn_page(cache->learn, &action->to, action->store_id, action->since);
        break;
    case EXCHANGE_ANSWER:
        asks_answer(cache->asks, action);
        break;
    case EXCHANGE_FAULT:
        tell_fault(cache, action);
        break;
    case EXCHANGE_CONFIRMED:
        break;
    }
}

static void arm(struct cache_loop *cache, mono_t now, mono_t deadline)
{
    double seconds;

    if (deadline.ns == cache->armed.ns)
        return;
    cache->armed = deadline;
    ev_timer_stop(cache->options.loop, &cache->timer);
    if (deadline.ns == MONO_NEVER.ns)
        return;
    seconds = (double)mono_between(now, deadline) / 1e9;
    ev_now_update(cache->options.loop); /* timers count from the loop's cached time */
    ev_timer_set(&cache->timer, seconds > 0 ? seconds : 0., 0.);
    ev_timer_start(cache->options.loop, &cache->timer);
}

/* One event in, its actions out; again while the machine has more than fits. */
static void step(struct cache_loop *cache, struct exchange_event *event)
{
    if (!cache->udp)
        return; /* stopped: nothing is decided any more */
    event->now = clock_mono();
    event->wall = clock_wall();
    event->relations = ROUTE_MESH;
    for (;;) {
        exchange_step(cache->exchange, event, &cache->actions);
        for (size_t i = 0; i < cache->actions.count; i++)
            carry_out(cache, &cache->actions.list[i]);
        if (!cache->actions.more)
            break;
        *event =
            (struct exchange_event){.kind = EXCHANGE_WAKE, .now = event->now, .wall = event->wall};
    }
    arm(cache, event->now, cache->actions.deadline);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct cache_loop *cache = timer->data;
    struct exchange_event event = {.kind = EXCHANGE_WAKE};

    (void)loop, (void)events;
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    cache->armed = MONO_NEVER;
    step(cache, &event);
    if (cache->udp)
        udp_flush(cache->udp);
}

/* The step beforehand shows the machine whether our clock was set meanwhile. */
static void on_clock(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct cache_loop *cache = timer->data;
    struct exchange_event event = {.kind = EXCHANGE_WAKE};
    struct exchange_clock clock;

    (void)loop, (void)events;
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    if (!cache->udp)
        return;
    step(cache, &event);
    udp_flush(cache->udp);
    clock = exchange_clock(cache->exchange, event.now);
    cache->options.clock(cache->options.arg, &clock);
}

/* ---- datagrams ------------------------------------------------------------------------------ */

static void on_datagram(void *arg, const struct udp_datagram *heard)
{
    struct cache_loop *cache = arg;
    struct gate_datagram datagram = {.from = heard->from};
    struct notice notice;
    struct exchange_event event = {.kind = EXCHANGE_HEARD, .from = heard->from, .notice = &notice};
    mono_t now = clock_mono();
    enum gate_verdict verdict;

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    verdict = gate_datagram(cache->options.gate, now, heard->bytes, &datagram, &notice);
    if (verdict != GATE_PASS) {
        gate_log_datagram(cache->options.gate, now, verdict, &datagram, &notice);
        return;
    }
    event.name = span_of(notice.name);
    event.local = look_up(cache, event.name);
    step(cache, &event);
}

static void on_batch(void *arg)
{
    struct cache_loop *cache = arg;

    if (cache->udp)
        udp_flush(cache->udp);
}

/* ---- what others tell ----------------------------------------------------------------------- */

static void on_learned(void *arg, struct exchange_event *event)
{
    struct cache_loop *cache = arg;

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    if (!cache->udp)
        return; /* stopped: the store may be closed */
    if (event->kind == EXCHANGE_LEARNED)
        event->local = look_up(cache, event->name);
    step(cache, event);
    if (event->kind == EXCHANGE_COMPARED && event->result == EXCHANGE_DONE && !event->page.more)
        cache->options.compared(cache->options.arg, &event->from, event->page.store_id);
    on_batch(cache);
}

static void read_ask(struct letter *letter)
{
    struct ask *ask = LETTER_OWNER(letter, struct ask, letter);
    struct cache_loop *cache = ask->asked;
    struct exchange_event event = {
        .kind = EXCHANGE_ASKED, .ask = ask->kind, .copies = ask->copies, .until = ask->until};

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    event.ticket = cache->udp ? asks_add(cache->asks, ask) : 0;
    if (event.ticket == 0) {
        ask_refuse(ask);
        return;
    }
    event.name = span_of(ask->name);
    event.local = look_up(cache, event.name);
    step(cache, &event);
    on_batch(cache);
}

void cache_loop_ask(struct cache_loop *cache, struct ask *ask)
{
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    ask->asked = cache;
    ask->letter.read = read_ask;
    mailbox_post(cache->options.mailbox, &ask->letter);
}

void cache_loop_changed(struct cache_loop *cache, const struct store_entry *entry)
{
    struct exchange_event event = {.kind = EXCHANGE_CHANGED, .name = span_of(entry->manifest.name)};

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    event.local = look_up(cache, event.name);
    if (!event.local.known)
        return;
    step(cache, &event);
    on_batch(cache);
}

struct blame {
    unsigned magic;
    struct cache_loop *cache;
    struct address http;
    enum peer_fault fault;
    struct letter letter;
};

static void read_blame(struct letter *letter)
{
    struct blame *blame = LETTER_OWNER(letter, struct blame, letter);
    struct exchange_event event = {
        .kind = EXCHANGE_BLAMED, .from = blame->http, .fault = blame->fault};

    MUST_BE(blame, BLAME_MAGIC);
    step(blame->cache, &event);
    free(blame);
}

void cache_loop_blame(struct cache_loop *cache, const struct address *http, enum peer_fault fault)
{
    struct blame *blame = calloc(1, sizeof(*blame));

    MUST(blame != NULL);
    *blame = (struct blame){BLAME_MAGIC, cache, *http, fault, {.read = read_blame}};
    mailbox_post(cache->options.mailbox, &blame->letter);
}

const struct exchange *cache_loop_exchange(const struct cache_loop *cache)
{
    return cache->exchange;
}

/* ---- members that join and leave ------------------------------------------------------------- */

bool cache_loop_broadcast(struct cache_loop *cache, const struct address *broadcast)
{
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    if (!cache->udp || !udp_set_broadcast(cache->udp, broadcast))
        return false;
    exchange_set_broadcast(cache->exchange, broadcast != NULL);
    return true;
}

static void introduce(struct cache_loop *cache, const struct address *member)
{
    struct exchange_event event = {.kind = EXCHANGE_MEMBER, .from = *member};

    event.from.port = cache->options.port;
    step(cache, &event);
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

    if (members_take_datagram(members, &event.from)) {
        if (!peer->member || is_single(members, &event.from))
            return;
        event.kind = EXCHANGE_STRANGER;
    }
    step(cache, &event);
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
    on_batch(cache);
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

/* ---- begin and end -------------------------------------------------------------------------- */

static void introduce_members(struct cache_loop *cache)
{
    list_singles(cache);
    for (size_t i = 0; i < cache->single_count; i++)
        introduce(cache, &cache->singles[i]);
}

static struct exchange *exchange_new(const struct cache_loop_options *options)
{
    struct exchange_options how = {.seed = options->seed,
                                   .node = options->node,
                                   .domain = options->domain,
                                   .broadcast = options->broadcast != NULL,
                                   .http_port = options->http_port,
                                   .compare_ns = MONO_S(30),
                                   .now = clock_mono()};
    struct exchange *exchange = calloc(1, exchange_size());

    MUST(exchange != NULL);
    exchange_init(exchange, &how);
    return exchange;
}

struct cache_loop *cache_loop_new(const struct cache_loop_options *options)
{
    struct cache_loop *cache = calloc(1, sizeof(*cache));
    struct udp_options udp = {.loop = options->loop,
                              .listen = options->listen,
                              .listen_count = options->listen_count,
                              .setting = "port",
                              .broadcast = options->broadcast,
                              .take = on_datagram,
                              .batch = on_batch,
                              .arg = cache};
    struct learn_options learn = {.fetch = options->fetch,
                                  .store = options->store,
                                  .mailbox = options->mailbox,
                                  .domain = options->domain,
                                  .report = on_learned,
                                  .arg = cache};

    MUST(cache != NULL);
    cache->magic = CACHE_LOOP_MAGIC;
    cache->options = *options;
    cache->armed = MONO_NEVER;
    ev_timer_init(&cache->timer, on_deadline, 0., 0.);
    cache->timer.data = cache;
    ev_timer_init(&cache->clock, on_clock, CLOCK_EVERY, CLOCK_EVERY);
    cache->clock.data = cache;
    ev_timer_init(&cache->recheck, on_recheck, 0., RECHECK_EVERY);
    cache->recheck.data = cache;
    cache->exchange = exchange_new(options);
    cache->asks = asks_new();
    cache->learn = learn_new(&learn);
    cache->udp = udp_new(&udp);
    if (!cache->udp) {
        cache_loop_free(cache);
        return NULL;
    }
    introduce_members(cache);
    ev_timer_start(cache->options.loop, &cache->clock);
    return cache;
}

void cache_loop_stop(struct cache_loop *cache)
{
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    udp_free(cache->udp);
    cache->udp = NULL;
    asks_end(cache->asks);
}

void cache_loop_free(struct cache_loop *cache)
{
    if (!cache)
        return;
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    udp_free(cache->udp);
    ev_timer_stop(cache->options.loop, &cache->timer);
    ev_timer_stop(cache->options.loop, &cache->clock);
    ev_timer_stop(cache->options.loop, &cache->recheck);
    learn_free(cache->learn);
    asks_free(cache->asks);
    free(cache->singles);
    free(cache->joined);
    free(cache->exchange);
    cache->magic = 0;
    free(cache);
}
