/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

/* The network: datagrams of both ports. */

int sim_node_at(const struct sim *sim, const struct address *address)
{
    for (int i = 0; i < sim->node_count; i++)
        if (address_same_host(&sim->nodes[i].address, address))
            return i;
    return -1;
}

bool sim_path(const struct sim *sim, int from, int to)
{
    return !sim->faults.cut[from][to] &&
           (sim->faults.side >> from & 1) == (sim->faults.side >> to & 1);
}

void sim_trouble(struct sim *sim, int from, int to, mono_t until)
{
    if (sim->trouble[from][to].ns < until.ns)
        sim->trouble[from][to] = until;
}

/* To the process; to its socket where it stands still; to nowhere where that is full. */
static void arrive(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->peer];

    if (!node->up)
        return;
    if (!node->paused) {
        if (event->port == SIM_ADVERT_PORT)
            elector_datagram(sim, event);
        else
            cache_datagram(sim, event);
    } else if (!node->deaf && node->socket.count < SIM_SOCKET_MAX) {
        sim_node_hold(&node->socket, event);
    }
}

static bool gets_through(struct sim *sim, int from, int to)
{
    if (!sim_path(sim, from, to))
        return false;
    if (!sim_chance(sim, sim->faults.loss))
        return true;
    sim_count(sim, SIM_LOSS);
    return false;
}

/* Nothing overtakes, but what is delayed, and what it meets. */
static int64_t roll_way(struct sim *sim, int from, int to)
{
    int64_t after = sim_between(sim, SIM_WIRE_LEAST_NS, SIM_WIRE_MOST_NS);
    mono_t *last = &sim->arrived[from][to];

    if (sim_chance(sim, sim->faults.delay)) {
        sim_count(sim, SIM_DELAY);
        after += sim_between(sim, 0, sim->faults.delay_ns);
        sim_trouble(sim, from, to, mono_after(sim->now, after));
        return after;
    }
    if (sim->now.ns + after < last->ns)
        after = mono_between(sim->now, *last);
    *last = mono_after(sim->now, after);
    return after;
}

void sim_deliver(struct sim *sim, int from, int to, const struct sim_packet *packet)
{
    int64_t after = roll_way(sim, from, to);
    struct sim_event *event;

    if (!gets_through(sim, from, to)) {
        sim_trouble(sim, from, to, sim->now);
        return;
    }
    event = sim_at(sim, after, arrive, -1);
    event->peer = to;
    event->from = packet->from;
    event->port = packet->port;
    event->to_group = packet->to_group;
    event->hops = packet->hops;
    sim_event_bytes(event, packet->bytes, packet->len);
}

void sim_send(struct sim *sim, struct sim_node *from, int to, const struct sim_packet *packet)
{
    sim->result->datagrams++;
    sim_deliver(sim, from->index, to, packet);
    if (sim_chance(sim, sim->faults.duplication)) {
        sim_count(sim, SIM_DUPLICATION);
        sim_deliver(sim, from->index, to, packet);
    }
}

/* Once for each datagram that is said, to however many. */
void sim_capture(struct sim *sim, const struct sim_node *from, const struct sim_packet *packet)
{
    if (!sim->faults.hostile)
        return;
    attack_capture(sim, from->index, packet);
    if (sim_chance(sim, sim->faults.hostile))
        attack_now(sim);
}
