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
enum { PEERS_MAX = 4096 };

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

struct peer {
    struct address address; /* with the port that its datagrams come from or go to */
    uint16_t http_port;
    bool member; /* named by a nets file with a single address */
    bool ever_heard;
    char node[NODE_SIZE]; /* empty until heard */
    uint64_t boot;
    mono_t heard;
    enum peer_fault fault; /* the latest */
    uint32_t faults;       /* in a row, without a good answer between */
    mono_t avoid_until;    /* not used before */

    uint64_t store_id; /* how far its catalogue was read */
    uint64_t position;
    uint64_t retry;
    mono_t compared;
};

struct peers {
    size_t count;
    struct peer list[PEERS_MAX];
};

struct peer *peers_find(struct peers *peers, const struct address *host); /* whatever the port */

/* Finds or makes room for it; never NULL. */
struct peer *peers_learn(struct peers *peers, const struct address *address, mono_t now);

/* Sets it aside: 10 s the first time, doubled with each fault in a row, up to an hour. */
void peer_blame(struct peer *peer, enum peer_fault fault, mono_t now);
void peer_praise(struct peer *peer); /* a good answer: forgets faults in a row */
bool peer_usable(const struct peer *peer, mono_t now);

#endif
