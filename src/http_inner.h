/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_HTTP_INNER_H
#define POND_SRC_HTTP_INNER_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "src/acceptor.h"
#include "src/hot.h"
#include "src/http.h"
#include "src/portions.h"
#include "src/reaper.h"
#include "src/request.h"
#include "src/seal.h"

/*
 * What the files of the HTTP server share: the server, its connections ("visitors") and its
 * requests. For src/http*.c alone.
 *
 * The way of a request: http.c takes it from libmicrohttpd, http_request.c checks its shape, finds
 * its signer, asks the gate, and how the routes answer the asker; http_object.c, http_put.c and
 * http_api.c then answer through http_reply.c. A request that has to wait is suspended; whoever
 * ends the wait calls request_wake, from any thread.
 */
enum {
    HTTP_MEMORY = 12 * 1024, /* of a connection in libmicrohttpd: both heads must fit */
    HTTP_HEADERS_MAX = 64,
    HTTP_SWALLOW_MAX = 1024 * 1024, /* of a stranger's refused body that is read, to be heard */
    HTTP_ASKS_MAX = 1024            /* requests that wait for the exchange at a time */
};

/* Challenges of ISconf hosts are random numbers as Python prints them: shorter. */
enum { HTTP_CHALLENGE_SIZE = 65 };

/* Of answers in memory, until they are sent: other hosts get three quarters of it, and one of them
 * a quarter. Beyond that, 503. */
#define HTTP_REPLY_MEMORY ((size_t)256 * 1024 * 1024)

/* Of small objects that are asked for again and again. An idle node has none of it. */
#define HTTP_HOT_MEMORY ((size_t)16 * 1024 * 1024)
#define HTTP_HOT_NS MONO_S(10)

struct question;

/* Another node waits no longer than this for the first byte of what is fetched for it: then it is
 * told to ask again. It takes who is silent for FETCH_STALL_S for broken, and leaves it alone. */
#define HTTP_PATIENCE_NS MONO_S(4)

/* While the node ends, who reads nothing, or gets nothing of what is fetched for it, for so long is
 * not waited for. */
#define HTTP_LAST_NS MONO_S(2)

struct events;

struct http {
    unsigned magic;
    struct http_options options;
    struct MHD_Daemon *daemon;
    struct acceptor *acceptor;
    struct reaper *reaper;
    struct events *events;
    struct chores *chores;
    struct ranges *ranges;
    pthread_key_t seal_key; /* each worker's own seal */
    char *node;
    char *domain;
    char *cache_name; /* ourselves in Cache-Status: a token, or a quoted string */
    _Atomic bool draining;
    _Atomic bool stopping;
    _Atomic unsigned requests; /* under way */
    struct portions *replies;  /* bytes of their answers, as far as they count */
    struct hot *hot;
    pthread_mutex_t asking_lock; /* guards the list of the questions */
    struct question *asking;
    pthread_mutex_t guests_lock; /* guards what visitors are let in as */
    _Atomic unsigned in_world;   /* workers that wait for the main loop */
    struct request *suspended;   /* under the lock of http_wait.c */
};

/* One connection. */
struct visitor {
    unsigned magic;
    struct http *http;
    int fd;
    struct reaped *reaped;
    struct address from;
    struct address to;
    bool control;
    bool is_guest;             /* no member by its address: let in for whom it signed as; with */
    struct address member;     /* the address of that one. Both under guests_lock */
    struct request *suspended; /* its request, while that is; under the lock of http_wait.c */
};

enum step {
    STEP_DONE,  /* answered */
    STEP_WAIT,  /* suspend, and come back when woken */
    STEP_BREAK, /* close the connection */
};

struct request {
    unsigned magic;
    _Atomic unsigned refs;
    struct http *http;
    struct visitor *visitor;
    struct MHD_Connection *connection;

    bool suspended; /* these under the lock of http_wait.c */
    bool woken;
    bool gone;
    struct request *next, **link;

    bool fetches;       /* it waits for what is being fetched, which may be for ever */
    mono_t waits_since; /* under that lock too */
    mono_t answer_by;   /* whoever waits for longer is woken; MONO_NEVER */

    bool begun;  /* the first call was made */
    bool closes; /* "Connection: close" goes with the answer */
    bool has_body;
    bool body_over;             /* all of it has come */
    bool body_held;             /* it waits for us, not for the client */
    struct gate_request asked;  /* as the gate judged it */
    bool ruled_out;             /* it is refused because a rule says so, */
    char why[GATE_RULING_SIZE]; /* which is this */
    bool own_host;
    bool may_fetch;     /* what is not at hand is fetched for it: */
    struct share share; /* its host: the address by which the asker was judged */
    size_t block;       /* bytes of what it streams through, as far as they count */
    unsigned relations; /* what the asker is to us; where it is not our own host */
    uint64_t epoch;     /* of the tier by which the asker is served; 0: none */
    bool cached_only;   /* it wants nothing to be fetched: only-if-cached */
    bool circles;       /* it has come through this node already: nothing is fetched for it */
    bool is_signed;
    bool is_head;
    bool hot_wanted;                     /* its answer is to be kept for others, */
    uint64_t edition;                    /* and shows nothing of the store from before this one */
    char challenge[HTTP_CHALLENGE_SIZE]; /* of an ISconf host; else empty */
    struct challenge_claim claim;        /* where is_signed */
    struct request_head head;
    struct span path; /* of head.target */
    struct span query;

    /* What answers it. `take` gets the body (false: it takes these bytes once it is woken); `step`
     * is called once that is over, and again after each wait. `work` is theirs, ended by work_end
     * when the request is over. */
    bool (*take)(struct request *r, const char *bytes, size_t len);
    enum step (*step)(struct request *r);
    void *work;
    void (*work_end)(void *work);
    unsigned refusal; /* status of an answer that waits for the body's end */
    const char *refusal_sentence;
    uint64_t swallowed;

    struct request_header headers[HTTP_HEADERS_MAX]; /* head's: the first head.count are set */
    char target_text[];
};

/* ---- http_wait.c: suspended requests ----------------------------------------------------------
 */

enum wait {
    WAIT_SUSPENDED, /* the worker leaves it now */
    WAIT_OVER,      /* woken already: look again */
    WAIT_END        /* the client has gone, or the server stops: give it up */
};
enum wait request_wait(struct request *r); /* on its worker */
void request_wake(struct request *r);      /* any thread; once or more */
bool request_is_gone(struct request *r);
void visitor_waits(void *visitor, bool gone);
void http_wake_all(struct http *http);

/* On its worker: another node's is woken when its patience is over, from the first of these calls
 * on, and is late then. Who begins to answer sets answer_by back to MONO_NEVER. */
void request_answer_soon(struct request *r);
bool request_is_late(const struct request *r);

void request_hold(struct request *r); /* for one who will call request_wake later */
void request_release(struct request *r);

/* ---- http_request.c ----------------------------------------------------------------------------
 */

/* From the first line on; ended by request_release. NULL where there is no memory. */
struct request *request_new(struct http *http, struct MHD_Connection *connection,
                            const char *target);

/* The value of a header; an empty span at NULL where it is not there. */
struct span request_header(const struct request *r, const char *name);

/* Through whom it came; an empty span: nobody. Nodes say it in one header, which they sign; others
 * are not passed on: with what is fetched they would go for all who wait for it. */
struct span request_via(const struct request *r);

/* Reads the head; refuses what has a wrong shape. False: it was answered. */
bool request_read(struct request *r, const char *method, const char *version);

/* Signature, gate, and what the asker is to us. `name` is what is asked for, for the log. False: it
 * was answered. */
enum admit {
    ADMIT_MONITORS = 1, /* monitors may read it */
    ADMIT_OWN_ONLY = 2, /* taken from this node's own host alone */
    ADMIT_ROUTED = 4    /* content, and what leads to it: section 9 says who answers whom */
};
bool request_admit(struct request *r, enum gate_message message, unsigned admit, struct span name);

/* It was admitted, and is about this name: do the rules let its sender have it? False: it was
 * answered. */
bool request_admit_name(struct request *r, enum gate_message message, struct span name);

/* The same of one of several, for which it is not answered. */
bool request_may_have(struct request *r, struct span name);

/* What its sender may learn of; r->asked must outlast it. */
struct request_sight {
    struct gate_sight gate;
    struct store_sight store;
};
const struct store_sight *request_sight(struct request *r, struct request_sight *sight);

/* The value of an argument of the query, unescaped. False where it is not there, is malformed, or
 * does not fit. */
bool request_arg(const struct request *r, const char *name, char *out, size_t cap);

bool request_has_arg(const struct request *r, const char *name); /* malformed or not */

/* A number; 0 where it is not there. False: it is none. */
bool request_arg_u64(const struct request *r, const char *name, uint64_t *out);

/* This worker's own. */
struct seal *request_seal(struct request *r);

/* ---- the answers: each begin admits the request and sets r->step, or refuses it -------------- */

enum step request_begin(struct request *r); /* finds whose it is */
enum step object_begin(struct request *r);  /* GET, HEAD of an object */
enum step put_begin(struct request *r);     /* PUT */
enum step remove_begin(struct request *r);  /* DELETE */
enum step api_begin(struct request *r);     /* /.pond/... */

/* A part of some content, not empty, checked; free() it. NULL: it cannot be read. */
char *object_read(struct content *content, uint64_t from, size_t len);

/* Without a master nobody knows what is newest; what is at hand is served all the same. */
bool object_is_stale(const struct http *http);

/* ---- http_hot.c: answers that are kept for who asks next ------------------------------------- */

/* One was let in, and asks for this name: answers it with what was kept. STEP_WAIT: nothing was;
 * r->hot_wanted says whether it is to be now. */
enum step hot_answer(struct request *r, struct span name);
struct hot *hot_begin(int64_t fresh_ns);

#define HTTP_CHUNKS "/.pond/chunks/"
enum step chunks_step(struct request *r);   /* /.pond/chunks/... */
enum step contents_step(struct request *r); /* /.pond/contents?of= */
enum step whohas_step(struct request *r);   /* /.pond/whohas?name= */
#define HTTP_WHOHAS "/.pond/whohas/"
enum step whohas_of_others_step(struct request *r); /* /.pond/whohas/...?within= */
enum step catalogue_step(struct request *r);        /* /.pond/catalogue */
enum step gate_step(struct request *r);             /* /.pond/gate */
enum step events_step(struct request *r);           /* /.pond/events */
enum step verify_step(struct request *r);           /* /.pond/verify */
enum step rebuild_step(struct request *r);          /* /.pond/rebuild */
enum step reload_step(struct request *r);           /* /.pond/reload */

/* ---- http_catalogue.c, for http_ranges.c too ------------------------------------------------- */

struct bounds {
    char from[NAME_SIZE];
    char to[NAME_SIZE];
};

/* May the asker see it, and does it ask for names? False: it was answered, by *step. */
bool catalogue_may_show(struct request *r, enum step *step);
bool catalogue_bounds(struct request *r, struct bounds *bounds, enum step *step);

/* Does the asker know all that we know? digest= is its own catalogue's. */
bool catalogue_is_same(const struct request *r, const struct store_head *head);

/* The page is sent, and freed: so much room. Or the store's refusal is. */
enum { CATALOGUE_PAGE = 256 * 1024 };
struct text catalogue_page(size_t size);
enum step catalogue_send(struct request *r, const struct store_head *head, enum store_status status,
                         struct text *page, uint64_t last, bool more);

struct ranges *ranges_new(struct http *http);
void ranges_stop(struct ranges *ranges);  /* nothing new is begun */
void ranges_free(struct ranges *ranges);  /* when no request is left */
enum step ranges_step(struct request *r); /* /.pond/ranges */

/* A page of names for which many are to be looked at; and again after each wait, when r->work is
 * its. `now` is the head before. */
enum step ranges_names(struct request *r, const struct bounds *bounds,
                       const struct store_head *now);
enum step ranges_await(struct request *r);

/* ---- what takes long --------------------------------------------------------------------------
 */

struct events *events_new(void);
void events_end(struct events *events); /* of all listeners; nobody is let in any more */
void events_free(struct events *events);

struct chores *chores_new(struct http *http);
void chores_stop(struct chores *chores); /* ends the one under way early, and waits for it */
void chores_free(struct chores *chores);

/* ---- http_ask.c: questions to the exchange --------------------------------------------------- */

/* Asks; the request is woken when it is answered. NULL where as many wait already as may: of all,
 * of other hosts, or of the one that asks. */
struct question *question_ask(struct request *r, enum exchange_ask kind, struct span name);

/* Do so many candidates hold what is known of the name, by then? */
struct question *question_ask_copies(struct request *r, const struct manifest *manifest,
                                     size_t copies, mono_t until);
bool question_answered(const struct question *q);
const struct ask *question_ask_of(const struct question *q); /* once answered */
void question_end(struct question *q);                       /* at any time; NULL is fine */

#endif
