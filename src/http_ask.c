/* SPDX-License-Identifier: ISC */
#include "src/http_inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

/* Two own it: the request that asked, and the exchange until it has answered. The last one frees
 * it. A client that goes away need not wait for the answer: its share ends when the exchange knows
 * that nobody asks any more. */
struct question {
    struct ask ask;
    struct request *request;
    struct question *next, **link; /* of http->asking: until the request is over */
    bool shares;                   /* a place that another in the list has taken: under its lock */
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

/* ---- whose questions wait -----------------------------------------------------------------------
 *
 * The exchange has places for so many; who asks the same of the same name shares one, but for puts
 * that wait for copies. Other hosts get three quarters of them, and one of them a quarter, so that
 * who asks for names that nobody has starves neither us nor its neighbours. So it is with the
 * requests that wait, and with the places of questions that are dear.
 */
struct quota {
    size_t all, others, host;
};

#define QUOTA(places) HTTP_ASKS_MAX, (places)*3 / 4, (places) / 4

static const struct quota of_requests = {QUOTA(HTTP_ASKS_MAX)};
static const struct quota of_places = {QUOTA(EXCHANGE_QUESTIONS_MAX)};
static const struct quota of_kind[] = {
    [EXCHANGE_ASK_NAME] = {QUOTA(EXCHANGE_QUESTIONS_MAX)},
    [EXCHANGE_ASK_CONTENT] = {QUOTA(EXCHANGE_QUESTIONS_MAX)},
    [EXCHANGE_ASK_NEWEST] = {QUOTA(EXCHANGE_QUESTIONS_MAX)},
    [EXCHANGE_ASK_SURVEY] = {QUOTA(EXCHANGE_SURVEYS_MAX)},
    [EXCHANGE_ASK_COPIES] = {QUOTA(EXCHANGE_COPIES_ASKED_MAX)},
};

static void count(struct quota *waiting, const struct request *has, const struct request *wants)
{
    waiting->all++;
    waiting->others += !has->own_host;
    waiting->host += !has->own_host && address_same_host(&has->share.host, &wants->share.host);
}

static bool is_within(const struct quota *waiting, const struct quota *most,
                      const struct request *wants)
{
    if (wants->own_host)
        return waiting->all < most->all;
    return waiting->others < most->others && waiting->host < most->host;
}

/* Another that waits for the same; with the lock held, as what follows. */
static struct question *find_same(const struct question *q)
{
    struct question *other = q->request->http->asking;

    if (q->ask.kind == EXCHANGE_ASK_COPIES)
        return NULL;
    while (other && (other == q || other->ask.kind != q->ask.kind ||
                     strcmp(other->ask.name, q->ask.name) != 0))
        other = other->next;
    return other;
}

static bool may_ask(const struct question *q)
{
    struct quota requests = {0}, places = {0}, kind = {0};
    const struct request *r = q->request;

    for (const struct question *other = r->http->asking; other; other = other->next) {
        count(&requests, other->request, r);
        if (other->shares)
            continue;
        count(&places, other->request, r);
        if (other->ask.kind == q->ask.kind)
            count(&kind, other->request, r);
    }
    if (!is_within(&requests, &of_requests, r))
        return false;
    return q->shares ||
           (is_within(&places, &of_places, r) && is_within(&kind, &of_kind[q->ask.kind], r));
}

static bool link_in(struct question *q)
{
    struct http *http = q->request->http;
    bool may;

    pthread_mutex_lock(&http->asking_lock);
    q->shares = find_same(q) != NULL;
    may = may_ask(q);
    if (may) {
        q->next = http->asking;
        q->link = &http->asking;
        if (q->next)
            q->next->link = &q->next;
        http->asking = q;
    }
    pthread_mutex_unlock(&http->asking_lock);
    return may;
}

/* Its place goes on to one of those who share it. */
static void link_out(struct question *q)
{
    struct http *http = q->request->http;
    struct question *heir;

    pthread_mutex_lock(&http->asking_lock);
    heir = q->shares ? NULL : find_same(q);
    if (heir)
        heir->shares = false;
    *q->link = q->next;
    if (q->next)
        q->next->link = q->link;
    pthread_mutex_unlock(&http->asking_lock);
}

/* ---- a question -------------------------------------------------------------------------------
 */

static struct question *question_new(struct request *r, enum exchange_ask kind, struct span name)
{
    struct question *q = calloc(1, sizeof(*q));

    MUST(q != NULL);
    q->ask.kind = kind;
    MUST(span_copy(name, q->ask.name, sizeof(q->ask.name)));
    q->ask.done = on_answer;
    q->ask.dropped = on_dropped;
    q->ask.owner = q;
    q->request = r;
    if (!link_in(q)) {
        free(q);
        return NULL;
    }
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
    q->ask.sha256 = manifest->sha256;
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
    link_out(q);
    if (question_answered(q))
        let_go(q);
    else
        http->options.world.drop(http->options.world.arg, &q->ask);
}
