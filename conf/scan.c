/* SPDX-License-Identifier: ISC */
#include "conf/scan.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/file.h"
#include "src/base/log.h"

enum { WORD_SHOWN = 32 };

struct scan {
    struct span rest;
    const char *file;
    struct span folder;
    struct report *report, *wrapped;
    unsigned line;
    unsigned depth;    /* of includes */
    bool value_next;   /* a = or : was the last that was seen */
    bool lost;         /* what follows cannot be told apart any more */
    bool broken;       /* libconfig will stumble over what was reported */
    bool line_is_bare; /* nothing but blanks on this line so far */
};

static void scan_file_text(struct scan *s);

static void take(struct scan *s, size_t n)
{
    s->rest.at += n;
    s->rest.len -= n;
}

static void fault(struct scan *s, unsigned line, const char *what)
{
    s->broken = true;
    report_error(s->report, s->file, line, "%s", what);
}

static void fault_in_word(struct scan *s, struct span word, const char *what)
{
    char memory[4 * WORD_SHOWN + 8];
    struct text shown = TEXT_OVER(memory);

    log_quote(&shown, word, WORD_SHOWN);
    report_error(s->report, s->file, s->line, "%s %s", memory, what);
}

static void scan_block_comment(struct scan *s)
{
    unsigned begin = s->line;

    for (take(s, 2); s->rest.len; take(s, 1)) {
        if (span_begins(s->rest, "*/")) {
            take(s, 2);
            return;
        }
        s->line += *s->rest.at == '\n';
    }
    fault(s, begin, "the comment that begins here is never closed: */ is missing");
}

static void scan_line_comment(struct scan *s)
{
    while (s->rest.len && *s->rest.at != '\n')
        take(s, 1);
}

static void scan_quoted(struct scan *s)
{
    for (take(s, 1); s->rest.len; take(s, 1)) {
        char c = *s->rest.at;
        if (c == '"') {
            take(s, 1);
            return;
        }
        if (c == '\n')
            break;
        if (span_begins(s->rest, "\\x00"))
            fault(s, s->line, "\\x00 is in the text, and no text can hold that: leave it out");
        if (c == '\\' && s->rest.len > 1 && s->rest.at[1] != '\n')
            take(s, 1);
    }
    fault(s, s->line, "a text is not closed on its line: a \" is missing");
    s->lost = true;
}

/* Hexadecimal or decimal digits without their sign and suffix; false where it is neither. */
static bool digits_of(struct span word, struct span *digits, int *base, bool *wide)
{
    *wide = false;
    while (word.len && word.at[word.len - 1] == 'L' && word.len > 1) {
        *wide = true;
        word.len--;
    }
    if (span_begins(word, "0x") || span_begins(word, "0X")) {
        *base = 16;
        word.at += 2;
        word.len -= 2;
    } else {
        *base = 10;
        if (word.len && (*word.at == '-' || *word.at == '+'))
            word.at++, word.len--;
    }
    *digits = word;
    for (size_t i = 0; i < word.len; i++)
        if (*base == 16 ? !isxdigit((unsigned char)word.at[i])
                        : !isdigit((unsigned char)word.at[i]))
            return false;
    return word.len > 0;
}

/* libconfig keeps the low 32 bits of a number without L, and the largest of one with it. */
static bool number_fits(struct span digits, int base, bool wide)
{
    unsigned long long most = wide ? LLONG_MAX : INT_MAX;
    char copy[64];

    while (digits.len > 1 && *digits.at == '0')
        digits.at++, digits.len--;
    if (!span_copy(digits, copy, sizeof(copy)))
        return false;
    errno = 0;
    return strtoull(copy, NULL, base) <= most && errno == 0;
}

static bool is_real(struct span word)
{
    char copy[64], *end;

    if (!span_copy(word, copy, sizeof(copy)) || strspn(copy, "0123456789+-.eE") != word.len)
        return false;
    strtod(copy, &end);
    return *end == '\0';
}

static void scan_number(struct scan *s, struct span word)
{
    struct span digits;
    bool wide;
    int base;

    if (!digits_of(word, &digits, &base, &wide)) {
        if (!is_real(word))
            fault_in_word(
                s, word, "is no number: what is not digits alone stands in quotes, as in \"100G\"");
    } else if (!number_fits(digits, base, wide)) {
        report_error(s->wrapped, s->file, s->line, "wrapped");
        fault_in_word(s, word,
                      "is too big for a number: no setting goes that far, but sizes, "
                      "which stand in quotes, as in \"100G\"");
    }
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("_*+-./%@", c));
}

static bool is_truth(struct span word)
{
    return (word.len == 4 && strncasecmp(word.at, "true", 4) == 0) ||
           (word.len == 5 && strncasecmp(word.at, "false", 5) == 0);
}

/* A name, true or false, a number; or what should have been in quotes. */
static void scan_word(struct scan *s)
{
    struct span word = {s->rest.at, 0};
    char first = *s->rest.at;

    while (word.len < s->rest.len && in_word(word.at[word.len]) &&
           !(word.at[word.len] == '/' && word.len + 1 < s->rest.len &&
             strchr("/*", word.at[word.len + 1])))
        word.len++;
    take(s, word.len ? word.len : 1);
    if (word.len && (isdigit((unsigned char)first) || strchr("+-.", first)))
        scan_number(s, word);
    else if (word.len && s->value_next && !is_truth(word)) {
        s->broken = true;
        fault_in_word(s, word,
                      "is no value: texts and sizes stand in quotes, and of yes and no there are "
                      "true and false");
    }
}

static void scan_include(struct scan *s)
{
    struct span line = s->rest, path;
    struct scan inner = *s;
    char joined[PATH_MAX];
    struct text name = TEXT_OVER(joined);
    struct file file;

    line = span_take(&line, '\n');
    take(s, line.len);
    span_take(&line, '"');
    path = span_take(&line, '"');
    if (s->folder.len) {
        text_add(&name, s->folder.at, s->folder.len);
        text_putc(&name, '/');
    }
    text_add(&name, path.at, path.len);
    if (s->depth == SCAN_DEPTH_MAX || name.full) {
        fault(s, s->line, "includes too deep, or itself");
        return;
    }
    if (!file_load(joined, SCAN_FILE_MAX, &file, s->report)) {
        s->broken = true;
        return;
    }
    inner.rest = file.text;
    inner.file = joined;
    inner.depth++;
    scan_file_text(&inner);
    s->broken = s->broken || inner.broken;
    file_clear(&file);
}

static void scan_token(struct scan *s)
{
    char c = *s->rest.at;

    if (c == '\n')
        s->line++;
    if (isspace((unsigned char)c)) {
        s->line_is_bare = s->line_is_bare || c == '\n';
        take(s, 1);
        return;
    }
    if (c == '#' || span_begins(s->rest, "//"))
        scan_line_comment(s);
    else if (span_begins(s->rest, "/*"))
        scan_block_comment(s);
    else if (s->line_is_bare && span_begins(s->rest, "@include"))
        scan_include(s);
    else {
        if (c == '"')
            scan_quoted(s);
        else if (in_word(c))
            scan_word(s);
        else
            take(s, 1);
        s->value_next = c == '=' || c == ':';
    }
    s->line_is_bare = false;
}

static void scan_file_text(struct scan *s)
{
    s->line = 1;
    s->line_is_bare = true;
    s->value_next = false;
    s->lost = false;
    if (span_begins(s->rest, "\xef\xbb\xbf")) {
        fault(s, 1, "the file begins with a byte order mark: save it without one");
        take(s, 3);
    }
    while (s->rest.len && !s->lost)
        scan_token(s);
    if (s->line > SCAN_LINES_MAX)
        report_error(s->report, s->file, 0, "has more than %d lines", SCAN_LINES_MAX);
}

bool scan_text(struct span text, const char *file, struct span folder, struct report *report,
               struct report *wrapped)
{
    struct scan s = {
        .rest = text, .file = file, .folder = folder, .report = report, .wrapped = wrapped};

    scan_file_text(&s);
    return !s.broken;
}
