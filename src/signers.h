/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_SIGNERS_H
#define POND_SRC_SIGNERS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/address.h"
#include "src/seal.h"

/*
 * With which of our keys each host signed what it said last, by the address that it came from: for
 * people who roll keys out, or turn them. What was heard before the keys were replaced is not known
 * any more, since keys are told by their place in the key file.
 *
 * Give it only what has been let in. Bounded: who was unheard for longest makes room. All memory is
 * taken at the start. Any thread, the election's too: the lock is held for a moment.
 */
enum { SIGNERS_MAX = 8192 };

struct signers;
struct signers *signers_new(const struct keyring *keyring); /* which must outlive it */
void signers_free(struct signers *signers);                 /* NULL: nothing */

void signers_note(struct signers *signers, const struct address *from, bool is_signed, size_t key);

/* False: not heard since the keys are these. *key: from 1 on; 0: it did not sign. */
bool signers_find(struct signers *signers, const struct address *from, size_t *key);

#endif
