/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "cache/store_inner.h"
#include "src/base/log.h"
#include "src/base/must.h"

/* The threads for what takes long. One syncs large drafts, sweeps, and makes room; the other checks
 * what has landed, which takes minutes for large content, and nobody who puts something is to wait
 * for it.
 */

static void finish(struct store_job *job, enum store_status status)
{
    job->status = status;
    job->done(job);
}

/* Where the sync fails the writer does not hear of the job. */
static void carry_put(struct store *store, struct store_job *job)
{
    enum store_status status = draft_sync(job->draft);

    if (status == STORE_OK) {
        writer_add(store, job);
        return;
    }
    draft_drop(job->draft);
    finish(job, status);
}

/* The writer syncs what is small, together with other things. */
static enum store_status sync_large(struct store *store, struct store_job *job)
{
    struct view view;
    bool lasts;

    if (job->manifest.size <= DRAFT_LARGE)
        return STORE_OK;
    view_begin(store->catalogue, &view);
    lasts = store_must_last(store, &view, &job->manifest.sha256);
    view_end(&view);
    return lasts ? partial_sync(job->partial) : STORE_OK;
}

static void carry_land(struct store *store, struct store_job *job)
{
    enum store_status status = partial_check_whole(job->partial, &job->manifest);
    char hex[DIGEST_HEX_SIZE];

    if (status == STORE_OK)
        status = sync_large(store, job);
    if (status == STORE_OK) {
        writer_add(store, job);
        return;
    }
    if (status == STORE_WRONG) {
        log_warn("store: all chunks of %s fit, its content %s does not: its manifest is wrong",
                 job->manifest.name, digest_hex(&job->manifest.sha256, hex));
        partial_throw_away(job->partial);
    }
    finish(job, status == STORE_ROTTEN ? STORE_FAILED : status);
}

static void carry(struct store *store, struct store_job *job)
{
    struct errand *errand = (struct errand *)job;

    if (job_brings_draft(job))
        carry_put(store, job);
    else if (job->kind == STORE_LAND)
        carry_land(store, job);
    else if (job->kind == STORE_ROOM)
        finish(job, draft_make_room(job->draft));
    else
        finish(job, errand->alone(store, errand->arg));
}

static void *carry_all(struct store *store, struct queue *queue)
{
    struct store_job *job;

    MUST_BE(store, STORE_MAGIC);
    while (queue_take(queue, &job, 1))
        carry(store, job);
    return NULL;
}

static void *porter_main(void *arg)
{
    struct store *store = arg;

    return carry_all(store, &store->porter);
}

static void *lander_main(void *arg)
{
    struct store *store = arg;

    return carry_all(store, &store->lander);
}

void porter_start(struct store *store)
{
    queue_start(&store->porter, porter_main, store);
    queue_start(&store->lander, lander_main, store);
}

void porter_stop(struct store *store)
{
    queue_stop(&store->porter);
    queue_stop(&store->lander);
}

void porter_add(struct store *store, struct store_job *job)
{
    if (queue_add(job->kind == STORE_LAND ? &store->lander : &store->porter, job))
        return;
    if (job_brings_draft(job))
        draft_drop(job->draft);
    finish(job, STORE_STOPPED);
}

static void free_errand(struct store_job *job)
{
    free((struct errand *)job);
}

void porter_send(struct store *store, enum store_status (*alone)(struct store *store, void *arg))
{
    struct errand *errand = calloc(1, sizeof(*errand));

    MUST(errand != NULL);
    errand->job.kind = (enum store_job_kind)JOB_ERRAND;
    errand->job.done = free_errand;
    errand->alone = alone;
    porter_add(store, &errand->job);
}
