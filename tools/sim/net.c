/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

int sim_node_at(const struct sim *sim, const struct address *address)
{
    for (int i = 0; i < sim->node_count; i++)
        if (address_same_host(&sim->nodes[i].address, address))
            return i;
    return -1;
}

bool sim_path(const struct sim *sim, int from, int to)
{
    return !sim->faults.cut[from][to];
}

/* ---- datagrams --------------------------------------------------------------------------------
 */

static void arrive(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->peer];

    if (node->up)
        cache_datagram(sim, event);
}

static void deliver_in(struct sim *sim, int64_t after_ns, int from, int to, const void *bytes,
                       size_t len, bool hostile)
{
    struct sim_event *event = sim_at(sim, after_ns, arrive, -1);

    event->peer = to;
    event->from = sim->nodes[from].address;
    event->hostile = hostile;
    sim_event_bytes(event, bytes, len);
}

void sim_deliver(struct sim *sim, int from, int to, const void *bytes, size_t len, bool hostile)
{
    int64_t after = sim_between(sim, SIM_WIRE_LEAST_NS, SIM_WIRE_MOST_NS);

    if (sim_chance(sim, sim->faults.delay))
        after += sim_between(sim, 0, sim->faults.delay_ns);
    if (sim_path(sim, from, to) && !sim_chance(sim, sim->faults.loss))
        deliver_in(sim, after, from, to, bytes, len, hostile);
}

void sim_send(struct sim *sim, struct sim_node *from, const struct address *to, bool to_all,
              const struct text *datagram)
{
    for (int i = 0; i < sim->node_count; i++) {
        bool meant = to_all ? i != from->index || sim->broadcast
                            : address_same_host(&sim->nodes[i].address, to);

        if (!meant)
            continue;
        sim->result->datagrams++;
        sim_deliver(sim, from->index, i, datagram->at, datagram->len, false);
        if (sim_chance(sim, sim->faults.duplication))
            sim_deliver(sim, from->index, i, datagram->at, datagram->len, false);
    }
    if (sim->faults.hostile) {
        attack_capture(sim, from->index, datagram->at, datagram->len);
        if (sim_chance(sim, sim->faults.hostile))
            attack_now(sim);
    }
}
