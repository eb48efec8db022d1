/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_HOLDERS_H
#define POND_SRC_HOLDERS_H

#include <stddef.h>

#include "src/base/address.h"
#include "src/base/digest.h"

/*
 * Who said lately that it holds content which this node lacks: so that whoever fetches it is told
 * at once. Bounded: the oldest word makes room. Nothing is believed: content is checked, and who is
 * asked is decided by src/routes.h. Any thread.
 */
enum { HOLDERS_MAX = 4096 };

struct holders;
struct holders *holders_new(void);
void holders_free(struct holders *holders); /* NULL: nothing */

void holders_note(struct holders *holders, const struct digest *sha256, const struct address *http);

/* It has let us down: what it said so far is worth nothing any more. */
void holders_forget(struct holders *holders, const struct address *http);

/* It said that it has no such content. */
void holders_gone(struct holders *holders, const struct digest *sha256, const struct address *http);

/* Its holders, who spoke last first; `most` at most. */
size_t holders_find(struct holders *holders, const struct digest *sha256, struct address *out,
                    size_t most);

#endif
