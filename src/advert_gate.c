/* SPDX-License-Identifier: ISC */
#include "src/advert_gate.h"

#include <stdlib.h>

#include "src/advert.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/gate_common.h"

enum { ADVERT_GATE_MAGIC = 0x61646761 };

struct advert_gate {
    unsigned magic;
    const struct members *members;
    const struct keyring *keyring;
    struct seal *seal; /* NULL without keys */
    struct gate_rules rules;
    char domain[NODE_SIZE];
    char node[NODE_SIZE];
    uint64_t boot;
    uint16_t port;
    enum auth_mode auth;
    struct log_flood floods[GATE_VERDICT_COUNT];
};

struct advert_gate *advert_gate_new(const struct advert_gate_options *options)
{
    struct advert_gate *gate = calloc(1, sizeof(*gate));

    MUST(gate != NULL);
    gate->magic = ADVERT_GATE_MAGIC;
    gate->members = options->members;
    gate->keyring = options->keyring;
    gate->seal = options->keyring ? seal_new(options->keyring) : NULL;
    gate->rules = options->rules;
    MUST(span_copy(span_of(options->domain), gate->domain, sizeof(gate->domain)));
    MUST(span_copy(span_of(options->node), gate->node, sizeof(gate->node)));
    gate->boot = options->boot;
    gate->port = options->port;
    gate->auth = options->auth;
    for (int verdict = 0; verdict < GATE_VERDICT_COUNT; verdict++)
        gate->floods[verdict].window_ns = ADVERT_FLOOD_WINDOW_NS;
    return gate;
}

void advert_gate_free(struct advert_gate *gate)
{
    if (!gate)
        return;
    MUST_BE(gate, ADVERT_GATE_MAGIC);
    gate->magic = 0;
    seal_free(gate->seal);
    free(gate);
}

void advert_gate_set_auth(struct advert_gate *gate, enum auth_mode auth)
{
    MUST_BE(gate, ADVERT_GATE_MAGIC);
    gate->auth = auth;
}

/* What was decoded of a datagram. */
struct decoded {
    struct message message;
    struct advert_head head;
};

static enum gate_verdict check_form(struct span bytes, struct decoded *decoded,
                                    struct advert_datagram *datagram, struct ballot *out)
{
    enum message_verdict verdict = message_decode(bytes, &decoded->message);

    if (verdict == MESSAGE_OK)
        verdict = advert_read(&decoded->message, &decoded->head, out);
    if (verdict == MESSAGE_OK)
        return GATE_PASS;
    datagram->reason = message_verdict_sentence(verdict);
    return GATE_FORM;
}

static enum gate_verdict check_hops(const struct advert_datagram *datagram)
{
    return datagram->to_group && datagram->hops != ADVERT_HOPS ? GATE_OFF_LINK : GATE_PASS;
}

static enum gate_verdict check_member(const struct advert_gate *gate,
                                      struct advert_datagram *datagram, const struct ballot *ballot)
{
    struct member member;

    if (!members_find_in(gate->members, ballot->tier, &datagram->from, &member))
        return GATE_NOT_MEMBER;
    if (member.role == MEMBER_PEER) {
        datagram->reason = "the tier has no roles, and elects nobody";
        return GATE_NOT_MEMBER;
    }
    datagram->candidate = member.role == MEMBER_CANDIDATE;
    return ballot->kind == BALLOT_ADVERT && !datagram->candidate ? GATE_NOT_CANDIDATE : GATE_PASS;
}

static enum gate_verdict check_signature(struct advert_gate *gate, const struct message *message,
                                         struct advert_datagram *datagram)
{
    return gate_check_signature(gate->seal, gate->keyring, gate->auth, message, false,
                                &datagram->is_signed, &datagram->key);
}

static enum gate_verdict check_identity(const struct advert_gate *gate,
                                        const struct advert_head *head,
                                        const struct advert_datagram *datagram,
                                        const struct ballot *ballot)
{
    const struct gate_identity ours = {gate->domain, gate->node, gate->boot};
    const struct gate_identity theirs = {head->domain, ballot->node, ballot->boot};

    return gate_check_identity(&ours, gate->members, &theirs, &datagram->from);
}

static enum gate_verdict check_rules(const struct advert_gate *gate,
                                     struct advert_datagram *datagram, const struct ballot *ballot)
{
    static const enum rule_message messages[] = {[BALLOT_ADVERT] = RULE_ADVERT,
                                                 [BALLOT_STANDING] = RULE_STANDING,
                                                 [BALLOT_SOLICIT] = RULE_SOLICIT};
    const struct gate_matter matter = {.from = datagram->from,
                                       .node = ballot->node,
                                       .is_signed = datagram->is_signed,
                                       .port = gate->port,
                                       .message = messages[ballot->kind],
                                       .name = span_of(ballot->tier)};

    return gate_check_rules(&gate->rules, &matter, &datagram->ruled, &datagram->ruling);
}

/* Each check is made only where the one before let it in. */
static enum gate_verdict judge(struct advert_gate *gate, struct span bytes,
                               struct advert_datagram *datagram, struct ballot *out)
{
    struct decoded decoded;
    enum gate_verdict verdict = check_form(bytes, &decoded, datagram, out);

    if (verdict == GATE_PASS)
        verdict = check_hops(datagram);
    if (verdict == GATE_PASS)
        verdict = check_member(gate, datagram, out);
    if (verdict == GATE_PASS)
        verdict = check_signature(gate, &decoded.message, datagram);
    if (verdict == GATE_PASS)
        verdict = check_identity(gate, &decoded.head, datagram, out);
    if (verdict == GATE_PASS)
        verdict = check_rules(gate, datagram, out);
    return verdict;
}

enum gate_verdict advert_gate_judge(struct advert_gate *gate, struct span bytes,
                                    struct advert_datagram *datagram, struct ballot *out)
{
    enum gate_verdict verdict;

    MUST_BE(gate, ADVERT_GATE_MAGIC);
    *datagram = (struct advert_datagram){
        .from = datagram->from, .to_group = datagram->to_group, .hops = datagram->hops};
    *out->tier = *out->node = '\0';
    verdict = judge(gate, bytes, datagram, out);
    if (verdict == GATE_PASS) {
        address_told_over(&out->address, datagram->from.scope);
        address_told_over(&out->successor, datagram->from.scope);
    }
    gate_count_one(verdict);
    return verdict;
}

void advert_gate_log(struct advert_gate *gate, mono_t now, enum gate_verdict verdict,
                     const struct advert_datagram *datagram, const struct ballot *ballot)
{
    struct gate_line line = {.verdict = verdict,
                             .port = gate->port,
                             .message = verdict == GATE_FORM ? "?" : advert_name(ballot->kind),
                             .name = span_of(ballot->tier),
                             .from = &datagram->from,
                             .node = ballot->node,
                             .receiver = gate->node,
                             .members = gate->members,
                             .reason = datagram->reason,
                             .ruling = datagram->ruled ? &datagram->ruling : NULL};

    MUST_BE(gate, ADVERT_GATE_MAGIC);
    gate_log_datagrams(&line, now, gate->rules.rulings, RULINGS_BALLOTS, gate->floods);
}
