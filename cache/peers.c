/* SPDX-License-Identifier: ISC */
#include "cache/peers.h"

#include <string.h>

#include "src/base/must.h"

enum {
    NOT_SERVING_FIRST_S = 2,
    NOT_SERVING_MOST_S = 60,
    WRONG_FIRST_S = 10,
    WRONG_MOST_S = 3600,
    FORGIVEN_S = 3600
};

static const struct {
    const char *name;
    const char *sentence;
} fault_rows[PEER_FAULT_COUNT] = {
#define PEER_ROW(id, name, sentence) [id] = {name, sentence},
    PEER_FAULTS(PEER_ROW)
#undef PEER_ROW
};

const char *peer_fault_name(enum peer_fault fault)
{
    MUST(fault < PEER_FAULT_COUNT);
    return fault_rows[fault].name;
}

const char *peer_fault_sentence(enum peer_fault fault)
{
    MUST(fault < PEER_FAULT_COUNT);
    return fault_rows[fault].sentence;
}

/* FNV-1a over the host. */
static size_t bucket_of(const struct address *host)
{
    uint64_t hash = 0xcbf29ce484222325u ^ host->scope;

    for (size_t i = 0; i < sizeof(host->ip); i++)
        hash = (hash ^ host->ip[i]) * 0x100000001b3u;
    return (hash ^ hash >> 32) % PEERS_BUCKETS;
}

struct peer *peers_find(struct peers *peers, const struct address *host)
{
    for (size_t at = peers->first[bucket_of(host)]; at; at = peers->next[at - 1])
        if (address_same_host(&peers->list[at - 1].address, host))
            return &peers->list[at - 1];
    return NULL;
}

static void unlink_place(struct peers *peers, size_t place)
{
    uint16_t *link = &peers->first[bucket_of(&peers->list[place].address)];

    while (*link != place + 1) {
        MUST(*link);
        link = &peers->next[*link - 1];
    }
    *link = peers->next[place];
}

/* Members stay where others can go. */
static bool goes_before(const struct peer *a, const struct peer *b)
{
    if (a->member != b->member)
        return !a->member;
    return a->heard.ns < b->heard.ns;
}

static size_t make_room(struct peers *peers)
{
    size_t first = 0;

    if (peers->count < PEERS_MAX)
        return peers->count++;
    for (size_t i = 1; i < PEERS_MAX; i++)
        if (goes_before(&peers->list[i], &peers->list[first]))
            first = i;
    peers->isconf -= peers->list[first].isconf;
    unlink_place(peers, first);
    return first;
}

static void link_place(struct peers *peers, size_t place)
{
    size_t bucket = bucket_of(&peers->list[place].address);

    peers->next[place] = peers->first[bucket];
    peers->first[bucket] = (uint16_t)(place + 1);
}

struct peer *peers_learn(struct peers *peers, const struct address *address, mono_t now)
{
    struct peer *peer = peers_find(peers, address);
    size_t place;

    if (peer)
        return peer;
    place = make_room(peers);
    peer = &peers->list[place];
    *peer = (struct peer){.address = *address, .heard = now};
    link_place(peers, place);
    peers->changes++;
    return peer;
}

void peers_set_member(struct peers *peers, struct peer *peer, bool member)
{
    peers->changes += peer->member != member;
    peer->member = member;
}

void peers_set_isconf(struct peers *peers, struct peer *peer, bool isconf)
{
    peers->isconf += isconf;
    peers->isconf -= peer->isconf;
    peer->isconf = isconf;
}

struct peer *peers_oldest_isconf(struct peers *peers)
{
    struct peer *oldest = NULL;

    for (size_t i = 0; i < peers->count; i++) {
        struct peer *peer = &peers->list[i];

        if (peer->isconf && !peer->member && !peer->found &&
            (!oldest || peer->heard.ns < oldest->heard.ns))
            oldest = peer;
    }
    return oldest;
}

void peers_forget(struct peers *peers, const struct address *host)
{
    struct peer *peer = peers_find(peers, host);
    size_t place, last = peers->count - 1;

    if (!peer)
        return;
    place = (size_t)(peer - peers->list);
    unlink_place(peers, place);
    peers->isconf -= peer->isconf;
    peers->count--;
    peers->changes++;
    if (place == last)
        return;
    unlink_place(peers, last);
    peers->list[place] = peers->list[last];
    link_place(peers, place);
}

bool peer_fault_is_absence(enum peer_fault fault)
{
    return fault == PEER_UNREACHABLE || fault == PEER_REFUSES || fault == PEER_SILENT ||
           fault == PEER_SHORT_BODY; /* as of whoever dies in the middle of it */
}

bool peer_blame(struct peer *peer, enum peer_fault fault, mono_t now)
{
    bool mild = peer_fault_is_absence(fault);
    int64_t aside = mild ? NOT_SERVING_FIRST_S : WRONG_FIRST_S;
    int64_t most = mild ? NOT_SERVING_MOST_S : WRONG_MOST_S;

    MUST(fault < PEER_FAULT_COUNT);
    if (fault == PEER_FINE) {
        peer_praise(peer);
        return false;
    }
    if (!peer_usable(peer, now))
        return false; /* several requests to it may fail of one cause: that is one fault */
    peer->fault = fault;
    if (fault == PEER_AHEAD)
        return false;
    if (mono_between(peer->avoid_until, now) > MONO_S(FORGIVEN_S))
        peer->faults = 0;
    for (uint32_t i = 0; i < peer->faults && aside < most; i++)
        aside *= 2;
    if (peer->faults < UINT32_MAX)
        peer->faults++;
    peer->avoid_until = mono_after(now, MONO_S(aside < most ? aside : most));
    return true;
}

void peer_praise(struct peer *peer)
{
    peer->faults = 0;
}

bool peer_usable(const struct peer *peer, mono_t now)
{
    return mono_reached(now, peer->avoid_until);
}

bool peer_credible(const struct peer *peer, mono_t now)
{
    return peer_usable(peer, now) || peer_fault_is_absence(peer->fault);
}

bool peer_doubtful(const struct peer *peer)
{
    return peer->faults > 0 && peer_fault_is_absence(peer->fault);
}

void peer_serves(struct peer *peer)
{
    if (!peer_fault_is_absence(peer->fault))
        return;
    peer->faults = 0;
    peer->avoid_until = (mono_t){0};
}

void peer_speaks(struct peer *peer, mono_t now)
{
    if (peer_fault_is_absence(peer->fault))
        peer->avoid_until =
            mono_earlier(peer->avoid_until, mono_after(now, MONO_S(NOT_SERVING_FIRST_S)));
}
