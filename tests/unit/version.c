/* SPDX-License-Identifier: ISC */
#include "cache/version.h"

#include "src/base/rng.h"
#include "tests/unit/unit.h"

static struct version version_of(uint64_t ms, uint64_t counter)
{
    return (struct version){ms << 16 | counter};
}

static void text_is_read_back(void **state)
{
    struct version v = version_of(1795348800123, 7), back;
    char text[VERSION_TEXT_SIZE];

    (void)state;
    assert_string_equal(version_text(v, text), "1795348800123.7");
    assert_true(version_parse(span_of(text), &back));
    assert_true(version_same(v, back));
}

static void malformed_text_is_refused(void **state)
{
    static const char *const wrong[] = {
        "", ".", "1", "1.", ".1", "1.65536", "281474976710656.0", "1.2.3", "-1.0", "1.0 ", "0x1.0",
    };
    struct version v;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_false(version_parse(span_of(wrong[i]), &v));
}

static void next_is_above_clock_and_all_it_saw(void **state)
{
    struct version_clock clock = {VERSION_NONE};
    struct version first = version_next(&clock, (wall_t){1000}, VERSION_NONE);
    struct version stepped_back = version_next(&clock, (wall_t){500}, VERSION_NONE);
    struct version above = version_next(&clock, (wall_t){600}, version_of(2000, 65535));

    (void)state;
    assert_true(version_same(first, version_of(1000, 0)));
    assert_true(version_same(stepped_back, version_of(1000, 1)));
    assert_true(version_same(above, version_of(2001, 0)));
}

static void a_minute_ahead_is_the_limit(void **state)
{
    (void)state;
    assert_false(version_is_ahead(version_of(160000, 0), (wall_t){100000}));
    assert_true(version_is_ahead(version_of(160001, 0), (wall_t){100000}));
}

/* The wall clock was ahead, and has been put right: only what is above a version from then is ahead
 * any more. */
static void what_was_given_ahead_of_a_right_clock_is_forgotten(void **state)
{
    struct version_clock clock = {VERSION_NONE};
    struct version ahead = version_next(&clock, (wall_t){900000}, VERSION_NONE), next;

    (void)state;
    version_forget_ahead(&clock, (wall_t){840000}); /* no more than a minute */
    assert_true(version_same(clock.last, ahead));
    version_forget_ahead(&clock, (wall_t){100000});
    next = version_next(&clock, (wall_t){100000}, VERSION_NONE);
    assert_true(version_same(next, version_of(100000, 0)));
    assert_true(version_newer(version_next(&clock, (wall_t){100000}, ahead), ahead));
}

/* Under random steps of the wall clock and random versions from elsewhere, what the clock gives
 * always rises. */
static void always_rises(void **state)
{
    struct rng rng = {.state = 42};
    struct version_clock clock = {VERSION_NONE};
    struct version last = VERSION_NONE;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        wall_t now = {(int64_t)rng_below(&rng, 100000)};
        struct version than = version_of(rng_below(&rng, 100000), rng_below(&rng, 65536));
        struct version next = version_next(&clock, now, than);
        assert_true(version_newer(next, last));
        assert_true(version_newer(next, than));
        last = next;
    }
}

static void what_has_no_version_orders_by_its_time_below_all_that_has(void **state)
{
    struct version_clock clock = {VERSION_NONE};
    struct version early = version_of_mtime(0), late = version_of_mtime(VERSION_MTIME_MAX);
    struct version now = version_next(&clock, (wall_t){INT64_C(1795348800000)}, late), over;

    (void)state;
    assert_true(version_newer(early, VERSION_NONE) && version_newer(late, early));
    assert_true(version_newer(version_of_mtime(2), version_of_mtime(1)));
    assert_true(version_newer(now, late));
    assert_true(version_is_unverified(early) && version_is_unverified(late));
    assert_false(version_is_unverified(now) || version_is_unverified(VERSION_NONE));
    clock = (struct version_clock){VERSION_NONE}; /* even where the clock stands in 1970 */
    over = version_next(&clock, (wall_t){5}, late);
    assert_true(version_newer(over, late) && !version_is_unverified(over));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_no_version_orders_by_its_time_below_all_that_has),
        cmocka_unit_test(text_is_read_back),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(next_is_above_clock_and_all_it_saw),
        cmocka_unit_test(a_minute_ahead_is_the_limit),
        cmocka_unit_test(what_was_given_ahead_of_a_right_clock_is_forgotten),
        cmocka_unit_test(always_rises),
    };
    return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
