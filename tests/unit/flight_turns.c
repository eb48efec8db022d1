/* SPDX-License-Identifier: ISC */
#include "tests/unit/flight_bench.h"
#include "tests/unit/unit.h"

/* Which run is asked for next, and how long it is, where readers wait. */

/* So many runs were asked for before. */
static void turns(struct bench *b, uint32_t count)
{
    b->flight.turns = count;
}

static void what_a_reader_waits_for_comes_first(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 100, true, NULL);
    turns(&b, TURNS_MAX);
    want(&b, 70);
    want(&b, 20);
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 70, 70 + TURN_CHUNKS_MAX - 1); /* since somebody waits elsewhere */
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
    turns(&b, TURNS_MAX);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        want(&b, places[i]);
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 32, 239);
    chunks(&b, 32, 42);
    want(&b, 33 + 64);
    chunks(&b, 43, 44);
}

static void who_waits_longest_waits_for_no_more_than_a_turn(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 240, true, NULL);
    want(&b, 100);
    want(&b, 100 - TURN_CHUNKS);
    want(&b, 100 - TURN_CHUNKS - 1); /* close to the other, not to the first */
    sources(&b, 1, 1);
    expect_run(&b, 0, 1, 100 - TURN_CHUNKS, 100 + TURN_CHUNKS - 1);
}

static void a_reader_just_ahead_is_waited_for(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 100, true, NULL);
    turns(&b, TURNS_MAX);
    sources(&b, 1, 1);
    chunk(&b, 0);
    want(&b, TURN_CHUNKS_MAX);
    chunks(&b, 1, 3);
    want(&b, 99);
    chunks(&b, 4, TURN_CHUNKS_MAX - 1); /* the other one was first, and is being served */
    chunk(&b, TURN_CHUNKS_MAX);
    expect_only(&b, FLIGHT_CUT);
}

static void two_far_readers_take_turns(void **state)
{
    enum { TURN = TURN_CHUNKS_MAX };
    static struct bench b;

    (void)state;
    open_with(&b, 4 * TURN, true, NULL);
    turns(&b, TURNS_MAX);
    want(&b, 2 * TURN);
    sources(&b, 1, 1);
    want(&b, 0);
    for (uint32_t n = 0; n < TURN - 1; n++) {
        want(&b, 2 * TURN + n + 1); /* the one that reads along */
        chunks(&b, 2 * TURN + n, 2 * TURN + n);
    }
    want(&b, 3 * TURN);
    chunk(&b, 3 * TURN - 1);
    expect_only(&b, FLIGHT_CUT);
    ended(&b, FLIGHT_OUTCOME_CUT);
    expect_run(&b, 0, 1, 0, TURN - 1);
}

/* The run that is under way comes to its end, for a reader who reads along. */
static void bring_run(struct bench *b)
{
    uint32_t last = b->flight.last;

    for (uint32_t n = b->flight.next; n <= last; n++) {
        chunk(b, n);
        want(b, n + 1);
    }
    ended(b, FLIGHT_OUTCOME_DONE);
}

/* As where a master died in the middle of what five slaves read from it, each at another place. */
static void all_who_stopped_get_something_soon(void **state)
{
    static const uint32_t places[] = {500, 100, 400, 200, 300};
    enum { READERS = sizeof(places) / sizeof(*places) };
    static struct bench b;
    uint32_t before = 0;

    (void)state;
    open_with(&b, 800, true, NULL);
    for (size_t i = 0; i < READERS; i++)
        want(&b, places[i]);
    sources(&b, 1, 1);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(b.flight.first, places[i]);
        before += b.flight.last + 1 - b.flight.first;
        bring_run(&b);
    }
    assert_in_range(before, READERS * TURN_CHUNKS, READERS * (TURN_CHUNKS + 2));
    assert_int_equal(b.flight.first, places[0] + TURN_CHUNKS);
}

/* A turn is as long as it takes, at most, and grows by no more than that others can wait for. */
static void turns_grow_with_each_run(void **state)
{
    static struct bench b;
    uint32_t before = TURN_CHUNKS, len = 0;

    (void)state;
    open_with(&b, 4000, true, NULL);
    want(&b, 0);
    want(&b, 2000);
    sources(&b, 1, 1);
    for (unsigned i = 0; i <= TURNS_MAX; i++) {
        assert_int_equal(b.flight.first >= 2000, i % 2);
        len = b.flight.last + 1 - b.flight.first;
        assert_in_range(len, before, before + 1);
        before = len;
        bring_run(&b);
    }
    assert_int_equal(len, TURN_CHUNKS_MAX);
}

static void turns_are_short_again_after_a_time_without_a_source(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 800, true, NULL);
    turns(&b, TURNS_MAX);
    sources(&b, 1, 1);
    chunk(&b, 0);
    fault(&b, PEER_SHORT_BODY);
    expect(&b, 1, FLIGHT_NEED);
    want(&b, 100);
    want(&b, 200);
    sources(&b, 2, 1);
    expect_run(&b, 0, 2, 100, 100 + TURN_CHUNKS - 1);
}

enum { APART = 4 * TURN_CHUNKS_MAX };

/* Each waits for a place of its own. */
static void serve_crowd(struct bench *b)
{
    for (uint32_t i = 0; i < FLIGHT_WANTS_MAX; i++) {
        assert_int_equal(b->flight.first, APART * i);
        want(b, APART * i + APART / 2); /* whoever was served stands back */
        chunk(b, APART * i);
        if (i == FLIGHT_WANTS_MAX - 1)
            return;
        assert_int_equal(b->actions.count, 0);
        ended(b, FLIGHT_OUTCOME_CUT);
    }
}

static void a_crowd_is_served_before_others_are_asked_for(void **state)
{
    static struct bench b;

    (void)state;
    open_with(&b, 2 * APART * FLIGHT_WANTS_MAX, true, NULL);
    for (uint32_t i = 0; i < FLIGHT_WANTS_MAX + 10; i++)
        want(&b, APART * i);
    assert_int_equal(b.actions.count, 0);
    sources(&b, 1, 1);
    serve_crowd(&b);
    expect_only(&b, FLIGHT_LISTEN);
    want(&b, APART * FLIGHT_WANTS_MAX);
    ended(&b, FLIGHT_OUTCOME_CUT);
    assert_int_equal(b.flight.first, APART * FLIGHT_WANTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_reader_waits_for_comes_first),
        cmocka_unit_test(a_run_for_nobody_is_cut_at_once),
        cmocka_unit_test(readers_close_to_each_other_share_a_run),
        cmocka_unit_test(who_waits_longest_waits_for_no_more_than_a_turn),
        cmocka_unit_test(a_reader_just_ahead_is_waited_for),
        cmocka_unit_test(two_far_readers_take_turns),
        cmocka_unit_test(all_who_stopped_get_something_soon),
        cmocka_unit_test(turns_grow_with_each_run),
        cmocka_unit_test(turns_are_short_again_after_a_time_without_a_source),
        cmocka_unit_test(a_crowd_is_served_before_others_are_asked_for),
    };

    return cmocka_run_group_tests_name("flight_turns", tests, NULL, NULL);
}
