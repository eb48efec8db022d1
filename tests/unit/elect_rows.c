/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include "tests/unit/elect_cluster.h"

/* The table of members, of node 0, by those whom it hears: by number. */
static struct address numbered(unsigned n)
{
    struct address address = node_address(1);

    address.ip[13] = 1;
    address.ip[14] = (uint8_t)(n / 256);
    address.ip[15] = (uint8_t)(n % 256);
    return address;
}

/* Node 0 hears a ballot of that one, and again where it asks for proof. */
static void meet(struct cluster *c, enum ballot_kind kind, unsigned n)
{
    struct ballot ballot = {.kind = kind,
                            .node = "member",
                            .epoch = 1,
                            .boot = 7,
                            .counter = (uint64_t)c->now.ns,
                            .unconfirmed = 1,
                            .address = numbered(n),
                            .pair = {1000000, 0}};
    struct elect_event event = {
        .kind = ELECT_HEARD, .ballot = &ballot, .from = ballot.address, .from_candidate = true};

    cluster_event(c, 0, event);
    for (size_t i = 0; i < c->actions->count; i++)
        if (c->actions->list[i].kind == ELECT_SEND)
            ballot.echo = c->actions->list[i].ballot.nonce;
    ballot.has_echo = true;
    ballot.counter++;
    cluster_event(c, 0, event);
}

static size_t members(const struct cluster *c, const struct elect_member **list)
{
    return elect_members(c->stations[0].machine, list);
}

/* Each third one is heard again. */
static void hear_every_third(struct cluster *c)
{
    for (unsigned n = 0; n < 1000; n += 3) {
        meet(c, BALLOT_STANDING, n);
        assert_int_equal(elect_count(c->stations[0].machine, REASON_UNPROVEN), 1000);
    }
}

static void who_missed_three_standings_is_forgotten(void **state)
{
    struct cluster *c = cluster_new(1);
    const struct elect_member *list;
    uint64_t roster;

    (void)state;
    cluster_begin(c, 0);
    for (unsigned n = 0; n < 1000; n++) {
        meet(c, BALLOT_STANDING, n);
        if (n % 100 == 99)
            cluster_run(c, MONO_S(1));
    }
    cluster_run(c, MONO_S(60));
    roster = elect_roster(c->stations[0].machine);
    hear_every_third(c);
    assert_int_equal(elect_roster(c->stations[0].machine), roster);
    cluster_run(c, MONO_S(70));
    assert_int_equal(members(c, &list), 334);
    assert_int_equal(cluster_view(c, 0).members, 334);
    assert_int_equal(cluster_view(c, 0).unconfirmed, 334);
    assert_int_not_equal(elect_roster(c->stations[0].machine), roster);
    hear_every_third(c); /* those who are left are found, each */
    assert_int_equal(members(c, &list), 334);
    cluster_free(c);
}

enum { FOLLOWED = 60000, OTHERS = ELECT_CANDIDATES_MAX - 2 };

/* Ourselves, these, and the master, which is named first or last. */
static void name_candidates(struct cluster *c, unsigned first, bool master_first)
{
    struct elect_rules *rules = &c->stations[0].rules;

    rules->candidate_count = ELECT_CANDIDATES_MAX;
    for (unsigned i = 0; i < OTHERS; i++)
        rules->candidates[i + 1 + master_first] = numbered(first + i);
    rules->candidates[master_first ? 1 : OTHERS + 1] = numbered(FOLLOWED);
}

static void candidates_have_room_however_many_are_heard(void **state)
{
    struct cluster *c = cluster_new(1);
    const struct elect_member *list;
    const unsigned room = ELECT_MEMBERS_MAX - ELECT_CANDIDATES_MAX;

    (void)state;
    name_candidates(c, 0, false);
    cluster_begin(c, 0);
    for (unsigned n = 0; n < room; n++)
        meet(c, BALLOT_STANDING, 100 + n);
    assert_int_equal(members(c, &list), room);
    assert_true(elect_count(c->stations[0].machine, REASON_NO_ROOM) > 0);
    for (unsigned n = 0; n < OTHERS; n++)
        meet(c, BALLOT_STANDING, n);
    meet(c, BALLOT_ADVERT, FOLLOWED);
    assert_int_equal(cluster_view(c, 0).members, room);
    assert_true(cluster_view(c, 0).has_master);
    cluster_free(c);
}

/* Those who were candidates, and were heard, are remembered as other members; the new ones find
 * room however many are known; who is followed and stays a candidate is followed on. */
static void all_others_are_replaced_in_a_full_table(void **state)
{
    struct cluster *c = cluster_new(1);
    const struct elect_member *list;

    (void)state;
    name_candidates(c, 0, false);
    cluster_begin(c, 0);
    meet(c, BALLOT_ADVERT, FOLLOWED);
    for (unsigned n = 0; n < ELECT_MEMBERS_MAX; n++)
        meet(c, BALLOT_STANDING, n);
    assert_int_equal(members(c, &list), ELECT_MEMBERS_MAX - ELECT_CANDIDATES_MAX);
    for (unsigned round = 1; round < 6; round++) {
        size_t count;

        name_candidates(c, 10000 * round, round % 2);
        cluster_tell_rules(c, 0);
        for (unsigned i = 0; i < OTHERS; i++)
            meet(c, BALLOT_STANDING, 10000 * round + i);
        count = members(c, &list);
        assert_true(count <= ELECT_MEMBERS_MAX);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(list[i].candidate, i <= OTHERS);
        for (unsigned i = 0; i <= OTHERS; i++)
            assert_true(list[i].proven);
        assert_int_equal(cluster_view(c, 0).members, count);
        assert_int_equal(cluster_view(c, 0).master_address.ip[14], FOLLOWED / 256);
    }
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_missed_three_standings_is_forgotten),
        cmocka_unit_test(candidates_have_room_however_many_are_heard),
        cmocka_unit_test(all_others_are_replaced_in_a_full_table),
    };
    return cmocka_run_group_tests_name("elect_rows", tests, NULL, NULL);
}
