/* SPDX-License-Identifier: ISC */
#include "src/members.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/nets.h"
#include "src/base/rng.h"
#include "src/clock.h"
#include "tests/unit/unit.h"

static struct address address(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 0, &a));
    return a;
}

static struct member member(const char *text, const char *tier)
{
    struct member m = {.role = MEMBER_PEER};
    bool differs;

    assert_true(network_parse(span_of(text), &m.network, &differs));
    assert_true(span_copy(span_of(tier), m.tier, sizeof(m.tier)));
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
    struct member found;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct address from = address(rows[i][0]);
        assert_true(members_find(members, &from, &found));
        assert_string_equal(found.tier, rows[i][1]);
    }
    assert_false(members_find(members, &outsider, &found));
    assert_false(members_hold(members, &outsider));
    members_free(members);
}

static void a_scope_belongs_to_the_address(void **state)
{
    struct member list[] = {member("fe80::1", "eth0"), member("fe80::1", "eth1")};
    const struct members_options options = {.list = list, .count = 2};
    struct address from = address("fe80::1");
    struct members *members;
    struct member found;

    (void)state;
    list[0].network.base.scope = 2;
    list[1].network.base.scope = 3;
    members = members_new(&options);
    from.scope = 3;
    assert_true(members_find(members, &from, &found));
    assert_string_equal(found.tier, "eth1");
    from.scope = 4;
    assert_false(members_find(members, &from, &found));
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
    struct address *singles;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_int_equal(members_singles(members, NULL, &singles), 3);
    assert_string_equal(address_host_text(&singles[0], text), "10.0.0.3");
    assert_string_equal(address_host_text(&singles[1], text), "10.0.0.2");
    assert_string_equal(address_host_text(&singles[2], text), "fd00::1");
    assert_true(members_is_own(members, &own[0]));
    assert_false(members_is_own(members, &singles[0]));
    free(singles);
    assert_int_equal(members_singles(members, "b", &singles), 2);
    assert_string_equal(address_host_text(&singles[0], text), "10.0.0.3");
    assert_string_equal(address_host_text(&singles[1], text), "fd00::1");
    free(singles);
    assert_int_equal(members_singles(members, "c", &singles), 0);
    free(singles);
    assert_false(members_have_loopback(members));
    members_free(members);
}

static void candidates_are_listed_once_whatever_else_they_are(void **state)
{
    struct member list[] = {member("10.0.0.2", "a"), member("10.0.0.1", "a"),
                            member("10.0.0.2", "b"), member("10.0.0.3", "a"),
                            member("10.0.0.2", "c"), member("10.0.1.0/24", "b"),
                            member("fd00::1", "b"),  member("10.0.0.4", "b")};
    const struct address own[] = {address("10.0.0.1")};
    const struct members_options options = {
        .list = list, .count = 8, .own = own, .own_count = 1, .nets_given = true};
    struct members *members;
    struct address *candidates;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (size_t i = 1; i < 7; i++)
        list[i].role = MEMBER_CANDIDATE;
    list[0].role = list[7].role = MEMBER_SLAVE;
    members = members_new(&options);
    assert_int_equal(members_candidates(members, &candidates), 3);
    assert_string_equal(address_host_text(&candidates[0], text), "10.0.0.2");
    assert_string_equal(address_host_text(&candidates[1], text), "10.0.0.3");
    assert_string_equal(address_host_text(&candidates[2], text), "fd00::1");
    free(candidates);
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
        struct member found;
        from.ip[13] = (uint8_t)rng_below(&rng, 5);
        from.ip[14] = (uint8_t)rng_below(&rng, 256);
        from.ip[15] = (uint8_t)rng_below(&rng, 256);
        for (int j = 0; j < COUNT; j++) {
            if (network_holds(&list[j].network, &from) &&
                (!best || list[j].network.bits > best->network.bits))
                best = &list[j];
        }
        if (!best) {
            assert_false(members_find(members, &from, &found));
            continue;
        }
        assert_true(members_find(members, &from, &found));
        assert_int_equal(found.network.bits, best->network.bits);
    }
    members_free(members);
    free(list);
}

/* The same host may be in several tiers, in each with another role and by another of our addresses.
 */
static void within_a_tier_only_its_members_are_found(void **state)
{
    struct member list[] = {member("10.27.4.1", "core"), member("10.27.4.1", "paris"),
                            member("10.27.4.0/24", "core"), member("10.27.5.0/24", "paris")};
    const struct members_options options = {.list = list, .count = 4, .nets_given = true};
    struct address gateway = address("10.27.4.1"), other = address("10.27.4.2"), own;
    struct members *members;
    struct member found;

    (void)state;
    list[0].role = MEMBER_SLAVE;
    list[1].role = MEMBER_CANDIDATE;
    list[2].role = MEMBER_SLAVE;
    list[0].own = address("10.27.4.9");
    list[0].has_own = true;
    members = members_new(&options);
    assert_true(members_find_in(members, "core", &gateway, &found));
    assert_int_equal(found.role, MEMBER_SLAVE);
    assert_true(members_find_in(members, "paris", &gateway, &found));
    assert_int_equal(found.role, MEMBER_CANDIDATE);
    assert_true(members_find_in(members, "core", &other, &found));
    assert_int_equal(found.network.bits, 120);
    assert_false(members_find_in(members, "paris", &other, &found));
    assert_false(members_find_in(members, "rome", &gateway, &found));
    assert_true(members_own_for(members, &gateway, &own));
    assert_true(address_same_host(&own, &list[0].own));
    assert_false(members_own_for(members, &other, &own));
    members_free(members);
}

static void what_is_replaced_is_seen_whole(void **state)
{
    const struct member before[] = {member("10.27.4.1", "paris")};
    const struct member after[] = {member("10.27.4.2", "paris"), member("10.27.5.0/24", "rome")};
    const struct network monitor = member("192.0.2.0/24", "").network;
    struct members_options options = {
        .list = before, .count = 1, .nets_given = true, .nobroadcast = true};
    struct address first = address("10.27.4.1"), roman = address("10.27.5.7"),
                   reader = address("192.0.2.1");
    struct members *members = members_new(&options);
    uint64_t generation = members_generation(members);

    (void)state;
    assert_true(members_take_datagram(members, &first));
    assert_false(members_take_datagram(members, &roman));
    options.list = after;
    options.count = 2;
    options.monitors = &monitor;
    options.monitors_count = 1;
    members_replace(members, &options);
    assert_true(members_generation(members) > generation);
    assert_false(members_take_datagram(members, &first));
    assert_true(members_take_request(members, &roman));
    assert_true(members_is_monitor(members, &reader));
    members_free(members);
}

/* Two sets of thousands of members that share one address, each with a role of its own there. */
enum { CROWD = 10000 };

struct crowd {
    struct member *list;
    struct members_options options;
};

static void crowd_begin(struct crowd *crowd, unsigned count, unsigned second, enum member_role role)
{
    crowd->list = calloc(count, sizeof(*crowd->list));
    assert_non_null(crowd->list);
    for (unsigned i = 0; i < count; i++) {
        struct member *m = &crowd->list[i];
        *m = (struct member){.role = role, .has_own = true, .tier = "crowd"};
        m->network.base.ip[10] = m->network.base.ip[11] = 0xff;
        m->network.base.ip[12] = 10;
        m->network.base.ip[13] = (uint8_t)(i ? second : 0);
        m->network.base.ip[14] = (uint8_t)(i >> 8);
        m->network.base.ip[15] = (uint8_t)i;
        m->network.bits = 128;
        m->own = m->network.base;
    }
    crowd->options =
        (struct members_options){.list = crowd->list, .count = count, .nets_given = true};
}

struct readers {
    struct members *members;
    atomic_bool stop;
    atomic_ulong rounds;
    atomic_ulong torn; /* a look-up that mixed the two crowds */
};

static void *look_up(void *arg)
{
    struct readers *readers = arg;
    const struct address shared = address("10.0.0.0"), one = address("10.1.1.1"),
                         two = address("10.2.1.1");
    struct rng rng = {.state = 11};

    while (!readers->stop) {
        const struct address *to = rng_below(&rng, 2) ? &one : &two;
        const uint8_t second = to == &one ? 1 : 2;
        struct member found;
        struct address own;
        if (!members_find_in(readers->members, "crowd", &shared, &found))
            readers->torn++;
        if (members_find(readers->members, to, &found) && found.role != (enum member_role)second)
            readers->torn++;
        if (members_own_for(readers->members, to, &own) && own.ip[13] != second)
            readers->torn++;
        readers->rounds++;
    }
    return NULL;
}

/* Addresses of one network differ in few bits, and yet each has its place: the time that it takes
 * grows with their number, not with its square. */
static void as_many_as_there_may_be_are_put_in_place_at_once(void **state)
{
    struct members *members = members_new(&(struct members_options){.nobroadcast = true});
    struct crowd crowd;
    mono_t begun;

    (void)state;
    crowd_begin(&crowd, NETS_MEMBERS_MAX, 1, MEMBER_PEER);
    begun = clock_mono();
    members_replace(members, &crowd.options);
    assert_true(mono_between(begun, clock_mono()) < MONO_S(1)); /* it takes 5 ms */
    for (int i = 0; i < NETS_MEMBERS_MAX; i += 997)
        assert_true(members_hold(members, &crowd.list[i].network.base));
    members_free(members);
    free(crowd.list);
}

static void any_thread_reads_while_they_are_replaced(void **state)
{
    enum { READERS = 4, REPLACES = 40 };
    struct crowd crowds[2];
    struct readers readers = {.stop = false};
    pthread_t threads[READERS];

    (void)state;
    crowd_begin(&crowds[0], CROWD, 1, MEMBER_CANDIDATE);
    crowd_begin(&crowds[1], CROWD, 2, MEMBER_SLAVE);
    readers.members = members_new(&crowds[0].options);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_up, &readers), 0);
    while (readers.rounds == 0)
        sched_yield();
    for (int i = 0; i < REPLACES; i++)
        members_replace(readers.members, &crowds[(i + 1) % 2].options);
    readers.stop = true;
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(readers.torn, 0);
    assert_int_equal(members_generation(readers.members), REPLACES);
    members_free(readers.members);
    free(crowds[0].list);
    free(crowds[1].list);
}

static void what_we_share_with_a_host_is_told_tier_by_tier(void **state)
{
    const struct address own[] = {address("10.0.0.3"), address("10.27.4.1")};
    struct member list[] = {member("10.0.0.1", "core"), member("10.0.0.0/24", "core"),
                            member("10.27.4.1", "paris"), member("10.27.4.2", "paris"),
                            member("10.27.4.0/24", "paris")};
    const struct members_options options = {
        .list = list, .count = sizeof(list) / sizeof(*list), .own = own, .own_count = 2};
    struct address core1 = address("10.0.0.1"), web7 = address("10.27.4.7");
    struct address nobody = address("10.9.9.9");
    struct members_pair out[MEMBERS_TIERS_MAX];
    struct members *members;

    (void)state;
    for (size_t i = 0; i < options.count; i++) {
        list[i].role = i == 1 || i == 4 ? MEMBER_SLAVE : MEMBER_CANDIDATE;
        list[i].own = own[i >= 2];
        list[i].has_own = true;
    }
    members = members_new(&options);
    assert_int_equal(members_shared(members, &core1, out), 1);
    assert_string_equal(out[0].tier, "core");
    assert_int_equal(out[0].own, MEMBER_SLAVE);
    assert_int_equal(out[0].its, MEMBER_CANDIDATE);
    assert_int_equal(members_shared(members, &web7, out), 1);
    assert_string_equal(out[0].tier, "paris");
    assert_int_equal(out[0].own, MEMBER_CANDIDATE);
    assert_int_equal(out[0].its, MEMBER_SLAVE);
    assert_int_equal(members_shared(members, &nobody, out), 0);
    assert_int_equal(members_shared(members, &own[0], out), 0);
    assert_int_equal(members_shared(members, NULL, out), 2);
    assert_string_equal(out[1].tier, "paris");
    members_free(members);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_wins),
        cmocka_unit_test(a_scope_belongs_to_the_address),
        cmocka_unit_test(the_table_of_the_nets_files_holds),
        cmocka_unit_test(singles_are_listed_once_and_without_ourselves),
        cmocka_unit_test(candidates_are_listed_once_whatever_else_they_are),
        cmocka_unit_test(loopback_members_and_monitors_are_known),
        cmocka_unit_test(thousands_are_found_as_one_by_one),
        cmocka_unit_test(within_a_tier_only_its_members_are_found),
        cmocka_unit_test(what_we_share_with_a_host_is_told_tier_by_tier),
        cmocka_unit_test(what_is_replaced_is_seen_whole),
        cmocka_unit_test(as_many_as_there_may_be_are_put_in_place_at_once),
        cmocka_unit_test(any_thread_reads_while_they_are_replaced),
    };
    return cmocka_run_group_tests_name("members", tests, NULL, NULL);
}
