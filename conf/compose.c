/* SPDX-License-Identifier: ISC */
#include "conf/compose.h"

#include <string.h>

#include "conf/env.h"
#include "conf/file.h"
#include "conf/layer.h"
#include "conf/local.h"
#include "conf/settle.h"
#include "conf/tiers.h"
#include "src/base/node.h"

static bool check_name(const char *name, const char *from, struct report *report)
{
    if (node_name_ok(span_of(name)))
        return true;
    report_error(report, from, 0,
                 "\"%s\" is no name for a node: write one of at most %d letters, digits, \"-\", "
                 "\"_\" and \".\", as host names have",
                 name, NODE_MAX_LEN);
    return false;
}

bool subject_local(struct subject *out, const struct tree *tree, const char *name, char *const *env,
                   struct conf_arena *arena, struct report *report)
{
    const char *from = "-n";

    if (!name) {
        name = env_get(env, "IS_NAME");
        from = "IS_NAME";
    }
    if (!name) {
        name = local_name(arena);
        from = "host name";
    }
    if (!check_name(name, from, report))
        return false;
    *out = (struct subject){arena_text(arena, span_of(name)), tree_find(tree, name), true, env};
    return true;
}

bool subject_other(struct subject *out, const struct tree *tree, const char *name,
                   struct report *report)
{
    if (!check_name(name, "--host", report))
        return false;
    *out = (struct subject){.name = name, .section = tree_find(tree, name)};
    return true;
}

static void read_nets(struct conf *conf, struct pool *pool, struct report *report)
{
    conf->nets_files = arena_zeroed(conf->arena, conf->nets.count + 1, sizeof(*conf->nets_files));
    for (size_t i = 0; i < conf->nets.count; i++)
        conf->nets_files[i] = pool_nets(pool, conf->nets.list[i], report);
}

static void read_rules(struct conf *conf, struct pool *pool, struct report *report)
{
    if (conf->gate)
        conf->rules = pool_rules(pool, conf->gate, report);
}

/* Are there keys, or could they not be read? */
static bool read_keys(struct conf *conf, struct report *report)
{
    return conf->hmac_keys &&
           (!keys_read(conf->hmac_keys, &conf->keys, report) || conf->keys.count > 0);
}

struct conf *compose(const struct tree *tree, const struct subject *subject, struct pool *pool,
                     struct report *report)
{
    struct conf *conf = layer_defaults(tree_file(tree), report);
    bool keys;

    if (subject->name)
        conf->node = arena_text(conf->arena, span_of(subject->name));
    tree_lay_defaults(tree, conf, report);
    if (subject->section < tree_sections(tree) && tree_match(tree, subject->section)) {
        conf->match = arena_text(conf->arena, span_of(tree_match(tree, subject->section)));
        conf->match_line = tree_origin(tree, subject->section).line;
        tree_lay_section(tree, subject->section, conf, report);
    }
    env_lay(conf, subject->env, report);
    if (subject->in_force)
        layer_pin(conf, subject->in_force);
    layer_settle_tiers(conf);
    settle_checks(conf, report);
    keys = read_keys(conf, report);
    if (subject->in_force)
        keys = subject->in_force->keys.count > 0;
    settle_by_keys(conf, keys, report);
    settle_gossip(conf, subject->local, report);
    settle_own(conf, subject->local);
    if (subject->local)
        settle_interfaces(conf, report);
    read_nets(conf, pool, report);
    read_rules(conf, pool, report);
    tiers_check_host(conf, report);
    return conf;
}

void compose_check_sections(const struct tree *tree, struct report *report)
{
    tree_check(tree, report);
    for (size_t i = 0; i < tree_sections(tree); i++) {
        struct conf *scratch = layer_defaults(tree_file(tree), report);
        tree_lay_section(tree, i, scratch, report);
        conf_free(scratch);
    }
}

static bool makes_tier(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->nets.count; i++)
        if (strcmp(file_base_name(conf->nets.list[i]), name) == 0)
            return true;
    return false;
}

/* Is a host of any section in it? */
static bool is_known_tier(const struct tree *tree, const char *name)
{
    struct report *reported = report_new(); /* already, by who read the sections */
    bool known = false;

    for (size_t i = 0; i <= tree_sections(tree) && !known; i++) {
        struct conf *scratch = layer_defaults(tree_file(tree), reported);
        if (i < tree_sections(tree))
            tree_lay_section(tree, i, scratch, reported);
        else
            tree_lay_defaults(tree, scratch, reported);
        known = makes_tier(scratch, name);
        conf_free(scratch);
    }
    report_free(reported);
    return known;
}

void compose_check_tiers(const struct tree *tree, const struct conf *conf, struct report *report)
{
    for (size_t i = 0; i < conf->tiers.count; i++) {
        const struct conf_tier *tier = &conf->tiers.list[i];
        if (!makes_tier(conf, tier->name) && !is_known_tier(tree, tier->name))
            report_warn(report, tier->at.file, tier->at.line,
                        "no host is in a tier %s: it would be named after its nets file",
                        tier->name);
    }
}
