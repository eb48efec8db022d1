/* SPDX-License-Identifier: ISC */
#include "tests/unit/exchange_bench.h"

/* The table: what is asked × what we know → is it answered? */
static void a_whohas_is_answered_where_we_know_better(void **state)
{
    static const struct {
        uint64_t asker; /* version; 0: none */
        bool content;
        uint64_t ours; /* 0: not known */
        bool held, deleted, answered;
    } rows[] = {
        {0, false, 0, false, false, false}, {0, true, 0, false, false, false},
        {0, false, 5, false, false, true},  {0, true, 5, false, false, false},
        {0, true, 5, true, false, true},    {0, true, 5, false, true, true},
        {0, false, 5, false, true, true},   {5, false, 5, true, false, false},
        {5, true, 5, true, false, true},    {5, true, 5, false, false, false},
        {5, false, 6, false, false, true},  {5, true, 6, false, false, true},
        {5, true, 6, true, false, true},    {5, true, 6, false, true, true},
        {6, false, 5, true, false, false},  {6, true, 5, true, false, false},
    };
    struct bench *bench = *state;
    struct address asker = host(2);

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct exchange_local local = rows[i].ours ? knows(rows[i].ours, rows[i].held) : nothing();
        const struct exchange_action *sent;

        local.deleted = rows[i].deleted;
        hear(bench, 2, whohas(rows[i].asker, rows[i].content), local);
        sent = only(bench, EXCHANGE_SEND);
        assert_int_equal(sent != NULL, rows[i].answered);
        if (!sent)
            continue;
        assert_int_equal(sent->audiences, 0);
        assert_true(address_same(&sent->to, &asker));
        assert_int_equal(sent->notice.kind, NOTICE_IHAVE);
        assert_string_equal(sent->notice.tuid, "1.77@there");
        assert_string_equal(sent->notice.name, NAME);
        assert_true(version_same(sent->notice.version, version_of(rows[i].ours)));
        assert_int_equal(sent->notice.held, rows[i].held);
        assert_int_equal(sent->notice.deleted, rows[i].deleted);
        assert_int_equal(sent->notice.port, 65028);
    }
}

static void an_answer_to_a_question_asked_of_many_is_spread(void **state)
{
    struct bench *bench = *state;
    struct notice question = whohas(0, false);
    mono_t asked = bench->now;

    question.spread_ms = 500;
    hear(bench, 2, question, knows(5, true));
    assert_null(only(bench, EXCHANGE_SEND));
    hear(bench, 2, question, knows(5, true)); /* sent again: still one answer */
    assert_non_null(await(bench, EXCHANGE_SEND, 500));
    assert_true(mono_between(asked, bench->now) <= MONO_MS(500));
    bench->actions.count = 0;
    assert_null(await(bench, EXCHANGE_SEND, 1000));
}

static void who_asks_with_a_newer_version_is_learned_from(void **state)
{
    struct bench *bench = *state;
    struct notice question = whohas(6, true);
    const struct exchange_action *learn;

    question.port = 8080;
    hear(bench, 2, question, knows(5, true));
    learn = only(bench, EXCHANGE_LEARN);
    assert_non_null(learn);
    assert_string_equal(learn->name, NAME);
    assert_int_equal(learn->to.port, 8080);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_whohas_is_answered_where_we_know_better),
        CASE(an_answer_to_a_question_asked_of_many_is_spread),
        CASE(who_asks_with_a_newer_version_is_learned_from),
    };
    return cmocka_run_group_tests_name("exchange_answer", tests, NULL, NULL);
}
