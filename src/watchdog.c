/* SPDX-License-Identifier: ISC */
#include "src/watchdog.h"

#include <ev.h>
#include <stdbool.h>
#include <stdlib.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/clock.h"
#include "src/manager.h"

enum {
    WATCHDOG_MAGIC = 0x77646f67,
    FEEDS = 4, /* within the limit: two may be missed by a loop that is late */
    LOOKS = 32 /* as long as it starves: who was stopped for a while has little of it left */
};

struct watchdog {
    unsigned magic;
    struct watchdog_options options;
    struct ev_timer timer;
    bool starved;
};

/* Not older than half the limit, so that both loops have a whole one together. */
static bool has_turned(const struct watchdog *w, mono_t now)
{
    mono_t turned = w->options.turned(w->options.arg);

    return mono_between(turned, now) <= w->options.limit_ns / 2;
}

static void wait_for_next(struct watchdog *w, unsigned times)
{
    w->timer.repeat = (double)w->options.limit_ns / 1e9 / times;
    ev_timer_again(w->options.loop, &w->timer);
}

static void on_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct watchdog *w = timer->data;
    mono_t now = clock_mono();
    bool starved;

    (void)loop, (void)events;
    MUST_BE(w, WATCHDOG_MAGIC);
    starved = !has_turned(w, now);
    if (starved && !w->starved)
        log_error("the elections' thread has not come round for %.1f s: unless it does, the "
                  "service manager will end this daemon, and start it anew",
                  (double)mono_between(w->options.turned(w->options.arg), now) / 1e9);
    if (starved != w->starved)
        wait_for_next(w, starved ? LOOKS : FEEDS);
    w->starved = starved;
    if (!starved)
        manager_tell("WATCHDOG=1");
}

struct watchdog *watchdog_new(const struct watchdog_options *options)
{
    struct watchdog *w;

    if (!options->limit_ns)
        return NULL;
    w = calloc(1, sizeof(*w));
    MUST(w != NULL);
    w->magic = WATCHDOG_MAGIC;
    w->options = *options;
    ev_init(&w->timer, on_time);
    w->timer.data = w;
    wait_for_next(w, FEEDS);
    return w;
}

void watchdog_free(struct watchdog *w)
{
    if (!w)
        return;
    MUST_BE(w, WATCHDOG_MAGIC);
    ev_timer_stop(w->options.loop, &w->timer);
    w->magic = 0;
    free(w);
}
