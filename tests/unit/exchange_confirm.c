/* SPDX-License-Identifier: ISC */
/* Who is told that we hold something, and whose word confirms what we put. */
#include "tests/unit/exchange_bench.h"

static struct exchange_local put(uint64_t n)
{
    struct exchange_local local = knows(n, true);

    local.unconfirmed = true;
    return local;
}

static struct notice asks_for(uint64_t n)
{
    struct notice notice = ihave(n, true);

    notice.confirm = true;
    return notice;
}

/* Is one told, in the last step, that we hold version `n`? */
static bool is_told(const struct bench *bench, uint8_t to, uint64_t n)
{
    for (size_t i = 0; i < bench->actions.count; i++) {
        const struct exchange_action *action = &bench->actions.list[i];
        if (action->kind == EXCHANGE_SEND && !action->audiences && action->to.ip[15] == to &&
            action->notice.held && version_same(action->notice.version, version_of(n)))
            return true;
    }
    return false;
}

static unsigned told(const struct bench *bench)
{
    unsigned audiences = 0;

    for (size_t i = 0; i < bench->actions.count; i++)
        if (bench->actions.list[i].kind == EXCHANGE_SEND)
            audiences |= bench->actions.list[i].audiences;
    return audiences;
}

static void a_candidate_above_confirms_a_put(void **state)
{
    static const struct {
        const struct route_place *place;
        unsigned relations;
        bool confirms;
    } rows[] = {
        {&PLACE_SLAVE, MASTER_ABOVE, true},      {&PLACE_SLAVE, BACKUP_ABOVE, true},
        {&PLACE_GATEWAY, MASTER_ABOVE, true},    {&PLACE_GATEWAY, OWN_BACKUP, false},
        {&PLACE_GATEWAY, ROUTE_LED, false},      {&PLACE_TOP_MASTER, OWN_BACKUP, true},
        {&PLACE_TOP_BACKUP, OWN_MASTER, true},   {&PLACE_TOP_BACKUP, FELLOW, true},
        {&PLACE_TOP_BACKUP, ROUTE_SLAVE, false}, {&PLACE_SLAVE, ROUTE_SIBLING, false},
    };
    const struct digest content = content_of(5);
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct exchange_action *action;
        stand(bench, *rows[i].place);
        hear_as(bench, 2, rows[i].relations, ihave(5, true), put(5));
        action = only(bench, EXCHANGE_CONFIRMED);
        assert_int_equal(action != NULL, rows[i].confirms);
        if (!action)
            continue;
        assert_true(version_same(action->version, version_of(5)));
        assert_true(digest_same(&action->sha256, &content));
    }
}

static void only_what_is_held_as_it_is_here_is_confirmed(void **state)
{
    struct bench *bench = *state;
    struct notice other = ihave(5, true);

    stand(bench, PLACE_SLAVE);
    bench->relations = MASTER_ABOVE;
    hear(bench, 2, ihave(5, false), put(5));
    assert_null(only(bench, EXCHANGE_CONFIRMED));
    hear(bench, 2, ihave(4, true), put(5));
    assert_null(only(bench, EXCHANGE_CONFIRMED));
    hear(bench, 2, ihave(6, true), put(5));
    assert_null(only(bench, EXCHANGE_CONFIRMED));
    other.sha256 = content_of(77);
    hear(bench, 2, other, put(5));
    assert_null(only(bench, EXCHANGE_CONFIRMED));
    hear(bench, 2, ihave(5, true), knows(5, true)); /* it was already */
    assert_null(only(bench, EXCHANGE_CONFIRMED));
    other = ihave(5, true);
    other.kept = false; /* it may drop it at any time */
    hear(bench, 2, other, put(5));
    assert_null(only(bench, EXCHANGE_CONFIRMED));
    hear(bench, 2, ihave(5, true), put(5));
    assert_non_null(only(bench, EXCHANGE_CONFIRMED));
}

/* Two nodes put at the same moment: that the tier above has the one says nothing of the other. */
static void a_rival_of_the_same_moment_is_not_confirmed_with_it(void **state)
{
    struct bench *bench = *state;
    struct exchange_local rival = knows(5, true);
    struct notice asked = asks_for(5);

    rival.sha256 = asked.sha256 = content_of(77);
    stand(bench, PLACE_GATEWAY);
    hear_as(bench, 9, MASTER_ABOVE, ihave(5, true), put(5));
    assert_non_null(only(bench, EXCHANGE_CONFIRMED));
    hear_as(bench, 2, ROUTE_LED, whohas(0, true), rival);
    assert_false(only(bench, EXCHANGE_SEND)->notice.kept);
    hear_as(bench, 3, ROUTE_LED, asked, rival);
    assert_false(is_told(bench, 3, 5));
    assert_true(only(bench, EXCHANGE_WANT)->unconfirmed);
    assert_true(digest_same(&only(bench, EXCHANGE_WANT)->sha256, &rival.sha256));
}

/* Who only fetched it for somebody may drop it: then whoever put it must go on keeping it. */
static void only_what_is_kept_is_said_to_be(void **state)
{
    static const struct {
        const struct route_place *place;
        bool unconfirmed, kept;
    } rows[] = {
        {&PLACE_TOP_MASTER, false, true}, {&PLACE_TOP_BACKUP, false, true},
        {&PLACE_GATEWAY, false, false},   {&PLACE_GATEWAY, true, true},
        {&PLACE_SLAVE, true, false},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct exchange_local local = knows(5 + i, true);
        local.unconfirmed = rows[i].unconfirmed;
        stand(bench, *rows[i].place);
        hear_as(bench, 2, ROUTE_LED, whohas(0, true), local);
        assert_true(is_told(bench, 2, 5 + i));
        if (only(bench, EXCHANGE_SEND)->notice.kept != rows[i].kept)
            fail_msg("row %zu", i);
    }
}

/* It asked, and then says no more than that it holds it: it still wants to know. */
static void who_asked_is_answered_whatever_else_it_says(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_GATEWAY);
    bench->relations = FELLOW;
    hear(bench, 2, asks_for(5), nothing());
    hear(bench, 2, ihave(5, true), nothing());
    landed(bench, 0, 0, put(5));
    assert_true(is_told(bench, 2, 5));
}

/* Somebody who captured what a slave had said sends it again from a candidate's address. */
static void what_another_host_said_confirms_nothing(void **state)
{
    struct bench *bench = *state;
    struct notice captured = ihave(5, true);

    stand(bench, PLACE_SLAVE);
    bench->relations = MASTER_ABOVE;
    captured.sender.address = host(4);
    hear(bench, 2, captured, put(5));
    assert_null(only(bench, EXCHANGE_CONFIRMED));
    captured.sender.address = host(2);
    captured.sender.address.port = 0; /* as it comes out of a datagram */
    hear(bench, 2, captured, put(5));
    assert_non_null(only(bench, EXCHANGE_CONFIRMED));
}

/* Nor does it say where it spoke from, where it goes to many. */
static void what_is_said_to_many_confirms_nothing(void **state)
{
    struct bench *bench = *state;
    struct notice notice = ihave(5, true);

    stand(bench, PLACE_SLAVE);
    notice.sender.boot = 1;
    step(bench, (struct exchange_event){.kind = EXCHANGE_HEARD,
                                        .from = host(2),
                                        .relations = MASTER_ABOVE,
                                        .notice = &notice,
                                        .local = put(5)});
    assert_null(only(bench, EXCHANGE_CONFIRMED));
}

static void a_removal_is_confirmed_by_who_knows_it(void **state)
{
    struct bench *bench = *state;
    struct exchange_local removed = {
        .known = true, .deleted = true, .unconfirmed = true, .version = version_of(5)};
    struct notice notice = {.kind = NOTICE_IHAVE,
                            .name = NAME,
                            .version = version_of(5),
                            .port = 8080,
                            .deleted = true,
                            .kept = true};

    stand(bench, PLACE_SLAVE);
    hear_as(bench, 2, MASTER_ABOVE, notice, removed);
    assert_non_null(only(bench, EXCHANGE_CONFIRMED));
    stand(bench, PLACE_TOP_MASTER);
    notice.confirm = true;
    hear_as(bench, 3, ROUTE_LED, notice, removed);
    assert_int_equal(only(bench, EXCHANGE_SEND)->to.ip[15], 3);
    assert_true(only(bench, EXCHANGE_SEND)->notice.deleted);
}

static void what_is_held_is_confirmed_at_once(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_TOP_BACKUP);
    hear_as(bench, 2, ROUTE_SLAVE, asks_for(5), knows(5, true));
    assert_true(is_told(bench, 2, 5));
    hear_as(bench, 3, ROUTE_SLAVE, ihave(5, true), knows(5, true));
    assert_null(only(bench, EXCHANGE_SEND)); /* it did not ask */
}

/* The one with the lower digest is here; the other one, which replaces it, is on its way. */
static void a_rival_of_the_same_moment_is_waited_for(void **state)
{
    struct bench *bench = *state;
    struct exchange_local rival = knows(5, true);
    struct notice asked = asks_for(5);

    rival.sha256 = asked.sha256 = content_of(77);
    stand(bench, PLACE_TOP_BACKUP);
    hear_as(bench, 2, ROUTE_SLAVE, asked, knows(5, true));
    assert_false(is_told(bench, 2, 5));
    landed(bench, 0, 0, rival);
    assert_true(is_told(bench, 2, 5));
}

static void what_is_not_held_yet_is_confirmed_when_it_has_landed(void **state)
{
    struct bench *bench = *state;
    struct exchange_figures figures;

    stand(bench, PLACE_TOP_MASTER);
    bench->relations = ROUTE_LED;
    hear(bench, 2, asks_for(5), nothing());
    hear(bench, 2, asks_for(5), nothing());
    hear(bench, 3, asks_for(5), nothing());
    learned(bench, 2, EXCHANGE_DONE, PEER_FINE, knows(5, false));
    assert_false(is_told(bench, 2, 5));
    landed(bench, 2, ROUTE_LED, knows(5, true));
    assert_true(is_told(bench, 2, 5) && is_told(bench, 3, 5));
    exchange_figures(bench->machine, &figures);
    assert_int_equal(figures.confirms, 0);
}

static void a_slave_confirms_nothing(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_SLAVE);
    hear_as(bench, 2, MASTER_ABOVE, asks_for(5), knows(5, true));
    assert_null(only(bench, EXCHANGE_SEND));
    landed(bench, 2, MASTER_ABOVE, knows(5, true));
    assert_null(only(bench, EXCHANGE_SEND));
}

static void who_waits_for_what_never_comes_is_forgotten(void **state)
{
    struct bench *bench = *state;
    struct exchange_figures figures;
    struct notice notice = asks_for(5);

    stand(bench, PLACE_TOP_MASTER);
    for (unsigned i = 0; i < EXCHANGE_CONFIRMS_MAX + 100; i++) {
        snprintf(notice.name, sizeof(notice.name), "example.com/%u", i);
        hear_as(bench, 2, ROUTE_LED, notice, nothing());
    }
    exchange_figures(bench->machine, &figures);
    assert_int_equal(figures.confirms, EXCHANGE_CONFIRMS_MAX);
    wait_ms(bench, 100000);
    exchange_figures(bench->machine, &figures);
    assert_int_equal(figures.confirms, 0);
}

static void what_has_landed_is_told_to_those_who_mirror_it(void **state)
{
    struct bench *bench = *state;

    hear(bench, 2, whohas(9, false), knows(9, false)); /* so that it is known where to reach it */
    stand(bench, PLACE_TOP_MASTER);
    landed(bench, 2, ROUTE_LED, knows(5, true));
    assert_true(is_told(bench, 2, 5));
    assert_int_equal(told(bench), AUDIENCE_FELLOWS);
    stand(bench, PLACE_TOP_BACKUP);
    landed(bench, 2, OWN_MASTER, knows(5, true));
    assert_true(is_told(bench, 2, 5));
    assert_int_equal(told(bench), 0);
    stand(bench, PLACE_GATEWAY);
    landed(bench, 2, ROUTE_LED, put(5)); /* the tier above can have it from here now */
    assert_int_equal(told(bench), AUDIENCE_FELLOWS | AUDIENCE_UP);
}

/* One datagram may get lost, and nothing else tells a backup what its master holds. */
static void backups_are_told_twice_what_has_landed(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_GATEWAY);
    landed(bench, 2, MASTER_ABOVE, knows(5, true));
    assert_false(is_told(bench, 2, 5));
    assert_int_equal(told(bench), AUDIENCE_FELLOWS);
    bench->actions.count = 0;
    assert_non_null(await(bench, EXCHANGE_SEND, 2000));
    assert_int_equal(told(bench), AUDIENCE_FELLOWS);
    bench->actions.count = 0;
    assert_null(await(bench, EXCHANGE_SEND, 10000));
}

static void what_is_unconfirmed_asks_to_be(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    stand(bench, PLACE_GATEWAY);
    step(bench,
         (struct exchange_event){.kind = EXCHANGE_AGAIN, .name = span_of(NAME), .local = put(5)});
    action = only(bench, EXCHANGE_SEND);
    assert_int_equal(action->audiences, AUDIENCE_UP | AUDIENCE_FELLOWS);
    assert_true(action->notice.confirm && action->notice.held);
    bench->actions.count = 0;
    assert_null(await(bench, EXCHANGE_SEND, 10000)); /* the driver comes back */
    step(bench,
         (struct exchange_event){.kind = EXCHANGE_CHANGED, .name = span_of(NAME), .local = put(6)});
    assert_true(only(bench, EXCHANGE_SEND)->notice.confirm);
}

/* What a lost answer left unconfirmed would stay so, for nobody is above. */
static void a_master_of_the_top_tier_asks_its_backups(void **state)
{
    struct bench *bench = *state;
    struct exchange_event again = {.kind = EXCHANGE_AGAIN, .name = span_of(NAME), .local = put(5)};

    stand(bench, PLACE_TOP_MASTER);
    step(bench, again);
    assert_true(told(bench) & AUDIENCE_FELLOWS);
    assert_true(only(bench, EXCHANGE_SEND)->notice.confirm);
    hear_as(bench, 2, OWN_BACKUP, ihave(5, true), put(5));
    assert_non_null(only(bench, EXCHANGE_CONFIRMED));
    stand(bench, PLACE_TOP_BACKUP);
    step(bench, again);
    assert_int_equal(told(bench), AUDIENCE_UP);
}

static void ask_copies(struct bench *bench, size_t copies, int64_t within_ms)
{
    step(bench, (struct exchange_event){.kind = EXCHANGE_ASKED,
                                        .ask = EXCHANGE_ASK_COPIES,
                                        .ticket = 7,
                                        .name = span_of(NAME),
                                        .local = put(5),
                                        .version = version_of(5),
                                        .sha256 = content_of(5),
                                        .copies = copies,
                                        .until = mono_after(bench->now, MONO_MS(within_ms))});
}

static void copies_are_asked_for_until_there_are_enough(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;
    char tuid[TUID_SIZE];

    stand(bench, PLACE_SLAVE);
    ask_copies(bench, 2, 60000);
    action = only(bench, EXCHANGE_SEND);
    assert_int_equal(action->audiences, AUDIENCE_ABOVE);
    assert_true(action->notice.confirm);
    memcpy(tuid, action->notice.tuid, sizeof(tuid));
    for (int i = 0; i < 10; i++) { /* it does not tire */
        bench->actions.count = 0;
        assert_non_null(await(bench, EXCHANGE_SEND, 2000));
    }
    bench->relations = MASTER_ABOVE;
    hear_answer(bench, 2, tuid, 5, true, put(5));
    hear_answer(bench, 2, tuid, 5, true, put(5));
    hear_answer(bench, 3, tuid, 5, false, put(5));
    assert_null(only(bench, EXCHANGE_ANSWER));
    bench->relations = ROUTE_SIBLING;
    hear_answer(bench, 4, tuid, 5, true, put(5));
    assert_null(only(bench, EXCHANGE_ANSWER));
    bench->relations = BACKUP_ABOVE;
    hear_answer(bench, 3, tuid, 5, true, put(5));
    action = only(bench, EXCHANGE_ANSWER);
    assert_true(action->found);
    assert_int_equal(action->ticket, 7);
    assert_int_equal(action->source_count, 2);
}

/* A candidate that has become a slave drops what it likes: its copy is none. */
static void who_is_no_candidate_any_more_is_not_counted(void **state)
{
    struct bench *bench = *state;
    struct exchange_event member = {.kind = EXCHANGE_MEMBER, .from = host(2)};

    stand(bench, PLACE_SLAVE);
    ask_copies(bench, 2, 60000);
    hear_as(bench, 2, BACKUP_ABOVE, ihave(5, true), put(5));
    member.relations = ROUTE_SIBLING;
    step(bench, member);
    hear_as(bench, 3, MASTER_ABOVE, ihave(5, true), put(5));
    assert_null(only(bench, EXCHANGE_ANSWER));
    member.relations = BACKUP_ABOVE;
    step(bench, member); /* one again: it has to say so once more */
    assert_null(only(bench, EXCHANGE_ANSWER));
    hear_as(bench, 2, BACKUP_ABOVE, ihave(5, true), put(5));
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
}

/* Those of our own tier do not count once another one is above it. */
static void a_change_of_our_place_counts_anew(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_TOP_MASTER);
    ask_copies(bench, 3, 60000);
    hear_as(bench, 2, OWN_BACKUP, ihave(5, true), put(5));
    stand(bench, PLACE_GATEWAY);
    hear_as(bench, 3, MASTER_ABOVE, ihave(5, true), put(5));
    hear_as(bench, 4, BACKUP_ABOVE, ihave(5, true), put(5));
    assert_null(only(bench, EXCHANGE_ANSWER));
    hear_as(bench, 5, BACKUP_ABOVE, ihave(5, true), put(5));
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
}

static void one_host_is_one_copy(void **state)
{
    struct bench *bench = *state;
    struct notice notice = ihave(5, true);

    stand(bench, PLACE_SLAVE);
    ask_copies(bench, 2, 3000);
    hear_as(bench, 2, MASTER_ABOVE, notice, put(5));
    notice.port = 8081; /* it has been told to serve on another port meanwhile */
    hear_as(bench, 2, MASTER_ABOVE, notice, put(5));
    assert_null(only(bench, EXCHANGE_ANSWER));
    hear_as(bench, 3, BACKUP_ABOVE, notice, put(5));
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
}

static void what_another_host_said_is_no_copy(void **state)
{
    struct bench *bench = *state;
    struct notice captured = ihave(5, true);

    stand(bench, PLACE_SLAVE);
    ask_copies(bench, 1, 3000);
    captured.sender.address = host(4);
    hear_as(bench, 2, MASTER_ABOVE, captured, put(5));
    assert_null(only(bench, EXCHANGE_ANSWER));
    captured.sender.address = host(2);
    hear_as(bench, 2, MASTER_ABOVE, captured, put(5));
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
}

/* It may have been put without knowing of ours: nobody has two copies of ours then. */
static void a_newer_version_is_no_copy(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    stand(bench, PLACE_SLAVE);
    ask_copies(bench, 1, 60000);
    hear_as(bench, 2, MASTER_ABOVE, ihave(6, true), put(5));
    assert_null(only(bench, EXCHANGE_ANSWER));
    bench->relations = MASTER_ABOVE;
    learned(bench, 2, EXCHANGE_DONE, PEER_FINE, knows(6, false));
    action = only(bench, EXCHANGE_ANSWER);
    assert_true(action->replaced && !action->found);
}

/* By a newer version, or by a rival of the same moment. */
static void what_is_replaced_before_it_is_asked_for_has_no_copies(void **state)
{
    struct bench *bench = *state;
    struct exchange_local now[2] = {put(6), put(5)};

    now[1].sha256 = content_of(77);
    stand(bench, PLACE_TOP_MASTER);
    for (size_t i = 0; i < 2; i++) {
        const struct exchange_action *action;
        step(bench, (struct exchange_event){.kind = EXCHANGE_ASKED,
                                            .ask = EXCHANGE_ASK_COPIES,
                                            .ticket = 7,
                                            .name = span_of(NAME),
                                            .local = now[i],
                                            .version = version_of(5),
                                            .sha256 = content_of(5),
                                            .copies = 1});
        action = only(bench, EXCHANGE_ANSWER);
        assert_true(action->replaced && !action->found);
    }
}

/* Each may last for days: who only waits for a name must find room beside them. */
static void too_many_that_wait_for_copies_are_told_so(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    stand(bench, PLACE_SLAVE);
    for (int i = 0; i < EXCHANGE_COPIES_ASKED_MAX; i++) {
        ask_copies(bench, 2, 60000);
        assert_null(only(bench, EXCHANGE_ANSWER));
    }
    ask_copies(bench, 2, 60000);
    action = only(bench, EXCHANGE_ANSWER);
    assert_true(action->busy && !action->found);
    ask(bench, 8, EXCHANGE_ASK_NAME, nothing());
    assert_null(only(bench, EXCHANGE_ANSWER));
    step(bench, (struct exchange_event){.kind = EXCHANGE_DROPPED, .ticket = 7});
    ask_copies(bench, 2, 60000);
    assert_int_equal(only(bench, EXCHANGE_ANSWER)->ticket, 8); /* that name is known now */
}

static void copies_end_when_their_time_is_up(void **state)
{
    struct bench *bench = *state;
    const struct exchange_action *action;

    stand(bench, PLACE_SLAVE);
    ask_copies(bench, 2, 3000);
    hear_as(bench, 2, MASTER_ABOVE, ihave(5, true), put(5));
    assert_null(only(bench, EXCHANGE_ANSWER));
    action = await(bench, EXCHANGE_ANSWER, 3000);
    assert_non_null(action);
    assert_false(action->found);
    assert_int_equal(action->source_count, 1); /* so many there are */
}

static void a_candidate_counts_itself(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_TOP_MASTER);
    ask_copies(bench, 1, 60000);
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
    ask_copies(bench, 2, 60000);
    assert_int_equal(only(bench, EXCHANGE_SEND)->audiences, AUDIENCE_FELLOWS);
    hear_as(bench, 2, OWN_BACKUP, ihave(5, true), put(5));
    assert_true(only(bench, EXCHANGE_ANSWER)->found);
    stand(bench, PLACE_GATEWAY); /* but not in the tier above */
    ask_copies(bench, 1, 60000);
    assert_null(only(bench, EXCHANGE_ANSWER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_candidate_above_confirms_a_put),
        CASE(only_what_is_held_as_it_is_here_is_confirmed),
        CASE(a_rival_of_the_same_moment_is_not_confirmed_with_it),
        CASE(only_what_is_kept_is_said_to_be),
        CASE(who_asked_is_answered_whatever_else_it_says),
        CASE(what_another_host_said_confirms_nothing),
        CASE(what_is_said_to_many_confirms_nothing),
        CASE(a_removal_is_confirmed_by_who_knows_it),
        CASE(what_is_held_is_confirmed_at_once),
        CASE(a_rival_of_the_same_moment_is_waited_for),
        CASE(what_is_not_held_yet_is_confirmed_when_it_has_landed),
        CASE(a_slave_confirms_nothing),
        CASE(who_waits_for_what_never_comes_is_forgotten),
        CASE(what_has_landed_is_told_to_those_who_mirror_it),
        CASE(backups_are_told_twice_what_has_landed),
        CASE(what_is_unconfirmed_asks_to_be),
        CASE(a_master_of_the_top_tier_asks_its_backups),
        CASE(copies_are_asked_for_until_there_are_enough),
        CASE(who_is_no_candidate_any_more_is_not_counted),
        CASE(a_change_of_our_place_counts_anew),
        CASE(one_host_is_one_copy),
        CASE(what_another_host_said_is_no_copy),
        CASE(a_newer_version_is_no_copy),
        CASE(what_is_replaced_before_it_is_asked_for_has_no_copies),
        CASE(too_many_that_wait_for_copies_are_told_so),
        CASE(copies_end_when_their_time_is_up),
        CASE(a_candidate_counts_itself),
    };
    return cmocka_run_group_tests_name("exchange_confirm", tests, NULL, NULL);
}
