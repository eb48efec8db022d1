/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_EXCHANGE_BENCH_H
#define POND_TESTS_UNIT_EXCHANGE_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/exchange.h"
#include "tests/unit/unit.h"

#define NAME "example.com/a"

/* A machine, its time, and what its last step asked for. */
struct bench {
    struct exchange *machine;
    struct exchange_actions actions;
    mono_t now;
    uint64_t counter;
    unsigned relations;   /* what everyone is to it, where an event does not say */
    int64_t clock_set_ms; /* by how much its wall clock was set ahead */
};

/* Versions, contents and hosts by number. */
struct version version_of(uint64_t n);
struct digest content_of(uint64_t n);
struct address host(uint8_t n);

/* Fixtures: with a broadcast address that may reach strangers, and without. */
int set_up(void **state);
int set_up_alone(void **state);
int tear_down(void **state);

/* Places in tiers with roles: at the bottom, between two tiers, at the top. A fixture begins there.
 */
extern const struct route_place PLACE_SLAVE, PLACE_GATEWAY, PLACE_TOP_MASTER, PLACE_TOP_BACKUP;
void stand(struct bench *bench, struct route_place place);

/* What hosts are to one who stands there. */
enum {
    MASTER_ABOVE = ROUTE_FOLLOWED | ROUTE_ABOVE,
    BACKUP_ABOVE = ROUTE_CANDIDATE | ROUTE_ABOVE,
    OWN_MASTER = ROUTE_FOLLOWED | ROUTE_BESIDE, /* of a backup */
    OWN_BACKUP = ROUTE_LED | ROUTE_BESIDE,      /* of a master */
    FELLOW = ROUTE_FELLOW | ROUTE_BESIDE
};

/* What the store says of NAME. */
struct exchange_local nothing(void);
struct exchange_local knows(uint64_t n, bool held);

/* An event, at the bench's time; time that passes. */
void step(struct bench *bench, struct exchange_event event);
void wait_ms(struct bench *bench, int64_t ms);
wall_t wall_of(const struct bench *bench, int64_t ahead_ms); /* its clock, or one ahead of it */

/* The last step's action of this kind, if any; more than one fails the test. */
const struct exchange_action *only(const struct bench *bench, enum exchange_action_kind kind);

/* Wakes the machine when it wants to be, until an action of the kind comes or `ms` are over: the
 * first of that step (of the last one too), or NULL. */
const struct exchange_action *await(struct bench *bench, enum exchange_action_kind kind,
                                    int64_t ms);

/* Events about NAME. Peers serve on port 8080; hear_answer answers the question `tuid`. Each says
 * where it spoke from, unless the notice says something else. */
void ask(struct bench *bench, uint64_t ticket, enum exchange_ask what, struct exchange_local local);
struct notice ihave(uint64_t n, bool held); /* what is held is kept */
struct notice whohas(uint64_t n, bool content);
void hear(struct bench *bench, uint8_t from, struct notice notice, struct exchange_local local);
void hear_answer(struct bench *bench, uint8_t from, const char *tuid, uint64_t n, bool held,
                 struct exchange_local local);

/* The same, from one that is something else to us than all others are. */
void hear_as(struct bench *bench, uint8_t from, unsigned relations, struct notice notice,
             struct exchange_local local);
void landed(struct bench *bench, uint8_t from, unsigned relations, struct exchange_local local);
void learned(struct bench *bench, uint8_t from, enum exchange_result result, enum peer_fault fault,
             struct exchange_local local);

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
