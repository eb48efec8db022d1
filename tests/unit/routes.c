/* SPDX-License-Identifier: ISC */
#include "src/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/*
 * The example of the design, seen by gw2.paris: backup of paris below gw1, slave of core, and peer
 * of a flat mesh of the office.
 */
static const mono_t noon = {MONO_S(100)}, good_until = {MONO_S(101)}, later = {MONO_S(102)};
enum { HTTP_PORT = 65028, OFFICE = 1, ALL_LINES = 9 };

struct paris {
    struct members *members;
    struct view *view;
    struct routes routes;
};

static struct address address(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 0, &a));
    return a;
}

static struct member line(const char *network, enum member_role role, const char *tier,
                          const char *own)
{
    struct member m = {.role = role, .own = address(own), .has_own = true};
    bool differs;

    assert_true(network_parse(span_of(network), &m.network, &differs));
    snprintf(m.tier, sizeof(m.tier), "%s", tier);
    return m;
}

static struct members *make_members(size_t count, bool nobroadcast)
{
    const struct member list[ALL_LINES] = {
        line("192.168.0.0/24", MEMBER_PEER, "office", "192.168.0.2"),
        line("10.0.0.1", MEMBER_CANDIDATE, "core", "10.0.0.22"),
        line("10.0.0.2", MEMBER_CANDIDATE, "core", "10.0.0.22"),
        line("10.0.0.0/24", MEMBER_SLAVE, "core", "10.0.0.22"),
        line("10.27.4.1", MEMBER_CANDIDATE, "paris", "10.27.4.2"),
        line("10.27.4.2", MEMBER_CANDIDATE, "paris", "10.27.4.2"),
        line("10.27.4.3", MEMBER_CANDIDATE, "paris", "10.27.4.2"),
        line("10.27.4.9", MEMBER_SLAVE, "paris", "10.27.4.2"),
        line("10.27.4.0/24", MEMBER_SLAVE, "paris", "10.27.4.2"),
    };
    const struct address own[] = {address("192.168.0.2"), address("10.0.0.22"),
                                  address("10.27.4.2")};
    const struct members_options options = {.list = list,
                                            .count = count,
                                            .own = own,
                                            .own_count = 3,
                                            .nets_given = count > 0,
                                            .nobroadcast = nobroadcast};

    return members_new(&options);
}

static void publish(struct paris *p, const char *tier, enum ballot_role role, const char *master)
{
    struct view_tier view = {.role = role, .has_master = master != NULL, .good_until = good_until};

    snprintf(view.tier, sizeof(view.tier), "%s", tier);
    if (master)
        view.master_address = address(master);
    view.master_address.port = HTTP_PORT;
    view_publish(p->view, &view);
}

static int set_up(void **state)
{
    struct paris *p = calloc(1, sizeof(*p));

    p->members = make_members(ALL_LINES, true);
    p->view = calloc(1, view_size());
    p->routes = (struct routes){p->members, p->view, HTTP_PORT};
    publish(p, "paris", BALLOT_BACKUP, "10.27.4.1");
    publish(p, "core", BALLOT_SLAVE, "10.0.0.1");
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct paris *p = *state;

    members_free(p->members);
    free(p->view);
    free(p);
    return 0;
}

static unsigned to(const struct paris *p, mono_t now, const char *host)
{
    struct address at = address(host);

    return routes_to(&p->routes, now, &at);
}

static void hosts_are_what_nets_files_and_elections_say(void **state)
{
    struct paris *p = *state;

    assert_int_equal(to(p, noon, "192.168.0.9"), ROUTE_MESH);
    assert_int_equal(to(p, noon, "10.0.0.1"), ROUTE_FOLLOWED | ROUTE_ABOVE);
    assert_int_equal(to(p, noon, "10.0.0.2"), ROUTE_CANDIDATE | ROUTE_ABOVE);
    assert_int_equal(to(p, noon, "10.0.0.21"), ROUTE_SIBLING);
    assert_int_equal(to(p, noon, "10.27.4.1"), ROUTE_FOLLOWED | ROUTE_BESIDE);
    assert_int_equal(to(p, noon, "10.27.4.3"), ROUTE_FELLOW | ROUTE_BESIDE);
    assert_int_equal(to(p, noon, "10.27.4.77"), ROUTE_SLAVE);
    assert_int_equal(to(p, noon, "10.27.4.2"), 0);
    assert_int_equal(to(p, noon, "10.9.9.9"), 0);

    publish(p, "paris", BALLOT_MASTER, "10.27.4.2");
    assert_int_equal(to(p, noon, "10.27.4.1"), ROUTE_LED | ROUTE_BESIDE);
    assert_int_equal(to(p, noon, "10.27.4.77"), ROUTE_LED);
}

/* Nobody is followed or led by what an election said that stands still. */
static void a_view_counts_until_it_is_stale(void **state)
{
    struct paris *p = *state;

    publish(p, "core", BALLOT_SLAVE, "10.0.0.1");
    publish(p, "paris", BALLOT_MASTER, "10.27.4.2");
    assert_int_equal(to(p, good_until, "10.27.4.77"), ROUTE_LED);
    assert_int_equal(to(p, later, "10.27.4.77"), ROUTE_SLAVE);
    assert_int_equal(to(p, later, "10.27.4.1"), ROUTE_FELLOW | ROUTE_BESIDE);
    assert_int_equal(to(p, later, "10.0.0.1"), ROUTE_CANDIDATE | ROUTE_ABOVE);
    assert_false(routes_place(&p->routes, good_until).headless);
    assert_true(routes_place(&p->routes, later).headless);
    assert_false(routes_place(&p->routes, later).leads);
    assert_int_equal(routes_up(&p->routes, later, (struct address[ROUTES_MAX]){{.port = 0}}), 0);
}

static void a_slave_is_sent_to_the_master_of_its_tier(void **state)
{
    struct paris *p = *state;
    struct address slave = address("10.27.4.77"), master = address("10.27.4.1");
    struct routes_answer answer = routes_serve(&p->routes, noon, &slave, NULL, 0);

    assert_int_equal(answer.serve, ROUTE_REDIRECT);
    assert_true(address_same_host(&answer.master, &master));
    assert_int_equal(answer.master.port, HTTP_PORT);
    publish(p, "paris", BALLOT_BACKUP, NULL);
    assert_int_equal(routes_serve(&p->routes, noon, &slave, NULL, 0).serve, ROUTE_NO_MASTER);
}

/* The best of the rows, and what goes with that. */
static void a_host_of_several_addresses_is_judged_by_all(void **state)
{
    static const struct {
        const char *from, *also, *host;
        enum route_serve serve;
        const char *tier;
    } rows[] = {
        {"10.9.9.9", "10.8.8.8", "10.9.9.9", ROUTE_REFUSE, ""},
        {"10.9.9.9", "10.0.0.21", "10.0.0.21", ROUTE_REFUSE_SIBLING, ""},
        {"10.0.0.21", "10.27.4.77", "10.0.0.21", ROUTE_SERVE_FETCH, "paris"},
        {"10.27.4.77", "10.0.0.21", "10.27.4.77", ROUTE_SERVE_FETCH, "paris"},
        {"10.0.0.21", "10.0.0.1", "10.0.0.21", ROUTE_SERVE_HELD, ""},
        {"10.9.9.9", "192.168.0.9", "192.168.0.9", ROUTE_SERVE_HELD, ""},
        {"10.27.4.2", "10.0.0.21", "10.0.0.21", ROUTE_SERVE_HELD, ""}, /* ours: as without it */
        {"10.9.9.9", "10.27.4.2", "10.9.9.9", ROUTE_REFUSE, ""},       /* ours by now */
    };
    struct paris *p = *state;

    publish(p, "paris", BALLOT_MASTER, "10.27.4.2");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct address from = address(rows[i].from), also = address(rows[i].also),
                       host = address(rows[i].host);
        struct routes_answer answer = routes_serve(&p->routes, noon, &from, &also, 1);
        if (answer.serve != rows[i].serve || !address_same_host(&answer.host, &host) ||
            strcmp(answer.tier, rows[i].tier) != 0)
            fail_msg("row %zu: %d %s", i, (int)answer.serve, answer.tier);
    }
}

/* Who was asked as the master of core may know of a newer one, until we do. */
static void a_redirect_leads_to_a_candidate_until_a_third_is_followed(void **state)
{
    struct paris *p = *state;
    struct address one = address("10.0.0.1"), two = address("10.0.0.2"),
                   slave = address("10.0.0.21"), paris = address("10.27.4.1");

    assert_true(routes_may_follow(&p->routes, noon, &one, &two));
    assert_false(routes_may_follow(&p->routes, noon, &one, &slave));
    assert_false(routes_may_follow(&p->routes, noon, &slave, &two));
    assert_false(routes_may_follow(&p->routes, noon, &one, &paris));
    assert_false(routes_may_follow(&p->routes, noon, &paris, &two));
    publish(p, "core", BALLOT_SLAVE, NULL);
    assert_true(routes_may_follow(&p->routes, noon, &one, &two));
    publish(p, "core", BALLOT_SLAVE, "10.0.0.2");
    assert_true(routes_may_follow(&p->routes, noon, &one, &two));
    publish(p, "core", BALLOT_SLAVE, "10.0.0.3");
    assert_false(routes_may_follow(&p->routes, noon, &one, &two));
}

/* Section 3 decides alone where no tier has roles; where one has, strangers stay outside. */
static void strangers_are_peers_where_no_tier_has_roles(void **state)
{
    struct address stranger = address("10.9.9.9");
    struct routes flat = {.members = NULL};
    struct members *members[] = {make_members(OFFICE, false), make_members(OFFICE, true),
                                 make_members(0, false), make_members(0, true),
                                 make_members(ALL_LINES, false)};
    static const unsigned want[] = {ROUTE_MESH, 0, ROUTE_MESH, 0, 0};

    (void)state;
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        flat.members = members[i];
        assert_int_equal(routes_to(&flat, noon, &stranger), want[i]);
        members_free(members[i]);
    }
}

static void expect_addresses(const struct address *list, size_t count, const char *const *want)
{
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < count; i++)
        assert_string_equal(address_host_text(&list[i], text), want[i]);
    assert_null(want[count]);
}

static void the_own_master_is_asked_before_the_one_above(void **state)
{
    static const char *const backup[] = {"10.27.4.1", "10.0.0.1", NULL};
    static const char *const master[] = {"10.0.0.1", NULL};
    struct address up[ROUTES_MAX];
    struct paris *p = *state;

    expect_addresses(up, routes_up(&p->routes, noon, up), backup);
    publish(p, "paris", BALLOT_MASTER, "10.27.4.2");
    expect_addresses(up, routes_up(&p->routes, noon, up), master);
    assert_int_equal(up[0].port, HTTP_PORT);
}

static void a_master_asks_above_then_its_own_backups(void **state)
{
    static const char *const want[] = {"10.0.0.1", "10.27.4.1", "10.27.4.3", NULL};
    struct routes_source sources[ROUTES_MAX];
    struct address list[ROUTES_MAX];
    struct paris *p = *state;
    size_t count;

    assert_int_equal(routes_sources(&p->routes, noon, sources), 2);
    publish(p, "paris", BALLOT_MASTER, "10.27.4.2");
    count = routes_sources(&p->routes, noon, sources);
    for (size_t i = 0; i < count; i++) {
        list[i] = sources[i].http;
        assert_int_equal(sources[i].ask, i == 0 ? ROUTE_ASK_ANY : ROUTE_ASK_HELD);
        assert_int_equal(sources[i].http.port, HTTP_PORT);
    }
    expect_addresses(list, count, want);
}

static void expect_singles(const struct paris *p, unsigned audiences, const char *const *want)
{
    struct address *list;
    size_t count = routes_singles(&p->routes, noon, audiences, &list);

    expect_addresses(list, count, want);
    free(list);
}

static void audiences_follow_the_elections(void **state)
{
    static const char *const masters[] = {"10.0.0.1", "10.27.4.1", NULL};
    static const char *const fellows[] = {"10.27.4.1", "10.27.4.3", NULL};
    static const char *const candidates[] = {"10.0.0.1", "10.27.4.1", "10.27.4.3", NULL};
    static const char *const below[] = {"10.27.4.1", "10.27.4.3", "10.27.4.9", NULL};
    static const char *const nobody[] = {NULL};
    struct address heard = address("10.27.4.77");
    struct paris *p = *state;

    expect_singles(p, AUDIENCE_UP, masters);
    expect_singles(p, AUDIENCE_FELLOWS, fellows);
    expect_singles(p, AUDIENCE_DOWN | AUDIENCE_MESH, nobody);
    publish(p, "paris", BALLOT_BACKUP, NULL);
    expect_singles(p, AUDIENCE_UP, candidates);
    assert_int_equal(routes_audiences(&p->routes, noon, &heard), 0);
    publish(p, "paris", BALLOT_MASTER, "10.27.4.2");
    expect_singles(p, AUDIENCE_DOWN, below);
    assert_int_equal(routes_audiences(&p->routes, noon, &heard), AUDIENCE_DOWN);
}

static void the_place_is_told(void **state)
{
    struct paris *p = *state;
    struct route_place place = routes_place(&p->routes, noon);

    assert_true(place.mesh && place.follows && place.above);
    assert_false(place.leads || place.top || place.headless);
    publish(p, "paris", BALLOT_MASTER, "10.27.4.2");
    assert_true(routes_place(&p->routes, noon).leads);
}

/* A slave's puts are confirmed by the candidates above; those of a top candidate by its fellows. */
static void copies_are_confirmed_above_or_beside(void **state)
{
    struct paris *p = *state;
    struct member core[] = {line("10.0.0.1", MEMBER_CANDIDATE, "core", "10.0.0.1"),
                            line("10.0.0.2", MEMBER_CANDIDATE, "core", "10.0.0.1"),
                            line("10.0.0.0/24", MEMBER_SLAVE, "core", "10.0.0.1")};
    struct address own = address("10.0.0.1");
    struct members *top = members_new(&(struct members_options){
        .list = core, .count = 3, .own = &own, .own_count = 1, .nets_given = true});
    struct members *mesh = make_members(OFFICE, true);
    struct routes above = {top, p->view, HTTP_PORT}, flat = {mesh, NULL, HTTP_PORT};
    struct routes_copies copies = routes_copies(&p->routes, noon);

    assert_int_equal(copies.others, 2);
    assert_false(copies.own);
    copies = routes_copies(&above, noon);
    assert_int_equal(copies.others, 1);
    assert_true(copies.own);
    copies = routes_copies(&flat, noon);
    assert_int_equal(copies.others, 0);
    assert_false(copies.own);
    members_free(top);
    members_free(mesh);
}

int main(void)
{
#define ON_PARIS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ON_PARIS(hosts_are_what_nets_files_and_elections_say),
        ON_PARIS(a_view_counts_until_it_is_stale),
        ON_PARIS(a_slave_is_sent_to_the_master_of_its_tier),
        ON_PARIS(a_host_of_several_addresses_is_judged_by_all),
        ON_PARIS(a_redirect_leads_to_a_candidate_until_a_third_is_followed),
        cmocka_unit_test(strangers_are_peers_where_no_tier_has_roles),
        ON_PARIS(the_own_master_is_asked_before_the_one_above),
        ON_PARIS(a_master_asks_above_then_its_own_backups),
        ON_PARIS(audiences_follow_the_elections),
        ON_PARIS(the_place_is_told),
        ON_PARIS(copies_are_confirmed_above_or_beside),
    };
    return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
