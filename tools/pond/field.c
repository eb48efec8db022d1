/* SPDX-License-Identifier: ISC */
#include "tools/pond/field.h"

const char *field_text(const json_t *object, const char *key, const char *missing)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : missing;
}

bool field_number(const json_t *object, const char *key, double *out)
{
    const json_t *field = json_object_get(object, key);

    if (!json_is_number(field))
        return false;
    *out = json_number_value(field);
    return true;
}

uint64_t field_count(const json_t *object, const char *key)
{
    const json_t *field = json_object_get(object, key);
    json_int_t n =
        json_is_real(field) ? (json_int_t)json_real_value(field) : json_integer_value(field);

    return n > 0 ? (uint64_t)n : 0;
}

bool field_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}
