/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_LRU_H
#define POND_SRC_LRU_H

#include <stdint.h>

#include "src/base/text.h"

/*
 * Which row of a bounded table belongs to a key, and which row has been unused for longest. The
 * rows are the owner's: an array of `capacity`, named by their index; this keeps the order and the
 * hashes. All memory is taken at the start. No clock, no lock: one thread, or the owner's lock.
 */
struct lru;

enum { LRU_NONE = -1 };

struct lru *lru_new(int capacity);
void lru_free(struct lru *lru);

/* A hash for a key; `secret` keeps strangers from choosing keys that fall together. */
uint64_t lru_hash(struct span key, uint64_t secret);

/* The rows whose key has this hash, one after another, LRU_NONE at the end: the owner compares. */
int lru_first(const struct lru *lru, uint64_t hash);
int lru_next(const struct lru *lru, int row);

/* The row was used: it goes last now. */
void lru_use(struct lru *lru, int row);

/* A row for a new key, as used now: a free one, or, where there is none, the one unused for
 * longest, whose old key is forgotten. *taken_over says which it was. */
int lru_take(struct lru *lru, uint64_t hash, bool *taken_over);

#endif
