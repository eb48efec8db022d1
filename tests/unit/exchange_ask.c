/* SPDX-License-Identifier: ISC */
#include "tests/unit/exchange_bench.h"

static void an_unknown_name_is_asked_for_thrice_within_2_s(void **state)
{
    static const int64_t sends_ms[] = {0, 250, 1000};
    struct bench *bench = *state;
    mono_t asked = bench->now;

    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    for (size_t i = 0; i < 3; i++) {
        const struct exchange_action *sent = await(bench, EXCHANGE_SEND, 2000);
        assert_non_null(sent);
        assert_int_equal(sent->audiences, AUDIENCE_MESH);
        assert_int_equal(sent->notice.kind, NOTICE_WHOHAS);
        assert_int_equal(sent->notice.content, i == 0);
        assert_true(mono_between(asked, bench->now) == MONO_MS(sends_ms[i]));
        bench->actions.count = 0;
    }
    assert_non_null(await(bench, EXCHANGE_ANSWER, 2000));
    assert_true(mono_between(asked, bench->now) == MONO_S(2));
    assert_int_equal(bench->actions.list[0].ticket, 1);
    assert_false(bench->actions.list[0].found);
}

static void what_nobody_has_is_remembered_for_a_second(void **state)
{
    struct bench *bench = *state;

    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    assert_non_null(await(bench, EXCHANGE_ANSWER, 2000));
    wait_ms(bench, 999);
    ask(bench, 2, EXCHANGE_ASK_NAME, nothing());
    assert_non_null(only(bench, EXCHANGE_ANSWER));
    assert_null(only(bench, EXCHANGE_SEND));
    wait_ms(bench, 1);
    ask(bench, 3, EXCHANGE_ASK_NAME, nothing());
    assert_null(only(bench, EXCHANGE_ANSWER));
    assert_non_null(only(bench, EXCHANGE_SEND));
}

static void an_announcement_ends_that_memory(void **state)
{
    struct bench *bench = *state;

    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    assert_non_null(await(bench, EXCHANGE_ANSWER, 2000));
    hear(bench, 2, ihave(5, true), nothing());
    ask(bench, 2, EXCHANGE_ASK_NAME, nothing());
    assert_null(only(bench, EXCHANGE_ANSWER));
}

static void a_found_name_is_learned_and_answered_with_its_holders(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;
    char tuid[TUID_SIZE];

    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    snprintf(tuid, sizeof(tuid), "%s", only(bench, EXCHANGE_SEND)->notice.tuid);
    hear_answer(bench, 2, tuid, 5, true, nothing());
    action = only(bench, EXCHANGE_LEARN);
    assert_non_null(action);
    assert_int_equal(action->to.port, 8080);
    hear_answer(bench, 3, tuid, 5, true, nothing());
    hear_answer(bench, 4, tuid, 5, false, nothing());
    hear_answer(bench, 5, tuid, 4, true, nothing());
    assert_null(only(bench, EXCHANGE_LEARN)); /* one at a time */
    learned(bench, 2, EXCHANGE_DONE, PEER_FINE, knows(5, false));
    action = only(bench, EXCHANGE_ANSWER);
    assert_non_null(action);
    assert_true(action->found);
    assert_int_equal(action->source_count, 2);
    assert_string_equal(action->sources[0].node, "node2");
    assert_string_equal(action->sources[1].node, "node3");
    assert_int_equal(action->sources[1].http.port, 8080);
}

static void where_one_fails_the_next_best_is_asked_for_the_manifest(void **state)
{
    struct bench *bench = *state;

    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    hear_answer(bench, 2, "x", 4, true, nothing());
    hear_answer(bench, 3, "x", 5, true, nothing());
    hear_answer(bench, 4, "x", 6, true, nothing());
    learned(bench, 2, EXCHANGE_FAILED, PEER_UNREACHABLE, nothing());
    assert_int_equal(only(bench, EXCHANGE_LEARN)->to.ip[15], 4);
    learned(bench, 4, EXCHANGE_FAULTY, PEER_WRONG_MANIFEST, nothing());
    assert_int_equal(only(bench, EXCHANGE_LEARN)->to.ip[15], 3);
    learned(bench, 3, EXCHANGE_DONE, PEER_FINE, knows(5, false));
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
    assert_null(only(bench, EXCHANGE_LEARN));
}

static void a_question_waits_for_a_manifest_that_is_on_its_way(void **state)
{
    struct bench *bench = *state;

    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    hear_answer(bench, 2, "x", 5, true, nothing());
    bench->actions.count = 0;
    assert_null(await(bench, EXCHANGE_ANSWER, 4000));
    learned(bench, 2, EXCHANGE_FAILED, PEER_FINE, nothing());
    assert_false(only(bench, EXCHANGE_ANSWER)->found);
}

static void several_who_want_the_same_share_a_question(void **state)
{
    struct bench *bench = *state;
    size_t answers = 0;

    for (uint64_t ticket = 1; ticket <= 100; ticket++) {
        ask(bench, ticket, EXCHANGE_ASK_NAME, nothing());
        assert_int_equal(only(bench, EXCHANGE_SEND) != NULL, ticket == 1);
    }
    step(bench, (struct exchange_event){.kind = EXCHANGE_DROPPED, .ticket = 50});
    assert_non_null(await(bench, EXCHANGE_ANSWER, 2000));
    for (;;) {
        for (size_t i = 0; i < bench->actions.count; i++) {
            assert_int_equal(bench->actions.list[i].kind, EXCHANGE_ANSWER);
            assert_int_not_equal(bench->actions.list[i].ticket, 50);
            answers++;
        }
        if (!bench->actions.more)
            break;
        wait_ms(bench, 0);
    }
    assert_int_equal(answers, 99);
}

static void nobody_is_asked_for_what_nobody_wants_any_more(void **state)
{
    struct bench *bench = *state;
    struct exchange_figures figures;

    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    step(bench, (struct exchange_event){.kind = EXCHANGE_DROPPED, .ticket = 1});
    assert_null(await(bench, EXCHANGE_SEND, 2000));
    exchange_figures(bench->machine, &figures);
    assert_int_equal(figures.questions, 0);
    assert_int_equal(figures.tickets, 0);
}

static void the_first_holder_answers_and_the_second_ask_gets_the_others(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    ask(bench, 1, EXCHANGE_ASK_CONTENT, knows(5, false));
    action = only(bench, EXCHANGE_SEND);
    assert_true(action->notice.content);
    assert_true(version_same(action->notice.version, version_of(5)));
    hear_answer(bench, 2, "x", 4, true, knows(5, false)); /* another version is no source */
    assert_null(only(bench, EXCHANGE_ANSWER));
    hear_answer(bench, 3, "x", 5, true, knows(5, false));
    action = only(bench, EXCHANGE_ANSWER);
    assert_true(action->found);
    assert_int_equal(action->source_count, 1);
    hear_answer(bench, 4, "x", 5, true, knows(5, false));

    ask(bench, 2, EXCHANGE_ASK_CONTENT, knows(5, false));
    action = only(bench, EXCHANGE_ANSWER);
    assert_non_null(action);
    assert_int_equal(action->source_count, 2);

    ask(bench, 3, EXCHANGE_ASK_CONTENT, knows(5, false)); /* they were no good: ask anew */
    assert_null(only(bench, EXCHANGE_ANSWER));
    assert_non_null(only(bench, EXCHANGE_SEND));
    assert_non_null(await(bench, EXCHANGE_ANSWER, 2000));
    assert_false(only(bench, EXCHANGE_ANSWER)->found);
}

static void content_that_came_or_went_meanwhile_ends_the_question(void **state)
{
    struct bench *bench = *state;
    struct exchange_local gone = knows(6, false);

    ask(bench, 1, EXCHANGE_ASK_CONTENT, knows(5, false));
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_CHANGED, .name = span_of(NAME), .local = knows(6, true)});
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
    gone.deleted = true;
    ask(bench, 2, EXCHANGE_ASK_CONTENT, knows(5, false));
    step(bench,
         (struct exchange_event){.kind = EXCHANGE_CHANGED, .name = span_of(NAME), .local = gone});
    assert_false(only(bench, EXCHANGE_ANSWER)->found);
}

static void the_newest_is_waited_for_half_a_second(void **state)
{
    struct bench *bench = *state;
    mono_t asked = bench->now;

    ask(bench, 1, EXCHANGE_ASK_NEWEST, knows(5, true));
    assert_false(only(bench, EXCHANGE_SEND)->notice.content);
    hear_answer(bench, 2, "x", 6, true, knows(5, true));
    assert_non_null(only(bench, EXCHANGE_LEARN));
    learned(bench, 2, EXCHANGE_DONE, PEER_FINE, knows(6, false));
    assert_non_null(await(bench, EXCHANGE_ANSWER, 2000));
    assert_true(mono_between(asked, bench->now) == MONO_MS(500));
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
    assert_int_equal(only(bench, EXCHANGE_ANSWER)->source_count, 1);
}

static void a_survey_hears_everyone(void **state)
{
    struct bench *bench = *state;
    mono_t asked = bench->now;
    const struct exchange_action *action;

    ask(bench, 1, EXCHANGE_ASK_SURVEY, knows(5, true));
    action = only(bench, EXCHANGE_SEND);
    assert_false(action->notice.content);
    assert_true(version_same(action->notice.version, VERSION_NONE));
    for (uint8_t i = 2; i < 100; i++)
        hear_answer(bench, i, "x", 3, i % 2, knows(5, true));
    hear_answer(bench, 2, "x", 4, true, knows(5, true)); /* its second answer replaces the first */
    bench->actions.count = 0;
    action = await(bench, EXCHANGE_ANSWER, 3000);
    assert_non_null(action);
    assert_true(mono_between(asked, bench->now) == MONO_S(2));
    assert_int_equal(action->source_count, EXCHANGE_SURVEY_MAX);
    assert_true(version_same(action->sources[0].version, version_of(4)));
}

/* Whoever can ask others is not lost among many who cannot. */
static void a_survey_keeps_those_who_lead(void **state)
{
    struct bench *bench = *state;
    struct notice answer = ihave(3, true);
    const struct exchange_action *action;
    unsigned leading = 0;

    ask(bench, 1, EXCHANGE_ASK_SURVEY, knows(5, true));
    memcpy(answer.tuid, "x", 2);
    for (uint8_t i = 2; i < 100; i++) {
        answer.leads = i > 95;
        hear(bench, i, answer, knows(5, true));
    }
    bench->actions.count = 0;
    action = await(bench, EXCHANGE_ANSWER, 3000);
    assert_non_null(action);
    assert_int_equal(action->source_count, EXCHANGE_SURVEY_MAX);
    for (size_t i = 0; i < action->source_count; i++)
        leading += action->sources[i].leads;
    assert_int_equal(leading, 4);
}

static void who_has_nobody_to_ask_is_told_at_once(void **state)
{
    struct bench *bench = *state;

    ask(bench, 1, EXCHANGE_ASK_NAME, nothing());
    assert_false(only(bench, EXCHANGE_ANSWER)->found);
    ask(bench, 2, EXCHANGE_ASK_NEWEST, knows(5, true));
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
    ask(bench, 3, EXCHANGE_ASK_SURVEY, knows(5, true));
    assert_false(only(bench, EXCHANGE_ANSWER)->found);
    assert_null(only(bench, EXCHANGE_SEND));
}

static void too_many_questions_are_refused_as_such(void **state)
{
    struct bench *bench = *state;
    struct exchange_figures figures;
    char name[64];

    for (uint64_t i = 0; i <= EXCHANGE_QUESTIONS_MAX; i++) {
        snprintf(name, sizeof(name), "example.com/%u", (unsigned)i);
        step(bench, (struct exchange_event){.kind = EXCHANGE_ASKED,
                                            .ticket = i,
                                            .ask = EXCHANGE_ASK_NAME,
                                            .name = span_of(name)});
        assert_int_equal(only(bench, EXCHANGE_ANSWER) != NULL, i == EXCHANGE_QUESTIONS_MAX);
    }
    assert_true(only(bench, EXCHANGE_ANSWER)->busy);
    exchange_figures(bench->machine, &figures);
    assert_int_equal(figures.tickets_refused, 1);
    assert_int_equal(figures.questions, EXCHANGE_QUESTIONS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_unknown_name_is_asked_for_thrice_within_2_s),
        CASE(what_nobody_has_is_remembered_for_a_second),
        CASE(an_announcement_ends_that_memory),
        CASE(a_found_name_is_learned_and_answered_with_its_holders),
        CASE(where_one_fails_the_next_best_is_asked_for_the_manifest),
        CASE(a_question_waits_for_a_manifest_that_is_on_its_way),
        CASE(several_who_want_the_same_share_a_question),
        CASE(nobody_is_asked_for_what_nobody_wants_any_more),
        CASE(the_first_holder_answers_and_the_second_ask_gets_the_others),
        CASE(content_that_came_or_went_meanwhile_ends_the_question),
        CASE(the_newest_is_waited_for_half_a_second),
        CASE(a_survey_hears_everyone),
        CASE(a_survey_keeps_those_who_lead),
        cmocka_unit_test_setup_teardown(who_has_nobody_to_ask_is_told_at_once, set_up_alone,
                                        tear_down),
        CASE(too_many_questions_are_refused_as_such),
    };
    return cmocka_run_group_tests_name("exchange_ask", tests, NULL, NULL);
}
