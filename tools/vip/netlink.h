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

/* From now on the interface keeps the IPv4 addresses of a network of which it loses the first: the
 * next of them takes its place. Else all that came to the network later would go with that one. It
 * stays so (net.ipv4.conf.*.promote_secondaries, which systemd sets at boot).
 * EAFNOSUPPORT: it has no IPv4 at all. */
int netlink_keep_secondaries(struct netlink *netlink, unsigned index);

/* The prefix length counts in the address's own family. EEXIST: it is there with this length. An
 * IPv6 address is in force at once, without duplicate address detection: who had it before may
 * still answer. */
int netlink_add(struct netlink *netlink, unsigned index, const struct address *address,
                uint8_t bits);

/* Takes it away, whatever its length. An interface may have an IPv4 address with several: then one
 * of them. EADDRNOTAVAIL: it has it not. No other address that comes or goes meanwhile is in the
 * way. */
int netlink_del(struct netlink *netlink, unsigned index, const struct address *address);

/* Does the interface have it? EADDRNOTAVAIL: not. EINTR: the host's addresses change so fast that
 * it cannot be told. */
int netlink_find(struct netlink *netlink, unsigned index, const struct address *address);

#endif
