/* SPDX-License-Identifier: ISC */
#include <semaphore.h>
#include <stdlib.h>

#include "cache/group.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/* The thread that makes all changes: takes what is queued, and commits it as one group. */

/* A lull is some turns of a busy processor: who is to come may wait for his. */
static const struct queue_patience patience = {
    .most = GROUP_MAX, .ns = MONO_S(1) / 100, .lull_ns = MONO_S(1) / 250};

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

/* What comes alone is committed at once. Where more comes, a group is not begun for each: its
 * commit costs about the same for one and for many. */
static void *writer_main(void *arg)
{
    struct store *store = arg;
    struct store_job *jobs[GROUP_MAX];
    struct group *group = group_new(store);
    struct queue_taken taken;
    size_t count;

    MUST_BE(store, STORE_MAGIC);
    while ((count = queue_take(&store->writer, jobs, GROUP_MAX))) {
        queue_count(jobs, count, &taken);
        for (size_t at = 0; at < count;)
            at += run_some(group, jobs + at, count - at);
        atomic_store(&store->writing, 0);
        queue_gather(&store->writer, &taken, &patience);
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
