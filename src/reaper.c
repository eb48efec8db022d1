/* SPDX-License-Identifier: ISC */
#include "src/reaper.h"

#include <ev.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* not <netinet/tcp.h>: only this one has tcpi_bytes_acked */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/base/time.h"
#include "src/clock.h"

enum { REAPER_MAGIC = 0x72656170, REAPER_STATE_BITS = 3 };
_Static_assert(REAPER_WAIT < 1 << REAPER_STATE_BITS, "the states fit");

#define REAPER_TICK_MOST_NS MONO_MS(250) /* a limit is seen to begin, and to be over, so late */

struct reaped {
    pthread_mutex_t lock; /* guards fd and owner against the descriptor's end */
    int fd;               /* -1: this place is free */
    bool tcp;
    void *owner;
    struct reaped *next_free;

    /* How often the state changed, above the state: so that the timer sees a change even where the
     * same state came back between two looks. */
    _Atomic uint64_t turn;

    /* The timer's own: */
    uint64_t seen;  /* the turn that the rest belongs to */
    mono_t since;   /* when it was first seen, or its window begins */
    uint64_t mark;  /* bytes that had moved then */
    mono_t begun;   /* IDLE: when a head's first bytes were noticed */
    bool has_begun; /* IDLE: they were */
};

struct reaper {
    unsigned magic;
    struct reaper_options options;
    struct ev_timer tick;
    int64_t tick_ns;
    mono_t last; /* when it looked last */
    bool shut_idle;
    pthread_mutex_t lock; /* guards free_first */
    struct reaped *free_first;
    struct reaped places[];
};

/* Bytes that came in, or that the client has taken; 0 where the kernel does not say. */
static uint64_t moved(const struct reaped *r, enum reaper_state state)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    if (!r->tcp || getsockopt(r->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return 0;
    return state == REAPER_REPLY ? info.tcpi_bytes_acked : info.tcpi_bytes_received;
}

/* What is still queued for a client that does not take it goes as well: a close alone would keep it
 * in the kernel for as long as the client likes. */
static void cut_off(const struct reaped *r)
{
    const struct linger at_once = {.l_onoff = 1};

    (void)setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (void)shutdown(r->fd, SHUT_RDWR);
}

static bool is_gone(const struct reaped *r)
{
    struct pollfd end = {.fd = r->fd, .events = POLLRDHUP};

    return poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static int queued(const struct reaped *r, unsigned long request)
{
    int bytes = 0;

    return ioctl(r->fd, request, &bytes) == 0 ? bytes : 0;
}

static bool is_idle_too_long(struct reaped *r, mono_t now, const struct reaper_limits *limits)
{
    if (!r->has_begun && moved(r, REAPER_IDLE) != r->mark) {
        r->has_begun = true;
        r->begun = now;
    }
    return (r->has_begun && mono_between(r->begun, now) >= limits->head_ns) ||
           mono_between(r->since, now) >= limits->idle_ns;
}

/* At the end of each window: did too little move, although it was the client's turn? */
static bool is_too_slow(const struct reaper *reaper, struct reaped *r, mono_t now,
                        enum reaper_state state)
{
    const struct reaper_limits *limits = &reaper->options.limits;
    int64_t ns = mono_between(r->since, now);
    int64_t window = reaper->shut_idle ? limits->last_ns : limits->window_ns;
    uint64_t least = (uint64_t)((double)limits->rate * (double)ns / 1e9), bytes, before = r->mark;

    if (!r->tcp || ns < window)
        return false;
    bytes = moved(r, state);
    r->since = now;
    r->mark = bytes;
    if (bytes - before >= least)
        return false;
    return state == REAPER_BODY ? queued(r, SIOCINQ) == 0 : queued(r, SIOCOUTQ) > 0;
}

static bool is_due(const struct reaper *reaper, struct reaped *r, mono_t now,
                   enum reaper_state state)
{
    const struct reaper_limits *limits = &reaper->options.limits;

    switch (state) {
    case REAPER_FRESH:
        return mono_between(r->since, now) >= limits->head_ns;
    case REAPER_IDLE:
        return is_idle_too_long(r, now, limits);
    case REAPER_BODY:
    case REAPER_REPLY:
        return is_too_slow(reaper, r, now, state);
    case REAPER_WAIT:
        return false;
    }
    return false;
}

/* At the end. Nobody waits for one between two requests; one that has just come gets an answer, if
 * its request follows: its client found a listening socket, and has no reason to try again. */
static bool is_over(const struct reaper *reaper, const struct reaped *r, mono_t now,
                    enum reaper_state state)
{
    if (!reaper->shut_idle || state > REAPER_IDLE || queued(r, SIOCINQ) > 0)
        return false;
    return state == REAPER_IDLE || mono_between(r->since, now) >= reaper->options.limits.last_ns;
}

static void judge(struct reaper *reaper, struct reaped *r, mono_t now)
{
    uint64_t turn = atomic_load_explicit(&r->turn, memory_order_acquire);
    enum reaper_state state = turn & ((1 << REAPER_STATE_BITS) - 1);

    if (turn != r->seen) {
        r->seen = turn;
        r->since = now;
        r->has_begun = false;
        r->mark = moved(r, state);
    }
    if (state == REAPER_WAIT)
        reaper->options.waits(r->owner, is_gone(r));
    if (is_due(reaper, r, now, state)) {
        stat_add(STAT_CONNECTIONS_REAPED, 1);
        cut_off(r);
    } else if (is_over(reaper, r, now, state)) {
        (void)shutdown(r->fd, SHUT_RDWR);
    }
}

/* A loop that was late itself (busy, paused) gives its clients the time that it lost. */
static int64_t lateness(struct reaper *reaper, mono_t now)
{
    int64_t late = mono_between(reaper->last, now) - 2 * reaper->tick_ns;

    reaper->last = now;
    return late > 0 ? late : 0;
}

static void look_at_all(struct reaper *reaper)
{
    mono_t now = clock_mono();
    int64_t late = lateness(reaper, now);

    for (size_t i = 0; i < reaper->options.capacity; i++) {
        struct reaped *r = &reaper->places[i];
        pthread_mutex_lock(&r->lock);
        r->since = mono_after(r->since, late);
        r->begun = mono_after(r->begun, late);
        if (r->fd >= 0)
            judge(reaper, r, now);
        pthread_mutex_unlock(&r->lock);
    }
}

static void on_tick(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
    (void)loop, (void)events;
    MUST_BE((struct reaper *)watcher->data, REAPER_MAGIC);
    look_at_all(watcher->data);
}

static int64_t tick_for(const struct reaper_limits *limits)
{
    int64_t least = limits->head_ns < limits->window_ns ? limits->head_ns : limits->window_ns;

    return least / 20 < REAPER_TICK_MOST_NS ? least / 20 : REAPER_TICK_MOST_NS;
}

struct reaper *reaper_new(const struct reaper_options *options)
{
    struct reaper *reaper =
        calloc(1, sizeof(*reaper) + options->capacity * sizeof(reaper->places[0]));

    MUST(reaper != NULL);
    reaper->magic = REAPER_MAGIC;
    reaper->options = *options;
    reaper->tick_ns = tick_for(&options->limits);
    reaper->last = clock_mono();
    MUST(pthread_mutex_init(&reaper->lock, NULL) == 0);
    for (size_t i = options->capacity; i-- > 0;) {
        struct reaped *r = &reaper->places[i];
        MUST(pthread_mutex_init(&r->lock, NULL) == 0);
        r->fd = -1;
        r->next_free = reaper->free_first;
        reaper->free_first = r;
    }
    ev_timer_init(&reaper->tick, on_tick, (double)reaper->tick_ns / 1e9,
                  (double)reaper->tick_ns / 1e9);
    reaper->tick.data = reaper;
    ev_timer_start(options->loop, &reaper->tick);
    return reaper;
}

void reaper_free(struct reaper *reaper)
{
    MUST_BE(reaper, REAPER_MAGIC);
    ev_timer_stop(reaper->options.loop, &reaper->tick);
    for (size_t i = 0; i < reaper->options.capacity; i++) {
        MUST(reaper->places[i].fd < 0);
        pthread_mutex_destroy(&reaper->places[i].lock);
    }
    pthread_mutex_destroy(&reaper->lock);
    reaper->magic = 0;
    free(reaper);
}

struct reaped *reaper_add(struct reaper *reaper, int fd, bool tcp, void *owner)
{
    struct reaped *r;

    MUST_BE(reaper, REAPER_MAGIC);
    pthread_mutex_lock(&reaper->lock);
    r = reaper->free_first;
    if (r)
        reaper->free_first = r->next_free;
    pthread_mutex_unlock(&reaper->lock);
    if (!r)
        return NULL;
    reaper_state(r, REAPER_FRESH);
    pthread_mutex_lock(&r->lock);
    r->fd = fd;
    r->tcp = tcp;
    r->owner = owner;
    pthread_mutex_unlock(&r->lock);
    return r;
}

void reaper_remove(struct reaper *reaper, struct reaped *r)
{
    pthread_mutex_lock(&r->lock);
    MUST(r->fd >= 0);
    r->fd = -1;
    r->owner = NULL;
    pthread_mutex_unlock(&r->lock);
    pthread_mutex_lock(&reaper->lock);
    r->next_free = reaper->free_first;
    reaper->free_first = r;
    pthread_mutex_unlock(&reaper->lock);
}

void reaper_state(struct reaped *r, enum reaper_state state)
{
    uint64_t turn = atomic_load_explicit(&r->turn, memory_order_relaxed) >> REAPER_STATE_BITS;

    atomic_store_explicit(&r->turn, (turn + 1) << REAPER_STATE_BITS | state, memory_order_release);
}

void reaper_shut(struct reaper *reaper, bool (*unwanted)(const void *owner))
{
    MUST_BE(reaper, REAPER_MAGIC);
    for (size_t i = 0; i < reaper->options.capacity; i++) {
        struct reaped *r = &reaper->places[i];
        pthread_mutex_lock(&r->lock);
        if (r->fd >= 0 && unwanted(r->owner))
            cut_off(r);
        pthread_mutex_unlock(&r->lock);
    }
}

void reaper_shut_idle(struct reaper *reaper)
{
    MUST_BE(reaper, REAPER_MAGIC);
    reaper->shut_idle = true;
    look_at_all(reaper);
}
