/* SPDX-License-Identifier: ISC */
/* Versions of one name that were made without knowing of each other. */
#include "cache/store.h"

#include "cache/retention.h"
#include "src/base/log.h"
#include "src/base/stats.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

enum { BYTES = 1000 };
static const char NAME[] = "example.com/a";
static const int64_t DAY_MS = INT64_C(24) * 3600 * 1000;

/* A version of web2's that replaces another, if any. */
static struct manifest foreign(uint64_t seed, int64_t after_ms, const struct manifest *old)
{
    struct manifest m = home_foreign(NAME, seed, BYTES, after_ms);

    if (old)
        manifest_replace(&m, old);
    return m;
}

struct seen {
    struct store_conflict list[16];
    size_t count;
};

static void note(void *arg, const struct store_conflict *conflict)
{
    struct seen *seen = arg;

    assert_true(seen->count < 16);
    seen->list[seen->count++] = *conflict;
}

static struct seen *conflicts(struct store *store)
{
    static struct seen seen;
    size_t visited;

    seen.count = 0;
    visited = store_conflicts(store, 0, 16, note, &seen);
    assert_int_equal(visited, seen.count);
    assert_int_equal(home_figures(store).conflicts, seen.count);
    return &seen;
}

/* Does the store give out this version with the content home_bytes(seed, BYTES)? */
static int compare_pick(struct store *store, const struct pick *pick, uint64_t seed)
{
    struct store_entry entry;
    struct content *content;
    char *want = home_bytes(seed, BYTES), got[BYTES];
    enum store_status status = store_find_version(store, span_of(NAME), pick, &entry);

    if (status == STORE_OK)
        status = content_open(store, &entry.manifest, &content);
    if (status == STORE_OK) {
        status = content_read(content, 0, got, BYTES) == BYTES && memcmp(want, got, BYTES) == 0
                     ? STORE_OK
                     : STORE_WRONG;
        content_close(content);
    }
    free(want);
    return status;
}

static int compare_version(struct store *store, struct version version, uint64_t seed)
{
    return compare_pick(store, &(struct pick){.version = version}, seed);
}

/* What was put in here is kept beside the newer version of one who did not know of it. */
static struct manifest lose_to_another(struct store *store)
{
    struct manifest mine, theirs;

    assert_int_equal(home_put(store, NAME, 1, BYTES, &mine), STORE_OK);
    theirs = foreign(2, 1000, NULL);
    assert_int_equal(home_adopt(store, &theirs, NULL), STORE_OK);
    return mine;
}

static void the_older_of_two_is_kept(void **state)
{
    struct manifest mine = lose_to_another(*state);
    struct seen *seen = conflicts(*state);

    assert_int_equal(seen->count, 1);
    assert_true(version_same(seen->list[0].entry.manifest.version, mine.version));
    assert_true(version_newer(seen->list[0].newest, mine.version));
    assert_true(seen->list[0].entry.held);
    assert_int_equal(seen->list[0].until.ms, home_wall_ms + 30 * DAY_MS);
    assert_int_equal(compare_version(*state, mine.version, 1), 0);
    home_reopen(state);
    assert_int_equal(conflicts(*state)->count, 1);
    assert_int_equal(compare_version(*state, mine.version, 1), 0);
    assert_int_equal(compare_version(*state, seen->list[0].newest, 2), STORE_NOT_HELD);
    assert_int_equal(compare_version(*state, (struct version){7}, 2), STORE_NOT_FOUND);
}

static void the_older_of_two_is_kept_whichever_comes_first(void **state)
{
    struct manifest newer = foreign(2, 1000, NULL), older = foreign(1, 500, NULL);

    assert_int_equal(home_adopt(*state, &newer, NULL), STORE_OK);
    assert_int_equal(home_adopt(*state, &older, NULL), STORE_NOT_NEWER);
    assert_int_equal(home_adopt(*state, &older, NULL), STORE_NOT_NEWER);
    assert_int_equal(conflicts(*state)->count, 1);
    assert_false(conflicts(*state)->list[0].entry.held);
    assert_false(conflicts(*state)->list[0].entry.wanted);
}

/* v[0], each of the others based on the one before it. */
static void make_chain(struct manifest *v, size_t count)
{
    v[0] = foreign(1, 0, NULL);
    for (size_t i = 1; i < count; i++)
        v[i] = foreign(i + 1, (int64_t)i, &v[i - 1]);
}

static void who_knew_of_it_is_in_no_conflict(void **state)
{
    struct manifest v[12];

    make_chain(v, 12);
    for (size_t i = 0; i < 12; i += 3) /* some are never heard of here */
        assert_int_equal(home_adopt(*state, &v[i], NULL), STORE_OK);
    assert_int_equal(home_adopt(*state, &v[1], NULL), STORE_NOT_NEWER);
    assert_int_equal(home_adopt(*state, &v[11], NULL), STORE_OK);
    assert_int_equal(conflicts(*state)->count, 0);
}

/* Two more versions were made elsewhere meanwhile: the second one replaces a version that is newer
 * than ours, and knows nothing of ours all the same. */
static void a_second_version_elsewhere_does_not_hide_the_conflict(void **state)
{
    struct manifest base = foreign(1, 0, NULL), theirs[2], mine;

    assert_int_equal(home_adopt(*state, &base, NULL), STORE_OK);
    assert_int_equal(home_put(*state, NAME, 9, BYTES, &mine), STORE_OK);
    theirs[0] = foreign(2, 1000, &base);
    theirs[1] = foreign(3, 2000, &theirs[0]);
    assert_int_equal(home_adopt(*state, &theirs[1], NULL), STORE_OK);
    assert_int_equal(conflicts(*state)->count, 1);
    assert_int_equal(compare_version(*state, mine.version, 9), 0);
}

/* Ours is older than all that the other one is based on, and that other's chain begins behind it.
 * Nobody has to wait for its confirmation for that to be told. */
static void what_lies_before_a_short_chain_is_in_conflict(void **state)
{
    struct manifest theirs[2], mine;

    assert_int_equal(home_put(*state, NAME, 9, BYTES, &mine), STORE_OK);
    theirs[0] = foreign(2, 1000, NULL);
    theirs[1] = foreign(3, 2000, &theirs[0]);
    assert_int_equal(home_adopt(*state, &theirs[1], NULL), STORE_OK);
    assert_int_equal(conflicts(*state)->count, 1);
    assert_int_equal(compare_version(*state, mine.version, 9), 0);
}

/* The same, where it is heard of last. */
static void what_lies_before_a_short_chain_is_in_conflict_when_it_comes_late(void **state)
{
    struct manifest older = foreign(9, 0, NULL), theirs[2];

    snprintf(older.node, sizeof(older.node), "web3");
    theirs[0] = foreign(2, 1000, NULL);
    theirs[1] = foreign(3, 2000, &theirs[0]);
    assert_int_equal(home_adopt(*state, &theirs[1], NULL), STORE_OK);
    assert_int_equal(home_adopt(*state, &theirs[0], NULL), STORE_NOT_NEWER);
    assert_int_equal(conflicts(*state)->count, 0);
    assert_int_equal(home_adopt(*state, &older, NULL), STORE_NOT_NEWER);
    assert_int_equal(conflicts(*state)->count, 1);
}

/* It was confirmed above, so that nothing else keeps it, when so many others came. */
static void many_versions_elsewhere_do_not_hide_the_conflict(void **state)
{
    struct manifest mine, theirs = foreign(2, 1000, NULL), next;

    assert_int_equal(home_put(*state, NAME, 9, BYTES, &mine), STORE_OK);
    for (int64_t i = 0; i < 40; i++) {
        next = foreign(3, 2000 + i, &theirs);
        theirs = next;
    }
    assert_int_equal(home_adopt(*state, &theirs, NULL), STORE_OK);
    assert_int_equal(conflicts(*state)->count, 1);
    assert_int_equal(compare_version(*state, mine.version, 9), 0);
}

/* What is heard of is based on another version of the very moment of ours. */
static void what_replaces_a_version_of_our_moment_does_not_hide_the_conflict(void **state)
{
    struct manifest mine, twin = foreign(2, 0, NULL), theirs;

    assert_int_equal(home_put(*state, NAME, 9, BYTES, &mine), STORE_OK);
    twin.version = mine.version;
    theirs = foreign(3, 1000, &twin);
    assert_int_equal(home_adopt(*state, &theirs, NULL), STORE_OK);
    assert_int_equal(conflicts(*state)->count, 1);
    assert_int_equal(compare_version(*state, mine.version, 9), 0);
}

static int by_manifest(const void *a, const void *b)
{
    return manifest_compare(a, b);
}

/* web0 has the content of seed 0, and so on. */
static uint64_t seed_of(const struct manifest *m)
{
    return (uint64_t)(m->node[strlen("web")] - '0');
}

static void name_pick(const struct manifest *m, size_t digits, struct pick *out)
{
    *out = (struct pick){.version = m->version};
    digest_hex(&m->sha256, out->digits);
    out->digits[digits] = '\0';
}

/* Three hosts put at the same moment: each is to be had by its content's digits, and without them
 * the one that stands. */
static void versions_of_one_moment_are_picked_by_their_content(void **state)
{
    struct manifest m[3];
    struct pick pick;

    for (size_t i = 0; i < 3; i++) {
        m[i] = foreign(i, 0, NULL);
        m[i].version = m[0].version;
        m[i].node[strlen("web")] = (char)('0' + i);
    }
    qsort(m, 3, sizeof(*m), by_manifest);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(home_adopt(*state, &m[i], NULL), STORE_OK);
        home_land(*state, &m[i], seed_of(&m[i]));
    }
    assert_int_equal(conflicts(*state)->count, 2);
    for (size_t i = 0; i < 3; i++) {
        name_pick(&m[i], 8, &pick);
        assert_int_equal(compare_pick(*state, &pick, seed_of(&m[i])), STORE_OK);
        name_pick(&m[i], DIGEST_HEX_SIZE - 1, &pick);
        assert_int_equal(compare_pick(*state, &pick, seed_of(&m[i])), STORE_OK);
        pick.digits[DIGEST_HEX_SIZE - 2] ^= 1;
        assert_int_equal(compare_pick(*state, &pick, seed_of(&m[i])), STORE_NOT_FOUND);
    }
    assert_int_equal(compare_version(*state, m[2].version, seed_of(&m[2])), STORE_OK);
}

static void the_same_content_is_no_conflict(void **state)
{
    struct manifest theirs;

    assert_int_equal(home_put(*state, NAME, 1, BYTES, NULL), STORE_OK);
    theirs = foreign(1, 1000, NULL);
    assert_int_equal(home_adopt(*state, &theirs, NULL), STORE_OK);
    assert_int_equal(conflicts(*state)->count, 0);
}

static void a_removal_keeps_what_it_did_not_know(void **state)
{
    struct manifest gone = {.node = "web2", .deleted = true}, mine;

    assert_int_equal(home_put(*state, NAME, 1, BYTES, &mine), STORE_OK);
    snprintf(gone.name, sizeof(gone.name), "%s", NAME);
    gone.version.bits = (uint64_t)(home_wall_ms + 1000) << 16;
    assert_int_equal(home_adopt(*state, &gone, NULL), STORE_OK);
    assert_int_equal(conflicts(*state)->count, 1);
    assert_int_equal(compare_version(*state, mine.version, 1), 0);
    assert_int_equal(home_figures(*state).objects, 0);
}

static void sweep_until_conflicts_are(struct store *store, uint64_t count)
{
    struct timespec pause = {.tv_nsec = 1000000};

    for (int i = 0; i < 10000 && home_figures(store).conflicts != count; i++) {
        store_sweep(store);
        nanosleep(&pause, NULL);
    }
    assert_int_equal(home_figures(store).conflicts, count);
}

static void a_conflict_ends_after_thirty_days(void **state)
{
    struct manifest mine = lose_to_another(*state);

    home_wall_ms += 29 * DAY_MS;
    store_sweep(*state);
    home_put(*state, "example.com/b", 3, BYTES, NULL);
    home_reopen(state); /* the sweep is done */
    assert_int_equal(compare_version(*state, mine.version, 1), 0);
    home_wall_ms += 2 * DAY_MS;
    sweep_until_conflicts_are(*state, 0);
    assert_int_equal(compare_version(*state, mine.version, 1), STORE_NOT_FOUND);
    assert_int_equal(home_count("content"), 1);
}

static void a_conflict_needs_no_room_of_the_limit(void **state)
{
    struct manifest mine;

    store_close(*state);
    *state = home_open_limited(1);
    store_set_policy(*state, &(struct store_policy){.pin_own = false});
    mine = lose_to_another(*state);
    store_sweep(*state);
    home_put(*state, "example.com/b", 1, BYTES, NULL); /* the same bytes, and not for long */
    home_do(*state, STORE_REMOVE, "example.com/b");
    assert_int_equal(home_figures(*state).may_go, 0);
    assert_int_equal(compare_version(*state, mine.version, 1), 0);
}

static void assert_sound(struct store *store)
{
    struct store_report report;

    assert_int_equal(store_verify(store, &report, NULL, NULL), STORE_OK);
    assert_int_equal(report.rotten, 0);
}

static void a_rebuild_finds_conflicts_again(void **state)
{
    struct manifest mine = lose_to_another(*state);
    struct store_report report;

    assert_sound(*state);
    assert_int_equal(store_rebuild(*state, &report), STORE_OK);
    assert_int_equal(conflicts(*state)->count, 1);
    assert_int_equal(compare_version(*state, mine.version, 1), 0);
    assert_sound(*state);
}

static void write_journal_anew(void **state)
{
    struct store_report report;
    struct stat st;
    char path[256];

    store_close(*state);
    snprintf(path, sizeof(path), "%s/manifests/00000001", home_path);
    assert_int_equal(stat(path, &st), 0);
    home_flip(path, 8 * (uint64_t)st.st_size - 80); /* in the newer version */
    *state = home_open_store();
    assert_non_null(*state);
    assert_int_equal(store_verify(*state, &report, NULL, NULL), STORE_OK);
    assert_true(report.rotten > 0);
    assert_int_not_equal(stat(path, &st), 0); /* it was: the old segment is gone */
}

static void a_journal_that_is_written_anew_has_the_conflicts(void **state)
{
    struct manifest mine = lose_to_another(*state);
    struct store_report report;

    write_journal_anew(state);
    assert_int_equal(store_rebuild(*state, &report), STORE_OK);
    assert_int_equal(conflicts(*state)->count, 1);
    assert_int_equal(compare_version(*state, mine.version, 1), 0);
}

/* The journal alone knows that the first of ours is kept. */
static void outlasts(void **state, bool told)
{
    struct manifest mine = lose_to_another(*state), again, newest;
    struct store_report report;

    home_wall_ms += 10000;
    assert_int_equal(home_put(*state, NAME, 5, BYTES, &again), STORE_OK);
    newest = foreign(6, 1000, &again);
    if (!told)
        memset(newest.knew, 0, sizeof(newest.knew));
    assert_int_equal(home_adopt(*state, &newest, NULL), STORE_OK);
    write_journal_anew(state);
    assert_int_equal(store_rebuild(*state, &report), STORE_OK);
    assert_int_equal(compare_version(*state, mine.version, 1), 0);
}

static void a_conflict_outlasts_what_is_based_on_a_later_one(void **state)
{
    outlasts(state, true);
}

static void a_conflict_outlasts_what_does_not_tell_what_it_is_based_on(void **state)
{
    outlasts(state, false);
}

static void count_done(struct store_job *job)
{
    atomic_fetch_add((atomic_int *)job->owner, 1);
}

static struct manifest rival_of(int i)
{
    struct manifest m = foreign(1, 0, NULL);

    m.version.bits += (uint64_t)i;
    digest_of(&i, sizeof(i), &m.sha256); /* one chunk: its list is one digest, its own */
    digest_of(m.sha256.bytes, sizeof(m.sha256.bytes), &m.chunks);
    return m;
}

/* Offers those from `first` on, many at a time. */
static void offer(struct store *store, int first, int count)
{
    struct store_job *jobs = calloc((size_t)count, sizeof(*jobs));
    char *texts = malloc((size_t)count * MESSAGE_MAX);
    atomic_int done = 0;

    for (int i = 0; i < count; i++) {
        struct manifest m = rival_of(first + i);
        struct text text = text_over(texts + (size_t)i * MESSAGE_MAX, MESSAGE_MAX);
        manifest_write(&m, &text);
        jobs[i] = (struct store_job){
            .kind = STORE_ADOPT, .text = {text.at, text.len}, .done = count_done, .owner = &done};
        store_submit(store, &jobs[i]);
    }
    while (atomic_load(&done) < count)
        usleep(1000);
    free(texts);
    free(jobs);
}

static uint64_t journal_bytes(void)
{
    char path[256];
    struct stat st;

    snprintf(path, sizeof(path), "%s/manifests/00000001", home_path);
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

static void a_conflict_is_written_once(void **state)
{
    struct manifest newer = foreign(2, 1000, NULL);
    uint64_t bytes;

    assert_int_equal(home_adopt(*state, &newer, NULL), STORE_OK);
    offer(*state, 0, 5);
    bytes = journal_bytes();
    offer(*state, 0, 5);
    assert_int_equal(journal_bytes(), bytes);
    assert_int_equal(conflicts(*state)->count, 5);
}

static void of_too_many_conflicts_the_oldest_go(void **state)
{
    enum { BATCH = 1000, MORE = 3 };
    struct manifest newer = foreign(2, 1000, NULL);
    struct store_entry entry;
    uint64_t before = stat_values[STAT_CONFLICTS_DROPPED];

    assert_int_equal(home_adopt(*state, &newer, NULL), STORE_OK);
    for (int i = 0; i < CONFLICTS_MAX; i += BATCH)
        offer(*state, i, BATCH);
    offer(*state, CONFLICTS_MAX, MORE);
    assert_int_equal(home_figures(*state).conflicts, CONFLICTS_MAX);
    assert_int_equal(stat_values[STAT_CONFLICTS_DROPPED] - before, MORE);
    for (int i = 0; i <= MORE; i++)
        assert_int_equal(store_find_version(*state, span_of(NAME),
                                            &(struct pick){.version = rival_of(i).version}, &entry),
                         i < MORE ? STORE_NOT_FOUND : STORE_OK);
}

static bool has_none(const void *arg, struct span name)
{
    (void)arg, (void)name;
    return false;
}

static enum store_status forget_all(struct store *store)
{
    return store_forget(store, span_of(""), span_of(""), has_none, NULL);
}

/* Who was away for more than 90 days lets go what its master has not any more, and that alone. */
static void what_is_forgotten_does_not_come_back(void **state)
{
    struct store_job put = {.kind = STORE_PUT, .unconfirmed = true};
    struct manifest other = foreign(2, 0, NULL);
    char *bytes = home_bytes(1, BYTES);
    struct store_report report;

    snprintf(put.manifest.name, sizeof(put.manifest.name), "%s", NAME);
    assert_int_equal(home_draft(*state, bytes, BYTES, &put.draft), STORE_OK);
    assert_int_equal(store_do(*state, &put), STORE_OK);
    free(bytes);
    snprintf(other.name, sizeof(other.name), "example.com/b");
    assert_int_equal(home_adopt(*state, &other, NULL), STORE_OK);
    assert_int_equal(forget_all(*state), STORE_OK);
    assert_int_equal(home_figures(*state).objects, 2);
    home_wall_ms += 91 * DAY_MS;
    assert_int_equal(forget_all(*state), STORE_OK);
    assert_int_equal(home_figures(*state).objects, 0);
    assert_int_equal(home_figures(*state).unconfirmed, 0);
    assert_int_equal(conflicts(*state)->count, 1);
    assert_int_equal(compare_version(*state, put.manifest.version, 1), 0);
    assert_sound(*state);
    assert_int_equal(store_rebuild(*state, &report), STORE_OK);
    assert_int_equal(home_figures(*state).objects, 0);
    assert_int_equal(compare_version(*state, put.manifest.version, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(the_older_of_two_is_kept),
        HOME_CASE(the_older_of_two_is_kept_whichever_comes_first),
        HOME_CASE(who_knew_of_it_is_in_no_conflict),
        HOME_CASE(a_second_version_elsewhere_does_not_hide_the_conflict),
        HOME_CASE(what_lies_before_a_short_chain_is_in_conflict),
        HOME_CASE(what_lies_before_a_short_chain_is_in_conflict_when_it_comes_late),
        HOME_CASE(versions_of_one_moment_are_picked_by_their_content),
        HOME_CASE(many_versions_elsewhere_do_not_hide_the_conflict),
        HOME_CASE(what_replaces_a_version_of_our_moment_does_not_hide_the_conflict),
        HOME_CASE(the_same_content_is_no_conflict),
        HOME_CASE(a_removal_keeps_what_it_did_not_know),
        HOME_CASE(a_conflict_ends_after_thirty_days),
        HOME_CASE(a_conflict_needs_no_room_of_the_limit),
        HOME_CASE(a_conflict_is_written_once),
        HOME_CASE(of_too_many_conflicts_the_oldest_go),
        HOME_CASE(a_rebuild_finds_conflicts_again),
        HOME_CASE(what_is_forgotten_does_not_come_back),
        HOME_CASE(a_journal_that_is_written_anew_has_the_conflicts),
        HOME_CASE(a_conflict_outlasts_what_is_based_on_a_later_one),
        HOME_CASE(a_conflict_outlasts_what_does_not_tell_what_it_is_based_on),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("conflicts", tests, NULL, NULL);
}
