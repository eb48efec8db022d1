/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_NAME_H
#define POND_CACHE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/node.h"
#include "src/base/text.h"

/*
 * The names of objects: "DOMAIN/PATH", UTF-8, at most NAME_MAX_LEN bytes in all, parts between
 * slashes that are not empty, "." or "..", and no control characters.
 */
enum { NAME_MAX_LEN = 1024, NAME_SIZE = NAME_MAX_LEN + 1 };

enum name_verdict {
    NAME_OK = 0,
    NAME_EMPTY = -1,
    NAME_TOO_LONG = -2,
    NAME_BAD_PART = -3,      /* an empty part, "." or ".." */
    NAME_BAD_CHARACTER = -4, /* not UTF-8, or a control character */
    NAME_OTHER_DOMAIN = -5,  /* not below the domain */
    NAME_BAD_ESCAPE = -6     /* in a target: "%" without two hexadecimal digits */
};

/* One plain sentence for a person: what is wrong with the name, and what would be right. */
const char *name_sentence(enum name_verdict verdict);

/* Is `name` a whole name, below `domain`? */
enum name_verdict name_check(struct span name, const char *domain);

/* What a person typed, with or without the domain in front, as a whole name. A first part that
 * equals the domain is taken for it. */
enum name_verdict name_complete(struct span typed, const char *domain, char out[NAME_SIZE]);

/* The path of an HTTP target (percent-encoded, one leading slash, no query) as a whole name. */
enum name_verdict name_from_target(struct span path, const char *domain, char out[NAME_SIZE]);

/* Adds "/NAME", percent-encoded but for what RFC 3986 lets stand in a path. */
void name_to_target(struct span name, struct text *out);

/* Does the prefix, cut at a slash, hold the name? "a/b" holds "a/b" and "a/b/c", not "a/bc". */
bool name_below(struct span name, struct span prefix);

/* The part behind the last slash. */
struct span name_base(struct span name);

#endif
