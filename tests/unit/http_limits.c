/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/rng.h"
#include "src/clock.h"
#include "tests/unit/site.h"
#include "tests/unit/unit.h"

/* Too many, too slow, and the end: what the server does to protect itself. */

#define GET "GET /example.com/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
enum { LARGE = 8 * 1024 * 1024, CONNECTIONS = 16 };

static struct site site;

/* Each case has short times only where it waits for their end, so that it does not matter for how
 * long a busy machine stands still. */
static const struct site_options patient = {.max_connections = CONNECTIONS};
static const struct site_options quick = {
    .max_connections = CONNECTIONS,
    .limits = {.head_ns = MONO_MS(300),
               .idle_ns = MONO_S(30),
               .window_ns = MONO_MS(500),
               .rate = 4096},
};
static const struct site_options quickly_idle = {.max_connections = CONNECTIONS,
                                                 .limits = {.idle_ns = MONO_MS(500)}};
static const struct site_options steady = {.max_connections = CONNECTIONS,
                                           .limits = {.window_ns = MONO_S(2), .rate = 4096}};

static int start(void **state)
{
    char *large = calloc(1, LARGE);

    (void)state;
    site_start(&site, &patient);
    site_put(&site, "example.com/a", "hello", 5);
    site_put(&site, "example.com/large", large, LARGE);
    free(large);
    return 0;
}

static void start_anew(const struct site_options *options)
{
    site_stop(&site, 0);
    site_start(&site, options);
}

static int be_patient(void **state)
{
    (void)state;
    start_anew(&patient);
    return 0;
}

static int be_quick(void **state)
{
    (void)state;
    start_anew(&quick);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    site_stop(&site, 0);
    site_remove(&site);
    return 0;
}

/* How long until the other end closes. */
static int64_t ns_until_closed(int fd, mono_t since)
{
    assert_true(is_closed(fd));
    return mono_between(since, clock_mono());
}

static void expect_hello(int fd)
{
    struct answer a;

    send_text(fd, GET);
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "hello");
    answer_free(&a);
}

static void until_connections(unsigned n)
{
    struct http_figures figures;

    do {
        usleep(1000);
        http_figures(site.http, &figures);
    } while (figures.connections != n);
}

/* Waits until no connection is left of the tests before. */
static void until_empty(void)
{
    until_connections(0);
}

/* ---- the connection limit ---------------------------------------------------------------------
 */

static void one_too_many_reads_503(void **state)
{
    int fds[16], extra;
    struct answer a;

    (void)state;
    until_empty();
    for (size_t i = 0; i < 16; i++) {
        fds[i] = site_connect(&site);
        expect_hello(fds[i]);
    }
    extra = site_connect(&site);
    send_text(extra, GET);
    read_answer(extra, false, &a);
    assert_int_equal(a.status, 503);
    assert_true(a.whole);
    assert_string_equal(answer_header(&a, "Retry-After"), "1");
    assert_true(is_closed(extra));
    answer_free(&a);
    close(extra);
    extra = site_control(&site); /* has places of its own */
    expect_hello(extra);
    close(extra);
    for (size_t i = 0; i < 16; i++) {
        expect_hello(fds[i]);
        close(fds[i]);
    }
    until_empty();
    extra = site_connect(&site);
    expect_hello(extra);
    close(extra);
}

/* Bursts at the limit, where libmicrohttpd's own check would deadlock: everyone gets an answer, and
 * afterwards everything works. */
static void bursts_at_the_limit_are_all_answered(void **state)
{
    enum { BURST = 100, ROUNDS = 20 };
    unsigned shed = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int fds[BURST];
        for (size_t i = 0; i < BURST; i++) {
            fds[i] = site_connect(&site);
            send_text(fds[i], GET);
        }
        for (size_t i = 0; i < BURST; i++) {
            struct answer a;
            read_answer(fds[i], false, &a);
            if (a.status != 200 && a.status != 503)
                fail_msg("round %d: %zu got %u", round, i, a.status);
            shed += a.status == 503;
            answer_free(&a);
            close(fds[i]);
        }
    }
    assert_true(shed > 0);
    until_empty();
}

/* Where the process has no descriptor left, there is still one to say so with. */
static void without_descriptors_clients_are_told(void **state)
{
    union sockaddr_any to;
    socklen_t len = address_to_socket(&site.address, &to);
    struct rlimit before, none;
    struct answer a;
    int fd, next;

    (void)state;
    until_empty();
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    next = dup(fd);
    assert_true(next >= 0);
    close(next);
    none = before;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(connect(fd, &to.any, len), 0);
    send_text(fd, GET);
    read_answer(fd, false, &a);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(a.status, 503);
    assert_true(a.whole);
    answer_free(&a);
    close(fd);
    fd = site_connect(&site);
    expect_hello(fd);
    close(fd);
}

/* ---- slow clients -----------------------------------------------------------------------------
 */

static void a_dripping_head_is_closed(void **state)
{
    int fresh = site_connect(&site), kept;
    mono_t since = clock_mono();
    int64_t ns;

    (void)state;
    for (int i = 0; i < 8; i++) {
        send_text(fresh, "G");
        usleep(50000);
    }
    ns = ns_until_closed(fresh, since);
    assert_true(ns >= quick.limits.head_ns && ns < MONO_S(9));
    close(fresh);
    kept = site_connect(&site);
    expect_hello(kept);
    since = clock_mono();
    for (int i = 0; i < 8; i++) {
        usleep(50000);
        send_text(kept, "G");
    }
    ns = ns_until_closed(kept, since);
    assert_true(ns >= quick.limits.head_ns && ns < quick.limits.idle_ns);
    close(kept);
}

static void idle_connections_are_kept_for_a_while(void **state)
{
    int fd = site_connect(&site);

    (void)state;
    expect_hello(fd);
    usleep(400000); /* longer than a head may take */
    expect_hello(fd);
    close(fd);
}

static void idle_connections_are_closed_in_the_end(void **state)
{
    int64_t ns;
    int fd;

    (void)state;
    start_anew(&quickly_idle);
    fd = site_connect(&site);
    expect_hello(fd);
    ns = ns_until_closed(fd, clock_mono());
    assert_true(ns >= quickly_idle.limits.idle_ns - MONO_MS(50) && ns < MONO_S(9));
    close(fd);
}

static void a_client_that_does_not_read_is_closed(void **state)
{
    int fd, small = 4096;
    struct answer a;

    (void)state;
    until_empty();
    fd = site_connect(&site);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    send_text(fd, "GET /example.com/large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    until_connections(1);
    until_empty();
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_false(a.whole);
    answer_free(&a);
    close(fd);
}

/* One that reads steadily, though slower than we could send, is served to its end. */
static void a_steady_reader_is_served(void **state)
{
    size_t had = 0;
    char bytes[65536];
    ssize_t n;
    int fd;

    (void)state;
    start_anew(&steady);
    fd = site_connect(&site);
    send_text(fd, "GET /example.com/large HTTP/1.1\r\nHost: localhost\r\nConnection: close"
                  "\r\n\r\n");
    while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        had += (size_t)n;
        usleep(25000);
    }
    assert_true(had > LARGE);
    close(fd);
}

static void *drip_body(void *arg)
{
    int fd = *(int *)arg;

    for (int i = 0; i < 100; i++) {
        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
            break;
        usleep(50000);
    }
    return NULL;
}

/* Unsigned PUTs over TCP are refused, but their bodies are read, to be heard. */
static void a_dripping_body_is_closed(void **state)
{
    int fd = site_connect(&site);
    pthread_t thread;

    (void)state;
    send_text(fd, "PUT /example.com/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n");
    assert_int_equal(pthread_create(&thread, NULL, drip_body, &fd), 0);
    assert_true(is_closed(fd));
    pthread_join(thread, NULL);
    close(fd);
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static void answers_that_nobody_reads_fill_no_memory(void **state)
{
    enum { ANSWER = 1 << 20 };
    static const char get[] = "GET /.pond/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct answer a;
    char first;
    int fd;

    (void)state;
    site_stop(&site, 0);
    site_start(&site,
               &(struct site_options){.reply_memory = ANSWER + ANSWER / 2, .metrics_len = ANSWER});
    fd = site_connect_narrow(&site, "127.0.0.1");
    send_text(fd, get);
    assert_int_equal(recv(fd, &first, 1, MSG_PEEK), 1); /* it is under way */
    ask_tcp(&site, "GET", "/.pond/metrics", "", &a);
    expect(&a, 503, "as many answers as this node has memory for wait for their readers\n");
    answer_free(&a);
    ask_tcp(&site, "GET", "/example.com/a", "", &a);
    expect(&a, 200, "hello");
    answer_free(&a);
    close(fd);
    until_empty();
    ask_tcp(&site, "GET", "/.pond/metrics", "", &a);
    expect(&a, 200, NULL);
    answer_free(&a);
    site_stop(&site, 0);
    site_start(&site, &patient);
}

/* ---- the end ----------------------------------------------------------------------------------
 */

struct load {
    pthread_t thread;
    _Atomic bool over;
    _Atomic unsigned whole;
    unsigned broken;
};

/* Asks again and again until nobody listens; each answer must be whole. */
static void *ask_on(void *arg)
{
    struct load *load = arg;
    union sockaddr_any to;
    socklen_t len = address_to_socket(&site.address, &to);

    while (!atomic_load(&load->over)) {
        const struct timeval most = {.tv_sec = 60};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct answer a = {0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
        if (connect(fd, &to.any, len) != 0) {
            close(fd);
            break;
        }
        send_text(fd, "GET /example.com/large HTTP/1.1\r\nHost: localhost\r\n\r\n");
        read_answer(fd, false, &a);
        load->whole += a.status == 200 && a.whole;
        load->broken += a.status == 200 && !a.whole;
        answer_free(&a);
        close(fd);
    }
    return NULL;
}

static void draining_breaks_nothing_off(void **state)
{
    struct load loads[4] = {0};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&loads[i].thread, NULL, ask_on, &loads[i]), 0);
    for (size_t i = 0; i < 4; i++)
        while (atomic_load(&loads[i].whole) == 0)
            usleep(1000);
    site_stop(&site, MONO_S(60));
    for (size_t i = 0; i < 4; i++) {
        atomic_store(&loads[i].over, true);
        pthread_join(loads[i].thread, NULL);
        assert_int_equal(loads[i].broken, 0);
    }
    site_start(&site, &patient);
}

static void *stop_site(void *unused)
{
    (void)unused;
    site_stop(&site, MONO_S(50));
    return NULL;
}

/* One that has just come gets an answer; one between two requests is shut meanwhile. */
static void draining_waits_for_the_first_request(void **state)
{
    struct http_figures figures = {0};
    struct answer a = {0};
    pthread_t stopper;
    int fresh, idle;
    char end;

    (void)state;
    site_stop(&site, 0);
    site_start(&site,
               &(struct site_options){.limits = {.head_ns = MONO_S(100), .last_ns = MONO_S(100)}});
    idle = site_connect(&site);
    expect_hello(idle);
    fresh = site_connect(&site);
    while (figures.connections < 2)
        http_figures(site.http, &figures);
    assert_int_equal(pthread_create(&stopper, NULL, stop_site, NULL), 0);
    assert_int_equal(recv(idle, &end, 1, 0), 0);
    send_text(fresh, "GET /example.com/large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    read_answer(fresh, false, &a);
    assert_int_equal(a.status, 200);
    assert_true(a.whole);
    answer_free(&a);
    pthread_join(stopper, NULL);
    close(fresh);
    close(idle);
    site_start(&site, &patient);
}

/* Its download is stuck; those of others would get all the time that is given here. */
static void draining_does_not_wait_for_who_does_not_read(void **state)
{
    int fd, small = 4096;
    mono_t began;

    (void)state;
    site_stop(&site, 0);
    site_start(&site, &(struct site_options){.limits = {.head_ns = MONO_MS(1000),
                                                        .window_ns = MONO_S(60),
                                                        .last_ns = MONO_MS(500)}});
    fd = site_connect(&site);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    send_text(fd, "GET /example.com/large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(recv(fd, &small, sizeof(small), MSG_WAITALL), sizeof(small));
    began = clock_mono();
    site_stop(&site, MONO_S(50));
    assert_true(mono_between(began, clock_mono()) < MONO_S(25));
    close(fd);
    site_start(&site, &patient);
}

/* Two hundred lives, some with clients in the middle of something. */
static void it_stops_and_starts_again(void **state)
{
    struct rng rng = {.state = 20261122};
    int fds[4];

    (void)state;
    for (int i = 0; i < 200; i++) {
        for (size_t j = 0; j < 4; j++) {
            fds[j] = site_connect(&site);
            if (rng_below(&rng, 2))
                send_all(fds[j], GET, rng_below(&rng, sizeof(GET)));
        }
        site_stop(&site, rng_below(&rng, 2) ? MONO_MS(20) : 0);
        for (size_t j = 0; j < 4; j++)
            close(fds[j]);
        site_start(&site, &patient);
    }
    fds[0] = site_control(&site);
    expect_hello(fds[0]);
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_too_many_reads_503),
        cmocka_unit_test(bursts_at_the_limit_are_all_answered),
        cmocka_unit_test(without_descriptors_clients_are_told),
        cmocka_unit_test_setup(a_dripping_head_is_closed, be_quick),
        cmocka_unit_test_setup(idle_connections_are_kept_for_a_while, be_quick),
        cmocka_unit_test(idle_connections_are_closed_in_the_end),
        cmocka_unit_test_setup(a_client_that_does_not_read_is_closed, be_quick),
        cmocka_unit_test(a_steady_reader_is_served),
        cmocka_unit_test_setup(a_dripping_body_is_closed, be_quick),
        cmocka_unit_test_setup(answers_that_nobody_reads_fill_no_memory, be_patient),
        cmocka_unit_test_setup(draining_breaks_nothing_off, be_patient),
        cmocka_unit_test(draining_waits_for_the_first_request),
        cmocka_unit_test(draining_does_not_wait_for_who_does_not_read),
        cmocka_unit_test(it_stops_and_starts_again),
    };
    return cmocka_run_group_tests_name("http_limits", tests, start, stop);
}
