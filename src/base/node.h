/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_NODE_H
#define POND_BASE_NODE_H

#include <stdbool.h>

#include "src/base/text.h"

/* A node's own name, as the kernel's host name; a tier's name, which is that of its nets file. */
enum {
    NODE_MAX_LEN = 255,
    NODE_SIZE = NODE_MAX_LEN + 1,
    TIER_NAME_MAX = 64,
    TIER_SIZE = TIER_NAME_MAX + 1
};

/* A node's name: 1 to NODE_MAX_LEN letters, digits, '-', '_' or '.', as host names have. */
bool node_name_ok(struct span node);

#endif
