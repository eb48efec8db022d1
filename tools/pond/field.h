/* SPDX-License-Identifier: ISC */
#ifndef POND_TOOLS_POND_FIELD_H
#define POND_TOOLS_POND_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Fields of JSON that a daemon of another version may lack: then NULL, or `missing`. */
const char *field_text(const json_t *object, const char *key, const char *missing);
bool field_number(const json_t *object, const char *key, double *out);
uint64_t field_count(const json_t *object, const char *key); /* 0 where it is missing */
bool field_true(const json_t *object, const char *key);

#endif
