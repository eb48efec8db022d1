/* SPDX-License-Identifier: ISC */
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "cache/group.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/* The thread that makes all changes: takes what is queued, and commits it as one group. */

enum { GATHER_NS = 10000000 };

/* ---- queues --------------------------------------------------------------------------------- */

void queue_start(struct queue *queue, void *(*main)(void *arg), struct store *store)
{
    pthread_condattr_t attr;

    MUST(pthread_mutex_init(&queue->lock, NULL) == 0);
    MUST(pthread_condattr_init(&attr) == 0);
    MUST(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    MUST(pthread_cond_init(&queue->filled, &attr) == 0);
    pthread_condattr_destroy(&attr);
    MUST(pthread_create(&queue->thread, NULL, main, store) == 0);
}

void queue_stop(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->stopped = true;
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
    pthread_join(queue->thread, NULL);
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->filled);
}

/* Content that has landed is served all the same, from where it came in. */
static bool is_urgent(const struct store_job *job)
{
    return job->kind != STORE_LAND;
}

bool queue_add(struct queue *queue, struct store_job *job)
{
    bool taken, wake = false;

    job->next = NULL;
    pthread_mutex_lock(&queue->lock);
    taken = !queue->stopped;
    if (taken) {
        *(queue->first ? &queue->last->next : &queue->first) = job;
        queue->last = job;
        queue->count++;
        queue->urgent += is_urgent(job);
        wake = queue->gathering ? is_urgent(job) || queue->count == queue->gathering
                                : queue->count == 1;
    }
    pthread_mutex_unlock(&queue->lock);
    if (wake)
        pthread_cond_signal(&queue->filled);
    return taken;
}

size_t queue_take(struct queue *queue, struct store_job **jobs, size_t most)
{
    size_t count = 0;

    pthread_mutex_lock(&queue->lock);
    while (!queue->first && !queue->stopped)
        pthread_cond_wait(&queue->filled, &queue->lock);
    while (queue->first && count < most) {
        jobs[count++] = queue->first;
        queue->urgent -= is_urgent(queue->first);
        queue->first = queue->first->next;
    }
    queue->count -= count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}

void queue_gather(struct queue *queue, size_t most, int64_t ns)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ns;
    until.tv_sec += until.tv_nsec / MONO_S(1);
    until.tv_nsec %= MONO_S(1);
    pthread_mutex_lock(&queue->lock);
    queue->gathering = most;
    while (!queue->stopped && !queue->urgent && queue->count < most &&
           pthread_cond_timedwait(&queue->filled, &queue->lock, &until) == 0)
        ;
    queue->gathering = 0;
    pthread_mutex_unlock(&queue->lock);
}

/* ---- errands -------------------------------------------------------------------------------- */

struct waiting {
    struct errand errand;
    sem_t done;
};

static void wake(struct store_job *job)
{
    sem_post(&((struct waiting *)job->owner)->done);
}

static enum store_status run_and_wait(struct store *store, struct waiting *waiting)
{
    waiting->errand.job.kind = (enum store_job_kind)JOB_ERRAND;
    waiting->errand.job.done = wake;
    waiting->errand.job.owner = waiting;
    MUST(sem_init(&waiting->done, 0, 0) == 0);
    writer_add(store, &waiting->errand.job);
    while (sem_wait(&waiting->done) != 0)
        ;
    sem_destroy(&waiting->done);
    return waiting->errand.job.status;
}

enum store_status writer_run(struct store *store,
                             enum store_status (*within)(struct group *group, void *arg), void *arg)
{
    struct waiting waiting = {.errand = {.within = within, .arg = arg}};

    return run_and_wait(store, &waiting);
}

enum store_status writer_run_alone(struct store *store,
                                   enum store_status (*alone)(struct store *store, void *arg),
                                   void *arg)
{
    struct waiting waiting = {.errand = {.alone = alone, .arg = arg}};

    return run_and_wait(store, &waiting);
}

static void free_errand(struct store_job *job)
{
    struct errand *errand = (struct errand *)job;

    free(errand->arg);
    free(errand);
}

void writer_send(struct store *store, enum store_status (*within)(struct group *group, void *arg),
                 void *arg)
{
    struct errand *errand = calloc(1, sizeof(*errand));

    MUST(errand != NULL);
    errand->job.kind = (enum store_job_kind)JOB_ERRAND;
    errand->job.done = free_errand;
    errand->within = within;
    errand->arg = arg;
    writer_add(store, &errand->job);
}

/* ---- the thread ----------------------------------------------------------------------------- */

void writer_add(struct store *store, struct store_job *job)
{
    if (queue_add(&store->writer, job))
        return;
    job->status = STORE_STOPPED;
    if (job_brings_draft(job))
        draft_drop(job->draft);
    job->done(job);
}

static bool is_alone(const struct store_job *job)
{
    return (int)job->kind == JOB_ERRAND && ((const struct errand *)job)->alone;
}

static void run_alone(struct store *store, struct store_job *job)
{
    struct errand *errand = (struct errand *)job;

    job->status = errand->alone(store, errand->arg);
    job->done(job);
}

/* The jobs in front that can be one group. */
static size_t count_group(struct store_job *const *jobs, size_t count)
{
    size_t n = 0, errands = 0;

    while (n < count && !is_alone(jobs[n])) {
        errands += (int)jobs[n]->kind == JOB_ERRAND;
        if (errands > ERRANDS_MAX)
            break;
        n++;
    }
    return n;
}

/* Runs the jobs in front that can be one group; returns how many. */
static size_t run_some(struct group *group, struct store_job **jobs, size_t count)
{
    struct store *store = group->store;
    size_t n;

    atomic_store(&store->writing, store->options.mono().ns);
    if (is_alone(jobs[0])) {
        run_alone(store, jobs[0]);
        return 1;
    }
    n = count_group(jobs, count);
    group_run(group, jobs, n);
    for (size_t i = 0; i < n; i++)
        jobs[i]->done(jobs[i]);
    return n;
}

static bool brings_content(struct store_job *const *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (jobs[i]->kind == STORE_LAND)
            return true;
    }
    return false;
}

/* What lands alone is committed at once. Where more comes, a group is not begun for each: its
 * commit costs about the same for one and for many. */
static void *writer_main(void *arg)
{
    struct store *store = arg;
    struct store_job *jobs[GROUP_MAX];
    struct group *group = group_new(store);
    size_t count;
    bool gather;

    MUST_BE(store, STORE_MAGIC);
    while ((count = queue_take(&store->writer, jobs, GROUP_MAX))) {
        gather = brings_content(jobs, count);
        for (size_t at = 0; at < count;)
            at += run_some(group, jobs + at, count - at);
        atomic_store(&store->writing, 0);
        if (gather)
            queue_gather(&store->writer, GROUP_MAX, GATHER_NS);
    }
    group_free(group);
    return NULL;
}

void writer_start(struct store *store)
{
    queue_start(&store->writer, writer_main, store);
}

void writer_stop(struct store *store)
{
    queue_stop(&store->writer);
}
