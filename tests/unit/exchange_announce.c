/* SPDX-License-Identifier: ISC */
#include "tests/unit/exchange_bench.h"

static void a_newer_version_is_learned_an_older_corrected(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    hear(bench, 2, ihave(6, true), knows(5, true));
    assert_non_null(only(bench, EXCHANGE_LEARN));
    hear(bench, 2, ihave(5, true), knows(5, true));
    assert_int_equal(bench->actions.count, 0);
    hear(bench, 2, ihave(4, true), knows(5, true));
    action = only(bench, EXCHANGE_SEND);
    assert_non_null(action);
    assert_int_equal(action->audiences, 0);
    assert_true(version_same(action->notice.version, version_of(5)));
    assert_string_equal(action->notice.tuid, "");
    hear(bench, 2, ihave(4, true), knows(5, true)); /* but not for ever */
    assert_null(only(bench, EXCHANGE_SEND));
    wait_ms(bench, 5000);
    hear(bench, 2, ihave(4, true), knows(5, true));
    assert_non_null(only(bench, EXCHANGE_SEND));
}

static void equal_versions_are_ordered_by_their_content(void **state)
{
    struct bench *bench = *state;
    struct notice greater = ihave(5, true), less = ihave(5, true);

    greater.sha256 = content_of(6);
    less.sha256 = content_of(4);
    hear(bench, 2, greater, knows(5, true));
    assert_non_null(only(bench, EXCHANGE_LEARN));
    hear(bench, 3, less, knows(5, true));
    assert_non_null(only(bench, EXCHANGE_SEND));
}

static void a_spread_announcement_is_learned_within_its_spread(void **state)
{
    struct bench *bench = *state;
    struct notice notice = ihave(6, true);
    mono_t heard = bench->now;

    notice.spread_ms = 1000;
    hear(bench, 2, notice, knows(5, true));
    assert_null(only(bench, EXCHANGE_LEARN));
    assert_non_null(await(bench, EXCHANGE_LEARN, 1000));
    assert_true(mono_between(heard, bench->now) <= MONO_S(1));
}

static void a_version_from_the_future_is_noted_not_learned(void **state)
{
    struct bench *bench = *state;
    struct notice notice = ihave((uint64_t)61000 << 16, true);

    hear(bench, 2, notice, knows(5, true));
    assert_null(only(bench, EXCHANGE_LEARN));
    assert_int_equal(exchange_peers(bench->machine)->list[0].fault, PEER_AHEAD);
    assert_int_equal(only(bench, EXCHANGE_FAULT)->fault, PEER_AHEAD);
    hear(bench, 2, notice, knows(5, true));
    assert_null(only(bench, EXCHANGE_FAULT)); /* said once */
    assert_true(peer_usable(&exchange_peers(bench->machine)->list[0], bench->now));
}

/* Whoever only could not be reached is back, if it speaks. */
static void who_sent_what_is_wrong_is_not_believed_for_a_while(void **state)
{
    struct bench *bench = *state;
    struct exchange_event blamed = {.kind = EXCHANGE_BLAMED, .fault = PEER_UNREACHABLE};
    struct address one = host(2), other = host(3);

    assert_true(exchange_credits(bench->machine, &one, bench->now));
    hear(bench, 2, ihave(5, true), knows(5, true));
    hear(bench, 3, ihave(5, true), knows(5, true));
    blamed.from = one;
    step(bench, blamed);
    blamed.from = other;
    blamed.fault = PEER_WRONG_CHUNK;
    step(bench, blamed);
    assert_true(exchange_credits(bench->machine, &one, bench->now));
    assert_false(exchange_credits(bench->machine, &other, bench->now));
    wait_ms(bench, 3600 * 1000);
    assert_true(exchange_credits(bench->machine, &other, bench->now));
}

static void who_misbehaved_is_no_source(void **state)
{
    struct bench *bench = *state;

    hear(bench, 2, ihave(5, true), knows(5, true));
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_BLAMED, .from = host(2), .fault = PEER_WRONG_CHUNK});
    hear(bench, 2, ihave(6, true), knows(5, true));
    assert_null(only(bench, EXCHANGE_LEARN));
    ask(bench, 1, EXCHANGE_ASK_CONTENT, knows(5, false));
    assert_null(only(bench, EXCHANGE_ANSWER));
    hear_answer(bench, 2, "x", 5, true, knows(5, false));
    assert_null(only(bench, EXCHANGE_ANSWER));
    wait_ms(bench, 10000);
    hear(bench, 2, ihave(6, true), knows(5, true));
    assert_non_null(only(bench, EXCHANGE_LEARN));
}

static void changed(struct bench *bench, const char *name, struct exchange_local local)
{
    step(bench,
         (struct exchange_event){.kind = EXCHANGE_CHANGED, .name = span_of(name), .local = local});
}

static size_t count_announcements(const struct bench *bench)
{
    size_t count = 0;

    for (size_t i = 0; i < bench->actions.count; i++) {
        const struct exchange_action *action = &bench->actions.list[i];
        count += action->kind == EXCHANGE_SEND && action->notice.kind == NOTICE_IHAVE &&
                 action->audiences && action->notice.held;
    }
    return count;
}

/* It was asked of 2, which sent us to 3. */
static void who_was_redirected_to_is_judged(void **state)
{
    struct bench *bench = *state;
    struct address one = host(2), other = host(3);

    one.port = other.port = 8080;
    hear(bench, 2, ihave(6, true), knows(5, true));
    hear(bench, 3, whohas(0, true), nothing());
    step(bench, (struct exchange_event){.kind = EXCHANGE_LEARNED,
                                        .from = one,
                                        .answered = other,
                                        .name = span_of(NAME),
                                        .result = EXCHANGE_FAULTY,
                                        .fault = PEER_WRONG_MANIFEST,
                                        .local = knows(5, true)});
    assert_int_equal(exchange_peers(bench->machine)->list[0].fault, PEER_FINE);
    assert_int_equal(exchange_peers(bench->machine)->list[1].fault, PEER_WRONG_MANIFEST);
    hear(bench, 4, ihave(6, true), knows(5, true));
    assert_int_equal(only(bench, EXCHANGE_LEARN)->to.ip[15], 4);
}

enum { MANY = 20 };

static void hear_many(struct bench *bench, uint8_t from)
{
    struct notice notice = ihave(6, true);

    for (unsigned i = 0; i < MANY; i++) {
        snprintf(notice.name, sizeof(notice.name), "example.com/many/%u", i);
        hear(bench, from, notice, nothing());
    }
}

static void many_learned(struct bench *bench, unsigned i, enum exchange_result result,
                         enum peer_fault fault)
{
    struct address from = host(2);
    char name[64];

    from.port = 8080;
    snprintf(name, sizeof(name), "example.com/many/%u", i);
    step(bench,
         (struct exchange_event){.kind = EXCHANGE_LEARNED,
                                 .from = from,
                                 .name = span_of(name),
                                 .result = result,
                                 .fault = fault,
                                 .local = result == EXCHANGE_DONE ? knows(6, true) : nothing()});
}

static size_t count_learns(const struct bench *bench, uint8_t to)
{
    size_t count = 0;

    for (size_t i = 0; i < bench->actions.count; i++)
        count +=
            bench->actions.list[i].kind == EXCHANGE_LEARN && bench->actions.list[i].to.ip[15] == to;
    return count;
}

/* Its datagrams come, and nobody can connect to it. */
static void blame_absent(struct bench *bench)
{
    hear(bench, 2, ihave(5, true), knows(5, true));
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_BLAMED, .from = host(2), .fault = PEER_UNREACHABLE});
    hear_many(bench, 2);
    assert_int_equal(count_learns(bench, 2), 0);
    wait_ms(bench, 2000);
}

static void who_was_absent_holds_nobody_else_up(void **state)
{
    struct bench *bench = *state;

    blame_absent(bench);
    assert_int_equal(count_learns(bench, 2), 1); /* whether it is there again */
    hear(bench, 3, ihave(6, true), knows(5, true));
    assert_int_equal(count_learns(bench, 3), 1);
    wait_ms(bench, 3000);
    assert_int_equal(count_learns(bench, 2), 0);
    many_learned(bench, 0, EXCHANGE_FAILED, PEER_UNREACHABLE);
    assert_int_equal(count_learns(bench, 2), 0);
    assert_null(await(bench, EXCHANGE_LEARN, 1900)); /* set aside again */
    assert_non_null(await(bench, EXCHANGE_LEARN, 4000));
    assert_int_equal(count_learns(bench, 2), 1);
}

static void who_was_absent_is_asked_for_all_once_it_answers(void **state)
{
    struct bench *bench = *state;
    struct exchange_figures figures;

    blame_absent(bench);
    many_learned(bench, 0, EXCHANGE_DONE, PEER_FINE);
    assert_int_equal(count_learns(bench, 2), EXCHANGE_LEARNS_IN_FLIGHT);
    for (unsigned i = 1; i < MANY; i++)
        many_learned(bench, i, EXCHANGE_DONE, PEER_FINE);
    exchange_figures(bench->machine, &figures);
    assert_int_equal(figures.learns, 0);
}

static void what_an_absent_one_announced_first_is_asked_of_others(void **state)
{
    struct bench *bench = *state;
    size_t asked = 0;

    blame_absent(bench);
    for (unsigned i = 0; i < MANY; i++) {
        struct notice notice = ihave(6, true);
        snprintf(notice.name, sizeof(notice.name), "example.com/many/%u", i);
        hear(bench, 3, notice, nothing());
        asked += count_learns(bench, 3);
    }
    assert_int_equal(asked, EXCHANGE_LEARNS_IN_FLIGHT - 1);
}

static void a_change_is_announced_twice(void **state)
{
    struct bench *bench = *state;
    size_t count;

    changed(bench, NAME, knows(5, true));
    count = count_announcements(bench);
    assert_int_equal(count, 1);
    for (int ms = 0; ms < 10000; ms += 10) {
        wait_ms(bench, 10);
        count += count_announcements(bench);
    }
    assert_int_equal(count, 2);
}

static void ten_thousand_changes_are_no_storm(void **state)
{
    enum { CHANGES = 10000 };
    struct bench *bench = *state;
    struct exchange_figures figures;
    size_t sent = 0;
    char name[64];

    for (uint8_t i = 2; i < 12; i++)
        hear(bench, i, whohas(9, false), knows(9, false));
    for (unsigned i = 0; i < CHANGES; i++) {
        snprintf(name, sizeof(name), "example.com/%u", i);
        changed(bench, name, knows(5, true));
        sent += bench->actions.count;
    }
    for (int ms = 0; ms < 1000; ms++) {
        wait_ms(bench, 1);
        sent += bench->actions.count;
    }
    assert_in_range(sent, 300, 600); /* to 11 each: about 5000 datagrams in that second */
    exchange_figures(bench->machine, &figures);
    assert_in_range(figures.announcements_dropped, CHANGES - EXCHANGE_ANNOUNCEMENTS_MAX - sent,
                    CHANGES - EXCHANGE_ANNOUNCEMENTS_MAX + sent);
}

static void a_flood_of_announcements_brings_a_comparison(void **state)
{
    struct bench *bench = *state;
    struct exchange_figures figures;
    struct notice notice = ihave(5, true);

    wait_ms(bench, 25000);
    for (unsigned i = 0; i < 2 * EXCHANGE_LEARNS_MAX; i++) {
        snprintf(notice.name, sizeof(notice.name), "example.com/%u", i);
        hear(bench, 2, notice, nothing());
    }
    exchange_figures(bench->machine, &figures);
    assert_int_equal(figures.learns, EXCHANGE_LEARNS_MAX);
    assert_int_equal(figures.learns_in_flight, EXCHANGE_LEARNS_IN_FLIGHT);
    assert_int_equal(figures.learns_dropped, EXCHANGE_LEARNS_MAX);
    assert_non_null(await(bench, EXCHANGE_COMPARE, 4000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_newer_version_is_learned_an_older_corrected),
        CASE(equal_versions_are_ordered_by_their_content),
        CASE(a_spread_announcement_is_learned_within_its_spread),
        CASE(a_version_from_the_future_is_noted_not_learned),
        CASE(who_sent_what_is_wrong_is_not_believed_for_a_while),
        CASE(who_misbehaved_is_no_source),
        CASE(who_was_redirected_to_is_judged),
        CASE(who_was_absent_holds_nobody_else_up),
        CASE(who_was_absent_is_asked_for_all_once_it_answers),
        CASE(what_an_absent_one_announced_first_is_asked_of_others),
        CASE(a_change_is_announced_twice),
        CASE(ten_thousand_changes_are_no_storm),
        CASE(a_flood_of_announcements_brings_a_comparison),
    };
    return cmocka_run_group_tests_name("exchange_announce", tests, NULL, NULL);
}
