/* SPDX-License-Identifier: ISC */

/*
 * Prints pond's commands and options for the shells' completions, from the rows that make --help:
 * arrays and a function, in what bash and zsh have in common. tools/complete/common.sh says what
 * they are for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/text.h"
#include "tools/pond/commands.h"

/* In single quotes, as one word. */
static void put_quoted(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
}

static void put_option(const char *dash, const char *word, const char *help)
{
    printf(" '%s%s:", dash, word);
    put_quoted(help);
    putchar('\'');
}

static void put_options(unsigned options)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        char letter[] = {row->letter, '\0'};
        if (!(options & OPTION_BIT(i)))
            continue;
        if (row->letter)
            put_option("-", letter, row->help);
        if (row->word)
            put_option("--", row->word, row->help);
    }
}

/* The options that want a value, and which. */
static void put_values(unsigned options)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        if (!(options & OPTION_BIT(i)) || !row->value)
            continue;
        if (row->letter)
            printf(" '-%c:%s'", row->letter, row->value);
        if (row->word)
            printf(" '--%s:%s'", row->word, row->value);
    }
}

/* "FILE|- [NAME]" are a FILE and a NAME. */
static void put_words(const char *words)
{
    struct span rest = span_of(words);

    while (rest.len) {
        struct span word = span_take(&rest, ' ');
        word = span_take(&word, '|');
        if (word.len > 2 && word.at[0] == '[')
            word = (struct span){word.at + 1, word.len - 2};
        printf(" '%.*s'", (int)word.len, word.at);
    }
}

static void put_command(const struct command *c)
{
    printf("    %s)\n        _pond_options=(", c->name);
    put_options(c->options);
    printf(" )\n        _pond_values=(");
    put_values(c->options);
    printf(" )\n        _pond_words=(");
    put_words(c->words);
    printf(" ) ;;\n");
}

int main(void)
{
    printf("_pond_commands=(");
    for (size_t i = 0; i < commands.count; i++)
        put_option("", commands.list[i].name, commands.list[i].summary);
    printf(" )\n_pond_common=(");
    put_options(OPTIONS_COMMON);
    printf(" )\n_pond_common_values=(");
    put_values(OPTIONS_COMMON);
    printf(" )\n\n_pond_row()\n{\n    _pond_options=( ) _pond_values=( ) _pond_words=( )\n"
           "    case $1 in\n");
    for (size_t i = 0; i < commands.count; i++)
        put_command(&commands.list[i]);
    printf("    esac\n}\n");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
