/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/http_reply.h"
#include "src/signals.h"

/*
 * pond verify and pond rebuild: they take as long as the disk takes, so they run on a thread of
 * their own, one at a time, and tell how far they are by lines of JSON, the last of which has a
 * "result". A client that goes away ends its verify; a rebuild runs to its end.
 */
enum { CHORE_MAGIC = 0x63686f72, CHORE_LINE = 512 };

/* One run. The thread and the request own it, the last one frees it. */
struct chore {
    unsigned magic;
    struct chores *chores;
    struct request *request;
    bool rebuild;
    _Atomic unsigned owners;
    _Atomic bool unwanted;

    pthread_mutex_t lock;  /* guards the rest */
    char line[CHORE_LINE]; /* the newest, of which the bytes from `from` to `len` are not sent */
    size_t from, len;
    bool over;
};

struct chores {
    struct http *http;
    pthread_mutex_t lock; /* guards the rest */
    bool stopping;
    bool busy;    /* one is under way */
    bool started; /* `thread` is to be joined */
    pthread_t thread;
    struct chore *now;
};

static void let_go(struct chore *c)
{
    if (atomic_fetch_sub(&c->owners, 1) > 1)
        return;
    request_release(c->request);
    pthread_mutex_destroy(&c->lock);
    c->magic = 0;
    free(c);
}

/* ---- on its thread --------------------------------------------------------------------------- */

/* A line that the client has begun to read is not replaced; the newer one comes soon enough. */
static void tell(struct chore *c, const struct store_report *report, const char *result)
{
    struct text line;

    pthread_mutex_lock(&c->lock);
    if (c->len == 0 || c->from == 0 || result) {
        size_t keep = c->from ? c->len - c->from : 0;
        memmove(c->line, c->line + c->from, keep);
        c->from = 0;
        line = (struct text){.at = c->line, .len = keep, .cap = sizeof(c->line)};
        text_printf(&line,
                    "{\"objects\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"rotten\": %" PRIu64
                    ", \"mended\": %" PRIu64 ", \"recovered\": %" PRIu64,
                    report->objects, report->bytes, report->rotten, report->mended,
                    report->recovered);
        if (result)
            text_printf(&line, ", \"result\": \"%s\"", result);
        text_puts(&line, "}\n");
        MUST(!line.full);
        c->len = line.len;
    }
    c->over = result != NULL;
    pthread_mutex_unlock(&c->lock);
    request_wake(c->request);
}

static bool on_progress(void *arg, const struct store_report *so_far)
{
    struct chore *c = arg;

    MUST_BE(c, CHORE_MAGIC);
    tell(c, so_far, NULL);
    return !atomic_load(&c->unwanted);
}

static void *run(void *arg)
{
    struct chore *c = arg;
    struct chores *chores = c->chores;
    struct store *store = chores->http->options.world.store;
    struct store_report report = {0};
    enum store_status status;

    MUST_BE(c, CHORE_MAGIC);
    status =
        c->rebuild ? store_rebuild(store, &report) : store_verify(store, &report, on_progress, c);
    pthread_mutex_lock(&chores->lock);
    chores->busy = false;
    chores->now = NULL;
    pthread_mutex_unlock(&chores->lock);
    tell(c, &report, store_sentence(status));
    let_go(c);
    return NULL;
}

/* ---- starting and stopping ------------------------------------------------------------------- */

struct chores *chores_new(struct http *http)
{
    struct chores *chores = calloc(1, sizeof(*chores));

    MUST(chores != NULL);
    chores->http = http;
    MUST(pthread_mutex_init(&chores->lock, NULL) == 0);
    return chores;
}

/* With the lock held. */
static bool start_thread(struct chores *chores, struct chore *c)
{
    sigset_t before;

    if (chores->started)
        pthread_join(chores->thread, NULL); /* it is through, or about to be: it is not busy */
    signals_block(&before);
    chores->started = pthread_create(&chores->thread, NULL, run, c) == 0;
    signals_restore(&before);
    return chores->started;
}

static bool start(struct chores *chores, struct chore *c)
{
    bool started = false;

    pthread_mutex_lock(&chores->lock);
    if (!chores->busy && !chores->stopping) {
        started = chores->busy = start_thread(chores, c);
        chores->now = started ? c : NULL; /* it waits for the lock before it ends */
    }
    pthread_mutex_unlock(&chores->lock);
    return started;
}

void chores_stop(struct chores *chores)
{
    bool started;

    pthread_mutex_lock(&chores->lock);
    chores->stopping = true;
    if (chores->now)
        atomic_store(&chores->now->unwanted, true);
    started = chores->started;
    chores->started = false;
    pthread_mutex_unlock(&chores->lock);
    if (started)
        pthread_join(chores->thread, NULL);
}

void chores_free(struct chores *chores)
{
    MUST(!chores->started);
    pthread_mutex_destroy(&chores->lock);
    free(chores);
}

/* ---- the request: on its worker -------------------------------------------------------------- */

static void chore_end(void *work)
{
    struct chore *c = work;

    MUST_BE(c, CHORE_MAGIC);
    atomic_store(&c->unwanted, true);
    let_go(c);
}

static ssize_t take(struct chore *c, char *bytes, size_t most)
{
    ssize_t n;

    pthread_mutex_lock(&c->lock);
    n = (ssize_t)(c->len - c->from < most ? c->len - c->from : most);
    memcpy(bytes, c->line + c->from, (size_t)n);
    c->from += (size_t)n;
    if (c->from == c->len)
        c->from = c->len = 0;
    if (n == 0 && c->over)
        n = MHD_CONTENT_READER_END_OF_STREAM;
    pthread_mutex_unlock(&c->lock);
    return n;
}

static ssize_t read_lines(void *cls, uint64_t at, char *bytes, size_t most)
{
    struct request *r = cls;
    ssize_t n;

    (void)at;
    while ((n = take(r->work, bytes, most)) == 0) {
        enum wait wait = request_wait(r);
        if (wait == WAIT_SUSPENDED)
            return 0;
        if (wait == WAIT_END)
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    return n;
}

static enum step chore_step(struct request *r, bool rebuild)
{
    struct chore *c = calloc(1, sizeof(*c));
    struct reply reply;

    MUST(c != NULL && pthread_mutex_init(&c->lock, NULL) == 0);
    c->magic = CHORE_MAGIC;
    c->chores = r->http->chores;
    c->request = r;
    request_hold(r);
    c->rebuild = rebuild;
    atomic_store(&c->owners, 2);
    r->work = c;
    r->work_end = chore_end;
    if (!start(r->http->chores, c)) {
        let_go(c); /* the thread's share */
        return reply_refuse(r, 503, "a verify or rebuild runs already: try again when it is over");
    }
    reply_begin(&reply, r, MHD_HTTP_OK);
    reply.vouched = true;
    reply_add(&reply, MHD_HTTP_HEADER_CONTENT_TYPE, "application/jsonl");
    return reply_stream(&reply, MHD_SIZE_UNKNOWN, read_lines);
}

enum step verify_step(struct request *r)
{
    return chore_step(r, false);
}

enum step rebuild_step(struct request *r)
{
    return chore_step(r, true);
}
