/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_OWN_H
#define POND_SRC_OWN_H

#include <stddef.h>

#include "conf/conf.h"
#include "src/discovery.h"
#include "src/election.h"
#include "src/hooks.h"
#include "src/members.h"
#include "src/status.h"

/*
 * What the configuration says of this node's place: its addresses with their ports, and the members
 * of its tiers, in the form that the other modules take.
 */
enum { OWN_LISTEN_MAX = 32 };

struct own {
    struct address udp[OWN_LISTEN_MAX];
    struct address http[OWN_LISTEN_MAX];
    struct address advert[OWN_LISTEN_MAX];
    size_t listen_count;
    struct address gossip[OWN_LISTEN_MAX]; /* those of the group's family alone */
    size_t gossip_count;
    struct address broadcast; /* with the port */
    struct members *members;
    struct status_tier *tiers;
    size_t tier_count;
    char (*tier_addresses)[ADDRESS_TEXT_SIZE];
};

/* Logs what is wrong, and leaves nothing behind; false then. */
bool own_init(struct own *own, const struct conf *conf);
void own_clear(struct own *own);

/* Another configuration, of the same addresses to listen on: members, tiers and broadcast address
 * are as it says from now on. Its texts must last as long as they are. */
void own_reload(struct own *own, const struct conf *conf);

/* The commands on changes of role, per tier: free() the list; the texts are the configuration's. */
size_t own_hooks(const struct conf *conf, struct hooks_tier **list);

/* Our own address in the tier, or NULL. */
const struct address *own_address_in(const struct conf *conf, const struct nets *nets);

/* What discovery is to do: good as long as `own` and the configuration are. */
void own_discovery(struct own *own, const struct conf *conf, struct discovery_settings *out);

/* The tiers that have roles, with our part in each: free() the list. */
size_t own_elections(const struct conf *conf, struct election_tier **list);

#endif
