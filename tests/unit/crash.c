/* SPDX-License-Identifier: ISC */
/*
 * The store when its process dies: at each call that changes something on the disk in its turn, in
 * the middle of a write where it is one, and again while the next start mends what that left.
 */
#include "cache/store.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "src/base/log.h"
#include "tests/unit/faulty.h"

/* Runs in a process of its own, which dies at the call after `calls` others. False: it did not. */
static bool dies(void (*run)(struct expected *e), struct expected *e, int calls)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        atomic_store(&until_fault, calls);
        run(e);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    else
        assert_int_equal(WTERMSIG(status), SIGKILL);
    return WIFSIGNALED(status);
}

static void work(struct expected *e)
{
    struct store *store = home_open_store();

    MUST(store != NULL);
    atomic_store(&armed, true);
    change_all(store, e);
}

static void only_start(struct expected *e)
{
    (void)e;
    atomic_store(&armed, true);
    MUST(home_open_store() != NULL);
}

static bool run_and_die(int calls, int calls_of_start)
{
    struct expected *e =
        mmap(NULL, NAMES * sizeof(*e), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct store *store;
    bool died;

    assert_true(e != MAP_FAILED);
    home_make();
    store = home_open_store();
    assert_non_null(store);
    prepare(store);
    store_close(store);
    plan(e);
    died = dies(work, e, calls);
    dies(only_start, e, calls_of_start);
    store = home_open_store();
    assert_non_null(store);
    check_litter(store);
    check(store, e, "after the crash");
    assert_int_equal(home_put(store, "example.com/later", 9, 1000, NULL), STORE_OK);
    check_whole(store);
    store_close(store);
    home_remove();
    munmap(e, NAMES * sizeof(*e));
    return died;
}

static void only_rebuild(struct expected *e)
{
    struct store *store = home_open_store();
    struct store_report report;

    (void)e;
    MUST(store != NULL);
    atomic_store(&armed, true);
    MUST(store_rebuild(store, &report) == STORE_OK);
}

static bool rebuild_and_die(int calls)
{
    struct store *store;
    bool died;

    home_make();
    store = home_open_store();
    assert_non_null(store);
    prepare(store);
    store_close(store);
    died = dies(only_rebuild, NULL, calls);
    store = home_open_store();
    assert_non_null(store);
    check_litter(store);
    assert_int_equal(home_count("catalogue.new"), 0);
    check_prepared(store);
    check_whole(store);
    store_close(store);
    home_remove();
    return died;
}

static void a_crash_while_the_catalogue_is_made_anew_loses_nothing(void **state)
{
    int calls = 0;

    (void)state;
    fault_errno = 0;
    while (rebuild_and_die(calls))
        calls++;
    assert_true(calls > 5);
}

static void a_crash_at_any_call_leaves_the_old_or_the_new(void **state)
{
    int calls = 0;

    (void)state;
    fault_errno = 0;
    while (run_and_die(calls, calls % 5))
        calls++;
    assert_true(calls > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_at_any_call_leaves_the_old_or_the_new),
        cmocka_unit_test(a_crash_while_the_catalogue_is_made_anew_loses_nothing),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
