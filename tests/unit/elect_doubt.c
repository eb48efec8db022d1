/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_cluster.h"

/* Who follows a dead master, and hears of another that has taken over from it. */

/* Four nodes, of which the last is a slave: node 0 is master, and between two adverts. */
static struct cluster *tier_new(uint32_t base_us)
{
    struct cluster *c = cluster_new(4);

    for (size_t node = 0; node < 4; node++)
        cluster_set_pair(c, node, base_us, 0);
    cluster_make_slave(c, 3);
    c->delay_ns = c->jitter_ns = MONO_MS(1) / 10;
    cluster_begin_all(c);
    cluster_run(c, 10 * (int64_t)base_us * 1000 + (int64_t)base_us * 500);
    assert_int_equal(cluster_master(c), 0);
    return c;
}

static void refuse(struct cluster *c, size_t node, size_t dead)
{
    cluster_event(c, node,
                  (struct elect_event){.kind = ELECT_WATCH_REFUSED, .from = node_address(dead)});
}

/* Its connection broke: node 1 is master at once, and the others hear it. */
static void kill_the_master(struct cluster *c)
{
    cluster_kill(c, 0);
    refuse(c, 1, 0);
    assert_int_equal(cluster_master(c), 1);
}

static size_t followed_by(const struct cluster *c, size_t node)
{
    struct view_tier view = cluster_view(c, node);

    assert_true(view.has_master);
    return view.master_address.ip[15];
}

static size_t first_byte(size_t node)
{
    return node_address(node).ip[15];
}

static void a_dead_master_is_given_up_for_a_newer_one_after_an_eighth(void **state)
{
    struct cluster *c = tier_new(1000000);

    (void)state;
    kill_the_master(c);
    cluster_run(c, MONO_MS(120));
    for (size_t node = 2; node < 4; node++)
        assert_int_equal(followed_by(c, node), first_byte(0));
    cluster_run(c, MONO_MS(10));
    for (size_t node = 2; node < 4; node++) {
        assert_int_equal(followed_by(c, node), first_byte(1));
        assert_int_equal(cluster_view(c, node).reason, REASON_NEWER_MASTER);
    }
    cluster_run(c, MONO_S(60));
    assert_int_equal(cluster_master(c), 1);
    cluster_free(c);
}

static void it_is_asked_twice(void **state)
{
    struct cluster *c = tier_new(1000000);
    unsigned before = c->stations[2].solicits;

    (void)state;
    kill_the_master(c);
    cluster_run(c, MONO_MS(1));
    assert_int_equal(c->stations[2].solicits, before + 1);
    cluster_run(c, MONO_MS(60));
    assert_int_equal(c->stations[2].solicits, before + 1);
    cluster_run(c, MONO_MS(10));
    assert_int_equal(c->stations[2].solicits, before + 2);
    cluster_run(c, MONO_MS(900));
    assert_int_equal(c->stations[2].solicits, before + 2);
    cluster_free(c);
}

static void the_newer_one_is_proven_though_its_first_advert_is_lost(void **state)
{
    struct cluster *c = tier_new(1000000);

    (void)state;
    c->cut[1][3] = true;
    kill_the_master(c);
    cluster_run(c, MONO_MS(10));
    c->cut[1][3] = false;
    cluster_run(c, MONO_MS(245));
    assert_int_equal(followed_by(c, 3), first_byte(1));
    cluster_free(c);
}

static void at_ten_milliseconds_half_an_interval_is_enough(void **state)
{
    struct cluster *c = tier_new(10000);

    (void)state;
    kill_the_master(c);
    cluster_run(c, MONO_MS(6));
    assert_int_equal(followed_by(c, 2), first_byte(1));
    assert_int_equal(followed_by(c, 3), first_byte(1));
    cluster_free(c);
}

static void at_fifty_it_has_ten_to_answer(void **state)
{
    struct cluster *c = tier_new(50000);

    (void)state;
    kill_the_master(c);
    cluster_run(c, MONO_MS(9));
    assert_int_equal(followed_by(c, 3), first_byte(0));
    cluster_run(c, MONO_MS(2));
    assert_int_equal(followed_by(c, 3), first_byte(1));
    cluster_free(c);
}

/* Node 1 does not hear node 0, and the others hear both: node 0 answers them, so they stay. */
static void one_that_answers_is_kept(void **state)
{
    struct cluster *c = tier_new(1000000);

    (void)state;
    cluster_cut(c, 0, 1, true);
    for (unsigned i = 0; i < 600; i++) {
        cluster_run(c, MONO_MS(100));
        assert_int_equal(followed_by(c, 2), first_byte(0));
        assert_int_equal(followed_by(c, 3), first_byte(0));
    }
    assert_int_equal(cluster_masters(c), 2);
    cluster_free(c);
}

/* However often the other one adverts. */
static void one_that_answers_is_asked_once_in_a_dead_time(void **state)
{
    struct cluster *c = tier_new(1000000);
    unsigned before = c->stations[3].solicits;

    (void)state;
    cluster_stick_disk(c, 0, true); /* so that it cannot go above the other's epoch for long */
    cluster_cut(c, 0, 1, true);
    cluster_run(c, MONO_S(60));
    assert_int_equal(cluster_masters(c), 2);
    assert_true(c->stations[3].solicits > before);
    assert_true(c->stations[3].solicits <= before + 2 * 60 / 3);
    cluster_free(c);
}

/* One answer of the two is enough. */
static void one_answer_is_enough(void **state)
{
    struct cluster *c = tier_new(1000000);

    (void)state;
    cluster_cut(c, 0, 1, true);
    c->cut[3][0] = true;
    refuse(c, 1, 0);
    cluster_run(c, MONO_MS(30));
    c->cut[3][0] = false;
    cluster_run(c, MONO_MS(300));
    assert_int_equal(followed_by(c, 3), first_byte(0));
    cluster_free(c);
}

/* Node 2 alone is told that node 0 is dead, and takes over though node 1 is the better. */
static struct cluster *worse_takes_over(bool preempt)
{
    struct cluster *c = tier_new(1000000);

    c->stations[1].rules.preempt = preempt;
    cluster_tell_rules(c, 1);
    cluster_kill(c, 0);
    refuse(c, 2, 0);
    cluster_run(c, MONO_MS(126));
    assert_int_equal(cluster_master(c), 2);
    cluster_run(c, MONO_MS(130));
    return c;
}

static void a_better_backup_follows_the_newer_one_and_asks_it(void **state)
{
    struct cluster *c = worse_takes_over(true);

    (void)state;
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[1].asks, 1);
    assert_int_equal(c->stations[1].reason, REASON_NAMED);
    cluster_free(c);
}

static void one_that_does_not_preempt_remains_with_it(void **state)
{
    struct cluster *c = worse_takes_over(false);

    (void)state;
    assert_int_equal(followed_by(c, 1), first_byte(2));
    cluster_run(c, MONO_S(60));
    assert_int_equal(cluster_master(c), 2);
    cluster_free(c);
}

/* The news of the death came later than the advert of who heard of it first. */
static void who_learns_of_the_death_last_takes_over_from_nobody(void **state)
{
    struct cluster *c = tier_new(1000000);

    (void)state;
    kill_the_master(c);
    cluster_run(c, MONO_MS(1));
    refuse(c, 2, 0);
    assert_int_equal(followed_by(c, 2), first_byte(1));
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[2].roles, 1);
    cluster_free(c);
}

/* It could not have heard the answer: what it was late comes on top. */
static void one_that_was_late_waits_so_much_longer(void **state)
{
    struct cluster *c = tier_new(1000000);

    (void)state;
    kill_the_master(c);
    cluster_run(c, MONO_MS(10));
    cluster_pause(c, 3);
    cluster_run(c, MONO_MS(400));
    cluster_continue(c, 3);
    cluster_run(c, MONO_MS(50));
    assert_int_equal(followed_by(c, 3), first_byte(0));
    cluster_run(c, MONO_MS(100));
    assert_int_equal(followed_by(c, 3), first_byte(1));
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_master_is_given_up_for_a_newer_one_after_an_eighth),
        cmocka_unit_test(it_is_asked_twice),
        cmocka_unit_test(the_newer_one_is_proven_though_its_first_advert_is_lost),
        cmocka_unit_test(at_ten_milliseconds_half_an_interval_is_enough),
        cmocka_unit_test(at_fifty_it_has_ten_to_answer),
        cmocka_unit_test(one_that_answers_is_kept),
        cmocka_unit_test(one_that_answers_is_asked_once_in_a_dead_time),
        cmocka_unit_test(one_answer_is_enough),
        cmocka_unit_test(a_better_backup_follows_the_newer_one_and_asks_it),
        cmocka_unit_test(one_that_does_not_preempt_remains_with_it),
        cmocka_unit_test(who_learns_of_the_death_last_takes_over_from_nobody),
        cmocka_unit_test(one_that_was_late_waits_so_much_longer),
    };
    return cmocka_run_group_tests_name("elect_doubt", tests, NULL, NULL);
}
