/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "src/base/must.h"
#include "src/cache_loop_inner.h"

enum { WANTING_MAGIC = 0x77616e74 };

static const struct address NOBODY;

static struct store_job job_for(enum store_job_kind kind, const struct exchange_action *action)
{
    struct store_job job = {
        .kind = kind, .manifest.version = action->version, .manifest.sha256 = action->sha256};

    MUST(span_copy(span_of(action->name), job.manifest.name, sizeof(job.manifest.name)));
    return job;
}

/* ---- what is confirmed ----------------------------------------------------------------------- */

static void confirmed(struct store_job *job)
{
    free(job);
}

void cache_loop_confirm(struct cache_loop *cache, const struct exchange_action *action)
{
    struct store_job *job = calloc(1, sizeof(*job));

    MUST(job != NULL);
    *job = job_for(STORE_CONFIRM, action);
    job->done = confirmed;
    store_submit(cache->options.store, job);
}

/* ---- what is to be here ---------------------------------------------------------------------- */

struct wanting {
    unsigned magic;
    struct cache_loop *cache;
    struct store_job job;
    struct letter letter;
};

/* What is unconfirmed is told at once: it may be long since it was new, and who goes through all of
 * it rests longer and longer. */
static void tell(struct cache_loop *cache, const struct store_job *job)
{
    struct span name = span_of(job->manifest.name);

    if (job->wanted)
        cache->options.wanted(cache->options.arg);
    else
        cache_loop_landed(cache, name, &NOBODY);
    if (job->unconfirmed && job->wanted)
        cache_loop_again(cache, name);
}

static void read_wanting(struct letter *letter)
{
    struct wanting *wanting = LETTER_OWNER(letter, struct wanting, letter);

    MUST_BE(wanting, WANTING_MAGIC);
    if (wanting->cache->udp && wanting->job.status == STORE_OK)
        tell(wanting->cache, &wanting->job);
    free(wanting);
}

static void marked(struct store_job *job)
{
    struct wanting *wanting = job->owner;

    MUST_BE(wanting, WANTING_MAGIC);
    mailbox_post(wanting->cache->options.mailbox, &wanting->letter);
}

void cache_loop_want(struct cache_loop *cache, const struct exchange_action *action)
{
    struct wanting *wanting = calloc(1, sizeof(*wanting));

    MUST(wanting != NULL);
    wanting->magic = WANTING_MAGIC;
    wanting->cache = cache;
    wanting->letter.read = read_wanting;
    wanting->job = job_for(STORE_WANT, action);
    wanting->job.unconfirmed = action->unconfirmed;
    wanting->job.done = marked;
    wanting->job.owner = wanting;
    store_submit(cache->options.store, &wanting->job);
}
