/* SPDX-License-Identifier: ISC */
#include "cache/flight.h"

#include <string.h>

#include "tests/unit/flight_bench.h"
#include "tests/unit/unit.h"

static void sources(struct bench *b, unsigned first, unsigned count)
{
    struct address list[32];

    for (unsigned i = 0; i < count; i++)
        list[i] = source_of(first + i);
    step(b, (struct flight_event){.kind = FLIGHT_SOURCES, .sources = list, .source_count = count});
}

static void chunk(struct bench *b, uint32_t n)
{
    step(b, (struct flight_event){.kind = FLIGHT_CHUNK, .chunk = n});
}

static void chunks(struct bench *b, uint32_t first, uint32_t last)
{
    for (uint32_t n = first; n <= last; n++) {
        chunk(b, n);
        assert_int_equal(b->actions.count, 0);
    }
}

static void want(struct bench *b, uint32_t n)
{
    step(b, (struct flight_event){.kind = FLIGHT_WANTED, .chunk = n});
}

static void ended(struct bench *b, enum flight_outcome outcome)
{
    step(b, (struct flight_event){.kind = FLIGHT_ENDED, .outcome = outcome});
}

static void fault(struct bench *b, enum peer_fault what)
{
    step(b, (struct flight_event){
                .kind = FLIGHT_ENDED, .outcome = FLIGHT_OUTCOME_FAULT, .fault = what});
}

static void wake_after(struct bench *b, int64_t ns)
{
    b->now = mono_after(b->now, ns);
    step(b, (struct flight_event){.kind = FLIGHT_WAKE});
}

/* The i-th action is this one. */
static const struct flight_action *expect(const struct bench *b, size_t i,
                                          enum flight_action_kind kind)
{
    assert_true(i < b->actions.count);
    assert_int_equal(b->actions.list[i].kind, kind);
    return &b->actions.list[i];
}

static void expect_only(const struct bench *b, enum flight_action_kind kind)
{
    assert_int_equal(b->actions.count, 1);
    expect(b, 0, kind);
}

static void expect_run(const struct bench *b, size_t i, unsigned source, uint32_t first,
                       uint32_t last)
{
    const struct flight_action *action = expect(b, i, FLIGHT_ASK_RUN);
    struct address whom = source_of(source);

    assert_int_equal(i + 1, b->actions.count);
    assert_true(address_same(&action->source, &whom));
    assert_int_equal(action->first, first);
    assert_int_equal(action->last, last);
}

static void expect_judged(const struct bench *b, unsigned source, enum peer_fault what)
{
    const struct flight_action *action = expect(b, 0, FLIGHT_JUDGE);
    struct address whom = source_of(source);

    assert_true(address_same(&action->source, &whom));
    assert_int_equal(action->fault, what);
}

/* ---- the straight way ----------------------------------------------------------------------- */

static void list_first_then_one_run_then_landing(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 3, false, NULL);
    expect_only(&b, FLIGHT_NEED);
    assert_null(flight_source_now(&b.flight));
    sources(&b, 1, 2);
    expect_only(&b, FLIGHT_ASK_LIST);
    assert_non_null(flight_source_now(&b.flight));
    step(&b, (struct flight_event){.kind = FLIGHT_LISTED, .had = &b.flight.had});
    expect_judged(&b, 1, PEER_FINE);
    expect_run(&b, 1, 1, 0, 2);
    chunks(&b, 0, 2);
    ended(&b, FLIGHT_OUTCOME_DONE);
    expect_judged(&b, 1, PEER_FINE);
    expect(&b, 1, FLIGHT_LAND);
    assert_int_equal(b.actions.count, 2);
    assert_true(b.actions.deadline.ns == MONO_NEVER.ns);
}

static void one_chunk_needs_no_list(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 1, false, NULL);
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 0, 0);
}

static void what_is_had_is_never_asked_for(void **state)
{
    static struct bench b;
    struct chunk_map had = {{0}};

    (void)state;
    chunk_map_add(&had, 0);
    chunk_map_add(&had, 3);
    open_with(&b, 6, true, &had);
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 1, 2);
    chunks(&b, 1, 2);
    ended(&b, FLIGHT_OUTCOME_DONE);
    expect_run(&b, 1, 1, 4, 5);
}

static void all_there_lands_without_a_source(void **state)
{
    static struct bench b;
    struct chunk_map had = {{3}};

    (void)state;
    open_with(&b, 2, true, &had);
    expect_only(&b, FLIGHT_LAND);
}

/* ---- readers -------------------------------------------------------------------------------- */

static void what_a_reader_waits_for_comes_first(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 100, true, NULL);
    want(&b, 70);
    want(&b, 20);
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 70, 70 + RUN_CHUNKS - 1); /* since somebody waits elsewhere */
    chunks(&b, 70, 70 + LINGER_CHUNKS - 1);
    chunk(&b, 70 + LINGER_CHUNKS);
    expect_only(&b, FLIGHT_CUT); /* nobody waits here any more */
    ended(&b, FLIGHT_OUTCOME_CUT);
    expect_run(&b, 0, 1, 20, 69);
}

static void a_run_for_nobody_is_cut_at_once(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 100, true, NULL);
    sources(&b, 1, 1);
    want(&b, 50);
    chunk(&b, 0);
    expect_only(&b, FLIGHT_CUT);
}

/* Readers that stood close to each other when their master died: one run brings them together
 * again, and is not cut between two chunks, when nobody waits for the next one as yet. */
static void readers_close_to_each_other_share_a_run(void **state)
{
    static const uint32_t places[] = {41, 39, 32, 37};
    static struct bench b;

    (void)state;
    open_with(&b, 240, true, NULL);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        want(&b, places[i]);
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 32, 239);
    chunks(&b, 32, 42);
    want(&b, 33 + 64);
    chunks(&b, 43, 44);
}

static void who_waits_longest_waits_for_no_more_than_a_run(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 240, true, NULL);
    want(&b, 100);
    want(&b, 100 - RUN_CHUNKS);
    want(&b, 100 - RUN_CHUNKS - 1); /* close to the other, not to the first */
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 100 - RUN_CHUNKS, 100 + RUN_CHUNKS - 1);
}

static void a_reader_just_ahead_is_waited_for(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 100, true, NULL);
    sources(&b, 1, 1);
    chunk(&b, 0);
    want(&b, RUN_CHUNKS);
    chunks(&b, 1, 3);
    want(&b, 99);
    chunks(&b, 4, RUN_CHUNKS - 1); /* the other one was first, and is being served */
    chunk(&b, RUN_CHUNKS);
    expect_only(&b, FLIGHT_CUT);
}

static void two_far_readers_take_turns_of_a_run(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 4 * RUN_CHUNKS, true, NULL);
    want(&b, 2 * RUN_CHUNKS);
    sources(&b, 1, 1);
    want(&b, 0);
    for (uint32_t n = 0; n < RUN_CHUNKS - 1; n++) {
        want(&b, 2 * RUN_CHUNKS + n + 1); /* the one that reads along */
        chunks(&b, 2 * RUN_CHUNKS + n, 2 * RUN_CHUNKS + n);
    }
    want(&b, 3 * RUN_CHUNKS);
    chunk(&b, 3 * RUN_CHUNKS - 1);
    expect_only(&b, FLIGHT_CUT);
    ended(&b, FLIGHT_OUTCOME_CUT);
    expect_run(&b, 0, 1, 0, RUN_CHUNKS - 1);
}

static void more_places_than_are_remembered_do_no_harm(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 4 * FLIGHT_WANTS_MAX, true, NULL);
    for (uint32_t n = 0; n < 4 * FLIGHT_WANTS_MAX + 10; n++)
        want(&b, n);
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 0, RUN_CHUNKS - 1);
}

/* ---- passing on: there is no room to keep it ------------------------------------------------- */

enum { WINDOW = 8 };

static void released(struct bench *b, uint32_t n)
{
    step(b, (struct flight_event){.kind = FLIGHT_RELEASED, .chunk = n});
}

/* A run of half the window for who waits, and nothing for nobody. */
static void what_is_passed_on_is_asked_for_when_somebody_waits(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 100, true, NULL);
    b.window = WINDOW;
    sources(&b, 1, 1);
    assert_int_equal(b.actions.count, 0);
    want(&b, 10);
    expect_run(&b, 0, 1, 10, 10 + WINDOW / 2 - 1);
    chunks(&b, 10, 10 + WINDOW / 2 - 1);
    ended(&b, FLIGHT_OUTCOME_DONE);
    expect_judged(&b, 1, PEER_FINE);
    assert_int_equal(b.actions.count, 1);
    want(&b, 10 + WINDOW / 2);
    expect_run(&b, 0, 1, 10 + WINDOW / 2, 10 + WINDOW - 1);
}

static void who_fell_behind_the_window_is_served_again(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 2, true, NULL);
    b.window = 2;
    sources(&b, 1, 1);
    for (uint32_t n = 0; n < 2; n++) {
        want(&b, n);
        expect_run(&b, 0, 1, n, n);
        chunk(&b, n);
        ended(&b, FLIGHT_OUTCOME_DONE);
        expect_only(&b, FLIGHT_JUDGE); /* all is had, and yet it does not land */
    }
    released(&b, 0);
    want(&b, 0);
    expect_run(&b, 0, 1, 0, 0);
}

static void what_is_passed_on_ends_with_its_last_reader(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 100, true, NULL);
    b.window = WINDOW;
    sources(&b, 1, 1);
    wake_after(&b, FLIGHT_LOOK_NS);
    assert_int_equal(b.actions.count, 0);
    assert_true(b.actions.deadline.ns == b.now.ns + FLIGHT_LOOK_NS);
    b.readers = 0;
    wake_after(&b, FLIGHT_LOOK_NS);
    expect_only(&b, FLIGHT_GIVE_UP);
}

/* What would come now would push out what nobody has read as yet. */
static void the_disk_fills_up_in_the_middle(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 100, true, NULL);
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 0, 99);
    chunks(&b, 0, 5);
    b.window = WINDOW;
    chunk(&b, 6);
    expect_only(&b, FLIGHT_CUT);
    ended(&b, FLIGHT_OUTCOME_CUT);
    assert_int_equal(b.actions.count, 0);
    want(&b, 7);
    expect_run(&b, 0, 1, 7, 7 + WINDOW / 2 - 1);
}

/* ---- sources that fail ---------------------------------------------------------------------- */

static void the_rest_comes_from_the_next_source(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 10, true, NULL);
    sources(&b, 1, 2);
    chunks(&b, 0, 3);
    fault(&b, PEER_SHORT_BODY);
    expect_judged(&b, 1, PEER_SHORT_BODY);
    expect_run(&b, 1, 2, 4, 9);
}

static void each_fault_has_its_standing(void **state)
{
    static const struct {
        enum peer_fault fault;
        bool may_come_back;
    } rows[] = {
        {PEER_UNREACHABLE, true},   {PEER_SILENT, true},        {PEER_SHORT_BODY, true},
        {PEER_REFUSES, true},       {PEER_WRONG_CHUNK, false},  {PEER_WRONG_LIST, false},
        {PEER_ENDLESS_BODY, false}, {PEER_WRONG_ANSWER, false}, {PEER_UNSIGNED_ANSWER, false},
    };
    static struct bench b;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        open_with(&b, 10, true, NULL);
        sources(&b, 1, 1);
        fault(&b, rows[i].fault);
        expect_judged(&b, 1, rows[i].fault);
        assert_int_equal(b.actions.count, 1); /* the first round of sources has just been had */
        sources(&b, 1, 1);
        assert_int_equal(b.actions.count, rows[i].may_come_back);
        if (rows[i].may_come_back)
            expect_run(&b, 0, 1, 0, 9);
    }
}

static void gone_is_nobodys_fault(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 10, true, NULL);
    sources(&b, 1, 2);
    ended(&b, FLIGHT_OUTCOME_GONE);
    expect_run(&b, 0, 2, 0, 9);
}

static void busy_is_asked_again_when_it_said(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 10, true, NULL);
    sources(&b, 1, 1);
    step(&b, (struct flight_event){
                 .kind = FLIGHT_ENDED, .outcome = FLIGHT_OUTCOME_BUSY, .retry_ns = MONO_S(7)});
    assert_int_equal(b.actions.count, 0);
    assert_true(b.actions.deadline.ns == b.now.ns + MONO_S(7));
    wake_after(&b, MONO_S(7) - 1);
    assert_int_equal(b.actions.count, 0);
    wake_after(&b, 1);
    expect_run(&b, 0, 1, 0, 9);
}

static void busy_for_ever_is_lost(void **state)
{
    static struct bench b;
    int times = 0;

    (void)state;
    open_with(&b, 10, true, NULL);
    sources(&b, 1, 1);
    while (flight_source_now(&b.flight)) {
        step(&b, (struct flight_event){
                     .kind = FLIGHT_ENDED, .outcome = FLIGHT_OUTCOME_BUSY, .retry_ns = INT64_MAX});
        assert_true(++times <= FLIGHT_BUSY_MAX + 1);
        wake_after(&b, FLIGHT_BUSY_MOST_NS);
    }
    assert_int_equal(times, FLIGHT_BUSY_MAX + 1);
}

/* ---- without a source ----------------------------------------------------------------------- */

static void nobody_waits_it_ends_at_once(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 10, true, NULL);
    b.readers = 0;
    sources(&b, 1, 0);
    expect_only(&b, FLIGHT_GIVE_UP);
    sources(&b, 1, 1); /* and nothing brings it back */
    assert_int_equal(b.actions.count, 0);
}

/* The times at which it asks, and at which it gives up, in ms since the first "none". */
static void readers_wait_until_patience_ends(void **state)
{
    static struct bench b;
    mono_t began;
    int needs = 0;

    (void)state;
    open_with(&b, 10, true, NULL);
    began = b.now;
    sources(&b, 1, 0);
    for (int steps = 0; steps < 1000; steps++) {
        assert_true(b.actions.deadline.ns != MONO_NEVER.ns);
        wake_after(&b, mono_between(b.now, b.actions.deadline));
        if (b.actions.count && b.actions.list[0].kind == FLIGHT_GIVE_UP)
            break;
        if (b.actions.count) {
            expect_only(&b, FLIGHT_NEED);
            needs++;
            sources(&b, 1, 0);
        }
    }
    expect_only(&b, FLIGHT_GIVE_UP);
    assert_true(mono_between(began, b.now) >= FLIGHT_PATIENCE_NS);
    assert_true(mono_between(began, b.now) <= FLIGHT_PATIENCE_NS + MONO_S(4));
    assert_in_range(needs, 3, FLIGHT_ROUNDS_MAX);
}

/* A tier elects its next master: readers wait for it, but not for ever. */
static void readers_wait_longer_for_whom_is_awaited(void **state)
{
    static struct bench b;
    mono_t began;

    (void)state;
    open_with(&b, 3, false, NULL);
    began = b.now;
    while (b.flight.state != FLIGHT_OVER) {
        if (b.flight.state == FLIGHT_SEEKING)
            step(&b, (struct flight_event){.kind = FLIGHT_SOURCES, .awaited = true});
        else
            wake_after(&b, MONO_S(1));
    }
    assert_true(mono_between(began, b.now) >= FLIGHT_AWAIT_NS);
    assert_true(mono_between(began, b.now) <= FLIGHT_AWAIT_NS + MONO_S(4));
}

/* Who rests since nobody could be asked goes on at once with whom it is told of. */
static void a_new_master_ends_the_rest(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 3, false, NULL);
    step(&b, (struct flight_event){.kind = FLIGHT_SOURCES, .awaited = true});
    assert_int_equal(b.flight.state, FLIGHT_RESTING);
    sources(&b, 7, 1);
    expect_only(&b, FLIGHT_ASK_LIST);
}

/* A newer version took its place: readers had better come again for that one, and at once. */
static void what_was_superseded_ends_with_its_sources(void **state)
{
    const struct flight_event none = {.kind = FLIGHT_SOURCES, .superseded = true};
    static struct bench b;

    (void)state;
    open_with(&b, 10, true, NULL);
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 0, 9);
    step(&b, none); /* somebody still has it */
    assert_int_equal(b.actions.count, 0);
    ended(&b, FLIGHT_OUTCOME_GONE);
    assert_int_equal(b.actions.count, 0); /* it rests, for a reader waits */
    step(&b, none);
    expect_only(&b, FLIGHT_GIVE_UP);
}

static void an_unanswered_need_is_none(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 10, true, NULL);
    b.readers = 0;
    wake_after(&b, FLIGHT_NEED_NS);
    expect_only(&b, FLIGHT_GIVE_UP);
}

static void a_broken_disk_ends_it(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 10, true, NULL);
    sources(&b, 1, 1);
    step(&b, (struct flight_event){.kind = FLIGHT_BROKEN});
    expect_only(&b, FLIGHT_GIVE_UP);
}

static void a_full_table_of_sources_takes_new_ones_for_lost_ones(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 10, true, NULL);
    sources(&b, 1, FLIGHT_SOURCES_MAX + 4);
    for (int i = 0; i < FLIGHT_SOURCES_MAX; i++)
        fault(&b, PEER_WRONG_CHUNK);
    assert_null(flight_source_now(&b.flight));
    sources(&b, 200, 1);
    expect_run(&b, 0, 200, 0, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_first_then_one_run_then_landing),
        cmocka_unit_test(one_chunk_needs_no_list),
        cmocka_unit_test(what_is_had_is_never_asked_for),
        cmocka_unit_test(all_there_lands_without_a_source),
        cmocka_unit_test(what_a_reader_waits_for_comes_first),
        cmocka_unit_test(a_run_for_nobody_is_cut_at_once),
        cmocka_unit_test(readers_close_to_each_other_share_a_run),
        cmocka_unit_test(who_waits_longest_waits_for_no_more_than_a_run),
        cmocka_unit_test(a_reader_just_ahead_is_waited_for),
        cmocka_unit_test(two_far_readers_take_turns_of_a_run),
        cmocka_unit_test(more_places_than_are_remembered_do_no_harm),
        cmocka_unit_test(what_is_passed_on_is_asked_for_when_somebody_waits),
        cmocka_unit_test(who_fell_behind_the_window_is_served_again),
        cmocka_unit_test(what_is_passed_on_ends_with_its_last_reader),
        cmocka_unit_test(the_disk_fills_up_in_the_middle),
        cmocka_unit_test(the_rest_comes_from_the_next_source),
        cmocka_unit_test(each_fault_has_its_standing),
        cmocka_unit_test(gone_is_nobodys_fault),
        cmocka_unit_test(busy_is_asked_again_when_it_said),
        cmocka_unit_test(busy_for_ever_is_lost),
        cmocka_unit_test(nobody_waits_it_ends_at_once),
        cmocka_unit_test(readers_wait_until_patience_ends),
        cmocka_unit_test(readers_wait_longer_for_whom_is_awaited),
        cmocka_unit_test(a_new_master_ends_the_rest),
        cmocka_unit_test(what_was_superseded_ends_with_its_sources),
        cmocka_unit_test(an_unanswered_need_is_none),
        cmocka_unit_test(a_broken_disk_ends_it),
        cmocka_unit_test(a_full_table_of_sources_takes_new_ones_for_lost_ones),
    };
    return cmocka_run_group_tests_name("flight", tests, NULL, NULL);
}
