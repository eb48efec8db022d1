/* SPDX-License-Identifier: ISC */
#include "src/lru.h"

#include "src/base/rng.h"
#include "tests/unit/unit.h"

static void the_longest_unused_goes_first(void **state)
{
    struct lru *lru = lru_new(3);
    bool over;

    (void)state;
    assert_int_equal(lru_take(lru, 10, &over), 0);
    assert_int_equal(lru_take(lru, 11, &over), 1);
    assert_int_equal(lru_take(lru, 12, &over), 2);
    assert_false(over);
    lru_use(lru, 0);
    assert_int_equal(lru_take(lru, 13, &over), 1);
    assert_true(over);
    assert_int_equal(lru_first(lru, 11), LRU_NONE);
    assert_int_equal(lru_first(lru, 13), 1);
    assert_int_equal(lru_take(lru, 14, &over), 2);
    assert_int_equal(lru_take(lru, 15, &over), 0);
    lru_free(lru);
}

static void equal_hashes_are_kept_apart(void **state)
{
    struct lru *lru = lru_new(4);
    bool over;
    int row;

    (void)state;
    lru_take(lru, 5, &over);
    lru_take(lru, 5 + 4, &over); /* the same head, another hash */
    lru_take(lru, 5, &over);
    row = lru_first(lru, 5);
    assert_int_equal(row, 2);
    row = lru_next(lru, row);
    assert_int_equal(row, 0);
    assert_int_equal(lru_next(lru, row), LRU_NONE);
    lru_free(lru);
}

/* Against a list that is searched from end to end. */
static void behaves_as_a_plain_list_does(void **state)
{
    enum { CAP = 13 };
    struct lru *lru = lru_new(CAP);
    struct rng rng = {.state = 9};
    uint64_t key[CAP] = {0}, used[CAP] = {0};

    (void)state;
    for (uint64_t now = 1; now < 100000; now++) {
        uint64_t wanted = 1 + rng_below(&rng, 40);
        int row = lru_first(lru, wanted), plain = LRU_NONE, oldest = 0;
        bool over;
        for (int i = 0; i < CAP; i++) {
            plain = key[i] == wanted ? i : plain;
            oldest = used[i] < used[oldest] ? i : oldest;
        }
        assert_int_equal(row, plain);
        if (row == LRU_NONE) {
            row = lru_take(lru, wanted, &over);
            assert_int_equal(row, oldest);
            assert_int_equal(over, key[oldest] != 0);
        }
        lru_use(lru, row);
        key[row] = wanted;
        used[row] = now;
    }
    lru_free(lru);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_unused_goes_first),
        cmocka_unit_test(equal_hashes_are_kept_apart),
        cmocka_unit_test(behaves_as_a_plain_list_does),
    };
    return cmocka_run_group_tests_name("lru", tests, NULL, NULL);
}
