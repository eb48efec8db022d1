/* SPDX-License-Identifier: ISC */
#include "conf/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/arena.h"
#include "conf/compose.h"
#include "conf/conf.h"
#include "conf/print.h"
#include "conf/tiers.h"
#include "conf/tree.h"

struct check {
    const struct tree *tree;
    struct pool *pool;
    struct tiers *tiers;
    struct report *report;
    struct conf_arena *arena;
    struct conf **hosts; /* all that were put together */
    size_t host_count;
};

static const struct conf *check_subject(struct check *check, const struct subject *subject)
{
    struct conf *conf = compose(check->tree, subject, check->pool, check->report);

    check->hosts[check->host_count++] = conf;
    tiers_add_host(check->tiers, conf, check->report);
    compose_check_tiers(check->tree, conf, check->report);
    return conf;
}

/* The hosts of each section; of the defaults alone where there are no sections. */
static void check_sections(struct check *check)
{
    for (size_t i = 0; i < tree_sections(check->tree); i++)
        if (tree_match(check->tree, i))
            check_subject(check, &(struct subject){.section = i});
}

static void warn_unmatched(const struct check *check, const struct subject *subject)
{
    if (tree_sections(check->tree) && subject->section == tree_sections(check->tree))
        report_warn(check->report, tree_file(check->tree), 0,
                    "no section of `hosts` fits %s: it gets the defaults alone; a host is called "
                    "what `uname -n` prints, unless -n or IS_NAME say else",
                    subject->name);
}

/* Whom --host names, or this very host. False where there is no such name. */
static bool find_subject(const struct check *check, const char *host, struct subject *out)
{
    struct subject local;

    if (!subject_local(&local, check->tree, NULL, environ, check->arena, check->report))
        return false;
    *out = local;
    if (!host || strcmp(host, local.name) == 0)
        return true;
    return subject_other(out, check->tree, host, check->report);
}

/* Without --host, this host counts only where main.cf may mean it: it may be read on a machine that
 * is no part of the fleet. */
static bool is_meant(const struct check *check, const struct subject *subject, const char *host)
{
    return host || tree_sections(check->tree) == 0 || subject->section < tree_sections(check->tree);
}

static int check_tree(struct check *check, const char *host, FILE *out)
{
    const struct conf *conf = NULL;
    struct subject subject;

    compose_check_sections(check->tree, check->report);
    check_sections(check);
    if (find_subject(check, host, &subject)) {
        warn_unmatched(check, &subject);
        if (is_meant(check, &subject, host))
            conf = check_subject(check, &subject);
    }
    tiers_check(check->tiers, check->report);
    if (host && conf && report_errors(check->report) == 0)
        print_conf(conf, out);
    return report_errors(check->report) == 0 ? 0 : 1;
}

int check_run(const char *file, const char *host, FILE *out, FILE *err)
{
    struct report *report = report_new();
    struct tree *tree = tree_read(file ? file : CONF_DEFAULT_FILE, report);
    int status = 1;

    if (tree) {
        struct check check = {tree, pool_new(), tiers_new(), report, arena_new(), NULL, 0};
        check.hosts = arena_zeroed(check.arena, tree_sections(tree) + 1, sizeof(*check.hosts));
        status = check_tree(&check, host, out);
        for (size_t i = 0; i < check.host_count; i++)
            conf_free(check.hosts[i]);
        tiers_free(check.tiers);
        pool_free(check.pool);
        arena_free(check.arena);
    }
    report_print(report, err);
    tree_free(tree);
    report_free(report);
    return status;
}
