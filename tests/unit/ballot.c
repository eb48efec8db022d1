/* SPDX-License-Identifier: ISC */
#include "election/ballot.h"

#include "tests/unit/unit.h"

static struct ballot_rank rank(uint16_t demotion, uint32_t base_us, uint8_t skew, const char *host)
{
    struct ballot_rank rank = {.demotion = demotion, .pair = {base_us, skew}};

    assert_true(address_parse(span_of(host), 65028, &rank.address));
    return rank;
}

/* The first is the better, whichever way they are compared. */
static void better(struct ballot_rank a, struct ballot_rank b)
{
    assert_true(ballot_compare(&a, &b) < 0);
    assert_true(ballot_compare(&b, &a) > 0);
    assert_int_equal(ballot_compare(&a, &a), 0);
}

static void an_interval_is_base_and_256ths_of_a_second(void **state)
{
    (void)state;
    assert_int_equal(ballot_interval((struct ballot_pair){1000000, 0}), 1000000000);
    assert_int_equal(ballot_interval((struct ballot_pair){10000, 128}), 510000000);
    assert_true(ballot_interval((struct ballot_pair){UINT32_MAX, 255}) >
                INT64_C(4295) * 1000000000);
}

static void demotion_counts_before_all_else(void **state)
{
    (void)state;
    better(rank(0, 2000000, 255, "10.0.0.9"), rank(1, 10000, 0, "10.0.0.1"));
}

static void then_the_smaller_interval_however_it_is_written(void **state)
{
    (void)state;
    better(rank(0, 1000000, 0, "10.0.0.9"), rank(0, 1000000, 1, "10.0.0.1"));
    better(rank(0, 1000000, 255, "10.0.0.9"), rank(0, 2000000, 0, "10.0.0.1"));
    better(rank(0, 1500000, 0, "10.0.0.9"), rank(0, 1000000, 129, "10.0.0.1"));
    better(rank(0, 1500000, 0, "10.0.0.1"), rank(0, 1000000, 128, "10.0.0.2"));
}

static void then_the_lower_address_as_16_bytes_without_its_port(void **state)
{
    struct ballot_rank a = rank(0, 1000000, 0, "10.0.0.1"), b = a;

    (void)state;
    better(a, rank(0, 1000000, 0, "10.0.0.2"));
    better(rank(0, 1000000, 0, "10.0.0.9"), rank(0, 1000000, 0, "10.0.0.10"));
    better(a, rank(0, 1000000, 0, "fd00::1"));
    b.address.port = 1;
    assert_int_equal(ballot_compare(&a, &b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interval_is_base_and_256ths_of_a_second),
        cmocka_unit_test(demotion_counts_before_all_else),
        cmocka_unit_test(then_the_smaller_interval_however_it_is_written),
        cmocka_unit_test(then_the_lower_address_as_16_bytes_without_its_port),
    };
    return cmocka_run_group_tests_name("ballot", tests, NULL, NULL);
}
