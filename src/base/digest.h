/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_DIGEST_H
#define POND_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/text.h"

/* SHA-256 (FIPS 180-4), by OpenSSL: its codes stop here. */
struct digest {
    uint8_t bytes[32];
};

enum { DIGEST_HEX_SIZE = 65 }; /* as text, with its NUL */

int digest_compare(const struct digest *a, const struct digest *b);
bool digest_same(const struct digest *a, const struct digest *b);
bool digest_is_zero(const struct digest *d);

/* Lower-case hexadecimal; returns `out`. */
const char *digest_hex(const struct digest *d, char out[DIGEST_HEX_SIZE]);
bool digest_parse(struct span hex, struct digest *out);

/* Of bytes in memory. Any thread. Running out of memory inside OpenSSL aborts. */
void digest_of(const void *bytes, size_t len, struct digest *out);

/* Of bytes that come piece by piece: begin, add, and end, which frees; or drop, which only frees.
 */
struct digester;
struct digester *digester_begin(void);
void digester_add(struct digester *d, const void *bytes, size_t len);
void digester_end(struct digester *d, struct digest *out);
void digester_drop(struct digester *d);

/* The digest of what was added so far, and a fresh start with the same object. */
void digester_cut(struct digester *d, struct digest *out);

#endif
