/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/lists.h"
#include "cache/store_inner.h"
#include "cache/sum.h"
#include "src/base/must.h"
#include "src/base/stats.h"

/* Everything read once, on the caller's thread: catalogue, journal, content and lists. */

enum { NAMES_BATCH = 256, CONTENTS_BATCH = 64 };

struct verifying {
    struct store *store;
    struct store_report *report;
    bool (*progress)(void *arg, const struct store_report *so_far);
    void *arg;
    bool stopped;
};

static bool go_on(void *arg, uint64_t bytes)
{
    struct verifying *v = arg;

    v->report->bytes += bytes;
    if (v->progress && !v->stopped)
        v->stopped = !v->progress(v->arg, v->report);
    return !v->stopped;
}

/* ---- the catalogue --------------------------------------------------------------------------- */

/* What the records add up to, to be held against what meta says. */
struct sums {
    struct ledger_key at;
    uint64_t digest[4];
    uint64_t objects, tombstones, conflicts, unconfirmed;
    uint64_t rotten;
    bool ended;
};

static void check_record(struct verifying *v, struct view *view, struct span key, struct span value,
                         struct sums *sums)
{
    struct record record;
    struct store_entry entry;

    if (!record_decode(value, key, &record) || ledger_entry_of(view, &record, &entry) != STORE_OK ||
        !ledger_is_in_step(view, &record, key)) {
        sums->rotten++;
        return;
    }
    v->report->objects++;
    *(record.manifest.deleted ? &sums->tombstones : &sums->objects) += 1;
    sum_add(sums->digest, &record.manifest);
}

static void check_names(struct verifying *v, struct sums *sums)
{
    struct view view;
    struct scan scan;
    struct span key, value;

    view_begin(v->store->catalogue, &view);
    scan_begin(&scan, &view, TABLE_NAMES, (struct span){sums->at.bytes, sums->at.len});
    for (size_t i = 0; i < NAMES_BATCH; i++) {
        sums->ended = !scan_next(&scan, &key, &value);
        if (sums->ended)
            break;
        if (key.len == sums->at.len && memcmp(key.at, sums->at.bytes, key.len) == 0)
            continue;
        check_record(v, &view, key, value, sums);
        memcpy(sums->at.bytes, key.at, key.len);
        sums->at.len = key.len;
    }
    scan_end(&scan);
    view_end(&view);
    sums->rotten += view.status != STORE_OK;
}

/* The rows of a table whose keys are numbers, a batch of them at a time; `at` is the last that was
 * looked at. */
struct rows {
    enum table table;
    bool (*fits)(struct view *view, struct span key, struct span value);
    uint64_t at;
    bool ended;
};

static bool conflict_fits(struct view *view, struct span key, struct span value)
{
    struct record record;

    return record_decode(value, key, &record) && ledger_conflict_is_in_step(view, &record);
}

/* The marks of what is unconfirmed. */
static bool mark_fits(struct view *view, struct span key, struct span value)
{
    struct record record;

    (void)value;
    return ledger_record_at(view, ledger_number_of(key), &record) == STORE_OK && record.unconfirmed;
}

static void check_rows(struct store *store, struct rows *rows, uint64_t *count, uint64_t *rotten)
{
    struct view view;
    struct scan scan;
    struct span key, value;
    char number[8];

    view_begin(store->catalogue, &view);
    scan_begin(&scan, &view, rows->table, ledger_number(rows->at + 1, number));
    for (size_t i = 0; i < NAMES_BATCH && !rows->ended; i++) {
        rows->ended = !scan_next(&scan, &key, &value);
        if (rows->ended)
            break;
        rows->at = ledger_number_of(key);
        *count += 1;
        *rotten += !rows->fits(&view, key, value);
    }
    scan_end(&scan);
    view_end(&view);
    *rotten += view.status != STORE_OK;
}

/* How many of the holdings behind *at do not fit; *at becomes the last that was looked at. */
static uint64_t check_holdings(struct store *store, struct digest *at, bool *ended)
{
    struct span from = {(const char *)at->bytes, sizeof(at->bytes)}, key, value;
    struct holding holding;
    struct view view;
    struct scan scan;
    uint64_t rotten = 0;

    view_begin(store->catalogue, &view);
    scan_begin(&scan, &view, TABLE_CONTENTS, from);
    for (size_t i = 0; i < NAMES_BATCH && !*ended; i++) {
        *ended = !scan_next(&scan, &key, &value);
        if (*ended)
            break;
        if (key.len == sizeof(at->bytes))
            memcpy(at->bytes, key.at, key.len);
        rotten += key.len != sizeof(at->bytes) || !holding_decode(value, key, &holding) ||
                  !ledger_holding_is_in_step(&view, at, &holding);
    }
    scan_end(&scan);
    view_end(&view);
    return rotten + (view.status != STORE_OK);
}

static bool read_meta(struct store *store, struct meta *out)
{
    struct view view;
    enum store_status status;

    view_begin(store->catalogue, &view);
    status = ledger_meta(&view, out);
    view_end(&view);
    return status == STORE_OK;
}

/* Names that have vanished show in the sums; where the catalogue changed while we read, they cannot
 * be told from those that changed. */
static bool sums_fit(const struct sums *sums, const struct meta *before, const struct meta *after)
{
    if (before->sequence != after->sequence || before->store_id != after->store_id ||
        before->tombstones != after->tombstones || before->conflicts != after->conflicts ||
        before->conflict_last != after->conflict_last || before->unconfirmed != after->unconfirmed)
        return true;
    return memcmp(sums->digest, after->digest, sizeof(sums->digest)) == 0 &&
           sums->objects == after->objects && sums->tombstones == after->tombstones &&
           sums->conflicts == after->conflicts && sums->unconfirmed == after->unconfirmed;
}

static void check_catalogue(struct verifying *v)
{
    struct sums sums = {0};
    struct meta before, after;
    struct digest at = {0};
    struct rows conflicts = {.table = TABLE_CONFLICTS, .fits = conflict_fits};
    struct rows marks = {.table = TABLE_UNCONFIRMED, .fits = mark_fits};
    bool read = read_meta(v->store, &before), ended = false;

    while (!sums.ended && !v->stopped) {
        check_names(v, &sums);
        go_on(v, 0);
    }
    while (!conflicts.ended && go_on(v, 0))
        check_rows(v->store, &conflicts, &sums.conflicts, &sums.rotten);
    while (!marks.ended && go_on(v, 0))
        check_rows(v->store, &marks, &sums.unconfirmed, &sums.rotten);
    while (!ended && go_on(v, 0))
        sums.rotten += check_holdings(v->store, &at, &ended);
    if (v->stopped)
        return;
    read = read && read_meta(v->store, &after);
    if (!read || (!sums.rotten && !sums_fit(&sums, &before, &after))) {
        log_error("store: the catalogue in %s lacks names that it should have",
                  v->store->home.path);
        sums.rotten++;
    }
    v->report->rotten += sums.rotten;
    if (sums.rotten)
        atomic_store(&v->store->suspect, true);
}

/* ---- the journal ----------------------------------------------------------------------------- */

/* The catalogue's own sums, and what the journal tells, find each what the other cannot: the sums
 * names that both lack, the journal what was lost while the catalogue changed. */
static void tell_differences(struct verifying *v, const struct comparison *found)
{
    if (found->lost && !atomic_load(&v->store->suspect)) {
        log_error("store: the catalogue in %s lacks %" PRIu64 " manifests that the journal has: it "
                  "is made anew",
                  v->store->home.path, found->lost);
        v->report->rotten += found->lost;
        atomic_store(&v->store->suspect, true);
    }
    if (found->reading.rotten + found->unwritten == 0 ||
        (found->reading.rotten == 0 && atomic_load(&v->store->renew)))
        return;
    log_error("store: the journal %s/manifests has %" PRIu64 " rotten places and lacks %" PRIu64
              " manifests: it is written anew from the catalogue",
              v->store->home.path, found->reading.rotten, found->unwritten);
    stat_add(STAT_RECORDS_ROTTEN, found->reading.rotten);
    v->report->rotten += found->reading.rotten ? found->reading.rotten : found->unwritten;
    atomic_store(&v->store->renew, true);
}

static void check_journal(struct verifying *v)
{
    struct comparison found;
    struct meta meta;
    uint32_t last;

    if (!read_meta(v->store, &meta))
        meta.sequence = 0;
    if (renew_turn(v->store, &last) != STORE_OK)
        return;
    if (compare_journal(v->store, meta.sequence, last, go_on, v, &found) == STORE_OK && !v->stopped)
        tell_differences(v, &found);
}

/* The one is made good from the other. Where both need it, the journal first takes all that is good
 * in the catalogue, and drops what it has of its own only when the catalogue has that too. */
static void mend(struct verifying *v)
{
    struct store_report rebuilt;
    uint64_t rotten = v->report->rotten;

    if (atomic_load(&v->store->renew) && atomic_load(&v->store->suspect))
        renew_journal(v->store);
    if (atomic_load(&v->store->suspect) && store_rebuild(v->store, &rebuilt) != STORE_OK)
        return;
    if (atomic_load(&v->store->renew) && renew_journal(v->store) != STORE_OK)
        return;
    v->report->mended += rotten;
}

/* ---- content --------------------------------------------------------------------------------- */

static void bad_content(struct verifying *v, const struct manifest *m, uint64_t inode)
{
    if (aside_set(v->store, &m->sha256, inode))
        v->report->rotten++;
}

/* The content is right, so the list that it gives is the right one. */
static void check_list(struct verifying *v, const struct manifest *m, const struct digest *right,
                       uint32_t count)
{
    struct digest *list;
    uint32_t n;

    if (list_read(&v->store->home, m, &list, &n) == STORE_OK) {
        free(list);
        return;
    }
    if (aside_put_list(v->store, m, right, count)) {
        v->report->rotten++;
        v->report->mended++;
    }
}

static void check_content(struct verifying *v, const struct manifest *m)
{
    const struct home *home = &v->store->home;
    char name[FILE_NAME_SIZE];
    struct digest *list, whole;
    uint32_t count;
    uint64_t inode = 0;
    enum store_status status;
    int fd =
        file_open(home, FOLDER_CONTENT, file_of_digest(FOLDER_CONTENT, &m->sha256, name), O_RDONLY);

    if (fd < 0 && errno == ENOENT)
        bad_content(v, m, 0);
    if (fd < 0 || !file_inode(fd, &inode))
        return;
    status = list_compute(fd, m->size, m->chunk_size, &list, &count, &whole, go_on, v);
    close(fd);
    if (status == STORE_ROTTEN)
        bad_content(v, m, inode);
    if (status != STORE_OK)
        return;
    if (digest_same(&whole, &m->sha256))
        check_list(v, m, list, count);
    else
        bad_content(v, m, inode);
    free(list);
}

struct contents {
    struct digest at;
    bool begun, ended;
    struct manifest batch[CONTENTS_BATCH];
    size_t count;
};

/* The manifests of the next few contents that are held. */
static void gather(struct verifying *v, struct contents *contents)
{
    struct view view;
    struct scan scan;
    struct span key, value, from = {(const char *)contents->at.bytes, contents->begun ? 32 : 0};
    struct holding holding;
    struct record record;

    contents->count = 0;
    view_begin(v->store->catalogue, &view);
    scan_begin(&scan, &view, TABLE_CONTENTS, from);
    while (contents->count < CONTENTS_BATCH) {
        contents->ended = !scan_next(&scan, &key, &value) || key.len != sizeof(contents->at.bytes);
        if (contents->ended)
            break;
        if (contents->begun && memcmp(key.at, contents->at.bytes, key.len) == 0)
            continue;
        memcpy(contents->at.bytes, key.at, key.len);
        contents->begun = true;
        if (holding_decode(value, key, &holding) && holding.held &&
            ledger_referrer(&view, &contents->at, &record) == STORE_OK)
            contents->batch[contents->count++] = record.manifest;
    }
    scan_end(&scan);
    view_end(&view);
}

static void check_contents(struct verifying *v)
{
    struct contents *contents = calloc(1, sizeof(*contents));

    MUST(contents != NULL);
    while (!contents->ended && !v->stopped) {
        gather(v, contents);
        for (size_t i = 0; i < contents->count && !v->stopped; i++)
            check_content(v, &contents->batch[i]);
    }
    free(contents);
}

static enum store_status remove_strays(struct store *store, void *arg)
{
    strays_remove(store, *(unsigned *)arg);
    return STORE_OK;
}

enum store_status store_verify(struct store *store, struct store_report *report,
                               bool (*progress)(void *arg, const struct store_report *so_far),
                               void *arg)
{
    struct verifying v = {.store = store, .report = report, .progress = progress, .arg = arg};

    MUST_BE(store, STORE_MAGIC);
    *report = (struct store_report){0};
    check_catalogue(&v);
    if (!v.stopped)
        check_journal(&v);
    mend(&v);
    if (!v.stopped)
        check_contents(&v);
    /* A catalogue that could not be mended does not know what content is of no use. */
    for (unsigned part = 0; part < 256 && !v.stopped && !atomic_load(&store->suspect); part++)
        writer_run_alone(store, remove_strays, &part);
    return v.stopped ? STORE_STOPPED : STORE_OK;
}
