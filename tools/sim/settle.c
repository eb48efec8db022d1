/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include "src/replay.h"

/*
 * What must come once the faults have ended: each tier elects its right master within a bound, the
 * nodes agree on what there is, find it, and fall quiet.
 */
enum {
    AGREE_MOST_S = 2 * 3600,
    ASIDE_MOST_S = 3700,
    QUIET_S = 60,
    READERS_WAIT_S = 65,
    MIRRORED_S = 10
};

void settle_pass(struct sim *sim, int64_t seconds)
{
    for (int64_t s = 0; s < seconds && !sim_failed(sim); s++) {
        sim_until(sim, mono_after(sim->now, MONO_S(1)));
        check_tickets(sim);
        check_fetches(sim);
        for (int t = 0; t < sim->tier_count; t++)
            check_masters(sim, t);
    }
}

/* ---- elections ------------------------------------------------------------------------------- */

static int64_t longest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t longest_dead_ns(const struct sim *sim)
{
    int64_t dead = 0;

    for (int t = 0; t < sim->tier_count; t++)
        for (int i = 0; i < sim->node_count; i++)
            dead = longest(dead, check_dead_ns(sim, t, i));
    return dead;
}

/* Three dead times, the delay before one takes over that is better, the round of standings by which
 * it knows that it is, and the longest that a slave waits before it asks again. */
static int64_t elected_within_ns(const struct sim *sim)
{
    int64_t dead = longest_dead_ns(sim), delay = 3 * dead;

    for (int t = 0; t < sim->tier_count; t++)
        for (int i = 0; i < sim->node_count; i++)
            delay = longest(delay, sim->tiers[t].rules[i].preempt_delay_ns);
    return 3 * dead + 2 * delay + ELECT_STANDING_NS * 6 / 5 + ELECT_SEEK_MAX_NS * 6 / 5;
}

/* Faults that must not change a master, once there is one: replays and forgeries, clocks that are
 * stepped or drift, disks that fail, connections that are reset, and a loss of one in twenty. */
void settle_undisturbed(struct sim *sim)
{
    static const enum sim_fault disturb[] = {SIM_DELAY, SIM_CUT,      SIM_PARTITION, SIM_PAUSE,
                                             SIM_CRASH, SIM_DEMOTION, SIM_RELOAD,    SIM_LEAVE};
    int64_t within = elected_within_ns(sim);

    for (size_t i = 0; i < sizeof(disturb) / sizeof(*disturb); i++)
        if (sim->faults.kinds[disturb[i]])
            return;
    if (sim->faults.loss <= 50 && sim->changed.ns > SIM_BEGIN_NS + within)
        sim_fail(sim, "a role changed at %.4f s, and nothing had happened that may change one",
                 (double)sim->changed.ns / 1e9);
}

/* Until all is well, and stays so for two dead times. */
static void settle_elections(struct sim *sim)
{
    int64_t within = elected_within_ns(sim), steady = 2 * longest_dead_ns(sim);
    mono_t began = sim->now, well = sim->now;
    char why[160] = "";

    while (!sim_failed(sim) && mono_between(well, sim->now) < steady) {
        sim_until(sim, mono_after(sim->now, MONO_MS(100)));
        if (!check_elected(sim, why, sizeof(why)))
            well = sim->now;
        if (mono_between(began, well) > within)
            sim_fail(sim, "%lld s after the faults: %s", (long long)(within / MONO_S(1)), why);
    }
    sim->result->settled_ms = mono_between(began, well) / 1000000;
}

/* Nothing changes any more. */
static void check_steady(struct sim *sim, mono_t since)
{
    char why[160] = "";

    if (sim_failed(sim))
        return;
    if (!check_elected(sim, why, sizeof(why)))
        sim_fail(sim, "long after the faults: %s", why);
    else if (sim->changed.ns > since.ns)
        sim_fail(sim, "a role changed long after the faults");
}

/* ---- content --------------------------------------------------------------------------------- */

/* What nobody holds any more is not asked for any longer, nor told of, either. */
static void give_up_what_is_lost(struct sim *sim)
{
    for (int name = 0; name < sim->names; name++)
        for (int i = 0; i < sim->node_count && !check_somebody_holds(sim, name); i++)
            sim->nodes[i].twin.entries[name].wanted = sim->nodes[i].twin.entries[name].unconfirmed =
                false;
}

/* What is there can be read, everywhere. */
static void read_everything(struct sim *sim)
{
    for (int name = 0; name < sim->names && name < 20; name++)
        for (int i = 0; i < sim->node_count && !sim_failed(sim); i++)
            if (!sim->nodes[i].twin.entries[name].held && check_somebody_holds(sim, name))
                fetch_read(sim, i, name, true);
    settle_pass(sim, 15);
}

static bool is_anything_lost(const struct sim *sim)
{
    for (int name = 0; name < sim->names; name++)
        if (!check_somebody_holds(sim, name))
            return true;
    return false;
}

/* Where nothing is lost: that would be looked for on and on. */
static void fall_quiet(struct sim *sim)
{
    uint64_t before = sim->said_by_caches, after;
    uint64_t most = (uint64_t)(sim->node_count * QUIET_S / 20) * 2;

    settle_pass(sim, QUIET_S);
    after = sim->said_by_caches;
    if (after - before > most && !(sim->by_tiers && is_anything_lost(sim)))
        sim_fail(sim, "%llu datagrams in %d quiet seconds", (unsigned long long)(after - before),
                 (int)QUIET_S);
}

void settle_agree(struct sim *sim)
{
    char why[128] = "";
    int64_t waited = 0;

    while (!check_agreed(sim, why, sizeof(why)) && waited < AGREE_MOST_S && !sim_failed(sim)) {
        settle_pass(sim, 1);
        waited++;
    }
    if (waited == AGREE_MOST_S)
        sim_fail(sim, "no agreement after %d s: %s", (int)AGREE_MOST_S, why);
}

/* The master of the top tier, or anyone of a mesh. */
static int someone_above(struct sim *sim)
{
    for (int i = 0; i < sim->node_count && sim->by_tiers; i++) {
        const struct elect *machine = sim->nodes[i].electors[0].machine;
        if (machine && elect_state(machine) == ELECT_MASTER)
            return i;
    }
    return (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
}

/* Does everybody take what it puts, or does it lie in the future for some? */
static bool is_in_time(const struct sim *sim, int index)
{
    for (int i = 0; i < sim->node_count; i++)
        if (sim->nodes[index].wall_offset_ms - sim->nodes[i].wall_offset_ms >
            VERSION_AHEAD_MAX_MS - 1000)
            return false;
    return true;
}

static void ask_untold(struct sim *sim, int asker, int holder, enum exchange_ask ask)
{
    const struct sim_node *node = &sim->nodes[asker];

    cache_put_untold(sim, holder, sim->spare, false);
    cache_ask(sim, asker, sim->spare, ask, false, true);
    settle_pass(sim, 3);
    if (!sim_failed(sim) && check_order(&node->twin.entries[sim->spare],
                                        &sim->nodes[holder].twin.entries[sim->spare]) != 0)
        sim_fail(sim, "n%d has asked for f%d, and does not know it as n%d does", asker, sim->spare,
                 holder);
}

/* What nobody was told of is found by who asks for it, through all tiers; and then a newer version
 * of it by who asks for the newest. */
static void find_what_is_untold(struct sim *sim)
{
    int holder = someone_above(sim), others = sim->node_count - 1;
    int asker = (holder + 1 + (int)rng_below(&sim->rng, (uint64_t)others)) % sim->node_count;

    if (sim_failed(sim) || !is_in_time(sim, holder))
        return;
    ask_untold(sim, asker, holder, EXCHANGE_ASK_NAME);
    ask_untold(sim, asker, holder, EXCHANGE_ASK_NEWEST);
    keep_changed(sim, &sim->nodes[holder]);
}

/* What is put anywhere is soon held by all candidates of the tiers of which the node is a member,
 * and confirmed by one above. */
static void put_and_look(struct sim *sim)
{
    int index = (int)rng_below(&sim->rng, (uint64_t)sim->node_count);
    const struct sim_node *node = &sim->nodes[index];

    if (sim_failed(sim) || !sim->by_tiers || !is_in_time(sim, index) ||
        !cache_put(sim, index, sim->spare, false))
        return;
    settle_pass(sim, MIRRORED_S);
    for (int t = 0; t < sim->tier_count && !sim_failed(sim); t++)
        for (int i = 0; i < sim->node_count && node->parts[t][index] != SIM_STRANGER; i++)
            if (node->parts[t][i] == SIM_CANDIDATE && !sim->nodes[i].twin.entries[sim->spare].held)
                sim_fail(sim, "n%d does not hold f%d, which n%d has put", i, sim->spare, index);
}

void settle(struct sim *sim)
{
    bool wrong_answers = sim->wrong_answers;
    mono_t elected;

    if (sim->tier_count)
        settle_elections(sim);
    elected = sim->now;
    if (check_boots_fell(sim))
        settle_pass(sim, REPLAY_SILENCE / MONO_S(1) + 2); /* until the others take them again */
    settle_agree(sim);
    if (wrong_answers)
        settle_pass(sim, ASIDE_MOST_S); /* until nobody is set aside any more */
    check_kept(sim);
    give_up_what_is_lost(sim);
    read_everything(sim);
    settle_pass(sim, READERS_WAIT_S); /* until those who read what is lost have given up */
    fall_quiet(sim);
    find_what_is_untold(sim);
    put_and_look(sim);
    settle_agree(sim);
    check_nothing_lost(sim);
    if (sim->tier_count)
        check_steady(sim, elected);
}
