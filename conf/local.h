/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_LOCAL_H
#define POND_CONF_LOCAL_H

#include <stdbool.h>

#include "conf/arena.h"
#include "conf/conf.h"

/* What this very host says about itself. */

/* The name as the kernel has it; no DNS is asked. */
const char *local_name(struct conf_arena *arena);

/* All addresses of all interfaces, in the order of the system. */
struct conf_addresses local_addresses(struct conf_arena *arena);

/* Is there one of that name? */
bool local_interface(const char *name);

#endif
