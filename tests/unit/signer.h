/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_SIGNER_H
#define POND_TESTS_UNIT_SIGNER_H

#include "src/challenge.h"
#include "tests/unit/site.h"

/* What signs requests to a site, as the node of that name does, and checks its answers. */
struct signer;

struct signer *signer_new(const char *key, const char *node);
void signer_free(struct signer *signer);

/* Takes the nonce of a 401. */
void signer_learn(struct signer *signer, const struct answer *answer);

/* The headers with Authorization behind them; free() it. */
char *signer_sign(struct signer *signer, const char *method, const char *target,
                  const char *headers, struct challenge_claim *claim);

bool signer_checks(struct signer *signer, const struct answer *a,
                   const struct challenge_claim *claim);

#endif
