/* SPDX-License-Identifier: ISC */
/*
 * reader ADDRESS PORT CONNECTIONS [RATE]: GETs each path that it reads as a line on standard input,
 * over so many connections that are kept alive, and writes a line for each:
 *
 *     PATH STATUS BYTES BEGAN FIRST ENDED STALL SHA256
 *
 * BEGAN (the request goes out), FIRST (the body's first byte) and ENDED are microseconds of the
 * monotonic clock, STALL the longest time in microseconds in which nothing came. STATUS is HTTP's,
 * or 0 where the answer broke off or was none; SHA256 is that of the body as far as it came. RATE,
 * in bytes a second, is the most that one connection reads. Ends with the input.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "src/base/address.h"
#include "src/base/digest.h"
#include "src/clock.h"

enum { LINE_MAX_BYTES = 2048, BUFFER = 256 << 10, CONNECTIONS_MAX = 1024 };

struct connection {
    int fd;         /* -1: none */
    size_t len, at; /* of what was received and not used yet */
    char bytes[BUFFER + 1];
};

struct answer {
    unsigned status;
    uint64_t length, got;
    bool keep;
    mono_t began, first, ended, heard;
    int64_t stall;
    struct digester *sum;
};

static struct {
    struct address to;
    uint64_t rate;
    pthread_mutex_t input, output;
} all = {.input = PTHREAD_MUTEX_INITIALIZER, .output = PTHREAD_MUTEX_INITIALIZER};

static bool reader_connect(struct connection *c)
{
    union sockaddr_any to;
    socklen_t len = address_to_socket(&all.to, &to);
    int on = 1;

    c->len = c->at = 0;
    c->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return connect(c->fd, &to.any, len) == 0;
}

static void reader_close(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* More bytes behind those that are there; false at the end of the connection. */
static bool receive(struct connection *c, struct answer *a)
{
    ssize_t n;

    if (c->at == c->len)
        c->at = c->len = 0;
    n = recv(c->fd, c->bytes + c->len, BUFFER - c->len, 0);
    mono_t now = clock_mono();
    if (mono_between(a->heard, now) > a->stall)
        a->stall = mono_between(a->heard, now);
    a->heard = now;
    if (n > 0)
        c->len += (size_t)n;
    return n > 0;
}

static void read_field(struct answer *a, const char *line)
{
    if (strncasecmp(line, "Content-Length:", 15) == 0)
        a->length = strtoull(line + 15, NULL, 10);
    if (strncasecmp(line, "Connection: close", 17) == 0)
        a->keep = false;
}

/* The status and what of the headers matters here. */
static bool read_head(struct connection *c, struct answer *a)
{
    char *end = NULL, *line, *rest;

    if (c->at == c->len) /* the last answer may have ended where the buffer does */
        c->at = c->len = 0;
    do {
        if (c->len == BUFFER || !receive(c, a))
            return false;
        c->bytes[c->len] = '\0';
    } while (!(end = strstr(c->bytes + c->at, "\r\n\r\n")));
    *end = '\0';
    line = strtok_r(c->bytes + c->at, "\r\n", &rest);
    if (!line || sscanf(line, "HTTP/1.1 %3u", &a->status) != 1)
        return false;
    while ((line = strtok_r(NULL, "\r\n", &rest)))
        read_field(a, line);
    c->at = (size_t)(end + 4 - c->bytes);
    return true;
}

/* As a slow reader: not before its time. */
static void keep_pace(const struct answer *a)
{
    int64_t due = (int64_t)((double)a->got / (double)all.rate * 1e9);
    int64_t early = due - mono_between(a->first, clock_mono());

    if (early > 0)
        nanosleep(&(struct timespec){early / 1000000000, early % 1000000000}, NULL);
}

static bool read_body(struct connection *c, struct answer *a)
{
    while (a->got < a->length) {
        uint64_t n = c->len - c->at;

        if (n == 0 && !receive(c, a))
            return false;
        n = c->len - c->at;
        if (n > a->length - a->got)
            n = a->length - a->got;
        if (a->got == 0)
            a->first = clock_mono();
        digester_add(a->sum, c->bytes + c->at, n);
        c->at += n;
        a->got += n;
        if (all.rate)
            keep_pace(a);
    }
    return true;
}

static bool ask(struct connection *c, struct answer *a, const char *path)
{
    char request[LINE_MAX_BYTES + 128], host[ADDRESS_TEXT_SIZE];
    int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path,
                       address_text(&all.to, host));

    return send(c->fd, request, (size_t)len, MSG_NOSIGNAL) == len && read_head(c, a) &&
           read_body(c, a);
}

static long long us(mono_t t)
{
    return (long long)(mono_between((mono_t){0}, t) / 1000);
}

static void tell(const struct answer *a, const char *path, const struct digest *sum)
{
    char hex[DIGEST_HEX_SIZE];

    pthread_mutex_lock(&all.output);
    printf("%s %u %llu %lld %lld %lld %lld %s\n", path, a->status, (unsigned long long)a->got,
           us(a->began), us(a->first), us(a->ended), (long long)(a->stall / 1000),
           digest_hex(sum, hex));
    pthread_mutex_unlock(&all.output);
}

static void get(struct connection *c, const char *path)
{
    struct answer a = {.keep = true, .sum = digester_begin()};
    struct digest sum;

    a.began = a.first = a.heard = clock_mono();
    if (c->fd < 0 && !reader_connect(c))
        reader_close(c);
    if (c->fd < 0 || !ask(c, &a, path)) {
        a.status = 0;
        a.keep = false;
    }
    a.ended = clock_mono();
    if (!a.keep)
        reader_close(c);
    digester_end(a.sum, &sum);
    tell(&a, path, &sum);
}

static bool next_path(char *path)
{
    bool got;

    pthread_mutex_lock(&all.input);
    got = fgets(path, LINE_MAX_BYTES, stdin) != NULL;
    pthread_mutex_unlock(&all.input);
    path[got ? strcspn(path, "\n") : 0] = '\0';
    return got;
}

static void *reader_run(void *arg)
{
    struct connection *c = arg;
    char path[LINE_MAX_BYTES];

    c->fd = -1;
    while (next_path(path))
        get(c, path);
    reader_close(c);
    return NULL;
}

static bool read_numbers(char **words, uint64_t *count)
{
    uint64_t port;

    return span_u64(span_of(words[1]), UINT16_MAX, &port) &&
           address_parse(span_of(words[0]), (uint16_t)port, &all.to) &&
           span_u64(span_of(words[2]), CONNECTIONS_MAX, count) &&
           (!words[3] || span_u64(span_of(words[3]), UINT32_MAX, &all.rate));
}

int main(int argc, char **argv)
{
    static pthread_t threads[CONNECTIONS_MAX];
    struct connection *connections;
    uint64_t count;

    if ((argc != 4 && argc != 5) || !read_numbers(argv + 1, &count)) {
        fprintf(stderr, "usage: reader ADDRESS PORT CONNECTIONS [RATE]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    connections = calloc(count, sizeof(*connections));
    for (uint64_t i = 0; connections && i < count; i++)
        if (pthread_create(&threads[i], NULL, reader_run, &connections[i]) != 0)
            return 1;
    for (uint64_t i = 0; connections && i < count; i++)
        pthread_join(threads[i], NULL);
    free(connections);
    return connections ? 0 : 1;
}
