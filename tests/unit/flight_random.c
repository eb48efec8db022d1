/* SPDX-License-Identifier: ISC */
#include "cache/flight.h"

#include <string.h>

#include "src/base/rng.h"
#include "tests/unit/flight_bench.h"
#include "tests/unit/unit.h"

/* What the world does to a flight: each of eight sources has a character, 0 is honest. */
struct world {
    struct bench b;
    struct rng rng;
    uint32_t count;
    bool busy; /* a request is under way */
    bool cutting;
    bool seeking;
    bool over, landed;
    bool told[256]; /* which sources were found to send what is wrong */
    uint32_t next, last;
    unsigned source;
    struct chunk_map had;
};

static void carry_out(struct world *w)
{
    struct flight_actions actions = w->b.actions;

    for (size_t i = 0; i < actions.count; i++) {
        const struct flight_action *action = &actions.list[i];
        assert_false(w->over);
        switch (action->kind) {
        case FLIGHT_ASK_LIST:
        case FLIGHT_ASK_RUN:
            assert_false(w->busy);
            assert_false(w->told[action->source.ip[15]]);
            w->busy = true;
            w->cutting = false;
            w->source = action->source.ip[15];
            w->next = action->first;
            w->last = action->last;
            assert_true(w->last < w->count);
            for (uint32_t n = w->next; action->kind == FLIGHT_ASK_RUN && n <= w->last; n++)
                assert_false(chunk_map_has(&w->had, n));
            break;
        case FLIGHT_CUT:
            assert_true(w->busy && !w->cutting);
            w->cutting = true;
            break;
        case FLIGHT_LISTEN: /* there are at most two that wait */
            break;
        case FLIGHT_NEED:
            w->seeking = true;
            break;
        case FLIGHT_JUDGE:
            break;
        case FLIGHT_LAND:
            w->landed = w->over = true;
            break;
        case FLIGHT_LEAVE_OFF: /* there is room */
            fail();
            break;
        case FLIGHT_GIVE_UP:
            w->over = true;
            break;
        }
    }
}

static void happen(struct world *w, struct flight_event event)
{
    step(&w->b, event);
    carry_out(w);
}

static void end_request(struct world *w, enum flight_outcome outcome, enum peer_fault what)
{
    static const enum peer_fault bad[] = {PEER_WRONG_CHUNK, PEER_WRONG_LIST, PEER_WRONG_ANSWER};

    w->busy = false;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (outcome == FLIGHT_OUTCOME_FAULT && what == bad[i])
            w->told[w->source] = true;
    }
    happen(w, (struct flight_event){.kind = FLIGHT_ENDED,
                                    .outcome = outcome,
                                    .fault = what,
                                    .retry_ns = (int64_t)rng_below(&w->rng, MONO_S(5))});
}

static void deliver(struct world *w)
{
    uint32_t n = w->next++;

    chunk_map_add(&w->had, n);
    happen(w, (struct flight_event){.kind = FLIGHT_CHUNK, .chunk = n});
}

/* One move of the source that is being asked. */
static void source_moves(struct world *w)
{
    static const enum peer_fault soft[] = {PEER_UNREACHABLE, PEER_SILENT, PEER_SHORT_BODY};
    bool listing = w->b.flight.state == FLIGHT_LISTING;

    if (w->cutting) {
        end_request(w, FLIGHT_OUTCOME_CUT, PEER_FINE);
    } else if (w->source != 0 && rng_below(&w->rng, 4) == 0) {
        switch (rng_below(&w->rng, 4)) {
        case 0:
            end_request(w, FLIGHT_OUTCOME_GONE, PEER_FINE);
            break;
        case 1:
            end_request(w, FLIGHT_OUTCOME_BUSY, PEER_FINE);
            break;
        case 2:
            end_request(w, FLIGHT_OUTCOME_FAULT, soft[rng_below(&w->rng, 3)]);
            break;
        default:
            end_request(w, FLIGHT_OUTCOME_FAULT, listing ? PEER_WRONG_LIST : PEER_WRONG_CHUNK);
        }
    } else if (listing) {
        w->busy = false;
        happen(w, (struct flight_event){.kind = FLIGHT_LISTED, .had = &w->had});
    } else if (w->next <= w->last) {
        deliver(w);
    } else {
        end_request(w, FLIGHT_OUTCOME_DONE, PEER_FINE);
    }
}

static void world_moves(struct world *w, bool honest_is_named)
{
    unsigned count = 0;
    struct address list[8];

    if (w->b.readers && rng_below(&w->rng, 3) == 0)
        happen(w, (struct flight_event){.kind = FLIGHT_WANTED,
                                        .chunk = (uint32_t)rng_below(&w->rng, w->count)});
    if (w->seeking && rng_below(&w->rng, 4)) {
        w->seeking = false;
        for (unsigned i = honest_is_named ? 0 : 1; i < 8; i++) {
            if (i == 0 || rng_below(&w->rng, 2))
                list[count++] = source_of(i);
        }
        happen(w, (struct flight_event){
                      .kind = FLIGHT_SOURCES, .sources = list, .source_count = count});
    }
    if (w->busy)
        source_moves(w);
    else
        happen(w, (struct flight_event){.kind = FLIGHT_WAKE});
    w->b.now = mono_after(w->b.now, (int64_t)rng_below(&w->rng, MONO_MS(300)));
}

static void random_run(uint64_t from)
{
    static struct world w;
    bool honest_is_named;
    int moves = 0;

    memset(&w, 0, sizeof(w));
    w.rng.state = from;
    w.count = 1 + (uint32_t)rng_below(&w.rng, 200);
    honest_is_named = rng_below(&w.rng, 2);
    for (uint32_t n = 0; n < w.count; n++) {
        if (rng_below(&w.rng, 3) == 0)
            chunk_map_add(&w.had, n);
    }
    open_with(&w.b, w.count, rng_below(&w.rng, 2), &w.had);
    w.b.readers = (uint32_t)rng_below(&w.rng, 3);
    carry_out(&w);
    while (!w.over && moves++ < 100000)
        world_moves(&w, honest_is_named);
    assert_true(w.over);
    if (honest_is_named)
        assert_true(w.landed);
}

static uint64_t seed; /* of the random run that is under way; 0: of none */

static void whatever_happens_it_ends(void **state)
{
    (void)state;
    for (uint64_t next = 1; next <= 3000; next++) {
        seed = next;
        random_run(seed);
    }
    seed = 0;
}

static int tell_the_seed(void **state)
{
    (void)state;
    if (seed)
        print_error("the seed was %llu\n", (unsigned long long)seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(whatever_happens_it_ends, tell_the_seed),
    };
    return cmocka_run_group_tests_name("flight_random", tests, NULL, NULL);
}
