/* SPDX-License-Identifier: ISC */
#include "src/http_reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "src/base/must.h"
#include "src/clock.h"

void reply_begin(struct reply *reply, struct request *r, unsigned status)
{
    reply->request = r;
    reply->status = status;
    reply->vouched = false;
    reply->count = 0;
    reply->text = TEXT_OVER(reply->memory);
}

/* Values stand in `memory`, each behind the last one's NUL. */
static void take_value(struct reply *reply, const char *name, size_t begin)
{
    MUST(reply->count < REPLY_HEADERS_MAX);
    reply->headers[reply->count].name = name;
    reply->headers[reply->count++].value = reply->memory + begin;
    text_putc(&reply->text, '\0');
    MUST(!reply->text.full);
}

void reply_add(struct reply *reply, const char *name, const char *value)
{
    size_t begin = reply->text.len;

    text_puts(&reply->text, value);
    take_value(reply, name, begin);
}

void reply_addf(struct reply *reply, const char *name, const char *format, ...)
{
    size_t begin = reply->text.len;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(reply->memory + begin, sizeof(reply->memory) - begin, format, args);
    va_end(args);
    MUST(n >= 0 && (size_t)n < sizeof(reply->memory) - begin);
    reply->text.len += (size_t)n;
    take_value(reply, name, begin);
}

void reply_add_u64(struct reply *reply, const char *name, uint64_t value)
{
    size_t begin = reply->text.len;

    text_u64(&reply->text, value);
    take_value(reply, name, begin);
}

/* ---- signing ------------------------------------------------------------------------------------
 */

static const char *value_of(const struct reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->count; i++) {
        if (strcasecmp(reply->headers[i].name, name) == 0)
            return reply->headers[i].value;
    }
    return "";
}

static void sign(struct reply *reply)
{
    struct request *r = reply->request;
    struct challenge_answer answer = {.status = reply->status};
    char memory[512], nextnonce[NONCE_SIZE];
    struct text value = TEXT_OVER(memory);

    challenge_next(r->http->options.world.challenges, clock_mono(), &r->claim, nextnonce);
    for (size_t i = 0; i < challenge_answer_header_count; i++) {
        answer.values[i] = span_of(value_of(reply, challenge_answer_headers[i]));
    }
    challenge_sign_answer(request_seal(r), &answer, &r->claim, nextnonce, &value);
    MUST(!value.full);
    reply_add(reply, "Authentication-Info", memory);
}

static void add_digest(struct reply *reply, const char *bytes, size_t len)
{
    struct digest digest;
    size_t begin = reply->text.len;

    digest_of(bytes, len, &digest);
    challenge_digest_value(&digest, &reply->text);
    take_value(reply, "Content-Digest", begin);
}

/* ---- the ends -----------------------------------------------------------------------------------
 */

static bool add_headers(const struct reply *reply, struct MHD_Response *response)
{
    for (size_t i = 0; i < reply->count; i++) {
        if (MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value) !=
            MHD_YES)
            return false;
    }
    return true;
}

enum step reply_again(struct request *r, unsigned status, struct MHD_Response *response)
{
    reaper_state(r->visitor->reaped, REAPER_REPLY);
    return MHD_queue_response(r->connection, status, response) == MHD_YES ? STEP_DONE : STEP_BREAK;
}

bool reply_hand_over(struct reply *reply, struct MHD_Response *response)
{
    struct request *r = reply->request;

    reply_add(reply, "Pond-Node", r->http->node);
    if (r->ruled_out)
        reply_add(reply, GATE_REFUSED_HEADER, GATE_REFUSED_BY_RULE);
    if (r->epoch)
        reply_add_u64(reply, "Pond-Epoch", r->epoch);
    if (r->closes || atomic_load(&r->http->draining))
        reply_add(reply, MHD_HTTP_HEADER_CONNECTION, "close");
    if (r->is_signed)
        sign(reply);
    return add_headers(reply, response) && reply_again(r, reply->status, response) == STEP_DONE;
}

static enum step finish(struct reply *reply, struct MHD_Response *response)
{
    bool queued;

    if (!response)
        return STEP_BREAK;
    queued = reply_hand_over(reply, response);
    MHD_destroy_response(response);
    return queued ? STEP_DONE : STEP_BREAK;
}

/* What an answer has in memory counts until it is sent. A little does not: there are no more of
 * them than connections. */
enum { REPLY_SMALL = 4096 };
_Static_assert((int)REPLY_PIECE <= (int)HTTP_MEMORY, "no more than the connection itself has");

bool reply_take_room(struct request *r, size_t len)
{
    return portions_take(r->http->replies, share_host(&r->share), len);
}

void reply_give_room(struct request *r, size_t len)
{
    portions_give(r->http->replies, share_host(&r->share), len);
}

struct kept {
    struct request *request;
    char *bytes;
    size_t len;
};

static void drop_kept(void *arg)
{
    struct kept *kept = arg;

    reply_give_room(kept->request, kept->len);
    request_release(kept->request);
    free(kept->bytes);
    free(kept);
}

/* Takes the bytes over, for which there is room. */
static struct MHD_Response *response_of(struct request *r, char *bytes, size_t len)
{
    struct MHD_Response *response;
    struct kept *kept;

    if (len <= REPLY_SMALL) {
        response = MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
        if (!response)
            free(bytes);
        return response;
    }
    kept = malloc(sizeof(*kept));
    MUST(kept != NULL);
    *kept = (struct kept){r, bytes, len};
    request_hold(r);
    response = MHD_create_response_from_buffer_with_free_callback_cls(len, bytes, drop_kept, kept);
    if (!response)
        drop_kept(kept);
    return response;
}

static enum step from_memory(struct reply *reply, const char *type, char *bytes, size_t len)
{
    struct MHD_Response *response;

    if (len > REPLY_SMALL && !reply_take_room(reply->request, len)) {
        free(bytes);
        return reply_refuse(reply->request, 503,
                            "as many answers as this node has memory for wait for their readers");
    }
    response = response_of(reply->request, bytes, len);
    if (type)
        reply_add(reply, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (response && !reply->vouched && reply->request->is_signed)
        add_digest(reply, bytes, len);
    return finish(reply, response);
}

enum step reply_text(struct reply *reply, const char *type, const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);

    MUST(copy != NULL);
    if (len)
        memcpy(copy, bytes, len);
    return from_memory(reply, type, copy, len);
}

enum step reply_memory(struct reply *reply, const char *type, char *bytes, size_t len)
{
    return from_memory(reply, type, bytes, len);
}

enum step reply_file(struct reply *reply, int fd, uint64_t from, uint64_t len)
{
    struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(len, fd, from);

    if (!response)
        close(fd);
    return finish(reply, response);
}

static ssize_t read_nothing(void *cls, uint64_t at, char *bytes, size_t most)
{
    (void)cls, (void)at, (void)bytes, (void)most;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* libmicrohttpd takes the Content-Length of a HEAD from the response, and never calls the reader.
 */
enum step reply_empty(struct reply *reply, uint64_t length)
{
    struct MHD_Response *response =
        length ? MHD_create_response_from_callback(length, 1, read_nothing, NULL, NULL)
               : MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

    return finish(reply, response);
}

static void drop_block(void *arg)
{
    struct request *r = arg;

    reply_give_room(r, r->block);
    request_release(r);
}

enum step reply_stream(struct reply *reply, uint64_t len, MHD_ContentReaderCallback reader)
{
    struct request *r = reply->request;
    size_t block = len < REPLY_BLOCK ? (size_t)len : REPLY_BLOCK;
    struct MHD_Response *response;

    if (block <= REPLY_PIECE || !reply_take_room(r, block))
        return finish(reply, MHD_create_response_from_callback(
                                 len, block < REPLY_PIECE ? block : REPLY_PIECE, reader, r, NULL));
    request_hold(r);
    r->block = block;
    response = MHD_create_response_from_callback(len, block, reader, r, drop_block);
    if (!response)
        drop_block(r);
    return finish(reply, response);
}

enum step reply_pieces(struct reply *reply, MHD_ContentReaderCallback reader)
{
    return finish(reply, MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, REPLY_PIECE, reader,
                                                           reply->request, NULL));
}

/* ---- whole answers ------------------------------------------------------------------------------
 */

static const char plain[] = "text/plain; charset=utf-8";

static enum step say(struct reply *reply, const char *sentence)
{
    char memory[1024];
    struct text line = TEXT_OVER(memory);

    text_printf(&line, "%s\n", sentence);
    reply_add(reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (reply->status == MHD_HTTP_SERVICE_UNAVAILABLE)
        reply_add(reply, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    return reply_text(reply, plain, line.at, line.len);
}

/* Is a body under way that may be read and thrown away? One that waits for "100 Continue" is not.
 */
static bool may_swallow(const struct request *r)
{
    struct span length = request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t n;

    if (!r->has_body || r->body_over || request_header(r, MHD_HTTP_HEADER_EXPECT).at)
        return false;
    return r->visitor->control || !length.at || span_u64(length, HTTP_SWALLOW_MAX, &n);
}

enum step reply_json(struct request *r, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    struct reply reply;

    json_decref(json);
    MUST(text != NULL);
    reply_begin(&reply, r, MHD_HTTP_OK);
    reply_add(&reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return reply_memory(&reply, "application/json", text, strlen(text));
}

enum step reply_refuse(struct request *r, unsigned status, const char *sentence)
{
    struct reply reply;

    if (may_swallow(r)) {
        r->refusal = status;
        r->refusal_sentence = sentence;
        return STEP_DONE;
    }
    reply_begin(&reply, r, status);
    return say(&reply, sentence);
}

/* Any one name fits, and any two but those of which most has to be escaped. The scope of a
 * link-local address is the asker's own affair. */
enum step reply_redirect(struct request *r, const struct address *master)
{
    struct address there = *master;
    char host[ADDRESS_TEXT_SIZE];
    struct reply reply;

    if (r->head.target.len > REPLY_TARGET_MAX)
        return reply_refuse(r, MHD_HTTP_URI_TOO_LONG, "the target is longer than any name");
    there.scope = 0;
    reply_begin(&reply, r, MHD_HTTP_TEMPORARY_REDIRECT);
    reply_addf(&reply, MHD_HTTP_HEADER_LOCATION, "http://%s%s", address_text(&there, host),
               r->target_text);
    return say(&reply, "this node is not the master of the tier: ask the one in Location");
}

enum step reply_not_allowed(struct request *r, const char *allow)
{
    struct reply reply;

    r->closes = true;
    reply_begin(&reply, r, MHD_HTTP_METHOD_NOT_ALLOWED);
    reply_add(&reply, MHD_HTTP_HEADER_ALLOW, allow);
    return say(&reply, "that method is not for this");
}

enum step reply_challenge(struct request *r, bool stale, const char *sentence)
{
    struct challenge_server *challenges = r->http->options.world.challenges;
    char nonce[NONCE_SIZE];
    struct reply reply;

    reply_begin(&reply, r, MHD_HTTP_UNAUTHORIZED);
    challenge_issue(challenges, clock_mono(), nonce);
    reply_addf(&reply, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Pond nonce=\"%s\"%s", nonce,
               stale ? ", stale=true" : "");
    return say(&reply, sentence);
}

unsigned reply_not_at_hand_status(const struct request *r)
{
    if (r->circles)
        return 508;
    return r->cached_only ? 504 : 404; /* RFC 9111, 5.2.1.7 */
}

enum step reply_not_at_hand(struct request *r, enum store_status status)
{
    if (r->circles)
        return reply_refuse(r, 508, "the request has come through this node already");
    if (status == STORE_NOT_HELD)
        return reply_refuse(r, reply_not_at_hand_status(r), store_sentence(status));
    return reply_store(r, status);
}

enum step reply_store(struct request *r, enum store_status status)
{
    unsigned http = 500;

    switch (status) {
    case STORE_NOT_FOUND:
    case STORE_NOT_HELD:
        http = 404;
        break;
    case STORE_NOT_NEWER:
        http = 409;
        break;
    case STORE_CHANGED:
        http = 412;
        break;
    case STORE_WRONG:
        http = 400;
        break;
    case STORE_FULL:
        http = 507;
        break;
    case STORE_AHEAD:
    case STORE_READ_ONLY:
    case STORE_STOPPED:
        http = 503;
        break;
    default:
        break;
    }
    return reply_refuse(r, http, store_sentence(status));
}
