/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_SIM_ELECTOR_H
#define POND_TOOLS_SIM_ELECTOR_H

#include "election/elect.h"
#include "src/base/text.h"
#include "tools/sim/sim.h"

/*
 * The elections of a node: the real machine of each of its tiers (election/elect.h), driven as
 * src/election.h has it, with a disk and connections that are simulated.
 */
enum { SIM_TIERS_MAX = 3 };
struct sim;
struct sim_node;
struct sim_event;

/* ---- disk.c: what outlives the process ------------------------------------------------------- */

struct home {
    uint64_t boot; /* the last that was used; 0: none */
    struct elect_memory memory[SIM_TIERS_MAX];
};

struct disk {
    struct home home;  /* as it is on the platter */
    struct home older; /* a copy that somebody made */
    struct elect_memory posted[SIM_TIERS_MAX];
    struct elect_memory written[SIM_TIERS_MAX];
    bool is_posted[SIM_TIERS_MAX];
    bool is_written[SIM_TIERS_MAX];
    bool writing;
    struct { /* simulated time */
        int64_t stalled, failing;
        int64_t full; /* no room for content */
    } until;
};

/* False: the disk does not take it, and so the node does not start. */
bool disk_open(struct sim *sim, struct sim_node *node);
void disk_post(struct sim *sim, struct sim_node *node, int tier, const struct elect_memory *memory);
void disk_close(struct sim *sim, struct sim_node *node); /* what was posted is written */
void disk_copy(struct sim_node *node);
void disk_restore(struct sim_node *node);
void disk_lose(struct sim_node *node);

/* ---- watch.c: the connection to the master --------------------------------------------------- */

struct watch {
    int peer; /* -1: to nobody */
    bool held;
    uint32_t life;   /* of the peer, when it was made */
    uint64_t number; /* of the attempt that counts */
};
void watch_set(struct sim *sim, struct sim_node *node, int tier, const struct address *to);
void watch_peer_died(struct sim *sim, int peer); /* its process, not its host */
void watch_reset(struct sim *sim, struct sim_node *node, int tier);

/* ---- elector.c ------------------------------------------------------------------------------- */

/* What is remembered of one life, to judge what it does. Times are by its own clock, but for those
 * that are called simulated. */
struct seen {
    mono_t began;
    int64_t interval;    /* the shortest of its own since then: what it was due for stays due */
    mono_t master_since; /* simulated */
    bool any_role;       /* something was said of its role; at last: */
    enum ballot_role role;
    uint64_t epoch; /* as published */
    int wakes;      /* one after another, at the same time */
    mono_t woken;

    struct { /* the last advert of each that was believed */
        mono_t at;
        mono_t simulated;
        uint64_t boot;
        int64_t interval;
    } adverts[SIM_NODES_MAX];

    int master;        /* whom it followed last; -1: nobody yet. Since its last advert: */
    int64_t late;      /* by how much it was late itself */
    unsigned solicits; /* that it sent to it */
    bool left;         /* it has left */
    bool named;        /* somebody that left has named us */
};

/* What planted mistakes need. */
struct planted {
    struct ballot_nonce nonces[SIM_NODES_MAX]; /* that it asked each other with, last */
    struct ballot advert;                      /* that it said last */
};

struct elector {
    struct elect *machine; /* NULL: not a member, or not running */
    mono_t deadline;       /* by its own clock, as all times here */
    uint64_t wake;         /* number of the wake-up that counts */
    int64_t late;          /* of the next event */
    struct watch watch;
    struct elect_rules rules; /* as it was told */
    uint64_t ballot;          /* that is handed in */
    bool worthless;           /* it must change nothing */
    struct planted planted;
    struct seen seen;
    uint64_t led; /* the highest epoch that it was master with, in all lives with this home */
};

void elector_begin(struct sim *sim, struct sim_node *node, int tier);
void elector_end(struct sim *sim, struct sim_node *node, int tier); /* leaves */
void elector_free(struct elector *elector);
void elector_datagram(struct sim *sim, struct sim_event *event);
void elector_wake_now(struct sim *sim, struct sim_node *node, int tier); /* after a pause */
void elector_falls_asleep(struct sim *sim, struct sim_node *node);
void elector_say(struct sim *sim, struct sim_node *node, int tier, const struct ballot *ballot);
void elector_was_late(struct sim *sim, struct sim_node *node);
void elector_self(struct sim *sim, struct sim_node *node, int tier);  /* as sim_tier has it */
void elector_rules(struct sim *sim, struct sim_node *node, int tier); /* as sim_tier has them */
void elector_step(struct sim *sim, struct sim_node *node, int tier, struct elect_event *event);

/* ---- check_election.c, check_masters.c ------------------------------------------------------- */

/* What a step is judged by. */
struct step {
    struct sim_node *node;
    int tier;
    const struct elect_event *event;
    const struct elect_actions *actions;
    enum elect_state before;
    int64_t late;      /* truly */
    uint64_t believed; /* hash of what it believed before, where that must stay */
    struct view_tier was, is;
};
void check_begins(struct sim *sim, struct sim_node *node, int tier);
void check_before(struct sim *sim, struct step *step);
void check_step(struct sim *sim, struct step *step);
void check_boot(struct sim *sim, struct sim_node *node);
void check_ballot_said(struct sim *sim, struct sim_node *node, int tier,
                       const struct ballot *ballot);
bool check_ballot_let_in(struct sim *sim, struct sim_node *node, int tier,
                         const struct sim_event *event, const struct ballot *ballot);
void check_reason(struct sim *sim, const struct step *step, const struct elect_action *action);
void check_masters(struct sim *sim, int tier);
int64_t check_dead_ns(const struct sim *sim, int tier, int index); /* as its own rules have it */
bool check_elected(const struct sim *sim, char *why, size_t cap);

/* ---- mistakes.c ------------------------------------------------------------------------------ */

/* False: the machine does not get it. */
bool mistake_in_event(const struct sim *sim, const struct step *step, struct elect_event *event,
                      struct ballot *memory);
void mistake_in_actions(const struct sim *sim, const struct step *step,
                        struct elect_actions *actions);
void mistake_before_late(struct sim *sim, struct sim_node *node);
bool mistake_takes_over(const struct sim *sim, const struct elect_action *action,
                        struct elect_event *event);

#endif
