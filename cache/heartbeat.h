/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_HEARTBEAT_H
#define POND_CACHE_HEARTBEAT_H

#include <stddef.h>
#include <stdint.h>

#include "cache/message.h"
#include "src/base/address.h"
#include "src/base/node.h"
#include "src/base/text.h"

/*
 * The text form of heartbeats, by which nodes find each other (design, section 7): a message of the
 * type gossip, without payload. Numbers carry no `_type_` line: ISconf never sees them, and each
 * byte goes to everyone in each interval.
 *
 *     header         value
 *     _type          gossip
 *     format         1
 *     domain, node   the cluster's, and the sender's name
 *     boot, counter  its incarnation, not 0; and its place in the order of its heartbeats since
 *     clock          what its wall clock said: milliseconds since 1970
 *     interval_ms    how often it speaks: once within each, 100 to 3600000
 *     port, http_port, advert_port    where it listens, 1 to 65535
 *     addresses      its own, 1 to HEARTBEAT_ADDRESSES_MAX, between blanks, without port or zone
 *     tiers          optional: what it is in which tier, as in "candidate core/slave paris"; a
 *                    tier's name has no "/"
 *
 * All but the optional one must be there, unknown ones are passed over. seal_message() puts
 * `hmac256` behind the last.
 */
enum {
    HEARTBEAT_FORMAT = 1,
    HEARTBEAT_ADDRESSES_MAX = 8,
    HEARTBEAT_TIERS_SIZE = 512, /* of the text, with its NUL; tiers that do not fit are not told */
    HEARTBEAT_INTERVAL_MIN_MS = 100,
    HEARTBEAT_INTERVAL_MAX_MS = 3600000
};

struct heartbeat {
    char domain[NODE_SIZE];
    char node[NODE_SIZE];
    uint64_t boot;
    uint64_t counter;
    wall_t clock;
    uint32_t interval_ms;
    uint16_t port;
    uint16_t http_port;
    uint16_t advert_port;
    size_t address_count;
    struct address addresses[HEARTBEAT_ADDRESSES_MAX]; /* ports are 0 */
    char tiers[HEARTBEAT_TIERS_SIZE];
};

/* Typed from a decoded message. MESSAGE_NO_TYPE for another _type. Where the verdict is not
 * MESSAGE_OK, *out holds no more than a log line may want: the node as far as it was read. */
enum message_verdict heartbeat_read(const struct message *m, struct heartbeat *out);

/* As text, unsigned (src/seal.h signs). `date` is for the From line alone. */
void heartbeat_write(const struct heartbeat *beat, wall_t date, struct text *out);

/* Is this host among the addresses that it tells? */
bool heartbeat_tells(const struct heartbeat *beat, const struct address *host);

/* Adds a tier to the text of beat->tiers, where it fits. */
void heartbeat_add_tier(struct heartbeat *beat, const char *role, const char *tier);

/* Takes the next tier off the front of such a text; false: there is none. */
struct heartbeat_tier {
    struct span role;
    struct span tier;
};
bool heartbeat_next_tier(struct span *tiers, struct heartbeat_tier *out);

#endif
