/* SPDX-License-Identifier: ISC */
#include "src/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/log.h"
#include "tests/unit/unit.h"

enum { MINUTE_MS = 65536 };

static int set_up(void **state)
{
    char *home = strdup("/tmp/pond-state-XXXXXX");

    log_set_level(LEVEL_ERROR);
    assert_non_null(mkdtemp(home));
    *state = home;
    return 0;
}

static void path_in(const char *home, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", home, name);
}

static int tear_down(void **state)
{
    char path[256];

    path_in(*state, "state", path);
    unlink(path);
    path_in(*state, "state.new", path);
    unlink(path);
    assert_int_equal(rmdir(*state), 0);
    free(*state);
    return 0;
}

static uint64_t start(const char *home, int64_t ms)
{
    uint64_t boot = 0;

    assert_true(state_open(home, (wall_t){ms}, &boot));
    return boot;
}

static void put_file(const char *home, const char *text)
{
    char path[256];
    FILE *file;

    path_in(home, "state", path);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void each_start_is_above_the_last(void **state)
{
    uint64_t first = start(*state, 1000), second = start(*state, 1000);

    assert_in_range(first, 1000, 1000 + MINUTE_MS);
    assert_in_range(second, first + 1, first + 1 + MINUTE_MS);
    assert_in_range(start(*state, 2000000), 2000000, 2000000 + MINUTE_MS);
}

static void a_clock_that_was_stepped_back_changes_nothing(void **state)
{
    uint64_t before = start(*state, 4000000000), after = start(*state, 1);

    assert_in_range(after, before + 1, before + 1 + MINUTE_MS);
    assert_true(start(*state, -5) > after);
}

static void a_malformed_file_counts_as_lost(void **state)
{
    static const char *const wrong[] = {
        "",
        "\n",
        "boot: 5000000\n",
        "carpond state 1\nboot: 5000000",
        "carpond state 1\nboot: 5000000x\n",
        "carpond state 1\nboot: -1\n",
        "carpond state 1\nboot: 5000000\nlater: 1",
        "carpond state 1\nboot: 18446744073709551615\n",
        "carpond state 2\nboot: 5000000\n",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        put_file(*state, wrong[i]);
        assert_in_range(start(*state, 100), 100, 100 + MINUTE_MS);
    }
    put_file(*state, "carpond state 1\nboot: 5000000\n");
    assert_in_range(start(*state, 100), 5000001, 5000001 + MINUTE_MS);
    put_file(*state, "carpond state 1\nboot: 5000000\nlater: 1\n");
    assert_in_range(start(*state, 100), 5000001, 5000001 + MINUTE_MS);
}

static void a_home_put_back_under_a_clock_that_stands_gives_other_boots(void **state)
{
    uint64_t first, other;

    put_file(*state, "carpond state 1\nboot: 5000000\n");
    first = other = start(*state, 100);
    for (int i = 0; i < 8 && other == first; i++) {
        put_file(*state, "carpond state 1\nboot: 5000000\n");
        other = start(*state, 100);
    }
    assert_int_not_equal(first, other);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    char path[256];
    uint64_t boot;

    path_in(*state, "missing", path);
    assert_false(state_open(path, (wall_t){0}, &boot));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_start_is_above_the_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_clock_that_was_stepped_back_changes_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_malformed_file_counts_as_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_home_put_back_under_a_clock_that_stands_gives_other_boots,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_is_not_there_is_an_error, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
