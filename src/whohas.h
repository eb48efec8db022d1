/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_WHOHAS_H
#define POND_SRC_WHOHAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/name.h"
#include "cache/version.h"
#include "src/base/address.h"

/*
 * What is gathered for `pond whohas`: who has which version of a name, one row a node, and what is
 * missing from that. As JSON it goes to pond, and from node to node, where it is what another host
 * says: what has no right shape is passed over. One thread at a time.
 */
enum { WHOHAS_ROWS_MAX = 1000, WHOHAS_GAPS_MAX = 16, WHOHAS_GAP_SIZE = 240 };

struct whohas_row {
    char node[NODE_SIZE];
    struct address http; /* where it was met; not of this node itself */
    char tier[TIER_SIZE];
    struct version version;
    uint64_t size;
    bool held;
    bool deleted;
    bool own; /* it is the node that tells */
};

struct whohas;
struct whohas *whohas_new(const char *name); /* the whole name */
void whohas_free(struct whohas *whohas);

/* Of a node that has a row already the first one stays: it was told by who is nearer. */
void whohas_add(struct whohas *whohas, const struct whohas_row *row);

/* One sentence, which names the node where something is missing. */
void whohas_gap(struct whohas *whohas, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What the node at `server`, which we know in this tier, has gathered. False: it is no such JSON.
 */
bool whohas_merge(struct whohas *whohas, const char *body, size_t len, const struct address *server,
                  const char *tier);

char *whohas_json(const struct whohas *whohas); /* free() it */

#endif
