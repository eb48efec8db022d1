/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_POOL_H
#define POND_CONF_POOL_H

#include "conf/nets.h"

/* Nets files, each read once, however many hosts name it. */
struct nets_pool;

struct nets_pool *pool_new(void);
void pool_free(struct nets_pool *pool); /* and all nets in it */

/* NULL, with errors in the report the first time, where it is no good. */
struct nets *pool_nets(struct nets_pool *pool, const char *path, struct report *report);

#endif
