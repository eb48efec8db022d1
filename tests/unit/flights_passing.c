/* SPDX-License-Identifier: ISC */
/* Flights of content for which there is no room on the disk. */
#include "src/flights.h"

#include <semaphore.h>
#include <string.h>

#include "src/base/log.h"
#include "tests/unit/failing.h"
#include "tests/unit/flights_bench.h"

enum { CHUNK = CHUNK_SIZE_MIN, APART = 3, READERS = FLIGHT_WANTS_MAX + 26 };

static void disk_is_full(bool full)
{
    fault_errno = ENOSPC;
    fault_stays = true;
    atomic_store(&until_fault, 0);
    atomic_store(&armed, full);
}

static void wait_until_all_wait(struct reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned waits;
        do {
            usleep(500);
            pthread_mutex_lock(&readings[i].lock);
            waits = readings[i].waits;
            pthread_mutex_unlock(&readings[i].lock);
        } while (waits == 0);
    }
}

struct scene {
    struct goods goods;
    struct host host;
    struct node node;
};

/* A node without room, and a host that has the content and waits before it sends any of it. */
static void scene_open(struct scene *s, uint64_t size)
{
    memset(s, 0, sizeof(*s));
    goods_make(&s->goods, "example.com/a", size, 1);
    node_open(&s->node, NULL);
    node_adopt(&s->node, &s->goods);
    host_start(&s->host, &s->goods, STALLS, 0);
    node_knows(&s->node, &s->host);
    disk_is_full(true);
}

static void scene_close(struct scene *s)
{
    disk_is_full(false);
    node_close(&s->node, true);
    host_stop(&s->host);
    goods_free(&s->goods);
}

/* Each waits for another place, and there are more of them than the machine remembers. Nothing is
 * asked for that nobody waits for, so none of them is served in passing. */
static void a_crowd_of_readers_is_served(void **state)
{
    static struct reading r[READERS];
    static struct scene s;

    (void)state;
    scene_open(&s, (uint64_t)READERS * APART * CHUNK);
    for (uint64_t i = 0; i < READERS; i++) {
        uint64_t from = i * APART * CHUNK;
        reading_start(&r[i], &s.node, &s.goods, from, from + CHUNK);
    }
    wait_until_all_wait(r, READERS);
    s.host.go = true;
    for (size_t i = 0; i < READERS; i++) {
        reading_join(&r[i]);
        assert_false(r[i].failed || r[i].differs);
    }
    node_wait_ended(&s.node, 1);
    assert_int_equal(s.node.landed, 0);
    scene_close(&s);
}

static void post(void *arg)
{
    sem_post(arg);
}

/* Who has its content from us gets the list, too. */
static void the_list_is_passed_on(void **state)
{
    static struct scene s;
    struct flight_reader *reader;
    const struct digest *list;
    ssize_t count;
    sem_t woken;

    (void)state;
    scene_open(&s, 3 * CHUNK);
    sem_init(&woken, 0, 0);
    reader = flights_join(s.node.flights, &s.goods.manifest, &own_host, span_of(""), post, &woken);
    assert_non_null(reader);
    while ((count = flights_list(reader, &list)) == FLIGHT_WAIT)
        sem_wait(&woken);
    assert_int_equal(count, s.goods.count);
    assert_memory_equal(list, s.goods.list, (size_t)count * sizeof(*list));
    flights_leave(reader);
    s.host.go = true;
    scene_close(&s);
    sem_destroy(&woken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_of_readers_is_served),
        cmocka_unit_test(the_list_is_passed_on),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("flights_passing", tests, NULL, NULL);
}
