/* SPDX-License-Identifier: ISC */
#include "src/audience.h"

#include <stdio.h>
#include <stdlib.h>

#include "src/clock.h"
#include "tests/unit/unit.h"

/* We lead paris, whose backup is named singly, and whose slaves are a network. */

static struct audience *audience;
static struct members *members;
static struct view *view;
static struct routes routes;
static struct peers peers;

enum { PORT = 65027 };

static struct address address(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 7, &a));
    return a;
}

static struct member line(const char *network, enum member_role role)
{
    struct member m = {.role = role, .tier = "paris", .own = address("10.0.0.1"), .has_own = true};
    bool differs;

    assert_true(network_parse(span_of(network), &m.network, &differs));
    return m;
}

static void publish(enum ballot_role role, const char *master)
{
    struct view_tier tier = {.tier = "paris",
                             .role = role,
                             .has_master = true,
                             .master_address = address(master),
                             .good_until = MONO_NEVER};

    view_publish(view, &tier);
}

static struct members_options options_of(const struct member *list, size_t count)
{
    static struct address own;

    own = address("10.0.0.1");
    return (struct members_options){.list = list,
                                    .count = count,
                                    .own = &own,
                                    .own_count = 1,
                                    .nets_given = true,
                                    .nobroadcast = true};
}

static int start(void **state)
{
    const struct member list[] = {line("10.0.0.1", MEMBER_CANDIDATE),
                                  line("10.0.0.2", MEMBER_CANDIDATE),
                                  line("10.0.1.0/24", MEMBER_SLAVE)};
    struct members_options options = options_of(list, 3);

    (void)state;
    members = members_new(&options);
    view = calloc(1, view_size());
    assert_non_null(view);
    publish(BALLOT_MASTER, "10.0.0.1");
    routes = (struct routes){.members = members, .view = view};
    audience = audience_new(&routes, PORT);
    peers = (struct peers){.count = 0};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    audience_free(audience);
    members_free(members);
    free(view);
    return 0;
}

static void hear(const char *host)
{
    struct address from = address(host);

    (void)peers_learn(&peers, &from, clock_mono());
}

static void add_host(void *arg, const struct address *to)
{
    char host[ADDRESS_TEXT_SIZE];
    struct text *list = arg;

    assert_int_equal(to->port, PORT);
    text_printf(list, "%s ", address_host_text(to, host));
}

static void expect(unsigned audiences, const char *hosts)
{
    char memory[512] = "";
    struct text list = TEXT_OVER(memory);

    audience_each(audience, audiences, &peers, add_host, &list);
    text_putc(&list, '\0');
    assert_string_equal(memory, hosts);
}

static void who_was_heard_is_in_it_from_then_on(void **state)
{
    struct address gone = address("10.0.1.7");

    (void)state;
    expect(AUDIENCE_DOWN, "10.0.0.2 ");
    hear("10.0.1.7");
    hear("10.9.9.9");
    expect(AUDIENCE_DOWN, "10.0.0.2 10.0.1.7 ");
    expect(AUDIENCE_FELLOWS, "10.0.0.2 ");
    hear("10.0.1.8");
    expect(AUDIENCE_DOWN, "10.0.0.2 10.0.1.7 10.0.1.8 ");
    peers_forget(&peers, &gone);
    expect(AUDIENCE_DOWN, "10.0.0.2 10.0.1.8 ");
    hear("10.0.1.9");
    expect(AUDIENCE_DOWN, "10.0.0.2 10.0.1.8 10.0.1.9 ");
}

static void who_is_named_singly_is_in_it_once(void **state)
{
    struct address backup = address("10.0.0.2");

    (void)state;
    peers_set_member(&peers, peers_learn(&peers, &backup, clock_mono()), true);
    expect(AUDIENCE_DOWN, "10.0.0.2 ");
}

static void other_masters_and_members_have_others(void **state)
{
    const struct member list[] = {line("10.0.0.1", MEMBER_CANDIDATE),
                                  line("10.0.0.2", MEMBER_CANDIDATE),
                                  line("10.0.2.0/24", MEMBER_SLAVE)};
    struct members_options options = options_of(list, 3);

    (void)state;
    hear("10.0.1.7");
    hear("10.0.2.7");
    expect(AUDIENCE_DOWN, "10.0.0.2 10.0.1.7 ");
    members_replace(members, &options);
    expect(AUDIENCE_DOWN, "10.0.0.2 10.0.2.7 ");
    publish(BALLOT_BACKUP, "10.0.0.2");
    audience_forget(audience);
    expect(AUDIENCE_DOWN, "");
    expect(AUDIENCE_UP, "10.0.0.2 ");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(who_was_heard_is_in_it_from_then_on),
        CASE(who_is_named_singly_is_in_it_once),
        CASE(other_masters_and_members_have_others),
    };
    return cmocka_run_group_tests_name("audience", tests, NULL, NULL);
}
