/* SPDX-License-Identifier: ISC */
/*
 * probe ADDRESS PORT: asks an `echo` at that address once a millisecond and writes a line for each
 * gap in the answers of more than 2 ms, and for each change of the host that answers:
 *
 *     gap MICROSECONDS FROM TO     between two answers that came one after the other, and whose
 *     late MICROSECONDS            it was itself held up: gaps of that length say nothing
 *
 *     answers COUNT                in the last 100 questions' time
 *
 * FROM is 0 for the first answer. It runs until it is killed.
 */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/address.h"
#include "src/clock.h"

enum { ANSWER_MAX = 64, COUNT_EVERY = 100 };
#define PACE_NS MONO_MS(1)
#define TELL_NS MONO_MS(2)

struct probe {
    int fd;
    union sockaddr_any to;
    socklen_t to_len;
    uint64_t asked;
    unsigned answers; /* since they were last told */
    uint8_t host;     /* that answered last; 0: none yet */
    mono_t answered;
};

static bool probe_open(struct probe *p, const char *host, uint64_t port)
{
    struct address address;

    if (!address_parse(span_of(host), (uint16_t)port, &address)) {
        fprintf(stderr, "probe: %s is no address\n", host);
        return false;
    }
    p->to_len = address_to_socket(&address, &p->to);
    p->fd = socket(p->to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0)
        perror("probe: socket");
    return p->fd >= 0;
}

/* The question is a number, so that late answers to old ones are seen in a capture. While nobody
 * has the address, the kernel may refuse to send: that is no answer either. */
static void probe_ask(struct probe *p)
{
    if (p->asked++ % COUNT_EVERY == 0) {
        printf("answers %u\n", p->answers);
        p->answers = 0;
    }
    sendto(p->fd, &p->asked, sizeof(p->asked), 0, &p->to.any, p->to_len);
}

static void probe_hear(struct probe *p)
{
    uint8_t bytes[ANSWER_MAX];
    ssize_t len;

    while ((len = recv(p->fd, bytes, sizeof(bytes), 0)) > 0) {
        mono_t now = clock_mono();
        int64_t gap = p->host == 0 ? 0 : mono_between(p->answered, now);
        uint8_t host = bytes[len - 1];

        if (gap > TELL_NS || host != p->host)
            printf("gap %lld %u %u\n", (long long)(gap / 1000), p->host, host);
        p->host = host;
        p->answers++;
        p->answered = now;
    }
}

static void probe_run(struct probe *p)
{
    mono_t next = clock_mono();

    for (;;) {
        mono_t now = clock_mono();
        int64_t late = mono_between(next, now);

        if (late > TELL_NS) {
            printf("late %lld\n", (long long)(late / 1000));
            next = now;
        }
        if (late >= 0) {
            probe_ask(p);
            next = mono_after(next, PACE_NS);
        } else {
            struct timespec rest = {.tv_nsec = -late};
            struct pollfd wait = {.fd = p->fd, .events = POLLIN};

            ppoll(&wait, 1, &rest, NULL);
        }
        probe_hear(p);
    }
}

int main(int argc, char **argv)
{
    struct probe probe = {.fd = -1};
    uint64_t port;

    if (argc != 3 || !span_u64(span_of(argv[2]), UINT16_MAX, &port)) {
        fprintf(stderr, "usage: probe ADDRESS PORT\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!probe_open(&probe, argv[1], port))
        return 1;
    probe_run(&probe);
    return 0;
}
