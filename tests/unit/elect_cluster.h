/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_ELECT_CLUSTER_H
#define POND_TESTS_UNIT_ELECT_CLUSTER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "election/elect.h"
#include "src/base/rng.h"
#include "tests/unit/unit.h"

/*
 * A tier in memory: the machines of a few nodes, wired by a list of what is under way between them,
 * in virtual time. Each node does as the driver must: hands in what has come before it wakes the
 * machine, fills in the counters, writes to a disk that takes its time.
 *
 * After every step it is checked that the view's epoch has not gone back, that each mastership
 * of a node has a higher epoch than its last, over crashes too, that no advert tells an epoch that
 * is not on its sender's disk, and that no machine wants to be woken without end.
 */
enum { CLUSTER_NODES = 7, CLUSTER_MAIL = 4096, CLUSTER_RECORD = 64 };

struct station {
    struct elect *machine; /* NULL: its process does not run */
    struct elect_rules rules;
    struct elect_self self;
    uint64_t boot, counter;
    mono_t deadline;
    bool paused;
    bool disk_stuck, owed;
    struct elect_memory disk;
    struct address watched;
    uint64_t epoch;   /* in the view, ever, in this life */
    uint64_t reigned; /* the highest epoch that it was master with, ever */
    /* What it did: */
    unsigned roles, again, adverts, solicits, standings, answers, leavings, persists;
    enum reason reason; /* of its last ROLE */
    uint16_t asks;
};

struct mail {
    mono_t at;
    size_t from, to; /* from == to: its disk has taken `reserved` */
    uint64_t reserved;
    struct elect_memory *memory;
    struct ballot ballot;
};

struct cluster {
    mono_t now;
    size_t count;
    struct station stations[CLUSTER_NODES];
    bool cut[CLUSTER_NODES][CLUSTER_NODES]; /* from, to */
    unsigned loss, doubles;                 /* of a hundred */
    int64_t delay_ns, disk_ns;
    int64_t jitter_ns; /* beyond the delay: what is sent later may come earlier */
    struct rng rng;
    struct mail *mail;
    size_t mail_count;
    struct mail record[CLUSTER_RECORD]; /* some of what was ever sent */
    struct elect_actions *actions;      /* of the last step */
};

struct address node_address(size_t node);

/* `count` nodes that are candidates at pairs 1 + 0, not begun. Change their rules and self before
 * cluster_begin. */
struct cluster *cluster_new(size_t count);

/* The same, begun: node 0 is master, all know each other, and it is between two adverts. */
struct cluster *cluster_running(size_t count);
void cluster_free(struct cluster *c);

/* Makes one a slave, in the rules of all, or of the node `at` alone. */
void cluster_make_slave(struct cluster *c, size_t node);
void cluster_unname(struct cluster *c, size_t node, size_t at);
void cluster_set_pair(struct cluster *c, size_t node, uint32_t base_us, uint8_t skew);

void cluster_begin(struct cluster *c, size_t node); /* its process starts, from what is on disk */
void cluster_begin_all(struct cluster *c);
void cluster_kill(struct cluster *c, size_t node); /* without a word */
void cluster_end(struct cluster *c, size_t node);  /* in good order */
void cluster_pause(struct cluster *c, size_t node);
void cluster_continue(struct cluster *c, size_t node);
void cluster_stick_disk(struct cluster *c, size_t node, bool stuck);
void cluster_cut(struct cluster *c, size_t a, size_t b, bool cut); /* both ways */

/* What is under way does not arrive. */
void cluster_lose(struct cluster *c, size_t which);

/* Something that was said long ago, or just now, is said again. */
void cluster_replay(struct cluster *c);

/* Time passes. */
void cluster_run(struct cluster *c, int64_t ns);

/* One event for one node, at the cluster's time; its actions are carried out, and kept. */
void cluster_event(struct cluster *c, size_t node, struct elect_event event);
void cluster_tell_self(struct cluster *c, size_t node);  /* as in its station */
void cluster_tell_rules(struct cluster *c, size_t node); /* as in its station */
void cluster_demote(struct cluster *c, size_t node, uint16_t demotion);
void cluster_refuse_watch(struct cluster *c, size_t dead);

/* The one master, or a failed test. */
size_t cluster_master(const struct cluster *c);
size_t cluster_masters(const struct cluster *c); /* how many */
enum elect_state cluster_state(const struct cluster *c, size_t node);
struct view_tier cluster_view(const struct cluster *c, size_t node);

/* Runs until there is one master that everybody follows who runs, and returns how long that took;
 * fails after `most`. */
int64_t cluster_settle(struct cluster *c, int64_t most);

#endif
