/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "src/gate.h"
#include "src/heard.h"
#include "tests/unit/unit.h"

/* Section 9: a signed request is judged as the node that signed it, wherever it comes from. */
#define DOMAIN "example.com"
#define FIRST "10.27.4.1"
#define SECOND "10.27.4.2"
#define ELSEWHERE "10.9.9.9"

static const mono_t start = {MONO_S(1000)};
static const char our_key[] = "a key that this cluster has", their_key[] = "a key of another one";

struct place {
    struct members *members;
    struct keyring *keyring;
    struct gate *gate;
};

static struct address address(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 0, &a));
    return a;
}

static struct members_options nets(const struct member *list, size_t count)
{
    return (struct members_options){
        .list = list, .count = count, .nets_given = true, .nobroadcast = true};
}

static void place_begin(struct place *p, enum auth_mode auth)
{
    struct span key = span_of(our_key);
    struct member member = {.role = MEMBER_PEER};
    struct members_options options = nets(&member, 1);
    bool differs;

    assert_true(network_parse(span_of("10.27.4.0/24"), &member.network, &differs));
    p->members = members_new(&options);
    p->keyring = keyring_new(&key, 1, false);
    p->gate = gate_new(&(struct gate_options){.members = p->members,
                                              .keyring = p->keyring,
                                              .domain = DOMAIN,
                                              .node = "gw1",
                                              .boot = 50,
                                              .auth = auth});
}

static void place_end(struct place *p)
{
    gate_free(p->gate);
    keyring_free(p->keyring);
    members_free(p->members);
}

static void sign(struct text *text, const char *secret)
{
    struct span key = span_of(secret);
    struct keyring *keyring = keyring_new(&key, 1, false);
    struct seal *seal = seal_new(keyring);

    seal_message(seal, text, false);
    seal_free(seal);
    keyring_free(keyring);
}

/* The node asks for something, signed with the key (NULL: not at all), from that host. */
static enum gate_verdict say(struct place *p, const char *node, uint64_t counter, const char *key,
                             const char *from)
{
    struct notice n = {.kind = NOTICE_WHOHAS,
                       .sender = {.domain = DOMAIN, .boot = 1, .counter = counter},
                       .name = DOMAIN "/x",
                       .tuid = "1@t",
                       .port = 65028};
    struct gate_datagram datagram = {.from = address(from)};
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct notice heard;

    snprintf(n.sender.node, sizeof(n.sender.node), "%s", node);
    notice_write(&n, (wall_t){0}, &text);
    if (key)
        sign(&text, key);
    return gate_datagram(p->gate, start, (struct span){text.at, text.len}, &datagram, &heard);
}

/* A request that says that it is from the node (NULL: unsigned), and how it was signed. */
static enum gate_verdict judge(struct place *p, const char *from, const char *node, bool is_signed,
                               struct gate_request *request)
{
    *request = (struct gate_request){.message = GATE_SENDME,
                                     .from = address(from),
                                     .to = address("10.27.4.9"),
                                     .is_signed = is_signed,
                                     .node = node};
    return gate_takes_sender(p->gate, request)
               ? gate_request(p->gate, request, span_of(DOMAIN "/x"))
               : GATE_NOT_MEMBER;
}

static void expect_heard(const struct gate_request *request, const char *at)
{
    struct address wanted = address(at);

    assert_int_equal(request->heard_count, 1);
    assert_true(address_same_host(&request->heard[0], &wanted));
    assert_false(request->own_host);
}

static void who_was_heard_as_a_member_is_one_from_elsewhere(void **state)
{
    struct gate_request request;
    struct place p;

    (void)state;
    place_begin(&p, AUTH_ENFORCE);
    assert_int_equal(judge(&p, ELSEWHERE, "web1", true, &request), GATE_NOT_MEMBER);
    assert_int_equal(say(&p, "web1", 1, our_key, FIRST), GATE_PASS);
    assert_int_equal(say(&p, "web2", 1, our_key, SECOND), GATE_PASS);
    assert_int_equal(judge(&p, ELSEWHERE, "web1", true, &request), GATE_PASS);
    expect_heard(&request, FIRST);
    assert_int_equal(judge(&p, FIRST, "web2", true, &request), GATE_PASS);
    expect_heard(&request, SECOND);
    place_end(&p);
}

static void whose_name_is_said_without_a_signature_is_nobody(void **state)
{
    struct gate_request request;
    struct place p;

    (void)state;
    place_begin(&p, AUTH_ENFORCE);
    assert_int_equal(say(&p, "web1", 1, our_key, FIRST), GATE_PASS);
    assert_int_equal(judge(&p, ELSEWHERE, "web1", false, &request), GATE_NOT_MEMBER);
    assert_int_equal(judge(&p, ELSEWHERE, NULL, false, &request), GATE_NOT_MEMBER);
    assert_int_equal(judge(&p, ELSEWHERE, "web3", true, &request), GATE_NOT_MEMBER);
    assert_int_equal(judge(&p, FIRST, "web1", false, &request), GATE_UNSIGNED);
    place_end(&p);
}

/* What anybody can say while keys are rolled out, and what is refused, makes nobody a member. */
static void who_was_heard_unsigned_or_refused_is_no_member(void **state)
{
    struct gate_request request;
    struct place p;

    (void)state;
    place_begin(&p, AUTH_PERMISSIVE);
    assert_int_equal(say(&p, "web1", 1, NULL, FIRST), GATE_PASS);
    assert_int_equal(say(&p, "web1", 2, their_key, FIRST), GATE_WRONG_KEY);
    assert_int_equal(say(&p, "web1", 3, our_key, ELSEWHERE), GATE_NOT_MEMBER);
    assert_int_equal(judge(&p, ELSEWHERE, "web1", true, &request), GATE_NOT_MEMBER);
    place_end(&p);
}

/* A reload took the address out of the nets. */
static void who_was_heard_where_no_member_is_any_more_is_none(void **state)
{
    const struct members_options none = nets(NULL, 0);
    struct gate_request request;
    struct place p;

    (void)state;
    place_begin(&p, AUTH_ENFORCE);
    assert_int_equal(say(&p, "web1", 1, our_key, FIRST), GATE_PASS);
    assert_int_equal(judge(&p, ELSEWHERE, "web1", true, &request), GATE_PASS);
    members_replace(p.members, &none);
    assert_int_equal(judge(&p, ELSEWHERE, "web1", true, &request), GATE_NOT_MEMBER);
    place_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_heard_as_a_member_is_one_from_elsewhere),
        cmocka_unit_test(whose_name_is_said_without_a_signature_is_nobody),
        cmocka_unit_test(who_was_heard_unsigned_or_refused_is_no_member),
        cmocka_unit_test(who_was_heard_where_no_member_is_any_more_is_none),
    };
    return cmocka_run_group_tests_name("gate_heard", tests, NULL, NULL);
}
