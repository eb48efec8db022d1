/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_UDP_H
#define POND_SRC_UDP_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/address.h"
#include "src/base/text.h"

/*
 * The datagram sockets of the cache: one for each address that is listened on, and one for the
 * broadcast address where that is in use and would not be heard otherwise. Datagrams are read and
 * written many at a time. One thread: the main loop's.
 */
struct ev_loop;
struct udp;

enum {
    UDP_BATCH = 64,         /* datagrams a system call */
    UDP_ROUNDS_MAX = 8,     /* batches read before other watchers get their turn */
    UDP_PAYLOAD_MAX = 4096, /* MESSAGE_MAX; a longer one is cut, and so refused by its form */
    UDP_QUEUE_MAX = 1024    /* datagrams waiting for the next flush; more are flushed at once */
};

struct udp_options {
    struct ev_loop *loop;
    const struct address *listen; /* with the port */
    size_t listen_count;
    const struct address *broadcast; /* with the port; NULL: none is sent or heard */
    /* Called for each datagram, then `batch` once after each batch, when answers are best sent. */
    void (*take)(void *arg, const struct address *from, struct span bytes);
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

/* To the broadcast address, from every IPv4 socket. */
void udp_broadcast(struct udp *udp, struct span bytes);

/* Hands what is queued to the kernel. What it does not take is counted and lost: datagrams may be.
 */
void udp_flush(struct udp *udp);

#endif
