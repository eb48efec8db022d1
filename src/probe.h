/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_PROBE_H
#define POND_SRC_PROBE_H

#include <stdint.h>

#include "src/base/address.h"

struct ev_loop;

/*
 * Asks an HTTP server whether it answers at all, by a connection of its own each time: through the
 * acceptor, to a worker, and back. It asks for something that there is not, so that no answer waits
 * for a disk. One at a time; on the loop's thread.
 */
enum probe_result {
    PROBE_ANSWERED,
    PROBE_FAILED, /* refused, broken off, no HTTP, or nothing in time */
    PROBE_UNSURE  /* 503: it has too much to do for one more, which says nothing of the rest; or it
                     was us who were late */
};

struct probe;
struct probe *probe_new(struct ev_loop *loop, const struct address *server, int64_t most_ns,
                        void (*done)(void *arg, enum probe_result result), void *arg);
void probe_free(struct probe *probe); /* without a `done`; NULL: nothing */

/* Begins, if none is under way. `done` comes later, once. */
void probe_begin(struct probe *probe);

#endif
