/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_SIM_FETCH_H
#define POND_TOOLS_SIM_FETCH_H

#include "cache/flight.h"
#include "tools/sim/inner.h"

/*
 * Content on its way: flights, which fetch it (fetch.c, sources.c), and readers, to whom it is
 * given chunk by chunk (readers.c). Both are known by numbers: a step may end them.
 */
struct sim_content {
    int name;
    struct version version;
    struct digest sha256;
    uint64_t size;
};

enum { SIM_WINDOW = 3 }; /* chunks that are here at a time of what is only passed on */

struct sim_flight {
    struct sim_flight *next;
    uint64_t id;
    struct sim_content content;
    uint64_t chunks[TWIN_CHUNKS_MAX]; /* what is here of it */
    bool passes;                      /* there was no room: it is not kept. */
    uint32_t passed[SIM_WINDOW];      /* Those that are here, as they came */
    uint32_t passed_count;
    mono_t began;
    uint64_t wake;               /* number of the wake-up that counts */
    bool asking;                 /* the exchange, who holds it */
    uint64_t call;               /* under way; 0: none */
    uint32_t last;               /* of its run */
    mono_t heard;                /* when something of its answer came last */
    bool begun;                  /* some of it came */
    bool may_wait;               /* who is asked may fetch it for us */
    bool may_go_on;              /* it was not sent on by another yet */
    struct address server, goal; /* who was asked first, and is asked now */
    struct flight machine;
};

struct sim_reader {
    struct sim_reader *next;
    uint64_t id;
    uint64_t flight; /* 0: the content is whole here */
    struct sim_content content;
    uint64_t chunks[TWIN_CHUNKS_MAX]; /* where it is whole here: as in the file that was opened */
    mono_t since;
    bool is_list;      /* waits for that alone */
    uint32_t at, last; /* the chunk that is next, */
    uint64_t goes;     /* and what is on the wire of it */
    bool begun, sending;
    bool slow;
    bool is_client; /* of the node; else the request of another: */
    struct sim_call call;
    bool must_find;
    struct version least; /* that a client must be given: others had it before it came */
};

/* fetch.c */
struct sim_content content_of(const struct sim_node *node, int name);
bool content_is_newest(const struct sim_node *node, const struct sim_content *content);
bool content_is_here(const struct sim_node *node, const struct sim_content *content);
struct sim_flight *flight_find(const struct sim_node *node, uint64_t id);
struct sim_flight *flight_of(const struct sim_node *node, const struct sim_content *content);
struct sim_flight *flight_get(struct sim *sim, struct sim_node *node,
                              const struct sim_content *content);
void flight_wanted(struct sim *sim, struct sim_node *node, uint64_t id, uint32_t chunk);

void flight_goes(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                 struct flight_event event); /* one step: it may be gone after that */
struct sim_flight *flight_asking(const struct sim_node *node, uint64_t call);
void flight_ended(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                  enum flight_outcome outcome, enum peer_fault fault);
void flight_break_off(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                      enum flight_outcome outcome, enum peer_fault fault);
void flight_barred(struct sim *sim, struct sim_node *node, struct sim_flight *flight);
enum route_ask flight_ask_of(const struct sim *sim, const struct sim_node *node,
                             const struct address *server);

/* chunks.c */
void chunk_goes(struct sim *sim, const struct sim_call *call, uint32_t chunk, uint64_t bytes);

/* sources.c */
void sources_need(struct sim *sim, struct sim_event *event);

/* readers.c */
uint32_t readers_count(const struct sim_node *node, uint64_t flight);
void readers_go_on(struct sim *sim, struct sim_node *node, uint64_t flight);
void readers_landed(struct sim *sim, struct sim_node *node, const struct sim_flight *flight);
void readers_failed(struct sim *sim, struct sim_node *node, uint64_t flight);
void readers_end(struct sim *sim, struct sim_node *node, bool with_host);
void readers_check(struct sim *sim, const struct sim_node *node, int64_t within_ns);

#endif
