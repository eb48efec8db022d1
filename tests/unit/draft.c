/* SPDX-License-Identifier: ISC */
/* Content that comes in bits: what is written when, and that it is what came. */
#include "cache/store.h"

#include <errno.h>
#include <sys/syscall.h>

#include "tests/unit/home.h"
#include "tests/unit/unit.h"

enum { PIECE = 256 << 10, BYTES = 1000003, BIT = 12000 };

/* Of the thread that writes a draft; the store's own write other files meanwhile. */
static _Thread_local bool counts;
static _Thread_local unsigned writes, crooked;
static _Thread_local unsigned fails; /* so many from now on */

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    if (counts && fails) {
        fails--;
        errno = ENOSPC;
        return -1;
    }
    writes += counts;
    crooked += counts && at % PIECE != 0;
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

static void write_in_bits(struct store *store, struct draft *draft, const char *bytes, size_t len,
                          size_t bit)
{
    counts = true;
    for (size_t at = 0; at < len; at += bit)
        assert_int_equal(home_write(store, draft, bytes + at, len - at < bit ? len - at : bit),
                         STORE_OK);
    assert_int_equal(draft_size(draft), len);
    counts = false;
}

/* Puts home_bytes(1, len) that come in bits, and reads what is there then. */
static void put_in_bits(struct store *store, size_t expected, size_t len, size_t bit)
{
    struct store_job job = {.kind = STORE_PUT, .manifest = {.mode = 0644, .mtime_ns = 1}};
    char *bytes = home_bytes(1, len);
    struct digest want;

    writes = crooked = 0;
    home_wall_ms += 1000;
    assert_int_equal(draft_begin(store, expected, &job.draft), STORE_OK);
    write_in_bits(store, job.draft, bytes, len, bit);
    assert_int_equal(draft_finish(job.draft), STORE_OK);
    digest_of(bytes, len, &want);
    assert_true(digest_same(draft_digest(job.draft), &want));
    snprintf(job.manifest.name, sizeof(job.manifest.name), "example.com/bits");
    assert_int_equal(store_do(store, &job), STORE_OK);
    assert_int_equal(home_compare(store, "example.com/bits", 1, len), 0);
    free(bytes);
}

static void what_comes_in_bits_is_written_in_pieces(void **state)
{
    put_in_bits(*state, BYTES, BYTES, BIT);
    assert_int_equal(writes, BYTES / PIECE + 1);
    assert_int_equal(crooked, 0);
}

static void bits_of_any_size_make_up_the_whole(void **state)
{
    static const size_t bits[] = {4093, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE - 5, BYTES};

    for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
        put_in_bits(*state, BYTES, BYTES, bits[i]);
        put_in_bits(*state, 4 * PIECE, 4 * PIECE, bits[i]);
    }
}

/* "it may come otherwise" */
static void more_or_less_than_was_expected_comes_as_it_is(void **state)
{
    put_in_bits(*state, 2 * BYTES, BYTES, BIT);
    put_in_bits(*state, BYTES - PIECE, BYTES, BIT);
    put_in_bits(*state, BYTES - 1, BYTES, BIT);
    put_in_bits(*state, 0, BYTES, BIT);
}

static void what_is_small_is_written_at_once(void **state)
{
    put_in_bits(*state, 5000, 5000, 5000);
    assert_int_equal(writes, 1);
}

/* A bit that finds no room counts as not given, whatever it would have filled up. */
static void a_disk_that_is_full_for_a_while_loses_nothing(void **state)
{
    struct timespec pause = {.tv_nsec = 1000000};
    struct store_job job = {.kind = STORE_PUT, .manifest = {.mode = 0644, .mtime_ns = 1}};
    char *bytes = home_bytes(1, BYTES);
    struct digest want;

    store_close(*state); /* under no other policy before, which some might be kept for */
    home_remove();
    home_make();
    *state = home_open_unset(0);
    assert_non_null(*state);
    store_set_policy(*state, &(struct store_policy){.keep_all = false});
    for (uint64_t i = 1; i <= 4; i++) { /* to be dropped */
        char name[32];
        home_wall_ms += 1000;
        snprintf(name, sizeof(name), "example.com/%d", (int)i);
        assert_int_equal(home_put(*state, name, 10 + i, BYTES, NULL), STORE_OK);
    }
    for (int i = 0; i < 60000 && home_figures(*state).may_go < 4 * BYTES; i++)
        nanosleep(&pause, NULL);
    assert_int_equal(draft_begin(*state, BYTES, &job.draft), STORE_OK);
    write_in_bits(*state, job.draft, bytes, BYTES / 2, BIT);
    fails = 1;
    counts = true;
    for (size_t at = BYTES / 2; at < BYTES; at += BIT)
        assert_int_equal(
            home_write(*state, job.draft, bytes + at, BYTES - at < BIT ? BYTES - at : BIT),
            STORE_OK);
    counts = false;
    assert_int_equal(fails, 0);
    assert_int_equal(draft_finish(job.draft), STORE_OK);
    digest_of(bytes, BYTES, &want);
    assert_true(digest_same(draft_digest(job.draft), &want));
    snprintf(job.manifest.name, sizeof(job.manifest.name), "example.com/bits");
    assert_int_equal(store_do(*state, &job), STORE_OK);
    assert_int_equal(home_compare(*state, "example.com/bits", 1, BYTES), 0);
    free(bytes);
}

/* There is a limit to how many gather; the others write what comes as it comes. */
static void many_at_a_time_are_all_taken(void **state)
{
    enum { DRAFTS = 300, LEN = 2 * PIECE, OF_THOSE_THAT_GATHER = 2 };
    static struct draft *drafts[DRAFTS];
    char *bytes = home_bytes(1, LEN);
    struct digest want;

    digest_of(bytes, LEN, &want);
    writes = 0;
    for (size_t i = 0; i < DRAFTS; i++)
        assert_int_equal(draft_begin(*state, LEN, &drafts[i]), STORE_OK);
    counts = true;
    for (size_t at = 0; at < LEN; at += LEN / 8)
        for (size_t i = 0; i < DRAFTS; i++)
            assert_int_equal(draft_write(drafts[i], bytes + at, LEN / 8), STORE_OK);
    counts = false;
    assert_in_range(writes, DRAFTS * OF_THOSE_THAT_GATHER + 1, DRAFTS * 8 - 1);
    for (size_t i = 0; i < DRAFTS; i++) {
        assert_int_equal(draft_finish(drafts[i]), STORE_OK);
        assert_true(digest_same(draft_digest(drafts[i]), &want));
        draft_drop(drafts[i]);
    }
    free(bytes);
    put_in_bits(*state, BYTES, BYTES, BIT);
    assert_int_equal(crooked, 0); /* those have given their places back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(what_comes_in_bits_is_written_in_pieces),
        HOME_CASE(bits_of_any_size_make_up_the_whole),
        HOME_CASE(more_or_less_than_was_expected_comes_as_it_is),
        HOME_CASE(what_is_small_is_written_at_once),
        HOME_CASE(a_disk_that_is_full_for_a_while_loses_nothing),
        HOME_CASE(many_at_a_time_are_all_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
