/* SPDX-License-Identifier: ISC */
#include "src/lone.h"

#include "tests/unit/unit.h"

#define DEAD MONO_S(3)

/* Each view a second after the one before it. */
struct story {
    struct lone lone;
    mono_t now;
};

static enum lone_news see(struct story *story, enum ballot_role role, uint32_t others,
                          uint32_t heard)
{
    struct view_tier view = {
        .role = role, .has_master = true, .others = others, .others_heard = heard};

    story->now = mono_after(story->now, MONO_S(1));
    return lone_judge(&story->lone, &view, DEAD, story->now);
}

/* How many seconds it takes until something is said; at most so many. */
static int until(struct story *story, enum lone_news wanted, uint32_t heard, int most)
{
    for (int s = 1; s <= most; s++) {
        enum lone_news news = see(story, BALLOT_MASTER, 1, heard);
        if (news == wanted)
            return s;
        assert_int_equal(news, LONE_NOTHING);
    }
    return -1;
}

static void a_master_alone_says_so_once(void **state)
{
    struct story story = {.now = {MONO_S(100)}};

    (void)state;
    assert_int_equal(until(&story, LONE_UNHEARD, 0, 10), 6); /* the first second begins it */
    assert_int_equal(until(&story, LONE_UNHEARD, 0, 2000), -1);
    assert_int_equal(see(&story, BALLOT_MASTER, 1, 1), LONE_BACKED);
    assert_int_equal(until(&story, LONE_BACKED, 1, 2000), -1);
    assert_int_equal(until(&story, LONE_UNHEARD, 0, 10), 6);
}

static void where_no_other_is_named_it_says_that(void **state)
{
    struct story story = {.now = {MONO_S(100)}};
    enum lone_news news = LONE_NOTHING;

    (void)state;
    for (int s = 0; s < 6; s++)
        news = see(&story, BALLOT_MASTER, 0, 0);
    assert_int_equal(news, LONE_UNLISTED);
}

static void a_start_is_given_time(void **state)
{
    struct story story = {.now = {MONO_S(100)}};

    (void)state;
    assert_int_equal(until(&story, LONE_UNHEARD, 0, 4), -1);
    assert_int_equal(see(&story, BALLOT_MASTER, 1, 1), LONE_NOTHING);
    assert_int_equal(see(&story, BALLOT_BACKUP, 1, 0), LONE_NOTHING);
}

/* Whoever becomes backup has a master beside it: nothing to say. */
static void who_loses_the_role_is_quiet(void **state)
{
    struct story story = {.now = {MONO_S(100)}};

    (void)state;
    assert_true(until(&story, LONE_UNHEARD, 0, 10) > 0);
    assert_int_equal(see(&story, BALLOT_BACKUP, 1, 1), LONE_NOTHING);
    assert_int_equal(see(&story, BALLOT_MASTER, 1, 1), LONE_NOTHING);
}

static void a_backup_that_comes_and_goes_makes_few_lines(void **state)
{
    struct story story = {.now = {MONO_S(100)}};
    int lines = 0;

    (void)state;
    for (int s = 0; s < 3600; s++)
        lines += see(&story, BALLOT_MASTER, 1, s % 20 >= 10) != LONE_NOTHING;
    assert_in_range(lines, 2, 2 * (3600 / (LONE_GAP_NS / MONO_S(1)) + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_master_alone_says_so_once),
        cmocka_unit_test(where_no_other_is_named_it_says_that),
        cmocka_unit_test(a_start_is_given_time),
        cmocka_unit_test(who_loses_the_role_is_quiet),
        cmocka_unit_test(a_backup_that_comes_and_goes_makes_few_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
