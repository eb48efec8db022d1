/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_cluster.h"

static void a_slave_loses_its_master_and_finds_the_next(void **state)
{
    struct cluster *c = cluster_new(3);
    struct view_tier view;

    (void)state;
    cluster_make_slave(c, 2);
    cluster_begin_all(c);
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_view(c, 2).role, BALLOT_SLAVE);
    assert_string_equal(cluster_view(c, 2).master, "node0");
    assert_int_equal(cluster_view(c, 2).reason, REASON_HEARD_MASTER);
    cluster_cut(c, 2, 0, true);
    cluster_cut(c, 2, 1, true);
    cluster_run(c, MONO_S(4));
    view = cluster_view(c, 2);
    assert_false(view.has_master);
    assert_int_equal(view.reason, REASON_LOST_MASTER);
    cluster_kill(c, 0);
    cluster_run(c, MONO_S(4));
    cluster_cut(c, 2, 1, false);
    cluster_run(c, MONO_MS(1100));
    assert_string_equal(cluster_view(c, 2).master, "node1");
    assert_int_equal(c->stations[2].roles, 1);
    cluster_free(c);
}

static unsigned standings_of_slaves(const struct cluster *c)
{
    unsigned standings = 0;

    for (size_t node = 2; node < c->count; node++)
        standings += c->stations[node].standings - c->stations[node].answers;
    return standings;
}

/* Thousands of them would else tell the new master all at once. */
static void slaves_spread_what_they_say_of_a_new_master(void **state)
{
    struct cluster *c = cluster_new(7);
    unsigned before;

    (void)state;
    for (size_t node = 2; node < 7; node++)
        cluster_make_slave(c, node);
    cluster_begin_all(c);
    cluster_run(c, MONO_MS(10500));
    before = standings_of_slaves(c);
    cluster_end(c, 0);
    cluster_settle(c, MONO_MS(10));
    cluster_run(c, MONO_MS(10));
    assert_true(standings_of_slaves(c) < before + 5);
    cluster_run(c, MONO_S(1));
    assert_true(standings_of_slaves(c) >= before + 5 * 2); /* each to both candidates */
    cluster_free(c);
}

static void who_knows_no_master_asks_for_ever_ever_less_often(void **state)
{
    struct cluster *c = cluster_new(3);
    unsigned first, second, last;

    (void)state;
    cluster_make_slave(c, 2);
    cluster_begin(c, 2);
    cluster_run(c, MONO_S(10));
    first = c->stations[2].solicits;
    assert_in_range(first, 2 * 4, 2 * 6); /* after 0.5, 1, 2, 4, 8 s, and a little */
    cluster_run(c, MONO_S(590));
    second = c->stations[2].solicits;
    assert_in_range(second - first, 2 * 8, 2 * 14);
    cluster_run(c, MONO_S(36000));
    last = c->stations[2].solicits;
    assert_in_range(last - second, 2 * 500, 2 * 600);
    cluster_free(c);
}

/* At once when the first comes, soon after the last is confirmed; who puts and is confirmed without
 * end does not say so each time. */
static void puts_that_nobody_has_confirmed_are_told_at_once(void **state)
{
    struct cluster *c = cluster_new(2);
    struct station *slave = &c->stations[1];
    unsigned before;

    (void)state;
    cluster_make_slave(c, 1);
    cluster_begin_all(c);
    cluster_run(c, MONO_S(10));
    before = slave->standings;
    slave->self.head.sequence++;
    cluster_tell_self(c, 1);
    cluster_run(c, MONO_MS(10));
    assert_int_equal(slave->standings, before);
    slave->self.unconfirmed = 1;
    cluster_tell_self(c, 1);
    cluster_run(c, MONO_MS(10));
    assert_int_equal(slave->standings, before + 1);
    assert_int_equal(cluster_view(c, 0).unconfirmed, 1);
    slave->self.unconfirmed = 2;
    cluster_tell_self(c, 1);
    cluster_run(c, MONO_S(2));
    assert_int_equal(slave->standings, before + 1);
    for (int i = 0; i < 100; i++) { /* for two seconds */
        slave->self.unconfirmed = i % 2;
        cluster_tell_self(c, 1);
        cluster_run(c, MONO_MS(20));
    }
    assert_in_range(slave->standings, before + 2, before + 4);
    cluster_run(c, MONO_S(2));
    assert_int_equal(cluster_view(c, 0).unconfirmed, 1);
    slave->self.unconfirmed = 0;
    cluster_tell_self(c, 1);
    cluster_run(c, MONO_S(1));
    assert_int_equal(cluster_view(c, 0).unconfirmed, 0);
    cluster_free(c);
}

static void only_what_is_believed_counts_as_heard(void **state)
{
    struct cluster *c = cluster_running(2);
    struct ballot ballot = {.kind = BALLOT_STANDING,
                            .node = "node1",
                            .boot = c->stations[1].boot,
                            .counter = c->stations[1].counter + 1,
                            .address = node_address(1),
                            .pair = {1000000, 0},
                            .role = BALLOT_BACKUP};
    struct elect_event heard = {
        .kind = ELECT_HEARD, .ballot = &ballot, .from = node_address(1), .from_candidate = true};

    (void)state;
    cluster_event(c, 0, heard);
    assert_true(c->actions->believed);
    cluster_event(c, 0, heard); /* once more */
    assert_false(c->actions->believed);
    cluster_event(c, 0, (struct elect_event){.kind = ELECT_WAKE});
    assert_false(c->actions->believed);
    ballot.counter++;
    ballot.boot++; /* born again, it must prove itself first */
    cluster_event(c, 0, heard);
    assert_false(c->actions->believed);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slave_loses_its_master_and_finds_the_next),
        cmocka_unit_test(slaves_spread_what_they_say_of_a_new_master),
        cmocka_unit_test(who_knows_no_master_asks_for_ever_ever_less_often),
        cmocka_unit_test(puts_that_nobody_has_confirmed_are_told_at_once),
        cmocka_unit_test(only_what_is_believed_counts_as_heard),
    };
    return cmocka_run_group_tests_name("elect_slave", tests, NULL, NULL);
}
