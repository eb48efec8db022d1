/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "src/clock.h"
#include "src/fetch.h"
#include "tests/unit/flights_script.h"
#include "tests/unit/site.h"
#include "tests/unit/unit.h"

/*
 * What is not at hand, as it is served while it comes in. The flights are scripted here: bytes are
 * let in by the test, and the end by success or failure.
 */
#define NAME "example.com/far"
static struct site site;

/* A manifest from elsewhere, whose content is not here. */
static void adopt(size_t size)
{
    struct manifest m = {.node = "far1", .size = size, .mode = 0644};
    struct store_job job = {.kind = STORE_ADOPT};
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct store_entry entry;

    assert_true(span_copy(span_of(NAME), m.name, sizeof(m.name)));
    m.version.bits = UINT64_C(1795000000000) << 16;
    if (store_find(site.store, span_of(NAME), &entry) == STORE_OK)
        m.version.bits = entry.manifest.version.bits + 1;
    m.chunk_size = chunk_size_for(size);
    digest_of(script.bytes, size, &m.sha256);
    if (chunk_count(size, m.chunk_size) == 1)
        digest_of(&m.sha256, sizeof(m.sha256), &m.chunks);
    else
        memset(&m.chunks, 7, sizeof(m.chunks)); /* nobody asks for the list here */
    manifest_write(&m, &text);
    job.text = (struct span){text.at, text.len};
    assert_int_equal(store_do(site.store, &job), STORE_OK);
}

/* We are the master of paris. */
static void start_again(void)
{
    site_start(&site, NULL);
    site_publish(&site, "paris", BALLOT_MASTER, "127.0.0.1", MONO_NEVER);
}

static int start(void **state)
{
    static struct member tier[2]; /* for other starts of the site too */

    tier[0] = site_member("127.0.0.1", MEMBER_CANDIDATE, "paris");
    tier[1] = site_member("127.0.0.0/24", MEMBER_SLAVE, "paris");
    (void)state;
    for (size_t i = 0; i < sizeof(script.bytes); i++)
        script.bytes[i] = (char)(i * 2654435761u >> 11);
    site_start(&site,
               &(struct site_options){.limits = {.head_ns = MONO_S(5), .window_ns = MONO_MS(1000)},
                                      .members = tier,
                                      .member_count = sizeof(tier) / sizeof(*tier)});
    site_publish(&site, "paris", BALLOT_MASTER, "127.0.0.1", MONO_NEVER);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    site_stop(&site, 0);
    site_remove(&site);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    until(&script.left, count_of(&script.joined)); /* of the test before */
    pthread_mutex_lock(&script.lock);
    script.had = 0;
    script.failed = script.full = script.listed = script.passes = false;
    script.joined = script.left = script.started = script.waits = 0;
    pthread_mutex_unlock(&script.lock);
    adopt(sizeof(script.bytes));
    return 0;
}

static int ask(const char *method, const char *headers)
{
    int fd = site_connect(&site);
    char text[256];

    snprintf(text, sizeof(text), "%s /" NAME " HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method,
             headers);
    send_text(fd, text);
    return fd;
}

static void content_streams_as_it_comes(void **state)
{
    int fd = ask("GET", "");
    struct answer a;

    (void)state;
    until(&script.joined, 1);
    for (size_t had = 0; had < sizeof(script.bytes); had += 1 << 16)
        let_in(1 << 16, false);
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Cache-Status"), SITE_NODE "; fwd=miss; stored");
    assert_int_equal(a.len, sizeof(script.bytes));
    assert_memory_equal(a.body, script.bytes, a.len);
    answer_free(&a);
    close(fd);
    until(&script.left, 1);
}

static void what_is_only_passed_on_is_not_said_to_be_stored(void **state)
{
    struct answer a;
    int fd;

    (void)state;
    script.passes = true;
    fd = ask("GET", "");
    until(&script.joined, 1);
    let_in(sizeof(script.bytes), false);
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Cache-Status"), SITE_NODE "; fwd=miss");
    answer_free(&a);
    close(fd);
    until(&script.left, 1);
}

static void a_range_waits_for_its_own_bytes(void **state)
{
    int fd = ask("GET", "Range: bytes=1000-1999\r\n");
    struct answer a;

    (void)state;
    until(&script.joined, 1);
    let_in(1500, false);
    let_in(500, false);
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 206);
    assert_int_equal(a.len, 1000);
    assert_memory_equal(a.body, script.bytes + 1000, 1000);
    answer_free(&a);
    close(fd);
}

/* Before the first byte it can still be told; behind it, only by a body that is too short. */
static void failures_are_never_a_short_success(void **state)
{
    int fd = ask("GET", "");
    struct answer a;

    (void)state;
    until(&script.joined, 1);
    let_in(0, true);
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 503);
    assert_string_equal(answer_header(&a, "Retry-After"), "1");
    answer_free(&a);
    close(fd);
    let_in(0, false);
    fd = ask("GET", "");
    until(&script.joined, 2);
    let_in(5000, false);
    usleep(50000); /* so that some of it may be on its way; the check holds either way */
    let_in(0, true);
    read_answer(fd, false, &a);
    assert_true(a.status == 503 || (a.status == 200 && !a.whole && a.len <= 5000));
    answer_free(&a);
    close(fd);
    until(&script.left, 2);
}

/* While a reader waits a newer version comes, and nobody has the old one any more. */
static void the_newer_version_is_served_where_the_old_is_gone(void **state)
{
    int fd = ask("GET", "");
    struct answer a;

    (void)state;
    until(&script.joined, 1);
    adopt(1 << 16);
    let_in(0, true);
    until(&script.left, 1);
    let_in(1 << 16, false);
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, 1 << 16);
    assert_memory_equal(a.body, script.bytes, a.len);
    answer_free(&a);
    close(fd);
    until(&script.left, 2);
}

/* It needs no source; but others are told that it is here only once it has landed. */
static void empty_content_is_landed_all_the_same(void **state)
{
    struct answer a;
    int fd;

    (void)state;
    adopt(0);
    fd = ask("GET", "");
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, 0);
    assert_int_equal(count_of(&script.started), 1);
    answer_free(&a);
    close(fd);
}

static void too_many_readers_are_told_to_come_later(void **state)
{
    struct answer a;
    int fd;

    (void)state;
    pthread_mutex_lock(&script.lock);
    script.full = true;
    pthread_mutex_unlock(&script.lock);
    fd = ask("GET", "");
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 503);
    answer_free(&a);
    close(fd);
}

/* Its answer waited for us once: from then on it waits for the client again. */
static void a_reader_that_stops_reading_is_cut_off(void **state)
{
    int fd = site_connect_narrow(&site, "127.0.0.1");
    struct answer a;
    mono_t since;

    (void)state;
    send_text(fd, "GET /" NAME " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    until(&script.waits, 1);
    let_in(1000, false);
    until(&script.waits, 2);
    let_in(sizeof(script.bytes) - 1000, false);
    since = clock_mono();
    until(&script.left, 1);
    assert_true(mono_between(since, clock_mono()) < MONO_S(5));
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_false(a.whole);
    answer_free(&a);
    close(fd);
}

/* libmicrohttpd does not see it; the reaper does. */
static void a_client_that_vanishes_is_noticed(void **state)
{
    int before = ask("GET", ""), behind;

    (void)state;
    until(&script.joined, 1);
    close(before);
    until(&script.left, 1);
    behind = ask("GET", "");
    until(&script.joined, 2);
    let_in(5000, false);
    usleep(50000);
    close(behind);
    until(&script.left, 2);
}

static void head_and_others_fetch_nothing(void **state)
{
    struct answer a;
    int fd = ask("HEAD", "");

    (void)state;
    read_answer(fd, true, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Content-Length"), "1048576");
    answer_free(&a);
    close(fd);
    fd = ask("GET", "Via: 1.1 elsewhere (carpond)\r\n");
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 404);
    assert_string_equal(a.body, "the object is known, its content is not at hand\n");
    answer_free(&a);
    close(fd);
    assert_int_equal(count_of(&script.joined), 0);
}

static void write_at(const char *path, off_t at)
{
    int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "rot", 3, at), 3);
    close(fd);
}

/* The disk rots where it keeps that content, and the node is started. */
static void let_rot(const struct digest *sha256, off_t at)
{
    char hex[DIGEST_HEX_SIZE], path[256];

    digest_hex(sha256, hex);
    site_stop(&site, 0);
    snprintf(path, sizeof(path), "%s/content/%.2s/%s", site.folder, hex, hex);
    assert_int_equal(chmod(path, 0600), 0);
    write_at(path, at);
    start_again();
}

/* Puts it in, lets the disk rot at `at`, and asks for it after a start. */
static int ask_for_rotten(off_t at)
{
    struct store_entry entry;

    site_put(&site, NAME, script.bytes, sizeof(script.bytes));
    assert_int_equal(store_find(site.store, span_of(NAME), &entry), STORE_OK);
    let_rot(&entry.manifest.sha256, at);
    return ask("GET", "");
}

/* What has rotted is never sent: the answer breaks off before it, or, where nothing was sent yet,
 * it is fetched anew. */
static void rot_is_never_served(void **state)
{
    int fd = ask_for_rotten(900000);
    struct answer a;

    (void)state;
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_false(a.whole);
    assert_true(a.len < 900000);
    assert_memory_equal(a.body, script.bytes, a.len);
    answer_free(&a);
    close(fd);
    assert_int_equal(count_of(&script.joined), 0);
    fd = ask_for_rotten(5);
    until(&script.joined, 1);
    let_in(sizeof(script.bytes), false);
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_true(a.whole);
    assert_memory_equal(a.body, script.bytes, a.len);
    answer_free(&a);
    close(fd);
}

/* Nobody is told which version others keep beside the newest. */
static void what_is_kept_beside_the_newest_is_not_fetched(void **state)
{
    char target[128], version[VERSION_TEXT_SIZE];
    struct store_entry entry;
    struct answer a;

    (void)state;
    site_put(&site, NAME, "kept", 4);
    assert_int_equal(store_find(site.store, span_of(NAME), &entry), STORE_OK);
    adopt(sizeof(script.bytes)); /* by one who did not know of that */
    snprintf(target, sizeof(target), "/" NAME "?version=%s",
             version_text(entry.manifest.version, version));
    ask_tcp(&site, "GET", target, "", &a);
    expect(&a, 200, "kept");
    answer_free(&a);
    let_rot(&entry.manifest.sha256, 0);
    ask_tcp(&site, "GET", target, "", &a);
    expect(&a, 404, NULL);
    answer_free(&a);
    assert_int_equal(count_of(&script.joined), 0);
}

/* Many readers, woken again and again, on two workers: no wake is lost. */
static void many_readers_get_all_of_it(void **state)
{
    enum { MANY = 32 };
    int fds[MANY];

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        fds[i] = ask("GET", "");
    until(&script.joined, MANY);
    for (size_t had = 0; had < sizeof(script.bytes); had += 1 << 12)
        let_in(1 << 12, false);
    for (size_t i = 0; i < MANY; i++) {
        struct answer a;
        read_answer(fds[i], false, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.len, sizeof(script.bytes));
        assert_memory_equal(a.body, script.bytes, a.len);
        answer_free(&a);
        close(fds[i]);
    }
}

/* Suspended readers at the end: they are woken, and nothing is left behind. */
static void stopping_ends_those_who_wait(void **state)
{
    int fds[8];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        fds[i] = ask("GET", "");
    until(&script.joined, 8);
    let_in(100, false);
    site_stop(&site, MONO_MS(50));
    assert_int_equal(count_of(&script.left), 8);
    for (size_t i = 0; i < 8; i++) {
        struct answer a;
        read_answer(fds[i], false, &a);
        assert_true(!a.whole || a.status == 503);
        answer_free(&a);
        close(fds[i]);
    }
    start_again();
}

/* ---- for the members of the tier that we lead ------------------------------------------------ */

static void what_a_member_lacks_is_fetched_for_it(void **state)
{
    int fd = site_connect_from(&site, "127.0.0.7");
    struct answer a;

    (void)state;
    send_text(fd, "GET /" NAME " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                  "Via: 1.1 web9 (carpond), 1.1 web7 (carpond)\r\n\r\n");
    until(&script.joined, 1);
    assert_string_equal(script.via, "1.1 web9 (carpond), 1.1 web7 (carpond)");
    assert_true(script.share.kind == SHARE_MEMBER && script.share.host.ip[15] == 7);
    let_in(sizeof(script.bytes), false);
    read_answer(fd, false, &a);
    expect(&a, 200, NULL);
    assert_memory_equal(a.body, script.bytes, sizeof(script.bytes));
    answer_free(&a);
    close(fd);
}

/* It would go with what is fetched for all, and end as a circle. */
static void nobody_says_unsigned_through_whom_it_came(void **state)
{
    struct site_options plain = site.options;
    int fd;

    (void)state;
    site_stop(&site, 0);
    plain.key = "a key of the tests";
    plain.plain_get = true;
    site_start(&site, &plain);
    site_publish(&site, "paris", BALLOT_MASTER, "127.0.0.1", MONO_NEVER);
    fd = site_connect_from(&site, "127.0.0.7");
    send_text(fd, "GET /" NAME " HTTP/1.1\r\nHost: 127.0.0.1\r\nVia: 1.1 gw1 (carpond)\r\n\r\n");
    until(&script.joined, 1);
    assert_string_equal(script.via, "");
    close(fd);
    site_stop(&site, 0);
    plain.key = NULL;
    site_start(&site, &plain);
    site_publish(&site, "paris", BALLOT_MASTER, "127.0.0.1", MONO_NEVER);
}

/* Neither for a member nor for the own host: it wants to know what is at hand. */
static void nothing_is_fetched_for_who_wants_the_cached_only(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "127.0.0.7"};
    struct answer a;

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        ask_from(&site, hosts[i], "GET", "/" NAME,
                 "Cache-Control: no-transform, only-if-cached\r\n", &a);
        expect(&a, 504, NULL);
        answer_free(&a);
        ask_from(&site, hosts[i], "HEAD", "/" NAME, "Cache-Control: Only-If-Cached\r\n", &a);
        assert_int_equal(a.status, 504);
        answer_free(&a);
    }
    assert_int_equal(count_of(&script.joined), 0);
}

/* Where there is no room on the disk it is in no store. */
static void the_list_of_a_flight_is_waited_for(void **state)
{
    struct store_entry entry;
    char hex[DIGEST_HEX_SIZE], text[256];
    struct answer a;
    int fd = site_connect_from(&site, "127.0.0.7");

    (void)state;
    adopt(sizeof(script.bytes) - 1); /* of which no test before has left a list */
    assert_int_equal(store_find(site.store, span_of(NAME), &entry), STORE_OK);
    snprintf(text, sizeof(text), "GET /.pond/chunks/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
             digest_hex(&entry.manifest.sha256, hex));
    send_text(fd, text);
    until(&script.joined, 1);
    let_in_list(4);
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, sizeof(script.list));
    assert_memory_equal(a.body, script.list, sizeof(script.list));
    answer_free(&a);
    close(fd);
    until(&script.left, 1);
}

/* We have no source ourselves: silence would be blamed on us. */
static void members_are_told_in_time_to_ask_again(void **state)
{
    int fd = site_connect_from(&site, "127.0.0.7");
    mono_t asked = clock_mono();
    struct answer a;

    (void)state;
    send_text(fd, "GET /" NAME " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    read_answer(fd, false, &a);
    expect(&a, 503, NULL);
    expect_header(&a, "Retry-After", "1");
    assert_true(mono_between(asked, clock_mono()) < MONO_S(FETCH_STALL_S - 2));
    answer_free(&a);
    close(fd);
}

static bool never(struct site *of, struct ask *ask)
{
    (void)of, (void)ask;
    return false;
}

/* Nor do those whom we ask whether there is such an object. */
static void members_are_told_in_time_that_nobody_answers(void **state)
{
    int fd = site_connect_from(&site, "127.0.0.7");
    mono_t asked = clock_mono();
    struct answer a;

    (void)state;
    site.answer = never;
    send_text(fd, "GET /example.com/unheard HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    read_answer(fd, false, &a);
    site.answer = NULL;
    expect(&a, 503, NULL);
    expect_header(&a, "Retry-After", "1");
    assert_true(mono_between(asked, clock_mono()) < MONO_S(FETCH_STALL_S - 2));
    answer_free(&a);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(content_streams_as_it_comes, begin),
        cmocka_unit_test_setup(what_is_only_passed_on_is_not_said_to_be_stored, begin),
        cmocka_unit_test_setup(a_range_waits_for_its_own_bytes, begin),
        cmocka_unit_test_setup(failures_are_never_a_short_success, begin),
        cmocka_unit_test_setup(the_newer_version_is_served_where_the_old_is_gone, begin),
        cmocka_unit_test_setup(empty_content_is_landed_all_the_same, begin),
        cmocka_unit_test_setup(too_many_readers_are_told_to_come_later, begin),
        cmocka_unit_test_setup(a_reader_that_stops_reading_is_cut_off, begin),
        cmocka_unit_test_setup(a_client_that_vanishes_is_noticed, begin),
        cmocka_unit_test_setup(head_and_others_fetch_nothing, begin),
        cmocka_unit_test_setup(rot_is_never_served, begin),
        cmocka_unit_test_setup(what_is_kept_beside_the_newest_is_not_fetched, begin),
        cmocka_unit_test_setup(many_readers_get_all_of_it, begin),
        cmocka_unit_test_setup(stopping_ends_those_who_wait, begin),
        cmocka_unit_test_setup(what_a_member_lacks_is_fetched_for_it, begin),
        cmocka_unit_test_setup(nobody_says_unsigned_through_whom_it_came, begin),
        cmocka_unit_test_setup(nothing_is_fetched_for_who_wants_the_cached_only, begin),
        cmocka_unit_test_setup(the_list_of_a_flight_is_waited_for, begin),
        cmocka_unit_test_setup(members_are_told_in_time_to_ask_again, begin),
        cmocka_unit_test_setup(members_are_told_in_time_that_nobody_answers, begin),
    };
    return cmocka_run_group_tests_name("http_flight", tests, start, stop);
}
