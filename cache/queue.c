/* SPDX-License-Identifier: ISC */
#include "cache/queue.h"

#include <errno.h>
#include <time.h>

#include "src/base/must.h"
#include "src/base/time.h"

void queue_start(struct queue *queue, void *(*main)(void *arg), void *arg)
{
    pthread_condattr_t attr;

    MUST(pthread_mutex_init(&queue->lock, NULL) == 0);
    MUST(pthread_condattr_init(&attr) == 0);
    MUST(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    MUST(pthread_cond_init(&queue->filled, &attr) == 0);
    pthread_condattr_destroy(&attr);
    MUST(pthread_create(&queue->thread, NULL, main, arg) == 0);
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

static enum haste haste_of(const struct store_job *job)
{
    switch (job->kind) {
    case STORE_PUT:
    case STORE_TAKE:
        return HASTE_PUTS;
    case STORE_ADOPT:
        return HASTE_NAMES;
    case STORE_LAND:
    case STORE_CONFIRM:
        return HASTE_NONE;
    default:
        return HASTE_NOW;
    }
}

static bool is_enough(const struct queue *queue)
{
    for (int haste = 0; haste < HASTES; haste++) {
        if (queue->by[haste] >= queue->enough[haste])
            return true;
    }
    return queue->stopped;
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
        queue->by[haste_of(job)]++;
        wake = queue->gathering ? is_enough(queue) : queue->count == 1;
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
        queue->by[haste_of(queue->first)]--;
        queue->first = queue->first->next;
    }
    queue->count -= count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}

/* ---- gathering ------------------------------------------------------------------------------ */

void queue_count(struct store_job *const *jobs, size_t count, struct queue_taken *out)
{
    *out = (struct queue_taken){0};
    for (size_t i = 0; i < count; i++)
        out->by[haste_of(jobs[i])]++;
}

static size_t at_most(size_t count, size_t most)
{
    return count < most ? count : most;
}

/* Who put these, and who came meanwhile, are those who may come again. */
static void set_enough(struct queue *queue, const struct queue_taken *taken, size_t most)
{
    size_t puts = taken->by[HASTE_PUTS] + queue->by[HASTE_PUTS];
    size_t landed = taken->by[HASTE_NONE] + queue->by[HASTE_NONE];

    queue->enough[HASTE_NOW] = 1;
    queue->enough[HASTE_PUTS] = taken->by[HASTE_PUTS] < QUEUE_MANY ? 1 : at_most(puts, most);
    queue->enough[HASTE_NAMES] = QUEUE_NAMES_MAX;
    queue->enough[HASTE_NONE] = at_most(landed < QUEUE_MANY ? QUEUE_MANY : landed, most);
}

/* True: there is enough; false: so much time is over. */
static bool wait_for_enough(struct queue *queue, int64_t ns)
{
    struct timespec until;
    int error = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ns;
    until.tv_sec += until.tv_nsec / MONO_S(1);
    until.tv_nsec %= MONO_S(1);
    while (!is_enough(queue) && error == 0)
        error = pthread_cond_timedwait(&queue->filled, &queue->lock, &until);
    MUST(error == 0 || error == ETIMEDOUT);
    return error == 0;
}

/* Of those who put before, are some here already, and no others have come of late? */
static bool is_lull(const struct queue *queue, size_t *puts)
{
    size_t before = *puts;

    *puts = queue->by[HASTE_PUTS];
    return *puts && *puts == before;
}

void queue_gather(struct queue *queue, const struct queue_taken *taken,
                  const struct queue_patience *patience)
{
    int64_t left = patience->ns;
    size_t puts;

    if (taken->by[HASTE_NONE] == 0 && taken->by[HASTE_PUTS] < QUEUE_MANY)
        return;
    pthread_mutex_lock(&queue->lock);
    set_enough(queue, taken, patience->most);
    queue->gathering = true;
    puts = queue->by[HASTE_PUTS];
    while (left > 0) {
        int64_t turn = left < patience->lull_ns ? left : patience->lull_ns;
        if (wait_for_enough(queue, turn) || is_lull(queue, &puts))
            break;
        left -= turn;
    }
    queue->gathering = false;
    pthread_mutex_unlock(&queue->lock);
}
