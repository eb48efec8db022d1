/* SPDX-License-Identifier: ISC */
#include "cache/gossip.h"

#include <string.h>

#include "src/base/must.h"
#include "src/base/rng.h"

enum { GOSSIP_MAGIC = 0x676f7373 };

struct gossip {
    unsigned magic;
    struct rng rng;
    uint64_t hash_seed;
    int64_t interval_ns;
    mono_t begun; /* the interval in which we speak next */
    mono_t due;   /* when we speak */
    mono_t look;  /* nobody is lost before */
    size_t count;
    size_t known;
    struct gossip_node list[GOSSIP_NODES_MAX];
    uint16_t first[GOSSIP_BUCKETS]; /* by a hash of the name: place in the list + 1, 0: none */
    uint16_t next[GOSSIP_NODES_MAX];
};

_Static_assert(GOSSIP_NODES_MAX < UINT16_MAX, "places are kept in 16 bits");

size_t gossip_size(void)
{
    return sizeof(struct gossip);
}

/* ---- when we speak --------------------------------------------------------------------------- */

static void roll(struct gossip *machine)
{
    int64_t within = (int64_t)rng_below(&machine->rng, (uint64_t)machine->interval_ns);

    machine->due = mono_after(machine->begun, within);
}

void gossip_set_interval(struct gossip *machine, mono_t now, int64_t interval_ns)
{
    MUST_BE(machine, GOSSIP_MAGIC);
    MUST(interval_ns > 0);
    machine->interval_ns = interval_ns;
    machine->begun = now;
    roll(machine);
}

/* Intervals that were slept through are not made up for. */
static bool speak(struct gossip *machine, mono_t now)
{
    if (!mono_reached(now, machine->due))
        return false;
    machine->begun = mono_after(machine->begun, machine->interval_ns);
    if (mono_reached(now, mono_after(machine->begun, machine->interval_ns)))
        machine->begun = now;
    roll(machine);
    return true;
}

void gossip_init(struct gossip *machine, const struct gossip_options *options)
{
    MUST(!machine->magic);
    machine->magic = GOSSIP_MAGIC;
    machine->rng.state = options->seed;
    machine->hash_seed = rng_next(&machine->rng);
    machine->look = MONO_NEVER;
    gossip_set_interval(machine, options->now, options->interval_ns);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* FNV-1a, from where no stranger knows it to begin. */
static size_t bucket_of(const struct gossip *machine, const char *node)
{
    uint64_t hash = machine->hash_seed;

    for (; *node; node++)
        hash = (hash ^ (uint8_t)*node) * 0x100000001b3u;
    return (hash ^ hash >> 32) % GOSSIP_BUCKETS;
}

static struct gossip_node *find(struct gossip *machine, const char *node)
{
    for (size_t at = machine->first[bucket_of(machine, node)]; at; at = machine->next[at - 1]) {
        if (strcmp(machine->list[at - 1].beat.node, node) == 0)
            return &machine->list[at - 1];
    }
    return NULL;
}

static void unlink_place(struct gossip *machine, size_t place)
{
    uint16_t *link = &machine->first[bucket_of(machine, machine->list[place].beat.node)];

    while (*link != place + 1) {
        MUST(*link);
        link = &machine->next[*link - 1];
    }
    *link = machine->next[place];
}

static void link_place(struct gossip *machine, size_t place)
{
    size_t bucket = bucket_of(machine, machine->list[place].beat.node);

    machine->next[place] = machine->first[bucket];
    machine->first[bucket] = (uint16_t)(place + 1);
}

/* Members stay where others can go. */
static bool goes_before(const struct gossip_node *a, const struct gossip_node *b)
{
    if (a->member != b->member)
        return !a->member;
    return a->heard.ns < b->heard.ns;
}

static struct gossip_node *make_room(struct gossip *machine, const char *node)
{
    size_t place = 0;

    if (machine->count < GOSSIP_NODES_MAX) {
        place = machine->count++;
    } else {
        for (size_t i = 1; i < GOSSIP_NODES_MAX; i++)
            place = goes_before(&machine->list[i], &machine->list[place]) ? i : place;
        unlink_place(machine, place);
        machine->known -= !machine->list[place].lost;
    }
    machine->list[place] = (struct gossip_node){.lost = true};
    MUST(span_copy(span_of(node), machine->list[place].beat.node, NODE_SIZE));
    link_place(machine, place);
    return &machine->list[place];
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

static bool shares_address(const struct heartbeat *a, const struct heartbeat *b)
{
    for (size_t i = 0; i < a->address_count; i++) {
        for (size_t j = 0; j < b->address_count; j++) {
            if (address_same_host(&a->addresses[i], &b->addresses[j]))
                return true;
        }
    }
    return false;
}

/* Is it in the same place, with what it listens on? */
static bool is_same_place(const struct heartbeat *a, const struct heartbeat *b)
{
    if (a->address_count != b->address_count || a->port != b->port || a->http_port != b->http_port)
        return false;
    for (size_t i = 0; i < a->address_count; i++) {
        if (!address_same_host(&a->addresses[i], &b->addresses[i]))
            return false;
    }
    return true;
}

/* Silence of so long means that it is gone: its random moments lie up to two intervals apart, and
 * packets are lost. */
static mono_t lost_at(const struct gossip_node *node)
{
    return mono_after(node->heard, GOSSIP_MISSED * MONO_MS(node->beat.interval_ms));
}

static void note(struct gossip *machine, struct gossip_node *node, const struct gossip_event *event)
{
    machine->known += node->lost;
    node->beat = *event->beat;
    node->from = event->from;
    node->heard = event->now;
    node->member = event->member;
    node->vouched = event->vouched;
    node->lost = false;
    machine->look = mono_earlier(machine->look, lost_at(node));
}

static void hear(struct gossip *machine, const struct gossip_event *event,
                 struct gossip_actions *actions)
{
    struct gossip_node *node = find(machine, event->beat->node);

    actions->verdict = judge(node, event);
    if (actions->verdict == GOSSIP_REPLAYED && !node->lost && event->beat->boot < node->beat.boot &&
        !shares_address(&node->beat, event->beat))
        actions->node = node;
    if (actions->verdict != GOSSIP_TAKEN)
        return;
    actions->met = !node || node->lost || !is_same_place(&node->beat, event->beat);
    if (!node)
        node = make_room(machine, event->beat->node);
    note(machine, node, event);
    actions->node = node;
}

/* ---- who is gone ----------------------------------------------------------------------------- */

/* As many as fit; the rest at once after. */
static void look_for_lost(struct gossip *machine, mono_t now, struct gossip_actions *actions)
{
    if (!mono_reached(now, machine->look))
        return;
    machine->look = MONO_NEVER;
    for (size_t i = 0; i < machine->count; i++) {
        struct gossip_node *node = &machine->list[i];
        if (node->lost)
            continue;
        if (mono_reached(now, lost_at(node)) && actions->lost_count < GOSSIP_LOST_MAX) {
            node->lost = true;
            machine->known--;
            actions->lost[actions->lost_count++] = node;
        } else {
            machine->look = mono_earlier(machine->look, lost_at(node));
        }
    }
}

void gossip_step(struct gossip *machine, const struct gossip_event *event,
                 struct gossip_actions *actions)
{
    MUST_BE(machine, GOSSIP_MAGIC);
    actions->say = actions->met = false;
    actions->verdict = GOSSIP_TAKEN;
    actions->node = NULL;
    actions->lost_count = 0;
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
    return machine->count;
}

const struct gossip_node *gossip_node_at(const struct gossip *machine, size_t i)
{
    MUST_BE(machine, GOSSIP_MAGIC);
    MUST(i < machine->count);
    return &machine->list[i];
}

size_t gossip_known(const struct gossip *machine)
{
    MUST_BE(machine, GOSSIP_MAGIC);
    return machine->known;
}
