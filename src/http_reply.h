/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_HTTP_REPLY_H
#define POND_SRC_HTTP_REPLY_H

#include <jansson.h>

#include "src/base/digest.h"
#include "src/http_inner.h"

/*
 * Answers: a status and headers are collected, then one of the ends below gives the body, signs
 * what is to be signed, and hands all of it to libmicrohttpd. On the request's worker.
 */
enum {
    REPLY_HEADERS_MAX = 24,
    REPLY_TARGET_MAX = 4096, /* that a redirect repeats: the request has it in memory as well */
    REPLY_MEMORY = REPLY_TARGET_MAX + 2048
};

struct reply {
    struct request *request;
    unsigned status;
    bool vouched; /* a manifest vouches for the body: it is not digested for the signature */
    size_t count;
    struct {
        const char *name;
        const char *value;
    } headers[REPLY_HEADERS_MAX];
    struct text text;
    char memory[REPLY_MEMORY]; /* what the values are */
};

void reply_begin(struct reply *reply, struct request *r, unsigned status);
void reply_add(struct reply *reply, const char *name, const char *value); /* copies the value */
void reply_addf(struct reply *reply, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void reply_add_u64(struct reply *reply, const char *name, uint64_t value);

/* Memory for what waits to be sent, of the asker's portion. False: it has none left; 503, unless
 * some comes back. */
bool reply_take_room(struct request *r, size_t len);
void reply_give_room(struct request *r, size_t len);

/* The ends. `type` NULL: it was added already. */
enum step reply_text(struct reply *reply, const char *type, const char *bytes,
                     size_t len); /* copies */
enum step reply_memory(struct reply *reply, const char *type, char *bytes,
                       size_t len); /* free()s */
/* As reply_memory, of all of an object: what the answer to a request that is hot_wanted is kept by.
 */
enum step reply_hot(struct reply *reply, const struct manifest *manifest, bool stale, char *bytes);
enum step reply_file(struct reply *reply, int fd, uint64_t from, uint64_t len); /* closes fd */
enum step reply_empty(struct reply *reply, uint64_t length); /* no body: HEAD, 304; length: its */

/* Signs it, and hands it over; the response stays the caller's. And one that was handed over so
 * before, for another request, as it was then. */
bool reply_hand_over(struct reply *reply, struct MHD_Response *response);
enum step reply_again(struct request *r, unsigned status, struct MHD_Response *response);

/* From a reader, as MHD_create_response_from_callback has it, which gets the request;
 * MHD_SIZE_UNKNOWN where the length is not known. It is asked for REPLY_BLOCK bytes at most, or for
 * REPLY_PIECE where there is no room for so much. */
enum { REPLY_BLOCK = 128 * 1024, REPLY_PIECE = 12 * 1024 };
enum step reply_stream(struct reply *reply, uint64_t len, MHD_ContentReaderCallback reader);

/* The same, of a length that is not known, in pieces of REPLY_PIECE at most. */
enum step reply_pieces(struct reply *reply, MHD_ContentReaderCallback reader);

/* ---- whole answers --------------------------------------------------------------------------- */

/* 200, not to be stored. Takes a reference away, as json_decref() does. */
enum step reply_json(struct request *r, json_t *json);

/* One plain sentence. Where the body of the request is still to come, it is read first, up to
 * HTTP_SWALLOW_MAX, so that the client gets to read the answer. */
enum step reply_refuse(struct request *r, unsigned status, const char *sentence);
enum step reply_redirect(struct request *r, const struct address *master);      /* 307 */
enum step reply_not_allowed(struct request *r, const char *allow);              /* 405 */
enum step reply_challenge(struct request *r, bool stale, const char *sentence); /* 401 */
enum step reply_store(struct request *r, enum store_status status); /* what the store refused */

/* It is not at hand, or not known, and nothing is fetched or asked for it: 504 where the asker
 * wants it so, 508 where the request has come through this node already, else as reply_store(). */
enum step reply_not_at_hand(struct request *r, enum store_status status);
unsigned reply_not_at_hand_status(const struct request *r); /* of what is known */

#endif
