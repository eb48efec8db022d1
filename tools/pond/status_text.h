/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_STATUS_TEXT_H
#define POND_TOOLS_POND_STATUS_TEXT_H

#include <jansson.h>
#include <stdio.h>

/* The daemon's status for people: one block of text with aligned columns. What a daemon of another
 * version does not tell is left out or shown as "-". */
void status_text(const json_t *status, FILE *out);

#endif
