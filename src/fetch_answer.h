/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_FETCH_ANSWER_H
#define POND_SRC_FETCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/digest.h"
#include "src/base/text.h"
#include "src/challenge.h"
#include "src/fetch.h"

/*
 * The head of an answer from another node, as it comes in line by line, and what it means for the
 * request: everything that a stranger could say there meets a verdict. Knows no socket and no
 * library; one thread.
 */
enum { FETCH_HEAD_MAX = 16 * 1024, FETCH_HEADERS_MAX = 64 };

struct fetch_header {
    struct span name;
    struct span value;
};

struct fetch_answer {
    unsigned status;
    bool whole;  /* the empty line came: what follows the body does not count */
    size_t used; /* of bytes; answers before the last one (100 to 199) included */
    size_t count;
    struct fetch_header headers[FETCH_HEADERS_MAX];
    char bytes[FETCH_HEAD_MAX];
};

void fetch_answer_begin(struct fetch_answer *answer);

/* Takes one line as it came, its end of line included. False: it makes no sense, or is too much. */
bool fetch_answer_line(struct fetch_answer *answer, struct span line);

/* The value of the header; NULL and length 0 where there is none. False where it is there twice. */
bool fetch_answer_header(const struct fetch_answer *answer, const char *name, struct span *value);

/* What it means. `why` is for the log. */
struct fetch_verdict {
    enum fetch_result result;
    enum peer_fault fault;
    const char *why;
};

/*
 * Holds the head against the request: status, Content-Range, Content-Length, ETag. FETCH_OK means
 * that the body is what was asked for as far as the head can tell; then *length is the length that
 * it promises, or UINT64_MAX, and the request's fields that come from headers are filled.
 * 401 is not judged here.
 */
struct fetch_verdict fetch_answer_judge(const struct fetch_answer *answer,
                                        struct fetch_request *request, uint64_t *length);

/* Where a redirect leads: the same target at another address, given as a literal with its port. The
 * scope is that of the server which sent it. False: nowhere that could be followed. */
bool fetch_answer_location(const struct fetch_answer *answer, const struct fetch_request *request,
                           struct address *out);

/* Must an answer of this status be signed where answers must be? Those by which a host turns away
 * whom it does not know cannot be. */
bool fetch_answer_needs_signature(const struct fetch_answer *answer);

/* Fills what is signed of the answer. False where a header that decides is there twice. */
bool fetch_answer_signed_part(const struct fetch_answer *answer, struct challenge_answer *out);

#endif
