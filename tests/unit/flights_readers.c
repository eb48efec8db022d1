/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "src/base/stats.h"
#include "tests/unit/flights_bench.h"
#include "tests/unit/unit.h"

/* How many may read what is fetched. */

enum { MOST = FLIGHTS_READERS_HOST };

static struct node node;
static struct goods goods;

static struct flight_reader *join(const struct share *share)
{
    return flights_join(node.flights, &goods.manifest, share, span_of(""), free, NULL);
}

static struct share member(uint8_t host)
{
    return (struct share){
        .kind = SHARE_MEMBER, .tier = "paris", .host.ip = {[10] = 0xff, [11] = 0xff, [15] = host}};
}

static void one_host_leaves_room_for_other_readers(void **state)
{
    static struct flight_reader *readers[MOST];
    const struct share greedy = member(1), fellow = member(2);
    struct flight_reader *other, *own;
    uint64_t refused;

    (void)state;
    goods_make(&goods, "example.com/a", 10, 1);
    node_open(&node, NULL);
    node.mute = true;
    node_adopt(&node, &goods);
    for (unsigned i = 0; i < MOST; i++) {
        readers[i] = join(&greedy);
        assert_non_null(readers[i]);
    }
    refused = atomic_load(&stat_values[STAT_FETCHES_REFUSED]);
    assert_null(join(&greedy));
    assert_int_equal(atomic_load(&stat_values[STAT_FETCHES_REFUSED]), refused + 1);
    other = join(&fellow);
    own = join(&own_host);
    assert_true(other && own);
    flights_leave(readers[0]);
    readers[0] = join(&greedy);
    assert_non_null(readers[0]);
    for (unsigned i = 0; i < MOST; i++)
        flights_leave(readers[i]);
    flights_leave(other);
    flights_leave(own);
    node_close(&node, true);
    goods_free(&goods);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_host_leaves_room_for_other_readers),
    };
    return cmocka_run_group_tests_name("flights_readers", tests, NULL, NULL);
}
