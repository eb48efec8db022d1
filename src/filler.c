/* SPDX-License-Identifier: ISC */
#include "src/filler.h"

#include <ev.h>
#include <stdlib.h>

#include "src/base/must.h"
#include "src/frames.h"

enum { FILLER_MAGIC = 0x66696c6c, WALK_MAGIC = 0x66696c77 };

/* Seconds between two passes through the list: the first, and the longest; after a poke, and
 * between two parts of a pass. */
static const double PAUSE_FIRST = 1.0, PAUSE_MAX = 60.0, PAUSE_SHORT = 0.01;

/* Small and large content go through the list each on its own, so that neither waits for the other.
 */
enum kind { LARGE, SMALL, KINDS };

struct walk {
    unsigned magic;
    enum kind kind;
    struct filler *filler;
    struct ev_timer timer;
    uint64_t position; /* sequence of the last one that was looked at in this pass */
    double pause;
    bool resting; /* the timer runs; else flights end */
    bool poked;   /* since the last part of a pass: the rest is short */
};

struct filler {
    unsigned magic;
    struct ev_loop *loop;
    struct store *store;
    struct flights *flights;
    struct walk walks[KINDS]; /* in the order in which they take places */
};

static void start_in(struct walk *walk, double seconds)
{
    struct ev_loop *loop = walk->filler->loop;

    ev_timer_stop(loop, &walk->timer);
    ev_now_update(loop);
    ev_timer_set(&walk->timer, seconds, 0.);
    ev_timer_start(loop, &walk->timer);
    walk->resting = true;
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

static size_t room_for(const struct walk *walk)
{
    struct flights_filling filling = flights_filling(walk->filler->flights);
    size_t room = filling.all < SHARES_FILLER ? SHARES_FILLER - filling.all : 0;
    size_t large = filling.large < SHARES_LARGE ? SHARES_LARGE - filling.large : 0;

    return walk->kind == LARGE && large < room ? large : room;
}

/* Starts those of its kind, in their order, up to `room` of them. What is refused now is passed by
 * until the next pass: the same content flies under another manifest, or others have the places. */
static size_t start(struct walk *walk, const struct batch *batch, size_t room, size_t *tried)
{
    static const struct share share = {.kind = SHARE_FILLER};
    size_t started = 0;

    *tried = 0;
    for (size_t i = 0; i < batch->count && started < room; i++) {
        const struct manifest *manifest = &batch->manifests[i];
        enum kind kind = manifest->size > FRAME_CONTENT_MAX ? LARGE : SMALL;
        if (kind == walk->kind) {
            started += flights_start(walk->filler->flights, manifest, &share);
            ++*tried;
        }
        walk->position = batch->sequences[i];
    }
    return started;
}

/* Starts as many as there is room for, from where the pass stands. Most are small as a rule: after
 * each of them no more is read than could be started, and of the large ones as much as is cheap. */
static void go_on(struct walk *walk)
{
    static struct batch batch; /* too large for the stack; main thread alone */
    size_t room = room_for(walk), most = walk->kind == SMALL ? room : SHARES_FILLER;
    size_t started, tried;

    walk->resting = false;
    if (room == 0)
        return; /* filler_flight_ended goes on */
    batch.count = 0;
    store_list_wanted(walk->filler->store, walk->position, most, collect, &batch);
    started = start(walk, &batch, room, &tried);
    if (started == room)
        return;
    if (batch.count == most && (started > 0 || tried == 0)) {
        start_in(walk, PAUSE_SHORT);
        return;
    }
    if (batch.count < most)
        walk->position = 0; /* the end of the list: the next pass begins after a pause */
    start_in(walk, walk->poked ? PAUSE_SHORT : walk->pause);
    walk->pause = walk->pause * 2 < PAUSE_MAX ? walk->pause * 2 : PAUSE_MAX;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct walk *walk = timer->data;

    (void)loop, (void)events;
    MUST_BE(walk, WALK_MAGIC);
    walk->poked = false;
    go_on(walk);
}

static void walk_begin(struct walk *walk, struct filler *filler, enum kind kind)
{
    walk->magic = WALK_MAGIC;
    walk->kind = kind;
    walk->filler = filler;
    walk->pause = PAUSE_FIRST;
    ev_timer_init(&walk->timer, on_timer, PAUSE_FIRST, 0.);
    walk->timer.data = walk;
    start_in(walk, PAUSE_FIRST);
}

struct filler *filler_new(struct ev_loop *loop, struct store *store, struct flights *flights)
{
    struct filler *filler = calloc(1, sizeof(*filler));

    MUST(filler != NULL);
    filler->magic = FILLER_MAGIC;
    filler->loop = loop;
    filler->store = store;
    filler->flights = flights;
    for (enum kind kind = 0; kind < KINDS; kind++)
        walk_begin(&filler->walks[kind], filler, kind);
    return filler;
}

void filler_free(struct filler *filler)
{
    if (!filler)
        return;
    MUST_BE(filler, FILLER_MAGIC);
    for (size_t i = 0; i < KINDS; i++) {
        ev_timer_stop(filler->loop, &filler->walks[i].timer);
        filler->walks[i].magic = 0;
    }
    filler->magic = 0;
    free(filler);
}

void filler_poke(struct filler *filler)
{
    MUST_BE(filler, FILLER_MAGIC);
    for (size_t i = 0; i < KINDS; i++) {
        struct walk *walk = &filler->walks[i];
        walk->pause = PAUSE_FIRST;
        if (walk->resting && !walk->poked) /* else more pokes would put it off */
            start_in(walk, PAUSE_SHORT);
        walk->poked = true;
    }
}

void filler_flight_ended(struct filler *filler, bool landed)
{
    MUST_BE(filler, FILLER_MAGIC);
    for (size_t i = 0; i < KINDS; i++) {
        struct walk *walk = &filler->walks[i];
        if (landed)
            walk->pause = PAUSE_FIRST;
        if (!walk->resting)
            go_on(walk);
    }
}
