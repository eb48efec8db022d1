/* SPDX-License-Identifier: ISC */
#include "cache/shares.h"

#include <string.h>

void shares_count(struct shares_taken *taken, const struct share *has, const struct share *wants)
{
    taken->all++;
    taken->filler += has->kind == SHARE_FILLER;
    if (has->kind != SHARE_MEMBER || wants->kind != SHARE_MEMBER)
        return;
    taken->tier += strcmp(has->tier, wants->tier) == 0;
    taken->host += address_same_host(&has->host, &wants->host);
}

static bool is_within(size_t taken, size_t most)
{
    return taken < (most > SHARES_LEAST ? most : SHARES_LEAST);
}

bool shares_allow(const struct shares_taken *taken, enum share_kind kind)
{
    size_t others = SHARES_MAX - SHARES_OWN, left;

    if (kind == SHARE_OWN_HOST)
        return taken->all < SHARES_MAX;
    if (taken->all >= others)
        return false;
    if (kind == SHARE_FILLER)
        return taken->filler < SHARES_FILLER;
    left = others - taken->all;
    return is_within(taken->tier, left) && is_within(taken->host, left / 2);
}
