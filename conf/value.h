/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_VALUE_H
#define POND_CONF_VALUE_H

#include <stdbool.h>
#include <stdio.h>

#include "conf/arena.h"
#include "conf/rows.h"

/*
 * The value of one setting, as text: what a quoted text holds, the digits of a number, "true". A
 * list has several items. Defaults, main.cf and the environment all come through here.
 */
enum { VALUE_ITEMS_MAX = 256 };

struct value {
    struct span items[VALUE_ITEMS_MAX];
    size_t count;
};

struct value_context {
    struct conf_arena *arena;
    struct span folder; /* that relative paths are below of; empty: the working folder */
    struct report *report;
    struct conf_origin origin;
};

/* Writes the value to the row's field. False, with an error in the report and the field as it was,
 * where it is none that the row can have. */
bool value_parse(const struct conf_row *row, const struct value *value,
                 const struct value_context *context, void *field);

/* Is there any value in the field that has to be printed? */
bool value_is_set(const struct conf_row *row, const void *field);

/* As it would stand in main.cf; paths below `folder` are made relative to it. */
void value_print(const struct conf_row *row, const void *field, struct span folder, FILE *out);

/* A text in quotes, as libconfig reads it back. */
void value_print_text(const char *text, FILE *out);

#endif
