/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_ARGS_H
#define POND_TOOLS_POND_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/text.h"

/*
 * The command line: pond [OPTIONS] COMMAND [OPTIONS and WORDS in any order] [-- WORDS]. Pure.
 *
 * An option's row: enumerator, letter (0: none), word (without "--"), value (NULL: takes none), and
 * what --help says of it. Where two rows share a word, the one that the command takes is meant:
 * `get --version V` names a version, `pond --version` asks for pond's.
 */
#define ARGS_OPTIONS(ROW)                                                                          \
    ROW(OPTION_JSON, 0, "json", NULL, "print JSON, for programs")                                  \
    ROW(OPTION_WATCH, 0, "watch", NULL, "show it again every second, until q or Ctrl-C")           \
    ROW(OPTION_OUTPUT, 'o', NULL, "FILE", "write to FILE; to standard output where it is -")       \
    ROW(OPTION_FORCE, 'f', NULL, NULL, "overwrite the file if there is one")                       \
    ROW(OPTION_NEWEST, 0, "newest", NULL, "ask the network for a newer version first")             \
    ROW(OPTION_VERSION, 0, "version", "V", "this version, as pond ls prints it, not the newest")   \
    ROW(OPTION_COPIES, 0, "copies", "N", "wait until N candidates hold it")                        \
    ROW(OPTION_TIMEOUT, 0, "timeout", "S", "give up after S seconds")                              \
    ROW(OPTION_FOR, 0, "for", "TIME", "for so long: 90s, 15m, 2h, 1d")                             \
    ROW(OPTION_TEST, 0, "test", "WORDS", "ask which rule would decide about a message")            \
    ROW(OPTION_HOST, 0, "host", "NAME", "print what the host NAME would be")                       \
    ROW(OPTION_CONFIG, 'c', NULL, "FILE", "read this main.cf to find the daemon's home")           \
    ROW(OPTION_HOME, 0, "home", "FOLDER", "the daemon's home")                                     \
    ROW(OPTION_HELP, 'h', "help", NULL, "print this help")                                         \
    ROW(OPTION_PROGRAM, 'V', "version", NULL, "print the version of pond")

enum option {
#define ARGS_ENUM(id, letter, word, value, help) id,
    ARGS_OPTIONS(ARGS_ENUM)
#undef ARGS_ENUM
        OPTION_COUNT
};

struct option_row {
    char letter;
    const char *word;
    const char *value;
    const char *help;
};
extern const struct option_row option_rows[OPTION_COUNT];

#define OPTION_BIT(option) (1u << (option))

/* What every command takes. */
#define OPTIONS_COMMON                                                                             \
    (OPTION_BIT(OPTION_CONFIG) | OPTION_BIT(OPTION_HOME) | OPTION_BIT(OPTION_HELP) |               \
     OPTION_BIT(OPTION_PROGRAM))

struct pond;

/* A command's row: everything that is to be said of it. */
struct command {
    const char *name;
    const char *words;   /* behind the name, as in "NAME"; empty: none */
    const char *summary; /* one line */
    const char *help;    /* some more lines; empty: none */
    unsigned options;    /* OPTION_BITs beside OPTIONS_COMMON */
    size_t least, most;  /* how many words */
    int (*run)(struct pond *pond);
};

struct commands {
    const struct command *list;
    size_t count;
};

enum { ARGS_WORDS_MAX = 2 };

struct args {
    const struct command *command; /* NULL: none was given */
    unsigned given;                /* OPTION_BITs */
    const char *value[OPTION_COUNT];
    const char *words[ARGS_WORDS_MAX];
    size_t count;
};

static inline bool args_given(const struct args *args, enum option option)
{
    return (args->given & OPTION_BIT(option)) != 0;
}

/* Reads the command line (argv[0] is passed over; what is kept points into argv). False where it is
 * wrong; `complaint` then says what, and what would be right. With --help or --version given, the
 * number of words is not looked at. */
bool args_read(const struct commands *commands, int argc, char *const *argv, struct args *out,
               struct text *complaint);

/* "pond get [-f] [-o FILE] NAME": one line. */
void args_usage(const struct command *command, struct text *out);

#endif
