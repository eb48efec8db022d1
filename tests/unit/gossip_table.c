/* SPDX-License-Identifier: ISC */
#include "cache/gossip_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/base/rng.h"
#include "tests/unit/unit.h"

static int set_up(void **state)
{
    struct gossip_table *table = calloc(1, sizeof(*table));

    MUST(table != NULL);
    table->seed = 4711;
    *state = table;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static struct address host(unsigned n)
{
    struct address address;
    char text[32];

    snprintf(text, sizeof(text), "10.0.%u.%u", n >> 8 & 255, n & 255);
    assert_true(address_parse(span_of(text), 0, &address));
    return address;
}

static struct heartbeat beat_of(unsigned name, unsigned first, unsigned address_count)
{
    struct heartbeat beat = {.address_count = address_count};

    snprintf(beat.node, sizeof(beat.node), "n%u", name);
    for (unsigned i = 0; i < address_count; i++)
        beat.addresses[i] = host(first + i);
    return beat;
}

static struct gossip_node *put(struct gossip_table *table, mono_t now, const struct heartbeat *beat)
{
    struct gossip_node *node = gossip_table_find(table, beat->node);

    if (!node)
        node = gossip_table_room(table, &beat->addresses[0], (mono_t){0});
    if (!node)
        return NULL;
    if (*node->beat.node && strcmp(node->beat.node, beat->node) != 0)
        gossip_table_clear(table, node);
    gossip_table_set(table, node, beat);
    node->from = beat->addresses[0];
    node->heard = now;
    node->lost = false;
    return node;
}

static void found_by_name_and_by_every_address_whatever_the_port(void **state)
{
    struct gossip_table *table = *state;
    struct heartbeat beat = beat_of(1, 10, 3);
    struct address there = host(12);

    put(table, (mono_t){1}, &beat);
    there.port = 80;
    assert_true(gossip_table_is_at(table, &there));
    there = host(13);
    assert_false(gossip_table_is_at(table, &there));
    assert_ptr_equal(gossip_table_find(table, "n1"), &table->list[0]);
    assert_null(gossip_table_find(table, "n2"));
    table->list[0].lost = true;
    there = host(12);
    assert_false(gossip_table_is_at(table, &there));
    assert_non_null(gossip_table_find(table, "n1"));
}

static void one_address_has_so_many_places(void **state)
{
    struct gossip_table *table = *state;
    struct heartbeat beat;
    struct address there = host(1);

    for (unsigned i = 0; i < GOSSIP_NAMES_MAX; i++) {
        beat = beat_of(i, 1, 1);
        assert_non_null(put(table, (mono_t){100 + i}, &beat));
    }
    assert_null(gossip_table_room(table, &there, (mono_t){99}));
    assert_ptr_equal(gossip_table_room(table, &there, (mono_t){100}), &table->list[0]);
    beat = beat_of(0, 1, 1);
    put(table, (mono_t){200}, &beat);
    assert_null(gossip_table_room(table, &there, (mono_t){100}));
    table->list[1].lost = true;
    assert_ptr_equal(gossip_table_room(table, &there, (mono_t){100}), &table->list[1]);
}

/* Who only tells an address, and speaks from another, takes no place of it. */
static void nobody_fills_the_places_of_another_address(void **state)
{
    struct gossip_table *table = *state;
    struct address victim = host(2);

    for (unsigned i = 0; i < GOSSIP_NAMES_MAX; i++) {
        struct heartbeat beat = beat_of(i, 1, 2);
        put(table, (mono_t){100 + i}, &beat);
    }
    assert_true(gossip_table_is_at(table, &victim));
    assert_ptr_equal(gossip_table_room(table, &victim, (mono_t){0}),
                     &table->list[GOSSIP_NAMES_MAX]);
}

static bool is_at_slowly(const struct gossip_table *table, const struct address *there)
{
    bool is_at = false;

    for (size_t i = 0; i < table->count; i++)
        is_at |= !table->list[i].lost && heartbeat_tells(&table->list[i].beat, there);
    return is_at;
}

/* Nodes come, move, are lost and make room, in a table that is full: the chains hold. */
static void finds_what_is_there_whatever_happened(void **state)
{
    enum { STEPS = 20000, NAMES = 6000, HOSTS = 3000 };
    struct gossip_table *table = *state;
    struct rng rng = {.state = 1};

    for (int64_t step = 1; step <= STEPS; step++) {
        struct heartbeat beat =
            beat_of((unsigned)rng_below(&rng, NAMES), (unsigned)rng_below(&rng, HOSTS),
                    1 + (unsigned)rng_below(&rng, HEARTBEAT_ADDRESSES_MAX));
        struct gossip_node *node = put(table, (mono_t){step}, &beat);
        assert_non_null(node);
        node->lost = rng_below(&rng, 4) == 0;
        assert_ptr_equal(gossip_table_find(table, beat.node), node);
        if (step % 100 == 0) {
            struct address there = host((unsigned)rng_below(&rng, HOSTS));
            assert_int_equal(gossip_table_is_at(table, &there), is_at_slowly(table, &there));
        }
    }
    assert_int_equal(table->count, GOSSIP_NODES_MAX);
    for (size_t i = 0; i < table->count; i++)
        assert_ptr_equal(gossip_table_find(table, table->list[i].beat.node), &table->list[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(found_by_name_and_by_every_address_whatever_the_port,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_address_has_so_many_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_fills_the_places_of_another_address, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(finds_what_is_there_whatever_happened, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
