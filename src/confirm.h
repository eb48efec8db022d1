/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_CONFIRM_H
#define POND_SRC_CONFIRM_H

#include "cache/store.h"

/*
 * Goes through what no candidate above is known to hold, and has each of it said again, until the
 * store lists it no more: what is new after a second, all of it ever less often, and from the
 * beginning where another master is followed. Main thread.
 */
struct ev_loop;
struct confirm;

enum {
    CONFIRM_BATCH = 64,       /* said in one turn of the loop */
    CONFIRM_PAUSE_MAX_S = 60, /* between two passes through all of it; the first one is a second */
    CONFIRM_ANEW_MS = 50      /* after another master was elected: it hears of it first */
};

struct confirm_options {
    struct ev_loop *loop;
    struct store *store;
    void (*say)(void *arg, const struct store_entry *entry);
    void *arg;
};
struct confirm *confirm_new(const struct confirm_options *options);
void confirm_free(struct confirm *confirm); /* NULL: nothing */

/* There may be something new to confirm. */
void confirm_poke(struct confirm *confirm);

/* Another master: it is told all, from the beginning. */
void confirm_anew(struct confirm *confirm);

#endif
