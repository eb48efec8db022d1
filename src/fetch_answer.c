/* SPDX-License-Identifier: ISC */
#include "src/fetch_answer.h"

#include <string.h>
#include <strings.h>

#include "src/base/must.h"
#include "src/gate.h"

enum { RETRY_AFTER_MAX_S = 3600 };

void fetch_answer_begin(struct fetch_answer *answer)
{
    answer->status = 0;
    answer->whole = false;
    answer->used = 0;
    answer->count = 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* "HTTP/1.1 206 Partial Content" (RFC 9112, 4) */
static bool take_status_line(struct fetch_answer *answer, struct span line)
{
    struct span version = span_take(&line, ' ');
    struct span status = span_take(&line, ' ');
    uint64_t number;

    if (!span_is(version, "HTTP/1.1") && !span_is(version, "HTTP/1.0"))
        return false;
    if (status.len != 3 || !span_u64(status, 599, &number) || number < 100)
        return false;
    answer->status = (unsigned)number;
    answer->count = 0;
    return true;
}

/* A name without blanks: "Name : x" is how two readers are made to see two things. */
static bool name_is_plain(struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.at[i] <= ' ' || name.at[i] == 0x7f)
            return false;
    }
    return name.len > 0;
}

static bool take_header(struct fetch_answer *answer, struct span line)
{
    struct fetch_header *header = &answer->headers[answer->count];
    char *copy = answer->bytes + answer->used;

    if (answer->count == FETCH_HEADERS_MAX || memchr(line.at, ':', line.len) == NULL)
        return false;
    memcpy(copy, line.at, line.len);
    line.at = copy;
    header->name = span_take(&line, ':');
    header->value = span_trim(line);
    answer->count++;
    return name_is_plain(header->name);
}

static struct span without_line_end(struct span line)
{
    while (line.len > 0 && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
        line.len--;
    return line;
}

bool fetch_answer_line(struct fetch_answer *answer, struct span line)
{
    bool good = true;

    if (answer->whole)
        return true; /* trailers do not count */
    if (line.len > FETCH_HEAD_MAX - answer->used)
        return false;
    if (span_begins(line, "HTTP/"))
        good = take_status_line(answer, without_line_end(line));
    else if (without_line_end(line).len > 0)
        good = take_header(answer, without_line_end(line));
    else
        answer->whole = answer->status >= 200;
    answer->used += line.len;
    return good;
}

bool fetch_answer_header(const struct fetch_answer *answer, const char *name, struct span *value)
{
    size_t len = strlen(name);
    unsigned times = 0;

    *value = (struct span){NULL, 0};
    for (size_t i = 0; i < answer->count; i++) {
        const struct fetch_header *header = &answer->headers[i];
        if (header->name.len == len && strncasecmp(header->name.at, name, len) == 0) {
            *value = header->value;
            times++;
        }
    }
    return times <= 1;
}

/* ---- judging -------------------------------------------------------------------------------- */

static const struct fetch_verdict FINE = {FETCH_OK, PEER_FINE, ""};

static struct fetch_verdict wrong(enum peer_fault fault, const char *why)
{
    return (struct fetch_verdict){FETCH_FAULT, fault, why};
}

/* "bytes 0-1023/4096": exactly the range that was asked for. */
static bool content_range_is(struct span value, const struct fetch_request *request)
{
    struct span unit = span_take(&value, ' ');
    struct span from = span_take(&value, '-');
    struct span to = span_take(&value, '/');
    uint64_t a, b, total;

    return span_is(unit, "bytes") && span_u64(from, UINT64_MAX, &a) &&
           span_u64(to, UINT64_MAX, &b) && span_u64(value, UINT64_MAX, &total) &&
           a == request->from && b == request->to && total == request->total;
}

static struct fetch_verdict judge_range(const struct fetch_answer *answer,
                                        const struct fetch_request *request)
{
    struct span value;

    if (!request->range)
        return answer->status == 200 ? FINE : wrong(PEER_WRONG_ANSWER, "a part came, unasked for");
    if (answer->status != 206)
        return wrong(PEER_WRONG_ANSWER, "the whole came where a range was asked for");
    if (!fetch_answer_header(answer, "content-range", &value) || value.at == NULL ||
        !content_range_is(value, request))
        return wrong(PEER_WRONG_ANSWER, "Content-Range is not what was asked for");
    return FINE;
}

static struct fetch_verdict judge_length(const struct fetch_answer *answer,
                                         const struct fetch_request *request, uint64_t *length)
{
    struct span value;

    *length = UINT64_MAX;
    if (!fetch_answer_header(answer, "content-length", &value))
        return wrong(PEER_WRONG_ANSWER, "Content-Length is there twice");
    if (value.at == NULL)
        return FINE; /* ends with the connection, or in pieces: counted as it comes */
    if (!span_u64(value, INT64_MAX, length))
        return wrong(PEER_WRONG_ANSWER, "Content-Length is no number");
    if (*length > request->most)
        return wrong(PEER_ENDLESS_BODY, "its Content-Length is more than there can be");
    if (request->range && *length != request->to - request->from + 1)
        return wrong(PEER_WRONG_ANSWER, "Content-Length and the range differ");
    return FINE;
}

static struct fetch_verdict judge_etag(const struct fetch_answer *answer,
                                       const struct fetch_request *request)
{
    struct span value;

    if (!fetch_answer_header(answer, "etag", &value))
        return wrong(PEER_WRONG_ANSWER, "ETag is there twice");
    if (request->etag[0] && value.at != NULL && !span_is(value, request->etag))
        return (struct fetch_verdict){FETCH_CHANGED, PEER_FINE, "it has another version by now"};
    return FINE;
}

/* Store ids are written as 16 hexadecimal digits. */
static bool store_id(struct span value, uint64_t *out)
{
    uint8_t bytes[8];

    if (!span_hex(value, bytes, sizeof(bytes)))
        return false;
    *out = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *out = *out << 8 | bytes[i];
    return true;
}

/* "WHOLE LAST" */
static bool touch_times(struct span value, struct store_touch *out)
{
    struct span whole = span_take(&value, ' ');
    uint64_t times[2];

    if (!span_u64(whole, INT64_MAX, &times[0]) || !span_u64(value, INT64_MAX, &times[1]))
        return false;
    out->whole.ms = (int64_t)times[0];
    out->last.ms = (int64_t)times[1];
    return true;
}

/* What a page of a catalogue says about itself; nothing where it is none. */
static struct fetch_verdict judge_page(const struct fetch_answer *answer,
                                       struct fetch_request *request)
{
    struct span store, last, more, touch;

    if (!fetch_answer_header(answer, "pond-store", &store) ||
        !fetch_answer_header(answer, "pond-last", &last) ||
        !fetch_answer_header(answer, "pond-more", &more) ||
        !fetch_answer_header(answer, "pond-touch", &touch))
        return wrong(PEER_WRONG_ANSWER, "a header of a catalogue page is there twice");
    if (store.at == NULL)
        return FINE;
    if (!store_id(store, &request->store_id) ||
        !span_u64(last, UINT64_MAX, &request->sequence_last))
        return wrong(PEER_WRONG_ANSWER, "Pond-Store or Pond-Last is no number");
    if (touch.at != NULL && !touch_times(touch, &request->touch))
        return wrong(PEER_WRONG_ANSWER, "Pond-Touch is not two numbers");
    request->more = span_is(more, "1");
    return FINE;
}

static struct fetch_verdict judge_good(const struct fetch_answer *answer,
                                       struct fetch_request *request, uint64_t *length)
{
    struct fetch_verdict verdict = judge_etag(answer, request);

    if (verdict.result == FETCH_OK)
        verdict = judge_range(answer, request);
    if (verdict.result == FETCH_OK)
        verdict = judge_length(answer, request, length);
    if (verdict.result == FETCH_OK)
        verdict = judge_page(answer, request);
    return verdict;
}

/* Retry-After in seconds; its other form, a date, is no better than nothing between two clocks. */
static uint32_t retry_after(const struct fetch_answer *answer)
{
    struct span value;
    uint64_t seconds;

    if (!fetch_answer_header(answer, "retry-after", &value) ||
        !span_u64(value, RETRY_AFTER_MAX_S, &seconds))
        return 0;
    return (uint32_t)seconds;
}

/* A stranger's refusal is as good as an absence. A rule's is about what was asked for alone. */
static struct fetch_verdict judge_refusal(const struct fetch_answer *answer)
{
    struct span value;

    if (fetch_answer_header(answer, GATE_REFUSED_HEADER, &value) &&
        span_is(value, GATE_REFUSED_BY_RULE))
        return (struct fetch_verdict){FETCH_NOT_FOUND, PEER_FINE, "a rule of its gate"};
    return wrong(PEER_REFUSES, "403");
}

struct fetch_verdict fetch_answer_judge(const struct fetch_answer *answer,
                                        struct fetch_request *request, uint64_t *length)
{
    *length = UINT64_MAX;
    switch (answer->status) {
    case 200:
    case 206:
        return judge_good(answer, request, length);
    case 403:
        return judge_refusal(answer);
    case 404:
    case 410:
        return (struct fetch_verdict){FETCH_NOT_FOUND, PEER_FINE, "it does not have it"};
    case 412:
        return (struct fetch_verdict){FETCH_CHANGED, PEER_FINE, "it has another version by now"};
    case 504:
        return (struct fetch_verdict){FETCH_NOT_FOUND, PEER_FINE, "it does not hold it"};
    case 508:
        return (struct fetch_verdict){FETCH_NOT_FOUND, PEER_FINE, "it would have to ask us"};
    case 307:
    case 429:
        break;
    default:
        if (answer->status < 500)
            return wrong(PEER_WRONG_ANSWER, "a status that makes no sense here");
    }
    request->retry_after_s = retry_after(answer);
    return (struct fetch_verdict){FETCH_BUSY, PEER_FINE, "it says later"};
}

/* ---- redirects ------------------------------------------------------------------------------ */

bool fetch_answer_location(const struct fetch_answer *answer, const struct fetch_request *request,
                           struct address *out)
{
    static const char scheme[] = "http://";
    struct span value, rest;

    if (answer->status != 307 || !fetch_answer_header(answer, "location", &value) ||
        value.at == NULL || !span_begins(value, scheme))
        return false;
    rest = (struct span){value.at + sizeof(scheme) - 1, value.len - (sizeof(scheme) - 1)};
    if (!address_parse_text(span_take(&rest, '/'), out))
        return false;
    out->scope = request->answered.scope;
    return span_is(rest, request->target + 1);
}

/* ---- signatures ----------------------------------------------------------------------------- */

bool fetch_answer_needs_signature(const struct fetch_answer *answer)
{
    switch (answer->status) {
    case 200:
    case 206:
    case 307:
    case 404:
    case 410:
    case 412:
    case 504:
    case 508:
        return true;
    default:
        return false;
    }
}

bool fetch_answer_signed_part(const struct fetch_answer *answer, struct challenge_answer *out)
{
    bool once = true;

    MUST(challenge_answer_header_count <= CHALLENGE_HEADERS_MAX);
    *out = (struct challenge_answer){.status = answer->status};
    for (size_t i = 0; i < challenge_answer_header_count; i++)
        once = fetch_answer_header(answer, challenge_answer_headers[i], &out->values[i]) && once;
    return once;
}
