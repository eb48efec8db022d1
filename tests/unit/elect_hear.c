/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_hand.h"

/* ---- first contact --------------------------------------------------------------------------- */

static void who_is_new_changes_nothing_until_it_has_proven_itself(void **state)
{
    struct cluster *c = *state;
    struct ballot_nonce nonce;

    hear(c, said(BALLOT_ADVERT, 1, 7, 10));
    nonce = refused_and_asked(c, REASON_UNPROVEN);
    assert_false(is_proven(c, 1));
    assert_false(cluster_view(c, 0).has_master);
    assert_int_equal(cluster_view(c, 0).epoch, 0);
    hear_echo(c, said(BALLOT_ADVERT, 1, 7, 11), nonce);
    taken(c);
    assert_true(is_proven(c, 1));
    assert_string_equal(cluster_view(c, 0).master, "node1");
    assert_int_equal(cluster_view(c, 0).epoch, 1);
    hear(c, said(BALLOT_ADVERT, 1, 7, 12));
    taken(c);
}

static void a_nonce_is_good_once_and_for_its_sender_alone(void **state)
{
    struct cluster *c = *state;
    struct ballot_nonce nonce, other;

    hear(c, said(BALLOT_STANDING, 1, 7, 10));
    nonce = refused_and_asked(c, REASON_UNPROVEN);
    hear_echo(c, said(BALLOT_STANDING, 2, 7, 10), nonce);
    other = refused_and_asked(c, REASON_OTHER_NONCE);
    assert_memory_not_equal(&nonce, &other, sizeof(nonce));
    hear_echo(c, said(BALLOT_STANDING, 1, 7, 11), nonce);
    taken(c);
    cluster_run(c, MONO_MS(2));
    hear_echo(c, said(BALLOT_STANDING, 1, 8, 1), nonce);
    refused_and_asked(c, REASON_OTHER_NONCE);
}

static void a_nonce_lives_for_a_dead_time(void **state)
{
    struct cluster *c = *state;
    struct ballot_nonce nonce, next;

    hear(c, said(BALLOT_STANDING, 3, 7, 10));
    nonce = refused_and_asked(c, REASON_UNPROVEN);
    cluster_run(c, MONO_MS(2999));
    hear_echo(c, said(BALLOT_STANDING, 3, 7, 11), nonce);
    taken(c);
    hear(c, said(BALLOT_STANDING, 3, 8, 10));
    next = refused_and_asked(c, REASON_UNPROVEN);
    assert_memory_not_equal(&nonce, &next, sizeof(nonce));
    cluster_run(c, MONO_MS(3000));
    hear_echo(c, said(BALLOT_STANDING, 3, 8, 11), next);
    refused_and_asked(c, REASON_OTHER_NONCE);
}

/* Questions may follow each other faster than the answers come. */
static void an_answer_to_an_earlier_question_still_counts(void **state)
{
    struct cluster *c = *state;
    struct ballot_nonce nonce;

    hear(c, said(BALLOT_STANDING, 3, 7, 10));
    nonce = refused_and_asked(c, REASON_UNPROVEN);
    cluster_run(c, MONO_MS(2000));
    hear(c, said(BALLOT_STANDING, 3, 7, 11));
    assert_memory_not_equal(&nonce, &only(c, ELECT_SEND)->ballot.nonce, sizeof(nonce));
    hear_echo(c, said(BALLOT_STANDING, 3, 7, 12), nonce);
    taken(c);
}

static void nobody_is_asked_more_often_than_each_gap(void **state)
{
    struct cluster *c = *state;

    hear(c, said(BALLOT_STANDING, 3, 7, 10));
    refused_and_asked(c, REASON_UNPROVEN);
    hear(c, said(BALLOT_STANDING, 3, 7, 11));
    refused_in_silence(c, REASON_UNPROVEN);
    cluster_run(c, ELECT_SOLICIT_GAP_NS);
    hear(c, said(BALLOT_STANDING, 3, 7, 12));
    refused_and_asked(c, REASON_UNPROVEN);
}

/* What is lost on the way is made good before its next advert. */
static void a_master_that_does_not_answer_is_asked_three_times_more(void **state)
{
    struct cluster *c = *state;
    unsigned before = c->stations[0].solicits;

    hear(c, said(BALLOT_ADVERT, 1, 7, 10));
    for (unsigned i = 1; i <= 4; i++) {
        assert_int_equal(c->stations[0].solicits, before + i);
        cluster_run(c, MONO_MS(120));
        assert_int_equal(c->stations[0].solicits, before + i);
        cluster_run(c, MONO_MS(5));
    }
    assert_int_equal(c->stations[0].solicits, before + 4);
}

static void however_often_its_advert_is_repeated(void **state)
{
    struct cluster *c = *state;
    unsigned before = c->stations[0].solicits;

    for (unsigned i = 0; i < 5; i++) {
        hear(c, said(BALLOT_ADVERT, 1, 7, 10));
        cluster_run(c, MONO_MS(95));
    }
    assert_int_equal(c->stations[0].solicits, before + 5 + 3);
}

static void one_that_answers_is_not(void **state)
{
    struct cluster *c = *state;
    unsigned before = c->stations[0].solicits;

    hear(c, said(BALLOT_ADVERT, 1, 7, 10));
    hear_echo(c, said(BALLOT_ADVERT, 1, 7, 11), refused_and_asked(c, REASON_UNPROVEN));
    cluster_run(c, MONO_MS(480));
    assert_int_equal(c->stations[0].solicits, before + 1);
}

/* ---- said before ----------------------------------------------------------------------------- */

static void what_was_said_before_is_refused_without_an_answer(void **state)
{
    struct cluster *c = *state;

    prove(c, said(BALLOT_ADVERT, 1, 7, 10));
    hear(c, said(BALLOT_ADVERT, 1, 7, 10));
    refused_in_silence(c, REASON_REPLAYED);
    hear(c, said(BALLOT_ADVERT, 1, 7, 3));
    refused_in_silence(c, REASON_REPLAYED);
    hear(c, said(BALLOT_STANDING, 1, 7, 10));
    refused_in_silence(c, REASON_REPLAYED);
    hear(c, said(BALLOT_ADVERT, 1, 7, 11));
    taken(c);
}

static void the_counters_of_an_earlier_life_are_known_but_prove_nothing(void **state)
{
    struct cluster *c = *state;

    prove(c, said(BALLOT_STANDING, 1, 7, 10));
    cluster_end(c, 0);
    assert_int_equal(c->stations[0].disk.count, 1);
    assert_int_equal(c->stations[0].disk.known[0].counter, 10);
    cluster_begin(c, 0);
    hear(c, said(BALLOT_STANDING, 1, 7, 10));
    refused_and_asked(c, REASON_REPLAYED);
    cluster_run(c, MONO_MS(2));
    hear(c, said(BALLOT_STANDING, 1, 7, 11));
    hear_echo(c, said(BALLOT_STANDING, 1, 7, 12), refused_and_asked(c, REASON_UNPROVEN));
    taken(c);
}

static void the_boot_of_a_candidate_is_kept_when_it_changes(void **state)
{
    struct cluster *c = *state;

    for (uint64_t boot = 7; boot < 9; boot++) {
        prove(c, said(BALLOT_STANDING, 1, boot, 10));
        cluster_run(c, MONO_MS(10));
        assert_int_equal(c->stations[0].disk.known[0].boot, boot);
    }
}

static void an_unknown_boot_counts_once_proven_be_it_higher_or_lower(void **state)
{
    struct cluster *c = *state;
    const uint64_t boots[] = {8, 3};

    prove(c, said(BALLOT_STANDING, 1, 7, 10));
    for (size_t i = 0; i < 2; i++) {
        prove(c, said(BALLOT_STANDING, 1, boots[i], 2));
        assert_int_equal(member(c, 1)->boot, boots[i]);
        hear(c, said(BALLOT_STANDING, 1, boots[i], 2));
        refused_in_silence(c, REASON_REPLAYED);
        hear(c, said(BALLOT_STANDING, 1, 7, 11));
        refused(c, REASON_UNPROVEN);
        assert_int_equal(member(c, 1)->boot, boots[i]);
    }
}

static void another_name_counts_once_proven(void **state)
{
    struct cluster *c = *state;
    struct ballot other = said(BALLOT_STANDING, 1, 7, 12);

    prove(c, said(BALLOT_STANDING, 1, 7, 10));
    snprintf(other.node, sizeof(other.node), "impostor");
    hear(c, other);
    refused(c, REASON_UNPROVEN);
    assert_string_equal(member(c, 1)->node, "node1");
    prove(c, other);
    assert_string_equal(member(c, 1)->node, "impostor");
}

static void who_was_silent_for_too_long_proves_itself_again(void **state)
{
    struct cluster *c = *state;

    prove(c, said(BALLOT_STANDING, 3, 7, 10));
    cluster_run(c, MONO_S(108));
    hear(c, said(BALLOT_STANDING, 3, 7, 11));
    taken(c);
    cluster_run(c, MONO_S(109));
    hear(c, said(BALLOT_STANDING, 3, 7, 12));
    refused_and_asked(c, REASON_UNPROVEN);
}

static void a_master_that_was_silent_for_its_dead_time_does_so_sooner(void **state)
{
    struct cluster *c = *state;

    prove(c, said(BALLOT_ADVERT, 1, 7, 10));
    cluster_run(c, MONO_S(4));
    assert_int_equal(cluster_state(c, 0), ELECT_MASTER);
    hear(c, said(BALLOT_ADVERT, 1, 7, 11));
    refused_and_asked(c, REASON_UNPROVEN);
}

/* The master has missed two adverts: the nonce with which it is asked. */
static struct ballot_nonce ask_silent_master(struct cluster *c)
{
    const struct elect_action *asks = NULL;

    prove(c, said(BALLOT_ADVERT, 1, 7, 10));
    c->now = mono_after(c->now, MONO_MS(2200));
    cluster_event(c, 0, (struct elect_event){.kind = ELECT_WAKE});
    for (size_t i = 0; i < c->actions->count; i++)
        if (c->actions->list[i].ballot.kind == BALLOT_SOLICIT)
            asks = &c->actions->list[i];
    assert_non_null(asks);
    return asks->ballot.nonce;
}

static void refuse_watch(struct cluster *c)
{
    struct elect_event gone = {.kind = ELECT_WATCH_REFUSED, .from = node_address(1)};

    cluster_event(c, 0, gone);
}

static void an_answer_that_counted_proves_nothing_later(void **state)
{
    struct cluster *c = *state;
    struct ballot_nonce nonce = ask_silent_master(c);

    hear_echo(c, said(BALLOT_ADVERT, 1, 7, 11), nonce);
    taken(c);
    refuse_watch(c);
    hear_echo(c, said(BALLOT_ADVERT, 1, 7, 11), nonce);
    refused(c, REASON_OTHER_NONCE);
}

static void an_answer_of_a_dead_process_proves_nothing(void **state)
{
    struct cluster *c = *state;
    struct ballot_nonce nonce = ask_silent_master(c);

    refuse_watch(c);
    hear_echo(c, said(BALLOT_ADVERT, 1, 7, 11), nonce);
    refused(c, REASON_OTHER_NONCE);
}

static void an_answer_to_what_was_asked_before_it_was_lost_comes_too_late(void **state)
{
    struct cluster *c = *state;
    struct ballot_nonce nonce = ask_silent_master(c);

    cluster_run(c, MONO_S(1));
    assert_int_equal(cluster_state(c, 0), ELECT_MASTER);
    hear_echo(c, said(BALLOT_ADVERT, 1, 7, 11), nonce);
    hear_echo(c, said(BALLOT_ADVERT, 1, 7, 12), refused_and_asked(c, REASON_OTHER_NONCE));
    taken(c);
}

/* ---- never ----------------------------------------------------------------------------------- */

static void a_ballot_counts_only_from_the_address_that_it_names(void **state)
{
    struct cluster *c = *state;
    struct ballot ballot = said(BALLOT_ADVERT, 1, 7, 10);
    struct address other = node_address(2);

    hear_from(c, &ballot, &other);
    refused_in_silence(c, REASON_OTHER_ADDRESS);
    ballot.kind = BALLOT_SOLICIT;
    hear_from(c, &ballot, &other);
    refused_in_silence(c, REASON_OTHER_ADDRESS);
}

static void what_comes_from_our_own_address_is_passed_over(void **state)
{
    struct cluster *c = *state;

    for (unsigned kind = BALLOT_ADVERT; kind <= BALLOT_SOLICIT; kind++) {
        hear(c, said(kind, 0, 101, 1000));
        assert_int_equal(c->actions->count, 0);
    }
}

static void adverts_count_from_candidates_alone(void **state)
{
    struct cluster *c = *state;

    hear(c, said(BALLOT_ADVERT, 3, 7, 10));
    refused_in_silence(c, REASON_NO_CANDIDATE);
    prove(c, said(BALLOT_STANDING, 3, 7, 20));
    hear(c, said(BALLOT_ADVERT, 3, 7, 21));
    refused_in_silence(c, REASON_NO_CANDIDATE);
}

static void epochs_have_bounds(void **state)
{
    struct cluster *c = *state;
    struct ballot ballot = said(BALLOT_ADVERT, 1, 7, 10);

    ballot.epoch = 0;
    hear(c, ballot);
    refused_in_silence(c, REASON_BAD_EPOCH);
    ballot.epoch = ELECT_EPOCH_MAX + 1;
    hear(c, ballot);
    refused_in_silence(c, REASON_BAD_EPOCH);
    ballot.kind = BALLOT_STANDING;
    hear(c, ballot);
    refused_in_silence(c, REASON_BAD_EPOCH);
    ballot.epoch = ELECT_EPOCH_MAX;
    prove(c, ballot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(who_is_new_changes_nothing_until_it_has_proven_itself),
        CASE(a_nonce_is_good_once_and_for_its_sender_alone),
        CASE(a_nonce_lives_for_a_dead_time),
        CASE(an_answer_to_an_earlier_question_still_counts),
        CASE(nobody_is_asked_more_often_than_each_gap),
        CASE(a_master_that_does_not_answer_is_asked_three_times_more),
        CASE(however_often_its_advert_is_repeated),
        CASE(one_that_answers_is_not),
        CASE(what_was_said_before_is_refused_without_an_answer),
        CASE(the_counters_of_an_earlier_life_are_known_but_prove_nothing),
        CASE(the_boot_of_a_candidate_is_kept_when_it_changes),
        CASE(an_unknown_boot_counts_once_proven_be_it_higher_or_lower),
        CASE(another_name_counts_once_proven),
        CASE(who_was_silent_for_too_long_proves_itself_again),
        CASE(a_master_that_was_silent_for_its_dead_time_does_so_sooner),
        CASE(an_answer_that_counted_proves_nothing_later),
        CASE(an_answer_of_a_dead_process_proves_nothing),
        CASE(an_answer_to_what_was_asked_before_it_was_lost_comes_too_late),
        CASE(a_ballot_counts_only_from_the_address_that_it_names),
        CASE(what_comes_from_our_own_address_is_passed_over),
        CASE(adverts_count_from_candidates_alone),
        CASE(epochs_have_bounds),
    };
    return cmocka_run_group_tests_name("elect_hear", tests, NULL, NULL);
}
