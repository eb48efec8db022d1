/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_WATCH_INNER_H
#define POND_SRC_WATCH_INNER_H

#include <ev.h>

#include "src/watch.h"

/*
 * The two ends of watched connections: src/watch.c holds ours to others, src/watch_server.c holds
 * those of others to us.
 */
struct watch_server;

/* Logs what failed; NULL then. */
struct watch_server *watch_server_new(const struct watch_options *options);
void watch_server_free(struct watch_server *server);
size_t watch_server_count(const struct watch_server *server);

/* So that a connection whose other end has vanished without a word is noticed, within about
 * WATCH_VANISHED_S, and its place is free again. */
enum { WATCH_VANISHED_S = 10 };
void watch_keep_alive(int fd);

#endif
