/* SPDX-License-Identifier: ISC */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/must.h"
#include "src/flights.h"
#include "tests/unit/flights_bench.h"
#include "tests/unit/unit.h"

/* Small content that comes faster than the store takes it. */

enum { PILE = FLIGHTS_MAX + 50, SMALL_LEN = 64 };

/* Small content i, and its manifest. */
static void small_make(struct goods *goods, unsigned i)
{
    char name[64];

    snprintf(name, sizeof(name), "example.com/small/%u", i);
    goods_make(goods, name, SMALL_LEN, 1000 + i);
}

static bool serve_small(void *arg, const struct serve_request *request)
{
    struct goods goods;
    unsigned i;
    bool sent;

    (void)arg;
    MUST(sscanf(request->target, "/example.com/small/%u", &i) == 1);
    small_make(&goods, i);
    sent = serve_text(request->fd,
                      "HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n"
                      "Content-Range: bytes 0-%d/%d\r\n\r\n",
                      SMALL_LEN, SMALL_LEN - 1, SMALL_LEN) &&
           serve_send(request->fd, goods.bytes, SMALL_LEN);
    goods_free(&goods);
    return sent;
}

/* Keeps the store from making any change until it is posted. */
static void hold_store(struct store_job *job)
{
    while (sem_wait(job->owner) != 0)
        ;
}

static bool has_all_come(struct node *node, const char *name)
{
    static struct flight_view views[PILE];
    size_t count = flights_view(node->flights, views, PILE);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(views[i].name, name) == 0)
            return views[i].had == views[i].size;
    }
    return false;
}

static void expect_small(struct flight_reader *reader, const struct goods *goods)
{
    char bytes[SMALL_LEN];

    assert_int_equal(flights_read(reader, 0, bytes, SMALL_LEN), SMALL_LEN);
    assert_memory_equal(bytes, goods->bytes, SMALL_LEN);
}

/* A node that knows of much small content, which one host has. */
struct pile {
    struct goods goods[PILE];
    struct flight_reader *readers[PILE];
    struct host host;
    struct node node;
};

static void pile_open(struct pile *pile)
{
    memset(pile, 0, sizeof(*pile));
    pile->host.serve = serve_start(serve_small, NULL);
    node_open(&pile->node, NULL);
    node_knows(&pile->node, &pile->host);
    for (unsigned i = 0; i < PILE; i++) {
        small_make(&pile->goods[i], i);
        node_adopt(&pile->node, &pile->goods[i]);
    }
}

static void pile_join(struct pile *pile, unsigned i)
{
    struct goods *goods = &pile->goods[i];

    pile->readers[i] =
        flights_join(pile->node.flights, &goods->manifest, &own_host, span_of(""), free, NULL);
    assert_non_null(pile->readers[i]);
    while (!has_all_come(&pile->node, goods->manifest.name))
        usleep(200);
}

static void pile_close(struct pile *pile)
{
    for (unsigned i = 0; i < PILE; i++) {
        flights_leave(pile->readers[i]);
        goods_free(&pile->goods[i]);
    }
    node_close(&pile->node, true);
    serve_stop(pile->host.serve);
}

/* What is read before the store has it does not hold up what is asked for next; once the store is
 * far behind, readers wait for it. */
static void a_slow_store_turns_nobody_away(void **state)
{
    static struct pile pile;
    struct store_job slow = {.kind = STORE_REMOVE, .done = hold_store};
    char byte;
    sem_t go;

    (void)state;
    pile_open(&pile);
    sem_init(&go, 0, 0);
    slow.owner = &go;
    store_submit(pile.node.store, &slow);
    for (unsigned i = 0; i < PILE; i++) {
        pile_join(&pile, i);
        if (i < PILE / 4)
            expect_small(pile.readers[i], &pile.goods[i]);
    }
    assert_int_equal(flights_read(pile.readers[PILE - 1], 0, &byte, 1), FLIGHT_WAIT);
    sem_post(&go);
    node_wait_ended(&pile.node, PILE);
    assert_int_equal(pile.node.landed, PILE);
    for (unsigned i = 0; i < PILE; i++)
        expect_small(pile.readers[i], &pile.goods[i]);
    pile_close(&pile);
    sem_destroy(&go);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_store_turns_nobody_away),
    };
    return cmocka_run_group_tests_name("flights_backlog", tests, NULL, NULL);
}
