/* SPDX-License-Identifier: ISC */
#include "src/challenge.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

#define SERVER "10.0.0.1:65028"

static const struct span our_key = {"our key", 7}, their_key = {"their key", 9};
static const mono_t start = {MONO_S(1000)};

/* A client and a server that share a key. */
struct pair {
    struct keyring *keyring;
    struct seal *seal;
    struct challenge_server *server;
    struct challenge_client *client;
    struct challenge_request request;
};

static void pair_begin(struct pair *p)
{
    *p = (struct pair){.request = {.method = span_of("GET"), .target = span_of("/example.com/a")}};
    p->keyring = keyring_new(&our_key, 1, false);
    p->seal = seal_new(p->keyring);
    p->server = challenge_server_new();
    p->client = challenge_client_new("web1", "example.com");
}

static void pair_end(struct pair *p)
{
    challenge_client_free(p->client);
    challenge_server_free(p->server);
    seal_free(p->seal);
    keyring_free(p->keyring);
}

/* The server hands a nonce out with a 401, and the client takes it. */
static void hand_over(struct pair *p, mono_t now)
{
    char nonce[NONCE_SIZE], header[NONCE_SIZE + 64];

    challenge_issue(p->server, now, nonce);
    snprintf(header, sizeof(header), "Pond nonce=\"%s\", stale=true", nonce);
    assert_true(challenge_learn(p->client, span_of(SERVER), span_of(header)));
}

/* The client signs; what the server reads in Authorization goes to *claim. */
static void sign(struct pair *p, struct challenge_claim *claim)
{
    struct challenge_claim ours;
    char memory[1024];
    struct text header = TEXT_OVER(memory);

    assert_true(
        challenge_authorize(p->client, p->seal, span_of(SERVER), &p->request, &ours, &header));
    assert_false(header.full);
    assert_true(challenge_claim_parse((struct span){header.at, header.len}, claim));
    assert_memory_equal(ours.mac, claim->mac, sizeof(claim->mac));
    assert_string_equal(ours.nonce, claim->nonce);
    assert_int_equal(ours.nc, claim->nc);
}

static enum challenge_verdict check(struct pair *p, mono_t now, const struct challenge_claim *claim)
{
    size_t key;

    return challenge_check(p->server, p->seal, now, &p->request, claim, &key);
}

static void a_request_is_signed_and_taken_once(void **state)
{
    struct challenge_claim first, second, nothing;
    char memory[8];
    struct text text = TEXT_OVER(memory);
    struct pair p;

    (void)state;
    pair_begin(&p);
    assert_false(
        challenge_authorize(p.client, p.seal, span_of(SERVER), &p.request, &nothing, &text));
    hand_over(&p, start);
    sign(&p, &first);
    assert_string_equal(first.node, "web1");
    assert_string_equal(first.domain, "example.com");
    assert_int_equal(check(&p, start, &first), CHALLENGE_OK);
    assert_int_equal(check(&p, start, &first), CHALLENGE_REPLAYED);
    sign(&p, &second);
    assert_string_equal(second.nonce, first.nonce);
    assert_int_equal(check(&p, start, &second), CHALLENGE_OK);
    assert_int_equal(check(&p, start, &second), CHALLENGE_REPLAYED);
    pair_end(&p);
}

static void requests_may_overtake_one_another(void **state)
{
    struct challenge_claim claims[300];
    struct pair p;

    (void)state;
    pair_begin(&p);
    hand_over(&p, start);
    for (size_t i = 0; i < 300; i++)
        sign(&p, &claims[i]);
    for (size_t i = 300; i-- > 0;)
        assert_int_equal(check(&p, start, &claims[i]), CHALLENGE_OK);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(check(&p, start, &claims[i]), CHALLENGE_REPLAYED);
    pair_end(&p);
}

static void what_is_changed_on_the_way_is_found(void **state)
{
    struct challenge_request good;
    struct challenge_claim claim, changed;
    struct pair p;

    (void)state;
    pair_begin(&p);
    hand_over(&p, start);
    p.request.values[0] = span_of("sha-256=:x:");
    sign(&p, &claim);
    good = p.request;
    p.request.method = span_of("DELETE");
    assert_int_equal(check(&p, start, &claim), CHALLENGE_WRONG);
    p.request = good;
    p.request.target = span_of("/example.com/b");
    assert_int_equal(check(&p, start, &claim), CHALLENGE_WRONG);
    for (size_t i = 0; i < challenge_request_header_count; i++) {
        p.request = good;
        p.request.values[i] = span_of("other");
        assert_int_equal(check(&p, start, &claim), CHALLENGE_WRONG);
    }
    p.request = good;
    p.request.values[0] = (struct span){NULL, 0};
    assert_int_equal(check(&p, start, &claim), CHALLENGE_WRONG);
    p.request = good;
    changed = claim;
    changed.nc++;
    assert_int_equal(check(&p, start, &changed), CHALLENGE_WRONG);
    changed = claim;
    changed.node[0] = 'x';
    assert_int_equal(check(&p, start, &changed), CHALLENGE_WRONG);
    changed = claim;
    changed.domain[0] = 'x';
    assert_int_equal(check(&p, start, &changed), CHALLENGE_WRONG);
    changed = claim;
    changed.mac[31] ^= 1;
    assert_int_equal(check(&p, start, &changed), CHALLENGE_WRONG);
    changed = claim;
    changed.nonce[0] ^= 1;
    assert_int_equal(check(&p, start, &changed), CHALLENGE_STALE);
    assert_int_equal(check(&p, start, &claim), CHALLENGE_OK); /* none of that used it up */
    pair_end(&p);
}

/* No text of one part can be moved into the next. */
static void line_feeds_do_not_shift_the_parts(void **state)
{
    struct challenge_claim claim;
    struct pair p;

    (void)state;
    pair_begin(&p);
    hand_over(&p, start);
    sign(&p, &claim);
    p.request.target = span_of("/example.com/a\nweb1");
    assert_int_equal(check(&p, start, &claim), CHALLENGE_WRONG);
    pair_end(&p);
}

static void another_key_is_refused(void **state)
{
    struct keyring *theirs = keyring_new(&their_key, 1, false);
    struct seal *ours, *seal = seal_new(theirs);
    struct challenge_claim claim;
    struct pair p;

    (void)state;
    pair_begin(&p);
    hand_over(&p, start);
    ours = p.seal;
    p.seal = seal;
    sign(&p, &claim);
    p.seal = ours;
    assert_int_equal(check(&p, start, &claim), CHALLENGE_WRONG);
    pair_end(&p);
    seal_free(seal);
    keyring_free(theirs);
}

static void nonces_end_with_their_time_and_their_process(void **state)
{
    struct challenge_server *restarted = challenge_server_new(), *before;
    struct challenge_claim claim;
    struct pair p;

    (void)state;
    pair_begin(&p);
    hand_over(&p, start);
    sign(&p, &claim);
    assert_int_equal(check(&p, mono_after(start, NONCE_LIFETIME), &claim), CHALLENGE_STALE);
    before = p.server;
    p.server = restarted;
    assert_int_equal(check(&p, start, &claim), CHALLENGE_STALE);
    p.server = before;
    assert_int_equal(check(&p, mono_after(start, NONCE_LIFETIME - 1), &claim), CHALLENGE_OK);
    pair_end(&p);
    challenge_server_free(restarted);
}

/* Who asks on and on has the next nonce before the old one ends: no request is refused for it. */
static void a_nonce_past_half_of_its_life_brings_the_next_one(void **state)
{
    mono_t half = mono_after(start, NONCE_LIFETIME / 2), late = mono_after(half, 1);
    struct challenge_answer answer = {.status = 200};
    struct challenge_claim claim;
    char next[NONCE_SIZE], memory[512];
    struct text info = TEXT_OVER(memory);
    struct pair p;

    (void)state;
    pair_begin(&p);
    hand_over(&p, start);
    sign(&p, &claim);
    challenge_next(p.server, half, &claim, next);
    assert_string_equal(next, "");
    challenge_next(p.server, late, &claim, next);
    assert_string_not_equal(next, "");
    challenge_sign_answer(p.seal, &answer, &claim, next, &info);
    assert_true(challenge_learn(p.client, span_of(SERVER), span_of(memory)));
    sign(&p, &claim);
    assert_string_equal(claim.nonce, next);
    assert_int_equal(check(&p, mono_after(start, NONCE_LIFETIME), &claim), CHALLENGE_OK);
    pair_end(&p);
}

static void made_up_nonces_are_stale(void **state)
{
    char zeros[81] = "";
    const char *const made_up[] = {"", "x", "00", zeros};
    struct challenge_claim claim;
    struct pair p;

    (void)state;
    memset(zeros, '0', sizeof(zeros) - 1); /* as long as a good one */
    pair_begin(&p);
    hand_over(&p, start);
    sign(&p, &claim);
    for (size_t i = 0; i < sizeof(made_up) / sizeof(*made_up); i++) {
        snprintf(claim.nonce, sizeof(claim.nonce), "%s", made_up[i]);
        assert_int_equal(check(&p, start, &claim), CHALLENGE_STALE);
    }
    pair_end(&p);
}

/* However many nonces are used, no count of any is ever taken twice. */
static void what_the_table_forgets_is_stale(void **state)
{
    enum { NONCES = NONCES_MAX + 50 };
    static struct challenge_claim claims[NONCES];
    size_t replayed = 0, stale = 0;
    struct pair p;

    (void)state;
    pair_begin(&p);
    for (size_t i = 0; i < NONCES; i++) {
        hand_over(&p, start);
        sign(&p, &claims[i]);
        assert_int_equal(claims[i].nc, 1); /* a new nonce begins anew */
        assert_int_equal(check(&p, start, &claims[i]), CHALLENGE_OK);
    }
    for (size_t i = 0; i < NONCES; i++) {
        enum challenge_verdict verdict = check(&p, start, &claims[i]);
        assert_true(verdict == CHALLENGE_REPLAYED || verdict == CHALLENGE_STALE);
        replayed += verdict == CHALLENGE_REPLAYED;
        stale += verdict == CHALLENGE_STALE;
    }
    assert_int_equal(replayed, NONCES_MAX);
    assert_int_equal(stale, 50);
    pair_end(&p);
}

static void an_answer_belongs_to_its_request(void **state)
{
    struct challenge_answer answer = {.status = 200};
    struct challenge_claim claim, other;
    char memory[512];
    struct text info = TEXT_OVER(memory);
    struct pair p;

    (void)state;
    pair_begin(&p);
    hand_over(&p, start);
    sign(&p, &claim);
    sign(&p, &other);
    answer.values[0] = span_of("sha-256=:x:");
    challenge_sign_answer(p.seal, &answer, &claim, "", &info);
    assert_true(challenge_check_answer(p.seal, &answer, &claim, span_of(memory)));
    assert_false(challenge_check_answer(p.seal, &answer, &other, span_of(memory)));
    answer.status = 404;
    assert_false(challenge_check_answer(p.seal, &answer, &claim, span_of(memory)));
    answer.status = 200;
    for (size_t i = 0; i < challenge_answer_header_count; i++) {
        struct challenge_answer changed = answer;
        changed.values[i] = span_of("other");
        assert_false(challenge_check_answer(p.seal, &changed, &claim, span_of(memory)));
    }
    assert_false(challenge_check_answer(p.seal, &answer, &claim, span_of("Pond nc=1")));
    assert_false(challenge_check_answer(p.seal, &answer, &claim, span_of("")));
    other = claim;
    other.mac[0] ^= 1; /* as if to another request with the same nonce and count */
    assert_false(challenge_check_answer(p.seal, &answer, &other, span_of(memory)));
    pair_end(&p);
}

static void a_next_nonce_is_signed_and_learned(void **state)
{
    struct challenge_answer answer = {.status = 200};
    struct challenge_claim claim, next;
    char memory[512], nonce[NONCE_SIZE];
    struct text info = TEXT_OVER(memory);
    struct pair p;

    (void)state;
    pair_begin(&p);
    hand_over(&p, start);
    sign(&p, &claim);
    challenge_issue(p.server, start, nonce);
    challenge_sign_answer(p.seal, &answer, &claim, nonce, &info);
    assert_true(challenge_check_answer(p.seal, &answer, &claim, span_of(memory)));
    assert_true(challenge_learn(p.client, span_of(SERVER), span_of(memory)));
    sign(&p, &next);
    assert_string_equal(next.nonce, nonce);
    assert_int_equal(next.nc, 1);
    assert_int_equal(check(&p, start, &next), CHALLENGE_OK);
    strstr(memory, "nextnonce=\"")[11] ^= 1;
    assert_false(challenge_check_answer(p.seal, &answer, &claim, span_of(memory)));
    pair_end(&p);
}

static void a_known_nonce_goes_on_counting(void **state)
{
    struct challenge_claim claim;
    char header[NONCE_SIZE + 32];
    struct pair p;

    (void)state;
    pair_begin(&p);
    hand_over(&p, start);
    sign(&p, &claim);
    snprintf(header, sizeof(header), "Pond nonce=\"%s\"", claim.nonce);
    assert_true(challenge_learn(p.client, span_of(SERVER), span_of(header)));
    sign(&p, &claim);
    assert_int_equal(claim.nc, 2);
    assert_false(challenge_learn(p.client, span_of(SERVER), span_of("Basic realm=\"x\"")));
    assert_false(challenge_learn(p.client, span_of(SERVER), span_of("Pond nc=1, mac=\"00\"")));
    assert_false(challenge_learn(p.client, span_of(SERVER), span_of("Pond nonce=\"a\x01z\"")));
    assert_false(challenge_learn(p.client, span_of(SERVER), span_of("Pond nonce=a\\b")));
    pair_end(&p);
}

#define MAC "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void claims_are_read_strictly(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"Pond node=\"w\", domain=\"d\", nonce=\"n\", nc=1, mac=\"" MAC "\"", true},
        {"pond node=w,domain=d,nonce=n,nc=1,mac=" MAC, true},
        {"Pond  mac=" MAC " , nc = \"1\" ,nonce=n,node=w, domain=\"d\"", true},
        {"Pond node=w, domain=d, nonce=n, nc=1, mac=" MAC ", later=\"a, b\"", true},
        {"", false},
        {"Pond", false},
        {"Pond ", false},
        {"Basic dXNlcjpwYXNz", false},
        {"Pondnode=w,domain=d,nonce=n,nc=1,mac=" MAC, false},
        {"Pond node=w, domain=d, nonce=n, nc=1", false},
        {"Pond node=w, domain=d, nonce=n, mac=" MAC, false},
        {"Pond node=w, domain=d, nonce=n, nc=0, mac=" MAC, false},
        {"Pond node=w, domain=d, nonce=n, nc=-1, mac=" MAC, false},
        {"Pond node=w, domain=d, nonce=n, nc=18446744073709551616, mac=" MAC, false},
        {"Pond node=w, domain=d, nonce=n, nc=1, nc=1, mac=" MAC, false},
        {"Pond node=w, domain=d, nonce=n, nc=1, mac=" MAC "0", false},
        {"Pond node=w, domain=d, nonce=n, nc=1, mac=zz", false},
        {"Pond node=\"w w\", domain=d, nonce=n, nc=1, mac=" MAC, false},
        {"Pond node=\"\", domain=d, nonce=n, nc=1, mac=" MAC, false},
        {"Pond node=\"w, domain=d, nonce=n, nc=1, mac=" MAC, false},
        {"Pond node=\"w\"x, domain=d, nonce=n, nc=1, mac=" MAC, false},
        {"Pond node=w, domain=\"d\\\"\", nonce=n, nc=1, mac=" MAC, false},
        {"Pond node=w, domain=\"d\x01\", nonce=n, nc=1, mac=" MAC, false},
        {"Pond node=w,, domain=d, nonce=n, nc=1, mac=" MAC, false},
        {"Pond =w, node=w, domain=d, nonce=n, nc=1, mac=" MAC, false},
        {"Pond node", false},
        {"Pond node=", false},
    };
    struct challenge_claim claim;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (challenge_claim_parse(span_of(rows[i].text), &claim) != rows[i].good)
            fail_msg("%s", rows[i].text);
    }
}

static void overlong_parts_of_a_claim_are_refused(void **state)
{
    char text[1024], many[NODE_SIZE + 1];
    struct challenge_claim claim;

    (void)state;
    memset(many, 'x', sizeof(many));
    many[NONCE_SIZE] = '\0';
    snprintf(text, sizeof(text), "Pond node=w, domain=d, nonce=%s, nc=1, mac=" MAC, many);
    assert_false(challenge_claim_parse(span_of(text), &claim));
    many[NONCE_SIZE] = 'x';
    many[NODE_SIZE] = '\0';
    snprintf(text, sizeof(text), "Pond node=w, domain=%s, nonce=n, nc=1, mac=" MAC, many);
    assert_false(challenge_claim_parse(span_of(text), &claim));
    snprintf(text, sizeof(text), "Pond node=%s, domain=d, nonce=n, nc=1, mac=" MAC, many);
    assert_false(challenge_claim_parse(span_of(text), &claim));
}

#define GOOD "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="

/* RFC 9530, appendix B.1: the digest of {"hello": "world"} and a line feed. */
static void digests_have_the_form_of_rfc_9530(void **state)
{
    static const char *const wrong[] = {
        "",
        "sha-256=",
        "sha-256=::",
        "sha-512=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
        "sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPF=:",
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPEA:",
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DB===:",
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBP =:",
        "sha-256=:" GOOD ":, sha-256=:" GOOD ":",
    };
    static const char good[] = "sha-256=:" GOOD ":";
    char memory[128];
    struct text text = TEXT_OVER(memory);
    struct digest digest, back;

    (void)state;
    digest_of("{\"hello\": \"world\"}\n", 19, &digest);
    challenge_digest_value(&digest, &text);
    assert_string_equal(memory, good);
    assert_true(challenge_digest_parse(span_of(good), &back));
    assert_true(digest_same(&digest, &back));
    snprintf(memory, sizeof(memory), "sha-512=:AA==:,  %s", good);
    assert_true(challenge_digest_parse(span_of(memory), &back));
    assert_true(digest_same(&digest, &back));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_false(challenge_digest_parse(span_of(wrong[i]), &back));
}

/* Many threads present the same claims: each is taken by just one of them. */
enum { CLAIMS = 400, THREADS = 4 };
struct racer {
    struct pair *pair;
    const struct challenge_claim *claims;
    _Atomic int *taken;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct seal *seal = seal_new(racer->pair->keyring);
    size_t key;

    for (size_t i = 0; i < CLAIMS; i++) {
        if (challenge_check(racer->pair->server, seal, start, &racer->pair->request,
                            &racer->claims[i], &key) == CHALLENGE_OK)
            atomic_fetch_add(&racer->taken[i], 1);
    }
    seal_free(seal);
    return NULL;
}

static void one_of_many_threads_takes_each(void **state)
{
    static struct challenge_claim claims[CLAIMS];
    static _Atomic int taken[CLAIMS];
    pthread_t threads[THREADS];
    struct pair p;
    struct racer racer = {&p, claims, taken};

    (void)state;
    pair_begin(&p);
    hand_over(&p, start);
    for (size_t i = 0; i < CLAIMS; i++)
        sign(&p, &claims[i]);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racer), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < CLAIMS; i++)
        assert_int_equal(taken[i], 1);
    pair_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_signed_and_taken_once),
        cmocka_unit_test(requests_may_overtake_one_another),
        cmocka_unit_test(what_is_changed_on_the_way_is_found),
        cmocka_unit_test(line_feeds_do_not_shift_the_parts),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(nonces_end_with_their_time_and_their_process),
        cmocka_unit_test(a_nonce_past_half_of_its_life_brings_the_next_one),
        cmocka_unit_test(made_up_nonces_are_stale),
        cmocka_unit_test(what_the_table_forgets_is_stale),
        cmocka_unit_test(an_answer_belongs_to_its_request),
        cmocka_unit_test(a_next_nonce_is_signed_and_learned),
        cmocka_unit_test(a_known_nonce_goes_on_counting),
        cmocka_unit_test(claims_are_read_strictly),
        cmocka_unit_test(overlong_parts_of_a_claim_are_refused),
        cmocka_unit_test(digests_have_the_form_of_rfc_9530),
        cmocka_unit_test(one_of_many_threads_takes_each),
    };
    return cmocka_run_group_tests_name("challenge", tests, NULL, NULL);
}
