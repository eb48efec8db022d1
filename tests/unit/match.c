/* SPDX-License-Identifier: ISC */
#include "conf/match.h"

#include "tests/unit/unit.h"

static void rules_of_isconf(void **state)
{
    static const struct {
        const char *match, *name;
        bool fits;
    } rows[] = {
        {"web1", "web1", true},
        {"web1", "web1.example.com", true},
        {"web1", "web10.example.com", false},
        {"web10", "web1", false},
        {"web1.example.com", "web1.example.com", true},
        {"web1.example.com", "web1", false},
        {"web1.example.com", "web1.example.com.net", false},
        {"web1.", "web1.", true},
        {"example.com", "web1.example.com", false},
        {"^web[0-9]+\\.", "web12.example.com", true},
        {"^web[0-9]+\\.", "web12", false},
        {"^web", "web12.example.com", true},
        {"^web(1|2)$", "web2", true},
        {"^eb", "web", false},
        {"^", "anything", true},
        {"web.*", "web1", false}, /* no regular expression without ^ */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (match_fits(rows[i].match, rows[i].name) != rows[i].fits)
            fail_msg("%s, %s", rows[i].match, rows[i].name);
}

static void what_cannot_match_is_refused(void **state)
{
    char why[MATCH_WHY_SIZE];

    (void)state;
    assert_true(match_check("web1", why));
    assert_true(match_check("^web[0-9]+\\.", why));
    assert_false(match_check("", why));
    assert_false(match_check("^web[0-9", why));
    assert_string_not_equal(why, "");
    assert_false(match_check("^(", why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_isconf),
        cmocka_unit_test(what_cannot_match_is_refused),
    };
    return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
