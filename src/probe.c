/* SPDX-License-Identifier: ISC */
#include "src/probe.h"

#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/must.h"
#include "src/base/time.h"
#include "src/clock.h"

enum { PROBE_MAGIC = 0x70726f62, STATUS_AT = 9, STATUS_END = STATUS_AT + 3 };

static const int64_t LATE = MONO_MS(500);

struct probe {
    unsigned magic;
    struct ev_loop *loop;
    struct address server;
    int64_t most_ns;
    void (*done)(void *arg, enum probe_result result);
    void *arg;

    struct ev_io io;
    struct ev_timer timer;
    bool active;
    mono_t due;
    char request[160];
    size_t request_len;
    bool sent;
    char answer[STATUS_END];
    size_t had;
};

static void stop(struct probe *probe)
{
    if (!probe->active)
        return;
    ev_io_stop(probe->loop, &probe->io);
    ev_timer_stop(probe->loop, &probe->timer);
    close(probe->io.fd);
    probe->active = false;
}

static void finish(struct probe *probe, enum probe_result result)
{
    stop(probe);
    probe->done(probe->arg, result);
}

/* "HTTP/1.1 404 ..." */
static enum probe_result judge(const struct probe *probe)
{
    struct span answer = {probe->answer, probe->had};
    struct span status = {probe->answer + STATUS_AT, STATUS_END - STATUS_AT};
    uint64_t number;

    if (answer.len < STATUS_END || !span_begins(answer, "HTTP/1.") ||
        !span_u64(status, 999, &number))
        return PROBE_FAILED;
    return number == 503 ? PROBE_UNSURE : PROBE_ANSWERED;
}

static void watch(struct probe *probe, int events)
{
    ev_io_stop(probe->loop, &probe->io);
    ev_io_set(&probe->io, probe->io.fd, events);
    ev_io_start(probe->loop, &probe->io);
}

/* What is small enough goes out in one go, or something is wrong with the connection. */
static void write_request(struct probe *probe)
{
    ssize_t len = send(probe->io.fd, probe->request, probe->request_len, MSG_NOSIGNAL);

    if (len != (ssize_t)probe->request_len) {
        finish(probe, PROBE_FAILED);
        return;
    }
    probe->sent = true;
    watch(probe, EV_READ);
}

static void read_answer(struct probe *probe)
{
    ssize_t len =
        recv(probe->io.fd, probe->answer + probe->had, sizeof(probe->answer) - probe->had, 0);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len > 0)
        probe->had += (size_t)len;
    if (len <= 0 || probe->had == sizeof(probe->answer))
        finish(probe, judge(probe));
}

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct probe *probe = io->data;

    (void)loop, (void)events;
    MUST_BE(probe, PROBE_MAGIC);
    if (probe->sent)
        read_answer(probe);
    else
        write_request(probe); /* where connecting failed, so does this */
}

/* A loop that stood still itself may have the answer at hand, and knows nothing of the server. */
static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct probe *probe = timer->data;
    bool late;

    (void)loop, (void)events;
    MUST_BE(probe, PROBE_MAGIC);
    late = mono_between(probe->due, clock_mono()) > LATE;
    finish(probe, late ? PROBE_UNSURE : PROBE_FAILED);
}

static void describe_request(struct probe *probe)
{
    struct text text = TEXT_OVER(probe->request);
    char host[ADDRESS_TEXT_SIZE];

    text_printf(&text, "HEAD /.pond/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                address_text(&probe->server, host));
    MUST(!text.full);
    probe->request_len = text.len;
}

struct probe *probe_new(struct ev_loop *loop, const struct address *server, int64_t most_ns,
                        void (*done)(void *arg, enum probe_result result), void *arg)
{
    struct probe *probe = calloc(1, sizeof(*probe));

    MUST(probe != NULL);
    probe->magic = PROBE_MAGIC;
    probe->loop = loop;
    probe->server = *server;
    probe->most_ns = most_ns;
    probe->done = done;
    probe->arg = arg;
    describe_request(probe);
    ev_init(&probe->io, on_ready);
    ev_init(&probe->timer, on_timeout);
    probe->io.data = probe->timer.data = probe;
    return probe;
}

void probe_free(struct probe *probe)
{
    if (!probe)
        return;
    MUST_BE(probe, PROBE_MAGIC);
    stop(probe);
    probe->magic = 0;
    free(probe);
}

void probe_begin(struct probe *probe)
{
    union sockaddr_any to;
    socklen_t len = address_to_socket(&probe->server, &to);
    int fd;

    MUST_BE(probe, PROBE_MAGIC);
    if (probe->active)
        return;
    fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    probe->active = fd >= 0;
    if (fd < 0) { /* no descriptors left, so no connection of anybody's can be accepted either */
        probe->done(probe->arg, PROBE_FAILED);
        return;
    }
    probe->sent = false;
    probe->had = 0;
    ev_io_set(&probe->io, fd, EV_WRITE);
    if (connect(fd, &to.any, len) != 0 && errno != EINPROGRESS) {
        finish(probe, PROBE_FAILED);
        return;
    }
    probe->due = mono_after(clock_mono(), probe->most_ns);
    ev_now_update(probe->loop);
    ev_timer_set(&probe->timer, (double)probe->most_ns / 1e9, 0.);
    ev_timer_start(probe->loop, &probe->timer);
    ev_io_start(probe->loop, &probe->io);
}
