/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ROLES_H
#define POND_SRC_ROLES_H

#include <stdbool.h>
#include <stdint.h>

#include "election/ballot.h"
#include "election/reason.h"
#include "src/base/time.h"

/*
 * The queues of changes of role: became_master, became_backup, became_slave. The election posts;
 * modules register at run time and are called on the queues' own thread, each change in the order
 * of posting, to every registered one in the order of registration. So nobody who listens can hold
 * the election up. Who is called must be quick, or hand the work on (src/hooks.h does).
 */
enum roles_queue { ROLES_MASTER, ROLES_BACKUP, ROLES_SLAVE, ROLES_QUEUE_COUNT };
const char *roles_name(enum roles_queue queue); /* "master", "backup", "slave" */

struct role_change {
    enum roles_queue queue;
    bool again; /* the same role as before: another master is followed; or, of a master, two had
                   met, and the world outside may disagree */
    bool ended; /* the node stops, or leaves the tier: the last change there */
    char tier[TIER_SIZE];
    uint64_t epoch;
    char master[NODE_SIZE]; /* empty: none is known */
    struct address master_address;
    struct address address; /* ours in the tier */
    enum reason reason;
    mono_t at;
    wall_t wall;
};

struct roles;
struct roles *roles_new(void);

/* What has been posted is still delivered. */
void roles_free(struct roles *roles);

typedef void roles_call(void *arg, const struct role_change *change);

/* Any thread, but not in a call. After roles_unregister has returned it is not called any more. */
void roles_register(struct roles *roles, enum roles_queue queue, roles_call *call, void *arg);
void roles_unregister(struct roles *roles, enum roles_queue queue, roles_call *call, void *arg);

/* Any thread; never waits for those who are called. */
void roles_post(struct roles *roles, const struct role_change *change);

/* Returns once all that was posted has been delivered. Any thread, but not in a call. */
void roles_settle(struct roles *roles);

#endif
