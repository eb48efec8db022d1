/* SPDX-License-Identifier: ISC */
#include "election/ballot.h"

const char *ballot_role_name(enum ballot_role role)
{
    static const char *const names[] = {
        [BALLOT_SLAVE] = "slave", [BALLOT_BACKUP] = "backup", [BALLOT_MASTER] = "master"};

    return names[role];
}

int ballot_compare(const struct ballot_rank *a, const struct ballot_rank *b)
{
    int64_t one = ballot_interval(a->pair), other = ballot_interval(b->pair);
    struct address x = a->address, y = b->address;

    if (a->demotion != b->demotion)
        return a->demotion < b->demotion ? -1 : 1;
    if (one != other)
        return one < other ? -1 : 1;
    x.port = y.port = 0;
    return address_compare(&x, &y);
}
