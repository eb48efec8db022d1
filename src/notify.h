/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_NOTIFY_H
#define POND_SRC_NOTIFY_H

/*
 * Tells the service manager how the daemon stands: one datagram to $NOTIFY_SOCKET (sd_notify(3)),
 * nothing where that is not set. `state` is as there: "READY=1", "STOPPING=1", "STATUS=...".
 */
void notify_manager(const char *state);

#endif
