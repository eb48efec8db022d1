/* SPDX-License-Identifier: ISC */
#include "conf/pool.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

enum kind { NETS, RULES };

struct pooled {
    struct pooled *next;
    enum kind kind;
    struct nets *nets;   /* of NETS; NULL: it was no good */
    struct rules *rules; /* of RULES; likewise */
    char *path;
};

struct pool {
    struct pooled *first;
};

struct pool *pool_new(void)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    MUST(pool != NULL);
    return pool;
}

void pool_free(struct pool *pool)
{
    struct pooled *p = pool ? pool->first : NULL;

    while (p) {
        struct pooled *next = p->next;
        nets_free(p->nets);
        rules_free(p->rules);
        free(p->path);
        free(p);
        p = next;
    }
    free(pool);
}

static struct pooled *find(const struct pool *pool, enum kind kind, const char *path)
{
    struct pooled *p = pool->first;

    while (p && (p->kind != kind || strcmp(p->path, path) != 0))
        p = p->next;
    return p;
}

static struct pooled *add(struct pool *pool, enum kind kind, const char *path)
{
    struct pooled *p = calloc(1, sizeof(*p));

    MUST(p != NULL);
    p->kind = kind;
    p->path = strdup(path);
    MUST(p->path != NULL);
    p->next = pool->first;
    pool->first = p;
    return p;
}

struct nets *pool_nets(struct pool *pool, const char *path, struct report *report)
{
    struct pooled *p = find(pool, NETS, path);

    if (!p) {
        p = add(pool, NETS, path);
        p->nets = nets_read(path, report);
    }
    return p->nets;
}

struct rules *pool_rules(struct pool *pool, const char *path, struct report *report)
{
    struct pooled *p = find(pool, RULES, path);

    if (!p) {
        p = add(pool, RULES, path);
        p->rules = rules_read(path, report);
    }
    return p->rules;
}
