/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_DISCOVERY_H
#define POND_SRC_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/gossip.h"
#include "src/gate.h"
#include "src/mailbox.h"
#include "src/members.h"
#include "src/paths.h"
#include "src/seal.h"
#include "src/signers.h"

/*
 * Heartbeats on the wire (design, section 7): says ours, by multicast or by broadcast, on every
 * path that there is, and tells who is met and where nobody is any more: cache/gossip.h decides.
 * One node hears itself too, and several on one host hear each other.
 *
 * Where an interface is not there, or not yet, it is looked for again and again, on a thread of its
 * own. Main thread.
 */
struct ev_loop;
struct discovery;

/* What a configuration says. Copied, the secrets too. */
struct discovery_settings {
    bool on;
    const struct address *listen; /* with the port */
    size_t listen_count;
    struct address to; /* the group, or the broadcast address, with the port */
    bool broadcasts;
    uint8_t hops;
    struct path_wish wishes[PATHS_MAX];
    size_t wish_count;
    int64_t interval_ns;
    const struct span *secrets; /* none: heartbeats are not encrypted */
    size_t secret_count;
    enum auth_mode auth;
    bool sign;             /* where there are keys */
    struct heartbeat beat; /* what we say: domain, node, ports, addresses, tiers */
};

struct discovery_options {
    struct ev_loop *loop;
    struct mailbox *mailbox;
    const struct members *members;
    const struct keyring *keyring; /* NULL: no keys */
    struct gate_rules rules;       /* of the gate */
    const char *domain;
    const char *node;
    uint64_t boot;
    uint64_t seed;
    struct signers *signers; /* where it is noted who signs with which key; NULL: no keys */
    /* A node is known that was not, or is in another place now; at an address nobody is known any
     * more. */
    void (*met)(void *arg, const struct gossip_node *node);
    void (*gone)(void *arg, const struct address *host);
    void *arg;
};

struct discovery *discovery_new(const struct discovery_options *options); /* off */
void discovery_free(struct discovery *discovery);                         /* NULL: nothing */

/* As discovery_apply will want them: opens the sockets. False, and logged, where they cannot be
 * had; nothing has changed then. */
bool discovery_ready(struct discovery *discovery, const struct discovery_settings *settings);

/* From now on; discovery_ready was called with these last. */
void discovery_apply(struct discovery *discovery, const struct discovery_settings *settings);

/* The members were replaced: whoever is known is told as met once more. */
void discovery_recheck(struct discovery *discovery);

/* Who is known; NULL while it is off. */
const struct gossip *discovery_gossip(const struct discovery *discovery);

#endif
