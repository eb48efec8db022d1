/* SPDX-License-Identifier: ISC */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/clock.h"
#include "src/fetch.h"
#include "src/frames.h"
#include "tests/unit/fetch_bench.h"
#include "tests/unit/serve.h"
#include "tests/unit/unit.h"

/*
 * Small contents that go together, before hosts that play all kinds of answer. All that a test asks
 * for is submitted in one turn of the fetch thread: so it goes together. And one more, ANOTHER.
 */
enum { COUNT = 9, ANOTHER = COUNT, LEN = 100 };

/* What a host makes of a batch, but for what it says otherwise. */
enum mood {
    HONEST,
    LACKS_SOME,  /* every other one is 503 */
    OLD,         /* it knows no batches: `status` */
    BREAKS_OFF,  /* in the second content */
    ENDS_EARLY,  /* well-formed, with two */
    ENDS_WITHIN, /* the second, without a word */
    BABBLES,     /* behind the first */
    OTHER_LEN,   /* than was asked for, in the first frame */
    OTHER_BYTES, /* in the last one asked for */
    OTHER_ONES,  /* that nobody asked for, first of all */
    ONE_TWICE,   /* the first */
    WAITS,       /* behind the first, until it is released */
    SAYS_LATER,  /* 503 to the batch */
    REFUSES
};

static struct {
    enum mood mood;
    unsigned status;                  /* of the head where it is OLD */
    _Atomic unsigned alone, together; /* requests */
    _Atomic bool released;
    char list[2048]; /* what was asked for together */
    struct digest sums[COUNT + 1];
    char bytes[COUNT + 1][LEN];
    struct waiting asked[COUNT + 1];
    size_t got[COUNT + 1];
    struct fetch *fetch;
    struct serve *serve;
} bench;

static size_t number_of(struct span hex)
{
    struct digest sum;
    size_t i = 0;

    MUST(digest_parse(hex, &sum));
    while (i <= ANOTHER && !digest_same(&bench.sums[i], &sum))
        i++;
    MUST(i <= ANOTHER);
    return i;
}

/* ---- the host ------------------------------------------------------------------------------- */

static bool send_frame(int fd, size_t number, unsigned status)
{
    size_t len = bench.mood == OTHER_LEN && number == COUNT - 1 ? LEN - 1 : LEN;
    char hex[DIGEST_HEX_SIZE], bytes[LEN];

    memcpy(bytes, bench.bytes[number], LEN);
    bytes[7] ^= bench.mood == OTHER_BYTES && number == COUNT - 1;

    if (status != 200)
        return serve_text(fd, "%s %u 0\n", digest_hex(&bench.sums[number], hex), status);
    return serve_text(fd, "%s 200 %zu\n", digest_hex(&bench.sums[number], hex), len) &&
           serve_send(fd, bytes, bench.mood == ENDS_WITHIN && number == COUNT - 2 ? 10 : len);
}

static void until_released(void)
{
    while (!bench.released)
        usleep(1000);
}

/* Closes behind it: so it needs no length. */
static bool play_frames(const struct serve_request *request, struct span list)
{
    size_t numbers[COUNT], count = 0, sent = 0;

    while (list.len)
        numbers[count++] = number_of(span_take(&list, ','));
    serve_text(request->fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    if (bench.mood == OTHER_ONES)
        send_frame(request->fd, ANOTHER, 200);
    if (bench.mood == ONE_TWICE)
        send_frame(request->fd, numbers[count - 1], 200);
    for (size_t i = count; i-- > 0; sent++) { /* in any order */
        if (sent == 1 && bench.mood == WAITS)
            until_released();
        if (sent == 1 && bench.mood == BABBLES)
            return serve_text(request->fd, "hello\n"), false;
        if (sent == 2 && (bench.mood == ENDS_EARLY || bench.mood == ENDS_WITHIN))
            return false;
        send_frame(request->fd, numbers[i], bench.mood == LACKS_SOME && sent % 2 ? 503 : 200);
    }
    return false;
}

static bool play_short(const struct serve_request *request, struct span list)
{
    size_t number = number_of(span_take(&list, ','));

    serve_text(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    send_frame(request->fd, number, 200);
    return false;
}

static bool play_batch(const struct serve_request *request, struct span list)
{
    switch (bench.mood) {
    case OLD:
        return serve_text(request->fd, "HTTP/1.1 %u No\r\nContent-Length: 0\r\n\r\n", bench.status);
    case SAYS_LATER:
        return serve_text(request->fd, "HTTP/1.1 503 Later\r\nRetry-After: 7\r\n"
                                       "Content-Length: 0\r\n\r\n");
    case REFUSES:
        return serve_text(request->fd, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    case BREAKS_OFF:
        return play_short(request, list);
    default:
        return play_frames(request, list);
    }
}

static bool play(void *arg, const struct serve_request *request)
{
    static const char together[] = FRAMES_PATH "?" FRAMES_ARG;
    size_t number;

    (void)arg;
    if (strncmp(request->target, together, sizeof(together) - 1) == 0) {
        bench.together++;
        snprintf(bench.list, sizeof(bench.list), "%s", request->target + sizeof(together) - 1);
        return play_batch(request, span_of(request->target + sizeof(together) - 1));
    }
    bench.alone++;
    MUST(sscanf(request->target, "/example.com/%zu", &number) == 1);
    return serve_text(request->fd,
                      "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-%d/%d\r\n"
                      "Content-Length: %d\r\n\r\n",
                      LEN - 1, LEN, LEN) &&
           serve_send(request->fd, bench.bytes[number], LEN);
}

/* ---- the asker ------------------------------------------------------------------------------ */

/* Content is checked as flights do it. */
static bool take(struct fetch_request *request, const void *bytes, size_t len)
{
    struct waiting *waiting = request->owner;
    size_t number = (size_t)(waiting - bench.asked);

    request->fault = PEER_WRONG_CHUNK;
    if (memcmp(bench.bytes[number] + bench.got[number], bytes, len) != 0)
        return false;
    bench.got[number] += len;
    return true;
}

static void prepare_one(size_t number)
{
    struct waiting *waiting = &bench.asked[number];
    char target[64];

    snprintf(target, sizeof(target), "/example.com/%zu", number);
    prepare(waiting, serve_address(bench.serve), target);
    ask_for_range(waiting, 0, LEN - 1, LEN);
    waiting->request.take = take;
    waiting->request.whole = &bench.sums[number];
    bench.got[number] = 0;
}

static void submit_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT; i++)
        fetch_submit(bench.fetch, &bench.asked[i].request);
}

static void ask_all(void)
{
    for (size_t i = 0; i < COUNT; i++)
        prepare_one(i);
    fetch_call(bench.fetch, submit_all, NULL);
}

static void wait_for_all(void)
{
    for (size_t i = 0; i < COUNT; i++)
        wait_for(&bench.asked[i]);
}

static void begin(enum mood mood)
{
    bench.mood = mood;
    bench.status = 404;
    bench.alone = bench.together = 0;
    bench.released = false;
    for (size_t i = 0; i <= ANOTHER; i++) {
        memset(bench.bytes[i], 'a' + (int)i, LEN);
        digest_of(bench.bytes[i], LEN, &bench.sums[i]);
    }
    bench.serve = serve_start(play, NULL);
    bench.fetch = new_fetch(NULL);
}

static void end(void)
{
    fetch_free(bench.fetch);
    bench.released = true;
    serve_stop(bench.serve);
}

static void run(enum mood mood)
{
    begin(mood);
    ask_all();
    wait_for_all();
}

static void expect_all(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(bench.asked[i].request.result, FETCH_OK);
        assert_int_equal(bench.got[i], LEN);
        assert_true(address_same(&bench.asked[i].request.answered, &bench.asked[i].request.server));
    }
}

static void what_waits_for_one_server_goes_together(void **state)
{
    (void)state;
    run(HONEST);
    expect_all();
    assert_int_equal(bench.alone, 0);
    assert_int_equal(bench.together, 1);
    end();
}

static void one_alone_waits_for_no_company(void **state)
{
    (void)state;
    begin(HONEST);
    for (size_t i = 0; i < COUNT; i++) {
        prepare_one(i);
        carry_out(bench.fetch, &bench.asked[i]);
    }
    expect_all();
    assert_int_equal(bench.together, 0);
    end();
}

static void what_does_not_come_is_asked_for_alone(void **state)
{
    static const struct {
        enum mood mood;
        unsigned alone;
    } rows[] = {
        {LACKS_SOME, COUNT / 2}, {ENDS_EARLY, COUNT - 2}, {BABBLES, COUNT - 1}, {OTHER_LEN, 1},
        {OTHER_ONES, COUNT},     {ONE_TWICE, COUNT - 1},  {OLD, COUNT}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        run(rows[i].mood);
        expect_all();
        assert_int_equal(bench.alone, rows[i].alone);
        assert_int_equal(bench.together, 1);
        end();
    }
}

/* 410, 504 and 508 say something of what was asked for. */
static void who_knows_no_batches_is_asked_for_none_again(void **state)
{
    static const struct {
        unsigned status, together;
    } rows[] = {{400, 1}, {404, 1}, {405, 1}, {410, 2}, {504, 2}, {508, 2}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        begin(OLD);
        bench.status = rows[i].status;
        ask_all();
        wait_for_all();
        ask_all();
        wait_for_all();
        expect_all();
        assert_int_equal(bench.together, rows[i].together);
        assert_int_equal(bench.alone, 2 * COUNT);
        end();
    }
}

/* What nobody asked for keeps nobody waiting: who sends it is asked for no batch again. */
static void who_sends_what_nobody_asked_for_is_asked_for_no_batch_again(void **state)
{
    (void)state;
    run(OTHER_ONES);
    ask_all();
    wait_for_all();
    expect_all();
    assert_int_equal(bench.together, 1);
    end();
}

/* However steadily it comes. */
static void a_batch_is_not_waited_for_for_ever(void **state)
{
    mono_t asked = clock_mono();

    (void)state;
    begin(WAITS);
    fetch_free(bench.fetch);
    bench.fetch = fetch_new(&(struct fetch_options){
        .node = "web1", .domain = "example.com", .stall_s = 60, .collect_s = 1});
    ask_all();
    wait_for_all();
    assert_true(mono_between(asked, clock_mono()) < MONO_S(40));
    for (size_t i = 0; i < COUNT - 1; i++) {
        assert_int_equal(bench.asked[i].request.result, FETCH_FAULT);
        assert_int_equal(bench.asked[i].request.fault, PEER_SILENT);
    }
    end();
}

static void what_befalls_the_connection_befalls_all_that_are_left(void **state)
{
    unsigned good = 0, broken = 0;

    (void)state;
    run(BREAKS_OFF);
    for (size_t i = 0; i < COUNT; i++) {
        good += bench.asked[i].request.result == FETCH_OK;
        broken += bench.asked[i].request.result == FETCH_FAULT &&
                  bench.asked[i].request.fault == PEER_SHORT_BODY;
    }
    assert_int_equal(good, 1);
    assert_int_equal(broken, COUNT - 1);
    end();
}

static void who_breaks_off_is_blamed_for_that_one(void **state)
{
    (void)state;
    run(ENDS_WITHIN);
    for (size_t i = 0; i < COUNT; i++) {
        const struct fetch_request *request = &bench.asked[i].request;
        assert_int_equal(request->fault, i == COUNT - 2 ? PEER_SHORT_BODY : PEER_FINE);
    }
    assert_int_equal(bench.alone, COUNT - 2);
    end();
}

static void who_says_later_says_it_of_each(void **state)
{
    (void)state;
    run(SAYS_LATER);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(bench.asked[i].request.result, FETCH_BUSY);
        assert_int_equal(bench.asked[i].request.retry_after_s, 7);
    }
    assert_int_equal(bench.alone, 0);
    end();
    run(REFUSES);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(bench.asked[i].request.result, FETCH_FAULT);
        assert_int_equal(bench.asked[i].request.fault, PEER_REFUSES);
    }
    end();
}

static void one_that_is_wrong_takes_no_other_along(void **state)
{
    unsigned wrong = 0;

    (void)state;
    begin(OTHER_BYTES);
    ask_all();
    wait_for_all();
    for (size_t i = 0; i < COUNT; i++) {
        wrong += bench.asked[i].request.result == FETCH_FAULT &&
                 bench.asked[i].request.fault == PEER_WRONG_CHUNK;
    }
    assert_int_equal(wrong, 1);
    end();
}

static void a_slow_one_delays_nobody(void **state)
{
    unsigned here = 0;

    (void)state;
    begin(WAITS);
    ask_all();
    wait_for(&bench.asked[COUNT - 1]); /* the first frame; the others stand behind the slow one */
    for (size_t i = 0; i < COUNT - 1; i++)
        here += bench.got[i] > 0;
    assert_int_equal(here, 0);
    prepare_one(ANOTHER);
    carry_out(bench.fetch, &bench.asked[ANOTHER]); /* while the batch is under way */
    assert_int_equal(bench.asked[ANOTHER].request.result, FETCH_OK);
    assert_false(bench.released);
    bench.released = true;
    wait_for_all();
    expect_all();
    end();
}

static enum route_ask ask_for_a_while(void *arg, const struct address *server)
{
    int *left = arg;

    (void)server;
    return (*left)-- > 0 ? ROUTE_ASK_ANY : ROUTE_ASK_NEVER;
}

/* Between their coming and the end of the loop's turn. */
static void who_may_not_be_asked_any_more_is_not_asked(void **state)
{
    int left = COUNT;

    (void)state;
    begin(HONEST);
    fetch_free(bench.fetch);
    bench.fetch = fetch_new(&(struct fetch_options){
        .node = "web1", .domain = "example.com", .may_ask = ask_for_a_while, .arg = &left});
    ask_all();
    wait_for_all();
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(bench.asked[i].request.result, FETCH_BARRED);
    assert_int_equal(bench.alone + bench.together, 0);
    end();
}

static void cancel_two(void *arg)
{
    (void)arg;
    fetch_cancel(bench.fetch, &bench.asked[1].request);
    fetch_cancel(bench.fetch, &bench.asked[2].request);
}

static void one_that_is_cancelled_takes_no_other_along(void **state)
{
    (void)state;
    begin(WAITS);
    ask_all();
    wait_for(&bench.asked[COUNT - 1]);
    fetch_call(bench.fetch, cancel_two, NULL);
    wait_for(&bench.asked[1]);
    wait_for(&bench.asked[2]);
    bench.released = true;
    wait_for_all();
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(bench.asked[i].request.result,
                         i == 1 || i == 2 ? FETCH_CANCELLED : FETCH_OK);
    end();
}

static void all_of_it_can_be_stopped(void **state)
{
    (void)state;
    begin(WAITS);
    ask_all();
    wait_for(&bench.asked[COUNT - 1]);
    end();
    for (size_t i = 0; i < COUNT - 1; i++) {
        wait_for(&bench.asked[i]);
        assert_int_equal(bench.asked[i].request.result, FETCH_STOPPED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_for_one_server_goes_together),
        cmocka_unit_test(one_alone_waits_for_no_company),
        cmocka_unit_test(what_does_not_come_is_asked_for_alone),
        cmocka_unit_test(who_knows_no_batches_is_asked_for_none_again),
        cmocka_unit_test(who_sends_what_nobody_asked_for_is_asked_for_no_batch_again),
        cmocka_unit_test(a_batch_is_not_waited_for_for_ever),
        cmocka_unit_test(what_befalls_the_connection_befalls_all_that_are_left),
        cmocka_unit_test(who_breaks_off_is_blamed_for_that_one),
        cmocka_unit_test(who_says_later_says_it_of_each),
        cmocka_unit_test(one_that_is_wrong_takes_no_other_along),
        cmocka_unit_test(a_slow_one_delays_nobody),
        cmocka_unit_test(who_may_not_be_asked_any_more_is_not_asked),
        cmocka_unit_test(one_that_is_cancelled_takes_no_other_along),
        cmocka_unit_test(all_of_it_can_be_stopped),
    };
    return cmocka_run_group_tests_name("fetch_batch", tests, NULL, NULL);
}
