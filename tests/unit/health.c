/* SPDX-License-Identifier: ISC */
#include "src/health.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

/* ---- the node -------------------------------------------------------------------------------- */

static const struct health_look FINE = {.store = STORE_OK, .remembers = true};

/* The demotion, looked at four times a second from `from` to `to` (in s), is this all the time. */
static void stays(struct health *health, struct health_look look, double from, double to,
                  uint16_t demotion)
{
    for (double at = from; at <= to; at += 0.25) {
        uint16_t got;
        look.now.ns = (int64_t)((1000 + at) * 1e9);
        got = health_judge(health, &look);
        if (got != demotion)
            fail_msg("after %g s it is %u", at, got);
    }
}

static void a_sound_node_is_not_demoted(void **state)
{
    struct health health = {0};

    (void)state;
    for (int i = 0; i < 10; i++)
        health_probed(&health, true);
    stays(&health, FINE, 0, 100, 0);
}

static void a_store_that_takes_nothing_demotes(void **state)
{
    static const enum store_status failing[] = {STORE_FULL, STORE_READ_ONLY, STORE_FAILED};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct health health = {0};
        struct health_look look = FINE;
        look.store = failing[i];
        stays(&health, FINE, 0, 1, 0);
        stays(&health, look, 2, 4.75, 0);
        stays(&health, look, 5, 60, DEMOTION_STORE);
        stays(&health, FINE, 61, 63.75, DEMOTION_STORE);
        stays(&health, FINE, 64, 100, 0);
    }
}

static void a_failure_that_passes_does_not_count(void **state)
{
    struct health health = {0};
    struct health_look look = FINE;

    (void)state;
    look.store = STORE_FULL; /* one put was too large for what was left */
    for (double at = 0; at < 60; at += 4) {
        stays(&health, look, at, at + 2, 0);
        stays(&health, FINE, at + 2.25, at + 3.75, 0);
    }
}

static void recovery_must_be_steady(void **state)
{
    struct health health = {0};
    struct health_look look = FINE;

    (void)state;
    look.store = STORE_FAILED;
    stays(&health, look, 0, 2.75, 0);
    stays(&health, look, 3, 10, DEMOTION_STORE);
    for (double at = 10.25; at < 60; at += 4) {
        stays(&health, FINE, at, at + 2, DEMOTION_STORE);
        stays(&health, look, at + 2.25, at + 3.75, DEMOTION_STORE);
    }
}

static void a_busy_disk_is_no_reason_for_half_a_minute(void **state)
{
    struct health health = {0};
    struct health_look look = FINE;

    (void)state;
    look.store_busy_ns = MONO_S(30) - 1;
    stays(&health, look, 0, 20, 0);
    look.store_busy_ns = MONO_S(30);
    stays(&health, look, 21, 30, DEMOTION_STORE); /* it has lasted long enough */
    stays(&health, FINE, 31, 33.75, DEMOTION_STORE);
    stays(&health, FINE, 34, 40, 0);
}

static void who_cannot_remember_epochs_is_demoted(void **state)
{
    struct health health = {0};
    struct health_look look = FINE;

    (void)state;
    look.remembers = false;
    stays(&health, look, 0, 2.75, 0);
    stays(&health, look, 3, 10, DEMOTION_STORE);
}

static void a_clock_that_is_off_demotes(void **state)
{
    struct health health = {0};
    struct health_look look = FINE;

    (void)state;
    look.clock_off = true;
    stays(&health, look, 0, 9.75, 0);
    stays(&health, look, 10, 20, DEMOTION_CLOCK);
    stays(&health, FINE, 21, 23.75, DEMOTION_CLOCK);
    stays(&health, FINE, 24, 30, 0);
}

static void causes_add_up(void **state)
{
    struct health health = {0};
    struct health_look look = FINE;

    (void)state;
    look.clock_off = true;
    look.store = STORE_READ_ONLY;
    stays(&health, look, 0, 2.75, 0);
    stays(&health, look, 3, 9.75, DEMOTION_STORE);
    stays(&health, look, 10, 20, DEMOTION_STORE + DEMOTION_CLOCK);
}

static void three_probes_of_six_that_fail_demote(void **state)
{
    struct health health = {0};

    (void)state;
    stays(&health, FINE, 0, 0, 0);
    for (int i = 0; i < 10; i++) { /* two of six, for long */
        health_probed(&health, false);
        stays(&health, FINE, 1, 1, 0);
        health_probed(&health, true);
        health_probed(&health, true);
    }
    health_probed(&health, false);
    health_probed(&health, false);
    stays(&health, FINE, 2, 2, DEMOTION_HTTP);
}

static void one_of_two_workers_that_hangs_demotes(void **state)
{
    struct health health = {0};

    (void)state;
    stays(&health, FINE, 0, 0, 0);
    for (int i = 0; i < 3; i++) {
        health_probed(&health, true);
        health_probed(&health, false);
    }
    stays(&health, FINE, 1, 1, DEMOTION_HTTP);
    for (int i = 0; i < 20; i++) {
        health_probed(&health, i % 2 == 0);
        stays(&health, FINE, 2 + 10 * i, 11 + 10 * i, DEMOTION_HTTP);
    }
}

static void three_good_probes_and_steadiness_end_it(void **state)
{
    struct health health = {0};

    (void)state;
    stays(&health, FINE, 0, 0, 0);
    for (int i = 0; i < 3; i++)
        health_probed(&health, false);
    stays(&health, FINE, 1, 10, DEMOTION_HTTP);
    health_probed(&health, true);
    health_probed(&health, true);
    stays(&health, FINE, 11, 20, DEMOTION_HTTP);
    health_probed(&health, true);
    stays(&health, FINE, 21, 23.75, DEMOTION_HTTP);
    stays(&health, FINE, 24, 30, 0);
}

/* ---- by hand --------------------------------------------------------------------------------- */

enum { YEAR_1970 = 1000 };
#define NOW_MS INT64_C(1795348800000)
#define MINUTE INT64_C(60000)
static const wall_t YEAR_2106 = {INT64_C(4294967296000)};
static const struct remember_hand QUARTER = {true, {NOW_MS + 15 * MINUTE}, {NOW_MS}};
static const struct remember_hand FOR_EVER = {true, {0}, {NOW_MS}};

static mono_t minutes(double n)
{
    return (mono_t){MONO_S(500) + (int64_t)(n * 60e9)};
}

static wall_t wall_after(double n)
{
    return (wall_t){NOW_MS + (int64_t)(n * 60000)};
}

static void one_without_an_end_does_not_end(void **state)
{
    struct health_hand h = {0};

    (void)state;
    health_hand_begin(&h, &FOR_EVER, 0, minutes(0));
    assert_false(health_hand_ended(&h, &FOR_EVER, minutes(1e6), YEAR_2106, 0));
    h = (struct health_hand){0}; /* after a restart */
    assert_false(health_hand_ended(&h, &FOR_EVER, minutes(0), YEAR_2106, 0));
    assert_false(health_hand_ended(&h, &FOR_EVER, minutes(1e6), YEAR_2106, 0));
    assert_int_equal(health_hand_left(&h, minutes(1)), 0);
}

static void it_ends_by_the_monotonic_clock(void **state)
{
    struct health_hand h = {0};

    (void)state;
    health_hand_begin(&h, &QUARTER, MONO_S(900), minutes(0));
    assert_false(health_hand_ended(&h, &QUARTER, minutes(14.9), wall_after(14.9), 0));
    assert_int_equal(health_hand_left(&h, minutes(14)), MONO_S(60));
    assert_true(health_hand_ended(&h, &QUARTER, minutes(15), wall_after(15), 0));
    assert_int_equal(health_hand_left(&h, minutes(15)), 0);
}

static void a_step_of_the_clock_changes_nothing_while_it_runs(void **state)
{
    const wall_t clocks[] = {{YEAR_1970}, YEAR_2106, {-1}, {INT64_MIN}, {INT64_MAX}};

    (void)state;
    for (size_t i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
        struct health_hand h = {0};
        health_hand_begin(&h, &QUARTER, MONO_S(900), minutes(0));
        assert_false(health_hand_ended(&h, &QUARTER, minutes(14.9), clocks[i], 1000000));
        assert_true(health_hand_ended(&h, &QUARTER, minutes(15), clocks[i], 1000000));
    }
}

static void a_restart_goes_on_with_what_is_left(void **state)
{
    struct health_hand h = {0};

    (void)state;
    assert_false(health_hand_ended(&h, &QUARTER, minutes(0), wall_after(10), 0));
    assert_int_equal(health_hand_left(&h, minutes(0)), MONO_S(300));
    /* Which the clock changes no more. */
    assert_false(health_hand_ended(&h, &QUARTER, minutes(4.9), YEAR_2106, 0));
    assert_true(health_hand_ended(&h, &QUARTER, minutes(5), (wall_t){YEAR_1970}, 0));
}

static void a_restart_in_1970_begins_it_anew(void **state)
{
    struct health_hand h = {0};

    (void)state;
    assert_false(health_hand_ended(&h, &QUARTER, minutes(0), (wall_t){YEAR_1970}, 0));
    assert_false(health_hand_ended(&h, &QUARTER, minutes(14.9), (wall_t){YEAR_1970}, 0));
    assert_true(health_hand_ended(&h, &QUARTER, minutes(15), (wall_t){YEAR_1970}, 0));
}

static void a_restart_after_its_end_holds_a_minute_more(void **state)
{
    struct health_hand h = {0};

    (void)state;
    assert_false(health_hand_ended(&h, &QUARTER, minutes(0), wall_after(20), 0));
    assert_false(health_hand_ended(&h, &QUARTER, minutes(0.9), wall_after(20.9), 0));
    assert_true(health_hand_ended(&h, &QUARTER, minutes(1), wall_after(21), 0));
}

static void a_restart_in_2106_waits_for_the_right_time(void **state)
{
    int64_t ahead_ms = YEAR_2106.ms - wall_after(5.5).ms;
    struct health_hand h = {0};

    (void)state;
    assert_false(health_hand_ended(&h, &QUARTER, minutes(0), YEAR_2106, 0));
    assert_false(health_hand_ended(&h, &QUARTER, minutes(0.5), YEAR_2106, ahead_ms)); /* by peers */
    assert_int_equal(health_hand_left(&h, minutes(0.5)), MONO_S(570));
    h = (struct health_hand){0};
    assert_false(health_hand_ended(&h, &QUARTER, minutes(0), YEAR_2106, 0));
    assert_false(health_hand_ended(&h, &QUARTER, minutes(0.5), wall_after(5), 0)); /* it was set */
    assert_false(health_hand_ended(&h, &QUARTER, minutes(10.4), YEAR_2106, 0));
    assert_true(health_hand_ended(&h, &QUARTER, minutes(10.5), YEAR_2106, 0));
}

static void another_demotion_begins_anew(void **state)
{
    const struct remember_hand longer = {true, {NOW_MS + 60 * MINUTE}, {NOW_MS}};
    struct health_hand h = {0};

    (void)state;
    assert_false(health_hand_ended(&h, &QUARTER, minutes(0), wall_after(14), 0));
    assert_false(health_hand_ended(&h, &longer, minutes(2), wall_after(16), 0));
    assert_int_equal(health_hand_left(&h, minutes(2)), MONO_S(44 * 60));
}

/* ---- behind ---------------------------------------------------------------------------------- */

static struct store_head head_of(uint64_t store, uint8_t digest)
{
    struct store_head head = {.store_id = store, .sequence = 1};

    memset(head.digest.bytes, digest, sizeof(head.digest.bytes));
    return head;
}

static struct view_tier tier_of(enum ballot_role role, uint64_t store, uint8_t digest)
{
    struct view_tier tier = {.role = role, .has_master = true, .head.store = store};

    assert_true(address_parse(span_of("10.27.4.1"), 65028, &tier.master_address));
    memset(tier.head.digest.bytes, digest, sizeof(tier.head.digest.bytes));
    return tier;
}

static void it_is_behind_until_it_was_once_equal(void **state)
{
    struct view_tier tier = tier_of(BALLOT_BACKUP, 7, 1);
    struct store_head own = head_of(8, 0);
    struct health_sync sync = {0};

    (void)state;
    assert_true(health_is_behind(&sync, &tier, &own));
    own = head_of(8, 1);
    assert_false(health_is_behind(&sync, &tier, &own));
    own = head_of(8, 2); /* a small lag */
    assert_false(health_is_behind(&sync, &tier, &own));
}

static void it_is_behind_a_master_of_another_store(void **state)
{
    struct view_tier first = tier_of(BALLOT_SLAVE, 7, 1), second = tier_of(BALLOT_SLAVE, 9, 2);
    struct store_head own = head_of(8, 1);
    struct health_sync sync = {0};

    (void)state;
    assert_false(health_is_behind(&sync, &first, &own));
    assert_true(health_is_behind(&sync, &second, &own));
    own = head_of(8, 2);
    assert_false(health_is_behind(&sync, &second, &own));
    assert_true(health_is_behind(&sync, &first, &own));
}

static void without_a_master_it_stays_as_it_was(void **state)
{
    struct view_tier tier = tier_of(BALLOT_BACKUP, 7, 1), none = {.role = BALLOT_BACKUP};
    struct store_head own = head_of(8, 1);
    struct health_sync sync = {0};

    (void)state;
    assert_true(health_is_behind(&sync, &none, &own));
    assert_false(health_is_behind(&sync, &tier, &own));
    assert_false(health_is_behind(&sync, &none, &own));
}

static void a_master_is_not_behind_itself(void **state)
{
    struct view_tier tier = tier_of(BALLOT_MASTER, 8, 0), other = tier_of(BALLOT_BACKUP, 7, 3);
    struct store_head own = head_of(8, 1);
    struct health_sync sync = {0};

    (void)state;
    assert_false(health_is_behind(&sync, &tier, &own));
    assert_true(health_is_behind(&sync, &other, &own)); /* it lost to another */
}

static void a_comparison_of_all_counts(void **state)
{
    struct view_tier tier = tier_of(BALLOT_BACKUP, 7, 1);
    struct store_head own = head_of(8, 0);
    struct health_sync sync = {0};
    struct address other;

    (void)state;
    assert_true(address_parse(span_of("10.27.4.2"), 65028, &other));
    assert_true(health_is_behind(&sync, &tier, &own));
    health_compared(&sync, &tier, &other, 7);
    assert_true(health_is_behind(&sync, &tier, &own));
    health_compared(&sync, &tier, &tier.master_address, 6);
    assert_true(health_is_behind(&sync, &tier, &own));
    health_compared(&sync, &tier, &tier.master_address, 7);
    assert_false(health_is_behind(&sync, &tier, &own));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_node_is_not_demoted),
        cmocka_unit_test(a_store_that_takes_nothing_demotes),
        cmocka_unit_test(a_failure_that_passes_does_not_count),
        cmocka_unit_test(recovery_must_be_steady),
        cmocka_unit_test(a_busy_disk_is_no_reason_for_half_a_minute),
        cmocka_unit_test(who_cannot_remember_epochs_is_demoted),
        cmocka_unit_test(a_clock_that_is_off_demotes),
        cmocka_unit_test(causes_add_up),
        cmocka_unit_test(three_probes_of_six_that_fail_demote),
        cmocka_unit_test(one_of_two_workers_that_hangs_demotes),
        cmocka_unit_test(three_good_probes_and_steadiness_end_it),
        cmocka_unit_test(one_without_an_end_does_not_end),
        cmocka_unit_test(it_ends_by_the_monotonic_clock),
        cmocka_unit_test(a_step_of_the_clock_changes_nothing_while_it_runs),
        cmocka_unit_test(a_restart_goes_on_with_what_is_left),
        cmocka_unit_test(a_restart_in_1970_begins_it_anew),
        cmocka_unit_test(a_restart_after_its_end_holds_a_minute_more),
        cmocka_unit_test(a_restart_in_2106_waits_for_the_right_time),
        cmocka_unit_test(another_demotion_begins_anew),
        cmocka_unit_test(it_is_behind_until_it_was_once_equal),
        cmocka_unit_test(it_is_behind_a_master_of_another_store),
        cmocka_unit_test(without_a_master_it_stays_as_it_was),
        cmocka_unit_test(a_master_is_not_behind_itself),
        cmocka_unit_test(a_comparison_of_all_counts),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
