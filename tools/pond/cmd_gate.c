/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <stdio.h>

#include "tools/pond/ask.h"
#include "tools/pond/figure.h"
#include "tools/pond/table.h"

static void show_verdicts(const json_t *verdicts)
{
    const json_t *verdict;
    struct table table;
    size_t i;

    table_begin(&table, 3, "rll");
    table_cell(&table, "COUNT");
    table_cell(&table, "VERDICT");
    table_cell(&table, "WHICH MEANS");
    json_array_foreach(verdicts, i, verdict)
    {
        char count[32];
        struct text text = TEXT_OVER(count);

        figure_count(&text, field_count(verdict, "count"));
        table_cell(&table, count);
        table_cell(&table, field_text(verdict, "verdict", "-"));
        table_cell(&table, field_text(verdict, "sentence", "-"));
    }
    table_print(&table, stdout);
    table_end(&table);
}

/* A row a rule, its text behind its hits. */
static void show_rules(const json_t *rules, bool hits)
{
    const json_t *rule;
    struct table table;
    size_t i;

    table_begin(&table, hits ? 2 : 1, hits ? "rl" : "l");
    if (hits)
        table_cell(&table, "HITS");
    table_cell(&table, "RULE");
    json_array_foreach(rules, i, rule)
    {
        char count[32];
        struct text text = TEXT_OVER(count);

        figure_count(&text, field_count(rule, "hits"));
        if (hits)
            table_cell(&table, count);
        table_cell(&table, field_text(rule, "rule", "-"));
    }
    table_print(&table, stdout);
    table_end(&table);
}

static void show_state(const json_t *json)
{
    const json_t *rules = json_object_get(json, "rules");

    if (json_array_size(rules) == 0)
        puts("RULES   none: nets, nobroadcast and the keys decide");
    else
        show_rules(rules, true);
    show_verdicts(json_object_get(json, "verdicts"));
}

static void show_trial(const json_t *json)
{
    const json_t *matching = json_object_get(json, "matching");

    printf("%s: %s\n", field_true(json, "passes") ? "passes" : "is refused",
           field_text(json, "why", "-"));
    if (json_array_size(matching) > 0)
        show_rules(matching, false);
}

int cmd_gate(struct pond *pond)
{
    bool test = args_given(pond->args, OPTION_TEST);
    char target[TARGET_SIZE];
    struct text text = TEXT_OVER(target);
    enum pond_exit status;
    json_t *json;

    text_puts(&text, test ? "/.pond/gate?" : "/.pond/gate");
    if (test)
        pond_query(&text, "test", pond->args->value[OPTION_TEST]);
    if (text.full)
        return say_exit(POND_USAGE, "gate: no message has so many words");
    status = ask_json(pond, "gate", target, &json);
    if (status != POND_DONE)
        return status;
    if (args_given(pond->args, OPTION_JSON))
        ask_print_json(json);
    else if (test)
        show_trial(json);
    else
        show_state(json);
    json_decref(json);
    return POND_DONE;
}
