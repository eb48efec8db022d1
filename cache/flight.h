/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_FLIGHT_H
#define POND_CACHE_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cache/chunk.h"
#include "cache/peers.h"
#include "src/base/address.h"
#include "src/base/time.h"

/*
 * A flight is the one fetch of one content. This machine decides what is asked of whom next, and
 * when it is given up: one call, flight_step(flight, event, actions); the event carries the time,
 * the actions are data that the driver carries out in their order. No clock, dice, allocation or
 * descriptor in it. One thread.
 *
 * What it decides:
 *  - Content of several chunks needs its chunk list first, so that each chunk is checked as it
 *    comes.
 *  - Then runs of missing chunks are asked for, one request at a time: from the chunk that a reader
 *    waits for (whoever waited first; others who wait close behind it are taken along), else from
 *    the first hole, to the end of the hole. A run is cut at the end of a chunk when a reader waits
 *    for another place; but readers far apart do not cut each other short before a run has brought
 *    its turn, or nobody has waited for what it brings for FLIGHT_LINGER_BYTES. Where they wait
 *    already when it begins, it is no longer than that: a cut costs a connection.
 *  - Turns are short at first, and after each time without a source, so that all who stopped get
 *    something soon, and grow with each run: what a reader was given lasts about as long as it
 *    takes to come round again.
 *  - It stays with a source that delivers. A source that fails is left for the next one, and where
 *    it is named anew, asked after those that have cost less time; one that says "later" again and
 *    again is no better. One that sends what is wrong is not asked again.
 *  - What is had is never asked for again.
 *  - Without a source it asks for some (FLIGHT_NEED). Without readers it ends when there are none;
 *    with readers it asks again, ever less often, until FLIGHT_PATIENCE_NS have brought nothing, or
 *    a newer version took the place of this one. Where somebody is awaited who would serve it (a
 *    tier elects its next master), readers wait for FLIGHT_AWAIT_NS.
 *  - More places than FLIGHT_WANTS_MAX may be waited for. Then those that are known have their
 * turn, and no other one before the last of them was served: FLIGHT_LISTEN asks for the next ones.
 * So nobody waits for longer than it takes to go round.
 *  - Where there is no room to keep it, the driver gives it a window of chunks: it passes on. Then
 *    nothing is asked for before a reader waits for it, and no more of it than half the window at a
 *    time; what was read is released as more comes, and is asked for again where a reader that fell
 *    behind by more than the window needs it. It ends, without landing, with its last reader.
 */
enum {
    FLIGHT_SOURCES_MAX = 16,
    FLIGHT_WANTS_MAX = 64,          /* places that readers wait for, at a time */
    FLIGHT_TURN_BYTES = 512 * 1024, /* how far the first run goes while others wait elsewhere, */
    FLIGHT_TURN_GROWS = 64 * 1024,  /* by how much more each of the next ones, */
    FLIGHT_TURN_BYTES_MAX = 4096 * 1024, /* and at most; as near ahead is worth waiting for */
    FLIGHT_LINGER_BYTES = 1024 * 1024,
    FLIGHT_ROUNDS_MAX = 8, /* times that it asks for sources without getting any further */
    FLIGHT_BUSY_MAX = 8,   /* times that one source may say "later" in a row */
    FLIGHT_ACTIONS_MAX = 4
};

/* Longer than the first time that a peer is set aside (cache/peers.h), so that readers outlive the
 * restart of the only source. */
#define FLIGHT_PATIENCE_NS MONO_S(15)
#define FLIGHT_AWAIT_NS MONO_S(60)
#define FLIGHT_NEED_NS MONO_S(5) /* an unanswered FLIGHT_NEED counts as "none" */
#define FLIGHT_LOOK_NS                                                                             \
    MONO_S(1) /* passing on, while all have what they want: are there readers?                     \
               */
#define FLIGHT_BUSY_LEAST_NS MONO_S(1)
#define FLIGHT_BUSY_MOST_NS MONO_S(30)
#define FLIGHT_BUSY_WAIT_NS MONO_S(2) /* rather than to ask again who has failed */

/* One bit a chunk. */
struct chunk_map {
    uint64_t words[CHUNK_COUNT_MAX / 64];
};

/* None of so many; the words behind them are not looked at. */
static inline void chunk_map_clear(struct chunk_map *map, uint32_t count)
{
    memset(map->words, 0, (count / 64 + (count % 64 != 0)) * sizeof(*map->words));
}

static inline bool chunk_map_has(const struct chunk_map *map, uint32_t chunk)
{
    return map->words[chunk / 64] >> (chunk % 64) & 1;
}

static inline void chunk_map_add(struct chunk_map *map, uint32_t chunk)
{
    map->words[chunk / 64] |= (uint64_t)1 << (chunk % 64);
}

static inline void chunk_map_remove(struct chunk_map *map, uint32_t chunk)
{
    map->words[chunk / 64] &= ~((uint64_t)1 << (chunk % 64));
}

enum flight_event_kind {
    FLIGHT_WAKE,     /* the deadline has come, or nothing in particular */
    FLIGHT_OPENED,   /* had, has_list: what an earlier life left; the first event */
    FLIGHT_LISTED,   /* had: the list that was asked for came, and is the right one */
    FLIGHT_CHUNK,    /* chunk: came, was checked, is kept */
    FLIGHT_WANTED,   /* chunk: a reader waits for it; crowded */
    FLIGHT_RELEASED, /* chunk: is not kept any longer */
    FLIGHT_SOURCES,  /* sources, source_count: holders, the best first */
    FLIGHT_ENDED,    /* outcome, fault, retry_ns: the request has ended */
    FLIGHT_BROKEN    /* our own disk or memory fails; no request is under way any more */
};

enum flight_outcome {
    FLIGHT_OUTCOME_DONE,  /* all that was asked for came */
    FLIGHT_OUTCOME_GONE,  /* it does not have it (any more): nobody's fault */
    FLIGHT_OUTCOME_BUSY,  /* later; retry_ns */
    FLIGHT_OUTCOME_FAULT, /* fault */
    FLIGHT_OUTCOME_CUT    /* we cut it short ourselves */
};

struct flight_event {
    enum flight_event_kind kind;
    mono_t now;
    uint32_t readers; /* as many as there are now; with every event */
    uint32_t window;  /* chunks that can be had at a time, 2 at least; 0: all; with every event */
    const struct chunk_map *had;
    bool has_list;
    uint32_t chunk;
    bool crowded; /* with WANTED: readers wait for others, of which it is not told now */
    const struct address *sources;
    size_t source_count;
    bool superseded; /* with SOURCES: a newer version is known, so no others will come to hold it;
                        it ends when none is left, or all were asked in vain and nothing is here */
    bool awaited;    /* with SOURCES: there will be a better source before long */
    enum flight_outcome outcome;
    enum peer_fault fault;
    int64_t retry_ns;
};

enum flight_action_kind {
    FLIGHT_ASK_LIST, /* source: GET the chunk list of it; ends with LISTED or ENDED */
    FLIGHT_ASK_RUN,  /* source, first, last: GET those chunks; CHUNK for each, then ENDED */
    FLIGHT_CUT,      /* end the request that is under way early; ENDED comes all the same */
    FLIGHT_LISTEN,   /* tell what readers wait for: WANTED for FLIGHT_WANTS_MAX places at most, each
                        time the next ones behind those of the last time, and round and round */
    FLIGHT_NEED,     /* find holders; SOURCES is the answer */
    FLIGHT_JUDGE,    /* source, fault: what it proved to be; PEER_FINE is praise */
    FLIGHT_LAND,     /* everything is here. The last action */
    FLIGHT_LEAVE_OFF, /* it cannot be kept, and nobody reads it (any more). The last action */
    FLIGHT_GIVE_UP    /* it ends without having all. The last action */
};

struct flight_action {
    enum flight_action_kind kind;
    struct address source;
    uint32_t first, last; /* inclusive */
    enum peer_fault fault;
};

struct flight_actions {
    size_t count;
    struct flight_action list[FLIGHT_ACTIONS_MAX];
    mono_t deadline; /* step with FLIGHT_WAKE then, at the latest */
};

/* ---- the machine: to be read by nobody but flight*.c and tests ------------------------------ */

enum flight_state {
    FLIGHT_OPENING, /* waits for OPENED */
    FLIGHT_RESTING, /* nothing is under way; goes on at `rest` */
    FLIGHT_SEEKING, /* waits for SOURCES; until `rest` */
    FLIGHT_LISTING, /* waits for the list */
    FLIGHT_RUNNING, /* waits for chunks */
    FLIGHT_OVER     /* the last action was said */
};

enum flight_standing {
    FLIGHT_SOURCE_GOOD, /* as far as we know */
    FLIGHT_SOURCE_BUSY, /* until `until` */
    FLIGHT_SOURCE_LOST, /* not to be asked unless it is named anew */
    FLIGHT_SOURCE_BAD   /* sent what is wrong: not to be asked again */
};

struct flight_source {
    struct address http;
    enum flight_standing standing;
    mono_t until;
    uint32_t busy;   /* in a row */
    uint32_t failed; /* times it cost us time for nothing, or did not have it, since it last brought
                        all that was asked of it */
};

struct flight {
    enum flight_state state;
    uint64_t chunk_size;
    uint32_t count; /* of chunks */
    uint32_t had_count;
    uint32_t window; /* as the last event told */
    uint32_t low;    /* no chunk below is missing */
    bool has_list;

    struct flight_source sources[FLIGHT_SOURCES_MAX];
    size_t source_count;
    size_t source; /* whom the request is asked of, or was last */
    size_t victim; /* whose place the next one takes when all are taken */

    uint32_t first, next, last; /* the run; next: the chunk that is coming in */
    uint32_t turns;             /* runs since it last had no source */
    uint32_t linger;            /* chunks for which it goes on although nobody waits for them */
    bool cut;

    uint32_t wants[FLIGHT_WANTS_MAX]; /* the one that waits longest first */
    size_t want_count;
    bool crowded; /* there are others, that are not taken before all of these were served */

    uint32_t rounds;     /* NEEDs since it last got any further */
    mono_t hungry_since; /* of the first of these; MONO_NEVER: of none */
    bool awaited;        /* as SOURCES told last */
    mono_t rest;

    struct chunk_map had; /* the last: most content has few chunks */
};

void flight_init(struct flight *flight, uint64_t size, uint64_t chunk_size);
void flight_step(struct flight *flight, const struct flight_event *event,
                 struct flight_actions *actions);

/* Whom the request that is under way is asked of, or NULL. */
const struct address *flight_source_now(const struct flight *flight);

/* Whom the last request was asked of; port 0: there was none. */
struct address flight_source_last(const struct flight *flight);

#endif
