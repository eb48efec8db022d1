/* SPDX-License-Identifier: ISC */
#include "src/filler.h"

#include <ev.h>
#include <string.h>

#include "tests/unit/unit.h"

/* The store's list and the flights, as the filler sees them: each has a sequence, which its size
 * tells again, beside LARGE where it is. */
enum { WANTED_MAX = 400, LARGE = 1 << 20 };

static struct {
    size_t wanted;            /* sequences 1 to `wanted` */
    bool refused[WANTED_MAX]; /* by the flights */
    bool started[WANTED_MAX];
    bool large[WANTED_MAX];
    size_t flying, large_flying;
    unsigned passes;
} fake;

size_t store_list_wanted(struct store *store, uint64_t after, size_t most, store_visit *visit,
                         void *arg)
{
    size_t visited = 0;

    (void)store;
    fake.passes += after == 0;
    for (uint64_t sequence = after + 1; sequence <= fake.wanted && visited < most; sequence++) {
        struct store_entry entry = {.sequence = sequence};
        entry.manifest.size = sequence + (fake.large[sequence - 1] ? LARGE : 0);
        visit(arg, &entry);
        visited++;
    }
    return visited;
}

struct flights_filling flights_filling(struct flights *flights)
{
    (void)flights;
    return (struct flights_filling){fake.flying, fake.large_flying};
}

bool flights_start(struct flights *flights, const struct manifest *manifest,
                   const struct share *share)
{
    size_t i = manifest->size % LARGE - 1;

    (void)flights;
    assert_int_equal(share->kind, SHARE_FILLER);
    assert_in_range(i, 0, fake.wanted - 1);
    if (fake.refused[i])
        return false;
    fake.flying += !fake.started[i];
    fake.large_flying += !fake.started[i] && fake.large[i];
    fake.started[i] = true;
    return true;
}

static size_t started(void)
{
    size_t count = 0;

    for (size_t i = 0; i < WANTED_MAX; i++)
        count += fake.started[i];
    return count;
}

/* ---- what happens ---------------------------------------------------------------------------- */

struct bench {
    struct ev_loop *loop;
    struct filler *filler;
    struct ev_timer poking;
};

static int set_up(void **state)
{
    static struct bench bench;

    memset(&fake, 0, sizeof(fake));
    memset(&bench, 0, sizeof(bench));
    bench.loop = ev_loop_new(EVFLAG_AUTO);
    bench.filler = filler_new(bench.loop, NULL, NULL);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    filler_free(bench->filler);
    ev_loop_destroy(bench->loop);
    return 0;
}

/* One lands, of the large ones where there is one, or of the small ones. */
static void land_one(struct bench *bench, bool large_first)
{
    bool is_large = large_first ? fake.large_flying > 0 : fake.large_flying == fake.flying;

    fake.large_flying -= is_large;
    fake.flying--;
    filler_flight_ended(bench->filler, true);
}

static void land_all(struct bench *bench, bool large_first)
{
    while (fake.flying > 0)
        land_one(bench, large_first);
}

/* Until so many have been started. */
static void run_until(struct bench *bench, size_t count)
{
    while (started() < count)
        ev_run(bench->loop, EVRUN_ONCE);
    assert_int_equal(started(), count);
}

static void a_bounded_number_flies_at_a_time(void **state)
{
    struct bench *bench = *state;

    fake.wanted = WANTED_MAX;
    filler_poke(bench->filler);
    run_until(bench, SHARES_FILLER);
    land_one(bench, false);
    assert_int_equal(started(), SHARES_FILLER + 1);
    land_all(bench, false);
    assert_int_equal(started(), WANTED_MAX);
}

/* No more at a time than the disk, and others, can bear. */
static void fewer_of_what_is_large(void **state)
{
    struct bench *bench = *state;

    fake.wanted = WANTED_MAX;
    memset(fake.large, true, sizeof(fake.large));
    filler_poke(bench->filler);
    run_until(bench, SHARES_LARGE);
    land_one(bench, true);
    assert_int_equal(started(), SHARES_LARGE + 1);
    land_all(bench, true);
    assert_int_equal(started(), WANTED_MAX);
}

/* On a slow line, a few large ones take for ever. */
static void what_is_small_passes_what_is_large(void **state)
{
    struct bench *bench = *state;
    size_t large = WANTED_MAX / 2;

    fake.wanted = WANTED_MAX;
    memset(fake.large, true, large * sizeof(fake.large[0]));
    filler_poke(bench->filler);
    run_until(bench, SHARES_FILLER);
    assert_int_equal(fake.large_flying, SHARES_LARGE);
    while (started() < SHARES_LARGE + WANTED_MAX - large) {
        if (fake.flying > fake.large_flying)
            land_one(bench, false);
        else
            ev_run(bench->loop, EVRUN_ONCE);
        assert_int_equal(fake.large_flying, SHARES_LARGE);
        assert_in_range(fake.flying, 0, SHARES_FILLER);
    }
    land_all(bench, true);
    assert_int_equal(started(), WANTED_MAX);
}

/* Nor does it keep the places from those: in whatever order they land, all get their turn. */
static void both_kinds_get_their_turn(bool large_first, struct bench *bench)
{
    fake.wanted = WANTED_MAX;
    for (size_t i = 0; i < WANTED_MAX; i++)
        fake.large[i] = i % 3 == 0;
    filler_poke(bench->filler);
    while (started() < WANTED_MAX) {
        ev_run(bench->loop, fake.flying ? EVRUN_NOWAIT : EVRUN_ONCE);
        assert_in_range(fake.large_flying, 0, SHARES_LARGE);
        assert_in_range(fake.flying, 0, SHARES_FILLER);
        if (fake.flying > 0)
            land_one(bench, large_first);
    }
}

static void large_ones_land_first(void **state)
{
    both_kinds_get_their_turn(true, *state);
}

static void large_ones_land_last(void **state)
{
    both_kinds_get_their_turn(false, *state);
}

/* Another manifest of the same content may be in the way, for long: the rest is fetched meanwhile,
 * and it is tried again. */
static void what_is_refused_holds_nobody_up(void **state)
{
    struct bench *bench = *state;

    fake.wanted = 40;
    memset(fake.refused, true, 20 * sizeof(fake.refused[0]));
    filler_poke(bench->filler);
    while (started() < 20) {
        ev_run(bench->loop, EVRUN_ONCE);
        land_all(bench, false);
    }
    memset(fake.refused, false, sizeof(fake.refused));
    while (started() < 40) {
        ev_run(bench->loop, EVRUN_ONCE);
        land_all(bench, false);
    }
}

static void poke(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct bench *bench = timer->data;

    (void)loop, (void)events;
    filler_poke(bench->filler);
}

/* As when a whole catalogue of news comes in. */
static void pokes_without_end_do_not_put_it_off(void **state)
{
    struct bench *bench = *state;

    fake.wanted = 1;
    ev_timer_init(&bench->poking, poke, 0., 0.002);
    bench->poking.data = bench;
    ev_timer_start(bench->loop, &bench->poking);
    while (fake.passes < 6) {
        ev_run(bench->loop, EVRUN_ONCE);
        land_all(bench, false);
    }
    ev_timer_stop(bench->loop, &bench->poking);
    assert_int_equal(started(), 1);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_bounded_number_flies_at_a_time),
        CASE(fewer_of_what_is_large),
        CASE(what_is_small_passes_what_is_large),
        CASE(large_ones_land_first),
        CASE(large_ones_land_last),
        CASE(what_is_refused_holds_nobody_up),
        CASE(pokes_without_end_do_not_put_it_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
