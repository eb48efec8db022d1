/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ADOPTION_H
#define POND_SRC_ADOPTION_H

#include <stdatomic.h>
#include <stddef.h>

#include "cache/exchange.h"
#include "cache/store.h"
#include "src/base/address.h"
#include "src/base/text.h"
#include "src/gate.h"
#include "src/routes.h"

/*
 * Manifests that another node has sent, on their way into the store: cut apart, held against what
 * was asked for, adopted. Zero it to begin; the bytes stay the caller's, and in their place, until
 * `done`.
 */
enum { ADOPTION_MOST = 4096 /* manifests in one */ };

struct adoption {
    unsigned magic;
    struct store_job *jobs;
    size_t count;
    char last[NAME_SIZE]; /* the last one's name; empty: there was none */
    _Atomic size_t left;
    enum exchange_result result;
    enum peer_fault fault; /* of EXCHANGE_FAULTY and EXCHANGE_AHEAD */
    void (*done)(struct adoption *adoption);
    void *owner;
};

struct adoption_source {
    struct address server;
    const struct routes *routes; /* what the server is to us; NULL: a flat mesh */
    struct gate *gate;           /* whose rules may keep out what it tells; NULL: nothing is */
    const char *domain;          /* all names lie below it */
    const char *name;     /* it is one manifest, of this name; NULL: any number of any names */
    bool ordered;         /* they stand in the catalogue's order, from `from` up to before `to` */
    struct span from, to; /* empty: no end there */
};

/* Any thread. False: something in it is wrong; those before that are adopted nevertheless, and the
 * result is EXCHANGE_FAULTY whatever comes of them. */
bool adoption_read(struct adoption *adoption, struct span bytes,
                   const struct adoption_source *source);

/* `done` is called once, when all are in the store or refused by it, and the result stands: on a
 * thread of the store's, or at once where there is nothing to adopt. */
void adoption_begin(struct adoption *adoption, struct store *store);
void adoption_clear(struct adoption *adoption);

#endif
