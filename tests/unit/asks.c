/* SPDX-License-Identifier: ISC */
#include "src/asks.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

static int done_count;

static void on_done(struct ask *ask)
{
    (void)ask;
    done_count++;
}

static struct exchange_action answer_to(uint64_t ticket, const struct exchange_source *source)
{
    return (struct exchange_action){.kind = EXCHANGE_ANSWER,
                                    .ticket = ticket,
                                    .found = source != NULL,
                                    .sources = source,
                                    .source_count = source != NULL};
}

static void an_answer_reaches_its_asker_once(void **state)
{
    struct exchange_source source = {.size = 42, .held = true};
    struct asks *asks = asks_new();
    struct ask ask = {.done = on_done};
    uint64_t ticket = asks_add(asks, &ask);
    struct exchange_action answer = answer_to(ticket, &source);

    (void)state;
    done_count = 0;
    asks_answer(asks, &answer);
    asks_answer(asks, &answer);
    assert_int_equal(done_count, 1);
    assert_true(ask.found);
    assert_int_equal(ask.source_count, 1);
    assert_int_equal(ask.sources[0].size, 42);
    asks_free(asks);
}

/* The slot of a ticket is used again; the old ticket does not answer for the new ask. */
static void an_old_ticket_is_known_for_old(void **state)
{
    struct asks *asks = asks_new();
    struct ask first = {.done = on_done}, second = {.done = on_done};
    uint64_t old = asks_add(asks, &first), fresh;
    struct exchange_action answer = answer_to(old, NULL);

    (void)state;
    done_count = 0;
    asks_answer(asks, &answer);
    fresh = asks_add(asks, &second);
    assert_int_not_equal(fresh, old);
    asks_answer(asks, &answer);
    assert_int_equal(done_count, 1);
    asks_end(asks);
    assert_int_equal(done_count, 2);
    assert_true(second.busy);
    asks_free(asks);
}

static void what_is_dropped_is_ended_once(void **state)
{
    struct asks *asks = asks_new();
    struct ask ask = {.done = on_done};
    uint64_t ticket = asks_add(asks, &ask);
    struct exchange_action answer = answer_to(ticket, NULL);

    (void)state;
    done_count = 0;
    asks_drop(asks, ticket);
    assert_int_equal(done_count, 1);
    assert_true(ask.busy && !ask.found);
    asks_drop(asks, ticket);
    asks_answer(asks, &answer); /* it crossed with that */
    assert_int_equal(done_count, 1);
    asks_free(asks);
}

static void beyond_the_limit_there_is_no_ticket(void **state)
{
    struct asks *asks = asks_new();
    struct ask *many = calloc(ASKS_MAX + 1, sizeof(*many));

    (void)state;
    done_count = 0;
    for (size_t i = 0; i <= ASKS_MAX; i++)
        many[i].done = on_done;
    for (size_t i = 0; i < ASKS_MAX; i++)
        assert_int_not_equal(asks_add(asks, &many[i]), 0);
    assert_int_equal(asks_add(asks, &many[ASKS_MAX]), 0);
    asks_end(asks);
    assert_int_equal(done_count, ASKS_MAX);
    assert_int_not_equal(asks_add(asks, &many[ASKS_MAX]), 0);
    asks_end(asks);
    asks_free(asks);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_reaches_its_asker_once),
        cmocka_unit_test(an_old_ticket_is_known_for_old),
        cmocka_unit_test(what_is_dropped_is_ended_once),
        cmocka_unit_test(beyond_the_limit_there_is_no_ticket),
    };
    return cmocka_run_group_tests_name("asks", tests, NULL, NULL);
}
