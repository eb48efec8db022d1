/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ISCONF_FILE_H
#define POND_SRC_ISCONF_FILE_H

#include "cache/exchange.h"
#include "cache/store.h"
#include "src/base/address.h"
#include "src/base/log.h"
#include "src/fetch.h"
#include "src/mailbox.h"

/*
 * One file of an ISconf host, from its HTTP server into the store: asked for as ISconf 4.2.8 does,
 * GET /NAME?challenge=RANDOM, and entered as an unverified version with the time that
 * Last-Modified tells. There is no manifest, so nothing is known of the content before its end: it
 * is given to nobody until it is whole. What is announced to be more than the store could keep
 * (store_room) is not fetched, and more than was announced is not taken. Fetch thread: get and
 * write; store: enter; main thread: done.
 */
struct isconf_file_options {
    struct fetch *fetch;
    struct store *store;
    struct mailbox *mailbox;   /* the main loop's */
    struct log_flood *refused; /* the fetch thread's: lines of what is too large */
    struct address server;
    struct span name;
    void (*done)(void *arg, enum exchange_result result, enum peer_fault fault); /* once */
    void *arg;
};
void isconf_file_get(const struct isconf_file_options *options);

#endif
