/* SPDX-License-Identifier: ISC */
#include "conf/env.h"

#include <limits.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "conf/layer.h"
#include "conf/tree.h"

enum { VARIABLE_NAME_MAX = 64 };

const char *env_get(char *const *env, const char *name)
{
    size_t len = strlen(name);

    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

static bool one_of(struct span text, const char *const *words)
{
    for (; *words; words++)
        if (text.len == strlen(*words) && strncasecmp(text.at, *words, text.len) == 0)
            return true;
    return false;
}

/* Shells have more words for true and false than main.cf. */
static struct span truth_of(struct span text)
{
    static const char *const yes[] = {"true", "yes", "on", "1", NULL};
    static const char *const no[] = {"false", "no", "off", "0", NULL};

    if (one_of(text, yes))
        return span_of("true");
    return one_of(text, no) ? span_of("false") : text;
}

static bool is_list(const struct conf_row *row)
{
    return row->type == CONF_TYPE_PATHS || row->type == CONF_TYPE_ADDRESSES ||
           row->type == CONF_TYPE_NETWORKS;
}

static void split(struct span text, struct value *out)
{
    while (text.len && out->count < VALUE_ITEMS_MAX)
        out->items[out->count++] = span_trim(span_take(&text, ','));
    if (text.len)
        out->items[0] = span_of(""); /* too many: no item of a list is empty */
}

static void lay_value(const struct layer *node, const struct conf_row *row, const char *name,
                      const char *text)
{
    struct value value = {.count = 0};

    if (is_list(row)) {
        split(span_of(text), &value);
    } else {
        value.items[0] = span_of(text);
        if (row->type == CONF_TYPE_BOOL)
            value.items[0] = truth_of(value.items[0]);
        value.count = 1;
    }
    layer_set(node, row, &value, (struct conf_origin){name, 0});
}

/* A group is read as main.cf would be. */
static void lay_group(const struct layer *node, const struct conf_row *row, const char *name,
                      const char *text)
{
    size_t size = strlen(text) + 128;
    struct text whole = text_over(arena_zeroed(node->conf->arena, size, 1), size);
    struct tree *tree;

    text_printf(&whole, "defaults = { %s = { %s }; };", row->name, text);
    tree = tree_parse((struct span){whole.at, whole.len}, name, node->folder, node->report);
    if (!tree)
        return;
    tree_check(tree, node->report);
    tree_lay_defaults(tree, node->conf, node->report);
    tree_free(tree);
}

static void lay_variable(const struct layer *node, const char *name, const char *text)
{
    const struct conf_row *row = row_find(name, CONF_PLACE_NODE);
    const char *nearest;

    if (!row) {
        nearest = row_nearest(name, CONF_PLACE_NODE);
        report_warn(node->report, name, 0,
                    nearest ? "is no setting of carpond; the nearest is %s"
                            : "is no setting of carpond",
                    nearest);
    } else if (row->type == CONF_TYPE_TIERS_GROUP || row->type == CONF_TYPE_GOSSIP_GROUP) {
        lay_group(node, row, name, text);
    } else {
        lay_value(node, row, name, text);
    }
}

/* What paths in the environment are relative to. Where main.cf has a folder, other than the working
 * folder perhaps, they are made absolute, so that they mean the same in the normal form. */
static struct span working_folder(const struct conf *conf)
{
    char folder[PATH_MAX];

    if (!strchr(conf->file, '/') || !getcwd(folder, sizeof(folder)))
        return span_of("");
    return span_of(arena_text(conf->arena, span_of(folder)));
}

void env_lay(struct conf *conf, char *const *env, struct report *report)
{
    struct layer node = layer_node(conf, working_folder(conf), report);

    for (; env && *env; env++) {
        struct span text = span_of(*env), name = span_take(&text, '=');
        char copy[VARIABLE_NAME_MAX];
        if (!span_begins(name, "IS_") || span_is(name, "IS_NAME") ||
            !span_copy(name, copy, sizeof(copy)))
            continue;
        lay_variable(&node, copy, *env + name.len + 1);
    }
}
