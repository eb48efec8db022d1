/* SPDX-License-Identifier: ISC */
#include "src/gossip_gate.h"

#include <string.h>

#include "tests/unit/unit.h"

#define DOMAIN "example.com"

static const struct span our_key = {"our key", 7}, their_key = {"their key", 9},
                         our_secret = {"our secret of the tests", 23},
                         their_secret = {"a secret of another lot", 23};
static const wall_t noon = {1795348800000};
static const mono_t now = {MONO_S(100)};

static struct address address(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 45892, &a));
    return a;
}

/* The gate of gw2 (10.27.4.2), in which nobody is a member. */
struct place {
    struct members *members;
    struct keyring *keyring, *their_keyring;
    struct seal *seal, *their_seal;
    struct envelope *envelope, *their_envelope;
    struct gossip_gate *gate;
};

static int set_up(void **state)
{
    static struct place place;
    static struct address own;

    own = address("10.27.4.2");
    place.members = members_new(&(struct members_options){
        .own = &own, .own_count = 1, .nets_given = true, .nobroadcast = true});
    place.keyring = keyring_new(&our_key, 1, false);
    place.their_keyring = keyring_new(&their_key, 1, false);
    place.seal = seal_new(place.keyring);
    place.their_seal = seal_new(place.their_keyring);
    place.envelope = envelope_new(&our_secret, 1);
    place.their_envelope = envelope_new(&their_secret, 1);
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    gossip_gate_free(p->gate);
    p->gate = NULL;
    envelope_free(p->envelope);
    envelope_free(p->their_envelope);
    seal_free(p->seal);
    seal_free(p->their_seal);
    keyring_free(p->keyring);
    keyring_free(p->their_keyring);
    members_free(p->members);
    return 0;
}

static void make_ruled_gate(struct place *p, struct gate_rules rules)
{
    p->gate = gossip_gate_new(&(struct gossip_gate_options){
        .members = p->members, .rules = rules, .domain = DOMAIN, .node = "gw2", .boot = 50});
    gossip_gate_change(p->gate, AUTH_ENFORCE, 45892, NULL);
}

static void make_gate(struct place *p, bool keys, enum auth_mode auth, bool secret)
{
    p->gate = gossip_gate_new(&(struct gossip_gate_options){.members = p->members,
                                                            .keyring = keys ? p->keyring : NULL,
                                                            .domain = DOMAIN,
                                                            .node = "gw2",
                                                            .boot = 50});
    gossip_gate_change(p->gate, auth, 45892, secret ? p->envelope : NULL);
}

/* A heartbeat of web7, as it goes over the wire. */
struct wire {
    char memory[MESSAGE_MAX + 1];
    struct text text;
};

static struct heartbeat of_web7(void)
{
    struct heartbeat beat = {.domain = DOMAIN,
                             .node = "web7",
                             .boot = 17,
                             .counter = 4,
                             .clock = noon,
                             .interval_ms = 5000,
                             .port = 65027,
                             .http_port = 65028,
                             .advert_port = 65029,
                             .address_count = 2};

    beat.addresses[0] = address("10.27.4.9");
    beat.addresses[1] = address("fe80::9");
    return beat;
}

static void write_wire(struct wire *wire, const struct heartbeat *beat, struct seal *seal,
                       struct envelope *envelope)
{
    struct wire inside;

    wire->text = text_over(wire->memory, sizeof(wire->memory));
    heartbeat_write(beat, noon, &wire->text);
    if (seal)
        seal_message(seal, &wire->text, false);
    if (!envelope)
        return;
    inside = *wire;
    wire->text = text_over(wire->memory, sizeof(wire->memory));
    envelope_close(envelope, (struct span){inside.memory, inside.text.len}, &wire->text);
    assert_false(wire->text.full);
}

static enum gate_verdict judge_from(struct place *p, const struct wire *wire, const char *from,
                                    struct heartbeat *out)
{
    struct gossip_datagram datagram = {.from = address(from)};

    return gossip_gate_judge(p->gate, now, (struct span){wire->memory, wire->text.len}, &datagram,
                             out);
}

static enum gate_verdict judge(struct place *p, struct seal *seal, struct envelope *envelope)
{
    struct heartbeat beat = of_web7(), out;
    struct wire wire;

    write_wire(&wire, &beat, seal, envelope);
    return judge_from(p, &wire, "10.27.4.9", &out);
}

static void with_keys_it_must_be_signed(void **state)
{
    struct place *p = *state;

    make_gate(p, true, AUTH_ENFORCE, false);
    assert_int_equal(judge(p, p->seal, NULL), GATE_PASS);
    assert_int_equal(judge(p, NULL, NULL), GATE_UNSIGNED);
    assert_int_equal(judge(p, p->their_seal, NULL), GATE_WRONG_KEY);
    gossip_gate_change(p->gate, AUTH_PERMISSIVE, 45892, NULL);
    assert_int_equal(judge(p, NULL, NULL), GATE_PASS);
    assert_int_equal(judge(p, p->their_seal, NULL), GATE_WRONG_KEY);
}

static void with_a_secret_it_must_be_closed_with_it(void **state)
{
    struct place *p = *state;

    make_gate(p, false, AUTH_ENFORCE, true);
    assert_int_equal(judge(p, NULL, p->envelope), GATE_PASS);
    assert_int_equal(judge(p, NULL, p->their_envelope), GATE_OTHER_SECRET);
    assert_int_equal(judge(p, NULL, NULL), GATE_UNSEALED);
    gossip_gate_change(p->gate, AUTH_ENFORCE, 45892, NULL);
    assert_int_equal(judge(p, NULL, p->envelope), GATE_OTHER_SECRET);
    assert_int_equal(judge(p, NULL, NULL), GATE_PASS);
}

static void with_both_it_must_be_both(void **state)
{
    struct place *p = *state;

    make_gate(p, true, AUTH_ENFORCE, true);
    assert_int_equal(judge(p, p->seal, p->envelope), GATE_PASS);
    assert_int_equal(judge(p, NULL, p->envelope), GATE_UNSIGNED);
    assert_int_equal(judge(p, p->seal, NULL), GATE_UNSEALED);
}

static void what_is_malformed_is_refused(void **state)
{
    struct place *p = *state;
    struct wire wire;
    struct heartbeat out;

    make_gate(p, false, AUTH_ENFORCE, false);
    wire.text = text_over(wire.memory, sizeof(wire.memory));
    text_puts(&wire.text, "From fbp822\n_type: gossip\n_size: 0\n\n");
    assert_int_equal(judge_from(p, &wire, "10.27.4.9", &out), GATE_FORM);
    wire.text.len = 0;
    assert_int_equal(judge_from(p, &wire, "10.27.4.9", &out), GATE_FORM);
}

static void other_domains_and_our_own_name_are_told_apart(void **state)
{
    struct place *p = *state;
    struct heartbeat other = of_web7(), twin = of_web7(), echo = of_web7(), out;
    struct wire wire;

    make_gate(p, false, AUTH_ENFORCE, false);
    assert_true(span_copy(span_of("other.example"), other.domain, sizeof(other.domain)));
    write_wire(&wire, &other, NULL, NULL);
    assert_int_equal(judge_from(p, &wire, "10.27.4.9", &out), GATE_OTHER_DOMAIN);
    assert_true(span_copy(span_of("gw2"), twin.node, sizeof(twin.node)));
    write_wire(&wire, &twin, NULL, NULL);
    assert_int_equal(judge_from(p, &wire, "10.27.4.9", &out), GATE_OWN_NAME);
    echo = twin;
    echo.boot = 50;
    write_wire(&wire, &echo, NULL, NULL);
    assert_int_equal(judge_from(p, &wire, "10.27.4.2", &out), GATE_OWN_ECHO);
}

static void it_must_come_from_an_address_that_it_tells(void **state)
{
    struct place *p = *state;
    struct heartbeat beat = of_web7(), out;
    struct wire wire;

    make_gate(p, false, AUTH_ENFORCE, true);
    write_wire(&wire, &beat, NULL, p->envelope);
    assert_int_equal(judge_from(p, &wire, "10.27.4.66", &out), GATE_OTHER_ADDRESS);
    assert_int_equal(judge_from(p, &wire, "10.27.4.9", &out), GATE_PASS);
    assert_int_equal(out.address_count, 2);
}

/* Anybody could write there whose address he liked. */
static void of_what_nobody_vouches_for_the_source_counts_alone(void **state)
{
    struct place *p = *state;
    struct heartbeat beat = of_web7(), out;
    struct address from = address("10.27.4.66");
    struct wire wire;

    make_gate(p, false, AUTH_ENFORCE, false);
    write_wire(&wire, &beat, NULL, NULL);
    assert_int_equal(judge_from(p, &wire, "10.27.4.66", &out), GATE_PASS);
    assert_int_equal(out.address_count, 1);
    assert_true(address_same_host(&out.addresses[0], &from));
}

static void a_link_local_address_is_of_the_link_that_it_came_over(void **state)
{
    struct place *p = *state;
    struct heartbeat beat = of_web7(), out;
    struct gossip_datagram datagram = {.from = address("fe80::9")};
    struct wire wire;

    make_gate(p, false, AUTH_ENFORCE, true);
    datagram.from.scope = 3;
    write_wire(&wire, &beat, NULL, p->envelope);
    assert_int_equal(
        gossip_gate_judge(p->gate, now, (struct span){wire.memory, wire.text.len}, &datagram, &out),
        GATE_PASS);
    assert_int_equal(out.addresses[1].scope, 3);
    assert_int_equal(out.addresses[0].scope, 0);
}

static void refusals_are_counted_and_passes_once_they_are_news(void **state)
{
    struct place *p = *state;
    uint64_t others = gate_count(GATE_OTHER_SECRET), passes = gate_count(GATE_PASS);

    make_gate(p, false, AUTH_ENFORCE, true);
    judge(p, NULL, p->their_envelope);
    judge(p, NULL, p->envelope);
    assert_int_equal(gate_count(GATE_OTHER_SECRET), others + 1);
    assert_int_equal(gate_count(GATE_PASS), passes);
    gossip_gate_count(GATE_PASS);
    assert_int_equal(gate_count(GATE_PASS), passes + 1);
}

static void rules_are_asked_last(void **state)
{
    struct place *p = *state;
    struct report *report = report_new();
    struct rules *rules =
        rules_parse(span_of("rule1 = -,45892,gossip,,web7,not from web7\n"), "rules", report);
    struct rulings *rulings = rulings_new(DOMAIN);
    struct heard *heard = heard_new();
    struct heartbeat beat = of_web7();
    struct gossip_datagram datagram = {.from = beat.addresses[0]};
    struct heartbeat out;
    struct wire wire;

    assert_non_null(rules);
    rulings_replace(rulings, rules);
    make_ruled_gate(p, (struct gate_rules){rulings, p->members, heard});
    write_wire(&wire, &beat, NULL, NULL);
    assert_int_equal(
        gossip_gate_judge(p->gate, now, (struct span){wire.memory, wire.text.len}, &datagram, &out),
        GATE_RULE);
    rulings_replace(rulings, NULL);
    assert_int_equal(
        gossip_gate_judge(p->gate, now, (struct span){wire.memory, wire.text.len}, &datagram, &out),
        GATE_PASS);
    gossip_gate_free(p->gate);
    p->gate = NULL;
    heard_free(heard);
    rulings_free(rulings);
    rules_free(rules);
    report_free(report);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(with_keys_it_must_be_signed),
        CASE(with_a_secret_it_must_be_closed_with_it),
        CASE(with_both_it_must_be_both),
        CASE(what_is_malformed_is_refused),
        CASE(other_domains_and_our_own_name_are_told_apart),
        CASE(it_must_come_from_an_address_that_it_tells),
        CASE(of_what_nobody_vouches_for_the_source_counts_alone),
        CASE(a_link_local_address_is_of_the_link_that_it_came_over),
        CASE(refusals_are_counted_and_passes_once_they_are_news),
        CASE(rules_are_asked_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
