/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_PATHS_H
#define POND_SRC_PATHS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "src/base/address.h"

/*
 * By which interface, and from which own address, something goes out to a multicast group or to the
 * broadcast address. The kernel may take a tenth of a second to answer (src/election_group.c), so
 * it is not asked on a loop that others wait for. Any thread.
 */
enum { PATHS_MAX = 8 };

struct path {
    struct address source; /* without port */
    unsigned interface;
};

/* What is wanted: both may be left open, the address (all zero) and the interface (empty). */
struct path_wish {
    struct address source;
    char interface[IF_NAMESIZE];
};

/* The paths that there are now to `to`, one an interface, in the order of the wishes: those that
 * cannot be had are left out. Where both is left open, it is as the kernel would send there. */
size_t paths_find(const struct path_wish *wishes, size_t count, const struct address *to,
                  struct path out[PATHS_MAX]);

#endif
