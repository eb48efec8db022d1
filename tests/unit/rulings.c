/* SPDX-License-Identifier: ISC */
#include "src/rulings.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "src/base/log.h"
#include "tests/unit/unit.h"

static struct rules *parse(const char *text)
{
    struct report *report = report_new();
    struct rules *rules = rules_parse(span_of(text), "rules", report);

    assert_non_null(rules);
    report_free(report);
    return rules;
}

static void replace(struct rulings *rulings, const char *text)
{
    struct rules *rules = parse(text);

    rulings_replace(rulings, rules);
    rules_free(rules);
}

static struct rule_case put_of(const char *name, const char *node)
{
    struct rule_case about = {.port = 65028,
                              .message = RULE_PUT,
                              .name = span_of(name),
                              .nodes = {node},
                              .node_count = 1};

    assert_true(address_parse(span_of("10.0.0.1"), 1, &about.from));
    return about;
}

static mono_t at(int64_t seconds)
{
    return (mono_t){MONO_S(1000 + seconds)};
}

static void hit(struct rulings *rulings, unsigned number)
{
    uint64_t missed;

    (void)rulings_hit(rulings, at(0), &(struct ruling){.number = number}, RULINGS_MESSAGES,
                      &missed);
}

struct seen {
    char memory[512];
    struct text text;
};

static void see(void *arg, const struct rule *rule, uint64_t hits)
{
    struct seen *seen = arg;

    text_printf(&seen->text, "%u:%llu ", rule->number, (unsigned long long)hits);
}

static void assert_in_force(const struct rulings *rulings, const char *want)
{
    struct seen seen = {.memory = ""};

    seen.text = TEXT_OVER(seen.memory);
    rulings_each(rulings, see, &seen);
    assert_string_equal(seen.memory, want);
}

static void without_rules_nothing_is_decided(void **state)
{
    struct rulings *rulings = rulings_new("example.com");
    struct rule_case about = put_of("example.com/a", "gw1");
    struct ruling ruling;

    (void)state;
    assert_false(rulings_find(rulings, &about, &ruling));
    assert_false(rulings_any(rulings));
    replace(rulings, "# none\n");
    assert_false(rulings_find(rulings, &about, &ruling));
    replace(rulings, "rule1 = -,,,,,x\n");
    assert_true(rulings_find(rulings, &about, &ruling));
    assert_true(rulings_any(rulings));
    assert_false(rulings_know_nodes(rulings));
    replace(rulings, "rule1 = -,,,,sun,x\n");
    assert_true(rulings_know_nodes(rulings));
    assert_true(rulings_know_node(rulings, span_of("sun")));
    assert_false(rulings_know_node(rulings, span_of("moon")));
    rulings_replace(rulings, NULL);
    assert_false(rulings_any(rulings));
    rulings_free(rulings);
}

static void a_rule_that_stays_keeps_its_hits(void **state)
{
    struct rulings *rulings = rulings_new("example.com");
    struct rule_case about = put_of("example.com/a", "gw1");
    struct ruling ruling;

    (void)state;
    replace(rulings, "rule1 = -,,,,,one\nrule5 = +,,put,a,,five\n");
    assert_true(rulings_find(rulings, &about, &ruling));
    assert_true(ruling.passes);
    assert_int_equal(ruling.number, 5);
    assert_string_equal(ruling.description, "five");
    hit(rulings, 5);
    hit(rulings, 5);
    hit(rulings, 1);
    hit(rulings, 77);
    assert_in_force(rulings, "1:1 5:2 ");
    replace(rulings, "rule1 = -,,,,,another\nrule3 = -,,rm,,,new\nrule5 = +,,put,a,,five\n");
    assert_in_force(rulings, "1:0 3:0 5:2 ");
    rulings_free(rulings);
}

static void those_that_match_are_told(void **state)
{
    struct rulings *rulings = rulings_new("example.com");
    struct rule_case about = put_of("example.com/a", "gw1");
    struct seen seen = {.memory = ""};

    (void)state;
    replace(rulings, "rule1 = -,,,,,one\nrule2 = -,,rm,,,two\nrule5 = +,,put,a,,five\n");
    seen.text = TEXT_OVER(seen.memory);
    rulings_matching(rulings, &about, see, &seen);
    assert_string_equal(seen.memory, "1:0 5:0 ");
    rulings_free(rulings);
}

/* Lines of the log that so many hits of the rule in one moment are worth. */
static unsigned lines(struct rulings *rulings, mono_t now, unsigned number,
                      enum rulings_flood flood, unsigned hits)
{
    struct ruling ruling = {.number = number};
    unsigned count = 0;
    uint64_t missed;

    for (unsigned i = 0; i < hits; i++)
        count += rulings_hit(rulings, now, &ruling, flood, &missed);
    return count;
}

static void each_rule_has_its_own_flood(void **state)
{
    struct rulings *rulings = rulings_new("example.com");
    uint64_t missed;

    (void)state;
    replace(rulings, "rule1 = -,,,,,one\nrule2 = -,,,,,two\n");
    assert_int_equal(lines(rulings, at(0), 1, RULINGS_MESSAGES, 30), LOG_BURST);
    assert_int_equal(lines(rulings, at(0), 2, RULINGS_MESSAGES, 5), 5);
    assert_true(
        rulings_hit(rulings, at(2), &(struct ruling){.number = 1}, RULINGS_MESSAGES, &missed));
    assert_int_equal(missed, 30 - LOG_BURST);
    assert_int_equal(lines(rulings, at(2), 1, RULINGS_BALLOTS, 30), LOG_BURST);
    assert_int_equal(lines(rulings, at(30), 1, RULINGS_BALLOTS, 30), 0);
    assert_int_equal(lines(rulings, at(70), 1, RULINGS_BALLOTS, 30), LOG_BURST);
    rulings_free(rulings);
}

/* ---- replaced while they are looked up --------------------------------------------------------
 */

struct looking {
    struct rulings *rulings;
    _Atomic bool over;
    _Atomic unsigned looks;
    _Atomic unsigned wrong;
};

/* All rules of an edition say the same: whoever saw two of them would see two minds. */
static void *look(void *arg)
{
    struct looking *looking = arg;
    struct rule_case about = put_of("example.com/a", "gw1");
    struct ruling ruling;

    while (!atomic_load(&looking->over)) {
        uint64_t missed;
        if (rulings_find(looking->rulings, &about, &ruling)) {
            bool says = strcmp(ruling.description, "passes") == 0;
            if (ruling.number != 200 || says != ruling.passes)
                atomic_fetch_add(&looking->wrong, 1);
            (void)rulings_hit(looking->rulings, at(0), &ruling, RULINGS_MESSAGES, &missed);
        }
        atomic_fetch_add(&looking->looks, 1);
    }
    return NULL;
}

static struct rules *many(const char *line)
{
    char memory[16384];
    struct text text = TEXT_OVER(memory);

    for (unsigned i = 1; i <= 200; i++)
        text_printf(&text, "rule%u = %s\n", i, line);
    return parse(memory);
}

static void a_reload_is_one_stroke(void **state)
{
    struct looking looking = {.rulings = rulings_new("example.com")};
    struct rules *pass = many("+,,,,,passes"), *refuse = many("-,,,,,refuses");
    pthread_t threads[2];

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look, &looking), 0);
    for (unsigned i = 0; i < 300 || atomic_load(&looking.looks) < 1000; i++)
        rulings_replace(looking.rulings, i % 3 == 0 ? pass : i % 3 == 1 ? refuse : NULL);
    atomic_store(&looking.over, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(looking.wrong, 0);
    rulings_free(looking.rulings);
    rules_free(pass);
    rules_free(refuse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_nothing_is_decided),
        cmocka_unit_test(a_rule_that_stays_keeps_its_hits),
        cmocka_unit_test(those_that_match_are_told),
        cmocka_unit_test(each_rule_has_its_own_flood),
        cmocka_unit_test(a_reload_is_one_stroke),
    };
    return cmocka_run_group_tests_name("rulings", tests, NULL, NULL);
}
