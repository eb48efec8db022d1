/* SPDX-License-Identifier: ISC */
#include "cache/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "src/base/log.h"
#include "src/signals.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

static const char *marker_path(void)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/" GUARD_MARKER, home_path);
    return path;
}

static bool is_marked(void)
{
    return access(marker_path(), F_OK) == 0;
}

static const char *mended_path(void)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/" GUARD_MENDED, home_path);
    return path;
}

static void fault_outside(void)
{
    guard_enter();
    guard_leave();
    raise(SIGSEGV);
}

static void begin_change(void)
{
    guard_change();
    guard_enter();
    guard_leave();
}

static void fault_after_change(void)
{
    begin_change();
    raise(SIGSEGV);
}

static void abort_after_change(void)
{
    begin_change();
    abort();
}

static void fail_after_change(void)
{
    begin_change();
    errno = 0;
    MUST(errno != 0);
}

static void lack_memory_after_change(void)
{
    begin_change();
    errno = ENOMEM;
    abort();
}

/* As a service manager's watchdog does. */
static void be_aborted_after_change(void)
{
    pid_t self = getpid(), child;

    begin_change();
    child = fork();
    if (child == 0)
        _exit(kill(self, SIGABRT) != 0);
    while (true)
        pause();
}

static void fault_inside(void)
{
    guard_enter();
    raise(SIGSEGV);
}

/* With the mask that every thread but the main one has: a signal that is blocked when its fault
 * happens would end the process unheard. */
static void fault_on_a_worker(void)
{
    sigset_t before;

    signals_block(&before);
    fault_inside();
}

static void abort_inside(void)
{
    guard_enter();
    abort();
}

static void lack_memory_inside(void)
{
    guard_enter();
    errno = ENOMEM;
    MUST(errno == 0);
}

/* Has a process run this, with a store open or with one that it only watches; returns its wait
 * status. */
static int end_of(bool opened, void (*run)(void))
{
    static const struct rlimit no_core = {0, 0};
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        guard_install();
        if (opened)
            MUST(home_open_store() != NULL);
        else
            guard_watch(home_path, open(home_path, O_RDONLY | O_DIRECTORY));
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void close_store(void **state)
{
    store_close(*state);
    *state = NULL;
}

static void a_fault_without_a_change_spares_the_catalogue(void **state)
{
    int status;

    close_store(state);
    status = end_of(false, fault_outside);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_false(is_marked());
}

/* A page that LMDB wrote beyond in memory faults later, and elsewhere. */
static void a_fault_after_a_change_is_doubted(void **state)
{
    static const struct {
        void (*run)(void);
        int signal;
    } rows[] = {{fault_after_change, SIGSEGV}, {abort_after_change, SIGABRT}};

    assert_int_equal(home_put(*state, "example.com/a", 1, 100, NULL), STORE_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int status;
        close_store(state);
        status = end_of(true, rows[i].run);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == rows[i].signal);
        assert_true(is_marked());
        *state = home_open_store();
        assert_non_null(*state);
        assert_false(is_marked());
        assert_int_equal(home_compare(*state, "example.com/a", 1, 100), 0);
        assert_int_equal(unlink(mended_path()), 0);
    }
}

static void what_explains_a_fault_spares_the_catalogue(void **state)
{
    static void (*const rows[])(void) = {fail_after_change, lack_memory_after_change,
                                         be_aborted_after_change};

    close_store(state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int status = end_of(true, rows[i]);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        assert_false(is_marked());
    }
}

/* As if it had been written just too long ago to count. */
static void make_old(const char *path)
{
    struct timespec times[2] = {{0}};

    times[0].tv_sec = times[1].tv_sec = time(NULL) - GUARD_DOUBT_S;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Who knows a way to crash us has the catalogue made anew now and then, not each time. */
static void a_fault_that_comes_again_soon_is_not_doubted(void **state)
{
    close_store(state);
    end_of(true, abort_after_change);
    assert_true(is_marked());
    make_old(marker_path()); /* long ago, if making the catalogue anew took long */
    *state = home_open_store();
    close_store(state);
    end_of(true, abort_after_change);
    assert_false(is_marked());
    make_old(mended_path());
    end_of(true, abort_after_change);
    assert_true(is_marked());
}

static void where_memory_runs_out_the_catalogue_stays(void **state)
{
    int status;

    close_store(state);
    status = end_of(true, lack_memory_inside);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_false(is_marked());
}

static void after_a_fault_in_the_catalogue_it_is_made_anew(void **state)
{
    static void (*const faults[])(void) = {fault_inside, fault_on_a_worker, abort_inside};
    struct store_head before, after;

    assert_int_equal(home_put(*state, "example.com/a", 1, 100, NULL), STORE_OK);
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        int status;
        store_head(*state, &before);
        close_store(state);
        status = end_of(true, faults[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        assert_true(is_marked());
        *state = home_open_store();
        assert_non_null(*state);
        assert_false(is_marked());
        store_head(*state, &after);
        assert_true(before.store_id != after.store_id);
        assert_int_equal(home_compare(*state, "example.com/a", 1, 100), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(a_fault_without_a_change_spares_the_catalogue),
        HOME_CASE(a_fault_after_a_change_is_doubted),
        HOME_CASE(what_explains_a_fault_spares_the_catalogue),
        HOME_CASE(a_fault_that_comes_again_soon_is_not_doubted),
        HOME_CASE(where_memory_runs_out_the_catalogue_stays),
        HOME_CASE(after_a_fault_in_the_catalogue_it_is_made_anew),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
