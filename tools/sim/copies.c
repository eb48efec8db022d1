/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include "src/base/must.h"

/* pond put --copies: who put waits until so many candidates hold it, of the tier that the node
 * follows, or of its own where it follows none; itself counted if it is one. Some go away before
 * they are answered: what they put stays, and goes on its way. */
static const int64_t PATIENCE_NS = MONO_S(60);

static bool is_confirmer(const struct sim *sim, const struct sim_node *node, int other)
{
    enum sim_part wanted = place_of(sim, node).above ? SIM_SLAVE : SIM_CANDIDATE;

    for (int t = 0; t < sim->tier_count; t++)
        if (node->parts[t][node->index] == wanted && node->parts[t][other] == SIM_CANDIDATE)
            return true;
    return false;
}

static size_t copies_most(const struct sim *sim, const struct sim_node *node)
{
    size_t count = 0;

    for (int i = 0; i < sim->node_count; i++)
        count += is_confirmer(sim, node, i);
    return count;
}

static void goes_away(struct sim *sim, struct sim_event *event)
{
    cache_drop(sim, &sim->nodes[event->node], event->number);
}

/* Waits for up to `most` of them, none where that is 0. */
void copies_put(struct sim *sim, int index, int name, size_t most)
{
    struct sim_node *node = &sim->nodes[index];
    struct sim_ticket ticket = {.ask = EXCHANGE_ASK_COPIES, .name = name};
    size_t count;

    if (!cache_put(sim, index, name, false) || !sim->by_tiers)
        return;
    count = copies_most(sim, node);
    if (most > count)
        most = count;
    if (most == 0)
        return;
    ticket.copies = (size_t)sim_between(sim, 1, (int64_t)most);
    ticket.version = node->twin.entries[name].version;
    ticket.sha256 = node->twin.entries[name].sha256;
    ticket.patience_ns = PATIENCE_NS;
    if (!cache_order(sim, node, &ticket) || !sim_chance(sim, 200))
        return;
    sim_at(sim, sim_scale(sim, MONO_MS(1), PATIENCE_NS), goes_away, index)->number =
        sim->next_ticket;
}

void copies_answered(struct sim *sim, const struct sim_node *node, const struct sim_ticket *ticket,
                     bool found)
{
    uint64_t candidates = 0;

    sim_note(sim, "n%d: %zu copies of f%d are %s", node->index, ticket->copies, ticket->name,
             found ? "confirmed" : "not confirmed in time");
    for (int i = 0; i < sim->node_count; i++)
        if (is_confirmer(sim, node, i))
            candidates |= (uint64_t)1 << i;
    if (found)
        check_copies(sim, node, ticket, candidates);
}
