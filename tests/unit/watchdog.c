/* SPDX-License-Identifier: ISC */
#include "src/watchdog.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/clock.h"

#include "tests/unit/unit.h"

/* A limit that no test waits for, so that its parts are short and a slow machine is no failure. */
#define LIMIT MONO_MS(200)

struct bench {
    struct ev_loop *loop;
    struct watchdog *watchdog;
    int manager;
    char path[64];
    bool hangs;
    mono_t hung; /* since then */
    unsigned asked;
};

static mono_t turned(void *arg)
{
    struct bench *b = arg;

    b->asked++;
    return b->hangs ? b->hung : clock_mono();
}

static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct sockaddr_un where = {.sun_family = AF_UNIX};

    assert_non_null(b);
    snprintf(b->path, sizeof(b->path), "/tmp/carpond-watchdog-%d", (int)getpid());
    memcpy(where.sun_path, b->path, strlen(b->path));
    b->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(b->manager, (struct sockaddr *)&where, sizeof(where)), 0);
    setenv("NOTIFY_SOCKET", b->path, 1);
    b->loop = ev_loop_new(0);
    b->watchdog = watchdog_new(
        &(struct watchdog_options){.loop = b->loop, .limit_ns = LIMIT, .turned = turned, .arg = b});
    assert_non_null(b->watchdog);
    return b;
}

static void bench_free(struct bench *b)
{
    watchdog_free(b->watchdog);
    ev_loop_destroy(b->loop);
    close(b->manager);
    unlink(b->path);
    unsetenv("NOTIFY_SOCKET");
    free(b);
}

/* How often it was fed, while its timer came so many times. */
static unsigned fed(struct bench *b, unsigned times)
{
    char bytes[64];
    unsigned count = 0;
    ssize_t len;

    for (b->asked = 0; b->asked < times;)
        ev_run(b->loop, EVRUN_ONCE);
    while ((len = recv(b->manager, bytes, sizeof(bytes) - 1, 0)) >= 0) {
        bytes[len] = '\0';
        assert_string_equal(bytes, "WATCHDOG=1");
        count++;
    }
    return count;
}

static void it_is_fed_while_both_loops_turn(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    assert_int_equal(fed(b, 5), 5);
    bench_free(b);
}

static void it_starves_while_the_elections_hang(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    b->hangs = true;
    b->hung = (mono_t){clock_mono().ns - LIMIT};
    (void)fed(b, 1); /* which says so, and asks once more for that */
    assert_int_equal(fed(b, 5), 0);
    b->hangs = false;
    assert_int_equal(fed(b, 2), 2);
    bench_free(b);
}

static void stop_waiting(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)timer, (void)events;
    ev_break(loop, EVBREAK_ONE);
}

/* A whole process that is stopped for most of the limit has little of it left. Of timers that are
 * late, libev calls the earlier one first. */
static void once_starved_it_is_looked_after_sooner(void **state)
{
    struct bench *b = bench_new();
    struct ev_timer wait;
    unsigned asked;

    (void)state;
    b->hangs = true;
    b->hung = (mono_t){clock_mono().ns - LIMIT};
    (void)fed(b, 1);
    asked = b->asked;
    ev_timer_init(&wait, stop_waiting, (double)LIMIT / 1e9 / 8, 0);
    ev_timer_start(b->loop, &wait);
    ev_run(b->loop, 0);
    assert_true(b->asked > asked);
    bench_free(b);
}

static void where_there_are_no_elections_the_main_loop_is_enough(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    b->hangs = true;
    b->hung = MONO_NEVER;
    assert_int_equal(fed(b, 3), 3);
    bench_free(b);
}

static void without_a_limit_there_is_none(void **state)
{
    struct ev_loop *loop = ev_loop_new(0);

    (void)state;
    assert_null(watchdog_new(&(struct watchdog_options){.loop = loop, .turned = turned}));
    watchdog_free(NULL);
    ev_loop_destroy(loop);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_fed_while_both_loops_turn),
        cmocka_unit_test(it_starves_while_the_elections_hang),
        cmocka_unit_test(once_starved_it_is_looked_after_sooner),
        cmocka_unit_test(where_there_are_no_elections_the_main_loop_is_enough),
        cmocka_unit_test(without_a_limit_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
