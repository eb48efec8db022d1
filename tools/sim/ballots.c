/* SPDX-License-Identifier: ISC */
#include "tools/sim/ballots.h"

#include <stdlib.h>
#include <string.h>

#include "src/advert.h"
#include "src/advert_gate.h"
#include "src/base/must.h"

struct ballot_box {
    struct seal *seal;
    struct advert_gate *gate;
};

void ballots_begin(struct sim *sim, struct sim_node *node)
{
    struct advert_gate_options options = {.members = node->members,
                                          .keyring = sim->keyring,
                                          .domain = SIM_DOMAIN,
                                          .node = node->name,
                                          .boot = node->boot,
                                          .port = SIM_ADVERT_PORT,
                                          .auth = AUTH_ENFORCE};

    node->box = calloc(1, sizeof(*node->box));
    MUST(node->box != NULL);
    node->box->seal = seal_new(sim->keyring);
    node->box->gate = advert_gate_new(&options);
}

void ballots_end(struct sim_node *node)
{
    if (!node->box)
        return;
    seal_free(node->box->seal);
    advert_gate_free(node->box->gate);
    free(node->box);
    node->box = NULL;
}

void ballots_write(struct seal *seal, const struct ballot *ballot, const char *domain, wall_t date,
                   struct text *out)
{
    advert_write(ballot, domain, date, out);
    seal_message(seal, out, false);
    MUST(!out->full);
}

void ballots_say(struct sim_node *node, const struct ballot *ballot, wall_t date, struct text *out)
{
    ballots_write(node->box->seal, ballot, SIM_DOMAIN, date, out);
}

uint64_t ballots_id(struct span bytes)
{
    static const char mac[] = "\nhmac256:";
    const char *signature;

    span_take(&bytes, '\n');
    signature = memmem(bytes.at, bytes.len, mac, sizeof(mac) - 1);
    return sim_hash(bytes.at, signature ? (size_t)(signature - bytes.at) : bytes.len, 3);
}

/* What a planted driver lets in against the gate's verdict. */
static bool let_in_wrongly(const struct sim *sim, enum gate_verdict verdict)
{
    static const struct {
        enum gate_verdict verdict;
        enum sim_plant plant;
    } wrong[] = {
        {GATE_WRONG_KEY, SIM_TAKES_WRONG_KEYS},
        {GATE_OTHER_DOMAIN, SIM_TAKES_OTHER_DOMAINS},
        {GATE_NOT_CANDIDATE, SIM_TAKES_SLAVES_ADVERTS},
        {GATE_OFF_LINK, SIM_TAKES_FAR_ADVERTS},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (verdict == wrong[i].verdict && sim_planted(sim, wrong[i].plant))
            return true;
    return false;
}

const char *ballots_judge(struct sim *sim, struct sim_node *node, const struct sim_event *event,
                          struct ballot *ballot, bool *candidate)
{
    struct span bytes = {event->bytes, event->len};
    struct advert_datagram datagram = {
        .from = event->from, .to_group = event->to_group, .hops = event->hops};
    enum gate_verdict verdict = advert_gate_judge(node->box->gate, bytes, &datagram, ballot);
    struct message message;
    struct advert_head head;

    *candidate = datagram.candidate;
    if (verdict == GATE_PASS)
        return NULL;
    if (!let_in_wrongly(sim, verdict) || message_decode(bytes, &message) != MESSAGE_OK ||
        advert_read(&message, &head, ballot) != MESSAGE_OK)
        return gate_name(verdict);
    *candidate = true;
    return NULL;
}
