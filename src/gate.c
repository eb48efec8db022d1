/* SPDX-License-Identifier: ISC */
#include "src/gate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/gate_common.h"
#include "src/replay.h"

enum { GATE_MAGIC = 0x67617465 };

struct gate {
    unsigned magic;
    const struct members *members;
    const struct keyring *keyring;
    struct seal *seal; /* the datagrams' thread's; NULL without keys */
    struct replay *replay;
    struct heard *heard;
    struct signers *signers; /* NULL without keys */
    char domain[NODE_SIZE];
    char node[NODE_SIZE];
    uint64_t boot;
    uint16_t port;
    _Atomic enum auth_mode auth;
    _Atomic bool plain_get;
    bool isconf;
    struct log_flood datagram_flood[GATE_VERDICT_COUNT];
    struct log_flood twin_flood;
    pthread_mutex_t request_lock; /* guards request_flood */
    struct log_flood request_flood[GATE_VERDICT_COUNT];
};

struct gate *gate_new(const struct gate_options *options)
{
    struct gate *gate = calloc(1, sizeof(*gate));

    MUST(gate != NULL);
    gate->magic = GATE_MAGIC;
    gate->members = options->members;
    gate->keyring = options->keyring;
    gate->seal = options->keyring ? seal_new(options->keyring) : NULL;
    gate->replay = replay_new();
    gate->heard = heard_new();
    gate->signers = options->keyring ? signers_new(options->keyring) : NULL;
    MUST(span_copy(span_of(options->domain), gate->domain, sizeof(gate->domain)));
    MUST(span_copy(span_of(options->node), gate->node, sizeof(gate->node)));
    gate->boot = options->boot;
    gate->port = options->port;
    gate->auth = options->auth;
    gate->plain_get = options->plain_get;
    gate->isconf = options->isconf;
    MUST(pthread_mutex_init(&gate->request_lock, NULL) == 0);
    return gate;
}

void gate_free(struct gate *gate)
{
    if (!gate)
        return;
    MUST_BE(gate, GATE_MAGIC);
    gate->magic = 0;
    seal_free(gate->seal);
    replay_free(gate->replay);
    heard_free(gate->heard);
    signers_free(gate->signers);
    pthread_mutex_destroy(&gate->request_lock);
    free(gate);
}

void gate_change(struct gate *gate, enum auth_mode auth, bool plain_get)
{
    MUST_BE(gate, GATE_MAGIC);
    gate->auth = auth;
    gate->plain_get = plain_get;
}

struct heard *gate_heard(const struct gate *gate)
{
    MUST_BE(gate, GATE_MAGIC);
    return gate->heard;
}

struct signers *gate_signers(const struct gate *gate)
{
    MUST_BE(gate, GATE_MAGIC);
    return gate->signers;
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static enum gate_verdict check_form(struct span bytes, struct message *m,
                                    struct gate_datagram *datagram, struct notice *out)
{
    enum message_verdict verdict = message_decode(bytes, m);

    if (verdict == MESSAGE_OK)
        verdict = notice_read(m, out);
    if (verdict == MESSAGE_OK)
        return GATE_PASS;
    datagram->reason = message_verdict_sentence(verdict);
    return GATE_FORM;
}

static enum gate_verdict check_signature(struct gate *gate, const struct message *m,
                                         struct gate_datagram *datagram)
{
    return gate_check_signature(gate->seal, gate->keyring, gate->auth, m, gate->isconf,
                                &datagram->is_signed, &datagram->key);
}

static enum gate_verdict check_sender(const struct gate *gate, const struct notice_sender *sender,
                                      const struct gate_datagram *datagram)
{
    const struct gate_identity ours = {gate->domain, gate->node, gate->boot};
    const struct gate_identity theirs = {sender->domain, sender->node, sender->boot};

    return gate_check_identity(&ours, gate->members, &theirs, &datagram->from);
}

/* Before it is noted as said: what somebody sends again from elsewhere must not be in its way. */
static enum gate_verdict check_address(const struct notice_sender *sender,
                                       const struct gate_datagram *datagram)
{
    return notice_is_misplaced(sender, &datagram->from) ? GATE_OTHER_ADDRESS : GATE_PASS;
}

static enum gate_verdict check_replay(struct gate *gate, mono_t now,
                                      const struct notice_sender *sender,
                                      struct gate_datagram *datagram)
{
    enum replay_verdict verdict =
        replay_take(gate->replay, now, span_of(sender->node), sender->boot, sender->counter,
                    &datagram->from, &datagram->other);

    datagram->other_address =
        verdict == REPLAY_OLD_BOOT && !address_same_host(&datagram->other, &datagram->from);
    return verdict == REPLAY_FRESH ? GATE_PASS : GATE_REPLAYED;
}

static enum gate_verdict check_name(const struct gate *gate, const struct notice *notice,
                                    struct gate_datagram *datagram)
{
    enum name_verdict verdict = name_check(span_of(notice->name), gate->domain);

    if (verdict == NAME_OK)
        return GATE_PASS;
    datagram->reason = name_sentence(verdict);
    return GATE_NAME;
}

/* Cheapest check first; each is asked only where the one before let it in. */
static enum gate_verdict judge_datagram(struct gate *gate, mono_t now, struct span bytes,
                                        struct gate_datagram *datagram, struct notice *out)
{
    struct message m;
    enum gate_verdict verdict = check_form(bytes, &m, datagram, out);

    if (verdict == GATE_PASS && !members_take_datagram(gate->members, &datagram->from))
        verdict = GATE_NOT_MEMBER;
    if (verdict == GATE_PASS)
        verdict = check_signature(gate, &m, datagram);
    if (verdict == GATE_PASS)
        verdict = check_sender(gate, &out->sender, datagram);
    if (verdict == GATE_PASS)
        verdict = check_name(gate, out, datagram);
    if (verdict == GATE_PASS)
        verdict = check_address(&out->sender, datagram);
    if (verdict == GATE_PASS)
        verdict = check_replay(gate, now, &out->sender, datagram);
    return verdict;
}

enum gate_verdict gate_datagram(struct gate *gate, mono_t now, struct span bytes,
                                struct gate_datagram *datagram, struct notice *out)
{
    enum gate_verdict verdict;

    MUST_BE(gate, GATE_MAGIC);
    *datagram = (struct gate_datagram){.from = datagram->from};
    *out->name = *out->sender.node = '\0';
    verdict = judge_datagram(gate, now, bytes, datagram, out);
    if (verdict == GATE_PASS && datagram->is_signed)
        heard_note(gate->heard, span_of(out->sender.node), &datagram->from);
    if (verdict == GATE_PASS && gate->signers)
        signers_note(gate->signers, &datagram->from, datagram->is_signed, datagram->key);
    gate_count_one(verdict);
    return verdict;
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool is_own_host(const struct gate *gate, const struct gate_request *request)
{
    const struct address *from = &request->from;

    if (request->control_socket)
        return true;
    if (request->forwarded)
        return false;
    if (request->is_signed && strcmp(request->node, gate->node) != 0)
        return false;
    return members_is_own(gate->members, from) || address_same_host(from, &request->to) ||
           (address_is_loopback(from) && !members_have_loopback(gate->members));
}

/* Where the node was heard, as far as that is still in the nets, and not ours by now. */
static size_t places_of(const struct gate *gate, const char *node,
                        struct address out[HEARD_ADDRESSES])
{
    struct address all[HEARD_ADDRESSES];
    size_t most = node ? heard_find(gate->heard, span_of(node), all) : 0, count = 0;

    for (size_t i = 0; i < most; i++) {
        if (members_take_request(gate->members, &all[i]) && !members_is_own(gate->members, &all[i]))
            out[count++] = all[i];
    }
    return count;
}

bool gate_takes_sender(const struct gate *gate, const struct gate_request *request)
{
    struct address places[HEARD_ADDRESSES];

    return request->control_socket || is_own_host(gate, request) ||
           members_take_request(gate->members, &request->from) ||
           (request->monitor_may_read && members_is_monitor(gate->members, &request->from)) ||
           places_of(gate, request->node, places) > 0;
}

bool gate_keeps_host(const struct gate *gate, const struct address *from, const struct address *to)
{
    return gate_takes_sender(
        gate, &(struct gate_request){.from = *from, .to = *to, .monitor_may_read = true});
}

/* The rows are those of the header, in their order. */
static enum gate_verdict judge_request(const struct gate *gate, const struct gate_request *request)
{
    bool changes = request->message != GATE_SENDME && request->message != GATE_READ_API;

    if (request->control_socket)
        return GATE_PASS;
    if (request->monitor_may_read && members_is_monitor(gate->members, &request->from))
        return GATE_PASS;
    if (!request->own_host && !members_take_request(gate->members, &request->from) &&
        request->heard_count == 0)
        return GATE_NOT_MEMBER;
    if (request->is_signed)
        return GATE_PASS;
    if (changes)
        return gate->keyring ? GATE_UNSIGNED : GATE_NOT_LOCAL;
    if (request->own_host)
        return GATE_PASS;
    if (gate_unsigned_passes(gate->keyring, gate->auth))
        return GATE_PASS;
    if (gate->plain_get && members_admit_plain(gate->members, &request->from))
        return GATE_PASS;
    return GATE_UNSIGNED;
}

enum gate_verdict gate_request(struct gate *gate, struct gate_request *request)
{
    enum gate_verdict verdict;

    MUST_BE(gate, GATE_MAGIC);
    MUST(!request->is_signed || (gate->keyring && request->node));
    request->own_host = is_own_host(gate, request);
    request->heard_count = request->is_signed ? places_of(gate, request->node, request->heard) : 0;
    verdict = judge_request(gate, request);
    if (verdict == GATE_PASS)
        gate_count_one(verdict); /* refusals are counted as they are logged */
    return verdict;
}

bool gate_trusts_unsigned(const struct gate *gate)
{
    MUST_BE(gate, GATE_MAGIC);
    return gate_unsigned_passes(gate->keyring, gate->auth);
}

/* ---- the log --------------------------------------------------------------------------------- */

static void log_twin(struct gate *gate, mono_t now, const struct gate_datagram *datagram,
                     const char *node)
{
    char one[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE];
    uint64_t missed;

    if (log_flood_pass(&gate->twin_flood, now, &missed))
        log_warn("two nodes use the name %s, at %s and at %s: give one of them another (carpond "
                 "-n NAME)",
                 node, address_host_text(&datagram->other, other),
                 address_host_text(&datagram->from, one));
}

void gate_log_datagram(struct gate *gate, mono_t now, enum gate_verdict verdict,
                       const struct gate_datagram *datagram, const struct notice *notice)
{
    struct gate_line line = {.verdict = verdict,
                             .port = gate->port,
                             .message = "?",
                             .name = span_of(notice->name),
                             .from = &datagram->from,
                             .receiver = gate->node,
                             .members = gate->members,
                             .reason = datagram->reason};

    MUST_BE(gate, GATE_MAGIC);
    if (datagram->other_address)
        log_twin(gate, now, datagram, notice->sender.node);
    if (verdict == GATE_PASS || verdict == GATE_OWN_ECHO)
        return;
    if (!log_flood_pass(&gate->datagram_flood[verdict], now, &line.missed))
        return;
    if (verdict != GATE_FORM)
        line.message = notice->kind == NOTICE_WHOHAS ? "whohas" : "ihave";
    if (gate_name_is_known(verdict))
        line.node = notice->sender.node;
    gate_log_line(&line);
}

static const char *message_name(enum gate_message message)
{
    static const char *const names[] = {
        [GATE_SENDME] = "sendme", [GATE_PUT] = "put",         [GATE_RM] = "rm",
        [GATE_READ_API] = "read", [GATE_CONTROL] = "control",
    };

    return names[message];
}

void gate_log_request(struct gate *gate, mono_t now, enum gate_verdict verdict,
                      const struct gate_request *request, struct span name)
{
    struct gate_line line = {.verdict = verdict,
                             .port = request->to.port,
                             .message = message_name(request->message),
                             .name = name,
                             .from = &request->from,
                             .node = request->is_signed ? request->node : NULL,
                             .receiver = gate->node,
                             .members = gate->members};
    bool pass;

    MUST_BE(gate, GATE_MAGIC);
    gate_count_one(verdict);
    pthread_mutex_lock(&gate->request_lock);
    pass = log_flood_pass(&gate->request_flood[verdict], now, &line.missed);
    pthread_mutex_unlock(&gate->request_lock);
    if (pass)
        gate_log_line(&line);
}
