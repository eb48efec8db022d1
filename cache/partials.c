/* SPDX-License-Identifier: ISC */
#include "cache/partials.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/group.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/* ---- those that are open --------------------------------------------------------------------- */

/* Two manifests may tell different sizes of one content. One of them is wrong; which, is not known
 * before all has come, and neither may cut the other's file short. */
bool partials_add(struct store *store, struct partials_row *row)
{
    bool fits = true;

    pthread_mutex_lock(&store->partials_lock);
    for (const struct partials_row *p = store->partials; p && fits; p = p->next)
        fits = strcmp(p->name, row->name) != 0 || p->size == row->size;
    if (fits) {
        row->next = store->partials;
        row->link = &store->partials;
        if (row->next)
            row->next->link = &row->next;
        store->partials = row;
    }
    pthread_mutex_unlock(&store->partials_lock);
    return fits;
}

void partials_remove(struct store *store, struct partials_row *row)
{
    pthread_mutex_lock(&store->partials_lock);
    *row->link = row->next;
    if (row->next)
        row->next->link = row->link;
    pthread_mutex_unlock(&store->partials_lock);
}

static bool is_open(const struct store *store, const char *name)
{
    const struct partials_row *p = store->partials;

    while (p && strcmp(name, p->name) != 0)
        p = p->next;
    return p != NULL;
}

/* Is its file below partial/ that of one who writes to it? */
static bool is_coming(const struct store *store, const char *name)
{
    const struct partials_row *p = store->partials;

    while (p && (strcmp(name, p->name) != 0 || atomic_load(&p->landed)))
        p = p->next;
    return p != NULL;
}

/* ---- what goes ------------------------------------------------------------------------------- */

bool partials_remove_idle(struct store *store, const char *name)
{
    bool open;

    pthread_mutex_lock(&store->partials_lock);
    open = is_open(store, name);
    if (!open)
        file_remove(&store->home, FOLDER_PARTIAL, name);
    pthread_mutex_unlock(&store->partials_lock);
    return !open;
}

static bool is_there(const struct home *home, const char *name)
{
    struct stat st;

    return fstatat(home->fd[FOLDER_PARTIAL], name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whoever opens it next finds the list, or that there is none: never one that goes afterwards. */
void partials_remove_list(struct store *store, const struct digest *sha256)
{
    char name[FILE_NAME_SIZE];

    pthread_mutex_lock(&store->partials_lock);
    file_of_digest(FOLDER_PARTIAL, sha256, name);
    if (!is_open(store, name) && !is_there(&store->home, name))
        file_remove(&store->home, FOLDER_CHUNKS, file_of_digest(FOLDER_CHUNKS, sha256, name));
    pthread_mutex_unlock(&store->partials_lock);
}

/* Where the content came by another way meanwhile, the list is its own. */
static enum store_status forget_list(struct group *group, void *arg)
{
    if (ledger_lets_go(&group->view, arg))
        partials_remove_list(group->store, arg);
    return STORE_NOT_FOUND; /* there is nothing to commit */
}

void partials_forget_list(struct store *store, const struct digest *sha256)
{
    struct digest *copy = malloc(sizeof(*copy));

    MUST(copy != NULL);
    *copy = *sha256;
    writer_send(store, forget_list, copy);
}

void partials_remove_content(struct store *store, const struct digest *sha256)
{
    char name[FILE_NAME_SIZE];

    file_remove(&store->home, FOLDER_CONTENT, file_of_digest(FOLDER_CONTENT, sha256, name));
    partials_remove_list(store, sha256);
}

/* Its good chunks can be used. Who fetches it has written others, and goes on with those. */
void partials_set_aside(struct store *store, const struct digest *sha256)
{
    char name[FILE_NAME_SIZE], partial[FILE_NAME_SIZE];

    file_of_digest(FOLDER_CONTENT, sha256, name);
    file_of_digest(FOLDER_PARTIAL, sha256, partial);
    pthread_mutex_lock(&store->partials_lock);
    if (is_coming(store, partial))
        file_remove(&store->home, FOLDER_CONTENT, name);
    else
        file_rename(&store->home, FOLDER_CONTENT, name, FOLDER_PARTIAL, partial);
    pthread_mutex_unlock(&store->partials_lock);
}
