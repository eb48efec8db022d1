/* SPDX-License-Identifier: ISC */
/* The store and what comes from others: manifests, and content chunk by chunk. */
#include "cache/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "cache/chunk.h"
#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

struct names {
    char text[4096];
    size_t count;
};

static void note_name(void *arg, const struct store_entry *entry)
{
    struct names *names = arg;
    size_t len = strlen(names->text);

    snprintf(names->text + len, sizeof(names->text) - len, "%s ",
             entry->manifest.name + strlen("example.com/"));
    names->count++;
}

/* ---- what others made ------------------------------------------------------------------------ */

static struct digest *list_of(const struct manifest *m, uint64_t seed, uint32_t *count)
{
    char *bytes = home_bytes(seed, m->size);
    struct digest *list;

    *count = chunk_count(m->size, m->chunk_size);
    list = malloc(*count * sizeof(*list));
    for (uint32_t i = 0; i < *count; i++)
        digest_of(bytes + chunk_at(i, m->chunk_size), chunk_len(i, m->size, m->chunk_size),
                  &list[i]);
    free(bytes);
    return list;
}

/* Brings the content of m, whose bytes are home_bytes(seed), in; without the chunk `lacking`. */
static struct partial *bring(struct store *store, const struct manifest *m, uint64_t seed,
                             uint32_t lacking)
{
    struct partial *partial;
    uint32_t count;
    struct digest *list = list_of(m, seed, &count);
    char *bytes = home_bytes(seed, m->size);

    assert_int_equal(partial_open(store, m, &partial), STORE_OK);
    assert_int_equal(partial_set_list(partial, list, count * sizeof(*list)), STORE_OK);
    for (uint32_t i = 0; i < count; i++) {
        if (i != lacking)
            assert_int_equal(partial_put(partial, i, bytes + chunk_at(i, m->chunk_size),
                                         chunk_len(i, m->size, m->chunk_size)),
                             STORE_OK);
    }
    free(list);
    free(bytes);
    return partial;
}

static enum store_status land(struct store *store, const struct manifest *m, struct partial *p)
{
    struct store_job job = {.kind = STORE_LAND, .manifest = *m, .partial = p};

    return store_do(store, &job);
}

static void newer_versions_are_adopted(void **state)
{
    struct manifest m = home_foreign("example.com/a", 1, 1000, 0),
                    old = home_foreign("example.com/a", 2, 5, -9);
    struct store_entry entry;
    bool wanted = true;

    assert_int_equal(home_adopt(*state, &m, &wanted), STORE_OK);
    assert_false(wanted);
    assert_int_equal(home_find(*state, "example.com/a", &entry), STORE_OK);
    assert_true(!entry.held && !entry.own && !entry.wanted);
    assert_int_equal(home_adopt(*state, &m, NULL), STORE_NOT_NEWER);
    assert_int_equal(home_adopt(*state, &old, NULL), STORE_NOT_NEWER);
    m.version.bits += UINT64_C(61000) << 16;
    assert_int_equal(home_adopt(*state, &m, NULL), STORE_AHEAD);
    home_wall_ms += 1000;
    assert_int_equal(home_adopt(*state, &m, NULL), STORE_OK);
    assert_int_equal(home_put(*state, "example.com/a", 3, 10, &old), STORE_OK);
    assert_true(version_newer(old.version, m.version));
}

static void of_one_version_the_greater_digest_wins(void **state)
{
    struct manifest a = home_foreign("example.com/a", 1, 10, 0),
                    b = home_foreign("example.com/a", 2, 10, 0);
    const struct manifest *low = manifest_compare(&a, &b) < 0 ? &a : &b,
                          *high = low == &a ? &b : &a;
    struct store_entry entry;

    assert_int_equal(home_adopt(*state, low, NULL), STORE_OK);
    assert_int_equal(home_adopt(*state, high, NULL), STORE_OK);
    assert_int_equal(home_adopt(*state, low, NULL), STORE_NOT_NEWER);
    home_find(*state, "example.com/a", &entry);
    assert_true(digest_same(&entry.manifest.sha256, &high->sha256));
}

static void what_was_held_is_wanted_in_its_newer_version(void **state)
{
    struct manifest m = home_foreign("example.com/a", 2, 600000, 1), old;
    struct store_entry entry;
    struct names names = {.count = 0};
    struct partial *partial;
    bool wanted = false;

    home_put(*state, "example.com/a", 1, 10, &old);
    manifest_replace(&m, &old);
    assert_int_equal(home_adopt(*state, &m, &wanted), STORE_OK);
    assert_true(wanted);
    assert_int_equal(home_count("content"), 0);
    assert_int_equal(store_list_wanted(*state, 0, 10, note_name, &names), 1);
    assert_string_equal(names.text, "a ");
    assert_int_equal(home_figures(*state).wanted, 1);
    partial = bring(*state, &m, 2, UINT32_MAX);
    assert_int_equal(land(*state, &m, partial), STORE_OK);
    partial_close(partial, false);
    home_find(*state, "example.com/a", &entry);
    assert_true(entry.held && !entry.wanted);
    assert_int_equal(home_compare(*state, "example.com/a", 2, 600000), 0);
    assert_int_equal(home_figures(*state).wanted, 0);
    assert_int_equal(store_list_wanted(*state, 0, 10, note_name, &names), 0);
    assert_int_equal(home_count("partial"), 0);
}

static void content_that_another_name_holds_is_not_wanted(void **state)
{
    struct manifest m = home_foreign("example.com/a", 2, 10, 1);
    bool wanted = true;

    home_put(*state, "example.com/a", 1, 10, NULL);
    home_put(*state, "example.com/b", 2, 10, NULL);
    assert_int_equal(home_adopt(*state, &m, &wanted), STORE_OK);
    assert_false(wanted);
    assert_int_equal(home_compare(*state, "example.com/a", 2, 10), 0);
}

static void a_foreign_tombstone_drops_the_content(void **state)
{
    struct manifest m = {.name = "example.com/a", .node = "web2", .deleted = true}, old;

    home_put(*state, "example.com/a", 1, 10, &old);
    manifest_replace(&m, &old);
    m.version.bits = (uint64_t)(home_wall_ms + 1) << 16;
    assert_int_equal(home_adopt(*state, &m, NULL), STORE_OK);
    assert_int_equal(home_count("content"), 0);
}

static void garbage_is_not_adopted(void **state)
{
    struct store_job job = {.kind = STORE_ADOPT, .text = span_of("From fbp822\n_type: x\n\n")};

    assert_int_equal(store_do(*state, &job), STORE_WRONG);
    assert_int_equal(home_figures(*state).health, STORE_OK);
}

static void wants_and_drops(void **state)
{
    struct manifest m = home_foreign("example.com/a", 1, 10, 0);

    assert_int_equal(home_do(*state, STORE_WANT, "example.com/a"), STORE_NOT_FOUND);
    home_adopt(*state, &m, NULL);
    assert_int_equal(home_do(*state, STORE_WANT, "example.com/a"), STORE_OK);
    assert_int_equal(home_figures(*state).wanted, 1);
    assert_int_equal(home_do(*state, STORE_DROP, "example.com/a"), STORE_OK);
    assert_int_equal(home_figures(*state).wanted, 0);
    home_put(*state, "example.com/b", 2, 10, NULL);
    assert_int_equal(home_do(*state, STORE_DROP, "example.com/b"), STORE_OK);
    assert_int_equal(home_compare(*state, "example.com/b", 2, 10), STORE_NOT_HELD);
    assert_int_equal(home_count("content"), 0);
}

static void a_version_is_wanted_while_it_stands(void **state)
{
    struct manifest m = home_foreign("example.com/a", 1, 10, 0);
    struct store_job job = {.kind = STORE_WANT, .manifest = m, .unconfirmed = true};

    home_adopt(*state, &m, NULL);
    job.manifest.version.bits++;
    assert_int_equal(store_do(*state, &job), STORE_NOT_FOUND);
    job.manifest = m;
    job.manifest.sha256.bytes[0] ^= 1; /* another one of the same moment */
    assert_int_equal(store_do(*state, &job), STORE_NOT_FOUND);
    assert_int_equal(home_figures(*state).wanted, 0);
    job.manifest = m;
    assert_int_equal(store_do(*state, &job), STORE_OK);
    assert_true(job.wanted);
    assert_int_equal(home_figures(*state).wanted, 1);
    assert_int_equal(home_figures(*state).unconfirmed, 1);
    job.manifest = m;
    assert_int_equal(store_do(*state, &job), STORE_OK); /* it changes nothing */
    assert_int_equal(home_figures(*state).unconfirmed, 1);
    home_put(*state, "example.com/b", 2, 10, NULL);
    job.manifest = (struct manifest){.name = "example.com/b"};
    assert_int_equal(store_do(*state, &job), STORE_OK);
    assert_false(job.wanted); /* it is here */
    assert_int_equal(home_figures(*state).unconfirmed, 2);
}

/* ---- partial content ------------------------------------------------------------------------- */

static void partial_content_survives_a_restart(void **state)
{
    struct manifest m = home_foreign("example.com/a", 5, 2000000, 0);
    struct partial *partial;
    char *bytes = home_bytes(5, m.size), got[4096];

    home_adopt(*state, &m, NULL);
    partial = bring(*state, &m, 5, 3);
    assert_int_equal(partial_had(partial), 7);
    assert_false(partial_has(partial, 3));
    assert_int_equal(partial_read(partial, 786432 - 100, got, sizeof(got)), 100);
    assert_memory_equal(got, bytes + 786432 - 100, 100);
    assert_int_equal(partial_read(partial, 786432, got, sizeof(got)), 0);
    partial_close(partial, true);
    home_reopen(state);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_non_null(partial_list(partial));
    assert_int_equal(partial_had(partial), 7);
    assert_int_equal(partial_put(partial, 3, bytes, 262144), STORE_WRONG);
    assert_int_equal(partial_put(partial, 3, bytes + 786432, 262144), STORE_OK);
    assert_int_equal(land(*state, &m, partial), STORE_OK);
    assert_int_equal(partial_read(partial, 0, got, sizeof(got)), sizeof(got));
    partial_close(partial, true);
    assert_int_equal(home_compare(*state, "example.com/a", 5, m.size), 0);
    free(bytes);
}

/* A node that stops does not read a large file to its end first. */
static void who_is_in_a_hurry_checks_nothing(void **state)
{
    struct manifest m = home_foreign("example.com/a", 5, 2000000, 0);
    struct partial *partial;

    home_adopt(*state, &m, NULL);
    partial = bring(*state, &m, 5, UINT32_MAX);
    store_hurry(*state);
    assert_int_equal(land(*state, &m, partial), STORE_STOPPED);
    partial_close(partial, true);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_int_equal(partial_had(partial), 0);
    partial_close(partial, true);
    home_reopen(state);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_int_equal(partial_had(partial), partial_count(partial));
    assert_int_equal(land(*state, &m, partial), STORE_OK);
    partial_close(partial, true);
    assert_int_equal(home_compare(*state, "example.com/a", 5, m.size), 0);
}

static void what_rotted_in_partial_content_is_not_had(void **state)
{
    struct manifest m = home_foreign("example.com/a", 5, 2000000, 0);
    struct partial *partial;
    char path[256], hex[DIGEST_HEX_SIZE];

    home_adopt(*state, &m, NULL);
    partial_close(bring(*state, &m, 5, UINT32_MAX), true);
    snprintf(path, sizeof(path), "%s/partial/%s", home_path, digest_hex(&m.sha256, hex));
    home_flip(path, 8 * 300000);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_int_equal(partial_had(partial), 7);
    assert_false(partial_has(partial, 1));
    partial_close(partial, false);
    assert_int_equal(home_count("partial"), 0);
}

static void a_manifest_that_lies_is_found_out(void **state)
{
    struct manifest m = home_foreign("example.com/a", 5, 600000, 0);
    struct partial *partial;

    m.sha256.bytes[0] ^= 1; /* the chunks are those of other content */
    home_adopt(*state, &m, NULL);
    partial = bring(*state, &m, 5, UINT32_MAX);
    assert_int_equal(land(*state, &m, partial), STORE_WRONG);
    partial_close(partial, true);
    assert_int_equal(home_count("partial"), 0);
    assert_int_equal(home_compare(*state, "example.com/a", 5, 600000), STORE_NOT_HELD);
    home_do(*state, STORE_WANT, "example.com/a"); /* behind what closing it has the writer do */
    assert_int_equal(home_count("chunks"), 0);
}

/* It tells the chunks of other content. What it speaks of is put in here before that shows. */
static void a_manifest_that_lies_takes_no_good_list_with_it(void **state)
{
    struct manifest liar = home_foreign("example.com/liar", 5, 600000, 0), m;
    struct partial *partial;
    struct digest *list;
    uint32_t count;

    liar.sha256 = home_foreign("example.com/a", 6, 600000, 0).sha256;
    home_adopt(*state, &liar, NULL);
    partial = bring(*state, &liar, 5, UINT32_MAX);
    assert_int_equal(home_put(*state, "example.com/a", 6, 600000, &m), STORE_OK);
    assert_true(digest_same(&m.sha256, &liar.sha256));
    assert_int_equal(land(*state, &liar, partial), STORE_WRONG);
    partial_close(partial, true);
    home_do(*state, STORE_WANT, "example.com/a");
    assert_int_equal(store_chunk_list(*state, &m, &list, &count), STORE_OK);
    free(list);
    assert_int_equal(home_compare(*state, "example.com/a", 6, 600000), 0);
}

/* A power cut left half of the content in its place, which a look at all files finds while the
 * content is being fetched. */
static void a_stray_does_not_take_the_place_of_what_comes(void **state)
{
    struct manifest m = home_foreign("example.com/a", 5, 600000, 0);
    struct partial *partial;
    struct store_report report;
    char folder[256];
    FILE *stray;

    home_adopt(*state, &m, NULL);
    partial = bring(*state, &m, 5, UINT32_MAX);
    snprintf(folder, sizeof(folder), "%s", home_content(&m.sha256));
    *strrchr(folder, '/') = '\0';
    mkdir(folder, 0700);
    stray = fopen(home_content(&m.sha256), "w");
    assert_non_null(stray);
    fputs("half", stray);
    fclose(stray);
    assert_int_equal(store_verify(*state, &report, NULL, NULL), STORE_OK);
    assert_int_equal(home_count("content"), 0);
    assert_int_equal(land(*state, &m, partial), STORE_OK);
    partial_close(partial, true);
    assert_int_equal(home_compare(*state, "example.com/a", 5, 600000), 0);
}

static void empty_content_needs_no_bytes(void **state)
{
    struct manifest m = home_foreign("example.com/a", 5, 0, 0);
    struct partial *partial;

    home_adopt(*state, &m, NULL);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_non_null(partial_list(partial));
    assert_int_equal(partial_had(partial), 1);
    assert_int_equal(land(*state, &m, partial), STORE_OK);
    partial_close(partial, true);
    assert_int_equal(home_compare(*state, "example.com/a", 5, 0), 0);
}

/* Also where its place is taken, by content that was landed before. */
static void small_content_has_no_file_before_it_lands(void **state)
{
    struct manifest m = home_foreign("example.com/a", 5, 4096, 0);
    char *bytes = home_bytes(5, m.size), read[4096];
    struct partial *partial;

    home_adopt(*state, &m, NULL);
    assert_true(partial_is_small(&m));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
        assert_int_equal(partial_had(partial), 0);
        bytes[7] ^= 1;
        assert_int_equal(partial_put(partial, 0, bytes, m.size), STORE_WRONG);
        bytes[7] ^= 1;
        assert_int_equal(partial_put(partial, 0, bytes, m.size), STORE_OK);
        assert_int_equal(home_count("partial"), 0);
        assert_int_equal(land(*state, &m, partial), STORE_OK);
        assert_int_equal(partial_read(partial, 96, read, sizeof(read)), 4000);
        assert_memory_equal(read, bytes + 96, 4000);
        partial_close(partial, true);
        assert_int_equal(home_compare(*state, "example.com/a", 5, 4096), 0);
        assert_int_equal(home_count("partial"), 0);
    }
    free(bytes);
}

static void wrong_lists_are_refused(void **state)
{
    struct manifest m = home_foreign("example.com/a", 5, 600000, 0);
    struct partial *partial;
    uint32_t count;
    struct digest *list = list_of(&m, 5, &count), *back;

    home_adopt(*state, &m, NULL);
    assert_int_equal(store_chunk_list(*state, &m, &back, &count), STORE_NOT_HELD);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_null(partial_list(partial));
    assert_int_equal(partial_set_list(partial, list, 64), STORE_WRONG);
    list[1].bytes[5] ^= 1;
    assert_int_equal(partial_set_list(partial, list, 96), STORE_WRONG);
    list[1].bytes[5] ^= 1;
    assert_int_equal(partial_set_list(partial, list, 96), STORE_OK);
    assert_int_equal(store_chunk_list(*state, &m, &back, &count), STORE_OK);
    assert_int_equal(count, 3);
    assert_memory_equal(back, list, 96);
    free(back);
    free(list);
    partial_close(partial, true);
}

/* A second manifest tells another size of content that an honest one describes. */
static void a_wrong_size_does_not_harm_the_right_one(void **state)
{
    struct manifest honest = home_foreign("example.com/a", 5, 600000, 0), liar = honest;
    struct partial *partial, *other;
    struct store_entry entry;

    snprintf(liar.name, sizeof(liar.name), "example.com/liar");
    liar.size = 700000;
    assert_int_equal(home_adopt(*state, &liar, NULL), STORE_OK);
    assert_int_equal(home_adopt(*state, &honest, NULL), STORE_OK);
    partial = bring(*state, &honest, 5, UINT32_MAX);
    assert_int_equal(partial_open(*state, &liar, &other), STORE_WRONG);
    assert_int_equal(land(*state, &honest, partial), STORE_OK);
    partial_close(partial, true);
    assert_int_equal(home_compare(*state, honest.name, 5, 600000), 0);
    assert_int_equal(home_find(*state, liar.name, &entry), STORE_OK);
    assert_false(entry.held);
    assert_int_equal(home_compare(*state, liar.name, 5, 600000), STORE_NOT_HELD);
    liar.version.bits++;
    liar.size = 800000;
    assert_int_equal(home_adopt(*state, &liar, NULL), STORE_OK);
    assert_int_equal(home_compare(*state, honest.name, 5, 600000), 0);
    assert_int_equal(home_figures(*state).held_bytes, 600000);
}

/* ---- a list that goes while its content is fetched again ---------------------------------------
 */

struct comer {
    pthread_t thread;
    struct store *store;
    const struct manifest *manifest;
    struct partial *partial;
    sem_t opened;
};

static struct comer *_Atomic comer; /* comes when it is next looked at what is there */

static void *come(void *arg)
{
    struct comer *one = arg;

    MUST(partial_open(one->store, one->manifest, &one->partial) == STORE_OK);
    sem_post(&one->opened);
    return NULL;
}

/* It may have to wait for us: then it comes afterwards. */
int fstatat(int at, const char *path, struct stat *out, int flags);
int fstatat(int at, const char *path, struct stat *out, int flags)
{
    int result = (int)syscall(SYS_newfstatat, at, path, out, flags);
    struct comer *one = atomic_exchange(&comer, NULL);
    struct timespec until;

    if (one) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        MUST(pthread_create(&one->thread, NULL, come, one) == 0);
        sem_timedwait(&one->opened, &until);
    }
    return result;
}

static void a_list_that_is_read_again_does_not_go(void **state)
{
    struct manifest m = home_foreign("example.com/a", 1, 600000, 0);
    struct comer one = {.store = *state, .manifest = &m};
    struct partial *first;

    home_adopt(*state, &m, NULL);
    first = bring(*state, &m, 1, 0);
    MUST(sem_init(&one.opened, 0, 0) == 0);
    atomic_store(&comer, &one);
    partial_close(first, false);
    assert_int_equal(home_do(*state, STORE_WANT, "example.com/a"), STORE_OK); /* it is done */
    assert_null(atomic_load(&comer));
    MUST(pthread_join(one.thread, NULL) == 0);
    assert_int_equal(home_count("chunks"), partial_list(one.partial) ? 1 : 0);
    partial_close(one.partial, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(newer_versions_are_adopted),
        HOME_CASE(of_one_version_the_greater_digest_wins),
        HOME_CASE(what_was_held_is_wanted_in_its_newer_version),
        HOME_CASE(content_that_another_name_holds_is_not_wanted),
        HOME_CASE(a_foreign_tombstone_drops_the_content),
        HOME_CASE(garbage_is_not_adopted),
        HOME_CASE(wants_and_drops),
        HOME_CASE(a_version_is_wanted_while_it_stands),
        HOME_CASE(partial_content_survives_a_restart),
        HOME_CASE(who_is_in_a_hurry_checks_nothing),
        HOME_CASE(what_rotted_in_partial_content_is_not_had),
        HOME_CASE(a_manifest_that_lies_is_found_out),
        HOME_CASE(a_manifest_that_lies_takes_no_good_list_with_it),
        HOME_CASE(a_stray_does_not_take_the_place_of_what_comes),
        HOME_CASE(empty_content_needs_no_bytes),
        HOME_CASE(small_content_has_no_file_before_it_lands),
        HOME_CASE(wrong_lists_are_refused),
        HOME_CASE(a_wrong_size_does_not_harm_the_right_one),
        HOME_CASE(a_list_that_is_read_again_does_not_go),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("partial", tests, NULL, NULL);
}
