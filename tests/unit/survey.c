/* SPDX-License-Identifier: ISC */
#include "cache/survey.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/sum.h"
#include "tests/unit/unit.h"

/* A catalogue as a list of names in their order, and another one that is compared with it. */
enum { NAMES_MAX = 400, SMALL = 4, PARTS = 8, PAGE = 3, REQUESTS_MAX = 400 };

struct catalogue {
    size_t count;
    struct manifest list[NAMES_MAX];
};

struct course {
    struct survey survey;
    struct survey_piece todo[4 * SURVEY_ROOM];
    const struct catalogue *ours;
    bool read[NAMES_MAX]; /* by the number in a name */
    unsigned requests;
};

static void add(struct catalogue *catalogue, unsigned number, uint64_t version)
{
    struct manifest *manifest = &catalogue->list[catalogue->count++];

    *manifest = (struct manifest){.version = {version}};
    snprintf(manifest->name, sizeof(manifest->name), "d/n%03u", number);
}

static struct catalogue *catalogue_new(unsigned count)
{
    struct catalogue *catalogue = calloc(1, sizeof(*catalogue));

    assert_non_null(catalogue);
    for (unsigned i = 0; i < count; i++)
        add(catalogue, i, 1);
    return catalogue;
}

static bool is_within(const struct manifest *manifest, struct span from, struct span to)
{
    struct span name = span_of(manifest->name);

    return (span_same(name, from) || survey_is_forward(from, name)) &&
           (!to.len || survey_is_forward(name, to));
}

static bool sum_own(void *arg, struct span from, struct span to, struct survey_part *out)
{
    const struct course *course = arg;
    uint64_t lanes[SUM_LANES] = {0};

    out->count = 0;
    for (size_t i = 0; i < course->ours->count; i++)
        if (is_within(&course->ours->list[i], from, to)) {
            out->count++;
            sum_add(lanes, &course->ours->list[i]);
        }
    out->digest = sum_digest(lanes);
    return true;
}

static void put_range(struct text *body, uint64_t count, uint64_t lanes[SUM_LANES],
                      const char *first)
{
    struct digest digest = sum_digest(lanes);
    char hex[DIGEST_HEX_SIZE];

    text_printf(body, "%" PRIu64 " %s %s\n", count, digest_hex(&digest, hex), first);
    memset(lanes, 0, SUM_LANES * sizeof(*lanes));
}

/* What an honest server says of its ranges. */
static void tell_ranges(const struct catalogue *theirs, const struct survey_piece *piece,
                        struct text *body)
{
    struct span from = span_of(piece->from), to = span_of(piece->to);
    uint64_t lanes[SUM_LANES] = {0}, all = 0, count = 0;
    const char *first = piece->from;

    for (size_t i = 0; i < theirs->count; i++)
        all += is_within(&theirs->list[i], from, to);
    for (size_t i = 0; i < theirs->count; i++) {
        if (!is_within(&theirs->list[i], from, to))
            continue;
        if (count == (all + PARTS - 1) / PARTS) {
            put_range(body, count, lanes, first);
            first = theirs->list[i].name;
            count = 0;
        }
        count++;
        sum_add(lanes, &theirs->list[i]);
    }
    put_range(body, count, lanes, first);
}

static enum survey_verdict read_page(struct course *course, const struct catalogue *theirs)
{
    const struct survey_piece piece = course->survey.piece;
    struct survey_piece covered;
    struct span last = span_of("");
    uint64_t count = 0;
    bool more = false;

    for (size_t i = 0; i < theirs->count && !more; i++) {
        const char *name = theirs->list[i].name;
        if (!is_within(&theirs->list[i], span_of(piece.from), span_of(piece.to)))
            continue;
        more = count == PAGE;
        if (more)
            continue;
        course->read[strtoul(name + 3, NULL, 10)] = true;
        last = span_of(name);
        count++;
    }
    return survey_page(&course->survey, count, last, more, &covered);
}

static struct course *course_new(const struct catalogue *ours)
{
    struct course *course = calloc(1, sizeof(*course));

    assert_non_null(course);
    course->ours = ours;
    course->survey.domain = "d";
    course->survey.small = SMALL;
    course->survey.todo = course->todo;
    course->survey.room = 4 * SURVEY_ROOM;
    survey_begin(&course->survey);
    return course;
}

static enum survey_verdict ranges(struct course *course, struct span body)
{
    const struct survey_own own = {.sum = sum_own, .arg = course};

    return survey_ranges(&course->survey, body, &own);
}

/* With an honest server, to its end. */
static struct course *compare(const struct catalogue *theirs, const struct catalogue *ours)
{
    struct course *course = course_new(ours);
    char memory[4096];

    while (survey_next(&course->survey)) {
        struct text body = TEXT_OVER(memory);
        course->requests++;
        assert_true(course->requests < REQUESTS_MAX);
        assert_int_equal(survey_answered(&course->survey, 7, 99), SURVEY_FINE);
        if (course->survey.piece.read) {
            assert_int_equal(read_page(course, theirs), SURVEY_FINE);
            continue;
        }
        tell_ranges(theirs, &course->survey.piece, &body);
        assert_int_equal(ranges(course, (struct span){body.at, body.len}), SURVEY_FINE);
    }
    assert_int_equal(course->survey.store_id, 7);
    assert_int_equal(course->survey.last, 99);
    return course;
}

static size_t count_read(const struct course *course)
{
    size_t count = 0;

    for (size_t i = 0; i < NAMES_MAX; i++)
        count += course->read[i];
    return count;
}

/* ---- honest servers -------------------------------------------------------------------------- */

static void the_same_costs_one_question(void **state)
{
    struct catalogue *both = catalogue_new(200);
    struct course *course = compare(both, both);

    (void)state;
    assert_int_equal(course->requests, 1);
    free(course);

    /* nor where it says itself that it is the same */
    course = course_new(both);
    assert_true(survey_next(&course->survey));
    assert_int_equal(survey_answered(&course->survey, 7, 99), SURVEY_FINE);
    assert_int_equal(ranges(course, span_of("")), SURVEY_FINE);
    assert_false(survey_next(&course->survey));
    free(course);
    free(both);
}

static void what_differs_is_read_and_little_else(void **state)
{
    struct catalogue *theirs = catalogue_new(200), *ours = catalogue_new(0);
    struct course *course;

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        if (i != 77) /* which we lack */
            add(ours, i, i == 150 ? 0 : 1);
    course = compare(theirs, ours);
    assert_true(course->read[77] && course->read[150]);
    assert_in_range(count_read(course), 2, 4 * SMALL);
    assert_in_range(course->requests, 3, 20);
    free(course);
    free(theirs);
    free(ours);
}

static void where_we_have_nothing_all_is_read(void **state)
{
    struct catalogue *theirs = catalogue_new(100), *ours = catalogue_new(0);
    struct course *course = compare(theirs, ours);

    (void)state;
    assert_int_equal(count_read(course), 100);
    free(course);
    free(theirs);
    free(ours);
}

/* What only we have is no reason to read anything again and again. */
static void what_they_lack_is_no_difference_for_ever(void **state)
{
    struct catalogue *theirs = catalogue_new(50), *ours = catalogue_new(200);
    struct course *course = compare(theirs, ours);

    (void)state;
    assert_in_range(course->requests, 1, 60);
    free(course);
    free(theirs);
    free(ours);
}

/* ---- others ---------------------------------------------------------------------------------- */

#define SOME " 0000000000000000000000000000000000000000000000000000000000000000 "

static void ranges_that_make_no_sense_are_found_out(void **state)
{
    static const char *const lies[] = {
        "x" SOME "\n",                           /* no number */
        "9 00 \n",                               /* no digest */
        "99999999999" SOME "\n",                 /* more than there can be */
        "9" SOME "d/a\n",                        /* does not begin where it was asked to */
        "9" SOME "\n9" SOME "e/a\n",             /* of another domain */
        "9" SOME "\n9" SOME "d/b\n9" SOME "d/a", /* backwards */
        "9" SOME "\n9" SOME "d/a\n9" SOME "d/a", /* twice */
    };
    struct catalogue *ours = catalogue_new(20);

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        struct course *course = course_new(ours);
        assert_true(survey_next(&course->survey));
        assert_int_equal(survey_answered(&course->survey, 7, 99), SURVEY_FINE);
        if (ranges(course, span_of(lies[i])) != SURVEY_WRONG_RANGES)
            fail_msg("lie %zu was not found out", i);
        free(course);
    }
    free(ours);
}

/* The second question is for one range: what lies beyond it is no answer. */
static void ranges_outside_are_found_out(void **state)
{
    struct catalogue *ours = catalogue_new(20);
    struct course *course = course_new(ours);

    (void)state;
    assert_true(survey_next(&course->survey));
    assert_int_equal(survey_answered(&course->survey, 7, 99), SURVEY_FINE);
    assert_int_equal(ranges(course, span_of("9" SOME "\n9" SOME "d/n010\n")), SURVEY_FINE);
    assert_true(survey_next(&course->survey));
    assert_string_equal(course->survey.piece.to, "d/n010");
    assert_int_equal(survey_answered(&course->survey, 7, 99), SURVEY_FINE);
    assert_int_equal(ranges(course, span_of("5" SOME "\n4" SOME "d/n010\n")), SURVEY_WRONG_RANGES);
    free(course);
    free(ours);
}

/* As many names as there were said to be, and as many again; and then it ends. */
static void pages_without_end_are_cut_off(void **state)
{
    struct catalogue *ours = catalogue_new(0);
    struct course *course = course_new(ours);
    struct survey_piece covered;
    enum survey_verdict verdict = SURVEY_FINE;
    unsigned pages = 0;

    (void)state;
    assert_true(survey_next(&course->survey));
    assert_int_equal(survey_answered(&course->survey, 7, 99), SURVEY_FINE);
    assert_int_equal(ranges(course, span_of("1000" SOME "\n")), SURVEY_FINE);
    while (verdict == SURVEY_FINE && survey_next(&course->survey)) {
        char name[32];
        snprintf(name, sizeof(name), "d/n%06u", pages++);
        assert_true(pages < 100);
        verdict = survey_page(&course->survey, 1000, span_of(name), true, &covered);
    }
    assert_int_equal(verdict, SURVEY_TOO_MUCH);
    free(course);
    free(ours);
}

static void a_page_that_does_not_go_on_is_found_out(void **state)
{
    struct catalogue *ours = catalogue_new(0);
    struct course *course = course_new(ours);
    struct survey_piece covered;

    (void)state;
    assert_true(survey_next(&course->survey));
    assert_int_equal(ranges(course, span_of("9" SOME "\n")), SURVEY_FINE);
    assert_true(survey_next(&course->survey));
    assert_int_equal(survey_page(&course->survey, 3, span_of("d/n003"), true, &covered),
                     SURVEY_FINE);
    assert_string_equal(covered.to, "d/n003");
    assert_true(survey_next(&course->survey));
    assert_int_equal(survey_page(&course->survey, 3, span_of("d/n003"), true, &covered),
                     SURVEY_WRONG_PAGE);
    free(course);
    free(ours);
}

static void whose_it_is_must_be_said_and_stay(void **state)
{
    struct catalogue *ours = catalogue_new(0);
    struct course *course = course_new(ours);

    (void)state;
    assert_true(survey_next(&course->survey));
    assert_int_equal(survey_answered(&course->survey, 0, 99), SURVEY_NO_STORE);
    assert_int_equal(survey_answered(&course->survey, 7, 99), SURVEY_FINE);
    assert_int_equal(ranges(course, span_of("9" SOME "\n")), SURVEY_FINE);
    assert_true(survey_next(&course->survey));
    assert_int_equal(survey_answered(&course->survey, 8, 99), SURVEY_OTHER_STORE);
    free(course);
    free(ours);
}

/* What changed since then is asked for later. */
static void an_answer_that_was_made_before_counts_from_there(void **state)
{
    struct catalogue *ours = catalogue_new(0);
    struct course *course = course_new(ours);

    (void)state;
    assert_true(survey_next(&course->survey));
    assert_int_equal(survey_answered(&course->survey, 7, 99), SURVEY_FINE);
    assert_int_equal(ranges(course, span_of("9" SOME "\n")), SURVEY_FINE);
    assert_true(survey_next(&course->survey));
    assert_int_equal(survey_answered(&course->survey, 7, 100), SURVEY_FINE);
    assert_int_equal(course->survey.last, 99);
    assert_int_equal(survey_answered(&course->survey, 7, 90), SURVEY_FINE);
    assert_int_equal(course->survey.last, 90);
    free(course);
    free(ours);
}

static bool cannot_be_read(void *arg, struct span from, struct span to, struct survey_part *out)
{
    (void)arg, (void)from, (void)to, (void)out;
    return false;
}

static void what_cannot_be_read_here_is_not_blamed_on_them(void **state)
{
    const struct survey_own own = {.sum = cannot_be_read};
    struct catalogue *ours = catalogue_new(0);
    struct course *course = course_new(ours);

    (void)state;
    assert_true(survey_next(&course->survey));
    assert_int_equal(survey_ranges(&course->survey, span_of("9" SOME "\n"), &own), SURVEY_UNREAD);
    free(course);
    free(ours);
}

/* Catalogues order names by so many bytes; who has longer ones may have them in any order. */
static void forward_is_as_catalogues_order_names(void **state)
{
    char one[500], other[500];

    (void)state;
    assert_true(survey_is_forward(span_of("d/a"), span_of("d/b")));
    assert_true(survey_is_forward(span_of("d/a"), span_of("d/a/b")));
    assert_false(survey_is_forward(span_of("d/a"), span_of("d/a")));
    assert_false(survey_is_forward(span_of("d/b"), span_of("d/a/b")));
    memset(one, 'a', sizeof(one));
    memset(other, 'a', sizeof(other));
    one[490] = 'b';
    assert_true(survey_is_forward((struct span){one, 500}, (struct span){other, 500}));
    assert_true(survey_is_forward((struct span){other, 500}, (struct span){one, 500}));
    assert_false(survey_is_forward((struct span){one, 500}, (struct span){one, 500}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_as_catalogues_order_names),
        cmocka_unit_test(the_same_costs_one_question),
        cmocka_unit_test(what_differs_is_read_and_little_else),
        cmocka_unit_test(where_we_have_nothing_all_is_read),
        cmocka_unit_test(what_they_lack_is_no_difference_for_ever),
        cmocka_unit_test(whose_it_is_must_be_said_and_stay),
        cmocka_unit_test(an_answer_that_was_made_before_counts_from_there),
        cmocka_unit_test(ranges_that_make_no_sense_are_found_out),
        cmocka_unit_test(ranges_outside_are_found_out),
        cmocka_unit_test(a_page_that_does_not_go_on_is_found_out),
        cmocka_unit_test(pages_without_end_are_cut_off),
        cmocka_unit_test(what_cannot_be_read_here_is_not_blamed_on_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
