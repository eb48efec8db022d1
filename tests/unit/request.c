/* SPDX-License-Identifier: ISC */
#include "src/request.h"

#include <stdio.h>
#include <string.h>

#include "src/base/rng.h"
#include "tests/unit/unit.h"

#define ETAG "\"0123\""
enum { HEADERS_MAX = 8 };

/* A request of one line and some headers, "Name: value" each. */
struct asked {
    struct request_head head;
    struct request_header headers[HEADERS_MAX];
};

static void ask(struct asked *a, const char *line, const char *const *headers)
{
    struct span rest = span_of(line);

    memset(a, 0, sizeof(*a));
    a->head.method = span_take(&rest, ' ');
    a->head.target = span_take(&rest, ' ');
    a->head.version = rest;
    a->head.headers = a->headers;
    for (; headers && *headers; headers++) {
        struct span value = span_of(*headers);
        struct span name = span_take(&value, ':');
        assert_true(a->head.count < HEADERS_MAX);
        a->headers[a->head.count++] = (struct request_header){name, span_trim(value)};
    }
}

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void shapes_that_smuggle_are_refused(void **state)
{
    const struct {
        const char *line;
        const char *const *headers;
        enum request_shape shape;
    } rows[] = {
        {"GET /a/b HTTP/1.1", HEADERS("Host: x"), REQUEST_FINE},
        {"GET /a/b HTTP/1.0", NULL, REQUEST_FINE},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "Content-Length: 3"), REQUEST_FINE},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "transfer-encoding: Chunked"), REQUEST_FINE},
        {"GET /a HTTP/1.1", HEADERS("Host: x", "Content-Length: 0"), REQUEST_FINE},
        {"GET /a HTTP/1.1", HEADERS("Host: x", "Content-Length: 1"), REQUEST_BODY},
        {"DELETE /a HTTP/1.1", HEADERS("Host: x", "Transfer-Encoding: chunked"), REQUEST_BODY},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "Content-Length: 3", "Transfer-Encoding: chunked"),
         REQUEST_BOTH_LENGTHS},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "Content-Length: 3", "Content-Length: 4"),
         REQUEST_BAD_LENGTH},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "Content-Length: 3", "content-length: 3"),
         REQUEST_BAD_LENGTH},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "Content-Length: 3, 3"), REQUEST_BAD_LENGTH},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "Content-Length: +3"), REQUEST_BAD_LENGTH},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "Content-Length: "), REQUEST_BAD_LENGTH},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "Transfer-Encoding: xchunked"),
         REQUEST_BAD_ENCODING},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "Transfer-Encoding: gzip, chunked"),
         REQUEST_BAD_ENCODING},
        {"PUT /a HTTP/1.1", HEADERS("Host: x", "Transfer-Encoding: identity"),
         REQUEST_BAD_ENCODING},
        {"PUT /a HTTP/1.1",
         HEADERS("Host: x", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
         REQUEST_BAD_ENCODING},
        {"PUT /a HTTP/1.0", HEADERS("Host: x", "Transfer-Encoding: chunked"), REQUEST_BAD_ENCODING},
        {"GET /a HTTP/1.1", HEADERS("Host : x"), REQUEST_BAD_NAME},
        {"GET /a HTTP/1.1", HEADERS("Host: x", "A\x01: x"), REQUEST_BAD_NAME},
        {"GET /a HTTP/1.1", HEADERS("Host: x", ": x"), REQUEST_BAD_NAME},
        {"GET /a HTTP/1.1", NULL, REQUEST_BAD_HOST},
        {"GET /a HTTP/1.1", HEADERS("Host: x", "Host: x"), REQUEST_BAD_HOST},
        {"GET /a HTTP/1.2", HEADERS("Host: x"), REQUEST_BAD_VERSION},
        {"GET /a HTTP/2.0", HEADERS("Host: x"), REQUEST_BAD_VERSION},
        {"GET /a ", HEADERS("Host: x"), REQUEST_BAD_VERSION},
        {"FROBNICATE /a HTTP/1.1", HEADERS("Host: x"), REQUEST_BAD_METHOD},
        {"get /a HTTP/1.1", HEADERS("Host: x"), REQUEST_BAD_METHOD},
        {"GET http://evil/a HTTP/1.1", HEADERS("Host: x"), REQUEST_BAD_TARGET},
        {"GET * HTTP/1.1", HEADERS("Host: x"), REQUEST_BAD_TARGET},
        {"GET  HTTP/1.1", HEADERS("Host: x"), REQUEST_BAD_TARGET},
        {"GET /a#b HTTP/1.1", HEADERS("Host: x"), REQUEST_BAD_TARGET},
    };
    struct asked a;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        bool has_body;
        ask(&a, rows[i].line, rows[i].headers);
        if (request_shape(&a.head, &has_body) != rows[i].shape)
            fail_msg("row %zu (%s): not %s", i, rows[i].line,
                     request_shape_sentence(rows[i].shape));
    }
}

static void a_body_is_told_of(void **state)
{
    struct asked a;
    bool has_body;

    (void)state;
    ask(&a, "PUT /a HTTP/1.1", HEADERS("Host: x", "Content-Length: 0"));
    assert_int_equal(request_shape(&a.head, &has_body), REQUEST_FINE);
    assert_false(has_body);
    ask(&a, "PUT /a HTTP/1.1", HEADERS("Host: x", "Content-Length: 1"));
    assert_int_equal(request_shape(&a.head, &has_body), REQUEST_FINE);
    assert_true(has_body);
    ask(&a, "PUT /a HTTP/1.1", HEADERS("Host: x", "Transfer-Encoding: chunked"));
    assert_int_equal(request_shape(&a.head, &has_body), REQUEST_FINE);
    assert_true(has_body);
}

static void forwarded_and_foreign_hosts_are_seen(void **state)
{
    static const char *const ours[] = {"web1", "localhost", "127.0.0.1", "fd00::1"};
    const struct {
        const char *const *headers;
        bool forwarded;
    } rows[] = {
        {HEADERS("Host: localhost:80"), false},
        {HEADERS("Host: LOCALHOST"), false},
        {HEADERS("Host: [fd00::1]:80"), false},
        {HEADERS("Host: [fd00::1]"), false},
        {HEADERS("Host: localhost:81"), true},
        {HEADERS("Host: evil.example.com"), true},
        {HEADERS("Host: localhost.evil"), true},
        {HEADERS("Host: [fd00::1"), true},
        {HEADERS("Host: [fd00::1]x"), true},
        {HEADERS("Host: localhost:x"), true},
        {HEADERS("Host: "), true},
        {HEADERS("Host: localhost", "X-Forwarded-For: 10.0.0.1"), true},
        {HEADERS("Host: localhost", "forwarded: for=10.0.0.1"), true},
        {HEADERS("Host: localhost", "Via: 1.1 proxy"), true},
    };
    struct asked a;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        ask(&a, "GET /a HTTP/1.1", rows[i].headers);
        if (request_is_forwarded(&a.head, ours, 4, 80) != rows[i].forwarded)
            fail_msg("row %zu: %s", i, rows[i].headers[0]);
    }
}

static void circles_are_seen(void **state)
{
    struct asked a;

    (void)state;
    ask(&a, "GET /a HTTP/1.1", HEADERS("Via: 1.1 gw (carpond), 1.1 web1 (carpond)"));
    assert_true(request_is_circle(&a.head, "web1"));
    assert_true(request_is_circle(&a.head, "gw"));
    assert_false(request_is_circle(&a.head, "web"));
    ask(&a, "GET /a HTTP/1.1", HEADERS("Via: 1.1 x", "Via: 1.1 web1 (carpond)"));
    assert_true(request_is_circle(&a.head, "web1"));
    ask(&a, "GET /a HTTP/1.1", HEADERS("Via: 1.1 web1 (squid)", "Via:", "Via: ,,"));
    assert_false(request_is_circle(&a.head, "web1"));
}

static void query_arguments_are_unescaped(void **state)
{
    struct span query = span_of("a=1&name=x%2fy+z&b&e=%zz&z=%00&name=no");
    char out[8];

    (void)state;
    assert_true(request_query(query, "name", out, sizeof(out)));
    assert_string_equal(out, "x/y z");
    assert_true(request_query(query, "b", out, sizeof(out)));
    assert_string_equal(out, "");
    assert_false(request_query(query, "e", out, sizeof(out)));
    assert_false(request_query(query, "z", out, sizeof(out)));
    assert_false(request_query(query, "c", out, sizeof(out)));
    assert_false(request_query(query, "name", out, 5)); /* it does not fit */
    assert_true(request_query(query, "name", out, 6));
}

static void dates_are_read_back(void **state)
{
    static const char *const wrong[] = {
        "",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
    };
    char text[HTTP_DATE_SIZE];
    int64_t back;

    (void)state;
    assert_string_equal(http_date_write(784111777, text), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_true(http_date_read(span_of(text), &back));
    assert_int_equal(back, 784111777);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_false(http_date_read(span_of(wrong[i]), &back));
    http_date_write(INT64_MAX, text);
    http_date_write(INT64_MIN, text);
}

static void conditions_are_judged_in_their_order(void **state)
{
    /* Last-Modified is 784111777: Sun, 06 Nov 1994 08:49:37 GMT. */
    const struct {
        const char *const *headers;
        enum request_condition result;
    } rows[] = {
        {HEADERS("X: y"), REQUEST_GO_ON},
        {HEADERS("If-None-Match: " ETAG), REQUEST_NOT_MODIFIED},
        {HEADERS("If-None-Match: W/" ETAG), REQUEST_NOT_MODIFIED},
        {HEADERS("If-None-Match: \"x\", " ETAG), REQUEST_NOT_MODIFIED},
        {HEADERS("If-None-Match: *"), REQUEST_NOT_MODIFIED},
        {HEADERS("If-None-Match: \"x\""), REQUEST_GO_ON},
        {HEADERS("If-None-Match: 0123"), REQUEST_GO_ON},
        {HEADERS("If-None-Match: \"x\"", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"),
         REQUEST_GO_ON},
        {HEADERS("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"), REQUEST_NOT_MODIFIED},
        {HEADERS("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT"), REQUEST_GO_ON},
        {HEADERS("If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT"), REQUEST_GO_ON},
        {HEADERS("If-Modified-Since: yesterday"), REQUEST_GO_ON},
        {HEADERS("If-Match: " ETAG), REQUEST_GO_ON},
        {HEADERS("If-Match: *"), REQUEST_GO_ON},
        {HEADERS("If-Match: W/" ETAG), REQUEST_PRECONDITION_FAILED},
        {HEADERS("If-Match: \"x\""), REQUEST_PRECONDITION_FAILED},
        {HEADERS("If-Match: \"x\"", "If-None-Match: *"), REQUEST_PRECONDITION_FAILED},
        {HEADERS("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"), REQUEST_GO_ON},
        {HEADERS("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT"),
         REQUEST_PRECONDITION_FAILED},
    };
    struct asked a;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        ask(&a, "GET /a HTTP/1.1", rows[i].headers);
        if (request_conditions(&a.head, ETAG, 784111777) != rows[i].result)
            fail_msg("row %zu: %s", i, rows[i].headers[0]);
    }
}

static void changes_have_conditions(void **state)
{
    struct asked a;

    (void)state;
    ask(&a, "PUT /a HTTP/1.1", HEADERS("If-None-Match: *"));
    assert_true(request_may_change(&a.head, NULL));
    assert_false(request_may_change(&a.head, ETAG));
    ask(&a, "PUT /a HTTP/1.1", HEADERS("If-Match: " ETAG));
    assert_false(request_may_change(&a.head, NULL));
    assert_true(request_may_change(&a.head, ETAG));
    assert_false(request_may_change(&a.head, "\"x\""));
    ask(&a, "PUT /a HTTP/1.1", NULL);
    assert_true(request_may_change(&a.head, NULL));
    assert_true(request_may_change(&a.head, ETAG));
}

static void ranges_are_read(void **state)
{
    const struct {
        const char *range;
        uint64_t size;
        enum request_range result;
        uint64_t from, len;
    } rows[] = {
        {"bytes=0-0", 10, RANGE_ONE, 0, 1},
        {"bytes=2-5", 10, RANGE_ONE, 2, 4},
        {"bytes=2-", 10, RANGE_ONE, 2, 8},
        {"bytes=2-99", 10, RANGE_ONE, 2, 8},
        {"Bytes=2-18446744073709551615", 10, RANGE_ONE, 2, 8},
        {"bytes=-3", 10, RANGE_ONE, 7, 3},
        {"bytes=-99", 10, RANGE_ONE, 0, 10},
        {"bytes= 2-5", 10, RANGE_ONE, 2, 4},
        {"bytes=10-", 10, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-1", 0, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=5-2", 10, RANGE_NONE, 0, 0},
        {"bytes=0-1,3-4", 10, RANGE_NONE, 0, 0},
        {"bytes=18446744073709551616-", 10, RANGE_NONE, 0, 0},
        {"bytes=", 10, RANGE_NONE, 0, 0},
        {"bytes=-", 10, RANGE_NONE, 0, 0},
        {"bytes", 10, RANGE_NONE, 0, 0},
        {"bytes=x-", 10, RANGE_NONE, 0, 0},
        {"bytes=1-x", 10, RANGE_NONE, 0, 0},
        {"bytes=--1", 10, RANGE_NONE, 0, 0},
        {"lines=0-1", 10, RANGE_NONE, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint64_t from = 0, len = 0;
        char header[80];
        struct asked a;
        snprintf(header, sizeof(header), "Range: %s", rows[i].range);
        ask(&a, "GET /a HTTP/1.1", HEADERS(header));
        if (request_range(&a.head, ETAG, rows[i].size, &from, &len) != rows[i].result ||
            from != rows[i].from || len != rows[i].len)
            fail_msg("%s of %d", rows[i].range, (int)rows[i].size);
    }
}

static void if_range_wants_the_same_thing(void **state)
{
    const struct {
        const char *value;
        enum request_range result;
    } rows[] = {
        {"If-Range: " ETAG, RANGE_ONE},
        {"If-Range: W/" ETAG, RANGE_NONE},
        {"If-Range: \"x\"", RANGE_NONE},
        {"If-Range: Sun, 06 Nov 1994 08:49:37 GMT", RANGE_NONE},
        {"If-Range: Sun, 06 Nov 1994 08:49:38 GMT", RANGE_NONE},
        {"If-Range:", RANGE_NONE},
    };
    uint64_t from, len;
    struct asked a;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        ask(&a, "GET /a HTTP/1.1", HEADERS("Range: bytes=0-1", rows[i].value));
        if (request_range(&a.head, ETAG, 10, &from, &len) != rows[i].result)
            fail_msg("%s", rows[i].value);
    }
}

/* A range that is taken lies within the object, whatever is asked. */
static void random_ranges_stay_within(void **state)
{
    static const char letters[] = "0123456789-=, bytes";
    struct rng rng = {.state = 7};

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char header[40] = "Range: bytes=";
        size_t at = strlen(header), end = at + rng_below(&rng, 24);
        uint64_t size = rng_below(&rng, 1000), from, len;
        struct asked a;
        while (at < end)
            header[at++] = letters[rng_below(&rng, sizeof(letters) - 1)];
        header[at] = '\0';
        ask(&a, "GET /a HTTP/1.1", HEADERS(header));
        if (request_range(&a.head, ETAG, size, &from, &len) != RANGE_ONE)
            continue;
        if (len == 0 || from >= size || len > size - from)
            fail_msg("seed 7, step %d: %s of %d", i, header, (int)size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_that_smuggle_are_refused),
        cmocka_unit_test(a_body_is_told_of),
        cmocka_unit_test(forwarded_and_foreign_hosts_are_seen),
        cmocka_unit_test(circles_are_seen),
        cmocka_unit_test(query_arguments_are_unescaped),
        cmocka_unit_test(dates_are_read_back),
        cmocka_unit_test(conditions_are_judged_in_their_order),
        cmocka_unit_test(changes_have_conditions),
        cmocka_unit_test(ranges_are_read),
        cmocka_unit_test(if_range_wants_the_same_thing),
        cmocka_unit_test(random_ranges_stay_within),
    };
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
