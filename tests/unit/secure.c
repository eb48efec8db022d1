/* SPDX-License-Identifier: ISC */
/* What others are told to be safe here is on the disk by then; what is merely cached need not be.
 */
#include "cache/store.h"

#include <pthread.h>
#include <sys/syscall.h>

#include "tests/unit/unit.h"
#include "tests/unit/home.h"

enum { SYNCED_MAX = 4096, BYTES = 600000 };

/* The files and folders that this program has synced. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ino_t synced[SYNCED_MAX];
static size_t synced_count;

static void note(int fd)
{
    struct stat st;

    pthread_mutex_lock(&lock);
    if (fstat(fd, &st) == 0 && synced_count < SYNCED_MAX)
        synced[synced_count++] = st.st_ino;
    pthread_mutex_unlock(&lock);
}

int fdatasync(int fd);
int fdatasync(int fd)
{
    note(fd);
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd);
int fsync(int fd)
{
    note(fd);
    return (int)syscall(SYS_fsync, fd);
}

/* The file or folder of this content below home, as in "content/ab/abcd...". */
static bool is_synced(const char *folder, const struct manifest *m, bool itself)
{
    char hex[DIGEST_HEX_SIZE], path[256];
    struct stat st;
    bool found = false;

    digest_hex(&m->sha256, hex);
    snprintf(path, sizeof(path), "%s/%s/%.2s/%s", home_path, folder, hex, itself ? hex : "");
    assert_int_equal(stat(path, &st), 0);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < synced_count && !found; i++)
        found = synced[i] == st.st_ino;
    pthread_mutex_unlock(&lock);
    return found;
}

static void assert_synced(const struct manifest *m, bool is)
{
    assert_int_equal(is_synced("content", m, true), is);
    assert_int_equal(is_synced("content", m, false), is);
    assert_int_equal(is_synced("chunks", m, true), is);
    assert_int_equal(is_synced("chunks", m, false), is);
}

static int set_up(void **state)
{
    synced_count = 0;
    home_make();
    *state = home_open_unset(0);
    return *state ? 0 : -1;
}

static void adopt(struct store *store, const struct manifest *m, bool unconfirmed)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct store_job job = {.kind = STORE_ADOPT, .unconfirmed = unconfirmed};

    manifest_write(m, &text);
    job.text = (struct span){text.at, text.len};
    assert_int_equal(store_do(store, &job), STORE_OK);
}

/* The content of a manifest by home_foreign with this seed comes, whole. */
static void land(struct store *store, const struct manifest *m, uint64_t seed)
{
    struct store_job job = {.kind = STORE_LAND, .manifest = *m};
    char *bytes = home_bytes(seed, m->size);
    uint32_t count = chunk_count(m->size, m->chunk_size);
    struct digest *list = calloc(count, sizeof(*list));

    assert_int_equal(partial_open(store, m, &job.partial), STORE_OK);
    for (uint32_t i = 0; i < count; i++)
        digest_of(bytes + i * m->chunk_size, chunk_len(i, m->size, m->chunk_size), &list[i]);
    assert_int_equal(partial_set_list(job.partial, list, count * sizeof(*list)), STORE_OK);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(partial_put(job.partial, i, bytes + i * m->chunk_size,
                                     chunk_len(i, m->size, m->chunk_size)),
                         STORE_OK);
    assert_int_equal(store_do(store, &job), STORE_OK);
    partial_close(job.partial, true);
    free(list);
    free(bytes);
}

static void what_waits_for_a_confirmation_is_on_the_disk(void **state)
{
    static const size_t sizes[] = {BYTES,
                                   3 << 20}; /* synced by the writer, and by another thread */

    store_set_policy(*state, &(struct store_policy){.keep_all = false});
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct manifest m = home_foreign(i ? "example.com/b" : "example.com/a", 1 + i, sizes[i], 0);
        adopt(*state, &m, true);
        land(*state, &m, 1 + i);
        assert_synced(&m, true);
    }
}

static void what_is_merely_cached_is_not_waited_for(void **state)
{
    struct manifest m = home_foreign("example.com/a", 1, BYTES, 0);

    store_set_policy(*state, &(struct store_policy){.keep_all = false});
    adopt(*state, &m, false);
    land(*state, &m, 1);
    assert_synced(&m, false);
}

static void who_keeps_everything_has_it_on_the_disk(void **state)
{
    struct manifest m = home_foreign("example.com/a", 1, BYTES, 0);

    store_set_policy(*state, &(struct store_policy){.keep_all = true});
    adopt(*state, &m, false);
    land(*state, &m, 1);
    assert_synced(&m, true);
}

static void what_was_cached_is_synced_when_others_rely_on_it(void **state)
{
    struct manifest m = home_foreign("example.com/a", 1, BYTES, 0);
    struct store_job want = {.kind = STORE_WANT, .manifest = m};

    store_set_policy(*state, &(struct store_policy){.keep_all = false});
    adopt(*state, &m, false);
    land(*state, &m, 1);
    assert_int_equal(store_do(*state, &want), STORE_OK);
    assert_synced(&m, false);
    want = (struct store_job){.kind = STORE_WANT, .manifest = m, .unconfirmed = true};
    assert_int_equal(store_do(*state, &want), STORE_OK);
    assert_false(want.wanted);
    assert_synced(&m, true);
}

/* A file of held content, as if it had been lost. */
static void lose(const char *folder, const struct manifest *m)
{
    char hex[DIGEST_HEX_SIZE], path[256];

    digest_hex(&m->sha256, hex);
    snprintf(path, sizeof(path), "%s/%s/%.2s/%s", home_path, folder, hex, hex);
    assert_int_equal(unlink(path), 0);
}

static void what_is_lost_is_wanted_again_when_others_rely_on_it(void **state)
{
    static const char *const folders[] = {"content", "chunks"};
    static const char *const names[] = {"example.com/a", "example.com/b"};

    store_set_policy(*state, &(struct store_policy){.keep_all = false});
    for (size_t i = 0; i < 2; i++) {
        struct manifest m = home_foreign(names[i], 1 + i, BYTES, 0);
        struct store_job want = {.kind = STORE_WANT, .manifest = m, .unconfirmed = true};
        struct store_entry entry;
        adopt(*state, &m, false);
        land(*state, &m, 1 + i);
        lose(folders[i], &m);
        assert_int_equal(store_do(*state, &want), STORE_OK);
        assert_true(want.wanted);
        assert_int_equal(home_find(*state, names[i], &entry), STORE_OK);
        assert_true(!entry.held && entry.wanted && entry.unconfirmed);
        assert_int_equal(home_figures(*state).health, STORE_OK);
        land(*state, &m, 1 + i);
        assert_synced(&m, true);
    }
}

/* Whoever has a key may tell another size for the digest: what is held is not judged by that. */
static void a_wrong_size_in_a_manifest_harms_no_content(void **state)
{
    struct manifest good = home_foreign("example.com/a", 1, BYTES, 0), liar = good;
    struct store_job want = {.kind = STORE_WANT, .unconfirmed = true};
    struct store_entry entry;

    store_set_policy(*state, &(struct store_policy){.keep_all = false});
    adopt(*state, &good, false);
    land(*state, &good, 1);
    snprintf(liar.name, sizeof(liar.name), "example.com/b");
    liar.size++;
    adopt(*state, &liar, false);
    want.manifest = liar;
    assert_int_equal(store_do(*state, &want), STORE_OK);
    assert_int_equal(home_find(*state, "example.com/a", &entry), STORE_OK);
    assert_true(entry.held);
    assert_int_equal(home_compare(*state, "example.com/a", 1, BYTES), 0);
    want.manifest = good;
    assert_int_equal(store_do(*state, &want), STORE_OK);
    assert_false(want.wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_waits_for_a_confirmation_is_on_the_disk, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(what_is_merely_cached_is_not_waited_for, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(who_keeps_everything_has_it_on_the_disk, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(what_was_cached_is_synced_when_others_rely_on_it, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(what_is_lost_is_wanted_again_when_others_rely_on_it, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_size_in_a_manifest_harms_no_content, set_up,
                                        home_tear_down),
    };
    return cmocka_run_group_tests_name("secure", tests, NULL, NULL);
}
