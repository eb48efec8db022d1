/* SPDX-License-Identifier: ISC */
#include "src/isconf_file.h"

#include <ev.h>

#include "tests/unit/fetch_bench.h"
#include "tests/unit/home.h"
#include "tests/unit/serve.h"
#include "tests/unit/unit.h"

/* A file of an ISconf host, over real HTTP into a real store. */

#define NAME "example.com/a b"
#define DATED "Last-Modified: Sun, 22 Nov 2026 12:00:00 -0000\r\n"
#define DATED_LATER "Last-Modified: Sun, 22 Nov 2026 12:00:01 -0000\r\n"
#define MTIME INT64_C(1795348800)
#define GOOD "HTTP/1.0 200 OK\r\n" DATED "Content-Length: 5\r\n"

static const struct span our_key = {"our key", 7}, old_key = {"old key", 7}, wrong = {"x", 1};

/* What it answers: the head without its end, X-HMAC with `key` if there is one, a body. */
struct script {
    const char *head;
    const struct span *key;
    const char *body;
    bool asked_so; /* out: as ISconf asks */
};

static void add_response(const struct script *script, struct span challenge, struct text *out)
{
    struct keyring *keyring = keyring_new(script->key, 1, false);
    struct seal *seal = seal_new(keyring);
    uint8_t mac[MAC1_LEN];

    seal_mac1(seal, challenge, mac);
    text_puts(out, "X-HMAC: ");
    text_hex(out, mac, sizeof(mac));
    text_puts(out, "\r\n");
    seal_free(seal);
    keyring_free(keyring);
}

static bool answer(void *arg, const struct serve_request *request)
{
    struct script *script = arg;
    struct span target = span_of(request->target), challenge = target;
    struct span path = span_take(&challenge, '?'), name = span_take(&challenge, '=');
    char memory[1024];
    struct text text = TEXT_OVER(memory);

    script->asked_so = span_is(path, "/example.com/a%20b") && span_is(name, "challenge") &&
                       challenge.len == 32 && !strstr(request->head, "Authorization") &&
                       !strstr(request->head, "Via");
    text_puts(&text, script->head);
    if (script->key)
        add_response(script, challenge, &text);
    text_printf(&text, "\r\n%s", script->body);
    serve_send(request->fd, text.at, text.len);
    return false; /* HTTP/1.0 */
}

/* A body that comes byte by byte for as long as somebody takes it. */
static bool drip(void *arg, const struct serve_request *request)
{
    (void)arg;
    serve_text(request->fd, "HTTP/1.0 200 OK\r\n" DATED "Content-Length: 100000\r\n\r\n");
    while (serve_send(request->fd, "x", 1))
        usleep(100000);
    return false;
}

struct end {
    struct ev_loop *loop;
    enum exchange_result result;
    enum peer_fault fault;
};

static void on_end(void *arg, enum exchange_result result, enum peer_fault fault)
{
    struct end *end = arg;

    end->result = result;
    end->fault = fault;
    ev_break(end->loop, EVBREAK_ALL);
}

static struct end get_from(serve_answer *answers, void *arg, struct store *store,
                           const struct keyring *keyring)
{
    struct end end = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct mailbox *mailbox = mailbox_new(end.loop);
    struct serve *serve = serve_start(answers, arg);
    struct fetch *fetch = new_fetch(keyring);
    struct log_flood refused = {.seen = 0};

    isconf_file_get(&(struct isconf_file_options){.fetch = fetch,
                                                  .store = store,
                                                  .mailbox = mailbox,
                                                  .refused = &refused,
                                                  .server = serve_address(serve),
                                                  .name = span_of(NAME),
                                                  .done = on_end,
                                                  .arg = &end});
    ev_run(end.loop, 0);
    fetch_free(fetch);
    serve_stop(serve);
    mailbox_free(mailbox);
    ev_loop_destroy(end.loop);
    return end;
}

static struct end get(struct store *store, const struct keyring *keyring, struct script *script)
{
    return get_from(answer, script, store, keyring);
}

static const struct {
    const char *what;
    struct script script;
    bool keys;
    enum exchange_result result;
    enum peer_fault fault;
} rows[] = {
    {"without keys", {.head = GOOD, .body = "hello"}, false, EXCHANGE_DONE, PEER_FINE},
    {"no key on its side",
     {.head = GOOD "X-HMAC: None\r\n", .body = "hello"},
     false,
     EXCHANGE_DONE,
     PEER_FINE},
    {"our key", {GOOD, &our_key, "hello", false}, true, EXCHANGE_DONE, PEER_FINE},
    {"a key that goes", {GOOD, &old_key, "hello", false}, true, EXCHANGE_DONE, PEER_FINE},
    {"another key", {GOOD, &wrong, "hello", false}, true, EXCHANGE_FAULTY, PEER_UNSIGNED_ANSWER},
    {"no answer to the challenge",
     {.head = GOOD, .body = "hello"},
     true,
     EXCHANGE_FAULTY,
     PEER_UNSIGNED_ANSWER},
    {"a key on our side alone",
     {.head = GOOD "X-HMAC: None\r\n", .body = "hello"},
     true,
     EXCHANGE_FAULTY,
     PEER_UNSIGNED_ANSWER},
    {"nonsense for an answer",
     {.head = GOOD "X-HMAC: 12\r\n", .body = "hello"},
     true,
     EXCHANGE_FAULTY,
     PEER_UNSIGNED_ANSWER},
    {"two answers",
     {GOOD "X-HMAC: 12\r\n", &our_key, "hello", false},
     true,
     EXCHANGE_FAULTY,
     PEER_WRONG_ANSWER},
    {"no date",
     {.head = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n", .body = "hello"},
     false,
     EXCHANGE_FAULTY,
     PEER_WRONG_ANSWER},
    {"a date of another zone",
     {.head = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n"
              "Last-Modified: Sun, 22 Nov 2026 12:00:00 +0100\r\n",
      .body = "hello"},
     false,
     EXCHANGE_FAULTY,
     PEER_WRONG_ANSWER},
    {"a date before all",
     {.head = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n"
              "Last-Modified: Tue, 22 Nov 1966 12:00:00 -0000\r\n",
      .body = "hello"},
     false,
     EXCHANGE_FAULTY,
     PEER_WRONG_ANSWER},
    {"no length",
     {.head = "HTTP/1.0 200 OK\r\n" DATED, .body = "hello"},
     false,
     EXCHANGE_FAULTY,
     PEER_WRONG_ANSWER},
    {"more than it announced, in chunks",
     {.head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" DATED "Content-Length: 5\r\n",
      .body = "6\r\nhello!\r\n0\r\n\r\n"},
     false,
     EXCHANGE_FAULTY,
     PEER_ENDLESS_BODY},
    {"without an end",
     {.head = "HTTP/1.0 200 OK\r\n" DATED "Content-Length: 4611686018427387904\r\n",
      .body = "hello"},
     false,
     EXCHANGE_FAILED,
     PEER_FINE},
    {"a body that breaks off",
     {.head = GOOD, .body = "hel"},
     false,
     EXCHANGE_FAILED,
     PEER_SHORT_BODY},
    {"not there",
     {.head = "HTTP/1.0 404 File not found\r\n", .body = "no"},
     false,
     EXCHANGE_FAILED,
     PEER_FINE},
    {"a signature is wanted",
     {.head = "HTTP/1.0 401 No\r\n", .body = "no"},
     true,
     EXCHANGE_FAILED,
     PEER_REFUSES},
};

static void each_answer_is_judged(void **state)
{
    const struct span keys[] = {our_key, old_key};
    struct keyring *keyring = keyring_new(keys, 2, false);
    struct store_entry entry;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct script script = rows[i].script;
        struct end end = get(*state, rows[i].keys ? keyring : NULL, &script);
        bool good = rows[i].result == EXCHANGE_DONE;

        if (end.result != rows[i].result || end.fault != rows[i].fault || !script.asked_so)
            fail_msg("%s: result %d, fault %s, asked so: %d", rows[i].what, (int)end.result,
                     peer_fault_name(end.fault), script.asked_so);
        assert_int_equal(home_find(*state, NAME, &entry), good ? STORE_OK : STORE_NOT_FOUND);
        if (good) {
            assert_true(entry.held);
            assert_int_equal(entry.manifest.size, 5);
            assert_true(version_same(entry.manifest.version, version_of_mtime(MTIME)));
        }
        assert_int_equal(home_count("tmp"), 0);
        home_tear_down(state);
        home_set_up(state);
    }
    keyring_free(keyring);
}

static void an_empty_file_is_a_file(void **state)
{
    struct script script = {.head = "HTTP/1.0 200 OK\r\n" DATED "Content-Length: 0\r\n",
                            .body = ""};
    struct store_entry entry;

    assert_int_equal(get(*state, NULL, &script).result, EXCHANGE_DONE);
    assert_int_equal(home_find(*state, NAME, &entry), STORE_OK);
    assert_true(entry.held && entry.manifest.size == 0);
}

/* It would have to go again at once. */
static void what_is_larger_than_the_cache_is_not_taken(void **state)
{
    struct script script = {.head = GOOD, .body = "hello"};
    struct end end;

    store_set_cache_size(*state, 4);
    end = get(*state, NULL, &script);
    assert_int_equal(end.result, EXCHANGE_FAILED);
    assert_int_equal(end.fault, PEER_FINE);
    assert_int_equal(home_count("tmp"), 0);
    store_set_cache_size(*state, 5);
    assert_int_equal(get(*state, NULL, &script).result, EXCHANGE_DONE);
    store_set_cache_size(*state, 4);
    store_set_policy(*state, &(struct store_policy){.keep_all = true});
    script.head = "HTTP/1.0 200 OK\r\n" DATED_LATER "Content-Length: 5\r\n";
    assert_int_equal(get(*state, NULL, &script).result, EXCHANGE_DONE);
}

static void a_body_that_drips_is_broken_off(void **state)
{
    struct end end = get_from(drip, NULL, *state, NULL);

    assert_int_equal(end.result, EXCHANGE_FAILED);
    assert_int_equal(end.fault, PEER_SILENT);
    assert_int_equal(home_count("tmp"), 0);
}

/* It was put in meanwhile: that stays, and nothing went wrong. */
static void what_came_in_vain_is_no_fault(void **state)
{
    struct script script = {.head = GOOD, .body = "hello"};
    struct end end;

    assert_int_equal(home_put(*state, NAME, 1, 7, NULL), STORE_OK);
    end = get(*state, NULL, &script);
    assert_int_equal(end.result, EXCHANGE_DONE);
    assert_int_equal(end.fault, PEER_FINE);
    assert_int_equal(home_compare(*state, NAME, 1, 7), STORE_OK);
    assert_int_equal(home_count("tmp"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_CASE(each_answer_is_judged),
        HOME_CASE(an_empty_file_is_a_file),
        HOME_CASE(what_is_larger_than_the_cache_is_not_taken),
        HOME_CASE(a_body_that_drips_is_broken_off),
        HOME_CASE(what_came_in_vain_is_no_fault),
    };
    return cmocka_run_group_tests_name("isconf_file", tests, NULL, NULL);
}
