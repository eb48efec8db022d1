/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_FETCH_INNER_H
#define POND_SRC_FETCH_INNER_H

#include <curl/curl.h>
#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "src/base/log.h"
#include "src/challenge.h"
#include "src/fetch.h"
#include "src/fetch_answer.h"
#include "src/mailbox.h"
#include "src/told.h"

/* What the files of the fetcher (src/fetch*.c) share; nobody else includes it. */

enum {
    FETCH_MAGIC = 0x66657463,
    TRANSFER_MAGIC = 0x74726e73,
    ALARM_MAGIC = 0x616c726d,
    BATCH_MAGIC = 0x66626174
};

enum { FETCH_IDLE_MAX = FETCH_HOST_CONNECTIONS, FETCH_PLAIN_MAX = 16 };

struct batch;

/* A server that knows no batches. */
struct fetch_plain {
    struct address server;
    mono_t until; /* for so long it is taken for one */
};

struct fetch {
    unsigned magic;
    struct fetch_options options; /* node and domain: copies; but how it signs: */
    _Atomic bool sign;
    _Atomic bool must_be_signed;
    pthread_t thread;
    struct ev_loop *loop;
    struct mailbox *mailbox;

    /* The fetch thread's from here on. */
    CURLM *multi;
    CURL *idle[FETCH_IDLE_MAX]; /* handles of transfers that ended, set up for the next ones */
    size_t idle_count;
    struct ev_timer timer; /* the one that curl asks for */
    struct ev_timer reap;  /* ends what was cancelled, outside of everybody's callbacks */
    struct seal *seal;     /* NULL without keys */
    struct challenge_client *challenges;
    struct transfer *transfers;
    struct batch *batches;
    struct fetch_plain plain[FETCH_PLAIN_MAX];
    size_t plain_next;
    struct log_flood flood;
    struct told told;
    bool stopping;
};

/* One request on its way. */
struct transfer {
    unsigned magic;
    struct fetch *fetch;
    struct fetch_request *request;
    struct transfer *prev, *next; /* in fetch->transfers, once begun or in a batch */
    bool linked;
    struct letter letter;

    CURL *easy;
    struct curl_slist *headers;
    bool added; /* to the multi handle */
    bool cancelled;
    bool alone;          /* in no batch (any more) */
    bool told;           /* its batch's fault was logged: its own is the same */
    struct batch *batch; /* in which it waits, or comes; NULL: in none */

    struct challenge_claim claim; /* of what was sent last, where it was signed */
    bool was_signed;
    unsigned tries; /* times that 401 was answered by signing */

    enum route_ask ask;  /* what its server was, when it was asked */
    bool redirected;     /* to one that may_follow holds for */
    struct address goal; /* where it is sent, once `again` */

    struct fetch_verdict verdict; /* settled by the head or the body, once `judged` */
    bool judged;
    bool again; /* to be asked again: signed with the nonce that came, or of `goal` */
    char error[CURL_ERROR_SIZE];
    uint64_t length;           /* that the head promises, or UINT64_MAX */
    uint64_t got;              /* bytes of body */
    struct digester *digester; /* of the body, where the head says what it must be */
    struct digest promised;
    size_t body_cap;
    struct fetch_answer answer; /* large: set by fetch_answer_begin */
};

/* fetch_loop.c: curl's sockets and timer on the libev loop; whenever a transfer is through,
 * transfer_ended. */
void fetch_loop_open(struct fetch *fetch);
void fetch_loop_close(struct fetch *fetch);

/* A handle for curl's work, and back; not in a callback of curl's. */
CURL *fetch_loop_take(struct fetch *fetch);
void fetch_loop_give(struct fetch *fetch, CURL *easy);

/* Begins what was added to `multi`, now and not in the loop's next turn. Transfers may end by it.
 */
void fetch_loop_go(struct fetch *fetch);

/* fetch_log.c: what of a transfer that ends is worth a line. */
void fetch_log(struct transfer *transfer, struct fetch_verdict verdict);

/* fetch_headers.c: what we say in the head of the request, signed where that can be. */
void transfer_write_headers(struct transfer *transfer);

/* fetch_isconf.c: what the head of an ISconf host's answer means. */
struct fetch_verdict fetch_isconf_judge(struct transfer *transfer);

/* fetch.c: what goes with a request from now on. */
struct transfer *fetch_transfer(struct fetch *fetch, struct fetch_request *request);

/* fetch_batch.c: takes a transfer that may come with others, and begins it before long; false
 * where it is to be begun alone. It may be over, and gone, after this. And: one that ends leaves.
 */
bool batch_take(struct transfer *transfer);
void batch_leave(struct transfer *member);

/* fetch_transfer.c */
bool fetch_wants_signature(const struct fetch *fetch); /* must answers be signed? */
void transfer_set_up(CURL *easy);                      /* what is the same for all transfers */
struct transfer *transfer_new(struct fetch *fetch, struct fetch_request *request);
void transfer_begin(struct transfer *transfer);
void transfer_link(struct transfer *transfer); /* from now on it is under way; done by the former */
void transfer_unlink(struct transfer *transfer);
void transfer_ended(struct transfer *transfer, CURLcode code);

/* May what it is about be taken from there? */
bool transfer_takes(const struct transfer *transfer, const struct address *server);

/* May its server be asked, before it begins? What that may do is noted, for as long as it lasts. */
bool transfer_admit(struct transfer *transfer);

/* May what is asked of its server still be asked? */
bool transfer_allowed(const struct transfer *transfer);

/* Ends it here and now; not in a callback of curl's. */
void transfer_finish(struct transfer *transfer, struct fetch_verdict verdict);

#endif
