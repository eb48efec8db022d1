/* SPDX-License-Identifier: ISC */
#include "cache/store.h"

#include <pthread.h>

#include "cache/chunk.h"
#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

static int set_up(void **state)
{
    home_make();
    *state = home_open_store();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    if (*state)
        store_close(*state);
    home_remove();
    return 0;
}

static void reopen(void **state)
{
    store_close(*state);
    *state = home_open_store();
    assert_non_null(*state);
}

static struct store_figures figures_of(struct store *store)
{
    struct store_figures figures;

    store_figures(store, &figures);
    return figures;
}

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
        reopen(state);
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
    assert_int_equal(figures_of(*state).objects, 1);
    assert_int_equal(figures_of(*state).held_bytes, 6000);
}

static void versions_rise_though_the_clock_falls(void **state)
{
    struct manifest first, second;

    home_put(*state, "example.com/a", 1, 10, &first);
    home_wall_ms -= 3600000;
    reopen(state);
    home_put(*state, "example.com/b", 2, 10, &second);
    assert_true(version_newer(second.version, first.version));
}

static void names_that_share_content_share_its_file(void **state)
{
    home_put(*state, "example.com/a", 1, 300000, NULL);
    home_put(*state, "example.com/b", 1, 300000, NULL);
    assert_int_equal(home_count("content"), 1);
    assert_int_equal(figures_of(*state).held, 2);
    assert_int_equal(figures_of(*state).held_bytes, 300000);
    assert_int_equal(home_do(*state, STORE_REMOVE, "example.com/a"), STORE_OK);
    assert_int_equal(home_compare(*state, "example.com/b", 1, 300000), 0);
    assert_int_equal(home_do(*state, STORE_REMOVE, "example.com/b"), STORE_OK);
    assert_int_equal(home_count("content"), 0);
    assert_int_equal(home_count("chunks"), 0);
    assert_int_equal(figures_of(*state).held_bytes, 0);
    assert_int_equal(figures_of(*state).tombstones, 2);
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
    assert_int_equal(figures_of(*state).tombstones, 0);
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

/* ---- what others made ------------------------------------------------------------------------ */

static struct manifest foreign(const char *name, uint64_t seed, size_t len, int64_t after_ms)
{
    struct manifest m = {.node = "web2",
                         .version = {(uint64_t)(home_wall_ms + after_ms) << 16},
                         .size = len,
                         .mode = 0600,
                         .chunk_size = chunk_size_for(len)};
    char *bytes = home_bytes(seed, len);
    uint32_t count = chunk_count(len, m.chunk_size);
    struct digest *list = malloc(count * sizeof(*list));

    snprintf(m.name, sizeof(m.name), "%s", name);
    digest_of(bytes, len, &m.sha256);
    for (uint32_t i = 0; i < count; i++)
        digest_of(bytes + chunk_at(i, m.chunk_size), chunk_len(i, len, m.chunk_size), &list[i]);
    digest_of(list, count * sizeof(*list), &m.chunks);
    free(list);
    free(bytes);
    return m;
}

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
    struct manifest m = foreign("example.com/a", 1, 1000, 0),
                    old = foreign("example.com/a", 2, 5, -9);
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
    struct manifest a = foreign("example.com/a", 1, 10, 0), b = foreign("example.com/a", 2, 10, 0);
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
    struct manifest m = foreign("example.com/a", 2, 600000, 1);
    struct store_entry entry;
    struct names names = {.count = 0};
    struct partial *partial;
    bool wanted = false;

    home_put(*state, "example.com/a", 1, 10, NULL);
    assert_int_equal(home_adopt(*state, &m, &wanted), STORE_OK);
    assert_true(wanted);
    assert_int_equal(home_count("content"), 0);
    assert_int_equal(store_list_wanted(*state, 0, 10, note_name, &names), 1);
    assert_string_equal(names.text, "a ");
    assert_int_equal(figures_of(*state).wanted, 1);
    partial = bring(*state, &m, 2, UINT32_MAX);
    assert_int_equal(land(*state, &m, partial), STORE_OK);
    partial_close(partial, false);
    home_find(*state, "example.com/a", &entry);
    assert_true(entry.held && !entry.wanted);
    assert_int_equal(home_compare(*state, "example.com/a", 2, 600000), 0);
    assert_int_equal(figures_of(*state).wanted, 0);
    assert_int_equal(store_list_wanted(*state, 0, 10, note_name, &names), 0);
    assert_int_equal(home_count("partial"), 0);
}

static void content_that_another_name_holds_is_not_wanted(void **state)
{
    struct manifest m = foreign("example.com/a", 2, 10, 1);
    bool wanted = true;

    home_put(*state, "example.com/a", 1, 10, NULL);
    home_put(*state, "example.com/b", 2, 10, NULL);
    assert_int_equal(home_adopt(*state, &m, &wanted), STORE_OK);
    assert_false(wanted);
    assert_int_equal(home_compare(*state, "example.com/a", 2, 10), 0);
}

static void a_foreign_tombstone_drops_the_content(void **state)
{
    struct manifest m = {.name = "example.com/a", .node = "web2", .deleted = true};

    home_put(*state, "example.com/a", 1, 10, NULL);
    m.version.bits = (uint64_t)(home_wall_ms + 1) << 16;
    assert_int_equal(home_adopt(*state, &m, NULL), STORE_OK);
    assert_int_equal(home_count("content"), 0);
}

static void garbage_is_not_adopted(void **state)
{
    struct store_job job = {.kind = STORE_ADOPT, .text = span_of("From fbp822\n_type: x\n\n")};

    assert_int_equal(store_do(*state, &job), STORE_WRONG);
    assert_int_equal(figures_of(*state).health, STORE_OK);
}

static void wants_and_drops(void **state)
{
    struct manifest m = foreign("example.com/a", 1, 10, 0);

    assert_int_equal(home_do(*state, STORE_WANT, "example.com/a"), STORE_NOT_FOUND);
    home_adopt(*state, &m, NULL);
    assert_int_equal(home_do(*state, STORE_WANT, "example.com/a"), STORE_OK);
    assert_int_equal(figures_of(*state).wanted, 1);
    assert_int_equal(home_do(*state, STORE_DROP, "example.com/a"), STORE_OK);
    assert_int_equal(figures_of(*state).wanted, 0);
    home_put(*state, "example.com/b", 2, 10, NULL);
    assert_int_equal(home_do(*state, STORE_DROP, "example.com/b"), STORE_OK);
    assert_int_equal(home_compare(*state, "example.com/b", 2, 10), STORE_NOT_HELD);
    assert_int_equal(home_count("content"), 0);
}

/* ---- partial content ------------------------------------------------------------------------- */

static void partial_content_survives_a_restart(void **state)
{
    struct manifest m = foreign("example.com/a", 5, 2000000, 0);
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
    reopen(state);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_true(partial_has_list(partial));
    assert_int_equal(partial_had(partial), 7);
    assert_int_equal(partial_put(partial, 3, bytes, 262144), STORE_WRONG);
    assert_int_equal(partial_put(partial, 3, bytes + 786432, 262144), STORE_OK);
    assert_int_equal(land(*state, &m, partial), STORE_OK);
    assert_int_equal(partial_read(partial, 0, got, sizeof(got)), sizeof(got));
    partial_close(partial, true);
    assert_int_equal(home_compare(*state, "example.com/a", 5, m.size), 0);
    free(bytes);
}

static void what_rotted_in_partial_content_is_not_had(void **state)
{
    struct manifest m = foreign("example.com/a", 5, 2000000, 0);
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
    struct manifest m = foreign("example.com/a", 5, 600000, 0);
    struct partial *partial;

    m.sha256.bytes[0] ^= 1; /* the chunks are those of other content */
    home_adopt(*state, &m, NULL);
    partial = bring(*state, &m, 5, UINT32_MAX);
    assert_int_equal(land(*state, &m, partial), STORE_WRONG);
    partial_close(partial, true);
    assert_int_equal(home_count("partial"), 0);
    assert_int_equal(home_count("chunks"), 0);
    assert_int_equal(home_compare(*state, "example.com/a", 5, 600000), STORE_NOT_HELD);
}

static void empty_content_needs_no_bytes(void **state)
{
    struct manifest m = foreign("example.com/a", 5, 0, 0);
    struct partial *partial;

    home_adopt(*state, &m, NULL);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_true(partial_has_list(partial));
    assert_int_equal(partial_had(partial), 1);
    assert_int_equal(land(*state, &m, partial), STORE_OK);
    partial_close(partial, true);
    assert_int_equal(home_compare(*state, "example.com/a", 5, 0), 0);
}

static void wrong_lists_are_refused(void **state)
{
    struct manifest m = foreign("example.com/a", 5, 600000, 0);
    struct partial *partial;
    uint32_t count;
    struct digest *list = list_of(&m, 5, &count), *back;

    home_adopt(*state, &m, NULL);
    assert_int_equal(store_chunk_list(*state, &m, &back, &count), STORE_NOT_HELD);
    assert_int_equal(partial_open(*state, &m, &partial), STORE_OK);
    assert_false(partial_has_list(partial));
    assert_int_equal(partial_set_list(partial, list, 64), STORE_WRONG);
    list[1].bytes[5] ^= 1;
    assert_int_equal(partial_set_list(partial, list, 96), STORE_WRONG);
    list[1].bytes[5] ^= 1;
    assert_int_equal(partial_set_list(partial, list, 96), STORE_OK);
    assert_int_equal(store_chunk_list_by_digest(*state, &m.sha256, &back, &count), STORE_OK);
    assert_int_equal(count, 3);
    assert_memory_equal(back, list, 96);
    free(back);
    free(list);
    partial_close(partial, true);
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
        assert_int_equal(store_changes(from, since, &text, &last, &more), STORE_OK);
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
    struct manifest m = foreign("example.com/a", 1, 10, 0);
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
    struct manifest m = foreign("example.com/b", 1, 10, 0);

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

/* ---- many threads -----------------------------------------------------------------------------
 */

enum { THREADS = 4, ROUNDS = 60 };

struct worker {
    struct store *store;
    unsigned number;
    int failures;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    char name[64];

    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t len = i % 7 == 0 ? 300000 : 100;
        uint64_t seed = i % 3 ? i : w->number * 1000 + i; /* some content is everybody's */
        snprintf(name, sizeof(name), "example.com/%u/%u", w->number, i % 10);
        w->failures += home_put(w->store, name, seed, len, NULL) != STORE_OK;
        w->failures += home_compare(w->store, name, seed, len) != 0;
        if (i % 5 == 0)
            w->failures += home_do(w->store, STORE_REMOVE, name) != STORE_OK;
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

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.store = *state, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    assert_int_equal(store_rebuild(*state, &report), STORE_OK);
    assert_int_equal(store_verify(*state, &report, NULL, NULL), STORE_OK);
    assert_int_equal(report.rotten, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    assert_int_equal(store_verify(*state, &report, NULL, NULL), STORE_OK);
    assert_int_equal(report.rotten, 0);
    assert_int_equal(home_count("tmp"), 0);
    assert_int_equal(figures_of(*state).health, STORE_OK);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_was_put_is_found_and_read),
        CASE(a_second_version_replaces_the_first),
        CASE(versions_rise_though_the_clock_falls),
        CASE(names_that_share_content_share_its_file),
        CASE(what_is_removed_is_a_tombstone),
        CASE(long_names_are_kept_apart),
        CASE(a_second_daemon_is_refused),
        CASE(lists_are_cut_at_slashes),
        CASE(long_lists_come_in_pages),
        CASE(newer_versions_are_adopted),
        CASE(of_one_version_the_greater_digest_wins),
        CASE(what_was_held_is_wanted_in_its_newer_version),
        CASE(content_that_another_name_holds_is_not_wanted),
        CASE(a_foreign_tombstone_drops_the_content),
        CASE(garbage_is_not_adopted),
        CASE(wants_and_drops),
        CASE(partial_content_survives_a_restart),
        CASE(what_rotted_in_partial_content_is_not_had),
        CASE(a_manifest_that_lies_is_found_out),
        CASE(empty_content_needs_no_bytes),
        CASE(wrong_lists_are_refused),
        CASE(equal_catalogues_have_equal_digests),
        CASE(manifests_are_kept_byte_for_byte),
        CASE(changes_are_told_once),
        CASE(threads_do_not_disturb_one_another),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
