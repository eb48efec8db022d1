/* SPDX-License-Identifier: ISC */
#include "src/http_inner.h"

#include <stdlib.h>

#include "src/base/must.h"

/* Two own it: the request that asked, and the exchange until it has answered. The last one frees
 * it. A client that goes away need not wait for the answer: its share ends when the exchange knows
 * that nobody asks any more. */
struct question {
    struct ask ask;
    struct request *request;
    _Atomic unsigned owners;
    _Atomic bool answered;
};

static void let_go(struct question *q)
{
    if (atomic_fetch_sub(&q->owners, 1) > 1)
        return;
    request_release(q->request);
    free(q);
}

/* On the main thread. The server may have ended meanwhile: only the request is touched. */
static void on_answer(struct ask *ask)
{
    struct question *q = ask->owner;

    atomic_store(&q->answered, true);
    request_wake(q->request);
    let_go(q);
}

static void on_dropped(struct ask *ask)
{
    let_go(ask->owner);
}

static struct question *question_new(struct request *r, enum exchange_ask kind, struct span name)
{
    struct http *http = r->http;
    struct question *q;

    if (atomic_fetch_add(&http->asks, 1) >= HTTP_ASKS_MAX) {
        atomic_fetch_sub(&http->asks, 1);
        return NULL;
    }
    q = calloc(1, sizeof(*q));
    MUST(q != NULL);
    q->ask.kind = kind;
    MUST(span_copy(name, q->ask.name, sizeof(q->ask.name)));
    q->ask.done = on_answer;
    q->ask.dropped = on_dropped;
    q->ask.owner = q;
    q->request = r;
    request_hold(r);
    atomic_store(&q->owners, 2);
    return q;
}

struct question *question_ask(struct request *r, enum exchange_ask kind, struct span name)
{
    struct question *q = question_new(r, kind, name);

    if (q)
        r->http->options.world.ask(r->http->options.world.arg, &q->ask);
    return q;
}

struct question *question_ask_copies(struct request *r, const struct manifest *manifest,
                                     size_t copies, mono_t until)
{
    struct question *q = question_new(r, EXCHANGE_ASK_COPIES, span_of(manifest->name));

    if (!q)
        return NULL;
    q->ask.version = manifest->version;
    q->ask.copies = copies;
    q->ask.until = until;
    r->http->options.world.ask(r->http->options.world.arg, &q->ask);
    return q;
}

bool question_answered(const struct question *q)
{
    return atomic_load(&q->answered);
}

const struct ask *question_ask_of(const struct question *q)
{
    MUST(question_answered(q));
    return &q->ask;
}

void question_end(struct question *q)
{
    struct http *http;

    if (!q)
        return;
    http = q->request->http;
    atomic_fetch_sub(&http->asks, 1);
    if (question_answered(q))
        let_go(q);
    else
        http->options.world.drop(http->options.world.arg, &q->ask);
}
