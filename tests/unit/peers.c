/* SPDX-License-Identifier: ISC */
#include "cache/peers.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct address host_number(uint32_t n)
{
    struct address a = {.port = 65027};

    memset(a.ip + 10, 0xff, 2);
    a.ip[12] = 10;
    a.ip[13] = (uint8_t)(n >> 16);
    a.ip[14] = (uint8_t)(n >> 8);
    a.ip[15] = (uint8_t)n;
    return a;
}

static mono_t at_s(int64_t s)
{
    return (mono_t){MONO_S(s)};
}

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct peers));
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void a_host_is_one_peer_whatever_its_port(void **state)
{
    struct peers *peers = *state;
    struct address a = host_number(1), other_port = a;
    struct peer *learned;

    other_port.port = 4711;
    assert_null(peers_find(peers, &a));
    learned = peers_learn(peers, &a, at_s(1));
    assert_ptr_equal(peers_find(peers, &other_port), learned);
    assert_ptr_equal(peers_learn(peers, &other_port, at_s(2)), learned);
    assert_int_equal(peers->count, 1);
}

static void a_full_table_gives_up_who_was_silent_longest_and_is_no_member(void **state)
{
    struct peers *peers = *state;
    struct address member = host_number(0), silent = host_number(1), late;

    peers_learn(peers, &member, at_s(0))->member = true;
    for (uint32_t i = 1; i < PEERS_MAX; i++) {
        struct address a = host_number(i);
        peers_learn(peers, &a, at_s(i));
    }
    late = host_number(PEERS_MAX);
    assert_non_null(peers_learn(peers, &late, at_s(PEERS_MAX)));
    assert_int_equal(peers->count, PEERS_MAX);
    assert_non_null(peers_find(peers, &member));
    assert_null(peers_find(peers, &silent));
    for (uint32_t i = 2; i <= PEERS_MAX; i++) {
        struct address a = host_number(i);
        assert_non_null(peers_find(peers, &a));
    }
}

static void isconf_hosts_are_counted_while_they_are_known(void **state)
{
    struct peers *peers = *state;

    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct address a = host_number(i);
        peers_set_isconf(peers, peers_learn(peers, &a, at_s(PEERS_MAX - i)), i % 2);
    }
    assert_int_equal(peers->isconf, PEERS_MAX / 2);
    for (uint32_t i = 0; i < 10; i++) { /* the last of them were silent longest */
        struct address forgotten = host_number(i), late = host_number(PEERS_MAX + i);
        peers_learn(peers, &late, at_s(PEERS_MAX + 1));
        peers_forget(peers, &forgotten);
        peers_learn(peers, &forgotten, at_s(PEERS_MAX + 1));
    }
    assert_int_equal(peers->isconf, PEERS_MAX / 2 - 10);
    for (size_t i = 0; i < peers->count; i++) {
        peers_set_isconf(peers, &peers->list[i], false);
        peers_set_isconf(peers, &peers->list[i], false);
    }
    assert_int_equal(peers->isconf, 0);
}

static void the_oldest_isconf_host_is_no_member(void **state)
{
    struct peers *peers = *state;

    for (uint32_t i = 0; i < 5; i++) {
        struct address a = host_number(i);
        struct peer *peer = peers_learn(peers, &a, at_s(i));
        peers_set_isconf(peers, peer, i > 0);
        peer->member = i == 1;
        peer->found = i == 2;
    }
    assert_ptr_equal(peers_oldest_isconf(peers), &peers->list[3]);
    peers_set_isconf(peers, &peers->list[3], false);
    peers_set_isconf(peers, &peers->list[4], false);
    assert_null(peers_oldest_isconf(peers));
}

static void members_alone_make_room_too(void **state)
{
    struct peers *peers = *state;
    struct address late = host_number(PEERS_MAX);

    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct address a = host_number(i);
        peers_learn(peers, &a, at_s(i))->member = true;
    }
    assert_non_null(peers_learn(peers, &late, at_s(PEERS_MAX)));
    assert_non_null(peers_find(peers, &late));
}

static void who_is_forgotten_leaves_the_others_in_place(void **state)
{
    enum { COUNT = 1000 };
    struct peers *peers = *state;
    struct address nobody = host_number(COUNT);

    for (uint32_t i = 0; i < COUNT; i++) {
        struct address a = host_number(i);
        peers_learn(peers, &a, at_s(i))->boot = i;
    }
    peers_forget(peers, &nobody);
    assert_int_equal(peers->count, COUNT);
    for (uint32_t i = 0; i < COUNT; i += 3) {
        struct address a = host_number(i);
        peers_forget(peers, &a);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        struct address a = host_number(i);
        const struct peer *peer = peers_find(peers, &a);
        assert_true(!peer == (i % 3 == 0));
        assert_true(!peer || peer->boot == i);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        struct address a = host_number(i);
        peers_forget(peers, &a);
    }
    assert_int_equal(peers->count, 0);
}

/* For how many seconds it is set aside at `now`. */
static int64_t aside_s(struct peer *peer, enum peer_fault fault, mono_t now)
{
    int64_t s = 0;

    peer_blame(peer, fault, now);
    while (!peer_usable(peer, mono_after(now, MONO_S(s))))
        s++;
    return s;
}

static void each_fault_in_a_row_counts_double(void **state)
{
    struct peer *wrong = peers_learn(*state, &(struct address){.port = 1}, at_s(0));
    int64_t expected[] = {10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600};
    mono_t now = at_s(1000);

    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
        assert_int_equal(aside_s(wrong, PEER_WRONG_CHUNK, now), expected[i]);
        now = mono_after(now, MONO_S(3601));
    }
    peer_praise(wrong);
    assert_int_equal(aside_s(wrong, PEER_WRONG_CHUNK, now), 10);
    now = mono_after(now, MONO_S(100));
    assert_int_equal(aside_s(wrong, PEER_WRONG_CHUNK, now), 20);
    now = mono_after(now, MONO_S(20 + 3601)); /* and time forgives too */
    assert_int_equal(aside_s(wrong, PEER_WRONG_CHUNK, now), 10);
}

static void who_only_does_not_serve_is_soon_tried_again(void **state)
{
    struct peer *down = peers_learn(*state, &(struct address){.port = 1}, at_s(0));
    mono_t now = at_s(1000);

    for (int64_t expected = 2; expected < 60; expected *= 2) {
        assert_int_equal(aside_s(down, PEER_UNREACHABLE, now), expected);
        now = mono_after(now, MONO_S(100));
    }
    assert_int_equal(aside_s(down, PEER_REFUSES, now), 60);
    assert_true(peer_credible(down, now));
    peer_serves(down);
    assert_true(peer_usable(down, now));
}

static void a_restart_absolves_nobody_of_wrong_content(void **state)
{
    struct peer *wrong = peers_learn(*state, &(struct address){.port = 1}, at_s(0));

    assert_true(peer_blame(wrong, PEER_WRONG_CHUNK, at_s(1)));
    peer_serves(wrong);
    assert_false(peer_usable(wrong, at_s(2)));
    assert_false(peer_credible(wrong, at_s(2)));
    assert_false(peer_blame(wrong, PEER_UNREACHABLE, at_s(2)));
    assert_false(peer_credible(wrong, at_s(2)));
}

static void many_failures_at_once_are_one_fault(void **state)
{
    struct peer *down = peers_learn(*state, &(struct address){.port = 1}, at_s(0));

    for (int i = 0; i < 16; i++)
        peer_blame(down, PEER_UNREACHABLE, at_s(1));
    assert_true(peer_usable(down, at_s(3)));
}

/* A minute's absence is over 2 s after it was heard; what was wrong is not. */
static void who_speaks_is_tried_soon_if_it_was_absent(void **state)
{
    struct peers *peers = *state;
    struct peer *down = peers_learn(peers, &(struct address){.ip = {1}}, at_s(0));
    struct peer *wrong = peers_learn(peers, &(struct address){.ip = {2}}, at_s(0));

    for (int i = 0; i < 10; i++)
        peer_blame(down, PEER_SILENT, at_s(100 * i));
    peer_blame(wrong, PEER_WRONG_CHUNK, at_s(900));
    peer_speaks(down, at_s(901));
    peer_speaks(wrong, at_s(901));
    assert_false(peer_usable(down, at_s(902)));
    assert_true(peer_usable(down, at_s(903)));
    peer_speaks(down, at_s(920));
    assert_true(peer_usable(down, at_s(920)));
    assert_false(peer_usable(wrong, at_s(903)));
}

static void a_version_ahead_sets_nobody_aside(void **state)
{
    struct peer *peer = peers_learn(*state, &(struct address){.port = 1}, at_s(0));

    assert_false(peer_blame(peer, PEER_AHEAD, at_s(1)));
    assert_true(peer_usable(peer, at_s(1)));
    assert_int_equal(peer->fault, PEER_AHEAD);
}

static void faults_have_names(void **state)
{
    (void)state;
    assert_string_equal(peer_fault_name(PEER_WRONG_CHUNK), "wrong_chunk");
    for (int i = 0; i < PEER_FAULT_COUNT; i++)
        assert_true(strlen(peer_fault_sentence((enum peer_fault)i)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_host_is_one_peer_whatever_its_port, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_full_table_gives_up_who_was_silent_longest_and_is_no_member, set_up, tear_down),
        cmocka_unit_test_setup_teardown(isconf_hosts_are_counted_while_they_are_known, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_isconf_host_is_no_member, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_alone_make_room_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_forgotten_leaves_the_others_in_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(each_fault_in_a_row_counts_double, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_only_does_not_serve_is_soon_tried_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_restart_absolves_nobody_of_wrong_content, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_failures_at_once_are_one_fault, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_speaks_is_tried_soon_if_it_was_absent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_version_ahead_sets_nobody_aside, set_up, tear_down),
        cmocka_unit_test(faults_have_names),
    };
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
