/* SPDX-License-Identifier: ISC */
#include "cache/slots.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/rng.h"
#include "tests/unit/unit.h"

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct slots));
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static mono_t at(int64_t ns)
{
    return (mono_t){ns};
}

static void keys_are_never_zero_and_depend_on_the_seed(void **state)
{
    (void)state;
    assert_int_not_equal(slots_key(0, ""), 0);
    assert_int_equal(slots_key(1, "a"), slots_key(1, "a"));
    assert_int_not_equal(slots_key(1, "a"), slots_key(1, "b"));
    assert_int_not_equal(slots_key(1, "a"), slots_key(2, "a"));
}

static void all_with_one_key_are_found(void **state)
{
    struct slots *slots = *state;
    int a = slots_take(slots, 4, 7, at(1)), b = slots_take(slots, 4, 8, at(1));
    int c = slots_take(slots, 4, 7, at(1));

    assert_int_equal(slots_find(slots, 7, 0), a);
    assert_int_equal(slots_find(slots, 7, a + 1), c);
    assert_int_equal(slots_find(slots, 7, c + 1), SLOTS_NONE);
    slots_free(slots, a);
    assert_int_equal(slots_find(slots, 7, 0), c);
    assert_int_equal(slots_find(slots, 8, 0), b);
}

static void a_full_table_refuses_or_gives_up_the_first_due(void **state)
{
    struct slots *slots = *state;

    for (int i = 0; i < 4; i++)
        assert_int_not_equal(slots_take(slots, 4, 10 + (uint64_t)i, at(100 - i)), SLOTS_NONE);
    assert_int_equal(slots_take(slots, 4, 20, at(0)), SLOTS_NONE);
    assert_int_not_equal(slots_take_over(slots, 4, 20, at(500)), SLOTS_NONE);
    assert_int_equal(slots_find(slots, 13, 0), SLOTS_NONE);
    assert_int_equal(slots->used, 4);
}

static void what_is_never_due_does_not_count(void **state)
{
    struct slots *slots = *state;

    slots_take(slots, 4, 1, MONO_NEVER);
    assert_int_equal(slots_first(slots), SLOTS_NONE);
    assert_true(slots_due(slots).ns == MONO_NEVER.ns);
}

/* Against the plainest thing that does the same: a list that is searched from end to end. */
static void behaves_as_a_list(void **state)
{
    enum { MOST = 16, STEPS = 100000 };
    struct slots *slots = *state;
    struct rng rng = {.state = 3};
    struct {
        uint64_t key;
        mono_t due;
    } model[MOST] = {{0}};

    for (int step = 0; step < STEPS; step++) {
        uint64_t key = 1 + rng_below(&rng, 5);
        int found = slots_find(slots, key, 0), first = SLOTS_NONE;
        mono_t due = at((int64_t)rng_below(&rng, 1000));

        if (found != SLOTS_NONE && rng_below(&rng, 2)) {
            slots_free(slots, found);
            model[found].key = 0;
        } else {
            int taken = slots_take(slots, MOST, key, due);
            if (taken != SLOTS_NONE) {
                assert_int_equal(model[taken].key, 0);
                model[taken].key = key;
                model[taken].due = due;
            }
        }
        for (int i = 0; i < MOST; i++)
            if (model[i].key && (first == SLOTS_NONE || model[i].due.ns < model[first].due.ns))
                first = i;
        assert_int_equal(slots_first(slots), first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_never_zero_and_depend_on_the_seed),
        cmocka_unit_test_setup_teardown(all_with_one_key_are_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_table_refuses_or_gives_up_the_first_due, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_never_due_does_not_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(behaves_as_a_list, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
