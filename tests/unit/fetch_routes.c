/* SPDX-License-Identifier: ISC */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/fetch.h"
#include "tests/unit/fetch_bench.h"
#include "tests/unit/serve.h"
#include "tests/unit/unit.h"

/* only-if-cached, Via and redirects, as the asking side has them. */

/* What a host was asked, and what it answers. */
struct hop {
    const char *answer; /* NULL: to be sent on to `next` */
    struct address next;
    const char *target; /* there; NULL: the one asked for */
    char cache_control[64], via[256];
};

static bool play_hop(void *arg, const struct serve_request *request)
{
    char next[ADDRESS_TEXT_SIZE];
    struct hop *hop = arg;
    const char *value = serve_header(request, "Cache-Control");

    snprintf(hop->cache_control, sizeof(hop->cache_control), "%s", value ? value : "");
    value = serve_header(request, "Via");
    snprintf(hop->via, sizeof(hop->via), "%s", value ? value : "");
    if (hop->answer)
        return serve_text(request->fd, "%s", hop->answer);
    return serve_text(request->fd,
                      "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://%s%s\r\n"
                      "Content-Length: 0\r\n\r\n",
                      address_text(&hop->next, next), hop->target ? hop->target : request->target);
}

struct policy {
    enum route_ask ask;
    int follow; /* so many times it is said that a redirect is followed */
    bool stay;
};

static enum route_ask policy_ask(void *arg, const struct address *server)
{
    (void)server;
    return ((const struct policy *)arg)->ask;
}

static bool policy_follow(void *arg, const struct address *server, const struct address *goal)
{
    struct policy *policy = arg;

    MUST(!address_same(server, goal));
    policy->follow--;
    return policy->follow >= 0;
}

/* Asks the first of the hosts, each of which may send it on to the next; how often each was asked
 * comes out. */
static void ask_hops(struct waiting *waiting, const struct policy *policy, struct hop *hops,
                     uint64_t *asked, size_t count)
{
    struct policy own = *policy;
    struct serve *serves[3];
    struct fetch *fetch = fetch_new(&(struct fetch_options){.node = "web7",
                                                            .domain = "b",
                                                            .may_ask = policy_ask,
                                                            .may_follow = policy_follow,
                                                            .arg = &own});

    for (size_t i = count; i-- > 0;) {
        serves[i] = serve_start(play_hop, &hops[i]);
        if (i > 0)
            hops[i - 1].next = serve_address(serves[i]);
    }
    prepare(waiting, serve_address(serves[0]), "/example.com/a?b=c");
    waiting->request.stay = policy->stay;
    snprintf(waiting->request.via, sizeof(waiting->request.via), "1.1 web9 (carpond)");
    carry_out(fetch, waiting);
    fetch_free(fetch);
    for (size_t i = 0; i < count; i++) {
        asked[i] = serve_requests(serves[i]);
        serve_stop(serves[i]);
    }
}

#define FINE_HOP "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npond"

static void who_must_not_fetch_for_us_is_told(void **state)
{
    static const char *const want[] = {[ROUTE_ASK_ANY] = "", [ROUTE_ASK_HELD] = "only-if-cached"};
    struct waiting w;
    uint64_t asked;

    (void)state;
    for (int ask = ROUTE_ASK_ANY; ask <= ROUTE_ASK_HELD; ask++) {
        struct hop hop = {.answer = FINE_HOP};
        ask_hops(&w, &(struct policy){.ask = (enum route_ask)ask}, &hop, &asked, 1);
        assert_int_equal(w.request.result, FETCH_OK);
        assert_string_equal(hop.cache_control, want[ask]);
        assert_string_equal(hop.via, "1.1 web9 (carpond), 1.1 web7 (carpond)");
        free(w.request.body);
    }
}

static void what_is_not_held_and_circles_are_nobodys_fault(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 508 Loop Detected\r\nContent-Length: 0\r\n\r\n"};
    struct waiting w;
    uint64_t asked;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct hop hop = {.answer = answers[i]};
        ask_hops(&w, &(struct policy){.ask = ROUTE_ASK_ANY}, &hop, &asked, 1);
        assert_int_equal(w.request.result, FETCH_NOT_FOUND);
        assert_int_equal(w.request.fault, PEER_FINE);
    }
}

static void one_redirect_is_followed_to_whom_we_know(void **state)
{
    const struct policy follow = {ROUTE_ASK_ANY, 10, false}, stay = {ROUTE_ASK_ANY, 0, false};
    struct hop hops[3] = {{.answer = NULL}, {.answer = FINE_HOP}};
    struct waiting w;
    uint64_t asked[3];

    (void)state;
    ask_hops(&w, &follow, hops, asked, 2);
    assert_int_equal(w.request.result, FETCH_OK);
    assert_string_equal(w.request.body, "pond");
    assert_true(address_same(&w.request.answered, &hops[0].next));
    assert_false(address_same(&w.request.server, &hops[0].next));
    free(w.request.body);

    ask_hops(&w, &stay, hops, asked, 2);
    assert_int_equal(w.request.result, FETCH_BUSY);
    assert_int_equal(asked[1], 0);

    hops[1].answer = NULL;
    hops[2].answer = FINE_HOP;
    ask_hops(&w, &follow, hops, asked, 3);
    assert_int_equal(w.request.result, FETCH_BUSY);
    assert_int_equal(asked[1], 1);
    assert_int_equal(asked[2], 0);
}

/* Between the answer that sends us on and the question there, another may have become master. */
static void where_a_redirect_leads_is_looked_at_again(void **state)
{
    struct hop hops[2] = {{.answer = NULL}, {.answer = FINE_HOP}};
    struct waiting w;
    uint64_t asked[2];

    (void)state;
    ask_hops(&w, &(struct policy){ROUTE_ASK_ANY, 1, false}, hops, asked, 2);
    assert_int_equal(w.request.result, FETCH_BARRED);
    assert_int_equal(asked[1], 0);
}

/* A catalogue is its host's own: another's is not taken for it. */
static void who_is_asked_for_its_own_is_not_left_for_another(void **state)
{
    struct hop hops[2] = {{.answer = NULL}, {.answer = FINE_HOP}};
    struct waiting w;
    uint64_t asked[2];

    (void)state;
    ask_hops(&w, &(struct policy){ROUTE_ASK_ANY, 10, true}, hops, asked, 2);
    assert_int_equal(w.request.result, FETCH_BUSY);
    assert_int_equal(asked[1], 0);
}

/* It leads to the same thing elsewhere, and to nothing else. */
static void a_redirect_to_another_target_is_a_lie(void **state)
{
    struct hop hops[2] = {{.target = "/example.com/b"}, {.answer = FINE_HOP}};
    struct waiting w;
    uint64_t asked[2];

    (void)state;
    ask_hops(&w, &(struct policy){ROUTE_ASK_ANY, 10, false}, hops, asked, 2);
    assert_int_equal(w.request.result, FETCH_FAULT);
    assert_int_equal(w.request.fault, PEER_WRONG_ANSWER);
    assert_int_equal(asked[1], 0);
}

/* ---- more than there are connections --------------------------------------------------------- */

static bool say_nothing(void *arg, const struct serve_request *request)
{
    char byte;

    (void)arg;
    while (read(request->fd, &byte, 1) > 0)
        ;
    return false;
}

enum { WAIT_FOR_A_CONNECTION = 5, CROWD = FETCH_HOST_CONNECTIONS + WAIT_FOR_A_CONNECTION };

struct crowd {
    struct fetch *fetch;
    struct waiting list[CROWD];
    sem_t cancelled;
};

/* Those that came last, which have none. */
static void cancel_last(void *arg)
{
    struct crowd *crowd = arg;

    for (size_t i = FETCH_HOST_CONNECTIONS; i < CROWD; i++)
        fetch_cancel(crowd->fetch, &crowd->list[i].request);
    sem_post(&crowd->cancelled);
}

static void who_waits_for_a_connection_in_vain_leaves_nothing_behind(void **state)
{
    struct serve *silent = serve_start(say_nothing, NULL);
    struct hop hop = {.answer = FINE_HOP};
    struct serve *serve = serve_start(play_hop, &hop);
    static struct crowd crowd;
    struct waiting next;

    (void)state;
    crowd.fetch = fetch_new(&(struct fetch_options){.node = "web7", .domain = "b"});
    assert_int_equal(sem_init(&crowd.cancelled, 0, 0), 0);
    for (size_t i = 0; i < CROWD; i++) {
        prepare(&crowd.list[i], serve_address(silent), "/example.com/a");
        fetch_submit(crowd.fetch, &crowd.list[i].request);
    }
    while (serve_requests(silent) < FETCH_HOST_CONNECTIONS)
        usleep(1000);
    fetch_call(crowd.fetch, cancel_last, &crowd);
    sem_wait(&crowd.cancelled);
    for (size_t i = FETCH_HOST_CONNECTIONS; i < CROWD; i++) {
        wait_for(&crowd.list[i]);
        assert_int_equal(crowd.list[i].request.result, FETCH_CANCELLED);
    }
    prepare(&next, serve_address(serve), "/example.com/a");
    carry_out(crowd.fetch, &next);
    assert_int_equal(next.request.result, FETCH_OK);
    free(next.request.body);
    serve_stop(silent);
    fetch_free(crowd.fetch);
    serve_stop(serve);
    sem_destroy(&crowd.cancelled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_must_not_fetch_for_us_is_told),
        cmocka_unit_test(what_is_not_held_and_circles_are_nobodys_fault),
        cmocka_unit_test(one_redirect_is_followed_to_whom_we_know),
        cmocka_unit_test(where_a_redirect_leads_is_looked_at_again),
        cmocka_unit_test(who_is_asked_for_its_own_is_not_left_for_another),
        cmocka_unit_test(a_redirect_to_another_target_is_a_lie),
        cmocka_unit_test(who_waits_for_a_connection_in_vain_leaves_nothing_behind),
    };
    return cmocka_run_group_tests_name("fetch_routes", tests, NULL, NULL);
}
