/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_TABLE_H
#define POND_TOOLS_POND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Columns that line up. Rows are gathered with table_cell and printed with table_print, which
 * forgets them but keeps the widths: a long list is printed page by page and still lines up as well
 * as it can. Widths count characters (UTF-8), and control characters are shown as '?'.
 */
enum { TABLE_COLUMNS_MAX = 8, TABLE_GAP = 2 };

struct table {
    size_t columns;
    const char *right; /* a character for each column: 'r' for figures, else to the left */
    size_t width[TABLE_COLUMNS_MAX];
    char **cells;
    size_t count;
    size_t cap;
};

void table_begin(struct table *table, size_t columns, const char *right);
void table_end(struct table *table);

/* Adds the next cell, from the left to the right, row by row. */
void table_cell(struct table *table, const char *text);
void table_cellf(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the rows gathered; the last column is not padded. */
void table_print(struct table *table, FILE *out);

/* How many characters of UTF-8. */
size_t table_width_of(const char *text);

#endif
