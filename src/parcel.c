/* SPDX-License-Identifier: ISC */
#include "src/parcel.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/stats.h"

/* Of those that go as one piece: what fits any link (RFC 8200, section 5), and what the kernel
 * takes (UDP_MAX_SEGMENTS; a datagram's length has 16 bits). */
enum { CUT_LEN_MAX = 1232, PIECE_COUNT_MAX = 64, PIECE_LEN_MAX = 65000 };

/* A system call's worth: parcels of one socket, in pieces. */
struct load {
    size_t pieces;
    size_t counts[UDP_BATCH]; /* of parcels, in each piece */
    struct mmsghdr headers[UDP_BATCH];
    struct iovec parts[UDP_BATCH];
    union sockaddr_any tos[UDP_BATCH];
    union control {
        char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr aligned;
    } controls[UDP_BATCH];
};

static void add_control(struct msghdr *header, union control *control, int level, int type,
                        const void *value, size_t len)
{
    struct cmsghdr *at = (struct cmsghdr *)(control->bytes + header->msg_controllen);

    header->msg_control = control;
    header->msg_controllen += CMSG_SPACE(len);
    at->cmsg_level = level;
    at->cmsg_type = type;
    at->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(at), value, len);
}

/* Tells the kernel which own address to speak from, and by which interface (ip(7), ipv6(7):
 * *_PKTINFO). */
static void add_path(struct msghdr *header, union control *control, const struct parcel *parcel)
{
    const struct address *source = &parcel->source;
    struct in6_pktinfo v6 = {.ipi6_ifindex = parcel->interface};
    struct in_pktinfo v4 = {.ipi_ifindex = (int)parcel->interface};

    if (parcel->has_source) {
        memcpy(&v4.ipi_spec_dst, source->ip + 12, 4);
        memcpy(&v6.ipi6_addr, source->ip, 16);
        if (!parcel->interface)
            v6.ipi6_ifindex = source->scope;
    }
    if (address_is_v4(&parcel->to))
        add_control(header, control, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
    else
        add_control(header, control, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
}

static bool go_the_same_way(const struct parcel *a, const struct parcel *b)
{
    return a->fd == b->fd && address_same(&a->to, &b->to) && !a->interface && !b->interface &&
           a->has_source == b->has_source &&
           (!a->has_source || address_same(&a->source, &b->source));
}

/* How many, from the first on, go as one piece: only the last may be shorter. */
static size_t count_piece(const struct parcel *parcels, size_t count)
{
    size_t len = parcels->len, n = 1, total = len;

    if (len > CUT_LEN_MAX || len == 0)
        return 1;
    while (n < count && n < PIECE_COUNT_MAX && parcels[n - 1].len == len && parcels[n].len <= len &&
           parcels[n].len > 0 && total + parcels[n].len <= PIECE_LEN_MAX &&
           go_the_same_way(parcels, &parcels[n]))
        total += parcels[n++].len;
    return n;
}

static void add_piece(struct load *load, struct iovec *parts, const struct parcel *parcels,
                      size_t count)
{
    struct msghdr *header = &load->headers[load->pieces].msg_hdr;
    union control *control = &load->controls[load->pieces];
    union sockaddr_any *to = &load->tos[load->pieces];
    uint16_t cut = (uint16_t)parcels->len;

    *header = (struct msghdr){.msg_iov = parts,
                              .msg_iovlen = count,
                              .msg_name = to,
                              .msg_namelen = address_to_socket(&parcels->to, to)};
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct iovec){(void *)(uintptr_t)parcels[i].bytes, parcels[i].len};
    if (parcels->has_source || parcels->interface)
        add_path(header, control, parcels);
    if (count > 1)
        add_control(header, control, SOL_UDP, UDP_SEGMENT, &cut, sizeof(cut));
    load->counts[load->pieces++] = count;
}

static void fill(struct load *load, const struct parcel *parcels, size_t count, bool in_pieces)
{
    size_t at = 0;

    load->pieces = 0;
    memset(load->controls, 0, sizeof(load->controls));
    while (at < count && at < UDP_BATCH && parcels[at].fd == parcels->fd) {
        size_t most = count - at < UDP_BATCH - at ? count - at : UDP_BATCH - at;
        size_t n = in_pieces ? count_piece(parcels + at, most) : 1;
        add_piece(load, load->parts + at, parcels + at, n);
        at += n;
    }
}

/* Returns how many parcels are dealt with. */
static size_t send_load(struct load *load, int fd)
{
    int sent = sendmmsg(fd, load->headers, (unsigned)load->pieces, MSG_DONTWAIT);
    size_t count = 0;

    for (int i = 0; i < sent; i++)
        count += load->counts[i];
    stat_add(STAT_DATAGRAMS_OUT, count);
    return count;
}

void parcels_send(const struct parcel *parcels, size_t count)
{
    struct load load;
    bool in_pieces = true;

    for (size_t at = 0; at < count;) {
        size_t n;

        fill(&load, parcels + at, count - at, in_pieces);
        n = send_load(&load, parcels[at].fd);
        at += n;
        if (n > 0)
            continue;
        if (load.counts[0] > 1) {
            in_pieces = false; /* this way takes none, maybe: one by one tells */
            continue;
        }
        /* Not taken: unreachable, refused, no room. It is lost; the others get a try. */
        stat_add(STAT_DATAGRAMS_UNSENT, 1);
        at++;
    }
}
