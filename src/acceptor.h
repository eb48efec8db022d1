/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ACCEPTOR_H
#define POND_SRC_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/address.h"

struct ev_loop;
struct passed;

/*
 * The listening sockets of HTTP: TCP for everyone, and the control socket for this host's
 * operators. Accepted connections are counted and handed to `take`; those beyond max_connections
 * are shed with a 503 (src/shed.h). The control socket has places of its own, so that a crowd at
 * the front does not lock the operators out. Of the others one host has a quarter at most, and so
 * have all strangers together: they may sit on them for as long as they like (src/portions.h).
 * Lives on the loop's thread; acceptor_left and acceptor_count may be called from any.
 */
enum {
    ACCEPTOR_CONTROL_MAX = 256,
    ACCEPTOR_OWN_PART = 16,  /* the own host has one place in so many for itself */
    ACCEPTOR_HOST_PART = 4,  /* another host gets one place in so many, */
    ACCEPTOR_HOST_LEAST = 16 /* or so many, where there are */
};

struct acceptor_options {
    struct ev_loop *loop;
    const struct address *listen; /* with ports; 0: any free one */
    size_t listen_count;
    struct passed *passed;    /* what need not be made anew (src/passed.h); NULL: nothing */
    const char *socket_path;  /* NULL: no control socket. An old one in its place is removed. */
    const char *socket_group; /* NULL: mode 0600; else 0660 */
    unsigned max_connections;

    /* Takes the descriptor over, or closes it and returns false. From is as accept(2) has it. */
    bool (*take)(void *arg, int fd, const union sockaddr_any *from, socklen_t len, bool control);

    /* Is it a host that may be let in at all, when it connects to `to`? */
    bool (*knows)(void *arg, const struct address *from, const struct address *to);
    void *arg;
};

/* Listens at once. Logs what failed, and returns NULL then. */
struct acceptor *acceptor_new(const struct acceptor_options *options);
void acceptor_stop(struct acceptor *acceptor); /* closes the listening sockets; may be repeated */
void acceptor_free(struct acceptor *acceptor);

/* A connection that was taken is about to be closed. Any thread. */
void acceptor_left(struct acceptor *acceptor, int fd);
unsigned acceptor_count(const struct acceptor *acceptor); /* of both kinds */

/* Where it listens: the address of the given place in `listen`, with the port that it got. */
struct address acceptor_address(const struct acceptor *acceptor, size_t index);

#endif
