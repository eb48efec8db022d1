/* SPDX-License-Identifier: ISC */
#include "cache/pick.h"

#include <string.h>

bool pick_parse(struct span text, struct pick *out)
{
    bool slash = memchr(text.at, '/', text.len) != NULL;

    return version_parse(span_take(&text, '/'), &out->version) && slash == (text.len > 0) &&
           span_copy(text, out->digits, sizeof(out->digits)) &&
           out->digits[strspn(out->digits, "0123456789abcdef")] == '\0';
}

bool pick_fits(const struct pick *pick, struct version version, const struct digest *sha256)
{
    char hex[DIGEST_HEX_SIZE];

    return version_same(version, pick->version) &&
           span_begins(span_of(digest_hex(sha256, hex)), pick->digits);
}
