/* SPDX-License-Identifier: ISC */
#include "src/skew.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static const struct exchange_clock RIGHT = {.heard = 3, .ahead_ms = 40};
static const struct exchange_clock BEHIND = {
    .heard = 3, .ahead_ms = -92001, .differs = true, .off = true};
static const struct exchange_clock AHEAD = {
    .heard = 2, .ahead_ms = 60001, .differs = true, .off = true};
static const struct exchange_clock DOUBTED = {.heard = 1, .ahead_ms = 60001, .differs = true};

/* What it logged. */
static char logged[1024];

static bool judge(struct skew *skew, const struct exchange_clock *clock)
{
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    size_t len;
    bool changed;

    assert_non_null(file);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    changed = skew_judge(skew, clock);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    rewind(file);
    len = fread(logged, 1, sizeof(logged) - 1, file);
    logged[len] = '\0';
    fclose(file);
    return changed;
}

static void it_says_once_that_the_clock_is_off(void **state)
{
    struct skew skew = {0};
    char sentence[SKEW_SENTENCE_SIZE];

    (void)state;
    assert_false(judge(&skew, &RIGHT));
    assert_string_equal(logged, "");
    assert_false(skew_sentence(&skew, sentence));
    assert_string_equal(sentence, "");
    assert_true(judge(&skew, &BEHIND));
    assert_true(skew_sentence(&skew, sentence));
    assert_string_equal(sentence,
                        "this node's clock is 93 s behind the median of those that it hears: put "
                        "and rm are refused until it is right; mend its NTP");
    assert_non_null(strstr(logged, sentence));
    assert_non_null(strstr(logged, "hears 3"));
    assert_false(judge(&skew, &BEHIND));
    assert_string_equal(logged, "");
}

static void it_says_so_when_it_is_right_again(void **state)
{
    struct skew skew = {0};
    char sentence[SKEW_SENTENCE_SIZE];

    (void)state;
    assert_true(judge(&skew, &AHEAD));
    assert_non_null(strstr(logged, "61 s ahead of the median"));
    assert_true(judge(&skew, &RIGHT));
    assert_non_null(strstr(logged, "taken again"));
    assert_false(skew_sentence(&skew, sentence));
    assert_false(judge(&skew, &RIGHT));
    assert_string_equal(logged, "");
}

static void between_two_nodes_it_only_warns(void **state)
{
    struct skew skew = {0};
    char sentence[SKEW_SENTENCE_SIZE];

    (void)state;
    assert_false(judge(&skew, &DOUBTED));
    assert_non_null(strstr(logged, "61 s ahead of that of the only other node"));
    assert_false(skew_sentence(&skew, sentence));
    assert_false(judge(&skew, &DOUBTED));
    assert_string_equal(logged, "");
    assert_true(judge(&skew, &AHEAD));
    assert_true(judge(&skew, &DOUBTED));
    assert_non_null(strstr(logged, "only other node"));
}

static void the_longest_offset_fits_the_sentence(void **state)
{
    struct skew skew = {0};
    struct exchange_clock clock = {.heard = SIZE_MAX, .differs = true, .off = true};
    char sentence[SKEW_SENTENCE_SIZE];

    (void)state;
    clock.ahead_ms = -INT64_MAX;
    assert_true(judge(&skew, &clock));
    assert_true(skew_sentence(&skew, sentence));
    assert_non_null(strstr(sentence, "is 9223372036854776 s behind"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_once_that_the_clock_is_off),
        cmocka_unit_test(it_says_so_when_it_is_right_again),
        cmocka_unit_test(between_two_nodes_it_only_warns),
        cmocka_unit_test(the_longest_offset_fits_the_sentence),
    };
    return cmocka_run_group_tests_name("skew", tests, NULL, NULL);
}
