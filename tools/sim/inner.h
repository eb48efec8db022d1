/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_SIM_INNER_H
#define POND_TOOLS_SIM_INNER_H

#include "cache/exchange.h"
#include "cache/manifest.h"
#include "src/base/rng.h"
#include "src/gate.h"
#include "src/speak.h"
#include "tools/sim/sim.h"
#include "tools/sim/twin.h"

/*
 * What the simulator's files share: world.c is the clock, the queue of events and the history;
 * net.c carries datagrams and HTTP between nodes; node.c drives one node as the daemon does; twin.c
 * stands in for the store; check.c watches; plan.c rolls the dice for a random run; scenario.c has
 * the fixed ones.
 */
#define SIM_DOMAIN "example.com"
#define SIM_WIRE_LEAST_NS INT64_C(200000) /* one way */
#define SIM_WIRE_MOST_NS MONO_MS(2)
#define SIM_BEGIN_NS MONO_S(100) /* what the clock says when a run begins */
enum { SIM_CAPTURED_MAX = 64, SIM_UDP_PORT = 65027, SIM_HTTP_PORT = 65028 };

struct sim;

/* Something that happens at a time. The bytes are freed after it. */
struct sim_event {
    mono_t at;
    uint64_t order; /* among those of the same time: as they were made */
    void (*run)(struct sim *sim, struct sim_event *event);
    int node;
    int peer;
    uint32_t life; /* of the node: one that crashed meanwhile does not see it */
    uint64_t number, other;
    struct address from;
    bool hostile;
    char *bytes;
    size_t len;
};

/* ---- faults: probabilities are in thousandths ----------------------------------------------- */

struct sim_faults {
    unsigned loss, duplication, delay;      /* of a datagram */
    int64_t delay_ns;                       /* the most, where it is delayed */
    unsigned hostile;                       /* an attacker acts upon a datagram that he sees */
    unsigned http_failed, http_wrong;       /* of an HTTP answer */
    bool cut[SIM_NODES_MAX][SIM_NODES_MAX]; /* from, to: nothing comes through */
};

/* ---- a node ---------------------------------------------------------------------------------- */

/* A set of numbers, which grows. */
struct sim_set {
    uint64_t *at;
    size_t used, cap;
};
bool sim_set_add(struct sim_set *set, uint64_t number); /* false: it was there */
void sim_set_free(struct sim_set *set);

/* Somebody on the node wants something. */
struct sim_ticket {
    uint64_t id;
    enum exchange_ask ask;
    int name;
    mono_t asked;
    bool fetch;     /* and then wants the content */
    bool must_find; /* somebody holds it, and nothing is in the way */
};
enum { SIM_TICKETS_MAX = 4096 };

struct sim_node {
    int index;
    bool up;
    uint32_t life;
    char name[16];
    struct address address;
    int64_t wall_offset_ms;
    uint64_t boot;
    struct exchange *machine;
    struct exchange_actions *actions;
    struct gate *gate;
    struct members *members;
    struct speaker *speaker;
    uint64_t wake; /* number of the wake-up that counts */
    struct twin twin;
    struct sim_set passed; /* what was let in during this life */
    struct sim_ticket tickets[SIM_TICKETS_MAX];
    size_t ticket_count;
};

/* ---- the world ------------------------------------------------------------------------------- */

struct sim_captured {
    char *bytes;
    size_t len;
    int from;
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
    int node_count;
    int names; /* how many there are to put and to ask for */
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_faults faults;
    struct keyring *keyring;
    struct keyring *wrong_keyring;
    struct speaker *attacker;
    struct sim_captured captured[SIM_CAPTURED_MAX];
    size_t captured_count;
    struct sim_set said;      /* hashes of sender, counter and what was said */
    struct sim_set manifests; /* hashes of the texts that were made */
    uint64_t next_ticket;
    uint64_t http_requests;
};

/* world.c */
bool sim_chance(struct sim *sim, unsigned thousandths);
int64_t sim_between(struct sim *sim, int64_t least, int64_t most);
struct sim_event *sim_at(struct sim *sim, int64_t after_ns,
                         void (*run)(struct sim *sim, struct sim_event *event), int node);
void sim_event_bytes(struct sim_event *event, const void *bytes, size_t len);
void sim_until(struct sim *sim, mono_t end);
void sim_note(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sim_failed(const struct sim *sim);
bool sim_planted(const struct sim *sim, enum sim_plant plant);
uint64_t sim_hash(const void *bytes, size_t len, uint64_t seed);

/* net.c, http.c */
enum sim_http { SIM_GET_MANIFEST, SIM_GET_PAGE, SIM_GET_CONTENT };
int sim_node_at(const struct sim *sim, const struct address *address); /* or -1 */
bool sim_path(const struct sim *sim, int from, int to);
void sim_send(struct sim *sim, struct sim_node *from, const struct address *to, bool to_all,
              const struct text *datagram);
void sim_deliver(struct sim *sim, int from, int to, const void *bytes, size_t len, bool hostile);

/* The answer comes with cache_http_done, always, as long as the asker lives. */
struct sim_request {
    enum sim_http what;
    int name;
    uint64_t store_id, since; /* a page */
    uint64_t version;         /* content */
    uint64_t ticket;          /* content: for whom */
};
struct sim_answer {
    bool reached, found, wrong;
    uint64_t store_id, last;
    bool more;
    struct span body;
};
void sim_get(struct sim *sim, struct sim_node *from, const struct address *to,
             const struct sim_request *request);

/* attack.c: hears everything, says anything from any address, and has no key */
void attack_capture(struct sim *sim, int from, const char *bytes, size_t len);
void attack_now(struct sim *sim);

/* cache.c: the exchange of a node */
void cache_step(struct sim *sim, struct sim_node *node, struct exchange_event *event);
void cache_put(struct sim *sim, int index, int name, bool deleted);
void cache_ask(struct sim *sim, int index, int name, enum exchange_ask ask, bool fetch,
               bool must_find);
void cache_datagram(struct sim *sim, struct sim_event *event);
void cache_http_done(struct sim *sim, struct sim_node *node, const struct address *from,
                     const struct sim_request *request, const struct sim_answer *answer);
void cache_want_content(struct sim *sim, struct sim_node *node, int name);
void sim_name(int name, char out[NAME_SIZE]);
int sim_name_number(const char *name); /* or -1 */

/* node.c */
void sim_node_start(struct sim *sim, int index, bool keep_catalogue);
void sim_node_crash(struct sim *sim, int index);
void sim_node_free(struct sim_node *node);
wall_t sim_node_wall(const struct sim *sim, const struct sim_node *node);

/* check_cache.c */
void check_said(struct sim *sim, const struct notice *notice);
void check_let_in(struct sim *sim, struct sim_node *node, const struct notice *notice);
void check_made(struct sim *sim, const struct twin_entry *entry);
void check_newer(struct sim *sim, struct sim_node *node, const struct twin_entry *before,
                 const struct twin_entry *after);
void check_adopted(struct sim *sim, struct sim_node *node, const struct twin_entry *before,
                   const struct twin_entry *after);
void check_figures(struct sim *sim, const struct sim_node *node);
void check_tickets(struct sim *sim);
bool check_somebody_holds(const struct sim *sim, int name);
bool check_agreed(const struct sim *sim, char *why, size_t cap);

/* plan.c, scenario.c */
void sim_plan(struct sim *sim);
void sim_scenario(struct sim *sim);
void sim_end_faults(struct sim *sim);
void sim_settle(struct sim *sim);

#endif
