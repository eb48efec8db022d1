/* SPDX-License-Identifier: ISC */
#include "conf/rows.h"

#include <ctype.h>
#include <string.h>

enum { NAME_MAX_LEN = 64 };

#define CONF_RELOAD_LIVE true
#define CONF_RELOAD_RESTART false

/* What the rows of all places have in common. The parameters are those of the table. */
#define COMMON(place_, name_, type_, preset_, words_, min_, max_, unit_, reload_, help_)           \
    .name = #name_, .type = CONF_TYPE_##type_, .place = CONF_PLACE_##place_, .preset = preset_,    \
    .words = words_, .min = min_, .max = max_, .unit = unit_, .live = CONF_RELOAD_##reload_,       \
    .help = help_, .size = sizeof(CONF_C_##type_)

#define NODE_ROW(name, ...)                                                                        \
    [CONF_NODE_##name] = {COMMON(NODE, name, __VA_ARGS__), .offset = offsetof(struct conf, name)},
#define TIER_ROW(name, ...)                                                                        \
    [CONF_TIER_##name] = {COMMON(TIER, name, __VA_ARGS__), .offset = offsetof(struct conf, name),  \
                          .tier_offset = offsetof(struct conf_tier, name)},
#define GOSSIP_ROW(name, ...)                                                                      \
    [CONF_GOSSIP_##                                                                                \
        name] = {COMMON(GOSSIP, name, __VA_ARGS__), .offset = offsetof(struct conf_gossip, name)},

const struct conf_row conf_rows[CONF_OPTION_COUNT] = {CONF_OPTIONS(NODE_ROW, TIER_ROW, GOSSIP_ROW)};

bool row_belongs(const struct conf_row *row, enum conf_place place)
{
    return row->place == place || (place == CONF_PLACE_NODE && row->place == CONF_PLACE_TIER);
}

/* "IS_NETS" is ISconf's spelling of "nets". False where the name is too long to be any. */
static bool plain_name(const char *name, char out[NAME_MAX_LEN])
{
    bool isconf = strncmp(name, "IS_", 3) == 0;

    if (!span_copy(span_of(isconf ? name + 3 : name), out, NAME_MAX_LEN))
        return false;
    for (char *c = out; isconf && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return true;
}

const struct conf_row *row_find(const char *name, enum conf_place place)
{
    char plain[NAME_MAX_LEN];

    if (!plain_name(name, plain))
        return NULL;
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if (row_belongs(&conf_rows[i], place) && strcmp(conf_rows[i].name, plain) == 0)
            return &conf_rows[i];
    return NULL;
}

const char *row_nearest(const char *name, enum conf_place place)
{
    const char *names[CONF_OPTION_COUNT];
    char plain[NAME_MAX_LEN];
    size_t count = 0;

    if (!plain_name(name, plain))
        return NULL;
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if (row_belongs(&conf_rows[i], place))
            names[count++] = conf_rows[i].name;
    return text_nearest(plain, names, count);
}

size_t row_number(const struct conf_row *row)
{
    return (size_t)(row - conf_rows);
}

static void expects_number(const struct conf_row *row, struct text *out)
{
    text_puts(out, "a number");
    if (row->unit)
        text_printf(out, " of %s", row->unit);
    text_printf(out, " from %.10g to %.10g", row->min, row->max);
}

void row_expects(const struct conf_row *row, struct text *out)
{
    static const char *const what[] = {
        [CONF_TYPE_TEXT] = "plain text in quotes",
        [CONF_TYPE_PATH] = "a path in quotes",
        [CONF_TYPE_PATHS] = "a path in quotes, or a list of them as in [ \"nets/a\", \"nets/b\" ]",
        [CONF_TYPE_ADDRESS] = "an IPv4 or IPv6 address in quotes",
        [CONF_TYPE_ADDRESSES] = "an IPv4 or IPv6 address in quotes, or a list of them as in "
                                "[ \"10.1.2.3\", \"fd00:1::3\" ]",
        [CONF_TYPE_NETWORKS] = "an address or a network in quotes, as in \"10.1.0.0/16\", or a "
                               "list of them",
        [CONF_TYPE_BOOL] = "true or false",
        [CONF_TYPE_BYTES] = "a number of bytes, or in quotes one with K, M, G, T or P behind it, "
                            "as in \"100G\"",
        [CONF_TYPE_AUTH] = "\"enforce\", \"permissive\" or \"receive-only\"",
        [CONF_TYPE_LEVEL] = "\"error\", \"warn\", \"info\" or \"debug\"",
        [CONF_TYPE_TIERS_GROUP] = "a group of tiers, as in { paris = { skew = 100; }; }",
        [CONF_TYPE_GOSSIP_GROUP] = "a group of settings, as in { port = 45892; }",
    };

    if (row->type == CONF_TYPE_INT || row->type == CONF_TYPE_REAL)
        expects_number(row, out);
    else
        text_puts(out, what[row->type]);
}
