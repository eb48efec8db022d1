/* SPDX-License-Identifier: ISC */
#include "cache/store.h"

#include <pthread.h>

#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

/* ---- putting, finding, removing -------------------------------------------------------------- */

static void what_was_put_is_found_and_read(void **state)
{
    static const size_t sizes[] = {
        0, 1, 4096, 256 << 10, (256 << 10) + 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20};
    struct store_entry entry;
    char name[64];

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            snprintf(name, sizeof(name), "example.com/%zu", sizes[i]);
            if (round == 0)
                assert_int_equal(home_put(*state, name, i, sizes[i], NULL), STORE_OK);
            assert_int_equal(home_find(*state, name, &entry), STORE_OK);
            assert_true(entry.held && entry.own && !entry.wanted);
            assert_int_equal(entry.manifest.size, sizes[i]);
            assert_int_equal(entry.manifest.mode, 0644);
            assert_string_equal(entry.manifest.node, "web1");
            assert_int_equal(home_compare(*state, name, i, sizes[i]), 0);
        }
        home_reopen(state);
    }
    assert_int_equal(home_count("tmp"), 0);
}

static void a_second_version_replaces_the_first(void **state)
{
    struct manifest first, second;

    assert_int_equal(home_put(*state, "example.com/a", 1, 5000, &first), STORE_OK);
    assert_int_equal(home_put(*state, "example.com/a", 2, 6000, &second), STORE_OK);
    assert_true(version_newer(second.version, first.version));
    assert_true(version_same(second.replaces, first.version));
    assert_int_equal(home_compare(*state, "example.com/a", 2, 6000), 0);
    assert_int_equal(home_count("content"), 1);
    assert_int_equal(home_figures(*state).objects, 1);
    assert_int_equal(home_figures(*state).held_bytes, 6000);
}

static enum store_status change(struct store *store, enum store_job_kind kind,
                                const struct manifest *expected)
{
    struct store_job job = {.kind = kind,
                            .conditional = true,
                            .expected = expected->version,
                            .expected_sha256 = expected->sha256};

    snprintf(job.manifest.name, sizeof(job.manifest.name), "example.com/a");
    if (kind == STORE_PUT)
        assert_int_equal(home_draft(store, "x", 1, &job.draft), STORE_OK);
    return store_do(store, &job);
}

/* As it was when somebody looked. */
static void a_change_may_hang_on_what_stands_there(void **state)
{
    static const struct manifest none;
    struct store_entry entry;
    struct manifest rival;

    assert_int_equal(change(*state, STORE_REMOVE, &none), STORE_NOT_FOUND);
    assert_int_equal(change(*state, STORE_PUT, &none), STORE_OK);
    assert_int_equal(change(*state, STORE_PUT, &none), STORE_CHANGED);
    assert_int_equal(change(*state, STORE_REMOVE, &none), STORE_CHANGED);
    assert_int_equal(home_find(*state, "example.com/a", &entry), STORE_OK);
    rival = entry.manifest; /* another node's, of the same moment, in whose place it came */
    rival.sha256.bytes[0] ^= 1;
    assert_int_equal(change(*state, STORE_PUT, &rival), STORE_CHANGED);
    assert_int_equal(change(*state, STORE_REMOVE, &rival), STORE_CHANGED);
    assert_int_equal(change(*state, STORE_REMOVE, &entry.manifest), STORE_OK);
    assert_int_equal(change(*state, STORE_PUT, &entry.manifest), STORE_CHANGED);
    assert_int_equal(home_count("tmp"), 0);
    assert_int_equal(home_find(*state, "example.com/a", &entry), STORE_OK);
    assert_int_equal(change(*state, STORE_PUT, &entry.manifest), STORE_OK);
}

static void versions_rise_though_the_clock_falls(void **state)
{
    struct manifest first, second;

    home_put(*state, "example.com/a", 1, 10, &first);
    home_wall_ms -= 3600000;
    home_reopen(state);
    home_put(*state, "example.com/b", 2, 10, &second);
    assert_true(version_newer(second.version, first.version));
}

/* Nobody would take them for as long as the clock was ahead. */
static void versions_fall_once_others_tell_that_it_was_ahead(void **state)
{
    struct manifest ahead, other, again;

    home_put(*state, "example.com/a", 1, 10, &ahead);
    home_wall_ms -= 3600000;
    home_reopen(state);
    store_clock_agrees(*state, true);
    home_put(*state, "example.com/b", 2, 10, &other);
    assert_int_equal(version_ms(other.version), home_wall_ms);
    home_put(*state, "example.com/a", 3, 10, &again);
    assert_true(version_newer(again.version, ahead.version));
}

static void names_that_share_content_share_its_file(void **state)
{
    home_put(*state, "example.com/a", 1, 300000, NULL);
    home_put(*state, "example.com/b", 1, 300000, NULL);
    assert_int_equal(home_count("content"), 1);
    assert_int_equal(home_figures(*state).held, 2);
    assert_int_equal(home_figures(*state).held_bytes, 300000);
    assert_int_equal(home_do(*state, STORE_REMOVE, "example.com/a"), STORE_OK);
    assert_int_equal(home_compare(*state, "example.com/b", 1, 300000), 0);
    assert_int_equal(home_do(*state, STORE_REMOVE, "example.com/b"), STORE_OK);
    assert_int_equal(home_count("content"), 0);
    assert_int_equal(home_count("chunks"), 0);
    assert_int_equal(home_figures(*state).held_bytes, 0);
    assert_int_equal(home_figures(*state).tombstones, 2);
}

static void what_is_removed_is_a_tombstone(void **state)
{
    struct store_entry entry;

    assert_int_equal(home_do(*state, STORE_REMOVE, "example.com/a"), STORE_NOT_FOUND);
    home_put(*state, "example.com/a", 1, 10, NULL);
    assert_int_equal(home_do(*state, STORE_REMOVE, "example.com/a"), STORE_OK);
    assert_int_equal(home_do(*state, STORE_REMOVE, "example.com/a"), STORE_NOT_FOUND);
    assert_int_equal(home_find(*state, "example.com/a", &entry), STORE_OK);
    assert_true(entry.manifest.deleted && !entry.held);
    assert_int_equal(home_put(*state, "example.com/a", 1, 10, NULL), STORE_OK);
    assert_int_equal(home_figures(*state).tombstones, 0);
    assert_int_equal(home_compare(*state, "example.com/a", 1, 10), 0);
}

static void long_names_are_kept_apart(void **state)
{
    char a[NAME_SIZE], b[NAME_SIZE];

    memset(a, 'x', NAME_MAX_LEN);
    memcpy(a, "example.com/", 12);
    a[NAME_MAX_LEN] = '\0';
    memcpy(b, a, sizeof(a));
    b[NAME_MAX_LEN - 1] = 'y';
    assert_int_equal(home_put(*state, a, 1, 10, NULL), STORE_OK);
    assert_int_equal(home_put(*state, b, 2, 10, NULL), STORE_OK);
    assert_int_equal(home_compare(*state, a, 1, 10), 0);
    assert_int_equal(home_compare(*state, b, 2, 10), 0);
    a[511] = '\0';
    assert_int_equal(home_find(*state, a, &(struct store_entry){0}), STORE_NOT_FOUND);
}

static void a_second_daemon_is_refused(void **state)
{
    struct store_options options = {
        .home = home_path, .node = "web2", .wall = home_wall, .mono = home_mono};
    struct store *other;

    (void)state;
    assert_int_equal(store_open(&options, &other), STORE_IN_USE);
}

/* ---- lists ----------------------------------------------------------------------------------- */

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

static const char *listed(struct store *store, const char *prefix, const char *after, size_t most)
{
    static struct names names;

    size_t visited;

    names = (struct names){.count = 0};
    visited = store_list(store, span_of(prefix), span_of(after), false, most, note_name, &names);
    assert_int_equal(visited, names.count);
    return names.text;
}

static void lists_are_cut_at_slashes(void **state)
{
    static const char *const put[] = {"a", "a-b", "a.c", "a/b", "a/b/c", "a/d", "a0", "ab", "b"};
    char name[64];

    for (size_t i = 0; i < sizeof(put) / sizeof(*put); i++) {
        snprintf(name, sizeof(name), "example.com/%s", put[i]);
        home_put(*state, name, i, 10, NULL);
    }
    home_put(*state, "example.com/a/gone", 1, 10, NULL);
    home_do(*state, STORE_REMOVE, "example.com/a/gone");
    assert_string_equal(listed(*state, "", "", 100), "a a-b a.c a/b a/b/c a/d a0 ab b ");
    assert_string_equal(listed(*state, "example.com/a", "", 100), "a a/b a/b/c a/d ");
    assert_string_equal(listed(*state, "example.com/a/b", "", 100), "a/b a/b/c ");
    assert_string_equal(listed(*state, "example.com/a", "", 2), "a a/b ");
    assert_string_equal(listed(*state, "example.com/a", "example.com/a/b", 1), "a/b/c ");
    assert_string_equal(listed(*state, "example.com/a", "example.com/a-z", 100), "a/b a/b/c a/d ");
    assert_string_equal(listed(*state, "example.com/a", "example.com/b", 100), "");
    assert_string_equal(listed(*state, "example.com/a", "example.com/", 100), "a a/b a/b/c a/d ");
    assert_string_equal(listed(*state, "example.com/zz", "", 100), "");
    assert_string_equal(listed(*state, "example.com", "", 3), "a a-b a.c ");
}

static void long_lists_come_in_pages(void **state)
{
    char name[64];
    struct names all = {.count = 0};

    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "example.com/%03d", i);
        home_put(*state, name, 7, 10, NULL);
    }
    assert_int_equal(store_list(*state, span_of(""), span_of(""), false, 1000, note_name, &all),
                     300);
    assert_int_equal(all.count, 300);
    assert_string_equal(listed(*state, "", "example.com/297", 5), "298 299 ");
}

/* ---- catalogues compared ----------------------------------------------------------------------
 */

/* Takes all that `from` has into `to`, in pages of `page` bytes. */
static void copy_catalogue(struct store *from, struct store *to, size_t page)
{
    char *memory = malloc(page);
    uint64_t since = 0, last;
    bool more = true;

    while (more) {
        struct text text = text_over(memory, page);
        struct span rest, one;
        struct manifest m;
        assert_int_equal(store_changes(from, NULL, since, &text, &last, &more), STORE_OK);
        rest = (struct span){text.at, text.len};
        while (rest.len) {
            struct store_job job = {.kind = STORE_ADOPT};
            assert_int_equal(manifest_read_next(&rest, &m, &one), MESSAGE_OK);
            job.text = one;
            assert_int_equal(store_do(to, &job), STORE_OK);
        }
        assert_true(last > since || !more);
        since = last;
    }
    free(memory);
}

static void equal_catalogues_have_equal_digests(void **state)
{
    struct store_head one, two;
    struct store *other;
    char first[sizeof(home_path)], name[64];

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "example.com/%d", i % 30);
        home_put(*state, name, (uint64_t)i, 10, NULL);
    }
    home_do(*state, STORE_REMOVE, "example.com/7");
    memcpy(first, home_path, sizeof(first));
    home_make();
    other = home_open_store();
    store_head(*state, &one);
    store_head(other, &two);
    assert_true(one.store_id != two.store_id && one.store_id && two.store_id);
    assert_false(digest_same(&one.digest, &two.digest));
    copy_catalogue(*state, other, 5000);
    store_head(other, &two);
    assert_true(digest_same(&one.digest, &two.digest));
    assert_int_equal(two.sequence, 30);
    store_close(other);
    home_remove();
    memcpy(home_path, first, sizeof(first));
}

static void manifests_are_kept_byte_for_byte(void **state)
{
    struct manifest m = home_foreign("example.com/a", 1, 10, 0);
    char memory[MESSAGE_MAX], later[MESSAGE_MAX], back[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory), changed = TEXT_OVER(later), out = TEXT_OVER(back);
    struct store_job job = {.kind = STORE_ADOPT};

    manifest_write(&m, &text); /* and a header that only a later version knows, without a sum */
    text_puts(&changed, "From fbp822 Sun Nov 22 12:00:00 2026\nlater: thing\n");
    text_puts(&changed, strchr(memory, '\n') + 1);
    manifest_stamp(&changed);
    job.text = (struct span){changed.at, changed.len};
    assert_int_equal(store_do(*state, &job), STORE_OK);
    assert_int_equal(store_manifest(*state, span_of("example.com/a"), &out), STORE_OK);
    assert_string_equal(out.at, changed.at);
}

struct told {
    int count;
    enum store_job_kind how;
    char name[NAME_SIZE];
};

static void note_change(void *arg, const struct store_entry *entry, enum store_job_kind how)
{
    struct told *told = arg;

    told->count++;
    told->how = how;
    memcpy(told->name, entry->manifest.name, NAME_SIZE);
}

static void changes_are_told_once(void **state)
{
    struct told told = {0};
    struct manifest m = home_foreign("example.com/b", 1, 10, 0);

    store_on_change(*state, note_change, &told);
    home_put(*state, "example.com/a", 1, 10, NULL);
    assert_true(told.count == 1 && told.how == STORE_PUT);
    home_adopt(*state, &m, NULL);
    home_adopt(*state, &m, NULL);
    assert_true(told.count == 2 && told.how == STORE_ADOPT);
    assert_string_equal(told.name, "example.com/b");
    home_do(*state, STORE_WANT, "example.com/b");
    home_do(*state, STORE_REMOVE, "example.com/a");
    assert_true(told.count == 3 && told.how == STORE_REMOVE);
    store_on_change(*state, NULL, NULL);
}

static void note_edition(void *arg, const struct store_entry *entry, enum store_job_kind how)
{
    struct edition {
        struct store *store;
        uint64_t seen;
    } *edition = arg;

    (void)entry, (void)how;
    edition->seen = store_edition(edition->store);
}

/* Whoever keeps what it found must not keep it beyond a change. */
static void each_change_makes_an_edition(void **state)
{
    struct {
        struct store *store;
        uint64_t seen;
    } told = {.store = *state};
    struct manifest m = home_foreign("example.com/b", 1, 10, 0);
    uint64_t before = store_edition(*state);

    store_on_change(*state, note_edition, &told);
    home_put(*state, "example.com/a", 1, 10, NULL);
    assert_true(told.seen > before);
    before = store_edition(*state);
    assert_int_equal(home_find(*state, "example.com/a", &(struct store_entry){0}), STORE_OK);
    assert_int_equal(store_edition(*state), before);
    home_adopt(*state, &m, NULL);
    assert_true(told.seen > before);
    before = store_edition(*state);
    home_do(*state, STORE_REMOVE, "example.com/a");
    assert_true(told.seen > before);
    before = store_edition(*state);
    assert_int_equal(store_rebuild(*state, &(struct store_report){0}), STORE_OK);
    assert_true(store_edition(*state) > before);
    store_on_change(*state, NULL, NULL);
}

/* ---- many threads -----------------------------------------------------------------------------
 */

enum { THREADS = 4, ROUNDS = 60 };

struct worker {
    struct store *store;
    unsigned number;
    int failures;
};

static void expect(struct worker *w, const char *what, int status)
{
    if (status == STORE_OK)
        return;
    fprintf(stderr, "worker %u: %s: %s\n", w->number, what, store_sentence(status));
    w->failures++;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    char name[64];

    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t len = i % 7 == 0 ? 300000 : 100;
        uint64_t seed = i % 3 ? i : w->number * 1000 + i; /* some content is everybody's */
        snprintf(name, sizeof(name), "example.com/%u/%u", w->number, i % 10);
        expect(w, "put", home_put(w->store, name, seed, len, NULL));
        expect(w, "read", home_compare(w->store, name, seed, len));
        if (i % 5 == 0)
            expect(w, "remove", home_do(w->store, STORE_REMOVE, name));
        if (i % 20 == 0)
            store_sweep(w->store);
    }
    return NULL;
}

static void threads_do_not_disturb_one_another(void **state)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    struct store_report report;
    enum store_status rebuilt, verified;
    uint64_t rotten;

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.store = *state, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    rebuilt = store_rebuild(*state, &report);
    verified = store_verify(*state, &report, NULL, NULL);
    rotten = report.rotten;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    assert_int_equal(rebuilt, STORE_OK);
    assert_int_equal(verified, STORE_OK);
    assert_int_equal(rotten, 0);
    assert_int_equal(store_verify(*state, &report, NULL, NULL), STORE_OK);
    assert_int_equal(report.rotten, 0);
    assert_int_equal(home_count("tmp"), 0);
    assert_int_equal(home_figures(*state).health, STORE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(what_was_put_is_found_and_read),
        HOME_CASE(a_second_version_replaces_the_first),
        HOME_CASE(a_change_may_hang_on_what_stands_there),
        HOME_CASE(versions_rise_though_the_clock_falls),
        HOME_CASE(versions_fall_once_others_tell_that_it_was_ahead),
        HOME_CASE(names_that_share_content_share_its_file),
        HOME_CASE(what_is_removed_is_a_tombstone),
        HOME_CASE(long_names_are_kept_apart),
        HOME_CASE(a_second_daemon_is_refused),
        HOME_CASE(lists_are_cut_at_slashes),
        HOME_CASE(long_lists_come_in_pages),
        HOME_CASE(equal_catalogues_have_equal_digests),
        HOME_CASE(manifests_are_kept_byte_for_byte),
        HOME_CASE(changes_are_told_once),
        HOME_CASE(each_change_makes_an_edition),
        HOME_CASE(threads_do_not_disturb_one_another),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
