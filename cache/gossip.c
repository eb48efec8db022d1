/* SPDX-License-Identifier: ISC */
#include "cache/gossip.h"

#include <string.h>

#include "src/base/must.h"
#include "src/base/rng.h"

enum { GOSSIP_MAGIC = 0x676f7373 };

struct gossip {
    unsigned magic;
    struct rng rng;
    int64_t interval_ns;
    mono_t begun; /* the interval in which we speak next */
    mono_t due;   /* when we speak */
    mono_t look;  /* nobody is lost before */
    size_t known;
    struct gossip_table table;
};

size_t gossip_size(void)
{
    return sizeof(struct gossip);
}

/* ---- when we speak --------------------------------------------------------------------------- */

static void roll(struct gossip *machine, int64_t most_ns)
{
    int64_t within = (int64_t)rng_below(&machine->rng, (uint64_t)most_ns);

    machine->due = mono_after(machine->begun, within);
}

void gossip_set_interval(struct gossip *machine, mono_t now, int64_t interval_ns)
{
    MUST_BE(machine, GOSSIP_MAGIC);
    MUST(interval_ns > 0);
    machine->begun = now;
    roll(machine, interval_ns < machine->interval_ns ? interval_ns : machine->interval_ns);
    machine->interval_ns = interval_ns;
}

/* Intervals that were slept through are not made up for. */
static bool speak(struct gossip *machine, mono_t now)
{
    if (!mono_reached(now, machine->due))
        return false;
    machine->begun = mono_after(machine->begun, machine->interval_ns);
    if (mono_reached(now, mono_after(machine->begun, machine->interval_ns)))
        machine->begun = now;
    roll(machine, machine->interval_ns);
    return true;
}

void gossip_init(struct gossip *machine, const struct gossip_options *options)
{
    MUST(!machine->magic);
    machine->magic = GOSSIP_MAGIC;
    machine->rng.state = options->seed;
    machine->table.seed = rng_next(&machine->rng);
    machine->look = MONO_NEVER;
    machine->interval_ns = options->interval_ns;
    gossip_set_interval(machine, options->now, options->interval_ns);
}

/* ---- what is news ---------------------------------------------------------------------------- */

static bool is_timely(const struct gossip_event *event)
{
    int64_t ahead = event->beat->clock.ms - event->wall.ms;

    return ahead >= -GOSSIP_AHEAD_MS && ahead <= GOSSIP_AHEAD_MS;
}

/* In the order of what a node of that name says. */
static bool rises(const struct gossip_node *node, const struct heartbeat *beat)
{
    if (beat->boot != node->beat.boot)
        return beat->boot > node->beat.boot;
    return beat->counter > node->beat.counter;
}

/* Is what does not rise refused for what was said last, whatever time it tells? */
static bool is_barred(const struct gossip_node *node, const struct gossip_event *event)
{
    if (node->beat.boot == event->beat->boot && node->vouched && event->vouched)
        return true;
    return !node->lost && mono_between(node->heard, event->now) < MONO_MS(GOSSIP_BARS_MS);
}

static enum gossip_verdict judge(const struct gossip_node *node, const struct gossip_event *event)
{
    bool is_next = node && rises(node, event->beat);

    if (node && !is_next && is_barred(node, event))
        return GOSSIP_REPLAYED;
    if (is_next && !node->lost && node->beat.boot == event->beat->boot)
        return GOSSIP_TAKEN;
    return is_timely(event) ? GOSSIP_TAKEN : GOSSIP_STALE;
}

/* How many of a's addresses b tells too. */
static size_t count_shared(const struct heartbeat *a, const struct heartbeat *b)
{
    size_t count = 0;

    for (size_t i = 0; i < a->address_count; i++)
        count += heartbeat_tells(b, &a->addresses[i]);
    return count;
}

/* Is it in the same place, with what it listens on? The address that it spoke from is told first.
 */
static bool is_same_place(const struct heartbeat *a, const struct heartbeat *b)
{
    return a->port == b->port && a->http_port == b->http_port &&
           a->address_count == b->address_count && count_shared(a, b) == a->address_count;
}

/* ---- who is gone ----------------------------------------------------------------------------- */

/* Silence of so long means that it is gone: its random moments lie up to two intervals apart, and
 * packets are lost. */
static mono_t lost_at(const struct gossip_node *node)
{
    return mono_after(node->heard, GOSSIP_MISSED * MONO_MS(node->beat.interval_ms));
}

/* Of the addresses that it told, those at which nobody is now. */
static void tell_gone(const struct gossip *machine, const struct heartbeat *told,
                      struct gossip_actions *actions)
{
    for (size_t i = 0; i < told->address_count; i++) {
        if (gossip_table_is_at(&machine->table, &told->addresses[i]))
            continue; /* another of that host, or by the name that it has now */
        MUST(actions->gone_count < GOSSIP_GONE_MAX);
        actions->gone[actions->gone_count++] = told->addresses[i];
    }
}

static void lose(struct gossip *machine, struct gossip_node *node, struct gossip_actions *actions)
{
    node->lost = true;
    machine->known--;
    tell_gone(machine, &node->beat, actions);
}

/* As many as fit; the rest at once after. */
static void look_for_lost(struct gossip *machine, mono_t now, struct gossip_actions *actions)
{
    mono_t next = mono_after(now, MONO_MS(GOSSIP_LOOK_MS));

    if (!mono_reached(now, machine->look))
        return;
    machine->look = MONO_NEVER;
    for (size_t i = 0; i < machine->table.count; i++) {
        struct gossip_node *node = &machine->table.list[i];
        if (node->lost)
            continue;
        if (mono_reached(now, lost_at(node)) &&
            actions->gone_count + HEARTBEAT_ADDRESSES_MAX <= GOSSIP_GONE_MAX)
            lose(machine, node, actions);
        else
            machine->look = mono_earlier(machine->look, lost_at(node));
    }
    if (!mono_reached(now, machine->look) && mono_reached(next, machine->look))
        machine->look = next;
}

/* ---- hearing --------------------------------------------------------------------------------- */

/* A place for one that is new, or NULL. */
static struct gossip_node *make_room(struct gossip *machine, const struct gossip_event *event,
                                     struct gossip_actions *actions)
{
    mono_t stale = {event->now.ns - MONO_MS(GOSSIP_BARS_MS)};
    struct gossip_node *node = gossip_table_room(&machine->table, &event->from, stale);

    if (!node)
        return NULL;
    if (*node->beat.node) {
        if (!node->lost)
            lose(machine, node, actions);
        gossip_table_clear(&machine->table, node);
    }
    node->lost = true;
    return node;
}

static void note(struct gossip *machine, struct gossip_node *node, const struct gossip_event *event,
                 struct gossip_actions *actions)
{
    struct heartbeat before = node->beat;

    gossip_table_set(&machine->table, node, event->beat);
    machine->known += node->lost;
    node->from = event->from;
    node->heard = event->now;
    node->member = event->member;
    node->vouched = event->vouched;
    node->lost = false;
    machine->look = mono_earlier(machine->look, lost_at(node));
    if (event->vouched)
        tell_gone(machine, &before, actions);
}

static void hear(struct gossip *machine, const struct gossip_event *event,
                 struct gossip_actions *actions)
{
    struct gossip_node *node = gossip_table_find(&machine->table, event->beat->node);

    actions->verdict = judge(node, event);
    if (actions->verdict == GOSSIP_REPLAYED && !node->lost && event->beat->boot < node->beat.boot &&
        count_shared(&node->beat, event->beat) == 0)
        actions->node = node;
    if (actions->verdict != GOSSIP_TAKEN)
        return;
    actions->met = !node || node->lost || !is_same_place(&node->beat, event->beat);
    if (!node)
        node = make_room(machine, event, actions);
    if (!node) {
        actions->met = false;
        actions->verdict = GOSSIP_CROWDED;
        return;
    }
    note(machine, node, event, actions);
    actions->node = node;
}

void gossip_step(struct gossip *machine, const struct gossip_event *event,
                 struct gossip_actions *actions)
{
    MUST_BE(machine, GOSSIP_MAGIC);
    actions->say = actions->met = false;
    actions->verdict = GOSSIP_TAKEN;
    actions->node = NULL;
    actions->gone_count = 0;
    if (event->kind == GOSSIP_HEARD)
        hear(machine, event, actions);
    else
        look_for_lost(machine, event->now, actions);
    actions->say = speak(machine, event->now);
    actions->deadline = mono_earlier(machine->due, machine->look);
}

size_t gossip_count(const struct gossip *machine)
{
    MUST_BE(machine, GOSSIP_MAGIC);
    return machine->table.count;
}

const struct gossip_node *gossip_node_at(const struct gossip *machine, size_t i)
{
    MUST_BE(machine, GOSSIP_MAGIC);
    MUST(i < machine->table.count);
    return &machine->table.list[i];
}

size_t gossip_known(const struct gossip *machine)
{
    MUST_BE(machine, GOSSIP_MAGIC);
    return machine->known;
}
