/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_MATCH_H
#define POND_CONF_MATCH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Which section of `hosts` is a host's: ISconf's rules. `match` without a dot is compared with the
 * name up to its first dot; with a dot against the whole name; as an extended regular expression
 * against the whole name where it begins with ^.
 */
bool match_fits(const char *match, const char *name);

/* Is it one that can be used? `why` gets what is wrong, ended by a NUL. */
enum { MATCH_WHY_SIZE = 160, MATCH_MAX = 512 };
bool match_check(const char *match, char why[MATCH_WHY_SIZE]);

#endif
