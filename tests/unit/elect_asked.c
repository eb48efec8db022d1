/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_hand.h"

/* Who solicits is answered: everybody, and nobody so often that it keeps another from it. */
static struct ballot question(size_t node, uint64_t boot, uint64_t counter)
{
    struct ballot ballot = said(BALLOT_SOLICIT, node, boot, counter);

    memset(&ballot.nonce, (int)counter, sizeof(ballot.nonce));
    return ballot;
}

/* One question, one answer: to whom it came from, with its nonce. */
static void answered(const struct cluster *c, struct ballot asked)
{
    const struct elect_action *send = only(c, ELECT_SEND);

    assert_int_equal(c->actions->count, 1);
    assert_non_null(send);
    assert_int_equal(send->ballot.kind, BALLOT_STANDING);
    assert_true(send->ballot.has_echo);
    assert_memory_equal(&send->ballot.echo, &asked.nonce, sizeof(asked.nonce));
    assert_true(address_same_host(&send->to, &asked.address));
}

static void anyone_is_answered_known_or_not(void **state)
{
    struct cluster *c = *state;

    hear(c, question(3, 7, 1));
    answered(c, question(3, 7, 1));
    prove(c, said(BALLOT_STANDING, 1, 7, 10));
    hear(c, question(1, 7, 11));
    answered(c, question(1, 7, 11));
    cluster_run(c, MONO_MS(2));
    hear(c, question(1, 3, 1));
    answered(c, question(1, 3, 1));
}

static void a_question_is_answered_once_in_whatever_order(void **state)
{
    static const uint64_t order[] = {205, 204, 210, 140, 207, 268};
    struct cluster *c = *state;

    for (size_t node = 1; node < 4; node += 2) {
        prove(c, said(BALLOT_STANDING, node, 7, 10));
        for (size_t i = 0; i < 6; i++) {
            hear(c, question(node, 7, order[i]));
            if (order[i] == 140) /* too far behind to tell */
                refused_in_silence(c, REASON_REPLAYED);
            else
                answered(c, question(node, 7, order[i]));
            cluster_run(c, MONO_MS(2));
        }
        for (size_t i = 0; i < 6; i++) {
            hear(c, question(node, 7, order[i]));
            refused_in_silence(c, REASON_REPLAYED);
        }
        hear(c, said(BALLOT_STANDING, node, 7, 11));
        taken(c);
    }
}

/* Its counter begins anew with each life, or goes back where it was set back to an earlier moment.
 */
static void a_new_life_is_answered_from_its_first_question_on(void **state)
{
    struct cluster *c = *state;
    struct ballot back = said(BALLOT_STANDING, 1, 8, 2);

    prove(c, said(BALLOT_STANDING, 1, 7, 1000));
    hear(c, question(1, 7, 1001));
    answered(c, question(1, 7, 1001));
    prove(c, said(BALLOT_STANDING, 1, 8, 300));
    hear(c, question(1, 8, 301));
    answered(c, question(1, 8, 301));
    cluster_run(c, MONO_S(200)); /* it is not believed any more, nor was it forgotten */
    hear(c, said(BALLOT_STANDING, 1, 8, 1));
    hear_echo(c, back, refused_and_asked(c, REASON_REPLAYED));
    taken(c);
    hear(c, question(1, 8, 3));
    assert_non_null(only(c, ELECT_SEND)); /* the answer of a master, by now */
    assert_true(only(c, ELECT_SEND)->ballot.has_echo);
}

/* Recorded, and sent again without end: also its own, which it has said in this life. */
static void questions_of_earlier_lives_take_no_answer_from_this_one(void **state)
{
    struct cluster *c = *state;
    uint64_t asked = 100, replays = 0;

    prove(c, said(BALLOT_STANDING, 1, 3, 10));
    for (unsigned i = 0; i < 8; i++) {
        hear(c, question(1, 3, ++asked));
        answered(c, question(1, 3, asked));
        for (int64_t us = 0; us < 125000; us += 10) {
            c->now = mono_after(c->now, MONO_MS(1) / 100);
            hear(c, question(1, replays % 3 + 1, replays % 3 == 2 ? asked : replays % 90 + 1));
            replays++;
        }
    }
    assert_true(is_proven(c, 1));
}

static void who_asks_too_often_is_not_answered(void **state)
{
    struct cluster *c = *state;
    unsigned answers = 0;

    for (uint64_t counter = 1; counter <= 200; counter++) {
        hear(c, question(3, 7, counter));
        if (only(c, ELECT_SEND))
            answers++;
        else
            refused_in_silence(c, REASON_TOO_OFTEN);
        cluster_run(c, MONO_MS(1) / 10);
    }
    assert_int_equal(answers, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(anyone_is_answered_known_or_not),
        CASE(a_question_is_answered_once_in_whatever_order),
        CASE(a_new_life_is_answered_from_its_first_question_on),
        CASE(questions_of_earlier_lives_take_no_answer_from_this_one),
        CASE(who_asks_too_often_is_not_answered),
    };
    return cmocka_run_group_tests_name("elect_asked", tests, NULL, NULL);
}
