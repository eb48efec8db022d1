/* SPDX-License-Identifier: ISC */
#include "conf/walk.h"

#include <stdio.h>
#include <string.h>

#include "conf/rows.h"
#include "conf/value.h"

struct conf_origin walk_origin(const struct walk *walk, const config_setting_t *setting)
{
    const char *file = config_setting_source_file(setting);
    struct conf_origin origin = {walk->file, config_setting_source_line(setting)};

    if (file) /* an included one, as @include names it */
        origin.file = arena_path(walk->arena, walk->folder, span_of(file));
    return origin;
}

/* One item, as text. `digits` holds those of a number. False: it is a group or a list. */
enum { DIGITS_SIZE = 64 };
static bool scalar_text(const config_setting_t *setting, char digits[DIGITS_SIZE], struct span *out)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        *out = span_of(config_setting_get_string(setting));
        return true;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        snprintf(digits, DIGITS_SIZE, "%lld", config_setting_get_int64(setting));
        break;
    case CONFIG_TYPE_FLOAT:
        snprintf(digits, DIGITS_SIZE, "%.17g", config_setting_get_float(setting));
        break;
    case CONFIG_TYPE_BOOL:
        snprintf(digits, DIGITS_SIZE, "%s", config_setting_get_bool(setting) ? "true" : "false");
        break;
    default:
        return false;
    }
    *out = span_of(digits);
    return true;
}

/* May a setting of libconfig's type stand for one of ours? */
static bool type_fits(const config_setting_t *setting, enum conf_type type)
{
    int is = config_setting_type(setting);
    bool whole = is == CONFIG_TYPE_INT || is == CONFIG_TYPE_INT64;

    switch (type) {
    case CONF_TYPE_BOOL:
        return is == CONFIG_TYPE_BOOL;
    case CONF_TYPE_INT:
        return whole;
    case CONF_TYPE_REAL:
        return whole || is == CONFIG_TYPE_FLOAT;
    case CONF_TYPE_BYTES:
        return whole || is == CONFIG_TYPE_STRING;
    case CONF_TYPE_TIERS_GROUP:
    case CONF_TYPE_GOSSIP_GROUP:
        return is == CONFIG_TYPE_GROUP;
    case CONF_TYPE_PATHS:
    case CONF_TYPE_ADDRESSES:
    case CONF_TYPE_NETWORKS:
        return is == CONFIG_TYPE_STRING || is == CONFIG_TYPE_ARRAY || is == CONFIG_TYPE_LIST;
    default:
        return is == CONFIG_TYPE_STRING;
    }
}

const char *walk_type_name(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        return "a text in quotes";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "a whole number";
    case CONFIG_TYPE_FLOAT:
        return "a number with a fraction";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_GROUP:
        return "a group { }";
    default:
        return "a list";
    }
}

static void report_type(const struct walk *walk, const config_setting_t *setting,
                        const struct conf_row *row)
{
    struct conf_origin origin = walk_origin(walk, setting);
    char memory[256], digits[DIGITS_SIZE];
    struct text expects = TEXT_OVER(memory);
    struct span is;

    row_expects(row, &expects);
    if (scalar_text(setting, digits, &is) && config_setting_type(setting) != CONFIG_TYPE_STRING)
        report_error(walk->layer->report, origin.file, origin.line, "%s is %s: write %s", row->name,
                     digits, memory);
    else
        report_error(walk->layer->report, origin.file, origin.line, "%s is %s: write %s", row->name,
                     type_fits(setting, row->type) ? "a list with other items, or too many"
                                                   : walk_type_name(setting),
                     memory);
}

static bool list_items(const config_setting_t *setting, struct value *out)
{
    int count = config_setting_length(setting);

    if (count > VALUE_ITEMS_MAX)
        return false;
    for (int i = 0; i < count; i++) {
        const char *item = config_setting_get_string_elem(setting, i);
        if (!item)
            return false;
        out->items[out->count++] = span_of(item);
    }
    return true;
}

static void walk_value(const struct walk *walk, const config_setting_t *setting,
                       const struct conf_row *row)
{
    struct conf_origin origin = walk_origin(walk, setting);
    struct value value = {.count = 0};
    char digits[DIGITS_SIZE];
    bool fits = type_fits(setting, row->type);

    if (config_setting_is_number(setting) &&
        report_has_error(walk->wrapped, origin.file, origin.line))
        return;
    if (fits && scalar_text(setting, digits, &value.items[0]))
        value.count = 1;
    else if (fits)
        fits = list_items(setting, &value);
    if (fits)
        layer_set(walk->layer, row, &value, origin);
    else
        report_type(walk, setting, row);
}

static void walk_tiers(const struct walk *walk, const config_setting_t *tiers)
{
    struct walk inner = *walk;

    for (int i = 0; i < config_setting_length(tiers); i++) {
        const config_setting_t *tier = config_setting_get_elem(tiers, (unsigned)i);
        struct conf_origin origin = walk_origin(walk, tier);
        struct layer layer;
        if (config_setting_type(tier) != CONFIG_TYPE_GROUP) {
            report_error(walk->layer->report, origin.file, origin.line,
                         "%s is %s: write what differs in this tier, as in %s = { skew = 100; }",
                         config_setting_name(tier), walk_type_name(tier),
                         config_setting_name(tier));
            continue;
        }
        layer = layer_tier(walk->layer, config_setting_name(tier), origin);
        inner.layer = &layer;
        walk_group(&inner, tier, false);
    }
}

static void report_unknown(const struct walk *walk, const config_setting_t *setting)
{
    struct conf_origin origin = walk_origin(walk, setting);
    const char *name = config_setting_name(setting);
    const char *nearest = row_nearest(name, walk->layer->place);
    static const char *const where[] = {"", " of a tier", " of gossip"};

    if (row_find(name, CONF_PLACE_NODE))
        report_error(walk->layer->report, origin.file, origin.line,
                     "%s is no setting%s: it belongs into `defaults` or a section of `hosts`", name,
                     where[walk->layer->place]);
    else if (nearest)
        report_error(walk->layer->report, origin.file, origin.line,
                     "unknown setting %s%s: did you mean %s?", name, where[walk->layer->place],
                     nearest);
    else
        report_error(walk->layer->report, origin.file, origin.line,
                     "unknown setting %s%s: main.cf(5) lists those that there are", name,
                     where[walk->layer->place]);
}

static void walk_setting(const struct walk *walk, const config_setting_t *setting,
                         const struct conf_row *row)
{
    struct conf_origin origin = walk_origin(walk, setting);

    if (row->type != CONF_TYPE_TIERS_GROUP && row->type != CONF_TYPE_GOSSIP_GROUP) {
        walk_value(walk, setting, row);
        return;
    }
    if (!type_fits(setting, row->type)) {
        report_type(walk, setting, row);
        return;
    }
    origin.file = arena_text(walk->layer->conf->arena, span_of(origin.file));
    walk->layer->from[row_number(row)] = origin;
    if (row->type == CONF_TYPE_TIERS_GROUP) {
        walk_tiers(walk, setting);
    } else {
        struct layer gossip = layer_gossip(walk->layer);
        struct walk inner = *walk;
        inner.layer = &gossip;
        walk_group(&inner, setting, false);
    }
}

void walk_group(const struct walk *walk, const config_setting_t *group, bool section)
{
    bool seen[CONF_OPTION_COUNT] = {false};

    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(setting);
        const struct conf_row *row = row_find(name, walk->layer->place);
        struct conf_origin origin = walk_origin(walk, setting);
        if (section && strcmp(name, "match") == 0)
            continue;
        if (!row) {
            report_unknown(walk, setting);
        } else if (seen[row_number(row)]) {
            report_error(walk->layer->report, origin.file, origin.line,
                         "%s stands in this group already, in its other spelling: leave one out",
                         name);
        } else {
            seen[row_number(row)] = true;
            walk_setting(walk, setting, row);
        }
    }
}
