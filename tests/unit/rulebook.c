/* SPDX-License-Identifier: ISC */
#include "src/rulebook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/name.h"
#include "src/base/rng.h"
#include "tests/unit/unit.h"

static struct rules *parse(const char *text)
{
    struct report *report = report_new();
    struct rules *rules = rules_parse(span_of(text), "rules", report);

    if (!rules)
        print_error("%s\n", report_line(report, 0, NULL));
    assert_non_null(rules);
    report_free(report);
    return rules;
}

static struct rulebook *book_of(const char *text)
{
    struct rules *rules = parse(text);
    struct rulebook *book = rulebook_new(rules, "example.com");

    rules_free(rules);
    return book;
}

static struct rule_case sent(enum rule_message message, const char *name, const char *from,
                             const char *node)
{
    struct rule_case about = {.port = 65028,
                              .message = message,
                              .name = span_of(name),
                              .nodes = {node},
                              .node_count = node ? 1 : 0};

    assert_true(address_parse(span_of(from), 4711, &about.from));
    return about;
}

/* The number of the rule that decides; 0: none. */
static unsigned decided(const struct rulebook *book, struct rule_case about)
{
    size_t i;

    return rulebook_find(book, &about, &i) ? rulebook_rule(book, i)->number : 0;
}

static void the_last_that_matches_decides(void **state)
{
    struct rulebook *book =
        book_of("rule001 = +,,,,,all\n"
                "rule010 = -,,sendme,example.com/secret,,nobody fetches secrets\n"
                "rule011 = +,65028,sendme,secret,10.27.4.9,but the vault does\n"
                "rule020 = -,,,,sun.example.com,nothing from sun\n");
    struct rule_case vault = sent(RULE_SENDME, "example.com/secret/a", "10.27.4.9", NULL);

    (void)state;
    assert_int_equal(decided(book, vault), 11);
    vault.port = 65027;
    assert_int_equal(decided(book, vault), 10);
    assert_int_equal(decided(book, sent(RULE_SENDME, "example.com/secret/a", "10.27.4.8", NULL)),
                     10);
    assert_int_equal(decided(book, sent(RULE_SENDME, "example.com/secrets", "10.27.4.8", "moon")),
                     1);
    assert_int_equal(
        decided(book, sent(RULE_PUT, "example.com/secret", "10.27.4.9", "sun.example.com")), 20);
    rulebook_free(book);
}

static void where_none_matches_none_decides(void **state)
{
    struct rulebook *none = book_of(""), *one = book_of("rule1 = -,,put,,,no puts\n");

    (void)state;
    assert_int_equal(decided(none, sent(RULE_PUT, "example.com/a", "10.0.0.1", "a")), 0);
    assert_int_equal(decided(one, sent(RULE_RM, "example.com/a", "10.0.0.1", "a")), 0);
    assert_int_equal(decided(one, sent(RULE_PUT, "example.com/a", "10.0.0.1", "a")), 1);
    rulebook_free(none);
    rulebook_free(one);
}

static void of_who_carries_for_others_rules_with_a_sender_judge(void **state)
{
    struct rulebook *book = book_of("rule1 = -,,sendme,secret,10.0.0.0/8,not to ten\n"
                                    "rule2 = -,,sendme,private,gw1,not to gw1\n"
                                    "rule3 = -,,sendme,,,to nobody\n");
    struct rule_case secret = sent(RULE_SENDME, "example.com/secret/a", "10.0.0.1", "gw1");
    struct rule_case other = sent(RULE_SENDME, "example.com/private", "11.0.0.1", "gw1");

    (void)state;
    assert_int_equal(decided(book, secret), 3);
    secret.carries = other.carries = true;
    assert_int_equal(decided(book, secret), 1);
    assert_int_equal(decided(book, other), 2);
    other.nodes[0] = "gw2";
    assert_int_equal(decided(book, other), 0);
    rulebook_free(book);
}

static void a_tier_is_a_namespace_of_ballots(void **state)
{
    struct rulebook *book = book_of("rule1 = -,,advert,paris,,no adverts there\n"
                                    "rule2 = -,,,core/a,,no names there\n");

    (void)state;
    assert_int_equal(decided(book, sent(RULE_ADVERT, "paris", "10.0.0.1", "a")), 1);
    assert_int_equal(decided(book, sent(RULE_ADVERT, "core", "10.0.0.1", "a")), 0);
    assert_int_equal(decided(book, sent(RULE_STANDING, "paris", "10.0.0.1", "a")), 0);
    assert_int_equal(decided(book, sent(RULE_RM, "example.com/core/a/b", "10.0.0.1", "a")), 2);
    rulebook_free(book);
}

static void everyone_of_one_family_is_not_everyone(void **state)
{
    struct rulebook *book = book_of("rule1 = -,,,,::/0,six\nrule2 = -,,,,0.0.0.0/0,four\n"
                                    "rule3 = -,,,,10.0.0.0/8,ten\n");

    (void)state;
    assert_int_equal(decided(book, sent(RULE_RM, "", "fd00::1", NULL)), 1);
    assert_int_equal(decided(book, sent(RULE_RM, "", "ffff:ffff::1", NULL)), 1);
    assert_int_equal(decided(book, sent(RULE_RM, "", "9.255.255.255", NULL)), 2);
    assert_int_equal(decided(book, sent(RULE_RM, "", "10.0.0.0", NULL)), 3);
    assert_int_equal(decided(book, sent(RULE_RM, "", "10.255.255.255", NULL)), 3);
    assert_int_equal(decided(book, sent(RULE_RM, "", "11.0.0.0", NULL)), 2);
    assert_int_equal(decided(book, sent(RULE_RM, "", "255.255.255.255", NULL)), 2);
    rulebook_free(book);
}

static void what_is_none_of_the_messages_is_judged_by_rules_for_any(void **state)
{
    struct rulebook *book = book_of("rule1 = -,,,,sun,nothing from sun\n"
                                    "rule2 = -,,sendme,,sun,nor to it\n");

    (void)state;
    assert_int_equal(decided(book, sent(RULE_ANY_MESSAGE, "", "10.0.0.1", "sun")), 1);
    assert_int_equal(decided(book, sent(RULE_ANY_MESSAGE, "", "10.0.0.1", "moon")), 0);
    assert_true(rulebook_knows_nodes(book));
    rulebook_free(book);
}

static void any_of_the_senders_names_matches(void **state)
{
    struct rulebook *book = book_of("rule1 = -,,,,sun,nothing from sun\n");
    struct rule_case about = sent(RULE_RM, "example.com/a", "10.0.0.1", "moon");

    (void)state;
    about.nodes[about.node_count++] = "sun";
    assert_int_equal(decided(book, about), 1);
    assert_true(rulebook_fits(book, &about, 0));
    about.node_count--;
    assert_int_equal(decided(book, about), 0);
    assert_false(rulebook_fits(book, &about, 0));
    rulebook_free(book);
}

static void hits_are_counted(void **state)
{
    struct rulebook *book = book_of("rule1 = -,,,,,all\nrule2 = -,,,,,all\n");

    (void)state;
    rulebook_hit(book, 1);
    rulebook_hit(book, 1);
    assert_int_equal(rulebook_hits(book, 0), 0);
    assert_int_equal(rulebook_hits(book, 1), 2);
    rulebook_free(book);
}

static void who_still_has_the_older_book_counts_for_the_newer_one(void **state)
{
    struct rulebook *old = book_of("rule1 = -,,,,,all\nrule2 = -,,,,,all\n");
    struct rulebook *book = book_of("rule1 = +,,,,,all\nrule2 = -,,,,,all\n");

    (void)state;
    rulebook_hit(old, 0);
    rulebook_hit(old, 1);
    rulebook_keep_hits(book, old);
    rulebook_hit(old, 0);
    rulebook_hit(old, 1);
    rulebook_free(old);
    assert_int_equal(rulebook_hits(book, 0), 0); /* it was another rule */
    assert_int_equal(rulebook_hits(book, 1), 2);
    rulebook_hit(book, 1);
    assert_int_equal(rulebook_hits(book, 1), 3);
    rulebook_free(book);
}

/* ---- against the plain reading of the rules ---------------------------------------------------
 */

static bool fits(const struct rule *rule, const struct rule_case *about)
{
    char whole[NAME_SIZE];
    bool ballot = about->message == RULE_ADVERT || about->message == RULE_STANDING ||
                  about->message == RULE_SOLICIT;

    if (rule->port && rule->port != about->port)
        return false;
    if (rule->message != RULE_ANY_MESSAGE && rule->message != about->message)
        return false;
    if (rule->space && ballot && !span_is(about->name, rule->space))
        return false;
    if (rule->space && !ballot) {
        assert_int_equal(name_complete(span_of(rule->space), "example.com", whole), NAME_OK);
        if (!name_below(about->name, span_of(whole)))
            return false;
    }
    for (size_t i = 0; rule->sender == RULE_NODE && i < about->node_count; i++)
        if (strcmp(rule->node, about->nodes[i]) == 0)
            return true;
    if (rule->sender == RULE_NODE)
        return false;
    if (rule->sender == RULE_NETWORK)
        return network_holds(&rule->network, &about->from);
    return !about->carries;
}

static unsigned decided_plainly(const struct rules *rules, const struct rule_case *about)
{
    for (size_t i = rules->count; i-- > 0;)
        if (fits(&rules->list[i], about))
            return rules->list[i].number;
    return 0;
}

static const char *one_of(struct rng *rng, const char *const *words, size_t count)
{
    return words[rng_below(rng, count)];
}
#define ONE_OF(rng, words) one_of(rng, words, sizeof(words) / sizeof(*(words)))

static const char *const ports[] = {"", "", "65027", "65028"};
static const char *const spaces[] = {"", "", "a", "a/b", "example.com/a", "a/b/c", "paris", "b"};
static const char *const senders[] = {"",
                                      "",
                                      "gw1",
                                      "gw2",
                                      "10.0.0.0/8",
                                      "10.1.0.0/16",
                                      "10.1.2.3",
                                      "10.1.2.0/31",
                                      "0.0.0.0/0",
                                      "::/0",
                                      "fd00::/16",
                                      "fd00:1::/64",
                                      "fd00:1::1",
                                      "128.0.0.0/1",
                                      "255.255.255.255",
                                      "::/64",
                                      "8000::/1",
                                      "10.1.2.2/31"};

static struct rules *random_rules(struct rng *rng, size_t count)
{
    size_t room = count * 80 + 1;
    struct text text = text_over(malloc(room), room);
    struct rules *rules;

    for (size_t i = 0; i < count; i++) {
        size_t message = rng_below(rng, RULE_MESSAGE_COUNT + 3);
        text_printf(&text, "rule%zu = %c,%s,", i + 1, rng_below(rng, 2) ? '+' : '-',
                    ONE_OF(rng, ports));
        text_printf(&text, "%s,%s,",
                    message < RULE_MESSAGE_COUNT ? rule_message_name((enum rule_message)message)
                                                 : "",
                    ONE_OF(rng, spaces));
        text_printf(&text, "%s,why\n", ONE_OF(rng, senders));
    }
    assert_false(text.full);
    rules = parse(text.at);
    free(text.at);
    return rules;
}

static struct rule_case random_case(struct rng *rng)
{
    static const char *const names[] = {"example.com/a",     "example.com/a/b/c/d", "example.com/b",
                                        "example.com/a/bc",  "example.com/c",       "",
                                        "example.com/a/b/c", "example.com/paris/x"};
    static const char *const tiers[] = {"paris", "a", "core"};
    static const char *const froms[] = {
        "10.1.2.3", "10.1.2.2", "10.2.0.1",        "192.0.2.1",       "fd00:1::1", "fd00:1::2",
        "fd01::1",  "::1",      "255.255.255.255", "127.255.255.255", "9.9.9.9",   "8000::"};
    static const char *const nodes[] = {"", "gw1", "gw2", "gw3"};
    enum rule_message message = (enum rule_message)rng_below(rng, RULE_ANY_MESSAGE + 1);
    bool ballot = message == RULE_ADVERT || message == RULE_STANDING || message == RULE_SOLICIT;
    struct rule_case about = sent(message, ballot ? ONE_OF(rng, tiers) : ONE_OF(rng, names),
                                  ONE_OF(rng, froms), ONE_OF(rng, nodes));

    about.port = rng_below(rng, 2) ? 65027 : 65028;
    about.carries = rng_below(rng, 4) == 0;
    while (about.node_count < RULE_NODES_MAX && rng_below(rng, 3) == 0)
        about.nodes[about.node_count++] = ONE_OF(rng, nodes);
    return about;
}

static void books_say_what_the_rules_say(void **state)
{
    struct rng rng = {20261123};

    (void)state;
    for (size_t round = 0; round < 300; round++) {
        struct rules *rules = random_rules(&rng, rng_below(&rng, 200));
        struct rulebook *book = rulebook_new(rules, "example.com");
        for (size_t i = 0; i < 200; i++) {
            struct rule_case about = random_case(&rng);
            unsigned want = decided_plainly(rules, &about), got = decided(book, about);
            if (want != got)
                print_error("round %zu: %s %.*s\n", round, rule_message_name(about.message),
                            (int)about.name.len, about.name.at);
            assert_int_equal(got, want);
        }
        rulebook_free(book);
        rules_free(rules);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_that_matches_decides),
        cmocka_unit_test(where_none_matches_none_decides),
        cmocka_unit_test(of_who_carries_for_others_rules_with_a_sender_judge),
        cmocka_unit_test(a_tier_is_a_namespace_of_ballots),
        cmocka_unit_test(everyone_of_one_family_is_not_everyone),
        cmocka_unit_test(what_is_none_of_the_messages_is_judged_by_rules_for_any),
        cmocka_unit_test(any_of_the_senders_names_matches),
        cmocka_unit_test(hits_are_counted),
        cmocka_unit_test(who_still_has_the_older_book_counts_for_the_newer_one),
        cmocka_unit_test(books_say_what_the_rules_say),
    };
    return cmocka_run_group_tests_name("rulebook", tests, NULL, NULL);
}
