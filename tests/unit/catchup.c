/* SPDX-License-Identifier: ISC */
#include "src/catchup.h"

#include <ev.h>
#include <stdatomic.h>
#include <stdio.h>

#include "src/clock.h"
#include "tests/unit/home.h"
#include "tests/unit/serve.h"
#include "tests/unit/unit.h"

/* A server that lies about its catalogue, and a store that is compared with it. */

#define DIGEST "00000000000000000000000000000000000000000000000000000000000000aa"
#define HEAD "HTTP/1.1 200 OK\r\nPond-Store: 00000000000000aa\r\nPond-Last: 7\r\n"

struct liar {
    const char *ranges; /* its answer, whatever is asked for */
    const char *names;  /* behind the domain, of the manifests of each page, one letter each; for a
                           question mark a record of a later version is there */
    bool endless;       /* each page has one name, and says that there is more */
    _Atomic unsigned pages;
};

static void add_manifest(struct text *out, const char *name)
{
    struct manifest m = home_foreign("x", 1, 10, -3600000);
    char memory[MESSAGE_MAX];
    struct text one = TEXT_OVER(memory);

    snprintf(m.name, sizeof(m.name), "example.com/%s", name);
    manifest_write(&m, &one);
    text_add(out, one.at, one.len);
}

static void add_later(struct text *out)
{
    char memory[MESSAGE_MAX];
    struct text one = TEXT_OVER(memory);

    message_begin(&one, (wall_t){1795348800000}, "pledge", 2);
    message_add(&one, "name", span_of("example.com/a"));
    message_end(&one, span_of("x\n"));
    manifest_stamp(&one);
    text_add(out, one.at, one.len);
}

static bool answer(void *arg, const struct serve_request *request)
{
    struct liar *liar = arg;
    char memory[16384], all_memory[20000], name[40];
    struct text page = TEXT_OVER(memory), all = TEXT_OVER(all_memory);

    if (strstr(request->target, "/ranges?")) {
        text_puts(&page, liar->ranges);
    } else if (liar->endless) {
        snprintf(name, sizeof(name), "%09u", ++liar->pages);
        add_manifest(&page, name);
    } else {
        for (const char *c = liar->names; *c; c++) {
            snprintf(name, sizeof(name), "%c", *c);
            if (*c == '?')
                add_later(&page);
            else
                add_manifest(&page, name);
        }
    }
    text_printf(&all, HEAD "Pond-More: %d\r\nContent-Length: %zu\r\n\r\n", liar->endless, page.len);
    text_add(&all, page.at, page.len); /* in one piece: the other side is not left to wait */
    return serve_send(request->fd, all.at, all.len);
}

static bool answer_with_a_gibibyte(void *arg, const struct serve_request *request)
{
    static const char some[65536];

    (void)arg;
    serve_text(request->fd, HEAD "Content-Length: 1073741824\r\n\r\n");
    while (serve_send(request->fd, some, sizeof(some)))
        ;
    return false;
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct comparison {
    struct ev_loop *loop;
    struct catchup_end end;
};

static void ended(void *arg, const struct catchup_end *end)
{
    struct comparison *comparison = arg;

    comparison->end = *end;
    ev_break(comparison->loop, EVBREAK_ALL);
}

/* How it ends; *requests: how many it took. */
static struct catchup_end compare_with(struct store *store, serve_answer *how, struct liar *liar,
                                       uint64_t *requests)
{
    struct comparison comparison = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct mailbox *mailbox = mailbox_new(comparison.loop);
    struct serve *serve = serve_start(how, liar);
    struct fetch *fetch =
        fetch_new(&(struct fetch_options){.node = "web2", .domain = "example.com"});
    struct workers *comparer = workers_new(1);
    struct catchup_options options = {.fetch = fetch,
                                      .store = store,
                                      .mailbox = mailbox,
                                      .comparer = &comparer,
                                      .domain = "example.com",
                                      .server = serve_address(serve),
                                      .done = ended,
                                      .arg = &comparison};

    catchup_begin(&options);
    ev_run(comparison.loop, 0);
    *requests = serve_requests(serve);
    workers_free(comparer);
    fetch_free(fetch);
    serve_stop(serve);
    mailbox_free(mailbox);
    ev_loop_destroy(comparison.loop);
    return comparison.end;
}

static int set_up(void **state)
{
    home_set_up(state);
    home_wall_ms = clock_wall().ms;
    return *state ? 0 : -1;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void an_honest_one_is_not_blamed(void **state)
{
    struct liar liar = {.ranges = "3 " DIGEST " \n", .names = "abc"};
    uint64_t requests;
    struct catchup_end end = compare_with(*state, answer, &liar, &requests);

    assert_int_equal(end.result, EXCHANGE_DONE);
    assert_int_equal(end.last, 7);
    assert_int_equal(requests, 2);
    assert_int_equal(home_figures(*state).objects, 3);
}

static void records_of_a_later_version_are_passed_over(void **state)
{
    struct liar later = {.ranges = "3 " DIGEST " \n", .names = "?a?b??"};
    uint64_t requests;

    assert_int_equal(compare_with(*state, answer, &later, &requests).result, EXCHANGE_DONE);
    assert_int_equal(home_figures(*state).objects, 2);
}

static void what_makes_no_sense_is_blamed(void **state)
{
    static struct {
        struct liar liar;
        enum peer_fault fault;
    } lies[] = {
        {{.ranges = "18446744073709551615 " DIGEST " \n"}, PEER_WRONG_ANSWER},
        {{.ranges = "99999999999999999999999 " DIGEST " \n"}, PEER_WRONG_ANSWER},
        {{.ranges = "-1 " DIGEST " \n"}, PEER_WRONG_ANSWER},
        {{.ranges = "5 abc \n"}, PEER_WRONG_ANSWER},
        /* from elsewhere on, backwards, outside of the domain */
        {{.ranges = "5 " DIGEST " example.com/b\n"}, PEER_WRONG_ANSWER},
        {{.ranges = "2000 " DIGEST " \n9 " DIGEST " example.com/b\n9 " DIGEST " example.com/a\n"},
         PEER_WRONG_ANSWER},
        {{.ranges = "2000 " DIGEST " \n9 " DIGEST " other.org/a\n"}, PEER_WRONG_ANSWER},
        /* asked for what lies before m, it tells of m */
        {{.ranges = "2000 " DIGEST " \n2000 " DIGEST " example.com/m\n"}, PEER_WRONG_ANSWER},
        {{.ranges = "2 " DIGEST " \n", .names = "ba"}, PEER_WRONG_MANIFEST},
        {{.ranges = "2 " DIGEST " \n", .names = "aa"}, PEER_WRONG_MANIFEST},
    };

    struct liar honest = {.ranges = "2 " DIGEST " \n", .names = "an"};
    uint64_t requests;

    assert_int_equal(compare_with(*state, answer, &honest, &requests).result, EXCHANGE_DONE);
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        struct catchup_end end = compare_with(*state, answer, &lies[i].liar, &requests);
        if (end.result != EXCHANGE_FAULTY || end.fault != lies[i].fault || requests > 2)
            fail_msg("lie %zu: result %d, fault %s, %d requests", i, end.result,
                     peer_fault_name(end.fault), (int)requests);
    }
}

static void pages_without_end_are_bounded_by_what_was_told(void **state)
{
    struct liar liar = {.ranges = "1000 " DIGEST " \n", .endless = true};
    uint64_t requests;
    struct catchup_end end = compare_with(*state, answer, &liar, &requests);

    assert_int_equal(end.result, EXCHANGE_FAULTY);
    assert_int_equal(end.fault, PEER_WRONG_ANSWER);
    assert_in_range(requests, 100, 600);
}

static void an_answer_of_a_gibibyte_is_not_read(void **state)
{
    uint64_t requests;
    struct catchup_end end = compare_with(*state, answer_with_a_gibibyte, NULL, &requests);

    assert_int_equal(end.result, EXCHANGE_FAULTY);
    assert_int_equal(end.fault, PEER_ENDLESS_BODY);
    assert_int_equal(requests, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_honest_one_is_not_blamed, set_up, home_tear_down),
        cmocka_unit_test_setup_teardown(records_of_a_later_version_are_passed_over, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_blamed, set_up, home_tear_down),
        cmocka_unit_test_setup_teardown(pages_without_end_are_bounded_by_what_was_told, set_up,
                                        home_tear_down),
        cmocka_unit_test_setup_teardown(an_answer_of_a_gibibyte_is_not_read, set_up,
                                        home_tear_down),
    };
    return cmocka_run_group_tests_name("catchup", tests, NULL, NULL);
}
