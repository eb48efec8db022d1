/* SPDX-License-Identifier: ISC */
#include "src/rate.h"

#include "tests/unit/unit.h"

static const mono_t BEGIN = {MONO_S(1000) + MONO_MS(100)};

static mono_t at(int64_t ms)
{
    return mono_after(BEGIN, MONO_MS(ms));
}

static void it_is_true_from_the_first_bytes_on(void **state)
{
    struct rate rate;

    (void)state;
    rate_begin(&rate, BEGIN);
    assert_int_equal(rate_read(&rate, BEGIN), 0);
    for (int ms = 10; ms <= 500; ms += 10)
        rate_add(&rate, at(ms), 1000);
    assert_in_range(rate_read(&rate, at(500)), 99000, 101000);
    for (int ms = 510; ms <= 20000; ms += 10)
        rate_add(&rate, at(ms), 1000);
    assert_in_range(rate_read(&rate, at(20000)), 95000, 101000);
}

static void it_falls_where_nothing_comes_and_ends_at_nothing(void **state)
{
    struct rate rate;
    uint64_t before;

    (void)state;
    rate_begin(&rate, BEGIN);
    for (int ms = 0; ms <= 5000; ms += 10)
        rate_add(&rate, at(ms), 1000);
    before = rate_read(&rate, at(5000));
    for (int ms = 5250; ms < 7000; ms += 250) {
        uint64_t now = rate_read(&rate, at(ms));
        assert_true(now < before);
        before = now;
    }
    assert_true(before > 0);
    assert_int_equal(rate_read(&rate, at(7100)), 0);
    assert_int_equal(rate_read(&rate, at(3600000)), 0);
}

static void it_goes_on_after_a_pause_of_any_length(void **state)
{
    (void)state;
    for (int pause = 0; pause < 5000; pause += 50) {
        struct rate rate;

        rate_begin(&rate, BEGIN);
        rate_add(&rate, at(0), 1000000);
        rate_add(&rate, at(3000 + pause), 1000);
        assert_in_range(rate_read(&rate, at(3000 + pause)), 500, 600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_true_from_the_first_bytes_on),
        cmocka_unit_test(it_falls_where_nothing_comes_and_ends_at_nothing),
        cmocka_unit_test(it_goes_on_after_a_pause_of_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
