/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_TOLD_H
#define POND_SRC_TOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "cache/peers.h"
#include "src/base/address.h"
#include "src/base/time.h"

/*
 * What the log was told of other hosts: a host that is dead is dead at every try, and one line
 * tells that as well as two a minute do. Told again where the fault is another one, after
 * TOLD_AGAIN_NS, and once more hosts than TOLD_MAX have faults. One thread; zero it to begin.
 */
enum { TOLD_MAX = 256 };
#define TOLD_AGAIN_NS MONO_S(3600)

struct told {
    size_t next; /* the row that makes room */
    struct told_row {
        struct address server;
        enum peer_fault fault; /* PEER_FINE: none stands in this row */
        mono_t at;
    } rows[TOLD_MAX];
};

/* The host has this fault: is that to be told? It counts as told then. */
bool told_fault(struct told *told, const struct address *server, enum peer_fault fault, mono_t now);

/* The host has answered well: was a fault of it told, so that its end is to be told too? */
bool told_end(struct told *told, const struct address *server);

#endif
