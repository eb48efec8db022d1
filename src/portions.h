/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_PORTIONS_H
#define POND_SRC_PORTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/address.h"

/*
 * Who has how much of something that hosts share: connections, memory, readers. Our own host may
 * have all of it. Others get a part of the whole, one of them a part of that, and none of them more
 * than it leaves free: so however many take as much as they can, something is left for the next.
 *
 * Hosts are told apart by their addresses. Any thread; one who waits, waits for a look into a
 * table.
 */
struct portions_most {
    uint64_t whole;
    uint64_t others; /* all that are not our own host, together */
    uint64_t host;   /* one of these */
};

struct portions;
struct portions *portions_new(const struct portions_most *most);
void portions_free(struct portions *portions); /* NULL: nothing */

/* Takes so much more for the host (NULL: our own). False: it cannot have that now. */
bool portions_take(struct portions *portions, const struct address *host, uint64_t amount);

/* Gives back, in any pieces, what the same host took. */
void portions_give(struct portions *portions, const struct address *host, uint64_t amount);

uint64_t portions_taken(struct portions *portions); /* by all */

#endif
