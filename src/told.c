/* SPDX-License-Identifier: ISC */
#include "src/told.h"

static struct told_row *find(struct told *told, const struct address *server)
{
    for (size_t i = 0; i < TOLD_MAX; i++) {
        struct told_row *row = &told->rows[i];
        if (row->fault != PEER_FINE && address_same(&row->server, server))
            return row;
    }
    return NULL;
}

bool told_fault(struct told *told, const struct address *server, enum peer_fault fault, mono_t now)
{
    struct told_row *row = find(told, server);

    if (row && row->fault == fault && now.ns - row->at.ns < TOLD_AGAIN_NS)
        return false;
    if (!row) {
        row = &told->rows[told->next];
        told->next = (told->next + 1) % TOLD_MAX;
    }
    *row = (struct told_row){*server, fault, now};
    return true;
}

bool told_end(struct told *told, const struct address *server)
{
    struct told_row *row = find(told, server);

    if (!row)
        return false;
    row->fault = PEER_FINE;
    return true;
}
