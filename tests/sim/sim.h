/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_SIM_SIM_H
#define POND_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * A cluster in one process, under one seed. Each node is the real exchange behind the real gate,
 * and speaks in really signed bytes; the clock, the network, the store and HTTP are simulated. One
 * seed decides everything: who does what when, which kinds of faults there are, and which of them
 * happen. The same seed gives the same history, to the byte.
 *
 * After each step: what was let in was said so by a key holder, and was let in once; a name's
 * version never goes back on a node; what is adopted is a version that somebody made, and not from
 * the future; every ask is answered once, in time; no table holds more than it may. Then the faults
 * end, and within a bounded time all nodes know the same versions of the same names, hold what they
 * should, find what any of them holds, and fall quiet.
 */

/* Mistakes that can be built into the driver, to see that the simulator finds them. */
#define SIM_PLANTS(ROW)                                                                            \
    ROW(SIM_SOUND, "none")                                                                         \
    ROW(SIM_TAKES_REPLAYS, "lets replayed datagrams in")                                           \
    ROW(SIM_TAKES_WRONG_KEYS, "lets datagrams in that are signed with a wrong key")                \
    ROW(SIM_NEVER_COMPARES, "reports comparisons that it did not make")                            \
    ROW(SIM_FORGETS_LOCAL, "tells the exchange that nothing is known here")                        \
    ROW(SIM_ADOPTS_OLDER, "adopts manifests that are older than its own")                          \
    ROW(SIM_ADOPTS_AHEAD, "adopts versions from the future")                                       \
    ROW(SIM_TRUSTS_PAGES, "adopts manifests without checking their sum")                           \
    ROW(SIM_LOSES_ANSWERS, "drops an answer now and then")                                         \
    ROW(SIM_MISSES_DEADLINES, "does not wake the exchange up")

enum sim_plant {
#define SIM_ENUM(id, what) id,
    SIM_PLANTS(SIM_ENUM)
#undef SIM_ENUM
        SIM_PLANT_COUNT
};
const char *sim_plant_text(enum sim_plant plant);

struct sim_options {
    uint64_t seed;
    const char *scenario; /* NULL: a random run; else one of sim_scenarios */
    enum sim_plant plant;
    FILE *trace; /* NULL: none */
};

struct sim_result {
    char failure[256];  /* empty: all was well */
    uint64_t hash;      /* of the history */
    int64_t settled_ms; /* how long it took, after the faults, until all nodes agreed */
    uint64_t datagrams;
    uint64_t steps;
};
void sim_run(const struct sim_options *options, struct sim_result *result);

/* Scenarios by name, with a fixed course. */
extern const char *const sim_scenarios[];
extern const size_t sim_scenario_count;

#endif
