/* SPDX-License-Identifier: ISC */
/* Flights of content for which there is no room on the disk. */
#include "src/flights.h"

#include <semaphore.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/stats.h"
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

static struct flight_reader *join(struct scene *s, sem_t *woken)
{
    struct flight_reader *reader =
        flights_join(s->node.flights, &s->goods.manifest, &own_host, span_of(""), post, woken);

    assert_non_null(reader);
    return reader;
}

/* Who has its content from us gets the list, too; and that he has not yet asked for a chunk when
 * he has it is no failure. */
static void the_list_is_passed_on(void **state)
{
    static struct scene s;
    struct flight_reader *reader;
    const struct digest *list;
    uint64_t failed = stat_read(STAT_FETCHES_FAILED);
    ssize_t count;
    sem_t woken;

    (void)state;
    scene_open(&s, 3 * CHUNK);
    sem_init(&woken, 0, 0);
    reader = join(&s, &woken);
    while ((count = flights_list(reader, &list)) == FLIGHT_WAIT)
        sem_wait(&woken);
    assert_int_equal(count, s.goods.count);
    assert_memory_equal(list, s.goods.list, (size_t)count * sizeof(*list));
    flights_leave(reader);
    node_wait_ended(&s.node, 1);
    assert_int_equal(s.node.how, FLIGHTS_PUT_OFF);
    assert_int_equal(stat_read(STAT_FETCHES_FAILED), failed);
    scene_close(&s);
    sem_destroy(&woken);
}

/* What is wanted for later has to be kept. */
static void without_readers_it_fails(void **state)
{
    static const struct share filler = {.kind = SHARE_FILLER};
    static struct scene s;
    uint64_t failed = stat_read(STAT_FETCHES_FAILED);

    (void)state;
    scene_open(&s, 3 * CHUNK);
    assert_true(flights_start(s.node.flights, &s.goods.manifest, &filler));
    node_wait_ended(&s.node, 1);
    assert_int_equal(s.node.how, FLIGHTS_PUT_OFF);
    assert_int_equal(stat_read(STAT_FETCHES_FAILED), failed + 1);
    scene_close(&s);
}

/* Joins when the source is praised for the content, after the list: that is, when a request has
 * ended, and what follows from it is decided, but not yet done. */
struct late {
    struct scene *scene;
    unsigned praises;
    struct flight_reader *reader;
    sem_t joined, woken;
};

static void join_late(void *arg)
{
    struct late *late = arg;

    if (++late->praises != 2)
        return;
    late->reader = join(late->scene, &late->woken);
    sem_post(&late->joined);
}

/* What no run before has brought. */
static void expect_last_bytes(struct flight_reader *reader, const struct goods *goods, sem_t *woken)
{
    uint8_t bytes[100];
    uint64_t from = goods->size - sizeof(bytes);
    ssize_t n;

    while ((n = flights_read(reader, from, bytes, sizeof(bytes))) == FLIGHT_WAIT)
        sem_wait(woken);
    assert_int_equal(n, sizeof(bytes));
    assert_memory_equal(bytes, goods->bytes + from, sizeof(bytes));
}

static void wait_until_asked(struct host *host)
{
    size_t asked;

    do {
        usleep(500);
        pthread_mutex_lock(&host->lock);
        asked = host->range_count;
        pthread_mutex_unlock(&host->lock);
    } while (asked == 0);
}

static void who_joins_as_it_ends_is_served(void **state)
{
    static struct scene s;
    static struct late late;
    struct flight_reader *first;
    char byte;

    (void)state;
    scene_open(&s, 40 * CHUNK);
    late = (struct late){.scene = &s};
    sem_init(&late.joined, 0, 0);
    sem_init(&late.woken, 0, 0);
    s.node.on_fine = join_late;
    s.node.on_fine_arg = &late;
    first = join(&s, &late.woken);
    assert_int_equal(flights_read(first, 0, &byte, 1), FLIGHT_WAIT);
    wait_until_asked(&s.host);
    flights_leave(first);
    usleep(1100 * 1000); /* a source is praised once a second */
    s.host.go = true;
    sem_wait(&late.joined);
    expect_last_bytes(late.reader, &s.goods, &late.woken);
    flights_leave(late.reader);
    node_wait_ended(&s.node, 1);
    scene_close(&s);
    sem_destroy(&late.joined);
    sem_destroy(&late.woken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_of_readers_is_served),
        cmocka_unit_test(the_list_is_passed_on),
        cmocka_unit_test(without_readers_it_fails),
        cmocka_unit_test(who_joins_as_it_ends_is_served),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("flights_passing", tests, NULL, NULL);
}
