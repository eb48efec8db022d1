/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_PARCEL_H
#define POND_SRC_PARCEL_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/address.h"
#include "src/udp.h"

/*
 * Datagrams on their way out, many a system call. What goes to one host in a row, all of one
 * length, is handed over as one piece that the kernel cuts into datagrams at its lower end (udp(7):
 * UDP_SEGMENT): the way through the kernel is most of what a datagram costs. Where that cannot be
 * done they go one by one; whoever receives them sees no difference.
 */
struct parcel {
    int fd; /* of the socket to speak from */
    struct address to;
    struct address source;
    bool has_source;    /* else the socket's own, or the kernel's choice */
    unsigned interface; /* 0: the kernel's choice */
    size_t len;
    char bytes[UDP_PAYLOAD_MAX];
};

/* All of them, in their order. What the kernel does not take is counted and lost. */
void parcels_send(const struct parcel *parcels, size_t count);

#endif
