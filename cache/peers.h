/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_PEERS_H
#define POND_CACHE_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/name.h"
#include "src/base/address.h"
#include "src/base/time.h"

/*
 * The hosts that this node knows: members with a single address from the start, others once they
 * were heard. Bounded: the one that was heard longest ago, and is no member, makes room. Pure: no
 * clock, no allocation. One thread.
 */
enum { PEERS_MAX = 4096, PEERS_BUCKETS = 4096 };

/* The row: enumerator, name for JSON and metrics, sentence for pond peers and the log. */
#define PEER_FAULTS(ROW)                                                                           \
    ROW(PEER_FINE, "none", "no fault seen")                                                        \
    ROW(PEER_UNREACHABLE, "unreachable", "its HTTP port does not answer")                          \
    ROW(PEER_WRONG_CHUNK, "wrong_chunk", "sent a chunk that does not match its digest")            \
    ROW(PEER_WRONG_LIST, "wrong_list", "sent a chunk list that does not match its manifest")       \
    ROW(PEER_WRONG_MANIFEST, "wrong_manifest", "sent a malformed manifest or another name's")      \
    ROW(PEER_SHORT_BODY, "short_body", "ended its answer before the promised length")              \
    ROW(PEER_ENDLESS_BODY, "endless_body", "sent more than it promised or than was asked for")     \
    ROW(PEER_SILENT, "silent", "accepted a request and then sent nothing")                         \
    ROW(PEER_WRONG_ANSWER, "wrong_answer", "answered HTTP in a way that makes no sense")           \
    ROW(PEER_UNSIGNED_ANSWER, "unsigned_answer", "did not sign its answer, or wrongly")            \
    ROW(PEER_REFUSES, "refuses", "refuses our requests")                                           \
    ROW(PEER_AHEAD, "ahead", "announces versions from the future: its clock or ours is wrong")

enum peer_fault {
#define PEER_ENUM(id, name, sentence) id,
    PEER_FAULTS(PEER_ENUM)
#undef PEER_ENUM
        PEER_FAULT_COUNT
};
const char *peer_fault_name(enum peer_fault fault);
const char *peer_fault_sentence(enum peer_fault fault);

/* It could not be had; what it said was not wrong. */
bool peer_fault_is_absence(enum peer_fault fault);

struct peer {
    struct address address; /* with the port that its datagrams come from or go to */
    uint16_t http_port;
    unsigned relations; /* what it was to us when last looked at: of enum route_relation */
    bool member;        /* named by a nets file with a single address */
    bool ever_heard;
    bool isconf;          /* what it said last, ISconf said: it has no catalogue and no manifests */
    bool found;           /* its heartbeats tell where it is */
    char node[NODE_SIZE]; /* empty until heard */
    uint64_t boot;
    mono_t heard;
    bool clock_known; /* it told its clock, at `clock_heard`, and ours was not set since: */
    mono_t clock_heard;
    int64_t clock_ahead_ms; /* how far its was ahead of ours then; negative: behind */
    enum peer_fault fault;  /* the latest */
    uint32_t faults;        /* in a row, without a good answer between */
    mono_t avoid_until;     /* not used before */
    bool tried;             /* it was absent, and is being asked for something since */

    uint64_t store_id; /* how far its catalogue was read */
    uint64_t position;
    bool ahead; /* a version in the future was passed over, first at `ahead_since` */
    mono_t ahead_since;
    mono_t compared;
    bool ever_compared;
    bool differing; /* its catalogue, read to its head, from ours: since `differs_since` */
    mono_t differs_since;
    uint8_t doubts; /* how often it was read anew for that, and in vain */
};

/* Zero it to begin. A peer stays where it is until one is forgotten, or makes room for another. */
struct peers {
    size_t count;
    size_t isconf;    /* of these */
    uint64_t changes; /* rises with who is in the list, and who of them is a member */
    struct peer list[PEERS_MAX];
    uint16_t first[PEERS_BUCKETS]; /* by a hash of the host: place in the list + 1, 0: none */
    uint16_t next[PEERS_MAX];      /* likewise, of the next with the same hash */
};

struct peer *peers_find(struct peers *peers, const struct address *host); /* whatever the port */

/* Finds or makes room for it; never NULL. */
struct peer *peers_learn(struct peers *peers, const struct address *address, mono_t now);

/* A nets file names it with a single address, or does not any more. */
void peers_set_member(struct peers *peers, struct peer *peer, bool member);

/* What it said last, ISconf said, or a node. */
void peers_set_isconf(struct peers *peers, struct peer *peer, bool isconf);

/* Of the ISconf hosts that are no members, and send no heartbeats, the one that was heard longest
 * ago; NULL: there is none. Looks at all. */
struct peer *peers_oldest_isconf(struct peers *peers);

/* Where it is known, it is not any more; the last of the list takes its place. */
void peers_forget(struct peers *peers, const struct address *host);

/*
 * Sets it aside, twice as long with each fault in a row: 10 s up to an hour for what only a broken
 * or hostile peer does; 2 s up to a minute for one that cannot or will not serve just now
 * (unreachable, refuses, silent); until 2 s after it spoke at most. After an hour without a fault
 * it is the first again. PEER_AHEAD is noted, and sets nobody aside: either clock may be the wrong
 * one. Returns whether it was set aside. PEER_FINE is praise.
 */
bool peer_blame(struct peer *peer, enum peer_fault fault, mono_t now);
void peer_praise(struct peer *peer); /* good content: forgets faults in a row */
bool peer_usable(const struct peer *peer, mono_t now);

/* Not set aside, or only for not serving: what it says may still be true. */
bool peer_credible(const struct peer *peer, mono_t now);

/* It was absent, and has answered nothing since: it may still be. Whoever asks it for much asks for
 * one thing first. */
bool peer_doubtful(const struct peer *peer);

/* It was heard: it is tried soon, if it was absent, however long it seems to have been. */
void peer_speaks(struct peer *peer, mono_t now);

/* It answered a request, or has restarted: whatever kept it from serving is over. Worse faults are
 * not forgotten for that: who sends good manifests may still send wrong chunks. */
void peer_serves(struct peer *peer);

#endif
