/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_GATE_H
#define POND_SRC_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/notice.h"
#include "src/base/address.h"
#include "src/base/time.h"
#include "src/gate_rules.h"
#include "src/heard.h"
#include "src/members.h"
#include "src/rulings.h"
#include "src/seal.h"
#include "src/signers.h"

/*
 * The one place that decides whether what comes from outside is let in: datagrams and HTTP requests
 * alike, cheapest check first: form and size, membership (design section 3), authentication
 * (section 5), replay, the rules. Each refusal is a verdict with a count and a log line, and each
 * pass that a rule decided likewise; a refused datagram gets no answer.
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
    ROW(GATE_MANY_NAMES, "many_names",                                                             \
        "its address speaks for as many other names already as one may", 403)                      \
    ROW(GATE_STALE, "stale", "it tells a time that is more than a minute off this node's clock",   \
        403)                                                                                       \
    ROW(GATE_NOT_LOCAL, "not_local",                                                               \
        "that is taken on the control socket alone, or signed by a key holder", 403)               \
    ROW(GATE_RULE, "rule", "a rule keeps it out", 403)

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
    const struct rules *rules;     /* in force to begin with; NULL: none; copied */
    const char *domain;
    const char *node;   /* our own name */
    uint64_t boot;      /* our own incarnation, to know our echoes */
    uint16_t port;      /* on which datagrams come in: for the log and the rules */
    uint16_t http_port; /* likewise, on which requests come in, and what we ask for is said to */
    enum auth_mode auth;
    bool plain_get;
    bool isconf;
};

struct gate;
struct gate *gate_new(const struct gate_options *options); /* copies the texts */
void gate_free(struct gate *gate);

/* From now on; any thread. */
void gate_change(struct gate *gate, enum auth_mode auth, bool plain_get);

/* From now on; NULL: none; copied. A rule that stands there as it stood keeps its hits. Main
 * thread. */
void gate_set_rules(struct gate *gate, const struct rules *rules);

/* Where those who signed datagrams were heard, what a rule kept out too; without keys, those who
 * sent them. Others may note there what they let in signed. Lasts as long as the gate. */
struct heard *gate_heard(const struct gate *gate);

/* What it was made with. The port on which such a message comes in; 0: not to this gate. */
const char *gate_domain(const struct gate *gate);
bool gate_has_keys(const struct gate *gate);
bool gate_takes_isconf(const struct gate *gate);
uint16_t gate_port_of(const struct gate *gate, enum rule_message message);

/* By which it judges: for the other gate, and for who asks what it would say. As long as it. */
struct gate_rules gate_rules_of(const struct gate *gate);

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
    bool ruled; /* GATE_PASS and GATE_RULE: a rule decided */
    struct ruling ruling;
};

/*
 * What ISconf hosts say (cache/notice.h) is malformed where `isconf` is not set. Where it is, the
 * HMAC= of the From line is its signature, which counts for nothing else: what has our headers
 * needs ours. It has no counter, and the same message comes again and again by right, so a recorded
 * one passes too, from any address that section 3 takes. Nothing is decided by it alone: at most it
 * gets a known name answered, or has one file asked for where it comes from.
 */

/*
 * Bytes to verdict; where it is GATE_PASS, *out is what was said. datagram->from is given, the rest
 * filled in. Deterministic: same bytes, same `now`, same history, same verdict.
 */
enum gate_verdict gate_datagram(struct gate *gate, mono_t now, struct span bytes,
                                struct gate_datagram *datagram, struct notice *out);

/* For each that was refused, or about which a rule decided, which counts as a hit of that. Logs it
 * as section 4 has it, a flood as a summary; our own echoes are not worth a line.
 * Two nodes of one name are named with both addresses. */
void gate_log_datagram(struct gate *gate, mono_t now, enum gate_verdict verdict,
                       const struct gate_datagram *datagram, const struct notice *notice);

/* ---- requests: any thread ------------------------------------------------------------------- */

enum gate_message { GATE_SENDME, GATE_PUT, GATE_RM, GATE_WHOHAS, GATE_READ_API, GATE_CONTROL };

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
 *     it has an ISconf challenge, `isconf` is set,
 *     and a nets file names its host, or something
 *     signed was heard from there                     let in
 *     else                                            GATE_UNSIGNED
 *
 * What is let in, and not as our own host, the rules judge: it may be GATE_RULE then.
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
    bool isconf;           /* it wants to see by an answer to its challenge who serves it */

    /* out: */
    bool own_host; /* judged as this node's own host: what it lacks is fetched */
    size_t heard_count;
    struct address heard[HEARD_ADDRESSES]; /* of who signed it: where section 3 takes it */
    bool ruled;                            /* GATE_PASS and GATE_RULE: a rule decided */
    struct ruling ruling;
};

/* Membership alone, of the address or of whom the request says that it is from: cheaper than a
 * signature, and so asked first. */
bool gate_takes_sender(const struct gate *gate, const struct gate_request *request);

/* Could any request of that host be let in? Else its connections to `to` are of no use to it. */
bool gate_keeps_host(const struct gate *gate, const struct address *from, const struct address *to);

/* `name`: a whole name that it is about, or what else stands in its target. */
enum gate_verdict gate_request(struct gate *gate, struct gate_request *request, struct span name);

/* One that was let in asks for this name (too): `message` is how it is meant. GATE_PASS or
 * GATE_RULE. */
enum gate_verdict gate_request_for(struct gate *gate, struct gate_request *request,
                                   enum gate_message message, struct span name);

/*
 * Which names a request that was let in may learn of, in lists of them: those that the rules let
 * its sender fetch. Nothing is counted or logged. The gate must outlast it.
 */
struct gate_sight {
    const struct gate *gate;
    bool all; /* there is nothing to leave out: the rest is not set */
    uint64_t edition;
    struct rule_case about; /* but for its nodes: */
    char nodes[RULE_NODES_MAX][NODE_SIZE];
};
void gate_sight_begin(struct gate_sight *sight, const struct gate *gate,
                      const struct gate_request *request);
bool gate_sight_shows(const struct gate_sight *sight, struct span name);

/* Do both show the same, for sure? */
bool gate_sight_same(const struct gate_sight *a, const struct gate_sight *b);

/* May we take from `server` what it tells (RULE_IHAVE) or gives (RULE_HEREIS) of the name? A rule
 * that decides it is counted and logged. */
bool gate_takes_answer(struct gate *gate, mono_t now, enum rule_message message,
                       const struct address *server, struct span name);

/* Does what unsigned requests say of their way count here: no keys, +ANY+, or auth is not enforced?
 * Else anybody who may read could say it, and nodes sign it. */
bool gate_trusts_unsigned(const struct gate *gate);

/* For each request that was refused, and is counted here, or about which a rule decided; with the
 * name asked for. */
void gate_log_request(struct gate *gate, mono_t now, enum gate_verdict verdict,
                      const struct gate_request *request, struct span name);

/* With the answer to a request that a rule keeps out: who asked is no stranger, and is served
 * whatever else it asks for. */
#define GATE_REFUSED_HEADER "Pond-Refused"
#define GATE_REFUSED_BY_RULE "rule"

/* Why, in a sentence that names the rule. */
enum { GATE_RULING_SIZE = RULE_DESCRIPTION_MAX + 80 };
void gate_ruling_sentence(const struct ruling *ruling, char out[GATE_RULING_SIZE]);

#endif
