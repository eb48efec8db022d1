/* SPDX-License-Identifier: ISC */
#ifndef POND_TESTS_UNIT_FLIGHTS_SCRIPT_H
#define POND_TESTS_UNIT_FLIGHTS_SCRIPT_H

#include <pthread.h>
#include <stdbool.h>

#include "src/flights.h"

/* In the place of src/flights.c: content that comes in as the test lets it. */

enum { READERS_MAX = 64 };

struct flight_reader {
    void (*wake)(void *arg);
    void *arg;
    bool waits;
    bool here;
};

extern struct script {
    pthread_mutex_t lock;
    char bytes[1 << 20];
    size_t had;
    bool failed;
    bool full; /* no reader is let in */
    bool listed;
    struct digest list[4];
    size_t list_count;
    bool passes;   /* nothing is kept */
    char via[256]; /* of who joined last, and for whom: */
    struct share share;
    struct flight_reader readers[READERS_MAX];
    unsigned joined, left, started;
    unsigned waits; /* of readers for bytes */
} script;

/* So much more comes in, or nothing any more; whoever waits is woken. */
void let_in(size_t bytes, bool failed);

void let_in_list(size_t count); /* the chunk list comes */

unsigned count_of(const unsigned *counter);

/* Waits for an event that has to come. */
void until(const unsigned *counter, unsigned n);

#endif
