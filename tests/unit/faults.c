/* SPDX-License-Identifier: ISC */
/*
 * The store on a disk that fails: each call that changes something on the disk fails in its turn,
 * once or from then on, with each error. What was acknowledged stays; what was not either happened
 * whole or not at all; and when the disk works again, so does the store.
 */
#include "cache/store.h"

#include "src/base/log.h"
#include "tests/unit/faulty.h"

static bool is_healthy(struct store *store)
{
    for (int i = 0; i < 20000 && home_figures(store).health != STORE_OK; i++) {
        store_sweep(store);
        usleep(2000);
    }
    return home_figures(store).health == STORE_OK;
}

/* What could not be synced is not called safe. */
static void check_acknowledged(const struct expected e[NAMES], int refused)
{
    for (int i = 0; i < NAMES; i++)
        refused += e[i].status != STORE_OK;
    assert_true(refused > 0 || atomic_load(&failed_syncs) == 0);
}

/* A new store notes by itself, soon, what it is to keep. A fault in that would be nobody's: it is
 * over when the store has been closed. */
static struct store *open_prepared(void)
{
    struct store *store = home_open_store();
    char kept[128];

    assert_non_null(store);
    prepare(store);
    snprintf(kept, sizeof(kept), "%s/kept", home_path);
    store_sweep(store);
    while (access(kept, F_OK) != 0)
        usleep(200);
    store_close(store);
    store = home_open_store();
    assert_non_null(store);
    return store;
}

/* Runs with the call that comes after `calls` others failing. False: there was none. */
static bool run_with_fault(int calls)
{
    struct expected expected[NAMES];
    bool changed[NAMES];
    struct store *store;
    int refused;

    home_make();
    store = open_prepared();
    plan(expected);
    atomic_store(&faults, 0);
    atomic_store(&failed_syncs, 0);
    atomic_store(&until_fault, calls);
    atomic_store(&armed, true);
    refused = change_all(store, expected);
    atomic_store(&armed, false);
    check(store, expected, "at once");
    if (!fault_stays)
        check_litter(store);
    check_acknowledged(expected, refused);
    for (int i = 0; i < NAMES && !fault_stays; i++)
        changed[i] = has(store, expected[i].name, expected[i].after, expected[i].after_len);
    assert_true(is_healthy(store));
    assert_int_equal(home_put(store, "example.com/later", 9, 1000, NULL), STORE_OK);
    store_close(store);
    store = home_open_store();
    assert_non_null(store);
    check(store, expected, "after a restart");
    for (int i = 0; i < NAMES && !fault_stays; i++) /* what was refused does not come back */
        assert_int_equal(changed[i],
                         has(store, expected[i].name, expected[i].after, expected[i].after_len));
    assert_int_equal(home_compare(store, "example.com/later", 9, 1000), 0);
    check_whole(store);
    store_close(store);
    home_remove();
    return atomic_load(&faults) > 0;
}

/* The catalogue that was made anew has all, or the old one stays in its place: once the disk can be
 * read again, where even that one could not be opened. */
static bool rebuild_with_fault(int calls)
{
    struct store_report report;
    struct store *store;
    enum store_status status;

    home_make();
    store = open_prepared();
    atomic_store(&faults, 0);
    atomic_store(&until_fault, calls);
    atomic_store(&armed, true);
    status = store_rebuild(store, &report);
    atomic_store(&armed, false);
    assert_true(status == STORE_OK || atomic_load(&faults) > 0);
    assert_true(is_healthy(store));
    check_prepared(store);
    assert_int_equal(home_put(store, "example.com/later", 9, 1000, NULL), STORE_OK);
    store_close(store);
    store = home_open_store();
    assert_non_null(store);
    check_prepared(store);
    assert_int_equal(home_compare(store, "example.com/later", 9, 1000), 0);
    check_whole(store);
    store_close(store);
    home_remove();
    return atomic_load(&faults) > 0;
}

/* Returns how many there are. */
static int each_fails(bool (*run)(int calls), int error, bool stays, int step)
{
    int calls = 0;

    fault_errno = error;
    fault_stays = stays;
    while (run(calls))
        calls += step;
    return calls;
}

/* Each call in its turn, or each `step`th of them. */
static void calls_fail(int error, bool stays, int step)
{
    assert_true(each_fails(run_with_fault, error, stays, step) > 50);
}

static void one_call_fails_with_eio(void **state)
{
    (void)state;
    calls_fail(EIO, false, 1);
}

static void one_call_finds_no_space(void **state)
{
    (void)state;
    calls_fail(ENOSPC, false, 5);
}

static void all_calls_fail_with_eio_from_one_on(void **state)
{
    (void)state;
    calls_fail(EIO, true, 5);
}

static void no_space_from_one_call_on(void **state)
{
    (void)state;
    calls_fail(ENOSPC, true, 3);
}

static void one_write_falls_short(void **state)
{
    (void)state;
    atomic_store(&falls_short, true);
    calls_fail(EIO, false, 3);
    atomic_store(&falls_short, false);
}

static void a_rebuild_that_fails_leaves_what_was_there(void **state)
{
    (void)state;
    atomic_store(&reads_fail, true);
    assert_true(each_fails(rebuild_with_fault, EIO, false, 1) > 10);
    assert_true(each_fails(rebuild_with_fault, EIO, true, 1) > 10);
    atomic_store(&reads_fail, false);
    assert_true(each_fails(rebuild_with_fault, ENOSPC, true, 1) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call_fails_with_eio),
        cmocka_unit_test(one_call_finds_no_space),
        cmocka_unit_test(all_calls_fail_with_eio_from_one_on),
        cmocka_unit_test(no_space_from_one_call_on),
        cmocka_unit_test(one_write_falls_short),
        cmocka_unit_test(a_rebuild_that_fails_leaves_what_was_there),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
