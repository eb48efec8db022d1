/* SPDX-License-Identifier: ISC */
#include "cache/sum.h"

#include "tests/unit/unit.h"

static struct manifest entry(const char *name, uint64_t version, uint8_t content)
{
    struct manifest manifest = {.version = {version}};

    assert_true(span_copy(span_of(name), manifest.name, sizeof(manifest.name)));
    manifest.sha256.bytes[31] = content;
    return manifest;
}

static struct digest digest_over(const struct manifest *list, size_t count)
{
    uint64_t lanes[SUM_LANES] = {0};

    for (size_t i = 0; i < count; i++)
        sum_add(lanes, &list[i]);
    return sum_digest(lanes);
}

static void the_order_does_not_count(void **state)
{
    struct manifest there[] = {entry("d/a", 1, 1), entry("d/b", 2, 2), entry("d/c", 3, 3)};
    struct manifest back[] = {there[2], there[0], there[1]};
    struct digest one = digest_over(there, 3), other = digest_over(back, 3);

    (void)state;
    assert_true(digest_same(&one, &other));
}

static void name_version_and_content_count(void **state)
{
    struct manifest base = entry("d/a", 1, 1);
    struct manifest others[] = {entry("d/b", 1, 1), entry("d/a", 2, 1), entry("d/a", 1, 2)};
    struct digest digest = digest_over(&base, 1), none = digest_over(NULL, 0);

    (void)state;
    assert_false(digest_same(&digest, &none));
    for (size_t i = 0; i < 3; i++) {
        struct digest other = digest_over(&others[i], 1);
        assert_false(digest_same(&digest, &other));
    }
}

/* Two of the same do not cancel each other out. */
static void what_is_added_twice_is_not_gone(void **state)
{
    struct manifest twice[] = {entry("d/a", 1, 1), entry("d/a", 1, 1)};
    struct digest two = digest_over(twice, 2), none = digest_over(NULL, 0);

    (void)state;
    assert_false(digest_same(&two, &none));
}

static void what_was_added_can_be_taken_out(void **state)
{
    struct manifest list[] = {entry("d/a", 1, 1), entry("d/b", 2, 2)};
    uint64_t lanes[SUM_LANES] = {0};
    struct digest left, first = digest_over(list, 1);

    (void)state;
    sum_add(lanes, &list[1]);
    sum_add(lanes, &list[0]);
    sum_subtract(lanes, &list[1]);
    left = sum_digest(lanes);
    assert_true(digest_same(&left, &first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_does_not_count),
        cmocka_unit_test(name_version_and_content_count),
        cmocka_unit_test(what_is_added_twice_is_not_gone),
        cmocka_unit_test(what_was_added_can_be_taken_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
