/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "src/apply.h"
#include "src/base/must.h"
#include "src/envelope.h"
#include "src/own.h"

_Static_assert((int)ENVELOPE_SECRETS_MAX >= (int)KEYS_LIST_MAX, "what a file of secrets may hold");

/* Heartbeats go to one group, and so are listened for on addresses of its family. */
static void set_listen(struct own *own, const struct conf *conf, struct discovery_settings *out)
{
    own->gossip_count = 0;
    for (size_t i = 0; i < own->listen_count; i++) {
        struct address address = own->udp[i];
        address.port = (uint16_t)conf->gossip.port;
        if (address_is_v4(&address) == address_is_v4(&conf->gossip.multicast_addr))
            own->gossip[own->gossip_count++] = address;
    }
    out->listen = own->gossip;
    out->listen_count = own->gossip_count;
}

static void add_wish(struct discovery_settings *out, const struct address *source,
                     const char *interface)
{
    struct path_wish *wish = &out->wishes[out->wish_count];

    if (out->wish_count == PATHS_MAX)
        return;
    out->wish_count++;
    *wish = (struct path_wish){.source = *source};
    if (interface) /* a longer one was refused by conf_load */
        MUST(span_copy(span_of(interface), wish->interface, sizeof(wish->interface)));
}

/* By each of our addresses in the tiers; where there is none of the group's family, by those that
 * are listened on. */
static void wish_for_own(const struct own *own, const struct conf *conf,
                         struct discovery_settings *out)
{
    static const struct address any;

    for (size_t i = 0; i < conf->nets.count; i++) {
        const struct address *address = own_address_in(conf, conf->nets_files[i]);
        if (address && address_is_v4(address) == address_is_v4(&out->to))
            add_wish(out, address, NULL);
    }
    for (size_t i = 0; i < own->gossip_count && out->wish_count == 0; i++) {
        if (!address_is_any(&own->gossip[i]))
            add_wish(out, &own->gossip[i], NULL);
    }
    if (out->wish_count == 0)
        add_wish(out, &any, NULL);
}

static void set_wishes(const struct own *own, const struct conf *conf,
                       struct discovery_settings *out)
{
    const struct conf_gossip *gossip = &conf->gossip;

    if (!address_is_any(&gossip->if_addr) || gossip->multicast_if)
        add_wish(out, &gossip->if_addr, gossip->multicast_if);
    else
        wish_for_own(own, conf, out);
}

static bool is_worth_telling(const struct conf *conf, const struct address *address)
{
    return !address_is_any(address) && !address_is_multicast(address) &&
           (!address_is_loopback(address) || conf_on_loopback_alone(conf));
}

static void add_address(struct heartbeat *beat, const struct address *address)
{
    for (size_t i = 0; i < beat->address_count; i++) {
        if (address_same_host(&beat->addresses[i], address))
            return;
    }
    if (beat->address_count < HEARTBEAT_ADDRESSES_MAX)
        beat->addresses[beat->address_count++] = *address;
}

/* Our addresses in the tiers before all others. */
static void set_addresses(const struct conf *conf, struct heartbeat *beat)
{
    for (size_t i = 0; i < conf->nets.count; i++) {
        const struct address *address = own_address_in(conf, conf->nets_files[i]);
        if (address)
            add_address(beat, address);
    }
    for (size_t i = 0; i < conf->own.count; i++) {
        if (is_worth_telling(conf, &conf->own.list[i]))
            add_address(beat, &conf->own.list[i]);
    }
}

static void set_beat(const struct conf *conf, struct heartbeat *beat)
{
    *beat = (struct heartbeat){.port = (uint16_t)conf->port,
                               .http_port = (uint16_t)conf->http_port,
                               .advert_port = (uint16_t)conf->advert_port};
    MUST(span_copy(span_of(conf->domain), beat->domain, sizeof(beat->domain)));
    MUST(span_copy(span_of(conf->node), beat->node, sizeof(beat->node)));
    set_addresses(conf, beat);
    for (size_t i = 0; i < conf->nets.count; i++) {
        const struct nets *nets = conf->nets_files[i];
        const struct nets_member *self =
            nets_find_own(nets, conf->own.list, conf->own.count, &(size_t){0});
        if (self)
            heartbeat_add_tier(beat, nets_role_name(self->role), nets->tier);
    }
}

void own_discovery(struct own *own, const struct conf *conf, struct discovery_settings *out)
{
    const struct conf_gossip *gossip = &conf->gossip;

    *out = (struct discovery_settings){.on = conf_gossips(conf)};
    if (!out->on)
        return;
    out->to = gossip->multicast_addr;
    out->to.port = (uint16_t)gossip->port;
    out->broadcasts = gossip->broadcast_only;
    out->hops = (uint8_t)gossip->multicast_ttl;
    out->interval_ns = (int64_t)(gossip->interval * 1e9);
    out->secrets = conf->gossip_secrets.list;
    out->secret_count = conf->gossip_secrets.count;
    out->auth = apply_auth(conf);
    out->sign = apply_signs(conf);
    set_listen(own, conf, out);
    set_wishes(own, conf, out);
    set_beat(conf, &out->beat);
}
