/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_ASK_H
#define POND_TOOLS_POND_ASK_H

#include <jansson.h>
#include <stdbool.h>

#include "tools/pond/field.h"
#include "tools/pond/pond.h"

/* Questions to the daemon that are answered in JSON. As with all of pond.h: a status other than
 * POND_DONE has been explained. */

/* How long the daemon may take to answer what it has at hand. */
enum { ASK_MOST_S = 30 };

/* Asks for JSON; json_decref what comes. */
enum pond_exit ask_json(struct pond *pond, const char *what, const char *target, json_t **out);
enum pond_exit ask_json_by(struct pond *pond, const char *what, const char *method,
                           const char *target, json_t **out);

/* Asks for lines, which `line` (without its end) gets one by one as they come; it returns false to
 * stop, having said why. */
enum pond_exit ask_lines(struct pond *pond, const char *what, const char *method,
                         const char *target, bool (*line)(void *arg, char *line), void *arg);

/* How JSON is printed: in the daemon's order, and 0.1 as 0.1. */
#define ASK_JSON_FLAGS (JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15))

/* Prints it on standard output, indented, for --json. */
void ask_print_json(const json_t *json);

#endif
