/* SPDX-License-Identifier: ISC */
#include "src/flights.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "src/base/must.h"
#include "src/base/rng.h"
#include "src/base/stats.h"
#include "tests/unit/flights_bench.h"
#include "tests/unit/unit.h"

enum { CHUNK = CHUNK_SIZE_MIN };

/* One node, one content, up to three hosts. */
struct scene {
    struct goods goods;
    struct node node;
    struct host hosts[3];
    size_t host_count;
};

static void scene_open(struct scene *s, uint64_t size)
{
    memset(s, 0, sizeof(*s));
    goods_make(&s->goods, "example.com/a", size, 1);
    node_open(&s->node, NULL);
    node_adopt(&s->node, &s->goods);
}

static struct host *scene_host(struct scene *s, enum manners manners, uint64_t after)
{
    struct host *host = &s->hosts[s->host_count++];

    host_start(host, &s->goods, manners, after);
    node_knows(&s->node, host);
    return host;
}

static void scene_close(struct scene *s)
{
    node_close(&s->node, true);
    for (size_t i = 0; i < s->host_count; i++)
        host_stop(&s->hosts[i]);
    goods_free(&s->goods);
}

/* Fetches it for nobody in particular, to its end. */
static void scene_fetch(struct scene *s)
{
    unsigned before = s->node.ended;

    assert_true(flights_start(s->node.flights, &s->goods.manifest, &own_host));
    node_wait_ended(&s->node, before + 1);
}

static uint64_t scene_sent(const struct scene *s)
{
    uint64_t sent = 0;

    for (size_t i = 0; i < s->host_count; i++)
        sent += s->hosts[i].sent;
    return sent;
}

static void expect_landed(struct scene *s)
{
    assert_int_equal(s->node.landed, 1);
    assert_true(node_holds(&s->node, &s->goods));
}

/* ---- one source ----------------------------------------------------------------------------- */

static void content_of_any_size_lands(void **state)
{
    static const uint64_t sizes[] = {0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 7 * CHUNK + 99};
    static struct scene s;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        scene_open(&s, sizes[i]);
        scene_host(&s, HONEST, 0);
        scene_fetch(&s);
        expect_landed(&s);
        assert_true(scene_sent(&s) == sizes[i]);
        assert_true(sizes[i] == 0 || node_blamed(&s.node, &s.hosts[0], PEER_FINE));
        scene_close(&s);
    }
}

static void nobody_has_it(void **state)
{
    static struct scene s;

    (void)state;
    scene_open(&s, 3 * CHUNK);
    scene_fetch(&s);
    assert_int_equal(s.node.landed, 0);
    scene_host(&s, HAS_NOT, 0);
    scene_fetch(&s);
    assert_int_equal(s.node.landed, 0);
    assert_int_equal(s.node.blame_count, 0);
    assert_true(s.node.gone > 0); /* its word is worth nothing */
    scene_host(&s, HONEST, 0);    /* and it is asked for anew when it is wanted again */
    scene_fetch(&s);
    expect_landed(&s);
    scene_close(&s);
}

static void a_busy_source_is_asked_again(void **state)
{
    static struct scene s;

    (void)state;
    scene_open(&s, 3 * CHUNK);
    scene_host(&s, BUSY, 0);
    scene_fetch(&s);
    expect_landed(&s);
    scene_close(&s);
}

/* ---- sources that fail ---------------------------------------------------------------------- */

static void the_next_source_goes_on_where_one_died(void **state)
{
    static struct scene s;

    (void)state;
    scene_open(&s, 40 * CHUNK);
    scene_host(&s, DIES, 17 * CHUNK + 5000);
    scene_host(&s, HONEST, 0);
    scene_fetch(&s);
    expect_landed(&s);
    assert_true(scene_sent(&s) <= s.goods.size + CHUNK);
    assert_true(node_blamed(&s.node, &s.hosts[0], PEER_SHORT_BODY));
    assert_true(node_blamed(&s.node, &s.hosts[1], PEER_FINE));
    scene_close(&s);
}

static void a_wrong_chunk_costs_one_chunk(void **state)
{
    static struct scene s;

    (void)state;
    scene_open(&s, 20 * CHUNK);
    scene_host(&s, WRONG_CHUNK, 6 * CHUNK);
    scene_host(&s, HONEST, 0);
    scene_fetch(&s);
    expect_landed(&s);
    assert_true(node_blamed(&s.node, &s.hosts[0], PEER_WRONG_CHUNK));
    assert_true(s.hosts[1].ranges[0] == 6 * CHUNK);
    assert_true(s.hosts[1].sent == s.goods.size - 6 * CHUNK);
    scene_close(&s);
}

static void a_wrong_list_is_found_out(void **state)
{
    static struct scene s;

    (void)state;
    scene_open(&s, 3 * CHUNK);
    scene_host(&s, WRONG_LIST, 0);
    scene_host(&s, HONEST, 0);
    scene_fetch(&s);
    expect_landed(&s);
    assert_true(node_blamed(&s.node, &s.hosts[0], PEER_WRONG_LIST));
    assert_true(s.hosts[0].sent == 0);
    scene_close(&s);
}

static void a_silent_source_is_left(void **state)
{
    static struct scene s;

    (void)state;
    scene_open(&s, 10 * CHUNK);
    scene_host(&s, STALLS, 2 * CHUNK + 7);
    scene_host(&s, HONEST, 0);
    scene_fetch(&s);
    expect_landed(&s);
    assert_true(node_blamed(&s.node, &s.hosts[0], PEER_SILENT));
    scene_close(&s);
}

/* All chunks are what the list says, and the whole is not what the manifest says. */
static void a_manifest_that_lies_lands_nothing(void **state)
{
    static struct scene s;

    (void)state;
    scene_open(&s, 3 * CHUNK);
    s.goods.manifest.version.bits++;
    s.goods.manifest.sha256.bytes[0] ^= 1;
    node_adopt(&s.node, &s.goods);
    scene_host(&s, HONEST, 0);
    scene_fetch(&s);
    assert_int_equal(s.node.landed, 0);
    assert_false(node_holds(&s.node, &s.goods));
    scene_close(&s);
}

static void expect_read(struct reading *r)
{
    assert_false(r->failed);
    assert_false(r->differs);
    assert_true(r->read == r->to - r->from);
}

/* ---- over a restart ------------------------------------------------------------------------- */

static void wait_until_sent(struct host *host, uint64_t bytes)
{
    while (host->sent < bytes)
        usleep(1000);
}

static uint64_t had(struct node *node)
{
    struct flight_view view;

    return flights_view(node->flights, &view, 1) ? view.had : 0;
}

/* A node that has the first 9 of 20 chunks, and starts again. */
static void scene_open_again(struct scene *s)
{
    char home[64];

    scene_open(s, 20 * CHUNK);
    scene_host(s, STALLS, 9 * CHUNK + 100);
    assert_true(flights_start(s->node.flights, &s->goods.manifest, &own_host));
    wait_until_sent(&s->hosts[0], 9 * CHUNK);
    while (had(&s->node) < 9 * CHUNK)
        usleep(1000);
    memcpy(home, s->node.home, sizeof(home));
    node_close(&s->node, false);
    node_open(&s->node, home);
}

static void what_was_had_is_not_fetched_again(void **state)
{
    static struct scene s;
    uint64_t before;

    (void)state;
    scene_open_again(&s);
    before = s.hosts[0].sent;
    s.hosts[0].go = true;
    node_knows(&s.node, &s.hosts[0]);
    scene_fetch(&s);
    expect_landed(&s);
    assert_true(s.hosts[0].sent - before <= s.goods.size - 9 * CHUNK + CHUNK);
    assert_true(s.hosts[0].ranges[s.hosts[0].range_count - 1] == 9 * CHUNK);
    scene_close(&s);
}

/* Who came before it was known that it is here is given it at once, not when all of it has come. */
static void what_was_had_is_read_without_a_source(void **state)
{
    static struct reading r;
    static struct scene s;

    (void)state;
    scene_open_again(&s);
    s.node.mute = true;
    reading_start(&r, &s.node, &s.goods, 0, 9 * CHUNK);
    reading_join(&r);
    expect_read(&r);
    assert_int_equal(s.node.ended, 0);
    scene_close(&s);
}

/* ---- readers -------------------------------------------------------------------------------- */

static void many_readers_share_one_fetch(void **state)
{
    enum { READERS = 24 };
    static struct reading r[READERS];
    static struct scene s;
    struct rng rng = {7};

    (void)state;
    scene_open(&s, 30 * CHUNK + 1234);
    scene_host(&s, HONEST, 0);
    for (int i = 0; i < READERS; i++) {
        uint64_t from = i % 3 ? rng_below(&rng, s.goods.size) : 0;
        reading_start(&r[i], &s.node, &s.goods, from, s.goods.size);
    }
    for (int i = 0; i < READERS; i++) {
        reading_join(&r[i]);
        expect_read(&r[i]);
        assert_true(r[i].woken == r[i].waits);
    }
    node_wait_ended(&s.node, 1);
    expect_landed(&s);
    scene_close(&s);
}

/* A visitor joins, reads or begins to wait somewhere, and leaves at once, again and again, until
 * the last chunk is on its way. */
struct visitor {
    struct scene *scene;
    pthread_t thread;
    struct rng rng;
    _Atomic unsigned woken;
    unsigned waits;
    bool differs;
};

static void note_wake(void *arg)
{
    ((struct visitor *)arg)->woken++;
}

static void *come_and_go(void *arg)
{
    struct visitor *v = arg;
    const struct goods *goods = &v->scene->goods;
    uint8_t bytes[1000];

    while (v->scene->hosts[0].sent < goods->size - CHUNK) {
        struct flight_reader *reader = flights_join(v->scene->node.flights, &goods->manifest,
                                                    &own_host, span_of(""), note_wake, v);
        uint64_t from = rng_below(&v->rng, goods->size);
        ssize_t n = reader ? flights_read(reader, from, bytes, sizeof(bytes)) : FLIGHT_FAILED;
        if (n > 0)
            v->differs = v->differs || memcmp(bytes, goods->bytes + from, (size_t)n) != 0;
        v->waits += n == FLIGHT_WAIT;
        if (reader && rng_below(&v->rng, 2))
            flights_unwait(reader);
        if (reader)
            flights_leave(reader);
    }
    return NULL;
}

static void readers_come_and_go(void **state)
{
    enum { VISITORS = 6 };
    static struct visitor v[VISITORS];
    static struct reading r;
    static struct scene s;

    (void)state;
    scene_open(&s, 20 * CHUNK);
    scene_host(&s, SLOW, 0);
    reading_start(&r, &s.node, &s.goods, 0, s.goods.size);
    wait_until_sent(&s.hosts[0], 1);
    for (int i = 0; i < VISITORS; i++) {
        v[i].scene = &s;
        v[i].rng.state = (uint64_t)i;
        pthread_create(&v[i].thread, NULL, come_and_go, &v[i]);
    }
    for (int i = 0; i < VISITORS; i++) {
        pthread_join(v[i].thread, NULL);
        assert_false(v[i].differs);
        assert_true(v[i].woken <= v[i].waits);
    }
    reading_join(&r);
    expect_read(&r);
    node_wait_ended(&s.node, 1);
    expect_landed(&s);
    scene_close(&s);
}

static void what_a_reader_wants_comes_first(void **state)
{
    static struct reading r;
    static struct scene s;
    struct host *host;

    (void)state;
    scene_open(&s, 64 * CHUNK);
    host = scene_host(&s, HONEST, 0);
    reading_start(&r, &s.node, &s.goods, 50 * CHUNK + 5, 51 * CHUNK);
    reading_join(&r);
    expect_read(&r);
    node_wait_ended(&s.node, 1);
    expect_landed(&s);
    assert_true(host->ranges[0] == 50 * CHUNK);
    assert_true(host->ranges[1] == 0);
    scene_close(&s);
}

static void a_reader_that_leaves_does_not_stop_it(void **state)
{
    static struct reading r;
    static struct scene s;

    (void)state;
    scene_open(&s, 20 * CHUNK);
    scene_host(&s, STALLS, 3 * CHUNK);
    reading_start(&r, &s.node, &s.goods, 0, CHUNK);
    reading_join(&r);
    expect_read(&r);
    s.hosts[0].go = true;
    node_wait_ended(&s.node, 1);
    expect_landed(&s);
    scene_close(&s);
}

static void a_reader_reads_on_after_the_landing(void **state)
{
    static struct scene s;
    struct flight_reader *reader;
    static uint8_t bytes[CHUNK];

    (void)state;
    scene_open(&s, 4 * CHUNK);
    scene_host(&s, HONEST, 0);
    reader = flights_join(s.node.flights, &s.goods.manifest, &own_host, span_of(""), free, NULL);
    assert_non_null(reader);
    node_wait_ended(&s.node, 1);
    assert_true(flights_read(reader, 3 * CHUNK, bytes, CHUNK) == CHUNK);
    assert_memory_equal(bytes, s.goods.bytes + 3 * CHUNK, CHUNK);
    flights_leave(reader);
    scene_close(&s);
}

static void two_names_of_one_content_share_a_flight(void **state)
{
    static struct reading r[2];
    static struct goods twin;
    static struct scene s;

    (void)state;
    scene_open(&s, 10 * CHUNK);
    goods_make(&twin, "example.com/b", 10 * CHUNK, 1);
    node_adopt(&s.node, &twin);
    scene_host(&s, STALLS, 2 * CHUNK);
    reading_start(&r[0], &s.node, &s.goods, 0, s.goods.size);
    wait_until_sent(&s.hosts[0], 2 * CHUNK);
    reading_start(&r[1], &s.node, &twin, 0, s.goods.size);
    s.hosts[0].go = true;
    for (int i = 0; i < 2; i++) {
        reading_join(&r[i]);
        expect_read(&r[i]);
    }
    node_wait_ended(&s.node, 1);
    assert_true(scene_sent(&s) == s.goods.size);
    scene_close(&s);
    goods_free(&twin);
}

static void stopping_fails_who_waits(void **state)
{
    static struct reading r;
    static struct scene s;

    (void)state;
    scene_open(&s, 10 * CHUNK);
    scene_host(&s, STALLS, 2 * CHUNK);
    reading_start(&r, &s.node, &s.goods, 0, s.goods.size);
    wait_until_sent(&s.hosts[0], 2 * CHUNK);
    flights_stop(s.node.flights);
    reading_join(&r);
    assert_true(r.failed);
    assert_false(r.differs);
    assert_false(flights_start(s.node.flights, &s.goods.manifest, &own_host));
    scene_close(&s);
}

/* A reader that does not notice a failure is served by the next flight of the same content. */
static void who_lingers_is_served_by_the_next_flight(void **state)
{
    static struct reading r;
    static struct scene s;
    static uint8_t bytes[CHUNK];
    struct flight_reader *lingering;
    struct rlimit before, small;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 5 * CHUNK;
    scene_open(&s, 10 * CHUNK);
    scene_host(&s, STALLS, 2 * CHUNK);
    lingering = flights_join(s.node.flights, &s.goods.manifest, &own_host, span_of(""), free, NULL);
    assert_non_null(lingering);
    wait_until_sent(&s.hosts[0], 2 * CHUNK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0); /* as a disk that is full */
    s.hosts[0].go = true;
    node_wait_ended(&s.node, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(s.node.landed, 0);
    assert_int_equal(flights_read(lingering, 9 * CHUNK, bytes, CHUNK), FLIGHT_FAILED);

    reading_start(&r, &s.node, &s.goods, 0, s.goods.size);
    reading_join(&r);
    expect_read(&r);
    node_wait_ended(&s.node, 2);
    expect_landed(&s);
    assert_int_equal(flights_read(lingering, 9 * CHUNK, bytes, CHUNK), CHUNK);
    assert_memory_equal(bytes, s.goods.bytes + 9 * CHUNK, CHUNK);
    flights_leave(lingering);
    scene_close(&s);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void there_is_a_most_of_flights(void **state)
{
    static struct scene s;
    uint64_t refused = atomic_load(&stat_values[STAT_FETCHES_REFUSED]);
    struct manifest m;

    (void)state;
    scene_open(&s, 3 * CHUNK);
    s.node.mute = true;
    m = s.goods.manifest;
    for (int i = 0; i < FLIGHTS_MAX; i++) {
        m.sha256.bytes[3] = (uint8_t)i;
        assert_true(flights_start(s.node.flights, &m, &own_host));
        assert_true(flights_start(s.node.flights, &m, &own_host)); /* the same one */
    }
    m.sha256.bytes[4] ^= 1;
    assert_false(flights_start(s.node.flights, &m, &own_host));
    assert_null(flights_join(s.node.flights, &m, &own_host, span_of(""), free, NULL));
    assert_true(atomic_load(&stat_values[STAT_FETCHES_REFUSED]) == refused + 2);
    scene_close(&s);
}

/* What flies for members is not the filler's, and leaves it room. */
static void the_filler_flies_beside_readers(void **state)
{
    static const struct share filler = {.kind = SHARE_FILLER};
    const struct share member = {.kind = SHARE_MEMBER, .tier = "paris"};
    static struct scene s;
    struct manifest m;
    int members = 0;

    (void)state;
    scene_open(&s, 3 * CHUNK);
    s.node.mute = true;
    m = s.goods.manifest;
    for (m.sha256.bytes[3] = 0; flights_start(s.node.flights, &m, &member); members++)
        m.sha256.bytes[3]++;
    assert_in_range(members, SHARES_FILLER + 1, FLIGHTS_MAX / 2);
    assert_int_equal(flights_filling(s.node.flights).all, 0);
    assert_true(flights_start(s.node.flights, &m, &filler));
    assert_int_equal(flights_filling(s.node.flights).all, 1);
    assert_int_equal(flights_filling(s.node.flights).large, 1);
    scene_close(&s);
}

static void another_size_for_the_same_digest_is_refused(void **state)
{
    static struct scene s;
    struct manifest lie;

    (void)state;
    scene_open(&s, 3 * CHUNK);
    s.node.mute = true;
    lie = s.goods.manifest;
    lie.size = 10 * CHUNK;
    assert_true(flights_start(s.node.flights, &s.goods.manifest, &own_host));
    assert_null(flights_join(s.node.flights, &lie, &own_host, span_of(""), free, NULL));
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_of_any_size_lands),
        cmocka_unit_test(nobody_has_it),
        cmocka_unit_test(a_busy_source_is_asked_again),
        cmocka_unit_test(the_next_source_goes_on_where_one_died),
        cmocka_unit_test(a_wrong_chunk_costs_one_chunk),
        cmocka_unit_test(a_wrong_list_is_found_out),
        cmocka_unit_test(a_silent_source_is_left),
        cmocka_unit_test(a_manifest_that_lies_lands_nothing),
        cmocka_unit_test(what_was_had_is_not_fetched_again),
        cmocka_unit_test(what_was_had_is_read_without_a_source),
        cmocka_unit_test(many_readers_share_one_fetch),
        cmocka_unit_test(readers_come_and_go),
        cmocka_unit_test(what_a_reader_wants_comes_first),
        cmocka_unit_test(a_reader_that_leaves_does_not_stop_it),
        cmocka_unit_test(a_reader_reads_on_after_the_landing),
        cmocka_unit_test(two_names_of_one_content_share_a_flight),
        cmocka_unit_test(stopping_fails_who_waits),
        cmocka_unit_test(who_lingers_is_served_by_the_next_flight),
        cmocka_unit_test(there_is_a_most_of_flights),
        cmocka_unit_test(the_filler_flies_beside_readers),
        cmocka_unit_test(another_size_for_the_same_digest_is_refused),
    };
    return cmocka_run_group_tests_name("flights", tests, NULL, NULL);
}
