/* SPDX-License-Identifier: ISC */
#include "tests/unit/serve.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/must.h"

enum { CONNECTIONS_MAX = 256 };

struct line {
    struct serve *serve;
    pthread_t thread;
    int fd;
};

struct serve {
    serve_answer *answer;
    void *arg;
    int fd;
    struct address address;
    pthread_t thread;
    pthread_mutex_t lock; /* guards lines and count */
    struct line lines[CONNECTIONS_MAX];
    size_t count;
    _Atomic uint64_t requests;
    _Atomic bool stopping;
};

bool serve_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

bool serve_text(int fd, const char *format, ...)
{
    char text[4096];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    MUST(len >= 0 && (size_t)len < sizeof(text));
    return serve_send(fd, text, (size_t)len);
}

const char *serve_header(const struct serve_request *request, const char *name)
{
    static _Thread_local char value[2048];
    const char *line = request->head;
    size_t len = strlen(name);

    while ((line = strstr(line, "\r\n"))) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *begin = line + len + 1 + strspn(line + len + 1, " ");
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(begin, "\r"), begin);
            return value;
        }
    }
    return NULL;
}

/* Reads one request's head, byte by byte: nothing of the next is swallowed. */
static bool read_request(int fd, struct serve_request *request)
{
    size_t len = 0;
    const char *range;

    memset(request, 0, sizeof(*request));
    request->fd = fd;
    while (len < 4 || memcmp(request->head + len - 4, "\r\n\r\n", 4) != 0) {
        if (len == sizeof(request->head) - 1 || recv(fd, request->head + len, 1, 0) != 1)
            return false;
        len++;
    }
    MUST(sscanf(request->head, "%*15[A-Z] %2047s HTTP/1.1", request->target) == 1);
    range = serve_header(request, "Range");
    request->has_range =
        range && sscanf(range, "bytes=%" SCNu64 "-%" SCNu64, &request->from, &request->to) == 2;
    return true;
}

static void *serve_line(void *arg)
{
    struct line *line = arg;
    struct serve *serve = line->serve;
    struct serve_request request;

    while (!serve->stopping && read_request(line->fd, &request)) {
        serve->requests++;
        if (!serve->answer(serve->arg, &request))
            break;
    }
    shutdown(line->fd, SHUT_RDWR);
    return NULL;
}

static void *accept_lines(void *arg)
{
    struct serve *serve = arg;
    int fd;

    while ((fd = accept(serve->fd, NULL, NULL)) >= 0) {
        struct line *line;
        pthread_mutex_lock(&serve->lock);
        MUST(serve->count < CONNECTIONS_MAX);
        line = &serve->lines[serve->count++];
        line->serve = serve;
        line->fd = fd;
        MUST(pthread_create(&line->thread, NULL, serve_line, line) == 0);
        pthread_mutex_unlock(&serve->lock);
    }
    return NULL;
}

struct serve *serve_start(serve_answer *answer, void *arg)
{
    struct serve *serve = calloc(1, sizeof(*serve));
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);

    MUST(serve != NULL);
    serve->answer = answer;
    serve->arg = arg;
    serve->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(bind(serve->fd, (struct sockaddr *)&in, len) == 0 && listen(serve->fd, 128) == 0);
    MUST(getsockname(serve->fd, (struct sockaddr *)&in, &len) == 0);
    MUST(address_from_socket((struct sockaddr *)&in, &serve->address));
    pthread_mutex_init(&serve->lock, NULL);
    MUST(pthread_create(&serve->thread, NULL, accept_lines, serve) == 0);
    return serve;
}

void serve_stop(struct serve *serve)
{
    serve->stopping = true;
    shutdown(serve->fd, SHUT_RDWR);
    pthread_join(serve->thread, NULL);
    close(serve->fd);
    for (size_t i = 0; i < serve->count; i++) {
        shutdown(serve->lines[i].fd, SHUT_RDWR);
        pthread_join(serve->lines[i].thread, NULL);
        close(serve->lines[i].fd);
    }
    pthread_mutex_destroy(&serve->lock);
    free(serve);
}

struct address serve_address(const struct serve *serve)
{
    return serve->address;
}

uint64_t serve_requests(const struct serve *serve)
{
    return serve->requests;
}
