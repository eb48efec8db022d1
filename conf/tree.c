/* SPDX-License-Identifier: ISC */
#include "conf/tree.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "conf/file.h"
#include "conf/layer.h"
#include "conf/match.h"
#include "conf/rows.h"
#include "conf/scan.h"
#include "conf/walk.h"
#include "src/base/must.h"

struct tree {
    config_t config;
    struct conf_arena *arena;
    const char *file;
    struct span folder;
    struct report *wrapped; /* the lines with numbers that are not what was written */
};

static struct walk walk_of(const struct tree *tree, const struct layer *layer)
{
    return (struct walk){tree->file, tree->folder, tree->wrapped, tree->arena, layer};
}

static struct conf_origin origin_of(const struct tree *tree, const config_setting_t *setting)
{
    struct walk walk = walk_of(tree, NULL);

    return walk_origin(&walk, setting);
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
    else if (strcmp(text, "mismatched element type in array") == 0)
        report_error(report, file, line,
                     "the items of this list are of several kinds: write all of them in quotes");
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

    if (!file_load(path, SCAN_FILE_MAX, &file, report))
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
    struct walk walk = walk_of(tree, &node);

    if (group && config_setting_type(group) == CONFIG_TYPE_GROUP)
        walk_group(&walk, group, section);
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
                     walk_type_name(setting));
    else if (strcmp(name, "hosts") == 0 && type != CONFIG_TYPE_LIST)
        report_error(report, origin.file, origin.line,
                     "hosts is %s: write a list of groups in round brackets, as in hosts = ( { "
                     "match = \"web\"; } );",
                     type == CONFIG_TYPE_ARRAY ? "an array [ ]" : walk_type_name(setting));
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

    if (config_setting_length(root) == 0)
        report_warn(report, tree->file, 0,
                    "no setting is in it, so all are at their defaults: `man main.cf` shows an "
                    "example");
    for (int i = 0; i < config_setting_length(root); i++)
        check_top(tree, config_setting_get_elem(root, (unsigned)i), report);
    for (size_t i = 0; i < sections; i++)
        check_section(tree, i, report);
}
