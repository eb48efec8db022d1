/* SPDX-License-Identifier: ISC */
#include "src/gossip_gate.h"

#include <stdlib.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/gate_common.h"

enum { GOSSIP_GATE_MAGIC = 0x67676174 };

struct gossip_gate {
    unsigned magic;
    const struct members *members;
    const struct keyring *keyring;
    struct seal *seal;         /* NULL without keys */
    struct envelope *envelope; /* NULL without secret */
    struct gate_rules rules;
    char domain[NODE_SIZE];
    char node[NODE_SIZE];
    uint64_t boot;
    uint16_t port;
    enum auth_mode auth;
    struct log_flood floods[GATE_VERDICT_COUNT];
};

/* Does whoever runs another cluster on this group make it, and nobody wrongly? */
static bool is_of_others(enum gate_verdict verdict)
{
    return verdict == GATE_OTHER_SECRET || verdict == GATE_UNSEALED || verdict == GATE_OTHER_DOMAIN;
}

struct gossip_gate *gossip_gate_new(const struct gossip_gate_options *options)
{
    struct gossip_gate *gate = calloc(1, sizeof(*gate));

    MUST(gate != NULL);
    gate->magic = GOSSIP_GATE_MAGIC;
    gate->members = options->members;
    gate->keyring = options->keyring;
    gate->seal = options->keyring ? seal_new(options->keyring) : NULL;
    gate->rules = options->rules;
    MUST(span_copy(span_of(options->domain), gate->domain, sizeof(gate->domain)));
    MUST(span_copy(span_of(options->node), gate->node, sizeof(gate->node)));
    gate->boot = options->boot;
    gate->auth = options->auth;
    for (size_t i = 0; i < GATE_VERDICT_COUNT; i++)
        gate->floods[i].window_ns =
            is_of_others((enum gate_verdict)i) ? GOSSIP_OTHERS_WINDOW_NS : GOSSIP_FLOOD_WINDOW_NS;
    return gate;
}

void gossip_gate_free(struct gossip_gate *gate)
{
    if (!gate)
        return;
    MUST_BE(gate, GOSSIP_GATE_MAGIC);
    gate->magic = 0;
    seal_free(gate->seal);
    free(gate);
}

void gossip_gate_change(struct gossip_gate *gate, enum auth_mode auth, uint16_t port,
                        struct envelope *envelope)
{
    MUST_BE(gate, GOSSIP_GATE_MAGIC);
    gate->auth = auth;
    gate->port = port;
    gate->envelope = envelope;
}

/* ---- the checks ------------------------------------------------------------------------------ */

/* A heartbeat on its way in: as it came, or as it was in its envelope. */
struct opening {
    char memory[MESSAGE_MAX + 1];
    struct span bytes;
    struct message message;
};

static enum gate_verdict check_envelope(struct gossip_gate *gate, mono_t now, struct span bytes,
                                        struct gossip_datagram *datagram, struct opening *opening)
{
    struct text inside = TEXT_OVER(opening->memory);

    opening->bytes = bytes;
    if (!gate->envelope)
        return envelope_is(bytes) ? GATE_OTHER_SECRET : GATE_PASS;
    if (!envelope_is(bytes))
        return GATE_UNSEALED;
    switch (envelope_open(gate->envelope, now, bytes, &inside)) {
    case ENVELOPE_OPENED:
        break;
    case ENVELOPE_OTHER:
        return GATE_OTHER_SECRET;
    case ENVELOPE_UNTRIED:
        return GATE_CROWDED;
    }
    opening->bytes = (struct span){inside.at, inside.len};
    datagram->is_closed = true;
    return GATE_PASS;
}

static enum gate_verdict check_form(struct opening *opening, struct gossip_datagram *datagram,
                                    struct heartbeat *out)
{
    enum message_verdict verdict = message_decode(opening->bytes, &opening->message);

    if (verdict == MESSAGE_OK)
        verdict = heartbeat_read(&opening->message, out);
    if (verdict == MESSAGE_OK)
        return GATE_PASS;
    datagram->reason = message_verdict_sentence(verdict);
    return GATE_FORM;
}

static enum gate_verdict check_identity(const struct gossip_gate *gate,
                                        const struct gossip_datagram *datagram,
                                        const struct heartbeat *beat)
{
    const struct gate_identity ours = {gate->domain, gate->node, gate->boot};
    const struct gate_identity theirs = {beat->domain, beat->node, beat->boot};

    return gate_check_identity(&ours, gate->members, &theirs, &datagram->from);
}

/* Whoever captures one can send it again from elsewhere, but not make it say so. */
static enum gate_verdict check_address(const struct gossip_datagram *datagram,
                                       struct heartbeat *beat)
{
    for (size_t i = 0; i < beat->address_count; i++)
        address_told_over(&beat->addresses[i], datagram->from.scope);
    if (!datagram->is_closed && !datagram->is_signed) {
        beat->addresses[0] = datagram->from;
        beat->addresses[0].port = 0;
        beat->address_count = 1;
        return GATE_PASS;
    }
    for (size_t i = 0; i < beat->address_count; i++) {
        if (address_same_host(&beat->addresses[i], &datagram->from))
            return GATE_PASS;
    }
    return GATE_OTHER_ADDRESS;
}

static enum gate_verdict check_rules(const struct gossip_gate *gate,
                                     struct gossip_datagram *datagram, const struct heartbeat *beat)
{
    const struct gate_matter matter = {.from = datagram->from,
                                       .node = beat->node,
                                       .is_signed = datagram->is_signed,
                                       .port = gate->port,
                                       .message = RULE_GOSSIP,
                                       .name = span_of(beat->domain)};

    return gate_check_rules(&gate->rules, &matter, &datagram->ruled, &datagram->ruling);
}

/* Each check is made only where the one before let it in. */
static enum gate_verdict judge(struct gossip_gate *gate, mono_t now, struct span bytes,
                               struct gossip_datagram *datagram, struct heartbeat *out)
{
    struct opening opening;
    enum gate_verdict verdict = check_envelope(gate, now, bytes, datagram, &opening);

    if (verdict == GATE_PASS)
        verdict = check_form(&opening, datagram, out);
    if (verdict == GATE_PASS)
        verdict = gate_check_signature(gate->seal, gate->keyring, gate->auth, &opening.message,
                                       false, &datagram->is_signed, &datagram->key);
    if (verdict == GATE_PASS)
        verdict = check_identity(gate, datagram, out);
    if (verdict == GATE_PASS)
        verdict = check_address(datagram, out);
    if (verdict == GATE_PASS)
        verdict = check_rules(gate, datagram, out);
    return verdict;
}

enum gate_verdict gossip_gate_judge(struct gossip_gate *gate, mono_t now, struct span bytes,
                                    struct gossip_datagram *datagram, struct heartbeat *out)
{
    enum gate_verdict verdict;

    MUST_BE(gate, GOSSIP_GATE_MAGIC);
    *datagram = (struct gossip_datagram){.from = datagram->from};
    *out->domain = *out->node = '\0';
    verdict = judge(gate, now, bytes, datagram, out);
    if (verdict != GATE_PASS)
        gate_count_one(verdict); /* the others once the machine has judged them */
    return verdict;
}

void gossip_gate_count(enum gate_verdict verdict)
{
    gate_count_one(verdict);
}

void gossip_gate_log(struct gossip_gate *gate, mono_t now, enum gate_verdict verdict,
                     const struct gossip_datagram *datagram, const struct heartbeat *beat)
{
    struct gate_line line = {.verdict = verdict,
                             .port = gate->port,
                             .message = verdict == GATE_FORM ? "?" : "gossip",
                             .name = span_of(beat->domain),
                             .from = &datagram->from,
                             .node = beat->node,
                             .receiver = gate->node,
                             .members = gate->members,
                             .reason = datagram->reason,
                             .ruling = datagram->ruled ? &datagram->ruling : NULL};

    MUST_BE(gate, GOSSIP_GATE_MAGIC);
    gate_log_datagrams(&line, now, gate->rules.rulings, RULINGS_BALLOTS, gate->floods);
}
