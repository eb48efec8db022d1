/* SPDX-License-Identifier: ISC */
#include "src/fetch_inner.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/base/must.h"
#include "src/clock.h"
#include "src/gate.h"

enum {
    BUFFER_BYTES = 512 * 1024,
    SMALL_BUFFER_BYTES = 16 * 1024,
    FRAMED_BUFFER_BYTES = 64 * 1024,
    BODY_FIRST_CAP = 4096,
    REFUSAL_MAX = 64 * 1024 /* bytes of a body that only explains */
};

static struct fetch_verdict verdict_of(enum fetch_result result, enum peer_fault fault,
                                       const char *why)
{
    return (struct fetch_verdict){result, fault, why};
}

static void settle(struct transfer *transfer, struct fetch_verdict verdict)
{
    transfer->verdict = verdict;
    transfer->judged = true;
}

/* ---- the head of the answer ----------------------------------------------------------------- */

bool fetch_wants_signature(const struct fetch *fetch)
{
    return fetch->seal && fetch->sign && fetch->must_be_signed &&
           !keyring_any(fetch->options.keyring);
}

static bool learn(struct transfer *transfer, struct span value)
{
    char server[ADDRESS_TEXT_SIZE];

    address_text(&transfer->request->answered, server);
    return value.at != NULL && challenge_learn(transfer->fetch->challenges, span_of(server), value);
}

static struct fetch_verdict judge_401(struct transfer *transfer)
{
    struct fetch *fetch = transfer->fetch;
    struct span value;

    if (!fetch->seal || !fetch->sign)
        return verdict_of(FETCH_FAULT, PEER_REFUSES, "it wants signatures, and we sign nothing");
    if (transfer->tries == FETCH_SIGN_TRIES)
        return verdict_of(FETCH_FAULT, PEER_REFUSES, "it does not take our signature");
    if (!fetch_answer_header(&transfer->answer, "www-authenticate", &value) ||
        !learn(transfer, value))
        return verdict_of(FETCH_FAULT, PEER_REFUSES, "401 without a challenge of ours");
    transfer->again = true;
    return verdict_of(FETCH_BUSY, PEER_FINE, "it wants a signature");
}

static struct fetch_verdict judge_signature(struct transfer *transfer)
{
    const struct fetch_answer *answer = &transfer->answer;
    struct fetch_verdict good = verdict_of(FETCH_OK, PEER_FINE, "");
    bool must = fetch_wants_signature(transfer->fetch) && fetch_answer_needs_signature(answer);
    struct challenge_answer signed_part;
    struct span info;

    if (!fetch_answer_header(answer, "authentication-info", &info))
        return verdict_of(FETCH_FAULT, PEER_WRONG_ANSWER, "Authentication-Info is there twice");
    if (must && (info.at == NULL || !transfer->was_signed))
        return verdict_of(FETCH_FAULT, PEER_UNSIGNED_ANSWER, "its answer is not signed");
    if (info.at == NULL || !transfer->was_signed)
        return good;
    if (!fetch_answer_signed_part(answer, &signed_part))
        return verdict_of(FETCH_FAULT, PEER_WRONG_ANSWER, "a header that decides is there twice");
    if (!challenge_check_answer(transfer->fetch->seal, &signed_part, &transfer->claim, info))
        return verdict_of(FETCH_FAULT, PEER_UNSIGNED_ANSWER,
                          "signed with none of our keys, or changed since");
    learn(transfer, info);
    return good;
}

/* Content is vouched for by its manifest; any other body by Content-Digest, which is signed. */
static struct fetch_verdict judge_digest(struct transfer *transfer)
{
    struct span value;

    if (!fetch_answer_header(&transfer->answer, "content-digest", &value))
        return verdict_of(FETCH_FAULT, PEER_WRONG_ANSWER, "Content-Digest is there twice");
    if (transfer->request->content)
        return verdict_of(FETCH_OK, PEER_FINE, "");
    if (value.at == NULL && fetch_wants_signature(transfer->fetch))
        return verdict_of(FETCH_FAULT, PEER_UNSIGNED_ANSWER, "its body is not signed");
    if (value.at == NULL)
        return verdict_of(FETCH_OK, PEER_FINE, "");
    if (!challenge_digest_parse(value, &transfer->promised))
        return verdict_of(FETCH_FAULT, PEER_WRONG_ANSWER, "Content-Digest is malformed");
    transfer->digester = digester_begin();
    return verdict_of(FETCH_OK, PEER_FINE, "");
}

/* One redirect is followed, to a candidate that we know; what it answers is final. */
static struct fetch_verdict judge_redirect(struct transfer *transfer)
{
    const struct fetch_options *options = &transfer->fetch->options;

    if (!fetch_answer_location(&transfer->answer, transfer->request, &transfer->goal))
        return verdict_of(FETCH_FAULT, PEER_WRONG_ANSWER, "its redirect leads nowhere");
    if (transfer->redirected || transfer->request->stay || !options->may_follow ||
        !options->may_follow(options->arg, &transfer->request->server, &transfer->goal) ||
        !transfer_takes(transfer, &transfer->goal))
        return verdict_of(FETCH_BUSY, PEER_FINE, "it sends us where we do not go");
    transfer->redirected = transfer->again = true;
    return verdict_of(FETCH_BUSY, PEER_FINE, "it sends us to the master");
}

static struct fetch_verdict judge_head(struct transfer *transfer)
{
    struct fetch_verdict verdict;

    if (transfer->request->challenge[0])
        return fetch_isconf_judge(transfer);
    if (transfer->answer.status == 401)
        return judge_401(transfer);
    verdict = judge_signature(transfer);
    if (verdict.result == FETCH_OK && transfer->answer.status == 307)
        return judge_redirect(transfer);
    if (verdict.result == FETCH_OK)
        verdict = fetch_answer_judge(&transfer->answer, transfer->request, &transfer->length);
    if (verdict.result == FETCH_OK)
        verdict = judge_digest(transfer);
    return verdict;
}

/* curl's header callback: any other number than `size * count` ends the transfer. */
static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    bool was_whole = transfer->answer.whole;

    MUST_BE(transfer, TRANSFER_MAGIC);
    if (!fetch_answer_line(&transfer->answer, (struct span){line, size * count})) {
        settle(transfer, verdict_of(FETCH_FAULT, PEER_WRONG_ANSWER, "the head makes no sense"));
        return 0;
    }
    if (transfer->answer.whole && !was_whole) {
        settle(transfer, judge_head(transfer));
        if (transfer->verdict.result == FETCH_FAULT)
            return 0;
    }
    return size * count;
}

/* ---- the body of the answer ----------------------------------------------------------------- */

static void collect(struct transfer *transfer, const void *bytes, size_t len)
{
    struct fetch_request *request = transfer->request;
    size_t need = request->body_len + len + 1;

    if (need > transfer->body_cap) {
        size_t cap = transfer->body_cap ? transfer->body_cap : BODY_FIRST_CAP;
        while (cap < need)
            cap *= 2;
        request->body = realloc(request->body, cap);
        MUST(request->body != NULL);
        transfer->body_cap = cap;
    }
    memcpy(request->body + request->body_len, bytes, len);
    request->body_len += len;
    request->body[request->body_len] = '\0';
}

static bool take(struct transfer *transfer, const void *bytes, size_t len)
{
    struct fetch_request *request = transfer->request;

    if (transfer->got > request->most) {
        settle(transfer, verdict_of(FETCH_FAULT, PEER_ENDLESS_BODY, "more than there can be"));
        return false;
    }
    if (transfer->digester)
        digester_add(transfer->digester, bytes, len);
    if (!request->take) {
        collect(transfer, bytes, len);
        return true;
    }
    if (request->take(request, bytes, len))
        return true;
    settle(transfer, verdict_of(FETCH_FAULT, request->fault, "its body is not what it should be"));
    return false;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * count;
    bool go_on;

    MUST_BE(transfer, TRANSFER_MAGIC);
    MUST(transfer->judged);
    transfer->got += len;
    if (transfer->cancelled)
        return 0;
    if (transfer->verdict.result != FETCH_OK)
        go_on = transfer->got <= REFUSAL_MAX;
    else
        go_on = take(transfer, bytes, len) && !transfer->cancelled;
    return go_on ? len : 0;
}

/* ---- where it goes --------------------------------------------------------------------------- */

/* A new socket of curl's, before it connects: it speaks from the address that the nets files have
 * for us there. Where that cannot be, the kernel chooses. */
static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    struct transfer *transfer = arg;
    const struct fetch_options *options = &transfer->fetch->options;
    struct address from;
    union sockaddr_any any;
    char text[ADDRESS_TEXT_SIZE];

    (void)purpose;
    MUST_BE(transfer, TRANSFER_MAGIC);
    if (!options->source_for ||
        !options->source_for(options->arg, &transfer->request->answered, &from))
        return CURL_SOCKOPT_OK;
    from.port = 0;
    if (bind(fd, &any.any, address_to_socket(&from, &any)) != 0)
        log_warn("fetch: cannot speak from %s: %s", address_host_text(&from, text),
                 strerror(errno));
    return CURL_SOCKOPT_OK;
}

#define SET(easy, option, value) MUST(curl_easy_setopt(easy, option, value) == CURLE_OK)

static void set_address(struct transfer *transfer)
{
    const struct fetch_request *request = transfer->request;
    struct address plain = request->answered;
    char host[ADDRESS_TEXT_SIZE], memory[FETCH_TARGET_SIZE + ADDRESS_TEXT_SIZE + 16];
    struct text url = TEXT_OVER(memory);

    plain.scope = 0; /* has an option of its own */
    text_printf(&url, "http://%s%s", address_text(&plain, host), request->target);
    MUST(!url.full && request->target[0] == '/');
    SET(transfer->easy, CURLOPT_URL, url.at);
    SET(transfer->easy, CURLOPT_ADDRESS_SCOPE, (long)request->answered.scope);
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Did all come that was promised, and is it that? */
static struct fetch_verdict judge_body(struct transfer *transfer)
{
    const struct fetch_request *request = transfer->request;
    struct digest digest;

    if (request->range && transfer->got != request->to - request->from + 1)
        return verdict_of(FETCH_FAULT, PEER_SHORT_BODY, "its body is shorter than the range");
    if (transfer->digester) {
        digester_end(transfer->digester, &digest);
        transfer->digester = NULL;
        if (!digest_same(&digest, &transfer->promised))
            return verdict_of(FETCH_FAULT, PEER_WRONG_ANSWER, "its body is not its digest's");
    } else if (!request->range && !request->framed && transfer->length == UINT64_MAX) {
        return verdict_of(FETCH_FAULT, PEER_WRONG_ANSWER, "its body has neither length nor digest");
    }
    return verdict_of(FETCH_OK, PEER_FINE, "");
}

static bool was_sent(const struct transfer *transfer)
{
    long bytes = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes > 0;
}

/* What befell the connection. */
static struct fetch_verdict judge_code(const struct transfer *transfer, CURLcode code)
{
    const char *why = transfer->error[0] ? transfer->error : curl_easy_strerror(code);
    enum peer_fault fault;

    switch (code) {
    case CURLE_COULDNT_CONNECT:
        fault = PEER_UNREACHABLE;
        break;
    case CURLE_OPERATION_TIMEDOUT:
        fault = was_sent(transfer) ? PEER_SILENT : PEER_UNREACHABLE;
        break;
    case CURLE_GOT_NOTHING:
        fault = PEER_SILENT;
        break;
    case CURLE_PARTIAL_FILE:
        fault = PEER_SHORT_BODY;
        break;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        fault = transfer->judged ? PEER_SHORT_BODY : PEER_UNREACHABLE;
        break;
    case CURLE_OUT_OF_MEMORY: /* curl's word for a line of a head beyond 100 KiB */
        fault = PEER_WRONG_ANSWER;
        why = "the head is too long";
        break;
    default:
        fault = PEER_WRONG_ANSWER;
    }
    return verdict_of(FETCH_FAULT, fault, why);
}

static void ask_another(struct transfer *transfer)
{
    transfer->request->answered = transfer->goal;
    transfer->tries = 0; /* its nonces are others */
    set_address(transfer);
}

static void again(struct transfer *transfer)
{
    if (transfer->answer.status == 307)
        ask_another(transfer);
    else
        transfer->tries++;
    transfer->again = transfer->judged = false;
    transfer->got = 0;
    fetch_answer_begin(&transfer->answer);
    transfer_write_headers(transfer);
    MUST(curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK);
    MUST(curl_multi_add_handle(transfer->fetch->multi, transfer->easy) == CURLM_OK);
    transfer->added = true;
}

static void take_off(struct transfer *transfer)
{
    if (transfer->added)
        curl_multi_remove_handle(transfer->fetch->multi, transfer->easy);
    transfer->added = false;
}

/* Nothing of the transfer is left in its handle. */
static void give_back(struct transfer *transfer)
{
    if (!transfer->easy)
        return;
    take_off(transfer);
    SET(transfer->easy, CURLOPT_HTTPHEADER, NULL);
    SET(transfer->easy, CURLOPT_ERRORBUFFER, NULL);
    SET(transfer->easy, CURLOPT_PRIVATE, NULL);
    fetch_loop_give(transfer->fetch, transfer->easy);
}

void transfer_ended(struct transfer *transfer, CURLcode code)
{
    take_off(transfer);
    if (transfer->cancelled)
        transfer_finish(transfer, verdict_of(FETCH_CANCELLED, PEER_FINE, ""));
    else if (transfer->judged && transfer->again && !transfer_allowed(transfer))
        transfer_finish(transfer, verdict_of(FETCH_BARRED, PEER_REFUSES, ""));
    else if (transfer->judged && transfer->again)
        again(transfer);
    else if (transfer->judged && transfer->verdict.result != FETCH_OK)
        transfer_finish(transfer, transfer->verdict);
    else if (code != CURLE_OK)
        transfer_finish(transfer, judge_code(transfer, code));
    else
        transfer_finish(transfer, judge_body(transfer));
}

void transfer_unlink(struct transfer *transfer)
{
    if (!transfer->linked)
        return;
    if (transfer->prev)
        transfer->prev->next = transfer->next;
    else if (transfer->fetch->transfers == transfer)
        transfer->fetch->transfers = transfer->next;
    if (transfer->next)
        transfer->next->prev = transfer->prev;
    transfer->prev = transfer->next = NULL;
    transfer->linked = false;
}

static void transfer_free(struct transfer *transfer)
{
    if (transfer->batch)
        batch_leave(transfer);
    transfer_unlink(transfer);
    give_back(transfer);
    curl_slist_free_all(transfer->headers);
    digester_drop(transfer->digester);
    transfer->magic = 0;
    free(transfer);
}

static void hand_out_body(struct transfer *transfer, enum fetch_result result)
{
    struct fetch_request *request = transfer->request;

    if (request->take)
        return;
    if (result == FETCH_OK) {
        collect(transfer, "", 0);
        return;
    }
    free(request->body);
    request->body = NULL;
    request->body_len = 0;
}

void transfer_finish(struct transfer *transfer, struct fetch_verdict verdict)
{
    struct fetch_request *request = transfer->request;

    request->status = transfer->answer.status;
    request->result = verdict.result;
    request->fault = verdict.fault;
    request->inner = NULL;
    hand_out_body(transfer, verdict.result);
    fetch_log(transfer, verdict);
    transfer_free(transfer);
    request->done(request); /* the request may be gone after this */
}

/* ---- the beginning -------------------------------------------------------------------------- */

void transfer_set_up(CURL *easy)
{
    SET(easy, CURLOPT_PROTOCOLS_STR, "http");
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(easy, CURLOPT_PROXY, "");
    SET(easy, CURLOPT_PATH_AS_IS, 1L);
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_LOW_SPEED_LIMIT, (long)FETCH_STALL_BYTES);
    SET(easy, CURLOPT_MAXAGE_CONN, (long)FETCH_IDLE_S);
    SET(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
}

static void set_limits(struct transfer *transfer)
{
    const struct fetch_options *options = &transfer->fetch->options;
    CURL *easy = transfer->easy;
    bool is_small = transfer->request->most <= SMALL_BUFFER_BYTES;
    bool has_end = !transfer->request->take || transfer->request->framed;
    long collect_s = options->collect_s ? options->collect_s : FETCH_COLLECT_S;
    long buffer = transfer->request->framed ? FRAMED_BUFFER_BYTES : BUFFER_BYTES;

    SET(easy, CURLOPT_BUFFERSIZE, is_small ? (long)SMALL_BUFFER_BYTES : buffer);
    SET(easy, CURLOPT_CONNECTTIMEOUT_MS,
        (long)(options->connect_ms ? options->connect_ms : FETCH_CONNECT_MS));
    SET(easy, CURLOPT_LOW_SPEED_TIME, (long)(options->stall_s ? options->stall_s : FETCH_STALL_S));
    SET(easy, CURLOPT_TIMEOUT, has_end ? collect_s : 0L);
}

static void set_callbacks(struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    SET(easy, CURLOPT_PRIVATE, transfer);
    SET(easy, CURLOPT_SOCKOPTDATA, transfer);
    SET(easy, CURLOPT_HEADERDATA, transfer);
    SET(easy, CURLOPT_WRITEDATA, transfer);
    SET(easy, CURLOPT_ERRORBUFFER, transfer->error);
    SET(easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static enum route_ask ask_now(const struct transfer *transfer)
{
    const struct fetch_options *options = &transfer->fetch->options;

    return options->may_ask ? options->may_ask(options->arg, &transfer->request->answered)
                            : ROUTE_ASK_ANY;
}

bool transfer_takes(const struct transfer *transfer, const struct address *server)
{
    const struct fetch_options *options = &transfer->fetch->options;
    const char *name = transfer->request->of;

    return !name || !options->gate ||
           gate_takes_answer(options->gate, clock_mono(), RULE_HEREIS, server, span_of(name));
}

bool transfer_admit(struct transfer *transfer)
{
    transfer->ask = ask_now(transfer);
    return transfer->ask <= ROUTE_ASK_HELD &&
           transfer_takes(transfer, &transfer->request->answered);
}

bool transfer_allowed(const struct transfer *transfer)
{
    const struct fetch_options *options = &transfer->fetch->options;

    if (transfer->redirected)
        return options->may_follow(options->arg, &transfer->request->server, &transfer->goal);
    return ask_now(transfer) <= transfer->ask;
}

struct transfer *transfer_new(struct fetch *fetch, struct fetch_request *request)
{
    struct transfer *transfer = malloc(sizeof(*transfer));

    MUST(transfer != NULL);
    memset(transfer, 0, offsetof(struct transfer, answer));
    fetch_answer_begin(&transfer->answer);
    transfer->magic = TRANSFER_MAGIC;
    transfer->fetch = fetch;
    transfer->request = request;
    return transfer;
}

void transfer_link(struct transfer *transfer)
{
    struct fetch *fetch = transfer->fetch;

    if (transfer->linked)
        return;
    transfer->linked = true;
    transfer->next = fetch->transfers;
    if (transfer->next)
        transfer->next->prev = transfer;
    fetch->transfers = transfer;
}

void transfer_begin(struct transfer *transfer)
{
    struct fetch *fetch = transfer->fetch;

    MUST_BE(transfer, TRANSFER_MAGIC);
    transfer_link(transfer);
    transfer->easy = fetch_loop_take(fetch);
    transfer_write_headers(transfer);
    set_address(transfer);
    set_limits(transfer);
    set_callbacks(transfer);
    MUST(curl_multi_add_handle(fetch->multi, transfer->easy) == CURLM_OK);
    transfer->added = true;
    fetch_loop_go(fetch); /* it may be over, and gone, after this */
}
