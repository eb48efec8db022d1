/* SPDX-License-Identifier: ISC */
#include "src/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/site_file.h"
#include "tests/unit/unit.h"

/* What the HTTP server answers, as a client sees it: raw bytes over real sockets, a real store. */

#define BODY_DIGEST "sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:"

/* ---- objects --------------------------------------------------------------------------------- */

static void an_object_comes_with_its_headers(void **state)
{
    struct answer a, head;

    (void)state;
    ask_tcp(&site, "GET", TARGET, "", &a);
    expect(&a, 200, BODY);
    expect_header(&a, "ETag", "\"" BODY_SHA256 "\"");
    expect_header(&a, "Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    expect_header(&a, "Repr-Digest", BODY_DIGEST);
    expect_header(&a, "Accept-Ranges", "bytes");
    expect_header(&a, "Cache-Status", SITE_NODE "; hit");
    expect_header(&a, "Via", "1.1 " SITE_NODE " (carpond)");
    expect_header(&a, "Pond-Node", SITE_NODE);
    assert_non_null(answer_header(&a, "Pond-Version"));
    ask_tcp(&site, "HEAD", TARGET, "", &head);
    expect(&head, 200, "");
    expect_header(&head, "Content-Length", "10");
    expect_header(&head, "ETag", "\"" BODY_SHA256 "\"");
    answer_free(&a);
    answer_free(&head);
}

static void ranges_and_conditions_are_heeded(void **state)
{
    struct answer a;

    (void)state;
    get(TARGET, "Range: bytes=2-5\r\n", 206, "2345");
    get(TARGET, "Range: bytes=-3\r\n", 206, "789");
    get(TARGET, "Range: bytes=7-\r\n", 206, "789");
    get(TARGET, "Range: bytes=0-1,3-4\r\n", 200, BODY);
    get(TARGET, "Range: bytes=2-5\r\nIf-Range: \"x\"\r\n", 200, BODY);
    get(TARGET, "Range: bytes=2-5\r\nIf-Range: \"" BODY_SHA256 "\"\r\n", 206, "2345");
    ask_tcp(&site, "GET", TARGET, "Range: bytes=3-4\r\n", &a);
    expect_header(&a, "Content-Range", "bytes 3-4/10");
    answer_free(&a);
    ask_tcp(&site, "GET", TARGET, "Range: bytes=10-\r\n", &a);
    expect(&a, 416, NULL);
    expect_header(&a, "Content-Range", "bytes */10");
    answer_free(&a);
    ask_tcp(&site, "GET", TARGET, "If-None-Match: \"" BODY_SHA256 "\"\r\n", &a);
    expect(&a, 304, "");
    expect_header(&a, "Content-Length", "10"); /* what a 200 would have, or none */
    answer_free(&a);
    ask_tcp(&site, "HEAD", TARGET, "Range: bytes=2-5\r\n", &a);
    expect(&a, 200, ""); /* Range is for GET alone */
    expect_header(&a, "Content-Length", "10");
    answer_free(&a);
    get(TARGET, "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304, "");
    get(TARGET, "If-Match: \"x\"\r\n", 412, NULL);
}

static void what_is_not_there_is_404_with_a_sentence(void **state)
{
    struct answer a;

    (void)state;
    ask_tcp(&site, "GET", "/example.com/none", "", &a);
    expect(&a, 404, "there is no such object\n");
    expect_header(&a, "Content-Type", "text/plain; charset=utf-8");
    answer_free(&a);
    get("/other.org/x", "", 404, NULL);
    get(TARGET "?version=1.0", "", 404, NULL);
    get(TARGET "?version=x", "", 400, NULL);
    get("/.pond/none", "", 404, NULL);
    get("/example.com/..", "", 400, NULL);
    get("/example.com/%2e%2e/x", "", 400, NULL);
    get("/example.com/a%00b", "", 400, NULL);
    get("/example.com/a%zz", "", 400, NULL);
    get("/example.com//x", "", 400, NULL);
}

static bool nobody_knows(struct site *s, struct ask *ask)
{
    (void)s;
    ask->found = false;
    return true;
}

static bool put_meanwhile(struct site *s, struct ask *ask)
{
    site_put(s, ask->name, "late", 4);
    ask->found = true;
    return true;
}

/* Only for the own host, and only once. */
static void an_unknown_name_is_asked_for(void **state)
{
    unsigned before = atomic_load(&site.asked);

    (void)state;
    site.answer = nobody_knows;
    get("/example.com/unknown", "", 404, NULL);
    assert_int_equal(atomic_load(&site.asked) - before, 1);
    get("/example.com/unknown", FROM_OTHERS, 404, NULL);
    assert_int_equal(atomic_load(&site.asked) - before, 1);
    site.answer = put_meanwhile;
    get("/example.com/late", "", 200, "late");
    assert_int_equal(atomic_load(&site.asked) - before, 2);
    site.answer = nobody_knows;
    get(TARGET "?newest=1", "", 200, BODY);
    assert_int_equal(atomic_load(&site.asked) - before, 3);
    get(TARGET, "Cache-Control: no-cache\r\n", 200, BODY);
    assert_int_equal(atomic_load(&site.asked) - before, 4);
    site.answer = NULL;
}

static bool thinks_about_it(struct site *s, struct ask *ask)
{
    (void)s, (void)ask;
    return false;
}

/* It might go on asking for hours. */
static void a_client_that_goes_away_asks_no_more(void **state)
{
    unsigned asked = atomic_load(&site.asked), dropped = atomic_load(&site.dropped);
    int fd = site_control(&site);

    (void)state;
    site.answer = thinks_about_it;
    send_text(fd, "GET /example.com/unknown2 HTTP/1.1\r\nHost: x\r\n\r\n");
    while (atomic_load(&site.asked) == asked)
        usleep(1000);
    assert_int_equal(atomic_load(&site.dropped), dropped);
    close(fd);
    while (atomic_load(&site.dropped) == dropped)
        usleep(1000);
    site.answer = NULL;
}

static void a_circle_is_broken(void **state)
{
    (void)state;
    get("/example.com/unknown", "Via: 1.1 x, 1.1 " SITE_NODE " (carpond)\r\n", 508, NULL);
}

/* Through the callback reader the first time, by sendfile when it has been checked. */
static void large_content_is_the_same_both_ways(void **state)
{
    size_t len = 3 * 1024 * 1024 + 17;
    char *bytes = malloc(len);

    (void)state;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    site_put(&site, "example.com/large", bytes, len);
    for (int i = 0; i < 3; i++) {
        struct answer a;
        ask_tcp(&site, "GET", "/example.com/large", "", &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.len, len);
        assert_memory_equal(a.body, bytes, len);
        answer_free(&a);
        ask_tcp(&site, "GET", "/example.com/large", "Range: bytes=300001-900000\r\n", &a);
        assert_int_equal(a.status, 206);
        assert_int_equal(a.len, 600000);
        assert_memory_equal(a.body, bytes + 300001, 600000);
        answer_free(&a);
    }
    free(bytes);
}

static void a_connection_serves_many_requests(void **state)
{
    int fd = site_connect(&site);
    struct answer a;

    (void)state;
    for (int i = 0; i < 100; i++) {
        send_text(fd, "GET " TARGET " HTTP/1.1\r\nHost: localhost\r\n\r\n");
        read_answer(fd, false, &a);
        expect(&a, 200, BODY);
        answer_free(&a);
    }
    close(fd);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static void shapes_that_smuggle_are_refused(void **state)
{
#define NEXT "GET /.pond/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
    static const char *const shapes[] = {
        "PUT " TARGET " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked"
        "\r\n\r\n0\r\n\r\n" NEXT,
        "PUT " TARGET " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 0\r\n\r\n" NEXT,
        "PUT " TARGET " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n" NEXT,
        "PUT " TARGET " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" NEXT,
        "PUT " TARGET " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n" NEXT,
        "GET " TARGET " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" NEXT,
        "GET " TARGET " HTTP/1.1\r\nHost : x\r\n\r\n" NEXT,
        "GET " TARGET " HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" NEXT,
        "GET " TARGET " HTTP/1.1\r\n\r\n" NEXT,
        "GET " TARGET " HTTP/1.1\r\nHost: x\r\nA: b\r\n Transfer-Encoding: chunked\r\nX y: z"
        "\r\n\r\n" NEXT,
        "GET http://evil/x HTTP/1.1\r\nHost: x\r\n\r\n" NEXT,
        "GET " TARGET " x HTTP/1.1\r\nHost: x\r\n\r\n" NEXT,
        "GET " TARGET " HTTP/1.2\r\nHost: x\r\n\r\n" NEXT,
        "GET " TARGET "\r\nHost: x\r\n\r\n" NEXT,
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        int fd = site_connect(&site);
        struct answer a;
        send_text(fd, shapes[i]);
        read_answer(fd, false, &a);
        /* Some libmicrohttpd refuses by itself, without a word. */
        if (a.status != 400 && a.status != 0)
            fail_msg("shape %zu: %u %s", i, a.status, a.head);
        if (!is_closed(fd))
            fail_msg("shape %zu: not closed after %u %s%s", i, a.status, a.head, a.body);
        answer_free(&a);
        close(fd);
    }
}

static void other_methods_are_405(void **state)
{
    struct answer a;

    (void)state;
    ask_tcp(&site, "FROBNICATE", TARGET, "", &a);
    expect(&a, 405, NULL);
    expect_header(&a, "Allow", "GET, HEAD, PUT, DELETE");
    answer_free(&a);
    ask_control(&site, "POST", TARGET, "", "", &a);
    expect(&a, 405, NULL);
    answer_free(&a);
    ask_control(&site, "GET", "/.pond/verify", "", "", &a);
    expect(&a, 405, NULL);
    expect_header(&a, "Allow", "POST");
    answer_free(&a);
}

static void large_heads_are_refused(void **state)
{
    int fd = site_connect(&site);
    struct answer a;

    (void)state;
    send_text(fd, "GET " TARGET " HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 70; i++)
        send_text(fd, "A: b\r\n");
    send_text(fd, "\r\n");
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 431);
    answer_free(&a);
    close(fd);
}

/* The longest name, every byte of it escaped, is well within what a head may hold. */
static void the_longest_name_fits(void **state)
{
    char target[3 * NAME_MAX_LEN + 2] = "/example.com/";
    size_t at = strlen(target);
    int fd = site_connect(&site);
    struct answer a;

    (void)state;
    for (size_t len = at - 1; len < NAME_MAX_LEN; len++, at += 3)
        memcpy(target + at, "%61", 4);
    send_text(fd, "GET ");
    send_text(fd, target);
    send_text(fd, " HTTP/1.1\r\nHost: localhost\r\n" FROM_OTHERS "\r\n");
    read_answer(fd, false, &a);
    expect(&a, 404, "there is no such object\n");
    answer_free(&a);
    close(fd);
}

/* However the bytes of three requests are cut into packets, the answers are the same. */
static void requests_may_be_split_anywhere(void **state)
{
    static const char text[] = "GET " TARGET " HTTP/1.1\r\nHost: localhost\r\n\r\n"
                               "PUT /example.com/split HTTP/1.1\r\nHost: localhost\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                               "GET /example.com/split HTTP/1.1\r\nHost: localhost\r\n\r\n";

    (void)state;
    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        int fd = site_control(&site);
        struct answer a;
        send_all(fd, text, cut);
        usleep(200);
        send_all(fd, text + cut, sizeof(text) - 1 - cut);
        read_answer(fd, false, &a);
        expect(&a, 200, BODY);
        answer_free(&a);
        read_answer(fd, false, &a);
        assert_true(a.status == 200 || a.status == 201);
        answer_free(&a);
        read_answer(fd, false, &a);
        expect(&a, 200, "abcde");
        answer_free(&a);
        close(fd);
    }
}

/* ---- PUT and DELETE -------------------------------------------------------------------------- */

static void put_stores_and_rm_removes(void **state)
{
    struct store_entry entry;
    struct answer a;

    (void)state;
    ask_control(&site, "PUT", "/example.com/new%20name",
                "Pond-Mode: 750\r\nPond-Mtime: 784111777123456789\r\n", "hello", &a);
    expect(&a, 201, NULL);
    assert_non_null(answer_header(&a, "Pond-Version"));
    expect_header(&a, "ETag",
                  "\"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"");
    answer_free(&a);
    assert_int_equal(store_find(site.store, span_of("example.com/new name"), &entry), STORE_OK);
    assert_int_equal(entry.manifest.mode, 0750);
    assert_int_equal(entry.manifest.mtime_ns, 784111777123456789);
    get("/example.com/new%20name", "", 200, "hello");
    ask_control(&site, "PUT", "/example.com/new%20name", "", "world", &a);
    expect(&a, 200, NULL);
    answer_free(&a);
    get("/example.com/new%20name", "", 200, "world");
    ask_control(&site, "DELETE", "/example.com/new%20name", "", "", &a);
    expect(&a, 200, NULL);
    answer_free(&a);
    get("/example.com/new%20name", "", 404, NULL);
    ask_control(&site, "DELETE", "/example.com/new%20name", "", "", &a);
    expect(&a, 404, NULL);
    answer_free(&a);
}

static void expect_skewed(const char *method, unsigned status, const char *body)
{
    struct answer a;

    ask_control(&site, method, "/example.com/dated", "", *method == 'P' ? "new" : "", &a);
    expect(&a, status, body);
    answer_free(&a);
}

static void a_clock_that_is_off_changes_nothing(void **state)
{
    static const char behind[] = "this node's clock is 93 s behind the median of those that it "
                                 "hears: put and rm are refused until it is right; mend its NTP\n";

    (void)state;
    expect_skewed("PUT", 201, NULL);
    atomic_store(&site.skew.off_ms, -92001);
    expect_skewed("PUT", 503, behind);
    expect_skewed("DELETE", 503, behind);
    get("/example.com/dated", "", 200, "new");
    atomic_store(&site.skew.off_ms, 0);
    expect_skewed("PUT", 200, NULL);
    expect_skewed("DELETE", 200, NULL);
}

/* The clock is found to be off while the body comes. */
static void a_put_under_way_is_refused_too(void **state)
{
    char interim[64] = "";
    struct answer a;
    int fd = site_control(&site);

    (void)state;
    send_text(fd, "PUT /example.com/undated HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                  "Expect: 100-continue\r\n\r\n");
    assert_true(read(fd, interim, sizeof(interim) - 1) > 0);
    assert_non_null(strstr(interim, "100 Continue"));
    atomic_store(&site.skew.off_ms, 92000);
    send_text(fd, "late");
    read_answer(fd, false, &a);
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(a.body, "92 s ahead of the median"));
    answer_free(&a);
    close(fd);
    atomic_store(&site.skew.off_ms, 0);
    get("/example.com/undated", FROM_OTHERS, 404, NULL);
}

static void an_empty_object_is_one(void **state)
{
    struct answer a;

    (void)state;
    ask_control(&site, "PUT", "/example.com/empty", "Content-Length: 0\r\n", "", &a);
    expect(&a, 201, NULL);
    answer_free(&a);
    get("/example.com/empty", "", 200, "");
}

static void changes_are_for_the_control_socket(void **state)
{
    struct answer a;

    (void)state;
    ask_tcp(&site, "PUT", "/example.com/x", "Content-Length: 0\r\n", &a);
    expect(&a, 403, NULL);
    answer_free(&a);
    ask_tcp(&site, "DELETE", TARGET, "", &a);
    expect(&a, 403, NULL);
    answer_free(&a);
    ask_tcp(&site, "POST", "/.pond/log-level?level=error", "", &a);
    expect(&a, 403, NULL);
    answer_free(&a);
    get(TARGET, "", 200, BODY);
    get("/example.com/x", FROM_OTHERS, 404, NULL);
}

static void puts_are_held_to_what_they_say(void **state)
{
    const struct {
        const char *headers;
        unsigned status;
    } rows[] = {
        {"Content-Digest: sha-256=:"
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
         ":\r\n",
         400},
        {"Repr-Digest: sha-256=:"
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
         ":\r\n",
         400},
        {"Content-Digest: nonsense\r\n", 400},
        {"Pond-Mode: 8\r\n", 400},
        {"Pond-Mode: 17777\r\n", 400},
        {"Pond-Mtime: yesterday\r\n", 400},
        {"Pond-Copies: 2\r\n", 400},
        {"If-Match: *\r\n", 412},
        {"Content-Digest: " BODY_DIGEST "\r\nIf-None-Match: *\r\nPond-Copies: 0\r\n", 201},
        {"If-None-Match: *\r\n", 412},
        {"If-Match: \"" BODY_SHA256 "\"\r\n", 200},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct answer a;
        ask_control(&site, "PUT", "/example.com/held", rows[i].headers, BODY, &a);
        if (a.status != rows[i].status)
            fail_msg("%s: %u, not %u", rows[i].headers, a.status, rows[i].status);
        answer_free(&a);
        if (rows[i].status >= 400 && i < 8)
            get("/example.com/held", FROM_OTHERS, 404, NULL);
    }
}

static void a_put_that_breaks_off_leaves_nothing(void **state)
{
    int fd = site_control(&site);

    (void)state;
    send_text(fd, "PUT /example.com/broken HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
    close(fd);
    get(TARGET, "", 200, BODY);
    get("/example.com/broken", FROM_OTHERS, 404, NULL);
}

/* One who waits for "100 Continue" learns of the refusal before it sends anything. */
static void a_put_may_expect_to_go_on(void **state)
{
    int fd = site_control(&site);
    char interim[64] = "";
    struct answer a;

    (void)state;
    send_text(fd, "PUT /example.com/expect HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                  "Expect: 100-continue\r\n\r\n");
    assert_true(read(fd, interim, sizeof(interim) - 1) > 0);
    assert_non_null(strstr(interim, "100 Continue"));
    send_text(fd, "ok");
    read_answer(fd, false, &a);
    expect(&a, 201, NULL);
    answer_free(&a);
    close(fd);
    fd = site_connect(&site);
    send_text(fd, "PUT /example.com/expect HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                  "Expect: 100-continue\r\n\r\n");
    read_answer(fd, false, &a);
    expect(&a, 403, NULL);
    answer_free(&a);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_comes_with_its_headers),
        cmocka_unit_test(ranges_and_conditions_are_heeded),
        cmocka_unit_test(what_is_not_there_is_404_with_a_sentence),
        cmocka_unit_test(an_unknown_name_is_asked_for),
        cmocka_unit_test(a_client_that_goes_away_asks_no_more),
        cmocka_unit_test(a_circle_is_broken),
        cmocka_unit_test(large_content_is_the_same_both_ways),
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(shapes_that_smuggle_are_refused),
        cmocka_unit_test(other_methods_are_405),
        cmocka_unit_test(large_heads_are_refused),
        cmocka_unit_test(the_longest_name_fits),
        cmocka_unit_test(requests_may_be_split_anywhere),
        cmocka_unit_test(put_stores_and_rm_removes),
        cmocka_unit_test(a_clock_that_is_off_changes_nothing),
        cmocka_unit_test(a_put_under_way_is_refused_too),
        cmocka_unit_test(an_empty_object_is_one),
        cmocka_unit_test(changes_are_for_the_control_socket),
        cmocka_unit_test(puts_are_held_to_what_they_say),
        cmocka_unit_test(a_put_that_breaks_off_leaves_nothing),
        cmocka_unit_test(a_put_may_expect_to_go_on),
    };
    return cmocka_run_group_tests_name("http", tests, start, stop);
}
