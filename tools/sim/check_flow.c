/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include "src/base/must.h"

/*
 * What must hold of content and of those who ask for it: who serves whom (section 9 once more,
 * written another way), what clients were told, and that nothing is lost that was acknowledged.
 */

/* ---- who serves whom ------------------------------------------------------------------------- */

enum served { SERVED_NOT, SERVED_HELD, SERVED_FETCHED };

static enum served best_of(const struct sim *sim, const struct sim_node *server, int asker)
{
    enum served best = SERVED_NOT;

    for (int t = 0; t < sim->tier_count; t++) {
        enum sim_part own = server->parts[t][server->index], its = server->parts[t][asker];
        const struct elect *machine = server->electors[t].machine;

        if (own == SIM_STRANGER || its == SIM_STRANGER)
            continue;
        if (machine && elect_state(machine) == ELECT_MASTER)
            return SERVED_FETCHED;
        if (its == SIM_CANDIDATE)
            best = SERVED_HELD;
    }
    return best;
}

/* Less is allowed: a view that is too old counts for nothing. */
void check_served(struct sim *sim, const struct sim_call *call, enum route_serve verdict)
{
    enum served best = SERVED_HELD, is = SERVED_NOT;

    if (sim->by_tiers)
        best = best_of(sim, &sim->nodes[call->server], call->asker);
    if (verdict == ROUTE_SERVE_HELD)
        is = SERVED_HELD;
    if (verdict == ROUTE_SERVE_FETCH)
        is = SERVED_FETCHED;
    if (is > best)
        sim_fail(sim, "n%d serves n%d, which it must not%s", call->server, call->asker,
                 is == SERVED_FETCHED ? " fetch for" : "");
}

/* ---- what clients see ------------------------------------------------------------------------ */

/* On one node, no version goes back. */
void check_read(struct sim *sim, struct sim_node *node, int name)
{
    struct twin_entry *entry = &node->twin.entries[name];

    sim_note(sim, "n%d: a client has f%d", node->index, name);
    if (version_newer(entry->read, entry->version))
        sim_fail(sim, "n%d gave out f%d in an older version than before", node->index, name);
    entry->read = entry->version;
}

/* ---- what must be kept ----------------------------------------------------------------------- */

/*
 * The promise: what was put is safe on the node where that was until a candidate has confirmed it;
 * then on that candidate, until the tier above has; in the end on every candidate of the top tier.
 * In a flat mesh the node where it was put keeps it.
 */
static bool is_top(const struct sim *sim, const struct sim_node *node)
{
    bool candidate = false;

    for (int t = 0; t < sim->tier_count; t++) {
        if (sim->tiers[t].parts[node->index] == SIM_SLAVE)
            return false;
        candidate = candidate || sim->tiers[t].parts[node->index] == SIM_CANDIDATE;
    }
    return candidate;
}

bool check_must_keep(const struct sim *sim, const struct sim_node *node, int name)
{
    const struct twin_entry *entry = &node->twin.entries[name];

    return !sim->by_tiers || entry->unconfirmed || is_top(sim, node);
}

static bool is_kept(const struct sim *sim, int name, struct version version, int but_for)
{
    for (int i = 0; i < sim->node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];
        const struct twin_entry *entry = &node->twin.entries[name];

        if (i != but_for && node->twin.entries && entry->held &&
            version_same(entry->version, version) && check_must_keep(sim, node, name))
            return true;
    }
    return false;
}

static struct version newest(const struct sim *sim, int name, int but_for)
{
    struct version version = VERSION_NONE;

    for (int i = 0; i < sim->node_count; i++) {
        const struct twin *twin = &sim->nodes[i].twin;

        if (i != but_for && twin->entries && twin->entries[name].known &&
            version_newer(twin->entries[name].version, version))
            version = twin->entries[name].version;
    }
    return version;
}

void check_held(struct sim *sim, const struct sim_node *node, int name)
{
    if (version_same(node->twin.entries[name].version, sim->acked[name].version))
        sim->acked[name].held_by |= (uint64_t)1 << node->index;
}

void check_put(struct sim *sim, const struct sim_node *node, int name)
{
    struct sim_acked *acked = &sim->acked[name];

    if (version_newer(node->twin.entries[name].version, acked->version)) {
        acked->version = node->twin.entries[name].version;
        acked->held_by = 0;
    }
    check_held(sim, node, name);
}

/* With the disk goes what that one alone had to keep. */
void check_home_lost(struct sim *sim, const struct sim_node *node)
{
    for (int name = 0; name < sim->names; name++) {
        const struct twin_entry *entry = &node->twin.entries[name];
        struct version elsewhere = newest(sim, name, node->index);
        struct sim_acked *acked = &sim->acked[name];

        if (version_newer(acked->version, elsewhere))
            acked->version = elsewhere;
        if (entry->held && !is_kept(sim, name, entry->version, node->index))
            acked->lost = entry->version;
    }
}

/* Whoever confirms it holds it, or held it until its home was lost. An ihave does not say which
 * address it comes from: who passes on what another said, from a candidate's address, confirms too.
 */
void check_confirmed(struct sim *sim, const struct sim_node *node, int name, int by)
{
    const struct twin_entry *entry = &node->twin.entries[name];
    const struct twin_entry *its = &sim->nodes[by].twin.entries[name];
    bool knows = its->known && !version_newer(entry->version, its->version);

    if (!knows && !sim->nodes[by].home_changed && !sim->faults.kinds[SIM_HOSTILE])
        sim_fail(sim, "n%d took f%d for confirmed by n%d, which does not know it", node->index,
                 name, by);
    if (!knows && entry->held && !is_kept(sim, name, entry->version, node->index))
        sim->acked[name].lost = entry->version;
}

void check_dropped(struct sim *sim, const struct sim_node *node, int name)
{
    struct version version = node->twin.entries[name].version;

    if (version_same(version, newest(sim, name, -1)) &&
        !version_same(version, sim->acked[name].lost) && !is_kept(sim, name, version, -1))
        sim_fail(sim, "n%d dropped f%d, and nobody is left who must keep it", node->index, name);
}

bool check_is_lost(const struct sim *sim, int name)
{
    return version_same(sim->acked[name].lost, newest(sim, name, -1));
}

/* Long after the faults. */
void check_nothing_lost(struct sim *sim)
{
    for (int name = 0; name < sim->names && !sim_failed(sim); name++) {
        struct version version = newest(sim, name, -1);

        if (version_newer(sim->acked[name].version, version))
            sim_fail(sim, "f%d was put in a newer version than anybody knows", name);
        for (int i = 0; i < sim->node_count && sim->by_tiers; i++) {
            const struct twin_entry *entry = &sim->nodes[i].twin.entries[name];

            if (check_is_lost(sim, name))
                break;
            if (entry->unconfirmed && !is_top(sim, &sim->nodes[i]))
                sim_fail(sim, "n%d: nobody has confirmed f%d", i, name);
            if (entry->known && !entry->deleted && !entry->held && is_top(sim, &sim->nodes[i]))
                sim_fail(sim, "n%d does not hold f%d, and is to keep everything", i, name);
        }
    }
}
