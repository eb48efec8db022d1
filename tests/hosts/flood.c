/* SPDX-License-Identifier: ISC */
/*
 * Sends datagrams, many a second, for the tests with hosts:
 *
 *     flood ADDR PORT RATE SECONDS FILE [--from ADDR] [--from-port PORT] [--ttl N] [--one] [--run
 * N]
 *
 * The datagrams of FILE go to ADDR and PORT in turn, RATE a second (0: as fast as can be) for
 * SECONDS. FILE holds datagrams one behind another, each led by its length in two bytes, the high
 * one first, as DNS does over TCP; with --one it is a single datagram as it is. --from may be an
 * address that this host does not have, where the kernel lets us (IP_TRANSPARENT, as root): to
 * forge. --ttl: of what is sent, to one or to a group. --run: each datagram N times in a row, which
 * the kernel carries as one as far as the receiver's socket (UDP_SEGMENT): a sender that leaves the
 * processor to those it attacks.
 *
 * Says "sent N failed N seconds S" on standard output. Exit status 1 where nothing could be sent.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "src/base/address.h"
#include "src/base/text.h"
#include "src/base/time.h"

enum {
    FILE_MAX = 64 << 20,
    DATAGRAMS_MAX = 1 << 20,
    BATCH = 16,   /* runs */
    RUN_MAX = 64, /* the kernel's own limit (UDP_MAX_SEGMENTS) */
    RUN_BYTES_MAX = 64000,
    TICK_NS = 500000,
};

/* One datagram, so many times in a row. */
struct run {
    struct iovec parts[RUN_MAX];
    union {
        struct cmsghdr header; /* for its alignment */
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
    } length;
};

struct flood {
    struct address to, from;
    bool has_from;
    uint64_t rate, seconds, from_port, ttl, run;
    bool one;
    const char *file;
    char *bytes;
    struct iovec *datagrams; /* in them */
    size_t count, next;
    int socket;
    uint64_t sent, failed;
};

static _Noreturn void end(const char *what, const char *why)
{
    fprintf(stderr, "flood: %s: %s\n", what, why);
    exit(2);
}

static mono_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (mono_t){MONO_S(t.tv_sec) + t.tv_nsec};
}

/* ---- what to send ---------------------------------------------------------------------------- */

static void add(struct flood *flood, char *at, size_t len)
{
    if (flood->count == DATAGRAMS_MAX)
        end(flood->file, "holds too many datagrams");
    flood->datagrams[flood->count++] = (struct iovec){at, len};
}

static void split(struct flood *flood, char *bytes, size_t len)
{
    while (len >= 2) {
        size_t one = (size_t)((unsigned char)bytes[0] << 8 | (unsigned char)bytes[1]);
        if (one > len - 2)
            end(flood->file, "ends within a datagram");
        add(flood, bytes + 2, one);
        bytes += 2 + one;
        len -= 2 + one;
    }
    if (len)
        end(flood->file, "ends within a datagram");
}

static void read_datagrams(struct flood *flood)
{
    FILE *file = fopen(flood->file, "rb");
    char *bytes = malloc(FILE_MAX);
    size_t len;

    flood->datagrams = calloc(DATAGRAMS_MAX, sizeof(*flood->datagrams));
    flood->bytes = bytes;
    if (!file || !bytes || !flood->datagrams)
        end(flood->file, strerror(errno));
    len = fread(bytes, 1, FILE_MAX, file);
    if (ferror(file) || !feof(file))
        end(flood->file, "cannot be read, or is too long");
    fclose(file);
    if (flood->one)
        add(flood, bytes, len);
    else
        split(flood, bytes, len);
    if (!flood->count)
        end(flood->file, "holds no datagram");
}

/* ---- sending --------------------------------------------------------------------------------- */

static void set(int fd, int level, int option, int value, const char *what)
{
    if (setsockopt(fd, level, option, &value, sizeof(value)) != 0 && what)
        end(what, strerror(errno));
}

static void set_ttl(const struct flood *flood, bool v4)
{
    int ttl = (int)flood->ttl;

    if (ttl && v4) {
        set(flood->socket, IPPROTO_IP, IP_TTL, ttl, "--ttl");
        set(flood->socket, IPPROTO_IP, IP_MULTICAST_TTL, ttl, "--ttl");
    } else if (ttl) {
        set(flood->socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl, "--ttl");
        set(flood->socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl, "--ttl");
    }
}

static void open_socket(struct flood *flood)
{
    bool v4 = address_is_v4(&flood->to);
    union sockaddr_any end_point;
    socklen_t len;

    flood->socket = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (flood->socket < 0)
        end("socket", strerror(errno));
    if (flood->has_from && v4)
        set(flood->socket, IPPROTO_IP, IP_TRANSPARENT, 1, NULL);
    else if (flood->has_from)
        set(flood->socket, IPPROTO_IPV6, IPV6_TRANSPARENT, 1, NULL);
    set(flood->socket, SOL_SOCKET, SO_BROADCAST, 1, NULL);
    set(flood->socket, SOL_SOCKET, SO_REUSEADDR, 1, NULL);
    set_ttl(flood, v4);
    if (!flood->has_from)
        address_parse(span_of(v4 ? "0.0.0.0" : "::"), 0, &flood->from);
    flood->from.port = (uint16_t)flood->from_port;
    len = address_to_socket(&flood->from, &end_point);
    if (bind(flood->socket, &end_point.any, len) != 0)
        end("--from", strerror(errno));
    len = address_to_socket(&flood->to, &end_point); /* one look for the way, not one for each */
    if (connect(flood->socket, &end_point.any, len) != 0)
        end("ADDR", strerror(errno));
}

/* How often this datagram is sent in a row, where `most` are due. */
static unsigned run_length(const struct flood *flood, const struct iovec *datagram, uint64_t most)
{
    uint64_t n = flood->run < most ? flood->run : most;
    uint64_t fit = RUN_BYTES_MAX / (datagram->iov_len + 1);

    return (unsigned)(n < fit ? n : fit ? fit : 1);
}

static void make_run(struct msghdr *header, struct run *run, struct iovec datagram, unsigned length)
{
    uint16_t segment = (uint16_t)datagram.iov_len;
    struct cmsghdr *control;

    for (unsigned i = 0; i < length; i++)
        run->parts[i] = datagram;
    *header = (struct msghdr){.msg_iov = run->parts, .msg_iovlen = length};
    if (length == 1)
        return;
    memset(&run->length, 0, sizeof(run->length));
    header->msg_control = run->length.bytes;
    header->msg_controllen = sizeof(run->length.bytes);
    control = CMSG_FIRSTHDR(header);
    control->cmsg_level = IPPROTO_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(control), &segment, sizeof(segment));
}

/* Up to a batch; what the kernel refuses counts as failed, and is not tried again. */
static void send_some(struct flood *flood, uint64_t most)
{
    static struct run runs[BATCH];
    struct mmsghdr batch[BATCH];
    unsigned lengths[BATCH], count = 0;
    int sent;

    for (; count < BATCH && most; count++) {
        struct iovec datagram = flood->datagrams[(flood->next + count) % flood->count];
        lengths[count] = run_length(flood, &datagram, most);
        make_run(&batch[count].msg_hdr, &runs[count], datagram, lengths[count]);
        most -= lengths[count];
    }
    sent = sendmmsg(flood->socket, batch, count, 0);
    if (sent < 0)
        flood->failed += lengths[0];
    for (int i = 0; i < sent; i++)
        flood->sent += lengths[i];
    flood->next = (flood->next + (sent < 0 ? 1 : (unsigned)sent)) % flood->count;
}

static void run(struct flood *flood)
{
    static const struct timespec tick = {.tv_nsec = TICK_NS};
    mono_t start = now(), over = mono_after(start, MONO_S(flood->seconds));
    int64_t gone = 0;

    for (mono_t at = start; !mono_reached(at, over); at = now()) {
        uint64_t done = flood->sent + flood->failed, due;
        gone = mono_between(start, at);
        due = (uint64_t)((double)flood->rate * (double)gone / 1e9);
        if (flood->rate == 0)
            send_some(flood, BATCH * flood->run);
        else if (due > done)
            send_some(flood, due - done);
        else
            nanosleep(&tick, NULL);
    }
    gone = mono_between(start, now());
    printf("sent %llu failed %llu seconds %.3f\n", (unsigned long long)flood->sent,
           (unsigned long long)flood->failed, (double)gone / 1e9);
}

/* ---- the command line ------------------------------------------------------------------------ */

static uint64_t number(const char *text, uint64_t max, const char *what)
{
    uint64_t n;

    if (!span_u64(span_of(text), max, &n))
        end(what, "is no number, or too great");
    return n;
}

static void read_option(struct flood *flood, int option)
{
    switch (option) {
    case 'f':
        flood->has_from = true;
        if (!address_parse(span_of(optarg), 0, &flood->from))
            end(optarg, "is no address");
        return;
    case 'p':
        flood->from_port = number(optarg, UINT16_MAX, "--from-port");
        return;
    case 't':
        flood->ttl = number(optarg, UINT8_MAX, "--ttl");
        return;
    case 'r':
        flood->run = number(optarg, RUN_MAX, "--run");
        if (!flood->run)
            end("--run", "is nothing");
        return;
    case '1':
        flood->one = true;
        return;
    default:
        end("usage", "flood ADDR PORT RATE SECONDS FILE [--from ADDR] [--from-port PORT] "
                     "[--ttl N] [--one] [--run N]");
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"from", required_argument, NULL, 'f'}, {"from-port", required_argument, NULL, 'p'},
        {"ttl", required_argument, NULL, 't'},  {"one", no_argument, NULL, '1'},
        {"run", required_argument, NULL, 'r'},  {NULL, 0, NULL, 0},
    };
    struct flood flood = {.run = 1};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        read_option(&flood, option);
    if (argc - optind != 5)
        read_option(&flood, '?');
    argv += optind;
    if (!address_parse(span_of(argv[0]), (uint16_t)number(argv[1], UINT16_MAX, "PORT"), &flood.to))
        end(argv[0], "is no address");
    if (flood.has_from && address_is_v4(&flood.from) != address_is_v4(&flood.to))
        end("--from", "is of the other family");
    flood.rate = number(argv[2], 100000000, "RATE");
    flood.seconds = number(argv[3], 86400, "SECONDS");
    flood.file = argv[4];
    read_datagrams(&flood);
    open_socket(&flood);
    run(&flood);
    free(flood.datagrams);
    free(flood.bytes);
    return flood.sent ? 0 : 1;
}
