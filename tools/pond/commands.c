/* SPDX-License-Identifier: ISC */
#include "tools/pond/commands.h"

#include <string.h>

#include "src/base/must.h"
#include "tools/pond/pond.h"
#include "tools/pond/table.h"

static const struct command rows[] = {
    {"status", "", "show the node, its tiers, its cache, and what happened last",
     "With --watch in a pipe it prints a block each second.",
     OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_WATCH), 0, 0, cmd_status},
    {"peers", "", "list every known node: when it was heard, whether it is used, why not", "",
     OPTION_BIT(OPTION_JSON), 0, 0, cmd_peers},
    {"put", "FILE|- [NAME]", "put a file in, for every host to get",
     "Without a NAME the file's base name is used. FILE may be - for standard input, which needs "
     "a\n"
     "NAME. It returns once the object is safe on this host's disk, or with --copies once N\n"
     "candidates hold it; if they do not within 60 s (--timeout), it stays, and the exit status is "
     "1.",
     OPTION_BIT(OPTION_COPIES) | OPTION_BIT(OPTION_TIMEOUT), 1, 2, cmd_put},
    {"get", "NAME", "get a file, from wherever in the network it is",
     "Without -o it is written here, under its base name. It appears whole and checked, or not at\n"
     "all. Nothing is overwritten without -f.",
     OPTION_BIT(OPTION_OUTPUT) | OPTION_BIT(OPTION_FORCE) | OPTION_BIT(OPTION_NEWEST) |
         OPTION_BIT(OPTION_VERSION),
     1, 1, cmd_get},
    {"ls", "[PREFIX]", "list the objects that this node knows, or those below PREFIX",
     "Each line has size, date, version, whether the content is here or away, and name.",
     OPTION_BIT(OPTION_JSON), 0, 1, cmd_ls},
    {"rm", "NAME", "remove an object, everywhere", "", 0, 1, 1, cmd_rm},
    {"conflicts", "", "list versions that were replaced by one that did not know of them",
     "Each is kept for 30 days; pond get --version gets it.", OPTION_BIT(OPTION_JSON), 0, 0,
     cmd_conflicts},
    {"whohas", "NAME", "ask the network who has which version", "", OPTION_BIT(OPTION_JSON), 1, 1,
     cmd_whohas},
    {"gate", "", "show the rules of the gate with their hits, and what it let in and refused",
     "With --test it says which rule would decide about a message, and why. WORDS are of the form\n"
     "'message=sendme sender=10.27.4.9 namespace=example.com/x port=65028'; namespace and port "
     "may\n"
     "be left out.",
     OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_TEST), 0, 0, cmd_gate},
    {"verify", "", "read all content of this node, and have what is rotten fetched anew",
     "The exit status is 1 where anything was rotten.", 0, 0, 0, cmd_verify},
    {"rebuild", "", "make the catalogue of this node anew from its manifests and content", "", 0, 0,
     0, cmd_rebuild},
    {"demote", "TIER", "have other candidates of TIER preferred to this node, until it is restored",
     "A master hands over at once, if another candidate can take over. It lasts over restarts; "
     "with\n"
     "--for it ends by itself.",
     OPTION_BIT(OPTION_FOR), 1, 1, cmd_demote},
    {"restore", "TIER", "end a demotion of this node in TIER", "", 0, 1, 1, cmd_restore},
    {"check", "[FILE]", "check main.cf and every file that it names; needs no daemon",
     "Without FILE it checks the main.cf that -c names, else the default one.",
     OPTION_BIT(OPTION_HOST), 0, 1, cmd_check},
    {"events", "", "print what happens, as lines of JSON, until Ctrl-C", "", 0, 0, 0, cmd_events},
    {"reload", "", "have the daemon read main.cf, nets files and keys again, and apply them",
     "It returns when all is applied, and prints what has changed. Where anything is wrong, "
     "nothing\n"
     "changes, and the exit status is 1.",
     OPTION_BIT(OPTION_JSON), 0, 0, cmd_reload},
    {"log-level", "LEVEL", "turn the daemon's log to error, warn, info or debug",
     "It lasts until the daemon is started again, or main.cf says another one at a reload.", 0, 1,
     1, cmd_log_level},
    {"key", "new", "print a good new key for the key file; needs no daemon", "", 0, 1, 1, cmd_key},
};

const struct commands commands = {rows, sizeof(rows) / sizeof(*rows)};

static const char exits[] = "Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused, "
                            "5 no daemon.\n";

/* Does the command have an option of its own by this word? It then stands in front. */
static bool shadowed(unsigned options, size_t option)
{
    for (size_t i = 0; i < option; i++)
        if ((options & OPTION_BIT(i)) && option_rows[i].word && option_rows[option].word &&
            strcmp(option_rows[i].word, option_rows[option].word) == 0)
            return true;
    return false;
}

static void print_options(unsigned options, FILE *out)
{
    struct table table;

    table_begin(&table, 2, "ll");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        const char *word = shadowed(options, i) ? NULL : row->word;
        char shown[64];
        struct text text = TEXT_OVER(shown);

        if (!(options & OPTION_BIT(i)))
            continue;
        text_puts(&text, "  ");
        if (row->letter)
            text_printf(&text, "-%c%s", row->letter, word ? ", " : "");
        if (word)
            text_printf(&text, "--%s", word);
        if (row->value)
            text_printf(&text, " %s", row->value);
        table_cell(&table, shown);
        table_cell(&table, row->help);
    }
    table_print(&table, out);
    table_end(&table);
}

static void help_for_all(FILE *out)
{
    struct table table;

    fputs("Usage: pond [OPTIONS] COMMAND ...\n"
          "Puts files into carpond's network and gets them out, and asks the daemon on this host "
          "how it is.\n\nCommands:\n",
          out);
    table_begin(&table, 2, "ll");
    for (const struct command *c = rows; c < rows + commands.count; c++) {
        table_cellf(&table, "  %s%s%s", c->name, c->words[0] ? " " : "", c->words);
        table_cell(&table, c->summary);
    }
    table_print(&table, out);
    table_end(&table);
    fputs("\nOptions of every command:\n", out);
    print_options(OPTIONS_COMMON, out);
    fprintf(
        out,
        "\npond COMMAND --help says more about one command, the manual page pond(1) about all.\n"
        "%s",
        exits);
}

void commands_help(const struct command *command, FILE *out)
{
    char usage[256];
    struct text text = TEXT_OVER(usage);

    if (!command) {
        help_for_all(out);
        return;
    }
    args_usage(command, &text);
    MUST(!text.full);
    fprintf(out, "Usage: %s\n%c%s.\n", usage, command->summary[0] - 'a' + 'A',
            command->summary + 1);
    if (command->help[0])
        fprintf(out, "%s\n", command->help);
    fputs("\nOptions:\n", out);
    print_options(command->options | OPTIONS_COMMON, out);
    fprintf(out, "\n%s", exits);
}
