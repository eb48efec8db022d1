/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_FETCH_H
#define POND_SRC_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/peers.h"
#include "cache/route.h"
#include "cache/store.h"
#include "src/base/address.h"
#include "src/base/digest.h"
#include "src/base/text.h"
#include "src/seal.h"

/*
 * HTTP to other nodes: libcurl's multi interface on a thread and a libev loop of its own. Requests
 * are signed by challenge (src/challenge.h) where there are keys, a 401 is answered by signing
 * anew, and a signed answer is checked before its end is reported as good. By address literal only;
 * no proxy, no redirects but the one that section 9 allows, no decompression. curl's codes stop
 * here.
 */
struct fetch;
struct gate;

struct fetch_options {
    const char *node;
    const char *domain;
    const struct keyring *keyring; /* NULL: unsigned */
    struct gate *gate;             /* whose rules may keep out what is given; NULL: nothing is */
    bool sign;                     /* false with auth = "receive-only" */
    bool must_be_signed;           /* answers: auth = "enforce" */
    /* May this server be asked, and may it fetch for us? If not, requests tell it so:
     * `Cache-Control: only-if-cached`. Looked at before each request, and by fetch_recheck: what
     * was asked of one that may do less by now is ended. NULL: any may be asked for anything. */
    enum route_ask (*may_ask)(void *arg, const struct address *server);
    /* May a redirect of `server` lead to `goal`? Looked at again where may_ask is. NULL: none is
     * followed. */
    bool (*may_follow)(void *arg, const struct address *server, const struct address *goal);
    /* Which own address to speak from to `to`; false: the kernel's choice. May be NULL. */
    bool (*source_for)(void *arg, const struct address *to, struct address *out);
    void *arg;
    uint32_t connect_ms; /* how long a connection may take to come about; 0: FETCH_CONNECT_MS */
    uint32_t stall_s;    /* slower than FETCH_STALL_BYTES a second for so long; 0: FETCH_STALL_S */
    uint32_t collect_s;  /* for a whole answer that is collected, or framed; 0: FETCH_COLLECT_S */
};

enum {
    FETCH_CONNECT_MS = 3000,
    FETCH_STALL_S = 10,
    FETCH_STALL_BYTES = 1024,
    FETCH_COLLECT_S = 60,        /* at most, for a body that is collected, or framed */
    FETCH_IDLE_S = 30,           /* connections are kept: less than servers keep them */
    FETCH_HOST_CONNECTIONS = 64, /* more requests wait for one of these */
    FETCH_CONNECTIONS = 512,
    FETCH_SIGN_TRIES = 2 /* times that 401 is answered by signing with the nonce it brought */
};
struct fetch *fetch_new(const struct fetch_options *options);

/* Ends all requests (each `done` is called with FETCH_STOPPED), then the thread. */
void fetch_free(struct fetch *fetch);

/* How it signs from now on: `sign` and `must_be_signed` of the options. Any thread. */
void fetch_sign(struct fetch *fetch, bool sign, bool must_be_signed);

/* Ends what is asked of servers that may not be asked any more. Any thread. */
void fetch_recheck(struct fetch *fetch);

enum fetch_result {
    FETCH_OK,
    FETCH_NOT_FOUND, /* 404, 504: it does not have it; 403 by a rule: not for us; 508: it would have
                        to ask us */
    FETCH_CHANGED,   /* 412: it has another version by now */
    FETCH_BUSY,      /* 503, or any answer that says later */
    FETCH_FAULT,     /* see `fault` */
    FETCH_BARRED,    /* its server may not be asked (any more) */
    FETCH_CANCELLED,
    FETCH_STOPPED
};

enum {
    FETCH_TARGET_SIZE = 2 * 3 * NAME_MAX_LEN + 256, /* two names */
    FETCH_ETAG_SIZE = 80,
    FETCH_VIA_SIZE = 512,
    FETCH_CHALLENGE_SIZE = 33
};

/* One request; the caller's memory, until `done`. All callbacks are made on the fetch thread. */
struct fetch_request {
    struct address server;
    char target[FETCH_TARGET_SIZE]; /* from its slash on, percent-encoded */
    bool stay;                      /* it is asked for what is its own: no redirect is followed */
    bool range;        /* ask for bytes from..to, and take nothing but 206 with just those */
    uint64_t from, to; /* inclusive */
    uint64_t total;    /* with range: the length of the whole, as the answer must have it */
    char etag[FETCH_ETAG_SIZE]; /* with its quotes. Not empty: If-Match, so that another version is
                                   FETCH_CHANGED */
    char via[FETCH_VIA_SIZE];   /* Via of the request for whose sake we ask; empty: for ours */
    bool content;   /* a manifest vouches for the body: it is not in the answer's signature */
    const char *of; /* the name of what it gives, for the rules of the gate; NULL: none */
    bool framed;    /* the body says itself where it ends */
    /* Not empty: an ISconf host is asked. The challenge stands in the target; neither the request
     * nor the answer is signed as between nodes. Instead the answer must have its HMAC-SHA-1 with
     * one of our keys (X-HMAC) where answers must be signed, and Last-Modified. That says who
     * serves it, and nothing of the body. */
    char challenge[FETCH_CHALLENGE_SIZE];
    /* The content that is asked for, where it is all of one that is small: from 0 on, `total` of
     * FRAME_CONTENT_MAX bytes at most, with `range` and `take`. Then it may come in one answer with
     * others (src/frames.h). Else NULL. */
    const struct digest *whole;
    uint64_t most; /* bytes of body; one more is PEER_ENDLESS_BODY */

    /* Takes the body piece by piece; false ends the request with FETCH_FAULT and `fault` as the
     * callback left it. NULL: the body is collected in `body`. */
    bool (*take)(struct fetch_request *request, const void *bytes, size_t len);
    void (*done)(struct fetch_request *request); /* once; the request is the caller's again */
    void *owner;

    /* out: */
    struct address answered; /* who answers: `server`, or where that sent us. Stands before the
                                first byte of a body; whose every fault is */
    unsigned status;         /* of the last head that came; 0: none */
    enum fetch_result result;
    enum peer_fault fault;
    uint32_t retry_after_s; /* FETCH_BUSY: what it said; 0: nothing */
    char *body;             /* with a NUL behind it; free() it */
    size_t body_len;
    uint64_t store_id;        /* of a catalogue page: Pond-Store, in hexadecimal */
    uint64_t sequence_last;   /* Pond-Last */
    bool more;                /* Pond-More: 1 */
    struct store_touch touch; /* Pond-Touch; zero: it tells nothing */
    int64_t modified;         /* with a challenge: Last-Modified, seconds since 1970; */
    uint64_t length;          /* and Content-Length */

    void *inner; /* the fetcher's */
};

/* From any thread. */
void fetch_submit(struct fetch *fetch, struct fetch_request *request);

/* Asks for an early end; `done` still comes. On the fetch thread only (in a callback or a call). */
void fetch_cancel(struct fetch *fetch, struct fetch_request *request);

/* Calls `call(arg)` on the fetch thread. From any thread. */
void fetch_call(struct fetch *fetch, void (*call)(void *arg), void *arg);

/* A deadline on the fetch thread, where all of these must be called. Setting it again moves it;
 * MONO_NEVER stops it. */
struct fetch_alarm;
struct fetch_alarm *fetch_alarm_new(struct fetch *fetch, void (*ring)(void *arg), void *arg);
void fetch_alarm_set(struct fetch_alarm *alarm, mono_t when);
void fetch_alarm_free(struct fetch_alarm *alarm);

#endif
