/* SPDX-License-Identifier: ISC */
#include "src/confirm.h"

#include <ev.h>
#include <string.h>

#include "src/clock.h"
#include "tests/unit/unit.h"

/* The store's list, as it is walked: sequences 1 to `count`. */
enum { MOST = 200 };
static struct {
    uint64_t count;
    unsigned said[MOST + 1]; /* how often, by sequence */
    uint64_t in_all;
} fake;

size_t store_list_unconfirmed(struct store *store, uint64_t after, size_t most, store_visit *visit,
                              void *arg)
{
    size_t visited = 0;

    (void)store;
    for (uint64_t sequence = after + 1; sequence <= fake.count && visited < most; sequence++) {
        struct store_entry entry = {.sequence = sequence};
        visit(arg, &entry);
        visited++;
    }
    return visited;
}

static void say(void *arg, const struct store_entry *entry)
{
    (void)arg;
    fake.said[entry->sequence]++;
    fake.in_all++;
}

struct bench {
    struct ev_loop *loop;
    struct confirm *confirm;
};

static int set_up(void **state)
{
    static struct bench bench;
    struct confirm_options options = {.say = say};

    memset(&fake, 0, sizeof(fake));
    bench.loop = options.loop = ev_loop_new(EVFLAG_AUTO);
    bench.confirm = confirm_new(&options);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    confirm_free(bench->confirm);
    ev_loop_destroy(bench->loop);
    return 0;
}

static void run_until(struct bench *bench, uint64_t said_in_all)
{
    while (fake.in_all < said_in_all)
        ev_run(bench->loop, EVRUN_ONCE);
}

/* More than is said in one turn, and each of it once. */
static void all_is_said_in_turns(void **state)
{
    fake.count = MOST;
    run_until(*state, MOST);
    for (size_t i = 1; i <= MOST; i++)
        assert_int_equal(fake.said[i], 1);
}

static void it_is_said_again_after_a_longer_pause(void **state)
{
    mono_t first, second, third;

    fake.count = 1;
    run_until(*state, 1);
    first = clock_mono();
    run_until(*state, 2);
    second = clock_mono();
    run_until(*state, 3);
    third = clock_mono();
    assert_true(mono_between(first, second) >= MONO_MS(900));
    assert_true(mono_between(second, third) >= MONO_MS(1900));
}

/* What is new is said before the next pass through all, and alone. */
static void what_is_new_is_said_alone(void **state)
{
    struct bench *bench = *state;

    fake.count = 1;
    run_until(bench, 2); /* the next pass is 2 s away */
    fake.count = 2;
    confirm_poke(bench->confirm);
    run_until(bench, 3);
    assert_int_equal(fake.said[1], 2);
    assert_int_equal(fake.said[2], 1);
}

static void another_master_is_told_all_at_once(void **state)
{
    struct bench *bench = *state;
    mono_t began;

    fake.count = 3;
    run_until(bench, 6); /* the next pass is 2 s away */
    began = clock_mono();
    confirm_anew(bench->confirm);
    run_until(bench, 9);
    assert_true(mono_between(began, clock_mono()) < MONO_MS(1900));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_is_said_in_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_said_again_after_a_longer_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_new_is_said_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_master_is_told_all_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("confirm", tests, NULL, NULL);
}
