/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_CATCHUP_H
#define POND_SRC_CATCHUP_H

#include "src/adoption.h"
#include "src/fetch.h"
#include "src/mailbox.h"
#include "src/workers.h"

/*
 * Reads what is new to us of a catalogue in which we know no position, without reading all of it:
 * only the ranges of names that differ from ours (cache/survey.h decides which). The next page is
 * asked for while the one before is adopted. Where we were away for longer than removals are known
 * (store_touch), what we have and a master that we follow has not is forgotten. Begun, carried on
 * and ended on the main thread; what takes long is done on others.
 *
 * A server that lies costs no more than cache/survey.h says: ranges must lie in what was asked for
 * and go forward, and what comes is checked as always. Whose does not is at fault.
 */
enum {
    CATCHUP_PAGE_MAX = 512 * 1024, /* bytes of an answer; ours are half of that */
    CATCHUP_SMALL = 1024,          /* names: so few are read, not cut */
    CATCHUP_PAGES = 4              /* at a time, asked for or being adopted */
};

struct catchup_end {
    enum exchange_result result;
    enum peer_fault fault;
    uint64_t store_id;        /* of EXCHANGE_DONE and AHEAD: whose catalogue it was, */
    uint64_t last;            /* and where its head stood when its oldest answer was made, */
    struct store_touch touch; /* and what it told of itself */
};

struct catchup_options {
    struct fetch *fetch;
    struct store *store;
    struct mailbox *mailbox;         /* the main loop's */
    struct workers *const *comparer; /* NULL there: the daemon stops, nothing new is begun */
    const struct routes *routes;     /* as in adoption_source, and the gate */
    struct gate *gate;
    const char *domain;
    struct address server;
    void (*done)(void *arg, const struct catchup_end *end); /* once; main thread */
    void *arg;
};
void catchup_begin(const struct catchup_options *options);

#endif
