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
    struct rulings *rulings;
    char domain[NODE_SIZE];
    char node[NODE_SIZE];
    uint64_t boot;
    uint16_t port;
    uint16_t http_port;
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
    gate->rulings = rulings_new(options->domain);
    rulings_replace(gate->rulings, options->rules);
    MUST(span_copy(span_of(options->domain), gate->domain, sizeof(gate->domain)));
    MUST(span_copy(span_of(options->node), gate->node, sizeof(gate->node)));
    gate->boot = options->boot;
    gate->port = options->port;
    gate->http_port = options->http_port;
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
    rulings_free(gate->rulings);
    pthread_mutex_destroy(&gate->request_lock);
    free(gate);
}

void gate_change(struct gate *gate, enum auth_mode auth, bool plain_get)
{
    MUST_BE(gate, GATE_MAGIC);
    gate->auth = auth;
    gate->plain_get = plain_get;
}

void gate_set_rules(struct gate *gate, const struct rules *rules)
{
    MUST_BE(gate, GATE_MAGIC);
    rulings_replace(gate->rulings, rules);
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

const char *gate_domain(const struct gate *gate)
{
    MUST_BE(gate, GATE_MAGIC);
    return gate->domain;
}

bool gate_has_keys(const struct gate *gate)
{
    MUST_BE(gate, GATE_MAGIC);
    return gate->keyring != NULL;
}

bool gate_takes_isconf(const struct gate *gate)
{
    MUST_BE(gate, GATE_MAGIC);
    return gate->isconf;
}

uint16_t gate_port_of(const struct gate *gate, enum rule_message message)
{
    MUST_BE(gate, GATE_MAGIC);
    switch (message) {
    case RULE_WHOHAS:
    case RULE_IHAVE:
        return gate->port;
    case RULE_SENDME:
    case RULE_HEREIS:
    case RULE_PUT:
    case RULE_RM:
        return gate->http_port;
    default:
        return 0;
    }
}

struct gate_rules gate_rules_of(const struct gate *gate)
{
    MUST_BE(gate, GATE_MAGIC);
    return (struct gate_rules){gate->rulings, gate->members, gate->heard};
}

static enum gate_verdict ask_rules(const struct gate *gate, const struct gate_matter *matter,
                                   bool *ruled, struct ruling *ruling)
{
    const struct gate_rules rules = gate_rules_of(gate);

    return gate_check_rules(&rules, matter, ruled, ruling);
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static enum gate_verdict check_form(struct span bytes, bool isconf, struct message *m,
                                    struct gate_datagram *datagram, struct notice *out)
{
    enum message_verdict verdict = message_decode(bytes, m);

    if (verdict == MESSAGE_OK && isconf && notice_is_isconf(m))
        verdict = notice_read_isconf(m, out);
    else if (verdict == MESSAGE_OK)
        verdict = notice_read(m, out);
    if (verdict == MESSAGE_OK)
        return GATE_PASS;
    datagram->reason = message_verdict_sentence(verdict);
    return GATE_FORM;
}

static enum gate_verdict check_signature(struct gate *gate, const struct message *m,
                                         const struct notice *notice,
                                         struct gate_datagram *datagram)
{
    return gate_check_signature(gate->seal, gate->keyring, gate->auth, m, notice->isconf,
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

static enum gate_verdict check_rules(const struct gate *gate, const struct notice *notice,
                                     struct gate_datagram *datagram)
{
    const struct gate_matter matter = {.from = datagram->from,
                                       .node = notice->sender.node,
                                       .is_signed = datagram->is_signed,
                                       .port = gate->port,
                                       .message =
                                           notice->kind == NOTICE_WHOHAS ? RULE_WHOHAS : RULE_IHAVE,
                                       .name = span_of(notice->name)};

    return ask_rules(gate, &matter, &datagram->ruled, &datagram->ruling);
}

/* Cheapest check first; each is asked only where the one before let it in. */
static enum gate_verdict judge_datagram(struct gate *gate, mono_t now, struct span bytes,
                                        struct gate_datagram *datagram, struct notice *out)
{
    struct message m;
    enum gate_verdict verdict = check_form(bytes, gate->isconf, &m, datagram, out);

    if (verdict == GATE_PASS && !members_take_datagram(gate->members, &datagram->from))
        verdict = GATE_NOT_MEMBER;
    if (verdict == GATE_PASS)
        verdict = check_signature(gate, &m, out, datagram);
    if (verdict == GATE_PASS && !out->isconf)
        verdict = check_sender(gate, &out->sender, datagram);
    if (verdict == GATE_PASS)
        verdict = check_name(gate, out, datagram);
    if (verdict == GATE_PASS && !out->isconf)
        verdict = check_address(&out->sender, datagram);
    if (verdict == GATE_PASS && !out->isconf)
        verdict = check_replay(gate, now, &out->sender, datagram);
    if (verdict == GATE_PASS)
        verdict = check_rules(gate, out, datagram);
    return verdict;
}

/* By what it says itself where nobody signs. A rule may name whom it keeps out: it is noted, too.
 */
static void note_heard(const struct gate *gate, enum gate_verdict verdict,
                       const struct gate_datagram *datagram, const struct notice_sender *sender)
{
    if ((verdict == GATE_PASS || verdict == GATE_RULE) && *sender->node &&
        (datagram->is_signed || !gate->keyring))
        heard_note(gate->heard, span_of(sender->node), &datagram->from);
}

enum gate_verdict gate_datagram(struct gate *gate, mono_t now, struct span bytes,
                                struct gate_datagram *datagram, struct notice *out)
{
    enum gate_verdict verdict;

    MUST_BE(gate, GATE_MAGIC);
    *datagram = (struct gate_datagram){.from = datagram->from};
    *out->name = *out->sender.node = '\0';
    verdict = judge_datagram(gate, now, bytes, datagram, out);
    note_heard(gate, verdict, datagram, &out->sender);
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

/* An ISconf host signs no request. Where any key holder may ask, one has shown a key by what it
 * said before. */
static bool admits_isconf(const struct gate *gate, const struct gate_request *request)
{
    size_t key = 0;

    return gate->isconf && request->isconf &&
           (members_hold(gate->members, &request->from) ||
            (signers_find(gate->signers, &request->from, &key) && key));
}

/* The rows are those of the header, in their order. */
static enum gate_verdict judge_request(const struct gate *gate, const struct gate_request *request)
{
    bool changes = request->message == GATE_PUT || request->message == GATE_RM ||
                   request->message == GATE_CONTROL;

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
    return admits_isconf(gate, request) ? GATE_PASS : GATE_UNSIGNED;
}

static enum rule_message rule_message_of(enum gate_message message)
{
    switch (message) {
    case GATE_SENDME:
        return RULE_SENDME;
    case GATE_PUT:
        return RULE_PUT;
    case GATE_RM:
        return RULE_RM;
    case GATE_WHOHAS:
        return RULE_WHOHAS;
    case GATE_READ_API:
    case GATE_CONTROL:
        break;
    }
    return RULE_ANY_MESSAGE;
}

/* Whoever wants a node to do something wants it for itself. */
static struct gate_matter matter_of(const struct gate_request *request, enum gate_message message,
                                    struct span name)
{
    return (struct gate_matter){.from = request->from,
                                .node = request->is_signed ? request->node : NULL,
                                .is_signed = request->is_signed && message != GATE_CONTROL,
                                .also = request->heard,
                                .also_count = request->heard_count,
                                .port = request->to.port,
                                .message = rule_message_of(message),
                                .name = name};
}

enum gate_verdict gate_request_for(struct gate *gate, struct gate_request *request,
                                   enum gate_message message, struct span name)
{
    const struct gate_matter matter = matter_of(request, message, name);

    MUST_BE(gate, GATE_MAGIC);
    request->message = message;
    request->ruled = false;
    return request->own_host ? GATE_PASS
                             : ask_rules(gate, &matter, &request->ruled, &request->ruling);
}

enum gate_verdict gate_request(struct gate *gate, struct gate_request *request, struct span name)
{
    enum gate_verdict verdict;

    MUST_BE(gate, GATE_MAGIC);
    MUST(!request->is_signed || (gate->keyring && request->node));
    request->own_host = is_own_host(gate, request);
    request->heard_count = request->is_signed ? places_of(gate, request->node, request->heard) : 0;
    request->ruled = false;
    verdict = judge_request(gate, request);
    if (verdict == GATE_PASS)
        verdict = gate_request_for(gate, request, request->message, name);
    if (verdict == GATE_PASS)
        gate_count_one(verdict); /* refusals are counted as they are logged */
    return verdict;
}

void gate_sight_begin(struct gate_sight *sight, const struct gate *gate,
                      const struct gate_request *request)
{
    const struct gate_rules rules = gate_rules_of(gate);
    const struct gate_matter matter = matter_of(request, GATE_SENDME, span_of(""));
    struct gate_rules_names names;

    sight->gate = gate;
    sight->all = request->own_host || !rulings_any(rules.rulings);
    if (sight->all)
        return;
    sight->edition = rulings_edition(rules.rulings);
    gate_rules_case(&rules, &matter, &names, &sight->about);
    for (size_t i = 0; i < sight->about.node_count; i++)
        MUST(span_copy(span_of(sight->about.nodes[i]), sight->nodes[i], sizeof(sight->nodes[i])));
}

bool gate_sight_shows(const struct gate_sight *sight, struct span name)
{
    struct rule_case about;
    struct ruling ruling;

    if (sight->all)
        return true;
    about = sight->about;
    about.name = name;
    for (size_t i = 0; i < about.node_count; i++)
        about.nodes[i] = sight->nodes[i];
    return !rulings_find(sight->gate->rulings, &about, &ruling) || ruling.passes;
}

bool gate_sight_same(const struct gate_sight *a, const struct gate_sight *b)
{
    const struct rule_case *one = &a->about, *other = &b->about;

    if (a->all || b->all)
        return a->all && b->all;
    if (a->edition != b->edition || one->carries != other->carries || one->port != other->port ||
        one->node_count != other->node_count || !address_same_host(&one->from, &other->from))
        return false;
    for (size_t i = 0; i < one->node_count; i++)
        if (strcmp(a->nodes[i], b->nodes[i]) != 0)
            return false;
    return true;
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
                             .node = notice->sender.node,
                             .receiver = gate->node,
                             .members = gate->members,
                             .reason = datagram->reason,
                             .ruling = datagram->ruled ? &datagram->ruling : NULL};

    MUST_BE(gate, GATE_MAGIC);
    if (datagram->other_address)
        log_twin(gate, now, datagram, notice->sender.node);
    if (verdict != GATE_FORM)
        line.message = notice->kind == NOTICE_WHOHAS ? "whohas" : "ihave";
    gate_log_datagrams(&line, now, gate->rulings, RULINGS_MESSAGES, gate->datagram_flood);
}

static const char *message_name(enum gate_message message)
{
    static const char *const names[] = {
        [GATE_SENDME] = "sendme", [GATE_PUT] = "put",       [GATE_RM] = "rm",
        [GATE_WHOHAS] = "whohas", [GATE_READ_API] = "read", [GATE_CONTROL] = "control",
    };

    return names[message];
}

/* Is it worth a line now? */
static bool pass_request_flood(struct gate *gate, mono_t now, struct gate_line *line)
{
    bool pass;

    if (line->ruling)
        return rulings_hit(gate->rulings, now, line->ruling, RULINGS_MESSAGES, &line->missed);
    pthread_mutex_lock(&gate->request_lock);
    pass = log_flood_pass(&gate->request_flood[line->verdict], now, &line->missed);
    pthread_mutex_unlock(&gate->request_lock);
    return pass;
}

void gate_log_request(struct gate *gate, mono_t now, enum gate_verdict verdict,
                      const struct gate_request *request, struct span name)
{
    bool ruled = request->ruled && (verdict == GATE_PASS || verdict == GATE_RULE);
    struct gate_line line = {.verdict = verdict,
                             .port = request->to.port,
                             .message = message_name(request->message),
                             .name = name,
                             .from = &request->from,
                             .node = request->is_signed ? request->node : NULL,
                             .receiver = gate->node,
                             .members = gate->members,
                             .ruling = ruled ? &request->ruling : NULL};

    MUST_BE(gate, GATE_MAGIC);
    if (verdict != GATE_PASS)
        gate_count_one(verdict);
    if ((verdict != GATE_PASS || ruled) && pass_request_flood(gate, now, &line))
        gate_log_line(&line);
}

/* ---- what others answer ---------------------------------------------------------------------- */

bool gate_takes_answer(struct gate *gate, mono_t now, enum rule_message message,
                       const struct address *server, struct span name)
{
    const struct gate_matter matter = {
        .from = *server, .port = gate->http_port, .message = message, .name = name};
    struct ruling ruling;
    bool ruled;
    enum gate_verdict verdict = ask_rules(gate, &matter, &ruled, &ruling);
    struct gate_line line = {.verdict = verdict,
                             .port = gate->http_port,
                             .message = rule_message_name(message),
                             .name = name,
                             .from = server,
                             .receiver = gate->node,
                             .members = gate->members,
                             .ruling = &ruling};

    if (verdict != GATE_PASS)
        gate_count_one(verdict);
    if (ruled && rulings_hit(gate->rulings, now, &ruling, RULINGS_MESSAGES, &line.missed))
        gate_log_line(&line);
    return verdict == GATE_PASS;
}
