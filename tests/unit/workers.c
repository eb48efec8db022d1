/* SPDX-License-Identifier: ISC */
#include "src/workers.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/unit.h"

enum { TASKS = 1000 };

struct numbered {
    unsigned number;
    struct task task;
};

static _Atomic unsigned done, out_of_order;

static void count(struct task *task)
{
    struct numbered *numbered = TASK_OWNER(task, struct numbered, task);

    if (numbered->number != done++)
        out_of_order++;
}

static void post_all(struct workers *workers, struct numbered tasks[TASKS])
{
    done = out_of_order = 0;
    for (unsigned i = 0; i < TASKS; i++) {
        tasks[i].number = i;
        tasks[i].task.work = count;
        workers_post(workers, &tasks[i].task);
    }
}

static void one_thread_works_in_order(void **state)
{
    static struct numbered tasks[TASKS];
    struct workers *workers = workers_new(1);

    (void)state;
    post_all(workers, tasks);
    workers_free(workers); /* does what was posted */
    assert_int_equal(done, TASKS);
    assert_int_equal(out_of_order, 0);
}

static void many_threads_do_all(void **state)
{
    static struct numbered tasks[TASKS];
    struct workers *workers = workers_new(4);

    (void)state;
    post_all(workers, tasks);
    workers_free(workers);
    assert_int_equal(done, TASKS);
}

/* Two tasks that wait for one another come through: a long one holds nobody up. */
static pthread_barrier_t both;

static void meet(struct task *task)
{
    (void)task;
    pthread_barrier_wait(&both);
}

static void tasks_run_side_by_side(void **state)
{
    struct task tasks[2] = {{.work = meet}, {.work = meet}};
    struct workers *workers = workers_new(2);

    (void)state;
    pthread_barrier_init(&both, NULL, 2);
    workers_post(workers, &tasks[0]);
    workers_post(workers, &tasks[1]);
    workers_free(workers);
    pthread_barrier_destroy(&both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_works_in_order),
        cmocka_unit_test(many_threads_do_all),
        cmocka_unit_test(tasks_run_side_by_side),
    };
    return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
