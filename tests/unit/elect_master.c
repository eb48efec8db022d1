/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_cluster.h"

/* ---- preemption ------------------------------------------------------------------------------ */

/* Node 1 is master; node 0, which is better, begins. */
static struct cluster *better_comes(bool preempt, int64_t delay_ns)
{
    struct cluster *c = cluster_new(3);

    c->stations[0].rules.preempt = preempt;
    c->stations[0].rules.preempt_delay_ns = delay_ns;
    cluster_begin(c, 1);
    cluster_begin(c, 2);
    cluster_run(c, MONO_MS(10500));
    assert_int_equal(cluster_master(c), 1);
    cluster_begin(c, 0);
    return c;
}

static void a_better_one_asks_after_three_dead_times(void **state)
{
    struct cluster *c = better_comes(true, -1);

    (void)state;
    cluster_run(c, MONO_MS(8990));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[0].asks, 0);
    cluster_run(c, MONO_MS(20));
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(c->stations[0].asks, 1);
    assert_int_equal(c->stations[0].reason, REASON_NAMED);
    assert_int_equal(c->stations[1].reason, REASON_ASKED);
    assert_int_equal(c->stations[1].leavings, 3);
    cluster_run(c, MONO_S(30));
    assert_int_equal(cluster_master(c), 0);
    for (size_t node = 1; node < 3; node++)
        assert_string_equal(cluster_view(c, node).master, "node0");
    cluster_free(c);
}

static void the_delay_is_as_configured(void **state)
{
    struct cluster *c = better_comes(true, MONO_MS(2500));

    (void)state;
    cluster_run(c, MONO_MS(2490));
    assert_int_equal(cluster_master(c), 1);
    cluster_run(c, MONO_MS(20));
    assert_int_equal(cluster_master(c), 0);
    cluster_free(c);
}

static void one_that_does_not_preempt_stays_backup(void **state)
{
    struct cluster *c = better_comes(false, 0);

    (void)state;
    cluster_run(c, MONO_S(600));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[0].asks, 0);
    cluster_free(c);
}

static void one_that_is_behind_waits_until_it_is_not_and_the_delay_again(void **state)
{
    struct cluster *c;

    (void)state;
    c = better_comes(true, MONO_S(2));
    c->stations[0].self.behind = true;
    cluster_tell_self(c, 0);
    cluster_run(c, MONO_S(60));
    assert_int_equal(cluster_master(c), 1);
    c->stations[0].self.behind = false;
    cluster_tell_self(c, 0);
    cluster_run(c, MONO_MS(1990));
    assert_int_equal(cluster_master(c), 1);
    cluster_run(c, MONO_MS(20));
    assert_int_equal(cluster_master(c), 0);
    cluster_free(c);
}

static void an_unsteady_one_waits(void **state)
{
    struct cluster *c = better_comes(true, MONO_S(3));

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        cluster_demote(c, 0, i % 2 ? 0 : DEMOTION_CLOCK);
        cluster_run(c, MONO_S(2));
        assert_int_equal(cluster_master(c), 1);
    }
    cluster_run(c, MONO_MS(1010));
    assert_int_equal(cluster_master(c), 0);
    cluster_free(c);
}

/* It asks every interval; but whom the master does not hear never makes a second one. */
static void one_that_the_master_does_not_hear_asks_in_vain(void **state)
{
    struct cluster *c = better_comes(true, MONO_S(2));

    (void)state;
    cluster_run(c, MONO_S(1) + MONO_MS(500));
    c->cut[0][1] = true;
    cluster_run(c, MONO_S(60) + MONO_MS(500));
    assert_int_equal(cluster_master(c), 1);
    assert_in_range(c->stations[0].asks, 59, 61);
    c->cut[0][1] = false;
    cluster_run(c, MONO_S(2));
    assert_int_equal(cluster_master(c), 0);
    cluster_free(c);
}

/* The asker may have learned only later what makes the master the better one. */
static void a_worse_one_asks_in_vain(void **state)
{
    struct cluster *c = better_comes(true, MONO_S(2));

    (void)state;
    cluster_run(c, MONO_MS(1500));
    c->cut[1][0] = true;
    c->stations[1].rules.pair.base_us = 500000;
    cluster_tell_rules(c, 1);
    cluster_run(c, MONO_MS(700));
    assert_int_equal(cluster_master(c), 1);
    assert_true(c->stations[0].asks > 0);
    assert_true(elect_count(c->stations[1].machine, REASON_WORSE) > 0);
    cluster_free(c);
}

/* ---- demotion -------------------------------------------------------------------------------- */

static void a_master_that_is_demoted_leaves_at_once(void **state)
{
    struct cluster *c = cluster_running(3);
    unsigned standings;

    (void)state;
    standings = c->stations[0].standings;
    cluster_demote(c, 0, DEMOTION_HTTP);
    assert_int_equal(cluster_state(c, 0), ELECT_BACKUP);
    assert_int_equal(c->stations[0].reason, REASON_DEMOTED);
    assert_int_equal(c->stations[0].standings, standings); /* it might overtake the leavings */
    cluster_run(c, 2 * c->delay_ns);
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[1].reason, REASON_NAMED);
    cluster_run(c, MONO_S(30));
    assert_int_equal(cluster_master(c), 1);
    cluster_demote(c, 0, 0);
    cluster_run(c, MONO_S(8));
    assert_int_equal(cluster_master(c), 1);
    cluster_run(c, MONO_S(2));
    assert_int_equal(cluster_master(c), 0);
    cluster_free(c);
}

static void a_lone_candidate_serves_demoted(void **state)
{
    struct cluster *c = cluster_running(1);

    (void)state;
    cluster_demote(c, 0, DEMOTION_STORE | DEMOTION_HAND);
    cluster_run(c, MONO_S(30));
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(cluster_view(c, 0).demotion, DEMOTION_STORE | DEMOTION_HAND);
    cluster_free(c);
}

static void one_whose_fellows_are_as_bad_stays(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    cluster_demote(c, 1, DEMOTION_STORE);
    cluster_demote(c, 2, DEMOTION_HAND);
    cluster_run(c, MONO_S(1));
    cluster_demote(c, 0, DEMOTION_STORE);
    cluster_run(c, MONO_S(30));
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(c->stations[0].roles, 2);
    /* The first of them that is well again takes over without its delay. */
    cluster_demote(c, 2, 0);
    cluster_run(c, MONO_MS(10));
    assert_int_equal(cluster_master(c), 2);
    cluster_free(c);
}

static void a_higher_demotion_is_taken_over_from_without_preempt_too(void **state)
{
    struct cluster *c = cluster_new(2);

    (void)state;
    c->stations[1].rules.preempt = false;
    c->stations[0].self.demotion = DEMOTION_CLOCK;
    cluster_begin(c, 0);
    cluster_run(c, MONO_MS(5500));
    assert_int_equal(cluster_master(c), 0);
    cluster_begin(c, 1);
    cluster_run(c, MONO_MS(1100));
    assert_int_equal(cluster_master(c), 1);
    cluster_free(c);
}

/* One whose store fails is worse than one whose catalogue is a little behind. */
static void one_that_is_behind_takes_over_from_one_that_is_worse_off(void **state)
{
    struct cluster *c = cluster_running(2);

    (void)state;
    c->stations[1].self.behind = true;
    cluster_tell_self(c, 1);
    cluster_run(c, MONO_S(1));
    cluster_demote(c, 0, DEMOTION_STORE);
    assert_int_equal(cluster_state(c, 0), ELECT_MASTER);
    cluster_run(c, MONO_MS(10));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(cluster_view(c, 1).own_demotion, 0); /* a master is behind nobody */
    cluster_free(c);
}

/* ---- leaving --------------------------------------------------------------------------------- */

static void a_stop_hands_over_in_one_round_trip(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 5; count++) {
        struct cluster *c = cluster_running(count);

        cluster_end(c, 0);
        cluster_run(c, c->delay_ns);
        assert_int_equal(cluster_master(c), 1);
        assert_int_equal(c->stations[1].reason, REASON_NAMED);
        cluster_run(c, c->delay_ns);
        for (size_t node = 1; node < count; node++)
            assert_string_equal(cluster_view(c, node).master, "node1");
        cluster_run(c, MONO_S(10));
        assert_int_equal(cluster_master(c), 1);
        cluster_free(c);
    }
}

static void what_a_leaving_master_says_and_remembers(void **state)
{
    struct cluster *c = cluster_running(2);
    struct address successor = node_address(1);
    unsigned leavings = 0, roles = 0, kept = 0;

    (void)state;
    cluster_event(c, 0, (struct elect_event){.kind = ELECT_END});
    for (size_t i = 0; i < c->actions->count; i++) {
        const struct elect_action *action = &c->actions->list[i];

        if (action->kind == ELECT_TO_ALL) {
            leavings++;
            assert_true(action->ballot.leaving);
            assert_true(address_same_host(&action->ballot.successor, &successor));
        } else if (action->kind == ELECT_ROLE) {
            roles++;
            assert_int_equal(action->role, BALLOT_BACKUP);
            assert_int_equal(action->reason, REASON_STOPPING);
            assert_false(action->again);
        } else if (action->kind == ELECT_PERSIST) {
            kept++;
            assert_int_equal(action->reserved, cluster_view(c, 0).epoch);
        }
    }
    assert_int_equal(leavings, 3);
    assert_int_equal(roles, 1);
    assert_int_equal(kept, 1);
    /* And nothing any more. */
    cluster_event(c, 0, (struct elect_event){.kind = ELECT_WAKE});
    assert_int_equal(c->actions->count, 0);
    assert_int_equal(c->actions->deadline.ns, MONO_NEVER.ns);
    cluster_free(c);
}

static void one_of_three_leavings_is_enough(void **state)
{
    struct cluster *c = cluster_running(2);

    (void)state;
    cluster_event(c, 0, (struct elect_event){.kind = ELECT_END});
    assert_int_equal(c->stations[0].leavings, 3);
    for (size_t i = 0; i < 2; i++) {
        assert_true(c->mail[0].ballot.leaving);
        cluster_lose(c, 0);
    }
    cluster_run(c, c->delay_ns);
    assert_int_equal(cluster_state(c, 1), ELECT_MASTER);
    cluster_free(c);
}

/* Of the three, one still lies in the socket of the successor when it goes on. */
static void a_leaving_that_was_followed_by_another_master_names_nobody(void **state)
{
    struct cluster *c = cluster_running(3);
    struct address from = node_address(0);
    struct ballot ballot = {.leaving = false};
    struct elect_event event = {.kind = ELECT_HEARD, .ballot = &ballot, .from_candidate = true};
    mono_t stopped;

    (void)state;
    cluster_end(c, 0);
    for (size_t i = 0; i < c->mail_count; i++)
        if (c->mail[i].to == 1 && c->mail[i].ballot.leaving)
            ballot = c->mail[i].ballot;
    assert_true(ballot.leaving);
    ballot.counter++; /* the last of them, which nobody has read yet */
    cluster_run(c, c->delay_ns);
    assert_int_equal(cluster_state(c, 1), ELECT_MASTER);
    stopped = c->now;
    cluster_pause(c, 1);
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_state(c, 2), ELECT_MASTER);
    event.from = from;
    event.late = mono_between(stopped, c->now);
    cluster_event(c, 1, event);
    assert_int_equal(cluster_state(c, 1), ELECT_BACKUP);
    cluster_free(c);
}

static void leavings_that_are_lost_cost_one_dead_time(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    c->cut[0][1] = true; /* the successor hears none of them */
    cluster_end(c, 0);
    cluster_run(c, MONO_MS(3001));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[2].roles, 1);
    cluster_free(c);
}

static void where_the_successor_dies_too_the_others_wait_one_dead_time(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    cluster_end(c, 0);
    cluster_kill(c, 1);
    cluster_run(c, MONO_MS(2990));
    assert_int_equal(cluster_masters(c), 0);
    cluster_run(c, MONO_MS(300));
    assert_int_equal(cluster_master(c), 2);
    cluster_free(c);
}

static void the_successor_is_the_best_of_the_others(void **state)
{
    struct cluster *c = cluster_running(4);

    (void)state;
    c->stations[1].self.behind = true;
    cluster_tell_self(c, 1);
    cluster_demote(c, 2, DEMOTION_CLOCK);
    cluster_run(c, MONO_S(1));
    cluster_end(c, 0);
    cluster_run(c, 2 * c->delay_ns);
    assert_int_equal(cluster_master(c), 3);
    cluster_end(c, 3);
    cluster_run(c, 2 * c->delay_ns);
    assert_int_equal(cluster_master(c), 1);
    cluster_run(c, MONO_S(30));
    assert_int_equal(cluster_master(c), 1);
    cluster_free(c);
}

static void a_master_that_has_left_is_nobodys_successor(void **state)
{
    struct cluster *c = cluster_running(3);
    struct address third = node_address(2), named;

    (void)state;
    cluster_end(c, 0);
    cluster_run(c, MONO_S(2));
    named = cluster_view(c, 1).successor;
    assert_true(address_same_host(&named, &third));
    cluster_free(c);
}

/* ---- conflicts ------------------------------------------------------------------------------- */

/* Nodes 0 and 1 are masters: neither heard the other. Node 2 is with node 1. */
static struct cluster *parted(void)
{
    struct cluster *c = cluster_running(3);

    cluster_cut(c, 0, 1, true);
    cluster_cut(c, 0, 2, true);
    cluster_run(c, MONO_S(200)); /* until they have forgotten each other */
    assert_int_equal(cluster_masters(c), 2);
    return c;
}

static void two_masters_that_hear_each_other_agree_within_an_interval(void **state)
{
    (void)state;
    for (int64_t moment = 0; moment < 1000; moment += 50) {
        struct cluster *c = parted();
        int64_t took;

        cluster_run(c, MONO_MS(moment));
        cluster_cut(c, 0, 1, false);
        cluster_cut(c, 0, 2, false);
        took = cluster_settle(c, MONO_S(2));
        assert_true(took <= MONO_S(1) + 4 * c->delay_ns + MONO_MS(1));
        assert_int_equal(cluster_master(c), 0);
        assert_int_equal(c->stations[1].reason, REASON_BETTER_MASTER);
        cluster_run(c, MONO_S(10));
        assert_int_equal(cluster_master(c), 0);
        cluster_free(c);
    }
}

static void the_winner_says_its_role_again_and_goes_above_the_other_epoch(void **state)
{
    struct cluster *c = parted();
    uint64_t loser = cluster_view(c, 1).epoch;
    unsigned adverts;

    (void)state;
    adverts = c->stations[0].adverts;
    cluster_cut(c, 0, 1, false);
    cluster_cut(c, 0, 2, false);
    cluster_run(c, MONO_MS(1010));
    assert_int_equal(cluster_master(c), 0);
    assert_in_range(c->stations[0].again, 1, 2);
    assert_int_equal(c->stations[0].reason, REASON_CONFLICT);
    assert_true(c->stations[0].adverts > adverts + 2);
    cluster_run(c, MONO_S(2));
    assert_true(cluster_view(c, 0).epoch > loser);
    for (size_t node = 1; node < 3; node++)
        assert_int_equal(cluster_view(c, node).epoch, cluster_view(c, 0).epoch);
    cluster_free(c);
}

/* Node 1 does not hear node 0, which hears it; node 2 hears both, and tells each what it knows:
 * nothing grows without end. */
static void a_conflict_that_lasts_costs_little(void **state)
{
    struct cluster *c = cluster_running(3);
    uint64_t epoch = cluster_view(c, 0).epoch;
    unsigned adverts = c->stations[0].adverts, persists = c->stations[0].persists;

    (void)state;
    c->cut[0][1] = true;
    cluster_run(c, MONO_S(104));
    assert_int_equal(cluster_masters(c), 2);
    assert_in_range(cluster_view(c, 0).epoch - epoch, 2, 40);
    assert_in_range(c->stations[0].adverts - adverts, 100, 400);
    assert_in_range(c->stations[0].persists - persists, 2, 40);
    c->cut[0][1] = false;
    cluster_settle(c, MONO_S(2));
    assert_int_equal(cluster_master(c), 0);
    cluster_free(c);
}

/* The same where they do not hear each other at all: then only the third knows. */
static void nor_does_one_that_only_others_know(void **state)
{
    struct cluster *c = parted();
    unsigned again = c->stations[0].again + c->stations[1].again;

    (void)state;
    cluster_cut(c, 0, 2, false);
    cluster_run(c, MONO_S(600));
    assert_int_equal(cluster_masters(c), 2);
    assert_true(cluster_view(c, 2).epoch < 100);
    assert_in_range(c->stations[0].again + c->stations[1].again - again, 1, 60);
    cluster_cut(c, 0, 1, false);
    cluster_settle(c, MONO_S(2));
    cluster_run(c, MONO_S(40));
    assert_int_equal(cluster_master(c), 0);
    for (size_t node = 1; node < 3; node++)
        assert_int_equal(cluster_view(c, node).epoch, cluster_view(c, 0).epoch);
    cluster_free(c);
}

static void a_conflict_ends_when_the_other_falls_silent(void **state)
{
    struct cluster *c = cluster_running(2);
    unsigned again;

    (void)state;
    c->cut[0][1] = true;
    cluster_run(c, MONO_S(4));
    assert_true(c->stations[0].again > 0);
    cluster_run(c, MONO_S(4));
    again = c->stations[0].again;
    cluster_run(c, MONO_S(20));
    assert_int_equal(c->stations[0].again, again);
    cluster_kill(c, 1);
    cluster_run(c, MONO_S(5));
    assert_int_equal(c->stations[0].again, again + 1);
    cluster_free(c);
}

/* Of two masters with the same epoch one gives way before the other has proven it. */
static void the_winner_hears_of_the_other_whoever_speaks_first(void **state)
{
    (void)state;
    for (int64_t moment = 0; moment < 1000; moment += 50) {
        struct cluster *c = cluster_new(2);

        cluster_cut(c, 0, 1, true);
        cluster_begin(c, 0);
        cluster_run(c, MONO_MS(moment));
        cluster_begin(c, 1);
        cluster_run(c, MONO_MS(10 * 1000 + 7 * moment));
        assert_int_equal(cluster_masters(c), 2);
        assert_int_equal(cluster_view(c, 0).epoch, cluster_view(c, 1).epoch);
        cluster_cut(c, 0, 1, false);
        cluster_run(c, MONO_S(4));
        assert_int_equal(cluster_master(c), 0);
        assert_true(c->stations[0].again >= 2);
        assert_true(cluster_view(c, 0).epoch > 1);
        cluster_free(c);
    }
}

/* As a virtual machine that goes on from a snapshot: same boot, and counters that were used. */
static void a_master_that_was_set_back_is_kept(void **state)
{
    struct cluster *c = cluster_running(3);
    mono_t last;

    (void)state;
    c->stations[0].counter -= 8;
    cluster_run(c, MONO_MS(2200));
    last = cluster_view(c, 1).last_advert;
    assert_true(mono_between(last, c->now) < MONO_MS(1000));
    cluster_run(c, MONO_S(60));
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(c->stations[1].roles + c->stations[2].roles, 2);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_better_one_asks_after_three_dead_times),
        cmocka_unit_test(the_delay_is_as_configured),
        cmocka_unit_test(one_that_does_not_preempt_stays_backup),
        cmocka_unit_test(one_that_is_behind_waits_until_it_is_not_and_the_delay_again),
        cmocka_unit_test(an_unsteady_one_waits),
        cmocka_unit_test(one_that_the_master_does_not_hear_asks_in_vain),
        cmocka_unit_test(a_worse_one_asks_in_vain),
        cmocka_unit_test(a_master_that_is_demoted_leaves_at_once),
        cmocka_unit_test(a_lone_candidate_serves_demoted),
        cmocka_unit_test(one_whose_fellows_are_as_bad_stays),
        cmocka_unit_test(a_higher_demotion_is_taken_over_from_without_preempt_too),
        cmocka_unit_test(one_that_is_behind_takes_over_from_one_that_is_worse_off),
        cmocka_unit_test(a_stop_hands_over_in_one_round_trip),
        cmocka_unit_test(what_a_leaving_master_says_and_remembers),
        cmocka_unit_test(one_of_three_leavings_is_enough),
        cmocka_unit_test(a_leaving_that_was_followed_by_another_master_names_nobody),
        cmocka_unit_test(leavings_that_are_lost_cost_one_dead_time),
        cmocka_unit_test(where_the_successor_dies_too_the_others_wait_one_dead_time),
        cmocka_unit_test(the_successor_is_the_best_of_the_others),
        cmocka_unit_test(a_master_that_has_left_is_nobodys_successor),
        cmocka_unit_test(two_masters_that_hear_each_other_agree_within_an_interval),
        cmocka_unit_test(the_winner_says_its_role_again_and_goes_above_the_other_epoch),
        cmocka_unit_test(a_conflict_that_lasts_costs_little),
        cmocka_unit_test(nor_does_one_that_only_others_know),
        cmocka_unit_test(a_conflict_ends_when_the_other_falls_silent),
        cmocka_unit_test(the_winner_hears_of_the_other_whoever_speaks_first),
        cmocka_unit_test(a_master_that_was_set_back_is_kept),
    };
    return cmocka_run_group_tests_name("elect_master", tests, NULL, NULL);
}
