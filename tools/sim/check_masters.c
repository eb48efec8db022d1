/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <string.h>

/*
 * Never two masters of a tier that hear each other for longer than D: the longer of their dead
 * times, twice the way, and a little. Only the time counts in which both run and all comes through,
 * both ways. And once the faults have ended: one master, the right one, whom all follow.
 */
static const int64_t SLACK_NS = MONO_MS(100);

static const struct elector *elector_at(const struct sim *sim, int tier, int index)
{
    return &sim->nodes[index].electors[tier];
}

static bool leads(const struct sim *sim, int tier, int index)
{
    const struct elector *elector = elector_at(sim, tier, index);

    return sim->nodes[index].up && elector->machine &&
           elect_state(elector->machine) == ELECT_MASTER;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Takes its adverts: it counts it among the candidates. */
static bool knows(const struct sim *sim, int tier, int index, int other)
{
    return sim->nodes[index].parts[tier][other] == SIM_CANDIDATE;
}

/* Since when both lead, run, and hear each other. */
static int64_t both_since(const struct sim *sim, int tier, int a, int b)
{
    int64_t since = later(elector_at(sim, tier, a)->seen.master_since.ns,
                          elector_at(sim, tier, b)->seen.master_since.ns);

    since = later(since, later(sim->nodes[a].resumed.ns, sim->nodes[b].resumed.ns));
    since = later(since, later(sim->nodes[a].read.ns, sim->nodes[b].read.ns));
    since = later(since, later(sim->trouble[a][b].ns, sim->trouble[b][a].ns));
    return sim_path(sim, a, b) && sim_path(sim, b, a) && !sim->nodes[a].paused &&
                   !sim->nodes[b].paused && knows(sim, tier, a, b) && knows(sim, tier, b, a)
               ? since
               : sim->now.ns;
}

static void check_pair(struct sim *sim, int tier, int a, int b)
{
    int64_t most = later(check_dead_ns(sim, tier, a), check_dead_ns(sim, tier, b)) +
                   2 * SIM_WIRE_MOST_NS + SLACK_NS;
    int64_t both = sim->now.ns - both_since(sim, tier, a, b);

    if (both > most)
        sim_fail(sim, "%s: n%d and n%d lead both, and have heard each other for %lld ms",
                 sim->tiers[tier].name, a, b, (long long)both / 1000000);
}

void check_masters(struct sim *sim, int tier)
{
    for (int a = 0; a < sim->node_count; a++)
        for (int b = a + 1; leads(sim, tier, a) && b < sim->node_count; b++)
            if (leads(sim, tier, b))
                check_pair(sim, tier, a, b);
}

/* ---- in the end ------------------------------------------------------------------------------ */

static struct ballot_rank rank_of(const struct sim *sim, int tier, int index)
{
    const struct sim_tier *t = &sim->tiers[tier];
    uint16_t demotion = t->demotion[index];

    return (struct ballot_rank){demotion, t->rules[index].pair, sim->nodes[index].address};
}

/* Would the other have to take over? */
static bool should_take_over(const struct sim *sim, int tier, int master, int other)
{
    const struct sim_tier *t = &sim->tiers[tier];
    struct ballot_rank its = rank_of(sim, tier, other), masters = rank_of(sim, tier, master);

    if (ballot_compare(&its, &masters) >= 0 || t->behind[other])
        return false;
    return t->rules[other].preempt || its.demotion < masters.demotion;
}

static int find_master(const struct sim *sim, int tier, char *why, size_t cap)
{
    int master = -1;

    for (int i = 0; i < sim->node_count; i++) {
        if (!leads(sim, tier, i))
            continue;
        if (master >= 0) {
            snprintf(why, cap, "%s: n%d and n%d both lead", sim->tiers[tier].name, master, i);
            return -1;
        }
        master = i;
    }
    if (master < 0)
        snprintf(why, cap, "%s: nobody leads", sim->tiers[tier].name);
    return master;
}

static bool follows(const struct sim *sim, int tier, int index, int master, char *why, size_t cap)
{
    const struct sim_node *node = &sim->nodes[index];
    struct view_tier its, masters;

    elect_view(elector_at(sim, tier, index)->machine, sim_node_mono(sim, node), &its);
    elect_view(elector_at(sim, tier, master)->machine, sim_node_mono(sim, &sim->nodes[master]),
               &masters);
    if (its.has_master && strcmp(its.master, sim->nodes[master].name) == 0 &&
        its.epoch == masters.epoch)
        return true;
    snprintf(why, cap, "%s: n%d follows '%s' at epoch %llu, not n%d at epoch %llu",
             sim->tiers[tier].name, index, its.has_master ? its.master : "",
             (unsigned long long)its.epoch, master, (unsigned long long)masters.epoch);
    return false;
}

static bool is_elected(const struct sim *sim, int tier, char *why, size_t cap)
{
    const struct sim_tier *t = &sim->tiers[tier];
    int master = find_master(sim, tier, why, cap);

    for (int i = 0; master >= 0 && i < sim->node_count; i++) {
        if (!sim->nodes[i].up || t->parts[i] == SIM_STRANGER)
            continue;
        if (!follows(sim, tier, i, master, why, cap))
            return false;
        if (t->parts[i] == SIM_CANDIDATE && i != master && should_take_over(sim, tier, master, i)) {
            snprintf(why, cap, "%s: n%d leads, and n%d should", t->name, master, i);
            return false;
        }
    }
    return master >= 0;
}

bool check_elected(const struct sim *sim, char *why, size_t cap)
{
    for (int t = 0; t < sim->tier_count; t++)
        if (!is_elected(sim, t, why, cap))
            return false;
    return true;
}
