/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <string.h>

/*
 * The faults of a random run. Which kinds there are is rolled first, each by itself (a swarm): a
 * run that has every kind in it at once seldom gets far enough to meet the rare ones. A kind that
 * comes in blows (a crash, a cut) then comes again and again, as often as was rolled for it.
 */
static bool heads(struct sim *sim)
{
    return sim_chance(sim, 500);
}

static bool is_over(const struct sim *sim)
{
    return sim->now.ns >= sim->faults.over.ns;
}

static int any_node(struct sim *sim)
{
    return (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
}

/* Later, but while there are faults. */
static struct sim_event *soon(struct sim *sim, int64_t least, int64_t most,
                              void (*run)(struct sim *sim, struct sim_event *event), int node)
{
    struct sim_event *event = sim_at(sim, sim_scale(sim, least, most), run, -1);

    event->peer = node;
    return event;
}

/* ---- the network ----------------------------------------------------------------------------- */

static void mend(struct sim *sim, struct sim_event *event)
{
    int from = (int)event->number, to = event->peer;

    if (!sim->faults.cut[from][to])
        return;
    sim_note(sim, "n%d reaches n%d again", from, to);
    sim->faults.cut[from][to] = false;
    sim_trouble(sim, from, to, sim->now);
}

static void cut_one(struct sim *sim, int from, int to, int64_t most)
{
    sim_note(sim, "n%d no longer reaches n%d", from, to);
    sim->faults.cut[from][to] = true;
    soon(sim, MONO_MS(20), most, mend, to)->number = (uint64_t)from;
}

/* One way; both ways; or one that flaps. */
static void cut(struct sim *sim)
{
    int from = any_node(sim), to = any_node(sim);

    if (from == to)
        return;
    sim_count(sim, SIM_CUT);
    cut_one(sim, from, to, MONO_S(60));
    if (sim_chance(sim, 300))
        cut_one(sim, to, from, MONO_S(60));
}

static void heal(struct sim *sim, struct sim_event *event)
{
    if (sim->faults.partition != event->number)
        return;
    sim_note(sim, "the partition heals");
    for (int a = 0; a < sim->node_count; a++)
        for (int b = 0; b < sim->node_count; b++)
            if (!sim_path(sim, a, b))
                sim_trouble(sim, a, b, sim->now);
    sim->faults.side = 0;
}

static void partition(struct sim *sim)
{
    sim->faults.side = rng_below(&sim->rng, (uint64_t)1 << sim->node_count);
    sim->faults.partition++;
    sim_note(sim, "partition %llx", (unsigned long long)sim->faults.side);
    sim_count(sim, SIM_PARTITION);
    soon(sim, MONO_MS(50), MONO_S(90), heal, 0)->number = sim->faults.partition;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void go_on(struct sim *sim, struct sim_event *event)
{
    sim_node_resume(sim, event->peer);
}

static void stand_still(struct sim *sim)
{
    int index = any_node(sim);

    if (sim->nodes[index].paused)
        return;
    sim_node_pause(sim, index, sim_chance(sim, 250));
    soon(sim, MONO_MS(1), MONO_S(30), go_on, index);
}

static void start(struct sim *sim, struct sim_event *event)
{
    if (!sim->nodes[event->peer].up)
        sim_node_start(sim, event->peer, (enum sim_home)event->number);
}

static enum sim_home roll_home(struct sim *sim)
{
    static const enum sim_home homes[] = {SIM_HOME_REBUILT, SIM_HOME_RESTORED, SIM_HOME_LOST};

    if (!sim->faults.kinds[SIM_HOME] || sim_chance(sim, 600))
        return SIM_HOME_KEPT;
    return homes[rng_below(&sim->rng, 3)];
}

static void crash(struct sim *sim)
{
    int index = any_node(sim);

    if (!sim->nodes[index].up)
        return;
    sim_node_crash(sim, index, sim_chance(sim, 400));
    soon(sim, MONO_MS(1), MONO_S(60), start, index)->number = roll_home(sim);
}

static void leave(struct sim *sim)
{
    int index = any_node(sim);

    if (!sim->nodes[index].up || sim->nodes[index].paused)
        return;
    sim_node_stop(sim, index);
    soon(sim, MONO_MS(1), MONO_S(60), start, index)->number = SIM_HOME_KEPT;
}

static void copy_home(struct sim *sim)
{
    disk_copy(&sim->nodes[any_node(sim)]);
}

static void disk(struct sim *sim)
{
    struct disk *disk = &sim->nodes[any_node(sim)].disk;
    int64_t until = sim->now.ns + sim_scale(sim, MONO_MS(100), MONO_S(60));

    sim_count(sim, SIM_DISK);
    if (heads(sim))
        disk->until.stalled = until;
    else
        disk->until.failing = until;
}

/* Content that need not be kept goes, of several names at a time. */
static void drop(struct sim *sim)
{
    struct sim_node *node = &sim->nodes[any_node(sim)];

    for (int i = 0; i < sim->names; i++)
        if (heads(sim))
            keep_drop(sim, node, i);
}

static void read_there(struct sim *sim, struct sim_event *event)
{
    fetch_read(sim, event->peer, (int)event->number, false);
}

/* What is fetched is passed on meanwhile to who reads it, and nothing can be put. Some read the
 * same there, one after the other. */
static void fill(struct sim *sim)
{
    struct sim_node *node = &sim->nodes[any_node(sim)];
    uint64_t name = rng_below(&sim->rng, (uint64_t)sim->spare);

    for (int i = 0; i < 3; i++) {
        struct sim_event *event = sim_at(sim, sim_between(sim, 0, MONO_MS(50)), read_there, -1);
        event->peer = node->index;
        event->number = name;
    }
    sim_note(sim, "n%d has no room left", node->index);
    sim_count(sim, SIM_FULL);
    node->disk.until.full = sim->now.ns + sim_scale(sim, MONO_MS(100), MONO_S(60));
}

/* ---- clocks ---------------------------------------------------------------------------------- */

static const int64_t HOUR_MS = 3600 * 1000;
static const wall_t NOW = {1795348800000}, IN_1970 = {1000}, IN_2106 = {4294967296000};

static int64_t roll_clock(struct sim *sim)
{
    switch (rng_below(&sim->rng, 5)) {
    case 0:
        return IN_1970.ms - NOW.ms - sim->now.ns / 1000000;
    case 1:
        return IN_2106.ms - NOW.ms;
    case 2:
        return heads(sim) ? HOUR_MS : -HOUR_MS;
    default:
        return sim_between(sim, -40000, 40000);
    }
}

/* Of one node, or of all. Far off only for a while: the exchange learns nothing meanwhile. */
static void clock(struct sim *sim)
{
    int only = sim_chance(sim, 800) ? any_node(sim) : -1;
    int64_t offset = roll_clock(sim);

    sim_count(sim, SIM_CLOCK);
    for (int i = 0; i < sim->node_count; i++) {
        if (only >= 0 && i != only)
            continue;
        sim->nodes[i].wall_offset_ms = offset;
        sim_note(sim, "n%d's clock is now off by %lld ms", i, (long long)offset);
    }
}

/* ---- elections ------------------------------------------------------------------------------- */

static bool any_candidate(struct sim *sim, int *tier, int *index)
{
    *index = any_node(sim);
    *tier = sim->tier_count ? (int)rng_below(&sim->rng, (uint64_t)sim->tier_count) : -1;
    return *tier >= 0 && sim->tiers[*tier].parts[*index] == SIM_CANDIDATE;
}

/* A process that stands still is told once it goes on. */
static void tell_self(struct sim *sim, struct sim_event *event)
{
    elector_self(sim, &sim->nodes[event->node], (int)event->number);
}

static void tell_rules(struct sim *sim, struct sim_event *event)
{
    elector_rules(sim, &sim->nodes[event->node], (int)event->number);
}

static void restore(struct sim *sim, struct sim_event *event)
{
    int tier = (int)event->number;

    if (is_over(sim)) /* it stays demoted: the order is to show that */
        return;
    sim_note(sim, "n%d %s: is restored", event->peer, sim->tiers[tier].name);
    sim->tiers[tier].demotion[event->peer] = 0;
    sim->tiers[tier].behind[event->peer] = false;
    sim_at(sim, 0, tell_self, event->peer)->number = event->number;
}

static void demote(struct sim *sim)
{
    static const uint16_t demotions[] = {DEMOTION_CLOCK, DEMOTION_STORE, DEMOTION_HTTP,
                                         DEMOTION_HAND};
    int tier, index;

    if (!any_candidate(sim, &tier, &index))
        return;
    sim_count(sim, SIM_DEMOTION);
    if (sim_chance(sim, 250))
        sim->tiers[tier].behind[index] = true;
    else
        sim->tiers[tier].demotion[index] = demotions[rng_below(&sim->rng, 4)];
    sim_note(sim, "n%d %s: is %s", index, sim->tiers[tier].name,
             sim->tiers[tier].behind[index] ? "behind" : "demoted");
    sim_at(sim, 0, tell_self, index)->number = (uint64_t)tier;
    soon(sim, MONO_MS(50), MONO_S(60), restore, index)->number = (uint64_t)tier;
}

static void read_nets(struct sim *sim, struct sim_event *event)
{
    sim_node_read_nets(sim, event->node);
}

static int count_candidates(const struct sim *sim, int tier)
{
    int count = 0;

    for (int i = 0; i < sim->node_count; i++)
        count += sim->tiers[tier].parts[i] == SIM_CANDIDATE;
    return count;
}

/* A slave becomes a candidate, or the other way round: all nodes are told, each in its own time. */
static void change_nets(struct sim *sim)
{
    int index = any_node(sim);
    enum sim_part *part = &sim->tiers[0].parts[index];

    if (sim->tier_count != 1 || (*part == SIM_CANDIDATE && count_candidates(sim, 0) == 1))
        return;
    sim_count(sim, SIM_RELOAD);
    *part = *part == SIM_CANDIDATE ? SIM_SLAVE : SIM_CANDIDATE;
    sim_note(sim, "n%d is to be a %s", index, *part == SIM_SLAVE ? "slave" : "candidate");
    for (int i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].up)
            sim_at(sim, sim_scale(sim, MONO_MS(1), MONO_S(5)), read_nets, i);
}

static void reload(struct sim *sim)
{
    int tier, index;
    struct elect_rules *rules;

    if (sim_chance(sim, 250)) {
        change_nets(sim);
        return;
    }
    if (!any_candidate(sim, &tier, &index))
        return;
    sim_count(sim, SIM_RELOAD);
    rules = &sim->tiers[tier].rules[index];
    rules->pair.skew = (uint8_t)rng_below(&sim->rng, 256);
    if (heads(sim))
        rules->preempt = !rules->preempt;
    sim_note(sim, "n%d %s: reloads, skew %u", index, sim->tiers[tier].name, rules->pair.skew);
    sim_at(sim, 0, tell_rules, index)->number = (uint64_t)tier;
}

static void reset(struct sim *sim)
{
    if (sim->tier_count)
        watch_reset(sim, &sim->nodes[any_node(sim)],
                    (int)rng_below(&sim->rng, (uint64_t)sim->tier_count));
}

/* ---- when ------------------------------------------------------------------------------------ */

/* The kinds that come in blows. */
static const struct {
    enum sim_fault kind;
    void (*strike)(struct sim *sim);
} blows[] = {
    {SIM_CUT, cut},     {SIM_PARTITION, partition}, {SIM_PAUSE, stand_still},
    {SIM_CRASH, crash}, {SIM_HOME, copy_home},      {SIM_DISK, disk},
    {SIM_CLOCK, clock}, {SIM_DEMOTION, demote},     {SIM_RELOAD, reload},
    {SIM_LEAVE, leave}, {SIM_RESET, reset},         {SIM_DROP, drop},
    {SIM_FULL, fill},
};
enum { BLOWS = sizeof(blows) / sizeof(*blows) };

/* event->number: which; event->other: how many ns lie between two, about. */
static void strike(struct sim *sim, struct sim_event *event)
{
    struct sim_event *next;

    if (is_over(sim))
        return;
    blows[event->number].strike(sim);
    next = sim_at(sim, sim_between(sim, 0, 2 * (int64_t)event->other), strike, -1);
    next->number = event->number;
    next->other = event->other;
}

static unsigned roll(struct sim *sim, enum sim_fault kind, unsigned least, unsigned most)
{
    return sim->faults.kinds[kind] ? (unsigned)sim_between(sim, least, most) : 0;
}

static void roll_kinds(struct sim *sim)
{
    for (int kind = 0; kind < SIM_FAULT_COUNT; kind++)
        sim->faults.kinds[kind] =
            sim_chance(sim, kind == SIM_CLOCK ? 200 : 400) && !(sim->options.off >> kind & 1);
}

static void roll_drift(struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++) {
        sim->nodes[i].mono_base = sim_between(sim, 0, MONO_S(1000000));
        if (sim->faults.kinds[SIM_DRIFT]) {
            sim->nodes[i].drift_ppm = sim_between(sim, -500, 500);
            sim_count(sim, SIM_DRIFT);
        }
    }
}

void faults_begin(struct sim *sim, int64_t active_ns)
{
    struct sim_faults *faults = &sim->faults;

    roll_kinds(sim);
    roll_drift(sim);
    faults->over = mono_after(sim->now, active_ns);
    faults->loss = roll(sim, SIM_LOSS, 1, 300);
    faults->duplication = roll(sim, SIM_DUPLICATION, 1, 500);
    faults->delay = roll(sim, SIM_DELAY, 1, 300);
    faults->delay_ns = sim_scale(sim, MONO_MS(1), MONO_S(3));
    faults->hostile = roll(sim, SIM_HOSTILE, 10, 300);
    faults->http_failed = roll(sim, SIM_HTTP, 1, 300);
    faults->http_wrong = sim_chance(sim, 80) ? roll(sim, SIM_HTTP, 1, 100) : 0;
    faults->slow = roll(sim, SIM_SLOW, 50, 500);
    for (int i = 0; i < BLOWS; i++) {
        struct sim_event *event;

        if (!faults->kinds[blows[i].kind])
            continue;
        event = sim_at(sim, sim_between(sim, 0, MONO_S(60)), strike, -1);
        event->number = (uint64_t)i;
        event->other = (uint64_t)sim_scale(sim, MONO_S(3), MONO_S(120));
    }
}

/* Nearer to the truth than it takes to be off: such nodes neither make nor take versions. */
static void set_clock(struct sim_node *node)
{
    if (node->wall_offset_ms > 120000 || node->wall_offset_ms < -120000)
        node->wall_offset_ms = 0;
}

/* All that was broken works again; only small differences of the clocks stay. */
void faults_end(struct sim *sim)
{
    bool demotions = sim->faults.kinds[SIM_DEMOTION];

    sim_note(sim, "the faults end");
    sim->faults = (struct sim_faults){.over = sim->now, .partition = sim->faults.partition + 1};
    for (int i = 0; i < sim->node_count; i++) {
        set_clock(&sim->nodes[i]);
        memset(&sim->nodes[i].disk.until, 0, sizeof(sim->nodes[i].disk.until));
        for (int t = 0; t < sim->tier_count; t++) {
            sim->tiers[t].behind[i] = false;
            if (demotions && sim->tiers[t].parts[i] == SIM_CANDIDATE && heads(sim))
                sim->tiers[t].demotion[i] = DEMOTION_HAND;
            if (sim->nodes[i].up)
                sim_at(sim, 0, tell_self, i)->number = (uint64_t)t;
        }
        sim_node_resume(sim, i);
        if (!sim->nodes[i].up)
            sim_node_start(sim, i, SIM_HOME_KEPT);
    }
}
