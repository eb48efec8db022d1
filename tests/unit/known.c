/* SPDX-License-Identifier: ISC */
#include "src/known.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct exchange_local version_of(uint64_t bits)
{
    return (struct exchange_local){.known = true, .held = true, .version = {bits}};
}

static bool knows(const struct known *known, uint64_t edition, const char *name, uint64_t bits)
{
    struct exchange_local local;

    if (!known_find(known, edition, span_of(name), &local))
        return false;
    assert_true(local.known && local.held);
    assert_int_equal(local.version.bits, bits);
    return true;
}

static void note(struct known *known, uint64_t edition, const char *name, uint64_t bits)
{
    struct exchange_local local = version_of(bits);

    known_note(known, edition, span_of(name), &local);
}

static void what_was_noted_is_found_in_its_edition_alone(void **state)
{
    struct known *known = known_new();

    (void)state;
    assert_false(knows(known, 0, "", 0));
    assert_false(knows(known, 0, "example.com/x", 0));
    note(known, 7, "example.com/x", 1);
    assert_true(knows(known, 7, "example.com/x", 1));
    assert_false(knows(known, 8, "example.com/x", 1));
    assert_false(knows(known, 6, "example.com/x", 1));
    assert_false(knows(known, 7, "example.com/xx", 1));
    assert_false(knows(known, 7, "example.com/", 1));
    note(known, 8, "example.com/x", 2);
    assert_true(knows(known, 8, "example.com/x", 2));
    known_free(known);
}

static void that_a_name_is_unknown_is_known_too(void **state)
{
    struct known *known = known_new();
    struct exchange_local local = {.known = false}, found = version_of(1);

    (void)state;
    known_note(known, 1, span_of("example.com/none"), &local);
    assert_true(known_find(known, 1, span_of("example.com/none"), &found));
    assert_false(found.known);
    known_free(known);
}

static void those_that_share_a_place_are_not_mixed_up(void **state)
{
    struct known *known = known_new();
    char name[64];
    int found = 0;

    (void)state;
    for (int i = 0; i < 8 * KNOWN_ROWS; i++) {
        snprintf(name, sizeof(name), "example.com/%d", i);
        note(known, 1, name, (uint64_t)i + 1);
    }
    for (int i = 0; i < 8 * KNOWN_ROWS; i++) {
        snprintf(name, sizeof(name), "example.com/%d", i);
        found += knows(known, 1, name, (uint64_t)i + 1);
    }
    assert_true(found > 0 && found <= KNOWN_ROWS);
    known_free(known);
}

static void a_long_name_is_looked_up_each_time(void **state)
{
    struct known *known = known_new();
    char name[KNOWN_NAME_MAX + 2];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[KNOWN_NAME_MAX + 1] = '\0';
    note(known, 1, name, 5);
    assert_false(knows(known, 1, name, 5));
    name[KNOWN_NAME_MAX] = '\0';
    note(known, 1, name, 6);
    assert_true(knows(known, 1, name, 6));
    known_free(known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_noted_is_found_in_its_edition_alone),
        cmocka_unit_test(that_a_name_is_unknown_is_known_too),
        cmocka_unit_test(those_that_share_a_place_are_not_mixed_up),
        cmocka_unit_test(a_long_name_is_looked_up_each_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
