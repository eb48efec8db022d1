/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/clock.h"
#include "tests/unit/site.h"
#include "tests/unit/unit.h"

/*
 * Digests of ranges of names, asked for by others. The store's walks are this file's (the linker
 * wraps them), so that one takes as long as the test wants.
 */
#define HOST "127.0.0.7"
#define OTHER_HOST "127.0.0.8"
#define WHOLE "/.pond/ranges?from=&to=&parts=1"

static struct site site;

/* ---- the walk -------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned begun, let; /* walks that were begun, and those of them that may end */
    bool fails;
} walks = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Each tells by its count which one it was. */
enum store_status __wrap_store_ranges(struct store *store, const struct store_sight *sight,
                                      struct span from, struct span to, size_t parts,
                                      store_range_visit *visit, void *arg);
enum store_status __wrap_store_ranges(struct store *store, const struct store_sight *sight,
                                      struct span from, struct span to, size_t parts,
                                      store_range_visit *visit, void *arg)
{
    struct store_range range = {.first = from};
    bool fails;

    (void)store, (void)sight, (void)to, (void)parts;
    pthread_mutex_lock(&walks.lock);
    range.count = ++walks.begun;
    pthread_cond_broadcast(&walks.changed);
    while (walks.let < range.count)
        pthread_cond_wait(&walks.changed, &walks.lock);
    fails = walks.fails;
    pthread_mutex_unlock(&walks.lock);
    visit(arg, &range);
    return fails ? STORE_FAILED : STORE_OK;
}

static void let(unsigned upto, bool fails)
{
    pthread_mutex_lock(&walks.lock);
    walks.let = upto;
    walks.fails = fails;
    pthread_cond_broadcast(&walks.changed);
    pthread_mutex_unlock(&walks.lock);
}

static void until_begun(unsigned n)
{
    pthread_mutex_lock(&walks.lock);
    while (walks.begun < n)
        pthread_cond_wait(&walks.changed, &walks.lock);
    pthread_mutex_unlock(&walks.lock);
}

static unsigned begun(void)
{
    unsigned n;

    pthread_mutex_lock(&walks.lock);
    n = walks.begun;
    pthread_mutex_unlock(&walks.lock);
    return n;
}

/* ---- the site -------------------------------------------------------------------------------- */

static int start_patient(int64_t patience_ns)
{
    static struct member tier[2]; /* for other starts of the site too */

    tier[0] = site_member("127.0.0.1", MEMBER_CANDIDATE, "paris");
    tier[1] = site_member("127.0.0.0/24", MEMBER_SLAVE, "paris");
    walks.begun = walks.let = 0;
    walks.fails = false;
    site_start(&site,
               &(struct site_options){
                   .members = tier, .member_count = 2, .threads = 1, .patience_ns = patience_ns});
    site_publish(&site, "paris", BALLOT_MASTER, "127.0.0.1", MONO_NEVER);
    site_put(&site, "example.com/a", "a", 1);
    return 0;
}

static int start(void **state)
{
    (void)state;
    return start_patient(MONO_S(600));
}

static int start_impatient(void **state)
{
    (void)state;
    return start_patient(MONO_MS(1));
}

static int stop(void **state)
{
    (void)state;
    let(UINT_MAX, false);
    site_stop(&site, 0);
    site_remove(&site);
    return 0;
}

static int begin(const char *host, const char *target)
{
    int fd = site_connect_from(&site, host);
    char text[256];

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target);
    send_text(fd, text);
    return fd;
}

static const char *part(unsigned number)
{
    static char target[64];

    snprintf(target, sizeof(target), "/.pond/ranges?from=%u&to=&parts=1", number);
    return target;
}

/* It is what the walk of that number brought. */
static void expect_walk(int fd, unsigned number)
{
    struct answer a;
    struct span count;
    uint64_t n;

    read_answer(fd, false, &a);
    expect(&a, 200, NULL);
    count = span_of(a.body);
    assert_true(span_u64(span_take(&count, ' '), UINT64_MAX, &n));
    assert_int_equal(n, number);
    answer_free(&a);
    close(fd);
}

static unsigned status_of(int fd)
{
    struct answer a;
    unsigned status;

    read_answer(fd, false, &a);
    status = a.status;
    answer_free(&a);
    close(fd);
    return status;
}

static void until_requests(unsigned n)
{
    struct http_figures figures;

    do {
        usleep(1000);
        http_figures(site.http, &figures);
    } while (figures.requests != n);
}

/* ---- the cases ------------------------------------------------------------------------------- */

static void a_walk_holds_nobody_up(void **state)
{
    int fd = begin(HOST, WHOLE);
    struct answer a;

    (void)state;
    until_begun(1);
    ask_from(&site, OTHER_HOST, "GET", "/example.com/a", "", &a); /* there is one worker */
    expect(&a, 200, "a");
    answer_free(&a);
    let(1, false);
    expect_walk(fd, 1);
}

static void who_asks_for_the_same_shares_a_walk(void **state)
{
    int fds[3];

    (void)state;
    fds[0] = begin(HOST, part(1));
    until_begun(1);
    fds[1] = begin(HOST, part(1));
    fds[2] = begin(OTHER_HOST, part(1));
    until_requests(3);
    let(1, false);
    for (size_t i = 0; i < 3; i++)
        expect_walk(fds[i], 1);
    expect_walk(begin(OTHER_HOST, part(1)), 1);
    assert_int_equal(begun(), 1);
}

/* What changed since then would be missed. */
static void a_part_is_as_new_as_the_catalogue(void **state)
{
    int fd = begin(HOST, part(1));

    (void)state;
    until_begun(1);
    site_put(&site, "example.com/b", "b", 1);
    let(2, false);
    expect_walk(fd, 1);
    expect_walk(begin(OTHER_HOST, part(1)), 2);
    expect_walk(begin(HOST, part(1)), 2);
    site_put(&site, "example.com/c", "c", 1);
    let(3, false);
    expect_walk(begin(HOST, part(1)), 3);
}

static void one_host_leaves_turns_for_others(void **state)
{
    int fds[3];

    (void)state;
    fds[0] = begin(HOST, part(1));
    until_begun(1);
    fds[1] = begin(HOST, part(2));
    until_requests(2);
    assert_int_equal(status_of(begin(HOST, part(3))), 503);
    fds[2] = begin(OTHER_HOST, part(4));
    until_requests(3);
    let(3, false);
    for (unsigned i = 0; i < 3; i++)
        expect_walk(fds[i], i + 1);
}

/* So that one who asks for much takes no one else's away. */
static void of_one_host_little_is_kept(void **state)
{
    (void)state;
    let(UINT_MAX, false);
    expect_walk(begin(OTHER_HOST, part(0)), 1);
    for (unsigned i = 1; i <= 100; i++)
        expect_walk(begin(HOST, part(i)), i + 1);
    expect_walk(begin(HOST, part(0)), 1);
    expect_walk(begin(HOST, part(100)), 101);
    expect_walk(begin(HOST, part(1)), 102);
}

static void what_nobody_waits_for_is_not_begun(void **state)
{
    int first = begin(HOST, part(1)), second;

    (void)state;
    until_begun(1);
    second = begin(HOST, part(2));
    until_requests(2);
    close(second);
    until_requests(1);
    let(2, false);
    expect_walk(first, 1);
    expect_walk(begin(HOST, part(3)), 2);
}

static void what_failed_is_tried_again(void **state)
{
    (void)state;
    let(1, true);
    assert_int_equal(status_of(begin(HOST, part(1))), 500);
    let(2, false);
    expect_walk(begin(HOST, part(1)), 2);
}

/* And then it waits for the same walk, though something has changed. */
static void who_waits_for_long_is_told_to_ask_again(void **state)
{
    (void)state;
    do
        assert_int_equal(status_of(begin(HOST, WHOLE)), 503);
    while (begun() == 0);
    site_put(&site, "example.com/b", "b", 1);
    assert_int_equal(status_of(begin(HOST, WHOLE)), 503);
    assert_int_equal(begun(), 1);
    let(UINT_MAX, false);
    while (status_of(begin(HOST, WHOLE)) != 200)
        usleep(1000);
}

static void the_end_waits_for_nobody(void **state)
{
    int fd = begin(HOST, part(1));

    (void)state;
    until_begun(1);
    close(begin(HOST, part(2)));
    let(UINT_MAX, false);
    site_stop(&site, 0);
    site_start(&site, NULL);
    close(fd);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(a_walk_holds_nobody_up),
        CASE(who_asks_for_the_same_shares_a_walk),
        CASE(a_part_is_as_new_as_the_catalogue),
        CASE(one_host_leaves_turns_for_others),
        CASE(of_one_host_little_is_kept),
        CASE(what_nobody_waits_for_is_not_begun),
        CASE(what_failed_is_tried_again),
        cmocka_unit_test_setup_teardown(who_waits_for_long_is_told_to_ask_again, start_impatient,
                                        stop),
        CASE(the_end_waits_for_nobody),
    };
    return cmocka_run_group_tests_name("http_ranges", tests, NULL, NULL);
}
