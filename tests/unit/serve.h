/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_SERVE_H
#define POND_TESTS_UNIT_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/address.h"

/*
 * A small HTTP server for tests on 127.0.0.1, on threads of its own, that plays whatever it is told
 * to: an honest host or a liar. It knows nothing of carpond's own HTTP code.
 */
struct serve;

/* A request as it came. */
struct serve_request {
    int fd;
    char head[4096]; /* all of it, ended by NUL */
    char target[2048];
    bool has_range;
    uint64_t from, to;
};

/* Answers one request, on a thread of the connection's; false closes the connection. */
typedef bool serve_answer(void *arg, const struct serve_request *request);

struct serve *serve_start(serve_answer *answer, void *arg);
void serve_stop(struct serve *serve); /* breaks off what is under way */
struct address serve_address(const struct serve *serve);

/* What the answers sent in bodies, and how many requests there were. */
uint64_t serve_requests(const struct serve *serve);

/* False when the other side has gone. */
bool serve_send(int fd, const void *bytes, size_t len);
bool serve_text(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The value of a header of the request, or NULL; good until the next call on this thread. */
const char *serve_header(const struct serve_request *request, const char *name);

#endif
