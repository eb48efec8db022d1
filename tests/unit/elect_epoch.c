/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_cluster.h"

static void each_mastership_has_a_higher_epoch(void **state)
{
    struct cluster *c = cluster_running(2);
    uint64_t epoch = cluster_view(c, 0).epoch;

    (void)state;
    assert_int_equal(epoch, 1);
    assert_int_equal(cluster_view(c, 1).epoch, 1);
    cluster_end(c, 0);
    cluster_run(c, MONO_S(1));
    assert_int_equal(cluster_view(c, 1).epoch, 2);
    cluster_begin(c, 0);
    cluster_run(c, MONO_S(12));
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(cluster_view(c, 0).epoch, 3);
    assert_int_equal(cluster_view(c, 1).epoch, 3);
    cluster_free(c);
}

static void epochs_are_on_disk_before_they_are_used(void **state)
{
    struct cluster *c = cluster_new(1);

    (void)state;
    cluster_stick_disk(c, 0, true);
    cluster_begin(c, 0);
    cluster_run(c, MONO_S(60));
    assert_int_equal(cluster_state(c, 0), ELECT_BACKUP);
    assert_int_equal(elect_count(c->stations[0].machine, REASON_EPOCH_NOT_KEPT), 1);
    cluster_stick_disk(c, 0, false);
    cluster_run(c, c->disk_ns);
    assert_int_equal(cluster_state(c, 0), ELECT_MASTER);
    assert_int_equal(c->stations[0].reason, REASON_SILENCE);
    cluster_free(c);
}

static void they_are_reserved_ahead_so_that_a_slow_disk_delays_nobody(void **state)
{
    struct cluster *c = cluster_running(2);

    (void)state;
    assert_int_equal(c->stations[1].disk.reserved, 4);
    c->disk_ns = MONO_S(10);
    cluster_kill(c, 0);
    cluster_run(c, MONO_MS(3001));
    assert_int_equal(cluster_master(c), 1);
    cluster_free(c);
}

static void who_waits_for_its_epoch_follows_who_takes_over_meanwhile(void **state)
{
    struct cluster *c = cluster_new(2);

    (void)state;
    cluster_stick_disk(c, 0, true);
    cluster_begin_all(c);
    cluster_run(c, MONO_S(5));
    assert_int_equal(cluster_master(c), 1);
    assert_string_equal(cluster_view(c, 0).master, "node1");
    cluster_stick_disk(c, 0, false);
    cluster_run(c, MONO_MS(100));
    assert_int_equal(cluster_master(c), 1);
    cluster_free(c);
}

static void who_has_no_epoch_on_disk_does_not_ask_for_the_role(void **state)
{
    struct cluster *c = cluster_new(2);
    uint64_t epoch;

    (void)state;
    cluster_stick_disk(c, 0, true);
    cluster_begin_all(c);
    cluster_run(c, MONO_S(5));
    assert_int_equal(cluster_master(c), 1);
    epoch = cluster_view(c, 1).epoch;
    cluster_run(c, MONO_S(120));
    assert_int_equal(cluster_master(c), 1);
    assert_int_equal(cluster_view(c, 1).epoch, epoch);
    cluster_stick_disk(c, 0, false);
    cluster_run(c, MONO_S(12));
    assert_int_equal(cluster_master(c), 0);
    cluster_free(c);
}

static void after_a_crash_no_epoch_is_used_again(void **state)
{
    struct cluster *c = cluster_new(1);
    uint64_t last = 0;

    (void)state;
    for (unsigned life = 0; life < 20; life++) {
        cluster_begin(c, 0);
        cluster_run(c, MONO_S(4));
        assert_int_equal(cluster_state(c, 0), ELECT_MASTER);
        assert_true(cluster_view(c, 0).epoch > last);
        last = cluster_view(c, 0).epoch;
        cluster_kill(c, 0);
    }
    assert_true(last <= 20 * (ELECT_EPOCHS_AHEAD + 1));
    cluster_free(c);
}

static void after_a_stop_none_is_left_out(void **state)
{
    struct cluster *c = cluster_new(1);

    (void)state;
    for (uint64_t life = 1; life <= 20; life++) {
        cluster_begin(c, 0);
        cluster_run(c, MONO_S(4));
        assert_int_equal(cluster_view(c, 0).epoch, life);
        cluster_end(c, 0);
    }
    cluster_free(c);
}

static void a_master_goes_above_what_a_follower_knows(void **state)
{
    struct cluster *c = cluster_running(2);

    (void)state;
    cluster_kill(c, 1);
    c->stations[1].disk.epoch = c->stations[1].disk.reserved = 100;
    cluster_begin(c, 1);
    cluster_run(c, MONO_S(3));
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(cluster_view(c, 0).epoch, 101);
    assert_int_equal(cluster_view(c, 1).epoch, 101);
    assert_true(c->stations[0].disk.reserved >= 101);
    cluster_free(c);
}

/* Its standing was lost: the next advert shows that the master does not know it. */
static void a_follower_tells_until_its_master_knows(void **state)
{
    struct cluster *c = cluster_running(3);
    struct ballot told = {.kind = BALLOT_STANDING,
                          .node = "node1",
                          .boot = c->stations[1].boot,
                          .counter = c->stations[1].counter + 1,
                          .address = node_address(1),
                          .pair = {1000000, 0},
                          .role = BALLOT_BACKUP,
                          .epoch = 50};

    (void)state;
    cluster_kill(c, 1);
    c->cut[2][0] = true;
    cluster_event(
        c, 2,
        (struct elect_event){
            .kind = ELECT_HEARD, .ballot = &told, .from = told.address, .from_candidate = true});
    cluster_run(c, MONO_MS(100));
    assert_int_equal(cluster_view(c, 2).epoch, 50);
    assert_int_equal(cluster_view(c, 0).epoch, 1);
    c->cut[2][0] = false;
    cluster_run(c, MONO_MS(1100));
    assert_int_equal(cluster_view(c, 0).epoch, 51);
    cluster_free(c);
}

static void the_highest_epoch_of_all_ends_nothing(void **state)
{
    struct cluster *c = cluster_running(2);

    (void)state;
    cluster_kill(c, 1);
    c->stations[1].disk.epoch = c->stations[1].disk.reserved = ELECT_EPOCH_MAX;
    cluster_begin(c, 1);
    cluster_run(c, MONO_S(10));
    assert_int_equal(cluster_master(c), 0);
    assert_int_equal(cluster_view(c, 0).epoch, ELECT_EPOCH_MAX);
    assert_string_equal(cluster_view(c, 1).master, "node0");
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mastership_has_a_higher_epoch),
        cmocka_unit_test(epochs_are_on_disk_before_they_are_used),
        cmocka_unit_test(they_are_reserved_ahead_so_that_a_slow_disk_delays_nobody),
        cmocka_unit_test(who_waits_for_its_epoch_follows_who_takes_over_meanwhile),
        cmocka_unit_test(who_has_no_epoch_on_disk_does_not_ask_for_the_role),
        cmocka_unit_test(after_a_crash_no_epoch_is_used_again),
        cmocka_unit_test(after_a_stop_none_is_left_out),
        cmocka_unit_test(a_master_goes_above_what_a_follower_knows),
        cmocka_unit_test(a_follower_tells_until_its_master_knows),
        cmocka_unit_test(the_highest_epoch_of_all_ends_nothing),
    };
    return cmocka_run_group_tests_name("elect_epoch", tests, NULL, NULL);
}
