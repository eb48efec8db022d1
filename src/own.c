/* SPDX-License-Identifier: ISC */
#include "src/own.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"

static bool set_listen(struct own *own, const struct conf *conf)
{
    if (conf->address.count > OWN_LISTEN_MAX) {
        log_error("%s: address lists %zu addresses, and a node listens on at most %d: leave some "
                  "out, or all, to listen on every address",
                  conf->file, conf->address.count, OWN_LISTEN_MAX);
        return false;
    }
    own->listen_count = conf->address.count;
    for (size_t i = 0; i < own->listen_count; i++) {
        own->udp[i] = own->http[i] = own->advert[i] = conf->address.list[i];
        own->udp[i].port = (uint16_t)conf->port;
        own->http[i].port = (uint16_t)conf->http_port;
        own->advert[i].port = (uint16_t)conf->advert_port;
    }
    return true;
}

/* Our own address in the tier; every tier has one, which conf_load has seen to. */
const struct address *own_address_in(const struct conf *conf, const struct nets *nets)
{
    size_t at = 0;

    if (!nets_find_own(nets, conf->own.list, conf->own.count, &at))
        return NULL;
    return &conf->own.list[at];
}

static void set_tiers(struct own *own, const struct conf *conf)
{
    own->tier_count = conf->nets.count;
    own->tiers = calloc(own->tier_count + 1, sizeof(*own->tiers));
    own->tier_addresses = calloc(own->tier_count + 1, sizeof(*own->tier_addresses));
    MUST(own->tiers != NULL && own->tier_addresses != NULL);
    for (size_t i = 0; i < own->tier_count; i++) {
        const struct nets *nets = conf->nets_files[i];
        const struct address *address = own_address_in(conf, nets);
        if (address)
            address_host_text(address, own->tier_addresses[i]);
        own->tiers[i] = (struct status_tier){nets->tier, own->tier_addresses[i]};
    }
}

static void set_member(struct member *out, const struct nets *nets,
                       const struct nets_member *member, const struct address *own)
{
    static const enum member_role roles[] = {[NETS_PEER] = MEMBER_PEER,
                                             [NETS_CANDIDATE] = MEMBER_CANDIDATE,
                                             [NETS_SLAVE] = MEMBER_SLAVE};

    *out = (struct member){
        .network = member->network, .role = roles[member->role], .has_own = own != NULL};
    MUST(span_copy(span_of(nets->tier), out->tier, sizeof(out->tier)));
    if (own)
        out->own = *own;
}

static size_t add_members(struct member *list, const struct conf *conf, const struct nets *nets)
{
    const struct address *own = own_address_in(conf, nets);

    for (size_t i = 0; i < nets->count; i++)
        set_member(&list[i], nets, &nets->members[i], own);
    return nets->count;
}

/* free() the list. */
static struct member *list_members(const struct conf *conf, struct members_options *out)
{
    struct member *list;

    *out = (struct members_options){.own = conf->own.list,
                                    .own_count = conf->own.count,
                                    .monitors = conf->monitors.list,
                                    .monitors_count = conf->monitors.count,
                                    .nets_given = conf->nets.count > 0,
                                    .nobroadcast = conf->nobroadcast};
    for (size_t i = 0; i < conf->nets.count; i++)
        out->count += conf->nets_files[i]->count;
    list = calloc(out->count + 1, sizeof(*list));
    MUST(list != NULL);
    out->list = list;
    out->count = 0;
    for (size_t i = 0; i < conf->nets.count; i++)
        out->count += add_members(list + out->count, conf, conf->nets_files[i]);
    return list;
}

static void set_broadcast(struct own *own, const struct conf *conf)
{
    own->broadcast = conf->broadcast_addr;
    own->broadcast.port = (uint16_t)conf->port;
}

bool own_init(struct own *own, const struct conf *conf)
{
    struct members_options options;
    struct member *list;

    memset(own, 0, sizeof(*own));
    if (!set_listen(own, conf)) {
        own_clear(own);
        return false;
    }
    set_tiers(own, conf);
    set_broadcast(own, conf);
    list = list_members(conf, &options);
    own->members = members_new(&options);
    free(list);
    return true;
}

void own_reload(struct own *own, const struct conf *conf)
{
    struct members_options options;
    struct member *list = list_members(conf, &options);

    free(own->tiers);
    free(own->tier_addresses);
    set_tiers(own, conf);
    set_broadcast(own, conf);
    members_replace(own->members, &options);
    free(list);
}

void own_clear(struct own *own)
{
    members_free(own->members);
    free(own->tiers);
    free(own->tier_addresses);
    memset(own, 0, sizeof(*own));
}

/* An empty text switches off what else would hold. */
static const char *command(const char *text)
{
    return text && *text ? text : NULL;
}

size_t own_hooks(const struct conf *conf, struct hooks_tier **list)
{
    *list = calloc(conf->nets.count + 1, sizeof(**list));
    MUST(*list != NULL);
    for (size_t i = 0; i < conf->nets.count; i++) {
        const char *name = conf->nets_files[i]->tier;
        const struct conf_tier *tier = conf_tier_find(conf, name);
        (*list)[i] = (struct hooks_tier){
            .tier = name,
            .command = {
                [ROLES_MASTER] = command(tier ? tier->on_master : conf->on_master),
                [ROLES_BACKUP] = command(tier ? tier->on_backup : conf->on_backup),
                [ROLES_SLAVE] = command(tier ? tier->on_slave : conf->on_slave),
            }};
    }
    return conf->nets.count;
}

/* ---- elections ------------------------------------------------------------------------------ */

_Static_assert((int)NETS_CANDIDATES_MAX == (int)ELECT_CANDIDATES_MAX, "what nets files may name");

static struct ballot_pair pair_of(double base, int skew)
{
    return (struct ballot_pair){.base_us = (uint32_t)(base * 1e6 + .5), .skew = (uint8_t)skew};
}

/* The settings of the tier: its own, or else the node's. */
static void set_rules(struct elect_rules *rules, const struct conf *conf,
                      const struct conf_tier *tier)
{
    double delay = tier ? tier->preempt_delay : conf->preempt_delay;

    rules->pair = tier ? pair_of(tier->base, tier->skew) : pair_of(conf->base, conf->skew);
    rules->preempt = tier ? tier->preempt : conf->preempt;
    rules->preempt_delay_ns = delay < 0 ? -1 : (int64_t)(delay * 1e9);
    rules->dead_ratio_milli = (uint32_t)((tier ? tier->dead_ratio : conf->dead_ratio) * 1000 + .5);
}

static void set_candidates(struct elect_rules *rules, const struct conf *conf,
                           const struct nets *nets)
{
    for (size_t i = 0; i < nets->count; i++) {
        const struct nets_member *member = &nets->members[i];
        if (member->role != NETS_CANDIDATE)
            continue;
        MUST(rules->candidate_count < ELECT_CANDIDATES_MAX); /* nets_read has seen to that */
        rules->candidates[rules->candidate_count++] = member->network.base;
    }
    rules->candidate =
        nets_find_own(nets, conf->own.list, conf->own.count, &(size_t){0})->role == NETS_CANDIDATE;
}

static void set_election(struct election_tier *out, const struct conf *conf,
                         const struct nets *nets)
{
    const struct conf_tier *tier = conf_tier_find(conf, nets->tier);
    const char *interface = tier ? tier->advert_if : conf->advert_if;

    MUST(span_copy(span_of(nets->tier), out->tier, sizeof(out->tier)));
    set_rules(&out->rules, conf, tier);
    set_candidates(&out->rules, conf, nets);
    out->rules.address = *own_address_in(conf, nets);
    out->rules.address.port = (uint16_t)conf->http_port;
    out->group = tier ? tier->advert_addr : conf->advert_addr;
    if (interface) /* a longer one was refused by conf_load */
        MUST(span_copy(span_of(interface), out->group_if, sizeof(out->group_if)));
}

/* A tier of slaves alone, which conf_load has warned of, has nobody to follow. */
static bool has_candidates(const struct nets *nets)
{
    for (size_t i = 0; i < nets->count; i++) {
        if (nets->members[i].role == NETS_CANDIDATE)
            return true;
    }
    return false;
}

size_t own_elections(const struct conf *conf, struct election_tier **list)
{
    size_t count = 0;

    *list = calloc(conf->nets.count + 1, sizeof(**list));
    MUST(*list != NULL);
    for (size_t i = 0; i < conf->nets.count; i++) {
        if (has_candidates(conf->nets_files[i]))
            set_election(&(*list)[count++], conf, conf->nets_files[i]);
    }
    return count;
}
