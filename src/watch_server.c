/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/watch_inner.h"

enum {
    SERVER_MAGIC = 0x77737276,
    LISTEN_MAX = 32,
    ACCEPT_BATCH = 16, /* accepted in one turn of the loop, which ballots wait for */
    BACKLOG = 128
};

static const double PAUSE_S = 0.2; /* where there are no descriptors left */

struct served {
    struct ev_io readable;
    struct address from;
    bool used;
};

struct watch_server {
    unsigned magic;
    struct watch_options options;
    struct ev_io listeners[LISTEN_MAX];
    size_t listener_count;
    struct ev_timer pause;
    size_t count;
    struct served served[WATCH_SERVED_MAX];
};

void watch_keep_alive(int fd)
{
    int on = 1, idle = WATCH_VANISHED_S / 2, each = 1, probes = WATCH_VANISHED_S / 2;
    unsigned most = WATCH_VANISHED_S * 1000;

    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &each, sizeof(each));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &most, sizeof(most));
}

static void end(struct watch_server *server, struct served *served)
{
    ev_io_stop(server->options.loop, &served->readable);
    close(served->readable.fd);
    served->used = false;
    server->count--;
}

/* It has ended, or says something, which nobody who watches does. */
static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct watch_server *server = watcher->data;

    (void)loop, (void)events;
    MUST_BE(server, SERVER_MAGIC);
    end(server, (struct served *)watcher);
}

/* A free place, if this host may have one more. */
static struct served *find_place(struct watch_server *server, const struct address *from)
{
    struct served *place = NULL;
    size_t held = 0;

    for (size_t i = 0; i < WATCH_SERVED_MAX; i++) {
        struct served *served = &server->served[i];
        if (!served->used)
            place = served;
        else if (address_same_host(&served->from, from))
            held++;
    }
    return held < WATCH_HOST_MAX ? place : NULL;
}

static void take(struct watch_server *server, int fd, const struct address *from)
{
    struct served *place = NULL;

    if (server->options.may_watch(server->options.arg, from))
        place = find_place(server, from);
    if (!place) {
        close(fd);
        return;
    }
    watch_keep_alive(fd);
    place->used = true;
    place->from = *from;
    ev_io_init(&place->readable, on_readable, fd, EV_READ);
    place->readable.data = server;
    ev_io_start(server->options.loop, &place->readable);
    server->count++;
}

static void set_listening(struct watch_server *server, bool on)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        if (on)
            ev_io_start(server->options.loop, &server->listeners[i]);
        else
            ev_io_stop(server->options.loop, &server->listeners[i]);
    }
}

static void on_pause_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct watch_server *server = timer->data;

    (void)loop, (void)events;
    MUST_BE(server, SERVER_MAGIC);
    set_listening(server, true);
}

/* Nothing to accept with: the socket stays readable, and the loop would spin on it. */
static void pause_listening(struct watch_server *server)
{
    set_listening(server, false);
    ev_now_update(server->options.loop);
    ev_timer_set(&server->pause, PAUSE_S, 0.);
    ev_timer_start(server->options.loop, &server->pause);
}

static void on_connection(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct watch_server *server = watcher->data;

    (void)loop, (void)events;
    MUST_BE(server, SERVER_MAGIC);
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        union sockaddr_any where = {0};
        socklen_t len = sizeof(where);
        struct address from;
        int fd = accept4(watcher->fd, &where.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
            pause_listening(server);
        if (fd < 0)
            break;
        if (address_from_socket(&where.any, &from))
            take(server, fd, &from);
        else
            close(fd);
    }
}

static int listen_tcp(const struct address *address)
{
    union sockaddr_any where = {0};
    socklen_t len = address_to_socket(address, &where);
    int fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    if (fd < 0)
        return -1;
    if (where.any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    /* Those who watched the process before this one may still be there, in TIME_WAIT. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, &where.any, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool listen_on(struct watch_server *server, const struct address *address)
{
    struct ev_io *listener = &server->listeners[server->listener_count];
    char text[ADDRESS_TEXT_SIZE];
    int fd = listen_tcp(address);

    if (fd < 0) {
        log_error("election: cannot listen on %s (TCP): %s: see `address` and `advert_port` in "
                  "main.cf",
                  address_text(address, text), strerror(errno));
        return false;
    }
    ev_io_init(listener, on_connection, fd, EV_READ);
    listener->data = server;
    ev_io_start(server->options.loop, listener);
    server->listener_count++;
    return true;
}

struct watch_server *watch_server_new(const struct watch_options *options)
{
    struct watch_server *server = calloc(1, sizeof(*server));

    MUST(server != NULL && options->listen_count <= LISTEN_MAX);
    server->magic = SERVER_MAGIC;
    server->options = *options;
    ev_timer_init(&server->pause, on_pause_over, PAUSE_S, 0.);
    server->pause.data = server;
    for (size_t i = 0; i < options->listen_count; i++) {
        if (!listen_on(server, &options->listen[i])) {
            watch_server_free(server);
            return NULL;
        }
    }
    return server;
}

void watch_server_free(struct watch_server *server)
{
    if (!server)
        return;
    MUST_BE(server, SERVER_MAGIC);
    ev_timer_stop(server->options.loop, &server->pause);
    set_listening(server, false);
    /* Those who are told by the end that we are gone shall then find nobody listening. */
    for (size_t i = 0; i < server->listener_count; i++)
        close(server->listeners[i].fd);
    for (size_t i = 0; i < WATCH_SERVED_MAX; i++) {
        if (server->served[i].used)
            end(server, &server->served[i]);
    }
    server->magic = 0;
    free(server);
}

size_t watch_server_count(const struct watch_server *server)
{
    return server->count;
}
