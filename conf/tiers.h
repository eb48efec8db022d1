/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_TIERS_H
#define POND_CONF_TIERS_H

#include "conf/conf.h"

/*
 * What nets files say together: how tiers stack. A host that is a slave in `core` and a candidate
 * in `paris` makes `paris` hang below `core`. Whether a candidate of `paris` is such a host follows
 * from its address, looked up in `core`; or, where a section of main.cf gives a host several
 * addresses, from those. Only tiers that some host names together are looked at.
 */

/* One host: it is in each tier that it names, and a slave in one at most. */
void tiers_check_host(const struct conf *conf, struct report *report);

/* All hosts of a main.cf, one after another; then what they are together. The nets files must
 * outlive it. */
struct tiers;

struct tiers *tiers_new(void);
void tiers_free(struct tiers *tiers);
void tiers_add_host(struct tiers *tiers, const struct conf *conf, struct report *report);

/* Tiers that hang below each other in a circle are an error; candidates of one tier that do not all
 * hang below the same tiers are warned of. */
void tiers_check(const struct tiers *tiers, struct report *report);

/* The tiers below which this one hangs, as "core, north"; nothing where there is none. */
void tiers_above(const struct tiers *tiers, const struct nets *nets, struct text *out);

#endif
