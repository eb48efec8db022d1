/* SPDX-License-Identifier: ISC */
/*
 * The store on a disk that fails: each call that changes something on the disk, made by us or by
 * LMDB, fails in its turn, once or from then on, with each error. What was acknowledged stays; what
 * was not either happened whole or not at all; and when the disk works again, so does the store.
 *
 * The calls are those of this program: they stand before libc's for the libraries, too.
 */
#include "cache/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

static atomic_bool armed;
static atomic_int until_fault; /* calls that still succeed */
static atomic_int faults;
static int fault_errno;
static bool fault_stays;

/* Is this the call that fails? */
static bool fails(void)
{
    if (!atomic_load(&armed))
        return false;
    if (atomic_fetch_sub(&until_fault, 1) > 0)
        return false;
    if (!fault_stays)
        atomic_store(&armed, false);
    atomic_fetch_add(&faults, 1);
    errno = fault_errno;
    return true;
}

int fdatasync(int fd);
int fdatasync(int fd)
{
    return fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd);
int fsync(int fd)
{
    return fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

int syncfs(int fd);
int syncfs(int fd)
{
    return fails() ? -1 : (int)syscall(SYS_syncfs, fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return fails() ? -1 : syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at);
ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    return fails() ? -1 : syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t writev(int fd, const struct iovec *iov, int count);
ssize_t writev(int fd, const struct iovec *iov, int count)
{
    return fails() ? -1 : syscall(SYS_writev, fd, iov, count);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to);
int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return fails() ? -1 : (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
}

int ftruncate(int fd, off_t size);
int ftruncate(int fd, off_t size)
{
    return fails() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

/* ---- what is done, and what is known of it afterwards ---------------------------------------- */

enum { NAMES = 6 + 20, FIRST_OF_MANY = 6 };

/* What a name may have: the seed of its content before and after, 0 for none. */
struct expected {
    char name[64];
    uint64_t before, after;
    size_t before_len, after_len;
    enum store_status status; /* of the change from the one to the other */
};

static struct manifest foreign_manifest(void)
{
    return home_foreign("example.com/fetched", 31, 600000, 10);
}

static enum store_status land_foreign(struct store *store)
{
    struct manifest m = foreign_manifest();
    struct store_job job = {.kind = STORE_LAND, .manifest = m};
    char *bytes = home_bytes(31, m.size);
    struct digest list[3];
    enum store_status status = partial_open(store, &m, &job.partial);

    for (uint32_t i = 0; i < 3; i++)
        digest_of(bytes + i * 262144u, chunk_len(i, m.size, m.chunk_size), &list[i]);
    if (status == STORE_OK) {
        status = partial_set_list(job.partial, list, sizeof(list));
        for (uint32_t i = 0; i < 3 && status == STORE_OK; i++)
            status = partial_put(job.partial, i, bytes + i * 262144u,
                                 chunk_len(i, m.size, m.chunk_size));
        if (status == STORE_OK)
            status = store_do(store, &job);
        partial_close(job.partial, true);
    }
    free(bytes);
    return status;
}

static void prepare(struct store *store)
{
    struct manifest m = foreign_manifest();

    assert_int_equal(home_put(store, "example.com/removed", 1, 100, NULL), STORE_OK);
    assert_int_equal(home_put(store, "example.com/replaced", 2, 300000, NULL), STORE_OK);
    assert_int_equal(home_adopt(store, &m, NULL), STORE_OK);
}

static void note_status(struct store_job *job)
{
    *(enum store_status *)job->owner = job->status;
}

/* Many at once, so that they become one group, or a few. */
static void put_many(struct store *store, struct expected e[NAMES])
{
    static struct store_job jobs[NAMES];

    for (int i = FIRST_OF_MANY; i < NAMES; i++) {
        char *bytes = home_bytes(100 + (uint64_t)i, 100);
        struct store_job *job = &jobs[i];
        e[i] = (struct expected){.after = 100 + (uint64_t)i, .after_len = 100};
        snprintf(e[i].name, sizeof(e[i].name), "example.com/many/%d", i);
        *job = (struct store_job){.kind = STORE_PUT, .done = note_status, .owner = &e[i].status};
        snprintf(job->manifest.name, sizeof(job->manifest.name), "%s", e[i].name);
        e[i].status = home_draft(store, bytes, 100, &job->draft);
        free(bytes);
    }
    for (int i = FIRST_OF_MANY; i < NAMES; i++) {
        if (e[i].status == STORE_OK)
            store_submit(store, &jobs[i]);
    }
}

static void change_all(struct store *store, struct expected e[NAMES])
{
    struct manifest m = home_foreign("example.com/replaced-by-other", 41, 10, 10);

    e[0] = (struct expected){"example.com/small", 0, 3, 0, 100};
    e[0].status = home_put(store, e[0].name, 3, 100, NULL);
    e[1] = (struct expected){"example.com/large", 0, 4, 0, 1500000};
    e[1].status = home_put(store, e[1].name, 4, 1500000, NULL);
    e[2] = (struct expected){"example.com/replaced", 2, 5, 300000, 400000};
    e[2].status = home_put(store, e[2].name, 5, 400000, NULL);
    e[3] = (struct expected){"example.com/removed", 1, 0, 100, 0};
    e[3].status = home_do(store, STORE_REMOVE, e[3].name);
    e[4] = (struct expected){"example.com/fetched", 0, 31, 0, 600000};
    e[4].status = land_foreign(store);
    put_many(store, e);
    e[5] = (struct expected){"example.com/replaced-by-other", 0, 0, 0, 0};
    e[5].status = home_adopt(store, &m, NULL); /* and so the many are done, too */
}

/* 0, or how the store has the name: with content home_bytes(seed), or without (seed 0). */
static bool has(struct store *store, const char *name, uint64_t seed, size_t len)
{
    struct store_entry entry;
    enum store_status status = home_find(store, name, &entry);

    if (seed)
        return status == STORE_OK && home_compare(store, name, seed, len) == 0;
    return status == STORE_NOT_FOUND || (status == STORE_OK && !entry.held);
}

static void check(struct store *store, const struct expected e[NAMES], const char *when)
{
    for (int i = 0; i < NAMES; i++) {
        bool after = has(store, e[i].name, e[i].after, e[i].after_len);
        bool before = has(store, e[i].name, e[i].before, e[i].before_len);
        if (after || (before && e[i].status != STORE_OK))
            continue;
        fail_msg("%s, %s: the change was %s", when, e[i].name, store_sentence(e[i].status));
    }
}

static bool is_healthy(struct store *store)
{
    for (int i = 0; i < 1000 && home_figures(store).health != STORE_OK; i++) {
        store_sweep(store);
        usleep(2000);
    }
    return home_figures(store).health == STORE_OK;
}

/* All that is on the disk has its place, and fits. */
static void check_whole(struct store *store)
{
    struct store_report report;

    assert_int_equal(store_verify(store, &report, NULL, NULL), STORE_OK);
    assert_int_equal(report.rotten, 0);
    assert_int_equal(home_count("tmp"), 0);
}

/* Runs with the call that comes after `calls` others failing. False: there was none. */
static bool run_with_fault(int calls)
{
    struct expected expected[NAMES];
    struct store *store;

    home_make();
    store = home_open_store();
    assert_non_null(store);
    prepare(store);
    atomic_store(&faults, 0);
    atomic_store(&until_fault, calls);
    atomic_store(&armed, true);
    change_all(store, expected);
    atomic_store(&armed, false);
    check(store, expected, "at once");
    assert_true(is_healthy(store));
    assert_int_equal(home_put(store, "example.com/later", 9, 1000, NULL), STORE_OK);
    store_close(store);
    store = home_open_store();
    assert_non_null(store);
    check(store, expected, "after a restart");
    assert_int_equal(home_compare(store, "example.com/later", 9, 1000), 0);
    check_whole(store);
    store_close(store);
    home_remove();
    return atomic_load(&faults) > 0;
}

/* Each call in its turn, or each `step`th of them. */
static void calls_fail(int error, bool stays, int step)
{
    int calls = 0;

    fault_errno = error;
    fault_stays = stays;
    while (run_with_fault(calls))
        calls += step;
    assert_true(calls > 50);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call_fails_with_eio),
        cmocka_unit_test(one_call_finds_no_space),
        cmocka_unit_test(all_calls_fail_with_eio_from_one_on),
        cmocka_unit_test(no_space_from_one_call_on),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
