/* SPDX-License-Identifier: ISC */
#include "src/acceptor.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pthread.h>
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
#include "src/portions.h"
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

/* Whose place a connection has. */
struct guest {
    bool control;
    bool own;
    struct address host; /* the unspecified one: a stranger */
};

struct acceptor {
    unsigned magic;
    struct acceptor_options options;
    struct portions *portions;
    pthread_mutex_t lock; /* guards the next two */
    struct guest *guests; /* by descriptor */
    size_t guests_room;
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

static void note_guest(struct acceptor *a, int fd, const struct guest *guest)
{
    size_t least = (size_t)fd + 1;

    pthread_mutex_lock(&a->lock);
    if (a->guests_room < least) {
        a->guests_room = 2 * least;
        a->guests = realloc(a->guests, a->guests_room * sizeof(*a->guests));
        MUST(a->guests != NULL);
    }
    a->guests[fd] = *guest;
    pthread_mutex_unlock(&a->lock);
}

/* Who connects from the address that it connects to is our own host. */
static struct guest guest_of(struct listener *l, int fd, const union sockaddr_any *from)
{
    struct guest guest = {.control = l->control};
    union sockaddr_any here = {0};
    socklen_t len = sizeof(here);
    struct address to = {0};

    if (l->control || !address_from_socket(&from->any, &guest.host))
        return guest;
    if (getsockname(fd, &here.any, &len) == 0)
        (void)address_from_socket(&here.any, &to);
    guest.own = address_same_host(&guest.host, &to);
    if (!guest.own && !l->acceptor->options.knows(l->acceptor->options.arg, &guest.host, &to))
        guest.host = (struct address){0};
    return guest;
}

static bool take_place(struct acceptor *a, const struct guest *guest)
{
    if (!guest->control && !portions_take(a->portions, guest->own ? NULL : &guest->host, 1))
        return false;
    if (!guest->control || atomic_load(&a->control_count) < ACCEPTOR_CONTROL_MAX) {
        atomic_fetch_add(guest->control ? &a->control_count : &a->count, 1);
        return true;
    }
    return false;
}

static void give_place(struct acceptor *a, const struct guest *guest)
{
    MUST(atomic_fetch_sub(guest->control ? &a->control_count : &a->count, 1) > 0);
    if (!guest->control)
        portions_give(a->portions, guest->own ? NULL : &guest->host, 1);
}

static void hand_over(struct listener *l, int fd, const union sockaddr_any *from, socklen_t len)
{
    struct acceptor *a = l->acceptor;
    struct guest guest = guest_of(l, fd, from);

    stat_add(STAT_CONNECTIONS, 1);
    if (!take_place(a, &guest)) {
        shed_connection(a->shed, fd);
        return;
    }
    note_guest(a, fd, &guest);
    if (!a->options.take(a->options.arg, fd, from, len, l->control))
        give_place(a, &guest);
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

static struct portions *portions_of(unsigned connections)
{
    struct portions_most most = {
        .whole = connections,
        .others = connections - connections / ACCEPTOR_OWN_PART,
        .host = connections / ACCEPTOR_HOST_PART,
    };

    if (most.host < ACCEPTOR_HOST_LEAST)
        most.host = most.others < ACCEPTOR_HOST_LEAST ? most.others : ACCEPTOR_HOST_LEAST;
    return portions_new(&most);
}

struct acceptor *acceptor_new(const struct acceptor_options *options)
{
    size_t most = options->listen_count + 1;
    struct acceptor *a = calloc(1, sizeof(*a) + most * sizeof(a->listeners[0]));

    MUST(a != NULL);
    a->magic = ACCEPTOR_MAGIC;
    a->options = *options;
    a->portions = portions_of(options->max_connections);
    MUST(pthread_mutex_init(&a->lock, NULL) == 0);
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
    portions_free(a->portions); /* some may be left, that nobody began with before the end */
    pthread_mutex_destroy(&a->lock);
    free(a->guests);
    if (a->spare >= 0)
        close(a->spare);
    free(a->socket_path);
    a->magic = 0;
    free(a);
}

void acceptor_left(struct acceptor *a, int fd)
{
    struct guest guest;

    MUST_BE(a, ACCEPTOR_MAGIC);
    pthread_mutex_lock(&a->lock);
    MUST(fd >= 0 && (size_t)fd < a->guests_room);
    guest = a->guests[fd];
    pthread_mutex_unlock(&a->lock);
    give_place(a, &guest);
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
