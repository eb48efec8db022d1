/* SPDX-License-Identifier: ISC */
#include "src/base/lock.h"

#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "tests/unit/unit.h"

/*
 * One processor and three threads: an ordinary one holds the lock and has some work to do, an
 * urgent one waits for it, and one in between, which has no part in it, keeps the processor busy.
 */
enum { WORK_MS = 20, BUSY_MS = 400, URGENT = 2, BETWEEN = 1 };

struct scene {
    pthread_mutex_t lock;
    sem_t held;
    _Atomic bool waits;
    _Atomic bool had;
    _Atomic bool had_in_time;
};

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;

    assert_int_equal(clock_gettime(clock, &now), 0);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *hold(void *arg)
{
    struct scene *scene = arg;
    int64_t end = now_ms(CLOCK_THREAD_CPUTIME_ID) + WORK_MS;

    pthread_mutex_lock(&scene->lock);
    sem_post(&scene->held);
    while (!atomic_load(&scene->waits) || now_ms(CLOCK_THREAD_CPUTIME_ID) < end)
        ;
    pthread_mutex_unlock(&scene->lock);
    return NULL;
}

static void *be_busy(void *arg)
{
    struct scene *scene = arg;
    int64_t end = now_ms(CLOCK_MONOTONIC) + BUSY_MS;

    while (!atomic_load(&scene->had) && now_ms(CLOCK_MONOTONIC) < end)
        ;
    atomic_store(&scene->had_in_time, atomic_load(&scene->had));
    return NULL;
}

static void *wait_urgently(void *arg)
{
    struct scene *scene = arg;

    atomic_store(&scene->waits, true);
    pthread_mutex_lock(&scene->lock);
    atomic_store(&scene->had, true);
    pthread_mutex_unlock(&scene->lock);
    return NULL;
}

static bool begin(pthread_t *thread, int priority, void *(*run)(void *), struct scene *scene)
{
    struct sched_param how = {.sched_priority = priority};
    pthread_attr_t attributes;
    cpu_set_t first;
    int error;

    CPU_ZERO(&first);
    CPU_SET(0, &first);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    pthread_attr_setaffinity_np(&attributes, sizeof(first), &first);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, priority ? SCHED_FIFO : SCHED_OTHER);
    pthread_attr_setschedparam(&attributes, &how);
    error = pthread_create(thread, &attributes, run, scene);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

static void who_holds_it_runs_as_urgently_as_who_waits(void **state)
{
    struct scene scene = {.waits = false};
    pthread_t holder, waiter, between;

    (void)state;
    lock_init(&scene.lock);
    assert_int_equal(sem_init(&scene.held, 0, 0), 0);
    if (!begin(&holder, 0, hold, &scene))
        skip(); /* processor 0 is not ours */
    assert_int_equal(sem_wait(&scene.held), 0);
    if (!begin(&waiter, URGENT, wait_urgently, &scene)) {
        atomic_store(&scene.waits, true);
        pthread_join(holder, NULL);
        skip(); /* no real-time priority is to be had here */
    }
    assert_true(begin(&between, BETWEEN, be_busy, &scene));
    pthread_join(between, NULL);
    pthread_join(waiter, NULL);
    pthread_join(holder, NULL);
    assert_true(atomic_load(&scene.had_in_time));
    sem_destroy(&scene.held);
    pthread_mutex_destroy(&scene.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_holds_it_runs_as_urgently_as_who_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
