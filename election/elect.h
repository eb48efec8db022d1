/* SPDX-License-Identifier: ISC */
#ifndef POND_ELECTION_ELECT_H
#define POND_ELECTION_ELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "election/ballot.h"
#include "election/reason.h"
#include "election/view.h"
#include "src/base/address.h"
#include "src/base/node.h"
#include "src/base/time.h"

/*
 * The election of one tier, as one of its members takes part in it: design section 6, after CARP
 * (OpenBSD's carp(4), UCARP). A pure machine: elect_step(machine, event, actions). The event
 * carries the time; the actions are data that the driver carries out in their order; deadlines are
 * values. No clock, dice, allocation or descriptor in it. One thread.
 *
 * The driver promises: every ballot that it hands in was let in by the gate (well formed, of this
 * domain and tier, from a member, signed); all ballots that have arrived are handed in before a
 * WAKE, which alone judges deadlines; `late` is told truly, and once: with the first event after.
 *
 * A candidate is BACKUP or MASTER, another member SLAVE, one that is not begun or has ended OFF.
 * The table in election/table.c is the protocol: state x input -> next state, reason, what goes
 * with it.
 *
 * Who is believed. Of each sender (its address in the tier; its name and boot must stay) the last
 * (boot, counter) is kept, and must rise strictly. A sender that is new, has another boot or name,
 * or was not heard for longer than its dead time (master: dead_ratio of its intervals; another:
 * three standings) is not believed until it has echoed our nonce: it gets a SOLICIT (not more often
 * than each ELECT_SOLICIT_GAP_NS; for an advert, while no answer comes, three times more, every
 * i/8, once in an interval), and what it said so far changes nothing. An echo proves it with
 * whatever boot it has, so that a node that lost its state and its clock is taken again, and one
 * that was set back to an earlier moment (a virtual machine's snapshot). Nonces are
 * SHA-256 of the seed and a count, live for one dead time (ELECT_NONCE_NS at least), and are good
 * once; those to a master
 * end when it is followed no longer.
 *
 * Masters. A master adverts every interval, at once on becoming one and i/8 later (one of the two
 * may be lost where others follow a dead master still), on a conflict, and in answer
 * to a solicit (that one to the asker alone, with the echo). A follower (backup, slave) follows the
 * best proven master that it hears; a better one replaces it at once, a worse one is
 * REASON_WORSE_MASTER. A master that hears a better one becomes backup at once. One that hears a
 * worse one (a conflict) adverts at once, at most every ELECT_CONFLICT_GAP_NS, and says MASTER
 * again (ROLE with `again`, REASON_CONFLICT) when the conflict begins and when it has ended, so
 * that the world outside agrees. A master asks an unproven candidate that solicits it before it
 * answers: so of two, the worse says that it was one before it gives way. An advert that tells an
 * epoch not below ours, or a standing that tells one above it, makes a master go above and say
 * MASTER again (not more often than each ELECT_OUTBID_GAP_NS, doubled up to ELECT_OUTBID_MAX_NS as
 * long as it goes on: where not everyone hears everyone, masters would drive each other up for
 * ever). A follower whose known epoch is above its master's tells it at once by a standing.
 *
 * Silence. Deadlines of a backup, from the last advert (or answer) of its master, i = its interval:
 * after two missed ones (2 i + i/8; halfway from the first one to death where dead_ratio is below
 * 2.5) a solicit, and again every i/4, three times at least; at dead_ratio x i + own skew/256 it
 * becomes master; backups that know better ones (proven, heard within three standings, not demoted
 * beyond themselves) wait i/8 for each of those longer, at most i/2, so that one takes over and not
 * all. Where another master is heard meanwhile, it is followed instead. Without a master: i is our
 * own interval, counted from the start, or from when the master left or was lost; all candidates
 * are solicited after i/2, i, 2i ... up to a minute. A slave loses its master at the same time
 * without i/8 steps. PROCESS_DIED (WATCH_REFUSED from the master followed, or it has proven that it
 * was born again, as another than a master) and NAMED (by the latest mastership: an older one's
 * farewell names nobody) end the wait at once, but for the i/8 steps of those who are not the best
 * (PROCESS_DIED) or not named (they wait one dead time).
 *
 * Doubt. A worse master whose epoch is above that of the one followed has taken over from it, or is
 * in conflict with it. The one followed is asked at once, and once more: if it says nothing for
 * i/8 (ELECT_DOUBT_MIN_NS at least, i/2 at most), the newer one is followed (REASON_NEWER_MASTER),
 * long before the dead time is over; if it answers, the two settle it among themselves, and it is
 * not doubted again for a dead time: else thousands of slaves would ask it at each advert of the
 * other. A backup that is better than the newer one follows it like the others, and asks it.
 *
 * Lateness. `late` of an event is by how much the driver's loop came later than it should have. A
 * backup's deadline moves by it; but who is always a little late must not wait for ever, so of
 * lateness below the dead time, one dead time at most is forgiven in one wait. A master that was
 * late by more than its own dead time, or has not adverted for that long, becomes backup first
 * (REASON_LATE) and listens for a dead time.
 *
 * Taking over. Its epoch is one above the highest known, and must be below or at `reserved` (which
 * PERSISTED has confirmed): else it waits (REASON_EPOCH_NOT_KEPT). PERSIST is asked for as soon as
 * fewer than ELECT_EPOCHS_LEFT are left above the highest known: long before they are needed. The
 * first one of a life is above the `reserved` with which it began: all up to that may have been
 * used by a life that did not come to note it.
 *
 * Preemption. A backup that is better than its master (ballot_compare; being behind is a demotion),
 * has `preempt`, was steady (same demotion) for preempt_delay, and has its next epoch on disk asks
 * with its standing, every master's interval, as long as that holds; against a master of higher
 * demotion it asks at once, whatever `preempt` says. The master, if it finds the asker proven and
 * better, leaves in its favour.
 *
 * Leaving. Three adverts with `leaving` and the successor, in one go; then backup (or OFF). A
 * master whose own demotion rose leaves if a better candidate is known (proven, not behind); else
 * it stays. The successor that an advert names is the best backup that is proven.
 *
 * Standings. At begin, on a change of role, pair, demotion, `behind`, master or known epoch (not
 * faster than every ELECT_STANDING_GAP_NS; not at once where a leaving went before it; slaves
 * spread over an interval, a second at most), when puts come to be unconfirmed where none were, and
 * when the last of them is confirmed (not faster than every ELECT_UNCONFIRMED_GAP_NS), and every
 * standing_ns +-20 %; to each candidate but ourselves. Backups also tell a candidate that has just
 * been proven. Members that missed three (3.6 standing_ns) are forgotten. The head does not make a
 * standing: the regular ones carry it, and those of who has something that no candidate has.
 */
enum {
    ELECT_CANDIDATES_MAX = 64, /* of one tier */
    ELECT_MEMBERS_MAX = 4096,  /* heard and remembered, candidates among them */
    ELECT_EPOCHS_LEFT = 2,
    ELECT_EPOCHS_AHEAD = 4, /* reserved at a time */
    ELECT_ACTIONS_MAX = 160
};
#define ELECT_STANDING_NS MONO_S(30)
#define ELECT_STANDING_GAP_NS MONO_MS(20)
#define ELECT_UNCONFIRMED_GAP_NS MONO_S(1)
#define ELECT_SOLICIT_GAP_NS MONO_MS(2)
#define ELECT_NONCE_NS MONO_S(1) /* that a nonce lives at least */
#define ELECT_CONFLICT_GAP_NS MONO_MS(5)
#define ELECT_DOUBT_MIN_NS MONO_MS(10)
#define ELECT_OUTBID_GAP_NS MONO_S(1)
#define ELECT_OUTBID_MAX_NS MONO_S(30)
#define ELECT_SEEK_MAX_NS MONO_S(60) /* between the solicits of one who knows no master */
#define ELECT_EPOCH_MAX (UINT64_C(1) << 62)

enum elect_state { ELECT_OFF, ELECT_SLAVE, ELECT_BACKUP, ELECT_MASTER, ELECT_STATE_COUNT };

/* What a configuration says of the tier and of our place in it. */
struct elect_rules {
    bool candidate;
    struct address address; /* ours in the tier, with our HTTP port */
    struct ballot_pair pair;
    bool preempt;
    int64_t preempt_delay_ns;  /* negative: three dead times */
    uint32_t dead_ratio_milli; /* 1500 and more */
    size_t candidate_count;    /* 1 to ELECT_CANDIDATES_MAX; ourselves among them if we are one */
    struct address candidates[ELECT_CANDIDATES_MAX];
};

/* What this node says of itself. */
struct elect_self {
    uint16_t demotion; /* DEMOTION_BEHIND is added by the machine, from `behind` */
    bool behind;       /* of a backup's or slave's catalogue */
    struct ballot_head head;
    uint32_t unconfirmed;
};

/* What must outlive the process: given at init as it was on disk, asked for by PERSIST. */
struct elect_known {
    struct address address;
    char node[NODE_SIZE];
    uint64_t boot;
    uint64_t counter;
};
struct elect_memory {
    uint64_t epoch;    /* the highest known */
    uint64_t reserved; /* none above it was ever used by us */
    size_t count;
    struct elect_known known[ELECT_CANDIDATES_MAX]; /* the candidates' last counters */
};

struct elect_options {
    char tier[TIER_SIZE];
    char node[NODE_SIZE]; /* ours */
    uint64_t boot;
    uint8_t seed[32];         /* secret */
    int64_t standing_ns;      /* ELECT_STANDING_NS */
    struct elect_rules rules; /* as begun with */
    struct elect_self self;
    struct elect_memory memory;
};

enum elect_event_kind {
    ELECT_BEGIN,         /* once, first */
    ELECT_WAKE,          /* the deadline has come, or nothing in particular */
    ELECT_HEARD,         /* ballot, from, from_candidate */
    ELECT_WATCH_REFUSED, /* from: the connection to it broke, and a new one was refused */
    ELECT_SELF,          /* self: as it is now */
    ELECT_PERSISTED,     /* reserved: is on disk */
    ELECT_RULES,         /* rules: as they are now. A role changes only where pair, candidates or
                            `candidate` were changed */
    ELECT_END            /* stop, or leave the tier: a master leaves; OFF for ever */
};

struct elect_event {
    enum elect_event_kind kind;
    mono_t now;
    int64_t late; /* ns; 0: on time, or told before */
    const struct ballot *ballot;
    struct address from; /* port aside */
    bool from_candidate; /* as the nets file says; else another member */
    const struct elect_self *self;
    uint64_t reserved;
    const struct elect_rules *rules;
};

/* In the order in which the driver carries them out. */
enum elect_action_kind {
    ELECT_PERSIST, /* epoch, reserved: to disk, in your own time; report PERSISTED */
    ELECT_ROLE,    /* role, reason, again: tell the queues. The view is new too */
    ELECT_SEND,    /* ballot (but for boot, counter, tier, node, which the driver fills in), to */
    ELECT_TO_ALL,  /* ballot: to the tier, or its multicast group, signed once */
    ELECT_WATCH,   /* to: hold a connection to it, from our address as it is now, and to none other
                      of this tier; zero: to none */
    ELECT_NOTE     /* reason, from: a ballot that changed nothing, or a wait: count it, log it */
};

struct elect_action {
    enum elect_action_kind kind;
    enum ballot_role role;
    enum reason reason;
    bool again; /* no change: the same role is said again */
    uint64_t epoch;
    uint64_t reserved;
    struct ballot ballot;
    struct address to;
    struct address from;
};

/* `deadline`: when to call with WAKE at the latest. `changed`: the view is not what it was.
 * `believed`: the advert or standing that was heard is. */
struct elect_actions {
    size_t count;
    struct elect_action list[ELECT_ACTIONS_MAX];
    mono_t deadline;
    bool changed;
    bool believed;
};

struct elect;
size_t elect_size(void); /* bytes of a machine: the caller provides the memory, zeroed */
void elect_init(struct elect *machine, const struct elect_options *options);
void elect_step(struct elect *machine, const struct elect_event *event,
                struct elect_actions *actions);

enum elect_state elect_state(const struct elect *machine);
void elect_view(const struct elect *machine, mono_t now, struct view_tier *out);

/* What to remember, now. After END `reserved` is what was used, or may have been: none is left. */
void elect_memory(const struct elect *machine, struct elect_memory *out);

/* The candidates but for us, heard or not, and whoever else was heard: for the way of adverts to
 * all (of those that are proven), and for pond peers. `roster` changes whenever the set of
 * addresses does, or one becomes proven or loses it. */
struct elect_member {
    struct address address; /* with its HTTP port */
    char node[NODE_SIZE];
    uint64_t boot, counter;
    bool candidate;
    bool proven;
    enum ballot_role role;
    struct ballot_pair pair;
    uint16_t demotion;
    bool behind;
    uint32_t unconfirmed;
    mono_t heard; /* last believed; MONO_NEVER: never */
};
uint64_t elect_roster(const struct elect *machine);
size_t elect_members(const struct elect *machine, const struct elect_member **list);

/* How often each reason was given. */
uint64_t elect_count(const struct elect *machine, enum reason reason);

#endif
