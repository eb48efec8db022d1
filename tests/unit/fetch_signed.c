/* SPDX-License-Identifier: ISC */
#include "src/fetch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "src/challenge.h"
#include "src/clock.h"
#include "tests/unit/fetch_bench.h"
#include "tests/unit/serve.h"
#include "tests/unit/unit.h"

/*
 * Hosts that know the cluster's key, and hosts that do not: what a node that enforces signatures
 * takes from each. The server's half of the challenge is the real one; HTTP around it is the
 * test's.
 */
enum manners {
    SIGNS,
    SIGNS_NOT,
    SIGNS_WITH_ANOTHER_KEY,
    CHANGES_A_HEADER, /* after it was signed */
    CHANGES_THE_BODY,
    LEAVES_OUT_THE_DIGEST,
    SIGNS_CONTENT, /* 206, without a digest of the body */
    HAS_NOT,
    REFUSES,      /* 403, unsigned */
    BUSY,         /* 503, unsigned */
    NEVER_PLEASED /* 401 to everything, with a fresh nonce */
};

struct signer {
    enum manners manners;
    struct challenge_server *challenges;
    struct seal *seal;
    bool serves_unsigned; /* plain_get */
    bool forgets;         /* each nonce is stale once more before it is good */
    _Atomic unsigned challenged, served;
};

static bool send_challenge(struct signer *signer, int fd)
{
    char nonce[NONCE_SIZE];

    signer->challenged++;
    challenge_issue(signer->challenges, clock_mono(), nonce);
    return serve_text(fd,
                      "HTTP/1.1 401 x\r\nWWW-Authenticate: Pond nonce=\"%s\"\r\n"
                      "Content-Length: 3\r\n\r\nno\n",
                      nonce);
}

static enum challenge_verdict check(struct signer *signer, const struct serve_request *request,
                                    struct challenge_claim *claim)
{
    struct challenge_request signed_part = {.method = span_of("GET"),
                                            .target = span_of(request->target)};
    char values[CHALLENGE_HEADERS_MAX][200];
    const char *value = serve_header(request, "Authorization");
    size_t key;

    if (!value || !challenge_claim_parse(span_of(value), claim))
        return CHALLENGE_WRONG;
    for (size_t i = 0; i < challenge_request_header_count; i++) {
        value = serve_header(request, challenge_request_headers[i]);
        snprintf(values[i], sizeof(values[i]), "%s", value ? value : "");
        signed_part.values[i] = span_of(values[i]);
    }
    return challenge_check(signer->challenges, signer->seal, clock_mono(), &signed_part, claim,
                           &key);
}

/* An answer with two headers that decide: Content-Range or nothing, and Content-Digest. */
static bool send_signed(struct signer *signer, int fd, const struct challenge_claim *claim,
                        unsigned status, const char *range, const char *body)
{
    struct challenge_answer answer = {.status = status};
    char digest_memory[100] = "", info_memory[300];
    struct text digest_value = TEXT_OVER(digest_memory), info = TEXT_OVER(info_memory);
    struct digest digest;

    digest_of(body, strlen(body), &digest);
    if (signer->manners != LEAVES_OUT_THE_DIGEST && signer->manners != SIGNS_CONTENT)
        challenge_digest_value(&digest, &digest_value);
    for (size_t i = 0; i < challenge_answer_header_count; i++) {
        if (strcasecmp(challenge_answer_headers[i], "content-range") == 0)
            answer.values[i] = span_of(range);
        else if (strcasecmp(challenge_answer_headers[i], "content-digest") == 0)
            answer.values[i] = span_of(digest_memory);
    }
    challenge_sign_answer(signer->seal, &answer, claim, "", &info);
    signer->served++;
    return serve_text(fd,
                      "HTTP/1.1 %u x\r\nContent-Length: %zu\r\n%s%s%s%s%s%s%s"
                      "Authentication-Info: %s\r\n\r\n%s",
                      status, strlen(body), range[0] ? "Content-Range: " : "", range,
                      range[0] ? "\r\n" : "", digest_memory[0] ? "Content-Digest: " : "",
                      digest_memory, digest_memory[0] ? "\r\n" : "",
                      signer->manners == CHANGES_A_HEADER ? "Pond-Last: 7\r\n" : "", info_memory,
                      signer->manners == CHANGES_THE_BODY ? "hellO" : body);
}

static bool serve_without_signature(int fd)
{
    return serve_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static bool answer(void *arg, const struct serve_request *request)
{
    struct signer *signer = arg;
    struct challenge_claim claim;
    enum challenge_verdict verdict = check(signer, request, &claim);

    if (signer->serves_unsigned && !serve_header(request, "Authorization"))
        return serve_without_signature(request->fd);
    if (signer->manners == REFUSES)
        return serve_text(request->fd, "HTTP/1.1 403 x\r\nContent-Length: 0\r\n\r\n");
    if (signer->manners == BUSY)
        return serve_text(request->fd, "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n");
    if (signer->forgets && verdict == CHALLENGE_OK) {
        signer->forgets = false;
        return send_challenge(signer, request->fd);
    }
    if (verdict != CHALLENGE_OK || signer->manners == NEVER_PLEASED)
        return send_challenge(signer, request->fd);
    if (signer->manners == SIGNS_NOT)
        return serve_without_signature(request->fd);
    if (signer->manners == SIGNS_CONTENT)
        return send_signed(signer, request->fd, &claim, 206, "bytes 2-6/10", "hello");
    return send_signed(signer, request->fd, &claim, signer->manners == HAS_NOT ? 404 : 200, "",
                       "hello");
}

/* ---- the bench ------------------------------------------------------------------------------ */

struct scene {
    struct keyring *ours, *theirs;
    struct signer signer;
    struct serve *serve;
    struct fetch *fetch;
};

static void scene_open(struct scene *s, enum manners manners)
{
    struct span key = span_of("a key of this cluster"), other = span_of("a key of another one");

    memset(s, 0, sizeof(*s));
    s->ours = keyring_new(&key, 1, false);
    s->theirs = keyring_new(manners == SIGNS_WITH_ANOTHER_KEY ? &other : &key, 1, false);
    s->signer.manners = manners;
    s->signer.challenges = challenge_server_new();
    s->signer.seal = seal_new(s->theirs);
    s->serve = serve_start(answer, &s->signer);
    s->fetch = new_fetch(s->ours);
}

static void scene_close(struct scene *s)
{
    fetch_free(s->fetch);
    serve_stop(s->serve);
    seal_free(s->signer.seal);
    challenge_server_free(s->signer.challenges);
    keyring_free(s->theirs);
    keyring_free(s->ours);
}

static void scene_ask(struct scene *s, struct waiting *w, bool content)
{
    prepare(w, serve_address(s->serve), "/example.com/a%20b?since=1");
    memcpy(w->request.etag, "\"abc\"", 6);
    if (content)
        ask_for_range(w, 2, 6, 10);
    carry_out(s->fetch, w);
}

static void expect_hello(struct waiting *w)
{
    assert_int_equal(w->request.result, FETCH_OK);
    assert_string_equal(w->request.body, "hello");
    free(w->request.body);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void it_is_challenged_once_a_server(void **state)
{
    struct waiting w;
    struct scene s;

    (void)state;
    scene_open(&s, SIGNS);
    for (int i = 0; i < 5; i++) {
        scene_ask(&s, &w, false);
        expect_hello(&w);
    }
    assert_int_equal(s.signer.challenged, 1);
    assert_int_equal(s.signer.served, 5);
    scene_close(&s);
}

static void a_stale_nonce_is_signed_anew(void **state)
{
    struct waiting w;
    struct scene s;

    (void)state;
    scene_open(&s, SIGNS);
    s.signer.forgets = true;
    scene_ask(&s, &w, false);
    expect_hello(&w);
    assert_int_equal(s.signer.challenged, 2);
    scene_close(&s);
}

static void who_serves_unsigned_too_is_asked_to_sign(void **state)
{
    struct waiting w;
    struct scene s;

    (void)state;
    scene_open(&s, SIGNS);
    s.signer.serves_unsigned = true;
    scene_ask(&s, &w, false);
    expect_hello(&w);
    scene_close(&s);
}

static void content_needs_no_digest(void **state)
{
    struct waiting w;
    struct scene s;

    (void)state;
    scene_open(&s, SIGNS_CONTENT);
    scene_ask(&s, &w, true);
    expect_hello(&w);
    scene_close(&s);
}

static void each_answer_has_its_verdict(void **state)
{
    static const struct {
        enum manners manners;
        enum fetch_result result;
        enum peer_fault fault;
    } rows[] = {
        {SIGNS_NOT, FETCH_FAULT, PEER_UNSIGNED_ANSWER},
        {SIGNS_WITH_ANOTHER_KEY, FETCH_FAULT, PEER_REFUSES}, /* it cannot check ours either */
        {CHANGES_A_HEADER, FETCH_FAULT, PEER_UNSIGNED_ANSWER},
        {CHANGES_THE_BODY, FETCH_FAULT, PEER_WRONG_ANSWER},
        {LEAVES_OUT_THE_DIGEST, FETCH_FAULT, PEER_UNSIGNED_ANSWER},
        {HAS_NOT, FETCH_NOT_FOUND, PEER_FINE},
        {REFUSES, FETCH_FAULT, PEER_REFUSES},
        {BUSY, FETCH_BUSY, PEER_FINE},
        {NEVER_PLEASED, FETCH_FAULT, PEER_REFUSES},
    };
    struct waiting w;
    struct scene s;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        scene_open(&s, rows[i].manners);
        scene_ask(&s, &w, false);
        assert_int_equal(w.request.result, rows[i].result);
        assert_int_equal(w.request.fault, rows[i].fault);
        assert_null(w.request.body);
        scene_close(&s);
    }
}

static void patience_with_challenges_ends(void **state)
{
    struct waiting w;
    struct scene s;

    (void)state;
    scene_open(&s, NEVER_PLEASED);
    scene_ask(&s, &w, false);
    assert_int_equal(s.signer.challenged, FETCH_SIGN_TRIES + 1);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_challenged_once_a_server),
        cmocka_unit_test(a_stale_nonce_is_signed_anew),
        cmocka_unit_test(who_serves_unsigned_too_is_asked_to_sign),
        cmocka_unit_test(content_needs_no_digest),
        cmocka_unit_test(each_answer_has_its_verdict),
        cmocka_unit_test(patience_with_challenges_ends),
    };
    return cmocka_run_group_tests_name("fetch_signed", tests, NULL, NULL);
}
