/* SPDX-License-Identifier: ISC */
#include "tools/pond/args.h"

#include <string.h>

#include "src/base/must.h"

const struct option_row option_rows[OPTION_COUNT] = {
#define ARGS_ROW(id, letter, word, value, help) [id] = {letter, word, value, help},
    ARGS_OPTIONS(ARGS_ROW)
#undef ARGS_ROW
};

/* The way through argv. */
struct reader {
    const struct commands *commands;
    int argc;
    char *const *argv;
    int at;
    struct args *out;
    struct text *complaint;
};

enum { NAMES_MAX = 32 };

static unsigned options_of(const struct reader *r)
{
    return OPTIONS_COMMON | (r->out->command ? r->out->command->options : 0);
}

/* "pond" or "pond get": whom the complaint is about. */
static void complain_begin(struct reader *r)
{
    if (r->out->command)
        text_printf(r->complaint, "%s: ", r->out->command->name);
}

static void complain_end(struct reader *r)
{
    text_puts(r->complaint, " (see pond ");
    if (r->out->command)
        text_printf(r->complaint, "%s ", r->out->command->name);
    text_puts(r->complaint, "--help)");
}

static void suggest(struct text *complaint, const char *word, const char *before,
                    const char *const *names, size_t count)
{
    const char *nearest = text_nearest(word, names, count);

    if (nearest)
        text_printf(complaint, "; did you mean %s%s?", before, nearest);
}

static bool no_such_option(struct reader *r, const char *word)
{
    const char *names[OPTION_COUNT];
    size_t count = 0;

    for (size_t i = 0; i < OPTION_COUNT; i++)
        if ((options_of(r) & OPTION_BIT(i)) && option_rows[i].word)
            names[count++] = option_rows[i].word;
    complain_begin(r);
    text_printf(r->complaint, "there is no option %s here", word);
    if (strncmp(word, "--", 2) == 0)
        suggest(r->complaint, word + 2, "--", names, count);
    complain_end(r);
    return false;
}

static bool no_such_command(struct reader *r, const char *word)
{
    const char *names[NAMES_MAX];

    MUST(r->commands->count <= NAMES_MAX);
    for (size_t i = 0; i < r->commands->count; i++)
        names[i] = r->commands->list[i].name;
    text_printf(r->complaint, "there is no command %s", word);
    suggest(r->complaint, word, "", names, r->commands->count);
    complain_end(r);
    return false;
}

/* The option's value: what is joined to it, else the next argument. */
static bool take_option(struct reader *r, size_t option, const char *joined, const char *shown)
{
    const struct option_row *row = &option_rows[option];

    r->out->given |= OPTION_BIT(option);
    if (!row->value)
        return true;
    if (!joined && r->at + 1 < r->argc)
        joined = r->argv[++r->at];
    if (!joined) {
        complain_begin(r);
        text_printf(r->complaint, "%s wants a value: %s %s", shown, shown, row->value);
        complain_end(r);
        return false;
    }
    r->out->value[option] = joined;
    return true;
}

/* --word or --word=value */
static bool read_long(struct reader *r, const char *argument)
{
    const char *equals = strchr(argument, '=');
    struct span word = {argument + 2,
                        equals ? (size_t)(equals - argument - 2) : strlen(argument) - 2};

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        if (!(options_of(r) & OPTION_BIT(i)) || !row->word || !span_is(word, row->word))
            continue;
        if (equals && !row->value) {
            complain_begin(r);
            text_printf(r->complaint, "--%s takes no value", row->word);
            complain_end(r);
            return false;
        }
        return take_option(r, i, equals ? equals + 1 : NULL, argument);
    }
    return no_such_option(r, argument);
}

/* -f, -fo FILE, -oFILE */
static bool read_short(struct reader *r, const char *argument)
{
    for (const char *c = argument + 1; *c; c++) {
        char shown[] = {'-', *c, '\0'};
        size_t i = 0;
        while (i < OPTION_COUNT &&
               !((options_of(r) & OPTION_BIT(i)) && option_rows[i].letter == *c))
            i++;
        if (i == OPTION_COUNT)
            return no_such_option(r, shown);
        if (option_rows[i].value)
            return take_option(r, i, c[1] ? c + 1 : NULL, shown);
        r->out->given |= OPTION_BIT(i);
    }
    return true;
}

static bool read_word(struct reader *r, const char *word)
{
    struct args *out = r->out;

    if (!out->command) {
        for (size_t i = 0; i < r->commands->count; i++)
            if (strcmp(word, r->commands->list[i].name) == 0)
                out->command = &r->commands->list[i];
        return out->command || no_such_command(r, word);
    }
    if (out->count == out->command->most) {
        complain_begin(r);
        text_printf(r->complaint, "one argument too many: %s", word);
        complain_end(r);
        return false;
    }
    MUST(out->count < ARGS_WORDS_MAX);
    out->words[out->count++] = word;
    return true;
}

static bool enough_words(struct reader *r)
{
    const struct args *out = r->out;

    if (args_given(out, OPTION_HELP) || args_given(out, OPTION_PROGRAM))
        return true;
    if (!out->command) {
        text_puts(r->complaint, "a command is missing");
        complain_end(r);
        return false;
    }
    if (out->count < out->command->least) {
        complain_begin(r);
        text_printf(r->complaint, "an argument is missing: it wants %s", out->command->words);
        complain_end(r);
        return false;
    }
    return true;
}

bool args_read(const struct commands *commands, int argc, char *const *argv, struct args *out,
               struct text *complaint)
{
    struct reader r = {commands, argc, argv, 1, out, complaint};
    bool words_only = false;

    *out = (struct args){0};
    for (; r.at < argc; r.at++) {
        const char *argument = argv[r.at];
        bool option = !words_only && argument[0] == '-' && argument[1];
        bool fine;
        if (option && strcmp(argument, "--") == 0)
            fine = words_only = true;
        else if (option)
            fine = argument[1] == '-' ? read_long(&r, argument) : read_short(&r, argument);
        else
            fine = read_word(&r, argument);
        if (!fine)
            return false;
    }
    return enough_words(&r);
}

void args_usage(const struct command *command, struct text *out)
{
    text_printf(out, "pond %s", command->name);
    if (command->words[0])
        text_printf(out, " %s", command->words);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        if (!(command->options & OPTION_BIT(i)))
            continue;
        if (row->word)
            text_printf(out, " [--%s", row->word);
        else
            text_printf(out, " [-%c", row->letter);
        if (row->value)
            text_printf(out, " %s", row->value);
        text_putc(out, ']');
    }
}
