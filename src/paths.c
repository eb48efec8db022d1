/* SPDX-License-Identifier: ISC */
#include "src/paths.h"

#include <ifaddrs.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/interface.h"

/* The first address of the interface that can speak to `to`. */
static bool address_of(const char *interface, const struct address *to, struct address *out)
{
    struct ifaddrs *list = NULL;
    bool found = false;
    unsigned index = if_nametoindex(interface);

    if (index == 0 || getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *at = list; at && !found; at = at->ifa_next) {
        found = at->ifa_addr && address_from_socket(at->ifa_addr, out) &&
                address_is_v4(out) == address_is_v4(to) && if_nametoindex(at->ifa_name) == index;
    }
    freeifaddrs(list);
    return found;
}

/* As a route of the kernel says. Nothing is sent. */
static bool address_towards(const struct address *to, struct address *out)
{
    union sockaddr_any where = {0}, own = {0};
    struct address there = *to;
    socklen_t len, own_len = sizeof(own.storage);
    int fd, on = 1;
    bool found;

    if (there.port == 0)
        there.port = 9; /* none is refused by some kernels; which does not matter */
    len = address_to_socket(&there, &where);
    fd = socket(where.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    found = connect(fd, &where.any, len) == 0 && getsockname(fd, &own.any, &own_len) == 0 &&
            address_from_socket(&own.any, out) && !address_is_any(out);
    close(fd);
    return found;
}

static bool find(const struct path_wish *wish, const struct address *to, struct path *out)
{
    out->source = wish->source;
    if (address_is_any(&wish->source) &&
        !(*wish->interface ? address_of(wish->interface, to, &out->source)
                           : address_towards(to, &out->source)))
        return false;
    out->source.port = 0;
    out->interface = interface_find(wish->interface, &out->source);
    return out->interface != 0;
}

static bool is_there(const struct path *list, size_t count, unsigned interface)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].interface == interface)
            return true;
    }
    return false;
}

size_t paths_find(const struct path_wish *wishes, size_t count, const struct address *to,
                  struct path out[PATHS_MAX])
{
    size_t found = 0;

    for (size_t i = 0; i < count && found < PATHS_MAX; i++) {
        if (find(&wishes[i], to, &out[found]) && !is_there(out, found, out[found].interface))
            found++;
    }
    return found;
}
