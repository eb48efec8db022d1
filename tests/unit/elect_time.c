/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_cluster.h"

/* Runs until so long after the last advert that the node heard. */
static void run_since_advert(struct cluster *c, size_t node, int64_t ns)
{
    cluster_run(c, mono_between(c->now, mono_after(cluster_view(c, node).last_advert, ns)));
}

/* ---- the beginning --------------------------------------------------------------------------- */

static void one_alone_becomes_master_after_its_dead_time(void **state)
{
    struct cluster *c = cluster_new(1);

    (void)state;
    cluster_begin_all(c);
    cluster_run(c, MONO_MS(2999));
    assert_int_equal(cluster_state(c, 0), ELECT_BACKUP);
    cluster_run(c, MONO_MS(1));
    assert_int_equal(cluster_state(c, 0), ELECT_MASTER);
    assert_int_equal(c->stations[0].reason, REASON_SILENCE);
    cluster_free(c);
}

static void its_own_skew_comes_on_top(void **state)
{
    struct cluster *c = cluster_new(1);

    (void)state;
    cluster_set_pair(c, 0, 1000000, 64);
    cluster_begin_all(c);
    cluster_run(c, MONO_MS(3999)); /* 3 x 1.25 + 0.25 */
    assert_int_equal(cluster_state(c, 0), ELECT_BACKUP);
    cluster_run(c, MONO_MS(1));
    assert_int_equal(cluster_state(c, 0), ELECT_MASTER);
    cluster_free(c);
}

static void one_whose_fellows_are_all_dead_becomes_master_as_soon(void **state)
{
    struct cluster *c = cluster_new(5);

    (void)state;
    cluster_begin(c, 4);
    cluster_run(c, MONO_MS(3000));
    assert_int_equal(cluster_state(c, 4), ELECT_MASTER);
    cluster_free(c);
}

static void of_equals_that_begin_together_the_lowest_address_wins(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 5; count++) {
        struct cluster *c = cluster_new(count);

        cluster_begin_all(c);
        cluster_run(c, MONO_MS(3100));
        assert_int_equal(cluster_master(c), 0);
        cluster_run(c, MONO_S(60));
        assert_int_equal(cluster_master(c), 0);
        for (size_t node = 0; node < count; node++)
            assert_int_equal(c->stations[node].roles, node == 0 ? 2 : 1);
        cluster_free(c);
    }
}

static void everyone_sees_whom_the_master_names(void **state)
{
    struct cluster *c = cluster_new(3);
    struct address successor = node_address(1);
    struct view_tier view;

    (void)state;
    cluster_begin_all(c);
    cluster_run(c, MONO_S(10));
    for (size_t node = 0; node < 3; node++) {
        elect_view(c->stations[node].machine, c->now, &view);
        assert_true(address_same_host(&view.successor, &successor));
    }
    cluster_free(c);
}

/* However much is lost of what they say to each other at first. */
static void of_equals_that_lose_much_one_remains_soon(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct cluster *c = cluster_new(5);

        c->rng.state = seed;
        c->loss = 30;
        cluster_begin_all(c);
        cluster_run(c, MONO_MS(3600));
        cluster_settle(c, MONO_S(8));
        cluster_free(c);
    }
}

/* ---- silence --------------------------------------------------------------------------------- */

static void the_best_of_the_others_takes_over_from_a_silent_master(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 5; count++) {
        struct cluster *c = cluster_running(count);

        cluster_kill(c, 0);
        cluster_run(c, MONO_MS(3001));
        assert_int_equal(cluster_master(c), 1);
        assert_int_equal(c->stations[1].reason, REASON_SILENCE);
        cluster_run(c, MONO_S(10));
        assert_int_equal(cluster_master(c), 1);
        for (size_t node = 2; node < count; node++)
            assert_int_equal(c->stations[node].roles, 1);
        cluster_free(c);
    }
}

static void where_the_best_cannot_the_next_does_one_step_later(void **state)
{
    struct cluster *c = cluster_running(4);

    (void)state;
    cluster_kill(c, 0);
    cluster_kill(c, 1);
    run_since_advert(c, 2, MONO_MS(3000 + 124));
    assert_int_equal(cluster_masters(c), 0);
    cluster_run(c, MONO_MS(2));
    assert_int_equal(cluster_master(c), 2);
    cluster_free(c);
}

static void the_steps_end_at_half_an_interval(void **state)
{
    struct cluster *c = cluster_running(7);

    (void)state;
    for (size_t node = 0; node < 6; node++)
        cluster_kill(c, node);
    run_since_advert(c, 6, MONO_MS(3499));
    assert_int_equal(cluster_masters(c), 0);
    cluster_run(c, MONO_MS(2));
    assert_int_equal(cluster_master(c), 6);
    cluster_free(c);
}

/* Node 1 sends a solicit at each of these ms since the last advert, and none between. */
static void solicits_at(struct cluster *c, const int64_t *times, size_t count)
{
    struct station *s = &c->stations[1];

    for (size_t i = 0; i < count; i++) {
        unsigned before = s->solicits;

        run_since_advert(c, 1, MONO_MS(times[i]) - MONO_MS(1) / 2);
        assert_int_equal(s->solicits, before);
        cluster_run(c, MONO_MS(1));
        assert_int_equal(s->solicits, before + 1);
    }
}

static void a_backup_asks_after_two_missed_adverts_then_every_quarter(void **state)
{
    static const int64_t times[] = {2125, 2375, 2625, 2875};
    struct cluster *c = cluster_running(2);

    (void)state;
    cluster_kill(c, 0);
    solicits_at(c, times, 4);
    cluster_run(c, MONO_MS(200));
    assert_int_equal(cluster_master(c), 1);
    cluster_free(c);
}

static void with_a_dead_ratio_of_one_and_a_half_it_asks_before_death(void **state)
{
    static const int64_t times[] = {1250, 1333, 1417};
    struct cluster *c = cluster_new(2);
    unsigned before;

    (void)state;
    c->stations[0].rules.dead_ratio_milli = c->stations[1].rules.dead_ratio_milli = 1500;
    cluster_begin_all(c);
    cluster_run(c, MONO_S(4));
    before = c->stations[1].solicits;
    cluster_run(c, MONO_MS(6600));
    assert_int_equal(c->stations[1].solicits, before);
    cluster_kill(c, 0);
    solicits_at(c, times, 3);
    cluster_run(c, MONO_MS(100));
    assert_int_equal(cluster_master(c), 1);
    cluster_free(c);
}

static void an_answer_keeps_a_master_whose_adverts_are_lost(void **state)
{
    struct cluster *c = cluster_running(2);
    unsigned answers = 0;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        struct station *master = &c->stations[0];
        unsigned before = c->stations[1].solicits;

        /* Just before each advert the way is cut, and just behind it open again. */
        cluster_run(c, mono_between(c->now, master->deadline) - 1000);
        c->cut[0][1] = true;
        cluster_run(c, 2000);
        c->cut[0][1] = false;
        cluster_run(c, MONO_MS(500));
        answers += c->stations[1].solicits - before;
    }
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(c->stations[1].roles, 1);
    assert_true(answers > 5);
    cluster_free(c);
}

static void loss_alone_makes_no_failover(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    c->loss = 10;
    cluster_run(c, MONO_S(3600));
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(c->stations[0].roles + c->stations[1].roles + c->stations[2].roles, 4);
    cluster_free(c);
}

static void two_masters_that_fall_silent_together_are_not_followed_in_turn(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    cluster_cut(c, 0, 1, true);
    cluster_cut(c, 0, 2, true);
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_masters(c), 2);
    cluster_cut(c, 0, 2, false);
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_view(c, 2).master_address.ip[15], 1);
    cluster_kill(c, 0);
    cluster_kill(c, 1);
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_master(c), 2);
    cluster_free(c);
}

static void a_master_that_is_lost_makes_way_for_a_worse_one_that_is_heard(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    cluster_cut(c, 0, 1, true);
    cluster_run(c, MONO_S(5));
    assert_int_equal(cluster_masters(c), 2);
    assert_int_equal(cluster_view(c, 2).master_address.ip[15], 1);
    cluster_kill(c, 0);
    cluster_run(c, MONO_S(4));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[2].roles, 1);
    assert_int_equal(cluster_view(c, 2).master_address.ip[15], 2);
    cluster_free(c);
}

/* Its own skew lets it wait longer than the master's dead time; it can ask nothing meanwhile. */
static void an_advert_between_the_dead_time_and_takeover_is_in_time(void **state)
{
    struct cluster *c = cluster_new(2);

    (void)state;
    cluster_set_pair(c, 1, 1000000, 128);
    cluster_begin_all(c);
    cluster_run(c, MONO_MS(10500));
    cluster_cut(c, 0, 1, true);
    cluster_run(c, MONO_MS(2400));
    c->delay_ns = MONO_MS(300);
    c->cut[0][1] = false;
    cluster_run(c, MONO_S(30));
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(c->stations[1].roles, 1);
    cluster_free(c);
}

/* It follows before it would ask everyone; yet it waits its step when the master dies. */
static void one_that_joins_learns_of_the_other_backups(void **state)
{
    struct cluster *c = cluster_new(3);

    (void)state;
    cluster_begin(c, 0);
    cluster_begin(c, 1);
    cluster_run(c, MONO_MS(10900));
    cluster_begin(c, 2);
    cluster_run(c, MONO_MS(600));
    cluster_kill(c, 0);
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[2].roles, 1);
    cluster_free(c);
}

/* More than one question is on its way before the first answer comes. */
static void networks_almost_as_slow_as_the_dead_time_do(void **state)
{
    struct cluster *c = cluster_new(3);

    (void)state;
    for (size_t node = 0; node < 3; node++)
        cluster_set_pair(c, node, 100000, 0);
    c->delay_ns = MONO_MS(125);
    cluster_begin_all(c);
    cluster_run(c, MONO_S(5));
    cluster_settle(c, 0);
    cluster_free(c);
}

static void intervals_of_ten_milliseconds_work(void **state)
{
    struct cluster *c = cluster_new(3);
    unsigned before;

    (void)state;
    for (size_t node = 0; node < 3; node++)
        cluster_set_pair(c, node, 10000 + 1000 * (uint32_t)node, 0);
    cluster_begin_all(c);
    cluster_run(c, MONO_MS(40));
    assert_int_equal(cluster_master(c), 0);
    before = c->stations[1].solicits;
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_master(c), 0);
    assert_in_range(c->stations[0].adverts, 990, 1010);
    assert_int_equal(c->stations[1].solicits, before);
    cluster_kill(c, 0);
    cluster_run(c, MONO_MS(31));
    assert_int_equal(cluster_master(c), 1);
    cluster_free(c);
}

/* ---- lateness -------------------------------------------------------------------------------- */

static void a_backup_that_was_late_gives_the_master_that_time(void **state)
{
    struct cluster *c = cluster_running(2);

    (void)state;
    /* Nothing of what its master says meanwhile gets to it: as if the host stood still. */
    cluster_cut(c, 0, 1, true);
    cluster_pause(c, 1);
    cluster_run(c, MONO_S(20));
    cluster_continue(c, 1);
    assert_int_equal(elect_count(c->stations[1].machine, REASON_OWN_LATENESS), 1);
    cluster_cut(c, 0, 1, false);
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(c->stations[1].roles, 1);
    cluster_free(c);
}

/* The loop is late all the time, for the sake of something else. */
static void one_that_is_always_late_takes_over_nevertheless(void **state)
{
    struct cluster *c = cluster_running(2);
    mono_t from = c->now;

    (void)state;
    cluster_kill(c, 0);
    while (cluster_masters(c) == 0) {
        c->now = mono_after(c->now, MONO_MS(100));
        cluster_event(c, 1, (struct elect_event){.kind = ELECT_WAKE, .late = MONO_MS(100)});
        assert_true(mono_between(from, c->now) < MONO_S(7));
    }
    assert_true(mono_between(from, c->now) > MONO_S(5));
    cluster_free(c);
}

/* In suspend the monotonic clock stands still: only the driver can tell. */
static void a_master_that_was_suspended_listens_first(void **state)
{
    struct cluster *c = cluster_running(2);

    (void)state;
    cluster_event(c, 0, (struct elect_event){.kind = ELECT_WAKE, .late = MONO_MS(2900)});
    assert_int_equal(cluster_state(c, 0), ELECT_MASTER);
    cluster_event(c, 0, (struct elect_event){.kind = ELECT_WAKE, .late = MONO_MS(3100)});
    assert_int_equal(cluster_state(c, 0), ELECT_BACKUP);
    assert_int_equal(c->stations[0].reason, REASON_LATE);
    cluster_free(c);
}

/* Even where what we were late by is more than is forgiven. */
static void nobody_is_given_up_unasked(void **state)
{
    struct cluster *c = cluster_running(2);
    unsigned before = c->stations[1].solicits;

    (void)state;
    for (int64_t late = MONO_MS(1900); late <= MONO_MS(2900); late += MONO_S(1)) {
        c->now = mono_after(c->now, late + MONO_MS(100));
        cluster_event(c, 1, (struct elect_event){.kind = ELECT_WAKE, .late = late});
        assert_int_equal(cluster_state(c, 1), ELECT_BACKUP);
    }
    assert_int_equal(c->stations[1].solicits, before + 1);
    cluster_free(c);
}

static void a_master_that_stood_still_listens_first(void **state)
{
    (void)state;
    for (int64_t pause = 500; pause <= 30000; pause += 500) {
        struct cluster *c = cluster_running(3);
        unsigned adverts = c->stations[0].adverts;

        cluster_pause(c, 0);
        cluster_run(c, MONO_MS(pause));
        cluster_continue(c, 0);
        if (pause <= 2500) { /* its last advert is half a second old */
            assert_int_equal(cluster_master(c), 0);
        } else {
            assert_int_equal(cluster_master(c), 1);
            assert_int_equal(cluster_state(c, 0), ELECT_BACKUP);
            assert_int_equal(c->stations[0].reason, REASON_LATE);
            assert_int_equal(c->stations[0].adverts, adverts);
            cluster_run(c, MONO_S(1));
            assert_string_equal(cluster_view(c, 0).master, "node1");
        }
        cluster_run(c, MONO_S(30));
        assert_int_equal(cluster_master(c), 0);
        cluster_free(c);
    }
}

static void one_alone_that_stood_still_is_master_again_after_a_dead_time(void **state)
{
    struct cluster *c = cluster_running(1);

    (void)state;
    cluster_pause(c, 0);
    cluster_run(c, MONO_S(30));
    cluster_continue(c, 0);
    assert_int_equal(cluster_state(c, 0), ELECT_BACKUP);
    cluster_run(c, MONO_MS(3001));
    assert_int_equal(cluster_state(c, 0), ELECT_MASTER);
    cluster_free(c);
}

/* ---- the view -------------------------------------------------------------------------------- */

static void the_view_is_good_for_a_dead_time_and_renewed_before(void **state)
{
    struct cluster *c = cluster_new(2);

    (void)state;
    cluster_make_slave(c, 1);
    cluster_begin(c, 1);
    for (unsigned i = 0; i < 1000; i++) {
        mono_t shown = c->now;

        do {
            c->now = c->stations[1].deadline;
            cluster_event(c, 1, (struct elect_event){.kind = ELECT_WAKE});
        } while (!c->actions->changed);
        assert_true(mono_between(shown, c->now) < MONO_S(3));
        assert_int_equal(mono_between(c->now, cluster_view(c, 1).good_until), MONO_S(3));
    }
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_alone_becomes_master_after_its_dead_time),
        cmocka_unit_test(its_own_skew_comes_on_top),
        cmocka_unit_test(one_whose_fellows_are_all_dead_becomes_master_as_soon),
        cmocka_unit_test(of_equals_that_begin_together_the_lowest_address_wins),
        cmocka_unit_test(everyone_sees_whom_the_master_names),
        cmocka_unit_test(of_equals_that_lose_much_one_remains_soon),
        cmocka_unit_test(the_best_of_the_others_takes_over_from_a_silent_master),
        cmocka_unit_test(where_the_best_cannot_the_next_does_one_step_later),
        cmocka_unit_test(the_steps_end_at_half_an_interval),
        cmocka_unit_test(a_backup_asks_after_two_missed_adverts_then_every_quarter),
        cmocka_unit_test(with_a_dead_ratio_of_one_and_a_half_it_asks_before_death),
        cmocka_unit_test(an_answer_keeps_a_master_whose_adverts_are_lost),
        cmocka_unit_test(loss_alone_makes_no_failover),
        cmocka_unit_test(two_masters_that_fall_silent_together_are_not_followed_in_turn),
        cmocka_unit_test(a_master_that_is_lost_makes_way_for_a_worse_one_that_is_heard),
        cmocka_unit_test(intervals_of_ten_milliseconds_work),
        cmocka_unit_test(a_backup_that_was_late_gives_the_master_that_time),
        cmocka_unit_test(one_that_is_always_late_takes_over_nevertheless),
        cmocka_unit_test(a_master_that_was_suspended_listens_first),
        cmocka_unit_test(nobody_is_given_up_unasked),
        cmocka_unit_test(a_master_that_stood_still_listens_first),
        cmocka_unit_test(an_advert_between_the_dead_time_and_takeover_is_in_time),
        cmocka_unit_test(one_that_joins_learns_of_the_other_backups),
        cmocka_unit_test(networks_almost_as_slow_as_the_dead_time_do),
        cmocka_unit_test(one_alone_that_stood_still_is_master_again_after_a_dead_time),
        cmocka_unit_test(the_view_is_good_for_a_dead_time_and_renewed_before),
    };
    return cmocka_run_group_tests_name("elect_time", tests, NULL, NULL);
}
