/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

/*
 * The one connection of a candidate to its master, on the TCP side of advert_port. A process that
 * dies breaks it, and a new one is refused while no other process listens; a host that dies, or a
 * way that is cut, is silence.
 */
static const int64_t RETRY_NS = MONO_S(1);

static void connect_later(struct sim *sim, struct sim_node *node, int tier, int64_t after,
                          bool broke);

static struct watch *watch_of(struct sim *sim, const struct sim_event *event)
{
    return &sim->nodes[event->node].electors[event->other & 1].watch;
}

static void refused(struct sim *sim, struct sim_event *event)
{
    struct watch *watch = watch_of(sim, event);
    struct elect_event gone = {.kind = ELECT_WATCH_REFUSED};

    if (watch->number != event->number)
        return;
    gone.from = sim->nodes[event->peer].address;
    sim_note(sim, "n%d is refused by n%d", event->node, event->peer);
    elector_step(sim, &sim->nodes[event->node], (int)(event->other & 1), &gone);
    if (watch->number == event->number)
        connect_later(sim, &sim->nodes[event->node], (int)(event->other & 1), RETRY_NS, false);
}

static int64_t wire(struct sim *sim)
{
    return sim_between(sim, SIM_WIRE_LEAST_NS, SIM_WIRE_MOST_NS);
}

/* At the other end. event->other: the tier, and whether one broke before, as a bit. */
static void knocks(struct sim *sim, struct sim_event *event)
{
    struct watch *watch = watch_of(sim, event);
    struct sim_node *peer = &sim->nodes[event->peer];
    struct sim_event *answer;

    if (watch->number != event->number)
        return;
    if (!sim_path(sim, event->node, event->peer) || !sim_path(sim, event->peer, event->node) ||
        (!peer->up && peer->deaf)) {
        connect_later(sim, &sim->nodes[event->node], (int)(event->other & 1), RETRY_NS,
                      event->other & 2);
    } else if (peer->up) {
        watch->held = true;
        watch->life = peer->life;
    } else if (event->other & 2) {
        answer = sim_at(sim, wire(sim), refused, event->node);
        answer->peer = event->peer;
        answer->number = event->number;
        answer->other = event->other;
    } else {
        connect_later(sim, &sim->nodes[event->node], (int)(event->other & 1), RETRY_NS, false);
    }
}

static void connect_later(struct sim *sim, struct sim_node *node, int tier, int64_t after,
                          bool broke)
{
    struct watch *watch = &node->electors[tier].watch;
    struct sim_event *event = sim_at(sim, after + wire(sim), knocks, node->index);

    watch->held = false;
    event->peer = watch->peer;
    event->number = ++watch->number;
    event->other = (uint64_t)tier | (broke ? 2 : 0);
}

void watch_set(struct sim *sim, struct sim_node *node, int tier, const struct address *to)
{
    struct watch *watch = &node->electors[tier].watch;
    int peer = address_is_any(to) ? -1 : sim_node_at(sim, to);

    if (peer == watch->peer)
        return;
    watch->peer = peer;
    watch->held = false;
    watch->number++;
    if (peer >= 0)
        connect_later(sim, node, tier, 0, false);
}

static void broke(struct sim *sim, struct sim_event *event)
{
    struct watch *watch = watch_of(sim, event);

    if (watch->held && watch->number == event->number)
        connect_later(sim, &sim->nodes[event->node], (int)event->other, 0, true);
}

static void break_later(struct sim *sim, struct sim_node *node, int tier)
{
    struct sim_event *event = sim_at(sim, wire(sim), broke, node->index);

    event->number = node->electors[tier].watch.number;
    event->other = (uint64_t)tier;
}

void watch_peer_died(struct sim *sim, int peer)
{
    for (int i = 0; i < sim->node_count; i++) {
        struct sim_node *node = &sim->nodes[i];

        for (int t = 0; t < sim->tier_count && node->up; t++) {
            const struct watch *watch = &node->electors[t].watch;

            if (watch->held && watch->peer == peer && watch->life == sim->nodes[peer].life &&
                sim_path(sim, peer, i))
                break_later(sim, node, t);
        }
    }
}

void watch_reset(struct sim *sim, struct sim_node *node, int tier)
{
    if (!node->up || !node->electors[tier].watch.held)
        return;
    sim_count(sim, SIM_RESET);
    break_later(sim, node, tier);
}
