/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_ELECT_HAND_H
#define POND_TESTS_UNIT_ELECT_HAND_H

#include "tests/unit/elect_cluster.h"

/*
 * Node 0 is a backup; what the others say is made by hand. Nodes 1 and 2 are candidates, 3 is a
 * slave.
 */
static inline int set_up(void **state)
{
    struct cluster *c = cluster_new(4);

    cluster_make_slave(c, 3);
    cluster_begin(c, 0);
    cluster_run(c, MONO_MS(10));
    *state = c;
    return 0;
}

static inline int tear_down(void **state)
{
    cluster_free(*state);
    return 0;
}

static inline struct ballot said(enum ballot_kind kind, size_t node, uint64_t boot,
                                 uint64_t counter)
{
    struct ballot ballot = {.kind = kind,
                            .boot = boot,
                            .counter = counter,
                            .address = node_address(node),
                            .pair = {.base_us = 1000000},
                            .role = BALLOT_BACKUP,
                            .epoch = kind == BALLOT_ADVERT};

    snprintf(ballot.tier, sizeof(ballot.tier), "paris");
    snprintf(ballot.node, sizeof(ballot.node), "node%zu", node);
    return ballot;
}

static inline void hear_from(struct cluster *c, const struct ballot *ballot,
                             const struct address *from)
{
    struct address slave = node_address(3);

    cluster_event(c, 0,
                  (struct elect_event){.kind = ELECT_HEARD,
                                       .ballot = ballot,
                                       .from = *from,
                                       .from_candidate = !address_same_host(from, &slave)});
}

static inline void hear(struct cluster *c, struct ballot ballot)
{
    hear_from(c, &ballot, &ballot.address);
}

static inline void hear_echo(struct cluster *c, struct ballot ballot, struct ballot_nonce nonce)
{
    ballot.has_echo = true;
    ballot.echo = nonce;
    hear(c, ballot);
}

/* The only action of this kind in the last step, or NULL. */
static inline const struct elect_action *only(const struct cluster *c, enum elect_action_kind kind)
{
    const struct elect_action *found = NULL;

    for (size_t i = 0; i < c->actions->count; i++) {
        if (c->actions->list[i].kind != kind)
            continue;
        assert_null(found);
        found = &c->actions->list[i];
    }
    return found;
}

static inline void refused(const struct cluster *c, enum reason reason)
{
    const struct elect_action *note = only(c, ELECT_NOTE);

    assert_non_null(note);
    assert_string_equal(reason_name(note->reason), reason_name(reason));
    assert_true(elect_count(c->stations[0].machine, reason) > 0);
}

static inline void refused_in_silence(const struct cluster *c, enum reason reason)
{
    refused(c, reason);
    assert_int_equal(c->actions->count, 1);
}

/* Refused, and its sender was asked to prove itself: with this nonce. */
static inline struct ballot_nonce refused_and_asked(const struct cluster *c, enum reason reason)
{
    const struct elect_action *send = only(c, ELECT_SEND);

    refused(c, reason);
    assert_non_null(send);
    assert_int_equal(send->ballot.kind, BALLOT_SOLICIT);
    assert_int_equal(c->actions->count, 2);
    return send->ballot.nonce;
}

static inline void taken(const struct cluster *c)
{
    assert_null(only(c, ELECT_NOTE));
}

static inline const struct elect_member *member(const struct cluster *c, size_t node)
{
    const struct elect_member *list;
    struct address its = node_address(node);
    size_t count = elect_members(c->stations[0].machine, &list);

    for (size_t i = 0; i < count; i++)
        if (address_same_host(&list[i].address, &its))
            return &list[i];
    return NULL;
}

static inline bool is_proven(const struct cluster *c, size_t node)
{
    return member(c, node) && member(c, node)->proven;
}

static inline void prove(struct cluster *c, struct ballot ballot)
{
    struct ballot first = ballot;

    first.counter--;
    cluster_run(c, MONO_MS(2));
    hear(c, first);
    hear_echo(c, ballot, refused_and_asked(c, REASON_UNPROVEN));
    taken(c);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
