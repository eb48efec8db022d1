/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cache/store_inner.h"
#include "src/base/must.h"

/*
 * The catalogue made anew: filled from the journal in a folder of its own while the old one is
 * read on, then put in its place. What the old one still tells about what was wanted is kept.
 */

static const char OLD[] = "catalogue", NEW[] = "catalogue.new", ASIDE[] = "catalogue.old";

struct swap {
    const struct home *home;
    bool done;
};

/* A crash between the two leaves no catalogue at all, and the next start makes it anew. */
static void swap_folders(void *arg)
{
    struct swap *swap = arg;
    const struct home *home = swap->home;

    folder_remove(home, ASIDE);
    if (!file_rename(home, FOLDER_HOME, OLD, FOLDER_HOME, ASIDE) && errno != ENOENT)
        return;
    swap->done = file_rename(home, FOLDER_HOME, NEW, FOLDER_HOME, OLD) &&
                 folder_sync(home, FOLDER_HOME, ".");
    folder_remove(home, ASIDE);
}

static enum store_status put_in_place(struct store *store)
{
    struct swap swap = {.home = &store->home};
    char path[4096];
    enum store_status status = STORE_OK;

    snprintf(path, sizeof(path), "%s/%s", store->home.path, OLD);
    if (store->catalogue)
        status = catalogue_reopen(store->catalogue, swap_folders, &swap);
    else
        swap_folders(&swap);
    if (!swap.done)
        return file_fault(&store->home, "put in place", FOLDER_HOME, NEW);
    return store->catalogue ? status : catalogue_open(path, &store->catalogue);
}

/* ---- what was wanted ------------------------------------------------------------------------- */

enum { WANTED_BATCH = 256 };

static size_t wanted_in(struct catalogue *catalogue, uint64_t *after, struct digest *out)
{
    struct view view;
    struct scan scan;
    struct span key, value;
    char number[8];
    size_t count = 0;

    view_begin(catalogue, &view);
    scan_begin(&scan, &view, TABLE_WANTED, ledger_number(*after + 1, number));
    while (count < WANTED_BATCH && scan_next(&scan, &key, &value)) {
        *after = ledger_number_of(key);
        if (value.len == sizeof(*out))
            out[count++] = *(const struct digest *)value.at;
    }
    scan_end(&scan);
    view_end(&view);
    return count;
}

static enum store_status want_again(struct store *store, struct catalogue *catalogue,
                                    const struct digest *wanted, size_t count)
{
    struct view view;
    struct ledger ledger;
    struct record record;
    enum store_status status;

    change_begin(catalogue, &view);
    status = ledger_begin(&ledger, &view, store->options.node, store->options.wall(), 0);
    for (size_t i = 0; i < count && status == STORE_OK; i++) {
        if (ledger_referrer(&view, &wanted[i], &record) == STORE_OK)
            status = ledger_want(&ledger, &wanted[i], record.sequence);
    }
    if (status == STORE_OK)
        status = ledger_end(&ledger);
    ledger_free(&ledger);
    if (status == STORE_OK)
        return change_commit(&view);
    change_abort(&view);
    return status;
}

static enum store_status keep_wanted(struct store *store, struct catalogue *catalogue)
{
    struct digest wanted[WANTED_BATCH];
    enum store_status status = STORE_OK;
    uint64_t after = 0;
    size_t count;

    if (!store->catalogue)
        return STORE_OK;
    while (status == STORE_OK && (count = wanted_in(store->catalogue, &after, wanted)))
        status = want_again(store, catalogue, wanted, count);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static enum store_status fill(struct store *store, struct catalogue *catalogue,
                              struct store_report *report)
{
    struct journal_reading reading;
    struct journal_place begin = {0};
    struct view view;
    struct meta meta;
    uint64_t taken;
    enum store_status status = catalogue_unsynced(catalogue, true);

    if (status == STORE_OK)
        status = mend_take(store, catalogue, begin, &reading, &taken);
    if (status == STORE_OK)
        status = keep_wanted(store, catalogue);
    if (status == STORE_OK)
        status = catalogue_unsynced(catalogue, false);
    if (status != STORE_OK)
        return status;
    view_begin(catalogue, &view);
    status = ledger_meta(&view, &meta);
    view_end(&view);
    report->objects = reading.manifests;
    report->bytes = reading.bytes;
    report->rotten = reading.rotten;
    report->recovered = meta.objects + meta.tombstones;
    if (reading.rotten)
        atomic_store(&store->renew, true);
    return status;
}

enum store_status rebuild_catalogue(struct store *store, struct store_report *report)
{
    struct catalogue *catalogue;
    char path[4096];
    enum store_status status;

    snprintf(path, sizeof(path), "%s/%s", store->home.path, NEW);
    folder_remove(&store->home, NEW);
    status = catalogue_open(path, &catalogue);
    if (status != STORE_OK)
        return status;
    status = fill(store, catalogue, report);
    catalogue_close(catalogue);
    if (status == STORE_OK)
        status = put_in_place(store);
    if (status != STORE_OK) {
        folder_remove(&store->home, NEW);
        return status;
    }
    atomic_store(&store->suspect, false);
    for (unsigned part = 0; part < 256; part++)
        strays_remove(store, part);
    log_info("store: made the catalogue anew: %" PRIu64 " names", report->recovered);
    return STORE_OK;
}
