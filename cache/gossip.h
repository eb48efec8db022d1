/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_GOSSIP_H
#define POND_CACHE_GOSSIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/gossip_table.h"
#include "cache/heartbeat.h"
#include "src/base/time.h"

/*
 * Discovery decides when this node says its heartbeat, which of those that it hears are news, and
 * who is known by them. A pure machine: one call, gossip_step(machine, event, actions); the event
 * carries the time. No clock, dice, allocation or descriptor in it. One thread.
 *
 *  - A heartbeat goes out at a random moment within each interval, the first one too.
 *  - Who was heard is known until it has been silent for GOSSIP_MISSED of its own intervals, and is
 *    looked for every GOSSIP_LOOK_MS then: forgers may make many whose time is up one after
 *    another. After that it is lost, and stays in the table as long as there is room, so that what
 *    it said before is not taken again.
 *  - Replays. While a node is known, (boot, counter) must rise. One that is new, lost, or does not
 *    rise under the boot that it had must also tell a time that is at most GOSSIP_AHEAD_MS off
 *    ours: what was recorded earlier is worth nothing, to one who has lost its state as well. So a
 *    clock that is stepped strands no node that is known, and one whose clock is far off from its
 *    start on is found once it is set.
 *  - What was said bars what is lower while its node is known, but for GOSSIP_BARS_MS after it was
 *    heard at most, however long it says that its interval is. After that a lower boot is taken:
 *    that of a node whose clock was stepped back and whose state is gone. A lower counter under the
 *    same boot is taken, too, where one of both is not vouched for: of nodes none says it. So where
 *    anybody can say anything, one datagram does not shut a node out for longer than that.
 *  - No address speaks for more than GOSSIP_NAMES_MAX names: of those the one that was unheard for
 *    longest makes room for another where it is lost, or bars nothing any more; else that is
 *    refused.
 *  - An address is gone once no node that tells it is known: so not where a host was renamed, or
 *    where several nodes run on one. What a node does not tell any more is gone, too, if it is
 *    vouched for; else the gate leaves it but one address at a time.
 *  - A heartbeat makes a node known and heard, never a member: who is one is told with the event,
 *    and decides nothing but who makes room in a full table.
 */
enum { GOSSIP_MISSED = 4, GOSSIP_GONE_MAX = 256, GOSSIP_LOOK_MS = 100 };
enum { GOSSIP_AHEAD_MS = 60000, GOSSIP_BARS_MS = 120000 };
_Static_assert(GOSSIP_BARS_MS >= 2 * GOSSIP_AHEAD_MS, "what was recorded before is stale by then");

struct gossip;
struct gossip_options {
    uint64_t seed;
    int64_t interval_ns;
    mono_t now;
};
size_t gossip_size(void); /* bytes of a machine: the caller provides the memory, zeroed */
void gossip_init(struct gossip *machine, const struct gossip_options *options);

/* From now on; the first within the shorter of both intervals from now: so the others know of a
 * longer one before they miss what they were told to expect. */
void gossip_set_interval(struct gossip *machine, mono_t now, int64_t interval_ns);

enum gossip_event_kind {
    GOSSIP_WAKE, /* the deadline has come, or nothing in particular */
    GOSSIP_HEARD /* beat, from, member, vouched: a heartbeat that the gate let in */
};

struct gossip_event {
    enum gossip_event_kind kind;
    mono_t now;
    wall_t wall;
    const struct heartbeat *beat;
    struct address from;
    bool member;
    bool vouched; /* it is signed, or encrypted with our secret: not anybody can have said it */
};

enum gossip_verdict {
    GOSSIP_TAKEN,
    GOSSIP_REPLAYED, /* it was said before, or before something that was heard since */
    GOSSIP_STALE,    /* it tells a time that is far from ours */
    GOSSIP_CROWDED   /* it is new, and as many others as may speak from its address */
};

/* Filled by one step. */
struct gossip_actions {
    bool say;                       /* send a heartbeat now */
    enum gossip_verdict verdict;    /* of HEARD */
    bool met;                       /* TAKEN: it was not known before, or is in another place now */
    const struct gossip_node *node; /* TAKEN: who spoke; REPLAYED under a lower boot by somebody
                                       elsewhere: the node of that name that is known. Else NULL.
                                       Valid until the next step */
    size_t gone_count;              /* at these addresses nobody is known any more; or, where met,
                                       but for `node` */
    struct address gone[GOSSIP_GONE_MAX];
    mono_t deadline;
};
void gossip_step(struct gossip *machine, const struct gossip_event *event,
                 struct gossip_actions *actions);

/* The table, in no order: the lost ones too. */
size_t gossip_count(const struct gossip *machine);
const struct gossip_node *gossip_node_at(const struct gossip *machine, size_t i);

/* How many of them are not lost. */
size_t gossip_known(const struct gossip *machine);

#endif
