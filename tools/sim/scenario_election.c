/* SPDX-License-Identifier: ISC */
#include "tools/sim/scenario.h"

#include <string.h>

#include "src/base/must.h"

/*
 * Elections in plain cases: n0, n1 and n2 are the candidates of one tier, n0 the best of them, with
 * adverts every second; n3, where there is one, is a slave.
 */
static struct sim_tier *make_tier(struct sim *sim, int tier, const char *name)
{
    struct sim_tier *t = &sim->tiers[tier];

    MUST(span_copy(span_of(name), t->name, sizeof(t->name)));
    for (int i = 0; i < sim->node_count; i++)
        t->rules[i] = (struct elect_rules){.pair = {1000000, (uint8_t)(26 * i)},
                                           .preempt = true,
                                           .preempt_delay_ns = MONO_S(2),
                                           .dead_ratio_milli = 3000};
    return t;
}

/* So many nodes, of which the first are candidates. */
static void tier_of(struct sim *sim, int count, int candidates)
{
    struct sim_tier *t;

    plan_nodes(sim, count, false);
    sim->tier_count = 1;
    t = make_tier(sim, 0, "core");
    for (int i = 0; i < count; i++)
        t->parts[i] = i < candidates ? SIM_CANDIDATE : SIM_SLAVE;
}

static void start(struct sim *sim, int index)
{
    sim_node_start(sim, index, SIM_HOME_KEPT);
}

static void pass_s(struct sim *sim, int64_t seconds)
{
    scenario_pass_ms(sim, 1000 * seconds);
}

static void expect_master(struct sim *sim, int index)
{
    const struct elector *elector = &sim->nodes[index].electors[0];

    if (!elector->machine || elect_state(elector->machine) != ELECT_MASTER)
        sim_fail(sim, "n%d is not master", index);
}

static void expect_elected(struct sim *sim)
{
    char why[160] = "";

    if (!check_elected(sim, why, sizeof(why)))
        sim_fail(sim, "%s", why);
}

static void begin(struct sim *sim, int count, int candidates)
{
    tier_of(sim, count, candidates);
    for (int i = 0; i < count; i++)
        start(sim, i);
    pass_s(sim, 12);
    expect_master(sim, 0);
    expect_elected(sim);
    sim_note(sim, "---- n0 leads");
}

static void cut(struct sim *sim, int from, int to, bool is_cut)
{
    sim_note(sim, is_cut ? "n%d no longer reaches n%d" : "n%d reaches n%d again", from, to);
    sim->faults.cut[from][to] = is_cut;
    sim_trouble(sim, from, to, sim->now);
}

/* Three candidates and a slave start together. */
void scenario_elect(struct sim *sim)
{
    begin(sim, 4, 3);
}

/* The master's process dies: the connection breaks, and nobody waits for silence. */
void scenario_crash(struct sim *sim)
{
    begin(sim, 3, 3);
    sim_node_crash(sim, 0, false);
    scenario_pass_ms(sim, 30);
    expect_master(sim, 1);
    pass_s(sim, 5);
    start(sim, 0);
    pass_s(sim, 12);
    expect_master(sim, 0);
    expect_elected(sim);
}

/* Its whole host dies: that is silence. */
void scenario_host_crash(struct sim *sim)
{
    begin(sim, 3, 3);
    sim_node_crash(sim, 0, true);
    pass_s(sim, 5);
    expect_master(sim, 1);
    expect_elected(sim);
}

static void expect_backup(struct sim *sim, int index)
{
    const struct elector *elector = &sim->nodes[index].electors[0];

    if (!elector->machine || elect_state(elector->machine) != ELECT_BACKUP)
        sim_fail(sim, "n%d is not backup", index);
}

/* A better backup that its master does not hear asks in vain, and does not make itself a second
 * one. */
void scenario_one_way(struct sim *sim)
{
    tier_of(sim, 3, 3);
    for (int i = 1; i < 3; i++)
        start(sim, i);
    pass_s(sim, 10);
    expect_master(sim, 1);
    start(sim, 0);
    scenario_pass_ms(sim, 1500);
    cut(sim, 0, 1, true);
    pass_s(sim, 15);
    expect_master(sim, 1);
    expect_backup(sim, 0);
    cut(sim, 0, 1, false);
    pass_s(sim, 3);
    expect_master(sim, 0);
    expect_elected(sim);
}

/* One that the master has never heard cannot know whether the adverts that it hears are of now: it
 * leads those who hear it, and both agree as soon as they hear each other. */
void scenario_unheard(struct sim *sim)
{
    tier_of(sim, 3, 3);
    for (int i = 1; i < 3; i++)
        start(sim, i);
    pass_s(sim, 10);
    cut(sim, 0, 1, true);
    start(sim, 0);
    pass_s(sim, 8);
    expect_master(sim, 1);
    expect_master(sim, 0);
    cut(sim, 0, 1, false);
    scenario_pass_ms(sim, 1200);
    expect_master(sim, 0);
    expect_backup(sim, 1);
    expect_elected(sim);
}

/* Two adverts in a row are lost: the third is asked for, and nothing happens. */
void scenario_lost_adverts(struct sim *sim)
{
    begin(sim, 3, 3);
    sim->faults.loss = 1000;
    scenario_pass_ms(sim, 2050);
    sim->faults.loss = 0;
    sim_note(sim, "nothing is lost any more");
    pass_s(sim, 3);
    expect_master(sim, 0);
    expect_elected(sim);
}

/* The master stands still for longer than its dead time: it is backup before it says anything. */
void scenario_pause(struct sim *sim)
{
    begin(sim, 3, 3);
    sim_node_pause(sim, 0, false);
    pass_s(sim, 5);
    expect_master(sim, 1);
    sim_node_resume(sim, 0);
    pass_s(sim, 8);
    expect_master(sim, 0);
    expect_elected(sim);
}

/* Both halves elect, and agree at once when the partition heals. */
void scenario_two_halves(struct sim *sim)
{
    begin(sim, 4, 3);
    sim->faults.side = 1;
    sim_note(sim, "n0 is cut off");
    pass_s(sim, 8);
    expect_master(sim, 0);
    expect_master(sim, 1);
    sim->faults.side = 0;
    sim_note(sim, "the partition heals");
    for (int i = 1; i < 4; i++) {
        sim_trouble(sim, 0, i, sim->now);
        sim_trouble(sim, i, 0, sim->now);
    }
    scenario_pass_ms(sim, 1100);
    expect_master(sim, 0);
    expect_elected(sim);
}

/* One that is better comes, waits, asks, and is let. */
void scenario_preempt(struct sim *sim)
{
    tier_of(sim, 2, 2);
    start(sim, 1);
    pass_s(sim, 8);
    expect_master(sim, 1);
    start(sim, 0);
    pass_s(sim, 1);
    expect_master(sim, 1);
    pass_s(sim, 5);
    expect_master(sim, 0);
    expect_elected(sim);
}

/* A master that is stopped hands over in one round trip. */
void scenario_leave(struct sim *sim)
{
    begin(sim, 3, 3);
    sim_node_stop(sim, 0);
    scenario_pass_ms(sim, 10);
    expect_master(sim, 1);
    pass_s(sim, 5);
    expect_elected(sim);
}

static void demote(struct sim *sim, int index, uint16_t demotion)
{
    sim_note(sim, "n%d is %s", index, demotion ? "demoted" : "restored");
    sim->tiers[0].demotion[index] = demotion;
    elector_self(sim, &sim->nodes[index], 0);
}

/* Demoted, it hands over; all of them demoted, the best leads again. */
void scenario_demote(struct sim *sim)
{
    begin(sim, 3, 3);
    demote(sim, 0, DEMOTION_HAND);
    scenario_pass_ms(sim, 100);
    expect_master(sim, 1);
    demote(sim, 1, DEMOTION_HAND);
    demote(sim, 2, DEMOTION_HAND);
    pass_s(sim, 10);
    expect_master(sim, 0);
    for (int i = 0; i < 3; i++)
        demote(sim, i, 0);
    pass_s(sim, 10);
    expect_elected(sim);
}

/* One that has forgotten all goes above what the others know before it leads again. */
void scenario_lost_home(struct sim *sim)
{
    begin(sim, 3, 3);
    sim_node_crash(sim, 0, true);
    pass_s(sim, 5);
    expect_master(sim, 1);
    sim_node_start(sim, 0, SIM_HOME_LOST);
    pass_s(sim, 12);
    expect_master(sim, 0);
    expect_elected(sim);
}

/* Nobody leads with an epoch that is not on disk; those that are kept ahead last for a while. */
void scenario_disk_full(struct sim *sim)
{
    tier_of(sim, 2, 2);
    start(sim, 0);
    start(sim, 1);
    for (int i = 0; i < 2; i++)
        sim->nodes[i].disk.until.failing = sim->now.ns + MONO_S(20);
    pass_s(sim, 15);
    for (int i = 0; i < 2; i++)
        if (elect_state(sim->nodes[i].electors[0].machine) == ELECT_MASTER)
            sim_fail(sim, "n%d leads without a disk", i);
    pass_s(sim, 15);
    expect_master(sim, 0);
    expect_elected(sim);
}

static void replay(struct sim *sim, size_t captured, int to)
{
    const struct sim_captured *old = &sim->captured[captured];
    struct sim_packet packet = {.bytes = old->bytes,
                                .len = old->len,
                                .from = sim->nodes[old->from].address,
                                .port = old->port,
                                .hops = 255};

    sim_deliver(sim, old->from, to, &packet);
}

/* What n0 said as master is said again when it is gone, to those who remember and to one who does
 * not: nobody follows it. */
void scenario_replay(struct sim *sim)
{
    tier_of(sim, 3, 3);
    sim->faults.hostile = 1; /* so that what is said is recorded */
    for (int i = 0; i < 3; i++)
        start(sim, i);
    pass_s(sim, 12);
    expect_master(sim, 0);
    sim_node_crash(sim, 0, true);
    sim->faults.hostile = 0;
    pass_s(sim, 5);
    expect_master(sim, 1);
    sim_node_crash(sim, 2, false);
    sim_node_start(sim, 2, SIM_HOME_LOST);
    pass_s(sim, 3);
    sim_note(sim, "---- all is said again");
    for (size_t i = 0; i < sim->captured_count; i++) {
        replay(sim, i, 1);
        replay(sim, i, 2);
    }
    pass_s(sim, 5);
    expect_master(sim, 1);
    expect_elected(sim);
}

static void set_clock(struct sim *sim, int index, int64_t offset_ms)
{
    sim_note(sim, "n%d's clock is now off by %lld ms", index, (long long)offset_ms);
    sim->nodes[index].wall_offset_ms = offset_ms;
}

/* Clocks in 1970 and in 2106 elect nobody, and strand nobody, over restarts neither. */
void scenario_clocks(struct sim *sim)
{
    const int64_t to_1970 = -1795348900000, to_2106 = 2499618000000;

    begin(sim, 3, 3);
    set_clock(sim, 0, to_2106);
    set_clock(sim, 1, to_1970);
    pass_s(sim, 5);
    expect_master(sim, 0);
    sim_node_crash(sim, 0, true);
    pass_s(sim, 5);
    expect_master(sim, 1);
    set_clock(sim, 0, to_1970);
    start(sim, 0);
    pass_s(sim, 12);
    expect_master(sim, 0);
    expect_elected(sim);
}

/* A link that comes and goes faster than the dead time changes nothing. */
void scenario_flapping(struct sim *sim)
{
    begin(sim, 3, 3);
    for (int i = 0; i < 4; i++) {
        cut(sim, 0, 1, true);
        scenario_pass_ms(sim, 1300);
        cut(sim, 0, 1, false);
        scenario_pass_ms(sim, 700);
    }
    expect_master(sim, 0);
    expect_elected(sim);
}

/* A slave that comes late asks whom to follow. */
void scenario_late_slave(struct sim *sim)
{
    tier_of(sim, 4, 3);
    for (int i = 0; i < 3; i++)
        start(sim, i);
    pass_s(sim, 20);
    start(sim, 3);
    scenario_pass_ms(sim, 2000);
    expect_elected(sim);
}

/* The connection breaks, and a new one is accepted: nothing has happened. */
void scenario_reset(struct sim *sim)
{
    begin(sim, 2, 2);
    watch_reset(sim, &sim->nodes[1], 0);
    pass_s(sim, 3);
    expect_master(sim, 0);
    sim_node_crash(sim, 0, false);
    scenario_pass_ms(sim, 30);
    expect_master(sim, 1);
}

/* The master is given a worse pair than a backup's, which then asks. */
void scenario_reload(struct sim *sim)
{
    begin(sim, 2, 2);
    sim->tiers[0].rules[0].pair.skew = 200;
    sim_note(sim, "n0's skew is 200 now");
    elector_rules(sim, &sim->nodes[0], 0);
    pass_s(sim, 8);
    expect_master(sim, 1);
    expect_elected(sim);
}

/* Two tiers: n1 and n2 are slaves in core, and candidates in paris. */
void scenario_stacked(struct sim *sim)
{
    struct sim_tier *t;

    tier_of(sim, 4, 1);
    sim->tiers[0].parts[3] = SIM_STRANGER;
    sim->tier_count = 2;
    t = make_tier(sim, 1, "paris");
    t->parts[1] = t->parts[2] = SIM_CANDIDATE;
    t->parts[3] = SIM_SLAVE;
    for (int i = 0; i < 4; i++)
        start(sim, i);
    pass_s(sim, 12);
    expect_elected(sim);
    sim_node_crash(sim, 1, false);
    pass_s(sim, 5);
    expect_elected(sim);
}
