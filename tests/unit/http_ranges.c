/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "src/clock.h"
#include "tests/unit/site.h"
#include "tests/unit/unit.h"

/*
 * Digests of ranges of names, asked for by others, and pages of names where most are kept back. The
 * store's walks are this file's (the linker wraps them), so that one takes as long as the test
 * wants.
 */
#define HOST "127.0.0.7"
#define OTHER_HOST "127.0.0.8"
#define WHOLE "/.pond/ranges?from=&to=&parts=1"
#define HIDDEN "example.com/hidden" /* where a look for a page comes to */

static struct site site;

/* ---- the walk -------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned begun, let; /* walks that were begun, and those of them that may end */
    bool fails;
    _Atomic bool is_full;   /* a page has names behind it */
    _Atomic bool is_real;   /* pages are the store's own */
    char looked[NAME_SIZE]; /* from where a page was looked for last, on an HTTP worker */
} walks = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Begins one more, and waits until it may end; returns its number. */
static unsigned take_turn(bool *fails)
{
    unsigned number;

    pthread_mutex_lock(&walks.lock);
    number = ++walks.begun;
    pthread_cond_broadcast(&walks.changed);
    while (walks.let < number)
        pthread_cond_wait(&walks.changed, &walks.lock);
    *fails = walks.fails;
    pthread_mutex_unlock(&walks.lock);
    return number;
}

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
    range.count = take_turn(&fails);
    visit(arg, &range);
    return fails ? STORE_FAILED : STORE_OK;
}

static void forget_look(void)
{
    pthread_mutex_lock(&walks.lock);
    *walks.looked = '\0';
    pthread_mutex_unlock(&walks.lock);
}

/* Of each page, asked for from another name, the first look is the worker's, which waits for
 * nothing. The walk then looks twice. */
static bool is_workers(struct span from)
{
    bool is;

    pthread_mutex_lock(&walks.lock);
    is = !span_is(from, HIDDEN) && !span_is(from, walks.looked);
    if (is)
        assert_true(span_copy(from, walks.looked, sizeof(walks.looked)));
    pthread_mutex_unlock(&walks.lock);
    return is;
}

enum store_status __real_store_range_page(struct store *store, const struct store_sight *sight,
                                          struct span from, struct span to, struct text *out,
                                          char next[NAME_SIZE], bool *full);
enum store_status __wrap_store_range_page(struct store *store, const struct store_sight *sight,
                                          struct span from, struct span to, struct text *out,
                                          char next[NAME_SIZE], bool *full);
enum store_status __wrap_store_range_page(struct store *store, const struct store_sight *sight,
                                          struct span from, struct span to, struct text *out,
                                          char next[NAME_SIZE], bool *full)
{
    bool fails = false;

    if (walks.is_real)
        return __real_store_range_page(store, sight, from, to, out, next, full);
    *full = false;
    snprintf(next, NAME_SIZE, HIDDEN);
    if (is_workers(from))
        return STORE_OK;
    text_printf(out, "%u\n", take_turn(&fails));
    *full = span_is(from, HIDDEN) && walks.is_full;
    if (span_is(from, HIDDEN) && !walks.is_full)
        *next = '\0';
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
    walks.is_full = false;
    walks.is_real = false;
    forget_look();
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

static const char *page(unsigned number)
{
    static char target[64];

    snprintf(target, sizeof(target), "/.pond/catalogue?from=%u&to=", number);
    return target;
}

/* It is the page that was filled by these looks. */
static void expect_page(int fd, const char *body, const char *more)
{
    struct answer a;

    read_answer(fd, false, &a);
    expect(&a, 200, body);
    expect_header(&a, "Pond-More", more);
    assert_null(strstr(a.head, HIDDEN));
    answer_free(&a);
    close(fd);
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

/* ---- pages ----------------------------------------------------------------------------------- */

static void a_page_for_which_much_is_passed_over_holds_nobody_up(void **state)
{
    int fd = begin(HOST, page(1));
    struct answer a;

    (void)state;
    until_begun(1);
    ask_from(&site, OTHER_HOST, "GET", "/example.com/a", "", &a);
    expect(&a, 200, "a");
    answer_free(&a);
    let(2, false);
    expect_page(fd, "1\n2\n", "0");
}

static void what_did_not_fit_into_a_page_is_told(void **state)
{
    (void)state;
    walks.is_full = true;
    let(2, false);
    expect_page(begin(HOST, page(1)), "1\n2\n", "1");
}

static void pages_take_turns_as_ranges_do(void **state)
{
    int fds[3];

    (void)state;
    fds[0] = begin(HOST, page(1));
    until_begun(1);
    fds[1] = begin(HOST, part(2));
    until_requests(2);
    assert_int_equal(status_of(begin(HOST, page(3))), 503);
    fds[2] = begin(OTHER_HOST, part(4));
    until_requests(3);
    let(4, false);
    expect_page(fds[0], "1\n2\n", "0");
    expect_walk(fds[1], 3);
    expect_walk(fds[2], 4);
}

/* Its asker had to go before it was made, and asks again: though something has changed. */
static void a_page_that_was_begun_is_there_for_the_next(void **state)
{
    int fd = begin(HOST, page(1));

    (void)state;
    until_begun(1);
    close(fd);
    until_requests(0);
    let(1, false);
    until_begun(2);
    site_put(&site, "example.com/b", "b", 1);
    forget_look();
    fd = begin(HOST, page(1));
    until_requests(1);
    let(UINT_MAX, false);
    expect_page(fd, "1\n2\n", "0");
}

static void a_page_that_failed_is_made_again(void **state)
{
    (void)state;
    let(1, true);
    assert_int_equal(status_of(begin(HOST, page(1))), 500);
    let(3, false);
    forget_look();
    expect_page(begin(HOST, page(1)), "2\n3\n", "0");
}

static void count_done(struct store_job *job)
{
    atomic_fetch_add((atomic_int *)job->owner, 1);
}

/* Names below many/ that are heard of. */
static void hear_of(int count)
{
    struct store_job *jobs = calloc((size_t)count, sizeof(*jobs));
    char(*texts)[512] = calloc((size_t)count, sizeof(*texts));
    atomic_int done = 0;

    assert_true(jobs && texts);
    for (int i = 0; i < count; i++) {
        struct manifest m = {.node = "far1", .size = 10, .chunk_size = chunk_size_for(10)};
        struct text text = TEXT_OVER(texts[i]);
        digest_of(&m, sizeof(m), &m.sha256);
        digest_of(&m.sha256, sizeof(m.sha256), &m.chunks);
        m.version.bits = UINT64_C(1795000000000) << 16;
        snprintf(m.name, sizeof(m.name), "example.com/many/%d", i);
        manifest_write(&m, &text);
        jobs[i] = (struct store_job){
            .kind = STORE_ADOPT, .text = {text.at, text.len}, .done = count_done, .owner = &done};
        store_submit(site.store, &jobs[i]);
    }
    while (atomic_load(&done) < count)
        usleep(1000);
    free(texts);
    free(jobs);
}

/* With the store's own pages: what is shown stands behind more than one look takes in. */
static void the_last_of_many_that_are_kept_back_is_found(void **state)
{
    struct store_figures figures;
    struct answer a;

    (void)state;
    walks.is_real = true;
    site_rule(&site, "rule1 = -,,sendme,many,,kept back\n");
    hear_of(STORE_RANGE_LOOKS + 1);
    store_figures(site.store, &figures);
    assert_int_equal(figures.objects, STORE_RANGE_LOOKS + 2);
    site_put(&site, "example.com/z", "a", 1);
    ask_from(&site, HOST, "GET", "/.pond/catalogue?from=example.com/b&to=", "", &a);
    expect(&a, 200, NULL);
    expect_header(&a, "Pond-More", "0");
    assert_non_null(strstr(a.body, "example.com/z\n"));
    assert_null(strstr(a.body, "many"));
    answer_free(&a);
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
        CASE(a_page_for_which_much_is_passed_over_holds_nobody_up),
        CASE(what_did_not_fit_into_a_page_is_told),
        CASE(pages_take_turns_as_ranges_do),
        CASE(a_page_that_was_begun_is_there_for_the_next),
        CASE(a_page_that_failed_is_made_again),
        CASE(the_last_of_many_that_are_kept_back_is_found),
    };
    return cmocka_run_group_tests_name("http_ranges", tests, NULL, NULL);
}
