/* SPDX-License-Identifier: ISC */
#include "src/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/rng.h"
#include "tests/unit/unit.h"

static struct address address(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 0, &a));
    return a;
}

static struct member member(const char *text, const char *tier)
{
    struct member m = {.tier = tier};
    bool differs;

    assert_true(network_parse(span_of(text), &m.network, &differs));
    return m;
}

static void the_longest_prefix_wins(void **state)
{
    const struct member list[] = {
        member("0.0.0.0/0", "all"),   member("10.0.0.0/8", "ten"),
        member("10.27.4.1", "one"),   member("10.27.4.0/24", "paris"),
        member("fd00::/16", "six"),   member("fd00::27:0/112", "long six"),
        member("10.27.4.1", "again"),
    };
    const struct members_options options = {.list = list, .count = sizeof(list) / sizeof(*list)};
    static const char *const rows[][2] = {
        {"10.27.4.1", "one"}, {"10.27.4.2", "paris"},     {"10.27.5.1", "ten"},
        {"192.0.2.1", "all"}, {"fd00::27:1", "long six"}, {"fd00::28:1", "six"},
    };
    struct members *members = members_new(&options);
    struct address outsider = address("fe80::1");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct address from = address(rows[i][0]);
        assert_string_equal(members_find(members, &from)->tier, rows[i][1]);
    }
    assert_null(members_find(members, &outsider));
    members_free(members);
}

static void a_scope_belongs_to_the_address(void **state)
{
    struct member list[] = {member("fe80::1", "eth0"), member("fe80::1", "eth1")};
    const struct members_options options = {.list = list, .count = 2};
    struct address from = address("fe80::1");
    struct members *members;

    (void)state;
    list[0].network.base.scope = 2;
    list[1].network.base.scope = 3;
    members = members_new(&options);
    from.scope = 3;
    assert_string_equal(members_find(members, &from)->tier, "eth1");
    from.scope = 4;
    assert_null(members_find(members, &from));
    members_free(members);
}

/* Section 3's table: who is taken, row by row. */
static void the_table_of_the_nets_files_holds(void **state)
{
    static const struct {
        bool nets, nobroadcast;
        bool anyone, member, own, loopback;
        bool plain_anyone, plain_member;
    } rows[] = {
        {false, false, true, true, true, true, true, true},
        {true, false, true, true, true, true, false, true},
        {true, true, false, true, true, false, false, true},
        {false, true, false, false, true, true, false, false},
    };
    const struct member list[] = {member("10.27.4.0/24", "paris")};
    const struct address own = address("10.27.4.9"), anyone = address("192.0.2.1"),
                         fellow = address("10.27.4.1"), loopback = address("127.0.0.1");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct members_options options = {
            .list = list,
            .count = rows[i].nets,
            .own = &own,
            .own_count = 1,
            .nets_given = rows[i].nets,
            .nobroadcast = rows[i].nobroadcast,
        };
        struct members *members = members_new(&options);
        assert_int_equal(members_take_datagram(members, &anyone), rows[i].anyone);
        assert_int_equal(members_take_datagram(members, &fellow), rows[i].member);
        assert_int_equal(members_take_datagram(members, &own), rows[i].own);
        assert_int_equal(members_take_datagram(members, &loopback), rows[i].loopback);
        assert_int_equal(members_take_request(members, &anyone), rows[i].anyone);
        assert_int_equal(members_take_request(members, &fellow), rows[i].member);
        assert_int_equal(members_take_request(members, &own), rows[i].own);
        assert_int_equal(members_take_request(members, &loopback), rows[i].loopback);
        assert_int_equal(members_admit_plain(members, &anyone), rows[i].plain_anyone);
        assert_int_equal(members_admit_plain(members, &fellow), rows[i].plain_member);
        assert_int_equal(members_broadcast(members), !rows[i].nobroadcast);
        members_free(members);
    }
}

static void singles_are_listed_once_and_without_ourselves(void **state)
{
    const struct member list[] = {member("10.0.0.3", "a"),    member("10.0.0.1", "a"),
                                  member("10.0.1.0/24", "a"), member("10.0.0.2", "a"),
                                  member("10.0.0.3", "b"),    member("fd00::1", "b")};
    const struct address own[] = {address("10.0.0.1")};
    const struct members_options options = {
        .list = list, .count = 6, .own = own, .own_count = 1, .nets_given = true};
    struct members *members = members_new(&options);
    const struct address *singles;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_int_equal(members_singles(members, &singles), 3);
    assert_string_equal(address_host_text(&singles[0], text), "10.0.0.3");
    assert_string_equal(address_host_text(&singles[1], text), "10.0.0.2");
    assert_string_equal(address_host_text(&singles[2], text), "fd00::1");
    assert_true(members_is_own(members, &own[0]));
    assert_false(members_is_own(members, &singles[0]));
    assert_false(members_have_loopback(members));
    members_free(members);
}

static void loopback_members_and_monitors_are_known(void **state)
{
    const struct member list[] = {member("127.0.0.0/8", "here")};
    const struct network monitor = member("192.0.2.0/24", "").network;
    const struct members_options options = {
        .list = list, .count = 1, .monitors = &monitor, .monitors_count = 1};
    struct members *members = members_new(&options);
    const struct address inside = address("192.0.2.7"), outside = address("192.0.3.7");

    (void)state;
    assert_true(members_have_loopback(members));
    assert_true(members_is_monitor(members, &inside));
    assert_false(members_is_monitor(members, &outside));
    members_free(members);
}

/* The same member as looking at each of thousands one by one would find. */
static void thousands_are_found_as_one_by_one(void **state)
{
    enum { COUNT = 3000 };
    struct member *list = calloc(COUNT, sizeof(*list));
    const struct members_options options = {.list = list, .count = COUNT};
    struct rng rng = {.state = 5};
    struct members *members;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        char text[64];
        unsigned bits = 16 + (unsigned)rng_below(&rng, 17);
        uint32_t ip = (uint32_t)(10u << 24 | rng_below(&rng, 1 << 18)) &
                      (uint32_t)(0xffffffff00000000u >> bits);
        snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255,
                 ip & 255, bits);
        list[i] = member(text, "");
    }
    members = members_new(&options);
    for (int i = 0; i < 5000; i++) {
        struct address from = address("10.0.0.0");
        const struct member *best = NULL;
        size_t found;
        from.ip[13] = (uint8_t)rng_below(&rng, 5);
        from.ip[14] = (uint8_t)rng_below(&rng, 256);
        from.ip[15] = (uint8_t)rng_below(&rng, 256);
        for (int j = 0; j < COUNT; j++) {
            if (network_holds(&list[j].network, &from) &&
                (!best || list[j].network.bits > best->network.bits))
                best = &list[j];
        }
        if (!best) {
            assert_null(members_find(members, &from));
            continue;
        }
        found = members_find(members, &from)->network.bits;
        assert_int_equal(found, best->network.bits);
    }
    members_free(members);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_wins),
        cmocka_unit_test(a_scope_belongs_to_the_address),
        cmocka_unit_test(the_table_of_the_nets_files_holds),
        cmocka_unit_test(singles_are_listed_once_and_without_ourselves),
        cmocka_unit_test(loopback_members_and_monitors_are_known),
        cmocka_unit_test(thousands_are_found_as_one_by_one),
    };
    return cmocka_run_group_tests_name("members", tests, NULL, NULL);
}
