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
    RUN_CHUNKS = FLIGHT_RUN_BYTES / CHUNK,
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

#endif
