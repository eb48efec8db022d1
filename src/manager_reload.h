/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_MANAGER_RELOAD_H
#define POND_SRC_MANAGER_RELOAD_H

#include <ev.h>

#include "src/base/time.h"

/*
 * Tells the service manager that a reload begins and ends, as sd_notify(3) wants it, so that
 * `systemctl reload` returns when it is through. Were the end lost, the unit would stay
 * `reloading`: for a manager whose queue is full it waits, without holding the loop up. On the
 * loop's thread.
 */
struct manager_reload;
struct manager_reload *manager_reload_new(struct ev_loop *loop);
void manager_reload_free(struct manager_reload *news); /* what waits is not told any more */

/* What still waits of a reload before it is out of date then. */
void manager_reload_begins(struct manager_reload *news, mono_t now);
void manager_reload_ends(struct manager_reload *news);

#endif
