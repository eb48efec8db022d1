/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

#include "src/base/must.h"

/*
 * The comparison with one random peer at a time: its catalogue is read from where we left off in
 * it. This alone suffices for every node to come to know everything; all the rest is for speed.
 */
enum { PAGES_MAX = 1024 }; /* of one peer at a stretch: then it is another's turn */

static const int64_t FIRST_NS = MONO_S(2);
static const int64_t RETRY_NS = MONO_S(2);

/* A peer that has news is compared with within this, and 10 ms more for each peer: they all heard
 * it too. */
static const int64_t SOON_NS = MONO_S(2);
static const int64_t SOON_PER_PEER_NS = MONO_MS(10);

/* After `ns`, a quarter more or less. */
static mono_t about(struct exchange *machine, int64_t ns)
{
    return mono_after(exchange_within(machine, ns / 2 + 1), ns - ns / 4);
}

void exchange_compare_init(struct exchange *machine)
{
    machine->comparing.due =
        about(machine, FIRST_NS < machine->compare_ns ? FIRST_NS : machine->compare_ns);
}

/* How soon it is compared with one that has news. */
static int64_t soon_ns(const struct exchange *machine)
{
    int64_t soon = SOON_NS + SOON_PER_PEER_NS * (int64_t)machine->peers.count;

    return soon < machine->compare_ns ? soon : machine->compare_ns;
}

void exchange_compare_soon(struct exchange *machine, const struct address *host)
{
    struct comparing *comparing = &machine->comparing;

    if (comparing->hinted)
        return;
    comparing->hinted = true;
    comparing->hint = *host;
    if (!comparing->run)
        comparing->due = mono_earlier(comparing->due, about(machine, soon_ns(machine)));
}

/* A random one of those that can be used now. */
static struct peer *choose(struct exchange *machine)
{
    struct peer *chosen = NULL;
    uint64_t usable = 0;

    for (size_t i = 0; i < machine->peers.count; i++) {
        struct peer *peer = &machine->peers.list[i];

        if (peer_usable(peer, machine->now) && rng_below(&machine->rng, ++usable) == 0)
            chosen = peer;
    }
    return chosen;
}

static struct peer *next_peer(struct exchange *machine)
{
    struct comparing *comparing = &machine->comparing;
    struct peer *peer = NULL;

    if (comparing->hinted)
        peer = peers_find(&machine->peers, &comparing->hint);
    comparing->hinted = false;
    return peer && peer_usable(peer, machine->now) ? peer : choose(machine);
}

static void run_end(struct exchange *machine)
{
    struct comparing *comparing = &machine->comparing;

    comparing->run = false;
    comparing->failures = 0;
    comparing->due = about(machine, comparing->hinted ? soon_ns(machine) : machine->compare_ns);
}

/* With another peer, soon; ever later while they all fail. */
static void run_failed(struct exchange *machine)
{
    struct comparing *comparing = &machine->comparing;
    int64_t wait = RETRY_NS;

    for (unsigned i = 0; i < comparing->failures && wait < machine->compare_ns; i++)
        wait *= 2;
    comparing->run = false;
    comparing->failures++;
    comparing->due = about(machine, wait < machine->compare_ns ? wait : machine->compare_ns);
}

/* Where the page begins: at its beginning, if it is another store's than we asked for. */
static uint64_t page_since(const struct comparing *comparing, const struct exchange_page *page)
{
    return page->store_id == comparing->store_id ? comparing->since : 0;
}

/* Is it a page that may follow what we asked for? */
static bool page_sound(const struct comparing *comparing, const struct exchange_page *page)
{
    uint64_t since = page_since(comparing, page);

    return page->more ? page->last > since : page->last >= since;
}

static void note_position(struct peer *peer, const struct exchange_page *page, uint64_t asked_since)
{
    bool other_store = peer->store_id != page->store_id;

    if (other_store)
        peer->ahead = false;
    if (page->ahead && !peer->ahead) {
        peer->ahead = true;
        peer->retry = other_store && asked_since ? 0 : page->retry;
    }
    peer->store_id = page->store_id;
    peer->position = page->last;
    if (page->more || !peer->ahead)
        return;
    peer->position = peer->retry < page->last ? peer->retry : page->last;
    peer->ahead = false;
}

static void page_taken(struct exchange *machine, struct peer *peer,
                       const struct exchange_page *page)
{
    struct comparing *comparing = &machine->comparing;

    note_position(peer, page, comparing->since);
    peer->compared = machine->now;
    peer->ever_compared = true;
    if (page->more && ++comparing->pages < PAGES_MAX)
        comparing->due = machine->now;
    else
        run_end(machine);
}

void exchange_compare_done(struct exchange *machine, const struct exchange_event *event)
{
    struct comparing *comparing = &machine->comparing;
    struct peer *peer = peers_find(&machine->peers, &event->from);
    bool taken = event->result == EXCHANGE_DONE || event->result == EXCHANGE_AHEAD;

    if (!comparing->in_flight || !address_same_host(&event->from, &comparing->host))
        return;
    comparing->in_flight = false;
    exchange_judge(machine, event);
    if (peer && taken && page_sound(comparing, &event->page)) {
        page_taken(machine, peer, &event->page);
        return;
    }
    if (taken)
        exchange_blame(machine, &event->from, PEER_WRONG_ANSWER);
    run_failed(machine);
}

/* One page of it, the first or the next. */
static void ask_page(struct exchange *machine, struct peer *peer, struct exchange_action *action)
{
    struct comparing *comparing = &machine->comparing;

    comparing->run = true;
    comparing->in_flight = true;
    comparing->host = peer->address;
    comparing->store_id = peer->store_id;
    comparing->since = peer->position;
    action->to = exchange_http(machine, peer);
    action->store_id = peer->store_id;
    action->since = peer->position;
}

/* Where a broadcast reaches more than those who are known, all are greeted in their stead now and
 * then, by one of them for each round of comparisons: two halves of a mesh that all restarted apart
 * know only their own half, and would never meet otherwise. */
static bool greets_all(struct exchange *machine, const struct peer *peer)
{
    if (!machine->comparing.greeted || !peer)
        return true;
    return machine->broadcast && rng_below(&machine->rng, machine->peers.count) == 0;
}

/* Begins with a peer, and greets it; where there is none, greets whoever may be there. */
static void run_begin(struct exchange *machine, struct exchange_actions *actions)
{
    struct comparing *comparing = &machine->comparing;
    struct peer *peer = next_peer(machine);

    comparing->pages = 0;
    if (peer)
        ask_page(machine, peer, exchange_act(actions, EXCHANGE_COMPARE));
    else
        run_end(machine);
    exchange_say_hello(machine, greets_all(machine, peer) ? NULL : &peer->address, actions);
    comparing->greeted = true;
}

void exchange_compare_work(struct exchange *machine, struct exchange_actions *actions)
{
    struct comparing *comparing = &machine->comparing;
    struct peer *peer = NULL;

    if (comparing->in_flight || !mono_reached(machine->now, comparing->due))
        return;
    if (actions->count + 2 > EXCHANGE_ACTIONS_MAX) {
        actions->more = true;
        return;
    }
    if (comparing->run)
        peer = peers_find(&machine->peers, &comparing->host);
    comparing->run = false;
    if (peer)
        ask_page(machine, peer, exchange_act(actions, EXCHANGE_COMPARE));
    else
        run_begin(machine, actions);
}

mono_t exchange_compare_due(const struct exchange *machine)
{
    return machine->comparing.in_flight ? MONO_NEVER : machine->comparing.due;
}
