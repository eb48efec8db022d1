/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/http_reply.h"
#include "src/reload.h"

/* pond reload: the request waits until everything is applied, or found faulty. Two own it, the
 * request and the reload until it is over, and the last one frees it. */
struct waiter {
    struct reload_ask ask;
    struct request *request;
    _Atomic unsigned owners;
    _Atomic bool over;
};

static void let_go(struct waiter *w)
{
    if (atomic_fetch_sub(&w->owners, 1) > 1)
        return;
    request_release(w->request);
    free(w->ask.json);
    free(w);
}

/* On the main thread. The server may have ended meanwhile: only the request is touched. */
static void on_over(struct reload_ask *ask)
{
    struct waiter *w = ask->owner;

    atomic_store(&w->over, true);
    request_wake(w->request);
    let_go(w);
}

static void waiter_end(void *work)
{
    let_go(work);
}

static void begin(struct request *r)
{
    struct http_world *world = &r->http->options.world;
    struct waiter *w = calloc(1, sizeof(*w));

    MUST(w != NULL);
    w->ask.done = on_over;
    w->ask.owner = w;
    w->request = r;
    request_hold(r);
    atomic_store(&w->owners, 2);
    r->work = w;
    r->work_end = waiter_end;
    world->reload(world->arg, &w->ask);
}

enum step reload_step(struct request *r)
{
    struct waiter *w = r->work;
    struct reply reply;
    char *json;

    if (!w) {
        begin(r);
        return STEP_WAIT;
    }
    if (!atomic_load(&w->over))
        return STEP_WAIT;
    json = w->ask.json;
    w->ask.json = NULL;
    if (!json)
        return reply_refuse(r, 503, "this node is stopping");
    reply_begin(&reply, r, MHD_HTTP_OK);
    reply_add(&reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return reply_memory(&reply, "application/json", json, strlen(json));
}
