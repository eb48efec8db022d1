/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

#include "src/base/must.h"

/*
 * In a flat mesh, the comparison with one random peer at a time: its catalogue is read from where
 * we left off in it. This alone suffices for every node to come to know everything; all the rest is
 * for speed.
 */
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
    if (!comparing->reading.run)
        comparing->due = mono_earlier(comparing->due, about(machine, soon_ns(machine)));
}

/* Of a flat mesh, with a catalogue, fit for use, and not read for its head already. */
static bool is_fit(const struct exchange *machine, const struct peer *peer)
{
    return peer->relations & ROUTE_MESH && !peer->isconf && peer_usable(peer, machine->now) &&
           !exchange_heads_busy(machine, &peer->address);
}

/* A random one of those that can be used now. */
static struct peer *choose(struct exchange *machine)
{
    struct peer *chosen = NULL;
    uint64_t usable = 0;

    for (size_t i = 0; i < machine->peers.count; i++) {
        struct peer *peer = &machine->peers.list[i];

        if (is_fit(machine, peer) && rng_below(&machine->rng, ++usable) == 0)
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
    return peer && is_fit(machine, peer) ? peer : choose(machine);
}

static void run_end(struct exchange *machine)
{
    struct comparing *comparing = &machine->comparing;

    comparing->reading.run = false;
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
    comparing->reading.run = false;
    comparing->failures++;
    comparing->due = about(machine, wait < machine->compare_ns ? wait : machine->compare_ns);
}

bool exchange_compare_done(struct exchange *machine, const struct exchange_event *event)
{
    struct comparing *comparing = &machine->comparing;

    if (!exchange_compare_busy(machine, &event->from))
        return false;
    switch (exchange_read_take(machine, &comparing->reading, event)) {
    case READING_ON:
        comparing->due = machine->now;
        break;
    case READING_ENDED:
        run_end(machine);
        break;
    case READING_FAILED:
        run_failed(machine);
        break;
    }
    return true;
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

    if (peer) {
        exchange_read_begin(machine, &comparing->reading, peer);
        exchange_read_ask(machine, &comparing->reading, peer,
                          exchange_act(actions, EXCHANGE_COMPARE));
    } else {
        run_end(machine);
    }
    exchange_say_hello(machine, greets_all(machine, peer) ? NULL : &peer->address, actions);
    comparing->greeted = true;
}

void exchange_compare_work(struct exchange *machine, struct exchange_actions *actions)
{
    struct reading *reading = &machine->comparing.reading;
    struct peer *peer = NULL;

    if (!mono_reached(machine->now, exchange_compare_due(machine)))
        return;
    if (actions->count + 2 > EXCHANGE_ACTIONS_MAX) {
        actions->more = true;
        return;
    }
    if (reading->run)
        peer = peers_find(&machine->peers, &reading->host);
    reading->run = false;
    if (peer) {
        reading->run = true;
        exchange_read_ask(machine, reading, peer, exchange_act(actions, EXCHANGE_COMPARE));
    } else {
        run_begin(machine, actions);
    }
}

mono_t exchange_compare_due(const struct exchange *machine)
{
    bool idle = machine->place.mesh && !machine->comparing.reading.in_flight;

    return idle ? machine->comparing.due : MONO_NEVER;
}

bool exchange_compare_busy(const struct exchange *machine, const struct address *host)
{
    const struct reading *reading = &machine->comparing.reading;

    return reading->in_flight && address_same_host(host, &reading->host);
}
