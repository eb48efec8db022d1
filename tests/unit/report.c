/* SPDX-License-Identifier: ISC */
#include "conf/report.h"

#include <string.h>

#include "tests/unit/unit.h"

static const char *line(const struct report *report, size_t i)
{
    bool warning;

    return report_line(report, i, &warning);
}

static void lines_of_a_file_stand_together(void **state)
{
    struct report *report = report_new();

    (void)state;
    report_error(report, "a", 7, "seven");
    report_error(report, "b", 1, "other");
    report_warn(report, "a", 3, "three");
    report_error(report, "a", 7, "seven too");
    report_error(report, "a", 0, "whole");
    assert_int_equal(report_count(report), 5);
    assert_string_equal(line(report, 0), "a: whole");
    assert_string_equal(line(report, 1), "a:3: warning: three");
    assert_string_equal(line(report, 2), "a:7: seven");
    assert_string_equal(line(report, 3), "a:7: seven too");
    assert_string_equal(line(report, 4), "b:1: other");
    assert_int_equal(report_errors(report), 4);
    assert_int_equal(report_warnings(report), 1);
    report_free(report);
}

static void the_same_thing_is_said_once(void **state)
{
    struct report *report = report_new();

    (void)state;
    report_error(report, "a", 1, "wrong: %d", 1);
    report_error(report, "a", 1, "wrong: %d", 1);
    report_error(report, "a", 1, "wrong: %d", 2);
    assert_int_equal(report_errors(report), 2);
    assert_true(report_has_error(report, "a", 1));
    assert_false(report_has_error(report, "a", 2));
    assert_false(report_has_error(report, "b", 1));
    report_free(report);
}

static void too_many_are_counted(void **state)
{
    struct report *report = report_new();

    (void)state;
    for (unsigned i = 1; i <= REPORT_MAX + 10; i++)
        report_error(report, "a", i, "wrong");
    assert_int_equal(report_count(report), REPORT_MAX);
    assert_int_equal(report_errors(report), REPORT_MAX + 10);
    report_free(report);
}

static void errors_come_before_warnings(void **state)
{
    struct report *report = report_new();

    (void)state;
    for (unsigned i = 1; i <= REPORT_MAX; i++)
        report_warn(report, "a", i, "odd");
    report_error(report, "b", 1, "wrong");
    assert_int_equal(report_count(report), REPORT_MAX);
    assert_true(report_has_error(report, "b", 1));
    assert_int_equal(report_warnings(report), REPORT_MAX);
    report_free(report);
}

static void a_long_line_is_cut(void **state)
{
    struct report *report = report_new();
    char name[5000], text[5000];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    memset(text, 't', sizeof(text) - 1);
    name[sizeof(name) - 1] = text[sizeof(text) - 1] = '\0';
    report_error(report, "a", 1, "%s", text);
    report_error(report, name, 1, "%s", text);
    assert_int_equal(report_count(report), 2);
    assert_memory_equal(line(report, 0), "a:1: tttt", 9);
    report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_a_file_stand_together),
        cmocka_unit_test(the_same_thing_is_said_once),
        cmocka_unit_test(too_many_are_counted),
        cmocka_unit_test(errors_come_before_warnings),
        cmocka_unit_test(a_long_line_is_cut),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
