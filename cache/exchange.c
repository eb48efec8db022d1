/* SPDX-License-Identifier: ISC */
#include "cache/exchange.h"

#include <string.h>

#include "cache/exchange_inner.h"
#include "src/base/must.h"

size_t exchange_size(void)
{
    return sizeof(struct exchange);
}

static void name_hello(const char *domain, char out[NAME_SIZE])
{
    struct text text = text_over(out, NAME_SIZE);

    text_puts(&text, domain);
    text_puts(&text, "/.pond");
    MUST(!text.full);
}

void exchange_init(struct exchange *machine, const struct exchange_options *options)
{
    MUST(!machine->magic && options->compare_ns > 0);
    machine->magic = EXCHANGE_MAGIC;
    MUST(span_copy(span_of(options->node), machine->node, sizeof(machine->node)));
    name_hello(options->domain, machine->hello);
    machine->place.mesh = true;
    machine->broadcast = options->broadcast;
    machine->http_port = options->http_port;
    machine->compare_ns = options->compare_ns;
    machine->rng.state = options->seed;
    machine->hash_seed = rng_next(&machine->rng);
    machine->now = options->now;
    exchange_compare_init(machine);
}

struct exchange_action *exchange_act(struct exchange_actions *actions,
                                     enum exchange_action_kind kind)
{
    struct exchange_action *action = &actions->list[actions->count];

    if (actions->count == EXCHANGE_ACTIONS_MAX) {
        actions->more = true;
        return NULL;
    }
    actions->count++;
    *action = (struct exchange_action){.kind = kind};
    return action;
}

uint64_t exchange_key(const struct exchange *machine, const char *name)
{
    return slots_key(machine->hash_seed, name);
}

void exchange_copy_name(char out[NAME_SIZE], const char *name)
{
    MUST(span_copy(span_of(name), out, NAME_SIZE));
}

void exchange_make_tuid(struct exchange *machine, char out[TUID_SIZE])
{
    struct text text = text_over(out, TUID_SIZE);
    struct span node = span_of(machine->node);
    uint64_t random = rng_next(&machine->rng);

    text_u64(&text, ++machine->serial);
    text_putc(&text, '.');
    text_hex(&text, &random, sizeof(random));
    text_putc(&text, '@');
    if (node.len > TUID_MAX_LEN - text.len)
        node.len = TUID_MAX_LEN - text.len;
    text_add(&text, node.at, node.len);
    MUST(!text.full);
}

mono_t exchange_within(struct exchange *machine, int64_t ns)
{
    return mono_after(machine->now, (int64_t)rng_below(&machine->rng, (uint64_t)ns));
}

uint64_t exchange_host_key(const struct exchange *machine, const struct address *host)
{
    char hex[2 * sizeof(host->ip) + 1];
    struct text text = TEXT_OVER(hex);

    text_hex(&text, host->ip, sizeof(host->ip));
    return exchange_key(machine, hex);
}

unsigned exchange_audiences(const struct exchange *machine, unsigned audiences)
{
    const struct route_place *place = &machine->place;
    unsigned have = 0;

    have |= place->mesh ? AUDIENCE_MESH : 0;
    have |= place->follows ? AUDIENCE_UP : 0;
    have |= place->leads ? AUDIENCE_DOWN : 0;
    have |= place->candidate ? AUDIENCE_FELLOWS : 0;
    have |= place->above ? AUDIENCE_ABOVE : 0;
    return audiences & have;
}

/* So many may come at once; of more, each is given a millisecond. */
uint16_t exchange_spread_ms(const struct exchange *machine, unsigned audiences, int64_t most_ms)
{
    enum { SPREAD_FREE_PEERS = 4 };
    size_t peers = machine->peers.count;

    if (!(audiences & (AUDIENCE_MESH | AUDIENCE_DOWN)) || peers <= SPREAD_FREE_PEERS)
        return 0;
    return (uint16_t)(peers < (size_t)most_ms ? peers : (size_t)most_ms);
}

bool exchange_asks(const struct peer *peer)
{
    return route_ask(peer->relations) != ROUTE_ASK_NEVER;
}

int exchange_order(const struct exchange_local *local, struct version version,
                   const struct digest *sha256)
{
    if (!local->known)
        return -1;
    if (!version_same(local->version, version))
        return version_newer(local->version, version) ? 1 : -1;
    return digest_compare(&local->sha256, sha256);
}

struct address exchange_http(const struct exchange *machine, const struct peer *peer)
{
    struct address http = peer->address;

    http.port = peer->http_port ? peer->http_port : machine->http_port;
    return http;
}

void exchange_blame(struct exchange *machine, const struct address *host, enum peer_fault fault)
{
    struct peer *peer = peers_find(&machine->peers, host);
    enum peer_fault before = peer ? peer->fault : PEER_FINE;
    bool aside = peer && peer_blame(peer, fault, machine->now);

    if (aside)
        machine->figures.faults++;
    if (aside || (peer && peer->fault == PEER_AHEAD && before != PEER_AHEAD)) {
        machine->blamed = peer->address;
        machine->blamed_for = fault;
    }
}

static void tell_fault(struct exchange *machine, struct exchange_actions *actions)
{
    struct exchange_action *action;

    if (machine->blamed_for == PEER_FINE)
        return;
    action = exchange_act(actions, EXCHANGE_FAULT);
    if (!action)
        return;
    action->to = machine->blamed;
    action->fault = machine->blamed_for;
    machine->blamed_for = PEER_FINE;
}

void exchange_judge(struct exchange *machine, const struct exchange_event *event)
{
    const struct address *host = event->answered.port ? &event->answered : &event->from;
    struct peer *peer = peers_find(&machine->peers, host);
    bool answered = event->result == EXCHANGE_DONE || event->result == EXCHANGE_AHEAD;

    if (peer && answered)
        peer_serves(peer);
    if (event->result == EXCHANGE_AHEAD)
        exchange_blame(machine, host, PEER_AHEAD);
    else if (!answered && event->fault != PEER_FINE)
        exchange_blame(machine, host, event->fault);
}

/* All of a flat mesh are greeted together once, when we begin; who joins later is greeted by
 * itself, so that it knows of us, and asked for what it has. */
void exchange_relate(struct exchange *machine, struct peer *peer, unsigned relations)
{
    if (peer->relations == relations)
        return;
    peer->relations = relations;
    exchange_copies_recount(machine);
}

static void member(struct exchange *machine, const struct exchange_event *event,
                   struct exchange_actions *actions)
{
    struct peer *peer = peers_learn(&machine->peers, &event->from, machine->now);
    bool joins = !peer->member && machine->comparing.greeted;

    peers_set_member(&machine->peers, peer, true);
    if (!peer->ever_heard) /* its head may have come before, which tells where it serves alone */
        peer->address = event->from;
    exchange_relate(machine, peer, event->relations);
    if (!joins || !(peer->relations & ROUTE_MESH))
        return;
    exchange_say_hello(machine, &event->from, actions);
    exchange_compare_soon(machine, &event->from);
}

static void stranger(struct exchange *machine, const struct exchange_event *event)
{
    struct peer *peer = peers_find(&machine->peers, &event->from);

    if (!peer)
        return;
    peers_set_member(&machine->peers, peer, false);
    exchange_relate(machine, peer, event->relations);
}

void exchange_forget(struct exchange *machine, const struct address *host)
{
    exchange_heads_forget(machine, host);
    peers_forget(&machine->peers, host);
    exchange_copies_recount(machine);
}

/* Not greeted: it hears our own heartbeats. What it has is looked at as that of one who is heard
 * for the first time. */
static void found(struct exchange *machine, const struct exchange_event *event)
{
    struct peer *peer = peers_find(&machine->peers, &event->from);
    bool is_new = !peer;

    if (is_new && !(event->relations & (ROUTE_MESH | ROUTE_LED)))
        return;
    peer = peers_learn(&machine->peers, &event->from, machine->now);
    peer->found = true;
    if (!peer->ever_heard) {
        peer->address = event->from;
        peer->http_port = event->http_port;
    }
    exchange_relate(machine, peer, event->relations);
    if (is_new && peer->relations & ROUTE_MESH)
        exchange_compare_soon(machine, &peer->address);
}

static void lost(struct exchange *machine, const struct address *host)
{
    struct peer *peer = peers_find(&machine->peers, host);

    if (!peer)
        return;
    peer->found = false;
    if (!peer->member && !peer->ever_heard && peer->relations == ROUTE_MESH)
        exchange_forget(machine, host);
}

void exchange_set_broadcast(struct exchange *machine, bool broadcast)
{
    MUST_BE(machine, EXCHANGE_MAGIC);
    machine->broadcast = broadcast;
}

/* It has what we missed. */
static void compare_soon(struct exchange *machine, const struct peer *peer)
{
    if (peer->relations & ROUTE_MESH)
        exchange_compare_soon(machine, &peer->address);
    else if (exchange_asks(peer))
        exchange_heads_soon(machine, peer);
}

/* Notes who spoke. One of a flat mesh that is new, or restarted, may know what we missed; in tiers
 * its head tells. */
static struct peer *note_sender(struct exchange *machine, const struct exchange_event *event)
{
    const struct notice_sender *sender = &event->notice->sender;
    struct peer *peer = peers_learn(&machine->peers, &event->from, machine->now);
    bool restarted = peer->ever_heard && peer->boot != sender->boot;

    exchange_relate(machine, peer, event->relations);
    if (restarted)
        peer_serves(peer);
    peer_speaks(peer, machine->now);
    if (peer->relations & ROUTE_MESH && (!peer->ever_heard || restarted))
        exchange_compare_soon(machine, &event->from);
    peer->address = event->from;
    peer->ever_heard = true;
    peers_set_isconf(&machine->peers, peer, false);
    peer->heard = machine->now;
    peer->boot = sender->boot;
    exchange_clock_heard(peer, event, event->notice->sender.clock);
    memcpy(peer->node, sender->node, sizeof(peer->node));
    if (event->notice->port)
        peer->http_port = event->notice->port;
    return peer;
}

static struct exchange_source source_of(const struct exchange *machine, const struct peer *peer,
                                        const struct notice *notice)
{
    struct exchange_source source = {
        .http = exchange_http(machine, peer),
        .version = notice->version,
        .sha256 = notice->sha256,
        .size = notice->size,
        .held = notice->held,
        .deleted = notice->deleted,
        .leads = notice->leads,
    };

    memcpy(source.node, notice->sender.node, sizeof(source.node));
    return source;
}

/* A version that we lack: at once where somebody waits for it or it answers a question of ours,
 * else as spread out as the announcer asks for, for all who heard it come to it. */
static void learn_from(struct exchange *machine, const struct exchange_event *event,
                       const struct peer *peer, const struct learn_candidate *candidate)
{
    const struct notice *notice = event->notice;
    mono_t due = machine->now;

    if (!*notice->tuid || notice->kind == NOTICE_WHOHAS)
        due = exchange_within(machine, MONO_MS(notice->spread_ms));
    if (exchange_ask_waits(machine, notice->name))
        due = machine->now;
    if (!exchange_learn_want(machine, notice->name, candidate, due))
        compare_soon(machine, peer);
}

static void heard_ihave(struct exchange *machine, const struct exchange_event *event,
                        const struct peer *peer, struct exchange_actions *actions)
{
    const struct notice *notice = event->notice;
    struct exchange_source source = source_of(machine, peer, notice);
    struct learn_candidate candidate = {source.http, source.version, source.sha256};
    bool usable = peer_credible(peer, machine->now);
    int order = exchange_order(&event->local, notice->version, &notice->sha256);

    if (usable)
        exchange_confirm_heard(machine, event, actions);
    if (version_is_ahead(notice->version, event->wall)) {
        exchange_blame(machine, &event->from, PEER_AHEAD);
        usable = false;
    }
    usable &= exchange_asks(peer);
    exchange_ask_heard(machine, event, &source, usable);
    exchange_confirm_asked(machine, event);
    if (order > 0 && !*notice->tuid)
        exchange_say_correction(machine, event);
    if (order < 0 && usable)
        learn_from(machine, event, peer, &candidate);
}

/* One who asks for what is newer than a version that we lack tells us of it. */
static void heard_whohas(struct exchange *machine, const struct exchange_event *event,
                         const struct peer *peer)
{
    const struct notice *notice = event->notice;
    struct learn_candidate candidate = {exchange_http(machine, peer), notice->version, {{0}}};
    bool newer = notice->version.bits &&
                 (!event->local.known || version_newer(notice->version, event->local.version));

    exchange_say_asked(machine, event);
    if (newer && exchange_asks(peer) && peer_credible(peer, machine->now) &&
        !version_is_ahead(notice->version, event->wall))
        learn_from(machine, event, peer, &candidate);
}

/* What the store says of a name now, for all who wait for it. */
static void refresh(struct exchange *machine, const char *name, const struct exchange_local *local)
{
    exchange_ask_refresh(machine, name, local);
    exchange_relay_refresh(machine, name, local);
    exchange_confirm_refresh(machine, name, local);
}

/* Strangers and siblings are neither told nor asked anything. */
static void heard(struct exchange *machine, const struct exchange_event *event,
                  struct exchange_actions *actions)
{
    const struct peer *peer =
        event->notice->isconf ? exchange_isconf_note(machine, event) : note_sender(machine, event);

    if (!(event->relations & ~(unsigned)ROUTE_SIBLING))
        return;
    refresh(machine, event->notice->name, &event->local);
    if (event->notice->isconf)
        exchange_isconf_heard(machine, event, peer);
    else if (event->notice->kind == NOTICE_WHOHAS)
        heard_whohas(machine, event, peer);
    else
        heard_ihave(machine, event, peer, actions);
}

/* Whom it concerns that a node told us what we did not know. */
static unsigned onward(unsigned relations)
{
    unsigned audiences = 0;

    if (relations & ROUTE_FOLLOWED)
        audiences |= AUDIENCE_DOWN;
    if (relations & (ROUTE_LED | ROUTE_FELLOW | ROUTE_SLAVE))
        audiences |= AUDIENCE_UP | AUDIENCE_DOWN | AUDIENCE_FELLOWS;
    return audiences;
}

static void learned(struct exchange *machine, const struct exchange_event *event)
{
    char name[NAME_SIZE];

    MUST(span_copy(event->name, name, sizeof(name)));
    exchange_judge(machine, event);
    if (exchange_learn_done(machine, event, name))
        exchange_say_announce(machine, name, &event->local, onward(event->relations), true);
    refresh(machine, name, &event->local);
}

static void changed(struct exchange *machine, const struct exchange_event *event)
{
    char name[NAME_SIZE];

    MUST(span_copy(event->name, name, sizeof(name)) && event->local.known);
    exchange_say_announce(machine, name, &event->local, AUDIENCE_MESH | AUDIENCE_UP | AUDIENCE_DOWN,
                          false);
    refresh(machine, name, &event->local);
}

/* A master's backups are to have it too, so that it does not go with their master; and they confirm
 * what a master of the top tier put, which has nobody above it. */
static void again(struct exchange *machine, const struct exchange_event *event)
{
    char name[NAME_SIZE];

    MUST(span_copy(event->name, name, sizeof(name)) && event->local.known);
    exchange_say_announce(machine, name, &event->local,
                          AUDIENCE_UP | (machine->place.leads ? AUDIENCE_FELLOWS : 0), true);
}

/* A candidate tells whoever put it whether it is safe here; the master tells its backups, and once
 * more a little later, so that they mirror it; and what is to go further up can be had from us now.
 */
static void landed(struct exchange *machine, const struct exchange_event *event)
{
    unsigned audiences = event->local.unconfirmed ? AUDIENCE_UP : 0;
    const struct peer *peer = peers_find(&machine->peers, &event->from);
    unsigned below = event->relations & (ROUTE_LED | ROUTE_FELLOW | ROUTE_SLAVE);
    char name[NAME_SIZE];

    MUST(span_copy(event->name, name, sizeof(name)) && event->local.known);
    refresh(machine, name, &event->local);
    if (!machine->place.candidate)
        return;
    if (peer && (peer->ever_heard || peer->member) && (below || event->relations & ROUTE_BESIDE))
        exchange_say_reply(machine, &peer->address, name, "", &event->local, 0);
    if (below || machine->place.leads)
        audiences |= AUDIENCE_FELLOWS;
    if (audiences)
        exchange_say_announce(machine, name, &event->local, audiences, !machine->place.leads);
}

static void place(struct exchange *machine, const struct exchange_event *event)
{
    machine->place = event->place;
    exchange_copies_recount(machine);
    exchange_ask_again(machine);
}

static void compared(struct exchange *machine, const struct exchange_event *event)
{
    if (!exchange_heads_done(machine, event))
        exchange_compare_done(machine, event);
}

static void take(struct exchange *machine, const struct exchange_event *event,
                 struct exchange_actions *actions)
{
    switch (event->kind) {
    case EXCHANGE_WAKE:
        break;
    case EXCHANGE_MEMBER:
        member(machine, event, actions);
        break;
    case EXCHANGE_STRANGER:
        stranger(machine, event);
        break;
    case EXCHANGE_LEFT:
        exchange_forget(machine, &event->from);
        break;
    case EXCHANGE_PLACE:
        place(machine, event);
        break;
    case EXCHANGE_FOUND:
        found(machine, event);
        break;
    case EXCHANGE_LOST:
        lost(machine, &event->from);
        break;
    case EXCHANGE_HEARD:
        heard(machine, event, actions);
        break;
    case EXCHANGE_HEAD:
        exchange_heads_heard(machine, event);
        break;
    case EXCHANGE_LANDED:
        landed(machine, event);
        break;
    case EXCHANGE_AGAIN:
        again(machine, event);
        break;
    case EXCHANGE_CHANGED:
        changed(machine, event);
        break;
    case EXCHANGE_ASKED:
        exchange_ask_begin(machine, event, actions);
        break;
    case EXCHANGE_DROPPED:
        exchange_ask_drop(machine, event->ticket);
        break;
    case EXCHANGE_LEARNED:
        learned(machine, event);
        break;
    case EXCHANGE_COMPARED:
        compared(machine, event);
        break;
    case EXCHANGE_BLAMED:
        exchange_blame(machine, &event->from, event->fault);
        break;
    }
}

static mono_t deadline(const struct exchange *machine)
{
    mono_t due = slots_due(&machine->asking.slots);

    due = mono_earlier(due, exchange_relay_due(machine));
    due = mono_earlier(due, exchange_confirm_due(machine));
    due = mono_earlier(due, exchange_heads_due(machine));
    due = mono_earlier(due, exchange_say_due(machine));
    due = mono_earlier(due, exchange_learn_due(machine));
    return mono_earlier(due, exchange_compare_due(machine));
}

void exchange_step(struct exchange *machine, const struct exchange_event *event,
                   struct exchange_actions *actions)
{
    MUST_BE(machine, EXCHANGE_MAGIC);
    exchange_clock_tick(machine, event);
    machine->now = event->now;
    actions->count = 0;
    actions->more = false;
    exchange_ask_free_spent(machine);
    take(machine, event, actions);
    exchange_confirm_work(machine, actions);
    tell_fault(machine, actions);
    exchange_ask_work(machine, actions);
    exchange_relay_work(machine, actions);
    exchange_say_work(machine, actions);
    exchange_learn_work(machine, actions);
    exchange_heads_work(machine, actions);
    exchange_compare_work(machine, actions);
    actions->deadline = deadline(machine);
}

bool exchange_credits(struct exchange *machine, const struct address *host, mono_t now)
{
    const struct peer *peer = peers_find(&machine->peers, host);

    MUST_BE(machine, EXCHANGE_MAGIC);
    return !peer || peer_credible(peer, now);
}

const struct peers *exchange_peers(const struct exchange *machine)
{
    MUST_BE(machine, EXCHANGE_MAGIC);
    return &machine->peers;
}

void exchange_figures(const struct exchange *machine, struct exchange_figures *out)
{
    MUST_BE(machine, EXCHANGE_MAGIC);
    *out = machine->figures;
    out->questions = machine->asking.slots.used;
    out->tickets = machine->asking.tickets_used;
    out->replies = machine->saying.reply_slots.used;
    out->announcements = machine->saying.announcement_slots.used;
    out->relays = machine->relaying.slots.used;
    out->confirms = machine->confirming.slots.used;
    out->learns = machine->learning.slots.used;
    out->learns_in_flight = machine->learning.in_flight;
}
