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

enum { UDP_MAGIC = 0x75647073, SOCKETS_MAX = 33, RECEIVE_BUFFER = 4 * 1024 * 1024 };

struct endpoint {
    struct ev_io watcher;
    struct address bound;
    bool listens_only; /* bound to the broadcast address: nothing is sent from it */
    int fd;
};

/* One datagram on its way out. */
struct parcel {
    struct endpoint *from;
    struct address to;
    struct address source; /* port 0: the kernel's choice */
    bool has_source;
    size_t len;
    char bytes[UDP_PAYLOAD_MAX];
};

struct udp {
    unsigned magic;
    struct udp_options options;
    struct address broadcast;
    struct endpoint sockets[SOCKETS_MAX];
    size_t count;
    char in[UDP_BATCH][UDP_PAYLOAD_MAX + 1]; /* one more, to notice what was cut */
    size_t queued;
    struct parcel queue[UDP_QUEUE_MAX];
};

/* ---- in ------------------------------------------------------------------------------------- */

static int read_batch(struct udp *udp, struct endpoint *socket)
{
    union sockaddr_any froms[UDP_BATCH];
    struct mmsghdr headers[UDP_BATCH];
    struct iovec parts[UDP_BATCH];
    struct address from;
    int n;

    memset(headers, 0, sizeof(headers));
    for (size_t i = 0; i < UDP_BATCH; i++) {
        parts[i] = (struct iovec){udp->in[i], sizeof(udp->in[i])};
        headers[i].msg_hdr.msg_iov = &parts[i];
        headers[i].msg_hdr.msg_iovlen = 1;
        headers[i].msg_hdr.msg_name = &froms[i];
        headers[i].msg_hdr.msg_namelen = sizeof(froms[i]);
    }
    n = recvmmsg(socket->fd, headers, UDP_BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        stat_add(STAT_DATAGRAMS_IN, 1);
        if (address_from_socket(&froms[i].any, &from))
            udp->options.take(udp->options.arg, &from,
                              (struct span){udp->in[i], headers[i].msg_len});
    }
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

/* ---- out ------------------------------------------------------------------------------------ */

/* The socket to speak from: the one bound to `source`, else one bound to every address of the
 * family, else any of the family. */
static struct endpoint *socket_for(struct udp *udp, const struct address *to,
                                   const struct address *source)
{
    struct endpoint *any = NULL, *wildcard = NULL;

    for (size_t i = 0; i < udp->count; i++) {
        struct endpoint *socket = &udp->sockets[i];
        if (socket->listens_only || address_is_v4(&socket->bound) != address_is_v4(to))
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

static void enqueue(struct udp *udp, struct endpoint *from, const struct address *to,
                    const struct address *source, struct span bytes)
{
    struct parcel *parcel;

    if (!from || bytes.len > UDP_PAYLOAD_MAX) {
        stat_add(STAT_DATAGRAMS_UNSENT, 1);
        return;
    }
    if (udp->queued == UDP_QUEUE_MAX)
        udp_flush(udp);
    parcel = &udp->queue[udp->queued++];
    parcel->from = from;
    parcel->to = *to;
    parcel->has_source = source && address_is_any(&from->bound);
    if (parcel->has_source)
        parcel->source = *source;
    parcel->len = bytes.len;
    memcpy(parcel->bytes, bytes.at, bytes.len);
}

void udp_send(struct udp *udp, const struct address *to, const struct address *source,
              struct span bytes)
{
    MUST_BE(udp, UDP_MAGIC);
    enqueue(udp, socket_for(udp, to, source), to, source, bytes);
}

void udp_broadcast(struct udp *udp, struct span bytes)
{
    MUST_BE(udp, UDP_MAGIC);
    if (!udp->options.broadcast)
        return;
    for (size_t i = 0; i < udp->count; i++) {
        struct endpoint *socket = &udp->sockets[i];
        if (!socket->listens_only && address_is_v4(&socket->bound))
            enqueue(udp, socket, &udp->broadcast, NULL, bytes);
    }
}

/* Tells the kernel which own address to speak from (ip(7), ipv6(7): *_PKTINFO). */
static void set_source(struct msghdr *header, void *control, const struct address *source)
{
    struct in6_pktinfo v6 = {.ipi6_ifindex = source->scope};
    struct in_pktinfo v4 = {.ipi_ifindex = 0};
    bool is_v4 = address_is_v4(source);
    size_t len = is_v4 ? sizeof(v4) : sizeof(v6);
    struct cmsghdr *cmsg;

    header->msg_control = control;
    header->msg_controllen = CMSG_SPACE(len);
    cmsg = CMSG_FIRSTHDR(header);
    cmsg->cmsg_level = is_v4 ? IPPROTO_IP : IPPROTO_IPV6;
    cmsg->cmsg_type = is_v4 ? IP_PKTINFO : IPV6_PKTINFO;
    cmsg->cmsg_len = CMSG_LEN(len);
    memcpy(&v4.ipi_spec_dst, source->ip + 12, 4);
    memcpy(&v6.ipi6_addr, source->ip, 16);
    memcpy(CMSG_DATA(cmsg), is_v4 ? (void *)&v4 : (void *)&v6, len);
}

/* Sends up to UDP_BATCH parcels that leave by the same socket; returns how many are dealt with. */
static size_t send_run(struct parcel *parcels, size_t count)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
        struct cmsghdr aligned;
    } controls[UDP_BATCH];
    union sockaddr_any tos[UDP_BATCH];
    struct mmsghdr headers[UDP_BATCH];
    struct iovec parts[UDP_BATCH];
    size_t run = 0;
    int sent;

    memset(headers, 0, sizeof(headers));
    memset(controls, 0, sizeof(controls));
    for (; run < count && run < UDP_BATCH && parcels[run].from == parcels->from; run++) {
        struct msghdr *header = &headers[run].msg_hdr;
        parts[run] = (struct iovec){parcels[run].bytes, parcels[run].len};
        header->msg_iov = &parts[run];
        header->msg_iovlen = 1;
        header->msg_name = &tos[run];
        header->msg_namelen = address_to_socket(&parcels[run].to, &tos[run]);
        if (parcels[run].has_source)
            set_source(header, &controls[run], &parcels[run].source);
    }
    sent = sendmmsg(parcels->from->fd, headers, (unsigned)run, MSG_DONTWAIT);
    if (sent > 0) {
        stat_add(STAT_DATAGRAMS_OUT, (uint64_t)sent);
        return (size_t)sent;
    }
    /* The first was not taken: unreachable, refused, no room. It is lost; the others get a try. */
    stat_add(STAT_DATAGRAMS_UNSENT, 1);
    return 1;
}

void udp_flush(struct udp *udp)
{
    MUST_BE(udp, UDP_MAGIC);
    for (size_t at = 0; at < udp->queued;)
        at += send_run(udp->queue + at, udp->queued - at);
    udp->queued = 0;
}

/* ---- sockets -------------------------------------------------------------------------------- */

static void set_flag(int fd, int level, int option)
{
    int on = 1;

    MUST(setsockopt(fd, level, option, &on, sizeof(on)) == 0);
}

static int open_socket(const struct address *address, bool shared)
{
    union sockaddr_any where;
    socklen_t len = address_to_socket(address, &where);
    int fd = socket(where.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int buffer = RECEIVE_BUFFER;

    if (fd < 0)
        return -1;
    if (where.any.sa_family == AF_INET)
        set_flag(fd, SOL_SOCKET, SO_BROADCAST);
    else
        set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (shared)
        set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
    /* As much as the kernel allows; a burst of answers is lost where it is little. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    if (bind(fd, &where.any, len) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* `shared`: others on this host may listen there too, as is right for a broadcast address. */
static bool add_socket(struct udp *udp, const struct address *address, bool shared)
{
    struct endpoint *socket = &udp->sockets[udp->count];
    char text[ADDRESS_TEXT_SIZE];

    if (udp->count == SOCKETS_MAX) {
        log_error("udp: more than %d addresses to listen on", SOCKETS_MAX);
        return false;
    }
    socket->fd = open_socket(address, shared);
    if (socket->fd < 0) {
        log_error("udp: cannot listen on %s: %s: see `address` and `port` in main.cf",
                  address_text(address, text), strerror(errno));
        return false;
    }
    socket->bound = *address;
    socket->listens_only = shared;
    ev_io_init(&socket->watcher, on_readable, socket->fd, EV_READ);
    socket->watcher.data = udp;
    ev_io_start(udp->options.loop, &socket->watcher);
    udp->count++;
    return true;
}

/* A socket bound to one address does not hear what is sent to the broadcast address; one that is
 * bound to every address does. */
static bool needs_broadcast_socket(const struct udp *udp)
{
    if (!udp->options.broadcast)
        return false;
    for (size_t i = 0; i < udp->count; i++) {
        if (address_is_v4(&udp->sockets[i].bound) && address_is_any(&udp->sockets[i].bound))
            return false;
    }
    return true;
}

struct udp *udp_new(const struct udp_options *options)
{
    struct udp *udp = calloc(1, sizeof(*udp));
    bool good = true;

    MUST(udp != NULL);
    udp->magic = UDP_MAGIC;
    udp->options = *options;
    for (size_t i = 0; good && i < options->listen_count; i++)
        good = add_socket(udp, &options->listen[i], false);
    if (good && needs_broadcast_socket(udp))
        good = add_socket(udp, options->broadcast, true);
    if (!good) {
        udp_free(udp);
        return NULL;
    }
    if (options->broadcast)
        udp->broadcast = *options->broadcast;
    return udp;
}

void udp_free(struct udp *udp)
{
    if (!udp)
        return;
    MUST_BE(udp, UDP_MAGIC);
    for (size_t i = 0; i < udp->count; i++) {
        ev_io_stop(udp->options.loop, &udp->sockets[i].watcher);
        close(udp->sockets[i].fd);
    }
    udp->magic = 0;
    free(udp);
}
