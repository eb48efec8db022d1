/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ELECTION_INNER_H
#define POND_SRC_ELECTION_INNER_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "src/advert_gate.h"
#include "src/base/log.h"
#include "src/election.h"
#include "src/lone.h"
#include "src/mailbox.h"
#include "src/udp.h"
#include "src/watch.h"
#include "src/workers.h"

/*
 * What the files of the election's thread share: src/election.c is what others call;
 * src/election_drive.c is the thread: lateness, deadlines, steps; src/election_act.c carries out
 * what the machines want; src/election_send.c speaks; src/election_group.c joins groups;
 * src/election_tiers.c joins and leaves tiers.
 */
enum { ELECTION_MAGIC = 0x656c656e, ELECTION_TIERS_MAX = VIEW_TIERS_MAX };

/* Our part in one tier. Its place in the list is also its watch line's number. */
struct seat {
    bool used;
    struct election_tier tier;
    struct elect *machine;
    struct elect_self self;
    mono_t deadline;
    int64_t late;           /* that its machine was not told yet */
    int64_t dead_time;      /* as it is now: the master's, or ours */
    struct view_tier shown; /* as it was published last */
    struct lone lone;       /* as master: what was said of having no backup */

    /* To whom adverts to all go: kept while roster and members stand. */
    struct address *hearers;
    size_t hearer_count;
    uint64_t roster;
    uint64_t generation;
    bool listed;

    unsigned interface; /* by which we are in the tier's group; 0: not in it */
    bool group_failed;  /* and that was logged */
};

/* By which interface each tier's group is to be joined: asked by another thread. */
struct group_look {
    struct task task;
    struct letter letter;
    struct election *election;
    bool under_way;
    bool again; /* once more, when this one is over */
    size_t count;
    struct election_tier of[ELECTION_TIERS_MAX];
    unsigned found[ELECTION_TIERS_MAX];
};

struct election {
    unsigned magic;
    pthread_t thread;
    struct ev_loop *loop;
    struct mailbox *mailbox;
    struct udp *udp;
    struct watch *watch;
    struct advert_gate *gate;
    struct seal *seal; /* NULL: no keys */
    enum auth_mode auth;

    const struct members *members;
    struct heard *heard;
    struct signers *signers;
    struct view *view;
    struct roles *roles;
    struct remember *remember;
    struct election_ears ears;
    char node[NODE_SIZE];
    char domain[NODE_SIZE];
    uint64_t boot;
    uint64_t counter; /* of the ballot said last */
    uint16_t port;

    struct seat seats[ELECTION_TIERS_MAX];
    struct elect_self self; /* of tiers to come */
    struct elect_actions actions;
    struct workers *group_looker; /* one thread */
    struct group_look group_look;

    /* The loop's clockwork. */
    struct ev_check check;
    struct ev_prepare prepare;
    struct ev_io timer_io;
    int timer;         /* a timerfd: exact, where libev's timers are rounded to milliseconds */
    mono_t awake;      /* by then the loop comes by, if nothing keeps it from running */
    int64_t heartbeat; /* how often, at least */
    int64_t slept;     /* the host, in suspend, when last looked at */
    mono_t chores;     /* next */

    pthread_mutex_t head_lock; /* guards the next two */
    struct ballot_head head;
    bool head_posted;
    struct letter head_letter;

    struct log_flood flood[REASON_COUNT];
    _Atomic uint64_t reasons[REASON_COUNT];
    _Atomic uint64_t adverts_sent;
    _Atomic uint64_t ballots_heard;
    _Atomic int64_t late_most;
    _Atomic int64_t turned;
    _Atomic uint64_t watched;
};

/* ---- election_drive.c ----------------------------------------------------------------------- */

/* Sets up clock, timer and watchers; false, logged, where the kernel has no timer for us. */
bool election_drive_begin(struct election *election);
void election_drive_end(struct election *election);
void *election_drive(void *election); /* the thread's whole life */

/* Reads the clock, and notes by how much the loop came late. */
mono_t election_now(struct election *election);

/* After a change of a seat's dead time: how often the loop comes by at least. */
void election_pace(struct election *election);

/* One event in, its actions out. */
void election_step(struct election *election, struct seat *seat, struct elect_event *event);

struct seat *election_seat(struct election *election, const char *tier); /* NULL: none */

/* Of udp_options and watch_options. */
void election_take(void *arg, const struct udp_datagram *datagram);
void election_batch(void *arg);
bool election_may_watch(void *arg, const struct address *from);
void election_gone(void *arg, size_t line, const struct address *to);

/* ---- election_act.c ------------------------------------------------------------------------- */

/* All of election->actions, in their order, after the view was published. */
void election_act(struct election *election, struct seat *seat, const struct elect_event *event);

/* ---- election_send.c ------------------------------------------------------------------------ */

void election_send(struct election *election, struct seat *seat, struct ballot *ballot,
                   const struct address *to);
void election_send_all(struct election *election, struct seat *seat, struct ballot *ballot);

/* ---- election_group.c ----------------------------------------------------------------------- */

struct address election_group_of(const struct election *election, const struct seat *seat);

/* The group of the tier, joined where that is due; left. False: it is due, and cannot be. Joining
 * may wait for the kernel: only before the elections begin. */
bool election_join_group(struct election *election, struct seat *seat);
void election_leave_group(struct election *election, struct seat *seat);

/* Has the interfaces of all groups looked for, and joins there where that is not done yet. */
void election_look_for_groups(struct election *election);

/* ---- election_tiers.c ----------------------------------------------------------------------- */

/* Takes a seat in the tier; its machine is not begun yet. */
struct seat *election_join(struct election *election, const struct election_tier *tier);
void election_begin(struct election *election, struct seat *seat);
void election_end(struct election *election, struct seat *seat); /* leaves, in good order */
void election_drop(struct election *election, struct seat *seat);
void election_apply(struct election *election, const struct election_tier *tiers, size_t count);

#endif
