/* SPDX-License-Identifier: ISC */
#include "conf/local.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stddef.h>
#include <sys/utsname.h>

#include "src/base/must.h"

const char *local_name(struct conf_arena *arena)
{
    struct utsname name;

    MUST(uname(&name) == 0);
    return arena_text(arena, span_of(name.nodename));
}

struct conf_addresses local_addresses(struct conf_arena *arena)
{
    struct conf_addresses found = {0};
    struct ifaddrs *all = NULL;
    size_t count = 0;

    if (getifaddrs(&all) != 0)
        return found; /* out of memory or of descriptors: as if there were no interface */
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        count++;
    found.list = arena_zeroed(arena, count + 1, sizeof(*found.list));
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        if (i->ifa_addr && address_from_socket(i->ifa_addr, &found.list[found.count]))
            found.count++;
    freeifaddrs(all);
    return found;
}

bool local_interface(const char *name)
{
    return if_nametoindex(name) != 0;
}
