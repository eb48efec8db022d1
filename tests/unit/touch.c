/* SPDX-License-Identifier: ISC */
/* Who was away for longer than removals are known. */
#include "cache/store.h"

#include <pthread.h>

#include "src/base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/home.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static struct store_touch touch(struct store *store)
{
    struct store_touch out;

    store_touch(store, &out);
    return out;
}

static wall_t days_ago(int days)
{
    return (wall_t){home_wall_ms - days * DAY_MS};
}

/* What another tells that is whole since so many days, and in touch. */
static struct store_touch told(int days)
{
    return (struct store_touch){.whole = days_ago(days), .last = days_ago(0)};
}

static void in_touch(struct store *store, struct store_touch touch)
{
    store_in_touch(store, &touch);
}

static bool may_forget(struct store *store, struct store_touch touch)
{
    return store_may_forget(store, &touch);
}

static bool is_written(struct store *store)
{
    struct timespec pause = {.tv_nsec = 1000000};
    char path[128];

    snprintf(path, sizeof(path), "%s/touch", home_path);
    for (int i = 0; i < 10000 && access(path, F_OK) != 0; i++) {
        store_sweep(store);
        nanosleep(&pause, NULL);
    }
    return access(path, F_OK) == 0;
}

static void adopt(struct store *store, const char *name, int64_t ms, bool deleted)
{
    struct manifest m = home_foreign(name, 1, 1000, ms - home_wall_ms);

    if (deleted)
        m = (struct manifest){.version = m.version, .deleted = true};
    snprintf(m.name, sizeof(m.name), "%s", name);
    snprintf(m.node, sizeof(m.node), "web9");
    home_adopt(store, &m, NULL);
}

/* ---- the times ------------------------------------------------------------------------------ */

static void a_new_store_was_not_away_and_knows_nothing_of_before(void **state)
{
    assert_false(touch(*state).away);
    assert_int_equal(touch(*state).whole.ms, home_wall_ms);
}

static void who_is_out_of_touch_for_longer_was_away(void **state)
{
    home_wall_ms += 90 * DAY_MS;
    assert_false(touch(*state).away);
    store_in_touch(*state, NULL);
    home_wall_ms += 91 * DAY_MS;
    assert_true(touch(*state).away);
    store_in_touch(*state, NULL);
    assert_false(touch(*state).away);
}

static void a_restart_remembers_when_that_was(void **state)
{
    int64_t begin = home_wall_ms;

    adopt(*state, "example.com/a", home_wall_ms, false);
    assert_true(is_written(*state));
    home_wall_ms += 91 * DAY_MS;
    home_reopen(state);
    assert_true(touch(*state).away);
    assert_int_equal(touch(*state).last.ms, begin);
    assert_int_equal(touch(*state).whole.ms, begin);
}

static void who_knows_all_that_another_does_is_whole_as_long(void **state)
{
    int64_t begin = home_wall_ms;

    home_wall_ms += DAY_MS;
    in_touch(*state, told(1)); /* as old as we are */
    assert_int_equal(touch(*state).whole.ms, begin);
    in_touch(*state, told(0)); /* a younger one */
    assert_int_equal(touch(*state).whole.ms, begin);
    in_touch(*state, told(100));
    assert_int_equal(touch(*state).whole.ms, days_ago(100).ms);
}

/* It comes back as master, and what was put meanwhile at those who are off now it never knew. */
static void who_was_off_and_reads_nobody_is_whole_since_now(void **state)
{
    int64_t begin = home_wall_ms;

    store_in_touch(*state, NULL);
    home_wall_ms += 3600 * 1000;
    store_in_touch(*state, NULL);
    assert_int_equal(touch(*state).whole.ms, begin);
    home_wall_ms += DAY_MS;
    store_in_touch(*state, NULL);
    assert_int_equal(touch(*state).whole.ms, home_wall_ms);
}

/* Likewise where its master has been there for less long than it was off. */
static void who_was_off_and_reads_a_younger_one_is_whole_since_now(void **state)
{
    home_wall_ms += 20 * DAY_MS;
    in_touch(*state, told(10));
    assert_int_equal(touch(*state).whole.ms, home_wall_ms);
}

/* Else a master with a new disk would have all others forget what it lost. */
static void only_who_was_whole_all_the_while_has_names_forgotten(void **state)
{
    assert_false(may_forget(*state, told(1)));
    home_wall_ms += 100 * DAY_MS;
    assert_true(may_forget(*state, told(100)));
    assert_false(may_forget(*state, told(99)));
    assert_false(may_forget(*state, (struct store_touch){.last = days_ago(0)}));
}

/* A site was cut off with its master: its slaves were away as long as that was. */
static void who_follows_one_that_was_away_was_away(void **state)
{
    int64_t begin = home_wall_ms;
    struct store_touch away = told(300);

    home_wall_ms += 91 * DAY_MS;
    assert_false(may_forget(*state, away)); /* what it lacks it may never have known */
    in_touch(*state, away);
    assert_true(touch(*state).away);
    assert_int_equal(touch(*state).last.ms, begin);
    in_touch(*state, told(391));
    assert_false(touch(*state).away);
}

static void who_was_away_is_whole_as_its_master_or_since_now(void **state)
{
    home_wall_ms += 100 * DAY_MS;
    in_touch(*state, told(99));
    assert_int_equal(touch(*state).whole.ms, home_wall_ms);
    home_wall_ms += 100 * DAY_MS;
    in_touch(*state, told(300));
    assert_int_equal(touch(*state).whole.ms, days_ago(300).ms);
}

/* Whoever emptied the folder lost more than this file tells. */
static void a_store_that_has_nothing_knows_nothing_of_before(void **state)
{
    assert_true(is_written(*state));
    home_wall_ms += DAY_MS;
    home_reopen(state);
    assert_int_equal(touch(*state).whole.ms, home_wall_ms);
}

/* A catalogue that is made anew from the journal may lack names. */
static void who_lost_the_catalogue_is_whole_since_then(void **state)
{
    adopt(*state, "example.com/a", home_wall_ms, false);
    assert_true(is_written(*state));
    store_close(*state);
    home_remove_below("catalogue");
    home_wall_ms += DAY_MS;
    *state = home_open_store();
    assert_non_null(*state);
    assert_int_equal(touch(*state).whole.ms, home_wall_ms);
}

/* At boot the clock may stand anywhere until it is set: that is no absence. */
static void a_clock_that_is_behind_at_boot_makes_nobody_away(void **state)
{
    int64_t begin = home_wall_ms;
    struct store_touch master = told(300);

    adopt(*state, "example.com/a", home_wall_ms, false);
    assert_true(is_written(*state));
    home_wall_ms -= 1000 * DAY_MS;
    home_reopen(state);
    in_touch(*state, master);
    home_wall_ms = begin;
    assert_false(touch(*state).away);
    assert_int_equal(touch(*state).last.ms, begin);
}

/* A master whom nobody tells: it touches every few seconds, before the clock is set and after. */
static void a_clock_that_is_behind_at_boot_loses_nothing_where_nobody_tells(void **state)
{
    int64_t begin = home_wall_ms;

    adopt(*state, "example.com/a", home_wall_ms, false);
    assert_true(is_written(*state));
    home_wall_ms -= 1000 * DAY_MS;
    home_reopen(state);
    store_in_touch(*state, NULL);
    assert_int_equal(touch(*state).last.ms, begin);
    home_wall_ms = begin + 3600 * 1000;
    store_in_touch(*state, NULL);
    assert_int_equal(touch(*state).whole.ms, begin);
    assert_int_equal(touch(*state).last.ms, home_wall_ms);
}

/* It was the clock of then that was ahead. */
static void a_time_ahead_of_the_clock_is_now(void **state)
{
    adopt(*state, "example.com/a", home_wall_ms, false);
    assert_true(is_written(*state));
    home_wall_ms -= 10 * DAY_MS;
    home_reopen(state);
    assert_false(touch(*state).away);
    in_touch(*state, told(1));
    assert_int_equal(touch(*state).last.ms, home_wall_ms);
    assert_true(touch(*state).whole.ms <= home_wall_ms);
}

/* It follows one that is no older than what it has from then. */
static void a_store_that_began_ahead_of_the_clock_is_whole_since_now(void **state)
{
    adopt(*state, "example.com/a", home_wall_ms, false);
    assert_true(is_written(*state));
    home_wall_ms -= 10 * DAY_MS;
    home_reopen(state);
    in_touch(*state,
             (struct store_touch){.whole = {home_wall_ms + 10 * DAY_MS}, .last = days_ago(0)});
    assert_int_equal(touch(*state).whole.ms, home_wall_ms);
}

/* A master whom nobody tells: it knows that its clock was ahead once others tell the time. */
static void expect_forgotten_once_others_agree(struct store *store)
{
    store_clock_agrees(store, false);
    store_in_touch(store, NULL);
    assert_true(touch(store).whole.ms > home_wall_ms);
    store_clock_agrees(store, true);
    store_in_touch(store, NULL);
    assert_int_equal(touch(store).last.ms, home_wall_ms);
    assert_int_equal(touch(store).whole.ms, home_wall_ms);
    assert_false(touch(store).away);
}

static void a_clock_that_was_ahead_is_forgotten_once_others_agree(void **state)
{
    home_wall_ms += 1000 * DAY_MS;
    store_in_touch(*state, NULL);
    home_wall_ms -= 1000 * DAY_MS;
    expect_forgotten_once_others_agree(*state);
    home_wall_ms -= 60 * 1000; /* put right by a little: nothing was missed for that */
    store_clock_agrees(*state, true);
    assert_int_equal(touch(*state).last.ms, home_wall_ms + 60 * 1000);
}

static void so_it_is_where_it_was_put_right_while_we_were_off(void **state)
{
    char path[128];
    FILE *file;

    adopt(*state, "example.com/a", home_wall_ms, false);
    store_close(*state);
    snprintf(path, sizeof(path), "%s/touch", home_path);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%lld %lld\n", (long long)(home_wall_ms + 900 * DAY_MS),
            (long long)(home_wall_ms + 1000 * DAY_MS));
    fclose(file);
    *state = home_open_store();
    assert_non_null(*state);
    expect_forgotten_once_others_agree(*state);
}

/* ---- two threads at once --------------------------------------------------------------------- */

/* Where set, another thread has its turn as soon as this one opens a lock, and is through before
 * this one goes on (the linker wraps it). */
static _Thread_local void (*turn)(struct store *store);
static _Thread_local struct store *turn_store;

struct other {
    void (*turn)(struct store *store);
    struct store *store;
};

static void *take_turn(void *arg)
{
    const struct other *other = arg;

    other->turn(other->store);
    return NULL;
}

int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
    struct other other = {turn, turn_store};
    int result = __real_pthread_mutex_unlock(lock);
    pthread_t thread;

    turn = NULL;
    if (other.turn) {
        MUST(pthread_create(&thread, NULL, take_turn, &other) == 0);
        MUST(pthread_join(thread, NULL) == 0);
    }
    return result;
}

static void agree(struct store *store)
{
    store_clock_agrees(store, true);
}

static void what_another_thread_notes_meanwhile_is_not_lost(void **state)
{
    home_wall_ms += 1000 * DAY_MS;
    store_in_touch(*state, NULL);
    home_wall_ms -= 1000 * DAY_MS;
    turn = agree;
    turn_store = *state;
    store_in_touch(*state, NULL);
    assert_null(turn);
    assert_int_equal(touch(*state).last.ms, home_wall_ms);
    assert_int_equal(touch(*state).whole.ms, home_wall_ms);
}

/* ---- names ---------------------------------------------------------------------------------- */

static bool has_b(const void *arg, struct span name)
{
    (void)arg;
    return span_is(name, "example.com/b");
}

static bool has_name(struct store *store, const char *name)
{
    struct store_entry entry;

    return home_find(store, name, &entry) == STORE_OK;
}

static void of_a_range_what_the_other_lacks_is_forgotten(void **state)
{
    adopt(*state, "example.com/a", home_wall_ms, false);
    adopt(*state, "example.com/b", home_wall_ms, false);
    adopt(*state, "example.com/c", home_wall_ms, false);
    adopt(*state, "example.com/d", home_wall_ms, false);
    home_wall_ms += 91 * DAY_MS;
    adopt(*state, "example.com/bb", home_wall_ms, false);
    assert_int_equal(
        store_forget(*state, span_of("example.com/b"), span_of("example.com/d"), has_b, NULL),
        STORE_OK);
    assert_true(has_name(*state, "example.com/a"));
    assert_true(has_name(*state, "example.com/b"));
    assert_true(has_name(*state, "example.com/bb"));
    assert_false(has_name(*state, "example.com/c"));
    assert_true(has_name(*state, "example.com/d"));
}

static void many_are_forgotten_in_several_steps(void **state)
{
    enum { MANY = 300 };
    char name[64];

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "example.com/%d", i);
        adopt(*state, name, home_wall_ms, false);
    }
    adopt(*state, "example.com/b", home_wall_ms, false);
    home_wall_ms += 91 * DAY_MS;
    assert_int_equal(store_forget(*state, span_of(""), span_of(""), has_b, NULL), STORE_OK);
    assert_int_equal(home_figures(*state).objects, 1);
    assert_true(has_name(*state, "example.com/b"));
}

static void verify(struct store *store)
{
    struct store_report report;

    assert_int_equal(store_verify(store, &report, NULL, NULL), STORE_OK);
    assert_int_equal(report.rotten + report.mended, 0);
}

static void rebuild(void **state)
{
    struct store_report report;

    assert_int_equal(store_rebuild(*state, &report), STORE_OK);
    home_reopen(state);
}

/* It was forgotten for another's sake, and a third had it: it stays, whatever is made anew. */
static void what_was_forgotten_can_be_learned_again(void **state)
{
    int64_t then = home_wall_ms;

    adopt(*state, "example.com/a", then, false);
    adopt(*state, "example.com/b", then, false);
    home_wall_ms += 91 * DAY_MS;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(store_forget(*state, span_of(""), span_of(""), has_b, NULL), STORE_OK);
        assert_false(has_name(*state, "example.com/a"));
        verify(*state);
        rebuild(state);
        assert_false(has_name(*state, "example.com/a"));
        adopt(*state, "example.com/a", then, false);
        verify(*state);
        rebuild(state);
        assert_true(has_name(*state, "example.com/a"));
    }
    assert_true(has_name(*state, "example.com/b"));
}

/* It comes late, from one that has not swept it yet: the name goes here all the same. */
static void a_tombstone_past_its_time_still_removes(void **state)
{
    struct store_entry entry;

    adopt(*state, "example.com/a", home_wall_ms, false);
    home_wall_ms += 92 * DAY_MS;
    adopt(*state, "example.com/a", days_ago(91).ms, true);
    assert_true(home_find(*state, "example.com/a", &entry) != STORE_OK || entry.manifest.deleted);
    adopt(*state, "example.com/unknown", days_ago(91).ms, true);
    assert_false(has_name(*state, "example.com/unknown"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(a_new_store_was_not_away_and_knows_nothing_of_before),
        HOME_CASE(who_is_out_of_touch_for_longer_was_away),
        HOME_CASE(a_restart_remembers_when_that_was),
        HOME_CASE(who_knows_all_that_another_does_is_whole_as_long),
        HOME_CASE(who_was_off_and_reads_nobody_is_whole_since_now),
        HOME_CASE(who_was_off_and_reads_a_younger_one_is_whole_since_now),
        HOME_CASE(only_who_was_whole_all_the_while_has_names_forgotten),
        HOME_CASE(who_follows_one_that_was_away_was_away),
        HOME_CASE(who_was_away_is_whole_as_its_master_or_since_now),
        HOME_CASE(a_store_that_has_nothing_knows_nothing_of_before),
        HOME_CASE(who_lost_the_catalogue_is_whole_since_then),
        HOME_CASE(a_clock_that_is_behind_at_boot_makes_nobody_away),
        HOME_CASE(a_clock_that_is_behind_at_boot_loses_nothing_where_nobody_tells),
        HOME_CASE(a_time_ahead_of_the_clock_is_now),
        HOME_CASE(a_store_that_began_ahead_of_the_clock_is_whole_since_now),
        HOME_CASE(a_clock_that_was_ahead_is_forgotten_once_others_agree),
        HOME_CASE(so_it_is_where_it_was_put_right_while_we_were_off),
        HOME_CASE(what_another_thread_notes_meanwhile_is_not_lost),
        HOME_CASE(of_a_range_what_the_other_lacks_is_forgotten),
        HOME_CASE(many_are_forgotten_in_several_steps),
        HOME_CASE(what_was_forgotten_can_be_learned_again),
        HOME_CASE(a_tombstone_past_its_time_still_removes),
    };
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests_name("touch", tests, NULL, NULL);
}
