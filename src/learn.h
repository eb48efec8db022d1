/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_LEARN_H
#define POND_SRC_LEARN_H

#include <stdint.h>

#include "cache/exchange.h"
#include "cache/store.h"
#include "src/base/address.h"
#include "src/fetch.h"
#include "src/mailbox.h"
#include "src/routes.h"

/*
 * Carries out what the exchange decides to learn: one name's manifest, a file of an ISconf host
 * (src/isconf_file.h), or a page of a peer's catalogue. Fetch thread: get and check; store: adopt;
 * main thread: report, as the event that the exchange waits for (LEARNED or COMPARED; the reporter
 * fills in the time and `local`).
 *
 * Where no position is known in the store, or the page turns out to be the first of many of
 * another, the whole catalogue is compared by ranges of names instead (src/catchup.h), and reported
 * as one; unless we have nothing to compare. So it is after we were away (store_touch).
 */
struct learn;

struct learn_options {
    struct fetch *fetch;
    struct store *store;
    struct mailbox *mailbox;     /* the main loop's */
    const struct routes *routes; /* NULL: a flat mesh */
    struct gate *gate;           /* as in adoption_source */
    const char *domain;
    void (*report)(void *arg, struct exchange_event *event); /* main thread */
    void *arg;
};
struct learn *learn_new(const struct learn_options *options);

/* Nothing more is asked for after it; before the fetcher and the store end. Main thread. */
void learn_stop(struct learn *learn);

/* When nothing is under way any more: after fetch_free, store_close and a last reading of the mail.
 */
void learn_free(struct learn *learn);

/* Main thread. */
void learn_name(struct learn *learn, struct span name, const struct address *http);
void learn_isconf(struct learn *learn, struct span name, const struct address *http);
void learn_page(struct learn *learn, const struct address *http, uint64_t store_id, uint64_t since);

#endif
