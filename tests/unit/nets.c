/* SPDX-License-Identifier: ISC */
#include "conf/nets.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct address address_of(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 0, &a));
    return a;
}

static struct nets *parse(const char *text)
{
    struct report *report = report_new();
    struct nets *nets = nets_parse(span_of(text), "folder/paris", report);

    assert_non_null(nets);
    assert_int_equal(report_errors(report), 0);
    report_free(report);
    return nets;
}

/* On which line does the member stand that holds the address? 0: on none. */
static unsigned line_of(const struct nets *nets, const char *address)
{
    struct address a = address_of(address);
    const struct nets_member *member = nets_find(nets, &a);

    return member ? member->line : 0;
}

static void the_file_names_the_tier(void **state)
{
    struct nets *nets = parse("udp 10.1.1.1\n");

    (void)state;
    assert_string_equal(nets->tier, "paris");
    assert_string_equal(nets->file, "folder/paris");
    assert_false(nets->roles);
    nets_free(nets);
}

static void lines_have_comments_blanks_and_either_end(void **state)
{
    struct nets *nets =
        parse("# all\r\n\r\n\t udp\t 10.1.1.1 \t# one\r\nudp 10.1.1.2#two\nudp fd00::1");

    (void)state;
    assert_int_equal(nets->count, 3);
    assert_int_equal(nets->members[0].line, 3);
    assert_int_equal(nets->members[1].line, 4);
    assert_int_equal(nets->members[2].line, 5);
    nets_free(nets);
}

static void the_longest_prefix_wins(void **state)
{
    struct nets *nets = parse("udp 10.0.0.0/8\nudp 10.27.4.0/24\nudp 10.27.4.1\nudp fd00::/16\n"
                              "udp fd00:1::/64\n");

    (void)state;
    assert_int_equal(line_of(nets, "10.27.4.1"), 3);
    assert_int_equal(line_of(nets, "10.27.4.2"), 2);
    assert_int_equal(line_of(nets, "10.28.4.2"), 1);
    assert_int_equal(line_of(nets, "11.0.0.1"), 0);
    assert_int_equal(line_of(nets, "fd00:1::5"), 5);
    assert_int_equal(line_of(nets, "fd00:2::5"), 4);
    nets_free(nets);
}

static void everyone_of_one_family_is_not_everyone(void **state)
{
    struct nets *four = parse("udp 0.0.0.0/0\n"), *six = parse("udp ::/0\n");

    (void)state;
    assert_int_equal(line_of(four, "192.0.2.1"), 1);
    assert_int_equal(line_of(four, "2001:db8::1"), 0);
    assert_int_equal(line_of(six, "2001:db8::1"), 1);
    assert_int_equal(line_of(six, "192.0.2.1"), 0);
    nets_free(four);
    nets_free(six);
}

static void roles_are_read(void **state)
{
    struct nets *nets = parse("udp 10.27.4.1 master\nudp 10.27.4.0/24 slave\n");
    struct address own[] = {address_of("192.0.2.1"), address_of("10.27.4.9"),
                            address_of("10.27.4.1")};
    size_t at;

    (void)state;
    assert_true(nets->roles);
    assert_int_equal(nets->members[0].role, NETS_CANDIDATE);
    assert_int_equal(nets->members[1].role, NETS_SLAVE);
    assert_int_equal(nets_find_own(nets, own, 3, &at)->role, NETS_CANDIDATE);
    assert_int_equal(at, 2);
    assert_int_equal(nets_find_own(nets, own, 2, &at)->role, NETS_SLAVE);
    assert_int_equal(at, 1);
    assert_null(nets_find_own(nets, own, 1, &at));
    nets_free(nets);
}

/* Each of these has one error, at this place. */
static void faults_have_their_place(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
    } wrong[] = {
        {"", 0},
        {"# nobody\n", 0},
        {"udp\n", 1},
        {"udp 10.1.1.1\n10.1.1.2\n", 2},
        {"udp 10.1.1.1\ntcp 10.1.1.2\n", 2},
        {"udp 10.1.1.1 peer\n", 1},
        {"udp 10.1.1.1 master now\n", 1},
        {"udp 10.1.1.1:65027\n", 1},
        {"udp 10.1.1\n", 1},
        {"udp 10.1.1.1/32/32\n", 1},
        {"udp 10.1.1.1/24\n", 1},
        {"udp fd00::1/64\n", 1},
        {"udp fd00::/129\n", 1},
        {"udp 0.0.0.0\n", 1},
        {"udp ::\n", 1},
        {"udp 239.1.1.1\n", 1},
        {"udp ff02::1\n", 1},
        {"udp 10.1.1.1\nudp 10.1.1.2\nudp 10.1.1.1\n", 3},
        {"udp 10.1.1.1\nudp ::ffff:10.1.1.1\n", 2},
        {"udp 10.1.0.0/16 slave\nudp 10.1.0.1 master\nudp 10.1.0.1 slave\n", 3},
        {"udp 10.1.0.0/16 master\n", 1},
        {"udp 10.1.0.1\nudp 10.1.0.2 slave\n", 2},
        {"udp 10.1.0.1 master\nudp 10.1.0.2\n", 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct report *report = report_new();
        struct nets *nets = nets_parse(span_of(wrong[i].text), "nets", report);
        if (nets || report_errors(report) != 1 || !report_has_error(report, "nets", wrong[i].line))
            fail_msg("%s", wrong[i].text);
        report_free(report);
    }
}

static void all_faults_come_in_one_run(void **state)
{
    struct report *report = report_new();

    (void)state;
    assert_null(
        nets_parse(span_of("upd 10.1.1.1\nudp x\nudp 10.1.1.1/8\nudp 10.1.1.1\n"), "nets", report));
    assert_int_equal(report_errors(report), 3);
    report_free(report);
}

static void a_tier_without_a_name_is_refused(void **state)
{
    static const char *const wrong[] = {
        "folder/", "folder/a\nb", "folder/ paris",
        "nets/0123456789012345678901234567890123456789012345678901234567890123456789"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct report *report = report_new();
        assert_null(nets_parse(span_of("udp 10.1.1.1\n"), wrong[i], report));
        report_free(report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_names_the_tier),
        cmocka_unit_test(lines_have_comments_blanks_and_either_end),
        cmocka_unit_test(the_longest_prefix_wins),
        cmocka_unit_test(everyone_of_one_family_is_not_everyone),
        cmocka_unit_test(roles_are_read),
        cmocka_unit_test(faults_have_their_place),
        cmocka_unit_test(all_faults_come_in_one_run),
        cmocka_unit_test(a_tier_without_a_name_is_refused),
    };
    return cmocka_run_group_tests_name("nets", tests, NULL, NULL);
}
