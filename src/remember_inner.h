/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_REMEMBER_INNER_H
#define POND_SRC_REMEMBER_INNER_H

#include "election/view.h"
#include "src/base/text.h"
#include "src/remember.h"

/*
 * The text form of HOME/election, for src/remember*.c and their tests alone. A head, a paragraph a
 * tier, and an XXH3 of all that stands above it:
 *
 *     carpond election 1
 *     tier: paris
 *     epoch: 14
 *     reserved: 18
 *     hand: 1795348800000 1795349700000
 *     known: 10.27.4.1 65028 1795000000000 4711 gw1.paris.example.com
 *     sum: 0f1e2d3c4b5a6978
 *
 * `hand` (since, until) stands there while somebody has demoted the node; `known` is address, port,
 * boot, counter and name of a candidate. A tier may have lines of other kinds behind `reserved`,
 * which a later version wrote: they are passed over. Nothing but this is a sound file: what is
 * doubtful is worth less than what the others tell.
 */
enum {
    REMEMBERED_TIERS_MAX = 2 * VIEW_TIERS_MAX, /* those that were left among them */
    REMEMBERED_LINE_MAX = NODE_SIZE + ADDRESS_TEXT_SIZE + 64,
    REMEMBERED_MAX = (ELECT_CANDIDATES_MAX + 4) * REMEMBERED_LINE_MAX, /* bytes of a tier */
    REMEMBERED_FILE_MAX = (REMEMBERED_TIERS_MAX + 1) * REMEMBERED_MAX
};

struct remembered {
    char tier[TIER_SIZE];
    struct elect_memory memory;
    struct remember_hand hand;
};

void remembered_begin(struct text *out);
void remembered_add(struct text *out, const struct remembered *one);
void remembered_end(struct text *out);

/* Hands out the tiers one after another. False where the text is not sound; then the caller forgets
 * what it was given, which ends early where `take` returns false. */
typedef bool remembered_take(void *arg, const struct remembered *one);
bool remembered_read(struct span text, remembered_take *take, void *arg);

#endif
