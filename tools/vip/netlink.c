/* SPDX-License-Identifier: ISC */
#include "tools/vip/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_SIZE = 32 * 1024, /* of a dump, as libmnl advises */
    LOOKS_MAX = 10,          /* at addresses that change meanwhile */
    V4_AT = 12
};

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

/* A dump while which addresses were changed says so in each part from then on. libmnl would end
 * there, and leave the rest to be taken for the answer to what is asked next. */
static bool take_interruption(char *answer, size_t size)
{
    bool found = false;
    int left = (int)size;

    for (struct nlmsghdr *part = (struct nlmsghdr *)answer; mnl_nlmsg_ok(part, left);
         part = mnl_nlmsg_next(part, &left)) {
        found = found || part->nlmsg_flags & NLM_F_DUMP_INTR;
        part->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
    }
    return found;
}

/* Sends a request and hands each part of the answer to `take`, until the kernel says that it was
 * the last. EINTR: that was all of it, but what it tells of changed meanwhile. */
static int ask(struct netlink *netlink, struct nlmsghdr *request, mnl_cb_t take, void *arg)
{
    unsigned port = mnl_socket_get_portid(netlink->socket);
    int more = MNL_CB_OK;
    bool interrupted = false;

    request->nlmsg_seq = ++netlink->sequence;
    if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
        return errno;
    while (more == MNL_CB_OK) {
        ssize_t n = mnl_socket_recvfrom(netlink->socket, netlink->answer, ANSWER_SIZE);
        if (n < 0)
            return errno;
        interrupted |= take_interruption(netlink->answer, (size_t)n);
        more = mnl_cb_run(netlink->answer, (size_t)n, request->nlmsg_seq, port, take, arg);
    }
    if (more == MNL_CB_ERROR)
        return errno;
    return interrupted ? EINTR : 0;
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

int netlink_keep_secondaries(struct netlink *netlink, unsigned index)
{
    char memory[256];
    struct nlmsghdr *request = mnl_nlmsg_put_header(memory);
    struct nlattr *families, *family, *settings;
    struct ifinfomsg *info;

    request->nlmsg_type = RTM_SETLINK;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = (int)index;
    families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
    family = mnl_attr_nest_start(request, AF_INET);
    settings = mnl_attr_nest_start(request, IFLA_INET_CONF);
    mnl_attr_put_u32(request, IPV4_DEVCONF_PROMOTE_SECONDARIES, 1);
    mnl_attr_nest_end(request, settings);
    mnl_attr_nest_end(request, family);
    mnl_attr_nest_end(request, families);
    return ask(netlink, request, NULL, NULL);
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

static struct nlmsghdr *begin(char *memory, uint16_t type, uint16_t flags, unsigned index,
                              const struct address *address, uint8_t bits)
{
    struct nlmsghdr *request = mnl_nlmsg_put_header(memory);
    struct ifaddrmsg *head;

    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | flags;
    head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
    head->ifa_family = family_of(address);
    head->ifa_prefixlen = bits;
    head->ifa_scope = RT_SCOPE_UNIVERSE;
    head->ifa_index = index;
    return request;
}

int netlink_add(struct netlink *netlink, unsigned index, const struct address *address,
                uint8_t bits)
{
    char memory[256];
    struct nlmsghdr *request =
        begin(memory, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, index, address, bits);
    struct ifaddrmsg *head = mnl_nlmsg_get_payload(request);

    head->ifa_flags = head->ifa_family == AF_INET6 ? IFA_F_NODAD : 0;
    put_address(request, IFA_LOCAL, address);
    put_address(request, IFA_ADDRESS, address);
    return ask(netlink, request, NULL, NULL);
}

/* ---- which are there ------------------------------------------------------------------------ */

/* IPv6 tells of one address, if asked for it. */
static int take_bits(const struct nlmsghdr *message, void *arg)
{
    const struct ifaddrmsg *head = mnl_nlmsg_get_payload(message);

    *(uint8_t *)arg = head->ifa_prefixlen;
    return MNL_CB_OK;
}

static int find_v6(struct netlink *netlink, unsigned index, const struct address *address,
                   uint8_t *bits)
{
    char memory[256];
    struct nlmsghdr *request = begin(memory, RTM_GETADDR, NLM_F_ACK, index, address, 0);
    int error;

    put_address(request, IFA_ADDRESS, address);
    error = ask(netlink, request, take_bits, bits);
    return error == EOPNOTSUPP ? EADDRNOTAVAIL : error; /* this kernel has no IPv6 */
}

struct search {
    unsigned index;
    const struct address *address;
    bool found;
};

/* The address itself is told in IFA_LOCAL: IFA_ADDRESS is the other end's on a point-to-point link.
 */
static int take_v4(const struct nlmsghdr *message, void *arg)
{
    const struct ifaddrmsg *head = mnl_nlmsg_get_payload(message);
    struct search *search = arg;
    size_t len = sizeof(search->address->ip) - V4_AT;
    struct nlattr *attribute;

    if (head->ifa_index != search->index || head->ifa_family != AF_INET)
        return MNL_CB_OK;
    mnl_attr_for_each(attribute, message, sizeof(*head))
    {
        if (mnl_attr_get_type(attribute) == IFA_LOCAL &&
            mnl_attr_get_payload_len(attribute) == len &&
            memcmp(mnl_attr_get_payload(attribute), search->address->ip + V4_AT, len) == 0)
            search->found = true;
    }
    return MNL_CB_OK;
}

/* IPv4 tells of all of them alone. What changes in a host meanwhile may keep one from being told,
 * but tells of none that was not there. */
static int find_v4(struct netlink *netlink, unsigned index, const struct address *address)
{
    struct search search = {.index = index, .address = address};
    int error = EINTR;

    for (int looks = 0; error == EINTR && !search.found && looks < LOOKS_MAX; looks++) {
        char memory[256];
        struct nlmsghdr *request = begin(memory, RTM_GETADDR, NLM_F_DUMP, index, address, 0);
        error = ask(netlink, request, take_v4, &search);
    }
    if (search.found)
        return 0;
    return error ? error : EADDRNOTAVAIL;
}

int netlink_find(struct netlink *netlink, unsigned index, const struct address *address)
{
    uint8_t bits;

    return address_is_v4(address) ? find_v4(netlink, index, address)
                                  : find_v6(netlink, index, address, &bits);
}

/* ---- taking away ---------------------------------------------------------------------------- */

/* IPv4 takes away the first that is the address, where no length is said; IPv6 wants its length. */
int netlink_del(struct netlink *netlink, unsigned index, const struct address *address)
{
    uint8_t bits = 0;
    int error = address_is_v4(address) ? 0 : find_v6(netlink, index, address, &bits);
    char memory[256];
    struct nlmsghdr *request = begin(memory, RTM_DELADDR, NLM_F_ACK, index, address, bits);

    if (error)
        return error;
    put_address(request, IFA_LOCAL, address);
    if (!address_is_v4(address))
        put_address(request, IFA_ADDRESS, address);
    return ask(netlink, request, NULL, NULL);
}
