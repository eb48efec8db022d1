/* SPDX-License-Identifier: ISC */
#include "cache/flight.h"

#include <string.h>

#include "tests/unit/flight_bench.h"
#include "tests/unit/unit.h"

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
    expect_only(&b, FLIGHT_LEAVE_OFF);
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

/* A silent one costs its ten seconds once, where there is anybody else. */
static void who_failed_is_asked_after_who_did_not(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 4, true, NULL);
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 0, 3);
    chunk(&b, 0);
    fault(&b, PEER_SILENT);
    expect(&b, 1, FLIGHT_NEED);
    sources(&b, 1, 2); /* the same one first, and another one */
    expect_run(&b, 0, 2, 1, 3);
    fault(&b, PEER_SILENT);
    expect_run(&b, 1, 1, 1, 3);
}

static void who_is_only_busy_is_waited_for(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 4, true, NULL);
    sources(&b, 1, 2);
    fault(&b, PEER_SILENT);
    expect_run(&b, 1, 2, 0, 3);
    sources(&b, 1, 1);
    ended(&b, FLIGHT_OUTCOME_BUSY);
    assert_int_equal(b.actions.count, 0);
    wake_after(&b, FLIGHT_BUSY_LEAST_NS);
    expect_run(&b, 0, 2, 0, 3);
}

/* A slave puts a file, is killed, and comes back, while its master asks the master above, which
 * asks nobody but that one, and says "later" each time. */
static void who_comes_back_is_asked_before_who_is_busy(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 4, true, NULL);
    sources(&b, 1, 2);
    fault(&b, PEER_SHORT_BODY);
    expect_run(&b, 1, 2, 0, 3);
    sources(&b, 1, 1);
    ended(&b, FLIGHT_OUTCOME_BUSY);
    expect_run(&b, 0, 1, 0, 3);
}

static void who_is_busy_again_and_again_is_not_waited_for(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 4, true, NULL);
    sources(&b, 1, 2);
    fault(&b, PEER_SILENT);
    expect_run(&b, 1, 2, 0, 3);
    ended(&b, FLIGHT_OUTCOME_BUSY);
    wake_after(&b, FLIGHT_BUSY_LEAST_NS);
    expect_run(&b, 0, 2, 0, 3);
    sources(&b, 1, 1);
    ended(&b, FLIGHT_OUTCOME_BUSY);
    expect_run(&b, 0, 1, 0, 3);
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

/* A master is named again and again, for it might fetch; what nobody has had is not waited for. */
static void what_was_superseded_ends_though_a_master_is_named(void **state)
{
    const struct address master = source_of(1);
    const struct flight_event again = {
        .kind = FLIGHT_SOURCES, .sources = &master, .source_count = 1, .superseded = true};
    static struct bench b;

    (void)state;
    open_with(&b, 10, true, NULL);
    sources(&b, 1, 1);
    ended(&b, FLIGHT_OUTCOME_GONE);
    wake_after(&b, MONO_S(1));
    expect_only(&b, FLIGHT_NEED);
    step(&b, again);
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
        cmocka_unit_test(what_is_passed_on_is_asked_for_when_somebody_waits),
        cmocka_unit_test(who_fell_behind_the_window_is_served_again),
        cmocka_unit_test(what_is_passed_on_ends_with_its_last_reader),
        cmocka_unit_test(the_disk_fills_up_in_the_middle),
        cmocka_unit_test(the_rest_comes_from_the_next_source),
        cmocka_unit_test(who_failed_is_asked_after_who_did_not),
        cmocka_unit_test(who_is_only_busy_is_waited_for),
        cmocka_unit_test(who_comes_back_is_asked_before_who_is_busy),
        cmocka_unit_test(who_is_busy_again_and_again_is_not_waited_for),
        cmocka_unit_test(each_fault_has_its_standing),
        cmocka_unit_test(gone_is_nobodys_fault),
        cmocka_unit_test(busy_is_asked_again_when_it_said),
        cmocka_unit_test(busy_for_ever_is_lost),
        cmocka_unit_test(nobody_waits_it_ends_at_once),
        cmocka_unit_test(readers_wait_until_patience_ends),
        cmocka_unit_test(readers_wait_longer_for_whom_is_awaited),
        cmocka_unit_test(a_new_master_ends_the_rest),
        cmocka_unit_test(what_was_superseded_ends_with_its_sources),
        cmocka_unit_test(what_was_superseded_ends_though_a_master_is_named),
        cmocka_unit_test(an_unanswered_need_is_none),
        cmocka_unit_test(a_broken_disk_ends_it),
        cmocka_unit_test(a_full_table_of_sources_takes_new_ones_for_lost_ones),
    };
    return cmocka_run_group_tests_name("flight", tests, NULL, NULL);
}
