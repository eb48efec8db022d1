/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_cluster.h"

/* Reloads: roles change only where the configuration says so, and in good order. */
static void roles_are(const struct cluster *c, size_t master, unsigned changes)
{
    unsigned roles = 0;

    assert_int_equal(cluster_master(c), master);
    for (size_t node = 0; node < c->count; node++)
        roles += c->stations[node].roles - c->stations[node].again;
    assert_int_equal(roles, c->count + changes);
}

static void the_same_rules_change_nothing(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        for (size_t node = 0; node < 3; node++) {
            unsigned adverts = c->stations[node].adverts;

            cluster_tell_rules(c, node);
            assert_int_equal(c->stations[node].adverts, adverts);
        }
        cluster_run(c, MONO_MS(300));
    }
    roles_are(c, 0, 1);
    cluster_free(c);
}

static void preempt_delay_and_dead_ratio_change_no_role(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    for (size_t node = 0; node < 3; node++) {
        c->stations[node].rules.preempt = false;
        c->stations[node].rules.preempt_delay_ns = 0;
        c->stations[node].rules.dead_ratio_milli = 1500;
        cluster_tell_rules(c, node);
    }
    cluster_run(c, MONO_S(60));
    roles_are(c, 0, 1);
    cluster_kill(c, 0);
    cluster_run(c, MONO_MS(1501));
    assert_int_equal(cluster_master(c), 1);
    cluster_free(c);
}

/* Its new interval is far beyond the old dead time. */
static void a_master_tells_its_new_pair_before_it_is_missed(void **state)
{
    struct cluster *c = cluster_new(3);

    (void)state;
    for (size_t node = 0; node < 3; node++)
        cluster_set_pair(c, node, 10000, (uint8_t)node);
    cluster_begin_all(c);
    cluster_run(c, MONO_S(5));
    assert_int_equal(cluster_master(c), 0);
    for (size_t node = 1; node < 3; node++) {
        cluster_set_pair(c, node, 2000000, 0);
        cluster_tell_rules(c, node);
    }
    cluster_run(c, MONO_S(1));
    cluster_set_pair(c, 0, 2000000, 0);
    cluster_tell_rules(c, 0);
    cluster_run(c, MONO_S(60));
    roles_are(c, 0, 1);
    assert_int_equal(cluster_view(c, 1).pair.base_us, 2000000);
    cluster_free(c);
}

static void a_shorter_interval_is_kept_from_at_once(void **state)
{
    struct cluster *c = cluster_running(2);
    unsigned adverts;

    (void)state;
    cluster_set_pair(c, 0, 10000, 0);
    cluster_tell_rules(c, 0);
    adverts = c->stations[0].adverts;
    cluster_run(c, MONO_S(1));
    assert_in_range(c->stations[0].adverts - adverts, 99, 101);
    roles_are(c, 0, 1);
    cluster_free(c);
}

static void a_pair_that_got_worse_is_preempted_by_asking(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    for (size_t node = 0; node < 3; node++) {
        c->stations[node].rules.preempt_delay_ns = 0;
        cluster_tell_rules(c, node);
    }
    cluster_set_pair(c, 0, 1000000, 200);
    cluster_tell_rules(c, 0);
    assert_int_equal(cluster_state(c, 0), ELECT_MASTER);
    cluster_run(c, MONO_S(3));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[0].reason, REASON_ASKED);
    cluster_run(c, MONO_S(30));
    roles_are(c, 1, 3);
    cluster_free(c);
}

static void a_candidate_joins_without_disturbing_anyone(void **state)
{
    struct cluster *c = cluster_new(4);

    (void)state;
    for (size_t node = 0; node < 4; node++) {
        c->stations[node].rules.candidate_count = 3;
        if (node < 3)
            cluster_begin(c, node);
    }
    cluster_run(c, MONO_MS(10500));
    for (size_t node = 0; node < 4; node++) {
        c->stations[node].rules.candidate_count = 4;
        if (node < 3)
            cluster_tell_rules(c, node);
    }
    cluster_begin(c, 3);
    cluster_run(c, MONO_S(30));
    roles_are(c, 0, 1);
    for (size_t node = 0; node < 3; node++)
        cluster_kill(c, node);
    cluster_run(c, MONO_S(4));
    assert_int_equal(cluster_master(c), 3);
    cluster_free(c);
}

static void a_master_that_is_made_a_slave_leaves_in_good_order(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    cluster_unname(c, 0, 0);
    cluster_tell_rules(c, 0);
    assert_int_equal(cluster_state(c, 0), ELECT_SLAVE);
    assert_int_equal(c->stations[0].reason, REASON_RECONFIGURED);
    assert_int_equal(c->stations[0].leavings, 3);
    cluster_run(c, c->delay_ns);
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[1].reason, REASON_NAMED);
    cluster_make_slave(c, 0);
    cluster_tell_rules(c, 1);
    cluster_tell_rules(c, 2);
    cluster_run(c, MONO_S(30));
    roles_are(c, 1, 3);
    assert_string_equal(cluster_view(c, 0).master, "node1");
    cluster_free(c);
}

/* The others are told first: they follow it no longer, and nobody is master twice. */
static void a_master_that_is_removed_is_followed_no_longer(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    cluster_unname(c, 0, 1);
    cluster_unname(c, 0, 2);
    cluster_tell_rules(c, 1);
    cluster_tell_rules(c, 2);
    assert_false(cluster_view(c, 1).has_master);
    assert_int_equal(cluster_view(c, 1).reason, REASON_RECONFIGURED);
    cluster_run(c, MONO_MS(1));
    cluster_unname(c, 0, 0);
    cluster_tell_rules(c, 0);
    cluster_run(c, MONO_S(4));
    roles_are(c, 1, 3);
    cluster_free(c);
}

static void a_backup_that_is_made_a_slave_goes_on_following(void **state)
{
    struct cluster *c = cluster_running(3);
    struct address zero = {0};

    (void)state;
    cluster_make_slave(c, 1);
    cluster_tell_rules(c, 1);
    assert_int_equal(cluster_state(c, 1), ELECT_SLAVE);
    assert_string_equal(cluster_view(c, 1).master, "node0");
    assert_true(address_same_host(&c->stations[1].watched, &zero));
    cluster_tell_rules(c, 0);
    cluster_tell_rules(c, 2);
    cluster_run(c, MONO_S(3));
    roles_are(c, 0, 2);
    cluster_kill(c, 0);
    cluster_run(c, MONO_S(4));
    assert_int_equal(cluster_master(c), 2);
    cluster_free(c);
}

static void a_slave_that_is_made_a_candidate_goes_on_following(void **state)
{
    struct cluster *c = cluster_new(3);

    (void)state;
    cluster_make_slave(c, 0);
    cluster_begin_all(c);
    cluster_run(c, MONO_MS(10500));
    assert_int_equal(cluster_master(c), 1);
    for (size_t node = 0; node < 3; node++) {
        struct elect_rules *rules = &c->stations[node].rules;

        rules->candidates[rules->candidate_count++] = node_address(0);
        rules->candidate = true;
        cluster_tell_rules(c, node);
    }
    assert_int_equal(cluster_state(c, 0), ELECT_BACKUP);
    assert_string_equal(cluster_view(c, 0).master, "node1");
    cluster_run(c, MONO_S(1));
    assert_int_equal(c->stations[0].disk.reserved, 1 + ELECT_EPOCHS_AHEAD);
    cluster_run(c, MONO_S(30));
    assert_int_equal(cluster_master(c), 0); /* it is the best, and asked */
    cluster_free(c);
}

/* It was late, and the master is given that time: whatever it becomes meanwhile. */
static void a_slave_that_is_made_a_candidate_goes_on_waiting(void **state)
{
    struct cluster *c = cluster_new(2);
    struct elect_rules *rules = &c->stations[1].rules;

    (void)state;
    cluster_make_slave(c, 1);
    cluster_begin_all(c);
    cluster_run(c, MONO_MS(5500));
    assert_int_equal(cluster_master(c), 0);
    cluster_kill(c, 0);
    c->now = mono_after(c->now, MONO_S(20));
    cluster_event(c, 1, (struct elect_event){.kind = ELECT_WAKE, .late = MONO_S(20)});
    rules->candidates[rules->candidate_count++] = node_address(1);
    rules->candidate = true;
    cluster_tell_rules(c, 1);
    cluster_run(c, MONO_S(1));
    assert_int_equal(cluster_state(c, 1), ELECT_BACKUP);
    assert_true(cluster_view(c, 1).has_master);
    cluster_free(c);
}

static void a_master_whose_address_changes_leaves_first(void **state)
{
    struct cluster *c = cluster_running(2);
    struct address before = node_address(0);
    struct station *s = &c->stations[0];

    (void)state;
    s->rules.address.ip[15] = 77;
    cluster_tell_rules(c, 0);
    assert_int_equal(cluster_state(c, 0), ELECT_BACKUP);
    assert_int_equal(s->leavings, 3);
    for (size_t i = 0; i < c->actions->count; i++) {
        const struct elect_action *action = &c->actions->list[i];

        if (action->kind == ELECT_TO_ALL)
            assert_true(address_same_host(&action->ballot.address, &before));
    }
    cluster_run(c, c->delay_ns);
    assert_int_equal(cluster_state(c, 1), ELECT_MASTER);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_rules_change_nothing),
        cmocka_unit_test(preempt_delay_and_dead_ratio_change_no_role),
        cmocka_unit_test(a_master_tells_its_new_pair_before_it_is_missed),
        cmocka_unit_test(a_shorter_interval_is_kept_from_at_once),
        cmocka_unit_test(a_pair_that_got_worse_is_preempted_by_asking),
        cmocka_unit_test(a_candidate_joins_without_disturbing_anyone),
        cmocka_unit_test(a_master_that_is_made_a_slave_leaves_in_good_order),
        cmocka_unit_test(a_master_that_is_removed_is_followed_no_longer),
        cmocka_unit_test(a_backup_that_is_made_a_slave_goes_on_following),
        cmocka_unit_test(a_slave_that_is_made_a_candidate_goes_on_following),
        cmocka_unit_test(a_slave_that_is_made_a_candidate_goes_on_waiting),
        cmocka_unit_test(a_master_whose_address_changes_leaves_first),
    };
    return cmocka_run_group_tests_name("elect_rules", tests, NULL, NULL);
}
