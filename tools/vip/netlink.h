/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_VIP_NETLINK_H
#define POND_TOOLS_VIP_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/address.h"

/*
 * What the kernel is asked and told: interfaces and their addresses (rtnetlink(7)). What returns an
 * int returns 0 or an errno.
 */
enum { NETLINK_MAC_SIZE = 6 };

struct netlink;
struct netlink *netlink_open(void); /* NULL: errno says why */
void netlink_close(struct netlink *netlink);

struct netlink_link {
    unsigned index;
    bool up;
    bool has_neighbours; /* Ethernet: somebody may have to be told who has an address */
    uint8_t mac[NETLINK_MAC_SIZE];
};

/* ENODEV: there is none of this name. */
int netlink_link(struct netlink *netlink, const char *name, struct netlink_link *out);

/* Does it forward IPv6? */
int netlink_forwards(struct netlink *netlink, unsigned index, bool *out);

/* The prefix length counts in the address's own family. EEXIST: it is there. An IPv6 address is in
 * force at once, without duplicate address detection: who had it before may still answer. */
int netlink_add(struct netlink *netlink, unsigned index, const struct address *address,
                uint8_t bits);

/* EADDRNOTAVAIL: it is not there with these bits. */
int netlink_del(struct netlink *netlink, unsigned index, const struct address *address,
                uint8_t bits);

/* With which prefix length the interface has it. EADDRNOTAVAIL: it has it not. */
int netlink_find(struct netlink *netlink, unsigned index, const struct address *address,
                 uint8_t *bits);

#endif
