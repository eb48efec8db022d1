/* SPDX-License-Identifier: ISC */
#include "src/watch.h"

#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/must.h"
#include "src/clock.h"
#include "src/watch_inner.h"

enum {
    WATCH_MAGIC = 0x77617463,
    LINE_MAGIC = 0x776c696e,
    QUICK_TRIES = 4 /* without waiting, after a connection that broke soon */
};

static const int64_t SOON = MONO_S(1); /* a connection that held for longer was a good one */
static const double CONNECT_MOST_S = 3.0, WAIT_FIRST_S = 0.25, WAIT_MOST_S = 32.0;

enum line_state { FREE, CONNECTING, HELD, WAITING };

struct line {
    unsigned magic;
    struct watch *watch;
    enum line_state state;
    struct address to;
    struct address source;
    bool had_one;   /* a connection to `to` was there: a refusal now means something */
    mono_t since;   /* HELD */
    unsigned tries; /* since the last good connection */
    struct ev_io io;
    struct ev_timer timer;
};

struct watch {
    unsigned magic;
    struct watch_options options;
    struct watch_server *server;
    struct line lines[WATCH_LINES_MAX];
};

static void connect_line(struct line *line);

static void close_line(struct line *line)
{
    if (line->state == CONNECTING || line->state == HELD) {
        ev_io_stop(line->watch->options.loop, &line->io);
        close(line->io.fd);
    }
    ev_timer_stop(line->watch->options.loop, &line->timer);
    line->state = FREE;
}

static void start_timer(struct line *line, double seconds)
{
    ev_now_update(line->watch->options.loop); /* timers count from the loop's cached time */
    ev_timer_set(&line->timer, seconds, 0.);
    ev_timer_start(line->watch->options.loop, &line->timer);
}

/* Nothing is known: another try later, ever less often. */
static void try_later(struct line *line)
{
    double seconds = WAIT_FIRST_S;

    for (unsigned i = 0; i < line->tries && seconds < WAIT_MOST_S; i++)
        seconds *= 2;
    line->tries++;
    line->state = WAITING;
    start_timer(line, seconds);
}

/* The try to connect has failed. */
static void failed(struct line *line, int error)
{
    struct watch *watch = line->watch;
    struct address to = line->to;
    bool gone = error == ECONNREFUSED && line->had_one;

    close_line(line);
    if (gone)
        line->had_one = false;
    try_later(line);
    if (gone) /* last: the line may be another's when it returns */
        watch->options.gone(watch->options.arg, (size_t)(line - watch->lines), &to);
}

/* The connection has ended, from the other end or on the way. */
static void broke(struct line *line)
{
    bool was_good = mono_between(line->since, clock_mono()) > SOON;

    close_line(line);
    line->had_one = true;
    if (was_good)
        line->tries = 0;
    if (line->tries >= QUICK_TRIES) {
        try_later(line);
        return;
    }
    line->tries++;
    connect_line(line);
}

static void on_held_event(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct line *line = watcher->data;

    (void)loop, (void)events;
    MUST_BE(line, LINE_MAGIC);
    broke(line); /* its end; or something said, which is not how a carpond behaves */
}

static void connected(struct line *line)
{
    struct ev_loop *loop = line->watch->options.loop;

    ev_timer_stop(loop, &line->timer);
    ev_io_stop(loop, &line->io);
    watch_keep_alive(line->io.fd);
    line->state = HELD;
    line->since = clock_mono();
    ev_io_init(&line->io, on_held_event, line->io.fd, EV_READ);
    line->io.data = line;
    ev_io_start(loop, &line->io);
}

static void on_connect_event(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct line *line = watcher->data;
    socklen_t len = sizeof(int);
    int error = 0;

    (void)loop, (void)events;
    MUST_BE(line, LINE_MAGIC);
    MUST(getsockopt(watcher->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
    if (error)
        failed(line, error);
    else
        connected(line);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct line *line = timer->data;

    (void)loop, (void)events;
    MUST_BE(line, LINE_MAGIC);
    if (line->state == CONNECTING)
        failed(line, ETIMEDOUT);
    else
        connect_line(line);
}

/* A socket that speaks from our address in the tier: by it the other end knows whether we may. */
static int open_socket(const struct line *line)
{
    union sockaddr_any where = {0};
    struct address source = line->source;
    socklen_t len;
    int fd, on = 1;

    source.port = 0;
    len = address_to_socket(&source, &where);
    fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, &where.any, len) == 0)
        return fd;
    close(fd);
    return -1;
}

static void connect_line(struct line *line)
{
    union sockaddr_any where = {0};
    socklen_t len = address_to_socket(&line->to, &where);
    int fd = open_socket(line), error = 0;

    line->state = WAITING;
    if (fd < 0) {
        try_later(line);
        return;
    }
    if (connect(fd, &where.any, len) != 0)
        error = errno;
    line->state = CONNECTING;
    ev_io_init(&line->io, on_connect_event, fd, EV_WRITE);
    line->io.data = line;
    ev_io_start(line->watch->options.loop, &line->io);
    start_timer(line, CONNECT_MOST_S);
    if (error && error != EINPROGRESS)
        failed(line, error);
    else if (!error)
        connected(line);
}

void watch_hold(struct watch *watch, size_t number, const struct address *to,
                const struct address *source)
{
    struct line *line = &watch->lines[number];

    MUST_BE(watch, WATCH_MAGIC);
    MUST(number < WATCH_LINES_MAX);
    if (line->state != FREE && to && address_same(&line->to, to) &&
        address_same_host(&line->source, source))
        return;
    close_line(line);
    if (!to)
        return;
    line->to = *to;
    line->source = *source;
    line->had_one = false;
    line->tries = 0;
    connect_line(line);
}

bool watch_holds(const struct watch *watch, size_t line)
{
    return watch->lines[line].state == HELD;
}

size_t watch_served(const struct watch *watch)
{
    return watch_server_count(watch->server);
}

struct watch *watch_new(const struct watch_options *options)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    MUST(watch != NULL);
    watch->magic = WATCH_MAGIC;
    watch->options = *options;
    for (size_t i = 0; i < WATCH_LINES_MAX; i++) {
        struct line *line = &watch->lines[i];
        line->magic = LINE_MAGIC;
        line->watch = watch;
        ev_timer_init(&line->timer, on_timer, 0., 0.);
        line->timer.data = line;
    }
    watch->server = watch_server_new(options);
    if (!watch->server) {
        watch_free(watch);
        return NULL;
    }
    return watch;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    MUST_BE(watch, WATCH_MAGIC);
    for (size_t i = 0; i < WATCH_LINES_MAX; i++)
        close_line(&watch->lines[i]);
    watch_server_free(watch->server);
    watch->magic = 0;
    free(watch);
}
