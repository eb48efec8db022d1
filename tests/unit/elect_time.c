/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_cluster.h"

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

static void the_best_of_the_others_takes_over_from_a_silent_master(void **state)
{
    struct cluster *c = cluster_new(4);

    (void)state;
    cluster_begin_all(c);
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_master(c), 0);
    cluster_kill(c, 0);
    cluster_run(c, MONO_MS(3050));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[1].reason, REASON_SILENCE);
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(c->stations[2].roles, 1);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_alone_becomes_master_after_its_dead_time),
        cmocka_unit_test(of_equals_that_begin_together_the_lowest_address_wins),
        cmocka_unit_test(everyone_sees_whom_the_master_names),
        cmocka_unit_test(the_best_of_the_others_takes_over_from_a_silent_master),
    };
    return cmocka_run_group_tests_name("elect_time", tests, NULL, NULL);
}
