/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/http_reply.h"

/*
 * /.pond/events: lines of JSON to all who listen. Each listener has a buffer of its own, which its
 * worker empties; one that does not keep up is told so by a last line and ended, so that nobody
 * who publishes ever waits, and nobody who listens misses a line without being told.
 */
enum { EVENTS_LISTENERS_MAX = 64, EVENTS_BUFFER = 64 * 1024, LISTENER_MAGIC = 0x6c697374 };

static const char last_line[] = "{\"event\":\"cut_off\",\"reason\":\"this listener does not "
                                "keep up: some events after this are lost\"}\n";

struct listener {
    unsigned magic;
    struct events *events;
    struct request *request;
    struct listener *next, **link;
    bool cut;   /* something did not fit */
    bool ended; /* the server drains */
    size_t from, len;
    char buffer[EVENTS_BUFFER]; /* from `from` on `len` bytes; room for last_line is kept free */
};

struct events {
    pthread_mutex_t lock; /* guards all of the above */
    struct listener *first;
    unsigned count;
    bool ended;
};

struct events *events_new(void)
{
    struct events *events = calloc(1, sizeof(*events));

    MUST(events != NULL);
    MUST(pthread_mutex_init(&events->lock, NULL) == 0);
    return events;
}

void events_free(struct events *events)
{
    MUST(!events->first);
    pthread_mutex_destroy(&events->lock);
    free(events);
}

static void append(struct listener *l, const char *bytes, size_t len)
{
    memmove(l->buffer, l->buffer + l->from, l->len);
    l->from = 0;
    memcpy(l->buffer + l->len, bytes, len);
    l->len += len;
}

static void offer(struct listener *l, const char *line, size_t len)
{
    if (l->cut)
        return;
    if (len + 1 > sizeof(l->buffer) - sizeof(last_line) - l->len) {
        l->cut = true;
        append(l, last_line, sizeof(last_line) - 1);
    } else {
        append(l, line, len);
        append(l, "\n", 1);
    }
    request_wake(l->request);
}

bool http_has_listeners(struct http *http)
{
    struct events *events = http->events;
    bool any;

    pthread_mutex_lock(&events->lock);
    any = events->first != NULL;
    pthread_mutex_unlock(&events->lock);
    return any;
}

void http_event(struct http *http, const char *json_line)
{
    struct events *events = http->events;

    pthread_mutex_lock(&events->lock);
    for (struct listener *l = events->first; l; l = l->next)
        offer(l, json_line, strlen(json_line));
    pthread_mutex_unlock(&events->lock);
}

void events_end(struct events *events)
{
    pthread_mutex_lock(&events->lock);
    events->ended = true;
    for (struct listener *l = events->first; l; l = l->next) {
        l->ended = true;
        request_wake(l->request);
    }
    pthread_mutex_unlock(&events->lock);
}

/* ---- a listener: on its worker --------------------------------------------------------------- */

static void listener_end(void *work)
{
    struct listener *l = work;
    struct events *events = l->events;

    MUST_BE(l, LISTENER_MAGIC);
    pthread_mutex_lock(&events->lock);
    *l->link = l->next;
    if (l->next)
        l->next->link = l->link;
    events->count--;
    pthread_mutex_unlock(&events->lock);
    l->magic = 0;
    free(l);
}

/* Bytes, 0 for none at the moment, or the end. */
static ssize_t take(struct listener *l, char *bytes, size_t most)
{
    size_t n;

    pthread_mutex_lock(&l->events->lock);
    n = l->len < most ? l->len : most;
    memcpy(bytes, l->buffer + l->from, n);
    l->from += n;
    l->len -= n;
    if (n == 0 && (l->cut || l->ended)) {
        pthread_mutex_unlock(&l->events->lock);
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    pthread_mutex_unlock(&l->events->lock);
    return (ssize_t)n;
}

static ssize_t read_events(void *cls, uint64_t at, char *bytes, size_t most)
{
    struct request *r = cls;
    ssize_t n;

    (void)at;
    MUST_BE((struct listener *)r->work, LISTENER_MAGIC);
    while ((n = take(r->work, bytes, most)) == 0) {
        enum wait wait = request_wait(r);
        if (wait == WAIT_SUSPENDED)
            return 0;
        if (wait == WAIT_END)
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    return n;
}

static bool link_in(struct events *events, struct listener *l)
{
    bool room;

    pthread_mutex_lock(&events->lock);
    room = events->count < EVENTS_LISTENERS_MAX && !events->ended;
    if (room) {
        events->count++;
        l->next = events->first;
        l->link = &events->first;
        if (l->next)
            l->next->link = &l->next;
        events->first = l;
    }
    pthread_mutex_unlock(&events->lock);
    return room;
}

/* The head goes out with the first line; so that a listener knows at once that it is heard, there
 * is one to begin with. */
enum step events_step(struct request *r)
{
    static const char hello[] = "{\"event\":\"listening\"}\n";
    struct listener *l = malloc(sizeof(*l));
    struct reply reply;

    MUST(l != NULL);
    memset(l, 0, offsetof(struct listener, buffer));
    l->magic = LISTENER_MAGIC;
    l->events = r->http->events;
    l->request = r;
    append(l, hello, sizeof(hello) - 1);
    if (!link_in(l->events, l)) {
        free(l);
        return reply_refuse(r, 503, "as many listen to the events as this node serves");
    }
    r->work = l;
    r->work_end = listener_end;
    reply_begin(&reply, r, MHD_HTTP_OK);
    reply.vouched = true;
    reply_add(&reply, MHD_HTTP_HEADER_CONTENT_TYPE, "application/jsonl");
    reply_add(&reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return reply_stream(&reply, MHD_SIZE_UNKNOWN, read_events);
}
