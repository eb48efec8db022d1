/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_FLIGHTS_BENCH_H
#define POND_TESTS_UNIT_FLIGHTS_BENCH_H

#include <pthread.h>
#include <stdatomic.h>

#include "src/flights.h"
#include "tests/unit/serve.h"

/* What the tests of the flights share: content, hosts that have it, and a node that fetches. */

/* Content made of a seed, and the manifest that vouches for it. */
struct goods {
    uint8_t *bytes;
    uint64_t size;
    struct manifest manifest;
    struct digest *list; /* of its chunks */
    uint32_t count;
};
void goods_make(struct goods *goods, const char *name, uint64_t size, uint64_t seed);
void goods_free(struct goods *goods);

/* A host that has it, or says so. */
enum manners {
    HONEST,
    WRONG_CHUNK, /* from `after` bytes on, its chunks are not what they should be */
    WRONG_LIST,
    DIES, /* after it sent `after` bytes, for good */
    BUSY, /* at first, with Retry-After: 1 */
    HAS_NOT,
    SLOW,
    STALLS /* after it sent `after` bytes, until `go` */
};
struct host {
    const struct goods *goods;
    enum manners manners;
    uint64_t after;
    const char *name; /* under which it has the content; NULL: whatever is asked for */
    struct serve *serve;
    _Atomic uint64_t sent; /* bytes of content */
    _Atomic uint32_t asked_busy;
    _Atomic bool go;
    pthread_mutex_t lock; /* guards the ranges */
    size_t range_count;
    uint64_t ranges[64]; /* where each run began */
};
void host_start(struct host *host, const struct goods *goods, enum manners manners, uint64_t after);
void host_stop(struct host *host);

/* For whom the benches fetch. */
static const struct share own_host = {.kind = SHARE_OWN_HOST};

/* A node: store, fetcher, flights; whoever it asks for sources is told of `hosts`. */
enum { NODE_HOSTS_MAX = 4, NODE_BLAMES_MAX = 64 };
struct node {
    char home[64];
    struct store *store;
    struct fetch *fetch;
    struct flights *flights;
    struct host *hosts[NODE_HOSTS_MAX];
    size_t host_count;
    bool mute;                    /* never answers who has it */
    const struct manifest *other; /* as what the content is to be had, once all were asked */
    void (*on_fine)(void *arg);   /* called when a source is praised; or NULL */
    void *on_fine_arg;
    void (*on_fault)(void *arg); /* called when one is blamed; or NULL */
    void *on_fault_arg;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    unsigned ended, landed, gone;
    enum flights_end how; /* the last one */
    size_t blame_count;
    struct {
        struct address who;
        enum peer_fault fault;
    } blames[NODE_BLAMES_MAX];
};
void node_open(struct node *node, const char *home); /* NULL: a fresh one */
void node_close(struct node *node, bool forget);     /* forget: with all that it holds */
void node_knows(struct node *node, struct host *host);
void node_adopt(struct node *node, const struct goods *goods);
void node_wait_ended(struct node *node, unsigned ended);
bool node_blamed(struct node *node, const struct host *host, enum peer_fault fault);
bool node_holds(struct node *node, const struct goods *goods); /* every byte of it */

/* A reader that reads from..to-1 on its own thread and compares. */
struct reading {
    struct flights *flights;
    const struct goods *goods;
    uint64_t from, to;
    pthread_t thread;
    pthread_mutex_t lock; /* guards woken */
    pthread_cond_t wake;
    unsigned woken, waits;
    uint64_t read;
    bool failed, differs;
};
void reading_start(struct reading *reading, struct node *node, const struct goods *goods,
                   uint64_t from, uint64_t to);
void reading_join(struct reading *reading);

#endif
