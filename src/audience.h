/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_AUDIENCE_H
#define POND_SRC_AUDIENCE_H

#include "cache/peers.h"
#include "src/routes.h"

/*
 * Lists the hosts of an audience (cache/route.h) for every datagram that goes there: the members
 * that are named singly, and of member networks those hosts that have been heard, by a datagram of
 * the cache or by a standing. Who is in it is looked up once, and again after members or masters
 * have changed, or other hosts were heard. Main thread.
 */
struct audience;

struct audience *audience_new(const struct routes *routes, uint16_t port);
void audience_free(struct audience *audience); /* NULL: nothing */

/* Who is master may have changed. A change of members is noticed without being told. */
void audience_forget(struct audience *audience);

/* Calls `visit` once for each host that is in any of these audiences, with the port that its
 * datagrams go to. */
typedef void audience_visit(void *arg, const struct address *to);
void audience_each(struct audience *audience, unsigned audiences, const struct peers *heard,
                   audience_visit *visit, void *arg);

#endif
