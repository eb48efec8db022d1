/* SPDX-License-Identifier: ISC */
#include "tools/pond/args.h"

#include <string.h>

#include "tests/unit/unit.h"

enum { ARGC_MAX = 16, COMPLAINT_SIZE = 512 };

static const struct command list[] = {
    {"get", "NAME", "", "",
     OPTION_BIT(OPTION_OUTPUT) | OPTION_BIT(OPTION_FORCE) | OPTION_BIT(OPTION_NEWEST) |
         OPTION_BIT(OPTION_VERSION),
     1, 1, NULL},
    {"put", "FILE [NAME]", "", "", OPTION_BIT(OPTION_TIMEOUT), 1, 2, NULL},
    {"status", "", "", "", OPTION_BIT(OPTION_JSON), 0, 0, NULL},
};
static const struct commands commands = {list, 3};

/* The words of `line`, cut at blanks, as a command line. */
static bool read_line(const char *line, struct args *out, char complaint[COMPLAINT_SIZE])
{
    static char copy[256];
    char *argv[ARGC_MAX] = {copy}, *save = NULL;
    struct text text = text_over(complaint, COMPLAINT_SIZE);
    int argc = 0;

    assert_true(span_copy(span_of(line), copy, sizeof(copy)));
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    return args_read(&commands, argc, argv, out, &text);
}

static void options_stand_anywhere(void **state)
{
    static const char *const lines[] = {
        "pond --home /h get -f -o out a/b",  "pond get a/b --home=/h -oout -f",
        "pond get --home /h -fo out a/b",    "pond get -f -oout --home /h -- a/b",
        "pond --home=/h get a/b -f -o out ",
    };
    char complaint[COMPLAINT_SIZE];
    struct args args;

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        assert_true(read_line(lines[i], &args, complaint));
        assert_ptr_equal(args.command, &list[0]);
        assert_string_equal(args.words[0], "a/b");
        assert_string_equal(args.value[OPTION_HOME], "/h");
        assert_string_equal(args.value[OPTION_OUTPUT], "out");
        assert_true(args_given(&args, OPTION_FORCE));
        assert_false(args_given(&args, OPTION_NEWEST));
    }
}

static void dash_is_a_word_and_a_value(void **state)
{
    char complaint[COMPLAINT_SIZE];
    struct args args;

    (void)state;
    assert_true(read_line("pond put - name", &args, complaint));
    assert_string_equal(args.words[0], "-");
    assert_true(read_line("pond get -o - name", &args, complaint));
    assert_string_equal(args.value[OPTION_OUTPUT], "-");
    assert_true(read_line("pond get -- -name", &args, complaint));
    assert_string_equal(args.words[0], "-name");
}

static void version_is_the_commands_where_it_has_one(void **state)
{
    char complaint[COMPLAINT_SIZE];
    struct args args;

    (void)state;
    assert_true(read_line("pond --version", &args, complaint));
    assert_true(args_given(&args, OPTION_PROGRAM));
    assert_true(read_line("pond get --version 1.0 a", &args, complaint));
    assert_string_equal(args.value[OPTION_VERSION], "1.0");
    assert_false(args_given(&args, OPTION_PROGRAM));
    assert_true(read_line("pond status --version", &args, complaint));
    assert_true(args_given(&args, OPTION_PROGRAM));
}

static void help_needs_no_words(void **state)
{
    char complaint[COMPLAINT_SIZE];
    struct args args;

    (void)state;
    assert_true(read_line("pond --help", &args, complaint));
    assert_null(args.command);
    assert_true(read_line("pond get -h", &args, complaint));
    assert_true(args_given(&args, OPTION_HELP));
}

static void wrong_usage_is_explained(void **state)
{
    static const struct {
        const char *line, *complaint;
    } wrong[] = {
        {"pond", "a command is missing (see pond --help)"},
        {"pond gte a", "there is no command gte; did you mean get? (see pond --help)"},
        {"pond xyzzy", "there is no command xyzzy (see pond --help)"},
        {"pond get", "get: an argument is missing: it wants NAME (see pond get --help)"},
        {"pond get a b", "get: one argument too many: b (see pond get --help)"},
        {"pond status x", "status: one argument too many: x (see pond status --help)"},
        {"pond get a --newst",
         "get: there is no option --newst here; did you mean --newest? (see pond get --help)"},
        {"pond get a -x", "get: there is no option -x here (see pond get --help)"},
        {"pond get a -fx", "get: there is no option -x here (see pond get --help)"},
        {"pond get a -o", "get: -o wants a value: -o FILE (see pond get --help)"},
        {"pond put a --timeout", "put: --timeout wants a value: --timeout S (see pond put --help)"},
        {"pond get a --newest=1", "get: --newest takes no value (see pond get --help)"},
        {"pond status -f", "status: there is no option -f here (see pond status --help)"},
        {"pond --json status", "there is no option --json here (see pond --help)"},
    };
    char complaint[COMPLAINT_SIZE];
    struct args args;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_false(read_line(wrong[i].line, &args, complaint));
        assert_string_equal(complaint, wrong[i].complaint);
    }
}

static void usage_is_one_line(void **state)
{
    char usage[128];
    struct text text = TEXT_OVER(usage);

    (void)state;
    args_usage(&list[0], &text);
    assert_string_equal(usage, "pond get NAME [-o FILE] [-f] [--newest] [--version V]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(dash_is_a_word_and_a_value),
        cmocka_unit_test(version_is_the_commands_where_it_has_one),
        cmocka_unit_test(help_needs_no_words),
        cmocka_unit_test(wrong_usage_is_explained),
        cmocka_unit_test(usage_is_one_line),
    };
    return cmocka_run_group_tests_name("pond_args", tests, NULL, NULL);
}
