/* SPDX-License-Identifier: ISC */
#include "src/replay.h"

#include <stdio.h>
#include <string.h>

#include "src/base/rng.h"
#include "tests/unit/unit.h"

static const mono_t start = {MONO_S(1000)};

static struct address host(uint8_t last)
{
    struct address a = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = last}};

    return a;
}

static enum replay_verdict take(struct replay *replay, mono_t now, const char *node, uint64_t boot,
                                uint64_t counter)
{
    struct address from = host(1), known;

    return replay_take(replay, now, span_of(node), boot, counter, &from, &known);
}

static void each_is_taken_once_in_any_order(void **state)
{
    static const uint64_t order[] = {5, 3, 4, 9, 6, 0, 1000, 1028, 8};
    struct replay *replay = replay_new();

    (void)state;
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
        assert_int_equal(take(replay, start, "a", 1, order[i]), REPLAY_FRESH);
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
        assert_int_equal(take(replay, start, "a", 1, order[i]), REPLAY_SEEN);
    assert_int_equal(take(replay, start, "b", 1, 5), REPLAY_FRESH);
    replay_free(replay);
}

static void what_fell_out_of_the_window_is_refused(void **state)
{
    struct replay *replay = replay_new();

    (void)state;
    assert_int_equal(take(replay, start, "a", 1, 5000), REPLAY_FRESH);
    assert_int_equal(take(replay, start, "a", 1, 5000 - REPLAY_WINDOW + 1), REPLAY_FRESH);
    assert_int_equal(take(replay, start, "a", 1, 5000 - REPLAY_WINDOW), REPLAY_SEEN);
    assert_int_equal(take(replay, start, "a", 1, UINT64_MAX), REPLAY_FRESH);
    assert_int_equal(take(replay, start, "a", 1, UINT64_MAX), REPLAY_SEEN);
    assert_int_equal(take(replay, start, "a", 1, 5001), REPLAY_SEEN);
    assert_int_equal(take(replay, start, "a", 1, UINT64_MAX - 1), REPLAY_FRESH);
    replay_free(replay);
}

/* Random counters around a moving top, against a list of all that was ever seen. */
static void the_window_never_takes_twice(void **state)
{
    enum { MOST = 30000 };
    static bool seen[MOST + 3000];
    struct replay_window window = {0};
    struct rng rng = {.state = 21};
    uint64_t top = 0;

    (void)state;
    for (uint64_t base = 0; base < MOST; base += rng_below(&rng, 3)) {
        uint64_t counter = base + rng_below(&rng, rng_below(&rng, 50) ? 900 : 3000);
        bool old = top >= REPLAY_WINDOW && counter <= top - REPLAY_WINDOW;
        assert_int_equal(replay_window_take(&window, counter), !seen[counter] && !old);
        seen[counter] = true;
        top = counter > top ? counter : top;
    }
}

static void a_higher_boot_replaces(void **state)
{
    struct replay *replay = replay_new();

    (void)state;
    assert_int_equal(take(replay, start, "a", 7, 100), REPLAY_FRESH);
    assert_int_equal(take(replay, start, "a", 8, 0), REPLAY_FRESH);
    assert_int_equal(take(replay, start, "a", 8, 0), REPLAY_SEEN);
    assert_int_equal(take(replay, start, "a", 7, 101), REPLAY_OLD_BOOT);
    assert_int_equal(take(replay, start, "a", 8, 1), REPLAY_FRESH);
    replay_free(replay);
}

static void a_lower_boot_is_taken_after_silence(void **state)
{
    struct replay *replay = replay_new();
    mono_t later = mono_after(start, REPLAY_SILENCE);

    (void)state;
    assert_int_equal(take(replay, start, "a", 8, 5), REPLAY_FRESH);
    assert_int_equal(take(replay, mono_after(later, -1), "a", 7, 5), REPLAY_OLD_BOOT);
    assert_int_equal(take(replay, later, "a", 7, 5), REPLAY_FRESH);
    assert_int_equal(take(replay, later, "a", 7, 5), REPLAY_SEEN);
    replay_free(replay);
}

/* A recording of an earlier life is taken after silence; the one of the present life is not. */
static void what_the_highest_boot_said_is_never_taken_twice(void **state)
{
    struct replay *replay = replay_new();
    mono_t later = mono_after(start, REPLAY_SILENCE);

    (void)state;
    assert_int_equal(take(replay, start, "a", 8, 5), REPLAY_FRESH);
    assert_int_equal(take(replay, later, "a", 7, 5), REPLAY_FRESH);
    assert_int_equal(take(replay, later, "a", 8, 5), REPLAY_SEEN);
    assert_int_equal(take(replay, later, "a", 7, 5), REPLAY_SEEN);
    assert_int_equal(take(replay, later, "a", 8, 6), REPLAY_FRESH);
    replay_free(replay);
}

static void two_nodes_of_one_name_are_told_apart(void **state)
{
    struct replay *replay = replay_new();
    struct address one = host(1), two = host(2), known;

    (void)state;
    assert_int_equal(replay_take(replay, start, span_of("a"), 8, 1, &one, &known), REPLAY_FRESH);
    assert_int_equal(replay_take(replay, start, span_of("a"), 7, 1, &two, &known), REPLAY_OLD_BOOT);
    assert_true(address_same(&known, &one));
    replay_free(replay);
}

static void the_longest_unheard_makes_room(void **state)
{
    struct replay *replay = replay_new();
    char node[32];

    (void)state;
    for (int i = 0; i < REPLAY_NODES; i++) {
        snprintf(node, sizeof(node), "n%d", i);
        assert_int_equal(take(replay, start, node, 1, 1), REPLAY_FRESH);
    }
    assert_int_equal(take(replay, start, "n0", 1, 2), REPLAY_FRESH);
    assert_int_equal(take(replay, start, "one more", 1, 1), REPLAY_FRESH);
    assert_int_equal(take(replay, start, "n0", 1, 2), REPLAY_SEEN);
    assert_int_equal(take(replay, start, "n2", 1, 1), REPLAY_SEEN);
    assert_int_equal(take(replay, start, "n1", 1, 1), REPLAY_FRESH); /* it was forgotten */
    replay_free(replay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_taken_once_in_any_order),
        cmocka_unit_test(what_fell_out_of_the_window_is_refused),
        cmocka_unit_test(the_window_never_takes_twice),
        cmocka_unit_test(a_higher_boot_replaces),
        cmocka_unit_test(a_lower_boot_is_taken_after_silence),
        cmocka_unit_test(what_the_highest_boot_said_is_never_taken_twice),
        cmocka_unit_test(two_nodes_of_one_name_are_told_apart),
        cmocka_unit_test(the_longest_unheard_makes_room),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
