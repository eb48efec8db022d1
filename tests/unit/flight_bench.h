/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_FLIGHT_BENCH_H
#define POND_TESTS_UNIT_FLIGHT_BENCH_H

#include <string.h>

#include "cache/flight.h"
#include "tests/unit/unit.h"

/* A flight with the actions of its last step, and the clock. */
struct bench {
    struct flight flight;
    struct flight_actions actions;
    mono_t now;
    uint32_t readers;
    uint32_t window;
};

enum {
    CHUNK = CHUNK_SIZE_MIN,
    TURN_CHUNKS = FLIGHT_TURN_BYTES / CHUNK, /* of the first runs */
    TURN_CHUNKS_MAX = FLIGHT_TURN_BYTES_MAX / CHUNK,
    TURNS_MAX = (FLIGHT_TURN_BYTES_MAX - FLIGHT_TURN_BYTES) / FLIGHT_TURN_GROWS,
    LINGER_CHUNKS = FLIGHT_LINGER_BYTES / CHUNK
};

static inline struct address source_of(unsigned n)
{
    struct address a = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = 65028};

    a.ip[15] = (uint8_t)n;
    return a;
}

static inline void step(struct bench *b, struct flight_event event)
{
    event.now = b->now;
    event.readers = b->readers;
    event.window = b->window;
    flight_step(&b->flight, &event, &b->actions);
}

static inline void open_with(struct bench *b, uint32_t chunks, bool has_list,
                             const struct chunk_map *had)
{
    static const struct chunk_map none;

    memset(b, 0, sizeof(*b));
    b->now = (mono_t){MONO_S(1000)};
    b->readers = 1;
    flight_init(&b->flight, (uint64_t)chunks * CHUNK, CHUNK);
    step(b, (struct flight_event){
                .kind = FLIGHT_OPENED, .had = had ? had : &none, .has_list = has_list});
}

static inline void sources(struct bench *b, unsigned first, unsigned count)
{
    struct address list[32];

    for (unsigned i = 0; i < count; i++)
        list[i] = source_of(first + i);
    step(b, (struct flight_event){.kind = FLIGHT_SOURCES, .sources = list, .source_count = count});
}

static inline void chunk(struct bench *b, uint32_t n)
{
    step(b, (struct flight_event){.kind = FLIGHT_CHUNK, .chunk = n});
}

static inline void chunks(struct bench *b, uint32_t first, uint32_t last)
{
    for (uint32_t n = first; n <= last; n++) {
        chunk(b, n);
        assert_int_equal(b->actions.count, 0);
    }
}

static inline void want(struct bench *b, uint32_t n)
{
    step(b, (struct flight_event){.kind = FLIGHT_WANTED, .chunk = n});
}

static inline void ended(struct bench *b, enum flight_outcome outcome)
{
    step(b, (struct flight_event){.kind = FLIGHT_ENDED, .outcome = outcome});
}

static inline void fault(struct bench *b, enum peer_fault what)
{
    step(b, (struct flight_event){
                .kind = FLIGHT_ENDED, .outcome = FLIGHT_OUTCOME_FAULT, .fault = what});
}

static inline void wake_after(struct bench *b, int64_t ns)
{
    b->now = mono_after(b->now, ns);
    step(b, (struct flight_event){.kind = FLIGHT_WAKE});
}

/* The i-th action is this one. */
static inline const struct flight_action *expect(const struct bench *b, size_t i,
                                                 enum flight_action_kind kind)
{
    assert_true(i < b->actions.count);
    assert_int_equal(b->actions.list[i].kind, kind);
    return &b->actions.list[i];
}

static inline void expect_only(const struct bench *b, enum flight_action_kind kind)
{
    assert_int_equal(b->actions.count, 1);
    expect(b, 0, kind);
}

static inline void expect_run(const struct bench *b, size_t i, unsigned source, uint32_t first,
                              uint32_t last)
{
    const struct flight_action *action = expect(b, i, FLIGHT_ASK_RUN);
    struct address whom = source_of(source);

    assert_int_equal(i + 1, b->actions.count);
    assert_true(address_same(&action->source, &whom));
    assert_int_equal(action->first, first);
    assert_int_equal(action->last, last);
}

static inline void expect_judged(const struct bench *b, unsigned source, enum peer_fault what)
{
    const struct flight_action *action = expect(b, 0, FLIGHT_JUDGE);
    struct address whom = source_of(source);

    assert_true(address_same(&action->source, &whom));
    assert_int_equal(action->fault, what);
}

#endif
