/* SPDX-License-Identifier: ISC */
#include "src/manager_reload.h"

#include <errno.h>

#include "src/base/log.h"
#include "src/manager.h"
#include "tests/unit/service_manager.h"
#include "tests/unit/unit.h"

#define FILLER "WATCHDOG=1"

struct bench {
    struct ev_loop *loop;
    struct manager_reload *news;
    int manager;
};

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->manager = service_manager_listen();
    b->loop = ev_loop_new(0);
    b->news = manager_reload_new(b->loop);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;

    manager_reload_free(b->news);
    ev_loop_destroy(b->loop);
    close(b->manager);
    free(b);
    return 0;
}

static void fill(void)
{
    while (manager_try(FILLER))
        continue;
}

/* What came next; false: nothing. */
static bool read_one(struct bench *b, char out[128])
{
    ssize_t n = recv(b->manager, out, 127, 0);

    assert_true(n >= 0 || errno == EAGAIN);
    out[n < 0 ? 0 : n] = '\0';
    return n >= 0;
}

/* The next that is none of those that filled the queue, while the loop turns. */
static void expect_next(struct bench *b, const char *wanted)
{
    char came[128];

    do {
        while (!read_one(b, came))
            ev_run(b->loop, EVRUN_ONCE);
    } while (strcmp(came, FILLER) == 0);
    assert_string_equal(came, wanted);
}

static void expect_nothing_more(struct bench *b)
{
    char came[128];

    assert_false(ev_run(b->loop, EVRUN_NOWAIT)); /* nothing is waited for */
    assert_false(read_one(b, came));
}

static void a_reload_is_told_as_it_goes(void **state)
{
    struct bench *b = *state;

    manager_reload_begins(b->news, (mono_t){MONO_S(7)});
    expect_next(b, "RELOADING=1\nMONOTONIC_USEC=7000000");
    expect_nothing_more(b);
    manager_reload_ends(b->news);
    expect_next(b, "READY=1");
    expect_nothing_more(b);
}

static void the_end_waits_for_a_manager_that_does_not_read(void **state)
{
    struct bench *b = *state;

    manager_reload_begins(b->news, (mono_t){MONO_S(7)});
    expect_next(b, "RELOADING=1\nMONOTONIC_USEC=7000000");
    fill();
    manager_reload_ends(b->news);
    for (int i = 0; i < 3; i++)
        assert_true(ev_run(b->loop, EVRUN_ONCE)); /* it goes on trying */
    expect_next(b, "READY=1");
    expect_nothing_more(b);
}

static void all_of_a_reload_waits_in_its_order(void **state)
{
    struct bench *b = *state;

    fill();
    manager_reload_begins(b->news, (mono_t){MONO_S(7)});
    manager_reload_ends(b->news);
    expect_next(b, "RELOADING=1\nMONOTONIC_USEC=7000000");
    expect_next(b, "READY=1");
    expect_nothing_more(b);
}

/* Else the first one's end would be taken for that of the second. */
static void of_several_the_last_one_is_told(void **state)
{
    struct bench *b = *state;

    fill();
    for (int64_t second = 1; second < 5; second++) {
        manager_reload_begins(b->news, (mono_t){MONO_S(second)});
        manager_reload_ends(b->news);
    }
    manager_reload_begins(b->news, (mono_t){MONO_S(5)});
    expect_next(b, "RELOADING=1\nMONOTONIC_USEC=5000000");
    expect_nothing_more(b);
    manager_reload_ends(b->news);
    expect_next(b, "READY=1");
    expect_nothing_more(b);
}

static void what_waits_goes_with_the_daemon(void **state)
{
    struct bench *b = *state;

    fill();
    manager_reload_ends(b->news);
    manager_reload_free(b->news);
    b->news = NULL;
    assert_false(ev_run(b->loop, EVRUN_NOWAIT));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        CASE(a_reload_is_told_as_it_goes),
        CASE(the_end_waits_for_a_manager_that_does_not_read),
        CASE(all_of_a_reload_waits_in_its_order),
        CASE(of_several_the_last_one_is_told),
        CASE(what_waits_goes_with_the_daemon),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("manager_reload", tests, NULL, NULL);
}
