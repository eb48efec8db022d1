/* SPDX-License-Identifier: ISC */
#include "tools/vip/announce.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

enum {
    TYPE_ARP = 0x0806, /* EtherTypes, RFC 9542 */
    TYPE_IPV6 = 0x86dd,
    HARDWARE_ETHERNET = 1, /* RFC 826 */
    TYPE_IPV4 = 0x0800,
    V4_AT = 12,
    V4_SIZE = 4,
    V6_SIZE = 16,

    /* RFC 4861, sections 4.4 and 4.6.1. */
    NEXT_ICMPV6 = 58,
    HOP_LIMIT = 255,
    NEIGHBOUR_ADVERTISEMENT = 136,
    FLAG_ROUTER = 0x80,
    FLAG_OVERRIDE = 0x20,
    OPTION_TARGET_ADDRESS = 2,
    ADVERTISEMENT_SIZE = 24 + 8 /* with the option */
};

static const uint8_t everyone[NETLINK_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t all_nodes_mac[NETLINK_MAC_SIZE] = {0x33, 0x33, 0, 0, 0, 1}; /* RFC 2464 */
static const uint8_t all_nodes[V6_SIZE] = {0xff, 0x02, [15] = 1};

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

static uint8_t *put_u16(uint8_t *at, unsigned value)
{
    *at++ = (uint8_t)(value >> 8);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_ethernet(uint8_t *at, const uint8_t *to, const uint8_t *from, unsigned type)
{
    at = put(at, to, NETLINK_MAC_SIZE);
    at = put(at, from, NETLINK_MAC_SIZE);
    return put_u16(at, type);
}

size_t announce_arp(uint8_t frame[ANNOUNCE_FRAME_MAX], enum announce_arp form,
                    const struct address *address, const uint8_t mac[NETLINK_MAC_SIZE])
{
    static const uint8_t unknown[NETLINK_MAC_SIZE];
    uint8_t *at = put_ethernet(frame, everyone, mac, TYPE_ARP);

    at = put_u16(at, HARDWARE_ETHERNET);
    at = put_u16(at, TYPE_IPV4);
    *at++ = NETLINK_MAC_SIZE;
    *at++ = V4_SIZE;
    at = put_u16(at, form);
    at = put(at, mac, NETLINK_MAC_SIZE);
    at = put(at, address->ip + V4_AT, V4_SIZE);
    /* In a reply it is the address that the neighbours are to take over. */
    at = put(at, form == ANNOUNCE_REPLY ? mac : unknown, NETLINK_MAC_SIZE);
    at = put(at, address->ip + V4_AT, V4_SIZE);
    return (size_t)(at - frame);
}

/* Of an ICMPv6 message of even length, with the head that RFC 8200, section 8.1, puts before it. */
static unsigned checksum(const struct address *from, const uint8_t *to, const uint8_t *message,
                         size_t len)
{
    uint32_t sum = (uint32_t)len + NEXT_ICMPV6;

    for (size_t i = 0; i < V6_SIZE; i += 2)
        sum += (uint32_t)(from->ip[i] << 8 | from->ip[i + 1]) + (uint32_t)(to[i] << 8 | to[i + 1]);
    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)(message[i] << 8 | message[i + 1]);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

size_t announce_neighbour(uint8_t frame[ANNOUNCE_FRAME_MAX], const struct address *address,
                          const uint8_t mac[NETLINK_MAC_SIZE], bool router)
{
    static const uint8_t version_and_flow[] = {0x60, 0, 0, 0}, reserved[3];
    uint8_t *at = put_ethernet(frame, all_nodes_mac, mac, TYPE_IPV6), *message;

    at = put(at, version_and_flow, sizeof(version_and_flow));
    at = put_u16(at, ADVERTISEMENT_SIZE);
    *at++ = NEXT_ICMPV6;
    *at++ = HOP_LIMIT;
    at = put(at, address->ip, V6_SIZE);
    at = put(at, all_nodes, V6_SIZE);
    message = at;
    *at++ = NEIGHBOUR_ADVERTISEMENT;
    *at++ = 0;
    at = put_u16(at, 0); /* the checksum, below */
    *at++ = FLAG_OVERRIDE | (router ? FLAG_ROUTER : 0);
    at = put(at, reserved, sizeof(reserved));
    at = put(at, address->ip, V6_SIZE);
    *at++ = OPTION_TARGET_ADDRESS;
    *at++ = 1; /* in units of 8 bytes */
    at = put(at, mac, NETLINK_MAC_SIZE);
    put_u16(message + 2, checksum(address, all_nodes, message, ADVERTISEMENT_SIZE));
    return (size_t)(at - frame);
}

int announce_open(void)
{
    return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: it receives nothing */
}

static int send_frame(int socket, const struct netlink_link *link, const uint8_t *frame, size_t len)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)link->index};

    return sendto(socket, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
}

int announce_send(int socket, const struct netlink_link *link, const struct address *address,
                  bool router)
{
    uint8_t frame[ANNOUNCE_FRAME_MAX];
    size_t len;
    int error;

    if (!address_is_v4(address)) {
        len = announce_neighbour(frame, address, link->mac, router);
        return send_frame(socket, link, frame, len);
    }
    len = announce_arp(frame, ANNOUNCE_REQUEST, address, link->mac);
    error = send_frame(socket, link, frame, len);
    if (error)
        return error;
    len = announce_arp(frame, ANNOUNCE_REPLY, address, link->mac);
    return send_frame(socket, link, frame, len);
}
