/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_POOL_H
#define POND_CONF_POOL_H

#include "conf/nets.h"
#include "conf/rules.h"

/* Nets files and rules files, each read once, however many hosts name it. */
struct pool;

struct pool *pool_new(void);
void pool_free(struct pool *pool); /* and all that is in it */

/* NULL, with errors in the report the first time, where it is no good. */
struct nets *pool_nets(struct pool *pool, const char *path, struct report *report);
struct rules *pool_rules(struct pool *pool, const char *path, struct report *report);

#endif
