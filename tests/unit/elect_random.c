/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_cluster.h"

/*
 * Whatever befalls a tier for a while, in which each class of fault is on or off by the seed: once
 * it has ended there is one master, soon, and it is the best. What must hold at each step,
 * elect_cluster.c checks.
 */
static uint64_t seed; /* of the random run that is under way; 0: of none */

struct faults {
    bool loss, cuts, one_way, pauses, kills, ends, stuck_disks, demotions, refusals, doubles,
        jitter;
    bool replays;
};

static struct faults draw_faults(struct rng *rng)
{
    uint64_t bits = rng_next(rng);

    return (struct faults){bits & 1,  bits & 2,   bits & 4,   bits & 8,   bits & 16,   bits & 32,
                           bits & 64, bits & 128, bits & 256, bits & 512, bits & 1024, bits & 2048};
}

static void befall_process(struct cluster *c, size_t node, const struct faults *on)
{
    struct station *s = &c->stations[node];
    uint64_t what = rng_below(&c->rng, 8);

    if (!s->machine) {
        cluster_begin(c, node);
    } else if (what == 0 && on->kills) {
        cluster_kill(c, node);
        if (on->refusals)
            cluster_refuse_watch(c, node);
    } else if (what == 1 && on->ends && !s->paused) {
        cluster_end(c, node);
    } else if (what == 2 && on->demotions && !s->paused) {
        s->self.demotion = s->self.demotion ? 0 : DEMOTION_STORE;
        s->self.behind = rng_below(&c->rng, 2);
        cluster_tell_self(c, node);
    } else if (what == 3 && on->stuck_disks) {
        cluster_stick_disk(c, node, !s->disk_stuck);
    } else if (what == 4 && on->pauses && !s->paused) {
        cluster_pause(c, node);
    } else if (s->paused) {
        cluster_continue(c, node);
    }
}

static void befall(struct cluster *c, const struct faults *on)
{
    size_t a = rng_below(&c->rng, c->count), b = rng_below(&c->rng, c->count);

    befall_process(c, a, on);
    if (rng_below(&c->rng, 3) == 0 && on->cuts)
        cluster_cut(c, a, b, rng_below(&c->rng, 2));
    if (rng_below(&c->rng, 3) == 0 && on->one_way)
        c->cut[a][b] = rng_below(&c->rng, 2);
    c->doubles = on->doubles ? (unsigned)rng_below(&c->rng, 50) : 0;
    for (unsigned i = 0; i < 10 && on->replays; i++)
        cluster_replay(c);
    c->loss = on->loss && rng_below(&c->rng, 2) ? (unsigned)rng_below(&c->rng, 30) : 0;
}

static void heal(struct cluster *c)
{
    memset(c->cut, 0, sizeof(c->cut));
    c->loss = c->doubles = 0;
    c->jitter_ns = 0;
    for (size_t node = 0; node < c->count; node++) {
        struct station *s = &c->stations[node];

        if (s->paused)
            cluster_continue(c, node);
        cluster_stick_disk(c, node, false);
        if (!s->machine)
            cluster_begin(c, node);
        s->self.demotion = 0;
        s->self.behind = false;
        cluster_tell_self(c, node);
    }
}

static struct cluster *draw_cluster(void)
{
    struct rng rng = {seed};
    struct cluster *c = cluster_new(2 + rng_below(&rng, 4));
    uint32_t base_us = rng_below(&rng, 2) ? 1000000 : 10000;

    c->rng = rng;
    for (size_t node = 0; node < c->count; node++) {
        cluster_set_pair(c, node, base_us, (uint8_t)rng_below(&rng, 3));
        c->stations[node].rules.dead_ratio_milli = rng_below(&rng, 4) ? 3000 : 1500;
    }
    if (c->count > 3)
        cluster_make_slave(c, c->count - 1);
    return c;
}

static void random_run(void)
{
    struct cluster *c = draw_cluster();
    struct faults on = draw_faults(&c->rng);
    int64_t interval = ballot_interval(c->stations[0].rules.pair);
    unsigned changes = 0;

    c->jitter_ns = on.jitter ? interval / 10 : 0;
    cluster_begin_all(c);
    for (unsigned i = 0; i < 60; i++) {
        cluster_run(c, (int64_t)rng_below(&c->rng, (uint64_t)interval * 4));
        befall(c, &on);
    }
    heal(c);
    /* A dead time, with its skew and steps, for those who have nobody; then all preempting. */
    cluster_settle(c, 8 * interval + MONO_MS(100));
    cluster_run(c, 40 * interval + MONO_S(1));
    for (size_t node = 0; node < c->count; node++)
        changes += c->stations[node].roles - c->stations[node].again;
    cluster_run(c, 200 * interval);
    for (size_t node = 0; node < c->count; node++)
        changes -= c->stations[node].roles - c->stations[node].again;
    assert_int_equal(changes, 0);
    cluster_settle(c, 0);
    cluster_free(c);
}

static void whatever_happens_one_master_remains(void **state)
{
    (void)state;
    for (uint64_t next = 1; next <= 1000; next++) {
        seed = next;
        random_run();
    }
    seed = 0;
}

static int tell_the_seed(void **state)
{
    (void)state;
    if (seed)
        print_error("the seed was %llu\n", (unsigned long long)seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(whatever_happens_one_master_remains, tell_the_seed),
    };
    return cmocka_run_group_tests_name("elect_random", tests, NULL, NULL);
}
