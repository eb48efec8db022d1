/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "src/base/must.h"
#include "src/clock.h"
#include "src/http_reply.h"

/* What stands before any answer: the request's shape, its signature, the gate; and whose it is. */

struct span request_header(const struct request *r, const char *name)
{
    return request_find(&r->head, name);
}

struct span request_via(const struct request *r)
{
    struct span via = request_header(r, MHD_HTTP_HEADER_VIA);
    bool counts = r->is_signed || gate_trusts_unsigned(r->http->options.world.gate);

    return via.at && counts ? via : span_of("");
}

bool request_arg(const struct request *r, const char *name, char *out, size_t cap)
{
    return request_query(r->query, name, out, cap);
}

bool request_has_arg(const struct request *r, const char *name)
{
    struct span query = r->query, one;

    while (query.len) {
        one = span_take(&query, '&');
        if (span_is(span_take(&one, '='), name))
            return true;
    }
    return false;
}

bool request_arg_u64(const struct request *r, const char *name, uint64_t *out)
{
    char text[32];

    *out = 0;
    return !request_arg(r, name, text, sizeof(text)) || span_u64(span_of(text), UINT64_MAX, out);
}

struct seal *request_seal(struct request *r)
{
    struct seal *seal = pthread_getspecific(r->http->seal_key);

    if (!seal) {
        seal = seal_new(r->http->options.world.keyring);
        MUST(pthread_setspecific(r->http->seal_key, seal) == 0);
    }
    return seal;
}

/* ---- shape ----------------------------------------------------------------------------------- */

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
    struct request *r = cls;

    (void)kind;
    if (r->head.count < HTTP_HEADERS_MAX)
        r->headers[r->head.count] = (struct request_header){
            {name, name_len}, span_trim((struct span){value ? value : "", value_len})};
    r->head.count++;
    return MHD_YES;
}

static bool refuse_and_close(struct request *r, unsigned status, const char *sentence)
{
    r->closes = true;
    r->has_body = false; /* how long it is, is not known: nothing of it is read */
    (void)reply_refuse(r, status, sentence);
    return false;
}

/* The strings are libmicrohttpd's, and stay until the request is over. */
bool request_read(struct request *r, const char *method, const char *version)
{
    enum request_shape shape;

    r->head.method = span_of(method);
    r->head.version = span_of(version);
    r->head.headers = r->headers;
    r->is_head = span_is(r->head.method, MHD_HTTP_METHOD_HEAD);
    MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, take_header, r);
    if (r->head.count > HTTP_HEADERS_MAX) {
        r->head.count = HTTP_HEADERS_MAX;
        return refuse_and_close(r, 431, "the request has too many headers");
    }
    shape = request_shape(&r->head, &r->has_body);
    if (shape == REQUEST_BAD_METHOD)
        (void)reply_not_allowed(r, "GET, HEAD, PUT, DELETE");
    else if (shape != REQUEST_FINE)
        (void)refuse_and_close(r, request_shape_http(shape), request_shape_sentence(shape));
    return shape == REQUEST_FINE;
}

/* ---- signature ------------------------------------------------------------------------------- */

static enum challenge_verdict check_claim(struct request *r)
{
    struct challenge_request signed_part = {.method = r->head.method, .target = r->head.target};
    size_t key;

    for (size_t i = 0; i < challenge_request_header_count; i++) {
        struct span value = request_header(r, challenge_request_headers[i]);
        signed_part.values[i] = value.at ? value : span_of("");
    }
    return challenge_check(r->http->options.world.challenges, request_seal(r), clock_mono(),
                           &signed_part, &r->claim, &key);
}

/* Who it says that it is from. Another scheme than ours says nothing to us: it counts as unsigned.
 */
enum said { SAID_NOTHING, SAID_NONSENSE, SAID_NODE };

static enum said read_claim(struct request *r)
{
    struct span value = request_header(r, MHD_HTTP_HEADER_AUTHORIZATION);

    if (!r->http->options.world.keyring || !span_begins(value, "Pond "))
        return SAID_NOTHING;
    return challenge_claim_parse(value, &r->claim) ? SAID_NODE : SAID_NONSENSE;
}

/* GATE_PASS: unsigned, or signed rightly. *stale: only its nonce is too old. */
static enum gate_verdict find_signer(struct request *r, enum said said, bool *stale)
{
    const struct keyring *keyring = r->http->options.world.keyring;

    *stale = false;
    if (said != SAID_NODE)
        return said == SAID_NOTHING ? GATE_PASS : GATE_UNSIGNED;
    if (!span_is(span_of(r->claim.domain), r->http->domain))
        return GATE_OTHER_DOMAIN;
    switch (check_claim(r)) {
    case CHALLENGE_OK:
        r->is_signed = true;
        return GATE_PASS;
    case CHALLENGE_STALE:
        *stale = true;
        return GATE_UNSIGNED;
    case CHALLENGE_REPLAYED:
        return GATE_REPLAYED;
    case CHALLENGE_WRONG:
        break;
    }
    return keyring_any(keyring) ? GATE_PASS : GATE_WRONG_KEY;
}

/* The signature covers the first of each; what else would decide beside it is nobody's word. */
static bool says_more_than_signed(const struct request *r)
{
    for (size_t i = 0; i < challenge_request_header_count; i++) {
        if (request_count(&r->head, challenge_request_headers[i]) > 1)
            return true;
    }
    return false;
}

/* ---- the gate -------------------------------------------------------------------------------- */

/* Is the request one that a person or program on this host addressed to us, and not a page of
 * another site by way of a browser, or a proxy for somebody else? */
static bool is_forwarded(const struct request *r)
{
    const struct visitor *v = r->visitor;
    char own[ADDRESS_TEXT_SIZE];
    const char *hosts[] = {r->http->node, "localhost", address_host_text(&v->to, own)};

    if (v->control)
        return false;
    return request_is_forwarded(&r->head, hosts, sizeof(hosts) / sizeof(*hosts), v->to.port);
}

/* What a refusal is, or a pass that a rule decided, is in the log. */
static void log_verdict(struct request *r, enum gate_verdict verdict, struct span name)
{
    gate_log_request(r->http->options.world.gate, clock_mono(), verdict, &r->asked, name);
}

static bool refuse_by_rule(struct request *r)
{
    gate_ruling_sentence(&r->asked.ruling, r->why);
    r->ruled_out = true;
    (void)reply_refuse(r, gate_http_status(GATE_RULE), r->why);
    return false;
}

static bool refuse(struct request *r, enum gate_verdict verdict, bool stale, struct span name)
{
    if (verdict == GATE_NOT_MEMBER)
        r->closes = true;
    if (!stale) /* an old nonce is nothing to log: the client signs anew */
        log_verdict(r, verdict, name);
    if (verdict == GATE_RULE)
        return refuse_by_rule(r);
    if (gate_http_status(verdict) == MHD_HTTP_UNAUTHORIZED)
        (void)reply_challenge(r, stale, gate_sentence(verdict));
    else
        (void)reply_refuse(r, gate_http_status(verdict), gate_sentence(verdict));
    return false;
}

/* ---- what the asker is to us ----------------------------------------------------------------- */

static bool is_monitor(const struct request *r, unsigned admit)
{
    return admit & ADMIT_MONITORS &&
           members_is_monitor(r->http->options.world.routes->members, &r->visitor->from);
}

static bool refuse_for_now(struct request *r)
{
    (void)reply_refuse(r, 503, "the tier has no master at the moment: ask again in a second");
    return false;
}

/* Let in though its address is no member's: its connection is kept, as long as it is a member. */
static void note_guest(struct request *r)
{
    struct visitor *v = r->visitor;

    pthread_mutex_lock(&r->http->guests_lock);
    v->is_guest = true;
    v->member = r->share.host;
    pthread_mutex_unlock(&r->http->guests_lock);
    r->closes = false;
}

/* Section 9. Whoever passed the gate is a member where we are in a flat mesh; where we are not, it
 * is yet to be seen, and how it stands to us. False: it was answered. */
static bool route(struct request *r, unsigned admit, struct span name)
{
    const struct gate_request *asked = &r->asked;
    struct routes_answer answer = routes_serve(r->http->options.world.routes, clock_mono(),
                                               &asked->from, asked->heard, asked->heard_count);

    if (answer.serve == ROUTE_REFUSE)
        return refuse(r, GATE_NOT_MEMBER, false, name);
    r->may_fetch = answer.serve == ROUTE_SERVE_FETCH && !r->cached_only;
    r->relations = answer.relations;
    r->share = (struct share){.kind = SHARE_MEMBER, .host = answer.host};
    memcpy(r->share.tier, answer.tier, sizeof(answer.tier));
    r->epoch = answer.epoch;
    if (r->closes)
        note_guest(r);
    if (!(admit & ADMIT_ROUTED))
        return true;
    switch (answer.serve) {
    case ROUTE_REDIRECT:
        (void)reply_redirect(r, &answer.master);
        return false;
    case ROUTE_NO_MASTER:
        return refuse_for_now(r);
    case ROUTE_REFUSE_SIBLING:
        return refuse(r, GATE_SIBLING, false, name);
    default:
        return true;
    }
}

static bool answer_to(struct request *r, unsigned admit, struct span name)
{
    r->cached_only = request_has_directive(&r->head, "only-if-cached");
    if (r->own_host) {
        r->may_fetch = !r->cached_only;
        r->share = (struct share){.kind = SHARE_OWN_HOST};
        return true;
    }
    if (!is_monitor(r, admit))
        return route(r, admit, name);
    r->share = (struct share){.kind = SHARE_MEMBER, .host = r->visitor->from};
    return true;
}

/* GATE_PASS: who signed is known, or nobody did. *stale: see find_signer. False: it was answered.
 */
static bool judge_signature(struct request *r, struct span name, enum gate_verdict *verdict,
                            bool *stale)
{
    struct gate *gate = r->http->options.world.gate;
    enum said said;

    r->closes = !gate_takes_sender(gate, &r->asked);
    said = read_claim(r);
    r->asked.node = said == SAID_NODE ? r->claim.node : NULL;
    if (r->closes && !gate_takes_sender(gate, &r->asked))
        return refuse(r, GATE_NOT_MEMBER, false, name);
    *verdict = find_signer(r, said, stale);
    if (r->is_signed && says_more_than_signed(r)) {
        (void)reply_refuse(r, 400, "a header that the signature covers stands there twice");
        return false;
    }
    r->asked.is_signed = r->is_signed;
    return true;
}

bool request_admit(struct request *r, enum gate_message message, unsigned admit, struct span name)
{
    struct gate *gate = r->http->options.world.gate;
    enum gate_verdict verdict = GATE_PASS;
    bool stale = false;

    r->asked = (struct gate_request){
        .message = message,
        .control_socket = r->visitor->control,
        .forwarded = is_forwarded(r),
        .from = r->visitor->from,
        .to = r->visitor->to,
        .monitor_may_read = admit & ADMIT_MONITORS,
        .isconf = *r->challenge,
    };
    if (!judge_signature(r, name, &verdict, &stale))
        return false;
    if (verdict == GATE_PASS)
        verdict = gate_request(gate, &r->asked, name);
    r->own_host = r->asked.own_host;
    if (verdict == GATE_PASS && admit & ADMIT_OWN_ONLY && !r->own_host)
        verdict = GATE_NOT_LOCAL;
    if (verdict != GATE_PASS)
        return refuse(r, verdict, stale, name);
    log_verdict(r, verdict, name);
    r->circles = request_is_circle(&r->head, r->http->node);
    if (!answer_to(r, admit, name))
        return false;
    r->may_fetch = r->may_fetch && !r->circles;
    return true;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool judge_name(struct request *r, enum gate_message message, struct span name)
{
    enum gate_verdict verdict =
        gate_request_for(r->http->options.world.gate, &r->asked, message, name);

    log_verdict(r, verdict, name);
    return verdict == GATE_PASS;
}

bool request_admit_name(struct request *r, enum gate_message message, struct span name)
{
    return judge_name(r, message, name) || refuse_by_rule(r);
}

bool request_may_have(struct request *r, struct span name)
{
    return judge_name(r, GATE_SENDME, name);
}

static bool shows(void *arg, struct span name)
{
    return gate_sight_shows(arg, name);
}

const struct store_sight *request_sight(struct request *r, struct request_sight *sight)
{
    gate_sight_begin(&sight->gate, r->http->options.world.gate, &r->asked);
    sight->store = (struct store_sight){shows, &sight->gate};
    return sight->gate.all ? NULL : &sight->store;
}

/* ---- whose it is ----------------------------------------------------------------------------- */

enum step request_begin(struct request *r)
{
    struct span method = r->head.method;

    if (span_begins(r->path, "/.pond/"))
        return api_begin(r);
    if (span_is(method, MHD_HTTP_METHOD_GET) || r->is_head)
        return object_begin(r);
    if (span_is(method, MHD_HTTP_METHOD_PUT))
        return put_begin(r);
    if (span_is(method, MHD_HTTP_METHOD_DELETE))
        return remove_begin(r);
    return reply_not_allowed(r, "GET, HEAD, PUT, DELETE");
}
