/* SPDX-License-Identifier: ISC */
#include "src/base/calendar.h"

#include <time.h>

#include "src/base/rng.h"
#include "tests/unit/unit.h"

static void assert_same_as_libc(int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct calendar date;
    struct tm tm;
    int64_t back;

    calendar_of(seconds, &date);
    assert_non_null(gmtime_r(&t, &tm));
    assert_int_equal(date.year, tm.tm_year + 1900);
    assert_int_equal(date.month, tm.tm_mon);
    assert_int_equal(date.day, tm.tm_mday);
    assert_int_equal(date.hour, tm.tm_hour);
    assert_int_equal(date.minute, tm.tm_min);
    assert_int_equal(date.second, tm.tm_sec);
    assert_int_equal(date.weekday, tm.tm_wday);
    assert_true(calendar_seconds(&date, &back));
    assert_int_equal(back, seconds);
}

static void agrees_with_gmtime(void **state)
{
    const int64_t first = -62135596800, last = 253402300799;
    struct rng rng = {.state = 3};

    (void)state;
    for (int64_t day = first; day <= last; day += 86400)
        assert_same_as_libc(day);
    for (int i = 0; i < 200000; i++)
        assert_same_as_libc(first + (int64_t)rng_below(&rng, (uint64_t)(last - first + 1)));
    assert_same_as_libc(first);
    assert_same_as_libc(last);
}

static void what_lies_outside_is_cut(void **state)
{
    struct calendar date;

    (void)state;
    calendar_of(INT64_MAX, &date);
    assert_int_equal(date.year, 9999);
    assert_int_equal(date.second, 59);
    calendar_of(INT64_MIN, &date);
    assert_int_equal(date.year, 1);
    assert_int_equal(date.second, 0);
}

static void days_that_do_not_exist_are_refused(void **state)
{
    static const struct calendar wrong[] = {
        {2026, 1, 29},          {2100, 1, 29},    {2026, 3, 31},    {2026, 12, 1},
        {2026, -1, 1},          {0, 0, 1},        {10000, 0, 1},    {2026, 0, 0},
        {2026, 0, 32},          {2026, 0, 1, 24}, {2026, 0, 1, -1}, {2026, 0, 1, 0, 60},
        {2026, 0, 1, 0, 0, 61},
    };
    static const struct calendar leap = {2024, 1, 29, 23, 59, 60};
    int64_t seconds;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_false(calendar_seconds(&wrong[i], &seconds));
    assert_true(calendar_seconds(&leap, &seconds));
    assert_int_equal(seconds, 1709251199);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_gmtime),
        cmocka_unit_test(what_lies_outside_is_cut),
        cmocka_unit_test(days_that_do_not_exist_are_refused),
    };
    return cmocka_run_group_tests_name("calendar", tests, NULL, NULL);
}
