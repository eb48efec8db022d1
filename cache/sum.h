/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_SUM_H
#define POND_CACHE_SUM_H

#include "cache/manifest.h"

/*
 * The digest over many names with their versions and contents, by which catalogues, and ranges of
 * them, are compared. It is the same in whatever order they come, and one can be taken out again.
 * All zero to begin with.
 */
enum { SUM_LANES = 4 };

void sum_add(uint64_t lanes[SUM_LANES], const struct manifest *m);
void sum_subtract(uint64_t lanes[SUM_LANES], const struct manifest *m);
struct digest sum_digest(const uint64_t lanes[SUM_LANES]);

#endif
