/* SPDX-License-Identifier: ISC */
#include "src/fetch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/must.h"
#include "tests/unit/fetch_bench.h"
#include "tests/unit/serve.h"
#include "tests/unit/unit.h"

/* ---- hosts that play one answer ------------------------------------------------------------- */

static bool play(void *arg, const struct serve_request *request)
{
    return serve_send(request->fd, arg, strlen(arg));
}

static bool play_and_close(void *arg, const struct serve_request *request)
{
    play(arg, request);
    return false;
}

static bool play_for_ever(void *arg, const struct serve_request *request)
{
    play(arg, request);
    while (serve_text(request->fd, "%s", "0123456789"))
        ;
    return false;
}

/* Says nothing (more), until the other side has gone. */
static bool play_and_wait(void *arg, const struct serve_request *request)
{
    char byte;

    play(arg, request);
    while (read(request->fd, &byte, 1) > 0)
        ;
    return false;
}

static bool drip(void *arg, const struct serve_request *request)
{
    play(arg, request);
    while (serve_text(request->fd, "x"))
        usleep(20000);
    return false;
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* Asks a host that plays `script` for bytes 2 to 5 of 10 where `range`, else for all. */
static void ask(struct waiting *waiting, serve_answer *answer, const char *script, bool range)
{
    struct serve *serve = serve_start(answer, text(script));
    struct fetch *fetch = new_fetch(NULL);

    prepare(waiting, serve_address(serve), "/example.com/a");
    memcpy(waiting->request.etag, "\"abc\"", 6);
    if (range)
        ask_for_range(waiting, 2, 5, 10);
    carry_out(fetch, waiting);
    fetch_free(fetch);
    serve_stop(serve);
}

#define HEAD_206 "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\n"

static void a_body_is_collected(void **state)
{
    struct waiting w;

    (void)state;
    ask(&w, play, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false);
    assert_int_equal(w.request.result, FETCH_OK);
    assert_int_equal(w.request.body_len, 5);
    assert_string_equal(w.request.body, "hello");
    free(w.request.body);
}

static void an_empty_body_is_a_body(void **state)
{
    struct waiting w;

    (void)state;
    ask(&w, play, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
    assert_int_equal(w.request.result, FETCH_OK);
    assert_string_equal(w.request.body, "");
    free(w.request.body);
}

static void a_page_tells_its_place(void **state)
{
    struct waiting w;

    (void)state;
    ask(&w, play,
        "HTTP/1.1 200 OK\r\nPond-Store: 00000000deadbeef\r\nPond-Last: 77\r\nPond-More: 1\r\n"
        "Content-Length: 0\r\n\r\n",
        false);
    assert_int_equal(w.request.result, FETCH_OK);
    assert_true(w.request.store_id == 0xdeadbeef);
    assert_true(w.request.sequence_last == 77);
    assert_true(w.request.more);
    free(w.request.body);
}

/* What a host sends, and what is made of it. */
static const struct {
    const char *what;
    serve_answer *answer;
    const char *script;
    bool range;
    enum fetch_result result;
    enum peer_fault fault;
} rows[] = {
    {"a range", play, HEAD_206 "Content-Length: 4\r\n\r\ncdef", true, FETCH_OK, PEER_FINE},
    {"a range without a length", play_and_close, HEAD_206 "\r\ncdef", true, FETCH_OK, PEER_FINE},
    {"100 first", play, "HTTP/1.1 100 Continue\r\n\r\n" HEAD_206 "Content-Length: 4\r\n\r\ncdef",
     true, FETCH_OK, PEER_FINE},
    {"the right ETag", play, HEAD_206 "ETag: \"abc\"\r\nContent-Length: 4\r\n\r\ncdef", true,
     FETCH_OK, PEER_FINE},
    {"another ETag", play, HEAD_206 "ETag: \"abd\"\r\nContent-Length: 4\r\n\r\ncdef", true,
     FETCH_CHANGED, PEER_FINE},
    {"404", play, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", true, FETCH_NOT_FOUND,
     PEER_FINE},
    {"412", play, "HTTP/1.1 412 x\r\nContent-Length: 0\r\n\r\n", true, FETCH_CHANGED, PEER_FINE},
    {"503", play, "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", true, FETCH_BUSY, PEER_FINE},
    {"403", play, "HTTP/1.1 403 x\r\nContent-Length: 0\r\n\r\n", true, FETCH_FAULT, PEER_REFUSES},
    {"401 to those without keys", play,
     "HTTP/1.1 401 x\r\nWWW-Authenticate: Pond nonce=\"x\"\r\nContent-Length: 0\r\n\r\n", true,
     FETCH_FAULT, PEER_REFUSES},
    {"a redirect", play,
     "HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", true,
     FETCH_FAULT, PEER_WRONG_ANSWER},
    {"200 for a range", play, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", true,
     FETCH_FAULT, PEER_WRONG_ANSWER},
    {"206 for all", play, HEAD_206 "Content-Length: 4\r\n\r\ncdef", false, FETCH_FAULT,
     PEER_WRONG_ANSWER},
    {"another range", play,
     "HTTP/1.1 206 x\r\nContent-Range: bytes 1-4/10\r\nContent-Length: 4\r\n\r\nbcde", true,
     FETCH_FAULT, PEER_WRONG_ANSWER},
    {"another total", play,
     "HTTP/1.1 206 x\r\nContent-Range: bytes 2-5/11\r\nContent-Length: 4\r\n\r\ncdef", true,
     FETCH_FAULT, PEER_WRONG_ANSWER},
    {"an unknown total", play,
     "HTTP/1.1 206 x\r\nContent-Range: bytes 2-5/*\r\nContent-Length: 4\r\n\r\ncdef", true,
     FETCH_FAULT, PEER_WRONG_ANSWER},
    {"no Content-Range", play, "HTTP/1.1 206 x\r\nContent-Length: 4\r\n\r\ncdef", true, FETCH_FAULT,
     PEER_WRONG_ANSWER},
    {"two Content-Ranges", play,
     HEAD_206 "Content-Range: bytes 2-5/10\r\nContent-Length: 4\r\n\r\ncdef", true, FETCH_FAULT,
     PEER_WRONG_ANSWER},
    {"a shorter length than the range", play, HEAD_206 "Content-Length: 3\r\n\r\ncde", true,
     FETCH_FAULT, PEER_WRONG_ANSWER},
    {"a longer length than the range", play, HEAD_206 "Content-Length: 5\r\n\r\ncdefg", true,
     FETCH_FAULT, PEER_ENDLESS_BODY},
    {"a body that breaks off", play_and_close, HEAD_206 "Content-Length: 4\r\n\r\ncd", true,
     FETCH_FAULT, PEER_SHORT_BODY},
    {"a body without a length that breaks off", play_and_close, HEAD_206 "\r\ncd", true,
     FETCH_FAULT, PEER_SHORT_BODY},
    {"a range without an end", play_for_ever, HEAD_206 "\r\ncdef", true, FETCH_FAULT,
     PEER_ENDLESS_BODY},
    {"a body without an end", play_for_ever, "HTTP/1.1 200 OK\r\n\r\n", false, FETCH_FAULT,
     PEER_ENDLESS_BODY},
    {"a length beyond all bounds", play,
     "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", false, FETCH_FAULT,
     PEER_ENDLESS_BODY},
    {"a body that nothing vouches to be whole", play_and_close, "HTTP/1.1 200 OK\r\n\r\nhello",
     false, FETCH_FAULT, PEER_WRONG_ANSWER},
    {"a refusal without an end", play_for_ever, "HTTP/1.1 404 x\r\n\r\n", false, FETCH_NOT_FOUND,
     PEER_FINE},
    {"a head without an end", play_for_ever, "HTTP/1.1 200 OK\r\nX: ", false, FETCH_FAULT,
     PEER_WRONG_ANSWER},
    {"nothing", play_and_close, "", false, FETCH_FAULT, PEER_SILENT},
    {"nothing, at length", play_and_wait, "", false, FETCH_FAULT, PEER_SILENT},
    {"a stalled body", play_and_wait, HEAD_206 "Content-Length: 4\r\n\r\nc", true, FETCH_FAULT,
     PEER_SILENT},
    {"a dripping body", drip, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", false, FETCH_FAULT,
     PEER_SILENT},
    {"another protocol", play_and_close, "SSH-2.0-OpenSSH_9.2\r\n", false, FETCH_FAULT,
     PEER_WRONG_ANSWER},
    {"another version", play_and_close, "HTTP/3.7 200 OK\r\nContent-Length: 0\r\n\r\n", false,
     FETCH_FAULT, PEER_WRONG_ANSWER},
    {"a blank before the colon", play, "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", false,
     FETCH_FAULT, PEER_WRONG_ANSWER},
    {"a page of no store", play,
     "HTTP/1.1 200 OK\r\nPond-Store: zz\r\nPond-Last: 1\r\nContent-Length: 0\r\n\r\n", false,
     FETCH_FAULT, PEER_WRONG_ANSWER},
};

static void every_answer_has_its_verdict(void **state)
{
    struct waiting w;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        ask(&w, rows[i].answer, rows[i].script, rows[i].range);
        if (w.request.result != rows[i].result || w.request.fault != rows[i].fault)
            print_error("%s: result %d, fault %s\n", rows[i].what, w.request.result,
                        peer_fault_name(w.request.fault));
        assert_int_equal(w.request.result, rows[i].result);
        assert_int_equal(w.request.fault, rows[i].fault);
        assert_int_equal(w.request.body != NULL, rows[i].result == FETCH_OK);
        free(w.request.body);
    }
}

static void retry_after_is_told(void **state)
{
    struct waiting w;

    (void)state;
    ask(&w, play, "HTTP/1.1 503 x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", false);
    assert_int_equal(w.request.result, FETCH_BUSY);
    assert_int_equal(w.request.retry_after_s, 7);
}

static void who_does_not_listen_is_unreachable(void **state)
{
    struct serve *serve = serve_start(play, text(""));
    struct address nobody = serve_address(serve);
    struct fetch *fetch = new_fetch(NULL);
    struct waiting w;

    (void)state;
    serve_stop(serve);
    prepare(&w, nobody, "/example.com/a");
    carry_out(fetch, &w);
    assert_int_equal(w.request.result, FETCH_FAULT);
    assert_int_equal(w.request.fault, PEER_UNREACHABLE);
    fetch_free(fetch);
}

/* ---- what is sent --------------------------------------------------------------------------- */

static bool echo_head(void *arg, const struct serve_request *request)
{
    (void)arg;
    return serve_text(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                      strlen(request->head), request->head);
}

static void the_request_is_plain(void **state)
{
    struct serve *serve = serve_start(echo_head, NULL);
    struct fetch *fetch;
    struct waiting w;

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1/", 1); /* not for us */
    fetch = new_fetch(NULL);
    prepare(&w, serve_address(serve), "/example.com/a/..%2Fb?since=1");
    memcpy(w.request.etag, "\"abc\"", 6);
    carry_out(fetch, &w);
    assert_int_equal(w.request.result, FETCH_OK);
    assert_ptr_equal(strstr(w.request.body, "GET /example.com/a/..%2Fb?since=1 HTTP/1.1\r\n"),
                     w.request.body);
    assert_non_null(strstr(w.request.body, "\r\nIf-Match: \"abc\"\r\n"));
    assert_null(strcasestr(w.request.body, "accept-encoding"));
    assert_null(strcasestr(w.request.body, "authorization"));
    free(w.request.body);
    unsetenv("http_proxy");
    fetch_free(fetch);
    serve_stop(serve);
}

static bool speak_from_two(void *arg, const struct address *to, struct address *out)
{
    (void)to;
    *out = *(const struct address *)arg;
    return true;
}

static bool echo_peer(void *arg, const struct serve_request *request)
{
    union sockaddr_any any;
    socklen_t len = sizeof(any);
    struct address from;
    char host[ADDRESS_TEXT_SIZE];

    (void)arg;
    MUST(getpeername(request->fd, &any.any, &len) == 0 && address_from_socket(&any.any, &from));
    address_host_text(&from, host);
    return serve_text(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(host),
                      host);
}

static void it_speaks_from_its_own_address(void **state)
{
    struct serve *serve = serve_start(echo_peer, NULL);
    struct address own;
    struct fetch *fetch;
    struct waiting w;

    (void)state;
    MUST(address_parse(span_of("127.0.0.2"), 65028, &own));
    fetch = fetch_new(&(struct fetch_options){
        .node = "a", .domain = "b", .source_for = speak_from_two, .arg = &own});
    prepare(&w, serve_address(serve), "/");
    carry_out(fetch, &w);
    assert_int_equal(w.request.result, FETCH_OK);
    assert_string_equal(w.request.body, "127.0.0.2");
    free(w.request.body);
    fetch_free(fetch);
    serve_stop(serve);
}

/* ---- taking, cancelling, stopping ----------------------------------------------------------- */

struct taker {
    struct waiting waiting;
    struct fetch *fetch;
    size_t taken;
    enum { TAKE_ALL, TAKE_REFUSE, TAKE_CANCEL } how;
};

static bool take(struct fetch_request *request, const void *bytes, size_t len)
{
    struct taker *taker = (struct taker *)request->owner;

    (void)bytes;
    taker->taken += len;
    if (taker->how == TAKE_REFUSE) {
        request->fault = PEER_WRONG_CHUNK;
        return false;
    }
    if (taker->how == TAKE_CANCEL)
        fetch_cancel(taker->fetch, request);
    return true;
}

static void take_by(struct taker *taker, int how)
{
    struct serve *serve =
        serve_start(play_and_wait, text(HEAD_206 "Content-Length: 4\r\n\r\nabcd"));

    prepare(&taker->waiting, serve_address(serve), "/example.com/a");
    ask_for_range(&taker->waiting, 2, 5, 10);
    taker->fetch = new_fetch(NULL);
    taker->taken = 0;
    taker->how = how;
    taker->waiting.request.take = take;
    carry_out(taker->fetch, &taker->waiting);
    fetch_free(taker->fetch);
    serve_stop(serve);
}

static void a_taker_is_given_all(void **state)
{
    struct taker taker;

    (void)state;
    take_by(&taker, TAKE_ALL);
    assert_int_equal(taker.waiting.request.result, FETCH_OK);
    assert_int_equal(taker.taken, 4);
    assert_null(taker.waiting.request.body);
}

static void a_taker_names_the_fault(void **state)
{
    struct taker taker;

    (void)state;
    take_by(&taker, TAKE_REFUSE);
    assert_int_equal(taker.waiting.request.result, FETCH_FAULT);
    assert_int_equal(taker.waiting.request.fault, PEER_WRONG_CHUNK);
}

static void a_taker_may_cancel(void **state)
{
    struct taker taker;

    (void)state;
    take_by(&taker, TAKE_CANCEL);
    assert_int_equal(taker.waiting.request.result, FETCH_CANCELLED);
}

static void cancel_it(void *arg)
{
    struct taker *taker = arg;

    fetch_cancel(taker->fetch, &taker->waiting.request);
}

static void what_waits_can_be_cancelled(void **state)
{
    struct serve *serve = serve_start(play_and_wait, text(""));
    struct taker taker = {.fetch = new_fetch(NULL)};

    (void)state;
    prepare(&taker.waiting, serve_address(serve), "/");
    fetch_submit(taker.fetch, &taker.waiting.request);
    fetch_call(taker.fetch, cancel_it, &taker);
    wait_for(&taker.waiting);
    assert_int_equal(taker.waiting.request.result, FETCH_CANCELLED);
    fetch_free(taker.fetch);
    serve_stop(serve);
}

static enum route_ask may_ask(void *arg, const struct address *server)
{
    (void)server;
    return (enum route_ask)atomic_load((atomic_int *)arg);
}

static void note_begun(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
}

/* What was submitted before has been asked when this returns. */
static void wait_until_asked(struct fetch *fetch)
{
    atomic_bool begun = false;

    fetch_call(fetch, note_begun, &begun);
    while (!atomic_load(&begun))
        usleep(1000);
}

static void leave_who_becomes(enum route_ask from, enum route_ask to)
{
    struct serve *serve = serve_start(play_and_wait, text(HEAD_206 "Content-Length: 4\r\n\r\na"));
    atomic_int allowed = from;
    struct taker taker = {.fetch = fetch_new(&(struct fetch_options){
                              .node = "a", .domain = "b", .may_ask = may_ask, .arg = &allowed})};

    prepare(&taker.waiting, serve_address(serve), "/");
    ask_for_range(&taker.waiting, 2, 5, 10);
    fetch_submit(taker.fetch, &taker.waiting.request);
    fetch_recheck(taker.fetch); /* it still may */
    wait_until_asked(taker.fetch);
    allowed = to;
    fetch_recheck(taker.fetch);
    wait_for(&taker.waiting);
    assert_int_equal(taker.waiting.request.result, FETCH_BARRED);
    allowed = ROUTE_ASK_NEVER;
    prepare(&taker.waiting, serve_address(serve), "/");
    carry_out(taker.fetch, &taker.waiting);
    assert_int_equal(taker.waiting.request.result, FETCH_BARRED);
    fetch_free(taker.fetch);
    serve_stop(serve);
}

static void who_may_not_be_asked_any_more_is_left(void **state)
{
    (void)state;
    leave_who_becomes(ROUTE_ASK_HELD, ROUTE_ASK_NEVER);
    leave_who_becomes(ROUTE_ASK_ANY, ROUTE_ASK_NEVER);
    leave_who_becomes(ROUTE_ASK_ANY, ROUTE_ASK_HELD); /* it may wait for us by now */
}

static void stopping_ends_all(void **state)
{
    enum { COUNT = 100 }; /* more than there may be connections to one host */
    static struct waiting w[COUNT];
    struct serve *serve = serve_start(play_and_wait, text(""));
    struct fetch *fetch = new_fetch(NULL);

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        prepare(&w[i], serve_address(serve), "/");
        fetch_submit(fetch, &w[i].request);
    }
    fetch_free(fetch);
    for (int i = 0; i < COUNT; i++) {
        assert_true(w[i].done);
        assert_int_equal(w[i].request.result, FETCH_STOPPED);
    }
    serve_stop(serve);
}

static void more_than_connections_all_get_through(void **state)
{
    enum { COUNT = 4 * FETCH_HOST_CONNECTIONS };
    static struct waiting w[COUNT];
    struct serve *serve =
        serve_start(play, text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
    struct fetch *fetch = new_fetch(NULL);

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        prepare(&w[i], serve_address(serve), "/");
        fetch_submit(fetch, &w[i].request);
    }
    for (int i = 0; i < COUNT; i++) {
        wait_for(&w[i]);
        assert_int_equal(w[i].request.result, FETCH_OK);
        free(w[i].request.body);
    }
    fetch_free(fetch);
    serve_stop(serve);
}

/* ---- alarms --------------------------------------------------------------------------------- */

struct ringing {
    struct fetch *fetch;
    struct fetch_alarm *alarm;
    struct waiting waiting;
    mono_t when;
};

static void ring(void *arg)
{
    struct ringing *ringing = arg;

    fetch_alarm_free(ringing->alarm);
    tell(&ringing->waiting.request);
}

static void set_alarm(void *arg)
{
    struct ringing *ringing = arg;

    ringing->alarm = fetch_alarm_new(ringing->fetch, ring, ringing);
    fetch_alarm_set(ringing->alarm, MONO_NEVER);
    fetch_alarm_set(ringing->alarm, ringing->when);
}

static void an_alarm_rings(void **state)
{
    struct ringing ringing = {.fetch = new_fetch(NULL), .when = {0}};

    (void)state;
    prepare(&ringing.waiting, (struct address){.port = 1}, "/");
    fetch_call(ringing.fetch, set_alarm, &ringing);
    wait_for(&ringing.waiting);
    fetch_free(ringing.fetch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_collected),
        cmocka_unit_test(an_empty_body_is_a_body),
        cmocka_unit_test(a_page_tells_its_place),
        cmocka_unit_test(every_answer_has_its_verdict),
        cmocka_unit_test(retry_after_is_told),
        cmocka_unit_test(who_does_not_listen_is_unreachable),
        cmocka_unit_test(the_request_is_plain),
        cmocka_unit_test(it_speaks_from_its_own_address),
        cmocka_unit_test(a_taker_is_given_all),
        cmocka_unit_test(a_taker_names_the_fault),
        cmocka_unit_test(a_taker_may_cancel),
        cmocka_unit_test(what_waits_can_be_cancelled),
        cmocka_unit_test(who_may_not_be_asked_any_more_is_left),
        cmocka_unit_test(stopping_ends_all),
        cmocka_unit_test(more_than_connections_all_get_through),
        cmocka_unit_test(an_alarm_rings),
    };
    return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
