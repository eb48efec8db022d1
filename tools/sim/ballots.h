/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_SIM_BALLOTS_H
#define POND_TOOLS_SIM_BALLOTS_H

#include "tools/sim/inner.h"

/* The bytes of ballots: signed on their way out, judged on their way in. */
void ballots_begin(struct sim *sim, struct sim_node *node);
void ballots_end(struct sim_node *node);

/* As a signed datagram, under whatever domain. */
void ballots_write(struct seal *seal, const struct ballot *ballot, const char *domain, wall_t date,
                   struct text *out);
void ballots_say(struct sim_node *node, const struct ballot *ballot, wall_t date, struct text *out);

/* Of what is signed, so of all that decides: of two datagrams the same where they say the same. */
uint64_t ballots_id(struct span bytes);

/* NULL: let in; else why not. */
const char *ballots_judge(struct sim *sim, struct sim_node *node, const struct sim_event *event,
                          struct ballot *ballot, bool *candidate);

#endif
