/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/arena.h"
#include "conf/compose.h"
#include "conf/env.h"
#include "conf/layer.h"
#include "conf/pool.h"
#include "conf/tiers.h"
#include "conf/tree.h"

static struct conf *load(const struct tree *tree, const char *name, const struct conf *in_force,
                         struct report *report)
{
    struct conf_arena *arena = arena_new();
    struct conf *conf = NULL;
    struct subject subject;
    struct tiers *tiers;

    compose_check_sections(tree, report);
    if (subject_local(&subject, tree, name, environ, arena, report)) {
        struct pool *pool = pool_new();
        subject.in_force = in_force;
        conf = compose(tree, &subject, pool, report);
        conf->pool = pool;
        tiers = tiers_new();
        tiers_add_host(tiers, conf, report);
        tiers_check(tiers, report);
        tiers_free(tiers);
        compose_check_tiers(tree, conf, report);
    }
    arena_free(arena);
    return conf;
}

static struct conf *load_over(const char *file, const char *name, const struct conf *in_force,
                              struct report *report)
{
    size_t before = report_errors(report);
    struct tree *tree = tree_read(file, report);
    struct conf *conf;

    if (!tree)
        return NULL;
    conf = load(tree, name, in_force, report);
    tree_free(tree);
    if (report_errors(report) == before)
        return conf;
    conf_free(conf);
    return NULL;
}

struct conf *conf_load(const char *file, const char *name, struct report *report)
{
    return load_over(file, name, NULL, report);
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    keys_clear(&conf->keys);
    keys_clear(&conf->gossip_secrets);
    pool_free(conf->pool);
    arena_free(conf->arena);
    free(conf);
}

const struct conf_tier *conf_tier_find(const struct conf *conf, const char *tier)
{
    for (size_t i = 0; i < conf->tiers.count; i++)
        if (strcmp(conf->tiers.list[i].name, tier) == 0)
            return &conf->tiers.list[i];
    return NULL;
}

bool conf_gossips(const struct conf *conf)
{
    return conf->from[CONF_NODE_gossip].file != NULL;
}

bool conf_on_loopback_alone(const struct conf *conf)
{
    for (size_t i = 0; i < conf->address.count; i++)
        if (!address_is_loopback(&conf->address.list[i]))
            return false;
    return true;
}

/* Reads it again, with what counts from the next start only as it is in force. */
static struct conf *reload_pinned(const struct conf *in_force, const char *restart,
                                  struct report *report)
{
    size_t before = report_errors(report);
    struct conf *conf = load_over(in_force->file, in_force->node, in_force, report);

    if (!conf && report_errors(report) > before)
        report_error(report, in_force->file, 0,
                     "until %s is applied by a restart, the rest does not go with what is in "
                     "force: restart carpond",
                     restart);
    return conf;
}

struct conf *conf_reload(const struct conf *in_force, struct text *restart, struct report *report)
{
    struct conf *conf = conf_load(in_force->file, in_force->node, report);

    if (!conf)
        return NULL;
    conf_restart_wanted(in_force, conf, restart);
    if (conf_keys_come_or_go(in_force, conf))
        text_printf(restart, "%shmac_keys", restart->len ? ", " : "");
    if (restart->len == 0)
        return conf;
    conf_free(conf);
    return reload_pinned(in_force, restart->at, report);
}

void conf_find_home(const char *file, struct text *out)
{
    struct report *report = report_new();
    struct tree *tree = tree_read(file, report);
    struct conf *conf = layer_defaults(file, report);
    struct subject subject;

    if (tree && subject_local(&subject, tree, NULL, environ, conf->arena, report)) {
        tree_lay_defaults(tree, conf, report);
        if (subject.section < tree_sections(tree))
            tree_lay_section(tree, subject.section, conf, report);
    }
    env_lay(conf, environ, report);
    text_puts(out, conf->home ? conf->home : CONF_DEFAULT_HOME);
    tree_free(tree);
    conf_free(conf);
    report_free(report);
}
