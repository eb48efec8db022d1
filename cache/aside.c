/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cache/group.h"
#include "cache/lists.h"
#include "cache/store_inner.h"
#include "src/base/must.h"
#include "src/base/stats.h"

/*
 * Content that is rotten or missing is set aside: it becomes partial content that is wanted again,
 * so that the chunks that are still good need not be fetched. Who finds it may be wrong by now, the
 * content dropped or put in anew; so the writer, in whose order it happens, has the last word.
 */
/* Is what was found still so? */
static bool still_bad(const struct home *home, const struct bad_content *bad)
{
    char name[FILE_NAME_SIZE];
    struct stat st;

    if (fstatat(home->fd[FOLDER_CONTENT], file_of_digest(FOLDER_CONTENT, &bad->sha256, name), &st,
                AT_SYMLINK_NOFOLLOW) != 0)
        return bad->inode == 0;
    return bad->inode == st.st_ino;
}

static void tell(const struct home *home, const struct bad_content *bad, const char *name)
{
    char hex[DIGEST_HEX_SIZE];

    stat_add(STAT_CONTENT_ROTTEN, 1);
    log_error("store: the content of %s (%s/content, %s) is %s: it will be fetched again", name,
              home->path, digest_hex(&bad->sha256, hex), bad->inode ? "rotten" : "missing");
}

enum store_status aside_take(struct group *group, void *arg)
{
    const struct bad_content *bad = arg;
    const struct home *home = &group->store->home;
    struct record record;
    struct holding holding;
    enum store_status status = ledger_holding(&group->view, &bad->sha256, &holding);

    if (status != STORE_OK || !holding.held || !still_bad(home, bad))
        return STORE_NOT_FOUND;
    status = ledger_referrer(&group->view, &bad->sha256, &record);
    if (status != STORE_OK)
        return status;
    tell(home, bad, record.manifest.name);
    shelf_forget(group->store->shelf, &bad->sha256);
    partials_set_aside(group->store, &bad->sha256);
    status = ledger_let_go(&group->ledger, &bad->sha256);
    return status == STORE_OK ? ledger_want(&group->ledger, &bad->sha256, record.sequence) : status;
}

void aside_send(struct store *store, const struct digest *sha256, uint64_t inode)
{
    struct bad_content *bad = malloc(sizeof(*bad));

    MUST(bad != NULL);
    *bad = (struct bad_content){*sha256, inode};
    writer_send(store, aside_take, bad);
}

bool aside_set(struct store *store, const struct digest *sha256, uint64_t inode)
{
    struct bad_content bad = {*sha256, inode};

    return writer_run(store, aside_take, &bad) == STORE_OK;
}

/* ---- chunk lists ----------------------------------------------------------------------------- */

struct good_list {
    const struct manifest *manifest;
    const struct digest *list;
    uint32_t count;
};

static enum store_status put_list(struct group *group, void *arg)
{
    const struct good_list *good = arg;
    const struct digest *sha256 = &good->manifest->sha256;
    struct holding holding;
    enum store_status status = ledger_holding(&group->view, sha256, &holding);
    char hex[DIGEST_HEX_SIZE];

    if (status != STORE_OK || !holding.held)
        return STORE_NOT_FOUND;
    return list_write(&group->store->home, sha256, good->list, good->count,
                      digest_hex(sha256, hex));
}

bool aside_put_list(struct store *store, const struct manifest *m, const struct digest *list,
                    uint32_t count)
{
    struct good_list good = {m, list, count};

    return list_fits(m, list, count * sizeof(*list)) &&
           writer_run(store, put_list, &good) == STORE_OK;
}
