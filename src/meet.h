/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_MEET_H
#define POND_SRC_MEET_H

#include "conf/conf.h"
#include "src/cache_loop.h"
#include "src/discovery.h"
#include "src/own.h"

/* Makes discovery, and introduces it to the cache: whoever is met by heartbeat, and where nobody is
 * any more, is told to the exchange, which heeds those of member networks. Main thread. */
struct meet_options {
    struct ev_loop *loop;
    struct mailbox *mailbox;
    struct own *own;
    const struct conf *conf;
    const struct keyring *keyring; /* NULL: no keys */
    struct gate_rules rules;       /* of the gate */
    uint64_t boot;
    struct signers *signers;  /* where it is noted who signs with which key; NULL: no keys */
    struct cache_loop *cache; /* must outlive it */
};

/* As the configuration says. Logs what failed; NULL then. */
struct discovery *meet_new(const struct meet_options *options);

#endif
