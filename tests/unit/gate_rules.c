/* SPDX-License-Identifier: ISC */
#include "src/gate_rules.h"

#include <stdio.h>
#include <string.h>

#include "src/base/log.h"
#include "src/gate.h"
#include "src/gate_trial.h"
#include "tests/unit/capture.h"
#include "tests/unit/unit.h"

/* Of the gates, what the rules decide (design section 4). We are core1, a candidate of `core`. */
#define DOMAIN "example.com"
#define CORE2 "10.27.4.2" /* the other candidate */
#define GW1 "10.27.4.17"  /* slaves */
#define WEB1 "10.27.4.33"

static const char our_key[] = "a key that this cluster has";
static const mono_t start = {MONO_S(1000)};

struct place {
    struct member list[3];
    struct address own;
    struct members *members;
    struct keyring *keyring;
    struct gate *gate;
    uint64_t counter;
};

static struct address address(const char *text)
{
    struct address a;

    assert_true(address_parse(span_of(text), 0, &a));
    return a;
}

static void add_member(struct member *member, const char *network, enum member_role role)
{
    bool differs;

    assert_true(network_parse(span_of(network), &member->network, &differs));
    member->role = role;
    snprintf(member->tier, sizeof(member->tier), "core");
    member->own = address("10.27.4.1");
    member->has_own = true;
}

static struct rules *parse(const char *text)
{
    struct report *report = report_new();
    struct rules *rules = rules_parse(span_of(text), "rules", report);

    assert_non_null(rules);
    report_free(report);
    return rules;
}

static void place_begin(struct place *p, const char *text, bool keys)
{
    struct span key = span_of(our_key);
    struct rules *rules = parse(text);

    memset(p, 0, sizeof(*p));
    add_member(&p->list[0], "10.27.4.1", MEMBER_CANDIDATE);
    add_member(&p->list[1], CORE2, MEMBER_CANDIDATE);
    add_member(&p->list[2], "10.27.4.0/24", MEMBER_SLAVE);
    p->own = address("10.27.4.1");
    p->members = members_new(&(struct members_options){.list = p->list,
                                                       .count = 3,
                                                       .own = &p->own,
                                                       .own_count = 1,
                                                       .nets_given = true,
                                                       .nobroadcast = true});
    p->keyring = keys ? keyring_new(&key, 1, false) : NULL;
    p->gate = gate_new(&(struct gate_options){.members = p->members,
                                              .keyring = p->keyring,
                                              .rules = rules,
                                              .domain = DOMAIN,
                                              .node = "core1",
                                              .boot = 50,
                                              .port = 65027,
                                              .http_port = 65028,
                                              .plain_get = true});
    rules_free(rules);
}

static void place_end(struct place *p)
{
    gate_free(p->gate);
    keyring_free(p->keyring);
    members_free(p->members);
}

static void sign(struct text *text)
{
    struct span key = span_of(our_key);
    struct keyring *keyring = keyring_new(&key, 1, false);
    struct seal *seal = seal_new(keyring);

    seal_message(seal, text, false);
    seal_free(seal);
    keyring_free(keyring);
}

/* The node says something of the name, signed where there are keys, and it is logged. */
static enum gate_verdict say_at(struct place *p, mono_t now, enum notice_kind kind,
                                const char *node, const char *from, const char *name)
{
    struct notice n = {.kind = kind,
                       .sender = {.domain = DOMAIN, .boot = 1, .counter = ++p->counter},
                       .port = 65028,
                       .size = 1};
    struct gate_datagram datagram = {.from = address(from)};
    char memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    enum gate_verdict verdict;
    struct notice heard;

    snprintf(n.sender.node, sizeof(n.sender.node), "%s", node);
    snprintf(n.name, sizeof(n.name), DOMAIN "/%s", name);
    if (kind == NOTICE_WHOHAS)
        snprintf(n.tuid, sizeof(n.tuid), "%llu@t", (unsigned long long)n.sender.counter);
    else
        n.version = (struct version){.bits = 1 << 20};
    notice_write(&n, (wall_t){0}, &text);
    if (p->keyring)
        sign(&text);
    verdict = gate_datagram(p->gate, now, (struct span){text.at, text.len}, &datagram, &heard);
    if (verdict != GATE_PASS || datagram.ruled)
        gate_log_datagram(p->gate, now, verdict, &datagram, &heard);
    return verdict;
}

static enum gate_verdict say(struct place *p, enum notice_kind kind, const char *node,
                             const char *from, const char *name)
{
    return say_at(p, start, kind, node, from, name);
}

/* A request that the node (NULL: nobody) signed. */
static struct gate_request request_of(enum gate_message message, const char *node, const char *from)
{
    struct gate_request request = {.message = message,
                                   .from = address(from),
                                   .to = address("10.27.4.1"),
                                   .is_signed = node != NULL,
                                   .node = node};

    request.to.port = 65028;
    return request;
}

static enum gate_verdict ask(struct place *p, enum gate_message message, const char *node,
                             const char *from, const char *name)
{
    struct gate_request request = request_of(message, node, from);
    enum gate_verdict verdict = gate_request(p->gate, &request, span_of(name));

    gate_log_request(p->gate, start, verdict, &request, span_of(name));
    return verdict;
}

static enum gate_verdict fetch(struct place *p, const char *node, const char *from,
                               const char *name)
{
    return ask(p, GATE_SENDME, node, from, name);
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static void rules_are_asked_of_datagrams(void **state)
{
    uint64_t before = gate_count(GATE_RULE);
    struct place p;

    (void)state;
    place_begin(&p,
                "rule1 = -,,whohas,secret,,no questions\n"
                "rule2 = -,65028,ihave,,,another port\n"
                "rule3 = -,65027,ihave,tmp,10.27.4.32/28,no news from there\n",
                true);
    assert_int_equal(say(&p, NOTICE_WHOHAS, "web1", WEB1, "secret/a"), GATE_RULE);
    assert_int_equal(say(&p, NOTICE_WHOHAS, "web1", WEB1, "public/a"), GATE_PASS);
    assert_int_equal(say(&p, NOTICE_IHAVE, "web1", WEB1, "secret/a"), GATE_PASS);
    assert_int_equal(say(&p, NOTICE_IHAVE, "web1", WEB1, "tmp/a"), GATE_RULE);
    assert_int_equal(say(&p, NOTICE_IHAVE, "gw1", GW1, "tmp/a"), GATE_PASS);
    assert_int_equal(gate_count(GATE_RULE), before + 2);
    place_end(&p);
}

static void nothing_from_sun_is_nothing(void **state)
{
    struct place p;

    (void)state;
    place_begin(&p, "rule020 = -,,,,sun.example.com,nothing from sun\n", true);
    assert_int_equal(fetch(&p, NULL, WEB1, DOMAIN "/a"), GATE_PASS);
    assert_int_equal(say(&p, NOTICE_WHOHAS, "sun.example.com", WEB1, "a"), GATE_RULE);
    assert_int_equal(say(&p, NOTICE_IHAVE, "sun.example.com", WEB1, "a"), GATE_RULE);
    assert_int_equal(say(&p, NOTICE_WHOHAS, "moon.example.com", GW1, "a"), GATE_PASS);
    assert_int_equal(fetch(&p, "sun.example.com", GW1, DOMAIN "/a"), GATE_RULE);
    assert_int_equal(ask(&p, GATE_PUT, "sun.example.com", WEB1, DOMAIN "/a"), GATE_RULE);
    assert_int_equal(ask(&p, GATE_READ_API, "sun.example.com", WEB1, ".pond/catalogue"), GATE_RULE);
    /* It was heard there, though it was kept out: unsigned it is known by its address. */
    assert_int_equal(fetch(&p, NULL, WEB1, DOMAIN "/a"), GATE_RULE);
    assert_int_equal(fetch(&p, NULL, GW1, DOMAIN "/a"), GATE_PASS);
    assert_false(gate_takes_answer(
        p.gate, start, RULE_HEREIS,
        &(struct address){.ip = {[10] = 0xff, [11] = 0xff, 10, 27, 4, 33}}, span_of(DOMAIN "/a")));
    place_end(&p);
}

/* Behind a NAT, on a host that had other names, or of who makes names up. */
static void many_names_at_one_address_hide_none_that_a_rule_names(void **state)
{
    struct place p;
    char name[NODE_SIZE];

    (void)state;
    place_begin(&p, "rule020 = -,,,,sun.example.com,nothing from sun\n", false);
    say(&p, NOTICE_WHOHAS, "sun.example.com", WEB1, "a");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "moon%d.example.com", i);
        assert_int_equal(say(&p, NOTICE_WHOHAS, name, WEB1, "a"), GATE_RULE);
    }
    assert_int_equal(fetch(&p, NULL, WEB1, DOMAIN "/a"), GATE_RULE);
    place_end(&p);
}

static void without_keys_a_node_is_who_it_says(void **state)
{
    struct place p;

    (void)state;
    place_begin(&p, "rule020 = -,,,,sun.example.com,nothing from sun\n", false);
    assert_int_equal(say(&p, NOTICE_WHOHAS, "sun.example.com", WEB1, "a"), GATE_RULE);
    assert_int_equal(fetch(&p, NULL, WEB1, DOMAIN "/a"), GATE_RULE);
    assert_int_equal(fetch(&p, NULL, GW1, DOMAIN "/a"), GATE_PASS);
    place_end(&p);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void the_vault_host_alone_fetches_secrets(void **state)
{
    struct place p;

    (void)state;
    place_begin(&p,
                "rule010 = -,,sendme,example.com/secret,,nobody fetches secrets\n"
                "rule011 = +,65028,sendme,example.com/secret," WEB1 ",but the vault host does\n",
                true);
    assert_int_equal(fetch(&p, "vault", WEB1, DOMAIN "/secret/a"), GATE_PASS);
    assert_int_equal(fetch(&p, NULL, WEB1, DOMAIN "/secret/a"), GATE_PASS);
    assert_int_equal(fetch(&p, "gw1", GW1, DOMAIN "/secret/a"), GATE_RULE);
    assert_int_equal(fetch(&p, NULL, GW1, DOMAIN "/secret"), GATE_RULE);
    assert_int_equal(fetch(&p, NULL, GW1, DOMAIN "/secrets"), GATE_PASS);
    assert_int_equal(ask(&p, GATE_PUT, "gw1", GW1, DOMAIN "/secret/a"), GATE_PASS);
    place_end(&p);
}

static void rules_come_last(void **state)
{
    struct place p;

    (void)state;
    place_begin(&p, "rule1 = +,,,,,everything\n", true);
    assert_int_equal(fetch(&p, NULL, "10.9.9.9", DOMAIN "/a"), GATE_NOT_MEMBER);
    assert_int_equal(ask(&p, GATE_PUT, NULL, WEB1, DOMAIN "/a"), GATE_UNSIGNED);
    place_end(&p);
}

static void the_own_host_is_not_judged(void **state)
{
    struct gate_request request = {.message = GATE_SENDME, .control_socket = true};
    struct gate_sight sight;
    struct place p;

    (void)state;
    place_begin(&p, "rule1 = -,,,,,nothing\n", true);
    assert_int_equal(gate_request(p.gate, &request, span_of(DOMAIN "/a")), GATE_PASS);
    assert_false(request.ruled);
    assert_int_equal(fetch(&p, NULL, "10.27.4.1", DOMAIN "/a"), GATE_PASS);
    gate_sight_begin(&sight, p.gate, &request);
    assert_true(sight.all);
    place_end(&p);
}

static void other_names_of_a_request_are_judged_too(void **state)
{
    struct gate_request request = request_of(GATE_READ_API, "web1", WEB1);
    struct gate_sight sight;
    struct place p;

    (void)state;
    place_begin(&p, "rule1 = -,,sendme,secret,,no secrets\n", true);
    assert_int_equal(gate_request(p.gate, &request, span_of(".pond/manifest")), GATE_PASS);
    assert_int_equal(gate_request_for(p.gate, &request, GATE_SENDME, span_of(DOMAIN "/secret/a")),
                     GATE_RULE);
    assert_true(request.ruled);
    assert_int_equal(gate_request_for(p.gate, &request, GATE_SENDME, span_of(DOMAIN "/public")),
                     GATE_PASS);
    assert_false(request.ruled);
    gate_sight_begin(&sight, p.gate, &request);
    assert_false(sight.all);
    assert_false(gate_sight_shows(&sight, span_of(DOMAIN "/secret/a")));
    assert_true(gate_sight_shows(&sight, span_of(DOMAIN "/public")));
    gate_set_rules(p.gate, NULL);
    gate_sight_begin(&sight, p.gate, &request);
    assert_true(sight.all);
    place_end(&p);
}

/* ---- who asks for others --------------------------------------------------------------------- */

static const char carry_rules[] = "rule1 = -,,whohas,secret,,no questions\n"
                                  "rule2 = -,,sendme,secret,,no secrets\n"
                                  "rule3 = -,,sendme,private,core2,not for core2\n"
                                  "rule4 = -,,ihave,secret,,nor news of them\n"
                                  "rule5 = -,,put,secret,,nor puts\n";

static void what_a_candidate_asks_is_judged_by_rules_that_name_it(void **state)
{
    struct place p;

    (void)state;
    place_begin(&p, carry_rules, true);
    assert_int_equal(fetch(&p, "core2", CORE2, DOMAIN "/secret/a"), GATE_PASS);
    assert_int_equal(fetch(&p, "core2", CORE2, DOMAIN "/private/a"), GATE_RULE);
    assert_int_equal(say(&p, NOTICE_WHOHAS, "core2", CORE2, "secret/a"), GATE_PASS);
    /* What it does not ask, or does not sign, is its own. */
    assert_int_equal(fetch(&p, NULL, CORE2, DOMAIN "/secret/a"), GATE_RULE);
    assert_int_equal(say(&p, NOTICE_IHAVE, "core2", CORE2, "secret/a"), GATE_RULE);
    assert_int_equal(ask(&p, GATE_PUT, "core2", CORE2, DOMAIN "/secret/a"), GATE_RULE);
    /* A slave asks for itself. */
    assert_int_equal(fetch(&p, "web1", WEB1, DOMAIN "/secret/a"), GATE_RULE);
    assert_int_equal(say(&p, NOTICE_WHOHAS, "web1", WEB1, "secret/a"), GATE_RULE);
    place_end(&p);
}

static void a_candidate_below_asks_for_others_once_it_has_said_so(void **state)
{
    struct place p;

    (void)state;
    place_begin(&p, carry_rules, true);
    assert_int_equal(say(&p, NOTICE_WHOHAS, "gw1", GW1, "x"), GATE_PASS);
    assert_int_equal(fetch(&p, "gw1", GW1, DOMAIN "/secret/a"), GATE_RULE);
    heard_tell_below(gate_heard(p.gate), span_of("gw1"), true);
    assert_int_equal(fetch(&p, "gw1", GW1, DOMAIN "/secret/a"), GATE_PASS);
    assert_int_equal(say(&p, NOTICE_WHOHAS, "gw1", GW1, "secret/a"), GATE_PASS);
    assert_int_equal(fetch(&p, "web1", WEB1, DOMAIN "/secret/a"), GATE_RULE);
    heard_tell_below(gate_heard(p.gate), span_of("gw1"), false);
    assert_int_equal(fetch(&p, "gw1", GW1, DOMAIN "/secret/a"), GATE_RULE);
    place_end(&p);
}

/* ---- the log --------------------------------------------------------------------------------- */

static void what_a_rule_decides_is_one_line(void **state)
{
    char log[4096];
    struct place p;

    (void)state;
    place_begin(&p,
                "rule010 = -,,,secret,,nobody, not even you\n"
                "rule011 = +,65028,sendme,secret," WEB1 ",but the vault host does\n",
                true);
    capture_begin();
    say(&p, NOTICE_WHOHAS, "web1", WEB1, "secret/a");
    fetch(&p, "vault", WEB1, DOMAIN "/secret/a");
    fetch(&p, NULL, GW1, DOMAIN "/public");
    capture_end(log, sizeof(log));
    assert_non_null(strstr(log, "- gate=65027 message=whohas namespace=example.com/secret/a "
                                "sender=" WEB1 " (web1) receiver=core1 rule=010 "
                                "nobody, not even you\n"));
    assert_non_null(strstr(log, "+ gate=65028 message=sendme namespace=example.com/secret/a "
                                "sender=" WEB1 " (vault) receiver=core1 rule=011 "
                                "but the vault host does\n"));
    assert_null(strstr(log, "public"));
    place_end(&p);
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;

    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

static void a_flood_of_one_rule_leaves_the_others_their_lines(void **state)
{
    char log[16384];
    struct place p;

    (void)state;
    place_begin(&p, "rule1 = -,,whohas,a,,a\nrule2 = -,,whohas,b,,b\n", true);
    capture_begin();
    for (unsigned i = 0; i < 100; i++)
        say(&p, NOTICE_WHOHAS, "web1", WEB1, "a/x");
    say(&p, NOTICE_WHOHAS, "web1", WEB1, "b/x");
    say_at(&p, mono_after(start, MONO_S(2)), NOTICE_WHOHAS, "web1", WEB1, "a/x");
    capture_end(log, sizeof(log));
    assert_int_equal(count_of(log, "rule=001"), LOG_BURST + 1);
    assert_int_equal(count_of(log, "rule=002"), 1);
    assert_non_null(strstr(log, "rule=001 a (and 90 more of the kind)"));
    place_end(&p);
}

static void count_hits(void *arg, const struct rule *rule, uint64_t hits)
{
    uint64_t *of = arg;

    of[rule->number] = hits;
}

static void each_decision_is_a_hit(void **state)
{
    uint64_t hits[4] = {0};
    struct place p;

    (void)state;
    place_begin(&p, "rule1 = +,,,,,all\nrule2 = -,,sendme,a,,a\nrule3 = -,,hereis,a,,b\n", true);
    for (unsigned i = 0; i < 30; i++)
        fetch(&p, "web1", WEB1, DOMAIN "/a");
    fetch(&p, "web1", WEB1, DOMAIN "/b");
    assert_false(gate_takes_answer(p.gate, start, RULE_HEREIS, &p.own, span_of(DOMAIN "/a")));
    assert_true(gate_takes_answer(p.gate, start, RULE_IHAVE, &p.own, span_of(DOMAIN "/a")));
    rulings_each(gate_rules_of(p.gate).rulings, count_hits, hits);
    assert_int_equal(hits[1], 2);
    assert_int_equal(hits[2], 30);
    assert_int_equal(hits[3], 1);
    place_end(&p);
}

/* ---- what would be --------------------------------------------------------------------------- */

/* The number of the rule that would decide, or 0; -1: the words make no sense. */
static int trial(struct place *p, const char *words)
{
    char memory[512] = "";
    struct text why = TEXT_OVER(memory);
    const struct gate_rules rules = gate_rules_of(p->gate);
    struct gate_matter matter;
    struct gate_trial trial;
    struct ruling ruling;

    if (!gate_trial_read(span_of(words), p->gate, &trial, &why)) {
        assert_true(why.len > 0);
        return -1;
    }
    assert_int_equal(why.len, 0);
    matter = gate_trial_matter(&trial);
    return gate_rules_find(&rules, &matter, &ruling) ? (int)ruling.number : 0;
}

static void it_can_be_asked_what_would_be(void **state)
{
    struct place p;

    (void)state;
    place_begin(&p,
                "rule1 = -,,sendme,example.com/secret,,no\n"
                "rule2 = +,65028,sendme,secret/vault,web1,yes\n"
                "rule3 = -,65027,whohas,,10.27.4.32/27,no\n"
                "rule4 = -,,advert,core,,no\n",
                true);
    assert_int_equal(trial(&p, "message=sendme sender=" WEB1 " namespace=example.com/secret/a "
                               "port=65028"),
                     1);
    assert_int_equal(trial(&p, " namespace=secret/a  message=sendme sender=web1 "), 1);
    assert_int_equal(trial(&p, "message=sendme sender=web1 namespace=secret/vault/a"), 2);
    assert_int_equal(trial(&p, "message=sendme sender=web1 namespace=secret/vault/a port=1"), 1);
    assert_int_equal(trial(&p, "message=whohas sender=" WEB1), 3);
    assert_int_equal(trial(&p, "message=whohas sender=web1"), 0);
    say(&p, NOTICE_IHAVE, "web1", WEB1, "x");
    assert_int_equal(trial(&p, "message=whohas sender=web1"), 3);
    assert_int_equal(trial(&p, "message=sendme sender=" WEB1 " namespace=secret/vault"), 2);
    assert_int_equal(trial(&p, "message=sendme sender=" CORE2 " namespace=secret/a"), 0);
    assert_int_equal(trial(&p, "message=advert sender=" CORE2 " namespace=core"), 4);
    assert_int_equal(trial(&p, "message=advert sender=" CORE2 " namespace=paris"), 0);
    place_end(&p);
}

static void words_without_sense_are_refused(void **state)
{
    static const char *const words[] = {"",
                                        "message=sendme",
                                        "message=fetch sender=web1",
                                        "sender=web1",
                                        "message=put sender=we!b",
                                        "message=put sender=web1 port=0",
                                        "message=put sender=web1 port=70000",
                                        "message=put sender=web1 namespace=a//b",
                                        "message=put sender=web1 name=a",
                                        "nonsense"};
    struct place p;

    (void)state;
    place_begin(&p, "rule1 = -,,,,,no\n", true);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        assert_int_equal(trial(&p, words[i]), -1);
    place_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_asked_of_datagrams),
        cmocka_unit_test(nothing_from_sun_is_nothing),
        cmocka_unit_test(many_names_at_one_address_hide_none_that_a_rule_names),
        cmocka_unit_test(without_keys_a_node_is_who_it_says),
        cmocka_unit_test(the_vault_host_alone_fetches_secrets),
        cmocka_unit_test(rules_come_last),
        cmocka_unit_test(the_own_host_is_not_judged),
        cmocka_unit_test(other_names_of_a_request_are_judged_too),
        cmocka_unit_test(what_a_candidate_asks_is_judged_by_rules_that_name_it),
        cmocka_unit_test(a_candidate_below_asks_for_others_once_it_has_said_so),
        cmocka_unit_test(what_a_rule_decides_is_one_line),
        cmocka_unit_test(a_flood_of_one_rule_leaves_the_others_their_lines),
        cmocka_unit_test(each_decision_is_a_hit),
        cmocka_unit_test(it_can_be_asked_what_would_be),
        cmocka_unit_test(words_without_sense_are_refused),
    };
    return cmocka_run_group_tests_name("gate_rules", tests, NULL, NULL);
}
