/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ADVERT_GATE_H
#define POND_SRC_ADVERT_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "election/ballot.h"
#include "src/base/time.h"
#include "src/gate.h"

/*
 * The gate of advert_port: whether a ballot is let in. In this order, cheapest first: form and size
 * (a datagram to a multicast group also shows by its TTL that it is from this link: RFC 5082), the
 * sender is a member of the tier that the ballot names (of an advert: a candidate), signature,
 * domain, that it is not of our own name, and the rules, to which the tier is its namespace.
 * Replays are the machine's (election/elect.h), which knows whom it believes. Verdicts and their
 * counts are src/gate.h's; a refused ballot gets no answer. One thread; deterministic.
 */
struct advert_gate_options {
    const struct members *members; /* outlives the gate */
    const struct keyring *keyring; /* outlives the gate; NULL: this cluster has no keys */
    struct gate_rules rules;       /* gate_rules_of(), or zeroed: no rules are ever in force */
    const char *domain;
    const char *node; /* our own name */
    uint64_t boot;    /* our own incarnation, to know our echoes */
    uint16_t port;    /* on which ballots come in: for the log and the rules */
    enum auth_mode auth;
};

/* Adverts come at a steady pace, and so do refusals of them, as long as what is wrong lasts: so
 * many lines of the log as else in a second are for this time. */
#define ADVERT_FLOOD_WINDOW_NS MONO_S(60)

struct advert_gate;
struct advert_gate *advert_gate_new(const struct advert_gate_options *options); /* copies texts */
void advert_gate_free(struct advert_gate *gate);

/* After a reload. Members and keys change by themselves. */
void advert_gate_set_auth(struct advert_gate *gate, enum auth_mode auth);

/* A datagram sent to a group must have this TTL or hop limit: no router may have passed it on. */
enum { ADVERT_HOPS = 255 };

struct advert_datagram {
    struct address from;
    bool to_group; /* it was sent to a multicast group */
    int hops;      /* the TTL or hop limit it came with, where to_group; negative: not known */

    /* out: */
    const char *reason; /* static: more closely why, or NULL */
    bool is_signed;
    size_t key;     /* which of our keys signed it */
    bool candidate; /* the sender is a candidate of the ballot's tier, else a slave */
    bool ruled;     /* GATE_PASS and GATE_RULE: a rule decided */
    struct ruling ruling;
};

/* Bytes to verdict; where it is GATE_PASS, *out is what was said. Link-local addresses in it get
 * the scope of the sender's. */
enum gate_verdict advert_gate_judge(struct advert_gate *gate, struct span bytes,
                                    struct advert_datagram *datagram, struct ballot *out);

/* For each that was refused, or about which a rule decided, which counts as a hit of that. Logs it
 * as section 4 has it, the tier as its namespace, a flood as a summary; our own echoes are not
 * worth a line. `ballot` as advert_gate_judge left it. */
void advert_gate_log(struct advert_gate *gate, mono_t now, enum gate_verdict verdict,
                     const struct advert_datagram *datagram, const struct ballot *ballot);

#endif
