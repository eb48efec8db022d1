/* SPDX-License-Identifier: ISC */
#include "src/confirm.h"

#include <ev.h>
#include <stdlib.h>

#include "src/base/must.h"
#include "src/clock.h"

enum { CONFIRM_MAGIC = 0x636f6e66 };

/* Seconds: between two turns of a pass; before the first pass through all; until what is new. */
static const double PAUSE_TURN = 0.01, PAUSE_FIRST = 1.0, PAUSE_NEW = 1.0;

struct confirm {
    unsigned magic;
    struct confirm_options options;
    struct ev_timer timer;
    bool passing;      /* in the middle of a pass: the timer runs to its next turn */
    uint64_t position; /* sequence of the last one that was said in this pass */
    uint64_t newest;   /* the highest that was ever said */
    double pause;      /* before the next pass through all */
    mono_t all_at;     /* when that one begins */
};

static void start_in(struct confirm *confirm, double seconds)
{
    ev_timer_stop(confirm->options.loop, &confirm->timer);
    ev_now_update(confirm->options.loop);
    ev_timer_set(&confirm->timer, seconds, 0.);
    ev_timer_start(confirm->options.loop, &confirm->timer);
}

static void all_in(struct confirm *confirm, double seconds)
{
    confirm->passing = false;
    confirm->all_at = mono_after(clock_mono(), (int64_t)(seconds * 1e9));
    start_in(confirm, seconds);
}

static void say(void *arg, const struct store_entry *entry)
{
    struct confirm *confirm = arg;

    confirm->position = entry->sequence;
    if (entry->sequence > confirm->newest)
        confirm->newest = entry->sequence;
    confirm->options.say(confirm->options.arg, entry);
}

/* A pass through all is over: the next one follows after a longer pause. One through what is new
 * alone changes nothing in that. */
static void rest(struct confirm *confirm)
{
    double left = (double)mono_between(clock_mono(), confirm->all_at) / 1e9;

    confirm->passing = false;
    if (left > 0) {
        start_in(confirm, left);
        return;
    }
    all_in(confirm, confirm->pause);
    confirm->pause =
        confirm->pause * 2 < CONFIRM_PAUSE_MAX_S ? confirm->pause * 2 : CONFIRM_PAUSE_MAX_S;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct confirm *confirm = timer->data;
    size_t said;

    (void)loop, (void)events;
    MUST_BE(confirm, CONFIRM_MAGIC);
    if (!confirm->passing)
        confirm->position = mono_reached(clock_mono(), confirm->all_at) ? 0 : confirm->newest;
    confirm->passing = true;
    said = store_list_unconfirmed(confirm->options.store, confirm->position, CONFIRM_BATCH, say,
                                  confirm);
    if (said == CONFIRM_BATCH)
        start_in(confirm, PAUSE_TURN);
    else
        rest(confirm);
}

struct confirm *confirm_new(const struct confirm_options *options)
{
    struct confirm *confirm = calloc(1, sizeof(*confirm));

    MUST(confirm != NULL);
    confirm->magic = CONFIRM_MAGIC;
    confirm->options = *options;
    confirm->pause = PAUSE_FIRST;
    ev_timer_init(&confirm->timer, on_timer, PAUSE_FIRST, 0.);
    confirm->timer.data = confirm;
    all_in(confirm, PAUSE_FIRST);
    return confirm;
}

void confirm_free(struct confirm *confirm)
{
    if (!confirm)
        return;
    MUST_BE(confirm, CONFIRM_MAGIC);
    ev_timer_stop(confirm->options.loop, &confirm->timer);
    confirm->magic = 0;
    free(confirm);
}

void confirm_poke(struct confirm *confirm)
{
    MUST_BE(confirm, CONFIRM_MAGIC);
    if (!confirm->passing && ev_timer_remaining(confirm->options.loop, &confirm->timer) > PAUSE_NEW)
        start_in(confirm, PAUSE_NEW);
}

void confirm_anew(struct confirm *confirm)
{
    MUST_BE(confirm, CONFIRM_MAGIC);
    confirm->pause = PAUSE_FIRST;
    all_in(confirm, CONFIRM_ANEW_MS / 1e3);
}
