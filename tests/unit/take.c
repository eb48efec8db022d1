/* SPDX-License-Identifier: ISC */
#include "tests/unit/home.h"

/* Files of ISconf hosts, which become unverified versions. */

#define NAME "example.com/a"

static enum store_status take(struct store *store, int64_t mtime, uint64_t seed, size_t len)
{
    struct store_job job = {.kind = STORE_TAKE, .manifest = {.mtime_ns = mtime * MONO_S(1)}};
    char *bytes = home_bytes(seed, len);

    assert_int_equal(home_draft(store, bytes, len, &job.draft), STORE_OK);
    free(bytes);
    snprintf(job.manifest.name, sizeof(job.manifest.name), "%s", NAME);
    return store_do(store, &job);
}

static void one_is_known_by_its_time(void **state)
{
    static const size_t sizes[] = {0, 1, (1 << 20) + 1};
    struct store_entry entry;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        int64_t mtime = 1100000000 + (int64_t)i;
        assert_int_equal(take(*state, mtime, i, sizes[i]), STORE_OK);
        home_reopen(state);
        assert_int_equal(home_find(*state, NAME, &entry), STORE_OK);
        assert_true(entry.held && !entry.own && !entry.wanted && !entry.unconfirmed);
        assert_true(version_same(entry.manifest.version, version_of_mtime(mtime)));
        assert_true(version_is_unverified(entry.manifest.version));
        assert_int_equal(entry.manifest.mtime_ns, mtime * MONO_S(1));
        assert_string_equal(entry.manifest.node, MANIFEST_OF_ISCONF);
        assert_int_equal(home_compare(*state, NAME, i, sizes[i]), STORE_OK);
    }
    assert_int_equal(home_figures(*state).conflicts, 0);
    assert_int_equal(home_count("content"), 1);
    assert_int_equal(home_count("tmp"), 0);
}

/* So that catalogues that took the same file are the same. */
static void all_nodes_make_the_same_of_it(void **state)
{
    struct manifest made = home_foreign(NAME, 1, 5000, 0);
    char wanted[MESSAGE_MAX], got[MESSAGE_MAX];
    struct text text = TEXT_OVER(wanted), here = TEXT_OVER(got);

    assert_int_equal(take(*state, 1100000000, 1, 5000), STORE_OK);
    assert_int_equal(store_manifest(*state, span_of(NAME), &here), STORE_OK);
    made.version = version_of_mtime(1100000000);
    made.mtime_ns = 1100000000 * MONO_S(1);
    made.mode = 0644;
    snprintf(made.node, sizeof(made.node), "%s", MANIFEST_OF_ISCONF);
    manifest_write(&made, &text);
    assert_string_equal(got, wanted);
}

static void what_is_older_or_there_is_not_taken(void **state)
{
    assert_int_equal(take(*state, 100, 1, 5000), STORE_OK);
    assert_int_equal(take(*state, 99, 2, 5000), STORE_NOT_NEWER);
    assert_int_equal(take(*state, 100, 1, 5000), STORE_OK);
    assert_int_equal(home_compare(*state, NAME, 1, 5000), STORE_OK);
    assert_int_equal(home_figures(*state).objects, 1);
    assert_int_equal(home_count("content"), 1);
    assert_int_equal(home_count("tmp"), 0);
}

static void what_was_dropped_is_held_again(void **state)
{
    assert_int_equal(take(*state, 100, 1, 5000), STORE_OK);
    assert_int_equal(home_do(*state, STORE_DROP, NAME), STORE_OK);
    assert_int_equal(home_figures(*state).held, 0);
    assert_int_equal(take(*state, 100, 1, 5000), STORE_OK);
    assert_int_equal(home_figures(*state).held, 1);
    assert_int_equal(home_compare(*state, NAME, 1, 5000), STORE_OK);
}

/* A put, a removal, and what another node put in: a version even of a clock that stands in 1970. */
static void it_never_takes_the_place_of_what_a_node_vouches_for(void **state)
{
    struct manifest early = home_foreign(NAME, 3, 5000, 0);

    early.version.bits = 5;
    assert_int_equal(home_adopt(*state, &early, NULL), STORE_OK);
    assert_int_equal(take(*state, VERSION_MTIME_MAX, 1, 5000), STORE_NOT_NEWER);
    assert_int_equal(home_put(*state, NAME, 2, 5000, NULL), STORE_OK);
    assert_int_equal(take(*state, VERSION_MTIME_MAX, 1, 5000), STORE_NOT_NEWER);
    assert_int_equal(home_compare(*state, NAME, 2, 5000), STORE_OK);
    assert_int_equal(home_do(*state, STORE_REMOVE, NAME), STORE_OK);
    assert_int_equal(take(*state, VERSION_MTIME_MAX, 1, 5000), STORE_NOT_NEWER);
    assert_int_equal(home_figures(*state).objects, 0);
}

static void what_a_node_vouches_for_takes_its_place_without_a_conflict(void **state)
{
    struct manifest m = home_foreign(NAME, 3, 5000, 0);

    assert_int_equal(take(*state, VERSION_MTIME_MAX, 1, 5000), STORE_OK);
    assert_int_equal(home_adopt(*state, &m, NULL), STORE_OK);
    assert_int_equal(home_figures(*state).conflicts, 0);
    home_land(*state, &m, 3);
    assert_int_equal(home_compare(*state, NAME, 3, 5000), STORE_OK);
    assert_int_equal(home_count("content"), 1);
}

/* In a flat mesh what was put in stays whatever room it takes; this may go. */
static void it_is_dropped_where_there_is_no_room_for_it(void **state)
{
    store_close(*state);
    *state = home_open_limited(1000);
    assert_int_equal(take(*state, 100, 1, 5000), STORE_OK);
    assert_int_equal(home_figures(*state).may_go, 5000);
}

static void the_catalogue_is_made_anew_with_it(void **state)
{
    struct store_report report;
    struct store_entry entry;

    assert_int_equal(take(*state, 100, 1, 5000), STORE_OK);
    assert_int_equal(store_rebuild(*state, &report), STORE_OK);
    assert_int_equal(home_find(*state, NAME, &entry), STORE_OK);
    assert_true(entry.held && version_is_unverified(entry.manifest.version));
    assert_int_equal(store_verify(*state, &report, NULL, NULL), STORE_OK);
    assert_int_equal(report.rotten, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(one_is_known_by_its_time),
        HOME_CASE(all_nodes_make_the_same_of_it),
        HOME_CASE(what_is_older_or_there_is_not_taken),
        HOME_CASE(what_was_dropped_is_held_again),
        HOME_CASE(it_never_takes_the_place_of_what_a_node_vouches_for),
        HOME_CASE(what_a_node_vouches_for_takes_its_place_without_a_conflict),
        HOME_CASE(it_is_dropped_where_there_is_no_room_for_it),
        HOME_CASE(the_catalogue_is_made_anew_with_it),
    };
    return cmocka_run_group_tests_name("take", tests, NULL, NULL);
}
