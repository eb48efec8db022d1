/* SPDX-License-Identifier: ISC */
#include "src/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { FIRST = 3, PLACES = 4 };

/* Whatever the tests' runner has open where sockets are passed is put aside meanwhile. */
struct bench {
    int aside[PLACES];
    int manager;
    char path[64];
};

static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct sockaddr_un where = {.sun_family = AF_UNIX};

    assert_non_null(b);
    for (int i = 0; i < PLACES; i++) {
        b->aside[i] = fcntl(FIRST + i, F_DUPFD, 100);
        close(FIRST + i);
    }
    snprintf(b->path, sizeof(b->path), "/tmp/carpond-passed-%d", (int)getpid());
    memcpy(where.sun_path, b->path, strlen(b->path));
    b->manager = fcntl(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), F_DUPFD, 100);
    close(FIRST);
    assert_int_equal(bind(b->manager, (struct sockaddr *)&where, sizeof(where)), 0);
    setenv("NOTIFY_SOCKET", b->path, 1);
    return b;
}

static void bench_free(struct bench *b)
{
    for (int i = 0; i < PLACES; i++) {
        close(FIRST + i);
        if (b->aside[i] >= 0) {
            dup2(b->aside[i], FIRST + i);
            close(b->aside[i]);
        }
    }
    close(b->manager);
    unlink(b->path);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    free(b);
}

/* A socket at a port that the kernel chooses, in the next free place. */
static struct address add_socket(const char *ip, int type, bool listens)
{
    struct address where;
    union sockaddr_any any;
    socklen_t len;
    int fd;

    assert_true(address_parse(span_of(ip), 0, &where));
    len = address_to_socket(&where, &any);
    fd = socket(any.any.sa_family, type, 0);
    assert_true(fd >= FIRST && fd < FIRST + PLACES);
    assert_int_equal(bind(fd, &any.any, len), 0);
    if (listens)
        assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, &any.any, &len), 0);
    assert_true(address_from_socket(&any.any, &where));
    return where;
}

static struct passed *pass(const char *count, const char *names)
{
    char own[16];

    snprintf(own, sizeof(own), "%d", (int)getpid());
    setenv("LISTEN_PID", own, 1);
    setenv("LISTEN_FDS", count, 1);
    if (names)
        setenv("LISTEN_FDNAMES", names, 1);
    return passed_new();
}

static void assert_told(struct bench *b, const char *wanted)
{
    char bytes[256] = "";

    assert_true(recv(b->manager, bytes, sizeof(bytes) - 1, 0) >= 0);
    assert_string_equal(bytes, wanted);
}

static void assert_told_nothing(struct bench *b)
{
    assert_int_equal(recv(b->manager, &(char){0}, 1, 0), -1);
}

static void each_is_taken_once_where_it_listens(void **state)
{
    struct bench *b = bench_new();
    struct address first = add_socket("127.0.0.1", SOCK_STREAM, true);
    struct address second = add_socket("127.0.0.2", SOCK_STREAM, true), other = second;
    struct passed *passed = pass("2", "http:http");

    (void)state;
    other.port = first.port == 1 ? 2 : 1;
    assert_int_equal(passed_take(passed, &other), -1);
    assert_int_equal(passed_take(passed, &second), FIRST + 1);
    assert_int_equal(passed_take(passed, &second), -1);
    assert_int_equal(passed_take(passed, &first), FIRST);
    assert_true(fcntl(FIRST, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(FIRST, F_GETFD) & FD_CLOEXEC);
    assert_true(passed_all_taken(passed));
    passed_free(passed);
    assert_true(fcntl(FIRST, F_GETFD) >= 0); /* ours now */
    assert_told_nothing(b);
    bench_free(b);
}

static void a_socket_units_that_nobody_wants_is_a_fault(void **state)
{
    struct bench *b = bench_new();
    struct passed *passed;

    (void)state;
    (void)add_socket("127.0.0.1", SOCK_STREAM, true);
    passed = pass("1", "http");
    assert_false(passed_all_taken(passed));
    passed_free(passed);
    assert_int_equal(fcntl(FIRST, F_GETFD), -1);
    bench_free(b);
}

static void what_does_not_listen_is_not_taken(void **state)
{
    struct bench *b = bench_new();
    struct address udp = add_socket("127.0.0.1", SOCK_DGRAM, false);
    struct address silent = add_socket("127.0.0.1", SOCK_STREAM, false);
    struct passed *passed = pass("2", NULL);

    (void)state;
    assert_int_equal(passed_take(passed, &udp), -1);
    assert_int_equal(passed_take(passed, &silent), -1);
    assert_false(passed_all_taken(passed));
    passed_free(passed);
    bench_free(b);
}

static void one_that_takes_both_families_is_not_taken(void **state)
{
    struct bench *b = bench_new();
    struct address both = add_socket("::", SOCK_STREAM, true);
    struct passed *passed = pass("1", "http");
    const int on = 1;
    int fd;

    (void)state;
    assert_int_equal(passed_take(passed, &both), -1);
    assert_false(passed_all_taken(passed));
    passed_free(passed);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(fd, FIRST);
    assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
    assert_int_equal(listen(fd, 1), 0); /* bound to :: and a free port */
    passed = pass("1", "http");
    {
        union sockaddr_any any;
        socklen_t len = sizeof(any);
        assert_int_equal(getsockname(fd, &any.any, &len), 0);
        assert_true(address_from_socket(&any.any, &both));
    }
    assert_int_equal(passed_take(passed, &both), FIRST);
    passed_free(passed);
    bench_free(b);
}

static void what_is_kept_is_known_again_or_given_up(void **state)
{
    struct bench *b = bench_new();
    struct address first = add_socket("127.0.0.1", SOCK_STREAM, true);
    struct address second = add_socket("127.0.0.1", SOCK_STREAM, true);
    char told[128], names[128], text[64];
    struct passed *passed;

    (void)state;
    passed_keep(FIRST);
    snprintf(text, sizeof(text), "carpond-kept-127.0.0.1_%u", first.port);
    snprintf(told, sizeof(told), "FDSTORE=1\nFDNAME=%s", text);
    assert_told(b, told);
    snprintf(names, sizeof(names), "%s:carpond-kept-127.0.0.1_%u", text, second.port);
    passed = pass("2", names);
    assert_int_equal(passed_take(passed, &second), FIRST + 1);
    assert_true(passed_all_taken(passed));
    snprintf(told, sizeof(told), "FDSTOREREMOVE=1\nFDNAME=%s", text);
    assert_told(b, told);
    assert_told_nothing(b);
    assert_int_equal(fcntl(FIRST, F_GETFD), -1);
    passed_free(passed);
    bench_free(b);
}

static void what_is_for_others_is_left_alone(void **state)
{
    struct bench *b = bench_new();
    struct address where = add_socket("127.0.0.1", SOCK_STREAM, true);
    char parent[16];
    struct passed *passed;

    (void)state;
    snprintf(parent, sizeof(parent), "%d", (int)getppid());
    setenv("LISTEN_PID", parent, 1);
    setenv("LISTEN_FDS", "1", 1);
    passed = passed_new();
    assert_int_equal(passed_take(passed, &where), -1);
    assert_true(passed_all_taken(passed));
    passed_free(passed);
    assert_true(fcntl(FIRST, F_GETFD) >= 0);
    passed = pass("-1", NULL);
    assert_true(passed_all_taken(passed));
    passed_free(passed);
    passed = pass("100000", NULL);
    assert_true(passed_all_taken(passed));
    passed_free(passed);
    bench_free(b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_taken_once_where_it_listens),
        cmocka_unit_test(a_socket_units_that_nobody_wants_is_a_fault),
        cmocka_unit_test(what_does_not_listen_is_not_taken),
        cmocka_unit_test(one_that_takes_both_families_is_not_taken),
        cmocka_unit_test(what_is_kept_is_known_again_or_given_up),
        cmocka_unit_test(what_is_for_others_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
