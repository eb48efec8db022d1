/* SPDX-License-Identifier: ISC */
#include "conf/rules.h"

#include <stdlib.h>
#include <string.h>

#include "conf/arena.h"
#include "conf/file.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/node.h"

/* What one run over a rules file knows. */
struct reading {
    struct rules *rules;
    struct report *report;
    size_t room;
    unsigned line;
};

static const char *const message_names[] = {
#define RULE_NAME(id, name) name,
    RULE_MESSAGES(RULE_NAME)
#undef RULE_NAME
};

const char *rule_message_name(enum rule_message message)
{
    return message < RULE_MESSAGE_COUNT ? message_names[message] : "any";
}

bool rule_message_parse(struct span word, enum rule_message *out)
{
    for (size_t i = 0; i < RULE_MESSAGE_COUNT; i++)
        if (span_is(word, message_names[i])) {
            *out = (enum rule_message)i;
            return true;
        }
    return false;
}

/* What stands in the file, as it may stand in a message. */
struct shown {
    char text[224];
};

static const char *show(struct span word, struct shown *out)
{
    struct text text = TEXT_OVER(out->text);

    log_quote(&text, word, 50);
    return out->text;
}

/* Always false. */
static bool fault(struct reading *r, struct span word, const char *what)
{
    struct shown shown;

    report_error(r->report, r->rules->file, r->line, "%s %s", show(word, &shown), what);
    return false;
}

/* ---- the columns ----------------------------------------------------------------------------- */

static bool parse_number(struct reading *r, struct span word, unsigned *out)
{
    struct span digits = word;
    uint64_t number;

    if (!span_begins(word, "rule"))
        return fault(r, word,
                     "begins no rule: a line is `ruleNNN = sign, local port, message, "
                     "namespace, sender, description`");
    digits.at += strlen("rule");
    digits.len -= strlen("rule");
    if (!span_u64(digits, RULES_NUMBER_MAX, &number))
        return fault(r, word,
                     "has no number of 0 to 999999999 behind `rule`, by which the rules "
                     "are put in order");
    *out = (unsigned)number;
    return true;
}

static bool parse_sign(struct reading *r, struct span word, bool *passes)
{
    *passes = span_is(word, "+");
    return *passes || span_is(word, "-") ||
           fault(r, word, "is no sign: it is + for what is let in, - for what is kept out");
}

static bool parse_port(struct reading *r, struct span word, uint16_t *out)
{
    uint64_t port = 0;

    if (word.len && (!span_u64(word, UINT16_MAX, &port) || port == 0))
        return fault(r, word,
                     "is no port: it is one of this node's own, as 65027 for datagrams, "
                     "65028 for HTTP and 65029 for elections, or empty for any");
    *out = (uint16_t)port;
    return true;
}

static bool parse_message(struct reading *r, struct span word, enum rule_message *out)
{
    char typed[32];
    const char *nearest = NULL;
    struct shown shown;

    *out = RULE_ANY_MESSAGE;
    if (word.len == 0 || rule_message_parse(word, out))
        return true;
    if (span_copy(word, typed, sizeof(typed)))
        nearest = text_nearest(typed, message_names, RULE_MESSAGE_COUNT);
    report_error(r->report, r->rules->file, r->line,
                 "%s is no message: it is one of whohas, ihave, sendme, hereis, advert, standing, "
                 "solicit, gossip, put, rm, or empty for any%s%s%s",
                 show(word, &shown), nearest ? "; did you mean " : "", nearest ? nearest : "",
                 nearest ? "?" : "");
    return false;
}

/* Parts that no name has can keep nothing in or out. */
static bool is_prefix(struct span space)
{
    bool more = true;

    if (!span_is_plain_utf8(space))
        return false;
    while (more) {
        struct span part;
        more = memchr(space.at, '/', space.len) != NULL;
        part = span_take(&space, '/');
        if (part.len == 0 || span_is(part, ".") || span_is(part, ".."))
            return false;
    }
    return true;
}

static bool parse_space(struct reading *r, struct span word, const char **out)
{
    struct span space = word;

    if (word.len && word.at[word.len - 1] == '/')
        space.len--;
    if (word.len && (space.len == 0 || space.len > RULE_SPACE_MAX || !is_prefix(space)))
        return fault(r, word,
                     "is no namespace: it is how names begin, cut at a slash, as in "
                     "pkgs/private, or a tier's name, or empty for any");
    *out = word.len ? arena_text(r->rules->arena, space) : NULL;
    return true;
}

static bool looks_numeric(struct span word)
{
    for (size_t i = 0; i < word.len; i++)
        if (!strchr("0123456789./", word.at[i]))
            return memchr(word.at, ':', word.len) != NULL;
    return true;
}

static bool parse_sender(struct reading *r, struct span word, struct rule *out)
{
    bool base_differs;
    char network[ADDRESS_TEXT_SIZE];
    struct shown shown;

    out->sender = RULE_ANYONE;
    if (word.len == 0)
        return true;
    out->sender = RULE_NETWORK;
    if (network_parse(word, &out->network, &base_differs) && out->network.base.scope == 0)
        return true;
    if (base_differs) {
        report_error(r->report, r->rules->file, r->line,
                     "%s has bits behind its prefix: write %s for the network", show(word, &shown),
                     network_text(&out->network, network));
        return false;
    }
    out->sender = RULE_NODE;
    if (looks_numeric(word) || !node_name_ok(word))
        return fault(r, word,
                     "is no sender: it is a node's whole name, an address, a network as "
                     "in 10.1.0.0/16, or empty for any");
    out->node = arena_text(r->rules->arena, word);
    return true;
}

static bool parse_description(struct reading *r, struct span text, const char **out)
{
    if (text.len == 0) {
        report_error(r->report, r->rules->file, r->line,
                     "has no description: write in the sixth column what the rule is for; the log "
                     "shows it");
        return false;
    }
    if (text.len > RULE_DESCRIPTION_MAX || !span_is_plain_utf8(text))
        return fault(r, text, "is no description: at most 200 bytes of plain text");
    *out = arena_text(r->rules->arena, text);
    return true;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void add(struct reading *r, const struct rule *rule)
{
    struct rules *rules = r->rules;

    if (rules->count == RULES_MAX) {
        report_error(r->report, rules->file, 0,
                     "has more than %d rules: name networks and prefixes of names instead",
                     RULES_MAX);
        return;
    }
    if (rules->count == r->room) {
        r->room = r->room ? 2 * r->room : 16;
        rules->list = realloc(rules->list, r->room * sizeof(*rules->list));
        MUST(rules->list != NULL);
    }
    rules->list[rules->count++] = *rule;
}

/* The description, which is the last, may have commas in it. */
enum { COLUMNS = 6 };

/* Each column is looked at, so that one run tells all that is wrong with a line. */
static bool parse_columns(struct reading *r, const struct span *column, struct rule *rule)
{
    bool good = parse_sign(r, column[0], &rule->passes);

    good = parse_port(r, column[1], &rule->port) && good;
    good = parse_message(r, column[2], &rule->message) && good;
    good = parse_space(r, column[3], &rule->space) && good;
    good = parse_sender(r, column[4], rule) && good;
    return parse_description(r, column[5], &rule->description) && good;
}

static void parse_line(struct reading *r, struct span line)
{
    struct span rest = span_trim(line), key, column[COLUMNS];
    struct rule rule = {.line = r->line};
    size_t count = 0;

    if (rest.len == 0 || *rest.at == '#')
        return;
    key = span_trim(span_take(&rest, '='));
    if (!parse_number(r, key, &rule.number))
        return;
    while (count < COLUMNS - 1 && memchr(rest.at, ',', rest.len))
        column[count++] = span_trim(span_take(&rest, ','));
    column[count++] = span_trim(rest);
    if (count < COLUMNS)
        report_error(r->report, r->rules->file, r->line,
                     "has %zu columns of the six: sign, local port, message, namespace, sender, "
                     "description, with commas between them",
                     count);
    else if (parse_columns(r, column, &rule))
        add(r, &rule);
}

static int by_number(const void *a, const void *b)
{
    const struct rule *left = a, *right = b;

    if (left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return (left->line > right->line) - (left->line < right->line);
}

static void put_in_order(struct reading *r)
{
    const struct rules *rules = r->rules;

    if (rules->count)
        qsort(rules->list, rules->count, sizeof(*rules->list), by_number);
    for (size_t i = 1; i < rules->count; i++)
        if (rules->list[i].number == rules->list[i - 1].number)
            report_error(r->report, rules->file, rules->list[i].line,
                         "rule %u stands on line %u already: give each a number of its own",
                         rules->list[i].number, rules->list[i - 1].line);
}

struct rules *rules_parse(struct span text, const char *file, struct report *report)
{
    struct rules *rules = calloc(1, sizeof(*rules));
    struct reading r = {.rules = rules, .report = report};
    size_t before = report_errors(report);
    struct span line;

    MUST(rules != NULL);
    rules->arena = arena_new();
    rules->file = strdup(file);
    MUST(rules->file != NULL);
    while (file_next_line(&text, &line, &r.line))
        parse_line(&r, line);
    put_in_order(&r);
    if (report_errors(report) == before)
        return rules;
    rules_free(rules);
    return NULL;
}

struct rules *rules_read(const char *path, struct report *report)
{
    struct rules *rules;
    struct file file;

    if (!file_load(path, RULES_FILE_MAX, &file, report))
        return NULL;
    rules = rules_parse(file.text, path, report);
    file_clear(&file);
    return rules;
}

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    arena_free(rules->arena);
    free(rules->file);
    free(rules->list);
    free(rules);
}

/* With the slash that it may end in, where a blank at its end would be lost without. */
static void print_space(const char *space, struct text *out)
{
    size_t len = strlen(space);

    text_puts(out, space);
    if (len && space[len - 1] == ' ')
        text_putc(out, '/');
}

void rule_print(const struct rule *rule, struct text *out)
{
    char network[ADDRESS_TEXT_SIZE];

    text_printf(out, "rule%03u = %c,", rule->number, rule->passes ? '+' : '-');
    if (rule->port)
        text_printf(out, "%u", rule->port);
    text_printf(out, ",%s,",
                rule->message == RULE_ANY_MESSAGE ? "" : rule_message_name(rule->message));
    print_space(rule->space ? rule->space : "", out);
    text_putc(out, ',');
    if (rule->sender == RULE_NODE)
        text_puts(out, rule->node);
    else if (rule->sender == RULE_NETWORK)
        text_puts(out, network_text(&rule->network, network));
    text_printf(out, ", %s", rule->description);
}
