/* SPDX-License-Identifier: ISC */
#include "conf/rules.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct rules *parse(const char *text)
{
    struct report *report = report_new();
    struct rules *rules = rules_parse(span_of(text), "rules", report);

    if (report_count(report))
        print_error("%s\n", report_line(report, 0, NULL));
    assert_non_null(rules);
    assert_int_equal(report_count(report), 0);
    report_free(report);
    return rules;
}

/* The rules in normal form, a line each. */
static void assert_printed(const char *text, const char *want)
{
    struct rules *rules = parse(text);
    char memory[2048];
    struct text out = TEXT_OVER(memory);

    for (size_t i = 0; i < rules->count; i++) {
        rule_print(&rules->list[i], &out);
        text_putc(&out, '\n');
    }
    assert_string_equal(memory, want);
    rules_free(rules);
}

static void assert_refused(const char *line, const char *want)
{
    struct report *report = report_new();
    bool warning = true;

    assert_null(rules_parse(span_of(line), "rules", report));
    if (report_errors(report) != 1 || !strstr(report_line(report, 0, &warning), want))
        print_error("%s: %s\n", line, report_line(report, 0, &warning));
    assert_int_equal(report_errors(report), 1);
    assert_non_null(strstr(report_line(report, 0, &warning), want));
    report_free(report);
}

static void the_six_columns_are_read(void **state)
{
    (void)state;
    assert_printed(
        "#  sign, local port, message,  namespace,  sender,  description\n"
        "rule001 = +,,,,,      log everything that passes\n"
        "\r\n"
        "rule010 = -,,sendme,example.com/secret,,  nobody fetches secrets\r\n"
        "  rule011=+ , 65028 , sendme , secret/ , 10.27.4.9 , but the vault, there, does\n"
        "rule020 = -,,,,sun.example.com,nothing from sun\n"
        "rule021 = -,,put,,fd00:1::/64,nothing is put from there",
        "rule001 = +,,,,, log everything that passes\n"
        "rule010 = -,,sendme,example.com/secret,, nobody fetches secrets\n"
        "rule011 = +,65028,sendme,secret,10.27.4.9, but the vault, there, does\n"
        "rule020 = -,,,,sun.example.com, nothing from sun\n"
        "rule021 = -,,put,,fd00:1::/64, nothing is put from there\n");
}

/* Names may: without the slash, the normal form would read as another. */
static void a_namespace_may_end_in_a_blank(void **state)
{
    (void)state;
    assert_printed("rule1 = -,,put,odd /,,x\nrule2 = -,,put,odd /a b/,,x\n",
                   "rule001 = -,,put,odd /,, x\nrule002 = -,,put,odd /a b,, x\n");
}

static void numbers_put_them_in_order(void **state)
{
    struct rules *rules = parse("rule20 = -,,,,,b\nrule3 = -,,,,,a\nrule100 = +,,,,,c\n");

    (void)state;
    assert_int_equal(rules->count, 3);
    assert_int_equal(rules->list[0].number, 3);
    assert_int_equal(rules->list[0].line, 2);
    assert_int_equal(rules->list[1].number, 20);
    assert_int_equal(rules->list[2].number, 100);
    rules_free(rules);
}

static void a_file_without_rules_is_good(void **state)
{
    struct rules *rules = parse("# none yet\n\n");

    (void)state;
    assert_int_equal(rules->count, 0);
    rules_free(rules);
}

static void every_message_has_its_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < RULE_MESSAGE_COUNT; i++) {
        enum rule_message message;
        const char *word = rule_message_name((enum rule_message)i);
        assert_true(rule_message_parse(span_of(word), &message));
        assert_int_equal(message, i);
    }
}

static void each_fault_has_its_line_and_what_would_be_right(void **state)
{
    (void)state;
    assert_refused("\nrule1 = +,,,,,a\nrule001 = -,,,,,b\n",
                   "rules:3: rule 1 stands on line 2 already");
    assert_refused("role1 = +,,,,,a", "rules:1: role1 begins no rule");
    assert_refused("rule = +,,,,,a", "has no number");
    assert_refused("rule1x = +,,,,,a", "has no number");
    assert_refused("rule1000000000 = +,,,,,a", "has no number");
    assert_refused("rule1 = *,,,,,a", "is no sign: it is + for");
    assert_refused("rule1 = ,,,,,a", "is no sign");
    assert_refused("rule1 = +,0,,,,a", "is no port");
    assert_refused("rule1 = +,65536,,,,a", "is no port");
    assert_refused("rule1 = +,,sendmee,,,a", "did you mean sendme?");
    assert_refused("rule1 = +,,,/,,a", "is no namespace");
    assert_refused("rule1 = +,,,a//,,a", "is no namespace");
    assert_refused("rule1 = +,,,/a,,a", "is no namespace");
    assert_refused("rule1 = +,,,a/../b,,a", "is no namespace");
    assert_refused("rule1 = +,,,a\x01,,a", "is no namespace");
    assert_refused("rule1 = +,,,,10.1.0.1/16,a", "write 10.1.0.0/16 for the network");
    assert_refused("rule1 = +,,,,10.1.0,a", "is no sender");
    assert_refused("rule1 = +,,,,a b,a", "is no sender");
    assert_refused("rule1 = +,,,,fe80::1%lo,a", "is no sender");
    assert_refused("rule1 = +,,,,,", "has no description");
    assert_refused("rule1 = +,,,,", "has 5 columns of the six");
    assert_refused("rule1", "has 1 columns of the six");
}

static void one_run_tells_all_that_is_wrong(void **state)
{
    struct report *report = report_new();

    (void)state;
    assert_null(rules_parse(span_of("rule1 = *,x,y,/,10.1,\nrule2 = *,,,,,b\n"), "rules", report));
    assert_int_equal(report_errors(report), 7);
    report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_six_columns_are_read),
        cmocka_unit_test(a_namespace_may_end_in_a_blank),
        cmocka_unit_test(numbers_put_them_in_order),
        cmocka_unit_test(a_file_without_rules_is_good),
        cmocka_unit_test(every_message_has_its_word),
        cmocka_unit_test(each_fault_has_its_line_and_what_would_be_right),
        cmocka_unit_test(one_run_tells_all_that_is_wrong),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
