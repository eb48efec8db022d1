/* SPDX-License-Identifier: ISC */
/* What the store keeps, and for whose sake. */
#include "cache/store.h"

#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

enum { BYTES = 1000 };

static const struct store_policy slave = {0};
static const struct store_policy top = {.keep_all = true, .nobody_confirms = true};

static const struct store_policy nobody = {.nobody_confirms = true};

static void policy(void **state, uint64_t cache_size, const struct store_policy *policy)
{
    store_close(*state);
    home_remove();
    home_make();
    *state = home_open_unset(cache_size);
    assert_non_null(*state);
    store_set_policy(*state, policy);
}

/* Sweeps until it has an effect; false where it has none. */
static bool sweeps_until(struct store *store, bool (*done)(struct store *store))
{
    struct timespec pause = {.tv_nsec = 1000000};

    for (int i = 0; i < 10000 && !done(store); i++) {
        store_sweep(store);
        nanosleep(&pause, NULL);
    }
    return done(store);
}

static bool is_within_limit(struct store *store)
{
    return home_figures(store).may_go <= home_figures(store).limit;
}

/* Files go when the catalogue says so. */
static bool nothing_is_on_disk(struct store *store)
{
    (void)store;
    return home_count("content") == 0;
}

static bool nothing_is_held(struct store *store)
{
    return home_figures(store).held == 0;
}

static bool one_is_held(struct store *store)
{
    return home_figures(store).held == 1;
}

static bool three_are_wanted(struct store *store)
{
    return home_figures(store).wanted == 3;
}

static bool three_are_unconfirmed(struct store *store)
{
    return home_figures(store).unconfirmed == 3;
}

static bool is_held(struct store *store, const char *name)
{
    struct store_entry entry;

    return home_find(store, name, &entry) == STORE_OK && entry.held;
}

static struct manifest put_unconfirmed(struct store *store, const char *name, uint64_t seed)
{
    struct store_job job = {.kind = STORE_PUT, .manifest = {.mode = 0644}, .unconfirmed = true};
    char *bytes = home_bytes(seed, BYTES);

    home_wall_ms += 1000;
    snprintf(job.manifest.name, sizeof(job.manifest.name), "%s", name);
    assert_int_equal(home_draft(store, bytes, BYTES, &job.draft), STORE_OK);
    assert_int_equal(store_do(store, &job), STORE_OK);
    free(bytes);
    return job.manifest;
}

static enum store_status adopt_unconfirmed(struct store *store, const struct manifest *m)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct store_job job = {.kind = STORE_ADOPT, .unconfirmed = true};

    manifest_write(m, &text);
    job.text = (struct span){text.at, text.len};
    return store_do(store, &job);
}

static enum store_status confirm(struct store *store, const struct manifest *m)
{
    struct store_job job = {.kind = STORE_CONFIRM, .manifest = *m};

    return store_do(store, &job);
}

struct names {
    char text[512];
};

static void note_name(void *arg, const struct store_entry *entry)
{
    struct names *names = arg;
    size_t len = strlen(names->text);

    assert_true(entry->unconfirmed);
    snprintf(names->text + len, sizeof(names->text) - len, "%s ",
             entry->manifest.name + strlen("example.com/"));
}

static void assert_unconfirmed(struct store *store, const char *want)
{
    struct names names = {""};
    size_t count = store_list_unconfirmed(store, 0, 100, note_name, &names);

    assert_string_equal(names.text, want);
    assert_int_equal(home_figures(store).unconfirmed, count);
}

static void what_nobody_confirmed_is_listed_until_somebody_does(void **state)
{
    struct manifest a = put_unconfirmed(*state, "example.com/a", 1);
    struct manifest b = put_unconfirmed(*state, "example.com/b", 2);
    struct manifest newer, rival = a;
    struct store_job gone = {.kind = STORE_REMOVE, .unconfirmed = true};

    home_put(*state, "example.com/c", 3, BYTES, NULL);
    assert_unconfirmed(*state, "a b ");
    home_reopen(state);
    assert_unconfirmed(*state, "a b ");
    rival.sha256.bytes[0] ^= 1; /* another node's, of the same moment */
    assert_int_equal(confirm(*state, &rival), STORE_NOT_FOUND);
    assert_unconfirmed(*state, "a b ");
    newer = put_unconfirmed(*state, "example.com/a", 4);
    assert_int_equal(confirm(*state, &a), STORE_NOT_FOUND); /* not the version that stands here */
    assert_unconfirmed(*state, "b a ");
    assert_int_equal(confirm(*state, &newer), STORE_OK);
    assert_int_equal(confirm(*state, &newer), STORE_OK);
    assert_unconfirmed(*state, "b ");
    snprintf(gone.manifest.name, sizeof(gone.manifest.name), "example.com/b");
    assert_int_equal(store_do(*state, &gone), STORE_OK);
    assert_int_equal(confirm(*state, &b), STORE_NOT_FOUND);
    assert_unconfirmed(*state, "b ");
    assert_int_equal(confirm(*state, &gone.manifest), STORE_OK);
    assert_unconfirmed(*state, "");
    home_reopen(state);
    assert_unconfirmed(*state, "");
    assert_int_equal(home_compare(*state, "example.com/a", 4, BYTES), 0);
}

static void what_nobody_confirmed_stays_whatever_the_limit(void **state)
{
    struct manifest a, b = home_foreign("example.com/b", 2, BYTES, 0);

    policy(state, 1, &slave);
    a = put_unconfirmed(*state, "example.com/a", 1);
    assert_int_equal(adopt_unconfirmed(*state, &b), STORE_OK);
    assert_int_equal(home_figures(*state).wanted, 1); /* the tier above will want it from here */
    home_land(*state, &b, 2);
    home_put(*state, "example.com/c", 3, BYTES, NULL);
    assert_true(sweeps_until(*state, is_within_limit));
    assert_true(is_held(*state, "example.com/a") && is_held(*state, "example.com/b"));
    assert_false(is_held(*state, "example.com/c"));
    assert_int_equal(confirm(*state, &a), STORE_OK);
    assert_int_equal(confirm(*state, &b), STORE_OK);
    assert_true(sweeps_until(*state, is_within_limit));
    assert_false(is_held(*state, "example.com/a") || is_held(*state, "example.com/b"));
    assert_true(sweeps_until(*state, nothing_is_on_disk));
}

static void content_is_kept_for_the_sake_of_each_name(void **state)
{
    struct manifest a, b;

    policy(state, 1, &slave);
    a = put_unconfirmed(*state, "example.com/a", 1);
    b = put_unconfirmed(*state, "example.com/b", 1); /* the same bytes */
    assert_int_equal(confirm(*state, &a), STORE_OK);
    store_sweep(*state);
    assert_int_equal(home_figures(*state).may_go, 0);
    assert_int_equal(confirm(*state, &b), STORE_OK);
    assert_true(sweeps_until(*state, is_within_limit));
    assert_true(sweeps_until(*state, nothing_is_on_disk));
}

static void own_content_goes_by_its_last_use_where_nothing_pins_it(void **state)
{
    struct manifest b = home_foreign("example.com/b", 2, BYTES, 0);

    policy(state, 2 * BYTES, &slave);
    home_put(*state, "example.com/a", 1, BYTES, NULL);
    home_adopt(*state, &b, NULL);
    home_land(*state, &b, 2);
    home_wall_ms += 1000;
    home_put(*state, "example.com/c", 3, BYTES, NULL);
    assert_true(sweeps_until(*state, is_within_limit));
    assert_false(is_held(*state, "example.com/a"));
    assert_true(is_held(*state, "example.com/b") && is_held(*state, "example.com/c"));
    home_wall_ms += 1000;
    home_put(*state, "example.com/d", 4, BYTES, NULL);
    assert_true(sweeps_until(*state, is_within_limit));
    assert_false(is_held(*state, "example.com/b"));
    assert_true(is_held(*state, "example.com/c") && is_held(*state, "example.com/d"));
}

static void a_top_candidate_wants_all_and_drops_nothing(void **state)
{
    struct manifest m[3] = {home_foreign("example.com/a", 1, BYTES, 0),
                            home_foreign("example.com/b", 2, BYTES, 0),
                            home_foreign("example.com/c", 3, BYTES, 0)};

    policy(state, 1, &slave);
    home_adopt(*state, &m[0], NULL);
    home_adopt(*state, &m[1], NULL);
    assert_int_equal(home_figures(*state).wanted, 0);
    store_set_policy(*state, &top);
    home_adopt(*state, &m[2], NULL);
    assert_true(sweeps_until(*state, three_are_wanted));
    for (uint64_t i = 0; i < 3; i++)
        home_land(*state, &m[i], i + 1);
    assert_int_equal(home_figures(*state).may_go, 0);
    store_set_policy(*state, &slave);
    assert_true(sweeps_until(*state, three_are_unconfirmed));
    for (int i = 0; i < 3; i++)
        assert_int_equal(confirm(*state, &m[i]), STORE_OK);
    assert_true(sweeps_until(*state, nothing_is_held));
}

/* A reload that finds no candidates above for a moment costs no mark. */
static void where_nobody_confirms_marks_rest(void **state)
{
    policy(state, 1, &slave);
    put_unconfirmed(*state, "example.com/a", 1);
    put_unconfirmed(*state, "example.com/b", 2);
    store_set_policy(*state, &nobody);
    assert_unconfirmed(*state, "");
    home_put(*state, "example.com/c", 3, BYTES, NULL);
    assert_true(sweeps_until(*state, is_within_limit));
    store_set_policy(*state, &slave);
    assert_unconfirmed(*state, "a b ");
    assert_true(is_held(*state, "example.com/a") && is_held(*state, "example.com/b"));
    assert_false(is_held(*state, "example.com/c"));
}

/* One of web2's and one of ours, both here. */
static void hold_two(struct store *store)
{
    struct manifest b = home_foreign("example.com/b", 2, BYTES, 0);

    home_put(store, "example.com/a", 1, BYTES, NULL);
    home_adopt(store, &b, NULL);
    home_land(store, &b, 2);
}

static bool two_are_unconfirmed(struct store *store)
{
    return home_figures(store).unconfirmed == 2;
}

static bool one_is_unconfirmed(struct store *store)
{
    return home_figures(store).unconfirmed == 1;
}

static bool b_is_gone(struct store *store)
{
    return !is_held(store, "example.com/b");
}

static void who_leaves_the_top_gives_all_upward_first(void **state)
{
    struct store_entry a, b;

    policy(state, 1, &top);
    hold_two(*state);
    assert_int_equal(home_figures(*state).unconfirmed, 0);
    store_set_policy(*state, &slave);
    assert_int_equal(home_figures(*state).may_go, 0);
    assert_true(sweeps_until(*state, two_are_unconfirmed));
    assert_unconfirmed(*state, "a b ");
    assert_int_equal(home_find(*state, "example.com/a", &a), STORE_OK);
    assert_int_equal(home_find(*state, "example.com/b", &b), STORE_OK);
    assert_true(a.held && b.held);
    assert_int_equal(confirm(*state, &a.manifest), STORE_OK);
    assert_true(sweeps_until(*state, one_is_held));
    home_put(*state, "example.com/c", 3, BYTES, NULL); /* a later one needs no mark */
    assert_true(sweeps_until(*state, one_is_held));
    assert_true(is_held(*state, "example.com/b"));
}

static bool is_noted(struct store *store)
{
    char path[128];

    (void)store;
    snprintf(path, sizeof(path), "%s/kept", home_path);
    return access(path, F_OK) == 0;
}

static void a_restart_between_two_places_loses_nothing(void **state)
{
    static const struct store_policy mesh = {.pin_own = true, .nobody_confirms = true};

    policy(state, 0, &mesh);
    assert_true(sweeps_until(*state, is_noted));
    hold_two(*state);
    store_close(*state);
    *state = home_open_unset(1);
    assert_non_null(*state);
    assert_int_equal(home_figures(*state).may_go, 0);
    store_set_policy(*state, &slave);
    assert_true(sweeps_until(*state, one_is_unconfirmed));
    assert_unconfirmed(*state, "a ");
    assert_true(sweeps_until(*state, b_is_gone)); /* web2 has it */
    assert_true(is_held(*state, "example.com/a"));
}

/* Who comes to where nobody confirms keeps what it kept, and gives it upward when somebody does. */
static void what_was_kept_waits_for_who_can_confirm_it(void **state)
{
    policy(state, 1, &top);
    hold_two(*state);
    store_set_policy(*state, &nobody);
    store_sweep(*state);
    home_reopen(state); /* the sweep is done */
    store_set_policy(*state, &nobody);
    assert_int_equal(home_figures(*state).may_go, 0);
    store_set_policy(*state, &slave);
    assert_true(sweeps_until(*state, two_are_unconfirmed));
}

static bool something_may_go(struct store *store)
{
    return home_figures(store).may_go > 0;
}

/* Is all marked that an earlier place kept, so that what comes now is told from it? */
static bool is_a_peers_alone(struct store *store)
{
    char path[128], word[8] = "";
    FILE *file;

    (void)store;
    snprintf(path, sizeof(path), "%s/kept", home_path);
    file = fopen(path, "r");
    if (file) {
        assert_true(fread(word, 1, sizeof(word) - 1, file) > 0);
        fclose(file);
    }
    return strcmp(word, "own\n") == 0;
}

/* What a top's candidate kept may be nowhere else; what a peer fetches later is. */
static void in_a_mesh_the_limit_holds_for_what_comes_later(void **state)
{
    static const struct store_policy mesh = {.pin_own = true, .nobody_confirms = true};
    struct manifest c = home_foreign("example.com/c", 3, BYTES, 0);

    policy(state, 1, &top);
    hold_two(*state);
    store_set_policy(*state, &mesh);
    assert_true(sweeps_until(*state, is_a_peers_alone));
    assert_int_equal(home_adopt(*state, &c, NULL), STORE_OK);
    home_land(*state, &c, 3);
    store_set_cache_size(*state, BYTES);
    assert_true(sweeps_until(*state, something_may_go));
    store_set_cache_size(*state, 1);
    assert_true(sweeps_until(*state, is_within_limit));
    assert_true(is_held(*state, "example.com/a") && is_held(*state, "example.com/b"));
    store_set_policy(*state, &slave);
    assert_int_equal(home_figures(*state).unconfirmed, 2);
}

static void a_rebuild_forgets_no_mark(void **state)
{
    struct manifest foreign = home_foreign("example.com/b", 2, BYTES, 0);
    struct manifest a = put_unconfirmed(*state, "example.com/a", 1);
    struct store_report report;

    assert_int_equal(adopt_unconfirmed(*state, &foreign), STORE_OK);
    assert_int_equal(confirm(*state, &a), STORE_OK);
    assert_unconfirmed(*state, "b ");
    assert_int_equal(store_rebuild(*state, &report), STORE_OK);
    assert_unconfirmed(*state, "a b "); /* what was put in here is rather told twice */
    assert_int_equal(home_figures(*state).wanted, 1);
    assert_int_equal(store_verify(*state, &report, NULL, NULL), STORE_OK);
    assert_int_equal(report.rotten, 0);
}

/* Without the old catalogue nobody knows what was unconfirmed: all that is here may be. */
static void a_catalogue_lost_altogether_has_all_given_upward(void **state)
{
    struct manifest b = home_foreign("example.com/b", 2, BYTES, 0);

    policy(state, 1, &slave);
    assert_int_equal(adopt_unconfirmed(*state, &b), STORE_OK);
    home_land(*state, &b, 2);
    put_unconfirmed(*state, "example.com/a", 1);
    store_close(*state);
    home_remove_below("catalogue");
    *state = home_open_unset(1);
    assert_non_null(*state);
    store_set_policy(*state, &slave);
    assert_int_equal(home_figures(*state).may_go, 0);
    assert_true(sweeps_until(*state, two_are_unconfirmed));
    assert_unconfirmed(*state, "b a ");
    assert_int_equal(confirm(*state, &b), STORE_OK);
    assert_true(sweeps_until(*state, b_is_gone));
    assert_true(is_held(*state, "example.com/a"));
    store_close(*state); /* it is over: nothing is marked again */
    *state = home_open_unset(1);
    assert_non_null(*state);
    store_set_policy(*state, &slave);
    home_put(*state, "example.com/c", 3, BYTES, NULL);
    assert_true(sweeps_until(*state, one_is_held));
    assert_unconfirmed(*state, "a ");
}

/* In a flat mesh nobody has to be told. */
static void a_catalogue_lost_in_a_mesh_lets_the_limit_be(void **state)
{
    static const struct store_policy mesh = {.pin_own = true, .nobody_confirms = true};

    policy(state, 1, &mesh);
    hold_two(*state);
    store_close(*state);
    home_remove_below("catalogue");
    *state = home_open_unset(1);
    assert_non_null(*state);
    store_set_policy(*state, &mesh);
    assert_true(sweeps_until(*state, b_is_gone));
    assert_true(is_held(*state, "example.com/a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(what_nobody_confirmed_is_listed_until_somebody_does),
        HOME_CASE(what_nobody_confirmed_stays_whatever_the_limit),
        HOME_CASE(content_is_kept_for_the_sake_of_each_name),
        HOME_CASE(own_content_goes_by_its_last_use_where_nothing_pins_it),
        HOME_CASE(a_top_candidate_wants_all_and_drops_nothing),
        HOME_CASE(where_nobody_confirms_marks_rest),
        HOME_CASE(who_leaves_the_top_gives_all_upward_first),
        HOME_CASE(a_restart_between_two_places_loses_nothing),
        HOME_CASE(what_was_kept_waits_for_who_can_confirm_it),
        HOME_CASE(in_a_mesh_the_limit_holds_for_what_comes_later),
        HOME_CASE(a_rebuild_forgets_no_mark),
        HOME_CASE(a_catalogue_lost_altogether_has_all_given_upward),
        HOME_CASE(a_catalogue_lost_in_a_mesh_lets_the_limit_be),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
