/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_cluster.h"

static void a_dead_process_is_replaced_at_once(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 5; count++) {
        struct cluster *c = cluster_running(count);

        cluster_kill(c, 0);
        cluster_refuse_watch(c, 0);
        assert_int_equal(cluster_master(c), 1);
        assert_int_equal(c->stations[1].reason, REASON_PROCESS_DIED);
        cluster_run(c, MONO_S(10));
        assert_int_equal(cluster_master(c), 1);
        for (size_t node = 2; node < count; node++) {
            assert_int_equal(c->stations[node].roles, 1);
            assert_string_equal(cluster_view(c, node).master, "node1");
        }
        cluster_free(c);
    }
}

static void where_the_best_died_too_the_next_waits_one_step(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    cluster_kill(c, 0);
    cluster_kill(c, 1);
    cluster_refuse_watch(c, 0);
    assert_int_equal(cluster_masters(c), 0);
    cluster_run(c, MONO_MS(126));
    assert_int_equal(cluster_master(c), 2);
    assert_int_equal(c->stations[2].reason, REASON_PROCESS_DIED);
    cluster_free(c);
}

/* What the dead master said last is still on its way. */
static void what_comes_late_from_the_dead_does_not_bring_them_back(void **state)
{
    struct cluster *c = cluster_running(2);

    (void)state;
    c->delay_ns = MONO_MS(50);
    cluster_run(c, mono_between(c->now, c->stations[0].deadline) + 1000);
    assert_int_equal(c->mail_count, 1);
    cluster_kill(c, 0);
    cluster_refuse_watch(c, 0);
    assert_int_equal(cluster_master(c), 1);
    cluster_run(c, MONO_S(2));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[1].roles, 2);
    cluster_free(c);
}

static void a_refusal_by_another_than_the_master_says_nothing(void **state)
{
    struct cluster *c = cluster_running(3);
    struct address other = node_address(1);

    (void)state;
    cluster_event(c, 2, (struct elect_event){.kind = ELECT_WATCH_REFUSED, .from = other});
    assert_true(cluster_view(c, 2).has_master);
    cluster_run(c, MONO_S(1));
    assert_int_equal(cluster_master(c), 0);
    cluster_free(c);
}

static void a_master_that_was_restarted_shows_it_when_it_has_proven_it(void **state)
{
    struct cluster *c = cluster_running(3);

    (void)state;
    cluster_kill(c, 0);
    cluster_run(c, MONO_MS(100));
    cluster_begin(c, 0);
    /* Its standing, our question, its answer; then one step: it is the best of us again. */
    cluster_run(c, MONO_MS(1 + 125));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[1].reason, REASON_PROCESS_DIED);
    cluster_free(c);
}

static void a_backup_watches_its_master_alone(void **state)
{
    struct cluster *c = cluster_new(3);
    struct address zero = {0}, first = node_address(0), second = node_address(1);

    (void)state;
    cluster_make_slave(c, 2);
    cluster_begin_all(c);
    cluster_run(c, MONO_S(10));
    assert_true(address_same_host(&c->stations[1].watched, &first));
    assert_true(address_same_host(&c->stations[0].watched, &zero));
    assert_true(address_same_host(&c->stations[2].watched, &zero));
    cluster_end(c, 0);
    cluster_run(c, MONO_MS(10));
    assert_true(address_same_host(&c->stations[1].watched, &zero));
    cluster_begin(c, 0);
    cluster_run(c, MONO_S(2));
    assert_true(address_same_host(&c->stations[0].watched, &second));
    cluster_free(c);
}

/* How often the last step said WATCH. */
static unsigned watches(const struct cluster *c)
{
    unsigned count = 0;

    for (size_t i = 0; i < c->actions->count; i++)
        count += c->actions->list[i].kind == ELECT_WATCH;
    return count;
}

static void a_backup_that_moves_watches_its_master_anew(void **state)
{
    struct cluster *c = cluster_new(2);
    struct address first = node_address(0);
    struct elect_rules *rules = &c->stations[1].rules;

    (void)state;
    cluster_begin_all(c);
    cluster_run(c, MONO_S(10));
    cluster_tell_rules(c, 1);
    assert_int_equal(watches(c), 0);
    rules->address = rules->candidates[1] = node_address(5);
    cluster_tell_rules(c, 1);
    assert_int_equal(watches(c), 1);
    assert_true(address_same_host(&c->stations[1].watched, &first));
    cluster_tell_rules(c, 1);
    assert_int_equal(watches(c), 0);
    rules->address = rules->candidates[1] = node_address(1);
    rules->candidates[0] = node_address(6);
    cluster_tell_rules(c, 1); /* its master is a candidate no more */
    assert_true(address_is_any(&c->stations[1].watched));
    rules->address = rules->candidates[1] = node_address(5);
    cluster_tell_rules(c, 1);
    assert_int_equal(watches(c), 0); /* there is nobody to watch */
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_process_is_replaced_at_once),
        cmocka_unit_test(where_the_best_died_too_the_next_waits_one_step),
        cmocka_unit_test(what_comes_late_from_the_dead_does_not_bring_them_back),
        cmocka_unit_test(a_refusal_by_another_than_the_master_says_nothing),
        cmocka_unit_test(a_master_that_was_restarted_shows_it_when_it_has_proven_it),
        cmocka_unit_test(a_backup_watches_its_master_alone),
        cmocka_unit_test(a_backup_that_moves_watches_its_master_anew),
    };
    return cmocka_run_group_tests_name("elect_died", tests, NULL, NULL);
}
