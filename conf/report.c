/* SPDX-License-Identifier: ISC */
#include "conf/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

enum { REPORT_LINE_MAX = 1024 };

struct report_line {
    char *text;      /* place and all */
    size_t file_len; /* of the file's name, with which the text begins */
    unsigned line;
    bool warning;
};

struct report {
    struct report_line lines[REPORT_MAX];
    size_t count;
    size_t errors, warnings; /* those that were only counted too */
};

struct report *report_new(void)
{
    struct report *report = calloc(1, sizeof(*report));

    MUST(report != NULL);
    return report;
}

void report_free(struct report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < report->count; i++)
        free(report->lines[i].text);
    free(report);
}

static bool same_file(const struct report_line *line, const char *file)
{
    return strlen(file) == line->file_len && strncmp(line->text, file, line->file_len) == 0;
}

/* Where the new line belongs: behind those of its file that do not come later in it. */
static size_t place_of(const struct report *report, const struct report_line *new)
{
    size_t place = report->count;
    bool met = false;

    for (size_t i = 0; i < report->count; i++) {
        const struct report_line *line = &report->lines[i];
        bool same =
            line->file_len == new->file_len &&strncmp(line->text, new->text, new->file_len) == 0;
        if (same ? line->line > new->line : met)
            return i;
        met = met || same;
    }
    return place;
}

static bool is_known(const struct report *report, const struct report_line *new)
{
    for (size_t i = 0; i < report->count; i++)
        if (strcmp(report->lines[i].text, new->text) == 0)
            return true;
    return false;
}

static void add(struct report *report, struct report_line *new)
{
    size_t place = place_of(report, new);

    memmove(&report->lines[place + 1], &report->lines[place],
            (report->count - place) * sizeof(*report->lines));
    report->lines[place] = *new;
    report->lines[place].text = strdup(new->text);
    MUST(report->lines[place].text != NULL);
    report->count++;
}

/* An error is worth more than the last warning. */
static void drop_warning(struct report *report)
{
    size_t i = report->count;

    while (i > 0 && !report->lines[i - 1].warning)
        i--;
    if (i == 0)
        return;
    free(report->lines[i - 1].text);
    memmove(&report->lines[i - 1], &report->lines[i], (report->count - i) * sizeof(*report->lines));
    report->count--;
}

static void __attribute__((format(printf, 5, 0)))
report_add(struct report *report, bool warning, const char *file, unsigned line, const char *format,
           va_list args)
{
    char text[REPORT_LINE_MAX]; /* what is longer is cut, never lost */
    struct report_line new = {text, strlen(file), line, warning};
    const char *kind = warning ? "warning: " : "";
    int len = line ? snprintf(text, sizeof(text) / 2, "%s:%u: %s", file, line, kind)
                   : snprintf(text, sizeof(text) / 2, "%s: %s", file, kind);
    size_t used = strlen(text);

    MUST(len > 0);
    vsnprintf(text + used, sizeof(text) - used, format, args);
    if (is_known(report, &new))
        return;
    *(warning ? &report->warnings : &report->errors) += 1;
    if (report->count == REPORT_MAX && !warning)
        drop_warning(report);
    if (report->count < REPORT_MAX)
        add(report, &new);
}

void report_error(struct report *report, const char *file, unsigned line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report_add(report, false, file, line, format, args);
    va_end(args);
}

void report_warn(struct report *report, const char *file, unsigned line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report_add(report, true, file, line, format, args);
    va_end(args);
}

size_t report_errors(const struct report *report)
{
    return report->errors;
}

size_t report_warnings(const struct report *report)
{
    return report->warnings;
}

bool report_has_error(const struct report *report, const char *file, unsigned line)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct report_line *l = &report->lines[i];
        if (!l->warning && l->line == line && same_file(l, file))
            return true;
    }
    return false;
}

size_t report_count(const struct report *report)
{
    return report->count;
}

const char *report_line(const struct report *report, size_t i, bool *warning)
{
    MUST(i < report->count);
    *warning = report->lines[i].warning;
    return report->lines[i].text;
}

void report_print(const struct report *report, FILE *out)
{
    size_t found = report->errors + report->warnings;

    for (size_t i = 0; i < report->count; i++)
        fprintf(out, "%s\n", report->lines[i].text);
    if (found > report->count)
        fprintf(out, "... and %zu more\n", found - report->count);
}
