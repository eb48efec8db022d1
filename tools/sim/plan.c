/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <string.h>

#include "src/base/must.h"

/* A random run: who there is, what they do, and for how long. */
enum { FLOOD_NAMES = EXCHANGE_ANNOUNCEMENTS_MAX + 500 }; /* more than can be announced */
enum { CALM_S = 120, LEAST_ACTIVE_S = 30 };              /* of the minutes: without faults */

static bool heads(struct sim *sim)
{
    return sim_chance(sim, 500);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void make_node(struct sim *sim, int index, bool v6)
{
    struct sim_node *node = &sim->nodes[index];

    node->index = index;
    snprintf(node->name, sizeof(node->name), "n%d", index);
    node->address = (struct address){.port = SIM_UDP_PORT};
    if (v6) {
        node->address.ip[0] = 0xfd;
        node->address.ip[15] = (uint8_t)(index + 1);
    } else {
        node->address.ip[10] = node->address.ip[11] = 0xff;
        node->address.ip[12] = 10;
        node->address.ip[15] = (uint8_t)(index + 1);
    }
}

void plan_nodes(struct sim *sim, int count, bool v6)
{
    sim->node_count = count;
    for (int i = 0; i < count; i++)
        make_node(sim, i, v6);
}

static void roll_nodes(struct sim *sim)
{
    int count = sim_chance(sim, 600) ? 5 : (int)sim_between(sim, 2, SIM_NODES_MAX);
    bool clocks = heads(sim);
    int64_t off = sim_chance(sim, 200) ? 120000 : 20000;

    plan_nodes(sim, sim->options.nodes ? (int)sim->options.nodes : count, sim_chance(sim, 300));
    sim->by_tiers = heads(sim);
    if (sim->options.ways != SIM_WAYS_ROLLED)
        sim->by_tiers = sim->options.ways == SIM_WAYS_TIERS;
    sim->broadcast = !sim->by_tiers && sim_chance(sim, 300);
    for (int i = 0; i < sim->node_count; i++)
        sim->nodes[i].wall_offset_ms = clocks ? sim_between(sim, -off, off) : 0;
}

/* ---- tiers ----------------------------------------------------------------------------------- */

/* The interval of a whole tier: mostly about a second, for short ones make long runs. */
static uint32_t roll_base_us(struct sim *sim)
{
    if (sim_chance(sim, 20))
        return (uint32_t)sim_between(sim, 10000, 100000);
    return (uint32_t)(sim_chance(sim, 150) ? sim_between(sim, 200000, 700000)
                                           : sim_between(sim, 800000, 3000000));
}

static void roll_rules(struct sim *sim, struct sim_tier *tier, uint32_t base_us)
{
    uint32_t ratio = sim_chance(sim, 600) ? 3000 : (uint32_t)sim_between(sim, 1500, 5000);
    bool preempt = sim_chance(sim, 700), alike = heads(sim);

    for (int i = 0; i < sim->node_count; i++) {
        struct elect_rules *rules = &tier->rules[i];

        rules->pair.base_us = base_us;
        rules->pair.skew = (uint8_t)(alike ? 0 : sim_between(sim, 0, 255));
        if (base_us < 100000)
            rules->pair.skew = (uint8_t)sim_between(sim, 0, 2);
        rules->dead_ratio_milli = ratio;
        rules->preempt = preempt || sim_chance(sim, 200);
        rules->preempt_delay_ns = heads(sim) ? -1 : sim_scale(sim, MONO_MS(1), MONO_S(10));
    }
}

/* What the nets files say. */
void plan_read(struct sim *sim, int index)
{
    struct sim_node *node = &sim->nodes[index];

    node->read = sim->now;
    for (int t = 0; t < sim->tier_count; t++) {
        struct elect_rules *rules = &sim->tiers[t].rules[index];

        memcpy(node->parts[t], sim->tiers[t].parts, sizeof(node->parts[t]));
        rules->candidate = node->parts[t][index] == SIM_CANDIDATE;
        rules->address = node->address;
        rules->address.port = SIM_HTTP_PORT;
        rules->candidate_count = 0;
        for (int i = 0; i < sim->node_count; i++)
            if (node->parts[t][i] == SIM_CANDIDATE)
                rules->candidates[rules->candidate_count++] = sim->nodes[i].address;
    }
}

static void set_parts(struct sim_tier *tier, enum sim_part part, int from, int to)
{
    for (int i = from; i < to; i++)
        tier->parts[i] = part;
}

static struct sim_tier *roll_tier(struct sim *sim, const char *name)
{
    struct sim_tier *tier = &sim->tiers[sim->tier_count++];

    MUST(span_copy(span_of(name), tier->name, sizeof(tier->name)));
    tier->multicast = sim_chance(sim, 300);
    roll_rules(sim, tier, roll_base_us(sim));
    return tier;
}

/* So many tiers, one below the other: who is candidate in one is slave in the one above. */
static void roll_stack(struct sim *sim, int depth)
{
    static const char *const names[SIM_TIERS_MAX] = {"core", "paris", "lab"};
    int from = 0;

    for (int t = 0; t < depth; t++) {
        struct sim_tier *tier = roll_tier(sim, names[t]);
        int below = depth - t; /* tiers, and so nodes, that are needed at least from here on */
        int most = (sim->node_count - from - below) / below + 1;
        int to = from + (int)sim_between(sim, 1, most);

        set_parts(tier, SIM_CANDIDATE, from, to);
        if (t)
            set_parts(tier - 1, SIM_SLAVE, from, to);
        from = to;
    }
    set_parts(&sim->tiers[depth - 1], SIM_SLAVE, from, sim->node_count);
}

/* Two tiers side by side, below a third one. */
static void roll_fork(struct sim *sim)
{
    struct sim_tier *core = roll_tier(sim, "core"), *sites[2];
    int from = (int)sim_between(sim, 1, sim->node_count - 4);

    set_parts(core, SIM_CANDIDATE, 0, from);
    for (int site = 0; site < 2; site++) {
        int to = from + (int)sim_between(sim, 1, (sim->node_count - from - 2 * (1 - site)) / 2);

        sites[site] = roll_tier(sim, site ? "lyon" : "paris");
        set_parts(core, SIM_SLAVE, from, to);
        set_parts(sites[site], SIM_CANDIDATE, from, to);
        from = to;
    }
    for (; from < sim->node_count; from++)
        sites[heads(sim)]->parts[from] = SIM_SLAVE;
}

static void roll_one(struct sim *sim)
{
    int count = sim->node_count;
    int candidates = (int)sim_between(sim, count < 5 ? 1 : 2, count < 5 ? count : 5);
    struct sim_tier *tier = roll_tier(sim, "core");

    set_parts(tier, SIM_CANDIDATE, 0, candidates);
    set_parts(tier, SIM_SLAVE, candidates, count);
}

static void roll_tiers(struct sim *sim)
{
    int count = sim->node_count;

    if (count >= 6 && sim_chance(sim, 150))
        roll_fork(sim);
    else if (count >= 4 && sim_chance(sim, 150))
        roll_stack(sim, 3);
    else if (count >= 3 && sim_chance(sim, 300))
        roll_stack(sim, 2);
    else
        roll_one(sim);
}

/* ---- what people do -------------------------------------------------------------------------- */

static void start(struct sim *sim, struct sim_event *event)
{
    if (!sim->nodes[event->number].up)
        sim_node_start(sim, (int)event->number, SIM_HOME_KEPT);
}

static void work(struct sim *sim, struct sim_event *event)
{
    int name = (int)rng_below(&sim->rng, (uint64_t)sim->spare);
    int node = (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
    enum exchange_ask ask = (enum exchange_ask)rng_below(&sim->rng, EXCHANGE_ASK_SURVEY + 1);

    if (sim_chance(sim, (unsigned)event->number))
        cache_put(sim, node, name, true);
    else if (sim_chance(sim, 450))
        copies_put(sim, node, name, heads(sim) ? 0 : EXCHANGE_COPIES_MAX);
    else if (heads(sim))
        cache_ask(sim, node, name, ask, false, false);
    else if (sim_chance(sim, 700))
        fetch_read(sim, node, name, false);
    else
        fetch_read_within(sim, node, name);
}

static void flood(struct sim *sim, struct sim_event *event)
{
    for (int name = 0; name < sim->spare; name++)
        cache_put(sim, (int)event->number, name, false);
}

static int64_t roll_names(struct sim *sim, bool is_flood)
{
    if (is_flood)
        sim->names = FLOOD_NAMES;
    else if (sim_chance(sim, 60))
        sim->names = (int)sim_between(sim, 100, 400);
    else
        sim->names = (int)sim_between(sim, 2, 15);
    return sim->names > 50 && !is_flood ? 2 * sim->names : sim_between(sim, 20, 200);
}

static void roll_work(struct sim *sim, int64_t works, int64_t active_ns)
{
    bool burst = sim_chance(sim, 200);
    unsigned removes = heads(sim) ? 200 : 0;

    for (int i = 0; i < sim->node_count; i++)
        sim_at(sim, sim_between(sim, 0, MONO_S(3)), start, -1)->number = (uint64_t)i;
    for (int64_t i = 0; i < works; i++) {
        int64_t after = sim_between(sim, 0, active_ns);

        if (burst)
            after = after / MONO_S(20) * MONO_S(20);
        sim_at(sim, after, work, -1)->number = removes;
    }
}

void sim_plan(struct sim *sim)
{
    int64_t minutes = sim->options.minutes ? sim->options.minutes : SIM_MINUTES;
    int64_t active_s = 60 * minutes - CALM_S;
    bool is_flood = sim_chance(sim, 8);
    int64_t works;

    if (active_s < LEAST_ACTIVE_S)
        active_s = LEAST_ACTIVE_S;
    roll_nodes(sim);
    works = roll_names(sim, is_flood);
    sim->spare = sim->names++;
    roll_tiers(sim);
    roll_work(sim, works, MONO_S(active_s));
    if (is_flood)
        sim_at(sim, sim_between(sim, 0, MONO_S(active_s)), flood, -1);
    faults_begin(sim, MONO_S(active_s));
    settle_pass(sim, active_s + 3);
    settle_undisturbed(sim);
    if (sim_failed(sim))
        return;
    faults_end(sim);
    settle(sim);
}
