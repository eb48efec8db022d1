/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_HOOKS_H
#define POND_SRC_HOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "src/roles.h"

/*
 * The commands on_master, on_backup and on_slave: listens on the queues of src/roles.h, and runs
 * the command of a change's tier and role, on a thread of its own.
 *
 * Of each tier one hook runs at a time, and while it runs only the latest change waits: one that is
 * superseded meanwhile is passed over, and logged. So the last state always wins, and no tier waits
 * for another's hook. A hook has a time limit: it is killed then, and the latest change has its
 * turn.
 */
#define HOOKS_LIMIT MONO_S(10)

/* NULL: no command. */
struct hooks_tier {
    const char *tier;
    const char *command[ROLES_QUEUE_COUNT];
};

struct hooks_options {
    struct roles *roles;
    const char *node;
    int64_t limit_ns; /* HOOKS_LIMIT */
    const struct hooks_tier *tiers;
    size_t count;
};

struct hooks;
struct hooks *hooks_new(const struct hooks_options *options);

/* The commands as they are now; what runs is not touched. Those of a tier that is gone count until
 * its last change (`ended`) has come. To be called before that tier, or a new one, is told to the
 * election. Any thread; the lists are copied. */
void hooks_reload(struct hooks *hooks, const struct hooks_tier *tiers, size_t count);

/* Once the queues have delivered all and ended (roles_free). What waits is still run: so the last
 * change of each tier, at which a master gives up what it holds. Takes two limits at most. */
void hooks_free(struct hooks *hooks); /* NULL: nothing */

#endif
