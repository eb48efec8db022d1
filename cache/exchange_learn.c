/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

#include <string.h>

#include "src/base/must.h"

static int learn_find(const struct exchange *machine, const char *name)
{
    const struct learning *learning = &machine->learning;
    uint64_t key = exchange_key(machine, name);
    int slot = slots_find(&learning->slots, key, 0);

    while (slot != SLOTS_NONE && strcmp(learning->learns[slot].name, name) != 0)
        slot = slots_find(&learning->slots, key, slot + 1);
    return slot;
}

static int candidate_order(const struct learn_candidate *a, const struct learn_candidate *b)
{
    if (!version_same(a->version, b->version))
        return version_newer(a->version, b->version) ? 1 : -1;
    return digest_compare(&a->sha256, &b->sha256);
}

/* One a host; of more than there is room for, the newest stay. */
static void candidate_add(struct learn *learn, const struct learn_candidate *candidate)
{
    size_t i = 0, oldest = 0;

    for (; i < learn->count && !address_same(&learn->candidates[i].http, &candidate->http); i++)
        if (candidate_order(&learn->candidates[i], &learn->candidates[oldest]) < 0)
            oldest = i;
    if (i == LEARN_CANDIDATES_MAX)
        i = oldest;
    else if (i == learn->count)
        learn->candidates[learn->count++] = *candidate;
    if (candidate_order(&learn->candidates[i], candidate) < 0)
        learn->candidates[i] = *candidate;
}

static void candidate_remove(struct learn *learn, size_t i)
{
    learn->candidates[i] = learn->candidates[--learn->count];
}

/* ISconf hosts are asked for as much as they may be, all of them or this one. */
static bool isconf_is_busy(const struct learning *learning, const struct address *http)
{
    size_t of_host = 0;

    for (size_t i = 0; i < learning->isconf_in_flight; i++)
        of_host += address_same_host(&learning->isconf_asked[i], http);
    return learning->isconf_in_flight == EXCHANGE_ISCONF_IN_FLIGHT ||
           of_host >= EXCHANGE_ISCONF_HOST_IN_FLIGHT;
}

static void isconf_begins(struct learning *learning, const struct address *http)
{
    MUST(learning->isconf_in_flight < EXCHANGE_ISCONF_IN_FLIGHT);
    learning->isconf_asked[learning->isconf_in_flight++] = *http;
}

static void isconf_ends(struct learning *learning, const struct address *http)
{
    size_t i = 0;

    while (!address_same_host(&learning->isconf_asked[i], http))
        MUST(++i < learning->isconf_in_flight);
    learning->isconf_asked[i] = learning->isconf_asked[--learning->isconf_in_flight];
}

/* Can it be asked now? Otherwise the learn is due once it can; where one that is doubtful is being
 * asked for something else, or ISconf hosts for as much as they may be, the end of that is an
 * event. */
static bool candidate_usable(struct exchange *machine, const struct learn_candidate *candidate,
                             struct learn *learn, mono_t *due)
{
    const struct peer *peer = peers_find(&machine->peers, &candidate->http);

    if (candidate->isconf && isconf_is_busy(&machine->learning, &candidate->http)) {
        learn->waits = true;
        return false;
    }
    if (!peer)
        return true;
    if (!peer_usable(peer, machine->now)) {
        *due = mono_earlier(*due, peer->avoid_until);
        return false;
    }
    if (!peer_doubtful(peer) || !peer->tried)
        return true;
    learn->waits = true;
    return false;
}

/* The newest of those that can be asked now, or NULL. */
static const struct learn_candidate *candidate_choose(struct exchange *machine, struct learn *learn,
                                                      mono_t *due)
{
    const struct learn_candidate *newest = NULL;

    learn->waits = false;
    *due = MONO_NEVER;
    for (size_t i = 0; i < learn->count; i++) {
        const struct learn_candidate *candidate = &learn->candidates[i];
        if (candidate_usable(machine, candidate, learn, due) &&
            (!newest || candidate_order(candidate, newest) > 0))
            newest = candidate;
    }
    return newest;
}

/* What ISconf hosts tell, all of them and each, leaves room for what nodes do. */
static bool has_room(const struct learning *learning, const struct learn_candidate *candidate)
{
    size_t of_host = 0;

    if (!candidate->isconf || learning->isconf < EXCHANGE_ISCONF_HOST_LEARNS)
        return true;
    if (learning->isconf >= EXCHANGE_ISCONF_LEARNS_MAX)
        return false;
    for (size_t i = 0; i < learning->slots.end; i++)
        of_host += learning->slots.key[i] && learning->learns[i].isconf &&
                   address_same_host(&learning->learns[i].begun_by, &candidate->http);
    return of_host < EXCHANGE_ISCONF_HOST_LEARNS;
}

/* The slot of a new one, or SLOTS_NONE. */
static int learn_begin(struct exchange *machine, const char *name,
                       const struct learn_candidate *candidate, mono_t due)
{
    struct learning *learning = &machine->learning;
    int slot = SLOTS_NONE;

    if (has_room(learning, candidate))
        slot = slots_take(&learning->slots, EXCHANGE_LEARNS_MAX, exchange_key(machine, name), due);
    if (slot == SLOTS_NONE) {
        machine->figures.learns_dropped++;
        return slot;
    }
    learning->learns[slot] =
        (struct learn){.isconf = candidate->isconf, .begun_by = candidate->http};
    learning->isconf += candidate->isconf;
    exchange_copy_name(learning->learns[slot].name, name);
    return slot;
}

static void learn_end(struct learning *learning, int slot)
{
    learning->isconf -= learning->learns[slot].isconf;
    slots_free(&learning->slots, slot);
}

bool exchange_learn_want(struct exchange *machine, const char *name,
                         const struct learn_candidate *candidate, mono_t due)
{
    struct learning *learning = &machine->learning;
    int slot = learn_find(machine, name);
    struct learn *learn;

    if (slot == SLOTS_NONE)
        slot = learn_begin(machine, name, candidate, due);
    if (slot == SLOTS_NONE)
        return false;
    learn = &learning->learns[slot];
    candidate_add(learn, candidate);
    if (!learn->in_flight)
        learning->slots.due[slot] = mono_earlier(learning->slots.due[slot], due);
    return true;
}

/* Does this candidate, after that result, still promise something? */
static bool still_promising(const struct learn *learn, const struct learn_candidate *candidate,
                            const struct exchange_event *event)
{
    bool was_asked = address_same(&candidate->http, &learn->asked.http);

    if (exchange_order(&event->local, candidate->version, &candidate->sha256) >= 0)
        return false;
    if (event->result == EXCHANGE_AHEAD && version_same(candidate->version, learn->asked.version))
        return false;
    /* Meanwhile the one that was asked may have spoken of a version newer still. */
    return !was_asked ||
           (event->result == EXCHANGE_DONE && candidate_order(candidate, &learn->asked) > 0);
}

/* Who waited for what comes of another looks again. */
static void wake_waiting(struct exchange *machine)
{
    struct learning *learning = &machine->learning;

    for (size_t i = 0; i < learning->slots.end; i++)
        if (learning->slots.key[i] && learning->learns[i].waits)
            learning->slots.due[i] = machine->now;
}

static void asked_ends(struct exchange *machine, struct learn *learn)
{
    struct learning *learning = &machine->learning;
    struct peer *peer = peers_find(&machine->peers, &learn->asked.http);
    bool wakes = learn->tries || learn->asked.isconf;

    if (learn->tries && peer)
        peer->tried = false;
    learn->in_flight = learn->tries = false;
    learning->in_flight--;
    if (learn->asked.isconf)
        isconf_ends(learning, &learn->asked.http);
    if (wakes)
        wake_waiting(machine);
}

bool exchange_learn_done(struct exchange *machine, const struct exchange_event *event,
                         const char *name)
{
    struct learning *learning = &machine->learning;
    int slot = learn_find(machine, name);
    struct learn *learn;
    bool learned;

    if (slot == SLOTS_NONE || !learning->learns[slot].in_flight)
        return false;
    learn = &learning->learns[slot];
    learned = event->result == EXCHANGE_DONE &&
              exchange_order(&event->local, learn->asked.version, &learn->asked.sha256) >= 0;
    asked_ends(machine, learn);
    for (size_t i = learn->count; i-- > 0;)
        if (!still_promising(learn, &learn->candidates[i], event))
            candidate_remove(learn, i);
    if (learn->count)
        learning->slots.due[slot] = machine->now;
    else
        learn_end(learning, slot);
    return learned;
}

bool exchange_learn_pending(const struct exchange *machine, const char *name)
{
    return learn_find(machine, name) != SLOTS_NONE;
}

static void ask_for(struct exchange *machine, struct learn *learn,
                    const struct learn_candidate *candidate, struct exchange_action *action)
{
    struct peer *peer = peers_find(&machine->peers, &candidate->http);

    learn->asked = *candidate;
    learn->in_flight = true;
    learn->waits = false;
    learn->tries = peer && peer_doubtful(peer);
    if (learn->tries)
        peer->tried = true;
    machine->learning.in_flight++;
    if (candidate->isconf)
        isconf_begins(&machine->learning, &candidate->http);
    action->isconf = candidate->isconf;
    action->to = candidate->http;
    exchange_copy_name(action->name, learn->name);
}

/* Who is set aside holds no place that others could use: an absent one would hold each for as long
 * as connecting to it takes to fail. */
void exchange_learn_work(struct exchange *machine, struct exchange_actions *actions)
{
    struct learning *learning = &machine->learning;
    int slot = slots_first(&learning->slots);

    while (slot != SLOTS_NONE && mono_reached(machine->now, learning->slots.due[slot]) &&
           learning->in_flight < EXCHANGE_LEARNS_IN_FLIGHT) {
        struct learn *learn = &learning->learns[slot];
        mono_t due;
        const struct learn_candidate *candidate = candidate_choose(machine, learn, &due);

        if (candidate) {
            struct exchange_action *action = exchange_act(actions, EXCHANGE_LEARN);
            if (!action)
                return;
            ask_for(machine, learn, candidate, action);
        }
        learning->slots.due[slot] = candidate ? MONO_NEVER : due;
        slot = slots_first(&learning->slots);
    }
}

mono_t exchange_learn_due(const struct exchange *machine)
{
    const struct learning *learning = &machine->learning;

    if (learning->in_flight == EXCHANGE_LEARNS_IN_FLIGHT)
        return MONO_NEVER; /* the end of one of them is an event */
    return slots_due(&learning->slots);
}
