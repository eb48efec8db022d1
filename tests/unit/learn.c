/* SPDX-License-Identifier: ISC */
#include "src/learn.h"

#include <ev.h>
#include <stdatomic.h>

#include "src/base/stats.h"
#include "src/clock.h"
#include "tests/unit/home.h"
#include "tests/unit/site.h"
#include "tests/unit/unit.h"

/* A site whose catalogue is read, and a second store that reads it: the one to which `state`
 * points. */
static struct site site;

#define READER_HOST "127.0.0.2"
#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct reader {
    struct site place; /* whom it follows: members, view and routes alone */
    struct ev_loop *loop;
    struct mailbox *mailbox;
    struct fetch *fetch;
    struct learn *learn;
    struct exchange_event event; /* the last report */
};

static void on_report(void *arg, struct exchange_event *event)
{
    struct reader *reader = arg;

    reader->event = *event;
    ev_break(reader->loop, EVBREAK_ALL);
}

static void reader_begin(struct reader *reader, struct store *store)
{
    struct learn_options options = {.store = store,
                                    .domain = SITE_DOMAIN,
                                    .routes = reader->place.members ? &reader->place.routes : NULL,
                                    .report = on_report,
                                    .arg = reader};

    reader->loop = ev_loop_new(EVFLAG_AUTO);
    reader->mailbox = options.mailbox = mailbox_new(reader->loop);
    reader->fetch = options.fetch =
        fetch_new(&(struct fetch_options){.node = "web2", .domain = SITE_DOMAIN});
    reader->learn = learn_new(&options);
}

/* To be called before it begins: it is a slave, and the site its master. */
static void reader_follows(struct reader *reader)
{
    struct member tier[] = {site_member("127.0.0.1", MEMBER_CANDIDATE, "paris"),
                            site_member(READER_HOST, MEMBER_SLAVE, "paris")};
    struct address own;

    assert_true(address_parse(span_of(READER_HOST), 0, &own));
    tier[0].own = tier[1].own = own;
    reader->place.members = members_new(&(struct members_options){
        .list = tier, .count = 2, .own = &own, .own_count = 1, .nets_given = true});
    reader->place.view = calloc(1, view_size());
    MUST(reader->place.view != NULL);
    reader->place.routes =
        (struct routes){.members = reader->place.members, .view = reader->place.view};
    site_publish(&reader->place, "paris", BALLOT_SLAVE, "127.0.0.1", MONO_NEVER);
}

/* In the order in which the daemon stops. */
static void reader_end(struct reader *reader, void **state)
{
    learn_stop(reader->learn);
    fetch_free(reader->fetch);
    store_close(*state);
    *state = NULL;
    mailbox_free(reader->mailbox);
    learn_free(reader->learn);
    ev_loop_destroy(reader->loop);
    members_free(reader->place.members);
    free(reader->place.view);
}

/* On a machine that others keep busy, the catalogue may still be looked through when the time for
 * an answer is over: who asks again gets it then. */
static bool is_still_at_it(const struct exchange_event *event)
{
    return event->result == EXCHANGE_FAILED && event->fault == PEER_FINE;
}

/* Reads the site's catalogue until it says that this was all. Returns how many requests were
 * answered for it. */
static unsigned compare_with(struct reader *reader, const struct address *server, uint64_t store_id,
                             uint64_t since)
{
    unsigned requests = 0, missed = 0;

    do {
        uint64_t before = stat_read(STAT_REQUESTS);
        learn_page(reader->learn, server, store_id, since);
        ev_run(reader->loop, 0);
        assert_int_equal(reader->event.kind, EXCHANGE_COMPARED);
        if (is_still_at_it(&reader->event)) {
            assert_in_range(++missed, 1, 100);
            continue;
        }
        requests += (unsigned)(stat_read(STAT_REQUESTS) - before);
        store_id = reader->event.page.store_id;
        since = reader->event.page.last;
    } while (is_still_at_it(&reader->event) || reader->event.page.more);
    return requests;
}

/* ---- catalogues ------------------------------------------------------------------------------ */

struct batch {
    struct store_job *jobs;
    char (*texts)[1024 + NAME_SIZE];
    _Atomic size_t left;
};

static void one_done(struct store_job *job)
{
    struct batch *batch = job->owner;

    atomic_fetch_sub(&batch->left, 1);
}

static void write_name(size_t number, char out[NAME_SIZE])
{
    static const char *const odd[] = {"a b", "100%", "x&y=z", "p+q", "caf\xc3\xa9", "#?;"};

    if (number % 50 == 7) /* a long one; many share their beginning */
        snprintf(out, NAME_SIZE, SITE_DOMAIN "/%0500d/%zu", 7, number);
    else
        snprintf(out, NAME_SIZE, SITE_DOMAIN "/%zu/%s", number, odd[number % 6]);
}

/* Adopts the names first..last-1, each in a version of an hour ago and so many milliseconds. */
static void fill(struct store *store, size_t first, size_t last, int64_t ms)
{
    struct manifest m = home_foreign("x", 1, 10, ms - 3600000);
    size_t count = last - first;
    struct batch batch = {calloc(count, sizeof(*batch.jobs)), calloc(count, sizeof(*batch.texts)),
                          count};

    MUST(batch.jobs && batch.texts);
    for (size_t i = 0; i < count; i++) {
        struct text text = TEXT_OVER(batch.texts[i]);
        write_name(first + i, m.name);
        manifest_write(&m, &text);
        MUST(!text.full);
        batch.jobs[i] = (struct store_job){
            .kind = STORE_ADOPT, .text = {text.at, text.len}, .done = one_done, .owner = &batch};
        store_submit(store, &batch.jobs[i]);
    }
    while (atomic_load(&batch.left) > 0)
        usleep(1000);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(batch.jobs[i].status, STORE_OK);
    free(batch.jobs);
    free(batch.texts);
}

static bool are_equal(struct store *one, struct store *other)
{
    struct store_head a, b;

    store_head(one, &a);
    store_head(other, &b);
    return digest_same(&a.digest, &b.digest);
}

static int set_up(void **state)
{
    site_start(&site, NULL);
    home_set_up(state);
    home_wall_ms = clock_wall().ms;
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    home_tear_down(state);
    site_stop(&site, 0);
    site_remove(&site);
    return 0;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_small_catalogue_takes_two_requests(void **state)
{
    struct reader reader = {0};
    struct store_head head;

    fill(site.store, 0, 50, 0);
    fill(*state, 25, 75, 0);
    reader_begin(&reader, *state);
    assert_in_range(compare_with(&reader, &site.address, 0, 0), 1, 2);
    assert_int_equal(reader.event.result, EXCHANGE_DONE);
    store_head(site.store, &head);
    assert_true(reader.event.page.store_id == head.store_id);
    assert_int_equal(reader.event.page.last, head.sequence);
    assert_int_equal(home_figures(*state).objects, 75);
    reader_end(&reader, state);
}

static void who_has_nothing_reads_page_after_page(void **state)
{
    struct reader reader = {0};

    fill(site.store, 0, 3000, 0);
    reader_begin(&reader, *state);
    assert_true(compare_with(&reader, &site.address, 0, 0) > 3);
    assert_true(are_equal(site.store, *state));
    reader_end(&reader, state);
}

static void of_two_large_catalogues_only_what_differs_is_read(void **state)
{
    struct reader reader = {0};
    struct store_head head;
    unsigned requests;

    fill(site.store, 0, 8000, 0);
    fill(*state, 0, 7997, 0);
    fill(*state, 8000, 8005, 0); /* what only we know stays */
    fill(site.store, 4000, 4002, 5);
    assert_int_equal(home_do(site.store, STORE_REMOVE, SITE_DOMAIN "/12/a b"), STORE_OK);
    reader_begin(&reader, *state);
    requests = compare_with(&reader, &site.address, 0, 0);
    assert_in_range(requests, 3, 12);
    assert_int_equal(reader.event.result, EXCHANGE_DONE);
    store_head(site.store, &head);
    assert_true(reader.event.page.store_id == head.store_id);
    assert_int_equal(reader.event.page.last, head.sequence);
    assert_int_equal(home_figures(*state).tombstones, 1);
    assert_int_equal(home_figures(*state).objects, 8004);
    fill(site.store, 8000, 8005, 0);
    assert_true(are_equal(site.store, *state));
    assert_in_range(compare_with(&reader, &site.address, 1, 0), 1,
                    1); /* the same: nothing is sent */
    reader_end(&reader, state);
}

static void all_that_changed_is_read_once(void **state)
{
    struct reader reader = {0};
    unsigned requests;

    fill(site.store, 0, 8000, 0);
    fill(*state, 0, 8000, 0);
    fill(site.store, 0, 8000, 9);
    reader_begin(&reader, *state);
    requests = compare_with(&reader, &site.address, 0, 0);
    assert_in_range(requests, 10, 30);
    assert_true(are_equal(site.store, *state));
    reader_end(&reader, state);
}

/* What lies in the future is left out, and the position stands nevertheless. */
static void a_version_from_the_future_hides_nothing(void **state)
{
    enum { HOURS = 3600 * 1000 };
    struct reader reader = {0};
    struct store_head head;

    fill(site.store, 0, 3000, -2 * HOURS);
    fill(*state, 0, 50, -2 * HOURS);
    fill(site.store, 1000, 1001, 0);
    home_wall_ms -= 2 * HOURS; /* the reader's clock alone */
    reader_begin(&reader, *state);
    compare_with(&reader, &site.address, 0, 0);
    assert_int_equal(reader.event.result, EXCHANGE_AHEAD);
    assert_true(reader.event.page.ahead);
    store_head(site.store, &head);
    assert_true(reader.event.page.store_id == head.store_id);
    assert_int_equal(reader.event.page.last, head.sequence);
    assert_int_equal(home_figures(*state).objects, 2999);
    home_wall_ms = clock_wall().ms;
    compare_with(&reader, &site.address, 0, 0);
    assert_int_equal(reader.event.result, EXCHANGE_DONE);
    assert_true(are_equal(site.store, *state));
    reader_end(&reader, state);
}

static void who_stops_ends_what_it_reads(void **state)
{
    struct reader reader = {0};

    fill(site.store, 0, 8000, 0);
    fill(*state, 0, 1, 0);
    reader_begin(&reader, *state);
    for (int i = 0; i < 4; i++)
        learn_page(reader.learn, &site.address, 0, 0);
    for (int i = 0; i < 10; i++)
        ev_run(reader.loop, EVRUN_ONCE);
    reader.event.kind = EXCHANGE_WAKE;
    reader_end(&reader, state);
    assert_int_equal(reader.event.kind, EXCHANGE_COMPARED);
}

/* ---- who was away ---------------------------------------------------------------------------- */

static bool was_away(struct store *store)
{
    struct store_touch touch;

    store_touch(store, &touch);
    return touch.away;
}

/* The reader was in touch so long ago, and no more since; the site all the while, where it is
 * `old`. What is filled in until came_back is as old. */
static void went_away(void **state, int days, bool old)
{
    int64_t now = clock_wall().ms;
    struct store_touch touch = {.whole = {now - 200 * DAY_MS}, .last = {now}};

    if (old)
        store_in_touch(site.store, &touch);
    home_wall_ms = now - days * DAY_MS;
    home_reopen(state);
}

static void came_back(void)
{
    home_wall_ms = clock_wall().ms;
}

/* The names 0 to 3999 in both; then the site removes some. */
static void part(void **state, int days)
{
    went_away(state, days, true);
    fill(site.store, 0, 3000, 0);
    fill(site.store, 5000, 6000, 0);
    fill(*state, 0, 4000, 0);
    came_back();
}

static void what_was_removed_long_ago_is_forgotten(void **state)
{
    struct reader reader = {0};
    char young[NAME_SIZE];

    part(state, 100);
    fill(*state, 7000, 7001, 0); /* ours, and no older than removals are known */
    reader_follows(&reader);
    reader_begin(&reader, *state);
    assert_true(was_away(*state));
    compare_with(&reader, &site.address, 1, 7); /* a position is of no use any more */
    assert_int_equal(reader.event.result, EXCHANGE_DONE);
    assert_int_equal(home_figures(*state).objects, 4001);
    assert_false(was_away(*state));
    write_name(7000, young);
    assert_int_equal(home_do(*state, STORE_REMOVE, young), STORE_OK);
    reader_end(&reader, state);
}

/* With 3,000 names, back from where it was. */
static void follows_an_empty_master(struct reader *reader, void **state)
{
    fill(*state, 0, 3000, 0);
    came_back();
    reader_follows(reader);
    reader_begin(reader, *state);
    compare_with(reader, &site.address, 0, 0);
    assert_int_equal(reader->event.result, EXCHANGE_DONE);
}

static void a_master_that_has_nothing_left_is_believed(void **state)
{
    struct reader reader = {0};

    went_away(state, 100, true);
    follows_an_empty_master(&reader, state);
    assert_int_equal(home_figures(*state).objects, 0);
    reader_end(&reader, state);
}

static void who_was_away_for_less_keeps_what_its_master_lacks(void **state)
{
    struct reader reader = {0};

    part(state, 89);
    reader_follows(&reader);
    reader_begin(&reader, *state);
    compare_with(&reader, &site.address, 0, 0);
    assert_int_equal(home_figures(*state).objects, 5000);
    reader_end(&reader, state);
}

/* It may have a new disk, and have lost what we have. */
static void a_master_that_was_not_there_before_has_nothing_forgotten(void **state)
{
    struct reader reader = {0};

    went_away(state, 100, false);
    follows_an_empty_master(&reader, state);
    assert_int_equal(home_figures(*state).objects, 3000);
    assert_false(was_away(*state));
    reader_end(&reader, state);
}

/* Nor has one that is not our master. */
static void a_peer_has_nothing_forgotten(void **state)
{
    struct reader reader = {0};

    part(state, 100);
    reader_begin(&reader, *state);
    compare_with(&reader, &site.address, 0, 0);
    assert_int_equal(home_figures(*state).objects, 5000);
    assert_true(was_away(*state));
    reader_end(&reader, state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_catalogue_takes_two_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_nothing_reads_page_after_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_two_large_catalogues_only_what_differs_is_read, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(all_that_changed_is_read_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_version_from_the_future_hides_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_stops_ends_what_it_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_removed_long_ago_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_master_that_has_nothing_left_is_believed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_was_away_for_less_keeps_what_its_master_lacks, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_master_that_was_not_there_before_has_nothing_forgotten,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_peer_has_nothing_forgotten, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("learn", tests, NULL, NULL);
}
