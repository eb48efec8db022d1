/* SPDX-License-Identifier: ISC */
#include "conf/settle.h"

#include <net/if.h>
#include <string.h>

#include "conf/arena.h"
#include "conf/local.h"
#include "src/base/must.h"

enum { DOMAIN_MAX = 255 };

/* Where the setting was made, for a message; main.cf as a whole where it is the default. */
static struct conf_origin at(const struct conf *conf, size_t option)
{
    struct conf_origin origin = conf->from[option];

    return origin.file ? origin : (struct conf_origin){conf->file, 0};
}

/* The first part of every name: it follows the rules of names. */
static void check_domain(const struct conf *conf, struct report *report)
{
    struct conf_origin origin = at(conf, CONF_NODE_domain);
    const char *domain = conf->domain;

    if (domain && strlen(domain) <= DOMAIN_MAX && !strpbrk(domain, "/ \"\\") &&
        strcmp(domain, ".") != 0 && strcmp(domain, "..") != 0)
        return;
    report_error(report, origin.file, origin.line,
                 "domain is no name: write one of at most %d bytes, without slashes, blanks and "
                 "quotes, as in \"example.com\"",
                 DOMAIN_MAX);
}

static void check_home(const struct conf *conf, struct report *report)
{
    struct conf_origin origin = at(conf, CONF_NODE_home);

    if (!conf->home)
        report_error(report, origin.file, origin.line,
                     "home is empty: write a folder, as in \"/var/lib/carpond\"");
}

static void check_pair(const struct conf *conf, struct report *report, size_t a, int port_a,
                       size_t b, int port_b, const char *what)
{
    struct conf_origin origin = at(conf, conf->from[a].file ? a : b);

    if (port_a == port_b)
        report_error(report, origin.file, origin.line, "%s both are %d: give each its own", what,
                     port_a);
}

static void check_ports(const struct conf *conf, struct report *report)
{
    check_pair(conf, report, CONF_NODE_advert_port, conf->advert_port, CONF_NODE_port, conf->port,
               "advert_port and port (UDP)");
    check_pair(conf, report, CONF_NODE_advert_port, conf->advert_port, CONF_NODE_http_port,
               conf->http_port, "advert_port and http_port (TCP)");
    if (!conf->from[CONF_NODE_gossip].file)
        return;
    check_pair(conf, report, CONF_GOSSIP_port, conf->gossip.port, CONF_NODE_port, conf->port,
               "gossip's port and port (UDP)");
    check_pair(conf, report, CONF_GOSSIP_port, conf->gossip.port, CONF_NODE_advert_port,
               conf->advert_port, "gossip's port and advert_port (UDP)");
}

static void check_broadcast(const struct conf *conf, struct report *report)
{
    struct conf_origin origin = at(conf, CONF_NODE_broadcast_addr);

    if (conf->from[CONF_NODE_broadcast_addr].file && !address_is_v4(&conf->broadcast_addr) &&
        !address_is_any(&conf->broadcast_addr))
        report_error(report, origin.file, origin.line,
                     "broadcast_addr is an IPv6 address, and IPv6 has no broadcast: write an IPv4 "
                     "address, as in \"255.255.255.255\"");
}

static void check_address(const struct conf *conf, size_t i, struct report *report)
{
    struct conf_origin origin = at(conf, CONF_NODE_address);
    const struct address *a = &conf->address.list[i];
    char text[ADDRESS_TEXT_SIZE];

    if (address_is_multicast(a))
        report_error(report, origin.file, origin.line,
                     "address %s is a multicast group: write an address of this host",
                     address_host_text(a, text));
    for (size_t j = 0; j < conf->address.count; j++) {
        const struct address *b = &conf->address.list[j];
        if (j < i && address_same_host(a, b))
            report_error(report, origin.file, origin.line, "address %s stands there twice",
                         address_host_text(a, text));
        else if (j != i && address_is_any(b) && address_is_v4(a) == address_is_v4(b))
            report_error(report, origin.file, origin.line,
                         "address %s is among the addresses that %s stands for: leave one out",
                         address_host_text(a, text), address_is_v4(b) ? "0.0.0.0" : "::");
    }
}

/* What a tier has from the node is judged there, and has no place of its own. */
static void check_group(const struct address *group, const char *interface, struct conf_origin addr,
                        struct conf_origin by, struct report *report)
{
    char text[ADDRESS_TEXT_SIZE];

    if (addr.file && !address_is_any(group) && !address_is_multicast(group))
        report_error(report, addr.file, addr.line,
                     "advert_addr %s is no multicast group: write one, as in \"239.255.65.29\" or "
                     "\"ff15::65:29\", or leave it out for unicast",
                     address_host_text(group, text));
    if (by.file && interface && strlen(interface) >= IF_NAMESIZE)
        report_error(report, by.file, by.line,
                     "advert_if is longer than the %d bytes that an interface's name can have",
                     IF_NAMESIZE - 1);
}

static void check_groups(const struct conf *conf, struct report *report)
{
    check_group(&conf->advert_addr, conf->advert_if, at(conf, CONF_TIER_advert_addr),
                at(conf, CONF_TIER_advert_if), report);
    for (size_t i = 0; i < conf->tiers.count; i++) {
        const struct conf_tier *tier = &conf->tiers.list[i];
        check_group(&tier->advert_addr, tier->advert_if, tier->from[CONF_TIER_advert_addr],
                    tier->from[CONF_TIER_advert_if], report);
    }
}

static void warn_interface(const char *interface, struct conf_origin origin, struct report *report)
{
    if (!origin.file || !interface || strlen(interface) >= IF_NAMESIZE ||
        local_interface(interface))
        return;
    report_warn(report, origin.file, origin.line,
                "advert_if: this host has no interface %s now (`ip link` lists them)", interface);
}

void settle_interfaces(const struct conf *conf, struct report *report)
{
    warn_interface(conf->advert_if, at(conf, CONF_TIER_advert_if), report);
    for (size_t i = 0; i < conf->tiers.count; i++)
        warn_interface(conf->tiers.list[i].advert_if, conf->tiers.list[i].from[CONF_TIER_advert_if],
                       report);
}

void settle_checks(const struct conf *conf, struct report *report)
{
    check_domain(conf, report);
    check_home(conf, report);
    check_ports(conf, report);
    check_broadcast(conf, report);
    check_groups(conf, report);
    for (size_t i = 0; i < conf->address.count; i++)
        check_address(conf, i, report);
}

static void check_reachable(const struct conf *conf, struct report *report)
{
    struct conf_origin origin = at(conf, CONF_NODE_address);
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < conf->address.count; i++)
        if (!address_is_loopback(&conf->address.list[i]))
            report_error(report, origin.file, origin.line,
                         "address %s is not on loopback, and there are no keys: name a key file in "
                         "hmac_keys (`pond key new` prints a key), or say open = true",
                         address_host_text(&conf->address.list[i], text));
}

static void set_addresses(struct conf *conf, const char *v4, const char *v6)
{
    struct address *list = arena_zeroed(conf->arena, 2, sizeof(*list));

    MUST(address_parse(span_of(v4), 0, &list[0]) && address_parse(span_of(v6), 0, &list[1]));
    conf->address = (struct conf_addresses){list, 2};
}

void settle_by_keys(struct conf *conf, bool keys, struct report *report)
{
    static const struct address none;
    const char *broadcast;

    if (!keys && !conf->open)
        check_reachable(conf, report);
    if (conf->address.count == 0 && (keys || conf->open))
        set_addresses(conf, "0.0.0.0", "::");
    else if (conf->address.count == 0)
        set_addresses(conf, "127.0.0.1", "::1");
    broadcast = conf_on_loopback_alone(conf) ? "127.255.255.255" : "255.255.255.255";
    if (address_same(&conf->broadcast_addr, &none))
        MUST(address_parse(span_of(broadcast), 0, &conf->broadcast_addr));
    if (!conf->from[CONF_NODE_plain_get].file)
        conf->plain_get = !keys;
}

static bool covers(const struct conf_addresses *listen, const struct address *a)
{
    for (size_t i = 0; i < listen->count; i++) {
        const struct address *l = &listen->list[i];
        if (address_is_any(l) ? address_is_v4(l) == address_is_v4(a) : address_same_host(l, a))
            return true;
    }
    return false;
}

void settle_own(struct conf *conf, bool local)
{
    struct conf_addresses all;
    bool any = false;

    for (size_t i = 0; i < conf->address.count; i++)
        any = any || address_is_any(&conf->address.list[i]);
    conf->own_known = !any || local;
    if (!any) {
        conf->own = conf->address;
        return;
    }
    if (!local)
        return;
    all = local_addresses(conf->arena);
    conf->own.list = arena_zeroed(conf->arena, all.count + conf->address.count, sizeof(*all.list));
    for (size_t i = 0; i < conf->address.count; i++) /* those that are named come first */
        if (!address_is_any(&conf->address.list[i]))
            conf->own.list[conf->own.count++] = conf->address.list[i];
    for (size_t i = 0; i < all.count; i++) {
        all.list[i].port = 0;
        if (covers(&conf->address, &all.list[i]))
            conf->own.list[conf->own.count++] = all.list[i];
    }
}
