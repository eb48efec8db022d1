/* SPDX-License-Identifier: ISC */
/* What somebody else's word makes it our task to hold. */
#include "tests/unit/exchange_bench.h"

static const struct route_place PLACE_GATEWAY_BACKUP = {
    .follows = true, .above = true, .candidate = true};

static struct notice says(uint64_t n, bool held, bool confirm)
{
    struct notice notice = ihave(n, held);

    notice.confirm = confirm;
    return notice;
}

static struct exchange_local is(uint64_t n, bool held, bool unconfirmed)
{
    struct exchange_local local = knows(n, held);

    local.unconfirmed = unconfirmed;
    return local;
}

/* Is one told, in the last step, that we hold it? */
static bool is_told(const struct bench *bench, uint8_t to)
{
    for (size_t i = 0; i < bench->actions.count; i++) {
        const struct exchange_action *action = &bench->actions.list[i];
        if (action->kind == EXCHANGE_SEND && !action->audiences && action->to.ip[15] == to &&
            action->notice.held)
            return true;
    }
    return false;
}

static void whose_word_makes_us_hold_what_we_know(void **state)
{
    static const struct {
        const struct route_place *place;
        unsigned relations;
        bool held, confirm;
        bool wants, unconfirmed;
    } rows[] = {
        /* whoever puts it, and asks to be confirmed */
        {&PLACE_GATEWAY, ROUTE_LED, true, true, true, true},
        {&PLACE_GATEWAY_BACKUP, ROUTE_SLAVE, true, true, true, true},
        {&PLACE_GATEWAY_BACKUP, ROUTE_SLAVE, false, true, true, true},
        {&PLACE_TOP_MASTER, ROUTE_LED, true, true, true, false},
        /* candidates beside us */
        {&PLACE_GATEWAY_BACKUP, OWN_MASTER, true, true, true, true},
        {&PLACE_GATEWAY_BACKUP, FELLOW, true, true, true, true},
        {&PLACE_GATEWAY, OWN_BACKUP, true, true, true, true},
        /* a backup mirrors candidates, a master does not */
        {&PLACE_GATEWAY_BACKUP, OWN_MASTER, true, false, true, false},
        {&PLACE_GATEWAY_BACKUP, FELLOW, true, false, true, false},
        {&PLACE_GATEWAY_BACKUP, OWN_MASTER, false, false, false, false},
        {&PLACE_GATEWAY, OWN_BACKUP, true, false, false, false},
        /* what comes from above, and those whom it is no task of ours to keep it for */
        {&PLACE_GATEWAY, MASTER_ABOVE, true, true, false, false},
        {&PLACE_GATEWAY, BACKUP_ABOVE, true, false, false, false},
        {&PLACE_GATEWAY_BACKUP, ROUTE_SLAVE, true, false, false, false},
        {&PLACE_SLAVE, MASTER_ABOVE, true, true, false, false},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct exchange_action *action;
        stand(bench, *rows[i].place);
        hear_as(bench, 2, rows[i].relations, says(5 + i, rows[i].held, rows[i].confirm),
                is(5 + i, false, false));
        action = only(bench, EXCHANGE_WANT);
        if ((action != NULL) != rows[i].wants)
            fail_msg("row %zu", i);
        if (!action)
            continue;
        assert_string_equal(action->name, NAME);
        assert_true(version_same(action->version, version_of(5 + i)));
        assert_int_equal(action->unconfirmed, rows[i].unconfirmed);
    }
}

static void another_version_than_ours_is_not_wanted(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_GATEWAY_BACKUP);
    hear_as(bench, 2, ROUTE_SLAVE, says(5, true, true), is(6, false, false));
    assert_null(only(bench, EXCHANGE_WANT));
    hear_as(bench, 3, ROUTE_SLAVE, says(5, true, true), is(4, false, false));
    assert_null(only(bench, EXCHANGE_WANT));
    hear_as(bench, 4, OWN_MASTER, says(5, true, false), nothing());
    assert_null(only(bench, EXCHANGE_WANT));
}

static void what_is_on_its_way_is_not_wanted_again(void **state)
{
    struct bench *bench = *state;
    struct exchange_local coming = is(5, false, true);

    stand(bench, PLACE_GATEWAY_BACKUP);
    coming.wanted = true;
    hear_as(bench, 2, ROUTE_SLAVE, says(5, true, true), coming);
    assert_null(only(bench, EXCHANGE_WANT));
    coming.unconfirmed = false; /* it may be dropped yet */
    hear_as(bench, 2, ROUTE_SLAVE, says(5, true, true), coming);
    assert_true(only(bench, EXCHANGE_WANT)->unconfirmed);
}

/* The manifest came from elsewhere while it was being fetched from whoever put it. */
static void it_is_wanted_once_it_is_known(void **state)
{
    struct bench *bench = *state;
    struct exchange_local coming = is(5, false, true);

    coming.wanted = true;
    stand(bench, PLACE_GATEWAY_BACKUP);
    bench->relations = ROUTE_SLAVE;
    hear(bench, 2, says(5, true, true), nothing());
    assert_null(only(bench, EXCHANGE_WANT));
    learned(bench, 2, EXCHANGE_DONE, PEER_FINE, is(5, false, false));
    assert_true(only(bench, EXCHANGE_WANT)->unconfirmed);
    bench->relations = OWN_MASTER;
    hear(bench, 3, says(6, true, false), coming);
    assert_null(only(bench, EXCHANGE_WANT));
    learned(bench, 3, EXCHANGE_DONE, PEER_FINE, is(6, false, false));
    assert_false(only(bench, EXCHANGE_WANT)->unconfirmed);
}

/* Below another tier what was merely fetched may be dropped at any time. */
static void what_may_be_dropped_is_not_confirmed(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_GATEWAY_BACKUP);
    hear_as(bench, 2, ROUTE_SLAVE, says(5, true, true), is(5, true, false));
    assert_false(is_told(bench, 2));
    assert_true(only(bench, EXCHANGE_WANT)->unconfirmed);
    landed(bench, 0, 0, is(5, true, true));
    assert_true(is_told(bench, 2));
    stand(bench, PLACE_TOP_BACKUP); /* who keeps everything */
    hear_as(bench, 3, ROUTE_SLAVE, says(5, true, true), is(5, true, false));
    assert_true(is_told(bench, 3));
    assert_null(only(bench, EXCHANGE_WANT));
}

static void what_the_tier_above_has_is_confirmed_without_being_kept(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_GATEWAY_BACKUP);
    hear_as(bench, 9, MASTER_ABOVE, ihave(5, true), is(5, true, true));
    assert_non_null(only(bench, EXCHANGE_CONFIRMED));
    hear_as(bench, 2, ROUTE_SLAVE, says(5, true, true), is(5, true, false));
    assert_true(is_told(bench, 2));
    assert_null(only(bench, EXCHANGE_WANT));
    hear_as(bench, 2, ROUTE_SLAVE, says(6, true, true), is(6, true, false)); /* another version */
    assert_non_null(only(bench, EXCHANGE_WANT));
}

static void who_took_it_over_has_it_confirmed_above(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_GATEWAY_BACKUP);
    landed(bench, 2, OWN_MASTER, is(5, true, true));
    for (size_t i = 0; i < bench->actions.count; i++)
        if (bench->actions.list[i].audiences) {
            assert_int_equal(bench->actions.list[i].audiences, AUDIENCE_UP);
            assert_true(bench->actions.list[i].notice.confirm);
            return;
        }
    fail_msg("nobody above is told");
}

static void what_was_confirmed_does_not_ask_again(void **state)
{
    struct bench *bench = *state;

    stand(bench, PLACE_SLAVE);
    step(bench, (struct exchange_event){
                    .kind = EXCHANGE_CHANGED, .name = span_of(NAME), .local = is(5, true, true)});
    assert_true(only(bench, EXCHANGE_SEND)->notice.confirm);
    hear_as(bench, 2, MASTER_ABOVE, ihave(5, true), is(5, true, true));
    assert_non_null(only(bench, EXCHANGE_CONFIRMED));
    assert_false(await(bench, EXCHANGE_SEND, 2000)->notice.confirm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(whose_word_makes_us_hold_what_we_know),
        CASE(another_version_than_ours_is_not_wanted),
        CASE(what_is_on_its_way_is_not_wanted_again),
        CASE(it_is_wanted_once_it_is_known),
        CASE(what_may_be_dropped_is_not_confirmed),
        CASE(what_the_tier_above_has_is_confirmed_without_being_kept),
        CASE(who_took_it_over_has_it_confirmed_above),
        CASE(what_was_confirmed_does_not_ask_again),
    };
    return cmocka_run_group_tests_name("exchange_want", tests, NULL, NULL);
}
