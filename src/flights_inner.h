/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_FLIGHTS_INNER_H
#define POND_SRC_FLIGHTS_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/chunk.h"
#include "src/base/log.h"
#include "src/flights.h"
#include "src/portions.h"
#include "src/rate.h"
#include "src/workers.h"

/*
 * What the files of the flights (src/flights*.c) share; nobody else includes it.
 *
 * Three kinds of thread meet here. The fetch thread steps the machines and puts chunks into the
 * partials; the workers open partials, which reads and hashes what is there; readers run anywhere.
 * Locks are taken in this order: flights.lock or flying.wake_lock, then flying.lock.
 */
enum { FLIGHTS_MAGIC = 0x666c7473, FLYING_MAGIC = 0x666c7967, READER_MAGIC = 0x72656164 };

enum {
    FLIGHTS_BUCKETS = 256,
    FLIGHTS_LANDING_MAX = 1024,     /* that are about to land, and hold no place */
    FLIGHTS_BACKLOG = 128,          /* of these: from here on readers wait for the store */
    FLIGHT_LARGE = 64 * 1048576,    /* content from here on is opened and checked apart */
    FLIGHT_BUCKETS = 64,            /* of waiting readers, by chunk */
    FLIGHT_CHUNK_MAX = 64 * 1048576 /* a chunk is checked in memory: content up to 4 TiB, which
                                       a manifest may claim and every file system can hold */
};

/* The most chunks that are in memory where there is no room on the disk. */
enum { FLYING_PASSED_MAX = PARTIAL_PASSED_MAX / CHUNK_SIZE_MIN };

struct flights {
    unsigned magic;
    struct flights_options options;
    struct workers *small_workers; /* so that small content need not wait for large */
    struct workers *large_workers;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    struct flying *table[FLIGHTS_BUCKETS]; /* by content; those that may go on */
    size_t count;                          /* in the table */
    size_t aloft;                          /* under way */
    size_t alive;                          /* not freed */
    size_t readers;
    struct portions *portions; /* that hosts have of them */
    _Atomic size_t landing;    /* small content: it has come, and the store has it not yet */
    bool stopping;
    unsigned barriers; /* that the fetch thread has come through */

    struct log_flood refused;

    struct log_flood given_up; /* the fetch thread's, as what follows */
    struct address praised;    /* or blamed: whom last */
    mono_t praise_again;       /* not before */
};

enum flying_state { FLYING_ALOFT, FLYING_FAILED, FLYING_LANDED };

/* What a flight waits for from another thread, or from curl. */
enum flying_busy { FLYING_IDLE, FLYING_OPENING, FLYING_ASKING, FLYING_LISTING, FLYING_LANDING };

/* One flight. */
struct flying {
    unsigned magic;
    struct flights *flights;
    struct manifest manifest; /* its name: written with flights.lock, by the fetch thread alone */
    struct share share;       /* whose place it has; guarded by flights.lock */
    struct flying *next;      /* in the table */
    bool in_table;
    bool landing; /* counted as such; guarded by flights.lock */

    /* One while it is aloft, one a reader, one a note under way. The last one frees it. Taken by
     * whoever has one already or holds flights.lock; dropped with flights.lock held. */
    _Atomic uint32_t refs;
    _Atomic uint32_t readers;
    char via[FETCH_VIA_SIZE];        /* set before it takes off */
    struct partial *_Atomic partial; /* set once, by a worker */

    pthread_mutex_t wake_lock; /* held while readers are woken: after it no wake is under way */
    pthread_mutex_t lock;      /* guards what follows */
    enum flying_state state;   /* written with flights.lock held too */
    struct flight_reader *waiting[FLIGHT_BUCKETS];
    uint32_t wants[FLIGHT_WANTS_MAX]; /* chunks that the fetch thread is to be told of */
    size_t want_count;
    bool crowded;  /* others wait that are not among them */
    bool noted;    /* it is on its way to the fetch thread */
    uint32_t turn; /* behind the chunks that flying_listen told of last */
    struct address source;
    struct rate rate;

    /* The fetch thread's. */
    enum flying_busy busy;
    bool ending;                        /* the flights are being stopped */
    bool broken;                        /* the store did not take a chunk */
    bool told;                          /* the log, that it began */
    uint32_t window;                    /* chunks that fit into memory */
    uint32_t passed[FLYING_PASSED_MAX]; /* those that are there, in the order of their coming */
    uint32_t passed_count;
    struct fetch_alarm *alarm;
    struct fetch_request request;
    uint32_t chunk; /* that is coming in */
    uint8_t *bytes; /* of it */
    size_t filled;
    mono_t began;
    uint64_t brought; /* bytes, since it began */

    struct task task; /* a worker's, with its result */
    enum store_status status;
    struct store_job job;

    struct flight machine; /* the fetch thread's; large: set by flight_init */
};

struct flight_reader {
    unsigned magic;
    struct flying *flying;
    struct share share;
    void (*wake)(void *arg);
    void *arg;
    bool waiting; /* guarded by flying.lock, with chunk, next and link */
    uint32_t chunk;
    struct flight_reader *next, **link;
    struct flight_reader *next_woken; /* guarded by flying.wake_lock */
};

/* There is no room on the disk: it goes through memory to those who read. */
static inline bool flying_is_passing(const struct flying *flying)
{
    return flying->partial && partial_is_passing(flying->partial);
}

/* ---- flights.c ------------------------------------------------------------------------------ */

/* With flights.lock held: the flight for this content, a new one where there is none, aloft, with
 * one more reference. NULL where the share has no place, or another size is claimed for the same
 * digest. */
struct flying *flying_get(struct flights *flights, const struct manifest *manifest,
                          const struct share *share, struct span via);

/* Counts that somebody was sent away for want of a place, and says so now and then; with
 * flights.lock held. */
void flights_refused(struct flights *flights, const struct share *share);

/* It is asked for by this manifest's name from now on, where that is of the same content; on the
 * fetch thread, and not while it is being opened. */
void flying_rename(struct flying *flying, const struct manifest *manifest);

/* Drops a reference. */
void flying_drop(struct flying *flying);

/* All of it has come, on the fetch thread: from now on it is the store's, and waits for nobody
 * else.
 */
void flying_lands(struct flying *flying);

/* Its time aloft is over, on the fetch thread: whoever asks for it from here on makes it fly again.
 * `gone`: its partial will not be written again. */
void flying_settle(struct flying *flying, enum flying_state state, bool gone);

/* The same for one that nobody reads. False where somebody has come meanwhile: it flies on. */
bool flying_settle_unread(struct flying *flying);

/* Tells of its end, after it has settled; drops the reference of its time aloft. */
void flying_end(struct flying *flying, enum flights_end how);

/* ---- flights_work.c: the fetch thread ------------------------------------------------------- */

void flying_begin(void *flying);
void flying_note(void *flying); /* takes the wants; drops a reference */
void flying_take_sources(struct flying *flying, const struct flights_found *found);
void flying_stop(struct flying *flying);

/* ---- flights_end.c: the fetch thread. It may be gone after each of these --------------------- */

void flying_finish(struct flying *flying, enum flying_state state, bool gone, const char *why);

/* The store does not take what has come: it is no name's any more. Who reads it goes on reading. */
void flying_finish_replaced(struct flying *flying);

/* It ends because nobody reads it (any more). For who has come since that was decided it begins
 * anew. */
void flying_put_off(struct flying *flying, const char *why); /* it came for nobody */
void flying_leave_off(struct flying *flying);                /* there is no room to keep it */

/* ---- flights_log.c: the fetch thread --------------------------------------------------------- */

void flying_log_begin(struct flying *flying, const struct address *server);
void flying_log_landed(const struct flying *flying);
void flying_log_passed_on(const struct flying *flying, const char *why);
void flying_log_given_up(struct flying *flying, bool gone, const char *why);

/* ---- flights_readers.c ---------------------------------------------------------------------- */

/* Wakes those who wait for the chunk; all who wait. */
#define FLYING_LIST UINT32_MAX /* what who waits for the list waits for */
void flying_wake(struct flying *flying, uint32_t chunk);
void flying_wake_all(struct flying *flying);

/* Has the fetch thread told of the next ones that wait; by a note, at a later time. */
void flying_listen(struct flying *flying);

#endif
