/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_SHED_H
#define POND_SRC_SHED_H

struct ev_loop;

/*
 * Turns connections away so that their clients read why: a complete 503 with Retry-After is
 * written, our side is shut, and what the client sends meanwhile is read and thrown away until it
 * closes or SHED_LINGER_S have passed; for a close with unread bytes would be a reset, which takes
 * the answer with it. Never blocks. Belongs to the loop's thread.
 */
enum { SHED_LINGER_MAX = 256, SHED_LINGER_S = 2 };

struct shed;
struct shed *shed_new(struct ev_loop *loop);
void shed_connection(struct shed *shed, int fd); /* takes the descriptor over */
void shed_refuse(int fd);                        /* likewise, at once: without the lingering */
void shed_free(struct shed *shed);

#endif
