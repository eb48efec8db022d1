/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_REQUEST_H
#define POND_SRC_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/text.h"

/*
 * What is decided about an HTTP request from its text alone: whether its shape is one that every
 * reader of HTTP understands alike, what its conditions and its range mean (RFC 9110), whether it
 * came through others. Pure: bytes in, verdict out; takes anything at all. Any thread.
 *
 * libmicrohttpd 0.9.75 accepts shapes by which requests are smuggled past one reader of a
 * connection to another; they end here, with 400 and the connection's end.
 */
struct request_header {
    struct span name;
    struct span value; /* without blanks at its ends; an empty span at NULL: not there */
};

struct request_head {
    struct span method;
    struct span target; /* as on the wire */
    struct span version;
    const struct request_header *headers;
    size_t count;
};

/* The first of that name (whatever the case), or an empty span at NULL. */
struct span request_find(const struct request_head *head, const char *name);

/* How many there are. */
size_t request_count(const struct request_head *head, const char *name);

/* The row: enumerator, HTTP status, sentence. */
#define REQUEST_SHAPES(ROW)                                                                        \
    ROW(REQUEST_FINE, 200, "well formed")                                                          \
    ROW(REQUEST_BAD_VERSION, 400, "only HTTP/1.1 and HTTP/1.0 are spoken here")                    \
    ROW(REQUEST_BAD_METHOD, 405, "that method is not known here")                                  \
    ROW(REQUEST_BAD_TARGET, 400, "the target is to be a path: it begins with a slash")             \
    ROW(REQUEST_BAD_NAME, 400, "a header's name holds what a name may not")                        \
    ROW(REQUEST_BAD_LENGTH, 400, "there is to be one Content-Length, and it is a number")          \
    ROW(REQUEST_BAD_ENCODING, 400, "the one Transfer-Encoding that is taken is chunked")           \
    ROW(REQUEST_BOTH_LENGTHS, 400, "Content-Length and Transfer-Encoding exclude one another")     \
    ROW(REQUEST_BAD_HOST, 400, "there is to be one Host")                                          \
    ROW(REQUEST_BODY, 400, "a request with that method has no body")

enum request_shape {
#define REQUEST_ENUM(id, http, sentence) id,
    REQUEST_SHAPES(REQUEST_ENUM)
#undef REQUEST_ENUM
};

/* *has_body: one follows, of at least one byte or of unknown length. */
enum request_shape request_shape(const struct request_head *head, bool *has_body);
unsigned request_shape_http(enum request_shape shape);
const char *request_shape_sentence(enum request_shape shape);

/* Did it come through a proxy or a page of another site: a forwarding header, or a Host that is not
 * one of ours? `hosts` are host names or address literals, without ports; case does not count. A
 * Host whose port differs from `port` (0: any) is foreign too. */
bool request_is_forwarded(const struct request_head *head, const char *const *hosts, size_t count,
                          uint16_t port);

/* Does Via name `node` already, as "1.1 NODE (carpond)"? Then it runs in a circle. */
bool request_is_circle(const struct request_head *head, const char *node);

/* Is the directive ("no-cache") among those of Cache-Control (RFC 9111, 5.2)? */
bool request_has_directive(const struct request_head *head, const char *directive);

/* The value of an argument of the query, its escapes read. False where it is not there, is
 * malformed or does not fit. */
bool request_query(struct span query, const char *name, char *out, size_t cap);

/* "Sun, 06 Nov 1994 08:49:37 GMT"; of the other way, the two obsolete forms are not read: who sends
 * them is answered as if without a condition. */
enum { HTTP_DATE_SIZE = 32 };
const char *http_date_write(int64_t seconds, char out[HTTP_DATE_SIZE]);
bool http_date_read(struct span text, int64_t *seconds);

/* ---- conditions (RFC 9110, 13) and ranges (14) ----------------------------------------------- */

enum request_condition {
    REQUEST_GO_ON,
    REQUEST_NOT_MODIFIED,       /* 304 */
    REQUEST_PRECONDITION_FAILED /* 412 */
};

/* For GET and HEAD of something whose strong ETag (with its quotes) and time (seconds since 1970)
 * these are. */
enum request_condition request_conditions(const struct request_head *head, const char *etag,
                                          int64_t mtime);

/* If-Match and If-None-Match of a request that changes something; etag NULL: nothing is there. */
bool request_may_change(const struct request_head *head, const char *etag);

enum request_range { RANGE_NONE, RANGE_ONE, RANGE_UNSATISFIABLE };

/* Range and If-Range; several ranges, and what is malformed, count as none (14.2). */
enum request_range request_range(const struct request_head *head, const char *etag, uint64_t size,
                                 uint64_t *from, uint64_t *len);

#endif
