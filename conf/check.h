/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_CHECK_H
#define POND_CONF_CHECK_H

#include <stdio.h>

/*
 * `pond check [FILE] [--host NAME]`: reads a configuration and everything that it names, for every
 * host section, and writes each error and warning to `err`. With `host`, writes to `out` what that
 * host would be, in normal form: a main.cf that parses back to the same. `file` NULL: the default
 * one. Returns the exit status: 0 for a sound configuration, 1 otherwise.
 */
int check_run(const char *file, const char *host, FILE *out, FILE *err);

#endif
