/* SPDX-License-Identifier: ISC */
#include "src/manager.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/text.h"

/* A socket to tell it by, which waits for so long. */
static int open_socket(int wait_s)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | (wait_s ? 0 : SOCK_NONBLOCK), 0);
    struct timeval most = {.tv_sec = wait_s};

    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
    return fd;
}

/* One message, and its descriptor as unix(7) has it. */
static bool send_to(struct sockaddr_un *to, socklen_t to_len, const char *state, int fd, int wait_s)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct iovec bytes = {(void *)(uintptr_t)state, strlen(state)};
    struct msghdr message = {
        .msg_name = to, .msg_namelen = to_len, .msg_iov = &bytes, .msg_iovlen = 1};
    int from = open_socket(wait_s);
    bool sent;

    if (from < 0)
        return false;
    if (fd >= 0) {
        control.head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    sent = sendmsg(from, &message, MSG_NOSIGNAL) >= 0;
    close(from);
    return sent;
}

/* False, with errno: it was not told. */
static bool tell(const char *state, int fd, int wait_s)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;

    if (len == 0 || len >= sizeof(to.sun_path))
        return true;
    memcpy(to.sun_path, path, len);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0'; /* the abstract name space */
    return send_to(&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len), state, fd,
                   wait_s);
}

static void log_lost(void)
{
    log_warn("cannot tell the service manager at %s: %s", getenv("NOTIFY_SOCKET"), strerror(errno));
}

void manager_tell(const char *state)
{
    manager_tell_with(state, -1);
}

void manager_tell_with(const char *state, int fd)
{
    if (!tell(state, fd, 0))
        log_lost();
}

void manager_tell_within(const char *state, int seconds)
{
    if (!tell(state, -1, seconds))
        log_lost();
}

bool manager_try(const char *state)
{
    if (tell(state, -1, 0))
        return true;
    if (errno == EAGAIN || errno == ENOBUFS)
        return false;
    log_lost();
    return true;
}

int64_t manager_watchdog(void)
{
    const char *limit = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
    uint64_t microseconds, pid;

    if (!limit || !span_u64(span_of(limit), INT64_MAX / 1000, &microseconds))
        return 0;
    if (whose && (!span_u64(span_of(whose), INT32_MAX, &pid) || (pid_t)pid != getpid()))
        return 0;
    return (int64_t)microseconds * 1000;
}
