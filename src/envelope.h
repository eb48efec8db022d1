/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ENVELOPE_H
#define POND_SRC_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/text.h"
#include "src/base/time.h"

/*
 * What heartbeats travel in where they have a secret: AES-256-GCM, so that who does not have it
 * neither reads nor makes nor changes one. OpenSSL's codes stop here.
 *
 *     bytes     4      16     8         as long as what is in it    16
 *     what      mark   salt   counter   AES-256-GCM                 its tag
 *
 * The salt is drawn anew by each envelope, that is at each start and whenever the secrets change;
 * the key is HKDF-SHA-256 (RFC 5869) of the secret with that salt. Under it the counter, which is
 * the nonce, begins at 1 and only rises: no nonce is used twice under one key, however often a host
 * is restarted or restored. Mark, salt and counter are covered by the tag. Who hears the same twice
 * is not told so here: what is inside has an order of its own.
 *
 * The first secret closes, any of them opens: so they can be rotated without a gap. One thread.
 */
enum {
    ENVELOPE_MARK = 4,
    ENVELOPE_SALT = 16,
    ENVELOPE_COUNTER = 8,
    ENVELOPE_TAG = 16,
    ENVELOPE_MORE = ENVELOPE_MARK + ENVELOPE_SALT + ENVELOPE_COUNTER + ENVELOPE_TAG,
    ENVELOPE_SECRETS_MAX = 16,
    ENVELOPE_SENDERS = 4096,  /* whose keys are remembered, once something of theirs was opened */
    ENVELOPE_STRANGERS = 1000 /* with other salts: so many are tried in a second */
};

struct envelope;
struct envelope *envelope_new(const struct span *secrets, size_t count); /* copies; 1 or more */
void envelope_free(struct envelope *envelope);                           /* NULL: nothing */

/* Are they these? In constant time. */
bool envelope_has(const struct envelope *envelope, const struct span *secrets, size_t count);

/* Does it look like one? Text does not. */
bool envelope_is(struct span bytes);

/* Adds ENVELOPE_MORE bytes more than `inside` has; they are no text. */
void envelope_close(struct envelope *envelope, struct span inside, struct text *out);

/* What is inside, added to `out`, which needs room for as many bytes and a NUL. */
enum envelope_verdict {
    ENVELOPE_OPENED,
    ENVELOPE_OTHER,  /* closed with another secret, or changed since */
    ENVELOPE_UNTRIED /* of a stranger, and too many are tried already */
};
enum envelope_verdict envelope_open(struct envelope *envelope, mono_t now, struct span bytes,
                                    struct text *out);

#endif
