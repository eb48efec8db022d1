/* SPDX-License-Identifier: ISC */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/gate_trial.h"
#include "src/http_reply.h"

/* /.pond/gate: the rules in force with their hits, and the verdicts with their counts; with ?test=,
 * which rule would decide about a message, and why. */
enum { TEST_SIZE = 3 * NAME_SIZE, WHY_SIZE = RULE_DESCRIPTION_MAX + 400 };

static json_t *made(json_t *json)
{
    MUST(json != NULL);
    return json;
}

static json_t *rule_json(const struct rule *rule, uint64_t hits)
{
    char memory[RULE_TEXT_SIZE];
    struct text text = TEXT_OVER(memory);

    rule_print(rule, &text);
    return made(json_pack("{s:i, s:s, s:s, s:s, s:I}", "number", (int)rule->number, "sign",
                          rule->passes ? "+" : "-", "rule", memory, "description",
                          rule->description, "hits", (json_int_t)hits));
}

static void add_rule(void *arg, const struct rule *rule, uint64_t hits)
{
    MUST(json_array_append_new(arg, rule_json(rule, hits)) == 0);
}

/* ---- what is in force ------------------------------------------------------------------------ */

static json_t *verdicts_json(void)
{
    json_t *verdicts = made(json_array());

    for (int i = 0; i < GATE_VERDICT_COUNT; i++) {
        enum gate_verdict verdict = (enum gate_verdict)i;
        json_t *one =
            made(json_pack("{s:s, s:s, s:I}", "verdict", gate_name(verdict), "sentence",
                           gate_sentence(verdict), "count", (json_int_t)gate_count(verdict)));
        MUST(json_array_append_new(verdicts, one) == 0);
    }
    return verdicts;
}

static json_t *state_json(const struct http *http)
{
    json_t *rules = made(json_array());

    rulings_each(gate_rules_of(http->options.world.gate).rulings, add_rule, rules);
    return made(json_pack("{s:i, s:s, s:o, s:o}", "format", 1, "node", http->node, "rules", rules,
                          "verdicts", verdicts_json()));
}

/* ---- what would be --------------------------------------------------------------------------- */

/* `last`: the rule that decides, or NULL. */
static void say_why(const json_t *last, size_t count, bool carries, struct text *out)
{
    if (carries)
        text_puts(out, "its sender is a candidate, and asks for others too, so that only rules "
                       "that name a sender judge it; ");
    if (!last) {
        text_puts(out, "no rule matches it, and what no rule matches passes");
        return;
    }
    text_printf(out, "rule %03d is the %s that matches%s: it %s",
                (int)json_integer_value(json_object_get(last, "number")),
                count == 1 ? "only one" : "last one",
                count == 1 ? "" : ", and the last one decides",
                strcmp(json_string_value(json_object_get(last, "sign")), "+") == 0 ? "passes"
                                                                                   : "is refused");
}

static json_t *trial_json(const struct gate *gate, const struct gate_trial *trial)
{
    const struct gate_rules rules = gate_rules_of(gate);
    const struct gate_matter matter = gate_trial_matter(trial);
    json_t *matching = made(json_array());
    struct gate_rules_names names;
    struct rule_case about;
    char memory[WHY_SIZE];
    struct text why = TEXT_OVER(memory);
    const json_t *last;
    size_t count;

    gate_rules_case(&rules, &matter, &names, &about);
    rulings_matching(rules.rulings, &about, add_rule, matching);
    count = json_array_size(matching);
    last = count ? json_array_get(matching, count - 1) : NULL;
    say_why(last, count, about.carries, &why);
    return made(json_pack(
        "{s:i, s:b, s:o, s:b, s:s, s:o}", "format", 1, "passes",
        !last || strcmp(json_string_value(json_object_get(last, "sign")), "+") == 0, "decides",
        last ? json_integer(json_integer_value(json_object_get(last, "number"))) : json_null(),
        "carries", (int)about.carries, "why", why.at, "matching", matching));
}

enum step gate_step(struct request *r)
{
    const struct gate *gate = r->http->options.world.gate;
    struct text why = TEXT_OVER(r->why);
    struct gate_trial trial;
    char words[TEST_SIZE];

    if (!request_has_arg(r, "test"))
        return reply_json(r, state_json(r->http));
    if (!request_arg(r, "test", words, sizeof(words)))
        return reply_refuse(r, 400, "test= is malformed, or longer than any message");
    if (!gate_trial_read(span_of(words), gate, &trial, &why))
        return reply_refuse(r, 400, r->why);
    return reply_json(r, trial_json(gate, &trial));
}
