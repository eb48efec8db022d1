/* SPDX-License-Identifier: ISC */
/* The store when keys have vanished from its catalogue without a word, or all is in another form.
 */
#include "cache/ledger.h"

#include <unistd.h>
#include <xxhash.h>

#include "src/base/log.h"
#include "src/base/stats.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

enum { NAMES = 20, BYTES = 500 };

static const char *name_of(int i)
{
    static char name[64];

    snprintf(name, sizeof(name), "example.com/%02d", i);
    return name;
}

static void fill(struct store *store)
{
    for (int i = 0; i < NAMES; i++)
        assert_int_equal(home_put(store, name_of(i), (uint64_t)i, BYTES, NULL), STORE_OK);
    assert_int_equal(home_do(store, STORE_REMOVE, name_of(0)), STORE_OK);
}

static void assert_all_there(struct store *store)
{
    struct store_entry entry;

    for (int i = 1; i < NAMES; i++)
        assert_int_equal(home_compare(store, name_of(i), (uint64_t)i, BYTES), 0);
    assert_int_equal(home_find(store, name_of(0), &entry), STORE_OK);
    assert_true(entry.manifest.deleted);
    assert_int_equal(home_figures(store).objects, NAMES - 1);
}

static uint64_t rotten(struct store *store)
{
    struct store_report report;

    assert_int_equal(store_verify(store, &report, NULL, NULL), STORE_OK);
    return report.rotten;
}

/* What verify has found is mended by the porter: soon, and for good. */
static bool is_mended(struct store *store)
{
    struct timespec pause = {.tv_nsec = 2000000};

    for (int i = 0; i < 10000 && rotten(store) > 0; i++)
        nanosleep(&pause, NULL);
    return rotten(store) == 0;
}

static void no_entry(void *arg, const struct store_entry *entry)
{
    (void)arg;
    fail_msg("%s is unconfirmed", entry->manifest.name);
}

/* Takes the table's first key that is not below `from` out of the catalogue, the store closed. */
static void lose(void **state, enum table table, const char *from)
{
    struct catalogue *catalogue;
    struct view view;
    struct scan scan;
    struct span key, value;
    char path[256], bytes[CATALOGUE_KEY_MAX];

    store_close(*state);
    snprintf(path, sizeof(path), "%s/catalogue", home_path);
    assert_int_equal(catalogue_open(path, &catalogue), STORE_OK);
    change_begin(catalogue, &view);
    scan_begin(&scan, &view, table, span_of(from));
    assert_true(scan_next(&scan, &key, &value));
    memcpy(bytes, key.at, key.len);
    key.at = bytes;
    scan_end(&scan);
    view_delete(&view, table, key);
    assert_int_equal(change_commit(&view), STORE_OK);
    catalogue_close(catalogue);
    *state = home_open_store();
    assert_non_null(*state);
}

static void a_key_that_vanished_is_noticed_in_each_table(void **state)
{
    struct manifest wanted = home_foreign("example.com/05", 55, BYTES, 1000);
    struct manifest cached = home_foreign("example.com/19", 19, BYTES, 1000);
    struct manifest rival = home_foreign("example.com/17", 170, BYTES, 1000);
    struct store_job unconfirmed = {.kind = STORE_REMOVE, .unconfirmed = true};

    fill(*state);
    snprintf(unconfirmed.manifest.name, sizeof(unconfirmed.manifest.name), "%s", name_of(18));
    assert_int_equal(store_do(*state, &unconfirmed), STORE_OK);
    assert_int_equal(home_adopt(*state, &wanted, NULL), STORE_OK);
    assert_int_equal(home_adopt(*state, &cached, NULL), STORE_OK);
    assert_int_equal(home_adopt(*state, &rival, NULL),
                     STORE_OK); /* the one here is kept beside it */
    assert_int_equal(home_figures(*state).wanted, 2);
    for (enum table table = TABLE_META; table < TABLE_COUNT; table++) {
        lose(state, table, "");
        assert_true(table == TABLE_META || rotten(*state) > 0); /* without meta no start is had */
        assert_int_equal(rotten(*state), 0);
        assert_int_equal(home_compare(*state, "example.com/19", 19, BYTES), 0);
        if (table == TABLE_META) /* nobody could say what was wanted: it is again */
            assert_int_equal(home_do(*state, STORE_WANT, "example.com/05"), STORE_OK);
    }
}

/* A mark of a version that no name has any more is taken out when it is come by; once. */
static void a_mark_of_nothing_is_cleaned_away(void **state)
{
    struct catalogue *catalogue;
    struct view view;
    struct timespec pause = {.tv_nsec = 1000000};
    char path[256], number[8];
    uint64_t commits;

    fill(*state);
    for (int cleaner = 0; cleaner < 2; cleaner++) {
        store_close(*state);
        snprintf(path, sizeof(path), "%s/catalogue", home_path);
        assert_int_equal(catalogue_open(path, &catalogue), STORE_OK);
        change_begin(catalogue, &view);
        view_put(&view, TABLE_UNCONFIRMED, ledger_number(1000, number),
                 span_of("example.com/nothing"));
        assert_int_equal(change_commit(&view), STORE_OK);
        catalogue_close(catalogue);
        *state = home_open_store();
        assert_non_null(*state);
        commits = stat_values[STAT_COMMITS];
        if (cleaner == 1) {
            assert_true(rotten(*state) > 0);
            assert_int_equal(rotten(*state), 0);
            continue;
        }
        for (int i = 0; i < 10000 && stat_values[STAT_COMMITS] == commits; i++) {
            assert_int_equal(store_list_unconfirmed(*state, 0, 10, no_entry, NULL), 0);
            nanosleep(&pause, NULL);
        }
        assert_int_equal(stat_values[STAT_COMMITS], commits + 1);
        assert_int_equal(rotten(*state), 0);
    }
}

static bool go_on_putting(void *arg, const struct store_report *so_far)
{
    (void)so_far;
    return home_put(arg, "example.com/busy", 1, BYTES, NULL) == STORE_OK;
}

static void a_name_that_vanished_is_noticed_while_others_change(void **state)
{
    struct store_report report;

    fill(*state);
    lose(state, TABLE_NAMES, "example.com/07");
    assert_int_equal(store_verify(*state, &report, go_on_putting, *state), STORE_OK);
    assert_true(report.rotten > 0);
    assert_int_equal(home_do(*state, STORE_REMOVE, "example.com/busy"), STORE_OK);
    assert_all_there(*state);
}

/* The journal is the last that knows of it. */
static void a_journal_is_not_written_anew_without_what_the_catalogue_lost(void **state)
{
    char path[256];
    struct stat st;

    fill(*state);
    lose(state, TABLE_NAMES, "example.com/07");
    store_close(*state);
    snprintf(path, sizeof(path), "%s/manifests/00000001", home_path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 1), 0); /* the removal of 00 */
    *state = home_open_store();
    assert_non_null(*state);
    store_sweep(*state);
    store_close(*state); /* the sweep is done */
    *state = home_open_store();
    assert_non_null(*state);
    rotten(*state);
    assert_all_there(*state);
    assert_true(is_mended(*state));
    assert_all_there(*state);
}

/* ---- another form ---------------------------------------------------------------------------- */

/* As another version of the program writes it: what it sums up says so, and its sum is right. */
static void make_foreign(void **state)
{
    struct catalogue *catalogue;
    struct span key = span_of("meta"), value;
    struct view view;
    char path[256], bytes[RECORD_MAX];
    uint64_t sum;

    store_close(*state);
    snprintf(path, sizeof(path), "%s/catalogue", home_path);
    assert_int_equal(catalogue_open(path, &catalogue), STORE_OK);
    change_begin(catalogue, &view);
    assert_true(view_get(&view, TABLE_META, key, &value));
    memcpy(bytes, value.at, value.len);
    value.at = bytes;
    bytes[sizeof(sum)]++;
    sum = XXH3_64bits_withSeed(bytes + sizeof(sum), value.len - sizeof(sum),
                               XXH3_64bits(key.at, key.len));
    for (size_t i = 0; i < sizeof(sum); i++)
        bytes[i] = (char)(sum >> 8 * i);
    view_put(&view, TABLE_META, key, value);
    assert_int_equal(change_commit(&view), STORE_OK);
    catalogue_close(catalogue);
}

/* Opens the store; what it logs meanwhile. */
static void open_logged(void **state, char *out, size_t size)
{
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    ssize_t n;

    assert_true(file != NULL && kept >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    log_set_level(LEVEL_WARN);
    *state = home_open_store();
    log_set_level(LEVEL_ERROR);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    n = pread(fileno(file), out, size - 1, 0);
    assert_true(n >= 0);
    out[n] = '\0';
    fclose(file);
    close(kept);
}

static void a_catalogue_of_another_form_is_not_called_rotten(void **state)
{
    uint64_t rotten_before = stat_read(STAT_RECORDS_ROTTEN);
    char log[4096];

    fill(*state);
    make_foreign(state);
    open_logged(state, log, sizeof(log));
    assert_non_null(*state);
    assert_non_null(strstr(log, "has the form of another version of carpond"));
    assert_null(strstr(log, "rotten"));
    assert_int_equal(stat_read(STAT_RECORDS_ROTTEN), rotten_before);
    assert_int_equal(home_compare(*state, "example.com/05", 5, BYTES), 0);
    assert_int_equal(rotten(*state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(a_mark_of_nothing_is_cleaned_away),
        HOME_CASE(a_key_that_vanished_is_noticed_in_each_table),
        HOME_CASE(a_name_that_vanished_is_noticed_while_others_change),
        HOME_CASE(a_journal_is_not_written_anew_without_what_the_catalogue_lost),
        HOME_CASE(a_catalogue_of_another_form_is_not_called_rotten),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("lost", tests, NULL, NULL);
}
