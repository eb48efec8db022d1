/* SPDX-License-Identifier: ISC */
#include "src/bygone.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

/* The page's names, in the order of strcmp: the catalogue's is another one. */
struct names {
    const char **list;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has_name(const void *arg, struct span name)
{
    const struct names *names = arg;
    char text[NAME_SIZE];
    const char *wanted = text;

    return names->count > 0 && span_copy(name, text, sizeof(text)) &&
           bsearch(&wanted, names->list, names->count, sizeof(wanted), compare) != NULL;
}

static struct names names_of(const struct adoption *page)
{
    struct names names = {.count = page ? page->count : 0};

    names.list = calloc(names.count + 1, sizeof(*names.list));
    MUST(names.list != NULL);
    for (size_t i = 0; i < names.count; i++)
        names.list[i] = page->jobs[i].manifest.name;
    qsort(names.list, names.count, sizeof(*names.list), compare);
    return names;
}

enum store_status bygone_forget(struct store *store, struct span from, struct span to,
                                const struct adoption *page)
{
    struct names names = names_of(page);
    enum store_status status = store_forget(store, from, to, has_name, &names);

    free(names.list);
    return status;
}
