/* SPDX-License-Identifier: ISC */
#include "cache/gossip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "tests/unit/unit.h"

#define INTERVAL MONO_S(5)

static const wall_t noon = {1795348800000};

struct bench {
    struct gossip *machine;
    bool forged;   /* what is heard is not vouched for */
    bool stranger; /* who is heard is no member */
    struct gossip_actions actions;
};

static int set_up(void **state)
{
    struct gossip_options options = {.seed = 7, .interval_ns = INTERVAL, .now = {MONO_S(100)}};
    struct bench *bench = calloc(1, sizeof(*bench));

    MUST(bench != NULL);
    bench->machine = calloc(1, gossip_size());
    MUST(bench->machine != NULL);
    gossip_init(bench->machine, &options);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    free(bench->machine);
    free(bench);
    return 0;
}

static mono_t at_ms(int64_t ms)
{
    return (mono_t){MONO_S(100) + MONO_MS(ms)};
}

static void wake(struct bench *bench, mono_t now)
{
    struct gossip_event event = {.kind = GOSSIP_WAKE, .now = now, .wall = noon};

    gossip_step(bench->machine, &event, &bench->actions);
}

static struct heartbeat beat_of(const char *node, uint64_t boot, uint64_t counter,
                                const char *address)
{
    struct heartbeat beat = {.boot = boot,
                             .counter = counter,
                             .clock = noon,
                             .interval_ms = 5000,
                             .port = 65027,
                             .http_port = 65028,
                             .advert_port = 65029,
                             .address_count = 1};

    assert_true(span_copy(span_of(node), beat.node, sizeof(beat.node)));
    assert_true(address_parse(span_of(address), 0, &beat.addresses[0]));
    return beat;
}

static enum gossip_verdict hear(struct bench *bench, mono_t now, const struct heartbeat *beat)
{
    struct gossip_event event = {.kind = GOSSIP_HEARD,
                                 .now = now,
                                 .wall = noon,
                                 .beat = beat,
                                 .from = beat->addresses[0],
                                 .member = !bench->stranger,
                                 .vouched = !bench->forged};

    gossip_step(bench->machine, &event, &bench->actions);
    return bench->actions.verdict;
}

static enum gossip_verdict hear_again(struct bench *bench, int64_t ms, uint64_t boot,
                                      uint64_t counter)
{
    struct heartbeat beat = beat_of("a", boot, counter, "10.0.0.1");

    return hear(bench, at_ms(ms), &beat);
}

/* Runs to each deadline until `end`; when it spoke, in milliseconds. */
static size_t speak_until(struct bench *bench, int64_t end, int64_t *spoke, size_t most)
{
    mono_t now = at_ms(0);
    size_t count = 0;

    for (;;) {
        wake(bench, now);
        if (bench->actions.say) {
            assert_true(count < most);
            spoke[count++] = mono_between(at_ms(0), now) / MONO_MS(1);
        }
        if (bench->actions.deadline.ns > at_ms(end).ns)
            return count;
        now = bench->actions.deadline;
    }
}

static void once_within_each_interval_at_a_random_moment(void **state)
{
    enum { COUNT = 200 };
    int64_t spoke[COUNT + 1], before = -1;
    size_t early = 0;

    assert_int_equal(speak_until(*state, COUNT * 5000 - 1, spoke, COUNT + 1), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(spoke[i] / 5000, i);
        early += spoke[i] % 5000 < 2500;
        assert_true(spoke[i] > before);
        before = spoke[i];
    }
    assert_in_range(early, COUNT / 3, 2 * COUNT / 3); /* the seed is fixed */
}

static void another_interval_holds_from_now_on(void **state)
{
    struct bench *bench = *state;
    int64_t spoke[60];

    gossip_set_interval(bench->machine, at_ms(0), MONO_MS(200));
    assert_int_equal(speak_until(bench, 9999, spoke, 60), 50);
}

/* The others wait for four of the short ones. */
static void a_longer_interval_is_told_before_the_others_miss_the_shorter(void **state)
{
    struct bench *bench = *state;
    int64_t spoke[8];

    gossip_set_interval(bench->machine, at_ms(0), MONO_S(3600));
    assert_int_equal(speak_until(bench, 5000, spoke, 8), 1);
    assert_in_range(speak_until(bench, 3 * 3600000 - 1, spoke, 8), 2, 2);
    assert_in_range(spoke[0], 3600000, 2 * 3600000);
}

static void intervals_that_were_slept_through_are_not_made_up_for(void **state)
{
    struct bench *bench = *state;
    size_t said = 0;

    for (mono_t now = at_ms(3600000); now.ns < at_ms(3605000).ns; now = bench->actions.deadline) {
        wake(bench, now);
        said += bench->actions.say;
    }
    assert_in_range(said, 1, 2);
}

static void who_is_heard_is_known_and_met_once(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(hear_again(bench, 0, 1, 1), GOSSIP_TAKEN);
    assert_true(bench->actions.met);
    assert_string_equal(bench->actions.node->beat.node, "a");
    assert_int_equal(gossip_known(bench->machine), 1);
    assert_int_equal(hear_again(bench, 5000, 1, 2), GOSSIP_TAKEN);
    assert_false(bench->actions.met);
    assert_int_equal(gossip_count(bench->machine), 1);
}

static void one_that_has_moved_is_met_again(void **state)
{
    struct bench *bench = *state;
    struct heartbeat moved = beat_of("a", 1, 2, "10.0.0.2");

    assert_int_equal(hear_again(bench, 0, 1, 1), GOSSIP_TAKEN);
    assert_int_equal(hear(bench, at_ms(5000), &moved), GOSSIP_TAKEN);
    assert_true(bench->actions.met);
    assert_int_equal(gossip_known(bench->machine), 1);
}

static void what_was_said_before_is_refused(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(hear_again(bench, 0, 5, 7), GOSSIP_TAKEN);
    assert_int_equal(hear_again(bench, 1, 5, 7), GOSSIP_REPLAYED);
    assert_int_equal(hear_again(bench, 2, 5, 6), GOSSIP_REPLAYED);
    assert_int_equal(hear_again(bench, 3, 4, 99), GOSSIP_REPLAYED);
    assert_null(bench->actions.node); /* the same place: no other node */
    assert_int_equal(hear_again(bench, 4, 5, 8), GOSSIP_TAKEN);
}

/* At that address, and no other, nobody is known any more; NULL: at none. */
static void check_gone(const struct bench *bench, const char *address)
{
    struct address host;

    assert_int_equal(bench->actions.gone_count, address ? 1 : 0);
    if (!address)
        return;
    assert_true(address_parse(span_of(address), 0, &host));
    assert_true(address_same_host(&bench->actions.gone[0], &host));
}

static void silence_of_four_intervals_means_that_it_is_gone(void **state)
{
    struct bench *bench = *state;

    hear_again(bench, 0, 1, 1);
    wake(bench, at_ms(19999));
    assert_int_equal(bench->actions.gone_count, 0);
    assert_true(bench->actions.deadline.ns <= at_ms(20000).ns);
    wake(bench, at_ms(20000));
    check_gone(bench, "10.0.0.1");
    assert_int_equal(gossip_known(bench->machine), 0);
    wake(bench, at_ms(60000));
    check_gone(bench, NULL); /* told once */
}

/* What somebody recorded while it lived, and we did not hear. */
static void what_was_recorded_earlier_is_worth_nothing(void **state)
{
    struct bench *bench = *state;
    struct heartbeat recorded = beat_of("a", 1, 2, "10.0.0.1"), stranger = recorded;

    hear_again(bench, 0, 1, 1);
    wake(bench, at_ms(20000));
    recorded.clock.ms -= 61000;
    assert_int_equal(hear(bench, at_ms(80000), &recorded), GOSSIP_STALE);
    recorded.boot = 9;
    assert_int_equal(hear(bench, at_ms(80000), &recorded), GOSSIP_STALE);
    assert_true(span_copy(span_of("b"), stranger.node, sizeof(stranger.node)));
    stranger.clock.ms -= 61000;
    assert_int_equal(hear(bench, at_ms(80000), &stranger), GOSSIP_STALE);
    assert_int_equal(gossip_known(bench->machine), 0);
    stranger.clock.ms += 2000;
    assert_int_equal(hear(bench, at_ms(80001), &stranger), GOSSIP_TAKEN);
}

static void a_clock_that_is_stepped_strands_nobody_who_is_known(void **state)
{
    struct bench *bench = *state;
    struct heartbeat beat = beat_of("a", 1, 1, "10.0.0.1");

    assert_int_equal(hear(bench, at_ms(0), &beat), GOSSIP_TAKEN);
    beat.counter = 2;
    beat.clock.ms -= 86400000;
    assert_int_equal(hear(bench, at_ms(5000), &beat), GOSSIP_TAKEN);
    beat.counter = 3;
    beat.clock.ms += 3 * (int64_t)86400000;
    assert_int_equal(hear(bench, at_ms(10000), &beat), GOSSIP_TAKEN);
}

static void a_lower_boot_is_taken_once_the_known_one_is_gone(void **state)
{
    struct bench *bench = *state;

    hear_again(bench, 0, 9, 1);
    assert_int_equal(hear_again(bench, 100, 8, 1), GOSSIP_REPLAYED);
    wake(bench, at_ms(20000));
    assert_int_equal(hear_again(bench, 20001, 8, 1), GOSSIP_TAKEN);
    assert_true(bench->actions.met);
}

/* As long as its interval says that it is known. */
static void a_node_whose_state_was_lost_is_not_kept_out_for_longer_than_two_minutes(void **state)
{
    struct bench *bench = *state;
    struct heartbeat before = beat_of("a", 9, 5, "10.0.0.1");

    before.interval_ms = HEARTBEAT_INTERVAL_MAX_MS;
    assert_int_equal(hear(bench, at_ms(0), &before), GOSSIP_TAKEN);
    assert_int_equal(hear_again(bench, GOSSIP_BARS_MS - 1, 8, 1), GOSSIP_REPLAYED);
    assert_int_equal(hear_again(bench, GOSSIP_BARS_MS, 8, 1), GOSSIP_TAKEN);
    assert_int_equal(hear_again(bench, GOSSIP_BARS_MS + 1, 8, 1), GOSSIP_REPLAYED);
}

static void what_is_vouched_for_never_goes_back_under_its_boot(void **state)
{
    struct bench *bench = *state;

    hear_again(bench, 0, 9, 5);
    wake(bench, at_ms(20000));
    assert_int_equal(hear_again(bench, 10 * GOSSIP_BARS_MS, 9, 5), GOSSIP_REPLAYED);
    assert_int_equal(hear_again(bench, 10 * GOSSIP_BARS_MS, 9, 6), GOSSIP_TAKEN);
}

/* Where anybody can say anything: whichever of both numbers is forged. */
static void check_forged(struct bench *bench, int64_t began, uint64_t boot, uint64_t counter)
{
    struct heartbeat forged = beat_of("a", boot, counter, "10.0.0.99");
    int64_t ms = began;

    forged.interval_ms = HEARTBEAT_INTERVAL_MAX_MS;
    assert_int_equal(hear_again(bench, ms, 9, (uint64_t)ms + 1), GOSSIP_TAKEN);
    assert_int_equal(hear(bench, at_ms(ms), &forged), GOSSIP_TAKEN);
    for (ms += 5000; ms < began + GOSSIP_BARS_MS; ms += 5000)
        assert_int_equal(hear_again(bench, ms, 9, (uint64_t)ms + 1), GOSSIP_REPLAYED);
    for (; ms < began + 2 * GOSSIP_BARS_MS; ms += 5000)
        assert_int_equal(hear_again(bench, ms, 9, (uint64_t)ms + 1), GOSSIP_TAKEN);
}

static void one_forged_heartbeat_keeps_nobody_out_for_longer_than_two_minutes(void **state)
{
    struct bench *bench = *state;

    bench->forged = true;
    check_forged(bench, 0, UINT64_MAX, 1);
    check_forged(bench, 3 * GOSSIP_BARS_MS, 9, UINT64_MAX);
}

static void two_nodes_of_one_name_are_noticed(void **state)
{
    struct bench *bench = *state;
    struct heartbeat other = beat_of("a", 3, 50, "10.0.0.77");

    hear_again(bench, 0, 5, 1);
    assert_int_equal(hear(bench, at_ms(10), &other), GOSSIP_REPLAYED);
    assert_non_null(bench->actions.node);
    assert_int_equal(bench->actions.node->beat.boot, 5);
}

static void name_number(char out[NODE_SIZE], size_t n)
{
    snprintf(out, NODE_SIZE, "n%zu", n);
}

static struct heartbeat numbered(size_t n, size_t address_count)
{
    struct heartbeat beat = beat_of("x", 1, 1, "10.0.0.1");

    name_number(beat.node, n);
    beat.address_count = address_count;
    for (size_t i = 0; i < address_count; i++) {
        beat.addresses[i] = beat.addresses[0];
        beat.addresses[i].ip[12] = 11;
        beat.addresses[i].ip[13] = (uint8_t)i;
        beat.addresses[i].ip[14] = (uint8_t)(n >> 8);
        beat.addresses[i].ip[15] = (uint8_t)n;
    }
    return beat;
}

static void many_that_go_at_once_are_all_told(void **state)
{
    enum { COUNT = 1000 };
    struct bench *bench = *state;
    const mono_t now = at_ms(20000 + COUNT);
    size_t told = 0;

    for (size_t i = 0; i < COUNT; i++) {
        struct heartbeat beat = numbered(i, HEARTBEAT_ADDRESSES_MAX);
        hear(bench, at_ms((int64_t)i), &beat);
    }
    assert_int_equal(gossip_known(bench->machine), COUNT);
    do {
        wake(bench, now);
        assert_true(bench->actions.gone_count > 0);
        told += bench->actions.gone_count;
        assert_true(told == COUNT * HEARTBEAT_ADDRESSES_MAX ||
                    mono_reached(now, bench->actions.deadline));
    } while (gossip_known(bench->machine) > 0);
    assert_int_equal(told, COUNT * HEARTBEAT_ADDRESSES_MAX);
}

/* Each is looked for in the whole table. */
static void who_goes_one_after_another_is_looked_for_ten_times_a_second(void **state)
{
    enum { COUNT = 4000 };
    struct bench *bench = *state;
    mono_t now = at_ms(20000);
    size_t looks = 0;

    for (size_t i = 0; i < COUNT; i++) {
        struct heartbeat beat = numbered(i, 1);
        hear(bench, at_ms((int64_t)i), &beat);
    }
    while (gossip_known(bench->machine) > 0) {
        assert_true(now.ns <= at_ms(20000 + COUNT + GOSSIP_LOOK_MS).ns); /* nobody stays */
        wake(bench, now);
        looks += bench->actions.gone_count > 0;
        now = bench->actions.deadline;
    }
    assert_in_range(looks, COUNT / 100, COUNT / 100 + 1);
}

static void a_full_table_gives_up_who_was_silent_longest_and_is_no_member(void **state)
{
    struct bench *bench = *state;
    bool has_first = false, has_second = false;

    for (size_t i = 0; i <= GOSSIP_NODES_MAX; i++) {
        struct heartbeat beat = numbered(i, 1);
        bench->stranger = i != 0;
        assert_int_equal(hear(bench, at_ms((int64_t)i), &beat), GOSSIP_TAKEN);
        check_gone(bench, i == GOSSIP_NODES_MAX ? "11.0.0.1" : NULL);
    }
    assert_int_equal(gossip_count(bench->machine), GOSSIP_NODES_MAX);
    assert_int_equal(gossip_known(bench->machine), GOSSIP_NODES_MAX);
    for (size_t i = 0; i < gossip_count(bench->machine); i++) {
        has_first |= strcmp(gossip_node_at(bench->machine, i)->beat.node, "n0") == 0;
        has_second |= strcmp(gossip_node_at(bench->machine, i)->beat.node, "n1") == 0;
    }
    assert_true(has_first);
    assert_false(has_second);
}

/* All heard there since two minutes, by their names as they are. */
static enum gossip_verdict hear_name(struct bench *bench, int64_t ms, size_t n, const char *address)
{
    struct heartbeat beat = beat_of("x", 1, (uint64_t)ms + 1, address);

    beat.interval_ms = 600000;
    name_number(beat.node, n);
    return hear(bench, at_ms(ms), &beat);
}

static void one_address_does_not_fill_the_table_with_names(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(hear_name(bench, (int64_t)i, i, "10.0.0.1"),
                         i < GOSSIP_NAMES_MAX ? GOSSIP_TAKEN : GOSSIP_CROWDED);
    assert_false(bench->actions.met);
    assert_null(bench->actions.node);
    assert_int_equal(gossip_count(bench->machine), GOSSIP_NAMES_MAX);
    assert_int_equal(hear_name(bench, 1000, 0, "10.0.0.1"), GOSSIP_TAKEN);
    assert_int_equal(hear_name(bench, 1000, 1000, "10.0.0.2"), GOSSIP_TAKEN);
}

/* So nobody keeps a name out for long by making up others at its address. */
static void names_that_an_address_has_left_make_room_for_others(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < GOSSIP_NAMES_MAX; i++)
        hear_name(bench, (int64_t)i, i, "10.0.0.1");
    hear_name(bench, 1000, 0, "10.0.0.1");
    assert_int_equal(hear_name(bench, GOSSIP_BARS_MS, 99, "10.0.0.1"), GOSSIP_CROWDED);
    assert_int_equal(hear_name(bench, GOSSIP_BARS_MS + 1, 99, "10.0.0.1"), GOSSIP_TAKEN);
    assert_int_equal(gossip_count(bench->machine), GOSSIP_NAMES_MAX);
    assert_int_equal(hear_name(bench, GOSSIP_BARS_MS + 1, 1, "10.0.0.1"), GOSSIP_CROWDED);
    for (size_t i = 0; i < 3 * GOSSIP_NAMES_MAX; i++) { /* lost after 0.4 s */
        struct heartbeat beat = beat_of("x", 1, 1, "10.0.0.2");
        name_number(beat.node, 100 + i);
        beat.interval_ms = 100;
        wake(bench, at_ms(200000 + 400 * (int64_t)i));
        assert_int_equal(hear(bench, at_ms(200000 + 400 * (int64_t)i), &beat), GOSSIP_TAKEN);
    }
    assert_int_equal(gossip_count(bench->machine), 2 * GOSSIP_NAMES_MAX);
}

static void an_address_is_not_gone_while_another_name_is_known_there(void **state)
{
    struct bench *bench = *state;
    struct heartbeat renamed = beat_of("b", 2, 1, "10.0.0.2");

    renamed.address_count = 2;
    assert_true(address_parse(span_of("10.0.0.1"), 0, &renamed.addresses[1]));
    hear_again(bench, 0, 1, 1);
    hear(bench, at_ms(10000), &renamed);
    wake(bench, at_ms(20000));
    assert_int_equal(gossip_known(bench->machine), 1);
    check_gone(bench, NULL);
    wake(bench, at_ms(30000));
    assert_int_equal(bench->actions.gone_count, 2);
}

static void what_a_node_tells_no_more_is_gone_unless_anybody_could_say_so(void **state)
{
    struct bench *bench = *state;
    struct heartbeat there = beat_of("a", 1, 2, "10.0.0.2"), both = there;

    hear_again(bench, 0, 1, 1);
    hear(bench, at_ms(1), &there);
    check_gone(bench, "10.0.0.1");
    both.counter = 3;
    both.addresses[both.address_count++] = there.addresses[0];
    assert_true(address_parse(span_of("10.0.0.1"), 0, &both.addresses[0]));
    hear(bench, at_ms(2), &both);
    check_gone(bench, NULL);
    assert_true(bench->actions.met);
    both.counter = 4; /* by its other path: the address that it goes out from is the first */
    both.addresses[1] = both.addresses[0];
    both.addresses[0] = there.addresses[0];
    hear(bench, at_ms(3), &both);
    check_gone(bench, NULL);
    assert_false(bench->actions.met);
    bench->forged = true;
    there.counter = 5;
    hear(bench, at_ms(4), &there);
    check_gone(bench, NULL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(once_within_each_interval_at_a_random_moment),
        CASE(another_interval_holds_from_now_on),
        CASE(a_longer_interval_is_told_before_the_others_miss_the_shorter),
        CASE(intervals_that_were_slept_through_are_not_made_up_for),
        CASE(who_is_heard_is_known_and_met_once),
        CASE(one_that_has_moved_is_met_again),
        CASE(what_was_said_before_is_refused),
        CASE(silence_of_four_intervals_means_that_it_is_gone),
        CASE(what_was_recorded_earlier_is_worth_nothing),
        CASE(a_clock_that_is_stepped_strands_nobody_who_is_known),
        CASE(a_lower_boot_is_taken_once_the_known_one_is_gone),
        CASE(a_node_whose_state_was_lost_is_not_kept_out_for_longer_than_two_minutes),
        CASE(what_is_vouched_for_never_goes_back_under_its_boot),
        CASE(one_forged_heartbeat_keeps_nobody_out_for_longer_than_two_minutes),
        CASE(two_nodes_of_one_name_are_noticed),
        CASE(many_that_go_at_once_are_all_told),
        CASE(one_address_does_not_fill_the_table_with_names),
        CASE(names_that_an_address_has_left_make_room_for_others),
        CASE(an_address_is_not_gone_while_another_name_is_known_there),
        CASE(what_a_node_tells_no_more_is_gone_unless_anybody_could_say_so),
        CASE(who_goes_one_after_another_is_looked_for_ten_times_a_second),
        CASE(a_full_table_gives_up_who_was_silent_longest_and_is_no_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
