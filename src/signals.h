/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_SIGNALS_H
#define POND_SRC_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/*
 * Signals are the main thread's, by way of libev: threads are begun between these two, and inherit
 * that all are blocked but those of faults, which strike the thread that they concern.
 */
void signals_block(sigset_t *before);
void signals_restore(const sigset_t *before);

/* Does a signal wait, blocked, that asks this process to end? For what takes long at start. */
bool signals_ask_to_end(void);

#endif
