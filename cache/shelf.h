/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_SHELF_H
#define POND_CACHE_SHELF_H

#include "cache/store.h"
#include "src/base/digest.h"

/*
 * The content that is open for reading (the content_ functions of store.h). A file stays open for
 * a while after its last reader has left, so that what was checked need not be checked again for
 * the next one.
 */
struct shelf;

struct shelf *shelf_new(struct store *store);
void shelf_free(struct shelf *shelf); /* nothing may be open any more */

/* Takes the content off the shelf: its file was replaced, or is gone. Who has it open reads on. */
void shelf_forget(struct shelf *shelf, const struct digest *sha256);

#endif
