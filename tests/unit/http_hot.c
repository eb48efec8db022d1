/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/site.h"
#include "tests/unit/unit.h"

/*
 * Small objects that are asked for again and again: they come from memory, and are never an old
 * version, nor one that is gone, nor somebody's for whom they are not. We are the master of a tier,
 * whose slaves are 127.0.0.0/24.
 */
#define NAME "example.com/a"
#define OTHER "127.0.0.2"
#define BACKUP "127.0.0.3"
#define SLAVE "127.0.0.7"
#define STRANGER "127.1.0.7"

static struct site site;

/* How often the catalogue was asked for a name. */
static _Atomic unsigned looked;

enum store_status __real_store_find(struct store *store, struct span name, struct store_entry *out);
enum store_status __wrap_store_find(struct store *store, struct span name, struct store_entry *out);
enum store_status __wrap_store_find(struct store *store, struct span name, struct store_entry *out)
{
    atomic_fetch_add(&looked, 1);
    return __real_store_find(store, name, out);
}

static int start(void **state)
{
    const struct member tier[] = {
        site_member("127.0.0.1", MEMBER_CANDIDATE, "paris"),
        site_member(OTHER, MEMBER_CANDIDATE, "paris"),
        site_member(BACKUP, MEMBER_CANDIDATE, "paris"),
        site_member("127.0.0.0/24", MEMBER_SLAVE, "paris"),
    };

    (void)state;
    site_start(&site, &(struct site_options){.members = tier,
                                             .member_count = 4,
                                             .nobroadcast = true,
                                             .threads = 2,
                                             .hot_ns = MONO_S(3600)});
    site_publish(&site, "paris", BALLOT_MASTER, "127.0.0.1", MONO_NEVER);
    site_put(&site, NAME, "one", 3);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    site_stop(&site, 0);
    site_remove(&site);
    return 0;
}

/* From the third time on it comes from memory: the catalogue is not asked. */
static void heat(const char *host)
{
    struct answer a;

    for (int i = 0; i < 3; i++) {
        if (i == 2)
            atomic_store(&looked, 0);
        ask_from(&site, host, "GET", "/" NAME, "", &a);
        expect(&a, 200, NULL);
        answer_free(&a);
    }
    assert_int_equal(atomic_load(&looked), 0);
}

static void expect_now(const char *host, const char *method, const char *headers, unsigned status,
                       const char *body)
{
    struct answer a;

    ask_from(&site, host, method, "/" NAME, headers, &a);
    expect(&a, status, body);
    answer_free(&a);
}

static char *head_of(const char *host)
{
    struct answer a;
    char *head, *date;

    ask_from(&site, host, "GET", "/" NAME, "", &a);
    expect(&a, 200, "one");
    head = strdup(a.head);
    assert_non_null(head);
    date = strstr(head, "Date: ");
    assert_non_null(date);
    memset(date, 'd', strcspn(date, "\r"));
    answer_free(&a);
    return head;
}

/* ---- the same answer ------------------------------------------------------------------------- */

static void the_answer_from_memory_is_the_same(void **state)
{
    char *cold = head_of(SLAVE), *hot;

    (void)state;
    heat(SLAVE);
    hot = head_of(SLAVE);
    assert_string_equal(hot, cold);
    free(hot);
    free(cold);
}

static void larger_ones_are_whole(void **state)
{
    static char bytes[64 * 1024 + 1];
    struct answer a;

    (void)state;
    for (size_t len = 16 * 1024; len < sizeof(bytes); len += 16 * 1024 - 1) {
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)('a' + i * 7 % 23);
        site_put(&site, NAME, bytes, len);
        heat(SLAVE);
        ask_from(&site, SLAVE, "GET", "/" NAME, "", &a);
        expect(&a, 200, NULL);
        assert_int_equal(a.len, len);
        assert_memory_equal(a.body, bytes, len);
        answer_free(&a);
    }
}

/* What leads to another answer, or to none, is seen to each time. */
static void what_is_asked_otherwise_is_answered_so(void **state)
{
    (void)state;
    heat(SLAVE);
    expect_now(SLAVE, "GET", "Range: bytes=1-\r\n", 206, "ne");
    expect_now(SLAVE, "GET", "If-None-Match: *\r\n", 304, NULL);
    expect_now(SLAVE, "GET", "If-Match: \"x\"\r\n", 412, NULL);
    expect_now(SLAVE, "GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304, NULL);
    expect_now(SLAVE, "GET", "If-Unmodified-Since: Sat, 05 Nov 1994 08:49:37 GMT\r\n", 412, NULL);
    expect_now(SLAVE, "GET", "", 200, "one");
    expect_now(STRANGER, "GET", "", 403, NULL);
}

static void only_members_are_told_the_epoch(void **state)
{
    struct answer a;

    (void)state;
    for (int i = 0; i < 2; i++) {
        heat("127.0.0.1");
        heat(SLAVE);
    }
    atomic_store(&looked, 0);
    ask_from(&site, SLAVE, "GET", "/" NAME, "", &a);
    expect_header(&a, "Pond-Epoch", "14");
    answer_free(&a);
    ask_tcp(&site, "GET", "/" NAME, "", &a);
    assert_null(answer_header(&a, "Pond-Epoch"));
    answer_free(&a);
    assert_int_equal(atomic_load(&looked), 0);
}

static void that_there_is_no_master_is_told_at_once(void **state)
{
    struct answer a;

    (void)state;
    heat("127.0.0.1");
    site_publish(&site, "paris", BALLOT_BACKUP, NULL, MONO_NEVER);
    ask_tcp(&site, "GET", "/" NAME, "", &a);
    expect(&a, 200, "one");
    expect_header(&a, "Cache-Status", SITE_NODE "; hit; detail=stale");
    answer_free(&a);
    site_publish(&site, "paris", BALLOT_MASTER, "127.0.0.1", MONO_NEVER);
    ask_tcp(&site, "GET", "/" NAME, "", &a);
    expect_header(&a, "Cache-Status", SITE_NODE "; hit");
    answer_free(&a);
}

/* ---- what changes ---------------------------------------------------------------------------- */

static void change(enum store_job_kind kind)
{
    struct store_job job = {.kind = kind, .manifest.name = NAME};

    assert_int_equal(store_do(site.store, &job), STORE_OK);
}

static void a_new_version_is_served_at_once(void **state)
{
    (void)state;
    heat(SLAVE);
    site_put(&site, NAME, "two", 3);
    expect_now(SLAVE, "GET", "", 200, "two");
    heat(SLAVE);
    expect_now(SLAVE, "GET", "", 200, "two");
}

static void the_same_content_of_a_new_version_is_new(void **state)
{
    struct answer a;
    char version[64];

    (void)state;
    heat(SLAVE);
    ask_from(&site, SLAVE, "GET", "/" NAME, "", &a);
    snprintf(version, sizeof(version), "%s", answer_header(&a, "Pond-Version"));
    answer_free(&a);
    site_put(&site, NAME, "one", 3);
    ask_from(&site, SLAVE, "GET", "/" NAME, "", &a);
    assert_string_not_equal(answer_header(&a, "Pond-Version"), version);
    answer_free(&a);
}

static void what_is_removed_is_gone_at_once(void **state)
{
    (void)state;
    heat(SLAVE);
    change(STORE_REMOVE);
    expect_now(SLAVE, "GET", "", 404, NULL);
}

/* A backup asks another for what that holds, and no more. */
static void what_is_not_at_hand_is_not_served(void **state)
{
    (void)state;
    site_publish(&site, "paris", BALLOT_BACKUP, OTHER, MONO_NEVER);
    heat(BACKUP);
    change(STORE_DROP);
    expect_now(BACKUP, "GET", "", 404, NULL);
}

/* A change of something else costs one look. */
static void another_name_takes_nothing_away(void **state)
{
    (void)state;
    heat(SLAVE);
    site_put(&site, "example.com/b", "b", 1);
    expect_now(SLAVE, "GET", "", 200, "one");
    assert_int_equal(atomic_load(&looked), 1);
    expect_now(SLAVE, "GET", "", 200, "one");
    assert_int_equal(atomic_load(&looked), 1);
}

static void a_catalogue_that_is_made_anew_is_asked(void **state)
{
    struct store_report report;

    (void)state;
    heat(SLAVE);
    assert_int_equal(store_rebuild(site.store, &report), STORE_OK);
    expect_now(SLAVE, "GET", "", 200, "one");
    assert_true(atomic_load(&looked) > 0);
}

/* ---- while it changes ------------------------------------------------------------------------ */

enum { VERSIONS = 100, READERS = 3 };

static _Atomic unsigned put; /* the last one that was acknowledged */
static _Atomic bool over;

/* Versions never go back, and one that was acknowledged before the request is not missed. */
static void *read_on(void *arg)
{
    int fd = site_connect_from(&site, SLAVE);
    unsigned last = 0, least, got;
    struct answer a;

    while (!atomic_load(&over)) {
        least = atomic_load(&put);
        send_text(fd, "GET /" NAME " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        read_answer(fd, false, &a);
        if (a.status != 200 || sscanf(a.body, "version %u", &got) != 1 || got < least || got < last)
            abort();
        last = got;
        answer_free(&a);
    }
    close(fd);
    return arg;
}

static void put_number(unsigned number)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "version %u", number);

    site_put(&site, NAME, text, (size_t)len);
    atomic_store(&put, number);
}

static void versions_never_go_back(void **state)
{
    pthread_t readers[READERS];

    (void)state;
    atomic_store(&over, false);
    put_number(0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    for (unsigned i = 1; i < VERSIONS; i++)
        put_number(i);
    atomic_store(&over, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_answer_from_memory_is_the_same, start, stop),
        cmocka_unit_test_setup_teardown(larger_ones_are_whole, start, stop),
        cmocka_unit_test_setup_teardown(what_is_asked_otherwise_is_answered_so, start, stop),
        cmocka_unit_test_setup_teardown(only_members_are_told_the_epoch, start, stop),
        cmocka_unit_test_setup_teardown(that_there_is_no_master_is_told_at_once, start, stop),
        cmocka_unit_test_setup_teardown(a_new_version_is_served_at_once, start, stop),
        cmocka_unit_test_setup_teardown(the_same_content_of_a_new_version_is_new, start, stop),
        cmocka_unit_test_setup_teardown(what_is_removed_is_gone_at_once, start, stop),
        cmocka_unit_test_setup_teardown(what_is_not_at_hand_is_not_served, start, stop),
        cmocka_unit_test_setup_teardown(another_name_takes_nothing_away, start, stop),
        cmocka_unit_test_setup_teardown(a_catalogue_that_is_made_anew_is_asked, start, stop),
        cmocka_unit_test_setup_teardown(versions_never_go_back, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
