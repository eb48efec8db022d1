/* SPDX-License-Identifier: ISC */
/* Whose catalogue is read in tiers, and when. */
#include "tests/unit/exchange_bench.h"

/* The head of host `from`, whose catalogue has the digest of `content`; ours that of 1. */
static void head(struct bench *bench, uint8_t from, unsigned relations, uint64_t sequence,
                 uint64_t content)
{
    struct address http = host(from);

    http.port = 8080;
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_HEAD,
                    .from = http,
                    .relations = relations,
                    .head = {.store = 9, .sequence = sequence, .digest = content_of(content)},
                    .own = content_of(1)});
}

static void compared(struct bench *bench, uint8_t from, enum exchange_result result,
                     struct exchange_page page)
{
    page.store_id = 9;
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_COMPARED, .from = host(from), .result = result, .page = page});
}

static void read_to(struct bench *bench, uint8_t from, uint64_t last)
{
    compared(bench, from, EXCHANGE_DONE, (struct exchange_page){.last = last});
}

static int set_up_slave(void **state)
{
    set_up(state);
    stand(*state, PLACE_SLAVE);
    ((struct bench *)*state)->relations = MASTER_ABOVE;
    return 0;
}

static int set_up_master(void **state)
{
    set_up(state);
    stand(*state, PLACE_TOP_MASTER);
    ((struct bench *)*state)->relations = ROUTE_LED;
    return 0;
}

static void a_master_that_knows_more_is_read_soon(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;
    mono_t before = bench->now;

    head(bench, 2, MASTER_ABOVE, 100, 2);
    action = await(bench, EXCHANGE_COMPARE, 1000);
    assert_non_null(action);
    assert_true(mono_between(before, bench->now) <= MONO_MS(50));
    assert_int_equal(action->to.port, 8080);
    assert_int_equal(action->store_id, 0); /* never read */
    read_to(bench, 2, 100);
    head(bench, 2, MASTER_ABOVE, 100, 2); /* what it lacks it reads from us */
    assert_null(await(bench, EXCHANGE_COMPARE, 20000));
    head(bench, 2, MASTER_ABOVE, 101, 2);
    action = await(bench, EXCHANGE_COMPARE, 1000);
    assert_int_equal(action->store_id, 9);
    assert_int_equal(action->since, 100);
}

/* A new master whose catalogue is ours needs no reading, now or from its beginning later. */
static void who_has_the_same_is_not_read(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    head(bench, 2, MASTER_ABOVE, 100, 1);
    assert_null(await(bench, EXCHANGE_COMPARE, 60000));
    head(bench, 2, MASTER_ABOVE, 103, 2);
    action = await(bench, EXCHANGE_COMPARE, 1000);
    assert_int_equal(action->store_id, 9);
    assert_int_equal(action->since, 100);
}

/* It tells since when it is whole; being quiet is not being away. */
static void who_has_the_same_is_read_once_an_hour(void **state)
{
    struct bench *bench = *state;
    size_t count = 0;

    for (int s = 0; s < 4 * 3600; s++) {
        const struct exchange_action *action;
        head(bench, 2, MASTER_ABOVE, 100, 1);
        action = await(bench, EXCHANGE_COMPARE, 1000);
        if (!action)
            continue;
        assert_int_equal(action->since, 100);
        assert_int_equal(action->store_id, 9);
        count++;
        read_to(bench, 2, 100);
    }
    assert_in_range(count, 4, 5);
}

/* A long absence ends when it is heard, not when we think of looking. */
static void who_was_absent_is_read_when_it_is_heard_again(void **state)
{
    struct bench *bench = *state;

    head(bench, 2, MASTER_ABOVE, 100, 2);
    for (int i = 0; i < 8; i++) {
        assert_non_null(await(bench, EXCHANGE_COMPARE, 70000));
        step(bench, (struct exchange_event){.kind = EXCHANGE_COMPARED,
                                            .from = host(2),
                                            .result = EXCHANGE_FAILED,
                                            .fault = PEER_UNREACHABLE});
        bench->actions.count = 0;
    }
    head(bench, 2, MASTER_ABOVE, 101, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 2500));
}

/* Whoever is heard and yet not reached is not tried all the time. */
static void who_is_heard_but_not_reached_is_tried_now_and_then(void **state)
{
    struct bench *bench = *state;
    size_t count = 0;

    for (int s = 0; s < 120; s++) {
        head(bench, 2, MASTER_ABOVE, 100, 2);
        if (!await(bench, EXCHANGE_COMPARE, 1000))
            continue;
        count++;
        step(bench, (struct exchange_event){.kind = EXCHANGE_COMPARED,
                                            .from = host(2),
                                            .result = EXCHANGE_FAILED,
                                            .fault = PEER_UNREACHABLE});
        bench->actions.count = 0;
    }
    assert_in_range(count, 20, 61);
}

static void nobody_is_read_at_random(void **state)
{
    struct bench *bench = *state;

    hear(bench, 2, whohas(0, true), nothing());
    step(bench, (struct exchange_event){.kind = EXCHANGE_MEMBER, .from = host(3)});
    bench->actions.count = 0;
    assert_null(await(bench, EXCHANGE_COMPARE, 300000));
}

static void all_pages_are_read(void **state)
{
    struct bench *bench = *state;

    head(bench, 2, MASTER_ABOVE, 100, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 1000));
    compared(bench, 2, EXCHANGE_DONE, (struct exchange_page){.last = 40, .more = true});
    assert_int_equal(only(bench, EXCHANGE_COMPARE)->since, 40);
    head(bench, 2, MASTER_ABOVE, 110, 2); /* meanwhile */
    assert_null(only(bench, EXCHANGE_COMPARE));
    read_to(bench, 2, 110);
    bench->actions.count = 0;
    assert_null(await(bench, EXCHANGE_COMPARE, 10000));
}

static void a_failure_is_tried_again_until_it_is_read(void **state)
{
    struct bench *bench = *state;

    head(bench, 2, MASTER_ABOVE, 100, 2);
    for (int i = 0; i < 5; i++) {
        assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
        compared(bench, 2, EXCHANGE_FAILED, (struct exchange_page){.last = 0});
    }
    assert_non_null(await(bench, EXCHANGE_COMPARE, 5000));
    read_to(bench, 2, 100);
    bench->actions.count = 0;
    assert_null(await(bench, EXCHANGE_COMPARE, 20000));
}

static void who_never_has_what_its_head_tells_of_is_given_up(void **state)
{
    struct bench *bench = *state;
    size_t count = 0;

    head(bench, 2, MASTER_ABOVE, 100, 2);
    while (await(bench, EXCHANGE_COMPARE, 60000)) {
        read_to(bench, 2, 5);
        bench->actions.count = 0;
        assert_in_range(++count, 1, 20);
    }
    assert_in_range(count, 5, 20);
}

/* Something was lost on the way: but not at once, since what we put takes its time upward. */
static void a_difference_that_stays_is_read_from_the_beginning(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action = NULL;

    head(bench, 2, MASTER_ABOVE, 100, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 1000));
    read_to(bench, 2, 100);
    for (int s = 0; s < 40 && !action; s++) {
        head(bench, 2, MASTER_ABOVE, 100, 2);
        action = await(bench, EXCHANGE_COMPARE, 1000);
        assert_true(!action || s >= 29);
    }
    assert_non_null(action);
    assert_int_equal(action->store_id, 0);
    assert_int_equal(action->since, 0);
}

/* All but the one is followed as ever; that one is looked for now and then, not all the time. */
static void who_has_a_version_from_the_future_is_followed_on(void **state)
{
    struct bench *bench = *state;
    size_t whole = 0;

    head(bench, 2, MASTER_ABOVE, 100, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 1000));
    compared(bench, 2, EXCHANGE_AHEAD, (struct exchange_page){.last = 100, .ahead = true});
    assert_int_equal(exchange_peers(bench->machine)->list[0].fault, PEER_AHEAD);
    head(bench, 2, MASTER_ABOVE, 101, 2);
    assert_int_equal(await(bench, EXCHANGE_COMPARE, 1000)->since, 100);
    read_to(bench, 2, 101);
    for (int s = 0; s < 200; s++) {
        const struct exchange_action *action;
        head(bench, 2, MASTER_ABOVE, 101, 2);
        action = await(bench, EXCHANGE_COMPARE, 1000);
        if (!action)
            continue;
        assert_int_equal(action->store_id, 0);
        whole++;
        compared(bench, 2, EXCHANGE_AHEAD, (struct exchange_page){.last = 101, .ahead = true});
    }
    assert_in_range(whole, 5, 7);
}

/* Two hundred standings at once are no storm, and none is passed over. */
static void members_are_read_in_their_turn(void **state)
{
    enum { MEMBERS = 200 };
    struct bench *bench = *state;
    uint8_t asked[MEMBERS];
    size_t begun = 0, ended = 0;

    for (uint8_t i = 0; i < MEMBERS; i++)
        head(bench, i, ROUTE_LED, 100, 2);
    for (int turn = 0; ended < MEMBERS && turn < 10 * MEMBERS; turn++) {
        if (begun > ended)
            read_to(bench, asked[ended++], 100);
        else
            wait_ms(bench, 10);
        for (size_t i = 0; i < bench->actions.count; i++)
            asked[begun++] = bench->actions.list[i].to.ip[15];
        assert_true(begun - ended <= EXCHANGE_COMPARES_IN_FLIGHT / 2);
    }
    assert_int_equal(ended, MEMBERS);
    assert_null(await(bench, EXCHANGE_COMPARE, 10000));
}

/* Those below, which answer nothing, leave room for those above. */
static void members_that_hang_do_not_keep_us_from_our_master(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    stand(bench, PLACE_GATEWAY);
    for (uint8_t i = 10; i < 30; i++)
        head(bench, i, ROUTE_LED, 100, 2);
    wait_ms(bench, 1000);
    bench->actions.count = 0;
    assert_null(await(bench, EXCHANGE_COMPARE, 10000));
    head(bench, 2, MASTER_ABOVE, 100, 2);
    action = await(bench, EXCHANGE_COMPARE, 1000);
    assert_non_null(action);
    assert_int_equal(action->to.ip[15], 2);
}

static void who_left_is_not_read(void **state)
{
    struct bench *bench = *state;

    head(bench, 2, MASTER_ABOVE, 100, 2);
    step(bench, (struct exchange_event){.kind = EXCHANGE_LEFT, .from = host(2)});
    assert_null(await(bench, EXCHANGE_COMPARE, 10000));
    head(bench, 3, MASTER_ABOVE, 100, 2);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 1000));
    step(bench, (struct exchange_event){.kind = EXCHANGE_LEFT, .from = host(3)});
    compared(bench, 3, EXCHANGE_DONE, (struct exchange_page){.last = 9, .more = true});
    assert_null(await(bench, EXCHANGE_COMPARE, 10000));
}

static const struct exchange_action *said_to_one(const struct bench *bench)
{
    for (size_t i = 0; i < bench->actions.count; i++) {
        const struct exchange_action *action = &bench->actions.list[i];
        if (action->kind == EXCHANGE_SEND && !action->audiences)
            return action;
    }
    return NULL;
}

/* A head tells where its node serves, not where it hears. */
static void who_was_known_by_its_head_alone_is_told_where_it_hears(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    head(bench, 2, ROUTE_LED, 100, 2);
    step(bench,
         (struct exchange_event){.kind = EXCHANGE_MEMBER, .from = host(2), .relations = ROUTE_LED});
    landed(bench, 2, ROUTE_LED, knows(1, true));
    action = said_to_one(bench);
    assert_non_null(action);
    assert_int_equal(action->to.port, host(2).port);
}

static void who_may_not_be_asked_is_not_read(void **state)
{
    struct bench *bench = *state;

    head(bench, 2, BACKUP_ABOVE, 100, 2);
    assert_null(await(bench, EXCHANGE_COMPARE, 10000));
}

#define BELOW(function) cmocka_unit_test_setup_teardown(function, set_up_slave, tear_down)
#define ABOVE(function) cmocka_unit_test_setup_teardown(function, set_up_master, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BELOW(a_master_that_knows_more_is_read_soon),
        BELOW(who_has_the_same_is_not_read),
        BELOW(who_has_the_same_is_read_once_an_hour),
        BELOW(who_was_absent_is_read_when_it_is_heard_again),
        BELOW(who_is_heard_but_not_reached_is_tried_now_and_then),
        BELOW(nobody_is_read_at_random),
        BELOW(all_pages_are_read),
        BELOW(a_failure_is_tried_again_until_it_is_read),
        BELOW(who_never_has_what_its_head_tells_of_is_given_up),
        BELOW(a_difference_that_stays_is_read_from_the_beginning),
        BELOW(who_has_a_version_from_the_future_is_followed_on),
        ABOVE(members_are_read_in_their_turn),
        ABOVE(members_that_hang_do_not_keep_us_from_our_master),
        BELOW(who_left_is_not_read),
        ABOVE(who_was_known_by_its_head_alone_is_told_where_it_hears),
        BELOW(who_may_not_be_asked_is_not_read),
    };
    return cmocka_run_group_tests_name("exchange_heads", tests, NULL, NULL);
}
