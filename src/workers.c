/* SPDX-License-Identifier: ISC */
#include "src/workers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "src/base/lock.h"
#include "src/base/must.h"
#include "src/signals.h"

enum { WORKERS_MAGIC = 0x776f726b, WORKERS_MAX = 8 };

struct workers {
    unsigned magic;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t posted;
    struct task *first;
    struct task **last;
    bool ending;
    size_t count;
    pthread_t threads[WORKERS_MAX];
};

/* The next task, or NULL when there will be none any more. */
static struct task *take(struct workers *workers)
{
    struct task *task;

    pthread_mutex_lock(&workers->lock);
    while (!workers->first && !workers->ending)
        pthread_cond_wait(&workers->posted, &workers->lock);
    task = workers->first;
    if (task) {
        workers->first = task->next;
        if (!workers->first)
            workers->last = &workers->first;
    }
    pthread_mutex_unlock(&workers->lock);
    return task;
}

static void *run(void *arg)
{
    struct workers *workers = arg;
    struct task *task;

    MUST_BE(workers, WORKERS_MAGIC);
    while ((task = take(workers)))
        task->work(task);
    return NULL;
}

struct workers *workers_new(size_t threads)
{
    struct workers *workers = calloc(1, sizeof(*workers));
    sigset_t before;

    MUST(workers != NULL && threads > 0 && threads <= WORKERS_MAX);
    workers->magic = WORKERS_MAGIC;
    workers->last = &workers->first;
    workers->count = threads;
    lock_init(&workers->lock);
    MUST(pthread_cond_init(&workers->posted, NULL) == 0);
    signals_block(&before);
    for (size_t i = 0; i < threads; i++)
        MUST(pthread_create(&workers->threads[i], NULL, run, workers) == 0);
    signals_restore(&before);
    return workers;
}

void workers_post(struct workers *workers, struct task *task)
{
    MUST_BE(workers, WORKERS_MAGIC);
    task->next = NULL;
    pthread_mutex_lock(&workers->lock);
    MUST(!workers->ending);
    *workers->last = task;
    workers->last = &task->next;
    pthread_cond_signal(&workers->posted);
    pthread_mutex_unlock(&workers->lock);
}

void workers_free(struct workers *workers)
{
    if (!workers)
        return;
    MUST_BE(workers, WORKERS_MAGIC);
    pthread_mutex_lock(&workers->lock);
    workers->ending = true;
    pthread_cond_broadcast(&workers->posted);
    pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < workers->count; i++)
        MUST(pthread_join(workers->threads[i], NULL) == 0);
    pthread_cond_destroy(&workers->posted);
    pthread_mutex_destroy(&workers->lock);
    workers->magic = 0;
    free(workers);
}
