/* SPDX-License-Identifier: ISC */
/* A disk that is full, and has room again where content was dropped. */
#include "cache/store.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

enum { BYTES = 600000, LARGE = 65536 };

static atomic_int room; /* contents for which there is space; 0: any number */

/* What is small always fits: the journal and the catalogue have their space already. */
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    int most = atomic_load(&room);

    if (most && len > LARGE && home_count("content") >= most) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

static atomic_llong told; /* what the file system tells to be free; -1: what is so */

int fstatvfs(int fd, struct statvfs *out);
int fstatvfs(int fd, struct statvfs *out)
{
    struct statfs st;

    if (fstatfs(fd, &st) != 0)
        return -1;
    *out =
        (struct statvfs){.f_frsize = 1, .f_blocks = 1, .f_bavail = (fsblkcnt_t)atomic_load(&told)};
    if (atomic_load(&told) < 0)
        out->f_bavail = st.f_bavail * (fsblkcnt_t)st.f_bsize;
    return 0;
}

/* What was kept under another policy before is only free to go once that has been noted. */
static void wait_for_policy(struct store *store, const struct store_policy *policy)
{
    struct timespec pause = {.tv_nsec = 1000000};

    for (int i = 0; i < 60000 && !policy->keep_all && home_figures(store).may_go < 3 * BYTES; i++)
        nanosleep(&pause, NULL);
    assert_true(policy->keep_all || home_figures(store).may_go == 3 * BYTES);
}

static void set_up(void **state, const struct store_policy *policy)
{
    atomic_store(&room, 0);
    atomic_store(&told, -1);
    store_close(*state);
    home_remove();
    home_make();
    *state = home_open_unset(0);
    assert_non_null(*state);
    store_set_policy(*state, policy);
    for (uint64_t i = 1; i <= 3; i++) {
        char name[32];
        home_wall_ms += 1000;
        snprintf(name, sizeof(name), "example.com/%d", (int)i);
        assert_int_equal(home_put(*state, name, i, BYTES, NULL), STORE_OK);
    }
    wait_for_policy(*state, policy);
    atomic_store(&room, 3);
}

static bool is_held(struct store *store, const char *name)
{
    struct store_entry entry;

    return home_find(store, name, &entry) == STORE_OK && entry.held;
}

static void a_put_drops_what_need_not_be_kept(void **state)
{
    set_up(state, &(struct store_policy){.keep_all = false});
    assert_int_equal(home_put(*state, "example.com/new", 9, BYTES, NULL), STORE_OK);
    assert_int_equal(home_compare(*state, "example.com/new", 9, BYTES), 0);
    assert_false(is_held(*state, "example.com/1"));
    assert_true(is_held(*state, "example.com/3"));
    assert_int_equal(home_figures(*state).health, STORE_OK);
}

static void where_all_must_be_kept_a_put_is_refused(void **state)
{
    set_up(state, &(struct store_policy){.keep_all = true, .nobody_confirms = true});
    assert_int_equal(home_put(*state, "example.com/new", 9, BYTES, NULL), STORE_FULL);
    for (int i = 1; i <= 3; i++) {
        char name[32];
        snprintf(name, sizeof(name), "example.com/%d", i);
        assert_int_equal(home_compare(*state, name, (uint64_t)i, BYTES), 0);
    }
    assert_int_equal(home_figures(*state).health, STORE_FULL);
    assert_int_equal(home_count("tmp"), 0);
}

static void all_are_held(struct store *store)
{
    assert_true(is_held(store, "example.com/1"));
    assert_true(is_held(store, "example.com/2"));
    assert_true(is_held(store, "example.com/3"));
}

/* What is larger than all that could be had costs nobody anything, and the store is none the worse
 * for it. */
static void what_never_fits_is_refused_before_anything_goes(void **state)
{
    static const uint64_t sizes[] = {(64 << 20) + 3 * BYTES + 1, UINT64_MAX / 2, UINT64_MAX};
    struct draft *draft;

    set_up(state, &(struct store_policy){.keep_all = false});
    atomic_store(&told, 64 << 20);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        assert_int_equal(draft_begin(*state, sizes[i], &draft), STORE_FULL);
    all_are_held(*state);
    assert_int_equal(home_figures(*state).health, STORE_OK);
    assert_int_equal(home_count("tmp"), 0);
}

static void what_fits_where_some_goes_is_begun_and_costs_no_more(void **state)
{
    enum { SIZE = 16 << 20 };
    struct draft *draft;
    struct store_job job = {.kind = STORE_ROOM};

    set_up(state, &(struct store_policy){.keep_all = false});
    atomic_store(&told, SIZE - BYTES);
    assert_int_equal(draft_begin(*state, SIZE, &draft), STORE_OK);
    assert_int_equal(draft_lacks(draft), SIZE);
    all_are_held(*state); /* whoever begins waits for nothing */
    assert_int_equal(draft_write(draft, "x", 1), STORE_FULL);
    job.draft = draft;
    atomic_store(&told, SIZE + (1 << 20)); /* and the catalogue's, to grow */
    assert_int_equal(store_do(*state, &job), STORE_OK);
    assert_int_equal(draft_lacks(draft), 0);
    all_are_held(*state); /* room was there meanwhile */
    assert_int_equal(draft_write(draft, "x", 1), STORE_OK);
    draft_drop(draft);
}

/* A fetch of it is passed on, and nothing goes for the next one's sake. */
static void a_fetch_of_what_never_fits_drops_nothing(void **state)
{
    struct manifest m = home_foreign("example.com/huge", 9, 40 << 20, 1000);
    struct partial *partial;
    struct digest *list = calloc(160, sizeof(*list));
    char *bytes = home_bytes(9, m.size);

    for (uint32_t i = 0; i < 160; i++)
        digest_of(bytes + i * m.chunk_size, m.chunk_size, &list[i]);
    set_up(state, &(struct store_policy){.keep_all = false});
    atomic_store(&told, 0);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_true(partial_is_passing(partial)); /* so nobody is told that it will be kept */
    assert_int_equal(partial_set_list(partial, list, 160 * sizeof(*list)), STORE_OK);
    assert_int_equal(partial_put(partial, 0, bytes, m.chunk_size), STORE_OK);
    partial_close(partial, true);
    store_close(*state); /* after the sweep */
    *state = home_open_unset(0);
    assert_non_null(*state);
    all_are_held(*state);
    free(bytes);
    free(list);
}

/* In time, while it comes in. */
static void a_fetch_has_room_made_for_itself(void **state)
{
    struct manifest m = home_foreign("example.com/new", 9, BYTES, 1000);
    struct timespec pause = {.tv_nsec = 1000000};
    struct partial *partial;

    set_up(state, &(struct store_policy){.keep_all = false});
    atomic_store(&told, (1 << 20) + BYTES - 1);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_false(partial_is_passing(partial));
    for (int i = 0; i < 10000 && home_count("content") == 3; i++)
        nanosleep(&pause, NULL);
    assert_true(home_count("content") < 3);
    partial_close(partial, true);
}

/* What is only passed on now has made room for the next one. */
static void a_fetch_has_room_made_for_the_next(void **state)
{
    struct manifest m = home_foreign("example.com/new", 9, BYTES, 1000);
    struct timespec pause = {.tv_nsec = 1000000};
    char *bytes = home_bytes(9, BYTES);
    struct digest list[3];
    struct partial *partial;

    for (size_t i = 0; i < 3; i++)
        digest_of(bytes + i * m.chunk_size, chunk_len((uint32_t)i, BYTES, m.chunk_size), &list[i]);
    set_up(state, &(struct store_policy){.keep_all = false});
    assert_int_equal(home_adopt(*state, &m, NULL), STORE_OK);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_int_equal(partial_set_list(partial, list, sizeof(list)), STORE_OK);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(
            partial_put(partial, i, bytes + i * m.chunk_size, chunk_len(i, BYTES, m.chunk_size)),
            STORE_OK);
    assert_true(partial_is_passing(partial));
    for (int i = 0; i < 10000 && home_count("content") == 3; i++)
        nanosleep(&pause, NULL);
    assert_true(home_count("content") < 3);
    partial_close(partial, true);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(a_put_drops_what_need_not_be_kept),
        HOME_CASE(where_all_must_be_kept_a_put_is_refused),
        HOME_CASE(what_never_fits_is_refused_before_anything_goes),
        HOME_CASE(what_fits_where_some_goes_is_begun_and_costs_no_more),
        HOME_CASE(a_fetch_of_what_never_fits_drops_nothing),
        HOME_CASE(a_fetch_has_room_made_for_itself),
        HOME_CASE(a_fetch_has_room_made_for_the_next),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
