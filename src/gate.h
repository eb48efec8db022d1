/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_GATE_H
#define POND_SRC_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/notice.h"
#include "src/base/address.h"
#include "src/base/time.h"
#include "src/heard.h"
#include "src/members.h"
#include "src/seal.h"
#include "src/signers.h"

/*
 * The one place that decides whether what comes from outside is let in: datagrams and HTTP requests
 * alike, cheapest check first: form and size, membership (design section 3), authentication
 * (section 5), replay. Each refusal is a verdict with a count and a log line; a refused datagram
 * gets no answer.
 *
 * The row: enumerator, name for metrics and logs, sentence (also the body of an HTTP refusal), HTTP
 * status.
 */
#define GATE_VERDICTS(ROW)                                                                         \
    ROW(GATE_PASS, "pass", "let in", 200)                                                          \
    ROW(GATE_FORM, "form", "the message is malformed", 400)                                        \
    ROW(GATE_NAME, "name", "the name is not a valid one below this cluster's domain", 400)         \
    ROW(GATE_NOT_MEMBER, "not_member", "not a member", 403)                                        \
    ROW(GATE_SIBLING, "sibling", "a slave serves no other slave: ask the master of the tier", 403) \
    ROW(GATE_OTHER_DOMAIN, "other_domain", "it belongs to another domain", 403)                    \
    ROW(GATE_UNSIGNED, "unsigned", "it is not signed with a key of this cluster", 401)             \
    ROW(GATE_WRONG_KEY, "wrong_key", "it is signed with a key that this node does not have", 403)  \
    ROW(GATE_REPLAYED, "replayed", "it was said before", 401)                                      \
    ROW(GATE_OTHER_ADDRESS, "other_address", "its sender says that it spoke from another address", \
        403)                                                                                       \
    ROW(GATE_OWN_ECHO, "own_echo", "it is this node's own message", 403)                           \
    ROW(GATE_OWN_NAME, "own_name", "another host uses this node's name", 403)                      \
    ROW(GATE_NOT_CANDIDATE, "not_candidate", "its sender is no candidate of the tier", 403)        \
    ROW(GATE_OFF_LINK, "off_link",                                                                 \
        "it came from beyond the link: its TTL or hop limit is not 255", 403)                      \
    ROW(GATE_OTHER_SECRET, "other_secret",                                                         \
        "it is encrypted with another secret than this node's gossip has", 403)                    \
    ROW(GATE_UNSEALED, "unsealed", "it is not encrypted with this node's gossip secret", 403)      \
    ROW(GATE_CROWDED, "crowded", "more of the kind came at once than are looked at", 503)          \
    ROW(GATE_STALE, "stale", "it tells a time that is more than a minute off this node's clock",   \
        403)                                                                                       \
    ROW(GATE_NOT_LOCAL, "not_local",                                                               \
        "that is taken on the control socket alone, or signed by a key holder", 403)

enum gate_verdict {
#define GATE_ENUM(id, name, sentence, http) id,
    GATE_VERDICTS(GATE_ENUM)
#undef GATE_ENUM
        GATE_VERDICT_COUNT
};
const char *gate_name(enum gate_verdict verdict);
const char *gate_sentence(enum gate_verdict verdict);
unsigned gate_http_status(enum gate_verdict verdict);

enum auth_mode { AUTH_ENFORCE, AUTH_PERMISSIVE, AUTH_RECEIVE_ONLY };

struct gate_options {
    const struct members *members; /* outlives the gate */
    const struct keyring *keyring; /* outlives the gate; NULL: this cluster has no keys */
    const char *domain;
    const char *node; /* our own name */
    uint64_t boot;    /* our own incarnation, to know our echoes */
    uint16_t port;    /* on which datagrams come in: for the log */
    enum auth_mode auth;
    bool plain_get;
    bool isconf;
};

struct gate;
struct gate *gate_new(const struct gate_options *options); /* copies the texts */
void gate_free(struct gate *gate);

/* From now on; any thread. */
void gate_change(struct gate *gate, enum auth_mode auth, bool plain_get);

/* Where the signers of datagrams that it lets in were heard; others may note there too what they
 * let in signed. Lasts as long as the gate. */
struct heard *gate_heard(const struct gate *gate);

/* How often each verdict was given, by all gates of the process; any thread. */
uint64_t gate_count(enum gate_verdict verdict);

/* With which keys hosts sign, likewise; NULL: this cluster has no keys. */
struct signers *gate_signers(const struct gate *gate);

/* ---- datagrams: one thread ------------------------------------------------------------------ */

/* What is known of a datagram beyond the notice in it. */
struct gate_datagram {
    struct address from;
    const char *reason; /* static: more closely why, with GATE_FORM and GATE_NAME; else NULL */
    bool is_signed;
    size_t key;         /* which of our keys signed it */
    bool other_address; /* two nodes use this name: it was lately heard from `other` too */
    struct address other;
};

/*
 * Bytes to verdict; where it is GATE_PASS, *out is what was said. datagram->from is given, the rest
 * filled in. Deterministic: same bytes, same `now`, same history, same verdict.
 */
enum gate_verdict gate_datagram(struct gate *gate, mono_t now, struct span bytes,
                                struct gate_datagram *datagram, struct notice *out);

/* Logs a refusal as section 4 has it, a flood as a summary; our own echoes are not worth a line.
 * Two nodes of one name are named with both addresses. */
void gate_log_datagram(struct gate *gate, mono_t now, enum gate_verdict verdict,
                       const struct gate_datagram *datagram, const struct notice *notice);

/* ---- requests: any thread ------------------------------------------------------------------- */

enum gate_message { GATE_SENDME, GATE_PUT, GATE_RM, GATE_READ_API, GATE_CONTROL };

/*
 * Where a request comes from and who signed it. How it is judged, first row first:
 *
 *     it came over the control socket                 let in, as our own host
 *     it reads status or metrics, from a monitor      let in
 *     from an address that section 3 does not take    GATE_NOT_MEMBER, unless its signer was heard
 *                                                     at one that section 3 takes
 *     signed                                          let in, as the node that signed
 *     put, rm, control; there are keys                GATE_UNSIGNED, so that it can be signed
 *     put, rm, control; there are none                GATE_NOT_LOCAL
 *     from our own host                               let in, as our own host
 *     no keys, +ANY+, or auth is not enforce          let in
 *     plain_get, and it is a member                   let in
 *     else                                            GATE_UNSIGNED
 *
 * Our own host is one of our own addresses, or loopback where no member is on loopback, unless the
 * request was forwarded for another, or signed by another node.
 */
struct gate_request {
    enum gate_message message;
    bool control_socket; /* it came over the Unix socket */
    bool forwarded;      /* it has forwarding headers, or a Host that is not ours */
    struct address from;
    struct address to;     /* our end */
    bool is_signed;        /* and the signature was found good */
    const char *node;      /* who signed it, or says so as long as it is not is_signed; or NULL */
    bool monitor_may_read; /* what it asks for is status or metrics */

    /* out: */
    bool own_host; /* judged as this node's own host: what it lacks is fetched */
    size_t heard_count;
    struct address heard[HEARD_ADDRESSES]; /* of who signed it: where section 3 takes it */
};

/* Membership alone, of the address or of whom the request says that it is from: cheaper than a
 * signature, and so asked first. */
bool gate_takes_sender(const struct gate *gate, const struct gate_request *request);

/* Could any request of that host be let in? Else its connections to `to` are of no use to it. */
bool gate_keeps_host(const struct gate *gate, const struct address *from, const struct address *to);

enum gate_verdict gate_request(struct gate *gate, struct gate_request *request);

/* Does what unsigned requests say of their way count here: no keys, +ANY+, or auth is not enforced?
 * Else anybody who may read could say it, and nodes sign it. */
bool gate_trusts_unsigned(const struct gate *gate);

/* Counts and logs a refused request, with the name asked for. */
void gate_log_request(struct gate *gate, mono_t now, enum gate_verdict verdict,
                      const struct gate_request *request, struct span name);

#endif
