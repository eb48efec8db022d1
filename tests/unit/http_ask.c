/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/clock.h"
#include "tests/unit/signer.h"
#include "tests/unit/unit.h"

/*
 * Questions to the exchange, which has places for so many: what others ask of a master leaves room
 * for their neighbours and for its own host.
 */
#define KEY "a key of the tests"
#define SLAVE_HOST "127.0.0.77"
#define BACKUP_HOST "127.0.0.3"

static struct site site;

static int start_with(const char *key)
{
    const struct member tier[] = {
        site_member("127.0.0.1", MEMBER_CANDIDATE, "paris"),
        site_member("127.0.0.0/24", MEMBER_SLAVE, "paris"),
    };

    site_start(&site, &(struct site_options){.members = tier,
                                             .member_count = 2,
                                             .max_connections = 2048,
                                             .patience_ns = MONO_S(600),
                                             .key = key});
    site_publish(&site, "paris", BALLOT_MASTER, "127.0.0.1", MONO_NEVER);
    atomic_store(&site.asked, 0);
    atomic_store(&site.dropped, 0);
    return 0;
}

static int start(void **state)
{
    (void)state;
    return start_with(NULL);
}

static int start_with_key(void **state)
{
    (void)state;
    return start_with(KEY);
}

static int stop(void **state)
{
    (void)state;
    site_stop(&site, 0);
    site_remove(&site);
    site.answer = NULL;
    return 0;
}

static void expect_from(const char *host, const char *target, unsigned status, const char *body)
{
    struct answer a;

    ask_from(&site, host, "GET", target, "", &a);
    expect(&a, status, body);
    answer_free(&a);
}

static const char too_many[] = "too many questions wait for an answer\n";

/* Of some things nobody says anything; of the others, that there is none. */
static bool says_nothing(struct site *of, struct ask *ask)
{
    (void)of;
    return strstr(ask->name, "unheard") == NULL;
}

static int begin_to_ask(const char *host, const char *target)
{
    int fd = site_connect_from(&site, host);
    char text[256];

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target);
    send_text(fd, text);
    return fd;
}

static void until(const _Atomic unsigned *count, unsigned n)
{
    const mono_t most = mono_after(clock_mono(), MONO_S(60));

    while (atomic_load(count) < n) {
        if (mono_reached(clock_mono(), most))
            fail_msg("%u of %u", atomic_load(count), n);
        usleep(1000);
    }
}

static const char *numbered(const char *before, unsigned number, const char *behind)
{
    static char target[128];

    snprintf(target, sizeof(target), "%s%u%s", before, number, behind);
    return target;
}

static void nobody_asks_for_so_much_that_others_are_not_heard(void **state)
{
    enum { MOST = EXCHANGE_QUESTIONS_MAX / 4 };
    int fds[MOST];

    (void)state;
    site.answer = says_nothing;
    for (unsigned i = 0; i < MOST; i++)
        fds[i] = begin_to_ask(SLAVE_HOST, numbered("/example.com/unheard", i, ""));
    until(&site.asked, MOST);
    expect_from(SLAVE_HOST, "/example.com/unheard", 503, too_many);
    expect_from(BACKUP_HOST, "/example.com/none", 404, NULL);
    expect_from("127.0.0.1", "/example.com/none", 404, NULL);
    for (unsigned i = 0; i < MOST; i++)
        close(fds[i]);
}

/* ---- the same of the same name --------------------------------------------------------------- */

enum { SAME_MOST = 200 };

static struct {
    struct ask *list[SAME_MOST];
    _Atomic unsigned begun, kept;
} late;

static bool says_it_later(struct site *of, struct ask *ask)
{
    (void)of;
    if (!strstr(ask->name, "late"))
        return true;
    late.list[atomic_fetch_add(&late.begun, 1)] = ask;
    atomic_fetch_add(&late.kept, 1);
    return false;
}

static void who_asks_for_one_name_takes_one_place(void **state)
{
    int fds[SAME_MOST];
    struct answer a;

    (void)state;
    memset(&late, 0, sizeof(late));
    site.answer = says_it_later;
    for (unsigned i = 0; i < SAME_MOST; i++)
        fds[i] = begin_to_ask(SLAVE_HOST, "/example.com/late");
    until(&late.kept, SAME_MOST);
    expect_from(SLAVE_HOST, "/example.com/none", 404, NULL);
    site_put(&site, "example.com/late", "late", 4);
    for (unsigned i = 0; i < SAME_MOST; i++)
        late.list[i]->done(late.list[i]);
    for (unsigned i = 0; i < SAME_MOST; i++) {
        read_answer(fds[i], false, &a);
        expect(&a, 200, "late");
        answer_free(&a);
        close(fds[i]);
    }
}

/* Who goes away leaves it to those who share it. */
static void a_place_outlives_who_took_it(void **state)
{
    enum { MOST = EXCHANGE_QUESTIONS_MAX / 4 };
    int first[MOST], second[MOST];

    (void)state;
    site.answer = says_nothing;
    for (unsigned i = 0; i < MOST; i++)
        first[i] = begin_to_ask(SLAVE_HOST, numbered("/example.com/unheard", i, ""));
    until(&site.asked, MOST);
    for (unsigned i = 0; i < MOST; i++)
        second[i] = begin_to_ask(SLAVE_HOST, numbered("/example.com/unheard", i, ""));
    until(&site.asked, 2 * MOST);
    for (unsigned i = 0; i < MOST; i++)
        close(first[i]);
    until(&site.dropped, MOST);
    expect_from(SLAVE_HOST, "/example.com/unheard", 503, too_many);
    for (unsigned i = 0; i < MOST; i++)
        close(second[i]);
}

static void surveys_for_others_leave_some_for_us(void **state)
{
    static const char target[] = "/.pond/whohas/example.com/unheard", within[] = "?within=9000";
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.3", "127.0.0.4"};
    int fds[EXCHANGE_SURVEYS_MAX];
    unsigned n = 0;

    (void)state;
    site.answer = says_nothing;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        for (unsigned j = 0; j < EXCHANGE_SURVEYS_MAX / 4; j++)
            fds[n] = begin_to_ask(hosts[i], numbered(target, n, within)), n++;
        until(&site.asked, n);
        expect_from(hosts[i], numbered(target, n, within), 503, too_many);
    }
    expect_from("127.0.0.5", numbered(target, n, within), 503, too_many);
    fds[n++] = begin_to_ask("127.0.0.1", "/.pond/whohas?name=unheard");
    until(&site.asked, n);
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static int begin_to_put(struct signer *signer, unsigned number)
{
    struct challenge_claim claim;
    int fd = site_connect_from(&site, SLAVE_HOST);
    char *headers, *text, target[64];

    snprintf(target, sizeof(target), "/example.com/copied/%u", number);
    headers =
        signer_sign(signer, "PUT", target,
                    "Content-Length: 10\r\n"
                    "Content-Digest: sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:\r\n"
                    "Pond-Copies: 1\r\nPond-Timeout: 600\r\n",
                    &claim);
    assert_true(asprintf(&text, "PUT %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n0123456789", target,
                         headers) > 0);
    send_text(fd, text);
    free(headers);
    free(text);
    return fd;
}

static struct signer *signer_that_knows(void)
{
    struct signer *signer = signer_new(KEY, "web7");
    struct answer a;

    ask_from(&site, SLAVE_HOST, "GET", "/example.com/none", "", &a);
    signer_learn(signer, &a);
    answer_free(&a);
    return signer;
}

static bool says_nothing_at_all(struct site *of, struct ask *ask)
{
    (void)of, (void)ask;
    return false;
}

static void puts_that_wait_for_copies_leave_room_for_others(void **state)
{
    enum { MOST = EXCHANGE_COPIES_ASKED_MAX / 4 };
    struct signer *signer = signer_that_knows();
    int fds[MOST + 1], own;
    struct answer a;

    (void)state;
    site.answer = says_nothing_at_all;
    for (unsigned i = 0; i < MOST; i++)
        fds[i] = begin_to_put(signer, i);
    until(&site.asked, MOST);
    fds[MOST] = begin_to_put(signer, MOST);
    read_answer(fds[MOST], false, &a);
    expect(&a, 503, NULL);
    answer_free(&a);
    own = site_control(&site);
    send_text(own, "PUT /example.com/own HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
                   "Pond-Copies: 1\r\n\r\nx");
    until(&site.asked, MOST + 1);
    close(own);
    for (unsigned i = 0; i <= MOST; i++)
        close(fds[i]);
    signer_free(signer);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(nobody_asks_for_so_much_that_others_are_not_heard),
        CASE(who_asks_for_one_name_takes_one_place),
        CASE(a_place_outlives_who_took_it),
        CASE(surveys_for_others_leave_some_for_us),
        cmocka_unit_test_setup_teardown(puts_that_wait_for_copies_leave_room_for_others,
                                        start_with_key, stop),
    };
    return cmocka_run_group_tests_name("http_ask", tests, NULL, NULL);
}
