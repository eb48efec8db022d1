/* SPDX-License-Identifier: ISC */
#include "cache/route.h"

#include "tests/unit/unit.h"

enum { PLACES = ROUTE_AS_MASTER + 1, SETS = 2 * ROUTE_BESIDE };

/* Section 9, row by row: who we are, who asks, what it gets without and with a master. */
static void every_row_of_the_table_holds(void **state)
{
    static const struct {
        enum route_as own, its;
        enum route_serve without, with;
    } rows[] = {
        {ROUTE_AS_PEER, ROUTE_AS_PEER, ROUTE_SERVE_HELD, ROUTE_SERVE_HELD},
        {ROUTE_AS_MASTER, ROUTE_AS_SLAVE, ROUTE_SERVE_FETCH, ROUTE_SERVE_FETCH},
        {ROUTE_AS_MASTER, ROUTE_AS_BACKUP, ROUTE_SERVE_FETCH, ROUTE_SERVE_FETCH},
        {ROUTE_AS_BACKUP, ROUTE_AS_BACKUP, ROUTE_SERVE_HELD, ROUTE_SERVE_HELD},
        {ROUTE_AS_BACKUP, ROUTE_AS_MASTER, ROUTE_SERVE_HELD, ROUTE_SERVE_HELD},
        {ROUTE_AS_BACKUP, ROUTE_AS_SLAVE, ROUTE_NO_MASTER, ROUTE_REDIRECT},
        {ROUTE_AS_SLAVE, ROUTE_AS_MASTER, ROUTE_SERVE_HELD, ROUTE_SERVE_HELD},
        {ROUTE_AS_SLAVE, ROUTE_AS_BACKUP, ROUTE_SERVE_HELD, ROUTE_SERVE_HELD},
        {ROUTE_AS_SLAVE, ROUTE_AS_SLAVE, ROUTE_REFUSE_SIBLING, ROUTE_REFUSE_SIBLING},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        unsigned relation = route_relation(rows[i].own, rows[i].its);
        assert_int_equal(route_serve(relation, false), rows[i].without);
        assert_int_equal(route_serve(relation, true), rows[i].with);
    }
    assert_int_equal(route_serve(0, true), ROUTE_REFUSE);
}

/* A tier more never makes the answer worse; the enumerators stand best first. */
static void of_several_tiers_the_best_row_counts(void **state)
{
    (void)state;
    for (unsigned set = 0; set < SETS; set++) {
        for (unsigned bit = 1; bit < SETS; bit <<= 1) {
            assert_true(route_serve(set | bit, true) <= route_serve(set, true));
            assert_true(route_serve(set | bit, false) <= route_serve(set, false));
            assert_true(route_ask(set | bit) <= route_ask(set));
        }
    }
}

/* Whoever is asked to fetch does so only for one whom it leads, and who follows it. */
static void no_two_nodes_fetch_for_each_other(void **state)
{
    (void)state;
    for (int own = 0; own < PLACES; own++) {
        for (int its = 0; its < PLACES; its++) {
            unsigned to = route_relation((enum route_as)own, (enum route_as)its);
            unsigned back = route_relation((enum route_as)its, (enum route_as)own);
            bool it_fetches =
                route_ask(to) == ROUTE_ASK_ANY && route_serve(back, true) == ROUTE_SERVE_FETCH;
            bool we_fetch =
                route_ask(back) == ROUTE_ASK_ANY && route_serve(to, true) == ROUTE_SERVE_FETCH;
            assert_false(it_fetches && we_fetch);
        }
    }
    /* Two who both take themselves for the master ask each other for what is held alone. */
    assert_int_equal(route_ask(route_relation(ROUTE_AS_MASTER, ROUTE_AS_MASTER)), ROUTE_ASK_HELD);
}

static void who_is_asked_answers_with_content(void **state)
{
    (void)state;
    for (int own = 0; own < PLACES; own++) {
        for (int its = 0; its < PLACES; its++) {
            unsigned to = route_relation((enum route_as)own, (enum route_as)its);
            unsigned back = route_relation((enum route_as)its, (enum route_as)own);
            if (route_ask(to) != ROUTE_ASK_NEVER)
                assert_true(route_serve(back, true) <= ROUTE_SERVE_HELD);
        }
    }
    assert_int_equal(route_ask(0), ROUTE_ASK_NEVER);
}

static void datagrams_go_to_those_they_concern(void **state)
{
    static const struct {
        enum route_as own, its;
        unsigned without, with;
    } rows[] = {
        {ROUTE_AS_PEER, ROUTE_AS_PEER, AUDIENCE_MESH, AUDIENCE_MESH},
        {ROUTE_AS_SLAVE, ROUTE_AS_MASTER, AUDIENCE_UP | AUDIENCE_ABOVE,
         AUDIENCE_UP | AUDIENCE_ABOVE},
        {ROUTE_AS_SLAVE, ROUTE_AS_BACKUP, AUDIENCE_UP | AUDIENCE_ABOVE, AUDIENCE_ABOVE},
        {ROUTE_AS_SLAVE, ROUTE_AS_SLAVE, 0, 0},
        {ROUTE_AS_BACKUP, ROUTE_AS_BACKUP, AUDIENCE_UP | AUDIENCE_FELLOWS, AUDIENCE_FELLOWS},
        {ROUTE_AS_BACKUP, ROUTE_AS_MASTER, AUDIENCE_UP | AUDIENCE_FELLOWS,
         AUDIENCE_UP | AUDIENCE_FELLOWS},
        {ROUTE_AS_BACKUP, ROUTE_AS_SLAVE, 0, 0},
        {ROUTE_AS_MASTER, ROUTE_AS_SLAVE, AUDIENCE_DOWN, AUDIENCE_DOWN},
        {ROUTE_AS_MASTER, ROUTE_AS_BACKUP, AUDIENCE_DOWN | AUDIENCE_FELLOWS,
         AUDIENCE_DOWN | AUDIENCE_FELLOWS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(route_audiences(rows[i].own, rows[i].its, false), rows[i].without);
        assert_int_equal(route_audiences(rows[i].own, rows[i].its, true), rows[i].with);
    }
}

static struct route_place place_of(const enum route_as *tiers, size_t count, bool has_master)
{
    struct route_place place = {.mesh = false};

    for (size_t i = 0; i < count; i++)
        route_place_add(&place, tiers[i], has_master);
    route_place_end(&place);
    return place;
}

static void the_place_is_that_of_all_tiers(void **state)
{
    static const enum route_as gateway[] = {ROUTE_AS_SLAVE, ROUTE_AS_MASTER};
    static const enum route_as top[] = {ROUTE_AS_BACKUP}, bottom[] = {ROUTE_AS_SLAVE};
    struct route_place place;

    (void)state;
    place = place_of(gateway, 2, true);
    assert_true(place.follows && place.leads && place.above);
    assert_false(place.mesh || place.top || place.headless);
    place = place_of(top, 1, false);
    assert_true(place.follows && place.top && place.headless);
    assert_false(place.mesh || place.leads || place.above);
    place = place_of(bottom, 1, true);
    assert_true(place.follows && place.above);
    assert_false(place.mesh || place.leads || place.top || place.headless);
    place = place_of(NULL, 0, true);
    assert_true(place.mesh);
    assert_false(place.follows || place.leads || place.above || place.top || place.headless);
}

/* A gateway's own tier does not confirm what is to go further up. */
static void the_tier_above_confirms_or_our_own(void **state)
{
    static const enum route_as gateway[] = {ROUTE_AS_SLAVE, ROUTE_AS_MASTER};
    static const enum route_as top[] = {ROUTE_AS_MASTER};
    struct route_place place = place_of(gateway, 2, true);

    (void)state;
    assert_true(route_confirms(&place, route_relation(ROUTE_AS_SLAVE, ROUTE_AS_BACKUP)));
    assert_true(route_confirms(&place, route_relation(ROUTE_AS_SLAVE, ROUTE_AS_MASTER)));
    assert_false(route_confirms(&place, route_relation(ROUTE_AS_MASTER, ROUTE_AS_BACKUP)));
    assert_int_equal(route_confirmers(&place), AUDIENCE_ABOVE);
    place = place_of(top, 1, true);
    assert_true(route_confirms(&place, route_relation(ROUTE_AS_MASTER, ROUTE_AS_BACKUP)));
    assert_false(route_confirms(&place, route_relation(ROUTE_AS_MASTER, ROUTE_AS_SLAVE)));
    assert_int_equal(route_confirmers(&place), AUDIENCE_FELLOWS);
}

static void what_comes_from_below_or_beside_is_brought_up(void **state)
{
    static const enum route_as gateway[] = {ROUTE_AS_SLAVE, ROUTE_AS_MASTER};
    static const enum route_as top[] = {ROUTE_AS_MASTER};
    static const enum route_as backup[] = {ROUTE_AS_BACKUP};
    struct route_place place = place_of(gateway, 2, true);

    (void)state;
    assert_true(route_brings_up(&place, route_relation(ROUTE_AS_MASTER, ROUTE_AS_SLAVE)));
    assert_true(route_brings_up(&place, route_relation(ROUTE_AS_MASTER, ROUTE_AS_BACKUP)));
    assert_false(route_brings_up(&place, route_relation(ROUTE_AS_SLAVE, ROUTE_AS_MASTER)));
    assert_false(route_brings_up(&place, route_relation(ROUTE_AS_SLAVE, ROUTE_AS_BACKUP)));
    place = place_of(backup, 1, true);
    assert_true(route_brings_up(&place, route_relation(ROUTE_AS_BACKUP, ROUTE_AS_SLAVE)));
    assert_false(route_brings_up(&place, route_relation(ROUTE_AS_BACKUP, ROUTE_AS_MASTER)));
    place = place_of(top, 1, true);
    assert_false(route_brings_up(&place, route_relation(ROUTE_AS_MASTER, ROUTE_AS_SLAVE)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_table_holds),
        cmocka_unit_test(of_several_tiers_the_best_row_counts),
        cmocka_unit_test(no_two_nodes_fetch_for_each_other),
        cmocka_unit_test(who_is_asked_answers_with_content),
        cmocka_unit_test(datagrams_go_to_those_they_concern),
        cmocka_unit_test(the_place_is_that_of_all_tiers),
        cmocka_unit_test(the_tier_above_confirms_or_our_own),
        cmocka_unit_test(what_comes_from_below_or_beside_is_brought_up),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
