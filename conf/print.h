/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_PRINT_H
#define POND_CONF_PRINT_H

#include <stdio.h>

#include "conf/conf.h"

/* The normal form of what a host is: all its settings as a main.cf that is read back as the same,
 * paths relative to main.cf's folder; and as comments the number of its keys (never the keys), its
 * tiers, its role in each, and whom it could follow. */
void print_conf(const struct conf *conf, FILE *out);

#endif
