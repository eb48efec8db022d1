/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_GUARD_H
#define POND_CACHE_GUARD_H

#include <signal.h>

/*
 * LMDB keeps no sums over its pages: a bit that has rotted in one can lead it to an address where
 * nothing is, or to an assertion of its own. Whoever is in the catalogue when that happens takes
 * the process with it; so such a fault is told as what it is, the catalogue is marked as suspect,
 * and the process ends with status 1, for a service manager to start it again. The next start makes
 * the catalogue anew. Faults anywhere else keep their default action, the core dump.
 */
#define GUARD_MARKER "catalogue.suspect" /* in the home folder */

/* Takes the signals of faults over, for the whole process. Once, before there are threads. */
void guard_install(void);

/* Takes the signals of faults out of a set that is to be blocked: one that is blocked when its
 * fault happens ends the process at once, and nobody is told. */
void guard_spare(sigset_t *set);

/* Where the marker goes: the home folder's path, and its descriptor, which stays the caller's; a
 * process has one store. -1: there is none any more, and every fault keeps its default action. */
void guard_watch(const char *home, int fd);

/* This thread is in the catalogue, from the one to the other; they may be nested. */
void guard_enter(void);
void guard_leave(void);

/* Marks the catalogue as suspect, says so on standard error with the cause, and exits. Calls only
 * what a signal handler may. */
_Noreturn void guard_give_up(const char *cause);

#endif
