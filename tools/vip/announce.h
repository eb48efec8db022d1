/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_VIP_ANNOUNCE_H
#define POND_TOOLS_VIP_ANNOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/address.h"
#include "tools/vip/netlink.h"

/*
 * Tells the neighbours on an Ethernet who has an address now, so that they and the switches between
 * send there from the next packet on.
 */
enum { ANNOUNCE_FRAME_MAX = 96 };

/* IPv4: an ARP announcement (RFC 5227, section 3), the form of a request; and that of a reply, for
 * hosts that learn from replies alone (RFC 5944, section 4.6, has both). To all. Returns the
 * length.
 */
enum announce_arp { ANNOUNCE_REQUEST = 1, ANNOUNCE_REPLY = 2 };
size_t announce_arp(uint8_t frame[ANNOUNCE_FRAME_MAX], enum announce_arp form,
                    const struct address *address, const uint8_t mac[NETLINK_MAC_SIZE]);

/* IPv6: an unsolicited neighbour advertisement to all nodes, with the override flag (RFC 4861,
 * section 7.2.6). `router` is to be true for who forwards: hosts would else take it out of their
 * routers. */
size_t announce_neighbour(uint8_t frame[ANNOUNCE_FRAME_MAX], const struct address *address,
                          const uint8_t mac[NETLINK_MAC_SIZE], bool router);

/* A socket to send frames with; negative, and errno, where it cannot be had. */
int announce_open(void);

/* All that is to be sent for the address, once. Returns 0 or an errno. */
int announce_send(int socket, const struct netlink_link *link, const struct address *address,
                  bool router);

#endif
