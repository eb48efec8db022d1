/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_CLIENT_H
#define POND_TOOLS_POND_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cache/name.h"
#include "cache/version.h"
#include "src/base/digest.h"

/*
 * HTTP to the daemon over its control socket, one request at a time. libcurl's types and codes stop
 * in client.c. One thread.
 */
struct client;

/* Copies the path of the socket. Never NULL. */
struct client *client_new(const char *socket_path);
void client_free(struct client *client);

enum client_result {
    CLIENT_OK = 0,         /* a whole answer came: its status says the rest */
    CLIENT_NO_DAEMON = -1, /* nobody listens on the socket */
    CLIENT_NO_ACCESS = -2, /* the socket may not be used by us */
    CLIENT_BROKE_OFF = -3, /* the connection ended before the answer did */
    CLIENT_SILENT = -4,    /* the time was up, or nothing moved for too long */
    CLIENT_STOPPED = -5,   /* the call's source or sink ended it, and has said why */
    CLIENT_FAILED = -6     /* anything else: client_cause() */
};

/* What came with libcurl's or the kernel's own words, after a result below CLIENT_OK. */
const char *client_cause(const struct client *client);

enum { ANSWER_SENTENCE_SIZE = 1024, TARGET_SIZE = 2 * 3 * NAME_SIZE + 256 };

/* The head of an answer; of a refusal, its sentence too. */
struct answer {
    long status;
    int64_t length;  /* -1: not said */
    bool has_digest; /* of the content (Repr-Digest, RFC 9530) */
    struct digest digest;
    struct version version; /* Pond-Version; none where not said */
    int64_t mtime_ns;       /* Pond-Mtime, else Last-Modified; -1 where not said */
    int64_t mode;           /* Pond-Mode; -1 where not said */
    char sentence[ANSWER_SENTENCE_SIZE];
};

/* A request. Zero what is not needed. */
struct call {
    const char *method;         /* GET, PUT, POST, DELETE */
    const char *target;         /* percent-encoded, with its query */
    const char *const *headers; /* "Name: value", ended by NULL; may be NULL */

    /* A body to send: up to `len` bytes, 0 at its end, -1 to stop (having said why). */
    ssize_t (*source)(void *arg, char *bytes, size_t len);
    int64_t source_size; /* -1: not known beforehand */

    /* The body of an answer with a 2xx status, piece by piece; false to stop (having said why). */
    bool (*sink)(void *arg, const struct answer *answer, const char *bytes, size_t len);
    void *arg;

    unsigned most_s;  /* for all of it; 0: no limit */
    unsigned stall_s; /* without a byte moving; 0: no limit */
};

enum client_result client_do(struct client *client, const struct call *call, struct answer *answer);

#endif
