/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_SETTLE_H
#define POND_CONF_SETTLE_H

#include "conf/conf.h"

/* What follows from several settings together: the defaults that depend on others, what is safe,
 * ports that collide. */

/* Before the keys are read: what needs none. */
void settle_checks(const struct conf *conf, struct report *report);

/* Fills in `address`, `broadcast_addr`, `plain_get`; refuses to be reachable without keys. `keys`:
 * there are some, or they could not be read, which was reported. */
void settle_by_keys(struct conf *conf, bool keys, struct report *report);

/* Warns of interfaces that this host, where it is read, does not have (now). */
void settle_interfaces(const struct conf *conf, struct report *report);

/* What stands below `gossip`, where that is there; reads its secrets. `local`: the settings are for
 * this very host. */
void settle_gossip(struct conf *conf, bool local, struct report *report);

/* Fills in `own`. `local`: the settings are for this very host. */
void settle_own(struct conf *conf, bool local);

#endif
