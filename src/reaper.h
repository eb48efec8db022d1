/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_REAPER_H
#define POND_SRC_REAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ev_loop;

/*
 * The registry of HTTP connections, and their deadlines: libmicrohttpd has none over a whole
 * request, so a client that sends or reads a byte now and then would stay for ever, and it does not
 * notice that the client of a suspended connection has gone. On the loop's thread a timer looks at
 * every connection; who is too slow has its socket shut, which libmicrohttpd sees as a hang-up.
 *
 * Workers say where a connection stands by one atomic store; the kernel is asked (TCP_INFO) how
 * much has moved. What waits for us, not for the client, is never held against the client.
 */
enum reaper_state {
    REAPER_FRESH, /* new: the head of its first request is to come within head_ns */
    REAPER_IDLE,  /* between requests: closed after idle_ns; a head that has begun has head_ns */
    REAPER_BODY,  /* the client sends: `rate` over each window_ns */
    REAPER_REPLY, /* the client reads: likewise */
    REAPER_WAIT   /* suspended: `waits` is called */
};

struct reaper_limits {
    int64_t head_ns;
    int64_t idle_ns;
    int64_t window_ns;
    uint64_t rate;   /* bytes a second */
    int64_t last_ns; /* the window, after reaper_shut_idle */
};

struct reaper_options {
    struct ev_loop *loop;
    struct reaper_limits limits;
    size_t capacity; /* connections at a time */

    /* On the loop's thread, at each look at a connection in REAPER_WAIT; `gone`: its client has
     * closed. It must not call the reaper. The owner is not removed meanwhile. */
    void (*waits)(void *owner, bool gone);
};

struct reaper;
struct reaped;

struct reaper *reaper_new(const struct reaper_options *options);
void reaper_free(struct reaper *reaper); /* all connections removed before */

/* Connections: any thread. NULL where `capacity` are here. The descriptor must stay open until
 * reaper_remove. Only TCP has rates; a connection of another kind has the other deadlines. */
struct reaped *reaper_add(struct reaper *reaper, int fd, bool tcp, void *owner);
void reaper_remove(struct reaper *reaper, struct reaped *reaped);
void reaper_state(struct reaped *reaped, enum reaper_state state);

/* Shuts every connection whose owner `unwanted` names, at once. It must not call the reaper. On the
 * loop's thread. */
void reaper_shut(struct reaper *reaper, bool (*unwanted)(const void *owner));

/* From now on connections between requests are shut at once, new ones whose first request has not
 * begun after last_ns, and too slow is judged over last_ns. On the loop's thread. */
void reaper_shut_idle(struct reaper *reaper);

#endif
