/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_QUEUE_H
#define POND_CACHE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/store.h"

/* How much of a hurry a job is in, where more of its kind come. */
enum haste {
    HASTE_NOW,   /* somebody waits for this one */
    HASTE_PUTS,  /* somebody waits, who is served sooner where many are committed together */
    HASTE_NAMES, /* names of others: a page of them is not to wait, a few can */
    HASTE_NONE,  /* nobody waits: what has landed is served all the same, from where it came in */
    HASTES
};

/* A queue of jobs between threads, and the thread that empties it. */
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct store_job *first, *last;
    size_t count;
    size_t by[HASTES];     /* of these: in such a hurry */
    size_t enough[HASTES]; /* while more is gathered: no more than so many */
    bool gathering;
    bool stopped; /* nothing more comes in: end when it is empty */
    pthread_t thread;
};

void queue_start(struct queue *queue, void *(*main)(void *arg), void *arg);
void queue_stop(struct queue *queue);

/* False: it was stopped, and the job is still the caller's. */
bool queue_add(struct queue *queue, struct store_job *job);

/* Takes up to `most` jobs off the queue, waiting for the first; 0: it was stopped and is empty. */
size_t queue_take(struct queue *queue, struct store_job **jobs, size_t most);

/* What was taken, to be counted before it is done: then it is somebody else's. */
struct queue_taken {
    size_t by[HASTES];
};
void queue_count(struct store_job *const *jobs, size_t count, struct queue_taken *out);

/*
 * After those jobs are done: waits for others, to be taken together with what has come meanwhile.
 * Who put those puts the next ones as soon. So where they were many, as many puts as were done and
 * have come since are enough; and of none who does not come within a lull more is expected. Where
 * they were few, a put is not kept waiting.
 */
enum {
    QUEUE_MANY = 8,      /* puts: from so many at once on, others are waited for */
    QUEUE_NAMES_MAX = 64 /* names that wait for others */
};
struct queue_patience {
    size_t most;     /* so many are enough in any case */
    int64_t ns;      /* in all */
    int64_t lull_ns; /* without another put, where there is one */
};
void queue_gather(struct queue *queue, const struct queue_taken *taken,
                  const struct queue_patience *patience);

#endif
