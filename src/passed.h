/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_PASSED_H
#define POND_SRC_PASSED_H

#include <stdbool.h>

#include "src/base/address.h"

/*
 * Listening sockets that the service manager holds, and has passed to this process (LISTEN_FDS,
 * sd_listen_fds(3)). They are of two kinds: those of a socket unit, and those that an earlier life
 * of this daemon has left with the manager by passed_keep(). In both cases the kernel takes
 * connections while no daemon runs: they wait, and are not refused. Main thread.
 */
struct passed;

struct passed *passed_new(void); /* never NULL: there may be none */
void passed_free(struct passed *passed);

/* The socket that listens at this address and port, the caller's from now on, set to O_NONBLOCK;
 * -1: none was passed. */
int passed_take(struct passed *passed, const struct address *where);

/* Leaves a copy of a listening socket of ours with the manager, for the next life. It takes as many
 * as FileDescriptorStoreMax= of the unit says, and closes them when the unit is stopped for good.
 */
void passed_keep(int fd);

/* Once all were taken that are wanted. What an earlier life has left, and nobody wants any more, is
 * closed here and there. False, with the remedy logged, where one of a socket unit is left: whoever
 * connects to it would wait for ever. */
bool passed_all_taken(struct passed *passed);

#endif
