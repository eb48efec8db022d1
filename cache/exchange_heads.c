/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

/*
 * In tiers, a catalogue is read where its head tells of changes that we have not seen: a master's
 * soon, a member's in its turn, so that two hundred standings do not become two hundred requests at
 * once. A row waits for each such host until what its head told of was read.
 */

/* All who follow a master see its head change at the same moment. */
static const int64_t ABOVE_JITTER_NS = MONO_MS(50);
static const int64_t BELOW_JITTER_NS = MONO_MS(500);

/* What one below takes from us changes its head too: its next is not read before this. */
static const int64_t BELOW_GAP_NS = MONO_S(1);

/* After a failure, twice as long each time; where it was read in vain, likewise. */
static const int64_t RETRY_FIRST_NS = MONO_MS(100);
static const int64_t RETRY_ABOVE_MOST_NS = MONO_S(3);

/* A row that so many comparisons have not settled goes; the next head brings another. */
enum { HEAD_FAILURES_MAX = 12 };

/* A catalogue that we have read to its head and that still differs from ours for so long is read
 * again from its beginning: something was lost on the way, or lay in the future. */
static const int64_t DOUBT_NS = MONO_S(30);

/* Each time in vain, twice as long: the rules of its gate may keep names from us for good. */
static const int64_t DOUBT_MOST_NS = MONO_S(3600);

/* A comparison also tells since when another has been whole, see store_touch: one whom we follow is
 * asked once an hour though its head is ours, so that being quiet is not being away. Not all who
 * follow it ask at once. */
static const int64_t ANYWAY_NS = MONO_S(2700);
static const int64_t ANYWAY_JITTER_NS = MONO_S(900);

enum { NO_READING = -1 };

static int head_find(const struct exchange *machine, const struct address *host)
{
    const struct heads *heads = &machine->heads;
    uint64_t key = exchange_host_key(machine, host);
    int slot = slots_find(&heads->slots, key, 0);

    while (slot != SLOTS_NONE && !address_same_host(&heads->rows[slot].host, host))
        slot = slots_find(&heads->slots, key, slot + 1);
    return slot;
}

static struct reading *reading_of(struct exchange *machine, const struct address *host)
{
    for (size_t i = 0; i < EXCHANGE_COMPARES_IN_FLIGHT; i++) {
        struct reading *reading = &machine->heads.readings[i];
        if (reading->run && address_same_host(&reading->host, host))
            return reading;
    }
    return NULL;
}

bool exchange_heads_busy(const struct exchange *machine, const struct address *host)
{
    for (size_t i = 0; i < EXCHANGE_COMPARES_IN_FLIGHT; i++) {
        const struct reading *reading = &machine->heads.readings[i];
        if (reading->run && address_same_host(&reading->host, host))
            return true;
    }
    return false;
}

/* When a row that has just become of interest is due. */
static mono_t head_due(struct exchange *machine, const struct peer *peer, bool above)
{
    mono_t due = exchange_within(machine, above ? ABOVE_JITTER_NS : BELOW_JITTER_NS);
    mono_t gap = mono_after(peer->compared, BELOW_GAP_NS);

    return !above && peer->ever_compared && gap.ns > due.ns ? gap : due;
}

/* A row for what the head tells of; sequence 0: for whatever there is. */
static void head_want(struct exchange *machine, const struct peer *peer, uint64_t store,
                      uint64_t sequence)
{
    struct heads *heads = &machine->heads;
    bool above = peer->relations & ROUTE_FOLLOWED;
    int slot = head_find(machine, &peer->address);

    if (slot == SLOTS_NONE) {
        slot =
            slots_take(&heads->slots, EXCHANGE_COMPARISONS_MAX,
                       exchange_host_key(machine, &peer->address), head_due(machine, peer, above));
        if (slot == SLOTS_NONE)
            return; /* its next head brings it back */
        heads->rows[slot] = (struct head_row){.host = peer->address};
    }
    heads->rows[slot].above = above;
    heads->rows[slot].store = store;
    heads->rows[slot].sequence = sequence;
}

void exchange_heads_soon(struct exchange *machine, const struct peer *peer)
{
    if (head_find(machine, &peer->address) == SLOTS_NONE)
        head_want(machine, peer, peer->store_id, 0);
}

/* Is it time to compare, though both are the same? */
static bool is_time_anyway(struct exchange *machine, const struct peer *peer)
{
    mono_t *anyway = &machine->heads.anyway;

    if (!(peer->relations & ROUTE_FOLLOWED))
        return false;
    if (!anyway->ns)
        *anyway = mono_after(exchange_within(machine, ANYWAY_JITTER_NS), ANYWAY_NS);
    return mono_reached(machine->now, *anyway);
}

/* Both catalogues are the same: all that it has up to there we have. */
static void heads_agree(struct exchange *machine, struct peer *peer,
                        const struct exchange_head *head)
{
    int slot = head_find(machine, &peer->address);

    peer->differing = false;
    peer->doubts = 0;
    if (exchange_heads_busy(machine, &peer->address))
        return;
    if (peer->store_id != head->store || peer->position < head->sequence) {
        peer->store_id = head->store;
        peer->position = head->sequence;
        peer->ahead = false;
    }
    if (is_time_anyway(machine, peer))
        head_want(machine, peer, head->store, 0);
    else if (slot != SLOTS_NONE)
        slots_free(&machine->heads.slots, slot);
}

/* What lay in the future comes to pass; that is not waited for longer. */
static int64_t doubt_after(const struct peer *peer)
{
    int64_t wait = DOUBT_NS;

    for (unsigned i = 0; i < peer->doubts && wait < DOUBT_MOST_NS && !peer->ahead; i++)
        wait *= 2;
    return wait < DOUBT_MOST_NS ? wait : DOUBT_MOST_NS;
}

/* We have read to its head, and differ. What we know better it reads from us; but not for ever. */
static void head_doubted(struct exchange *machine, struct peer *peer,
                         const struct exchange_head *head)
{
    if (!peer->differing) {
        peer->differing = true;
        peer->differs_since = machine->now;
    }
    if (!(peer->relations & ROUTE_FOLLOWED || peer->ahead) ||
        exchange_heads_busy(machine, &peer->address) ||
        mono_between(peer->differs_since, machine->now) < doubt_after(peer))
        return;
    peer->differing = false;
    if (peer->doubts < UINT8_MAX)
        peer->doubts++;
    exchange_read_forget(peer);
    head_want(machine, peer, head->store, head->sequence);
}

/* What was put off while it was absent is not put off for longer than it is set aside. */
static void head_is_back(struct exchange *machine, const struct peer *peer)
{
    int slot = head_find(machine, &peer->address);
    mono_t *due = slot == SLOTS_NONE ? NULL : &machine->heads.slots.due[slot];

    if (due && due->ns != MONO_NEVER.ns && !peer_usable(peer, machine->now))
        *due = mono_earlier(*due, peer->avoid_until);
}

void exchange_heads_heard(struct exchange *machine, const struct exchange_event *event)
{
    struct peer *peer = peers_learn(&machine->peers, &event->from, machine->now);
    const struct exchange_head *head = &event->head;

    exchange_relate(machine, peer, event->relations);
    peer_speaks(peer, machine->now);
    head_is_back(machine, peer);
    if (event->from.port)
        peer->http_port = event->from.port;
    if (head->clock.ms > 0)
        exchange_clock_heard(peer, event, head->clock);
    if (route_ask(event->relations) == ROUTE_ASK_NEVER || !head->store)
        return;
    if (digest_same(&head->digest, &event->own)) {
        heads_agree(machine, peer, head);
    } else if (head->store != peer->store_id || head->sequence > peer->position) {
        peer->differing = false;
        head_want(machine, peer, head->store, head->sequence);
    } else {
        head_doubted(machine, peer, head);
    }
}

/* Was everything read that the head told of? */
static bool is_settled(const struct head_row *row, const struct peer *peer)
{
    return !row->sequence || (peer->store_id == row->store && peer->position >= row->sequence);
}

/* Read in vain, or not at all: again, ever later. */
static void head_failed(struct exchange *machine, int slot)
{
    struct head_row *row = &machine->heads.rows[slot];
    int64_t most = row->above ? RETRY_ABOVE_MOST_NS : machine->compare_ns;
    int64_t wait = RETRY_FIRST_NS;

    for (unsigned i = 0; i < row->failures && wait < most; i++)
        wait *= 2;
    if (++row->failures == HEAD_FAILURES_MAX) {
        slots_free(&machine->heads.slots, slot);
        return;
    }
    wait = wait < most ? wait : most;
    machine->heads.slots.due[slot] = mono_after(exchange_within(machine, wait / 2 + 1), wait / 2);
}

bool exchange_heads_done(struct exchange *machine, const struct exchange_event *event)
{
    struct reading *reading = reading_of(machine, &event->from);
    enum reading_state state;
    const struct peer *peer;
    int slot;

    if (!reading || !reading->in_flight)
        return false;
    slot = head_find(machine, &event->from);
    state = exchange_read_take(machine, reading, event);
    peer = peers_find(&machine->peers, &event->from);
    if (state == READING_ENDED && !event->page.more && peer && peer->relations & ROUTE_FOLLOWED)
        machine->heads.anyway = (mono_t){0};
    if (state == READING_ON || slot == SLOTS_NONE)
        return true;
    if (!peer || (state == READING_ENDED && is_settled(&machine->heads.rows[slot], peer)))
        slots_free(&machine->heads.slots, slot);
    else if (state == READING_ENDED && event->page.more)
        machine->heads.slots.due[slot] = machine->now;
    else
        head_failed(machine, slot);
    return true;
}

void exchange_heads_forget(struct exchange *machine, const struct address *host)
{
    struct reading *reading = reading_of(machine, host);
    int slot = head_find(machine, host);

    if (reading)
        reading->run = false;
    if (slot != SLOTS_NONE)
        slots_free(&machine->heads.slots, slot);
}

/* A place for one more catalogue to read, or NO_READING. Half of them are kept for those above. */
static int reading_free(const struct exchange *machine, bool above)
{
    int most = above ? EXCHANGE_COMPARES_IN_FLIGHT : EXCHANGE_COMPARES_IN_FLIGHT / 2;

    for (int i = 0; i < most; i++)
        if (!machine->heads.readings[i].run)
            return i;
    return NO_READING;
}

/* The row that is due first of those that have a place, or SLOTS_NONE. */
static int head_next(const struct exchange *machine)
{
    const struct heads *heads = &machine->heads;
    bool above = reading_free(machine, true) != NO_READING;
    bool below = reading_free(machine, false) != NO_READING;
    int next = SLOTS_NONE;

    for (size_t i = 0; i < heads->slots.end; i++) {
        if (!heads->slots.key[i] || !(heads->rows[i].above ? above : below))
            continue;
        if (next == SLOTS_NONE || heads->slots.due[i].ns < heads->slots.due[next].ns)
            next = (int)i;
    }
    return next;
}

mono_t exchange_heads_due(const struct exchange *machine)
{
    int next = head_next(machine);

    return next == SLOTS_NONE ? MONO_NEVER : machine->heads.slots.due[next];
}

/* Begins to read it, or puts it off; false: no room for the action. */
static bool head_begin(struct exchange *machine, int slot, struct exchange_actions *actions)
{
    struct head_row *row = &machine->heads.rows[slot];
    struct peer *peer = peers_find(&machine->peers, &row->host);
    struct reading *reading = &machine->heads.readings[reading_free(machine, row->above)];
    struct exchange_action *action;

    if (!peer) {
        slots_free(&machine->heads.slots, slot);
        return true;
    }
    if (!peer_usable(peer, machine->now)) {
        machine->heads.slots.due[slot] = peer->avoid_until;
        return true;
    }
    if (exchange_compare_busy(machine, &row->host)) {
        head_failed(machine, slot);
        return true;
    }
    action = exchange_act(actions, EXCHANGE_COMPARE);
    if (!action)
        return false;
    exchange_read_begin(machine, reading, peer);
    exchange_read_ask(machine, reading, peer, action);
    machine->heads.slots.due[slot] = MONO_NEVER; /* until it ends */
    return true;
}

/* The next pages of those that are being read; false: no room for an action. */
static bool go_on_reading(struct exchange *machine, struct exchange_actions *actions)
{
    for (size_t i = 0; i < EXCHANGE_COMPARES_IN_FLIGHT; i++) {
        struct reading *reading = &machine->heads.readings[i];
        const struct peer *peer = reading->run ? peers_find(&machine->peers, &reading->host) : NULL;
        struct exchange_action *action;

        if (!reading->run || reading->in_flight)
            continue;
        if (!peer) {
            exchange_heads_forget(machine, &reading->host); /* it made room for another */
            continue;
        }
        action = exchange_act(actions, EXCHANGE_COMPARE);
        if (!action)
            return false;
        exchange_read_ask(machine, reading, peer, action);
    }
    return true;
}

void exchange_heads_work(struct exchange *machine, struct exchange_actions *actions)
{
    if (!go_on_reading(machine, actions))
        return;
    while (mono_reached(machine->now, exchange_heads_due(machine)) &&
           head_begin(machine, head_next(machine), actions))
        continue;
}
