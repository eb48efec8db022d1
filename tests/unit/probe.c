/* SPDX-License-Identifier: ISC */
#include "src/probe.h"

#include <ev.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/time.h"
#include "tests/unit/serve.h"
#include "tests/unit/unit.h"

struct bench {
    struct ev_loop *loop;
    int count;
    enum probe_result result;
};

static void on_done(void *arg, enum probe_result result)
{
    struct bench *bench = arg;

    bench->count++;
    bench->result = result;
    ev_break(bench->loop, EVBREAK_ALL);
}

static enum probe_result ask(const struct address *server, int64_t most_ns)
{
    struct bench bench = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct probe *probe = probe_new(bench.loop, server, most_ns, on_done, &bench);

    for (int i = 0; i < 2; i++) { /* it can be asked again */
        probe_begin(probe);
        if (bench.count == i)
            probe_begin(probe); /* one is under way: nothing happens */
        while (bench.count == i)
            ev_run(bench.loop, 0);
        assert_int_equal(bench.count, i + 1);
    }
    probe_free(probe);
    ev_loop_destroy(bench.loop);
    return bench.result;
}

static bool answer_with(void *arg, const struct serve_request *request)
{
    assert_non_null(strstr(request->head, "HEAD /.pond/ HTTP/1.1\r\n"));
    assert_non_null(serve_header(request, "Host"));
    serve_send(request->fd, arg, strlen(arg));
    return false;
}

static enum probe_result answered_with(const char *answer)
{
    struct serve *serve = serve_start(answer_with, (void *)(uintptr_t)answer);
    struct address server = serve_address(serve);
    enum probe_result result = ask(&server, MONO_S(20));

    serve_stop(serve);
    return result;
}

static void whoever_speaks_http_answers(void **state)
{
    (void)state;
    assert_int_equal(answered_with("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
                     PROBE_ANSWERED);
    assert_int_equal(answered_with("HTTP/1.1 200 OK\r\n"), PROBE_ANSWERED);
}

static void a_full_server_is_not_known_to_be_ill(void **state)
{
    (void)state;
    assert_int_equal(answered_with("HTTP/1.1 503 Service Unavailable\r\n\r\n"), PROBE_UNSURE);
}

static void who_breaks_off_or_speaks_otherwise_fails(void **state)
{
    (void)state;
    assert_int_equal(answered_with(""), PROBE_FAILED);
    assert_int_equal(answered_with("HTTP/1.1 4"), PROBE_FAILED);
    assert_int_equal(answered_with("HTTP/1.1 abc\r\n\r\n"), PROBE_FAILED);
    assert_int_equal(answered_with("SSH-2.0-OpenSSH_9.2\r\n"), PROBE_FAILED);
}

/* A listening socket of whose connections nobody takes any. */
static int deaf_server(struct address *out)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    union sockaddr_any bound;
    socklen_t len;

    assert_true(address_parse(span_of("127.0.0.1"), 0, out));
    len = address_to_socket(out, &bound);
    assert_int_equal(bind(fd, &bound.any, len), 0);
    assert_int_equal(listen(fd, 10), 0);
    len = sizeof(bound);
    assert_int_equal(getsockname(fd, &bound.any, &len), 0);
    assert_true(address_from_socket(&bound.any, out));
    return fd;
}

static void who_says_nothing_in_time_fails(void **state)
{
    struct address server;
    int fd = deaf_server(&server);
    enum probe_result result = PROBE_UNSURE;

    (void)state;
    for (int i = 0; i < 100 && result == PROBE_UNSURE; i++) /* where we stood still ourselves */
        result = ask(&server, MONO_MS(50));
    assert_int_equal(result, PROBE_FAILED);
    close(fd);
}

static void who_does_not_listen_fails(void **state)
{
    struct address server;
    int fd = deaf_server(&server);

    (void)state;
    close(fd);
    assert_int_equal(ask(&server, MONO_S(20)), PROBE_FAILED);
}

static void a_loop_that_stood_still_does_not_know(void **state)
{
    struct bench bench = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct address server;
    int fd = deaf_server(&server);
    struct probe *probe = probe_new(bench.loop, &server, MONO_MS(100), on_done, &bench);

    (void)state;
    probe_begin(probe);
    usleep(700000);
    while (bench.count == 0)
        ev_run(bench.loop, 0);
    assert_int_equal(bench.result, PROBE_UNSURE);
    probe_begin(probe);
    probe_free(probe); /* under way */
    assert_int_equal(bench.count, 1);
    close(fd);
    ev_loop_destroy(bench.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_speaks_http_answers),
        cmocka_unit_test(a_full_server_is_not_known_to_be_ill),
        cmocka_unit_test(who_breaks_off_or_speaks_otherwise_fails),
        cmocka_unit_test(who_says_nothing_in_time_fails),
        cmocka_unit_test(who_does_not_listen_fails),
        cmocka_unit_test(a_loop_that_stood_still_does_not_know),
    };
    return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
