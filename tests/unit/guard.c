/* SPDX-License-Identifier: ISC */
#include "cache/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "src/base/log.h"
#include "src/signals.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

static bool is_marked(void)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/" GUARD_MARKER, home_path);
    return access(path, F_OK) == 0;
}

static void fault_outside(void)
{
    guard_enter();
    guard_leave();
    raise(SIGSEGV);
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

/* Has a process with a store open run this; returns its wait status. */
static int end_of(void (*run)(void))
{
    static const struct rlimit no_core = {0, 0};
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        guard_install();
        MUST(home_open_store() != NULL);
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

static void a_fault_elsewhere_keeps_its_action(void **state)
{
    int status;

    close_store(state);
    status = end_of(fault_outside);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_false(is_marked());
}

static void where_memory_runs_out_the_catalogue_stays(void **state)
{
    int status;

    close_store(state);
    status = end_of(lack_memory_inside);
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
        status = end_of(faults[i]);
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
        HOME_CASE(a_fault_elsewhere_keeps_its_action),
        HOME_CASE(where_memory_runs_out_the_catalogue_stays),
        HOME_CASE(after_a_fault_in_the_catalogue_it_is_made_anew),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
