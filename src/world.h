/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_WORLD_H
#define POND_SRC_WORLD_H

#include "conf/conf.h"

/*
 * Owns every module of the daemon: builds them in order, introduces them to each other, and takes
 * them down in good order. Main thread.
 */
struct ev_loop;
struct world;

/* `conf` must outlive it. Logs what failed; NULL then. */
struct world *world_new(struct ev_loop *loop, struct conf *conf);

/* Reads the configuration again, and applies it: soon, and logs the outcome. */
void world_reload(struct world *world);

/* Finishes what is being served, for a bounded time, running the loop meanwhile; then frees. */
void world_free(struct world *world);

#endif
