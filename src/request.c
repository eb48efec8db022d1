/* SPDX-License-Identifier: ISC */
#include "src/request.h"

#include <string.h>
#include <strings.h>

#include "src/base/calendar.h"

/* ---- shape ----------------------------------------------------------------------------------- */

static const struct {
    unsigned http;
    const char *sentence;
} shapes[] = {
#define REQUEST_ROW(id, http, sentence) [id] = {http, sentence},
    REQUEST_SHAPES(REQUEST_ROW)
#undef REQUEST_ROW
};

unsigned request_shape_http(enum request_shape shape)
{
    return shapes[shape].http;
}

const char *request_shape_sentence(enum request_shape shape)
{
    return shapes[shape].sentence;
}

static bool is_word(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

struct span request_find(const struct request_head *head, const char *name)
{
    for (size_t i = 0; i < head->count; i++) {
        if (is_word(head->headers[i].name, name))
            return head->headers[i].value;
    }
    return (struct span){NULL, 0};
}

size_t request_count(const struct request_head *head, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < head->count; i++)
        n += is_word(head->headers[i].name, name);
    return n;
}

/* RFC 9110, 5.6.2: what a name is made of. A blank in it ("Host : x") is read differently by
 * different readers. */
static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return s.len > 0;
}

static bool names_are_tokens(const struct request_head *head)
{
    for (size_t i = 0; i < head->count; i++) {
        if (!is_token(head->headers[i].name))
            return false;
    }
    return true;
}

static bool target_is_path(struct span target)
{
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.at[i];
        if (c <= 0x20 || c == 0x7f || c == '#')
            return false;
    }
    return target.len > 0 && target.at[0] == '/';
}

static bool method_is_known(struct span method)
{
    return span_is(method, "GET") || span_is(method, "HEAD") || span_is(method, "PUT") ||
           span_is(method, "DELETE") || span_is(method, "POST");
}

static bool method_has_body(struct span method)
{
    return span_is(method, "PUT") || span_is(method, "POST");
}

/* RFC 9112, 6: how long the body is must be told once, in one way. */
static enum request_shape body_shape(const struct request_head *head, bool *has_body)
{
    size_t lengths = request_count(head, "Content-Length");
    size_t encodings = request_count(head, "Transfer-Encoding");
    uint64_t length = 0;

    if (lengths && encodings)
        return REQUEST_BOTH_LENGTHS;
    if (encodings &&
        (encodings > 1 || !is_word(request_find(head, "Transfer-Encoding"), "chunked")))
        return REQUEST_BAD_ENCODING;
    if (encodings && span_is(head->version, "HTTP/1.0"))
        return REQUEST_BAD_ENCODING;
    if (lengths &&
        (lengths > 1 || !span_u64(request_find(head, "Content-Length"), INT64_MAX, &length)))
        return REQUEST_BAD_LENGTH;
    *has_body = encodings || length > 0;
    return *has_body && !method_has_body(head->method) ? REQUEST_BODY : REQUEST_FINE;
}

enum request_shape request_shape(const struct request_head *head, bool *has_body)
{
    size_t hosts = request_count(head, "Host");

    *has_body = false;
    if (!span_is(head->version, "HTTP/1.1") && !span_is(head->version, "HTTP/1.0"))
        return REQUEST_BAD_VERSION;
    if (!target_is_path(head->target))
        return REQUEST_BAD_TARGET;
    if (!names_are_tokens(head))
        return REQUEST_BAD_NAME;
    if (hosts > 1 || (hosts == 0 && span_is(head->version, "HTTP/1.1")))
        return REQUEST_BAD_HOST;
    if (!method_is_known(head->method))
        return REQUEST_BAD_METHOD;
    return body_shape(head, has_body);
}

/* ---- through whom ---------------------------------------------------------------------------- */

/* Takes the port off "host:port" or "[v6]:port"; the brackets too. False: malformed. */
static bool split_host(struct span value, struct span *host, uint64_t *port, bool *has_port)
{
    const char *colon;

    *has_port = false;
    if (value.len && value.at[0] == '[') {
        const char *end = memchr(value.at, ']', value.len);
        if (!end)
            return false;
        *host = (struct span){value.at + 1, (size_t)(end - value.at) - 1};
        value = (struct span){end + 1, value.len - host->len - 2};
        colon = value.at;
        if (value.len && *colon != ':')
            return false;
    } else {
        colon = value.len ? memchr(value.at, ':', value.len) : NULL;
        *host = (struct span){value.at, colon ? (size_t)(colon - value.at) : value.len};
        value = (struct span){value.at + host->len, value.len - host->len};
    }
    if (value.len == 0)
        return true;
    *has_port = true;
    return span_u64((struct span){value.at + 1, value.len - 1}, UINT16_MAX, port);
}

static bool host_is_ours(struct span value, const char *const *hosts, size_t count, uint16_t port)
{
    struct span host;
    uint64_t theirs = 0;
    bool has_port;

    if (!split_host(value, &host, &theirs, &has_port) || (port && has_port && theirs != port))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (is_word(host, hosts[i]))
            return true;
    }
    return false;
}

bool request_is_forwarded(const struct request_head *head, const char *const *hosts, size_t count,
                          uint16_t port)
{
    static const char *const forwarding[] = {"Forwarded",        "X-Forwarded-For",
                                             "X-Forwarded-Host", "X-Forwarded-Proto",
                                             "X-Real-IP",        "Via"};
    struct span host = request_find(head, "Host");

    for (size_t i = 0; i < sizeof(forwarding) / sizeof(*forwarding); i++) {
        if (request_find(head, forwarding[i]).at)
            return true;
    }
    return host.at && !host_is_ours(host, hosts, count, port);
}

/* One element of Via: protocol, received-by, comment. */
static bool names_node(struct span hop, const char *node)
{
    struct span by;

    hop = span_trim(hop);
    (void)span_take(&hop, ' ');
    hop = span_trim(hop);
    by = span_take(&hop, ' ');
    return is_word(by, node) && span_is(span_trim(hop), "(carpond)");
}

bool request_is_circle(const struct request_head *head, const char *node)
{
    for (size_t i = 0; i < head->count; i++) {
        struct span rest = head->headers[i].value;
        if (!is_word(head->headers[i].name, "Via"))
            continue;
        while (rest.len) {
            if (names_node(span_take(&rest, ','), node))
                return true;
        }
    }
    return false;
}

bool request_has_directive(const struct request_head *head, const char *directive)
{
    for (size_t i = 0; i < head->count; i++) {
        struct span rest = head->headers[i].value;
        if (!is_word(head->headers[i].name, "Cache-Control"))
            continue;
        while (rest.len) {
            if (is_word(span_trim(span_take(&rest, ',')), directive))
                return true;
        }
    }
    return false;
}

/* ---- query ----------------------------------------------------------------------------------- */

static bool unescape(struct span value, char *out, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        if (c == '%') {
            if (value.len - i < 3 || !span_hex((struct span){value.at + i + 1, 2}, &c, 1) || !c)
                return false;
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (n + 1 >= cap)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

bool request_query(struct span query, const char *name, char *out, size_t cap)
{
    while (query.len) {
        struct span value = span_take(&query, '&');
        if (span_is(span_take(&value, '='), name))
            return unescape(value, out, cap);
    }
    return false;
}

/* ---- dates ----------------------------------------------------------------------------------- */

const char *http_date_write(int64_t seconds, char out[HTTP_DATE_SIZE])
{
    struct text text = text_over(out, HTTP_DATE_SIZE);
    struct calendar c;

    calendar_of(seconds, &c);
    text_printf(&text, "%s, %02d %s %04d %02d:%02d:%02d GMT", calendar_weekdays[c.weekday], c.day,
                calendar_months[c.month], (int)c.year, c.hour, c.minute, c.second);
    return out;
}

static bool digits(struct span text, size_t at, size_t len, int *out)
{
    uint64_t n = 0;

    if (!span_u64((struct span){text.at + at, len}, 9999, &n))
        return false;
    *out = (int)n;
    return true;
}

static bool read_month(struct span text, size_t at, int *month)
{
    for (int i = 0; i < 12; i++) {
        if (memcmp(text.at + at, calendar_months[i], 3) == 0) {
            *month = i;
            return true;
        }
    }
    return false;
}

bool http_date_read(struct span text, int64_t *seconds)
{
    static const char form[] = "???, ?? ??? ???? ??:??:?? GMT";
    struct calendar c = {0};
    int year = 0;

    if (text.len != sizeof(form) - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (form[i] != '?' && form[i] != text.at[i])
            return false;
    }
    if (!digits(text, 5, 2, &c.day) || !read_month(text, 8, &c.month) ||
        !digits(text, 12, 4, &year) || !digits(text, 17, 2, &c.hour) ||
        !digits(text, 20, 2, &c.minute) || !digits(text, 23, 2, &c.second))
        return false;
    c.year = year;
    return calendar_seconds(&c, seconds);
}

/* ---- conditions ------------------------------------------------------------------------------ */

/* Takes one entity tag off a list: quoted, maybe with W/ in front. False at the end, and where it
 * is malformed. */
static bool next_tag(struct span *list, struct span *tag, bool *weak)
{
    const char *end;

    while (list->len && strchr(" \t,", *list->at))
        list->at++, list->len--;
    *weak = span_begins(*list, "W/");
    if (*weak)
        list->at += 2, list->len -= 2;
    if (list->len < 2 || *list->at != '"')
        return false;
    end = memchr(list->at + 1, '"', list->len - 1);
    if (!end)
        return false;
    *tag = (struct span){list->at, (size_t)(end + 1 - list->at)};
    list->at += tag->len;
    list->len -= tag->len;
    return true;
}

/* "*", or a list that holds the tag? Weak ones match only where `weak_too`. */
static bool list_holds(struct span list, const char *etag, bool weak_too)
{
    struct span tag;
    bool weak;

    if (span_is(span_trim(list), "*"))
        return true;
    while (next_tag(&list, &tag, &weak)) {
        if ((weak_too || !weak) && span_is(tag, etag))
            return true;
    }
    return false;
}

enum request_condition request_conditions(const struct request_head *head, const char *etag,
                                          int64_t mtime)
{
    struct span match = request_find(head, "If-Match");
    struct span none = request_find(head, "If-None-Match");
    int64_t since;

    /* The order is RFC 9110's (13.2.2). */
    if (match.at) {
        if (!list_holds(match, etag, false))
            return REQUEST_PRECONDITION_FAILED;
    } else if (http_date_read(request_find(head, "If-Unmodified-Since"), &since) && mtime > since) {
        return REQUEST_PRECONDITION_FAILED;
    }
    if (none.at)
        return list_holds(none, etag, true) ? REQUEST_NOT_MODIFIED : REQUEST_GO_ON;
    /* Not "or earlier": the time is the file's own, and goes back where an older file is put in. */
    if (http_date_read(request_find(head, "If-Modified-Since"), &since) && mtime == since)
        return REQUEST_NOT_MODIFIED;
    return REQUEST_GO_ON;
}

bool request_may_change(const struct request_head *head, const char *etag)
{
    struct span match = request_find(head, "If-Match");
    struct span none = request_find(head, "If-None-Match");

    if (match.at && (!etag || !list_holds(match, etag, false)))
        return false;
    return !none.at || !etag || !list_holds(none, etag, true);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

/* If-Range: our entity tag. No date will do: it is the file's own time, which two versions may
 * share, and so no strong validator (RFC 9110, 13.1.5). */
static bool range_is_wanted(const struct request_head *head, const char *etag)
{
    struct span value = span_trim(request_find(head, "If-Range"));

    return !value.at || span_is(value, etag);
}

static enum request_range suffix_range(struct span count, uint64_t size, uint64_t *from,
                                       uint64_t *len)
{
    uint64_t n;

    if (!span_u64(count, UINT64_MAX, &n))
        return RANGE_NONE;
    if (n == 0 || size == 0)
        return RANGE_UNSATISFIABLE;
    *len = n < size ? n : size;
    *from = size - *len;
    return RANGE_ONE;
}

enum request_range request_range(const struct request_head *head, const char *etag, uint64_t size,
                                 uint64_t *from, uint64_t *len)
{
    struct span value = request_find(head, "Range"), first;
    uint64_t a, b = UINT64_MAX;

    if (!value.at || !range_is_wanted(head, etag) ||
        !is_word(span_trim(span_take(&value, '=')), "bytes"))
        return RANGE_NONE;
    value = span_trim(value);
    if (!value.len || !memchr(value.at, '-', value.len))
        return RANGE_NONE;
    first = span_take(&value, '-');
    if (first.len == 0)
        return suffix_range(value, size, from, len);
    if (!span_u64(first, UINT64_MAX, &a) || (value.len && !span_u64(value, UINT64_MAX, &b)) ||
        b < a)
        return RANGE_NONE;
    if (a >= size)
        return RANGE_UNSATISFIABLE;
    *from = a;
    *len = (b < size - 1 ? b : size - 1) - a + 1;
    return RANGE_ONE;
}
