/* SPDX-License-Identifier: ISC */
#include "src/cache_loop.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/cache_loop_inner.h"
#include "src/clock.h"

enum { BLAME_MAGIC = 0x626c616d };

static const double CLOCK_EVERY = 2.0; /* seconds */

/* ---- events --------------------------------------------------------------------------------- */

static struct exchange_local look_up(struct cache_loop *cache, struct span name)
{
    uint64_t edition = store_edition(cache->options.store);
    struct exchange_local local = {.known = false};
    struct store_entry entry;
    enum store_status status;

    if (known_find(cache->known, edition, name, &local))
        return local;
    status = store_find(cache->options.store, name, &entry);
    if (status == STORE_NOT_FOUND)
        known_note(cache->known, edition, name, &local);
    if (status != STORE_OK)
        return local;
    local.known = true;
    local.held = entry.held;
    local.wanted = entry.wanted;
    local.unconfirmed = entry.unconfirmed;
    local.deleted = entry.manifest.deleted;
    local.version = entry.manifest.version;
    local.sha256 = entry.manifest.sha256;
    local.size = entry.manifest.size;
    local.mtime = entry.manifest.mtime_ns / MONO_S(1);
    known_note(cache->known, edition, name, &local);
    return local;
}

/* The one that we speak from; NULL: the kernel's choice. */
static const struct address *own_for(const struct cache_loop *cache, const struct address *to,
                                     struct address *own)
{
    return members_own_for(cache->options.members, to, own) ? own : NULL;
}

static struct span say(struct cache_loop *cache, const struct exchange_action *action,
                       const struct address *from, struct text *text)
{
    speaker_say(cache->options.speaker, &action->notice, from, clock_wall(), text);
    return (struct span){text->at, text->len};
}

/* A datagram on its way to an audience. */
struct sending {
    struct cache_loop *cache;
    struct span bytes;
};

static void send_one(void *arg, const struct address *to)
{
    const struct sending *sending = arg;
    struct cache_loop *cache = sending->cache;
    struct address own;

    if (members_take_datagram(cache->options.members, to))
        udp_send(cache->udp, to, own_for(cache, to, &own), sending->bytes);
}

/* Signed once for all of them: who hears it in two ways takes it once. */
static void send_to_audiences(struct cache_loop *cache, const struct exchange_action *action)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct sending sending = {cache, say(cache, action, NULL, &text)};

    if (action->audiences & AUDIENCE_MESH)
        udp_broadcast(cache->udp, sending.bytes);
    audience_each(cache->audience, action->audiences, exchange_peers(cache->exchange), send_one,
                  &sending);
}

/* Who has left is about to be forgotten. */
static void send_to(struct cache_loop *cache, const struct exchange_action *action)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct address own;
    const struct address *from = own_for(cache, &action->to, &own);

    if (members_take_datagram(cache->options.members, &action->to))
        udp_send(cache->udp, &action->to, from, say(cache, action, from, &text));
}

static void send_notice(struct cache_loop *cache, const struct exchange_action *action)
{
    if (action->audiences)
        send_to_audiences(cache, action);
    else
        send_to(cache, action);
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
        if (action->isconf)
            learn_isconf(cache->learn, span_of(action->name), &action->to);
        else
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
        cache_loop_confirm(cache, action);
        break;
    case EXCHANGE_WANT:
        cache_loop_want(cache, action);
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
void cache_loop_step(struct cache_loop *cache, struct exchange_event *event)
{
    if (!cache->udp)
        return; /* stopped: nothing is decided any more */
    event->now = clock_mono();
    event->wall = clock_wall();
    event->relations = routes_to(cache->options.routes, event->now, &event->from);
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
    cache_loop_step(cache, &event);
    if (cache->udp)
        udp_flush(cache->udp);
}

/* A view that nobody refreshes makes masters of nobody, and tells nobody. */
static void look_where_we_stand(struct cache_loop *cache, mono_t now)
{
    struct route_place place = routes_place(cache->options.routes, now);

    if (!route_place_same(&place, &cache->place))
        cache->options.moved(cache->options.arg);
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
    cache_loop_step(cache, &event);
    look_where_we_stand(cache, event.now);
    udp_flush(cache->udp);
    clock = exchange_clock(cache->exchange, event.now);
    cache->options.clock(cache->options.arg, &clock);
}

/* ---- datagrams ------------------------------------------------------------------------------ */

/* Who waits for this content, or will, need not ask for who has it. Who sent what was wrong is not
 * asked again for saying so. */
static void tell_offer(struct cache_loop *cache, const struct exchange_event *event, mono_t now)
{
    const struct notice *notice = event->notice;
    struct address http = event->from;

    if (notice->kind != NOTICE_IHAVE || !notice->held || notice->deleted || event->local.held ||
        !exchange_credits(cache->exchange, &event->from, now))
        return;
    http.port = notice->port ? notice->port : cache->options.http_port;
    cache->options.offered(cache->options.arg, notice, &http);
}

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
    if (verdict != GATE_PASS || datagram.ruled)
        gate_log_datagram(cache->options.gate, now, verdict, &datagram, &notice);
    if (verdict != GATE_PASS)
        return;
    event.name = span_of(notice.name);
    event.local = look_up(cache, event.name);
    tell_offer(cache, &event, now);
    cache_loop_step(cache, &event);
}

void cache_loop_flush(struct cache_loop *cache)
{
    if (cache->udp)
        udp_flush(cache->udp);
}

static void on_batch(void *arg)
{
    struct cache_loop *cache = arg;

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    cache_loop_flush(cache);
}

/* ---- what others tell ----------------------------------------------------------------------- */

static void on_learned(void *arg, struct exchange_event *event)
{
    struct cache_loop *cache = arg;
    bool is_read =
        event->kind == EXCHANGE_COMPARED && event->result == EXCHANGE_DONE && !event->page.more;
    struct address from = event->from; /* the step may leave another event there */
    uint64_t store_id = event->page.store_id;

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    if (!cache->udp)
        return; /* stopped: the store may be closed */
    if (event->kind == EXCHANGE_LEARNED)
        event->local = look_up(cache, event->name);
    cache_loop_step(cache, event);
    if (is_read)
        cache->options.compared(cache->options.arg, &from, store_id);
    cache_loop_flush(cache);
}

static void read_ask(struct letter *letter)
{
    struct ask *ask = LETTER_OWNER(letter, struct ask, letter);
    struct cache_loop *cache = ask->asked;
    struct exchange_event event = {.kind = EXCHANGE_ASKED,
                                   .ask = ask->kind,
                                   .copies = ask->copies,
                                   .version = ask->version,
                                   .sha256 = ask->sha256,
                                   .until = ask->until};

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    event.ticket = ask->ticket = cache->udp ? asks_add(cache->asks, ask) : 0;
    if (event.ticket == 0) {
        ask_refuse(ask);
        return;
    }
    event.name = span_of(ask->name);
    event.local = look_up(cache, event.name);
    cache_loop_step(cache, &event);
    cache_loop_flush(cache);
}

void cache_loop_ask(struct cache_loop *cache, struct ask *ask)
{
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    ask->asked = cache;
    ask->letter.read = read_ask;
    mailbox_post(cache->options.mailbox, &ask->letter);
}

static void read_drop(struct letter *letter)
{
    struct ask *ask = LETTER_OWNER(letter, struct ask, drop);
    struct cache_loop *cache = ask->asked;
    struct exchange_event event = {.kind = EXCHANGE_DROPPED, .ticket = ask->ticket};

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    if (ask->ticket != 0) {
        asks_drop(cache->asks, ask->ticket);
        cache_loop_step(cache, &event);
    }
    ask->dropped(ask);
}

void cache_loop_drop(struct cache_loop *cache, struct ask *ask)
{
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    ask->drop.read = read_drop;
    mailbox_post(cache->options.mailbox, &ask->drop);
}

/* What became of a name is told with what the store knows of it now. */
static void tell_of(struct cache_loop *cache, struct exchange_event *event)
{
    event->local = look_up(cache, event->name);
    if (!event->local.known)
        return;
    cache_loop_step(cache, event);
    cache_loop_flush(cache);
}

void cache_loop_changed(struct cache_loop *cache, const struct store_entry *entry)
{
    struct exchange_event event = {.kind = EXCHANGE_CHANGED, .name = span_of(entry->manifest.name)};

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    tell_of(cache, &event);
}

void cache_loop_viewed(struct cache_loop *cache)
{
    struct exchange_event event = {.kind = EXCHANGE_PLACE};

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    audience_forget(cache->audience);
    cache->place = event.place = routes_place(cache->options.routes, clock_mono());
    cache_loop_step(cache, &event);
    cache_loop_flush(cache);
}

void cache_loop_head(struct cache_loop *cache, const struct address *http,
                     const struct exchange_head *head)
{
    struct exchange_event event = {.kind = EXCHANGE_HEAD, .from = *http, .head = *head};
    struct store_head own;

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    store_head(cache->options.store, &own);
    event.own = own.digest;
    cache_loop_step(cache, &event);
    cache_loop_flush(cache);
}

void cache_loop_landed(struct cache_loop *cache, struct span name, const struct address *from)
{
    struct exchange_event event = {.kind = EXCHANGE_LANDED, .name = name, .from = *from};

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    tell_of(cache, &event);
}

void cache_loop_again(struct cache_loop *cache, struct span name)
{
    struct exchange_event event = {.kind = EXCHANGE_AGAIN, .name = name};

    MUST_BE(cache, CACHE_LOOP_MAGIC);
    tell_of(cache, &event);
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
    cache_loop_step(blame->cache, &event);
    free(blame);
}

void cache_loop_blame(struct cache_loop *cache, const struct address *http, enum peer_fault fault)
{
    struct blame *blame = calloc(1, sizeof(*blame));

    MUST(blame != NULL);
    *blame = (struct blame){BLAME_MAGIC, cache, *http, fault, {.read = read_blame}};
    mailbox_post(cache->options.mailbox, &blame->letter);
}

bool cache_loop_broadcast(struct cache_loop *cache, const struct address *broadcast)
{
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    if (!cache->udp || !udp_set_broadcast(cache->udp, broadcast))
        return false;
    exchange_set_broadcast(cache->exchange, broadcast != NULL);
    return true;
}

const struct exchange *cache_loop_exchange(const struct cache_loop *cache)
{
    return cache->exchange;
}

/* ---- begin and end -------------------------------------------------------------------------- */

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
                                  .routes = options->routes,
                                  .gate = options->gate,
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
    cache->exchange = exchange_new(options);
    cache->asks = asks_new();
    cache->known = known_new();
    cache->audience = audience_new(options->routes, options->port);
    cache->learn = learn_new(&learn);
    cache->udp = udp_new(&udp);
    if (!cache->udp) {
        cache_loop_free(cache);
        return NULL;
    }
    cache_loop_viewed(cache);
    cache_loop_members_begin(cache);
    ev_timer_start(cache->options.loop, &cache->clock);
    return cache;
}

void cache_loop_stop(struct cache_loop *cache)
{
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    udp_free(cache->udp);
    cache->udp = NULL;
    asks_end(cache->asks);
    learn_stop(cache->learn);
}

void cache_loop_free(struct cache_loop *cache)
{
    if (!cache)
        return;
    MUST_BE(cache, CACHE_LOOP_MAGIC);
    udp_free(cache->udp);
    ev_timer_stop(cache->options.loop, &cache->timer);
    ev_timer_stop(cache->options.loop, &cache->clock);
    learn_free(cache->learn);
    audience_free(cache->audience);
    known_free(cache->known);
    asks_free(cache->asks);
    cache_loop_members_end(cache);
    free(cache->exchange);
    cache->magic = 0;
    free(cache);
}
