/* SPDX-License-Identifier: ISC */
#include "src/recent.h"

#include <stdio.h>
#include <string.h>

#include "src/base/text.h"
#include "tests/unit/unit.h"

static void the_latest_comes_first_and_the_oldest_goes(void **state)
{
    struct recent *recent = recent_new();
    struct recent_item items[RECENT_MAX];

    (void)state;
    assert_int_equal(recent_list(recent, items), 0);
    for (int i = 0; i < RECENT_MAX + 3; i++)
        recent_add(recent, (wall_t){1000 + i}, "event %d", i);
    assert_int_equal(recent_list(recent, items), RECENT_MAX);
    for (int i = 0; i < RECENT_MAX; i++) {
        char what[32];
        snprintf(what, sizeof(what), "event %d", RECENT_MAX + 2 - i);
        assert_string_equal(items[i].what, what);
        assert_int_equal(items[i].at.ms, 1000 + RECENT_MAX + 2 - i);
    }
    recent_free(recent);
}

/* Status is JSON, which has no place for half a character: it once ended the daemon. */
static void what_is_cut_stays_text(void **state)
{
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\x9f"};

    (void)state;
    for (size_t c = 0; c < 4; c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            struct recent *recent = recent_new();
            struct recent_item items[RECENT_MAX];
            char name[2 * RECENT_LEN];
            struct text text = TEXT_OVER(name);
            while (text.len + 4 < sizeof(name))
                text_puts(&text, characters[c]);
            recent_add(recent, (wall_t){1}, "%.*s%s", (int)shift, "...", name);
            assert_int_equal(recent_list(recent, items), 1);
            assert_true(span_is_plain_utf8(span_of(items[0].what)));
            assert_in_range(strlen(items[0].what), RECENT_LEN - 8, RECENT_LEN - 1);
            recent_free(recent);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_comes_first_and_the_oldest_goes),
        cmocka_unit_test(what_is_cut_stays_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
