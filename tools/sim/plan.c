/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include "src/base/must.h"

/*
 * A random run. Which kinds of faults there are is rolled first, each by itself (a swarm): a run
 * that has every fault in it at once seldom gets far enough to meet the rare ones.
 */
struct swarm {
    bool cuts, partitions, crashes, losses; /* of a catalogue, in a crash */
    bool clock_steps;
    bool wrong_answers;
    bool flood; /* somebody puts in a great many at once */
    unsigned removes;
};

enum { FLOOD_NAMES = EXCHANGE_ANNOUNCEMENTS_MAX + 500 }; /* more than can be announced */
enum { ACTIVE_S = 60, SETTLE_MOST_S = 2 * 3600, ASIDE_MOST_S = 3700, QUIET_S = 120 };

static bool heads(struct sim *sim)
{
    return sim_chance(sim, 500);
}

static void roll_faults(struct sim *sim, struct swarm *swarm)
{
    struct sim_faults *faults = &sim->faults;

    faults->loss = heads(sim) ? (unsigned)sim_between(sim, 1, 300) : 0;
    faults->duplication = heads(sim) ? (unsigned)sim_between(sim, 1, 200) : 0;
    faults->delay = heads(sim) ? (unsigned)sim_between(sim, 1, 300) : 0;
    faults->delay_ns = sim_between(sim, MONO_MS(1), MONO_S(3));
    faults->hostile = heads(sim) ? (unsigned)sim_between(sim, 50, 500) : 0;
    faults->http_failed = heads(sim) ? (unsigned)sim_between(sim, 1, 300) : 0;
    swarm->wrong_answers = sim_chance(sim, 250);
    faults->http_wrong = swarm->wrong_answers ? (unsigned)sim_between(sim, 1, 100) : 0;
    swarm->cuts = heads(sim);
    swarm->partitions = heads(sim);
    swarm->crashes = heads(sim);
    swarm->losses = heads(sim);
    swarm->clock_steps = sim_chance(sim, 250);
    swarm->removes = heads(sim) ? 200 : 0;
}

static void roll_nodes(struct sim *sim, const struct swarm *swarm)
{
    bool clocks = heads(sim);
    int64_t off = sim_chance(sim, 200) ? 120000 : 20000;

    sim->node_count = (int)sim_between(sim, 3, SIM_NODES_MAX);
    sim->names = (int)(sim_chance(sim, 100) ? sim_between(sim, 100, 400) : sim_between(sim, 2, 15));
    if (swarm->flood)
        sim->names = FLOOD_NAMES;
    sim->broadcast = sim_chance(sim, 250);
    for (int i = 0; i < sim->node_count; i++) {
        struct sim_node *node = &sim->nodes[i];

        node->index = i;
        snprintf(node->name, sizeof(node->name), "n%d", i);
        node->address = (struct address){.ip = {[10] = 0xff, 0xff, 10, 0, 0, (uint8_t)(i + 1)},
                                         .port = SIM_UDP_PORT};
        node->wall_offset_ms = clocks ? sim_between(sim, -off, off) : 0;
    }
}

/* ---- what happens -----------------------------------------------------------------------------
 */

static void start(struct sim *sim, struct sim_event *event)
{
    if (!sim->nodes[event->number].up)
        sim_node_start(sim, (int)event->number, event->other);
}

static void crash(struct sim *sim, struct sim_event *event)
{
    if (sim->nodes[event->number].up)
        sim_node_crash(sim, (int)event->number);
}

static void cut(struct sim *sim, struct sim_event *event)
{
    sim_note(sim, "n%d no longer reaches n%d", (int)event->number, event->peer);
    sim->faults.cut[event->number][event->peer] = true;
}

static void mend(struct sim *sim, struct sim_event *event)
{
    sim_note(sim, "n%d reaches n%d again", (int)event->number, event->peer);
    sim->faults.cut[event->number][event->peer] = false;
}

/* event->number: a bit for each node, the side that it is on. */
static void partition(struct sim *sim, struct sim_event *event)
{
    sim_note(sim, "partition %llx", (unsigned long long)event->number);
    for (int a = 0; a < sim->node_count; a++)
        for (int b = 0; b < sim->node_count; b++)
            sim->faults.cut[a][b] = (event->number >> a & 1) != (event->number >> b & 1);
}

static void step_clock(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->number];

    node->wall_offset_ms = sim_between(sim, -40000, 40000);
    sim_note(sim, "n%d's clock is now off by %lld ms", node->index,
             (long long)node->wall_offset_ms);
}

static void work(struct sim *sim, struct sim_event *event)
{
    int name = (int)rng_below(&sim->rng, (uint64_t)sim->names);
    int node = (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
    enum exchange_ask ask = (enum exchange_ask)rng_below(&sim->rng, EXCHANGE_ASK_SURVEY + 1);

    if (sim_chance(sim, (unsigned)event->number))
        cache_put(sim, node, name, true);
    else if (sim_chance(sim, 450))
        cache_put(sim, node, name, false);
    else
        cache_ask(sim, node, name, ask, heads(sim), false);
}

static void flood(struct sim *sim, struct sim_event *event)
{
    for (int name = 0; name < sim->names; name++)
        cache_put(sim, (int)event->number, name, false);
}

static struct sim_event *some_time(struct sim *sim,
                                   void (*run)(struct sim *sim, struct sim_event *event))
{
    struct sim_event *event = sim_at(sim, sim_between(sim, 0, MONO_S(ACTIVE_S)), run, -1);

    event->number = rng_below(&sim->rng, (uint64_t)sim->node_count);
    event->peer = (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
    return event;
}

static void roll_events(struct sim *sim, const struct swarm *swarm)
{
    int64_t works = sim->names > 50 && !swarm->flood ? 2 * sim->names : sim_between(sim, 20, 200);
    bool burst = sim_chance(sim, 200);

    for (int i = 0; i < sim->node_count; i++) {
        struct sim_event *event = sim_at(sim, sim_between(sim, 0, MONO_S(3)), start, -1);
        event->number = (uint64_t)i;
    }
    for (int64_t i = 0; i < works; i++) {
        struct sim_event *event = some_time(sim, work);
        event->number = swarm->removes;
        if (burst)
            event->at = (mono_t){event->at.ns / MONO_S(20) * MONO_S(20) + MONO_S(20)};
    }
    if (swarm->flood)
        some_time(sim, flood);
    for (int i = 0; i < 6; i++) {
        if (swarm->cuts) {
            some_time(sim, cut);
            some_time(sim, mend);
        }
        if (swarm->partitions)
            some_time(sim, partition)->number = rng_next(&sim->rng) & (heads(sim) ? 0x1ff : 0);
        if (swarm->crashes) {
            some_time(sim, crash);
            some_time(sim, start)->other = !(swarm->losses && heads(sim));
        }
        if (swarm->clock_steps)
            some_time(sim, step_clock);
    }
}

/* ---- and after it -----------------------------------------------------------------------------
 */

void sim_end_faults(struct sim *sim)
{
    sim_note(sim, "the faults end");
    sim->faults = (struct sim_faults){0};
    for (int i = 0; i < sim->node_count; i++)
        if (!sim->nodes[i].up)
            sim_node_start(sim, i, true);
}

static void pass(struct sim *sim, int64_t seconds)
{
    for (int64_t s = 0; s < seconds && !sim_failed(sim); s++) {
        sim_until(sim, mono_after(sim->now, MONO_S(1)));
        check_tickets(sim);
    }
}

/* What nobody holds any more is not asked for any longer either. */
static void give_up_what_is_lost(struct sim *sim)
{
    for (int name = 0; name < sim->names; name++)
        for (int i = 0; i < sim->node_count && !check_somebody_holds(sim, name); i++)
            sim->nodes[i].twin.entries[name].wanted = false;
}

/* What is there can be found, by everyone. */
static void ask_for_everything(struct sim *sim)
{
    for (int name = 0; name < sim->names && name < 20; name++)
        for (int i = 0; i < sim->node_count && !sim_failed(sim); i++)
            if (!sim->nodes[i].twin.entries[name].held && check_somebody_holds(sim, name))
                cache_ask(sim, i, name, EXCHANGE_ASK_CONTENT, true, true);
    pass(sim, 15);
}

static void fall_quiet(struct sim *sim)
{
    uint64_t before = sim->result->datagrams, after;
    uint64_t most = (uint64_t)(sim->node_count * QUIET_S / 20);

    pass(sim, QUIET_S);
    after = sim->result->datagrams;
    if (after - before > most)
        sim_fail(sim, "%llu datagrams in %d quiet seconds", (unsigned long long)(after - before),
                 (int)QUIET_S);
}

void sim_settle(struct sim *sim)
{
    char why[128] = "";
    int64_t waited = 0;

    while (!check_agreed(sim, why, sizeof(why)) && waited < SETTLE_MOST_S && !sim_failed(sim)) {
        pass(sim, 1);
        waited++;
    }
    sim->result->settled_ms = 1000 * waited;
    if (waited == SETTLE_MOST_S)
        sim_fail(sim, "no agreement after %d s: %s", (int)SETTLE_MOST_S, why);
}

void sim_plan(struct sim *sim)
{
    struct swarm swarm = {.flood = sim_chance(sim, 15)};

    roll_nodes(sim, &swarm);
    roll_faults(sim, &swarm);
    roll_events(sim, &swarm);
    pass(sim, ACTIVE_S + 3);
    if (sim_failed(sim))
        return;
    sim_end_faults(sim);
    sim_settle(sim);
    if (swarm.wrong_answers)
        pass(sim, ASIDE_MOST_S); /* until nobody is set aside any more */
    give_up_what_is_lost(sim);
    ask_for_everything(sim);
    fall_quiet(sim);
    sim_settle(sim);
}
