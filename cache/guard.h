/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_GUARD_H
#define POND_CACHE_GUARD_H

#include <signal.h>

/*
 * LMDB keeps no sums over its pages: a bit that has rotted in one can lead it to an address where
 * nothing is, or to an assertion of its own. Whoever is in the catalogue when that happens takes
 * the process with it; so such a fault is told as what it is, the catalogue is marked as suspect,
 * and the process ends with status 1, for a service manager to start it again. The next start makes
 * the catalogue anew.
 *
 * Such a bit can have LMDB write beyond a page in memory as well, when something is changed; that
 * comes to light later, anywhere: the allocator aborts, or a thread follows what was a pointer. If
 * nothing were marked then, each start would end so again. So a fault outside the catalogue marks
 * it too, as one that may be damaged, where all of this holds:
 *   - the catalogue was changed since the store was opened: reading writes nothing beyond a page;
 *   - nothing else explains it: no MUST() has failed, memory was not short, and the signal does not
 *     come from another process, as a service manager's watchdog does;
 *   - no mark was acted on within GUARD_DOUBT_S. To make a catalogue anew takes about as long as to
 *     read the whole journal, and every peer compares all with it after that. A fault that comes
 *     again so soon is a bug of ours, or somebody's who knows one: it must not cost that each time.
 * It keeps its default action nevertheless, the core dump: the bug may be ours.
 */
#define GUARD_MARKER "catalogue.suspect" /* in the home folder */

/* What the mark is renamed to once the catalogue was made anew: its time tells when that was. */
#define GUARD_MENDED "catalogue.mended"

enum { GUARD_DOUBT_S = 10 * 60 };

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

/* The catalogue is about to be changed, on whatever thread. */
void guard_change(void);

/* Marks the catalogue as suspect, says so on standard error with the cause, and exits. Calls only
 * what a signal handler may. */
_Noreturn void guard_give_up(const char *cause);

#endif
