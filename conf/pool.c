/* SPDX-License-Identifier: ISC */
#include "conf/pool.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

struct pooled {
    struct pooled *next;
    struct nets *nets; /* NULL: it was no good */
    char *path;
};

struct nets_pool {
    struct pooled *first;
};

struct nets_pool *pool_new(void)
{
    struct nets_pool *pool = calloc(1, sizeof(*pool));

    MUST(pool != NULL);
    return pool;
}

void pool_free(struct nets_pool *pool)
{
    struct pooled *p = pool ? pool->first : NULL;

    while (p) {
        struct pooled *next = p->next;
        nets_free(p->nets);
        free(p->path);
        free(p);
        p = next;
    }
    free(pool);
}

struct nets *pool_nets(struct nets_pool *pool, const char *path, struct report *report)
{
    struct pooled *p;

    for (p = pool->first; p; p = p->next)
        if (strcmp(p->path, path) == 0)
            return p->nets;
    p = calloc(1, sizeof(*p));
    MUST(p != NULL);
    p->path = strdup(path);
    MUST(p->path != NULL);
    p->nets = nets_read(path, report);
    p->next = pool->first;
    pool->first = p;
    return p->nets;
}
