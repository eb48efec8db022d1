/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_KNOWN_H
#define POND_SRC_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/exchange.h"

/*
 * What the store said of names that are asked for again and again: where something is announced,
 * many hosts ask for the same name at once. It counts for the edition of the store in which it was
 * found (store_edition), and is forgotten as others take its place. One thread.
 */
struct known;

enum { KNOWN_ROWS = 2048, KNOWN_NAME_MAX = 120 /* longer names are not remembered */ };

struct known *known_new(void);
void known_free(struct known *known);

void known_note(struct known *known, uint64_t edition, struct span name,
                const struct exchange_local *local);

/* False: it must be looked up. */
bool known_find(const struct known *known, uint64_t edition, struct span name,
                struct exchange_local *out);

#endif
