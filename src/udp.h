/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_UDP_H
#define POND_SRC_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/address.h"
#include "src/base/text.h"
#include "src/base/time.h"

/*
 * Datagram sockets: one for each address that is listened on, one for the broadcast address where
 * that is in use and would not be heard otherwise, one for each multicast group on an interface.
 * Datagrams are read and written many at a time. One thread: that of the loop. The cache has one
 * set of them, the election another.
 */
struct ev_loop;
struct udp;

enum {
    UDP_BATCH = 64,         /* datagrams a system call */
    UDP_ROUNDS_MAX = 8,     /* batches read before other watchers get their turn */
    UDP_PAYLOAD_MAX = 4096, /* MESSAGE_MAX; a longer one is cut, and so refused by its form */
    UDP_QUEUE_MAX = 1024,   /* datagrams waiting for the next flush; more are flushed at once */
    UDP_LISTEN_MAX = 32,
    UDP_GROUPS_MAX = 64,
    UDP_HOPS = 255 /* `hops` of what must not have passed a router (RFC 5082) */
};

struct udp_datagram {
    struct address from;
    bool to_group; /* it was sent to a multicast group */
    uint8_t hops;  /* the TTL or hop limit that it came with, where it was sent to a group */
    struct span bytes;
};

struct udp_options {
    struct ev_loop *loop;
    const struct address *listen; /* with the port */
    size_t listen_count;
    const char *setting;             /* that of the port, in main.cf: for messages */
    const struct address *broadcast; /* with the port; NULL: none is sent or heard */
    bool urgent;  /* read before all else that the loop watches, and sent before other traffic */
    bool shared;  /* another set, that takes its place, may be there for a moment */
    uint8_t hops; /* TTL or hop limit of what is sent to a group */
    /* Called for each datagram, then `batch` once after each batch, when answers are best sent. */
    void (*take)(void *arg, const struct udp_datagram *datagram);
    void (*batch)(void *arg);
    void *arg;
};

/* Logs what failed, with address and cause; NULL then. */
struct udp *udp_new(const struct udp_options *options);
void udp_free(struct udp *udp);

/*
 * Queues a copy of `bytes` for `to`. `source` is the own address to speak from; NULL: the socket's
 * own, or the kernel's choice where it listens on every address.
 */
void udp_send(struct udp *udp, const struct address *to, const struct address *source,
              struct span bytes);

/* Where broadcasts go, and are heard, from now on; NULL: nowhere. False, logged and with nothing
 * changed, where it cannot be listened on. */
bool udp_set_broadcast(struct udp *udp, const struct address *broadcast);

/* To the broadcast address, from every IPv4 socket. */
void udp_broadcast(struct udp *udp, struct span bytes);

/*
 * Takes part in a multicast group (with the port) on the interface of that index. As often as it is
 * joined it must be left. False where the kernel does not take it, and errno says why.
 */
bool udp_join(struct udp *udp, const struct address *group, unsigned interface);
void udp_leave(struct udp *udp, const struct address *group, unsigned interface);

/* To a group, or to a broadcast address, by that interface. */
void udp_send_group(struct udp *udp, const struct address *group, unsigned interface,
                    const struct address *source, struct span bytes);

/* Takes what has come so far, without waiting for the loop's turn, but no longer than until then.
 */
void udp_drain(struct udp *udp, mono_t until);

/* Hands what is queued to the kernel. What it does not take is counted and lost: datagrams may be.
 */
void udp_flush(struct udp *udp);

#endif
