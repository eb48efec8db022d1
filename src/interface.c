/* SPDX-License-Identifier: ISC */
#include "src/interface.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stddef.h>

/* All of 127.0.0.0/8 is the loopback interface's, whatever addresses it shows. */
static bool is_by(const struct ifaddrs *at, const struct address *own)
{
    struct address address;

    return at->ifa_addr && address_from_socket(at->ifa_addr, &address) &&
           (address_same_host(&address, own) ||
            (address_is_loopback(&address) && address_is_loopback(own)));
}

unsigned interface_find(const char *name, const struct address *own)
{
    struct ifaddrs *list = NULL;
    unsigned found = 0;

    if (*name)
        return if_nametoindex(name);
    if (getifaddrs(&list) != 0)
        return 0;
    for (const struct ifaddrs *at = list; at && !found; at = at->ifa_next) {
        if (is_by(at, own))
            found = if_nametoindex(at->ifa_name);
    }
    freeifaddrs(list);
    return found;
}
