/* SPDX-License-Identifier: ISC */
#include "tools/sim/scenario.h"

/* The exchange alone, on three nodes in no tier. */

static void three_nodes(struct sim *sim, bool broadcast)
{
    plan_nodes(sim, 3, false);
    sim->names = 2;
    sim->broadcast = broadcast;
}

static void start_all(struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++)
        sim_node_start(sim, i, SIM_HOME_KEPT);
    scenario_pass_ms(sim, 10000);
}

static void expect_held(struct sim *sim, int node, int name)
{
    if (!sim->nodes[node].twin.entries[name].held)
        sim_fail(sim, "n%d does not hold f%d", node, name);
}

static void expect_conflict(struct sim *sim, int node, int name)
{
    const struct twin_entry *entry = &sim->nodes[node].twin.entries[name];

    if (entry->rival_count != 1 || !entry->rivals[0].held)
        sim_fail(sim, "n%d does not keep what it had of f%d as a conflict", node, name);
}

/* All hear of a put; one that then wants the content finds it. */
void scenario_put(struct sim *sim)
{
    three_nodes(sim, false);
    start_all(sim);
    cache_put(sim, 0, 0, false);
    scenario_pass_ms(sim, 3000);
    fetch_read(sim, 1, 0, true);
    scenario_pass_ms(sim, 3000);
    expect_held(sim, 1, 0);
}

/* Nobody hears of a put: the comparison brings it. */
void scenario_lost_announcement(struct sim *sim)
{
    three_nodes(sim, false);
    start_all(sim);
    sim->faults.loss = 1000;
    cache_put(sim, 0, 0, false);
    scenario_pass_ms(sim, 5000);
    faults_end(sim);
    settle_agree(sim);
}

/* Two versions are made apart from each other: the later one wins everywhere. */
void scenario_partition(struct sim *sim)
{
    three_nodes(sim, false);
    start_all(sim);
    for (int i = 1; i < 3; i++)
        sim->faults.cut[0][i] = sim->faults.cut[i][0] = true;
    cache_put(sim, 0, 0, false);
    scenario_pass_ms(sim, 5000);
    cache_put(sim, 2, 0, false);
    scenario_pass_ms(sim, 5000);
    faults_end(sim);
    settle_agree(sim);
    if (!version_same(sim->nodes[0].twin.entries[0].version, sim->nodes[2].twin.clock.last))
        sim_fail(sim, "the older version won");
    expect_conflict(sim, 0, 0);
}

/* Two put the same name in the same moment: all have one of them, and one keeps the other too. */
void scenario_same_moment(struct sim *sim)
{
    int loser;

    three_nodes(sim, false);
    start_all(sim);
    cache_put(sim, 0, 0, false);
    cache_put(sim, 2, 0, false);
    if (!version_same(sim->nodes[0].twin.entries[0].version, sim->nodes[2].twin.entries[0].version))
        sim_fail(sim, "that was not the same moment");
    loser = check_order(&sim->nodes[0].twin.entries[0], &sim->nodes[2].twin.entries[0]) < 0 ? 0 : 2;
    settle_agree(sim);
    expect_conflict(sim, loser, 0);
}

/* Two seconds until it is known that nobody has it; then it is known for one. */
void scenario_unknown_name(struct sim *sim)
{
    three_nodes(sim, false);
    start_all(sim);
    cache_ask(sim, 0, 0, EXCHANGE_ASK_NAME, false, false);
    scenario_pass_ms(sim, 2500);
    cache_ask(sim, 0, 0, EXCHANGE_ASK_NAME, false, false);
    scenario_pass_ms(sim, 1000);
    cache_ask(sim, 0, 0, EXCHANGE_ASK_NAME, false, false);
    scenario_pass_ms(sim, 3000);
}

/* No nets files, and one who comes when the others have long fallen silent: they meet. */
void scenario_latecomer(struct sim *sim)
{
    three_nodes(sim, true);
    sim_node_start(sim, 0, SIM_HOME_KEPT);
    sim_node_start(sim, 1, SIM_HOME_KEPT);
    twin_begin(&sim->nodes[2].twin, 2, (size_t)sim->names, sim_node_wall(sim, &sim->nodes[2]));
    cache_put(sim, 0, 0, false);
    scenario_pass_ms(sim, 300000);
    sim_node_start(sim, 2, SIM_HOME_KEPT);
    settle_agree(sim);
}

/* No nets files, and two halves whose nodes all began while they were apart: they meet. */
void scenario_islands(struct sim *sim)
{
    plan_nodes(sim, 4, false);
    sim->names = 1;
    sim->broadcast = true;
    sim->faults.side = 3;
    start_all(sim);
    cache_put(sim, 0, 0, false);
    scenario_pass_ms(sim, 60000);
    faults_end(sim);
    scenario_pass_ms(sim, 180000);
    for (int i = 1; i < 4; i++)
        if (!sim->nodes[i].twin.entries[0].known)
            sim_fail(sim, "n%d does not know f0", i);
}
