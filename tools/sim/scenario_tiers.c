/* SPDX-License-Identifier: ISC */
#include "tools/sim/scenario.h"

#include "src/base/must.h"

/*
 * Content in tiers: n0 and n1 are the candidates of core; n2 and n3 are slaves there and the
 * candidates of paris; n4, n5 and n6 are slaves in paris.
 */
enum { CORE, PARIS };

static void make_tier(struct sim *sim, int tier, const char *name, int from, int candidates, int to)
{
    struct sim_tier *t = &sim->tiers[tier];

    MUST(span_copy(span_of(name), t->name, sizeof(t->name)));
    for (int i = from; i < to; i++) {
        t->parts[i] = i < from + candidates ? SIM_CANDIDATE : SIM_SLAVE;
        t->rules[i] = (struct elect_rules){.pair = {1000000, (uint8_t)(26 * i)},
                                           .preempt = true,
                                           .preempt_delay_ns = MONO_S(2),
                                           .dead_ratio_milli = 3000};
    }
}

static void seven_nodes(struct sim *sim)
{
    plan_nodes(sim, 7, false);
    sim->names = 2;
    sim->by_tiers = true;
    sim->tier_count = 2;
    make_tier(sim, CORE, "core", 0, 2, 4);
    make_tier(sim, PARIS, "paris", 2, 2, 7);
}

static void start(struct sim *sim, int from, int to)
{
    for (int i = from; i < to; i++)
        sim_node_start(sim, i, SIM_HOME_KEPT);
    scenario_pass_ms(sim, 15000);
}

static void expect_held(struct sim *sim, int node, int name)
{
    if (!sim->nodes[node].twin.entries[name].held)
        sim_fail(sim, "n%d does not hold f%d", node, name);
}

static void expect_confirmed(struct sim *sim, int node, int name)
{
    const struct twin_entry *entry = &sim->nodes[node].twin.entries[name];

    if (!entry->known || entry->unconfirmed)
        sim_fail(sim, "nobody has confirmed n%d's f%d", node, name);
}

static void expect_known(struct sim *sim, int name)
{
    for (int i = 0; i < sim->node_count; i++)
        if (!sim->nodes[i].twin.entries[name].known)
            sim_fail(sim, "n%d does not know f%d", i, name);
}

/* What is put at the bottom comes to the top; and from there all know it. */
void scenario_tiers_up(struct sim *sim)
{
    seven_nodes(sim);
    start(sim, 0, 7);
    copies_put(sim, 5, 0, 2);
    scenario_pass_ms(sim, 3000);
    expect_held(sim, 0, 0);
    expect_confirmed(sim, 5, 0);
    expect_known(sim, 0);
    scenario_pass_ms(sim, 30000);
    expect_held(sim, 1, 0);
    expect_confirmed(sim, 2, 0);
}

/* All know what is put at the top, and one at the bottom begins to read it. */
static void read_what_was_put(struct sim *sim)
{
    seven_nodes(sim);
    start(sim, 0, 7);
    cache_put(sim, 0, 0, false);
    scenario_pass_ms(sim, 3000);
    fetch_read(sim, 4, 0, true);
}

/* What is put at the top is read at the bottom, at two nodes at once. */
void scenario_tiers_down(struct sim *sim)
{
    read_what_was_put(sim);
    fetch_read(sim, 5, 0, true);
    scenario_pass_ms(sim, 1000);
    expect_held(sim, 4, 0);
    expect_held(sim, 5, 0);
    expect_held(sim, 2, 0);
}

/* The master that fetches for a reader dies in the middle of it. */
void scenario_tiers_master_dies(struct sim *sim)
{
    read_what_was_put(sim);
    scenario_pass_ms(sim, 15);
    sim_node_crash(sim, 2, true);
    scenario_pass_ms(sim, 10000);
    expect_held(sim, 4, 0);
}

/* Nobody is there when it is put. */
void scenario_tiers_alone(struct sim *sim)
{
    seven_nodes(sim);
    start(sim, 6, 7);
    cache_put(sim, 6, 0, false);
    scenario_pass_ms(sim, 30000);
    start(sim, 0, 6);
    scenario_pass_ms(sim, 60000);
    expect_held(sim, 0, 0);
    expect_confirmed(sim, 6, 0);
    expect_known(sim, 0);
}

/* A site on its own goes on; on healing everybody knows everything, the later version of each. */
void scenario_tiers_partition(struct sim *sim)
{
    seven_nodes(sim);
    start(sim, 0, 7);
    sim->faults.side = 3;
    scenario_pass_ms(sim, 10000);
    cache_put(sim, 0, 0, false);
    cache_put(sim, 5, 1, false);
    scenario_pass_ms(sim, 2000);
    cache_put(sim, 4, 0, false);
    scenario_pass_ms(sim, 10000);
    expect_confirmed(sim, 4, 0);
    faults_end(sim);
    scenario_pass_ms(sim, 60000);
    settle_agree(sim);
    for (int name = 0; name < 2; name++) {
        expect_held(sim, 0, name);
        expect_held(sim, 1, name);
    }
    if (!version_same(sim->nodes[0].twin.entries[0].version, sim->nodes[4].twin.clock.last))
        sim_fail(sim, "the older version won");
    if (sim->nodes[0].twin.entries[0].rival_count != 1)
        sim_fail(sim, "n0 does not keep the older version as a conflict");
}
