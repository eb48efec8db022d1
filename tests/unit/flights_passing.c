/* SPDX-License-Identifier: ISC */
/* Flights of content for which there is no room on the disk. */
#include "src/flights.h"

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

/* Each waits for another place, and there are more of them than the machine remembers. Nothing is
 * asked for that nobody waits for, so none of them is served in passing. */
static void a_crowd_of_readers_is_served(void **state)
{
    static struct reading r[READERS];
    static struct goods goods;
    static struct host host;
    static struct node node;

    (void)state;
    goods_make(&goods, "example.com/a", (uint64_t)READERS * APART * CHUNK, 1);
    node_open(&node, NULL);
    node_adopt(&node, &goods);
    host_start(&host, &goods, STALLS, 0);
    node_knows(&node, &host);
    disk_is_full(true);
    for (uint64_t i = 0; i < READERS; i++) {
        uint64_t from = i * APART * CHUNK;
        reading_start(&r[i], &node, &goods, from, from + CHUNK);
    }
    wait_until_all_wait(r, READERS);
    host.go = true;
    for (size_t i = 0; i < READERS; i++) {
        reading_join(&r[i]);
        assert_false(r[i].failed || r[i].differs);
    }
    node_wait_ended(&node, 1);
    assert_int_equal(node.landed, 0);
    disk_is_full(false);
    node_close(&node, true);
    host_stop(&host);
    goods_free(&goods);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_of_readers_is_served),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("flights_passing", tests, NULL, NULL);
}
