/* SPDX-License-Identifier: ISC */
#include "src/flights.h"

#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "src/base/stats.h"
#include "tests/unit/flights_bench.h"
#include "tests/unit/unit.h"

/* What befalls a flight from outside while it is under way. */

enum { CHUNK = CHUNK_SIZE_MIN };

/* ---- one content under two names, one of which gets another content ---------------------------
 */

struct twins {
    struct goods a, b;
    struct node node;
    struct host host; /* has `b` alone by now */
};

static void twins_open(struct twins *t, uint64_t size)
{
    memset(t, 0, sizeof(*t));
    goods_make(&t->a, "example.com/a", size, 1);
    goods_make(&t->b, "example.com/b", size, 1);
    node_open(&t->node, NULL);
    node_adopt(&t->node, &t->a);
    node_adopt(&t->node, &t->b);
    host_start(&t->host, &t->b, HONEST, 0);
    t->host.name = t->b.manifest.name;
    node_knows(&t->node, &t->host);
}

static void twins_close(struct twins *t)
{
    node_close(&t->node, true);
    host_stop(&t->host);
    goods_free(&t->a);
    goods_free(&t->b);
}

static void content_is_asked_for_by_the_name_that_still_has_it(void **state)
{
    static const uint64_t sizes[] = {100, CHUNK, 3 * CHUNK + 1};
    static struct reading reading;
    static struct twins t;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        twins_open(&t, sizes[i]);
        t.node.other = &t.b.manifest;
        reading_start(&reading, &t.node, &t.a, 0, sizes[i]);
        reading_join(&reading);
        assert_false(reading.failed);
        assert_false(reading.differs);
        assert_true(reading.read == sizes[i]);
        node_wait_ended(&t.node, 1);
        assert_int_equal(t.node.landed, 1);
        assert_true(node_holds(&t.node, &t.b));
        twins_close(&t);
    }
}

/* ---- a reader that comes as a flight that nobody reads gives up --------------------------------
 */

struct late {
    struct node *node;
    const struct goods *goods;
    struct host *honest; /* known from then on */
    struct flight_reader *reader;
    sem_t woken;
};

static void on_wake(void *arg)
{
    struct late *late = arg;

    sem_post(&late->woken);
}

/* On the fetch thread: what the flight does for want of a source is decided, and not yet done. */
static void come(void *arg)
{
    struct late *late = arg;

    if (late->reader)
        return;
    node_knows(late->node, late->honest);
    late->reader = flights_join(late->node->flights, &late->goods->manifest, &own_host, span_of(""),
                                on_wake, late);
}

static uint64_t read_all(struct late *late)
{
    uint8_t piece[4096];
    uint64_t had = 0;
    ssize_t n = 0;

    while (had < late->goods->size && n != FLIGHT_FAILED) {
        n = flights_read(late->reader, had, piece, sizeof(piece));
        if (n == FLIGHT_WAIT)
            assert_int_equal(sem_wait(&late->woken), 0);
        else if (n > 0 && memcmp(piece, late->goods->bytes + had, (size_t)n) == 0)
            had += (uint64_t)n;
    }
    return had;
}

static void who_comes_as_it_gives_up_is_served(void **state)
{
    static struct host dead, honest;
    static struct node node;
    static struct goods goods;
    struct late late = {.node = &node, .goods = &goods, .honest = &honest};

    (void)state;
    goods_make(&goods, "example.com/a", CHUNK, 1);
    node_open(&node, NULL);
    node_adopt(&node, &goods);
    host_start(&dead, &goods, DIES, 0);
    host_start(&honest, &goods, HONEST, 0);
    node_knows(&node, &dead);
    assert_int_equal(sem_init(&late.woken, 0, 0), 0);
    node.on_fault = come;
    node.on_fault_arg = &late;
    assert_true(flights_start(node.flights, &goods.manifest, &own_host));
    node_wait_ended(&node, 1);
    assert_non_null(late.reader);
    assert_true(read_all(&late) == goods.size);
    flights_leave(late.reader);
    assert_int_equal(node.landed, 1);
    node_close(&node, true);
    host_stop(&dead);
    host_stop(&honest);
    goods_free(&goods);
    sem_destroy(&late.woken);
}

/* ---- content that is replaced before all of it has come ---------------------------------------
 */

static void what_is_replaced_meanwhile_comes_whole_and_is_not_kept(void **state)
{
    static const uint64_t sizes[] = {3 * CHUNK, 100};
    static struct reading reading;
    static struct host host;
    static struct node node;
    struct goods old, new;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        uint64_t failed = stat_read(STAT_FETCHES_FAILED);
        goods_make(&old, "example.com/a", sizes[i], 1);
        goods_make(&new, "example.com/a", 5, 2);
        new.manifest.version.bits = old.manifest.version.bits + 1;
        manifest_replace(&new.manifest, &old.manifest);
        node_open(&node, NULL);
        node_adopt(&node, &old);
        host_start(&host, &old, STALLS, 0);
        node_knows(&node, &host);
        reading_start(&reading, &node, &old, 0, sizes[i]);
        while (serve_requests(host.serve) == 0)
            usleep(1000);
        node_adopt(&node, &new);
        host.go = true;
        reading_join(&reading);
        assert_false(reading.failed || reading.differs);
        assert_true(reading.read == sizes[i]);
        node_wait_ended(&node, 1);
        assert_int_equal(node.how, FLIGHTS_REPLACED);
        assert_true(stat_read(STAT_FETCHES_FAILED) == failed);
        node_close(&node, true);
        host_stop(&host);
        goods_free(&old);
        goods_free(&new);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_asked_for_by_the_name_that_still_has_it),
        cmocka_unit_test(who_comes_as_it_gives_up_is_served),
        cmocka_unit_test(what_is_replaced_meanwhile_comes_whole_and_is_not_kept),
    };

    return cmocka_run_group_tests_name("flights_meanwhile", tests, NULL, NULL);
}
