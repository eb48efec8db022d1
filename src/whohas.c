/* SPDX-License-Identifier: ISC */
#include "src/whohas.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

enum { WHOHAS_FORMAT = 1, WHOHAS_MAGIC = 0x77686f68 };

struct whohas {
    unsigned magic;
    char name[NAME_SIZE];
    size_t count;
    struct whohas_row *rows;
    bool cut; /* there were more */
    size_t gap_count;
    char gaps[WHOHAS_GAPS_MAX][WHOHAS_GAP_SIZE];
};

struct whohas *whohas_new(const char *name)
{
    struct whohas *whohas = calloc(1, sizeof(*whohas));

    MUST(whohas != NULL);
    whohas->magic = WHOHAS_MAGIC;
    MUST(span_copy(span_of(name), whohas->name, sizeof(whohas->name)));
    return whohas;
}

void whohas_free(struct whohas *whohas)
{
    if (!whohas)
        return;
    MUST_BE(whohas, WHOHAS_MAGIC);
    whohas->magic = 0;
    free(whohas->rows);
    free(whohas);
}

/* ---- gathering ------------------------------------------------------------------------------- */

static bool has_row(const struct whohas *whohas, const char *node)
{
    for (size_t i = 0; i < whohas->count; i++) {
        if (strcmp(whohas->rows[i].node, node) == 0)
            return true;
    }
    return false;
}

void whohas_add(struct whohas *whohas, const struct whohas_row *row)
{
    MUST_BE(whohas, WHOHAS_MAGIC);
    if (has_row(whohas, row->node))
        return;
    whohas->cut = whohas->cut || whohas->count == WHOHAS_ROWS_MAX;
    if (whohas->cut)
        return;
    whohas->rows = realloc(whohas->rows, (whohas->count + 1) * sizeof(*whohas->rows));
    MUST(whohas->rows != NULL);
    whohas->rows[whohas->count++] = *row;
}

static void add_gap(struct whohas *whohas, const char *sentence)
{
    for (size_t i = 0; i < whohas->gap_count; i++) {
        if (strcmp(whohas->gaps[i], sentence) == 0)
            return;
    }
    if (whohas->gap_count < WHOHAS_GAPS_MAX)
        MUST(span_copy(span_of(sentence), whohas->gaps[whohas->gap_count++], WHOHAS_GAP_SIZE));
}

void whohas_gap(struct whohas *whohas, const char *format, ...)
{
    char sentence[WHOHAS_GAP_SIZE];
    va_list args;

    MUST_BE(whohas, WHOHAS_MAGIC);
    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args); /* the end of a long one is no loss */
    va_end(args);
    add_gap(whohas, sentence);
}

/* ---- what another node says ------------------------------------------------------------------ */

static struct span text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return span_of(text ? text : "");
}

static bool flag_of(const json_t *json, const char *key)
{
    return json_is_true(json_object_get(json, key));
}

/* Its own row has no address: that is the one by which we asked it. */
static bool read_place(const json_t *json, const struct whohas_row *server, struct whohas_row *row)
{
    struct span tier = text_of(json, "tier");

    row->http = server->http;
    if (flag_of(json, "own"))
        return span_copy(span_of(server->tier), row->tier, sizeof(row->tier));
    return address_parse_text(text_of(json, "address"), &row->http) && span_is_plain_utf8(tier) &&
           span_copy(tier, row->tier, sizeof(row->tier));
}

static bool read_row(const json_t *json, const struct whohas_row *server, struct whohas_row *row)
{
    struct span node = text_of(json, "node");
    json_int_t size = json_integer_value(json_object_get(json, "size"));

    *row = (struct whohas_row){.size = size > 0 ? (uint64_t)size : 0,
                               .held = flag_of(json, "held"),
                               .deleted = flag_of(json, "deleted")};
    return node_name_ok(node) && span_copy(node, row->node, sizeof(row->node)) &&
           version_parse(text_of(json, "version"), &row->version) && read_place(json, server, row);
}

static void merge_gaps(struct whohas *whohas, const json_t *missing)
{
    const json_t *one;
    size_t i;

    json_array_foreach(missing, i, one)
    {
        const char *sentence = json_string_value(one);
        if (sentence && strlen(sentence) < WHOHAS_GAP_SIZE && span_is_plain_utf8(span_of(sentence)))
            add_gap(whohas, sentence);
    }
}

bool whohas_merge(struct whohas *whohas, const char *body, size_t len, const struct address *server,
                  const char *tier)
{
    struct whohas_row from = {.http = *server}, row;
    json_t *json = json_loadb(body, len, 0, NULL);
    const json_t *answers = json_object_get(json, "answers"), *one;
    bool is_one = json_is_array(answers);
    size_t i;

    MUST_BE(whohas, WHOHAS_MAGIC);
    MUST(span_copy(span_of(tier), from.tier, sizeof(from.tier)));
    json_array_foreach(answers, i, one)
    {
        if (read_row(one, &from, &row))
            whohas_add(whohas, &row);
    }
    merge_gaps(whohas, json_object_get(json, "missing"));
    json_decref(json);
    return is_one;
}

/* ---- telling --------------------------------------------------------------------------------- */

static json_t *row_json(const struct whohas_row *row)
{
    char version[VERSION_TEXT_SIZE], address[ADDRESS_TEXT_SIZE];
    json_t *json = json_pack("{s:s, s:s?, s:s?, s:s, s:I, s:b, s:b, s:b, s:b}", "node", row->node,
                             "address", row->own ? NULL : address_text(&row->http, address), "tier",
                             row->tier[0] ? row->tier : NULL, "version",
                             version_text(row->version, version), "size", (json_int_t)row->size,
                             "held", (int)row->held, "deleted", (int)row->deleted, "own",
                             (int)row->own, "unverified", (int)version_is_unverified(row->version));

    MUST(json != NULL);
    return json;
}

static json_t *gaps_json(const struct whohas *whohas)
{
    json_t *missing = json_array();

    MUST(missing != NULL);
    for (size_t i = 0; i < whohas->gap_count; i++)
        json_array_append_new(missing, json_string(whohas->gaps[i]));
    if (whohas->cut)
        json_array_append_new(missing,
                              json_sprintf("more than %d nodes know the name: those that were "
                                           "heard last are left out",
                                           WHOHAS_ROWS_MAX));
    return missing;
}

char *whohas_json(const struct whohas *whohas)
{
    json_t *answers = json_array(), *json;
    char *text;

    MUST_BE(whohas, WHOHAS_MAGIC);
    MUST(answers != NULL);
    for (size_t i = 0; i < whohas->count; i++)
        json_array_append_new(answers, row_json(&whohas->rows[i]));
    json = json_pack("{s:i, s:s, s:o, s:o}", "format", WHOHAS_FORMAT, "name", whohas->name,
                     "answers", answers, "missing", gaps_json(whohas));
    MUST(json != NULL);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    MUST(text != NULL);
    return text;
}
