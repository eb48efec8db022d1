/* SPDX-License-Identifier: ISC */
#include "cache/name.h"

#include <string.h>

#include "src/base/rng.h"
#include "tests/unit/unit.h"

#define DOMAIN "example.com"

struct row {
    const char *text;
    enum name_verdict verdict;
};

static void whole_names_are_checked(void **state)
{
    static const struct row rows[] = {
        {"example.com/a", NAME_OK},
        {"example.com/pkgs/foo bar.tar.gz", NAME_OK},
        {"example.com/...", NAME_OK},
        {"example.com/.hidden", NAME_OK},
        {"example.com/\xc3\xa4", NAME_OK},
        {"", NAME_EMPTY},
        {"example.com", NAME_OTHER_DOMAIN},
        {"example.com/", NAME_BAD_PART},
        {"example.org/a", NAME_OTHER_DOMAIN},
        {"example.com.evil/a", NAME_OTHER_DOMAIN},
        {"Example.com/a", NAME_OTHER_DOMAIN},
        {"/example.com/a", NAME_BAD_PART},
        {"example.com//a", NAME_BAD_PART},
        {"example.com/a/", NAME_BAD_PART},
        {"example.com/./a", NAME_BAD_PART},
        {"example.com/a/..", NAME_BAD_PART},
        {"example.com/../../etc/passwd", NAME_BAD_PART},
        {"example.com/a\nb", NAME_BAD_CHARACTER},
        {"example.com/a\x7f", NAME_BAD_CHARACTER},
        {"example.com/\xff", NAME_BAD_CHARACTER},
        {"example.com/\xc0\xaf", NAME_BAD_CHARACTER}, /* an overlong slash */
        {"example.com/\xed\xa0\x80", NAME_BAD_CHARACTER},
        {"example.com/\xc2\x85", NAME_BAD_CHARACTER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(name_check(span_of(rows[i].text), DOMAIN), rows[i].verdict);
}

static void a_name_has_a_longest_length(void **state)
{
    char name[NAME_SIZE + 1], target[NAME_SIZE + 2], out[NAME_SIZE];

    (void)state;
    memset(name, 'x', sizeof(name));
    memcpy(name, DOMAIN "/", sizeof(DOMAIN));
    assert_int_equal(name_check((struct span){name, NAME_MAX_LEN}, DOMAIN), NAME_OK);
    assert_int_equal(name_check((struct span){name, NAME_MAX_LEN + 1}, DOMAIN), NAME_TOO_LONG);
    target[0] = '/';
    memcpy(target + 1, name, sizeof(name));
    assert_int_equal(name_from_target((struct span){target, NAME_MAX_LEN + 1}, DOMAIN, out),
                     NAME_OK);
    assert_int_equal(strlen(out), NAME_MAX_LEN);
    assert_int_equal(name_from_target((struct span){target, NAME_MAX_LEN + 2}, DOMAIN, out),
                     NAME_TOO_LONG);
}

static void the_domain_may_be_left_out(void **state)
{
    char out[NAME_SIZE];

    (void)state;
    assert_int_equal(name_complete(span_of("pkgs/a"), DOMAIN, out), NAME_OK);
    assert_string_equal(out, "example.com/pkgs/a");
    assert_int_equal(name_complete(span_of("example.com/pkgs/a"), DOMAIN, out), NAME_OK);
    assert_string_equal(out, "example.com/pkgs/a");
    assert_int_equal(name_complete(span_of("example.org/a"), DOMAIN, out), NAME_OK);
    assert_string_equal(out, "example.com/example.org/a");
    assert_int_equal(name_complete(span_of(""), DOMAIN, out), NAME_EMPTY);
    assert_int_equal(name_complete(span_of("example.com"), DOMAIN, out), NAME_EMPTY);
    assert_int_equal(name_complete(span_of("example.com/"), DOMAIN, out), NAME_EMPTY);
    assert_int_equal(name_complete(span_of("/etc/passwd"), DOMAIN, out), NAME_BAD_PART);
    assert_int_equal(name_complete(span_of("a/../b"), DOMAIN, out), NAME_BAD_PART);
}

static void targets_are_decoded_and_then_checked(void **state)
{
    static const struct row rows[] = {
        {"/example.com/a%20b", NAME_OK},
        {"/example.com/a%2fb", NAME_OK},
        {"/example.com/%C3%a4", NAME_OK},
        {"example.com/a", NAME_BAD_PART},
        {"", NAME_BAD_PART},
        {"/", NAME_EMPTY},
        {"//example.com/a", NAME_BAD_PART},
        {"/example.com/%2e%2e/a", NAME_BAD_PART},
        {"/example.com/..%2F..%2fetc", NAME_BAD_PART},
        {"/example.com/a%00b", NAME_BAD_CHARACTER},
        {"/example.com/%zz", NAME_BAD_ESCAPE},
        {"/example.com/%4", NAME_BAD_ESCAPE},
        {"/example.com/%", NAME_BAD_ESCAPE},
        {"/example.com/%0a", NAME_BAD_CHARACTER},
        {"/example.com/%ff", NAME_BAD_CHARACTER},
        {"http://evil/x", NAME_BAD_PART},
    };
    char out[NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(name_from_target(span_of(rows[i].text), DOMAIN, out), rows[i].verdict);
    assert_int_equal(name_from_target(span_of("/example.com/a%20%2541+b"), DOMAIN, out), NAME_OK);
    assert_string_equal(out, "example.com/a %41+b");
}

static void targets_are_encoded(void **state)
{
    char memory[64];
    struct text out = TEXT_OVER(memory);

    (void)state;
    name_to_target(span_of("example.com/a b%?#\xc3\xa4+~"), &out);
    assert_string_equal(memory, "/example.com/a%20b%25%3F%23%C3%A4+~");
}

/* Whatever bytes a name has: where it is a valid name, its target reads back as the same. */
static void every_valid_name_survives_its_target(void **state)
{
    struct rng rng = {.state = 7};
    char name[64] = DOMAIN "/", target[256], out[NAME_SIZE];

    (void)state;
    for (int round = 0; round < 100000; round++) {
        struct text encoded = TEXT_OVER(target);
        size_t len = sizeof(DOMAIN);
        for (size_t more = 1 + rng_below(&rng, 6); more > 0; more--)
            name[len++] = (char)rng_below(&rng, 256);
        if (name_check((struct span){name, len}, DOMAIN) != NAME_OK)
            continue;
        name_to_target((struct span){name, len}, &encoded);
        assert_int_equal(name_from_target((struct span){target, encoded.len}, DOMAIN, out),
                         NAME_OK);
        assert_int_equal(strlen(out), len);
        assert_memory_equal(out, name, len);
    }
}

static void prefixes_are_cut_at_slashes(void **state)
{
    (void)state;
    assert_true(name_below(span_of("a/b"), span_of("a/b")));
    assert_true(name_below(span_of("a/b/c"), span_of("a/b")));
    assert_true(name_below(span_of("a/b/c"), span_of("a/b/")));
    assert_true(name_below(span_of("a/b"), span_of("")));
    assert_false(name_below(span_of("a/bc"), span_of("a/b")));
    assert_false(name_below(span_of("a"), span_of("a/b")));
}

static void base_is_behind_the_last_slash(void **state)
{
    (void)state;
    assert_true(span_is(name_base(span_of("a/b/c.txt")), "c.txt"));
    assert_true(span_is(name_base(span_of("c.txt")), "c.txt"));
}

static void node_names_are_host_names(void **state)
{
    char longest[NODE_MAX_LEN + 1];

    (void)state;
    memset(longest, 'n', sizeof(longest));
    assert_true(node_name_ok(span_of("web-7.paris_2.Example.com")));
    assert_true(node_name_ok((struct span){longest, NODE_MAX_LEN}));
    assert_false(node_name_ok((struct span){longest, NODE_MAX_LEN + 1}));
    assert_false(node_name_ok(span_of("")));
    assert_false(node_name_ok(span_of("a b")));
    assert_false(node_name_ok(span_of("a\"b")));
    assert_false(node_name_ok(span_of("a/b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_names_are_checked),
        cmocka_unit_test(a_name_has_a_longest_length),
        cmocka_unit_test(the_domain_may_be_left_out),
        cmocka_unit_test(targets_are_decoded_and_then_checked),
        cmocka_unit_test(targets_are_encoded),
        cmocka_unit_test(every_valid_name_survives_its_target),
        cmocka_unit_test(prefixes_are_cut_at_slashes),
        cmocka_unit_test(base_is_behind_the_last_slash),
        cmocka_unit_test(node_names_are_host_names),
    };
    return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
