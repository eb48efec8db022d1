/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_WATCHDOG_H
#define POND_SRC_WATCHDOG_H

#include "src/base/time.h"

struct ev_loop;

/*
 * Tells the service manager again and again that this daemon lives (WatchdogSec= of the unit), so
 * that one that hangs is killed and started anew: only while both loops turn that others depend on.
 * That of the cache is the main one, by a timer of which this is done; when that of the elections
 * turned last is asked. One that sleeps turns too, once a second at least. After a while in which
 * the whole process was stopped it is fed as soon as both have turned.
 */
struct watchdog;

struct watchdog_options {
    struct ev_loop *loop; /* the main one */
    int64_t limit_ns;     /* manager_watchdog() */

    /* When the loop of the elections turned last; MONO_NEVER: there are none now. */
    mono_t (*turned)(void *arg);
    void *arg;
};
struct watchdog *
watchdog_new(const struct watchdog_options *options); /* NULL where limit_ns is 0 */
void watchdog_free(struct watchdog *watchdog);        /* NULL: nothing */

#endif
