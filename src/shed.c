/* SPDX-License-Identifier: ISC */
#include "src/shed.h"

#include <ev.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/must.h"
#include "src/base/stats.h"

enum { SHED_MAGIC = 0x73686564, SHED_DISCARD = 4096 };

#define SHED_SENTENCE                                                                              \
    "this node has as many connections as its max_connections allows, or as it allows one host; "  \
    "try again in a second\n"

static const char shed_answer[] = "HTTP/1.1 503 Service Unavailable\r\n"
                                  "Content-Type: text/plain; charset=utf-8\r\n"
                                  "Content-Length: 113\r\n"
                                  "Cache-Control: no-store\r\n"
                                  "Retry-After: 1\r\n"
                                  "Connection: close\r\n"
                                  "\r\n" SHED_SENTENCE;
_Static_assert(sizeof(SHED_SENTENCE) - 1 == 113, "the Content-Length above");

/* One that was told, and has not closed yet. */
struct lingerer {
    unsigned magic;
    struct shed *shed;
    struct ev_io readable;
    struct ev_timer most;
    struct lingerer *next, **link;
};

struct shed {
    struct ev_loop *loop;
    struct lingerer *first;
    unsigned count;
};

static void let_go(struct lingerer *l)
{
    ev_io_stop(l->shed->loop, &l->readable);
    ev_timer_stop(l->shed->loop, &l->most);
    *l->link = l->next;
    if (l->next)
        l->next->link = l->link;
    l->shed->count--;
    close(l->readable.fd);
    l->magic = 0;
    free(l);
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct lingerer *l = watcher->data;
    char nowhere[SHED_DISCARD];

    (void)loop, (void)events;
    MUST_BE(l, SHED_MAGIC);
    if (recv(watcher->fd, nowhere, sizeof(nowhere), MSG_DONTWAIT) == 0)
        let_go(l); /* an error comes back as the end of the stream, or as the timer */
}

static void on_most(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
    struct lingerer *l = watcher->data;

    (void)loop, (void)events;
    MUST_BE(l, SHED_MAGIC);
    let_go(l);
}

static void linger(struct shed *shed, int fd)
{
    struct lingerer *l = calloc(1, sizeof(*l));

    MUST(l != NULL);
    l->magic = SHED_MAGIC;
    l->shed = shed;
    l->next = shed->first;
    l->link = &shed->first;
    if (l->next)
        l->next->link = &l->next;
    shed->first = l;
    shed->count++;
    ev_io_init(&l->readable, on_readable, fd, EV_READ);
    ev_timer_init(&l->most, on_most, SHED_LINGER_S, 0);
    l->readable.data = l;
    l->most.data = l;
    ev_io_start(shed->loop, &l->readable);
    ev_timer_start(shed->loop, &l->most);
}

struct shed *shed_new(struct ev_loop *loop)
{
    struct shed *shed = calloc(1, sizeof(*shed));

    MUST(shed != NULL);
    shed->loop = loop;
    return shed;
}

static void tell(int fd)
{
    stat_add(STAT_CONNECTIONS_SHED, 1);
    /* A fresh socket's buffer has room for this; where it has none, nobody can be told. */
    (void)send(fd, shed_answer, sizeof(shed_answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
}

void shed_connection(struct shed *shed, int fd)
{
    if (shed->count >= SHED_LINGER_MAX) {
        shed_refuse(fd);
        return;
    }
    tell(fd);
    linger(shed, fd);
}

void shed_refuse(int fd)
{
    char nowhere[SHED_DISCARD];

    tell(fd);
    (void)recv(fd, nowhere, sizeof(nowhere),
               MSG_DONTWAIT); /* most have sent their request by now */
    close(fd);
}

void shed_free(struct shed *shed)
{
    while (shed->first)
        let_go(shed->first);
    free(shed);
}
