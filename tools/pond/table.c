/* SPDX-License-Identifier: ISC */
#include "tools/pond/table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "tools/pond/say.h"

enum { CELLS_FIRST = 64 };

void table_begin(struct table *table, size_t columns, const char *right)
{
    MUST(columns > 0 && columns <= TABLE_COLUMNS_MAX && strlen(right) == columns);
    *table = (struct table){.columns = columns, .right = right};
}

static void forget_rows(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    table->count = 0;
}

void table_end(struct table *table)
{
    forget_rows(table);
    free(table->cells);
    *table = (struct table){0};
}

size_t table_width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void table_cell(struct table *table, const char *text)
{
    size_t column = table->count % table->columns;
    char *copy = strdup(text);

    MUST(copy);
    if (table->count == table->cap) {
        table->cap = table->cap ? 2 * table->cap : CELLS_FIRST;
        table->cells = reallocarray(table->cells, table->cap, sizeof(*table->cells));
        MUST(table->cells);
    }
    say_clean(copy);
    table->cells[table->count++] = copy;
    if (table_width_of(copy) > table->width[column])
        table->width[column] = table_width_of(copy);
}

void table_cellf(struct table *table, const char *format, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    MUST(n >= 0);
    table_cell(table, text);
    free(text);
}

static void pad(FILE *out, size_t blanks)
{
    while (blanks--)
        fputc(' ', out);
}

void table_print(struct table *table, FILE *out)
{
    MUST(table->count % table->columns == 0);
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        bool last = column + 1 == table->columns;
        size_t blanks = table->width[column] - table_width_of(table->cells[i]);

        if (table->right[column] == 'r')
            pad(out, blanks);
        fputs(table->cells[i], out);
        if (last)
            fputc('\n', out);
        else
            pad(out, (table->right[column] == 'r' ? 0 : blanks) + TABLE_GAP);
    }
    forget_rows(table);
}
