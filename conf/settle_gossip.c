/* SPDX-License-Identifier: ISC */
#include <net/if.h>
#include <string.h>

#include "conf/local.h"
#include "conf/settle.h"

/* Where a setting below `gossip` was made, for a message; where it is the default, the group. */
static struct conf_origin at(const struct conf *conf, size_t option)
{
    return conf->from[conf->from[option].file ? option : CONF_NODE_gossip];
}

static void check_group(const struct conf *conf, struct report *report)
{
    struct conf_origin origin = at(conf, CONF_GOSSIP_multicast_addr);
    const struct address *group = &conf->gossip.multicast_addr;
    char text[ADDRESS_TEXT_SIZE];

    address_host_text(group, text);
    if (!conf->gossip.broadcast_only && !address_is_multicast(group))
        report_error(report, origin.file, origin.line,
                     "gossip's multicast_addr %s is no multicast group: write one, as in "
                     "\"233.252.1.32\" or \"ff15::65:32\", or say broadcast_only = true",
                     text);
    if (conf->gossip.broadcast_only && (address_is_multicast(group) || !address_is_v4(group)))
        report_error(report, origin.file, origin.line,
                     "gossip's multicast_addr %s is no broadcast address, which broadcast_only "
                     "asks for: write one, as in \"255.255.255.255\", or leave it out",
                     text);
}

/* Is it listened on; with `any`: on any address of its family? */
static bool listens(const struct conf *conf, const struct address *on, bool any)
{
    for (size_t i = 0; i < conf->address.count; i++) {
        const struct address *a = &conf->address.list[i];
        if (address_is_v4(a) == address_is_v4(on) &&
            (any || address_is_any(a) || address_same_host(a, on)))
            return true;
    }
    return false;
}

static void check_family(const struct conf *conf, struct report *report)
{
    struct conf_origin origin = at(conf, CONF_GOSSIP_multicast_addr);
    const struct address *group = &conf->gossip.multicast_addr;
    char text[ADDRESS_TEXT_SIZE];

    if (!listens(conf, group, true))
        report_error(report, origin.file, origin.line,
                     "gossip's multicast_addr %s is %s address, and `address` has none: write "
                     "one of the other family, or add one to `address`",
                     address_host_text(group, text), address_is_v4(group) ? "an IPv4" : "an IPv6");
}

static void check_source(const struct conf *conf, struct report *report)
{
    struct conf_origin origin = at(conf, CONF_GOSSIP_if_addr);
    const struct address *source = &conf->gossip.if_addr;
    char text[ADDRESS_TEXT_SIZE];

    if (address_is_any(source))
        return;
    address_host_text(source, text);
    if (address_is_v4(source) != address_is_v4(&conf->gossip.multicast_addr))
        report_error(report, origin.file, origin.line,
                     "gossip's if_addr %s cannot send to its multicast_addr: one is IPv4, the "
                     "other IPv6",
                     text);
    else if (!listens(conf, source, false))
        report_error(report, origin.file, origin.line,
                     "gossip's if_addr %s is not listened on: add it to `address`, or leave it out",
                     text);
}

static void check_interface(const struct conf *conf, bool local, struct report *report)
{
    struct conf_origin origin = at(conf, CONF_GOSSIP_multicast_if);
    const char *name = conf->gossip.multicast_if;

    if (!name)
        return;
    if (strlen(name) >= IF_NAMESIZE)
        report_error(report, origin.file, origin.line,
                     "multicast_if is longer than the %d bytes that an interface's name can have",
                     IF_NAMESIZE - 1);
    else if (local && !local_interface(name))
        report_warn(report, origin.file, origin.line,
                    "multicast_if: this host has no interface %s now (`ip link` lists them)", name);
}

static void read_secret(struct conf *conf, struct report *report)
{
    const char *path = conf->gossip.secret;

    if (path && keys_read(path, &conf->gossip_secrets, report) && conf->gossip_secrets.any)
        report_error(report, path, 0,
                     "+ANY+ stands among the secrets: take it out, or leave `secret` out of "
                     "gossip, so that heartbeats are not encrypted");
}

void settle_gossip(struct conf *conf, bool local, struct report *report)
{
    if (!conf_gossips(conf))
        return;
    if (conf->gossip.broadcast_only && !conf->from[CONF_GOSSIP_multicast_addr].file)
        conf->gossip.multicast_addr = conf->broadcast_addr;
    check_group(conf, report);
    check_family(conf, report);
    check_source(conf, report);
    check_interface(conf, local, report);
    read_secret(conf, report);
}
