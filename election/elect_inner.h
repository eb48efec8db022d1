/* SPDX-License-Identifier: ISC */
#ifndef POND_ELECTION_ELECT_INNER_H
#define POND_ELECTION_ELECT_INNER_H

#include "election/elect.h"
#include "election/table.h"
#include "src/base/rng.h"

/*
 * What the files of the machine share: elect.c takes the events, obeys the table and alone writes
 * the state; elect_rows.c keeps the table of members; elect_hear.c decides who is believed,
 * and elect_react.c what follows from what they say;
 * elect_wait.c when silence becomes death; elect_say.c makes what is sent; elect_view.c tells
 * what is known.
 */
enum {
    ELECT_MAGIC = 0x456c6374,
    ELECT_NOBODY = -1,       /* for a row */
    ELECT_INDEX_SIZE = 8192, /* twice ELECT_MEMBERS_MAX, a power of two */
    ELECT_NONCES = 2,        /* of one sender, live at the same time */
    ELECT_ASKS_AGAIN = 3,    /* where a master does not answer */
    ELECT_STEPS_MAX = 4,     /* of those by which backups go one after another */
    ELECT_STEPS_PER_INTERVAL = 8
};

/* Before all that ever was. */
#define ELECT_LONG_AGO ((mono_t){INT64_MIN / 4})

/* What the table of members does not show: parallel to it. */
struct sender {
    mono_t seen;   /* the last ballot, believed or not */
    mono_t advert; /* the last advert, believed; what it told: */
    uint64_t epoch;
    struct ballot_head head;
    struct address successor;
    mono_t solicited;               /* by us */
    mono_t answered;                /* its last solicit, by us: of the life that is believed */
    mono_t answered_others;         /* that of any other */
    uint64_t asked_top, asked_bits; /* the solicits of that life: the last 64 counters */
    mono_t asking;    /* since when it is asked again and again, as an unproven master */
    mono_t ask_again; /* next, `ask_left` times */
    uint8_t ask_left;
    struct {
        struct ballot_nonce value;
        mono_t until;
        uint64_t counter;   /* its last when it was asked */
    } nonces[ELECT_NONCES]; /* ours to it, the younger first */
};

/* How long a backup or slave waits, and what it does meanwhile. */
struct wait {
    mono_t from;      /* the last advert, or since when there is no master */
    int64_t forgiven; /* of our own lateness, since then */
    mono_t solicit;   /* next, of the master that is silent */
    mono_t doubt;     /* ends: the master has not answered, and a newer one is heard */
    mono_t seek;      /* next solicit of all candidates, where there is no master */
    int64_t seek_gap;
    mono_t called; /* to take over, whatever the silence: MONO_NEVER: not */
    enum elect_input call;
    bool blocked; /* due, but the epoch is not kept yet */
    bool asked;   /* the silent master was, at least once */
    mono_t until; /* and has so long to answer, whatever the silence */
};

struct elect {
    uint32_t magic;
    mono_t now; /* of this step */
    char tier[TIER_SIZE];
    char node[NODE_SIZE];
    uint64_t boot;
    uint8_t seed[32];
    uint64_t nonce_count;
    struct rng rng;
    int64_t standing_ns;
    struct elect_rules rules;
    struct elect_self self;

    /* Written by elect.c's become() alone. */
    enum elect_state state;
    int master; /* the row that is followed */
    enum reason reason;
    mono_t since;

    /* Epochs: all that is sent is below or at `reserved`, or was told by others. */
    uint64_t epoch;    /* the highest known */
    uint64_t floor;    /* what was reserved when we began */
    uint64_t reign;    /* of our mastership */
    uint64_t rival;    /* our mastership must go above it */
    uint64_t reserved; /* on disk */
    uint64_t asked;    /* PERSIST has asked for: reserved, epoch */
    uint64_t asked_epoch;

    struct wait wait;
    mono_t doubted; /* the master that is followed, last */
    bool unkept;    /* a candidate's boot is not what was last asked to be kept */
    mono_t outbid;  /* when we last went above a rival */
    int64_t outbid_gap;
    mono_t steady;      /* since when our demotion is what it is */
    mono_t next_advert; /* of a master */
    mono_t last_advert;
    mono_t disputed; /* last advert on a conflict */
    bool conflict;
    mono_t next_standing, last_standing;
    mono_t told; /* the master, apart from the regular standings */
    mono_t last_ask;
    mono_t next_scan;
    mono_t ask_again; /* the first of the senders' */
    mono_t shown;     /* `changed` was last said */
    bool dirty;       /* something in the view is not what it was */
    struct address watched, watched_from;
    mono_t deadline;

    /* Members: the candidates (but for us) first, heard or not; then who was heard. */
    size_t peers;
    size_t count;
    uint32_t proven;      /* of them */
    uint32_t unconfirmed; /* the sum of theirs */
    struct elect_member members[ELECT_MEMBERS_MAX];
    struct sender senders[ELECT_MEMBERS_MAX];
    uint16_t index[ELECT_INDEX_SIZE]; /* row + 1; 0: free */
    uint64_t roster;
    uint64_t counts[REASON_COUNT];
};

/* ---- elect.c -------------------------------------------------------------------------------- */

/* Does what the table says; `who` is the row that the input is about, or ELECT_NOBODY. */
void elect_take(struct elect *m, enum elect_input input, int who, struct elect_actions *out);

uint64_t elect_next_epoch(const struct elect *m);

/* ---- elect_react.c -------------------------------------------------------------------------- */

/* The process of the master that is followed is gone. */
void elect_died(struct elect *m, struct elect_actions *out);

/* An advert or standing of `who`, believed. `reborn`: it has another boot or name than before. */
void elect_believe(struct elect *m, int who, const struct ballot *ballot, bool reborn,
                   struct elect_actions *out);

/* ---- elect_rows.c --------------------------------------------------------------------------- */

int elect_find(const struct elect *m, const struct address *address);
int elect_add(struct elect *m, const struct address *address); /* ELECT_NOBODY: no room */
void elect_remove(struct elect *m, int row);                   /* not a candidate's */

/* Brings the candidates of the rules to the front; who is none any more goes behind. */
void elect_arrange(struct elect *m);

void elect_set_proven(struct elect *m, int row, bool proven);

/* Forgets who was not heard for too long. */
void elect_scan(struct elect *m);

/* ---- elect_hear.c --------------------------------------------------------------------------- */

/* False where the ballot decides nothing. */
bool elect_hear(struct elect *m, const struct elect_event *event, struct elect_actions *out);

/* Asks unproven masters again that have not answered. */
void elect_hear_again(struct elect *m, struct elect_actions *out);

/* What answers to them proves nothing any more. */
void elect_forget_nonces(struct elect *m, int row);

/* Proven, and heard within its time? */
bool elect_is_believed(const struct elect *m, int row);

/* For how long a member that is no master is believed, and remembered. */
int64_t elect_memory_ns(const struct elect *m);

/* ---- elect_wait.c --------------------------------------------------------------------------- */

int64_t elect_interval(const struct elect *m); /* the master's, or ours */
int64_t elect_dead(const struct elect *m);     /* dead_ratio of them */
int64_t elect_dead_of(const struct elect *m, struct ballot_pair pair);

void elect_wait_from(struct elect *m, mono_t from);
void elect_wait_late(struct elect *m, int64_t late, struct elect_actions *out);

/* A worse master with a higher epoch is heard: is the one that is followed still there? */
void elect_wait_doubt(struct elect *m, struct elect_actions *out);

/* The best other master that is heard and has a higher epoch than the one that is followed. */
int elect_newer_master(const struct elect *m);

/* Take over after the i/8 steps of the better ones, or at once. */
void elect_wait_call(struct elect *m, enum elect_input call, int64_t interval);

/* Judges silence: only when all ballots that have come were handed in. */
void elect_wait_wake(struct elect *m, struct elect_actions *out);
void elect_wait_judge(struct elect *m, struct elect_actions *out);
mono_t elect_wait_due(const struct elect *m);
int64_t elect_wait_ns(const struct elect *m); /* from the last advert, at the most */

/* ---- elect_say.c ---------------------------------------------------------------------------- */

struct elect_action *elect_act(struct elect_actions *out, enum elect_action_kind kind);
void elect_note(struct elect *m, enum reason reason, const struct address *from,
                struct elect_actions *out);

uint16_t elect_demotion(const struct elect *m); /* ours, with DEMOTION_BEHIND */
struct ballot_rank elect_own_rank(const struct elect *m);
struct ballot_rank elect_rank(const struct elect *m, int row);
int elect_successor(const struct elect *m);

void elect_say_advert(struct elect *m, struct elect_actions *out);
void elect_say_leaving(struct elect *m, int successor, struct elect_actions *out);
void elect_say_answer(struct elect *m, int row, const struct ballot_nonce *nonce,
                      struct elect_actions *out);
void elect_say_solicit(struct elect *m, int row, struct elect_actions *out);
void elect_say_standing(struct elect *m, int row, struct elect_actions *out);

void elect_standing_soon(struct elect *m);

/* There are unconfirmed puts, where there were none, or none any more. */
void elect_standing_unconfirmed(struct elect *m);

/* When this backup asks next to take over; MONO_NEVER: not as things are. */
mono_t elect_ask_at(const struct elect *m);

/* Sends what is due of adverts, standings and asks. */
void elect_say_due(struct elect *m, struct elect_actions *out);
mono_t elect_say_next(const struct elect *m);

#endif
