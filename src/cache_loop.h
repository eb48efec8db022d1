/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_CACHE_LOOP_H
#define POND_SRC_CACHE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/exchange.h"
#include "cache/store.h"
#include "src/asks.h"
#include "src/fetch.h"
#include "src/gate.h"
#include "src/learn.h"
#include "src/mailbox.h"
#include "src/members.h"
#include "src/routes.h"
#include "src/speak.h"
#include "src/udp.h"

/*
 * Drives the exchange: datagram -> gate -> machine -> actions, and everything else that is an event
 * to it. It looks up in the store what the machine must know, tells it the time, and carries its
 * actions out in their order. Main thread, but where said.
 */
struct cache_loop;

struct cache_loop_options {
    struct ev_loop *loop;
    struct mailbox *mailbox;
    struct store *store;
    struct gate *gate;
    struct fetch *fetch;
    const struct members *members;
    const struct routes *routes;
    struct speaker *speaker;
    const char *node;
    const char *domain;
    uint16_t port; /* members are spoken to on the port that we listen on */
    uint16_t http_port;
    const struct address *listen; /* with ports */
    size_t listen_count;
    const struct address *broadcast; /* NULL: none */
    uint64_t seed;
    /* A peer was found misbehaving. Main thread. */
    void (*fault)(void *arg, const struct peer *peer, enum peer_fault fault);
    /* How our clock stands, every other second. Main thread. */
    void (*clock)(void *arg, const struct exchange_clock *clock);
    /* The whole catalogue of a host was read and taken. Main thread. */
    void (*compared)(void *arg, const struct address *from, uint64_t store_id);
    /* A host says that it holds what this node knows and does not hold. Main thread. */
    void (*offered)(void *arg, const struct notice *notice, const struct address *http);
    /* Content is to be fetched, or marked as unconfirmed, that was not before. Main thread. */
    void (*wanted)(void *arg);
    /* Where we stand is not what it was, though nobody told: a view has grown old. Main thread. */
    void (*moved)(void *arg);
    void *arg;
};

/* Logs what failed; NULL then. */
struct cache_loop *cache_loop_new(const struct cache_loop_options *options);

/* No datagrams any more, and every ask is ended; what is under way elsewhere may still report. */
void cache_loop_stop(struct cache_loop *cache);
void cache_loop_free(struct cache_loop *cache);

/* Where broadcasts go from now on; NULL: nowhere. False, logged and with nothing changed, where
 * that cannot be listened on. */
bool cache_loop_broadcast(struct cache_loop *cache, const struct address *broadcast);

/* After the members were replaced: who left is forgotten, who joined is greeted, little by little.
 * Nothing is sent any more to whom it may not be, from the moment of the replacement on. */
void cache_loop_recheck(struct cache_loop *cache);

/* A host tells by heartbeat where it is (its HTTP port is `http`'s); or does so no longer. It is
 * heeded where a nets file holds the address. */
void cache_loop_found(struct cache_loop *cache, const struct address *http);
void cache_loop_lost(struct cache_loop *cache, const struct address *host);

/* Any thread; `done` comes on the main thread. */
void cache_loop_ask(struct cache_loop *cache, struct ask *ask);

/* Whoever asked it does not want to know any more: once, at any time after cache_loop_ask, the ask
 * being theirs or not. Any thread; ends with `dropped`, on the main thread. */
void cache_loop_drop(struct cache_loop *cache, struct ask *ask);

/* A put or rm of our own is in the store: tells the others. */
void cache_loop_changed(struct cache_loop *cache, const struct store_entry *entry);

/* Who is master may have changed, or where we stand: it is looked up. */
void cache_loop_viewed(struct cache_loop *cache);

/* The catalogue's head of a master that we follow, or of a member that we lead. */
void cache_loop_head(struct cache_loop *cache, const struct address *http,
                     const struct exchange_head *head);

/* The content of a name is complete here; from: whom it came from. */
void cache_loop_landed(struct cache_loop *cache, struct span name, const struct address *from);

/* What is still unconfirmed is said again. */
void cache_loop_again(struct cache_loop *cache, struct span name);

/* Somebody found that a host misbehaves; PEER_FINE: that it does well. Any thread. */
void cache_loop_blame(struct cache_loop *cache, const struct address *http, enum peer_fault fault);

const struct exchange *cache_loop_exchange(const struct cache_loop *cache);

#endif
