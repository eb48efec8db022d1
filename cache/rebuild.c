/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/store_inner.h"
#include "src/base/must.h"

/*
 * The catalogue made anew: filled from the journal in a folder of its own while the old one is
 * read on, then put in its place. What the journal does not tell and the old one still does, what
 * was wanted and what unconfirmed, is carried over.
 */

static const char OLD[] = "catalogue", NEW[] = "catalogue.new", ASIDE[] = "catalogue.old";

struct swap {
    const struct home *home;
    int error; /* errno of what failed; 0: it is done */
};

/* For file systems that cannot exchange two folders. A crash between the two leaves no catalogue at
 * all, and the next start makes it anew; where only the second fails, the old one is put back. */
static bool rename_both(const struct home *home)
{
    int error;

    folder_remove(home, ASIDE);
    if (!file_rename(home, FOLDER_HOME, OLD, FOLDER_HOME, ASIDE) && errno != ENOENT)
        return false;
    if (file_rename(home, FOLDER_HOME, NEW, FOLDER_HOME, OLD)) {
        folder_remove(home, ASIDE);
        return true;
    }
    error = errno;
    file_rename(home, FOLDER_HOME, ASIDE, FOLDER_HOME, OLD);
    errno = error;
    return false;
}

/* What was the new one is the old one then. */
static void swap_folders(void *arg)
{
    struct swap *swap = arg;
    const struct home *home = swap->home;
    bool swapped = file_exchange(home, FOLDER_HOME, NEW, OLD);

    if (!swapped && (errno == ENOENT || errno == EINVAL || errno == ENOSYS))
        swapped = rename_both(home);
    swap->error = swapped && folder_sync(home, FOLDER_HOME, ".") ? 0 : errno;
    if (swapped)
        folder_remove(home, NEW);
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
    if (swap.error) {
        errno = swap.error;
        return file_fault(&store->home, "put in place", FOLDER_HOME, NEW);
    }
    return store->catalogue ? status : catalogue_open(path, &store->catalogue);
}

/* ---- what the journal does not tell -----------------------------------------------------------
 */

enum { CARRIED_BATCH = 256 };

/* A batch of what the old catalogue has marked. */
struct carried {
    struct catalogue *catalogue; /* the new one */
    uint64_t after;              /* the sequence up to which the old one was read */
    size_t count;
    struct digest wanted[CARRIED_BATCH];
    struct ledger_key unconfirmed[CARRIED_BATCH];
};

static void take_digest(struct carried *carried, struct span value)
{
    if (value.len == sizeof(struct digest))
        memcpy(&carried->wanted[carried->count++], value.at, value.len);
}

static void take_key(struct carried *carried, struct span value)
{
    struct ledger_key *key = &carried->unconfirmed[carried->count];

    if (value.len > sizeof(key->bytes))
        return;
    memcpy(key->bytes, value.at, value.len);
    key->len = value.len;
    carried->count++;
}

/* Reads the next few values of a table that is ordered by sequence; false at its end. */
static bool gather(struct catalogue *old, enum table table, struct carried *carried,
                   void (*take)(struct carried *carried, struct span value))
{
    struct view view;
    struct scan scan;
    struct span key, value;
    char number[8];
    size_t seen = 0;

    carried->count = 0;
    view_begin(old, &view);
    scan_begin(&scan, &view, table, ledger_number(carried->after + 1, number));
    while (seen < CARRIED_BATCH && scan_next(&scan, &key, &value)) {
        carried->after = ledger_number_of(key);
        take(carried, value);
        seen++;
    }
    scan_end(&scan);
    view_end(&view);
    return seen > 0;
}

static enum store_status want_again(struct ledger *ledger, const struct carried *carried)
{
    struct record record;
    enum store_status status = STORE_OK;

    for (size_t i = 0; i < carried->count && status == STORE_OK; i++) {
        if (ledger_referrer(ledger->view, &carried->wanted[i], &record) == STORE_OK)
            status = ledger_want(ledger, &carried->wanted[i], record.sequence);
    }
    return status;
}

/* Where the journal has a newer version than the old catalogue had, nobody has confirmed that. */
static enum store_status mark_again(struct ledger *ledger, const struct carried *carried)
{
    struct record record;
    enum store_status status = STORE_OK;

    for (size_t i = 0; i < carried->count && status == STORE_OK; i++) {
        struct span key = {carried->unconfirmed[i].bytes, carried->unconfirmed[i].len};
        if (ledger_record_of_key(ledger->view, key, &record) == STORE_OK)
            status = ledger_mark(ledger, &record, true);
    }
    return status;
}

static enum store_status write_batch(struct store *store, const struct carried *carried,
                                     enum store_status (*write)(struct ledger *ledger,
                                                                const struct carried *carried))
{
    struct view view;
    struct ledger ledger;
    enum store_status status;

    if (store_is_stopping(store))
        return STORE_STOPPED;
    change_begin(carried->catalogue, &view);
    status = ledger_begin(&ledger, &view, store->options.node, store->options.wall(), 0);
    if (status == STORE_OK)
        status = write(&ledger, carried);
    if (status == STORE_OK)
        status = ledger_end(&ledger);
    ledger_free(&ledger);
    if (status == STORE_OK)
        return change_commit(&view);
    change_abort(&view);
    return status;
}

static enum store_status carry_over(struct store *store, struct catalogue *catalogue)
{
    struct carried *carried;
    enum store_status status = STORE_OK;

    if (!store->catalogue)
        return STORE_OK;
    carried = calloc(1, sizeof(*carried));
    MUST(carried != NULL);
    carried->catalogue = catalogue;
    while (status == STORE_OK && gather(store->catalogue, TABLE_WANTED, carried, take_digest))
        status = write_batch(store, carried, want_again);
    carried->after = 0;
    while (status == STORE_OK && gather(store->catalogue, TABLE_UNCONFIRMED, carried, take_key))
        status = write_batch(store, carried, mark_again);
    free(carried);
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
        status = carry_over(store, catalogue);
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
    if (status == STORE_OK && !store->catalogue) {
        store->touch_lost = true;
        status = policy_note_lost(store);
    }
    if (status == STORE_OK)
        status = put_in_place(store);
    if (status != STORE_OK) {
        folder_remove(&store->home, NEW);
        return status;
    }
    atomic_store(&store->suspect, false);
    atomic_store(&store->want_anew, true); /* whatever of the old one could not be read */
    for (unsigned part = 0; part < 256 && !store_is_stopping(store); part++)
        strays_remove(store, part);
    log_info("store: made the catalogue anew: %" PRIu64 " names", report->recovered);
    return STORE_OK;
}
