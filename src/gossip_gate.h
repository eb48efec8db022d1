/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_GOSSIP_GATE_H
#define POND_SRC_GOSSIP_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/heartbeat.h"
#include "src/base/time.h"
#include "src/envelope.h"
#include "src/gate.h"

/*
 * The gate of heartbeats: which of them are let in. In this order: whether it is closed with one of
 * our secrets (src/envelope.h), where we have any, and is not, where we have none; form; signature;
 * domain, and that it is not our own name; that it comes from one of the addresses that it tells;
 * the rules, to which the domain is its namespace. Membership is not asked for: who is heard and no
 * member is shown as that. Replays are the machine's (cache/gossip.h). Verdicts and their counts
 * are src/gate.h's; nobody is answered. One thread; deterministic.
 *
 * Without secret and signature anybody can say anything: of such a heartbeat the address counts
 * that it came from, and none that it tells.
 */
struct gossip_gate_options {
    const struct members *members; /* outlives the gate */
    const struct keyring *keyring; /* outlives the gate; NULL: this cluster has no keys */
    struct gate_rules rules;       /* gate_rules_of(), or zeroed: no rules are ever in force */
    const char *domain;
    const char *node; /* our own name */
    uint64_t boot;    /* our own incarnation, to know our echoes */
    enum auth_mode auth;
};

struct gossip_gate;
struct gossip_gate *gossip_gate_new(const struct gossip_gate_options *options); /* copies texts */
void gossip_gate_free(struct gossip_gate *gate);

/* From now on: at the start and after a reload. port: on which heartbeats come in, for the log;
 * envelope: by which they are opened, NULL: none is; it must outlive its use. */
void gossip_gate_change(struct gossip_gate *gate, enum auth_mode auth, uint16_t port,
                        struct envelope *envelope);

struct gossip_datagram {
    struct address from;

    /* out: */
    const char *reason; /* static: more closely why, or NULL */
    bool is_signed;
    size_t key; /* which of our keys signed it */
    bool is_closed;
    bool ruled; /* GATE_PASS and GATE_RULE: a rule decided */
    struct ruling ruling;
};

/* Bytes to verdict; where it is GATE_PASS, *out is what was said. Link-local addresses in it get
 * the scope of the sender's. */
enum gate_verdict gossip_gate_judge(struct gossip_gate *gate, mono_t now, struct span bytes,
                                    struct gossip_datagram *datagram, struct heartbeat *out);

/* Counts what became, behind the gate, of a heartbeat that it let in; refusals it has counted. */
void gossip_gate_count(enum gate_verdict verdict);

/* Several clusters may share a group, and then each hears the others for ever: for refusals of such
 * the log has as many lines as else in a second for so long, the others for a minute. */
#define GOSSIP_FLOOD_WINDOW_NS MONO_S(60)
#define GOSSIP_OTHERS_WINDOW_NS MONO_S(3600)

/* For each that was refused, or about which a rule decided, which counts as a hit of that. Logs it
 * as section 4 has it, a flood as a summary; our own echoes are not worth a line. */
void gossip_gate_log(struct gossip_gate *gate, mono_t now, enum gate_verdict verdict,
                     const struct gossip_datagram *datagram, const struct heartbeat *beat);

#endif
