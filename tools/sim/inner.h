/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_SIM_INNER_H
#define POND_TOOLS_SIM_INNER_H

#include "cache/exchange.h"
#include "cache/manifest.h"
#include "src/base/rng.h"
#include "src/gate.h"
#include "src/holders.h"
#include "src/routes.h"
#include "src/speak.h"
#include "tools/sim/elector.h"
#include "tools/sim/sim.h"
#include "tools/sim/twin.h"

/*
 * What the simulator's files share.
 *
 *     world.c            the clock, the queue of events, the history
 *     dice.c             chance, hashes, sets of hashes
 *     net.c, http.c      carry datagrams and requests between nodes
 *     place.c            who is what to whom, as its view of the elections and the routes have it
 *     attack.c           replays, edits and forges what it has heard
 *     node.c             life and death of a node, its clocks, its pauses
 *     cache.c, twin.c    drive its exchange, and stand in for its store
 *     compare.c          reads a catalogue by ranges of names
 *     fetch.c, sources.c its fetches, and whom they ask
 *     chunks.c           what comes of them, chunk by chunk
 *     readers.c          those to whom content is given
 *     keep.c             what it must keep, and drops
 *     elector.c          drives its elections, as the daemon's thread does
 *     watch.c, disk.c    their watched connections, and what they have on disk
 *     check_*.c          watch
 *     plan.c, faults.c, settle.c    a random run: its course, its faults, what must come after them
 *     scenario*.c        the fixed courses
 */
#define SIM_DOMAIN "example.com"
#define SIM_BEGIN_NS MONO_S(100)          /* what the clock says when a run begins */
#define SIM_WIRE_LEAST_NS INT64_C(200000) /* one way */
#define SIM_WIRE_MOST_NS MONO_MS(2)
enum {
    SIM_CAPTURED_MAX = 64,
    SIM_SOCKET_MAX = 128, /* datagrams that wait for a process that stands still */
    SIM_UDP_PORT = 65027,
    SIM_HTTP_PORT = 65028,
    SIM_ADVERT_PORT = 65029
};

/* Something that happens at a time. The bytes are freed after it. */
struct sim_event {
    mono_t at;
    uint64_t order; /* among those of the same time: as they were made */
    void (*run)(struct sim *sim, struct sim_event *event);
    int node; /* whose process does it: waits where it stands still; -1: nobody's */
    int peer;
    uint32_t life; /* of the node: one that crashed meanwhile does not see it */
    uint64_t number, other;
    struct digest sha256;
    struct address from;
    uint16_t port; /* of a datagram: to which */
    bool to_group; /* of a datagram: multicast */
    int hops;      /* its TTL */
    char *bytes;
    size_t len;
};

/* ---- faults: probabilities are in thousandths ------------------------------------------------ */

struct sim_faults {
    unsigned loss, duplication, delay;      /* of a datagram */
    int64_t delay_ns;                       /* the most, where it is delayed */
    unsigned hostile;                       /* an attacker acts upon a datagram that he sees */
    unsigned http_failed, http_wrong;       /* of an HTTP answer */
    unsigned slow;                          /* a reader is */
    bool cut[SIM_NODES_MAX][SIM_NODES_MAX]; /* from, to: nothing comes through */
    uint64_t side;                          /* of a partition: a bit for each node */
    uint64_t partition;                     /* its number */
    bool kinds[SIM_FAULT_COUNT];            /* those that there are in this run */
    mono_t over;                            /* when they end */
};

/* ---- a node ---------------------------------------------------------------------------------- */

enum sim_part { SIM_STRANGER, SIM_CANDIDATE, SIM_SLAVE };

/* A set of numbers, which grows. */
struct sim_set {
    uint64_t *at;
    size_t used, cap;
};
bool sim_set_add(struct sim_set *set, uint64_t number); /* false: it was there */
bool sim_set_has(const struct sim_set *set, uint64_t number);
void sim_set_free(struct sim_set *set);

/* Events that wait. */
struct sim_list {
    struct sim_event **at;
    size_t count, cap;
};

/* Somebody on the node wants something. */
struct sim_ticket {
    uint64_t id;
    enum exchange_ask ask;
    int name;
    mono_t asked;
    bool fetch;     /* and then wants the content */
    bool must_find; /* somebody holds it, and nothing is in the way */

    /* of copies: */
    size_t copies;
    struct version version;
    struct digest sha256;
    int64_t patience_ns;
};
enum { SIM_TICKETS_MAX = 4096 };

struct sim_node {
    int index;
    bool up;
    uint32_t life;
    mono_t started;
    char name[16];
    struct address address;
    uint64_t boot;
    uint64_t top_boot; /* the highest that it ever had */
    bool home_changed; /* since then */
    bool lost_home;    /* once */
    bool boot_fell;    /* it has started with a lower one than before */

    /* its clocks */
    int64_t wall_offset_ms;
    int64_t mono_base;
    int64_t drift_ppm;

    /* where it stands still */
    bool paused;
    bool deaf;    /* so does its host: what comes is lost */
    mono_t awake; /* when the elections' loop should have been, by its own clock */
    mono_t resumed;
    struct sim_list socket; /* datagrams */
    struct sim_list held;   /* all else */

    struct gate *gate;
    struct members *members;
    struct view *view;
    struct routes routes;
    struct view_tier shown[SIM_TIERS_MAX]; /* as published last */
    bool changing;                         /* its catalogue: the elections will be told */
    struct speaker *speaker;

    /* its exchange */
    struct exchange *machine;
    struct exchange_actions *actions;
    uint64_t wake; /* number of the wake-up that counts */
    struct twin twin;
    struct sim_set passed; /* what was let in during this life */
    struct sim_ticket tickets[SIM_TICKETS_MAX];
    size_t ticket_count;
    struct sim_survey *surveys; /* comparisons by ranges that are under way */
    struct sim_flight *flights; /* content on its way here; */
    struct holders *holders;    /* who lately said that it holds what */
    struct sim_reader *readers; /* and those to whom it is given */

    /* its elections */
    struct disk disk;
    struct ballot_box *box; /* signs and judges ballots */
    uint64_t counter;       /* of ballots said in this life */
    struct elector electors[SIM_TIERS_MAX];
    enum sim_part parts[SIM_TIERS_MAX][SIM_NODES_MAX]; /* who is what, as it has read last */
    mono_t read;                                       /* when that was */
    struct sim_set heard;                              /* ballots that were handed in, ever */
    struct sim_set places;                             /* of its own ballots: boot and counter */
};

/* ---- the world ------------------------------------------------------------------------------- */

struct sim_tier {
    char name[TIER_SIZE];
    bool multicast;                          /* adverts go to a group, else to each */
    enum sim_part parts[SIM_NODES_MAX];      /* as its nets file says now */
    struct elect_rules rules[SIM_NODES_MAX]; /* as each node was last told */
    uint16_t demotion[SIM_NODES_MAX];
    bool behind[SIM_NODES_MAX];
};

struct sim_captured {
    char *bytes;
    size_t len;
    int from;
    uint16_t port;
    bool to_group;
};

struct sim {
    struct sim_options options;
    struct sim_result *result;
    struct rng rng;
    mono_t now;
    struct sim_event **queue;
    size_t queued, queue_cap;
    uint64_t order;
    bool broadcast; /* no nets files: everyone hears everyone; else all are members */
    bool by_tiers;  /* content goes the ways of the tiers; else all are peers of a mesh too */
    int node_count;
    int tier_count;
    int names; /* how many there are to put and to ask for: */
    int spare; /* the last of them, in a random run, is put by nobody before the faults have ended
                */
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_tier tiers[SIM_TIERS_MAX];
    struct sim_faults faults;
    mono_t trouble[SIM_NODES_MAX][SIM_NODES_MAX]; /* from, to: until when not all came in time */
    mono_t arrived[SIM_NODES_MAX][SIM_NODES_MAX]; /* from, to: the last, where nothing overtakes */
    mono_t changed;                               /* when a role was last changed */
    struct keyring *keyring;
    struct keyring *wrong_keyring;
    struct attacker *attacker;
    struct sim_captured captured[SIM_CAPTURED_MAX];
    size_t captured_count;
    struct sim_set said;      /* hashes of sender, counter and what was said */
    struct sim_set manifests; /* hashes of the texts that were made */
    uint64_t next_ticket;
    uint64_t next_id;              /* of flights and readers */
    uint64_t calls;                /* over HTTP */
    struct sim_put **puts;         /* by the number of the name: the last of each */
    uint64_t said_by_caches;       /* datagrams */
    bool wrong_answers;            /* there were some, so that some are set aside */
    struct elect_actions *elected; /* of one step */
};

/* world.c */
struct sim_event *sim_at(struct sim *sim, int64_t after_ns,
                         void (*run)(struct sim *sim, struct sim_event *event), int node);
void sim_event_bytes(struct sim_event *event, const void *bytes, size_t len);
void sim_again(struct sim *sim, struct sim_event *event); /* now, in its old order */
void sim_event_free(struct sim_event *event);
void sim_until(struct sim *sim, mono_t end);
void sim_note(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sim_failed(const struct sim *sim);
bool sim_planted(const struct sim *sim, enum sim_plant plant);
void sim_count(struct sim *sim, enum sim_fault fault); /* it has happened */

/* dice.c */
bool sim_chance(struct sim *sim, unsigned thousandths);
int64_t sim_between(struct sim *sim, int64_t least, int64_t most);
int64_t sim_scale(struct sim *sim, int64_t least, int64_t most); /* each magnitude as often */
uint64_t sim_hash(const void *bytes, size_t len, uint64_t seed);

/* net.c, http.c */
enum sim_http {
    SIM_GET_MANIFEST,
    SIM_GET_PAGE,
    SIM_GET_RANGES,
    SIM_GET_NAMES,
    SIM_GET_LIST,
    SIM_GET_RUN
};
int sim_node_at(const struct sim *sim, const struct address *address); /* or -1 */
bool sim_path(const struct sim *sim, int from, int to);
struct sim_packet {
    const void *bytes;
    size_t len;
    struct address from; /* as it says */
    uint16_t port;
    bool to_group;
    int hops;
};
void sim_send(struct sim *sim, struct sim_node *from, int to, const struct sim_packet *packet);
void sim_capture(struct sim *sim, const struct sim_node *from, const struct sim_packet *packet);
void sim_deliver(struct sim *sim, int from, int to, const struct sim_packet *packet);
void sim_trouble(struct sim *sim, int from, int to, mono_t until);

/* The answer comes with cache_http_done, always, as long as the asker lives. */
struct sim_request {
    enum sim_http what;
    int name;
    uint64_t store_id, since; /* a page */
    char from[32], to[32];    /* ranges, or a page of the names in one; */
    struct digest head;       /* of the own catalogue; zero: not said */
    uint64_t version;         /* content, */
    struct digest sha256;     /* and which, where two are of the same version */
    bool only_held;           /* content: only-if-cached */
    uint32_t first, last;     /* a run of its chunks */
};
struct sim_call {
    uint64_t number;
    int asker, server;
    uint32_t life; /* of the asker */
    struct address to;
    struct sim_request request;
};
struct sim_answer {
    bool reached, found, wrong;
    bool refused, busy, redirected;
    struct address master; /* redirected: to it */
    uint64_t store_id, last;
    bool more;
    struct span body;
};
uint64_t sim_get(struct sim *sim, struct sim_node *from, const struct address *to,
                 const struct sim_request *request);
bool sim_call_is_gone(const struct sim *sim,
                      const struct sim_call *call); /* who asked is no more */
void sim_call_answers(struct sim *sim, const struct sim_call *call,
                      const struct sim_answer *answer);
void sim_call_breaks(struct sim *sim, const struct sim_call *call, bool with_host);

/* place.c */
void place_begin(struct sim_node *node);
void place_end(struct sim_node *node);
void place_publish(struct sim *sim, struct sim_node *node, int tier);
void place_withdraw(struct sim *sim, struct sim_node *node, int tier);
void place_look(struct sim *sim, struct sim_node *node);
void place_standing(struct sim *sim, struct sim_node *node, int tier,
                    const struct ballot *standing);
unsigned place_relations(const struct sim *sim, const struct sim_node *node,
                         const struct address *host);
struct routes_answer place_serve(const struct sim *sim, const struct sim_node *node, int asker);
size_t place_sources(const struct sim *sim, const struct sim_node *node,
                     struct routes_source out[ROUTES_MAX]);
bool place_reaches(const struct sim *sim, const struct sim_node *node, int to, unsigned audiences);
struct route_place place_of(const struct sim *sim, const struct sim_node *node);

/* fetch.c */
void fetch_end(struct sim *sim, struct sim_node *node, bool with_host);
void fetch_want(struct sim *sim, struct sim_node *node, int name);
void fetch_came(struct sim *sim, struct sim_node *node, const struct sim_call *call,
                const struct sim_answer *answer);

/* chunks.c */
bool content_has_room(const struct sim *sim, const struct sim_node *node);

/* sources.c */
void fetch_told(struct sim *sim, struct sim_node *node, int name,
                const struct exchange_action *action);
void fetch_offered(struct sim *sim, struct sim_node *node, const struct notice *notice,
                   const struct address *from);
void fetch_look(struct sim *sim, struct sim_node *node);

/* readers.c */
bool readers_take(struct sim *sim, const struct sim_call *call, bool may_fetch);
void readers_cut(struct sim *sim, const struct address *server, uint64_t call);
void fetch_read(struct sim *sim, int index, int name, bool must_find);
void fetch_read_within(struct sim *sim, int index, int name); /* from somewhere in it on */

/* keep.c */
void keep_put(struct sim *sim, struct sim_node *node, int name);
void keep_adopted(struct sim *sim, struct sim_node *node, int name, int from);
void keep_begin(struct sim *sim, struct sim_node *node);
void keep_look(struct sim *sim, struct sim_node *node);
void keep_rebuilt(struct sim *sim, struct sim_node *node);
void keep_changed(struct sim *sim, struct sim_node *node);
void keep_confirmed(struct sim *sim, struct sim_node *node, const struct exchange_action *action);
void keep_want(struct sim *sim, struct sim_node *node, const struct exchange_action *action);
void keep_drop(struct sim *sim, struct sim_node *node, int name);
void keep_landed(struct sim *sim, struct sim_node *node, int name, const struct address *from);

/* attack.c: hears everything, says anything from any address, and has no key */
void attack_begin(struct sim *sim);
void attack_end(struct sim *sim);
void attack_capture(struct sim *sim, int from, const struct sim_packet *packet);
void attack_now(struct sim *sim);

/* cache.c: the exchange of a node */
void cache_step(struct sim *sim, struct sim_node *node, struct exchange_event *event);
bool cache_put(struct sim *sim, int index, int name, bool deleted); /* false: it does not */
bool cache_put_untold(struct sim *sim, int index, int name, bool deleted);
void cache_drop(struct sim *sim, struct sim_node *node, uint64_t ticket);
bool cache_order(struct sim *sim, struct sim_node *node, const struct sim_ticket *ticket);
struct exchange_local cache_local(const struct sim *sim, const struct sim_node *node, int name);
bool cache_ask(struct sim *sim, int index, int name, enum exchange_ask ask, bool fetch,
               bool must_find); /* false: it cannot just now */
void cache_datagram(struct sim *sim, struct sim_event *event);
void cache_http_done(struct sim *sim, struct sim_node *node, const struct sim_call *call,
                     const struct sim_answer *answer);
struct sim_page {
    uint64_t count;
    char last[NAME_SIZE]; /* empty: there was none */
};
enum exchange_result cache_adopt_all(struct sim *sim, struct sim_node *node,
                                     const struct sim_call *call, struct span body,
                                     struct sim_page *page);
enum peer_fault cache_fault(const struct sim_answer *answer); /* where nothing was found */
void cache_report_later(struct sim *sim, struct sim_node *node, int name,
                        const struct exchange_event *done);
void sim_name(int name, char out[NAME_SIZE]);
int sim_name_number(const char *name); /* or -1 */

/* compare.c: a catalogue by ranges of names */
void compare_begin(struct sim *sim, struct sim_node *node, const struct address *server);
void compare_answered(struct sim *sim, struct sim_node *node, const struct sim_call *call,
                      const struct sim_answer *answer);
void compare_serve(const struct sim *sim, const struct sim_node *server,
                   const struct sim_request *request, struct sim_answer *answer, struct text *body);
void compare_end_all(struct sim_node *node);

/* check_compare.c */
struct sim_before;
struct sim_before *check_compare_begin(const struct sim *sim, const struct sim_node *node,
                                       const struct sim_node *server);
void check_compared(struct sim *sim, const struct sim_node *node, const struct sim_before *before,
                    uint64_t store_id, uint64_t read, uint64_t small);

/* node.c */
enum sim_home {
    SIM_HOME_KEPT,
    SIM_HOME_REBUILT, /* the catalogue is lost, and made anew from the journal */
    SIM_HOME_RESTORED,
    SIM_HOME_LOST
};
void sim_node_start(struct sim *sim, int index, enum sim_home home);
void sim_node_read_nets(struct sim *sim, int index); /* while it runs */
void sim_node_crash(struct sim *sim, int index, bool with_host);
void sim_node_stop(struct sim *sim, int index); /* in good order */
void sim_node_pause(struct sim *sim, int index, bool deaf);
void sim_node_resume(struct sim *sim, int index);
void sim_node_hold(struct sim_list *list, struct sim_event *event);
void sim_node_free(struct sim *sim, struct sim_node *node);
wall_t sim_node_wall(const struct sim *sim, const struct sim_node *node);
mono_t sim_node_mono(const struct sim *sim, const struct sim_node *node);
int64_t sim_node_wait(const struct sim *sim, const struct sim_node *node, mono_t deadline);

/* copies.c: puts that wait for their copies */
void copies_put(struct sim *sim, int index, int name, size_t most);
void copies_answered(struct sim *sim, const struct sim_node *node, const struct sim_ticket *ticket,
                     bool found);

/* check_flow.c */
void check_served(struct sim *sim, const struct sim_call *call, enum route_serve verdict);
void check_no_knot(struct sim *sim, const struct sim_node *node, int name);
void check_fetches(struct sim *sim);
void check_given(struct sim *sim, const struct sim_node *node, const struct digest *sha256,
                 uint32_t chunk, uint64_t bytes);
void check_read(struct sim *sim, struct sim_node *node, int name, struct version version,
                struct version least);

/* check_promise.c */
void check_promise_begin(struct sim *sim);
void check_promise_end(struct sim *sim);
void check_put(struct sim *sim, const struct sim_node *node, int name,
               const struct twin_entry *before);
void check_held(struct sim *sim, const struct sim_node *node, int name);
void check_copies(struct sim *sim, const struct sim_node *node, const struct sim_ticket *ticket,
                  uint64_t candidates);
void check_says_kept(struct sim *sim, const struct sim_node *node, const struct notice *said);
void check_home_lost(struct sim *sim, const struct sim_node *node);
void check_place(struct sim *sim, const struct sim_node *node);
void check_replaced(struct sim *sim, const struct sim_node *node, int name,
                    const struct twin_entry *before);
void check_confirmed(struct sim *sim, const struct sim_node *node, int name, int by);
void check_dropped(struct sim *sim, const struct sim_node *node, int name);
bool check_is_lost(const struct sim *sim, int name);
void check_kept(struct sim *sim);
void check_nothing_lost(struct sim *sim);
bool check_must_keep(const struct sim *sim, const struct sim_node *node, int name);

/* check_cache.c */
void check_said(struct sim *sim, const struct notice *notice);
void check_let_in(struct sim *sim, struct sim_node *node, const struct notice *notice);
bool check_boots_fell(const struct sim *sim);
void check_made(struct sim *sim, const struct twin_entry *entry);
int check_order(const struct twin_entry *a, const struct twin_entry *b);
void check_newer(struct sim *sim, struct sim_node *node, const struct twin_entry *before,
                 const struct twin_entry *after);
void check_adopted(struct sim *sim, struct sim_node *node, const struct twin_entry *before,
                   const struct twin_entry *after);
void check_figures(struct sim *sim, const struct sim_node *node);
void check_tickets(struct sim *sim);
bool check_somebody_holds(const struct sim *sim, int name);
bool check_agreed(const struct sim *sim, char *why, size_t cap);

/* plan.c, faults.c, settle.c, scenario.c */
void sim_plan(struct sim *sim);
void sim_scenario(struct sim *sim);
void faults_begin(struct sim *sim, int64_t active_ns);
void faults_end(struct sim *sim);
void plan_nodes(struct sim *sim, int count, bool v6);
void plan_read(struct sim *sim, int index); /* into its rules */
void settle(struct sim *sim);
void settle_undisturbed(struct sim *sim);
void settle_agree(struct sim *sim);
void settle_pass(struct sim *sim, int64_t seconds);

#endif
