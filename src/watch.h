/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_WATCH_H
#define POND_SRC_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/address.h"

/*
 * The watched connection: who follows a master holds one idle TCP connection to it, so that the end
 * of its process is noticed at once. When the connection breaks, another is made: where that is
 * refused, nobody listens there any more, and the process is gone; where it succeeds, nothing has
 * happened; where neither comes (unreachable, silent), nothing is concluded, and it is tried again,
 * ever less often. Only who once had a connection concludes anything from a refusal.
 *
 * Nothing is ever said on such a connection; who says something loses it. One thread: the loop's.
 */
struct ev_loop;
struct watch;

enum {
    WATCH_LINES_MAX = 64,            /* connections that we hold */
    WATCH_SERVED_MAX = 1024,         /* held to us */
    WATCH_HOST_MAX = WATCH_LINES_MAX /* of those, by one host: one for each tier */
};

struct watch_options {
    struct ev_loop *loop;
    const struct address *listen; /* with the port */
    size_t listen_count;
    bool (*may_watch)(void *arg, const struct address *from);
    /* The process at `to`, to which the line held a connection, is gone. Told once. */
    void (*gone)(void *arg, size_t line, const struct address *to);
    void *arg;
};

/* Logs what failed; NULL then. */
struct watch *watch_new(const struct watch_options *options);
void watch_free(struct watch *watch);

/* The line (below WATCH_LINES_MAX) holds a connection to `to` (with the port), by our address
 * `source`, from now on; NULL: to nobody. That to whom it held one before is ended, if it is
 * another. */
void watch_hold(struct watch *watch, size_t line, const struct address *to,
                const struct address *source);

bool watch_holds(const struct watch *watch, size_t line); /* is the connection there, now? */
size_t watch_served(const struct watch *watch);           /* held to us, now */

#endif
