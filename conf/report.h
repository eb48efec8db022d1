/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_REPORT_H
#define POND_CONF_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * What is wrong with a configuration, all of it in one run: errors, and warnings that stop nobody.
 * Each has its place, and says what is wrong and what would be right. The lines of one file stand
 * together, in the order of their numbers; the same thing is reported once, however many hosts it
 * concerns. Beyond REPORT_MAX they are only counted, warnings first. One thread at a time.
 */
enum { REPORT_MAX = 200 };

struct report;

struct report *report_new(void);
void report_free(struct report *report);

/* `line` 0: the whole file. `file` may also be the name of an environment variable. Both copied. */
void report_error(struct report *report, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_warn(struct report *report, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

size_t report_errors(const struct report *report); /* those that were only counted too */
size_t report_warnings(const struct report *report);

/* Is there an error at this very place? */
bool report_has_error(const struct report *report, const char *file, unsigned line);

/* The lines, as "main.cf:7: what, and what would be right" or "main.cf:7: warning: ...". */
size_t report_count(const struct report *report);
const char *report_line(const struct report *report, size_t i, bool *warning);

/* Prints all lines, and how many more there were. */
void report_print(const struct report *report, FILE *out);

#endif
