/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "cache/route.h"
#include "src/routes.h"
#include "src/status_inner.h"

/* pond peers: who is known, by the cache and in the elections, and why somebody is not used. */

/* ---- who is heard in the elections ---------------------------------------------------------- */

struct heard {
    const char *tier;
    struct elect_member member;
    bool told; /* do we hear how it stands, again and again? */
    bool asked;
};

struct roll {
    size_t count;
    struct heard *list; /* by address, then as they came */
};

static int by_host(const void *a, const void *b)
{
    struct address one = ((const struct heard *)a)->member.address;
    struct address other = ((const struct heard *)b)->member.address;

    one.port = other.port = 0;
    return address_compare(&one, &other);
}

/* Candidates are told by all; a slave hears the master alone, and of the rest what each said when
 * it was met. */
static void add_members(struct roll *roll, const struct status_source *source, const char *tier)
{
    struct elect_member *members;
    size_t count = election_members(source->election, tier, &members);
    struct view_tier own;
    bool candidate = view_find(source->view, tier, &own) && own.role != BALLOT_SLAVE;

    roll->list = realloc(roll->list, (roll->count + count + 1) * sizeof(*roll->list));
    MUST(roll->list != NULL);
    for (size_t i = 0; i < count; i++) {
        if (members[i].node[0]) /* a candidate that was never heard has none */
            roll->list[roll->count++] =
                (struct heard){.tier = tier,
                               .member = members[i],
                               .told = candidate || members[i].role == BALLOT_MASTER};
    }
    free(members);
}

static struct roll *roll_new(const struct status_source *source)
{
    struct roll *roll = calloc(1, sizeof(*roll));

    MUST(roll != NULL);
    for (size_t i = 0; source->election && i < source->tier_count; i++)
        add_members(roll, source, source->tiers[i].tier);
    if (roll->count)
        qsort(roll->list, roll->count, sizeof(*roll->list), by_host);
    return roll;
}

static void roll_free(struct roll *roll)
{
    free(roll->list);
    free(roll);
}

static json_t *place_json(const struct heard *heard, mono_t now)
{
    const struct elect_member *m = &heard->member;
    json_t *json = made(json_object());

    add(json, "tier", json_string(heard->tier));
    add(json, "role", json_string(ballot_role_name(m->role)));
    add(json, "candidate", json_boolean(m->candidate));
    add(json, "believed", json_boolean(m->proven));
    status_add_pair(json, m->pair);
    add(json, "demotion", heard->told ? json_integer(m->demotion) : json_null());
    add(json, "demoted", heard->told ? status_causes(m->demotion) : json_null());
    add(json, "behind", heard->told ? json_boolean(m->behind) : json_null());
    add(json, "unconfirmed", heard->told ? json_integer(m->unconfirmed) : json_null());
    add(json, "heard_s", m->proven ? status_ago(m->heard, now) : json_null());
    return json;
}

static size_t place_of(const struct roll *roll, const struct heard *key)
{
    return status_first_of(roll->list, roll->count, sizeof(*roll->list), key, by_host);
}

static const struct elect_member *roll_newest(const struct roll *roll, const struct address *host)
{
    struct heard key = {.member.address = *host};
    const struct elect_member *newest = NULL;

    for (size_t i = place_of(roll, &key); i < roll->count && by_host(&roll->list[i], &key) == 0;
         i++) {
        const struct elect_member *m = &roll->list[i].member;
        if (m->proven && m->heard.ns != MONO_NEVER.ns &&
            (!newest || mono_reached(m->heard, newest->heard)))
            newest = m;
    }
    return newest;
}

static json_t *roll_of(struct roll *roll, const struct address *host, mono_t now)
{
    struct heard key = {.member.address = *host};
    json_t *tiers = made(json_array());

    for (size_t i = place_of(roll, &key); i < roll->count && by_host(&roll->list[i], &key) == 0;
         i++) {
        roll->list[i].asked = true;
        json_array_append_new(tiers, place_json(&roll->list[i], now));
    }
    return tiers;
}

/* ---- peers ---------------------------------------------------------------------------------- */

/* What it is to us, in one word and, where that keeps us from asking it for content, in a sentence.
 * The first that fits. */
static const struct relation {
    unsigned is; /* any of these */
    const char *name;
    const char *why; /* NULL: it may be asked */
} relations[] = {
    {ROUTE_FOLLOWED, "master", NULL},
    {ROUTE_LED, "led", NULL},
    {ROUTE_MESH, "peer", NULL},
    {ROUTE_FELLOW, "fellow", NULL},
    {ROUTE_SLAVE, "slave", NULL},
    {ROUTE_CANDIDATE, "candidate",
     "a candidate that is not master: only the tier's master is asked"},
    {ROUTE_SIBLING, "sibling", "a slave of the same tier: only its master is asked"},
    {0, "stranger", "a stranger: it shares no tier with this node"},
};

static const struct relation *relation_of(const struct status_source *source, mono_t now,
                                          const struct address *host)
{
    const struct routes routes = {.members = source->members, .view = source->view};
    unsigned is = routes_to(&routes, now, host);
    const struct relation *relation = relations;

    while (relation->is && !(relation->is & is))
        relation++;
    return relation;
}

/* Whom we follow is asked however it was heard. */
static const char *why_unused(const struct relation *relation, const struct peer *peer,
                              const struct elect_member *member, mono_t now)
{
    if (relation->why)
        return relation->why;
    if (peer && !peer_usable(peer, now))
        return peer_fault_sentence(peer->fault);
    if ((peer && (peer->ever_heard || peer->found)) || relation->is == ROUTE_FOLLOWED)
        return NULL;
    return member ? "heard in the election alone so far" : "not heard since this node started";
}

json_t *status_peers_summary(const struct status_source *source, mono_t now)
{
    const struct peers *peers = exchange_peers(source->exchange);
    json_t *summary = made(json_object());
    size_t usable = 0;

    for (size_t i = 0; i < peers->count; i++) {
        const struct peer *peer = &peers->list[i];
        const struct relation *relation = relation_of(source, now, &peer->address);
        usable += why_unused(relation, peer, NULL, now) == NULL;
    }
    add(summary, "known", json_integer((json_int_t)peers->count));
    add(summary, "usable", json_integer((json_int_t)usable));
    return summary;
}

static mono_t later(mono_t heard, mono_t other)
{
    return heard.ns == MONO_NEVER.ns || (other.ns != MONO_NEVER.ns && mono_reached(other, heard))
               ? other
               : heard;
}

/* By the cache, in an election or by heartbeat, whichever is the latest. */
static json_t *heard_json(const struct peer *peer, const struct elect_member *member,
                          const struct gossip_node *beat, mono_t now)
{
    mono_t heard = peer->ever_heard ? peer->heard : MONO_NEVER;

    if (member)
        heard = later(heard, member->heard);
    if (beat)
        heard = later(heard, beat->heard);
    return status_ago(heard, now);
}

/* Whom nobody has heard for long keeps the name that it had in an election. */
static json_t *name_json(const struct roll *roll, const struct peer *peer,
                         const struct elect_member *member, const struct gossip_node *beat)
{
    bool renamed = member && (!peer->ever_heard || mono_reached(member->heard, peer->heard));
    const char *name = renamed ? member->node : peer->node;
    struct heard key = {.member.address = peer->address};
    size_t at = place_of(roll, &key);

    if (!name[0] && at < roll->count && by_host(&roll->list[at], &key) == 0)
        name = roll->list[at].member.node;
    if (!name[0] && beat)
        name = beat->beat.node;
    return name[0] ? json_string(name) : json_null();
}

/* The place in our key file of the key that it signs with, from 1 on; 0: it does not sign. */
static json_t *key_json(const struct status_source *source, const struct address *host)
{
    size_t key;

    if (!source->signers || !signers_find(source->signers, host, &key))
        return json_null();
    return json_integer((json_int_t)key);
}

static void add_use(json_t *json, const struct relation *relation, const char *why)
{
    add(json, "relation", json_string(relation->name));
    add(json, "used", json_boolean(why == NULL));
    add(json, "why", why ? json_string(why) : json_null());
}

static json_t *peer_json(const struct status_source *source, struct roll *roll,
                         struct status_beats *beats, const struct peer *peer, mono_t now)
{
    const struct gossip_node *beat = status_beat_of(beats, &peer->address);
    const struct elect_member *member = roll_newest(roll, &peer->address);
    const struct relation *relation = relation_of(source, now, &peer->address);
    json_t *json = made(json_object());

    add(json, "node", name_json(roll, peer, member, beat));
    add(json, "address", status_host(&peer->address));
    add(json, "http_port", json_integer(peer->http_port));
    add(json, "member", json_boolean(members_hold(source->members, &peer->address)));
    add(json, "heard_s", heard_json(peer, member, beat, now));
    add(json, "clock_ahead_s",
        peer->clock_known ? json_real((double)peer->clock_ahead_ms / 1e3) : json_null());
    add_use(json, relation, why_unused(relation, peer, member, now));
    add(json, "fault", json_string(peer_fault_name(peer->fault)));
    add(json, "faults", json_integer(peer->faults));
    add(json, "avoided_for_s",
        peer_usable(peer, now) ? json_real(0) : json_real(seconds_between(now, peer->avoid_until)));
    add(json, "tiers", roll_of(roll, &peer->address, now));
    add(json, "heartbeat", status_beat_json(beat, now));
    add(json, "key", key_json(source, &peer->address));
    add(json, "isconf", json_boolean(peer->isconf));
    return json;
}

/* One that the cache has not met, with the fields that every peer has. */
static json_t *stranger_json(const char *node, const struct address *http, bool member,
                             json_t *heard_s)
{
    json_t *json = made(json_object());

    add(json, "node", json_string(node));
    add(json, "address", status_host(http));
    add(json, "http_port", json_integer(http->port));
    add(json, "member", json_boolean(member));
    add(json, "heard_s", heard_s);
    add(json, "clock_ahead_s", json_null());
    add(json, "fault", json_string("none"));
    add(json, "faults", json_integer(0));
    add(json, "avoided_for_s", json_real(0));
    add(json, "isconf", json_false());
    return json;
}

/* It was met in an election alone. */
static json_t *elector_json(const struct status_source *source, struct roll *roll,
                            struct status_beats *beats, const struct elect_member *m, mono_t now)
{
    const struct relation *relation = relation_of(source, now, &m->address);
    json_t *json = stranger_json(m->node, &m->address, true,
                                 m->proven ? status_ago(m->heard, now) : json_null());

    add_use(json, relation, why_unused(relation, NULL, m, now));
    add(json, "tiers", roll_of(roll, &m->address, now));
    add(json, "heartbeat", status_beat_json(status_beat_of(beats, &m->address), now));
    add(json, "key", key_json(source, &m->address));
    return json;
}

/* The first of its addresses by which it is a member; else where it was heard from. */
static struct address address_of(const struct status_source *source, const struct heartbeat *beat)
{
    struct address http = beat->addresses[0];

    for (size_t i = 0; i < beat->address_count; i++) {
        if (members_hold(source->members, &beat->addresses[i])) {
            http = beat->addresses[i];
            break;
        }
    }
    http.port = beat->http_port;
    return http;
}

/* It is heard by heartbeat alone, which makes nobody a member. */
static json_t *beating_json(const struct status_source *source, const struct gossip_node *node,
                            mono_t now)
{
    struct address http = address_of(source, &node->beat);
    const struct relation *relation = relation_of(source, now, &http);
    bool member = members_hold(source->members, &http);
    json_t *json = stranger_json(node->beat.node, &http, member, status_ago(node->heard, now));
    const char *why = relation->why ? relation->why : "heard by heartbeat alone so far";

    add_use(json, relation,
            member ? why : "heard by heartbeat, but no nets file here holds its address");
    add(json, "tiers", made(json_array()));
    add(json, "heartbeat", status_beat_json(node, now));
    add(json, "key", key_json(source, &node->from));
    return json;
}

char *status_peers_json(const struct status_source *source, mono_t now)
{
    const struct peers *peers = exchange_peers(source->exchange);
    json_t *answer = made(json_object());
    json_t *list = made(json_array());
    struct roll *roll = roll_new(source);
    struct status_beats *beats = status_beats_new(source);
    const struct gossip_node *beating;

    for (size_t i = 0; i < peers->count; i++)
        json_array_append_new(list, peer_json(source, roll, beats, &peers->list[i], now));
    for (size_t i = 0; i < roll->count; i++) {
        const struct elect_member *member = &roll->list[i].member;
        if (!roll->list[i].asked)
            json_array_append_new(list, elector_json(source, roll, beats, member, now));
    }
    while ((beating = status_beats_next(beats)))
        json_array_append_new(list, beating_json(source, beating, now));
    status_beats_free(beats);
    roll_free(roll);
    add(answer, "format", json_integer(STATUS_FORMAT));
    add(answer, "node", json_string(source->node));
    add(answer, "peers", list);
    return status_dump(answer);
}
