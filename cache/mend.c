/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/guard.h"
#include "cache/intents.h"
#include "cache/retention.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/* What a start does before the threads run: the catalogue opened or made anew, the journal's tail
 * taken in, and what a crash left in the middle of a group finished. */

/* ---- taking in what the journal has ---------------------------------------------------------- */

enum { TAKE_BATCH = 1000 }; /* manifests in one transaction */

struct taking {
    struct store *store;
    struct catalogue *catalogue;
    struct view view;
    struct ledger ledger;
    struct journal_place behind; /* all before it has been taken */
    uint64_t in_batch;
    uint64_t taken;
    struct digest *gone; /* held by a version that was taken in, and not by the next */
    size_t gone_count;
    enum store_status status;
};

static void batch_begin(struct taking *taking)
{
    const struct store_options *options = &taking->store->options;

    change_begin(taking->catalogue, &taking->view);
    taking->status = ledger_begin(&taking->ledger, &taking->view, options->node, options->wall(),
                                  store_fresh_id());
    taking->in_batch = 0;
}

/* Content that a newer version has replaced goes, unless a name holds it when all is taken in. */
static void remove_gone(struct taking *taking)
{
    struct view view;

    view_begin(taking->catalogue, &view);
    for (size_t i = 0; i < taking->gone_count; i++) {
        const struct digest *sha256 = &taking->gone[i];
        if (ledger_lets_go(&view, sha256))
            partials_remove_content(taking->store, sha256);
    }
    view_end(&view);
}

static void batch_end(struct taking *taking)
{
    taking->ledger.meta.segment = taking->behind.segment;
    taking->ledger.meta.offset = taking->behind.offset;
    if (taking->status == STORE_OK)
        taking->status = ledger_end(&taking->ledger);
    if (taking->status == STORE_OK)
        taking->status = change_commit(&taking->view);
    else
        change_abort(&taking->view);
    if (taking->ledger.gone_count) {
        size_t count = taking->gone_count + taking->ledger.gone_count;
        taking->gone = realloc(taking->gone, count * sizeof(*taking->gone));
        MUST(taking->gone != NULL);
        memcpy(taking->gone + taking->gone_count, taking->ledger.gone,
               taking->ledger.gone_count * sizeof(*taking->gone));
        taking->gone_count = count;
    }
    ledger_free(&taking->ledger);
}

/* Is the content's file there, with its full length? Its bytes are checked before they are served.
 */
static bool is_there(const struct home *home, const struct manifest *m)
{
    char name[FILE_NAME_SIZE];
    struct stat st;

    return !m->deleted &&
           fstatat(home->fd[FOLDER_CONTENT], file_of_digest(FOLDER_CONTENT, &m->sha256, name), &st,
                   AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st.st_mode) && (uint64_t)st.st_size == m->size;
}

/* Of what was replaced only the content can tell whether it was kept. */
static void keep(struct taking *taking, const struct record *older)
{
    if (is_there(&taking->store->home, &older->manifest) &&
        ledger_keep(&taking->ledger, older) == STORE_OK)
        ledger_hold(&taking->ledger, &older->manifest);
}

static void keep_replaced(struct taking *taking, const struct record *older,
                          const struct manifest *newer)
{
    if (manifest_conflicts(newer, &older->manifest, true))
        keep(taking, older);
}

/* It stands behind a newer one because it was in conflict: perhaps with one that is not the newest
 * any more, and that this one is based on. */
static void keep_late(struct taking *taking, const struct record *older,
                      const struct manifest *newer)
{
    if (!older->manifest.deleted && !digest_same(&older->manifest.sha256, &newer->sha256))
        keep(taking, older);
}

/* What was forgotten then. */
static enum store_status take_end(struct taking *taking, const struct manifest *end)
{
    struct ledger_key memory;
    struct span key = ledger_key_of(span_of(end->name), &memory);
    struct record old;
    enum store_status status = ledger_record_of_key(&taking->view, key, &old);

    if (status != STORE_OK || !version_same(old.manifest.version, forgotten_version(end)))
        return taking->view.status;
    keep_replaced(taking, &old, end);
    return ledger_forget_key(&taking->ledger, key);
}

static enum store_status take_one(struct taking *taking, const struct manifest *m, struct span text)
{
    bool own = span_is(span_of(m->node), taking->store->options.node);
    struct record old, offered = {.manifest = *m, .own = own, .unconfirmed = own, .text = text};
    struct store_entry entry;
    struct ledger_marks marks = {.unconfirmed = own};
    enum store_status status = ledger_record(&taking->view, span_of(m->name), &old);
    int order = status == STORE_OK ? manifest_compare(m, &old.manifest) : 1;

    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return status;
    if (order < 0)
        keep_late(taking, &offered, &old.manifest);
    if (order <= 0)
        return taking->view.status;
    if (status == STORE_OK)
        keep_replaced(taking, &old, m);
    taking->taken++;
    marks.held = is_there(&taking->store->home, m);
    return ledger_change(&taking->ledger, m, text, marks, &entry);
}

static bool take(void *arg, const struct manifest *m, struct span text, struct journal_place behind)
{
    struct taking *taking = arg;

    if (store_is_stopping(taking->store))
        taking->status = STORE_STOPPED;
    else if (forgotten_is_end(m, span_of(taking->store->options.node)))
        taking->status = take_end(taking, m);
    else
        taking->status = take_one(taking, m, text);
    taking->behind = behind;
    if (taking->status == STORE_OK && ++taking->in_batch == TAKE_BATCH) {
        batch_end(taking);
        if (taking->status == STORE_OK)
            batch_begin(taking);
        else
            taking->in_batch = 0;
    }
    return taking->status == STORE_OK;
}

enum store_status mend_take(struct store *store, struct catalogue *catalogue,
                            struct journal_place from, struct journal_reading *reading,
                            uint64_t *taken)
{
    struct taking taking = {.store = store, .catalogue = catalogue, .behind = from};
    enum store_status status;

    batch_begin(&taking);
    if (taking.status != STORE_OK) {
        change_abort(&taking.view);
        return taking.status;
    }
    status = journal_read(&store->home, from, 0, take, &taking, reading);
    if (taking.status == STORE_OK)
        taking.status = status;
    if (taking.view.txn)
        batch_end(&taking);
    if (taking.status == STORE_OK)
        remove_gone(&taking);
    free(taking.gone);
    *taken = taking.taken;
    return taking.status;
}

/* ---- opening -------------------------------------------------------------------------------- */

static enum store_status read_meta(struct store *store, struct meta *out)
{
    struct view view;
    enum store_status status;

    view_begin(store->catalogue, &view);
    status = ledger_meta(&view, out);
    view_end(&view);
    return status;
}

static bool is_foreign(struct store *store)
{
    struct view view;
    bool foreign;

    view_begin(store->catalogue, &view);
    foreign = ledger_is_foreign(&view);
    view_end(&view);
    return foreign;
}

/* Opens what is there. STORE_ROTTEN: it cannot be used, or does not know what the journal knows;
 * *why says what else is the matter. */
static enum store_status open_catalogue(struct store *store, struct meta *meta, const char **why)
{
    char path[4096];
    enum store_status status;

    snprintf(path, sizeof(path), "%s/catalogue", store->home.path);
    status = catalogue_open(path, &store->catalogue);
    if (status != STORE_OK)
        return status == STORE_FAILED ? STORE_ROTTEN : status;
    if (is_foreign(store)) {
        *why = "has the form of another version of carpond";
        return STORE_ROTTEN;
    }
    status = read_meta(store, meta);
    if (status == STORE_NOT_FOUND && store->journal.first == 0) {
        *meta = (struct meta){0};
        return STORE_OK;
    }
    return status == STORE_NOT_FOUND || status == STORE_FAILED ? STORE_ROTTEN : status;
}

/* *meta: as the catalogue was opened, then as it is when it knows what the journal knows. */
static enum store_status catch_up(struct store *store, struct meta *meta)
{
    struct journal_place from = {meta->segment, meta->offset};
    struct journal_reading reading;
    uint64_t taken;
    enum store_status status;

    if (!journal_reaches(&store->journal, from) && meta->objects + meta->tombstones > 0) {
        log_error("store: the journal %s/manifests is shorter than the catalogue knows it: it will "
                  "be written anew from the catalogue",
                  store->home.path);
        atomic_store(&store->renew, true);
    }
    status = mend_take(store, store->catalogue, from, &reading, &taken);
    if (status == STORE_OK)
        status = read_meta(store, meta);
    if (taken)
        log_info("store: took %" PRIu64 " manifests that the catalogue lacked from the journal",
                 taken);
    return status == STORE_OK ? journal_resume(&store->journal, reading.end) : status;
}

static bool remove_draft(void *arg, const char *name)
{
    file_remove(arg, FOLDER_TMP, name);
    return true;
}

/* A catalogue that made an earlier run fault is not touched any more. */
static bool is_suspect(const struct store *store)
{
    return faccessat(store->home.fd[FOLDER_HOME], GUARD_MARKER, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* From now on, however long it took, another mark has to wait: cache/guard.h has the rule. */
static bool retire_mark(struct home *home)
{
    return utimensat(home->fd[FOLDER_HOME], GUARD_MARKER, NULL, AT_SYMLINK_NOFOLLOW) == 0 &&
           file_rename(home, FOLDER_HOME, GUARD_MARKER, FOLDER_HOME, GUARD_MENDED);
}

/* The mark goes last: a crash before that has the next start begin anew. */
static enum store_status make_anew(struct store *store, struct meta *meta, const char *why)
{
    struct store_report report = {0};
    enum store_status status;

    log_warn("store: the catalogue in %s %s: it is made anew from the journal", store->home.path,
             why);
    catalogue_close(store->catalogue);
    store->catalogue = NULL;
    status = rebuild_catalogue(store, &report);
    if (status == STORE_OK && is_suspect(store) && !retire_mark(&store->home))
        status = file_fault(&store->home, "rename", FOLDER_HOME, GUARD_MARKER);
    return status == STORE_OK ? read_meta(store, meta) : status;
}

enum store_status mend_open(struct store *store)
{
    struct meta meta;
    const char *why = "cannot be used";
    enum store_status status = STORE_ROTTEN;

    folder_remove(&store->home, "catalogue.new");
    if (!is_suspect(store))
        status = open_catalogue(store, &meta, &why);
    if (status == STORE_OK)
        status = catch_up(store, &meta);
    if (status == STORE_ROTTEN) {
        status = make_anew(store, &meta, why);
        if (status == STORE_OK)
            status = catch_up(store, &meta);
    }
    if (status != STORE_OK)
        return status;
    store->clock.last = meta.clock;
    intents_finish(store);
    folder_walk(&store->home, FOLDER_TMP, "", remove_draft, &store->home);
    return STORE_OK;
}
