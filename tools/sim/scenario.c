/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <string.h>

#include "src/base/must.h"

/*
 * Fixed courses, whose traces are kept beside (tests/sim/traces): they show what the exchange does
 * in plain cases, message by message, and that it still does.
 */
const char *const sim_scenarios[] = {"put", "lost-announcement", "partition", "unknown-name",
                                     "latecomer"};
const size_t sim_scenario_count = sizeof(sim_scenarios) / sizeof(*sim_scenarios);

static void three_nodes(struct sim *sim, bool broadcast)
{
    sim->node_count = 3;
    sim->names = 2;
    sim->broadcast = broadcast;
    for (int i = 0; i < sim->node_count; i++) {
        struct sim_node *node = &sim->nodes[i];

        node->index = i;
        snprintf(node->name, sizeof(node->name), "n%d", i);
        node->address = (struct address){.ip = {[10] = 0xff, 0xff, 10, 0, 0, (uint8_t)(i + 1)},
                                         .port = SIM_UDP_PORT};
    }
}

static void pass_ms(struct sim *sim, int64_t ms)
{
    sim_until(sim, mono_after(sim->now, MONO_MS(ms)));
    check_tickets(sim);
}

static void start_all(struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++)
        sim_node_start(sim, i, false);
    pass_ms(sim, 10000);
}

static void expect_held(struct sim *sim, int node, int name)
{
    if (!sim->nodes[node].twin.entries[name].held)
        sim_fail(sim, "n%d does not hold f%d", node, name);
}

/* All hear of a put; one that then wants the content finds it. */
static void put(struct sim *sim)
{
    three_nodes(sim, false);
    start_all(sim);
    cache_put(sim, 0, 0, false);
    pass_ms(sim, 3000);
    cache_ask(sim, 1, 0, EXCHANGE_ASK_CONTENT, true, true);
    pass_ms(sim, 3000);
    expect_held(sim, 1, 0);
}

/* Nobody hears of a put: the comparison brings it. */
static void lost_announcement(struct sim *sim)
{
    three_nodes(sim, false);
    start_all(sim);
    sim->faults.loss = 1000;
    cache_put(sim, 0, 0, false);
    pass_ms(sim, 5000);
    sim_end_faults(sim);
    sim_settle(sim);
}

/* Two versions are made apart from each other: the later one wins everywhere. */
static void partition(struct sim *sim)
{
    three_nodes(sim, false);
    start_all(sim);
    for (int i = 1; i < 3; i++)
        sim->faults.cut[0][i] = sim->faults.cut[i][0] = true;
    cache_put(sim, 0, 0, false);
    pass_ms(sim, 5000);
    cache_put(sim, 2, 0, false);
    pass_ms(sim, 5000);
    sim_end_faults(sim);
    sim_settle(sim);
    if (!version_same(sim->nodes[0].twin.entries[0].version, sim->nodes[2].twin.clock.last))
        sim_fail(sim, "the older version won");
}

/* Two seconds until it is known that nobody has it; then it is known for one. */
static void unknown_name(struct sim *sim)
{
    three_nodes(sim, false);
    start_all(sim);
    cache_ask(sim, 0, 0, EXCHANGE_ASK_NAME, false, false);
    pass_ms(sim, 2500);
    cache_ask(sim, 0, 0, EXCHANGE_ASK_NAME, false, false);
    pass_ms(sim, 1000);
    cache_ask(sim, 0, 0, EXCHANGE_ASK_NAME, false, false);
    pass_ms(sim, 3000);
}

/* No nets files, and one who comes when the others have long fallen silent: they meet. */
static void latecomer(struct sim *sim)
{
    three_nodes(sim, true);
    sim_node_start(sim, 0, false);
    sim_node_start(sim, 1, false);
    twin_begin(&sim->nodes[2].twin, 2, (size_t)sim->names);
    cache_put(sim, 0, 0, false);
    pass_ms(sim, 300000);
    sim_node_start(sim, 2, true);
    sim_settle(sim);
}

void sim_scenario(struct sim *sim)
{
    static void (*const scenarios[])(struct sim * sim) = {put, lost_announcement, partition,
                                                          unknown_name, latecomer};

    MUST(sizeof(scenarios) / sizeof(*scenarios) == sim_scenario_count);
    for (size_t i = 0; i < sim_scenario_count; i++)
        if (strcmp(sim->options.scenario, sim_scenarios[i]) == 0)
            scenarios[i](sim);
}
