/* SPDX-License-Identifier: ISC */
#include "tools/vip/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_SIZE = 32 * 1024 /* of a dump, as libmnl advises */, V4_AT = 12 };

struct netlink {
    struct mnl_socket *socket;
    unsigned sequence;
    char answer[ANSWER_SIZE];
};

struct netlink *netlink_open(void)
{
    struct netlink *netlink = calloc(1, sizeof(*netlink));

    if (!netlink)
        return NULL;
    netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (netlink->socket && mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) == 0)
        return netlink;
    netlink_close(netlink);
    return NULL;
}

void netlink_close(struct netlink *netlink)
{
    int error = errno;

    if (netlink->socket)
        mnl_socket_close(netlink->socket);
    free(netlink);
    errno = error;
}

/* Sends a request and hands each part of the answer to `take`, until the kernel says that it was
 * the last. */
static int ask(struct netlink *netlink, struct nlmsghdr *request, mnl_cb_t take, void *arg)
{
    unsigned port = mnl_socket_get_portid(netlink->socket);
    int more = MNL_CB_OK;

    request->nlmsg_seq = ++netlink->sequence;
    if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
        return errno;
    while (more == MNL_CB_OK) {
        ssize_t n = mnl_socket_recvfrom(netlink->socket, netlink->answer, ANSWER_SIZE);
        if (n < 0)
            return errno;
        more = mnl_cb_run(netlink->answer, (size_t)n, request->nlmsg_seq, port, take, arg);
    }
    return more == MNL_CB_ERROR ? errno : 0;
}

/* ---- interfaces ----------------------------------------------------------------------------- */

static int take_link(const struct nlmsghdr *message, void *arg)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    struct netlink_link *link = arg;
    struct nlattr *attribute;

    *link =
        (struct netlink_link){.index = (unsigned)info->ifi_index, .up = info->ifi_flags & IFF_UP};
    mnl_attr_for_each(attribute, message, sizeof(*info))
    {
        if (mnl_attr_get_type(attribute) == IFLA_ADDRESS &&
            mnl_attr_get_payload_len(attribute) == NETLINK_MAC_SIZE) {
            memcpy(link->mac, mnl_attr_get_payload(attribute), NETLINK_MAC_SIZE);
            link->has_neighbours =
                info->ifi_type == ARPHRD_ETHER && !(info->ifi_flags & (IFF_NOARP | IFF_LOOPBACK));
        }
    }
    return MNL_CB_OK;
}

int netlink_link(struct netlink *netlink, const char *name, struct netlink_link *out)
{
    char memory[256];
    struct nlmsghdr *request = mnl_nlmsg_put_header(memory);
    struct ifinfomsg *info;

    if (!*name || strlen(name) >= IFNAMSIZ)
        return ENODEV;
    request->nlmsg_type = RTM_GETLINK;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    mnl_attr_put_strz(request, IFLA_IFNAME, name);
    return ask(netlink, request, take_link, out);
}

static int take_forwarding(const struct nlmsghdr *message, void *arg)
{
    struct nlattr *attribute;

    mnl_attr_for_each(attribute, message, sizeof(struct netconfmsg))
    {
        if (mnl_attr_get_type(attribute) == NETCONFA_FORWARDING)
            *(bool *)arg = mnl_attr_get_u32(attribute) != 0;
    }
    return MNL_CB_OK;
}

int netlink_forwards(struct netlink *netlink, unsigned index, bool *out)
{
    char memory[256];
    struct nlmsghdr *request = mnl_nlmsg_put_header(memory);
    struct netconfmsg *conf;

    *out = false;
    request->nlmsg_type = RTM_GETNETCONF;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    conf = mnl_nlmsg_put_extra_header(request, sizeof(*conf));
    conf->ncm_family = AF_INET6;
    mnl_attr_put_u32(request, NETCONFA_IFINDEX, index);
    return ask(netlink, request, take_forwarding, out);
}

/* ---- addresses ------------------------------------------------------------------------------ */

static unsigned char family_of(const struct address *address)
{
    return address_is_v4(address) ? AF_INET : AF_INET6;
}

static void put_address(struct nlmsghdr *request, uint16_t type, const struct address *address)
{
    size_t from = address_is_v4(address) ? V4_AT : 0;

    mnl_attr_put(request, type, sizeof(address->ip) - from, address->ip + from);
}

static int change(struct netlink *netlink, uint16_t type, uint16_t flags, unsigned index,
                  const struct address *address, uint8_t bits)
{
    char memory[256];
    struct nlmsghdr *request = mnl_nlmsg_put_header(memory);
    struct ifaddrmsg *head;

    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
    head->ifa_family = family_of(address);
    head->ifa_prefixlen = bits;
    head->ifa_flags = head->ifa_family == AF_INET6 ? IFA_F_NODAD : 0;
    head->ifa_scope = RT_SCOPE_UNIVERSE;
    head->ifa_index = index;
    put_address(request, IFA_LOCAL, address);
    put_address(request, IFA_ADDRESS, address);
    return ask(netlink, request, NULL, NULL);
}

int netlink_add(struct netlink *netlink, unsigned index, const struct address *address,
                uint8_t bits)
{
    return change(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address, bits);
}

int netlink_del(struct netlink *netlink, unsigned index, const struct address *address,
                uint8_t bits)
{
    return change(netlink, RTM_DELADDR, 0, index, address, bits);
}

struct search {
    unsigned index;
    const struct address *address;
    bool found;
    uint8_t bits;
};

/* IPv4 tells the address itself in IFA_LOCAL (IFA_ADDRESS is the other end's on a point-to-point
 * link); IPv6 in IFA_ADDRESS, unless there is another end. */
static int take_address(const struct nlmsghdr *message, void *arg)
{
    const struct ifaddrmsg *head = mnl_nlmsg_get_payload(message);
    struct search *search = arg;
    size_t from = address_is_v4(search->address) ? V4_AT : 0;
    size_t len = sizeof(search->address->ip) - from;
    struct nlattr *attribute, *own = NULL;

    if (head->ifa_index != search->index || head->ifa_family != family_of(search->address))
        return MNL_CB_OK;
    mnl_attr_for_each(attribute, message, sizeof(*head))
    {
        uint16_t type = mnl_attr_get_type(attribute);
        if (type == IFA_LOCAL || (type == IFA_ADDRESS && !own))
            own = attribute;
    }
    if (own && mnl_attr_get_payload_len(own) == len &&
        memcmp(mnl_attr_get_payload(own), search->address->ip + from, len) == 0) {
        search->found = true;
        search->bits = head->ifa_prefixlen;
    }
    return MNL_CB_OK;
}

int netlink_find(struct netlink *netlink, unsigned index, const struct address *address,
                 uint8_t *bits)
{
    char memory[256];
    struct nlmsghdr *request = mnl_nlmsg_put_header(memory);
    struct search search = {.index = index, .address = address};
    struct ifaddrmsg *head;
    int error;

    request->nlmsg_type = RTM_GETADDR;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
    head->ifa_family = family_of(address);
    error = ask(netlink, request, take_address, &search);
    if (!error && search.found)
        *bits = search.bits;
    return error ? error : search.found ? 0 : EADDRNOTAVAIL;
}
