/* SPDX-License-Identifier: ISC */
#include "src/acceptor.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"
#include "src/passed.h"
#include "src/shed.h"

enum {
    ACCEPTOR_MAGIC = 0x61636370,
    ACCEPT_BATCH = 64, /* accepted in one turn of the loop, which others wait for */
    BACKLOG = 4096
};
#define ACCEPT_PAUSE_S 0.1

struct listener {
    unsigned magic;
    struct acceptor *acceptor;
    struct ev_io readable;
    bool control;
};

struct acceptor {
    unsigned magic;
    struct acceptor_options options;
    struct shed *shed;
    int spare; /* a descriptor kept back, to be able to accept and refuse when there are none left
                */
    struct ev_timer pause;
    bool stopped;
    struct log_flood flood;
    char *socket_path;
    _Atomic unsigned count;
    _Atomic unsigned control_count;
    size_t listener_count;
    struct listener listeners[];
};

/* ---- accepting ------------------------------------------------------------------------------ */

static void hand_over(struct listener *l, int fd, const union sockaddr_any *from, socklen_t len)
{
    struct acceptor *a = l->acceptor;
    _Atomic unsigned *count = l->control ? &a->control_count : &a->count;
    unsigned most = l->control ? ACCEPTOR_CONTROL_MAX : a->options.max_connections;

    stat_add(STAT_CONNECTIONS, 1);
    if (atomic_fetch_add(count, 1) >= most) {
        atomic_fetch_sub(count, 1);
        shed_connection(a->shed, fd);
        return;
    }
    if (!a->options.take(a->options.arg, fd, from, len, l->control))
        atomic_fetch_sub(count, 1);
}

static void on_pause_over(struct ev_loop *loop, struct ev_timer *watcher, int events)
{
    struct acceptor *a = watcher->data;

    (void)events;
    MUST_BE(a, ACCEPTOR_MAGIC);
    for (size_t i = 0; i < a->listener_count; i++)
        ev_io_start(loop, &a->listeners[i].readable);
}

/* Lets the clients wait for a moment, rather than spin on a socket that stays readable. */
static void pause_all(struct acceptor *a)
{
    for (size_t i = 0; i < a->listener_count; i++)
        ev_io_stop(a->options.loop, &a->listeners[i].readable);
    ev_timer_stop(a->options.loop, &a->pause);
    ev_timer_set(&a->pause, ACCEPT_PAUSE_S, 0);
    ev_timer_start(a->options.loop, &a->pause);
}

/* Nothing is left to accept with: gives the spare descriptor for telling the client so. */
static void refuse_one(struct acceptor *a, int listening, int cause)
{
    uint64_t missed;
    int fd = -1;

    if (log_flood_pass(&a->flood, clock_mono(), &missed))
        log_error("http: cannot accept connections: %s; raise the limit of open files "
                  "(LimitNOFILE=, ulimit -n) above twice max_connections",
                  strerror(cause));
    if (a->spare >= 0) {
        close(a->spare);
        fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    if (fd >= 0) {
        shed_refuse(fd);
    } else {
        pause_all(a);
    }
    a->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool out_of_means(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static bool accept_one(struct listener *l)
{
    union sockaddr_any from = {0};
    socklen_t len = sizeof(from);
    int fd = accept4(l->readable.fd, &from.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int cause = errno;

    if (fd >= 0) {
        hand_over(l, fd, &from, len);
        return true;
    }
    if (out_of_means(cause))
        refuse_one(l->acceptor, l->readable.fd, cause);
    /* Other errors are of the one connection, whose client has gone (accept(2)). */
    return cause != EAGAIN && !out_of_means(cause);
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct listener *l = watcher->data;

    (void)loop, (void)events;
    MUST_BE(l, ACCEPTOR_MAGIC);
    for (int i = 0; i < ACCEPT_BATCH && accept_one(l); i++)
        ;
}

/* ---- listening ------------------------------------------------------------------------------ */

static int listen_tcp(const struct address *address)
{
    union sockaddr_any where;
    socklen_t len = address_to_socket(address, &where);
    char text[ADDRESS_TEXT_SIZE];
    int fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    if (fd >= 0 && where.any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, &where.any, len) != 0 || listen(fd, BACKLOG) != 0) {
        log_error("http: cannot listen on %s: %s: see `address` and `http_port` in main.cf",
                  address_text(address, text), strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* The mode is set before the socket has a name, so that it is never open to others; the group and
 * its rights are added behind that. */
static bool bind_control(int fd, const struct sockaddr_un *where, const char *group)
{
    const struct group *found = group ? getgrnam(group) : NULL;

    if (group && !found) {
        log_error("http: socket_group: there is no group named %s on this host", group);
        return false;
    }
    if (fchmod(fd, 0600) == 0 && (unlink(where->sun_path) == 0 || errno == ENOENT) &&
        bind(fd, (const struct sockaddr *)where, sizeof(*where)) == 0 &&
        (!found || (chown(where->sun_path, (uid_t)-1, found->gr_gid) == 0 &&
                    chmod(where->sun_path, 0660) == 0)) &&
        listen(fd, BACKLOG) == 0)
        return true;
    log_error("http: cannot make the control socket %s: %s", where->sun_path, strerror(errno));
    return false;
}

static int listen_control(const char *path, const char *group)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    int fd;

    if (!span_copy(span_of(path), where.sun_path, sizeof(where.sun_path))) {
        log_error("http: the control socket's path %s is longer than the %zu bytes that the kernel "
                  "takes: choose a shorter home",
                  path, sizeof(where.sun_path) - 1);
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind_control(fd, &where, group))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool add_listener(struct acceptor *a, int fd, bool control)
{
    struct listener *l = &a->listeners[a->listener_count];

    if (fd < 0)
        return false;
    *l = (struct listener){.magic = ACCEPTOR_MAGIC, .acceptor = a, .control = control};
    ev_io_init(&l->readable, on_readable, fd, EV_READ);
    l->readable.data = l;
    ev_io_start(a->options.loop, &l->readable);
    a->listener_count++;
    return true;
}

/* The service manager's socket, or one of our own, which it then holds for our next life. */
static int get_tcp(const struct acceptor_options *options, const struct address *address)
{
    int fd = options->passed ? passed_take(options->passed, address) : -1;

    if (fd >= 0)
        return fd;
    fd = listen_tcp(address);
    if (fd >= 0 && options->passed)
        passed_keep(fd);
    return fd;
}

static bool listen_all(struct acceptor *a, const struct acceptor_options *options)
{
    for (size_t i = 0; i < options->listen_count; i++) {
        if (!add_listener(a, get_tcp(options, &options->listen[i]), false))
            return false;
    }
    if (!options->socket_path)
        return true;
    if (!add_listener(a, listen_control(options->socket_path, options->socket_group), true))
        return false;
    a->socket_path = strdup(options->socket_path);
    MUST(a->socket_path != NULL);
    return true;
}

struct acceptor *acceptor_new(const struct acceptor_options *options)
{
    size_t most = options->listen_count + 1;
    struct acceptor *a = calloc(1, sizeof(*a) + most * sizeof(a->listeners[0]));

    MUST(a != NULL);
    a->magic = ACCEPTOR_MAGIC;
    a->options = *options;
    a->shed = shed_new(options->loop);
    a->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ev_timer_init(&a->pause, on_pause_over, ACCEPT_PAUSE_S, 0);
    a->pause.data = a;
    if (!listen_all(a, options)) {
        acceptor_free(a);
        return NULL;
    }
    return a;
}

void acceptor_stop(struct acceptor *a)
{
    MUST_BE(a, ACCEPTOR_MAGIC);
    if (a->stopped)
        return;
    a->stopped = true;
    ev_timer_stop(a->options.loop, &a->pause);
    for (size_t i = 0; i < a->listener_count; i++) {
        ev_io_stop(a->options.loop, &a->listeners[i].readable);
        close(a->listeners[i].readable.fd);
    }
    if (a->socket_path)
        unlink(a->socket_path);
}

void acceptor_free(struct acceptor *a)
{
    acceptor_stop(a);
    shed_free(a->shed);
    if (a->spare >= 0)
        close(a->spare);
    free(a->socket_path);
    a->magic = 0;
    free(a);
}

void acceptor_left(struct acceptor *a, bool control)
{
    MUST_BE(a, ACCEPTOR_MAGIC);
    MUST(atomic_fetch_sub(control ? &a->control_count : &a->count, 1) > 0);
}

unsigned acceptor_count(const struct acceptor *a)
{
    return atomic_load(&a->count) + atomic_load(&a->control_count);
}

struct address acceptor_address(const struct acceptor *a, size_t index)
{
    union sockaddr_any where;
    socklen_t len = sizeof(where);
    struct address address = {0};

    MUST(index < a->options.listen_count);
    if (getsockname(a->listeners[index].readable.fd, &where.any, &len) == 0)
        (void)address_from_socket(&where.any, &address);
    return address;
}
