/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_PICK_H
#define POND_CACHE_PICK_H

#include <stdbool.h>

#include "cache/version.h"
#include "src/base/digest.h"

/*
 * Which version of a name somebody means: "MILLISECONDS.COUNTER", and where several are of one
 * moment the first digits of its content's SHA-256 behind it, as in "1795348800000.7/3fa9c0d2".
 */
struct pick {
    struct version version;
    char digits[DIGEST_HEX_SIZE]; /* in lower case; empty: any content */
};
enum { PICK_SIZE = VERSION_TEXT_SIZE + DIGEST_HEX_SIZE };

bool pick_parse(struct span text, struct pick *out);
bool pick_fits(const struct pick *pick, struct version version, const struct digest *sha256);

#endif
