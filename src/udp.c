/* SPDX-License-Identifier: ISC */
#include "src/udp.h"

#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"
#include "src/parcel.h"

enum {
    UDP_MAGIC = 0x75647073,
    SOCKETS_MAX = UDP_LISTEN_MAX + 1 + UDP_GROUPS_MAX, /* and one for the broadcast address */
    BUFFER = 4 * 1024 * 1024,
    QUEUE_FIRST = 6,   /* SO_PRIORITY, socket(7): the most that needs no privilege */
    TOS_CONTROL = 0xc0 /* CS6, network control: RFC 4594, section 3.1 */
};

/* What a socket is for. */
enum purpose {
    FREE, /* none: the place is empty */
    OWN,  /* bound to an address of ours; all is sent from these */
    BROADCAST,
    GROUP
};

struct endpoint {
    struct ev_io watcher;
    enum purpose purpose;
    struct address bound;
    unsigned interface; /* of a group */
    unsigned users;     /* of a group */
    int fd;
};

struct udp {
    unsigned magic;
    struct udp_options options;
    bool broadcasts;
    struct address broadcast; /* where it does */
    struct endpoint sockets[SOCKETS_MAX];
    size_t count;
    char in[UDP_BATCH][UDP_PAYLOAD_MAX + 1]; /* one more, to notice what was cut */
    size_t queued;
    struct parcel queue[UDP_QUEUE_MAX];
};

/* ---- in ------------------------------------------------------------------------------------- */

/* Where the TTL or hop limit of a datagram is told: ip(7), ipv6(7). */
union hops_room {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr aligned;
};

static uint8_t read_hops(struct msghdr *header)
{
    int hops = 0;

    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at)) {
        if ((at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TTL) ||
            (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_HOPLIMIT))
            memcpy(&hops, CMSG_DATA(at), sizeof(hops));
    }
    return (uint8_t)hops;
}

static void take(struct udp *udp, const struct endpoint *socket, struct msghdr *header,
                 struct span bytes)
{
    struct udp_datagram datagram = {.to_group = socket->purpose == GROUP, .bytes = bytes};

    stat_add(STAT_DATAGRAMS_IN, 1);
    if (!address_from_socket(header->msg_name, &datagram.from))
        return;
    if (datagram.to_group)
        datagram.hops = read_hops(header);
    udp->options.take(udp->options.arg, &datagram);
}

static int read_batch(struct udp *udp, struct endpoint *socket)
{
    union hops_room controls[UDP_BATCH];
    union sockaddr_any froms[UDP_BATCH];
    struct mmsghdr headers[UDP_BATCH];
    struct iovec parts[UDP_BATCH];
    int n;

    memset(headers, 0, sizeof(headers));
    for (size_t i = 0; i < UDP_BATCH; i++) {
        parts[i] = (struct iovec){udp->in[i], sizeof(udp->in[i])};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i],
                                             .msg_iovlen = 1,
                                             .msg_name = &froms[i],
                                             .msg_namelen = sizeof(froms[i]),
                                             .msg_control = &controls[i],
                                             .msg_controllen = sizeof(controls[i])};
    }
    n = recvmmsg(socket->fd, headers, UDP_BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++)
        take(udp, socket, &headers[i].msg_hdr, (struct span){udp->in[i], headers[i].msg_len});
    if (n > 0)
        udp->options.batch(udp->options.arg);
    return n;
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct udp *udp = watcher->data;
    struct endpoint *socket = (struct endpoint *)watcher;

    (void)loop, (void)events;
    MUST_BE(udp, UDP_MAGIC);
    for (int round = 0; round < UDP_ROUNDS_MAX; round++) {
        if (read_batch(udp, socket) < UDP_BATCH)
            break;
    }
}

void udp_drain(struct udp *udp, mono_t until)
{
    bool more = true;

    MUST_BE(udp, UDP_MAGIC);
    while (more && !mono_reached(clock_mono(), until)) {
        more = false;
        for (size_t i = 0; i < udp->count; i++) {
            if (udp->sockets[i].purpose != FREE)
                more |= read_batch(udp, &udp->sockets[i]) == UDP_BATCH;
        }
    }
}

/* ---- out ------------------------------------------------------------------------------------ */

/* The socket to speak from: the one bound to `source`, else one bound to every address of the
 * family, else any of the family. */
static struct endpoint *socket_for(struct udp *udp, const struct address *to,
                                   const struct address *source)
{
    struct endpoint *any = NULL, *wildcard = NULL;

    for (size_t i = 0; i < udp->count; i++) {
        struct endpoint *socket = &udp->sockets[i];
        if (socket->purpose != OWN || address_is_v4(&socket->bound) != address_is_v4(to))
            continue;
        if (source && address_same_host(&socket->bound, source))
            return socket;
        if (address_is_any(&socket->bound))
            wildcard = socket;
        if (!any)
            any = socket;
    }
    return wildcard ? wildcard : any;
}

/* NULL where it cannot be sent, which is counted. */
static struct parcel *enqueue(struct udp *udp, struct endpoint *from, const struct address *to,
                              const struct address *source, struct span bytes)
{
    struct parcel *parcel;

    if (!from || bytes.len > UDP_PAYLOAD_MAX) {
        stat_add(STAT_DATAGRAMS_UNSENT, 1);
        return NULL;
    }
    if (udp->queued == UDP_QUEUE_MAX)
        udp_flush(udp);
    parcel = &udp->queue[udp->queued++];
    parcel->fd = from->fd;
    parcel->to = *to;
    parcel->interface = 0;
    parcel->has_source = source && address_is_any(&from->bound);
    if (parcel->has_source)
        parcel->source = *source;
    parcel->len = bytes.len;
    memcpy(parcel->bytes, bytes.at, bytes.len);
    return parcel;
}

void udp_send(struct udp *udp, const struct address *to, const struct address *source,
              struct span bytes)
{
    MUST_BE(udp, UDP_MAGIC);
    (void)enqueue(udp, socket_for(udp, to, source), to, source, bytes);
}

void udp_send_group(struct udp *udp, const struct address *group, unsigned interface,
                    const struct address *source, struct span bytes)
{
    struct parcel *parcel;

    MUST_BE(udp, UDP_MAGIC);
    parcel = enqueue(udp, socket_for(udp, group, source), group, source, bytes);
    if (!parcel)
        return;
    parcel->interface = interface;
    /* Where the interface is said, the kernel would choose a source by it, whatever the socket is
     * bound to. */
    parcel->has_source = source != NULL;
    if (source)
        parcel->source = *source;
}

void udp_broadcast(struct udp *udp, struct span bytes)
{
    MUST_BE(udp, UDP_MAGIC);
    if (!udp->broadcasts)
        return;
    for (size_t i = 0; i < udp->count; i++) {
        struct endpoint *socket = &udp->sockets[i];
        if (socket->purpose == OWN && address_is_v4(&socket->bound))
            (void)enqueue(udp, socket, &udp->broadcast, NULL, bytes);
    }
}

void udp_flush(struct udp *udp)
{
    MUST_BE(udp, UDP_MAGIC);
    parcels_send(udp->queue, udp->queued);
    udp->queued = 0;
}

/* ---- sockets -------------------------------------------------------------------------------- */

static void set_number(int fd, int level, int option, int value)
{
    MUST(setsockopt(fd, level, option, &value, sizeof(value)) == 0);
}

/* As much as the kernel allows; a burst is lost where it is little. */
static void set_buffer(int fd, int forced, int allowed)
{
    int size = BUFFER;

    if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, allowed, &size, sizeof(size));
}

/* Nothing here is worth failing for where a kernel or a container does not take it. */
static void make_urgent(int fd, bool is_v4)
{
    int tos = TOS_CONTROL, priority = QUEUE_FIRST;

    (void)setsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_TOS : IPV6_TCLASS, &tos,
                     sizeof(tos));
    /* Behind the TOS, which sets it too. */
    (void)setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority));
}

static void set_up(const struct udp_options *options, int fd, bool is_v4, enum purpose purpose)
{
    if (is_v4)
        set_number(fd, SOL_SOCKET, SO_BROADCAST, 1);
    else
        set_number(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    /* Of groups a socket hears what it has joined itself, and not what others on this host have. */
    set_number(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_MULTICAST_ALL : IPV6_MULTICAST_ALL,
               0);
    set_number(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6,
               is_v4 ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS, options->hops);
    if (purpose == GROUP)
        set_number(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT,
                   1);
    if (purpose != OWN || options->shared)
        set_number(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
}

/* ip(7), ipv6(7): membership of a group, by the index of the interface. */
static bool join(int fd, const union sockaddr_any *group, unsigned interface)
{
    struct group_req request = {.gr_interface = interface, .gr_group = group->storage};
    int level = group->any.sa_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;

    return setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof(request)) == 0;
}

static int open_socket(struct udp *udp, const struct endpoint *wanted)
{
    union sockaddr_any where = {0};
    socklen_t len = address_to_socket(&wanted->bound, &where);
    int fd = socket(where.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (wanted->purpose == GROUP && where.any.sa_family == AF_INET6)
        ((struct sockaddr_in6 *)&where)->sin6_scope_id = wanted->interface;
    set_up(&udp->options, fd, where.any.sa_family == AF_INET, wanted->purpose);
    if (udp->options.urgent)
        make_urgent(fd, where.any.sa_family == AF_INET);
    if (bind(fd, &where.any, len) < 0 ||
        (wanted->purpose == GROUP && !join(fd, &where, wanted->interface))) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* An empty place; a new one behind the last where there is none between; NULL: no room. */
static struct endpoint *find_place(struct udp *udp)
{
    size_t at = 0;

    while (at < udp->count && udp->sockets[at].purpose != FREE)
        at++;
    if (at == SOCKETS_MAX)
        return NULL;
    if (at == udp->count)
        udp->count++;
    return &udp->sockets[at];
}

static bool add_socket(struct udp *udp, const struct endpoint *wanted)
{
    struct endpoint *socket;
    int fd = open_socket(udp, wanted);

    if (fd < 0)
        return false;
    socket = find_place(udp);
    if (!socket) {
        close(fd);
        errno = ENOBUFS;
        return false;
    }
    *socket = *wanted;
    socket->fd = fd;
    ev_io_init(&socket->watcher, on_readable, fd, EV_READ);
    if (udp->options.urgent)
        ev_set_priority(&socket->watcher, EV_MAXPRI);
    socket->watcher.data = udp;
    ev_io_start(udp->options.loop, &socket->watcher);
    return true;
}

static bool listen_on(struct udp *udp, const struct address *address, enum purpose purpose)
{
    char text[ADDRESS_TEXT_SIZE];

    if (add_socket(udp, &(struct endpoint){.purpose = purpose, .bound = *address}))
        return true;
    log_error("udp: cannot listen on %s: %s: see `address` and `%s` in main.cf",
              address_text(address, text), strerror(errno), udp->options.setting);
    return false;
}

static void close_socket(struct udp *udp, struct endpoint *socket)
{
    ev_io_stop(udp->options.loop, &socket->watcher);
    close(socket->fd);
    socket->purpose = FREE;
}

/* A socket bound to one address does not hear what is sent to the broadcast address; one that is
 * bound to every address does. */
static bool needs_broadcast_socket(const struct udp *udp)
{
    for (size_t i = 0; i < udp->count; i++) {
        if (address_is_v4(&udp->sockets[i].bound) && address_is_any(&udp->sockets[i].bound))
            return false;
    }
    return true;
}

static struct endpoint *find_broadcast(struct udp *udp)
{
    for (size_t i = 0; i < udp->count; i++) {
        if (udp->sockets[i].purpose == BROADCAST)
            return &udp->sockets[i];
    }
    return NULL;
}

bool udp_set_broadcast(struct udp *udp, const struct address *broadcast)
{
    struct endpoint *old = find_broadcast(udp);

    MUST_BE(udp, UDP_MAGIC);
    if (udp->broadcasts && broadcast && address_same(&udp->broadcast, broadcast))
        return true;
    if (broadcast && needs_broadcast_socket(udp) && !listen_on(udp, broadcast, BROADCAST))
        return false;
    if (old)
        close_socket(udp, old);
    udp->broadcasts = broadcast != NULL;
    if (broadcast)
        udp->broadcast = *broadcast;
    return true;
}

struct udp *udp_new(const struct udp_options *options)
{
    struct udp *udp = calloc(1, sizeof(*udp));
    bool good = true;

    MUST(udp != NULL);
    udp->magic = UDP_MAGIC;
    udp->options = *options;
    MUST(options->listen_count <= UDP_LISTEN_MAX);
    for (size_t i = 0; good && i < options->listen_count; i++)
        good = listen_on(udp, &options->listen[i], OWN);
    if (!good || !udp_set_broadcast(udp, options->broadcast)) {
        udp_free(udp);
        return NULL;
    }
    return udp;
}

void udp_free(struct udp *udp)
{
    if (!udp)
        return;
    MUST_BE(udp, UDP_MAGIC);
    for (size_t i = 0; i < udp->count; i++) {
        if (udp->sockets[i].purpose != FREE)
            close_socket(udp, &udp->sockets[i]);
    }
    udp->magic = 0;
    free(udp);
}

/* ---- groups --------------------------------------------------------------------------------- */

static struct endpoint *find_group(struct udp *udp, const struct address *group, unsigned interface)
{
    for (size_t i = 0; i < udp->count; i++) {
        struct endpoint *socket = &udp->sockets[i];
        if (socket->purpose == GROUP && address_same(&socket->bound, group) &&
            socket->interface == interface)
            return socket;
    }
    return NULL;
}

/* Our own sockets are bound without SO_REUSEADDR, so that a second daemon in the same place is an
 * error. One that is bound to every address must then tolerate those of its groups. */
static void tolerate_groups(struct udp *udp)
{
    for (size_t i = 0; i < udp->count; i++) {
        if (udp->sockets[i].purpose == OWN)
            set_number(udp->sockets[i].fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
}

bool udp_join(struct udp *udp, const struct address *group, unsigned interface)
{
    struct endpoint wanted = {
        .purpose = GROUP, .bound = *group, .interface = interface, .users = 1};
    struct endpoint *socket;

    MUST_BE(udp, UDP_MAGIC);
    socket = find_group(udp, group, interface);
    if (socket) {
        socket->users++;
        return true;
    }
    tolerate_groups(udp);
    return add_socket(udp, &wanted);
}

void udp_leave(struct udp *udp, const struct address *group, unsigned interface)
{
    struct endpoint *socket;

    MUST_BE(udp, UDP_MAGIC);
    socket = find_group(udp, group, interface);
    MUST(socket != NULL);
    if (--socket->users == 0)
        close_socket(udp, socket);
}
