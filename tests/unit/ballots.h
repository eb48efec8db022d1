/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_BALLOTS_H
#define POND_TESTS_UNIT_BALLOTS_H

#include "election/ballot.h"
#include "src/base/rng.h"

/* Ballots as somebody of the tier paris could say them; every field drawn from its whole range. */
void ballots_roll(struct rng *rng, enum ballot_kind kind, struct ballot *out);

/* Are they the same in all that goes over the wire? */
bool ballots_same(const struct ballot *a, const struct ballot *b);

#endif
