/* SPDX-License-Identifier: ISC */

/*
 * carpond-vip: a hook that takes virtual addresses and gives them up. In force and announced first;
 * what can wait (saying it again, for neighbours that missed it) goes on behind the exit, so that
 * nobody waits for it. Exit status: 0 done, 1 failed, 2 wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "src/base/text.h"
#include "tools/vip/announce.h"
#include "tools/vip/netlink.h"

enum { EXIT_USAGE = 2, ADDRESSES_MAX = 32, V4_BITS = 32, V6_BITS = 128 };

/* The announcements that follow the first one, in milliseconds behind it: RFC 4861 has three in
 * all (MAX_NEIGHBOR_ADVERTISEMENT), RFC 5227 two or more. */
static const long again_after_ms[] = {200, 1200};

static const char usage[] =
    "Usage: carpond-vip add|del ADDRESS[/LENGTH]... INTERFACE\n"
    "\n"
    "For on_master and on_backup of carpond: see carpond-vip(8), and main.cf(5).\n"
    "\n"
    "  add         gives the interface the addresses, and tells the neighbours, so that they send\n"
    "              to it from now on; again where it has them already\n"
    "  del         takes them away; where they are not there, all is well\n"
    "\n"
    "  ADDRESS     IPv4 or IPv6, with the length of its network (default: 32 or 128)\n"
    "  --version   print the version\n"
    "  -h, --help  print this\n";

struct vip {
    const char *text; /* as it was given */
    struct address address;
    uint8_t bits;
};

struct order {
    bool add;
    const char *interface;
    size_t count;
    struct vip vips[ADDRESSES_MAX];
};

/* ---- the command line ------------------------------------------------------------------------ */

static bool wrong(const char *what, const char *why)
{
    fprintf(stderr, "carpond-vip: %s: %s; see carpond-vip --help\n", what, why);
    return false;
}

static bool parse_vip(const char *text, struct vip *out)
{
    struct span rest = span_of(text), host = span_take(&rest, '/');
    bool has_bits = strchr(text, '/') != NULL;
    uint64_t most, bits;

    if (!address_parse(host, 0, &out->address) || address_is_any(&out->address) ||
        address_is_multicast(&out->address))
        return wrong(text, "it is no IPv4 or IPv6 address that a host could have");
    if (out->address.scope)
        return wrong(text, "the interface is named behind the address, not in it");
    bits = most = address_is_v4(&out->address) ? V4_BITS : V6_BITS;
    if (has_bits && (!span_u64(rest, most, &bits) || bits == 0))
        return wrong(text, most == V4_BITS ? "the length of its network is from 1 to 32"
                                           : "the length of its network is from 1 to 128");
    out->text = text;
    out->bits = (uint8_t)bits;
    return true;
}

static bool parse_order(int count, char **words, struct order *out)
{
    if (count < 1)
        return wrong("nothing to do", "one of add and del comes first");
    out->add = strcmp(words[0], "add") == 0;
    if (!out->add && strcmp(words[0], "del") != 0)
        return wrong(words[0], "it is neither add nor del");
    if (count < 3)
        return wrong(words[0], "an address and an interface follow, as in 192.0.2.1/24 eth0");
    if (count - 2 > ADDRESSES_MAX)
        return wrong(words[0], "these are more addresses than one command takes");
    out->count = (size_t)count - 2;
    out->interface = words[count - 1];
    for (size_t i = 0; i < out->count; i++)
        if (!parse_vip(words[i + 1], &out->vips[i]))
            return false;
    return true;
}

/* Returns the exit status to end with, or -1 to go on. */
static int read_arguments(int argc, char **argv, struct order *out)
{
    enum { OPTION_VERSION = 256 };
    static const struct option options[] = {
        {"version", no_argument, NULL, OPTION_VERSION}, {"help", no_argument, NULL, 'h'}, {0}};
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case OPTION_VERSION:
            puts("carpond-vip " PACKAGE_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs("carpond-vip: see carpond-vip --help\n", stderr);
            return EXIT_USAGE;
        }
    }
    return parse_order(argc - optind, argv + optind, out) ? -1 : EXIT_USAGE;
}

/* ---- doing it -------------------------------------------------------------------------------- */

static bool failed(const char *what, const char *why, int error)
{
    const char *remedy = error == EPERM || error == EACCES
                             ? ": it takes CAP_NET_ADMIN and CAP_NET_RAW, see carpond-vip(8)"
                             : "";

    fprintf(stderr, "carpond-vip: %s: %s: %s%s\n", what, why, strerror(error), remedy);
    return false;
}

static bool said(const char *what, const char *why)
{
    fprintf(stderr, "carpond-vip: %s: %s\n", what, why);
    return false;
}

struct work {
    const struct order *order;
    struct netlink *netlink;
    struct netlink_link link;
    int socket;  /* for announcements; -1 where there are no neighbours */
    bool router; /* by IPv6 */
};

static bool announce(struct work *work, const struct vip *vip)
{
    int error = work->socket < 0
                    ? 0
                    : announce_send(work->socket, &work->link, &vip->address, work->router);

    return !error || failed(work->order->interface,
                            "it has the address, but its neighbours could not be told", error);
}

static bool add(struct work *work, const struct vip *vip)
{
    int error = netlink_add(work->netlink, work->link.index, &vip->address, vip->bits);

    if (error && error != EEXIST)
        return failed(vip->text, "it could not be added", error);
    return announce(work, vip);
}

/* Another virtual address may have come to the same network later. */
static bool keep_others(struct work *work)
{
    int error = netlink_keep_secondaries(work->netlink, work->link.index);

    return !error || error == EAFNOSUPPORT ||
           failed(work->order->interface, "other addresses of a network may go with the first one",
                  error);
}

/* With whatever lengths it has. */
static bool del(struct work *work, const struct vip *vip)
{
    bool kept = !address_is_v4(&vip->address) || keep_others(work);
    int error = 0;

    for (int i = 0; !error && i < V4_BITS; i++)
        error = netlink_del(work->netlink, work->link.index, &vip->address);
    if (error && error != EADDRNOTAVAIL && error != ENODEV) /* the interface may have gone too */
        return failed(vip->text, "it could not be taken away", error);
    return kept;
}

static bool begin(struct work *work)
{
    const char *interface = work->order->interface;
    int error;

    work->netlink = netlink_open();
    if (!work->netlink)
        return failed(interface, "the kernel cannot be asked", errno);
    error = netlink_link(work->netlink, interface, &work->link);
    if (error == ENODEV)
        return said(interface, "there is no such interface here: ip link shows those that are");
    if (error)
        return failed(interface, "the kernel does not tell of it", error);
    if (!work->order->add || !work->link.has_neighbours)
        return true;
    if (!work->link.up)
        return said(interface, "it is down, and nobody could be told of the address");
    error = netlink_forwards(work->netlink, work->link.index, &work->router);
    if (error && error != EOPNOTSUPP && error != EINVAL) /* no IPv6 there, or in this kernel */
        return failed(interface, "the kernel does not tell whether it forwards", error);
    work->socket = announce_open();
    return work->socket >= 0 || failed(interface, "its neighbours could not be told", errno);
}

/* An address that has been taken away meanwhile is somebody else's now. */
static void announce_again(struct work *work, const struct vip *vip)
{
    if (netlink_find(work->netlink, work->link.index, &vip->address) == 0)
        (void)announce_send(work->socket, &work->link, &vip->address, work->router);
}

/* In a process of its own, that holds none of our caller's descriptors. */
static void go_on(struct work *work)
{
    long ms = 0;

    if (fork() != 0)
        return; /* where it fails, the first announcement has to do */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
    for (size_t i = 0; i < sizeof(again_after_ms) / sizeof(*again_after_ms); i++) {
        long wait = again_after_ms[i] - ms;
        nanosleep(&(struct timespec){wait / 1000, wait % 1000 * 1000000}, NULL);
        ms = again_after_ms[i];
        for (size_t v = 0; v < work->order->count; v++)
            announce_again(work, &work->order->vips[v]);
    }
    _exit(EXIT_SUCCESS);
}

static bool run(const struct order *order)
{
    struct work work = {.order = order, .socket = -1};
    bool good = begin(&work);

    if (good)
        for (size_t i = 0; i < order->count; i++)
            good &= order->add ? add(&work, &order->vips[i]) : del(&work, &order->vips[i]);
    if (good && work.socket >= 0)
        go_on(&work);
    if (work.socket >= 0)
        close(work.socket);
    if (work.netlink)
        netlink_close(work.netlink);
    return good;
}

int main(int argc, char **argv)
{
    struct order order = {0};
    int status = read_arguments(argc, argv, &order);

    if (status >= 0)
        return status;
    return run(&order) ? EXIT_SUCCESS : EXIT_FAILURE;
}
