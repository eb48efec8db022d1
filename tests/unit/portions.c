/* SPDX-License-Identifier: ISC */
#include "src/portions.h"

#include <pthread.h>

#include "tests/unit/unit.h"

enum { WHOLE = 1600, OTHERS = 1200, HOST = 400 };

static struct portions *portions;

static int start(void **state)
{
    (void)state;
    portions = portions_new(&(struct portions_most){WHOLE, OTHERS, HOST});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    assert_int_equal(portions_taken(portions), 0);
    portions_free(portions);
    return 0;
}

static struct address host(unsigned number)
{
    return (struct address){
        .ip = {[10] = 0xff, [11] = 0xff, [14] = (uint8_t)(number >> 8), [15] = (uint8_t)number},
        .port = (uint16_t)(number * 7)};
}

static bool take(unsigned number, uint64_t amount)
{
    struct address who = host(number);

    return portions_take(portions, &who, amount);
}

static void give(unsigned number, uint64_t amount)
{
    struct address who = host(number);

    who.port++;
    portions_give(portions, &who, amount);
}

/* As much as it gets, one by one. */
static uint64_t take_all(unsigned number)
{
    uint64_t had = 0;

    while (take(number, 1))
        had++;
    return had;
}

static void one_host_has_its_part(void **state)
{
    (void)state;
    assert_false(take(1, HOST + 1));
    assert_false(take(1, UINT64_MAX));
    assert_true(take(1, HOST));
    assert_false(take(1, 1));
    assert_true(take(2, 1));
    give(1, 10);
    assert_false(take(1, 11));
    assert_true(take(1, 10));
    give(1, HOST);
    give(2, 1);
}

static void our_own_has_all_that_is_left(void **state)
{
    (void)state;
    assert_true(take(1, HOST));
    assert_false(portions_take(portions, NULL, WHOLE - HOST + 1));
    assert_true(portions_take(portions, NULL, WHOLE - HOST));
    assert_false(take(2, 1));
    portions_give(portions, NULL, WHOLE - HOST);
    assert_true(take(2, 1));
    assert_false(portions_take(portions, NULL, UINT64_MAX));
    give(1, HOST);
    give(2, 1);
}

static void greedy_hosts_leave_some_for_the_next(void **state)
{
    enum { GREEDY = 6 };
    uint64_t had[GREEDY], all = 0;

    (void)state;
    for (unsigned i = 0; i < GREEDY; i++) {
        had[i] = take_all(i);
        all += had[i];
        assert_true(had[i] > 0 && had[i] <= HOST && had[i] <= OTHERS - all + 1);
    }
    assert_true(portions_take(portions, NULL, WHOLE - OTHERS));
    portions_give(portions, NULL, WHOLE - OTHERS);
    for (unsigned i = 0; i < GREEDY; i++)
        give(i, had[i]);
}

/* All that others may have, but for what one leaves free who has as much as the rest. */
static void many_small_ones_fill_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OTHERS - 1; i++)
        assert_true(take(i, 1));
    assert_false(take(OTHERS, 1));
    assert_true(portions_take(portions, NULL, WHOLE - OTHERS));
    for (unsigned i = 0; i < OTHERS - 1; i++)
        give(i, 1);
    portions_give(portions, NULL, WHOLE - OTHERS);
}

static void what_was_not_given_back_goes_with_it(void **state)
{
    struct portions *left = portions;

    portions_take(left, NULL, 7);
    take(1, 2);
    take(1025, 3);
    assert_int_equal(portions_taken(left), 12);
    portions_free(left);
    start(state);
}

static void nothing_is_had_by_all(void **state)
{
    (void)state;
    assert_true(portions_take(portions, NULL, WHOLE));
    assert_true(take(1, 0));
    give(1, 0);
    portions_give(portions, NULL, WHOLE);
}

static void *take_and_give(void *arg)
{
    unsigned number = *(unsigned *)arg;

    for (unsigned i = 0; i < 20000; i++) {
        if (take(number, 100))
            give(number, 100);
    }
    return NULL;
}

/* Nothing is left over: see stop(). */
static void threads_do_not_mix_it_up(void **state)
{
    unsigned numbers[4] = {1, 1, 2, 1025};
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &numbers[i]), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(one_host_has_its_part),
        CASE(our_own_has_all_that_is_left),
        CASE(greedy_hosts_leave_some_for_the_next),
        CASE(many_small_ones_fill_it),
        CASE(what_was_not_given_back_goes_with_it),
        CASE(nothing_is_had_by_all),
        CASE(threads_do_not_mix_it_up),
    };
    return cmocka_run_group_tests_name("portions", tests, NULL, NULL);
}
