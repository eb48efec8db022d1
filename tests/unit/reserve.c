/* SPDX-License-Identifier: ISC */
/* What is set apart for a full disk: names are still heard of, and content takes nothing of it. */
#include "cache/store.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "cache/store_inner.h"
#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

enum { MIB = 1 << 20, BYTES = 600000 };

static _Atomic int64_t told = INT64_C(1) << 40; /* what the file system tells to be free */

int fstatvfs(int fd, struct statvfs *out);
/* The next who asks for that stops in between. */
static atomic_bool stops;
static sem_t stopped, go_on;

int fstatvfs(int fd, struct statvfs *out)
{
    (void)fd;
    if (atomic_exchange(&stops, false)) {
        sem_post(&stopped);
        sem_wait(&go_on);
    }
    *out = (struct statvfs){.f_frsize = 1, .f_blocks = 1, .f_bavail = (fsblkcnt_t)told};
    return 0;
}

/* What the file system does not tell: there is no more room than the reserve takes. */
static _Atomic int quota; /* the error, where it is over */
static bool is_whole(void);

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    if (quota && is_whole()) {
        errno = quota;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

int posix_fallocate(int fd, off_t at, off_t len);
int posix_fallocate(int fd, off_t at, off_t len)
{
    if (quota && len > 4 * MIB)
        return quota;
    return syscall(SYS_fallocate, fd, 0, at, len) == 0 ? 0 : errno;
}

static const struct store_policy keeps_all = {.keep_all = true};

static int set_up(void **state)
{
    told = INT64_C(1) << 40;
    quota = 0;
    home_make();
    *state = home_open_unset(0);
    assert_non_null(*state);
    store_set_policy(*state, &keeps_all);
    return 0;
}

static bool is_whole(void)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof(path), "%s/reserve", home_path);
    return stat(path, &st) == 0 && st.st_size == 4 * MIB && st.st_blocks * 512 >= 4 * MIB;
}

static void hear_of(struct store *store, const char *name)
{
    struct manifest m = home_foreign(name, 1, 10, 0);
    struct store_entry entry;

    assert_int_equal(home_adopt(store, &m, NULL), STORE_OK);
    assert_int_equal(home_find(store, name, &entry), STORE_OK);
}

static void spend(struct store *store)
{
    assert_true(is_whole());
    told = MIB - 1;
    hear_of(store, "example.com/heard");
    assert_false(is_whole());
}

static enum store_status land(struct store *store, const char *name, size_t len)
{
    struct manifest m = home_foreign(name, 7, len, 0);
    struct store_job job = {.kind = STORE_LAND, .manifest = m};
    char *bytes = home_bytes(7, len);
    struct digest list[3];
    uint32_t count = chunk_count(len, m.chunk_size);

    assert_int_equal(home_adopt(store, &m, NULL), STORE_OK);
    for (uint32_t i = 0; i < count; i++)
        digest_of(bytes + chunk_at(i, m.chunk_size), chunk_len(i, len, m.chunk_size), &list[i]);
    assert_int_equal(partial_open(store, &m, &job.partial), STORE_OK);
    assert_int_equal(partial_set_list(job.partial, list, count * sizeof(*list)), STORE_OK);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(partial_put(job.partial, i, bytes + chunk_at(i, m.chunk_size),
                                     chunk_len(i, len, m.chunk_size)),
                         STORE_OK);
    store_do(store, &job);
    partial_close(job.partial, true);
    free(bytes);
    return job.status;
}

static void names_are_heard_of_and_content_takes_nothing(void **state)
{
    assert_int_equal(home_put(*state, "example.com/before", 1, BYTES, NULL), STORE_OK);
    spend(*state);
    assert_int_equal(home_figures(*state).health, STORE_FULL);
    told = 4 * MIB; /* it was given back, but not to these: */
    assert_int_equal(home_put(*state, "example.com/put", 2, BYTES, NULL), STORE_FULL);
    assert_int_equal(land(*state, "example.com/large", BYTES), STORE_FULL);
    assert_int_equal(land(*state, "example.com/small", 100), STORE_FULL);
    hear_of(*state, "example.com/next");
    assert_int_equal(home_do(*state, STORE_REMOVE, "example.com/before"), STORE_OK);
    assert_int_equal(home_figures(*state).health, STORE_FULL);
    assert_int_equal(home_count("content") + home_count("partial") + home_count("tmp"), 0);
}

static void all_is_as_before_once_there_is_room(void **state)
{
    spend(*state);
    told = 64 * MIB;
    assert_int_equal(land(*state, "example.com/large", BYTES), STORE_OK);
    assert_int_equal(home_put(*state, "example.com/put", 2, BYTES, NULL), STORE_OK);
    assert_true(is_whole());
    assert_int_equal(home_figures(*state).health, STORE_OK);
}

/* A node that nobody puts at, and nothing comes to, sees it as well. */
static void a_sweep_sees_that_there_is_room(void **state)
{
    struct timespec pause = {.tv_nsec = 1000000};

    spend(*state);
    told = 64 * MIB;
    for (int i = 0; i < 60000 && home_figures(*state).health != STORE_OK; i++) {
        store_sweep(*state); /* one that runs already may be past it */
        nanosleep(&pause, NULL);
    }
    assert_int_equal(home_figures(*state).health, STORE_OK);
    assert_true(is_whole());
}

static void what_is_spent_stays_so_over_a_restart(void **state)
{
    spend(*state);
    told = 4 * MIB;
    store_close(*state);
    *state = home_open_unset(0);
    assert_non_null(*state);
    assert_false(is_whole());
    assert_int_equal(home_figures(*state).health, STORE_FULL);
    hear_of(*state, "example.com/next");
    assert_int_equal(home_put(*state, "example.com/put", 2, BYTES, NULL), STORE_FULL);
}

/* What may go makes room for it, before anything else wants that. */
static void what_need_not_be_kept_makes_room_for_the_reserve(void **state)
{
    static const struct store_policy loose = {.keep_all = false};
    struct timespec pause = {.tv_nsec = 1000000};

    store_close(*state);
    home_remove();
    home_make();
    *state = home_open_unset(0);
    assert_non_null(*state);
    store_set_policy(*state, &loose);
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            home_put(*state, i % 2 ? "example.com/a" : "example.com/b", (uint64_t)i, 4 * MIB, NULL),
            STORE_OK);
    spend(*state);
    for (int i = 0; i < 10000 && home_figures(*state).held; i++)
        nanosleep(&pause, NULL);
    assert_int_equal(home_figures(*state).held, 0);
}

static void spend_by(struct store *store, const char *name, int error)
{
    struct manifest m = home_foreign(name, 1, 10, 0);

    assert_true(is_whole());
    quota = error;
    assert_int_equal(home_adopt(store, &m, NULL), STORE_FULL);
    assert_false(is_whole());
    hear_of(store, name);
}

/* Many names at once need more than the least that is told, or a quota is over long before. */
static void what_finds_no_room_spends_it_whatever_is_told(void **state)
{
    told = 2 * MIB;
    spend_by(*state, "example.com/heard", ENOSPC);
    assert_int_equal(home_figures(*state).health, STORE_FULL);
    told = INT64_C(1) << 40;
    quota = 0;
    assert_int_equal(land(*state, "example.com/large", BYTES), STORE_OK);
    spend_by(*state, "example.com/again", EDQUOT);
    for (int i = 0; i < 3; i++) { /* and content does not take it back each time */
        assert_int_equal(home_put(*state, "example.com/put", 2, BYTES, NULL), STORE_FULL);
        assert_int_equal(home_do(*state, STORE_REMOVE, "example.com/again"),
                         i ? STORE_NOT_FOUND : STORE_OK);
    }
    quota = 0;
    assert_int_equal(home_put(*state, "example.com/put", 2, BYTES, NULL), STORE_OK);
    assert_true(is_whole());
}

static void who_wants_less_room_takes_nothing_from_who_wants_more(void **state)
{
    static const struct store_policy loose = {.keep_all = false};
    static const char *const names[] = {"example.com/a", "example.com/b", "example.com/c",
                                        "example.com/d"};
    struct timespec pause = {.tv_nsec = 1000000};

    store_close(*state);
    home_remove();
    home_make();
    *state = home_open_unset(0);
    assert_non_null(*state);
    store_set_policy(*state, &loose);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(home_put(*state, names[i], i, 4 * MIB, NULL), STORE_OK);
    MUST(sem_init(&stopped, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0);
    stops = true;
    sweep_want_room(*state, 1);
    sem_wait(&stopped);
    sweep_want_room(*state, 13 * MIB);
    sweep_want_room(*state, 0);
    sem_post(&go_on);
    for (int i = 0; i < 10000 && home_figures(*state).held; i++) {
        store_sweep(*state);
        nanosleep(&pause, NULL);
    }
    assert_int_equal(home_figures(*state).held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_heard_of_and_content_takes_nothing, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(all_is_as_before_once_there_is_room, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(a_sweep_sees_that_there_is_room, set_up, home_tear_down),
        cmocka_unit_test_setup_teardown(what_is_spent_stays_so_over_a_restart, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(what_need_not_be_kept_makes_room_for_the_reserve, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(what_finds_no_room_spends_it_whatever_is_told, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(who_wants_less_room_takes_nothing_from_who_wants_more,
                                        set_up, home_tear_down),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("reserve", tests, NULL, NULL);
}
