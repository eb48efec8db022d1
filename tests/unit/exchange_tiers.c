/* SPDX-License-Identifier: ISC */
/* What is asked, told and passed on in tiers with roles. */
#include "tests/unit/exchange_bench.h"

/* The first thing that the last step says of this kind, or NULL. */
static const struct exchange_action *says(const struct bench *bench, enum notice_kind kind)
{
    for (size_t i = 0; i < bench->actions.count; i++) {
        const struct exchange_action *action = &bench->actions.list[i];
        if (action->kind == EXCHANGE_SEND && action->notice.kind == kind)
            return action;
    }
    return NULL;
}

/* How much of that it says until `ms` are over; of the last step too. */
static size_t count_said(struct bench *bench, enum notice_kind kind, int64_t ms)
{
    mono_t end = mono_after(bench->now, MONO_MS(ms));
    size_t count = 0;

    for (;;) {
        for (size_t i = 0; i < bench->actions.count; i++)
            count += bench->actions.list[i].kind == EXCHANGE_SEND &&
                     bench->actions.list[i].notice.kind == kind;
        if (bench->now.ns >= end.ns)
            return count;
        bench->now = mono_earlier(end, bench->actions.deadline);
        step(bench, (struct exchange_event){.kind = EXCHANGE_WAKE});
    }
}

static void a_slave_asks_its_master_alone(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;
    char tuid[TUID_SIZE];

    stand(bench, PLACE_SLAVE);
    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    action = only(bench, EXCHANGE_SEND);
    assert_non_null(action);
    assert_int_equal(action->audiences, AUDIENCE_UP);
    memcpy(tuid, action->notice.tuid, sizeof(tuid));
    bench->relations = MASTER_ABOVE;
    hear_answer(bench, 2, tuid, 5, false, nothing());
    assert_non_null(only(bench, EXCHANGE_LEARN));
    learned(bench, 2, EXCHANGE_DONE, PEER_FINE, knows(5, false));
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
    assert_null(only(bench, EXCHANGE_SEND)); /* whom should it tell? */
}

static void who_follows_nobody_knows_at_once_that_nobody_has_it(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_TOP_MASTER);
    hear_as(bench, 2, ROUTE_LED, whohas(0, true), nothing());
    assert_null(only(bench, EXCHANGE_SEND));
    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    assert_false(only(bench, EXCHANGE_ANSWER)->found);
    assert_null(only(bench, EXCHANGE_SEND));
}

/* A question that is open when the last who could be asked goes away: nobody is asked until there
 * is somebody again. */
static void who_follows_nobody_any_more_asks_nobody(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_SLAVE);
    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    assert_non_null(only(bench, EXCHANGE_SEND));
    stand(bench, PLACE_TOP_MASTER);
    assert_null(only(bench, EXCHANGE_SEND));
    assert_int_equal(count_said(bench, NOTICE_WHOHAS, 100), 0);
    stand(bench, PLACE_SLAVE);
    assert_int_equal(only(bench, EXCHANGE_SEND)->audiences, AUDIENCE_UP);
}

/* Beside it first, and below at the last: somebody may have kept it. */
static void content_that_the_top_has_lost_is_looked_for_below(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    stand(bench, PLACE_TOP_MASTER);
    ask(bench, 1, EXCHANGE_ASK_CONTENT, knows(5, false));
    assert_int_equal(only(bench, EXCHANGE_SEND)->audiences, AUDIENCE_FELLOWS);
    wait_ms(bench, 250);
    wait_ms(bench, 750);
    action = only(bench, EXCHANGE_SEND);
    assert_int_equal(action->audiences, AUDIENCE_FELLOWS | AUDIENCE_DOWN);
    bench->relations = ROUTE_LED;
    hear_answer(bench, 2, action->notice.tuid, 5, true, knows(5, false));
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
}

static void a_member_is_told_of_what_we_can_fetch_for_it(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_TOP_MASTER);
    hear_as(bench, 2, ROUTE_LED, whohas(0, true), knows(5, false));
    assert_non_null(says(bench, NOTICE_IHAVE));
    hear_as(bench, 3, FELLOW, whohas(0, true), knows(5, false));
    assert_null(says(bench, NOTICE_IHAVE));
}

static void a_question_from_below_goes_up_under_its_own_tuid(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    stand(bench, PLACE_GATEWAY);
    hear_as(bench, 2, ROUTE_LED, whohas(0, true), nothing());
    action = says(bench, NOTICE_WHOHAS);
    assert_non_null(action);
    assert_int_equal(action->audiences, AUDIENCE_UP);
    assert_string_equal(action->notice.tuid, "1.77@there");
    assert_int_equal(action->notice.spread_ms, 0);

    bench->relations = MASTER_ABOVE;
    hear_answer(bench, 9, "1.77@there", 5, false, nothing());
    assert_non_null(only(bench, EXCHANGE_LEARN));
    learned(bench, 9, EXCHANGE_DONE, PEER_FINE, knows(5, false));
    for (size_t i = 0; i < bench->actions.count; i++) {
        const struct exchange_action *said = &bench->actions.list[i];
        if (said->kind == EXCHANGE_SEND && !said->audiences) {
            assert_int_equal(said->to.ip[15], 2);
            assert_string_equal(said->notice.tuid, "1.77@there");
            assert_true(version_same(said->notice.version, version_of(5)));
            return;
        }
    }
    fail();
}

static void each_tuid_goes_up_once(void **state)
{
    struct bench *bench = *state;
    struct exchange_figures figures;
    struct notice question = whohas(0, true);

    stand(bench, PLACE_GATEWAY);
    hear_as(bench, 2, ROUTE_LED, question, nothing());
    assert_int_equal(count_said(bench, NOTICE_WHOHAS, 3000), 3); /* against loss */
    hear_as(bench, 2, ROUTE_LED, question, nothing());
    hear_as(bench, 3, ROUTE_LED, question, nothing());
    exchange_figures(bench->machine, &figures);
    assert_int_equal(figures.relays, 1);
    assert_int_equal(count_said(bench, NOTICE_WHOHAS, 500), 0);
    hear_as(bench, 9, MASTER_ABOVE, question, nothing()); /* up alone */
    assert_int_equal(count_said(bench, NOTICE_WHOHAS, 500), 0);
    wait_ms(bench, 10000);
    exchange_figures(bench->machine, &figures);
    assert_int_equal(figures.relays, 0);
}

static void our_own_question_does_not_come_back_to_go_up(void **state)
{
    struct bench *bench = *state;
    struct notice question = whohas(0, true);

    stand(bench, PLACE_GATEWAY);
    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    memcpy(question.tuid, only(bench, EXCHANGE_SEND)->notice.tuid, TUID_SIZE);
    hear_as(bench, 2, ROUTE_LED, question, nothing());
    assert_null(says(bench, NOTICE_WHOHAS));
}

/* So that a survey can go on to whom an answerer leads; what is announced need not say it. */
static void a_master_says_in_its_answers_that_it_leads(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_GATEWAY);
    hear_as(bench, 9, MASTER_ABOVE, whohas(0, false), knows(5, true));
    assert_true(says(bench, NOTICE_IHAVE)->notice.leads);
    stand(bench, PLACE_SLAVE);
    hear_as(bench, 9, MASTER_ABOVE, whohas(0, false), knows(5, true));
    assert_false(says(bench, NOTICE_IHAVE)->notice.leads);
}

/* Eight slaves start the same thing at once: one question goes up, and all are answered. */
static void many_who_ask_for_one_name_send_one_question_up(void **state)
{
    struct bench *bench = *state;
    struct notice question = whohas(0, true);
    size_t asked = 0, answered = 0;

    stand(bench, PLACE_GATEWAY);
    for (uint8_t i = 2; i < 10; i++) {
        snprintf(question.tuid, sizeof(question.tuid), "%u.x@y", i);
        hear_as(bench, i, ROUTE_LED, question, nothing());
        asked += says(bench, NOTICE_WHOHAS) != NULL;
    }
    assert_int_equal(asked, 1);
    hear_as(bench, 99, MASTER_ABOVE, ihave(5, true), nothing());
    bench->relations = MASTER_ABOVE;
    learned(bench, 99, EXCHANGE_DONE, PEER_FINE, knows(5, false));
    for (size_t i = 0; i < bench->actions.count; i++)
        answered +=
            bench->actions.list[i].kind == EXCHANGE_SEND && !bench->actions.list[i].audiences;
    assert_int_equal(answered, 8);
}

static void a_flood_of_questions_from_below_is_bounded(void **state)
{
    struct bench *bench = *state;
    struct exchange_figures figures;
    struct notice question = whohas(0, true);

    stand(bench, PLACE_GATEWAY);
    for (unsigned i = 0; i < 2 * EXCHANGE_RELAYS_MAX; i++) {
        snprintf(question.name, sizeof(question.name), "example.com/%u", i);
        hear_as(bench, 2, ROUTE_LED, question, nothing());
    }
    exchange_figures(bench->machine, &figures);
    assert_int_equal(figures.relays, EXCHANGE_RELAYS_MAX);
    assert_int_equal(figures.relays_dropped, EXCHANGE_RELAYS_MAX);
}

/* To whom a node says onward what one of these told it. */
static unsigned onward(struct bench *bench, struct route_place place, uint8_t from,
                       unsigned relations)
{
    static uint64_t version = 10;
    const struct exchange_action *action;

    stand(bench, place);
    version++;
    hear_as(bench, from, relations, ihave(version, true), knows(version - 1, true));
    if (!only(bench, EXCHANGE_LEARN))
        return ~0U;
    bench->relations = relations;
    learned(bench, from, EXCHANGE_DONE, PEER_FINE, knows(version, false));
    action = says(bench, NOTICE_IHAVE);
    return action ? action->audiences : 0;
}

static void news_go_on_to_those_they_concern(void **state)
{
    const unsigned all = AUDIENCE_UP | AUDIENCE_DOWN | AUDIENCE_FELLOWS;
    struct bench *bench = *state;

    assert_int_equal(onward(bench, PLACE_GATEWAY, 2, ROUTE_LED), all);
    assert_int_equal(onward(bench, PLACE_GATEWAY, 3, MASTER_ABOVE), AUDIENCE_DOWN);
    assert_int_equal(onward(bench, PLACE_TOP_MASTER, 4, ROUTE_LED),
                     AUDIENCE_DOWN | AUDIENCE_FELLOWS);
    assert_int_equal(onward(bench, PLACE_TOP_BACKUP, 5, ROUTE_SLAVE),
                     AUDIENCE_UP | AUDIENCE_FELLOWS);
    assert_int_equal(onward(bench, PLACE_TOP_BACKUP, 6, OWN_MASTER), 0);
    assert_int_equal(onward(bench, PLACE_SLAVE, 7, MASTER_ABOVE), 0);
    assert_int_equal(onward(bench, (struct route_place){.mesh = true}, 8, ROUTE_MESH), 0);
}

/* A slave is refused by all but its master: what the others tell it, it cannot have. */
static void nothing_is_learned_of_those_who_may_not_be_asked(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(onward(bench, PLACE_SLAVE, 2, BACKUP_ABOVE), ~0U);
    assert_int_equal(onward(bench, PLACE_SLAVE, 3, ROUTE_SIBLING), ~0U);
}

static void strangers_and_siblings_get_no_answer(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_SLAVE);
    hear_as(bench, 2, ROUTE_SIBLING, whohas(0, false), knows(5, true));
    assert_null(only(bench, EXCHANGE_SEND));
    hear_as(bench, 3, ROUTE_SIBLING, ihave(4, true), knows(5, true));
    assert_null(only(bench, EXCHANGE_SEND));
    bench->relations = 0;
    hear(bench, 4, whohas(0, false), knows(5, true));
    assert_null(only(bench, EXCHANGE_SEND));
    hear_as(bench, 5, MASTER_ABOVE, whohas(0, false), knows(5, true));
    assert_non_null(only(bench, EXCHANGE_SEND));
}

static void a_put_is_announced_up_and_down(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_GATEWAY);
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_CHANGED, .name = span_of(NAME), .local = knows(5, true)});
    assert_int_equal(only(bench, EXCHANGE_SEND)->audiences, AUDIENCE_UP | AUDIENCE_DOWN);
    assert_false(only(bench, EXCHANGE_SEND)->notice.confirm);
    assert_int_equal(count_said(bench, NOTICE_IHAVE, 5000), 2);
}

/* Hundreds below take their time; those above hear it at once, and each once. */
static void what_goes_up_does_not_wait_for_what_goes_down(void **state)
{
    enum { BELOW = 200, CHANGES = 50 };
    struct bench *bench = *state;
    unsigned up = 0, down = 0;
    char name[64];

    stand(bench, PLACE_GATEWAY);
    for (uint8_t i = 0; i < BELOW; i++)
        hear_as(bench, i, ROUTE_LED, whohas(9, false), knows(9, false));
    for (unsigned i = 0; i < CHANGES; i++) {
        snprintf(name, sizeof(name), "example.com/%u", i);
        step(bench, (struct exchange_event){
                        .kind = EXCHANGE_CHANGED, .name = span_of(name), .local = knows(5, true)});
        up += (only(bench, EXCHANGE_SEND) ? only(bench, EXCHANGE_SEND)->audiences : 0) & AUDIENCE_UP
                  ? 1
                  : 0;
    }
    for (int ms = 0; ms < 100; ms++) {
        wait_ms(bench, 1);
        for (size_t i = 0; i < bench->actions.count; i++) {
            up += bench->actions.list[i].audiences & AUDIENCE_UP ? 1 : 0;
            down += bench->actions.list[i].audiences & AUDIENCE_DOWN ? 1 : 0;
        }
    }
    assert_int_equal(up, CHANGES);
    assert_in_range(down, 1, 5); /* 5000 datagrams a second */
}

static void a_new_master_is_asked_what_the_old_one_left_open(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_SLAVE);
    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    assert_int_equal(count_said(bench, NOTICE_WHOHAS, 1900), 3);
    stand(bench, PLACE_SLAVE);
    assert_non_null(only(bench, EXCHANGE_SEND));
    wait_ms(bench, 100);
    assert_false(only(bench, EXCHANGE_ANSWER)->found); /* but it ends when it would have */
    stand(bench, PLACE_SLAVE);
    assert_null(only(bench, EXCHANGE_SEND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_slave_asks_its_master_alone),
        CASE(who_follows_nobody_knows_at_once_that_nobody_has_it),
        CASE(who_follows_nobody_any_more_asks_nobody),
        CASE(content_that_the_top_has_lost_is_looked_for_below),
        CASE(a_member_is_told_of_what_we_can_fetch_for_it),
        CASE(a_question_from_below_goes_up_under_its_own_tuid),
        CASE(each_tuid_goes_up_once),
        CASE(our_own_question_does_not_come_back_to_go_up),
        CASE(a_master_says_in_its_answers_that_it_leads),
        CASE(many_who_ask_for_one_name_send_one_question_up),
        CASE(a_flood_of_questions_from_below_is_bounded),
        CASE(news_go_on_to_those_they_concern),
        CASE(nothing_is_learned_of_those_who_may_not_be_asked),
        CASE(strangers_and_siblings_get_no_answer),
        CASE(a_put_is_announced_up_and_down),
        CASE(what_goes_up_does_not_wait_for_what_goes_down),
        CASE(a_new_master_is_asked_what_the_old_one_left_open),
    };
    return cmocka_run_group_tests_name("exchange_tiers", tests, NULL, NULL);
}
