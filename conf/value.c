/* SPDX-License-Identifier: ISC */
#include "conf/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

static const char *const auth_words[] = {"enforce", "permissive", "receive-only"};

const char *conf_auth_name(enum conf_auth auth)
{
    return auth_words[auth];
}

static bool parse_auth(struct span text, enum conf_auth *out)
{
    for (size_t i = 0; i < sizeof(auth_words) / sizeof(*auth_words); i++)
        if (span_is(text, auth_words[i])) {
            *out = (enum conf_auth)i;
            return true;
        }
    return false;
}

static bool parse_bool(struct span text, bool *out)
{
    *out = span_is(text, "true");
    return *out || span_is(text, "false");
}

static bool parse_int(const struct conf_row *row, struct span text, int *out)
{
    int64_t n;

    if (!span_i64(text, &n) || (double)n < row->min || (double)n > row->max)
        return false;
    *out = (int)n;
    return true;
}

/* Digits with a point, an exponent; not what strtod takes beside that (inf, nan, hex). */
static bool parse_real(const struct conf_row *row, struct span text, double *out)
{
    char copy[64], *end;
    double n;

    if (text.len == 0 || !span_copy(text, copy, sizeof(copy)) ||
        strspn(copy, "0123456789+-.eE") != text.len)
        return false;
    n = strtod(copy, &end);
    if (*end || !isfinite(n) || n < row->min || n > row->max)
        return false;
    *out = n;
    return true;
}

static bool parse_text(struct span text, const struct value_context *context, const char **out)
{
    if (!span_is_plain_utf8(text))
        return false;
    *out = text.len ? arena_text(context->arena, text) : NULL;
    return true;
}

static bool parse_path(struct span text, const struct value_context *context, const char **out)
{
    if (!span_is_plain_utf8(text))
        return false;
    *out = text.len ? arena_path(context->arena, context->folder, text) : NULL;
    return true;
}

static bool parse_address(struct span text, struct address *out)
{
    if (text.len)
        return address_parse(text, 0, out);
    *out = (struct address){0}; /* "": none, whatever the defaults say */
    return true;
}

static bool parse_paths(const struct value *value, const struct value_context *context,
                        struct conf_paths *out)
{
    const char **list = arena_zeroed(context->arena, value->count + 1, sizeof(*list));

    for (size_t i = 0; i < value->count; i++)
        if (!parse_path(value->items[i], context, &list[i]) || !list[i])
            return false;
    *out = (struct conf_paths){list, value->count};
    return true;
}

static bool parse_addresses(const struct value *value, const struct value_context *context,
                            struct conf_addresses *out)
{
    struct address *list = arena_zeroed(context->arena, value->count + 1, sizeof(*list));

    for (size_t i = 0; i < value->count; i++)
        if (!address_parse(value->items[i], 0, &list[i]))
            return false;
    *out = (struct conf_addresses){list, value->count};
    return true;
}

static bool parse_networks(const struct value *value, const struct value_context *context,
                           struct conf_networks *out)
{
    struct network *list = arena_zeroed(context->arena, value->count + 1, sizeof(*list));
    bool base_differs;

    for (size_t i = 0; i < value->count; i++)
        if (!network_parse(value->items[i], &list[i], &base_differs))
            return false;
    *out = (struct conf_networks){list, value->count};
    return true;
}

static bool parse_single(const struct conf_row *row, struct span text,
                         const struct value_context *context, void *field)
{
    switch (row->type) {
    case CONF_TYPE_TEXT:
        return parse_text(text, context, field);
    case CONF_TYPE_PATH:
        return parse_path(text, context, field);
    case CONF_TYPE_ADDRESS:
        return parse_address(text, field);
    case CONF_TYPE_BOOL:
        return parse_bool(text, field);
    case CONF_TYPE_INT:
        return parse_int(row, text, field);
    case CONF_TYPE_REAL:
        return parse_real(row, text, field);
    case CONF_TYPE_BYTES:
        return span_bytes(text, field);
    case CONF_TYPE_AUTH:
        return parse_auth(text, field);
    case CONF_TYPE_LEVEL:
        return log_level_parse(text, field);
    default:
        return false;
    }
}

static bool parse_any(const struct conf_row *row, const struct value *value,
                      const struct value_context *context, void *field)
{
    switch (row->type) {
    case CONF_TYPE_PATHS:
        return parse_paths(value, context, field);
    case CONF_TYPE_ADDRESSES:
        return parse_addresses(value, context, field);
    case CONF_TYPE_NETWORKS:
        return parse_networks(value, context, field);
    default:
        return value->count == 1 && parse_single(row, value->items[0], context, field);
    }
}

static void report_value(const struct conf_row *row, const struct value *value,
                         const struct value_context *context)
{
    char expects[256], is[512];
    struct text right = TEXT_OVER(expects), wrong = TEXT_OVER(is);
    bool bare =
        row->type == CONF_TYPE_INT || row->type == CONF_TYPE_REAL || row->type == CONF_TYPE_BOOL;

    row_expects(row, &right);
    for (size_t i = 0; i < value->count && i < 4; i++) {
        text_puts(&wrong, i ? ", " : "");
        text_puts(&wrong, bare ? "" : "\"");
        log_quote(&wrong, value->items[i], 24);
        text_puts(&wrong, bare ? "" : "\"");
    }
    if (value->count == 0)
        text_puts(&wrong, "an empty list");
    report_error(context->report, context->origin.file, context->origin.line, "%s is %s: write %s",
                 row->name, is, expects);
}

bool value_parse(const struct conf_row *row, const struct value *value,
                 const struct value_context *context, void *field)
{
    union {
        char bytes[64];
        max_align_t align;
    } parsed = {{0}};

    MUST(row->size <= sizeof(parsed));
    if (!parse_any(row, value, context, &parsed)) {
        report_value(row, value, context);
        return false;
    }
    memcpy(field, &parsed, row->size);
    return true;
}

bool value_is_set(const struct conf_row *row, const void *field)
{
    static const struct address none;

    switch (row->type) {
    case CONF_TYPE_TEXT:
    case CONF_TYPE_PATH:
        return *(const char *const *)field != NULL;
    case CONF_TYPE_ADDRESS:
        return !address_same(field, &none);
    case CONF_TYPE_PATHS:
        return ((const struct conf_paths *)field)->count > 0;
    case CONF_TYPE_ADDRESSES:
        return ((const struct conf_addresses *)field)->count > 0;
    case CONF_TYPE_NETWORKS:
        return ((const struct conf_networks *)field)->count > 0;
    case CONF_TYPE_REAL:
        return *(const double *)field >= row->min;
    case CONF_TYPE_TIERS_GROUP:
    case CONF_TYPE_GOSSIP_GROUP:
        return false; /* printed setting by setting */
    default:
        return true;
    }
}

/* Control characters never come this far. */
void value_print_text(const char *text, FILE *out)
{
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void print_path(const char *path, struct span folder, FILE *out)
{
    size_t len = folder.len;

    if (len && strncmp(path, folder.at, len) == 0 && path[len] == '/' && path[len + 1])
        path += len + 1;
    value_print_text(path, out);
}

static void print_paths(const struct conf_paths *paths, struct span folder, FILE *out)
{
    fputs("[ ", out);
    for (size_t i = 0; i < paths->count; i++) {
        fputs(i ? ", " : "", out);
        print_path(paths->list[i], folder, out);
    }
    fputs(" ]", out);
}

static void print_addresses(const struct conf_addresses *addresses, FILE *out)
{
    char text[ADDRESS_TEXT_SIZE];

    fputs("[ ", out);
    for (size_t i = 0; i < addresses->count; i++)
        fprintf(out, "%s\"%s\"", i ? ", " : "", address_host_text(&addresses->list[i], text));
    fputs(" ]", out);
}

static void print_networks(const struct conf_networks *networks, FILE *out)
{
    char text[ADDRESS_TEXT_SIZE];

    fputs("[ ", out);
    for (size_t i = 0; i < networks->count; i++)
        fprintf(out, "%s\"%s\"", i ? ", " : "", network_text(&networks->list[i], text));
    fputs(" ]", out);
}

/* With a point, so that it is read back as what it was; longer only where it takes that. */
static void print_real(double n, FILE *out)
{
    char text[64];

    snprintf(text, sizeof(text), "%.15g", n);
    if (strtod(text, NULL) != n)
        snprintf(text, sizeof(text), "%.17g", n);
    fputs(text, out);
    if (!strpbrk(text, ".e"))
        fputs(".0", out);
}

/* The largest unit that says it exactly. */
static void print_bytes(uint64_t bytes, FILE *out)
{
    static const char units[] = " KMGTP";
    size_t unit = 0;

    while (bytes && bytes % 1024 == 0 && units[unit + 1]) {
        bytes /= 1024;
        unit++;
    }
    if (unit)
        fprintf(out, "\"%" PRIu64 "%c\"", bytes, units[unit]);
    else if (bytes <= INT32_MAX)
        fprintf(out, "%" PRIu64, bytes);
    else
        fprintf(out, "\"%" PRIu64 "\"", bytes);
}

void value_print(const struct conf_row *row, const void *field, struct span folder, FILE *out)
{
    char text[ADDRESS_TEXT_SIZE];

    switch (row->type) {
    case CONF_TYPE_TEXT:
        value_print_text(*(const char *const *)field, out);
        break;
    case CONF_TYPE_PATH:
        print_path(*(const char *const *)field, folder, out);
        break;
    case CONF_TYPE_PATHS:
        print_paths(field, folder, out);
        break;
    case CONF_TYPE_ADDRESS:
        fprintf(out, "\"%s\"", address_host_text(field, text));
        break;
    case CONF_TYPE_ADDRESSES:
        print_addresses(field, out);
        break;
    case CONF_TYPE_NETWORKS:
        print_networks(field, out);
        break;
    case CONF_TYPE_BOOL:
        fputs(*(const bool *)field ? "true" : "false", out);
        break;
    case CONF_TYPE_INT:
        fprintf(out, "%d", *(const int *)field);
        break;
    case CONF_TYPE_REAL:
        print_real(*(const double *)field, out);
        break;
    case CONF_TYPE_BYTES:
        print_bytes(*(const uint64_t *)field, out);
        break;
    case CONF_TYPE_AUTH:
        value_print_text(conf_auth_name(*(const enum conf_auth *)field), out);
        break;
    case CONF_TYPE_LEVEL:
        value_print_text(log_level_name(*(const enum log_level *)field), out);
        break;
    case CONF_TYPE_TIERS_GROUP:
    case CONF_TYPE_GOSSIP_GROUP:
        MUST(row->type != CONF_TYPE_TIERS_GROUP && row->type != CONF_TYPE_GOSSIP_GROUP);
    }
}
