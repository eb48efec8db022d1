/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "src/clock.h"
#include "src/fetch.h"
#include "src/frames.h"
#include "tests/unit/flights_script.h"
#include "tests/unit/site.h"
#include "tests/unit/unit.h"

/*
 * Several contents in one answer. We are the master of paris; its slave asks. What is to be fetched
 * are beginnings of the script's bytes: let in so many bytes, and those that are no longer are
 * there.
 */
#define SLAVE_HOST "127.0.0.7"

enum { ANSWER = 2 << 20 }; /* bytes; a host has room for two */

static struct site site;

/* The content of this length, which is not here; the version tells of no other. */
static void adopt_as(const char *name, uint64_t version, size_t size, struct digest *sum)
{
    struct manifest m = {.node = "far1", .size = size, .mode = 0644};
    struct store_job job = {.kind = STORE_ADOPT};
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);

    snprintf(m.name, sizeof(m.name), "%s", name);
    m.version.bits = (UINT64_C(1795000000000) << 16) + version;
    m.chunk_size = chunk_size_for(size);
    digest_of(script.bytes, size, &m.sha256);
    digest_of(&m.sha256, sizeof(m.sha256), &m.chunks);
    *sum = m.sha256;
    manifest_write(&m, &text);
    job.text = (struct span){text.at, text.len};
    assert_int_equal(store_do(site.store, &job), STORE_OK);
}

static void adopt(size_t size, struct digest *sum)
{
    char name[64];

    snprintf(name, sizeof(name), "example.com/far/%zu", size);
    adopt_as(name, 0, size, sum);
}

/* Content that is here. */
static void put(const char *name, size_t size, struct digest *sum)
{
    char *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, (int)size, size);
    site_put(&site, name, bytes, size);
    digest_of(bytes, size, sum);
    free(bytes);
}

static int start(void **state)
{
    static struct member tier[2];

    tier[0] = site_member("127.0.0.1", MEMBER_CANDIDATE, "paris");
    tier[1] = site_member("127.0.0.0/24", MEMBER_SLAVE, "paris");
    (void)state;
    for (size_t i = 0; i < sizeof(script.bytes); i++)
        script.bytes[i] = (char)(i * 2654435761u >> 11);
    script.had = 0;
    script.failed = script.full = false;
    script.joined = script.left = 0;
    site_start(&site, &(struct site_options){.members = tier,
                                             .member_count = 2,
                                             .reply_memory = 8 * ANSWER,
                                             .metrics_len = ANSWER,
                                             .limits = {.window_ns = MONO_S(600)}});
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

static void write_target(const struct digest *sums, size_t count, char *out, size_t cap)
{
    struct text target = text_over(out, cap);

    text_puts(&target, FRAMES_PATH "?" FRAMES_ARG);
    for (size_t i = 0; i < count; i++) {
        text_puts(&target, i > 0 ? "," : "");
        text_hex(&target, sums[i].bytes, sizeof(sums[i].bytes));
    }
    assert_false(target.full);
}

static int ask_as(const char *host, const struct digest *sums, size_t count)
{
    int fd = site_connect_from(&site, host);
    char target[4096], text[5000];

    write_target(sums, count, target, sizeof(target));
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target);
    send_text(fd, text);
    return fd;
}

static int ask(const struct digest *sums, size_t count)
{
    return ask_as(SLAVE_HOST, sums, count);
}

/* What came: of each that was asked for the status, and in which place it came. */
struct came {
    unsigned status[FRAMES_MAX];
    size_t place[FRAMES_MAX];
    size_t count;
};

static size_t find(const struct digest *sums, size_t count, const struct digest *sum)
{
    size_t i = 0;

    while (i < count && !digest_same(&sums[i], sum))
        i++;
    assert_in_range(i, 0, count - 1);
    return i;
}

static void take_apart(struct span bytes, const struct digest *sums, size_t count,
                       struct came *came)
{
    struct frames frames;
    struct digest sum;
    struct span part;
    size_t i;

    memset(came, 0, sizeof(*came));
    frames_begin(&frames);
    while (frames_read(&frames, &bytes, &part) == FRAMES_FRAME) {
        i = find(sums, count, &frames.frame.sha256);
        assert_int_equal(came->status[i], 0);
        came->status[i] = frames.frame.status;
        came->place[i] = came->count++;
        if (frames.frame.status != 200)
            continue;
        assert_int_equal(frames_read(&frames, &bytes, &part), FRAMES_BYTES);
        digest_of(part.at, part.len, &sum);
        assert_true(digest_same(&sum, &sums[i]));
    }
    assert_int_equal(bytes.len, 0);
    assert_int_equal(came->count, count);
}

static void expect_frames(int fd, const struct digest *sums, size_t count, struct came *came)
{
    struct answer a;

    read_answer(fd, false, &a);
    expect(&a, 200, NULL);
    take_apart((struct span){a.body, a.len}, sums, count, came);
    answer_free(&a);
    close(fd);
}

static void what_is_at_hand_comes_at_once(void **state)
{
    struct digest sums[FRAMES_MAX];
    struct came came;
    char name[64];

    (void)state;
    for (size_t i = 0; i < FRAMES_MAX; i++) {
        snprintf(name, sizeof(name), "example.com/here/%zu", i);
        put(name, 4000 + i, &sums[i]);
    }
    expect_frames(ask(sums, FRAMES_MAX), sums, FRAMES_MAX, &came);
    for (size_t i = 0; i < FRAMES_MAX; i++)
        assert_int_equal(came.status[i], 200);
}

static void expect_each(int fd, const struct digest *sums, size_t count, unsigned status)
{
    struct came came;

    expect_frames(fd, sums, count, &came);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(came.status[i], status);
}

static void put_large_ones(struct digest sums[FRAMES_MAX])
{
    char name[64];

    for (size_t i = 0; i < FRAMES_MAX; i++) {
        snprintf(name, sizeof(name), "example.com/here/%zu", i);
        put(name, FRAME_CONTENT_MAX - i, &sums[i]);
    }
}

/* More than is read in advance. */
static void large_ones_come_all_the_same(void **state)
{
    struct digest sums[FRAMES_MAX];

    (void)state;
    put_large_ones(sums);
    expect_each(ask(sums, FRAMES_MAX), sums, FRAMES_MAX, 200);
}

static void each_is_answered_for_itself(void **state)
{
    enum { HERE, TOO_LARGE, UNKNOWN, FAR, SUMS };
    struct digest sums[SUMS];
    struct came came;
    int fd;

    (void)state;
    put("example.com/here", 10, &sums[HERE]);
    put("example.com/large", FRAME_CONTENT_MAX + 1, &sums[TOO_LARGE]);
    memset(&sums[UNKNOWN], 7, sizeof(sums[UNKNOWN]));
    adopt(1000, &sums[FAR]);
    fd = ask(sums, SUMS);
    until(&script.joined, 1);
    assert_true(script.share.kind == SHARE_MEMBER);
    let_in(1000, false);
    expect_frames(fd, sums, SUMS, &came);
    assert_int_equal(came.status[HERE], 200);
    assert_int_equal(came.status[TOO_LARGE], 404);
    assert_int_equal(came.status[UNKNOWN], 404);
    assert_int_equal(came.status[FAR], 200);
    until(&script.left, 1);
}

static void a_slow_one_delays_nobody(void **state)
{
    enum { SLOW, QUICK, HERE, SUMS };
    struct digest sums[SUMS];
    struct came came;
    int fd;

    (void)state;
    put("example.com/here", 10, &sums[HERE]);
    adopt(5000, &sums[SLOW]);
    adopt(1000, &sums[QUICK]);
    fd = ask(sums, SUMS);
    until(&script.joined, 2);
    let_in(1000, false);
    until(&script.left, 1); /* the quick one's reader: it has gone out */
    let_in(4000, false);
    expect_frames(fd, sums, SUMS, &came);
    for (size_t i = 0; i < SUMS; i++)
        assert_int_equal(came.status[i], 200);
    assert_true(came.place[HERE] < came.place[QUICK] && came.place[QUICK] < came.place[SLOW]);
}

static void what_fails_or_finds_no_place_is_told(void **state)
{
    struct digest sums[2];
    struct came came;
    int fd;

    (void)state;
    put("example.com/here", 10, &sums[0]);
    adopt(1000, &sums[1]);
    fd = ask(sums, 2);
    until(&script.joined, 1);
    let_in(0, true);
    expect_frames(fd, sums, 2, &came);
    assert_int_equal(came.status[0], 200);
    assert_int_equal(came.status[1], 503);
    pthread_mutex_lock(&script.lock);
    script.full = true;
    pthread_mutex_unlock(&script.lock);
    expect_frames(ask(sums, 2), sums, 2, &came);
    assert_int_equal(came.status[0], 200);
    assert_int_equal(came.status[1], 503);
}

/* Who hears nothing for long takes us for broken. */
static void what_takes_long_is_asked_for_alone(void **state)
{
    struct digest sums[2];
    mono_t asked = clock_mono();
    struct came came;

    (void)state;
    put("example.com/here", 10, &sums[0]);
    adopt(1000, &sums[1]);
    expect_frames(ask(sums, 2), sums, 2, &came);
    assert_int_equal(came.status[0], 200);
    assert_int_equal(came.status[1], 503);
    assert_true(mono_between(asked, clock_mono()) < MONO_S(FETCH_STALL_S - 2));
    until(&script.left, 1);
}

static void nothing_is_fetched_for_who_wants_the_cached_only(void **state)
{
    struct digest sums[2];
    char target[4096];
    struct came came;
    struct answer a;

    (void)state;
    put("example.com/here", 10, &sums[0]);
    adopt(1000, &sums[1]);
    write_target(sums, 2, target, sizeof(target));
    ask_from(&site, SLAVE_HOST, "GET", target, "Cache-Control: only-if-cached\r\n", &a);
    expect(&a, 200, NULL);
    take_apart((struct span){a.body, a.len}, sums, 2, &came);
    answer_free(&a);
    assert_int_equal(came.status[0], 200);
    assert_int_equal(came.status[1], 504);
    assert_int_equal(count_of(&script.joined), 0);
}

/* Two nodes did not know of each other: the older content is kept where it is, and never comes to
 * where it is not. */
static void what_is_kept_beside_the_newest_is_not_fetched(void **state)
{
    enum { HERE, KEPT, SUMS };
    struct digest sums[SUMS];
    struct came came;

    (void)state;
    adopt_as("example.com/twice", 0, 1000, &sums[KEPT]);
    adopt_as("example.com/twice", 1, 2000, &sums[HERE]);
    put("example.com/here", 10, &sums[HERE]);
    expect_frames(ask(sums, SUMS), sums, SUMS, &came);
    assert_int_equal(came.status[HERE], 200);
    assert_int_equal(came.status[KEPT], 404);
    assert_int_equal(count_of(&script.joined), 0);
}

/* Nor does its chunk list. */
static void the_list_of_what_is_kept_beside_the_newest_is_not_fetched(void **state)
{
    char target[128], hex[DIGEST_HEX_SIZE];
    struct digest kept, newest;
    struct answer a;

    (void)state;
    adopt_as("example.com/twice", 0, CHUNK_SIZE_MIN + 1, &kept);
    adopt_as("example.com/twice", 1, CHUNK_SIZE_MIN + 2, &newest);
    snprintf(target, sizeof(target), "/.pond/chunks/%s", digest_hex(&kept, hex));
    ask_from(&site, SLAVE_HOST, "GET", target, "", &a);
    expect(&a, 404, NULL);
    answer_free(&a);
    assert_int_equal(count_of(&script.joined), 0);
}

/* Answers of ours that nobody reads take all the room that this host has. */
static void take_room(int fds[2])
{
    char first;

    for (size_t i = 0; i < 2; i++) {
        fds[i] = site_connect_narrow(&site, SLAVE_HOST);
        send_text(fds[i], "GET /.pond/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        assert_int_equal(recv(fds[i], &first, 1, MSG_PEEK), 1);
    }
}

static void until_empty(void)
{
    struct http_figures figures;

    do {
        usleep(1000);
        http_figures(site.http, &figures);
    } while (figures.connections > 0);
}

static void what_has_no_room_is_asked_for_alone(void **state)
{
    struct digest sums[2];
    int fds[2];

    (void)state;
    put("example.com/here", 10, &sums[0]);
    adopt(1000, &sums[1]);
    let_in(1000, false);
    take_room(fds);
    expect_each(ask(sums, 2), sums, 2, 503);
    expect_each(ask_as("127.0.0.8", sums, 2), sums, 2, 200);
    for (size_t i = 0; i < 2; i++)
        close(fds[i]);
    until_empty();
    expect_each(ask(sums, 2), sums, 2, 200);
}

/* What does not fit beside the rest goes out after it. */
static void a_batch_goes_through_less_room_than_it_needs(void **state)
{
    struct digest sums[FRAMES_MAX];

    (void)state;
    put_large_ones(sums);
    site_stop(&site, 0);
    site.options.reply_memory = 10 * FRAME_CONTENT_MAX; /* of which the host has a quarter */
    site_start(&site, NULL);
    site_publish(&site, "paris", BALLOT_MASTER, "127.0.0.1", MONO_NEVER);
    expect_each(ask(sums, FRAMES_MAX), sums, FRAMES_MAX, 200);
}

/* One object goes out in smaller pieces. */
static void a_stream_needs_no_room(void **state)
{
    enum { SIZE = sizeof(script.bytes) };
    struct digest sum;
    struct answer a;
    char name[64];
    int fds[2];

    (void)state;
    adopt(SIZE, &sum);
    let_in(SIZE, false);
    take_room(fds);
    snprintf(name, sizeof(name), "/example.com/far/%d", SIZE);
    ask_from(&site, SLAVE_HOST, "GET", name, "", &a);
    expect(&a, 200, NULL);
    assert_int_equal(a.len, SIZE);
    assert_memory_equal(a.body, script.bytes, SIZE);
    answer_free(&a);
    for (size_t i = 0; i < 2; i++)
        close(fds[i]);
}

static void a_client_that_vanishes_is_noticed(void **state)
{
    struct digest sums[2];
    int fd;

    (void)state;
    adopt(1000, &sums[0]);
    adopt(2000, &sums[1]);
    fd = ask(sums, 2);
    until(&script.joined, 2);
    close(fd);
    until(&script.left, 2);
}

/* It is no name that is fetched: what the rules say of those that are decides. */
static void rules_judge_the_names_and_not_the_batch(void **state)
{
    struct digest sums[2];
    struct came came;

    (void)state;
    put("example.com/public/a", 1000, &sums[0]);
    put("example.com/other/b", 1001, &sums[1]);
    site_rule(
        &site,
        "rule1 = -,,sendme,,,nothing is fetched\nrule2 = +,,sendme,public,,but what is public\n");
    expect_frames(ask(sums, 2), sums, 2, &came);
    assert_int_equal(came.status[0], 200);
    assert_int_equal(came.status[1], 404);
}

static void expect_refused(const struct digest *sums, size_t count)
{
    char target[4096];
    struct answer a;

    write_target(sums, count, target, sizeof(target));
    ask_from(&site, SLAVE_HOST, "GET", target, "", &a);
    expect(&a, 400, NULL);
    answer_free(&a);
}

static void a_list_that_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {FRAMES_PATH, FRAMES_PATH "?of=", FRAMES_PATH "?of=abc",
                                        FRAMES_PATH "?to=7"};
    struct digest sums[FRAMES_MAX + 1];
    struct answer a;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        ask_from(&site, SLAVE_HOST, "GET", wrong[i], "", &a);
        expect(&a, 400, NULL);
        answer_free(&a);
    }
    for (size_t i = 0; i <= FRAMES_MAX; i++)
        memset(&sums[i], 7 + (int)i, sizeof(sums[i]));
    expect_refused(sums, FRAMES_MAX + 1);
    sums[7] = sums[2];
    expect_refused(sums, 8);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(what_is_at_hand_comes_at_once),
        TEST(large_ones_come_all_the_same),
        TEST(each_is_answered_for_itself),
        TEST(a_slow_one_delays_nobody),
        TEST(what_fails_or_finds_no_place_is_told),
        TEST(what_takes_long_is_asked_for_alone),
        TEST(nothing_is_fetched_for_who_wants_the_cached_only),
        TEST(what_is_kept_beside_the_newest_is_not_fetched),
        TEST(the_list_of_what_is_kept_beside_the_newest_is_not_fetched),
        TEST(what_has_no_room_is_asked_for_alone),
        TEST(a_batch_goes_through_less_room_than_it_needs),
        TEST(a_stream_needs_no_room),
        TEST(a_client_that_vanishes_is_noticed),
        TEST(a_list_that_is_none_is_refused),
        TEST(rules_judge_the_names_and_not_the_batch),
    };
    return cmocka_run_group_tests_name("http_contents", tests, NULL, NULL);
}
