/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_MANAGER_H
#define POND_SRC_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Tells the service manager how the daemon stands, by datagrams to $NOTIFY_SOCKET (sd_notify(3));
 * nothing where that is not set. Not by libsystemd: its sd_notify() waits for a manager that does
 * not read, and no loop of ours may wait for that. Here such a datagram is lost, and that is
 * logged.
 */

/* `state` is as there: "READY=1", "STOPPING=1", "STATUS=...". Any thread. */
void manager_tell(const char *state);

/* The same, with a descriptor of which the manager gets a copy (-1: none). */
void manager_tell_with(const char *state, int fd);

/* For what must not be lost, as "READY=1", without which the unit stays `activating`; while no loop
 * turns yet. Waits so long at most for a manager that does not read. */
void manager_tell_within(const char *state, int seconds);

/* The same for a loop that turns: false, and nothing is logged, where the manager's queue is full
 * and it is to be tried again. What fails otherwise is lost as it is above. */
bool manager_try(const char *state);

/* Within how many ns it wants to hear "WATCHDOG=1" again and again (WatchdogSec= of the unit; 0: it
 * does not): sd_watchdog_enabled(3). */
int64_t manager_watchdog(void);

#endif
