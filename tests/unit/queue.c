/* SPDX-License-Identifier: ISC */
#include "cache/queue.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/time.h"
#include "tests/unit/unit.h"

/* Nobody gathers for so long: whoever waits until it is over has not found what he waited for. */
#define LONG MONO_S(1000)

enum { MOST = 100 };

struct scene {
    struct queue queue;
    struct store_job jobs[MOST], *taken[MOST];
    size_t count;
    struct store_job late[MOST]; /* what comes while more is gathered */
    size_t late_count;
};

static bool is_gathering(struct queue *queue)
{
    bool is;

    pthread_mutex_lock(&queue->lock);
    is = queue->gathering;
    pthread_mutex_unlock(&queue->lock);
    return is;
}

static void *add_late(void *arg)
{
    struct scene *scene = arg;

    while (scene->late_count && !is_gathering(&scene->queue))
        sched_yield();
    for (size_t i = 0; i < scene->late_count; i++)
        assert_true(queue_add(&scene->queue, &scene->late[i]));
    return NULL;
}

static void *nothing(void *arg)
{
    return arg;
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    queue_start(&scene->queue, nothing, scene);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    queue_stop(&scene->queue);
    free(scene);
    return 0;
}

static void comes(struct scene *scene, enum store_job_kind kind, size_t count)
{
    for (; count; count--) {
        assert_true(scene->count < MOST);
        scene->jobs[scene->count].kind = kind;
        assert_true(queue_add(&scene->queue, &scene->jobs[scene->count++]));
    }
}

static void comes_late(struct scene *scene, enum store_job_kind kind, size_t count)
{
    for (; count; count--)
        scene->late[scene->late_count++].kind = kind;
}

/* How many are taken at once after so many jobs of this kind were done. */
static size_t taken_after(struct scene *scene, enum store_job_kind kind, size_t count, int64_t ns,
                          int64_t lull_ns)
{
    struct store_job jobs[MOST] = {0}, *done[MOST];
    struct queue_taken taken;
    pthread_t adder;
    size_t found;

    for (size_t i = 0; i < count; i++) {
        jobs[i].kind = kind;
        done[i] = &jobs[i];
    }
    queue_count(done, count, &taken);
    assert_int_equal(pthread_create(&adder, NULL, add_late, scene), 0);
    queue_gather(&scene->queue, &taken,
                 &(struct queue_patience){.most = MOST, .ns = ns, .lull_ns = lull_ns});
    found = queue_take(&scene->queue, scene->taken, MOST);
    assert_int_equal(pthread_join(adder, NULL), 0);
    return found;
}

static void jobs_come_out_in_their_order(void **state)
{
    struct scene *scene = *state;

    comes(scene, STORE_PUT, 3);
    comes(scene, STORE_ADOPT, 2);
    assert_int_equal(queue_take(&scene->queue, scene->taken, 4), 4);
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(scene->taken[i], &scene->jobs[i]);
    assert_int_equal(queue_take(&scene->queue, scene->taken, 4), 1);
    assert_ptr_equal(scene->taken[0], &scene->jobs[4]);
}

static void after_few_puts_none_waits(void **state)
{
    struct scene *scene = *state;

    comes(scene, STORE_PUT, 1);
    assert_int_equal(taken_after(scene, STORE_PUT, QUEUE_MANY - 1, LONG, LONG), 1);
    comes(scene, STORE_PUT, 1);
    assert_int_equal(taken_after(scene, STORE_LAND, 1, LONG, LONG), 1);
}

/* They are as many as before: those that were done, and those that came meanwhile. */
static void after_many_puts_as_many_are_taken_together(void **state)
{
    struct scene *scene = *state;

    comes(scene, STORE_PUT, 20);
    comes_late(scene, STORE_PUT, 10);
    assert_int_equal(taken_after(scene, STORE_PUT, 10, LONG, LONG), 30);
}

static void who_does_not_come_is_not_waited_for(void **state)
{
    struct scene *scene = *state;

    comes(scene, STORE_PUT, 5);
    assert_int_equal(taken_after(scene, STORE_PUT, 50, LONG, 1), 5);
}

static void what_is_urgent_ends_the_gathering(void **state)
{
    static const enum store_job_kind urgent[] = {STORE_REMOVE, STORE_WANT, STORE_DROP};
    struct scene *scene = *state;

    for (size_t i = 0; i < sizeof(urgent) / sizeof(*urgent); i++) {
        comes(scene, STORE_LAND, 1);
        comes(scene, urgent[i], 1);
        assert_int_equal(taken_after(scene, STORE_LAND, MOST, LONG, LONG), 2);
    }
}

static void what_lands_is_taken_together(void **state)
{
    struct scene *scene = *state;

    comes(scene, STORE_LAND, 1);
    comes_late(scene, STORE_LAND, QUEUE_MANY - 1);
    assert_int_equal(taken_after(scene, STORE_LAND, 1, LONG, LONG), QUEUE_MANY);
}

static void what_nobody_waits_for_waits_until_the_time_is_over(void **state)
{
    struct scene *scene = *state;

    comes(scene, STORE_LAND, 1);
    comes(scene, STORE_CONFIRM, 1);
    comes(scene, STORE_ADOPT, 1);
    assert_int_equal(taken_after(scene, STORE_CONFIRM, 20, 1, 1), 3);
}

static void a_page_of_names_does_not_wait(void **state)
{
    struct scene *scene = *state;

    comes(scene, STORE_ADOPT, QUEUE_NAMES_MAX);
    assert_int_equal(taken_after(scene, STORE_LAND, MOST, LONG, LONG), QUEUE_NAMES_MAX);
    comes(scene, STORE_ADOPT, 1);
    assert_int_equal(taken_after(scene, STORE_ADOPT, MOST, LONG, LONG), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(jobs_come_out_in_their_order),
        TEST(after_few_puts_none_waits),
        TEST(after_many_puts_as_many_are_taken_together),
        TEST(who_does_not_come_is_not_waited_for),
        TEST(what_is_urgent_ends_the_gathering),
        TEST(what_lands_is_taken_together),
        TEST(what_nobody_waits_for_waits_until_the_time_is_over),
        TEST(a_page_of_names_does_not_wait),
    };

    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
