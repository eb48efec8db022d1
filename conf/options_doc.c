/* SPDX-License-Identifier: ISC */
/*
 * Writes the settings' part of the manual page main.cf(5), or of the example main.cf, from the
 * table of options.h, so that neither can say anything else than what the program does. Run by
 * make: options_doc manual|gossip|example.
 */
#include <stdio.h>
#include <string.h>

#include "conf/rows.h"

enum { WIDTH = 72, EXPECTS_SIZE = 256 };

/* A word of running text in mdoc: `x` is literal, a point that begins a line is text. */
static void put_manual_word(const char *word, size_t len)
{
    bool literal = false;

    if (*word == '.' || *word == '\'')
        fputs("\\&", stdout);
    for (size_t i = 0; i < len; i++) {
        if (word[i] == '`') {
            literal = !literal;
            fputs(literal ? "\\fB" : "\\fR", stdout);
        } else if (word[i] == '\\') {
            fputs("\\e", stdout);
        } else {
            putchar(word[i]);
        }
    }
}

static bool ends_sentence(const char *word, size_t len)
{
    return len && (word[len - 1] == '.' || word[len - 1] == ':') && word[len] == ' ';
}

/* Running text in lines, each sentence on its own, as mdoc wants it. */
static void put_manual_text(const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t len = strcspn(text, " ");
        if (column && column + 1 + len > WIDTH) {
            putchar('\n');
            column = 0;
        } else if (column) {
            putchar(' ');
            column++;
        }
        put_manual_word(text, len);
        column += len;
        if (ends_sentence(text, len)) {
            putchar('\n');
            column = 0;
        }
        text += len + (text[len] == ' ');
    }
    if (column)
        putchar('\n');
}

static void put_default(const struct conf_row *row, char *out, size_t size)
{
    snprintf(out, size, "Default: %s.",
             row->words    ? row->words
             : row->preset ? row->preset
                           : "none");
}

static void manual_row(const struct conf_row *row)
{
    char expects[EXPECTS_SIZE], line[2 * EXPECTS_SIZE];
    struct text text = TEXT_OVER(expects);

    printf(".It Ic %s\n", row->name);
    put_manual_text(row->help);
    row_expects(row, &text);
    snprintf(line, sizeof(line), "Written as %s.", expects);
    put_manual_text(line);
    put_default(row, line, sizeof(line));
    put_manual_text(line);
    if (row->place == CONF_PLACE_TIER)
        puts("Can differ per tier.");
    if (!row->live && row->place == CONF_PLACE_NODE)
        puts("Counts from the next start; a reload does not apply it.");
}

static void manual(enum conf_place place)
{
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if (row_belongs(&conf_rows[i], place))
            manual_row(&conf_rows[i]);
    puts(".El");
}

/* Running text as a comment in main.cf. */
static void put_comment(const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t len = strcspn(text, " ");
        if (column && column + 1 + len > WIDTH + 8) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf(column ? " " : "  // ");
        column += (size_t)printf("%.*s", (int)len, text);
        text += len + (text[len] == ' ');
    }
    if (column)
        putchar('\n');
}

static bool is_quoted(const struct conf_row *row)
{
    return row->type == CONF_TYPE_TEXT || row->type == CONF_TYPE_PATH ||
           row->type == CONF_TYPE_ADDRESS || row->type == CONF_TYPE_AUTH ||
           row->type == CONF_TYPE_LEVEL;
}

static void example_row(const struct conf_row *row)
{
    char expects[EXPECTS_SIZE], line[2 * EXPECTS_SIZE];
    const char *quote = is_quoted(row) ? "\"" : "";
    struct text text = TEXT_OVER(expects);

    putchar('\n');
    put_comment(row->help);
    if (row->preset) {
        printf("  //\n  //%s = %s%s%s;\n", row->name, quote, row->preset, quote);
        return;
    }
    row_expects(row, &text);
    snprintf(line, sizeof(line), "Written as %s.", expects);
    put_comment(line);
    put_default(row, line, sizeof(line));
    put_comment(line);
    printf("  //\n  //%s = ...;\n", row->name);
}

static void example(void)
{
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if (row_belongs(&conf_rows[i], CONF_PLACE_NODE))
            example_row(&conf_rows[i]);
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";

    if (strcmp(what, "manual") == 0)
        manual(CONF_PLACE_NODE);
    else if (strcmp(what, "gossip") == 0)
        manual(CONF_PLACE_GOSSIP);
    else if (strcmp(what, "example") == 0)
        example();
    else
        return 2;
    return fflush(stdout) == 0 ? 0 : 1;
}
