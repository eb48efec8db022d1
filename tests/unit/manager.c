/* SPDX-License-Identifier: ISC */
#include "src/manager.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/clock.h"

#include "tests/unit/service_manager.h"
#include "tests/unit/unit.h"

enum { PATIENCE_S = 60 };

/* Returns the descriptor that came with it, or -1. */
static int hear(int manager, const char *wanted)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char bytes[512] = "";
    struct iovec into = {bytes, sizeof(bytes) - 1};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int fd = -1;

    assert_true(recvmsg(manager, &message, 0) >= 0);
    assert_string_equal(bytes, wanted);
    if (CMSG_FIRSTHDR(&message))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

static void it_is_told(void **state)
{
    int manager = service_manager_listen();

    (void)state;
    manager_tell("READY=1");
    assert_int_equal(hear(manager, "READY=1"), -1);
    close(manager);
}

static void it_gets_a_copy_of_a_descriptor(void **state)
{
    int manager = service_manager_listen(), ours = open("/dev/null", O_RDONLY), its;
    struct stat a, b;

    (void)state;
    manager_tell_with("FDSTORE=1", ours);
    its = hear(manager, "FDSTORE=1");
    assert_true(its >= 0 && its != ours);
    assert_int_equal(fstat(ours, &a), 0);
    assert_int_equal(fstat(its, &b), 0);
    assert_true(a.st_rdev == b.st_rdev && a.st_ino == b.st_ino);
    close(its);
    close(ours);
    close(manager);
}

/* It would hang here for ever. */
static void one_that_does_not_read_is_not_waited_for(void **state)
{
    int manager = service_manager_listen();

    (void)state;
    log_set_level(LEVEL_ERROR); /* each that is lost is a warning */
    for (int i = 0; i < 20000; i++)
        manager_tell("WATCHDOG=1");
    log_set_level(LEVEL_INFO);
    assert_int_equal(hear(manager, "WATCHDOG=1"), -1);
    close(manager);
}

static void *tell_within(void *nothing)
{
    manager_tell_within("READY=1", PATIENCE_S);
    return nothing;
}

static void what_must_not_be_lost_waits_until_it_reads(void **state)
{
    int manager = service_manager_listen();
    struct pollfd readable = {.fd = manager, .events = POLLIN};
    char bytes[64] = "";
    pthread_t thread;
    mono_t began;

    (void)state;
    log_set_level(LEVEL_ERROR);
    for (int i = 0; i < 20000; i++)
        manager_tell("WATCHDOG=1");
    began = clock_mono();
    manager_tell_within("READY=1", 1);
    assert_true(mono_between(began, clock_mono()) >= MONO_MS(900));
    log_set_level(LEVEL_INFO);
    assert_int_equal(pthread_create(&thread, NULL, tell_within, NULL), 0);
    while (strcmp(bytes, "READY=1") != 0) {
        assert_int_equal(poll(&readable, 1, PATIENCE_S * 1000), 1);
        memset(bytes, 0, sizeof(bytes));
        assert_true(recv(manager, bytes, sizeof(bytes) - 1, 0) > 0);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(manager);
}

/* Nothing is lost: it is the caller's to try again. */
static void one_that_does_not_read_is_tried_again(void **state)
{
    int manager = service_manager_listen();
    char bytes[64];

    (void)state;
    while (manager_try("WATCHDOG=1"))
        continue;
    assert_false(manager_try("READY=1"));
    assert_true(recv(manager, bytes, sizeof(bytes), 0) > 0);
    assert_true(manager_try("READY=1"));
    close(manager);
    assert_true(manager_try("READY=1")); /* it has gone, and that is not waited for */
}

static void none_is_no_failure(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    manager_tell("READY=1");
    assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
    manager_tell("READY=1");
    assert_int_equal(setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1), 0);
    manager_tell("READY=1");
    assert_true(manager_try("READY=1"));
    unsetenv("NOTIFY_SOCKET");
    assert_true(manager_try("READY=1"));
}

static int64_t limit_of(const char *microseconds, const char *pid)
{
    if (microseconds)
        setenv("WATCHDOG_USEC", microseconds, 1);
    else
        unsetenv("WATCHDOG_USEC");
    if (pid)
        setenv("WATCHDOG_PID", pid, 1);
    else
        unsetenv("WATCHDOG_PID");
    return manager_watchdog();
}

static void the_watchdog_is_for_us_alone(void **state)
{
    char own[16], parent[16];

    (void)state;
    snprintf(own, sizeof(own), "%d", (int)getpid());
    snprintf(parent, sizeof(parent), "%d", (int)getppid());
    assert_int_equal(limit_of("30000000", own), 30000000000);
    assert_int_equal(limit_of("30000000", NULL), 30000000000);
    assert_int_equal(limit_of("30000000", parent), 0);
    assert_int_equal(limit_of("30000000", "x"), 0);
    assert_int_equal(limit_of(NULL, own), 0);
    assert_int_equal(limit_of("-1", own), 0);
    assert_int_equal(limit_of("18446744073709551615", own), 0);
    assert_int_equal(limit_of(NULL, NULL), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_told),
        cmocka_unit_test(it_gets_a_copy_of_a_descriptor),
        cmocka_unit_test(one_that_does_not_read_is_not_waited_for),
        cmocka_unit_test(what_must_not_be_lost_waits_until_it_reads),
        cmocka_unit_test(one_that_does_not_read_is_tried_again),
        cmocka_unit_test(none_is_no_failure),
        cmocka_unit_test(the_watchdog_is_for_us_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
