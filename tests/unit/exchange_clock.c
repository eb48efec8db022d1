/* SPDX-License-Identifier: ISC */
#include "tests/unit/exchange_bench.h"

/* A peer speaks whose clock is so far ahead of the bench's. */
static void hear_clock(struct bench *bench, uint8_t from, int64_t ahead_ms)
{
    struct notice notice = whohas(0, false);

    notice.sender.clock = wall_of(bench, ahead_ms);
    hear(bench, from, notice, nothing());
}

static void expect_clock(const struct bench *bench, size_t heard, int64_t ahead_ms, bool off)
{
    struct exchange_clock clock = exchange_clock(bench->machine, bench->now);

    assert_int_equal(clock.heard, heard);
    assert_int_equal(clock.ahead_ms, ahead_ms);
    assert_int_equal(clock.off, off);
}

static void alone_there_is_nothing_to_compare_with(void **state)
{
    struct bench *bench = *state;

    expect_clock(bench, 0, 0, false);
    hear(bench, 1, whohas(0, false), nothing()); /* one that does not tell its clock */
    hear(bench, 2, whohas(0, false), nothing());
    expect_clock(bench, 0, 0, false);
}

static void of_two_nodes_nobody_knows_who_is_wrong(void **state)
{
    struct bench *bench = *state;

    hear_clock(bench, 1, 3600000);
    expect_clock(bench, 1, -3600000, false);
    assert_true(exchange_clock(bench->machine, bench->now).differs);
    hear_clock(bench, 1, 0);
    assert_false(exchange_clock(bench->machine, bench->now).differs);
}

static void against_two_others_it_is_ours(void **state)
{
    struct bench *bench = *state;

    hear_clock(bench, 1, 90000);
    hear_clock(bench, 2, 95000);
    expect_clock(bench, 2, -90000, true);
    hear_clock(bench, 1, -3600000);
    hear_clock(bench, 2, -7200000);
    expect_clock(bench, 2, 3600000, true);
}

static void one_wrong_clock_among_others_harms_nobody(void **state)
{
    struct bench *bench = *state;

    hear_clock(bench, 1, 0);
    hear_clock(bench, 2, 3600000);
    expect_clock(bench, 2, 0, false);
    hear_clock(bench, 3, -3600000);
    hear_clock(bench, 4, -3600000);
    expect_clock(bench, 4, 0, false);
    hear_clock(bench, 5, -3600000);
    expect_clock(bench, 5, 3600000, true); /* three of five */
}

static void the_bound_is_a_minute(void **state)
{
    struct bench *bench = *state;

    for (int sign = -1; sign <= 1; sign += 2) {
        hear_clock(bench, 1, sign * 60000);
        hear_clock(bench, 2, sign * 60000);
        expect_clock(bench, 2, -sign * 60000, false);
        hear_clock(bench, 1, sign * 60001);
        hear_clock(bench, 2, sign * 60001);
        expect_clock(bench, 2, -sign * 60001, true);
    }
}

static void the_median_is_that_of_a_sorted_list(void **state)
{
    static const int64_t sorted[] = {-INT64_C(900000000000), -70001, -5, 61000, 61000, 70000,
                                     INT64_C(900000000000)};
    static const uint8_t order[] = {3, 0, 6, 2, 5, 1, 4};
    struct bench *bench = *state;

    for (uint8_t i = 0; i < sizeof(order); i++)
        hear_clock(bench, (uint8_t)(i + 1), sorted[order[i]]);
    expect_clock(bench, 7, -61000, true);
}

static void who_was_not_heard_lately_counts_no_more(void **state)
{
    struct bench *bench = *state;

    hear_clock(bench, 1, 90000);
    hear_clock(bench, 2, 90000);
    wait_ms(bench, 299999);
    expect_clock(bench, 2, -90000, true);
    wait_ms(bench, 1);
    expect_clock(bench, 0, 0, false);
}

/* Where nobody puts or asks for anything, adverts and standings still tell. */
static void a_quiet_tier_tells_the_time(void **state)
{
    struct bench *bench = *state;

    for (uint8_t i = 0; i < 3; i++) {
        for (uint8_t from = 1; from <= 2; from++)
            step(bench, (struct exchange_event){.kind = EXCHANGE_HEAD,
                                                .from = host(from),
                                                .relations = ROUTE_LED,
                                                .head = {.clock = wall_of(bench, 90000)}});
        wait_ms(bench, 200000);
        expect_clock(bench, 2, -90000, true);
    }
    for (uint8_t from = 1; from <= 2; from++) /* nodes that do not tell */
        step(bench, (struct exchange_event){
                        .kind = EXCHANGE_HEAD, .from = host(from), .relations = ROUTE_LED});
    expect_clock(bench, 2, -90000, true);
    wait_ms(bench, 100000);
    expect_clock(bench, 0, 0, false);
}

static void one_that_tells_no_more_counts_no_more(void **state)
{
    struct bench *bench = *state;

    hear_clock(bench, 1, 90000);
    hear_clock(bench, 2, 90000);
    hear(bench, 2, whohas(0, false), nothing());
    expect_clock(bench, 1, -90000, false);
}

/* Were the old differences kept, a node whose clock was mended would stay shut out until it has
 * heard all the others again. */
static void a_clock_that_was_set_is_judged_anew(void **state)
{
    struct bench *bench = *state;

    hear_clock(bench, 1, 90000);
    hear_clock(bench, 2, 90000);
    expect_clock(bench, 2, -90000, true);
    bench->clock_set_ms = 90000;
    wait_ms(bench, 1);
    expect_clock(bench, 0, 0, false);
    hear_clock(bench, 1, 0);
    hear_clock(bench, 2, 0);
    expect_clock(bench, 2, 0, false);

    bench->clock_set_ms = 0;
    hear_clock(bench, 1, 90000);
    hear_clock(bench, 2, 90000);
    expect_clock(bench, 2, -90000, true);
}

static void a_clock_that_is_steered_is_not_set(void **state)
{
    struct bench *bench = *state;

    hear_clock(bench, 1, 90000);
    hear_clock(bench, 2, 90000);
    for (int i = 0; i < 10; i++) {
        bench->clock_set_ms += 900;
        wait_ms(bench, 1000);
    }
    expect_clock(bench, 2, -90000, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(alone_there_is_nothing_to_compare_with),
        CASE(of_two_nodes_nobody_knows_who_is_wrong),
        CASE(against_two_others_it_is_ours),
        CASE(one_wrong_clock_among_others_harms_nobody),
        CASE(the_bound_is_a_minute),
        CASE(the_median_is_that_of_a_sorted_list),
        CASE(who_was_not_heard_lately_counts_no_more),
        CASE(a_quiet_tier_tells_the_time),
        CASE(one_that_tells_no_more_counts_no_more),
        CASE(a_clock_that_was_set_is_judged_anew),
        CASE(a_clock_that_is_steered_is_not_set),
    };
    return cmocka_run_group_tests_name("exchange_clock", tests, NULL, NULL);
}
