/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "src/base/address.h"
#include "src/base/digest.h"
#include "src/clock.h"

/*
 * getter ADDRESS PORT CONNECTIONS SECONDS PATH [read|PAUSE]: GETs the path as often as it can, over
 * so many connections that are kept alive, one request at a time on each, and writes
 *
 *     REQUESTS SECONDS P50 P99 MOST CPU SHA256
 *
 * P50, P99, MOST: microseconds from a request to its answer's last byte; CPU: the seconds of
 * processor time that it took to ask. It is to be cheaper than any server: the first answer on each
 * connection is read and digested before the time begins (all must be the same, and its digest is
 * written), of the others the head is read, and the kernel throws the body away unread, unless that
 * is to be read too. Where there is to be a PAUSE of so many milliseconds from each answer to the
 * next request on its connection, all are digested. SIGTERM ends the time early. Exit status 1
 * where an answer is not a whole 200, or a connection ends.
 */
enum { CONNECTIONS_MAX = 1024, HEAD_MAX = 4096, PIECE = 256 << 10, TIMES_MAX = 4 << 20 };

struct connection {
    int fd;
    size_t lowat; /* it wakes nobody for less */
    mono_t asked;
    size_t had;           /* bytes of the head, and what came with it */
    bool is_known;        /* the head has ended: */
    uint64_t length;      /* of this body, or the last one */
    uint64_t left;        /* bytes of it that are to come */
    struct digester *sum; /* NULL: this answer is not digested */
    mono_t due;           /* when it asks again, if it rests: */
    struct connection *next;
    char head[HEAD_MAX + 1];
};

static struct {
    struct address to;
    uint64_t count, seconds;
    bool reads;
    int64_t pause_ns;
    struct connection *resting, **last; /* those that are due first come first */
    char request[2048];
    size_t request_len;
    struct digest sum; /* of the first that came */
    bool has_sum;
    bool begun; /* the time has */
    size_t answered;
    uint32_t times[TIMES_MAX]; /* microseconds */
} all = {.last = &all.resting};

static volatile sig_atomic_t over;

static void fail(const char *why)
{
    fprintf(stderr, "getter: %s\n", why);
    exit(1);
}

/* To be woken once for what is to come, not for each packet of it; a whole answer is more than its
 * body, whose length is known from the one before. */
static void wait_for(struct connection *c, uint64_t bytes)
{
    int lowat = bytes < PIECE ? (int)bytes : PIECE;

    if (lowat == 0 || (size_t)lowat == c->lowat)
        return;
    c->lowat = (size_t)lowat;
    if (setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat)) != 0)
        fail("the kernel wakes for each packet");
}

/* It waits for an answer, or for nothing. */
static void start_over(struct connection *c)
{
    c->had = 0;
    c->is_known = false;
}

static void ask(struct connection *c)
{
    wait_for(c, c->length);
    start_over(c);
    if (all.pause_ns && !c->sum)
        c->sum = digester_begin();
    c->asked = clock_mono();
    if (send(c->fd, all.request, all.request_len, MSG_NOSIGNAL) != (ssize_t)all.request_len)
        fail("a request cannot be sent");
}

static void begin(struct connection *c, int queue)
{
    union sockaddr_any to;
    socklen_t len = address_to_socket(&all.to, &to);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;

    c->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, &to.any, len) != 0)
        fail("the server does not take the connection");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->sum = digester_begin();
    if (epoll_ctl(queue, EPOLL_CTL_ADD, c->fd, &event) != 0)
        fail("no room for a connection");
}

/* ---- answers --------------------------------------------------------------------------------- */

static void check_sum(struct connection *c)
{
    struct digest sum;

    digester_end(c->sum, &sum);
    c->sum = NULL;
    if (all.has_sum && !digest_same(&sum, &all.sum))
        fail("two answers differ");
    all.sum = sum;
    all.has_sum = true;
}

static void rest(struct connection *c, int64_t ns)
{
    start_over(c);
    c->due = mono_after(clock_mono(), ns);
    c->next = NULL;
    *all.last = c;
    all.last = &c->next;
}

static void has_come(struct connection *c)
{
    int64_t took = mono_between(c->asked, clock_mono()) / 1000;

    if (c->sum)
        check_sum(c);
    if (!all.begun)
        return;
    if (all.answered == TIMES_MAX)
        fail("more answers than there is room for: ask for fewer seconds");
    all.times[all.answered++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
    if (all.pause_ns)
        rest(c, all.pause_ns);
    else
        ask(c);
}

static uint64_t length_in(const char *head)
{
    const char *line = strcasestr(head, "\r\nContent-Length:");

    if (strncmp(head, "HTTP/1.1 200 ", 13) != 0 || !line)
        fail("an answer is none of 200 with its length");
    return strtoull(line + 17, NULL, 10);
}

/* More of the head; true once it has ended. */
static bool read_head(struct connection *c)
{
    ssize_t n = recv(c->fd, c->head + c->had, HEAD_MAX - c->had, MSG_DONTWAIT);
    const char *end;
    size_t body;

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        fail("the server ended a connection");
    c->had += (size_t)n;
    c->head[c->had] = '\0';
    end = strstr(c->head, "\r\n\r\n");
    if (!end && c->had == HEAD_MAX)
        fail("a head is too long");
    if (!end)
        return false;
    body = c->had - (size_t)(end + 4 - c->head);
    c->is_known = true;
    c->length = c->left = length_in(c->head);
    if (body > c->left)
        fail("an answer is longer than its length");
    c->left -= body;
    if (c->sum)
        digester_add(c->sum, end + 4, body);
    return true;
}

/* MSG_TRUNC: of TCP the bytes are thrown away, and counted. */
static bool read_body(struct connection *c)
{
    static char piece[PIECE];
    bool reads = c->sum || all.reads;
    size_t most = !reads || c->left < PIECE ? c->left : PIECE;
    ssize_t n = recv(c->fd, reads ? piece : NULL, most, MSG_DONTWAIT | (reads ? 0 : MSG_TRUNC));

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        fail("the server ended a connection in an answer");
    if (c->sum)
        digester_add(c->sum, piece, (size_t)n);
    c->left -= (size_t)n;
    return true;
}

static void take(struct connection *c)
{
    bool more = c->is_known || read_head(c);

    while (more && c->left > 0)
        more = read_body(c);
    if (!more && c->is_known)
        wait_for(c, c->left);
    if (c->is_known && c->left == 0)
        has_come(c);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double cpu(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void tell(int64_t ns, double used)
{
    char hex[DIGEST_HEX_SIZE];

    if (all.answered == 0 || !all.has_sum)
        fail("nothing was answered");
    qsort(all.times, all.answered, sizeof(*all.times), by_time);
    printf("%zu %.6f %u %u %u %.6f %s\n", all.answered, (double)ns / 1e9,
           all.times[all.answered / 2], all.times[all.answered * 99 / 100],
           all.times[all.answered - 1], used, digest_hex(&all.sum, hex));
}

static void ask_those_that_are_due(void)
{
    while (all.resting && mono_reached(clock_mono(), all.resting->due)) {
        struct connection *c = all.resting;
        all.resting = c->next;
        if (!all.resting)
            all.last = &all.resting;
        ask(c);
    }
}

static int until_next_ms(void)
{
    int64_t ns = all.resting ? mono_between(clock_mono(), all.resting->due) : MONO_S(1);

    return ns < 0 ? 0 : (int)(ns / 1000000) + 1;
}

static void take_what_came(int queue)
{
    struct epoll_event events[64];
    int n = epoll_wait(queue, events, sizeof(events) / sizeof(*events), until_next_ms());

    for (int i = 0; i < n; i++)
        take(events[i].data.ptr);
}

static void take_first(struct connection *connections, int queue)
{
    for (size_t i = 0; i < all.count && !over; i++) {
        ask(&connections[i]);
        while (connections[i].sum && !over)
            take_what_came(queue);
    }
}

static void ask_all(struct connection *connections)
{
    all.begun = true;
    for (size_t i = 0; i < all.count; i++) {
        if (all.pause_ns)
            rest(&connections[i], all.pause_ns * (int64_t)i / (int64_t)all.count);
        else
            ask(&connections[i]);
    }
}

static void run(struct connection *connections, int queue)
{
    mono_t began, end, ended;
    double used;

    take_first(connections, queue);
    used = cpu();
    began = clock_mono();
    end = mono_after(began, MONO_S((int64_t)all.seconds));
    ask_all(connections);
    while (!mono_reached(clock_mono(), end) && !over) {
        take_what_came(queue);
        ask_those_that_are_due();
    }
    ended = clock_mono();
    used = cpu() - used;
    for (size_t i = 0; i < all.count; i++) /* one that is less than what it waits for is wrong */
        if (!connections[i].is_known)
            (void)read_head(&connections[i]);
    tell(mono_between(began, ended), used);
}

static void on_term(int number)
{
    (void)number;
    over = 1;
}

static bool read_words(char **words)
{
    char host[ADDRESS_TEXT_SIZE];
    uint64_t port;
    int len;

    if (!span_u64(span_of(words[1]), UINT16_MAX, &port) ||
        !address_parse(span_of(words[0]), (uint16_t)port, &all.to) ||
        !span_u64(span_of(words[2]), CONNECTIONS_MAX, &all.count) ||
        !span_u64(span_of(words[3]), 3600, &all.seconds))
        return false;
    len = snprintf(all.request, sizeof(all.request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
                   words[4], address_text(&all.to, host));
    all.request_len = (size_t)len;
    return len > 0 && all.request_len < sizeof(all.request);
}

static bool read_manner(const char *word)
{
    uint64_t ms;

    all.reads = strcmp(word, "read") == 0;
    if (all.reads)
        return true;
    if (!span_u64(span_of(word), 60000, &ms) || ms == 0)
        return false;
    all.pause_ns = MONO_MS((int64_t)ms);
    return true;
}

int main(int argc, char **argv)
{
    int queue = epoll_create1(EPOLL_CLOEXEC);
    struct connection *connections;

    if ((argc != 6 && argc != 7) || !read_words(argv + 1) || (argc == 7 && !read_manner(argv[6]))) {
        fprintf(stderr, "usage: getter ADDRESS PORT CONNECTIONS SECONDS PATH [read|PAUSE]\n");
        return 2;
    }
    signal(SIGTERM, on_term);
    connections = calloc(all.count, sizeof(*connections));
    if (queue < 0 || !connections)
        fail("no memory");
    for (size_t i = 0; i < all.count; i++)
        begin(&connections[i], queue);
    run(connections, queue);
    for (size_t i = 0; i < all.count; i++) {
        close(connections[i].fd);
        if (connections[i].sum)
            digester_drop(connections[i].sum);
    }
    free(connections);
    close(queue);
    return 0;
}
