/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/signer.h"
#include "tests/unit/unit.h"

/* Signed requests, as another node makes them, and what becomes of them when they are changed or
 * said again. */

#define KEY "a key of the tests"
#define NODE "gw1"
#define FROM_OTHERS "Via: 1.1 elsewhere (carpond)\r\n"
#define BODY "0123456789"
#define BODY_DIGEST "sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:"

static struct site site;
static struct signer *signer;

static int start_with(const struct site_options *options)
{
    site_start(&site, options);
    site_put(&site, "example.com/a", BODY, strlen(BODY));
    signer = signer_new(KEY, NODE);
    return 0;
}

static int start(void **state)
{
    (void)state;
    return start_with(&(struct site_options){.key = KEY});
}

static int stop(void **state)
{
    (void)state;
    signer_free(signer);
    site_stop(&site, 0);
    site_remove(&site);
    return 0;
}

static char *sign(const char *method, const char *target, const char *headers,
                  struct challenge_claim *claim)
{
    return signer_sign(signer, method, target, headers, claim);
}

static void ask(const char *method, const char *target, const char *headers, const char *body,
                struct answer *answer)
{
    int fd = site_connect(&site);
    char text[4096];

    snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n%s", method, target,
             headers, body);
    send_text(fd, text);
    read_answer(fd, false, answer);
    close(fd);
}

static void learn_nonce(void)
{
    struct answer a;

    ask("GET", "/example.com/a", FROM_OTHERS, "", &a);
    signer_learn(signer, &a);
    answer_free(&a);
}

static void signed_requests_get_signed_answers(void **state)
{
    static const struct {
        const char *method, *target, *headers;
        unsigned status;
    } rows[] = {
        {"GET", "/example.com/a", "", 200},
        {"GET", "/example.com/a?version=1.0", "", 404},
        {"GET", "/example.com/a", "Range: bytes=2-3\r\n", 206},
        {"GET", "/example.com/a", "Range: bytes=20-\r\n", 416},
        {"GET", "/example.com/a", "If-Match: \"x\"\r\n", 412},
        {"GET", "/example.com/none", "", 404},
        {"GET", "/.pond/manifest/example.com/a", "", 200},
        {"GET", "/.pond/catalogue?since=0", "", 200},
    };

    (void)state;
    learn_nonce();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct challenge_claim claim;
        char *headers = sign(rows[i].method, rows[i].target, rows[i].headers, &claim);
        struct answer a;
        ask(rows[i].method, rows[i].target, headers, "", &a);
        if (a.status != rows[i].status || !signer_checks(signer, &a, &claim))
            fail_msg("%s %s: %s", rows[i].target, rows[i].headers, a.head);
        if (strncmp(rows[i].target, "/.pond", 6) == 0)
            assert_non_null(answer_header(&a, "Content-Digest"));
        answer_free(&a);
        free(headers);
    }
}

static void what_was_said_or_changed_is_refused(void **state)
{
    struct challenge_claim claim;
    char *headers;
    struct answer a;

    (void)state;
    learn_nonce();
    headers = sign("GET", "/example.com/a", FROM_OTHERS "Range: bytes=2-3\r\n", &claim);
    ask("GET", "/example.com/a", headers, "", &a);
    assert_int_equal(a.status, 206);
    answer_free(&a);
    ask("GET", "/example.com/a", headers, "", &a); /* said again */
    assert_int_equal(a.status, 401);
    answer_free(&a);
    free(headers);
    headers = sign("GET", "/example.com/a", FROM_OTHERS "Range: bytes=2-3\r\n", &claim);
    ask("GET", "/example.com/a?version=1.0", headers, "", &a); /* another target */
    assert_int_equal(a.status, 403);
    answer_free(&a);
    headers[strlen(FROM_OTHERS "Range: bytes=")] = '1'; /* another range */
    ask("GET", "/example.com/a", headers, "", &a);
    assert_int_equal(a.status, 403);
    answer_free(&a);
    headers[strlen(FROM_OTHERS "Range: bytes=")] = '2';
    headers[strlen("Via: 1.1 ")] = 'E'; /* another way */
    ask("GET", "/example.com/a", headers, "", &a);
    assert_int_equal(a.status, 403);
    answer_free(&a);
    free(headers);
}

/* What was put beside what is signed. */
static void what_is_signed_stands_there_once(void **state)
{
    static const char *const twice[] = {"Cache-Control: no-cache\r\n", "Via: 1.1 b (carpond)\r\n",
                                        "pond-timeout: 5\r\n"};
    struct answer a;

    (void)state;
    learn_nonce();
    for (size_t i = 0; i < sizeof(twice) / sizeof(*twice); i++) {
        struct challenge_claim claim;
        char *headers = sign("GET", "/example.com/a", twice[i], &claim), *more;
        assert_true(asprintf(&more, "%s%s", headers, twice[i]) > 0);
        ask("GET", "/example.com/a", more, "", &a);
        expect(&a, 400, "a header that the signature covers stands there twice\n");
        answer_free(&a);
        free(headers);
        free(more);
    }
}

static void a_nonce_of_no_use_is_stale(void **state)
{
    struct answer a;

    (void)state;
    ask("GET", "/example.com/a",
        FROM_OTHERS
        "Authorization: Pond node=\"gw1\", domain=\"example.com\", nonce=\"abc\", nc=1, "
        "mac=\"0000000000000000000000000000000000000000000000000000000000000000\"\r\n",
        "", &a);
    assert_int_equal(a.status, 401);
    assert_non_null(strstr(answer_header(&a, "WWW-Authenticate"), "stale=true"));
    answer_free(&a);
    ask("GET", "/example.com/a", FROM_OTHERS "Authorization: Basic eDp5\r\n", "", &a);
    assert_int_equal(a.status, 401);
    answer_free(&a);
}

/* As from curl -u or a .netrc: it says nothing to us, and the own host needs no signature. */
static void another_scheme_counts_as_unsigned(void **state)
{
    struct answer a;

    (void)state;
    ask("GET", "/example.com/a", "Authorization: Basic eDp5\r\n", "", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
}

/* What is signed is the digest: the body has to have it before anything is stored. */
static void a_signed_put_is_held_to_its_digest(void **state)
{
    static const struct {
        const char *headers, *body;
        unsigned status;
    } rows[] = {
        {"Content-Length: 10\r\n", BODY, 400},
        {"Content-Length: 10\r\nContent-Digest: " BODY_DIGEST "\r\n", "0123456780", 400},
        {"Content-Length: 10\r\nContent-Digest: " BODY_DIGEST "\r\n", BODY, 201},
    };
    struct store_entry entry;

    (void)state;
    learn_nonce();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct challenge_claim claim;
        char *headers = sign("PUT", "/example.com/put", rows[i].headers, &claim);
        struct answer a;
        assert_int_equal(store_find(site.store, span_of("example.com/put"), &entry),
                         STORE_NOT_FOUND);
        ask("PUT", "/example.com/put", headers, rows[i].body, &a);
        if (a.status != rows[i].status || !signer_checks(signer, &a, &claim))
            fail_msg("row %zu: %s", i, a.head);
        answer_free(&a);
        free(headers);
    }
    assert_int_equal(store_find(site.store, span_of("example.com/put"), &entry), STORE_OK);
}

static void *send_long_body(void *arg)
{
    static const char bytes[1 << 16];

    for (int i = 0; i < 64; i++)
        send_all(*(int *)arg, bytes, sizeof(bytes));
    return NULL;
}

/* Though more of its body is still to come than is read of a stranger's. */
static void a_signed_put_that_fails_midway_is_told_so(void **state)
{
    struct rlimit before, little;
    struct challenge_claim claim;
    char *headers, *text;
    struct answer a;
    pthread_t sender;
    int fd;

    (void)state;
    learn_nonce();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = (struct rlimit){1 << 20, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    headers = sign("PUT", "/example.com/long",
                   "Content-Length: 4194304\r\nContent-Digest: " BODY_DIGEST "\r\n", &claim);
    assert_true(asprintf(&text, "PUT /example.com/long HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
                         headers) > 0);
    fd = site_connect(&site);
    send_text(fd, text);
    assert_int_equal(pthread_create(&sender, NULL, send_long_body, &fd), 0);
    read_answer(fd, false, &a);
    pthread_join(sender, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    if (a.status < 500 || !a.whole || !signer_checks(signer, &a, &claim))
        fail_msg("%u: %s", a.status, a.head ? a.head : "no answer");
    answer_free(&a);
    close(fd);
    free(headers);
    free(text);
}

/* The control socket needs no signature; unsigned changes from elsewhere are asked for one. */
static void unsigned_changes_are_asked_for_a_signature(void **state)
{
    struct answer a;

    (void)state;
    ask("PUT", "/example.com/x", "Content-Length: 10\r\n", BODY, &a);
    assert_int_equal(a.status, 401);
    answer_free(&a);
    ask("DELETE", "/example.com/a", "", "", &a);
    assert_int_equal(a.status, 401);
    answer_free(&a);
    ask_control(&site, "PUT", "/example.com/x", "", BODY, &a);
    assert_int_equal(a.status, 201);
    answer_free(&a);
}

/* ---- a backup of a tier -----------------------------------------------------------------------
 */

#define SLAVE_HOST "127.0.0.77"
#define MASTER_HOST "127.0.0.2"
#define STRANGER_HOST "127.9.9.9"

static int start_backup(void **state)
{
    const struct member tier[] = {
        site_member("127.0.0.1", MEMBER_CANDIDATE, "paris"),
        site_member(MASTER_HOST, MEMBER_CANDIDATE, "paris"),
        site_member("127.0.0.0/24", MEMBER_SLAVE, "paris"),
    };

    (void)state;
    start_with(&(struct site_options){
        .key = KEY, .members = tier, .member_count = 3, .nobroadcast = true});
    site_publish(&site, "paris", BALLOT_BACKUP, MASTER_HOST, MONO_NEVER);
    return 0;
}

/* The target of any length that is taken goes into the answer, beside all that signs it. */
static void targets_of_any_length_are_sent_to_the_master(void **state)
{
    char target[6600] = "/example.com/a?";
    unsigned told[2] = {0};

    (void)state;
    learn_nonce();
    memset(target + strlen(target), 'x', sizeof(target) - strlen(target));
    for (size_t len = 3000; len < sizeof(target); len += 37) {
        struct challenge_claim claim;
        struct answer a;
        char *headers;
        target[len] = '\0';
        headers = sign("GET", target, "", &claim);
        ask_from(&site, SLAVE_HOST, "GET", target, headers, &a);
        if ((a.status != 307 && a.status != 414) || !signer_checks(signer, &a, &claim))
            fail_msg("%zu bytes: %u: %s", len, a.status, a.head ? a.head : "no answer");
        told[a.status == 414]++;
        answer_free(&a);
        free(headers);
        target[len] = 'x';
    }
    assert_true(told[0] > 0 && told[1] > 0);
}

static void heard(const char *node, const char *host)
{
    struct address from;

    assert_true(address_parse(span_of(host), 0, &from));
    heard_note(gate_heard(site.gate), span_of(node), &from);
}

/* From then on we sign as that node. The first request asks for a nonce, as nodes do. */
static void become(const char *node, const char *host)
{
    char claim[512];
    struct answer a;

    signer_free(signer);
    signer = signer_new(KEY, node);
    snprintf(claim, sizeof(claim),
             "Authorization: Pond node=\"%s\", domain=\"" SITE_DOMAIN "\", nonce=\"none\", nc=1, "
             "mac=\"%064d\"\r\n",
             node, 0);
    ask_from(&site, host, "GET", "/example.com/a", claim, &a);
    signer_learn(signer, &a);
    answer_free(&a);
}

static void expect_signed(const char *host, unsigned status, const char *body)
{
    struct challenge_claim claim;
    char *headers = sign("GET", "/example.com/a", "", &claim);
    struct answer a;

    ask_from(&site, host, "GET", "/example.com/a", headers, &a);
    expect(&a, status, body);
    answer_free(&a);
    free(headers);
}

static void a_node_is_itself_wherever_it_speaks_from(void **state)
{
    (void)state;
    heard("gw2", MASTER_HOST);
    heard("web7", SLAVE_HOST);
    become("gw2", STRANGER_HOST);
    expect_signed(STRANGER_HOST, 200, BODY);
    expect_signed(SLAVE_HOST, 200, BODY);
    become("web7", STRANGER_HOST);
    expect_signed(STRANGER_HOST, 307, NULL);
    expect_signed(SLAVE_HOST, 307, NULL);
    become("web8", SLAVE_HOST); /* a key holder that was never heard */
    expect_signed(SLAVE_HOST, 307, NULL);
    expect_signed(STRANGER_HOST, 403, "not a member\n");
}

/* It may say the name of one that was heard: the signature tells. */
static void a_stranger_is_refused_and_closed(void **state)
{
    static const struct {
        const char *node, *scheme;
        unsigned status;
    } rows[] = {
        {"gw2", "Basic", 403}, {"web8", "Pond", 403}, {"gw2", "Pond", 401}, {"", "Pond", 403}};
    uint64_t wrong = gate_count(GATE_WRONG_KEY);
    struct challenge_claim claim;
    struct answer a;
    char *headers;

    (void)state;
    heard("gw2", MASTER_HOST);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char text[512];
        int fd = site_connect_from(&site, STRANGER_HOST);
        snprintf(text, sizeof(text),
                 "GET /example.com/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s node=\"%s\", "
                 "domain=\"example.com\", nonce=\"none\", nc=1, mac=\"%064d\"\r\n\r\n",
                 rows[i].scheme, rows[i].node, 0);
        send_text(fd, text);
        read_answer(fd, false, &a);
        expect(&a, rows[i].status, NULL);
        assert_true(is_closed(fd));
        answer_free(&a);
        close(fd);
    }
    become("gw2", STRANGER_HOST);
    headers = sign("GET", "/example.com/a", "Range: bytes=2-3\r\n", &claim);
    headers[strlen("Range: bytes=")] = '1';
    ask_from(&site, STRANGER_HOST, "GET", "/example.com/a", headers, &a);
    expect(&a, 403, "it is signed with a key that this node does not have\n");
    assert_int_equal(gate_count(GATE_WRONG_KEY), wrong + 1);
    answer_free(&a);
    free(headers);
}

struct recheck {
    struct letter letter;
    _Atomic bool done;
};

static void on_recheck(struct letter *letter)
{
    struct recheck *recheck = LETTER_OWNER(letter, struct recheck, letter);

    http_recheck(site.http);
    atomic_store(&recheck->done, true);
}

/* As after a reload. */
static void look_again(void)
{
    struct recheck recheck = {.letter.read = on_recheck};

    mailbox_post(site.mailbox, &recheck.letter);
    while (!atomic_load(&recheck.done))
        usleep(1000);
}

static void ask_signed_on(int fd)
{
    struct challenge_claim claim;
    char *headers = sign("GET", "/example.com/a", "", &claim), *text;
    struct answer a;

    assert_true(
        asprintf(&text, "GET /example.com/a HTTP/1.1\r\nHost: localhost\r\n%s\r\n", headers) > 0);
    send_text(fd, text);
    read_answer(fd, false, &a);
    expect(&a, 200, BODY);
    answer_free(&a);
    free(headers);
    free(text);
}

static void a_reload_cuts_who_speaks_from_elsewhere_once_it_is_no_member(void **state)
{
    const struct member others = site_member(SLAVE_HOST, MEMBER_SLAVE, "paris");
    int fd;

    (void)state;
    heard("gw2", MASTER_HOST);
    become("gw2", STRANGER_HOST);
    fd = site_connect_from(&site, STRANGER_HOST);
    ask_signed_on(fd);
    look_again();
    ask_signed_on(fd);
    members_replace(site.members,
                    &(struct members_options){
                        .list = &others, .count = 1, .nets_given = true, .nobroadcast = true});
    look_again();
    assert_true(is_closed(fd));
    close(fd);
}

int main(void)
{
#define ALONE(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define BACKUP(test) cmocka_unit_test_setup_teardown(test, start_backup, stop)
    const struct CMUnitTest tests[] = {
        ALONE(signed_requests_get_signed_answers),
        ALONE(what_was_said_or_changed_is_refused),
        ALONE(what_is_signed_stands_there_once),
        ALONE(a_nonce_of_no_use_is_stale),
        ALONE(another_scheme_counts_as_unsigned),
        ALONE(a_signed_put_is_held_to_its_digest),
        ALONE(a_signed_put_that_fails_midway_is_told_so),
        ALONE(unsigned_changes_are_asked_for_a_signature),
        BACKUP(targets_of_any_length_are_sent_to_the_master),
        BACKUP(a_node_is_itself_wherever_it_speaks_from),
        BACKUP(a_stranger_is_refused_and_closed),
        BACKUP(a_reload_cuts_who_speaks_from_elsewhere_once_it_is_no_member),
    };
    return cmocka_run_group_tests_name("http_signed", tests, NULL, NULL);
}
