/* SPDX-License-Identifier: ISC */
#include "src/filler.h"

#include <ev.h>
#include <stdlib.h>

#include "src/base/must.h"

enum { FILLER_MAGIC = 0x66696c6c };

/* Seconds between two passes through the list: the first, and the longest. */
static const double PAUSE_FIRST = 1.0, PAUSE_MAX = 60.0, PAUSE_POKED = 0.01;

struct filler {
    unsigned magic;
    struct ev_loop *loop;
    struct store *store;
    struct flights *flights;
    struct ev_timer timer;
    uint64_t position; /* sequence of the last one that was started in this pass */
    double pause;
    bool resting; /* between two passes: the timer runs */
    bool poked;   /* since the last pass began: the rest is short */
};

static void start_in(struct filler *filler, double seconds)
{
    ev_timer_stop(filler->loop, &filler->timer);
    ev_now_update(filler->loop);
    ev_timer_set(&filler->timer, seconds, 0.);
    ev_timer_start(filler->loop, &filler->timer);
    filler->resting = true;
}

struct batch {
    size_t count;
    struct manifest manifests[SHARES_FILLER];
    uint64_t sequences[SHARES_FILLER];
};

static void collect(void *arg, const struct store_entry *entry)
{
    struct batch *batch = arg;

    batch->manifests[batch->count] = entry->manifest;
    batch->sequences[batch->count++] = entry->sequence;
}

/* Starts as many as there is room for, from where the pass stands. What is refused now, since the
 * same content flies under another manifest, is passed by until the next time. */
static void go_on(struct filler *filler)
{
    static const struct share share = {.kind = SHARE_FILLER};
    static struct batch batch; /* too large for the stack; main thread alone */
    size_t room = SHARES_FILLER - flights_filling(filler->flights), started = 0;

    filler->resting = false;
    if (room == 0)
        return; /* filler_flight_ended goes on */
    batch.count = 0;
    store_list_wanted(filler->store, filler->position, room, collect, &batch);
    for (size_t i = 0; i < batch.count; i++) {
        started += flights_start(filler->flights, &batch.manifests[i], &share);
        filler->position = batch.sequences[i];
    }
    if (batch.count == room && started > 0)
        return;
    if (batch.count < room)
        filler->position = 0; /* the end of the list: the next pass begins after a pause */
    start_in(filler, filler->poked ? PAUSE_POKED : filler->pause);
    filler->pause = filler->pause * 2 < PAUSE_MAX ? filler->pause * 2 : PAUSE_MAX;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct filler *filler = timer->data;

    (void)loop, (void)events;
    MUST_BE(filler, FILLER_MAGIC);
    filler->poked = false;
    go_on(filler);
}

struct filler *filler_new(struct ev_loop *loop, struct store *store, struct flights *flights)
{
    struct filler *filler = calloc(1, sizeof(*filler));

    MUST(filler != NULL);
    filler->magic = FILLER_MAGIC;
    filler->loop = loop;
    filler->store = store;
    filler->flights = flights;
    filler->pause = PAUSE_FIRST;
    ev_timer_init(&filler->timer, on_timer, PAUSE_FIRST, 0.);
    filler->timer.data = filler;
    start_in(filler, PAUSE_FIRST);
    return filler;
}

void filler_free(struct filler *filler)
{
    if (!filler)
        return;
    MUST_BE(filler, FILLER_MAGIC);
    ev_timer_stop(filler->loop, &filler->timer);
    filler->magic = 0;
    free(filler);
}

void filler_poke(struct filler *filler)
{
    MUST_BE(filler, FILLER_MAGIC);
    filler->pause = PAUSE_FIRST;
    if (filler->resting && !filler->poked) /* else more pokes would put it off */
        start_in(filler, PAUSE_POKED);
    filler->poked = true;
}

void filler_flight_ended(struct filler *filler, bool landed)
{
    MUST_BE(filler, FILLER_MAGIC);
    if (landed)
        filler->pause = PAUSE_FIRST;
    if (!filler->resting)
        go_on(filler);
}
