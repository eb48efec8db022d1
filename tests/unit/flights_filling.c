/* SPDX-License-Identifier: ISC */
/* The filler with real flights of large content: each that ends makes room for the next. */
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "src/base/must.h"
#include "src/filler.h"
#include "src/frames.h"
#include "tests/unit/flights_bench.h"
#include "tests/unit/unit.h"

enum { LARGE_LEN = FRAME_CONTENT_MAX + 1, WANTED = SHARES_LARGE + 1 };

struct scene {
    struct goods goods[WANTED];
    bool lost; /* the host has it no more */
    struct host host;
    struct node node;
    struct ev_loop *loop;
    struct filler *filler;
};

static bool serve_large(void *arg, const struct serve_request *request)
{
    struct scene *s = arg;
    unsigned i;

    MUST(sscanf(request->target, "/example.com/large/%u", &i) == 1 && i < WANTED);
    if (s->lost)
        return serve_text(request->fd, "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n");
    return serve_text(request->fd,
                      "HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n"
                      "Content-Range: bytes 0-%d/%d\r\n\r\n",
                      LARGE_LEN, LARGE_LEN - 1, LARGE_LEN) &&
           serve_send(request->fd, s->goods[i].bytes, LARGE_LEN);
}

static void scene_open(struct scene *s, bool lost)
{
    static const struct store_policy mirror = {.keep_all = true};
    char name[64];

    memset(s, 0, sizeof(*s));
    s->lost = lost;
    s->host.serve = serve_start(serve_large, s);
    node_open(&s->node, NULL);
    node_knows(&s->node, &s->host);
    store_set_policy(s->node.store, &mirror);
    for (unsigned i = 0; i < WANTED; i++) {
        snprintf(name, sizeof(name), "example.com/large/%u", i);
        goods_make(&s->goods[i], name, LARGE_LEN, 1000 + i);
        node_adopt(&s->node, &s->goods[i]);
    }
    s->loop = ev_loop_new(EVFLAG_AUTO);
    s->filler = filler_new(s->loop, s->node.store, s->node.flights);
    filler_poke(s->filler);
    ev_run(s->loop, EVRUN_ONCE);
}

static void scene_close(struct scene *s)
{
    filler_free(s->filler);
    ev_loop_destroy(s->loop);
    node_close(&s->node, true);
    serve_stop(s->host.serve);
    for (unsigned i = 0; i < WANTED; i++)
        goods_free(&s->goods[i]);
}

/* As the main thread is told of the ends, one after another: a flight whose end was told of is not
 * among those that take a place, or the last one would never begin. */
static void each_end_makes_room(struct scene *s)
{
    size_t begun = SHARES_LARGE, flying;

    for (unsigned told = 1; told <= WANTED; told++) {
        node_wait_ended(&s->node, told);
        flying = flights_filling(s->node.flights).large;
        assert_in_range(flying, 0, begun - told);
        filler_flight_ended(s->filler, true);
        begun = WANTED;
    }
    assert_int_equal(flights_filling(s->node.flights).all, 0);
}

static void where_they_land(void **state)
{
    static struct scene s;

    (void)state;
    scene_open(&s, false);
    each_end_makes_room(&s);
    assert_int_equal(s.node.landed, WANTED);
    assert_true(node_holds(&s.node, &s.goods[WANTED - 1]));
    scene_close(&s);
}

static void where_they_fail(void **state)
{
    static struct scene s;

    (void)state;
    scene_open(&s, true);
    each_end_makes_room(&s);
    assert_int_equal(s.node.landed, 0);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_they_land),
        cmocka_unit_test(where_they_fail),
    };
    return cmocka_run_group_tests_name("flights_filling", tests, NULL, NULL);
}
