/* SPDX-License-Identifier: ISC */
#include "conf/tree.h"

#include <inttypes.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/file.h"
#include "conf/layer.h"
#include "conf/match.h"
#include "conf/rows.h"
#include "conf/scan.h"
#include "conf/value.h"
#include "src/base/must.h"

struct tree {
    config_t config;
    struct conf_arena *arena;
    const char *file;
    struct span folder;
    struct report *wrapped; /* the lines with numbers that are not what was written */
};

/* One walk over a part of the tree, and where its settings go. */
struct walk {
    const struct tree *tree;
    struct layer *layer;
};

static struct conf_origin origin_of(const struct tree *tree, const config_setting_t *setting)
{
    const char *file = config_setting_source_file(setting);
    struct conf_origin origin = {tree->file, config_setting_source_line(setting)};

    if (file) /* an included one, as @include names it */
        origin.file = arena_path(tree->arena, tree->folder, span_of(file));
    return origin;
}

static struct tree *tree_new(const char *file, struct span folder)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    MUST(tree != NULL);
    config_init(&tree->config);
    tree->arena = arena_new();
    tree->wrapped = report_new();
    tree->file = arena_text(tree->arena, span_of(file));
    tree->folder = span_of(arena_text(tree->arena, folder));
    config_set_include_dir(&tree->config, tree->folder.len ? tree->folder.at : ".");
    return tree;
}

static void report_syntax(const struct tree *tree, struct report *report)
{
    const char *file = config_error_file(&tree->config);
    const char *text = config_error_text(&tree->config);
    unsigned line = (unsigned)config_error_line(&tree->config);

    file = file ? arena_path(tree->arena, tree->folder, span_of(file)) : tree->file;
    if (strcmp(text, "syntax error") == 0)
        report_error(report, file, line,
                     "syntax error: it is `name = value;` here, with commas between the items of "
                     "a list, and each bracket opened above closed");
    else if (strcmp(text, "duplicate setting name") == 0)
        report_error(report, file, line,
                     "a setting stands here for the second time in its group: "
                     "leave one out");
    else
        report_error(report, file, line, "%s", text);
}

struct tree *tree_parse(struct span text, const char *file, struct span folder,
                        struct report *report)
{
    struct tree *tree = tree_new(file, folder);
    char *copy = malloc(text.len + 1);
    bool whole;

    MUST(copy != NULL);
    span_copy(text, copy, text.len + 1);
    whole = scan_text(text, tree->file, tree->folder, report, tree->wrapped);
    if (config_read_string(&tree->config, copy)) {
        free(copy);
        return tree;
    }
    free(copy);
    if (whole)
        report_syntax(tree, report);
    tree_free(tree);
    return NULL;
}

struct tree *tree_read(const char *path, struct report *report)
{
    const char *base = file_base_name(path);
    struct span folder = {path, (size_t)(base - path)};
    struct tree *tree;
    struct file file;

    if (!file_read(path, SCAN_FILE_MAX, &file, report))
        return NULL;
    if (folder.len > 1) /* "/" alone stays */
        folder.len--;
    tree = tree_parse(file.text, path, folder, report);
    file_clear(&file);
    return tree;
}

void tree_free(struct tree *tree)
{
    if (!tree)
        return;
    config_destroy(&tree->config);
    arena_free(tree->arena);
    report_free(tree->wrapped);
    free(tree);
}

const char *tree_file(const struct tree *tree)
{
    return tree->file;
}

struct span tree_folder(const struct tree *tree)
{
    return tree->folder;
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

static const char *type_name(const config_setting_t *setting)
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
    struct conf_origin origin = origin_of(walk->tree, setting);
    char memory[256], digits[DIGITS_SIZE];
    struct text expects = TEXT_OVER(memory);
    struct span is;

    row_expects(row, &expects);
    if (scalar_text(setting, digits, &is) && config_setting_type(setting) != CONFIG_TYPE_STRING)
        report_error(walk->layer->report, origin.file, origin.line, "%s is %s: write %s", row->name,
                     digits, memory);
    else
        report_error(walk->layer->report, origin.file, origin.line, "%s is %s: write %s", row->name,
                     type_name(setting), memory);
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
    struct conf_origin origin = origin_of(walk->tree, setting);
    struct value value = {.count = 0};
    char digits[DIGITS_SIZE];
    bool fits = type_fits(setting, row->type);

    if (config_setting_is_number(setting) &&
        report_has_error(walk->tree->wrapped, origin.file, origin.line))
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

static void walk_group(const struct walk *walk, const config_setting_t *group, bool section);

static void walk_tiers(const struct walk *walk, const config_setting_t *tiers)
{
    for (int i = 0; i < config_setting_length(tiers); i++) {
        const config_setting_t *tier = config_setting_get_elem(tiers, (unsigned)i);
        struct conf_origin origin = origin_of(walk->tree, tier);
        struct layer layer;
        if (config_setting_type(tier) != CONFIG_TYPE_GROUP) {
            report_error(walk->layer->report, origin.file, origin.line,
                         "%s is %s: write what differs in this tier, as in %s = { skew = 100; }",
                         config_setting_name(tier), type_name(tier), config_setting_name(tier));
            continue;
        }
        layer = layer_tier(walk->layer, config_setting_name(tier), origin);
        walk_group(&(struct walk){walk->tree, &layer}, tier, false);
    }
}

static void report_unknown(const struct walk *walk, const config_setting_t *setting)
{
    struct conf_origin origin = origin_of(walk->tree, setting);
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
    struct conf_origin origin = origin_of(walk->tree, setting);

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
        walk_group(&(struct walk){walk->tree, &gossip}, setting, false);
    }
}

/* `section`: it has a `match`, which is none of the settings. */
static void walk_group(const struct walk *walk, const config_setting_t *group, bool section)
{
    bool seen[CONF_OPTION_COUNT] = {false};

    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(setting);
        const struct conf_row *row = row_find(name, walk->layer->place);
        struct conf_origin origin = origin_of(walk->tree, setting);
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

static const config_setting_t *top(const struct tree *tree, const char *name, int type)
{
    const config_setting_t *setting =
        config_setting_get_member(config_root_setting(&tree->config), name);

    return setting && config_setting_type(setting) == type ? setting : NULL;
}

static const config_setting_t *section_at(const struct tree *tree, size_t section)
{
    const config_setting_t *hosts = top(tree, "hosts", CONFIG_TYPE_LIST);
    const config_setting_t *group =
        hosts ? config_setting_get_elem(hosts, (unsigned)section) : NULL;

    MUST(group != NULL);
    return group;
}

size_t tree_sections(const struct tree *tree)
{
    const config_setting_t *hosts = top(tree, "hosts", CONFIG_TYPE_LIST);

    return hosts ? (size_t)config_setting_length(hosts) : 0;
}

const char *tree_match(const struct tree *tree, size_t section)
{
    const config_setting_t *group = section_at(tree, section);
    const char *match;

    if (config_setting_type(group) != CONFIG_TYPE_GROUP ||
        !config_setting_lookup_string(group, "match", &match))
        return NULL;
    return match;
}

struct conf_origin tree_origin(const struct tree *tree, size_t section)
{
    return origin_of(tree, section_at(tree, section));
}

size_t tree_find(const struct tree *tree, const char *name)
{
    size_t sections = tree_sections(tree);

    for (size_t i = 0; i < sections; i++) {
        const char *match = tree_match(tree, i);
        if (match && match_fits(match, name))
            return i;
    }
    return sections;
}

static void lay(const struct tree *tree, const config_setting_t *group, bool section,
                struct conf *conf, struct report *report)
{
    struct layer node = layer_node(conf, tree->folder, report);

    if (group && config_setting_type(group) == CONFIG_TYPE_GROUP)
        walk_group(&(struct walk){tree, &node}, group, section);
}

void tree_lay_defaults(const struct tree *tree, struct conf *conf, struct report *report)
{
    lay(tree, top(tree, "defaults", CONFIG_TYPE_GROUP), false, conf, report);
}

void tree_lay_section(const struct tree *tree, size_t section, struct conf *conf,
                      struct report *report)
{
    lay(tree, section_at(tree, section), true, conf, report);
}

static void check_top(const struct tree *tree, const config_setting_t *setting,
                      struct report *report)
{
    static const char *const known[] = {"defaults", "hosts"};
    struct conf_origin origin = origin_of(tree, setting);
    const char *name = config_setting_name(setting);
    const char *nearest = text_nearest(name, known, 2);
    int type = config_setting_type(setting);

    if (strcmp(name, "defaults") == 0 && type != CONFIG_TYPE_GROUP)
        report_error(report, origin.file, origin.line,
                     "defaults is %s: write a group, as in defaults = { domain = \"local\"; };",
                     type_name(setting));
    else if (strcmp(name, "hosts") == 0 && type != CONFIG_TYPE_LIST)
        report_error(report, origin.file, origin.line,
                     "hosts is %s: write a list of groups in round brackets, as in hosts = ( { "
                     "match = \"web\"; } );",
                     type == CONFIG_TYPE_ARRAY ? "an array [ ]" : type_name(setting));
    else if (strcmp(name, "defaults") == 0 || strcmp(name, "hosts") == 0)
        return;
    else if (row_find(name, CONF_PLACE_NODE))
        report_error(report, origin.file, origin.line,
                     "%s stands alone: it belongs into `defaults` or a section of `hosts`", name);
    else
        report_error(report, origin.file, origin.line, "unknown setting %s: %s%s%s", name,
                     nearest ? "did you mean " : "at the top there are `defaults` and `hosts`",
                     nearest ? nearest : "", nearest ? "?" : "");
}

static void check_section(const struct tree *tree, size_t section, struct report *report)
{
    struct conf_origin origin = tree_origin(tree, section);
    const char *match = tree_match(tree, section);
    char why[MATCH_WHY_SIZE];

    if (config_setting_type(section_at(tree, section)) != CONFIG_TYPE_GROUP)
        report_error(report, origin.file, origin.line,
                     "a section of `hosts` is a group, as in { match = \"web\"; port = 1234; }");
    else if (!match)
        report_error(report, origin.file, origin.line,
                     "this section of `hosts` has no match: write the name of a host, or a regular "
                     "expression that begins with ^");
    else if (!match_check(match, why))
        report_error(report, origin.file, origin.line, "match cannot be used: %s", why);
}

void tree_check(const struct tree *tree, struct report *report)
{
    const config_setting_t *root = config_root_setting(&tree->config);
    size_t sections = tree_sections(tree);

    for (int i = 0; i < config_setting_length(root); i++)
        check_top(tree, config_setting_get_elem(root, (unsigned)i), report);
    for (size_t i = 0; i < sections; i++)
        check_section(tree, i, report);
}
