/* SPDX-License-Identifier: ISC */
#include "src/gate.h"

#include <stdio.h>
#include <string.h>

#include "src/base/log.h"
#include "tests/unit/capture.h"
#include "tests/unit/unit.h"

#define DOMAIN "example.com"

static const struct span our_key = {"our key", 7}, their_key = {"their key", 9};
static const mono_t start = {MONO_S(1000)};

static struct address address(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 65027, &a));
    return a;
}

/* A gate of the host gw1 (10.27.4.9) with its surroundings. */
struct place {
    struct member list[2];
    struct address own[1];
    struct network monitor;
    struct members *members;
    struct keyring *keyring;
    struct gate *gate;
};

struct place_options {
    bool no_nets, broadcast, keys, any, plain_get, isconf, loopback_members;
    enum auth_mode auth;
};

static void place_begin(struct place *p, const struct place_options *o)
{
    struct members_options options = {.list = p->list,
                                      .own = p->own,
                                      .own_count = 1,
                                      .monitors = &p->monitor,
                                      .monitors_count = 1,
                                      .nets_given = !o->no_nets,
                                      .nobroadcast = !o->broadcast};
    bool differs;

    memset(p, 0, sizeof(*p));
    assert_true(network_parse(span_of("10.27.4.0/24"), &p->list[0].network, &differs));
    assert_true(network_parse(span_of("127.0.0.2"), &p->list[1].network, &differs));
    assert_true(network_parse(span_of("192.0.2.0/28"), &p->monitor, &differs));
    p->own[0] = address("10.27.4.9");
    options.count = o->no_nets ? 0 : o->loopback_members ? 2 : 1;
    p->members = members_new(&options);
    p->keyring = o->keys ? keyring_new(&our_key, 1, o->any) : NULL;
    p->gate = gate_new(&(struct gate_options){.members = p->members,
                                              .keyring = p->keyring,
                                              .domain = DOMAIN,
                                              .node = "gw1",
                                              .boot = 50,
                                              .port = 65027,
                                              .auth = o->auth,
                                              .plain_get = o->plain_get,
                                              .isconf = o->isconf});
}

static void place_end(struct place *p)
{
    gate_free(p->gate);
    keyring_free(p->keyring);
    members_free(p->members);
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static struct notice question(const char *node, uint64_t boot, uint64_t counter)
{
    struct notice n = {.kind = NOTICE_WHOHAS,
                       .sender = {.domain = DOMAIN, .boot = boot, .counter = counter},
                       .name = DOMAIN "/x",
                       .tuid = "1@t",
                       .port = 65028};

    snprintf(n.sender.node, sizeof(n.sender.node), "%s", node);
    return n;
}

/* What the gate says of this notice, signed with `key` (NULL: not at all), from that host. */
static enum gate_verdict say(struct place *p, mono_t now, const struct notice *notice,
                             const struct span *key, const char *from,
                             struct gate_datagram *datagram)
{
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    struct notice heard;
    enum gate_verdict verdict;

    notice_write(notice, (wall_t){0}, &text);
    if (key) {
        struct keyring *keyring = keyring_new(key, 1, false);
        struct seal *seal = seal_new(keyring);
        seal_message(seal, &text, false);
        seal_free(seal);
        keyring_free(keyring);
    }
    datagram->from = address(from);
    verdict = gate_datagram(p->gate, now, (struct span){text.at, text.len}, datagram, &heard);
    if (verdict == GATE_PASS) {
        assert_string_equal(heard.name, notice->name);
        assert_string_equal(heard.sender.node, notice->sender.node);
    }
    return verdict;
}

static const struct {
    struct place_options place;
    const struct span *key;
    const char *from;
    enum gate_verdict verdict;
} datagram_rows[] = {
    /* With keys and enforce: members, and they must sign. */
    {{.keys = true}, &our_key, "10.27.4.1", GATE_PASS},
    {{.keys = true}, NULL, "10.27.4.1", GATE_UNSIGNED},
    {{.keys = true}, &their_key, "10.27.4.1", GATE_WRONG_KEY},
    {{.keys = true}, &our_key, "10.9.9.9", GATE_NOT_MEMBER},
    {{.keys = true}, NULL, "10.9.9.9", GATE_NOT_MEMBER},
    /* With broadcast "anyone" means any key holder. */
    {{.keys = true, .broadcast = true}, &our_key, "10.9.9.9", GATE_PASS},
    {{.keys = true, .broadcast = true}, NULL, "10.9.9.9", GATE_UNSIGNED},
    {{.keys = true, .broadcast = true}, NULL, "10.27.4.1", GATE_UNSIGNED},
    {{.keys = true, .broadcast = true, .no_nets = true}, &our_key, "10.9.9.9", GATE_PASS},
    {{.keys = true, .broadcast = true, .no_nets = true}, NULL, "10.9.9.9", GATE_UNSIGNED},
    {{.keys = true, .no_nets = true}, &our_key, "10.9.9.9", GATE_NOT_MEMBER},
    {{.keys = true, .no_nets = true}, &our_key, "127.0.0.1", GATE_PASS},
    /* plain_get is about GET. */
    {{.keys = true, .plain_get = true}, NULL, "10.27.4.1", GATE_UNSIGNED},
    /* Rolling keys out: what is signed must be signed rightly. */
    {{.keys = true, .auth = AUTH_PERMISSIVE}, NULL, "10.27.4.1", GATE_PASS},
    {{.keys = true, .auth = AUTH_PERMISSIVE}, &our_key, "10.27.4.1", GATE_PASS},
    {{.keys = true, .auth = AUTH_PERMISSIVE}, &their_key, "10.27.4.1", GATE_WRONG_KEY},
    {{.keys = true, .auth = AUTH_RECEIVE_ONLY}, NULL, "10.27.4.1", GATE_PASS},
    {{.keys = true, .auth = AUTH_RECEIVE_ONLY}, &their_key, "10.27.4.1", GATE_WRONG_KEY},
    {{.keys = true, .auth = AUTH_PERMISSIVE}, NULL, "10.9.9.9", GATE_NOT_MEMBER},
    {{.keys = true, .any = true}, NULL, "10.27.4.1", GATE_PASS},
    {{.keys = true, .any = true}, &their_key, "10.27.4.1", GATE_PASS},
    {{.keys = true, .any = true}, NULL, "10.9.9.9", GATE_NOT_MEMBER},
    /* Without keys membership alone decides. */
    {{.keys = false}, NULL, "10.27.4.1", GATE_PASS},
    {{.keys = false}, &their_key, "10.27.4.1", GATE_PASS},
    {{.keys = false}, NULL, "10.9.9.9", GATE_NOT_MEMBER},
    {{.broadcast = true}, NULL, "10.9.9.9", GATE_PASS},
    {{.no_nets = true}, NULL, "10.9.9.9", GATE_NOT_MEMBER},
    {{.no_nets = true}, NULL, "10.27.4.9", GATE_PASS},
};

static void datagrams_are_judged_by_membership_and_signature(void **state)
{
    struct notice n = question("web1", 1, 1);

    (void)state;
    for (size_t i = 0; i < sizeof(datagram_rows) / sizeof(*datagram_rows); i++) {
        struct gate_datagram datagram;
        enum gate_verdict verdict;
        uint64_t before = gate_count(datagram_rows[i].verdict);
        struct place p;
        place_begin(&p, &datagram_rows[i].place);
        verdict = say(&p, start, &n, datagram_rows[i].key, datagram_rows[i].from, &datagram);
        if (verdict != datagram_rows[i].verdict)
            fail_msg("row %zu: %s instead of %s", i, gate_name(verdict),
                     gate_name(datagram_rows[i].verdict));
        assert_int_equal(gate_count(datagram_rows[i].verdict), before + 1);
        assert_int_equal(datagram.is_signed, datagram_rows[i].place.keys &&
                                                 datagram_rows[i].key == &our_key &&
                                                 verdict != GATE_NOT_MEMBER);
        place_end(&p);
    }
}

static void malformed_datagrams_are_refused_with_the_reason(void **state)
{
    struct gate_datagram datagram = {.from = address("10.27.4.1")};
    struct notice n;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){.keys = true});
    assert_int_equal(gate_datagram(p.gate, start, span_of("garbage"), &datagram, &n), GATE_FORM);
    assert_non_null(strstr(datagram.reason, "From"));
    assert_int_equal(
        gate_datagram(p.gate, start, span_of("From fbp822\n_type: x\n_size: 0\n\n"), &datagram, &n),
        GATE_FORM);
    assert_non_null(strstr(datagram.reason, "_type"));
    assert_int_equal(gate_datagram(p.gate, start, (struct span){"", 0}, &datagram, &n), GATE_FORM);
    place_end(&p);
}

static void names_and_domains_must_be_ours(void **state)
{
    struct notice n = question("web1", 1, 1);
    struct gate_datagram datagram;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){.keys = true});
    snprintf(n.name, sizeof(n.name), "example.org/x");
    assert_int_equal(say(&p, start, &n, &our_key, "10.27.4.1", &datagram), GATE_NAME);
    snprintf(n.name, sizeof(n.name), "example.com/../x");
    assert_int_equal(say(&p, start, &n, &our_key, "10.27.4.1", &datagram), GATE_NAME);
    snprintf(n.sender.domain, sizeof(n.sender.domain), "example.org");
    assert_int_equal(say(&p, start, &n, &our_key, "10.27.4.1", &datagram), GATE_OTHER_DOMAIN);
    place_end(&p);
}

static void each_is_let_in_once(void **state)
{
    struct notice n = question("web1", 1, 1);
    struct gate_datagram datagram;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){.keys = true});
    assert_int_equal(say(&p, start, &n, &our_key, "10.27.4.1", &datagram), GATE_PASS);
    assert_int_equal(say(&p, start, &n, &our_key, "10.27.4.1", &datagram), GATE_REPLAYED);
    assert_int_equal(say(&p, start, &n, &our_key, "10.27.4.2", &datagram), GATE_REPLAYED);
    assert_false(datagram.other_address);
    n.sender.counter = 2;
    assert_int_equal(say(&p, start, &n, &our_key, "10.27.4.1", &datagram), GATE_PASS);
    place_end(&p);
}

/* Strangers must not be able to use up a node's counters; nor who sends again from elsewhere what a
 * node said. */
static void what_is_refused_leaves_no_trace(void **state)
{
    struct notice n = question("web1", 1, 1);
    struct gate_datagram datagram;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){.keys = true});
    assert_int_equal(say(&p, start, &n, &their_key, "10.27.4.1", &datagram), GATE_WRONG_KEY);
    assert_int_equal(say(&p, start, &n, NULL, "10.27.4.1", &datagram), GATE_UNSIGNED);
    assert_int_equal(say(&p, start, &n, &our_key, "10.9.9.9", &datagram), GATE_NOT_MEMBER);
    n.sender.address = address("10.27.4.1");
    assert_int_equal(say(&p, start, &n, &our_key, "10.27.4.2", &datagram), GATE_OTHER_ADDRESS);
    assert_int_equal(say(&p, start, &n, &our_key, "10.27.4.1", &datagram), GATE_PASS);
    place_end(&p);
}

static void ones_own_voice_and_name_are_known(void **state)
{
    struct notice echo = question("gw1", 50, 1), twin = question("gw1", 51, 1);
    struct gate_datagram datagram;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){.keys = true});
    assert_int_equal(say(&p, start, &echo, &our_key, "10.27.4.9", &datagram), GATE_OWN_ECHO);
    assert_int_equal(say(&p, start, &twin, &our_key, "10.27.4.9", &datagram), GATE_OWN_ECHO);
    assert_int_equal(say(&p, start, &twin, &our_key, "10.27.4.1", &datagram), GATE_OWN_NAME);
    place_end(&p);
}

static void two_nodes_of_one_name_are_named(void **state)
{
    struct notice later = question("web1", 9, 1), earlier = question("web1", 8, 1);
    struct address expected = address("10.27.4.1");
    struct gate_datagram datagram;
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){.keys = true});
    assert_int_equal(say(&p, start, &later, &our_key, "10.27.4.1", &datagram), GATE_PASS);
    assert_int_equal(say(&p, start, &earlier, &our_key, "10.27.4.2", &datagram), GATE_REPLAYED);
    assert_true(datagram.other_address);
    assert_true(address_same_host(&datagram.other, &expected));
    place_end(&p);
}

/* ---- requests -------------------------------------------------------------------------------- */

static const struct place_options keys = {.keys = true}, no_keys = {.keys = false},
                                  plain = {.keys = true, .plain_get = true},
                                  open_keys = {.keys = true, .broadcast = true},
                                  open_plain = {.keys = true, .broadcast = true, .plain_get = true},
                                  open_net = {.broadcast = true}, alone = {.no_nets = true},
                                  alone_keys = {.no_nets = true, .keys = true},
                                  netless_plain = {.no_nets = true,
                                                   .keys = true,
                                                   .broadcast = true,
                                                   .plain_get = true},
                                  lenient = {.keys = true, .auth = AUTH_PERMISSIVE},
                                  rolling = {.keys = true, .auth = AUTH_RECEIVE_ONLY},
                                  anything = {.keys = true, .any = true},
                                  on_loopback = {.loopback_members = true};

#define CONTROL                                                                                    \
    {                                                                                              \
        .control_socket = true                                                                     \
    }
#define FROM(a)                                                                                    \
    {                                                                                              \
        .from_text = a                                                                             \
    }
#define SIGNED(a, n)                                                                               \
    {                                                                                              \
        .from_text = a, .node = n                                                                  \
    }
#define FORWARDED(a)                                                                               \
    {                                                                                              \
        .from_text = a, .forwarded = true                                                          \
    }
#define MONITOR(a)                                                                                 \
    {                                                                                              \
        .from_text = a, .monitor = true                                                            \
    }

struct asker {
    const char *from_text, *node;
    bool control_socket, forwarded, monitor;
};

static const struct {
    const struct place_options *place;
    struct asker asker;
    enum gate_message message;
    enum gate_verdict verdict;
    bool own_host;
} request_rows[] = {
    /* The control socket may do everything. */
    {&keys, CONTROL, GATE_SENDME, GATE_PASS, true},
    {&keys, CONTROL, GATE_PUT, GATE_PASS, true},
    {&keys, CONTROL, GATE_RM, GATE_PASS, true},
    {&keys, CONTROL, GATE_READ_API, GATE_PASS, true},
    {&keys, CONTROL, GATE_CONTROL, GATE_PASS, true},
    {&alone, CONTROL, GATE_PUT, GATE_PASS, true},

    /* The own host may read, by its own address or by loopback. */
    {&keys, FROM("10.27.4.9"), GATE_SENDME, GATE_PASS, true},
    {&keys, FROM("127.0.0.1"), GATE_SENDME, GATE_PASS, true},
    {&keys, FROM("::1"), GATE_READ_API, GATE_PASS, true},
    {&no_keys, FROM("127.0.0.1"), GATE_SENDME, GATE_PASS, true},
    {&alone, FROM("127.0.0.1"), GATE_SENDME, GATE_PASS, true},
    {&alone, FROM("10.27.4.9"), GATE_SENDME, GATE_PASS, true},
    /* ... but changes nothing, unless it can sign. */
    {&keys, FROM("127.0.0.1"), GATE_PUT, GATE_UNSIGNED, true},
    {&keys, FROM("10.27.4.9"), GATE_RM, GATE_UNSIGNED, true},
    {&no_keys, FROM("127.0.0.1"), GATE_PUT, GATE_NOT_LOCAL, true},
    {&no_keys, FROM("127.0.0.1"), GATE_CONTROL, GATE_NOT_LOCAL, true},
    {&keys, SIGNED("127.0.0.1", "gw1"), GATE_PUT, GATE_PASS, true},
    /* Where members are on loopback, loopback is not the own host. */
    {&on_loopback, FROM("127.0.0.2"), GATE_SENDME, GATE_PASS, false},
    {&on_loopback, FROM("127.0.0.1"), GATE_SENDME, GATE_NOT_MEMBER, false},
    /* A forwarded request is judged by its address alone. */
    {&keys, FORWARDED("127.0.0.1"), GATE_SENDME, GATE_NOT_MEMBER, false},
    {&keys, FORWARDED("10.27.4.9"), GATE_SENDME, GATE_UNSIGNED, false},
    {&no_keys, FORWARDED("10.27.4.9"), GATE_SENDME, GATE_PASS, false},
    {&alone, FORWARDED("127.0.0.1"), GATE_SENDME, GATE_PASS, false},
    /* Signed by another, it is judged as that one. */
    {&keys, SIGNED("10.27.4.9", "web1"), GATE_SENDME, GATE_PASS, false},
    {&open_keys, SIGNED("127.0.0.1", "web1"), GATE_SENDME, GATE_PASS, false},

    /* Members with keys. */
    {&keys, SIGNED("10.27.4.1", "web1"), GATE_SENDME, GATE_PASS, false},
    {&keys, SIGNED("10.27.4.1", "web1"), GATE_READ_API, GATE_PASS, false},
    {&keys, SIGNED("10.27.4.1", "web1"), GATE_PUT, GATE_PASS, false},
    {&keys, SIGNED("10.27.4.1", "web1"), GATE_RM, GATE_PASS, false},
    {&keys, SIGNED("10.27.4.1", "web1"), GATE_CONTROL, GATE_PASS, false},
    {&keys, FROM("10.27.4.1"), GATE_SENDME, GATE_UNSIGNED, false},
    {&keys, FROM("10.27.4.1"), GATE_READ_API, GATE_UNSIGNED, false},
    {&keys, FROM("10.27.4.1"), GATE_PUT, GATE_UNSIGNED, false},
    /* plain_get lets members read without a signature, and nothing else. */
    {&plain, FROM("10.27.4.1"), GATE_SENDME, GATE_PASS, false},
    {&plain, FROM("10.27.4.1"), GATE_READ_API, GATE_PASS, false},
    {&plain, FROM("10.27.4.1"), GATE_PUT, GATE_UNSIGNED, false},
    {&plain, FROM("10.9.9.9"), GATE_SENDME, GATE_NOT_MEMBER, false},
    {&open_plain, FROM("10.9.9.9"), GATE_SENDME, GATE_UNSIGNED, false},
    {&open_plain, FROM("10.27.4.1"), GATE_SENDME, GATE_PASS, false},
    {&netless_plain, FROM("10.9.9.9"), GATE_SENDME, GATE_PASS, false},
    {&netless_plain, FROM("10.9.9.9"), GATE_RM, GATE_UNSIGNED, false},
    /* Outsiders, whatever they can sign; "anyone" means any key holder. */
    {&keys, SIGNED("10.9.9.9", "web1"), GATE_SENDME, GATE_NOT_MEMBER, false},
    {&keys, FROM("10.9.9.9"), GATE_SENDME, GATE_NOT_MEMBER, false},
    {&keys, FROM("10.9.9.9"), GATE_PUT, GATE_NOT_MEMBER, false},
    {&alone_keys, SIGNED("10.9.9.9", "web1"), GATE_SENDME, GATE_NOT_MEMBER, false},
    {&open_keys, SIGNED("10.9.9.9", "web1"), GATE_SENDME, GATE_PASS, false},
    {&open_keys, FROM("10.9.9.9"), GATE_SENDME, GATE_UNSIGNED, false},
    {&open_keys, SIGNED("10.9.9.9", "web1"), GATE_PUT, GATE_PASS, false},
    /* Without keys membership alone decides, and nobody changes anything from afar. */
    {&no_keys, FROM("10.27.4.1"), GATE_SENDME, GATE_PASS, false},
    {&no_keys, FROM("10.27.4.1"), GATE_READ_API, GATE_PASS, false},
    {&no_keys, FROM("10.27.4.1"), GATE_PUT, GATE_NOT_LOCAL, false},
    {&no_keys, FROM("10.27.4.1"), GATE_CONTROL, GATE_NOT_LOCAL, false},
    {&no_keys, FROM("10.9.9.9"), GATE_SENDME, GATE_NOT_MEMBER, false},
    {&open_net, FROM("10.9.9.9"), GATE_SENDME, GATE_PASS, false},
    {&open_net, FROM("10.9.9.9"), GATE_RM, GATE_NOT_LOCAL, false},
    {&alone, FROM("10.27.4.1"), GATE_SENDME, GATE_NOT_MEMBER, false},
    /* Rolling keys out: unsigned reads pass, changes do not. */
    {&lenient, FROM("10.27.4.1"), GATE_SENDME, GATE_PASS, false},
    {&lenient, FROM("10.27.4.1"), GATE_PUT, GATE_UNSIGNED, false},
    {&rolling, FROM("10.27.4.1"), GATE_READ_API, GATE_PASS, false},
    {&rolling, FROM("10.27.4.1"), GATE_RM, GATE_UNSIGNED, false},
    {&anything, FROM("10.27.4.1"), GATE_SENDME, GATE_PASS, false},
    {&anything, FROM("10.27.4.1"), GATE_PUT, GATE_UNSIGNED, false},
    {&lenient, FROM("10.9.9.9"), GATE_SENDME, GATE_NOT_MEMBER, false},

    /* Monitors read status and metrics, and nothing else. */
    {&keys, MONITOR("192.0.2.1"), GATE_READ_API, GATE_PASS, false},
    {&keys, FROM("192.0.2.1"), GATE_READ_API, GATE_NOT_MEMBER, false},
    {&keys, FROM("192.0.2.1"), GATE_SENDME, GATE_NOT_MEMBER, false},
    {&keys, MONITOR("10.9.9.9"), GATE_READ_API, GATE_NOT_MEMBER, false},
    {&open_keys, MONITOR("10.9.9.9"), GATE_READ_API, GATE_UNSIGNED, false},
};

static void requests_are_judged_row_by_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(request_rows) / sizeof(*request_rows); i++) {
        const struct asker *asker = &request_rows[i].asker;
        struct gate_request request = {
            .message = request_rows[i].message,
            .control_socket = asker->control_socket,
            .forwarded = asker->forwarded,
            .to = address("10.27.4.9"),
            .is_signed = asker->node != NULL,
            .node = asker->node,
            .monitor_may_read = asker->monitor,
        };
        enum gate_verdict verdict;
        struct place p;
        if (asker->from_text)
            request.from = address(asker->from_text);
        place_begin(&p, request_rows[i].place);
        verdict = gate_request(p.gate, &request, span_of(DOMAIN "/a"));
        if (verdict != request_rows[i].verdict || request.own_host != request_rows[i].own_host)
            fail_msg("row %zu (%s): %s%s instead of %s", i,
                     asker->from_text ? asker->from_text : "control socket", gate_name(verdict),
                     request.own_host ? ", own host," : "", gate_name(request_rows[i].verdict));
        place_end(&p);
    }
}

/* What a reload does: another auth mode, other members, who is worth keeping a connection to. */
static void what_is_in_force_can_be_changed(void **state)
{
    const struct address to = address("10.27.4.9"), fellow = address("10.27.4.1"),
                         monitor = address("192.0.2.1"), anyone = address("10.9.9.9"),
                         here = address("127.0.0.1");
    struct gate_request request = {.message = GATE_SENDME, .to = to, .from = fellow};
    struct place p;

    (void)state;
    place_begin(&p, &keys);
    assert_int_equal(gate_request(p.gate, &request, span_of(DOMAIN "/a")), GATE_UNSIGNED);
    gate_change(p.gate, AUTH_ENFORCE, true);
    assert_int_equal(gate_request(p.gate, &request, span_of(DOMAIN "/a")), GATE_PASS);
    gate_change(p.gate, AUTH_PERMISSIVE, false);
    assert_int_equal(gate_request(p.gate, &request, span_of(DOMAIN "/a")), GATE_PASS);
    gate_change(p.gate, AUTH_ENFORCE, false);
    assert_int_equal(gate_request(p.gate, &request, span_of(DOMAIN "/a")), GATE_UNSIGNED);
    assert_true(gate_keeps_host(p.gate, &fellow, &to));
    assert_true(gate_keeps_host(p.gate, &monitor, &to));
    assert_true(gate_keeps_host(p.gate, &to, &to));
    assert_true(gate_keeps_host(p.gate, &here, &here));
    assert_false(gate_keeps_host(p.gate, &anyone, &to));
    members_replace(p.members, &(struct members_options){.nets_given = true, .nobroadcast = true});
    assert_false(gate_keeps_host(p.gate, &fellow, &to));
    assert_int_equal(gate_request(p.gate, &request, span_of(DOMAIN "/a")), GATE_NOT_MEMBER);
    place_end(&p);
}

/* ---- the log --------------------------------------------------------------------------------- */

static void a_refusal_is_one_line(void **state)
{
    struct notice n = question("web1", 1, 1);
    struct gate_datagram datagram;
    struct gate_request request = {.message = GATE_SENDME,
                                   .from = address("10.27.4.9"),
                                   .to = address("10.27.4.9"),
                                   .is_signed = true,
                                   .node = "vault"};
    enum gate_verdict verdict;
    char log[4096];
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){.keys = true});
    capture_begin();
    verdict = say(&p, start, &n, &our_key, "10.9.9.9", &datagram);
    gate_log_datagram(p.gate, start, verdict, &datagram, &n);
    request.to.port = 65028;
    gate_log_request(p.gate, start, GATE_NOT_LOCAL, &request, span_of(DOMAIN "/a\nb"));
    capture_end(log, sizeof(log));
    assert_non_null(strstr(log, "- gate=65027 message=whohas namespace=example.com/x "
                                "sender=10.9.9.9 receiver=gw1 not a member\n"));
    assert_non_null(strstr(log, "- gate=65028 message=sendme namespace=example.com/a\\x0ab "
                                "sender=10.27.4.9 (vault) receiver=gw1 that is taken on"));
    place_end(&p);
}

static unsigned lines_of(const char *text)
{
    unsigned lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void a_flood_becomes_a_summary(void **state)
{
    struct gate_datagram datagram = {.from = address("10.27.4.1")};
    struct notice n;
    char log[16384];
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){.keys = true});
    capture_begin();
    for (int i = 0; i < 1000; i++) {
        mono_t now = mono_after(start, i == 999 ? MONO_S(2) : 0);
        enum gate_verdict verdict = gate_datagram(p.gate, now, span_of("x"), &datagram, &n);
        gate_log_datagram(p.gate, now, verdict, &datagram, &n);
    }
    capture_end(log, sizeof(log));
    assert_int_equal(lines_of(log), LOG_BURST + 1);
    assert_non_null(strstr(log, "does not begin with a From fbp822 line (and 989 more"));
    place_end(&p);
}

static void twins_are_logged_with_both_addresses(void **state)
{
    struct notice later = question("web1", 9, 1), earlier = question("web1", 8, 1);
    struct gate_datagram datagram;
    enum gate_verdict verdict;
    char log[4096];
    struct place p;

    (void)state;
    place_begin(&p, &(struct place_options){.keys = true});
    capture_begin();
    say(&p, start, &later, &our_key, "10.27.4.1", &datagram);
    verdict = say(&p, start, &earlier, &our_key, "10.27.4.2", &datagram);
    gate_log_datagram(p.gate, start, verdict, &datagram, &earlier);
    capture_end(log, sizeof(log));
    assert_non_null(strstr(log, "two nodes use the name web1, at 10.27.4.1 and at 10.27.4.2"));
    place_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_are_judged_by_membership_and_signature),
        cmocka_unit_test(malformed_datagrams_are_refused_with_the_reason),
        cmocka_unit_test(names_and_domains_must_be_ours),
        cmocka_unit_test(each_is_let_in_once),
        cmocka_unit_test(what_is_refused_leaves_no_trace),
        cmocka_unit_test(ones_own_voice_and_name_are_known),
        cmocka_unit_test(two_nodes_of_one_name_are_named),
        cmocka_unit_test(requests_are_judged_row_by_row),
        cmocka_unit_test(what_is_in_force_can_be_changed),
        cmocka_unit_test(a_refusal_is_one_line),
        cmocka_unit_test(a_flood_becomes_a_summary),
        cmocka_unit_test(twins_are_logged_with_both_addresses),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
