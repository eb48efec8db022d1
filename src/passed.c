/* SPDX-License-Identifier: ISC */
#include "src/passed.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/manager.h"

enum {
    PASSED_MAGIC = 0x70617373,
    PASSED_FIRST = 3, /* SD_LISTEN_FDS_START */
    PASSED_MAX = 256,
    NAME_MAX_LEN = 128,
    STATE_SIZE = 256
};

/* Begins the name of what we leave with the manager, so that it is told from a socket unit's. */
static const char kept_prefix[] = "carpond-kept-";

struct passed_socket {
    int fd; /* -1: it was taken */
    bool kept;
    char name[NAME_MAX_LEN];
    struct address where; /* with port 0: it does not listen on TCP */
};

struct passed {
    unsigned magic;
    size_t count;
    struct passed_socket list[];
};

/* ---- what was passed ------------------------------------------------------------------------- */

/* How many: for us, not for whom we were started by. */
static size_t count_passed(void)
{
    const char *whose = getenv("LISTEN_PID"), *how_many = getenv("LISTEN_FDS");
    uint64_t pid, count;

    if (!whose || !how_many || !span_u64(span_of(whose), INT32_MAX, &pid) || (pid_t)pid != getpid())
        return 0;
    if (span_u64(span_of(how_many), PASSED_MAX, &count))
        return (size_t)count;
    log_error("LISTEN_FDS=%s is no number of sockets up to %d: none is used", how_many, PASSED_MAX);
    return 0;
}

static bool is_listening(int fd)
{
    int yes = 0, type = 0;
    socklen_t len = sizeof(yes);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static struct address address_of(int fd)
{
    union sockaddr_any where;
    struct address address = {0};
    socklen_t len = sizeof(where);

    memset(&where, 0, sizeof(where));
    if (is_listening(fd) && getsockname(fd, &where.any, &len) == 0)
        (void)address_from_socket(&where.any, &address);
    return address;
}

static void set_passed(struct passed_socket *s, int fd, struct span name)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    *s = (struct passed_socket){.fd = fd, .where = address_of(fd)};
    if (!span_copy(name, s->name, sizeof(s->name)))
        s->name[0] = '\0'; /* none of ours is so long */
    s->kept = span_begins(span_of(s->name), kept_prefix);
}

struct passed *passed_new(void)
{
    const char *text = getenv("LISTEN_FDNAMES");
    struct span names = span_of(text ? text : "");
    size_t count = count_passed();
    struct passed *passed = calloc(1, sizeof(*passed) + count * sizeof(passed->list[0]));

    MUST(passed != NULL);
    passed->magic = PASSED_MAGIC;
    passed->count = count;
    for (size_t i = 0; i < count; i++)
        set_passed(&passed->list[i], PASSED_FIRST + (int)i, span_take(&names, ':'));
    return passed;
}

void passed_free(struct passed *passed)
{
    MUST_BE(passed, PASSED_MAGIC);
    for (size_t i = 0; i < passed->count; i++) {
        if (passed->list[i].fd >= 0)
            close(passed->list[i].fd);
    }
    passed->magic = 0;
    free(passed);
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* A socket at [::] that takes IPv4 as well stands in the way of our own at 0.0.0.0. */
static bool takes_both(const struct passed_socket *s)
{
    int only = 1;
    socklen_t len = sizeof(only);

    return s->where.port && address_is_any(&s->where) && !address_is_v4(&s->where) &&
           getsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0 && !only;
}

int passed_take(struct passed *passed, const struct address *where)
{
    MUST_BE(passed, PASSED_MAGIC);
    for (size_t i = 0; i < passed->count; i++) {
        struct passed_socket *s = &passed->list[i];
        int fd = s->fd;
        if (fd < 0 || !where->port || !address_same(&s->where, where) || takes_both(s))
            continue;
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        s->fd = -1;
        return fd;
    }
    return -1;
}

/* What nobody wants any more, of an earlier life. */
static void give_up(struct passed_socket *s)
{
    char memory[STATE_SIZE];
    struct text state = TEXT_OVER(memory);

    text_printf(&state, "FDSTOREREMOVE=1\nFDNAME=%s", s->name);
    manager_tell(memory);
    close(s->fd);
    s->fd = -1;
}

static void complain(const struct passed_socket *s)
{
    char text[ADDRESS_TEXT_SIZE];

    if (takes_both(s))
        log_error("the socket that the service manager has passed at %s takes IPv4 as well: write "
                  "BindIPv6Only=ipv6-only and a ListenStream= for 0.0.0.0 into the socket unit",
                  address_text(&s->where, text));
    else
        log_error("the service manager has passed a socket that listens on %s, and main.cf has no "
                  "HTTP there: make ListenStream= of the socket unit the same as `address` with "
                  "`http_port`, or disable that unit",
                  s->where.port ? address_text(&s->where, text) : "something else than TCP");
}

bool passed_all_taken(struct passed *passed)
{
    bool all = true;

    MUST_BE(passed, PASSED_MAGIC);
    for (size_t i = 0; i < passed->count; i++) {
        struct passed_socket *s = &passed->list[i];
        if (s->fd < 0)
            continue;
        if (s->kept) {
            give_up(s);
        } else {
            complain(s);
            all = false;
        }
    }
    return all;
}

/* ---- leaving --------------------------------------------------------------------------------- */

/* Each address has a name of its own, so that one can be given up alone; no colon may stand in it.
 */
static void name_kept(const struct address *where, struct text *out)
{
    char text[ADDRESS_TEXT_SIZE];

    text_puts(out, kept_prefix);
    for (const char *c = address_text(where, text); *c; c++)
        text_putc(out, *c == ':' ? '_' : *c);
}

void passed_keep(int fd)
{
    char memory[STATE_SIZE];
    struct text state = TEXT_OVER(memory);
    struct address where = address_of(fd);

    text_puts(&state, "FDSTORE=1\nFDNAME=");
    name_kept(&where, &state);
    manager_tell_with(memory, fd);
}
