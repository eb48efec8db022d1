/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_CONF_H
#define POND_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/keys.h"
#include "conf/nets.h"
#include "conf/options.h"
#include "conf/report.h"
#include "conf/rules.h"
#include "src/base/address.h"
#include "src/base/log.h"
#include "src/base/text.h"

/*
 * main.cf as it is for one host: defaults, the host's section, the environment, laid over each
 * other in this order. Never changed once it is loaded; a reload loads another one.
 */
#define CONF_DEFAULT_FILE SYSCONFDIR "/carpond/main.cf"
#define CONF_DEFAULT_HOME LOCALSTATEDIR "/lib/carpond"

enum conf_auth { CONF_AUTH_ENFORCE, CONF_AUTH_PERMISSIVE, CONF_AUTH_RECEIVE_ONLY };

struct conf_addresses {
    struct address *list; /* ports are 0 */
    size_t count;
};

struct conf_networks {
    struct network *list;
    size_t count;
};

struct conf_paths {
    const char **list;
    size_t count;
};

/* Where a setting was made, for messages. */
struct conf_origin {
    const char *file; /* NULL: it is the default; "IS_PORT" where it came from the environment */
    unsigned line;    /* 0 there */
};

/* The C types of the settings' types. Texts and paths that are not set are NULL, an address is
 * all zero, a preempt_delay that is not set is negative. Paths are relative to nothing but the
 * working folder. */
#define CONF_C_TEXT const char *
#define CONF_C_PATH const char *
#define CONF_C_PATHS struct conf_paths
#define CONF_C_ADDRESS struct address
#define CONF_C_ADDRESSES struct conf_addresses
#define CONF_C_NETWORKS struct conf_networks
#define CONF_C_BOOL bool
#define CONF_C_INT int
#define CONF_C_REAL double
#define CONF_C_BYTES uint64_t
#define CONF_C_AUTH enum conf_auth
#define CONF_C_LEVEL enum log_level
#define CONF_C_TIERS_GROUP struct conf_tiers
#define CONF_C_GOSSIP_GROUP struct conf_gossip

/* What a row is in a struct that has a field for it, and in one that has none. */
#define CONF_FIELD(name, type, ...) CONF_C_##type name;
#define CONF_NO_FIELD(...)

/* Numbers of the settings: CONF_NODE_port, CONF_GOSSIP_port, CONF_TIER_base. */
enum conf_option_id {
#define NODE(name, ...) CONF_NODE_##name,
#define TIER(name, ...) CONF_TIER_##name,
#define GOSSIP(name, ...) CONF_GOSSIP_##name,
    CONF_OPTIONS(NODE, TIER, GOSSIP)
#undef NODE
#undef TIER
#undef GOSSIP
        CONF_OPTION_COUNT
};

struct conf_gossip {
    CONF_OPTIONS(CONF_NO_FIELD, CONF_NO_FIELD, CONF_FIELD)
};

/* One tier's own settings: those that are not made for it are the node's. */
struct conf_tier {
    const char *name;
    struct conf_origin at;
    struct conf_origin from[CONF_OPTION_COUNT];
    CONF_OPTIONS(CONF_NO_FIELD, CONF_FIELD, CONF_NO_FIELD)
};

struct conf_tiers {
    struct conf_tier *list;
    size_t count;
};

struct conf_arena;
struct pool;

struct conf {
    struct conf_arena
        *arena;        /* owns all that is pointed to from here, but the nets files and rules */
    struct pool *pool; /* owns those; NULL: somebody else does */
    const char *file;  /* main.cf */
    const char *node;  /* this node's name */
    const char *match; /* of the section that fits it; NULL: none does */
    unsigned match_line;
    struct conf_origin from[CONF_OPTION_COUNT];

    /* The settings: domain, address, port and so on. Those whose default depends on others
     * (address, broadcast_addr, plain_get) hold what is in force: `address` is never empty. */
    CONF_OPTIONS(CONF_FIELD, CONF_FIELD, CONF_NO_FIELD)

    /* What the settings name. */
    struct keys keys;           /* of hmac_keys; none without */
    struct keys gossip_secrets; /* likewise, of gossip's secret */
    struct rules *rules;        /* of gate; NULL without */
    struct nets **nets_files;   /* of nets: as many, in the same order */

    /* This host's own addresses: those of `address`, where that says "every address" all that its
     * interfaces have. Not known for a host that is not this one and has no `address`. */
    struct conf_addresses own;
    bool own_known;
};

/*
 * Reads main.cf and what it names for this node. `name` is what -n says, or NULL: IS_NAME, else the
 * host name as the kernel has it. NULL, with errors in the report, where anything is wrong that
 * concerns this host; then nothing is changed. Warnings may be in the report either way.
 */
struct conf *conf_load(const char *file, const char *name, struct report *report);
void conf_free(struct conf *conf);

/*
 * Reads it again for a reload, from the same file, for the same node and in the same environment.
 * Settings in which it differs from what is in force, and that count from the next start only, are
 * listed as "port, home"; they stay as they were in what is returned, and
 * what else is set is checked against that. Keys that come or go are among them, so those of what
 * is returned are only to be used where both have some (conf_keys_come_or_go).
 */
struct conf *conf_reload(const struct conf *in_force, struct text *restart, struct report *report);

/* Are there keys in one, and none in the other? */
bool conf_keys_come_or_go(const struct conf *old, const struct conf *new);

/* The tier's own settings, or NULL where `tiers` does not name it. */
const struct conf_tier *conf_tier_find(const struct conf *conf, const char *tier);

/* Does it say and hear heartbeats: is `gossip` there? */
bool conf_gossips(const struct conf *conf);

/* Listens on loopback addresses alone? */
bool conf_on_loopback_alone(const struct conf *conf);

/* Lists the settings in which the two differ and that count from the next start only, as "port,
 * home"; nothing where there is none. */
void conf_restart_wanted(const struct conf *old, const struct conf *new, struct text *out);

/* Where the node's home is, for programs that look for its socket: `home` of main.cf and the
 * environment, and the default where neither says it or the file cannot be read. */
void conf_find_home(const char *file, struct text *out);

const char *conf_auth_name(enum conf_auth auth);

#endif
