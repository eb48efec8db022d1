/* SPDX-License-Identifier: ISC */
/*
 * The store on a catalogue in whose file a bit has rotted: whatever LMDB makes of it, no process
 * ends without marking it as suspect, no wrong manifest is given out, and after one restart at most
 * all that was put is there. "rot FLIPS SEED" flips more bits, or the same ones again.
 */
#include "cache/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "cache/guard.h"
#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

enum { NAMES = 300, REMOVED = 10, BYTES = 40, FLIPS = 120, TOMBSTONES = NAMES / REMOVED };
enum { CHILD_OK = 0, CHILD_GUARD = 1, CHILD_WRONG = 3 };
static const char LATER[] = "example.com/later";
static uint64_t flips = FLIPS, seed = 1;

static const char *name_of(int i)
{
    static char name[300];

    snprintf(name, sizeof(name), "example.com/%02d/%0*d", i % 7, 5 + i % 200, i);
    return name;
}

static bool is_removed(int i)
{
    return i % REMOVED == 3;
}

/* ---- what the child does -------------------------------------------------------------------- */

static void check_that(bool right, const char *what, const char *name)
{
    if (right)
        return;
    fprintf(stderr, "%s: %s\n", name, what);
    _exit(CHILD_WRONG);
}

/* Which one it is; NAMES: none. */
static int number_of(const char *name)
{
    for (int i = 0; i < NAMES; i++) {
        if (strcmp(name, name_of(i)) == 0)
            return i;
    }
    return NAMES;
}

/* What an entry says must be what was put; whether it is there at all is another question. */
static void see(void *arg, const struct store_entry *entry)
{
    int *count = arg, i = number_of(entry->manifest.name);
    struct manifest want;

    if (strcmp(entry->manifest.name, LATER) == 0)
        return;
    check_that(i < NAMES, "no such name was put", entry->manifest.name);
    check_that(!is_removed(i), "was removed", entry->manifest.name);
    want = home_foreign(entry->manifest.name, (uint64_t)i, BYTES, 0);
    check_that(digest_same(&want.sha256, &entry->manifest.sha256) && entry->manifest.size == BYTES,
               "a wrong manifest", entry->manifest.name);
    *count += 1;
}

static int count_all(struct store *store)
{
    int count = 0;

    store_list(store, span_of(""), span_of(""), false, SIZE_MAX, see, &count);
    return count;
}

static void find_all(struct store *store, bool whole)
{
    struct store_entry entry;

    for (int i = 0; i < NAMES; i++) {
        bool found = home_find(store, name_of(i), &entry) == STORE_OK;
        int count = 0;
        check_that(found || !whole, "is lost", name_of(i));
        check_that(!found || entry.manifest.deleted == is_removed(i), "came back", name_of(i));
        if (found && !entry.manifest.deleted)
            see(&count, &entry);
        if (whole && !is_removed(i))
            check_that(home_compare(store, name_of(i), (uint64_t)i, BYTES) == STORE_OK,
                       "other bytes", name_of(i));
    }
}

/* What one verification finds, it mends: the next one finds nothing. */
static void mend(struct store *store)
{
    struct store_report report;

    check_that(store_verify(store, &report, NULL, NULL) == STORE_OK, "no verify", home_path);
    if (report.rotten)
        check_that(store_verify(store, &report, NULL, NULL) == STORE_OK && report.rotten == 0,
                   "is still rotten", home_path);
}

static void work(void)
{
    struct store *store;
    struct store_report report;
    bool put;

    guard_install();
    store = home_open_store();
    check_that(store != NULL, "does not open", home_path);
    count_all(store);
    find_all(store, false);
    put = home_put(store, LATER, 7, BYTES, NULL) == STORE_OK;
    check_that(store_verify(store, &report, NULL, NULL) == STORE_OK, "no verify", home_path);
    check_that(count_all(store) == NAMES - TOMBSTONES, "names are missing", home_path);
    find_all(store, true);
    check_that(!put || home_compare(store, LATER, 7, BYTES) == STORE_OK, "is lost", LATER);
    if (home_put(store, LATER, 8, BYTES, NULL) != STORE_OK) { /* what is free is not verified */
        mend(store);
        check_that(home_put(store, LATER, 8, BYTES, NULL) == STORE_OK, "no put", LATER);
    }
    if (report.rotten || home_figures(store).objects == 0) /* they may be what cannot be read */
        mend(store);
    check_that(home_figures(store).objects == NAMES - TOMBSTONES + 1, "wrong sums", home_path);
    store_close(store);
}

/* ---- what the parent does ------------------------------------------------------------------- */

struct bytes {
    char *at;
    size_t len;
};

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", home_path, name);
    return path;
}

static struct bytes read_whole(const char *name)
{
    FILE *file = fopen(path_of(name), "rb");
    struct bytes bytes = {0};
    struct stat st;

    assert_true(file && fstat(fileno(file), &st) == 0);
    bytes.len = (size_t)st.st_size;
    bytes.at = calloc(1, bytes.len + 1);
    assert_int_equal(fread(bytes.at, 1, bytes.len, file), bytes.len);
    fclose(file);
    return bytes;
}

static void write_whole(const char *name, struct bytes bytes)
{
    FILE *file = fopen(path_of(name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes.at, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

static void make(void)
{
    struct store *store = home_open_store();

    assert_non_null(store);
    for (int i = 0; i < NAMES; i++)
        assert_int_equal(home_put(store, name_of(i), (uint64_t)i, BYTES, NULL), STORE_OK);
    for (int i = 0; i < NAMES; i++) {
        if (is_removed(i))
            assert_int_equal(home_do(store, STORE_REMOVE, name_of(i)), STORE_OK);
    }
    store_close(store);
}

/* As they were. */
static struct bytes catalogue, journal;

static int set_up(void **state)
{
    (void)state;
    home_make();
    make();
    catalogue = read_whole("catalogue/data.mdb");
    journal = read_whole("manifests/00000001");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(catalogue.at);
    free(journal.at);
    home_remove();
    return 0;
}

/* Most of a page is records, which have sums of their own; what leads from page to page stands at
 * its front, so most bits are flipped there. */
static uint64_t some_bit(struct rng *rng, size_t len)
{
    enum { PAGE = 4096, FRONT = 48 };

    if (rng_below(rng, 4) == 0)
        return rng_below(rng, 8 * len);
    return 8 * PAGE * rng_below(rng, len / PAGE) + rng_below(rng, 8 * FRONT);
}

/* The journal as it was, and no other segment of it; and nothing was mended lately. */
static void restore(void)
{
    char name[64];

    for (int i = 2; i < 20; i++) {
        snprintf(name, sizeof(name), "manifests/%08d", i);
        unlink(path_of(name));
    }
    unlink(path_of("catalogue/lock.mdb"));
    unlink(path_of(GUARD_MENDED));
    write_whole("manifests/00000001", journal);
    write_whole("catalogue/data.mdb", catalogue);
}

/* Where LMDB wrote beyond a page: the allocator's abort, or whatever else it came to. */
static bool was_killed_by_fault(int status)
{
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGABRT || WTERMSIG(status) == SIGSEGV ||
                                   WTERMSIG(status) == SIGBUS);
}

static int run_child(uint64_t bit)
{
    static const struct rlimit no_core = {0, 0};
    int status, log_fd;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        setrlimit(RLIMIT_CORE, &no_core);
        log_fd = open(path_of("log"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        MUST(dup2(log_fd, STDERR_FILENO) == STDERR_FILENO);
        work();
        _exit(CHILD_OK);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (was_killed_by_fault(status))
        return CHILD_GUARD;
    if (!WIFEXITED(status) || WEXITSTATUS(status) > CHILD_GUARD)
        fail_msg("seed %" PRIu64 ", bit %" PRIu64 ": wait status %#x, and it said: %s", seed, bit,
                 (unsigned)status, read_whole("log").at);
    return WEXITSTATUS(status);
}

/* What AddressSanitizer finds ends the process as the allocator does, so that the guard sees it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

/* At once, or by the next start. */
static void survive(uint64_t bit)
{
    restore();
    home_flip(path_of("catalogue/data.mdb"), bit);
    if (run_child(bit) == CHILD_OK)
        return;
    assert_int_equal(access(path_of(GUARD_MARKER), F_OK), 0);
    assert_int_equal(run_child(bit), CHILD_OK);
    assert_int_not_equal(access(path_of(GUARD_MARKER), F_OK), 0);
}

static void a_flipped_bit_is_survived(void **state)
{
    struct rng rng = {seed};

    (void)state;
    for (uint64_t i = 0; i < flips; i++)
        survive(some_bit(&rng, catalogue.len));
}

/* Of the page where the newest list of free pages begins, as LMDB 0.9 has it: two meta pages first,
 * each with its own; a page's header ends in where its free space begins and ends. */
static size_t list_of_free_pages(void)
{
    enum { PAGE = 4096, HEADER = 16, ROOT = HEADER + 24 + 40, TXN = HEADER + 24 + 2 * 48 + 8 };
    uint64_t txn[2], root[2];

    for (size_t i = 0; i < 2; i++) {
        memcpy(&txn[i], catalogue.at + i * PAGE + TXN, sizeof(txn[i]));
        memcpy(&root[i], catalogue.at + i * PAGE + ROOT, sizeof(root[i]));
    }
    return PAGE * (size_t)root[txn[1] > txn[0]];
}

/* Flips `count` bits, each `step` after the one before, from this one of that page on. */
static void survive_each(size_t first, size_t step, size_t count)
{
    for (size_t i = 0; i < count; i++)
        survive(8 * list_of_free_pages() + first + i * step);
}

/* What LMDB writes beyond a page comes to light later, wherever memory is asked for. */
static void a_page_that_lies_about_its_space_is_survived(void **state)
{
    enum { LOWER = 12, BITS = 32 };

    (void)state;
    survive_each(8 * LOWER, 1, BITS);
}

/* Taken for a new page, it is far behind the end. The list is at the page's end, in words of 8
 * bytes, which are in the host's order. */
static void a_free_page_that_is_far_behind_the_end_is_survived(void **state)
{
    enum { WORD = 8, WORDS = 48, FAR = 25 };

    (void)state;
    survive_each(8 * (4096 - WORDS * WORD) + FAR, 8 * WORD, WORDS);
}

int main(int argc, char **argv)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_flipped_bit_is_survived),
        TEST(a_page_that_lies_about_its_space_is_survived),
        TEST(a_free_page_that_is_far_behind_the_end_is_survived),
    };
    log_set_level(LEVEL_ERROR);
    if (argc > 1)
        flips = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests_name("rot", tests, NULL, NULL);
}
