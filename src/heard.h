/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_HEARD_H
#define POND_SRC_HEARD_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/address.h"
#include "src/base/node.h"
#include "src/base/text.h"

/*
 * From which addresses each node was last heard, in what it signed: so that a request which it
 * signed is judged as its own, though it comes from another address of its host (design section 9).
 *
 * Give it only what has been let in and was signed: else strangers fill the table. Bounded: of the
 * nodes the one that was unheard for longest makes room, and of a node's addresses likewise. All
 * memory is taken at the start. Any thread, the election's too: the lock is held for a moment.
 */
enum { HEARD_NODES = 8192, HEARD_ADDRESSES = 4 };

struct heard;
struct heard *heard_new(void);
void heard_free(struct heard *heard);

void heard_note(struct heard *heard, struct span node, const struct address *from);

/* The node's addresses, without ports, the one heard last first. How many. */
size_t heard_find(struct heard *heard, struct span node, struct address out[HEARD_ADDRESSES]);

/* The other way round: of the nodes that have this among their addresses those that are wanted. How
 * many; more than there is room for are left out. A host may have had many names one after another,
 * many may speak from one address behind a NAT, and where nobody signs, anybody can make names up:
 * so many are looked at, those first that came there last. `wants` is called under the lock. */
enum { HEARD_NAMES = 4, HEARD_NAMES_LOOKED_AT = 64 };
typedef bool heard_wants(void *arg, const char *node);
size_t heard_at(struct heard *heard, const struct address *from, heard_wants *wants, void *arg,
                char out[HEARD_NAMES][NODE_SIZE]);

/* It has told, signed, that it is a candidate of a tier which hangs below one of ours; or that it
 * is none (any more). Nothing becomes of it where the node was not heard. */
void heard_tell_below(struct heard *heard, struct span node, bool below);
bool heard_is_below(struct heard *heard, struct span node);

#endif
