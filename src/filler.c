/* SPDX-License-Identifier: ISC */
#include "src/filler.h"

#include <ev.h>
#include <stdlib.h>

#include "src/base/must.h"
#include "src/frames.h"

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

/* Starts them in their order, up to one that is large where enough of these are under way. What is
 * refused now, since the same content flies under another manifest, is passed by until the next
 * time. Returns how many were started; false in *all where it left some. */
static size_t start(struct filler *filler, const struct batch *batch, size_t large, bool *all)
{
    static const struct share share = {.kind = SHARE_FILLER};
    size_t started = 0, i = 0;

    for (; i < batch->count; i++) {
        const struct manifest *manifest = &batch->manifests[i];
        bool is_large = manifest->size > FRAME_CONTENT_MAX;
        if (is_large && large >= SHARES_LARGE)
            break;
        if (flights_start(filler->flights, manifest, &share)) {
            started++;
            large += is_large;
        }
        filler->position = batch->sequences[i];
    }
    *all = i == batch->count;
    return started;
}

/* Starts as many as there is room for, from where the pass stands. */
static void go_on(struct filler *filler)
{
    static struct batch batch; /* too large for the stack; main thread alone */
    struct flights_filling filling = flights_filling(filler->flights);
    size_t room = filling.all < SHARES_FILLER ? SHARES_FILLER - filling.all : 0, started;
    bool all;

    filler->resting = false;
    if (room == 0)
        return; /* filler_flight_ended goes on */
    batch.count = 0;
    store_list_wanted(filler->store, filler->position, room, collect, &batch);
    started = start(filler, &batch, filling.large, &all);
    if (!all || (batch.count == room && started > 0))
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
