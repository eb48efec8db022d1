/* SPDX-License-Identifier: ISC */
#include "tests/unit/exchange_bench.h"

static void member(struct bench *bench, uint8_t n)
{
    step(bench, (struct exchange_event){.kind = EXCHANGE_MEMBER, .from = host(n)});
}

static void compared(struct bench *bench, uint8_t from, struct exchange_page page)
{
    struct address http = host(from);

    http.port = 65028;
    step(bench,
         (struct exchange_event){
             .kind = EXCHANGE_COMPARED, .from = http, .result = EXCHANGE_DONE, .page = page});
}

static void compare_failed(struct bench *bench, uint8_t from, enum exchange_result result,
                           enum peer_fault fault)
{
    step(bench,
         (struct exchange_event){
             .kind = EXCHANGE_COMPARED, .from = host(from), .result = result, .fault = fault});
}

static void catalogues_are_compared_soon_and_then_every_30_s(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;
    mono_t before = bench->now;

    member(bench, 2);
    action = await(bench, EXCHANGE_COMPARE, 5000);
    assert_non_null(action);
    assert_int_equal(action->to.port, 65028);
    assert_int_equal(action->since, 0);
    compared(bench, 2, (struct exchange_page){.store_id = 9, .last = 100});
    before = bench->now;
    action = await(bench, EXCHANGE_COMPARE, 60000);
    assert_non_null(action);
    assert_in_range(mono_between(before, bench->now), MONO_MS(22500), MONO_MS(37501));
    assert_int_equal(action->store_id, 9);
    assert_int_equal(action->since, 100);
}

static void pages_follow_one_another_at_once(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    member(bench, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    compared(bench, 2, (struct exchange_page){.store_id = 9, .last = 100, .more = true});
    action = only(bench, EXCHANGE_COMPARE);
    assert_non_null(action);
    assert_int_equal(action->since, 100);
    /* The store was made anew in between: its answer began from its beginning. */
    compared(bench, 2, (struct exchange_page){.store_id = 10, .last = 50, .more = true});
    action = only(bench, EXCHANGE_COMPARE);
    assert_int_equal(action->store_id, 10);
    assert_int_equal(action->since, 50);
}

static void a_catalogue_that_leads_nowhere_is_a_fault(void **state)
{
    struct bench *bench = *state;

    member(bench, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    compared(bench, 2, (struct exchange_page){.store_id = 9, .last = 100, .more = true});
    compared(bench, 2, (struct exchange_page){.store_id = 9, .last = 100, .more = true});
    assert_null(only(bench, EXCHANGE_COMPARE));
    assert_int_equal(exchange_peers(bench->machine)->list[0].fault, PEER_WRONG_ANSWER);
    assert_false(peer_usable(&exchange_peers(bench->machine)->list[0], bench->now));
}

static void a_page_of_no_store_is_a_fault(void **state)
{
    struct bench *bench = *state;

    member(bench, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    compared(bench, 2, (struct exchange_page){.store_id = 0, .last = 100});
    assert_int_equal(exchange_peers(bench->machine)->list[0].fault, PEER_WRONG_ANSWER);
}

static void an_endless_catalogue_ends_its_turn(void **state)
{
    struct bench *bench = *state;
    uint64_t pages = 0;

    member(bench, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    while (only(bench, EXCHANGE_COMPARE)) {
        compared(bench, 2, (struct exchange_page){.store_id = 9, .last = ++pages, .more = true});
        assert_in_range(pages, 1, 100000);
    }
    assert_int_equal(await(bench, EXCHANGE_COMPARE, 60000)->since, pages);
}

/* Meanwhile its catalogue is followed on; now and then it is compared as a whole. */
static void what_was_ahead_is_looked_for_again_later(void **state)
{
    struct bench *bench = *state;
    struct exchange_page first = {.store_id = 9, .last = 100, .more = true, .ahead = true};
    struct exchange_page last = {.store_id = 9, .last = 200};
    const struct exchange_action *action;
    int whole = 0;

    member(bench, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    compared(bench, 2, first);
    assert_int_equal(only(bench, EXCHANGE_COMPARE)->since, 100);
    compared(bench, 2, last);
    for (int i = 0; i < 20; i++) {
        action = await(bench, EXCHANGE_COMPARE, 60000);
        assert_true(action->store_id == 0 || action->since == 200);
        whole += action->store_id == 0;
        last.ahead = action->store_id == 0;
        compared(bench, 2, last);
    }
    assert_in_range(whole, 5, 15);
}

static void who_speaks_up_during_a_comparison_is_next(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    member(bench, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    hear(bench, 3, whohas(0, true), nothing());
    compared(bench, 2, (struct exchange_page){.store_id = 9, .last = 1});
    action = await(bench, EXCHANGE_COMPARE, 5000);
    assert_non_null(action);
    assert_int_equal(action->to.ip[15], 3);
}

static void good_pages_do_not_absolve_of_wrong_chunks(void **state)
{
    struct bench *bench = *state;
    const struct peer *peer = &exchange_peers(bench->machine)->list[0];

    member(bench, 2);
    for (int i = 0; i < 3; i++) {
        step(bench, (struct exchange_event){
                        .kind = EXCHANGE_BLAMED, .from = host(2), .fault = PEER_WRONG_CHUNK});
        assert_int_equal(only(bench, EXCHANGE_FAULT)->fault, PEER_WRONG_CHUNK);
        assert_true(mono_between(bench->now, peer->avoid_until) == MONO_S(10 << i));
        wait_ms(bench, 100000);
        assert_non_null(await(bench, EXCHANGE_COMPARE, 60000));
        compared(bench, 2, (struct exchange_page){.store_id = 9, .last = 1});
    }
    step(bench,
         (struct exchange_event){.kind = EXCHANGE_BLAMED, .from = host(2), .fault = PEER_FINE});
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_BLAMED, .from = host(2), .fault = PEER_WRONG_CHUNK});
    assert_true(mono_between(bench->now, peer->avoid_until) == MONO_S(10));
}

static void after_a_failure_another_peer_is_tried_soon(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;
    mono_t failed;
    uint8_t down;

    member(bench, 2);
    member(bench, 3);
    action = await(bench, EXCHANGE_COMPARE, 5000);
    down = action->to.ip[15];
    compare_failed(bench, down, EXCHANGE_FAILED, PEER_REFUSES);
    failed = bench->now;
    action = await(bench, EXCHANGE_COMPARE, 5000);
    assert_non_null(action);
    assert_true(mono_between(failed, bench->now) <= MONO_MS(2500));
}

static void failures_in_a_row_are_retried_ever_later(void **state)
{
    struct bench *bench = *state;
    int64_t waited = 0;

    member(bench, 2);
    for (int i = 0; i < 12; i++) {
        mono_t before = bench->now;
        assert_non_null(await(bench, EXCHANGE_COMPARE, 90000));
        waited = mono_between(before, bench->now);
        compare_failed(bench, 2, EXCHANGE_FAILED, PEER_UNREACHABLE);
    }
    assert_in_range(waited, MONO_MS(22500), MONO_S(80));
}

static void a_new_voice_is_compared_with_soon(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    member(bench, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    compared(bench, 2, (struct exchange_page){.store_id = 9, .last = 1});
    hear(bench, 3, whohas(0, true), nothing());
    action = await(bench, EXCHANGE_COMPARE, 5000);
    assert_non_null(action);
    assert_int_equal(action->to.ip[15], 3);
}

static void who_knows_nobody_greets_whoever_may_be_there(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < 3; i++) {
        const struct exchange_action *hello = await(bench, EXCHANGE_SEND, 40000);
        assert_non_null(hello);
        assert_int_equal(hello->audiences, AUDIENCE_MESH);
        assert_int_equal(hello->notice.kind, NOTICE_WHOHAS);
        assert_string_equal(hello->notice.name, "example.com/.pond");
        bench->actions.count = 0;
    }
}

static void who_is_compared_with_is_greeted(void **state)
{
    struct bench *bench = *state;

    member(bench, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    assert_true(only(bench, EXCHANGE_SEND)->audiences); /* all are, at start */
    compared(bench, 2, (struct exchange_page){.store_id = 9, .last = 1});
    assert_non_null(await(bench, EXCHANGE_COMPARE, 60000));
    assert_false(only(bench, EXCHANGE_SEND)->audiences);
    assert_int_equal(only(bench, EXCHANGE_SEND)->to.ip[15], 2);
}

/* Of ten comparisons by one that knows three, some greet all where that reaches more. */
static size_t greetings_to_all(struct bench *bench)
{
    size_t to_all = 0;

    for (int peer = 2; peer <= 4; peer++)
        member(bench, peer);
    for (int round = 0; round <= 10; round++) {
        const struct exchange_action *compare = await(bench, EXCHANGE_COMPARE, 60000);

        assert_non_null(compare);
        to_all += round && only(bench, EXCHANGE_SEND)->audiences;
        compared(bench, compare->to.ip[15], (struct exchange_page){.store_id = 9, .last = 1});
    }
    return to_all;
}

static void strangers_are_greeted_now_and_then(void **state)
{
    size_t to_all = greetings_to_all(*state);

    assert_in_range(to_all, 1, 8);
}

static void where_there_are_no_strangers_none_are(void **state)
{
    assert_int_equal(greetings_to_all(*state), 0);
}

static void who_joins_later_is_greeted_by_itself(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *hello;

    member(bench, 2);
    assert_null(only(bench, EXCHANGE_SEND));
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    compared(bench, 2, (struct exchange_page){.store_id = 9, .last = 1});
    member(bench, 3);
    hello = only(bench, EXCHANGE_SEND);
    assert_non_null(hello);
    assert_int_equal(hello->audiences, 0);
    assert_int_equal(hello->to.ip[15], 3);
    assert_int_equal(await(bench, EXCHANGE_COMPARE, 5000)->to.ip[15], 3);
    member(bench, 3); /* it is one already */
    assert_null(only(bench, EXCHANGE_SEND));
}

static void found(struct bench *bench, uint8_t n, unsigned relations)
{
    step(bench,
         (struct exchange_event){
             .kind = EXCHANGE_FOUND, .from = host(n), .http_port = 4711, .relations = relations});
}

/* Of a network of which the nets file names no host singly; it is not greeted for it. */
static void who_is_found_by_heartbeat_is_compared_with_soon(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *compare;
    struct address it = host(2);

    it.port = 4711;
    assert_null(await(bench, EXCHANGE_COMPARE, 20000));
    found(bench, 2, ROUTE_MESH);
    assert_null(only(bench, EXCHANGE_SEND));
    compare = await(bench, EXCHANGE_COMPARE, 5000);
    assert_non_null(compare);
    assert_true(address_same(&compare->to, &it));
    found(bench, 2, ROUTE_MESH); /* no news */
    assert_int_equal(exchange_peers(bench->machine)->count, 1);
}

static void who_is_found_and_is_nothing_to_us_is_no_peer(void **state)
{
    struct bench *bench = *state;

    found(bench, 2, ROUTE_SIBLING);
    found(bench, 3, ROUTE_CANDIDATE);
    assert_int_equal(exchange_peers(bench->machine)->count, 0);
    found(bench, 4, ROUTE_LED);
    assert_int_equal(exchange_peers(bench->machine)->count, 1);
}

static void lost(struct bench *bench, uint8_t n)
{
    step(bench, (struct exchange_event){.kind = EXCHANGE_LOST, .from = host(n)});
}

static void who_is_lost_is_forgotten_unless_it_is_known_otherwise(void **state)
{
    struct bench *bench = *state;

    found(bench, 2, ROUTE_MESH);
    found(bench, 3, ROUTE_MESH);
    found(bench, 4, ROUTE_MESH);
    member(bench, 3);
    hear(bench, 4, ihave(1, true), nothing());
    lost(bench, 2);
    lost(bench, 3);
    lost(bench, 4);
    lost(bench, 5);
    assert_int_equal(exchange_peers(bench->machine)->count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_false(exchange_peers(bench->machine)->list[i].found);
}

static void who_leaves_is_forgotten(void **state)
{
    struct bench *bench = *state;

    member(bench, 2);
    member(bench, 3);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    step(bench, (struct exchange_event){.kind = EXCHANGE_LEFT, .from = host(2)});
    step(bench, (struct exchange_event){.kind = EXCHANGE_LEFT, .from = host(3)});
    assert_int_equal(exchange_peers(bench->machine)->count, 0);
    /* What was asked of them meanwhile comes back, from nobody that is known. */
    compared(bench, 2, (struct exchange_page){.store_id = 9, .last = 1, .more = true});
    compared(bench, 3, (struct exchange_page){.store_id = 9, .last = 1, .more = true});
    assert_null(await(bench, EXCHANGE_COMPARE, 60000));
}

static void a_member_may_become_a_stranger(void **state)
{
    struct bench *bench = *state;

    member(bench, 2);
    step(bench, (struct exchange_event){.kind = EXCHANGE_STRANGER, .from = host(2)});
    step(bench, (struct exchange_event){.kind = EXCHANGE_STRANGER, .from = host(9)});
    assert_int_equal(exchange_peers(bench->machine)->count, 1);
    assert_false(exchange_peers(bench->machine)->list[0].member);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(catalogues_are_compared_soon_and_then_every_30_s),
        CASE(pages_follow_one_another_at_once),
        CASE(a_catalogue_that_leads_nowhere_is_a_fault),
        CASE(a_page_of_no_store_is_a_fault),
        CASE(an_endless_catalogue_ends_its_turn),
        CASE(what_was_ahead_is_looked_for_again_later),
        CASE(who_speaks_up_during_a_comparison_is_next),
        CASE(good_pages_do_not_absolve_of_wrong_chunks),
        CASE(after_a_failure_another_peer_is_tried_soon),
        CASE(failures_in_a_row_are_retried_ever_later),
        CASE(a_new_voice_is_compared_with_soon),
        CASE(who_knows_nobody_greets_whoever_may_be_there),
        cmocka_unit_test_setup_teardown(who_is_compared_with_is_greeted, set_up_alone, tear_down),
        CASE(strangers_are_greeted_now_and_then),
        cmocka_unit_test_setup_teardown(where_there_are_no_strangers_none_are, set_up_alone,
                                        tear_down),
        CASE(who_joins_later_is_greeted_by_itself),
        CASE(who_is_found_by_heartbeat_is_compared_with_soon),
        CASE(who_is_found_and_is_nothing_to_us_is_no_peer),
        CASE(who_is_lost_is_forgotten_unless_it_is_known_otherwise),
        CASE(who_leaves_is_forgotten),
        CASE(a_member_may_become_a_stranger),
    };
    return cmocka_run_group_tests_name("exchange_compare", tests, NULL, NULL);
}
