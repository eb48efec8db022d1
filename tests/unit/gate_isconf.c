/* SPDX-License-Identifier: ISC */
#include "src/gate.h"

#include <string.h>

#include "tests/unit/unit.h"

#define DOMAIN "example.com"
#define MEMBER "10.27.4.1"
#define STRANGER "10.9.9.9"

/* What ISconf hosts say, and what they ask for, at the gate of 10.27.4.9 in 10.27.4.0/24. */

static const struct span our_key = {"our key", 7}, their_key = {"their key", 9};
static const mono_t start = {MONO_S(1000)};

static struct address address(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 65027, &a));
    return a;
}

struct place {
    struct members *members;
    struct keyring *keyring;
    struct gate *gate;
};

struct place_options {
    bool keys, no_isconf, no_nets, nobroadcast;
    enum auth_mode auth;
};

static void place_begin(struct place *p, const struct place_options *o)
{
    struct member member = {.role = MEMBER_PEER};
    struct address own = address("10.27.4.9");
    bool differs;

    assert_true(network_parse(span_of("10.27.4.0/24"), &member.network, &differs));
    p->members = members_new(&(struct members_options){.list = &member,
                                                       .count = !o->no_nets,
                                                       .own = &own,
                                                       .own_count = 1,
                                                       .nets_given = !o->no_nets,
                                                       .nobroadcast = o->nobroadcast});
    p->keyring = o->keys ? keyring_new(&our_key, 1, false) : NULL;
    p->gate = gate_new(&(struct gate_options){.members = p->members,
                                              .keyring = p->keyring,
                                              .domain = DOMAIN,
                                              .node = "gw1",
                                              .port = 65027,
                                              .http_port = 65028,
                                              .auth = o->auth,
                                              .isconf = !o->no_isconf});
}

static void place_end(struct place *p)
{
    gate_free(p->gate);
    keyring_free(p->keyring);
    members_free(p->members);
}

/* A whohas with these headers beside its own, signed as ISconf signs. */
static enum gate_verdict say(struct place *p, const struct span *key, const char *from,
                             const char *file, const char *more)
{
    char body[512], memory[1024];
    struct text covered = TEXT_OVER(body), text = TEXT_OVER(memory);
    struct gate_datagram datagram = {.from = address(from)};
    struct notice heard;
    enum gate_verdict verdict;

    text_printf(&covered, "_type: whohas\n_size: 0\ntuid: 0.5@x\nnewer: 0\nfile: %s\n%s\n", file,
                more);
    text_puts(&text, "From fbp822 Sun Nov 22 12:00:00 2026");
    if (key) {
        struct keyring *keyring = keyring_new(key, 1, false);
        struct seal *seal = seal_new(keyring);
        uint8_t mac[MAC1_LEN];
        seal_mac1(seal, (struct span){covered.at, covered.len}, mac);
        text_puts(&text, " HMAC=");
        text_hex(&text, mac, sizeof(mac));
        seal_free(seal);
        keyring_free(keyring);
    }
    text_printf(&text, "\n%s", body);
    verdict = gate_datagram(p->gate, start, (struct span){text.at, text.len}, &datagram, &heard);
    if (verdict == GATE_PASS) {
        assert_true(heard.isconf);
        assert_string_equal(heard.name, DOMAIN "/a");
        assert_int_equal(datagram.is_signed, key != NULL && p->keyring != NULL);
    }
    return verdict;
}

static void datagrams_are_judged_by_membership_and_signature(void **state)
{
    static const struct {
        struct place_options place;
        const struct span *key;
        const char *from, *file, *more;
        enum gate_verdict verdict;
    } rows[] = {
        {{.keys = true}, &our_key, MEMBER, DOMAIN "/a", "", GATE_PASS},
        {{.keys = true}, &our_key, STRANGER, "/" DOMAIN "/a", "", GATE_PASS}, /* by broadcast */
        {{.keys = true}, &their_key, MEMBER, DOMAIN "/a", "", GATE_WRONG_KEY},
        {{.keys = true}, NULL, MEMBER, DOMAIN "/a", "", GATE_UNSIGNED},
        {{.keys = true, .auth = AUTH_PERMISSIVE}, NULL, MEMBER, DOMAIN "/a", "", GATE_PASS},
        {{.keys = true, .auth = AUTH_PERMISSIVE},
         &their_key,
         MEMBER,
         DOMAIN "/a",
         "",
         GATE_WRONG_KEY},
        {{.keys = true, .nobroadcast = true}, &our_key, STRANGER, DOMAIN "/a", "", GATE_NOT_MEMBER},
        {{.keys = false}, NULL, STRANGER, DOMAIN "/a", "", GATE_PASS},
        {{.keys = false, .nobroadcast = true}, NULL, STRANGER, DOMAIN "/a", "", GATE_NOT_MEMBER},
        {{.keys = true}, &our_key, MEMBER, "other.org/a", "", GATE_NAME},
        {{.keys = true}, &our_key, MEMBER, DOMAIN "/../a", "", GATE_NAME},
        /* It is no way round our own signature. */
        {{.keys = true}, &our_key, MEMBER, DOMAIN "/a", "node: web1\n", GATE_FORM},
        {{.keys = true},
         &our_key,
         MEMBER,
         DOMAIN "/a",
         "format: 1\ndomain: " DOMAIN "\nnode: web1\nboot: 1\ncounter: 1\n",
         GATE_UNSIGNED},
        {{.keys = true, .no_isconf = true}, &our_key, MEMBER, DOMAIN "/a", "", GATE_FORM},
        {{.no_isconf = true}, NULL, MEMBER, DOMAIN "/a", "", GATE_FORM},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct place p;
        place_begin(&p, &rows[i].place);
        for (int again = 0; again < 2; again++) { /* it is repeated until it is answered */
            enum gate_verdict verdict =
                say(&p, rows[i].key, rows[i].from, rows[i].file, rows[i].more);
            if (verdict != rows[i].verdict)
                fail_msg("row %zu: %s instead of %s", i, gate_name(verdict),
                         gate_name(rows[i].verdict));
        }
        place_end(&p);
    }
}

static enum gate_verdict get(struct place *p, const char *from, bool challenge,
                             enum gate_message message)
{
    struct gate_request request = {
        .message = message, .from = address(from), .to = address("10.27.4.9"), .isconf = challenge};

    return gate_request(p->gate, &request, span_of(DOMAIN "/a"));
}

/* `heard`: a key holder spoke from there before; `named`: a nets file names the host. */
static void a_challenge_lets_key_holders_and_members_read(void **state)
{
    static const struct {
        struct place_options place;
        const char *from;
        bool heard, challenge;
        enum gate_verdict verdict;
    } rows[] = {
        {{.keys = true}, MEMBER, false, true, GATE_PASS},
        {{.keys = true}, MEMBER, false, false, GATE_UNSIGNED},
        {{.keys = true, .nobroadcast = true}, MEMBER, false, true, GATE_PASS},
        {{.keys = true, .nobroadcast = true}, STRANGER, true, true, GATE_NOT_MEMBER},
        {{.keys = true}, STRANGER, false, true, GATE_UNSIGNED},
        {{.keys = true}, STRANGER, true, true, GATE_PASS},
        {{.keys = true}, STRANGER, true, false, GATE_UNSIGNED},
        {{.keys = true, .no_nets = true}, STRANGER, false, true, GATE_UNSIGNED},
        {{.keys = true, .no_nets = true}, STRANGER, true, true, GATE_PASS},
        {{.keys = true, .no_isconf = true}, MEMBER, true, true, GATE_UNSIGNED},
        {{.keys = false}, STRANGER, false, false, GATE_PASS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        enum gate_verdict verdict;
        struct place p;
        place_begin(&p, &rows[i].place);
        if (rows[i].heard)
            say(&p, &our_key, rows[i].from, DOMAIN "/a", "");
        verdict = get(&p, rows[i].from, rows[i].challenge, GATE_SENDME);
        if (verdict != rows[i].verdict)
            fail_msg("row %zu: %s instead of %s", i, gate_name(verdict),
                     gate_name(rows[i].verdict));
        assert_int_not_equal(get(&p, rows[i].from, rows[i].challenge, GATE_PUT), GATE_PASS);
        place_end(&p);
    }
}

/* What counts as heard must have been signed: where unsigned messages pass, they are none. */
static void an_unsigned_message_shows_no_key(void **state)
{
    struct place_options options = {.keys = true, .auth = AUTH_PERMISSIVE};
    struct place p;

    (void)state;
    place_begin(&p, &options);
    assert_int_equal(say(&p, NULL, STRANGER, DOMAIN "/a", ""), GATE_PASS);
    gate_change(p.gate, AUTH_ENFORCE, false);
    assert_int_equal(get(&p, STRANGER, true, GATE_SENDME), GATE_UNSIGNED);
    place_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_are_judged_by_membership_and_signature),
        cmocka_unit_test(a_challenge_lets_key_holders_and_members_read),
        cmocka_unit_test(an_unsigned_message_shows_no_key),
    };
    return cmocka_run_group_tests_name("gate_isconf", tests, NULL, NULL);
}
