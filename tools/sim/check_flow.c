/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include "src/base/must.h"

/*
 * What must hold of those who ask for content: who serves whom (section 9 once more, written
 * another way), and what clients were told.
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

/* Nothing wrong is given out, whoever asks. */
void check_given(struct sim *sim, const struct sim_node *node, const struct digest *sha256,
                 uint32_t chunk, uint64_t bytes)
{
    if (bytes != twin_chunk(sha256, chunk))
        sim_fail(sim, "n%d gave out a chunk %u that is not of the content", node->index,
                 (unsigned)chunk);
}

/* On one node, no version goes back: who came when another had been given `least` gets no less. */
void check_read(struct sim *sim, struct sim_node *node, int name, struct version version,
                struct version least)
{
    struct twin_entry *entry = &node->twin.entries[name];

    sim_note(sim, "n%d: a client has f%d", node->index, name);
    if (version_newer(least, version))
        sim_fail(sim, "n%d gave out f%d in an older version than before", node->index, name);
    if (version_newer(version, entry->read))
        entry->read = version;
}
