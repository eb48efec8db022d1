/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_LEDGER_INNER_H
#define POND_CACHE_LEDGER_INNER_H

#include "cache/ledger.h"

/* What the files behind ledger.h share: the keys of the tables, and what follows from a holding. */

enum { REF_KEY = 32 + 8, TOMBSTONE_KEY = 8 + 8, USE_KEY = 1 + 8 + 32 };

static const struct span ledger_meta_key = {"meta", 4};

struct span ledger_digest_key(const struct digest *sha256);
struct span ledger_ref_key(const struct digest *sha256, uint64_t sequence, char out[REF_KEY]);
struct span ledger_tombstone_key(const struct manifest *m, char out[TOMBSTONE_KEY]);

/* Where the content stands among the uses. */
struct span ledger_use_key(const struct digest *sha256, const struct holding *holding,
                           char out[USE_KEY]);

/* May the content be dropped to make room? Then it stands among the uses. */
bool ledger_can_go(const struct holding *holding);

/* In which class of TABLE_USES it stands then: LEDGER_USES_. */
int ledger_class(const struct holding *holding);

/* Counts and logs that something cannot be read. */
enum store_status ledger_rotten(const char *what, struct span key);

/* Reads a holding to change it; zeros, and a status that tells, where there is none. */
enum store_status ledger_holding_take(struct ledger *ledger, const struct digest *sha256,
                                      struct holding *out);

/* The one writer of holdings: brings all that is derived from it from `before` to `after`. */
void ledger_holding_change(struct ledger *ledger, const struct digest *sha256,
                           const struct holding *before, const struct holding *after);

/* Does anything refer to the content? */
bool ledger_is_known(const struct holding *holding);

#endif
