/* SPDX-License-Identifier: ISC */
/* Rules files: whatever is in one, it is refused with a reason, or it prints in normal form, which
 * reads as the same; and the book that is made of it says what the last rule that fits says. */
#include "conf/rules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/rulebook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_RULES_MAX = 64 };

static struct rules *parse(struct span text)
{
    struct report *report = report_new();
    struct rules *rules = rules_parse(text, "rules", report);

    MUST((rules != NULL) == (report_errors(report) == 0));
    report_free(report);
    return rules;
}

static void print(const struct rules *rules, struct text *out)
{
    for (size_t i = 0; i < rules->count; i++) {
        rule_print(&rules->list[i], out);
        text_putc(out, '\n');
    }
    MUST(!out->full);
}

static void check_printed(const struct rules *rules)
{
    size_t room = rules->count * RULE_TEXT_SIZE + 1;
    struct text first = text_over(calloc(1, room), room), again = text_over(calloc(1, room), room);
    struct rules *back;

    MUST(first.at != NULL && again.at != NULL);
    print(rules, &first);
    back = parse((struct span){first.at, first.len});
    MUST(back != NULL);
    print(back, &again);
    MUST(strcmp(first.at, again.at) == 0);
    rules_free(back);
    free(first.at);
    free(again.at);
}

/* A message that rule i is about. */
static struct rule_case about(const struct rules *rules, size_t i)
{
    const struct rule *rule = &rules->list[i];

    return (struct rule_case){.port = rule->port ? rule->port : 65028,
                              .message = rule->message,
                              .name = span_of(rule->space ? rule->space : "example.com/x"),
                              .from = rule->network.base,
                              .nodes = {rule->node},
                              .node_count = rule->node ? 1 : 0};
}

static void check_book(const struct rules *rules)
{
    struct rulebook *book = rulebook_new(rules, "example.com");
    size_t found, last;

    for (size_t i = 0; i < rules->count; i++) {
        struct rule_case matter = about(rules, i);
        last = rules->count;
        for (size_t j = 0; j < rules->count; j++)
            last = rulebook_fits(book, &matter, j) ? j : last;
        MUST(rulebook_find(book, &matter, &found) == (last < rules->count));
        MUST(last == rules->count || found == last);
    }
    rulebook_free(book);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rules *rules = parse((struct span){(const char *)data, size});

    if (rules && rules->count <= FUZZ_RULES_MAX) {
        check_printed(rules);
        check_book(rules);
    }
    rules_free(rules);
    return 0;
}
