/* SPDX-License-Identifier: ISC */
#include "conf/keys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static const char good[] = "5f0c1c2e6f1b4a3f8d8e0fd8c8b1b1bb2d7f5e0e4b2c47a1990d8a6f3c5b7e21";

/* Parses the text; the report is left in *report. */
static bool parse(const char *text, struct keys *keys, struct report **report)
{
    *report = report_new();
    return keys_parse(span_of(text), "keys", keys, *report);
}

static void one_key_a_line_the_first_first(void **state)
{
    struct report *report;
    struct keys keys;

    (void)state;
    assert_true(parse("# old and new\n\n  first-key-of-the-cluster \r\n\tsecond key, with blanks\n",
                      &keys, &report));
    assert_int_equal(keys.count, 2);
    assert_true(span_is(keys.list[0], "first-key-of-the-cluster"));
    assert_true(span_is(keys.list[1], "second key, with blanks"));
    assert_false(keys.any);
    assert_int_equal(report_count(report), 0);
    keys_clear(&keys);
    assert_int_equal(keys.count, 0);
    report_free(report);
}

static void any_is_no_key(void **state)
{
    struct report *report;
    struct keys keys;

    (void)state;
    assert_true(parse("+ANY+\n", &keys, &report));
    assert_int_equal(keys.count, 0);
    assert_true(keys.any);
    assert_int_equal(report_warnings(report), 1);
    keys_clear(&keys);
    report_free(report);
}

static void a_file_without_a_key_is_an_error(void **state)
{
    static const char *const empty[] = {"", "\n\n", "# none\n"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct report *report;
        struct keys keys;
        assert_false(parse(empty[i], &keys, &report));
        assert_null(keys.memory);
        assert_int_equal(report_errors(report), 1);
        report_free(report);
    }
}

static void malformed_lines_are_refused(void **state)
{
    char longest[KEY_LEN_MAX + 2];
    struct span nul = {"a-key-with-\0-in-it", 18};
    struct report *report;
    struct keys keys;

    (void)state;
    memset(longest, 'k', sizeof(longest));
    longest[KEY_LEN_MAX] = '\0';
    assert_true(parse(longest, &keys, &report));
    keys_clear(&keys);
    report_free(report);

    longest[KEY_LEN_MAX] = 'k';
    longest[KEY_LEN_MAX + 1] = '\0';
    assert_false(parse(longest, &keys, &report));
    report_free(report);

    assert_false(parse("a-key-with-\x01-in-it", &keys, &report));
    report_free(report);
    assert_false(parse("a-key-with-a-comment  # behind it", &keys, &report));
    report_free(report);

    report = report_new();
    assert_false(keys_parse(nul, "keys", &keys, report));
    report_free(report);
}

static void at_most_sixteen(void **state)
{
    char memory[2048];
    struct text text = TEXT_OVER(memory);
    struct report *report;
    struct keys keys;

    (void)state;
    for (int i = 0; i < KEYS_LIST_MAX; i++)
        text_printf(&text, "key-number-%d-of-many\n", i);
    assert_true(parse(memory, &keys, &report));
    assert_int_equal(keys.count, KEYS_LIST_MAX);
    keys_clear(&keys);
    report_free(report);

    text_puts(&text, "one-key-too-many-for-us\n");
    assert_false(parse(memory, &keys, &report));
    assert_true(report_has_error(report, "keys", KEYS_LIST_MAX + 1));
    report_free(report);
}

/* Writes the good key to a new file of this mode; its name is the caller's to unlink. */
static void write_file(char path[], mode_t mode)
{
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, good, strlen(good)), strlen(good));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void nobody_else_may_read_or_write_it(void **state)
{
    static const mode_t wrong[] = {0644, 0604, 0620, 0602, 0610, 0660};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        char path[] = "/tmp/pond-keys-XXXXXX";
        struct report *report = report_new();
        struct keys keys;
        bool warning;
        write_file(path, wrong[i]);
        assert_false(keys_read(path, &keys, report));
        assert_non_null(strstr(report_line(report, 0, &warning), "chmod 600"));
        unlink(path);
        report_free(report);
    }
}

static void its_owner_and_a_reading_group_may(void **state)
{
    static const mode_t right[] = {0600, 0400, 0640, 0440};

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
        char path[] = "/tmp/pond-keys-XXXXXX";
        struct report *report = report_new();
        struct keys keys;
        write_file(path, right[i]);
        assert_true(keys_read(path, &keys, report));
        assert_true(span_is(keys.list[0], good));
        assert_int_equal(report_count(report), 0);
        keys_clear(&keys);
        unlink(path);
        report_free(report);
    }
}

static void a_new_key_is_a_good_one(void **state)
{
    char one[KEY_NEW_SIZE], other[KEY_NEW_SIZE];
    struct report *report;
    struct keys keys;

    (void)state;
    assert_true(key_new(one));
    assert_true(key_new(other));
    assert_string_not_equal(one, other);
    assert_true(parse(one, &keys, &report));
    assert_int_equal(keys.count, 1);
    assert_int_equal(report_count(report), 0);
    keys_clear(&keys);
    report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_a_line_the_first_first),
        cmocka_unit_test(any_is_no_key),
        cmocka_unit_test(a_file_without_a_key_is_an_error),
        cmocka_unit_test(malformed_lines_are_refused),
        cmocka_unit_test(at_most_sixteen),
        cmocka_unit_test(nobody_else_may_read_or_write_it),
        cmocka_unit_test(its_owner_and_a_reading_group_may),
        cmocka_unit_test(a_new_key_is_a_good_one),
    };
    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
