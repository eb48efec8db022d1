/* SPDX-License-Identifier: ISC */
#include "src/http_inner.h"

#include <stdlib.h>

#include "src/base/must.h"
#include "src/clock.h"
#include "src/fetch.h"

_Static_assert(2 * HTTP_PATIENCE_NS < MONO_S(FETCH_STALL_S), "nobody takes us for silent");

/*
 * libmicrohttpd wants exactly one resume for each suspend: a second one is remembered and swallows
 * the next suspend. So both are called here alone, under one lock, which guards `suspended` of
 * every request. It belongs to no server, for a wake may come when the server has ended (a question
 * to the exchange is answered late); who may still wake a request holds a reference to it.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void link_in(struct request *r)
{
    r->next = r->http->suspended;
    r->link = &r->http->suspended;
    if (r->next)
        r->next->link = &r->next;
    r->http->suspended = r;
    r->visitor->suspended = r;
}

/* Ends the wait; with the lock held. */
static void resume(struct request *r)
{
    if (!r->suspended) {
        r->woken = true;
        return;
    }
    r->suspended = false;
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    r->visitor->suspended = NULL;
    /* If it answers already, it may wait for its client from now on. */
    reaper_state(r->visitor->reaped, REAPER_REPLY);
    MHD_resume_connection(r->connection);
}

enum wait request_wait(struct request *r)
{
    enum wait result = WAIT_SUSPENDED;

    pthread_mutex_lock(&lock);
    MUST(!r->suspended);
    if (r->gone || atomic_load(&r->http->stopping)) {
        result = WAIT_END;
    } else if (r->woken) {
        r->woken = false;
        result = WAIT_OVER;
    } else {
        r->suspended = true;
        link_in(r);
        r->waits_since = clock_mono();
        reaper_state(r->visitor->reaped, REAPER_WAIT);
        MHD_suspend_connection(r->connection);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

void request_wake(struct request *r)
{
    pthread_mutex_lock(&lock);
    resume(r);
    pthread_mutex_unlock(&lock);
}

bool request_is_gone(struct request *r)
{
    bool gone;

    pthread_mutex_lock(&lock);
    gone = r->gone;
    pthread_mutex_unlock(&lock);
    return gone;
}

void request_answer_soon(struct request *r)
{
    if (!r->own_host && r->answer_by.ns == MONO_NEVER.ns)
        r->answer_by = mono_after(clock_mono(), r->http->options.patience_ns);
}

bool request_is_late(const struct request *r)
{
    return mono_reached(clock_mono(), r->answer_by);
}

static bool is_stuck_at_the_end(const struct request *r)
{
    return atomic_load(&r->http->draining) && r->fetches &&
           mono_between(r->waits_since, clock_mono()) >= HTTP_LAST_NS;
}

/* The reaper's call. Whoever has waited for long enough is woken, and so is a request whose client
 * has closed. */
void visitor_waits(void *owner, bool gone)
{
    struct visitor *visitor = owner;
    struct request *r;

    pthread_mutex_lock(&lock);
    r = visitor->suspended;
    if (r) {
        r->gone = r->gone || gone || is_stuck_at_the_end(r);
        if (r->gone || request_is_late(r))
            resume(r);
    }
    pthread_mutex_unlock(&lock);
}

void http_wake_all(struct http *http)
{
    pthread_mutex_lock(&lock);
    while (http->suspended)
        resume(http->suspended);
    pthread_mutex_unlock(&lock);
}

void request_hold(struct request *r)
{
    atomic_fetch_add(&r->refs, 1);
}

void request_release(struct request *r)
{
    if (atomic_fetch_sub(&r->refs, 1) > 1)
        return;
    r->magic = 0;
    free(r);
}
