/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "cache/lists.h"
#include "cache/store_inner.h"
#include "cache/sum.h"
#include "src/base/must.h"

/* What reads the catalogue for others. No view outlives a call, or a visit. */

enum { LIST_BATCH = 64 };

enum store_status store_find(struct store *store, struct span name, struct store_entry *out)
{
    struct view view;
    enum store_status status;

    MUST_BE(store, STORE_MAGIC);
    view_begin(store->catalogue, &view);
    status = ledger_entry(&view, name, out);
    view_end(&view);
    store_note_fault(store, status);
    return status == STORE_ROTTEN ? STORE_NOT_FOUND : status;
}

uint64_t store_edition(const struct store *store)
{
    MUST_BE(store, STORE_MAGIC);
    return catalogue_edition(store->catalogue);
}

enum store_status store_manifest(struct store *store, struct span name, struct text *out)
{
    struct view view;
    struct record record;
    enum store_status status;

    MUST_BE(store, STORE_MAGIC);
    view_begin(store->catalogue, &view);
    status = ledger_record(&view, name, &record);
    if (status == STORE_OK)
        text_add(out, record.text.at, record.text.len);
    view_end(&view);
    store_note_fault(store, status);
    return status == STORE_ROTTEN ? STORE_NOT_FOUND : status;
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* A walk over the names below a prefix, batch by batch. */
struct walk {
    struct store *store;
    struct span prefix;
    bool tombstones;
    struct ledger_key at; /* the key that was seen last, or where to begin */
    bool behind;          /* the key itself was seen already */
    bool ended;
    struct store_entry *batch;
    size_t count;
};

static bool begins_with(struct span s, struct span prefix)
{
    return s.len >= prefix.len && memcmp(s.at, prefix.at, prefix.len) == 0;
}

/* The part of the prefix that its keys share whatever their length. */
static struct span stem_of(struct span prefix)
{
    return (struct span){prefix.at, prefix.len < LEDGER_STEM ? prefix.len : LEDGER_STEM};
}

/* As LMDB orders keys. */
static int compare(struct span a, struct span b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static void walk_start(struct walk *walk, struct span after)
{
    struct ledger_key key;
    struct span stem = stem_of(walk->prefix), begin = ledger_key_of(after, &key);

    walk->behind = after.len && compare(begin, stem) >= 0;
    if (!walk->behind)
        begin = stem;
    memcpy(walk->at.bytes, begin.at, begin.len);
    walk->at.len = begin.len;
}

static void take(struct walk *walk, struct view *view, struct span key, struct span value)
{
    struct record record;
    struct store_entry *entry = &walk->batch[walk->count];
    struct span name;

    if (!record_decode(value, key, &record)) {
        store_note_fault(walk->store, STORE_ROTTEN);
        return;
    }
    name = span_of(record.manifest.name);
    if (walk->prefix.len && !name_below(name, walk->prefix))
        return;
    if (record.manifest.deleted && !walk->tombstones)
        return;
    store_note_fault(walk->store, ledger_entry_of(view, &record, entry));
    walk->count++;
}

/* Where the key stands among those below the prefix, as far as keys tell: <0 before them ("a-b"
 * for "a"), >0 behind them ("ab"). */
static int place_of(const struct walk *walk, struct span key)
{
    size_t len = walk->prefix.len;

    if (len == 0 || len >= LEDGER_STEM || key.len == len)
        return 0;
    return (unsigned char)key.at[len] - '/';
}

/* Leaves the names between "a" and "a/" out. */
static void jump(struct walk *walk)
{
    memcpy(walk->at.bytes, walk->prefix.at, walk->prefix.len);
    walk->at.bytes[walk->prefix.len] = '/';
    walk->at.len = walk->prefix.len + 1;
    walk->behind = false;
}

static bool seen(const struct walk *walk, struct span key)
{
    return walk->behind && key.len == walk->at.len && memcmp(key.at, walk->at.bytes, key.len) == 0;
}

/* Fills the batch with up to `most` entries; passes only so many others by, to keep the view short.
 */
static void walk_batch(struct walk *walk, size_t most)
{
    struct view view;
    struct scan scan;
    struct span key, value, stem = stem_of(walk->prefix);

    walk->count = 0;
    view_begin(walk->store->catalogue, &view);
    scan_begin(&scan, &view, TABLE_NAMES, (struct span){walk->at.bytes, walk->at.len});
    for (size_t looked = 0; walk->count < most && looked < 16 * LIST_BATCH; looked++) {
        walk->ended =
            !scan_next(&scan, &key, &value) || !begins_with(key, stem) || place_of(walk, key) > 0;
        if (walk->ended)
            break;
        if (seen(walk, key))
            continue;
        if (place_of(walk, key) < 0) {
            jump(walk);
            break;
        }
        take(walk, &view, key, value);
        memcpy(walk->at.bytes, key.at, key.len);
        walk->at.len = key.len;
        walk->behind = true;
    }
    scan_end(&scan);
    view_end(&view);
}

size_t store_list(struct store *store, struct span prefix, struct span after, bool tombstones,
                  size_t most, store_visit *visit, void *arg)
{
    struct walk walk = {.store = store, .prefix = prefix, .tombstones = tombstones};
    size_t visited = 0;

    MUST_BE(store, STORE_MAGIC);
    walk.batch = malloc(LIST_BATCH * sizeof(*walk.batch));
    MUST(walk.batch != NULL);
    walk_start(&walk, after);
    while (visited < most && !walk.ended) {
        walk_batch(&walk, most - visited < LIST_BATCH ? most - visited : LIST_BATCH);
        for (size_t i = 0; i < walk.count; i++)
            visit(arg, &walk.batch[i]);
        visited += walk.count;
    }
    free(walk.batch);
    return visited;
}

/* The entries behind `after` whose sequence stands in the table, up to `most`; returns how many. */
static size_t marked_batch(struct store *store, enum table table, uint64_t after, size_t most,
                           struct store_entry *batch)
{
    struct view view;
    struct scan scan;
    struct span key, value;
    struct record record;
    struct policy_dangling dangling = {.count = 0};
    char number[8];
    size_t count = 0;

    view_begin(store->catalogue, &view);
    scan_begin(&scan, &view, table, ledger_number(after + 1, number));
    while (count < most && scan_next(&scan, &key, &value)) {
        enum store_status status = ledger_record_at(&view, ledger_number_of(key), &record);
        if (status == STORE_NOT_FOUND && dangling.count < POLICY_DANGLING_MAX)
            dangling.sequence[dangling.count++] = ledger_number_of(key);
        if (status == STORE_OK)
            status = ledger_entry_of(&view, &record, &batch[count]);
        count += status == STORE_OK;
        store_note_fault(store, status);
    }
    scan_end(&scan);
    view_end(&view);
    if (table == TABLE_UNCONFIRMED)
        policy_drop_marks(store, &dangling);
    return count;
}

static size_t list_marked(struct store *store, enum table table, uint64_t after, size_t most,
                          store_visit *visit, void *arg)
{
    struct store_entry *batch = malloc(LIST_BATCH * sizeof(*batch));
    size_t visited = 0, count, want;

    MUST_BE(store, STORE_MAGIC);
    MUST(batch != NULL);
    do {
        want = most - visited < LIST_BATCH ? most - visited : LIST_BATCH;
        count = after < UINT64_MAX ? marked_batch(store, table, after, want, batch) : 0;
        for (size_t i = 0; i < count; i++)
            visit(arg, &batch[i]);
        visited += count;
        after = count ? batch[count - 1].sequence : after;
    } while (visited < most && count == want);
    free(batch);
    return visited;
}

size_t store_list_wanted(struct store *store, uint64_t after, size_t most, store_visit *visit,
                         void *arg)
{
    return list_marked(store, TABLE_WANTED, after, most, visit, arg);
}

size_t store_list_unconfirmed(struct store *store, uint64_t after, size_t most, store_visit *visit,
                              void *arg)
{
    if (atomic_load(&store->policy) & POLICY_NOBODY_CONFIRMS)
        return 0;
    return list_marked(store, TABLE_UNCONFIRMED, after, most, visit, arg);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static enum store_status read_meta(struct store *store, struct meta *out)
{
    struct view view;
    enum store_status status;

    MUST_BE(store, STORE_MAGIC);
    view_begin(store->catalogue, &view);
    status = ledger_meta(&view, out);
    view_end(&view);
    store_note_fault(store, status);
    if (status != STORE_OK)
        *out = (struct meta){0};
    return status;
}

void store_head(struct store *store, struct store_head *out)
{
    struct meta meta;

    read_meta(store, &meta);
    out->store_id = meta.store_id;
    out->sequence = meta.sequence;
    out->digest = sum_digest(meta.digest);
}

static int64_t busy_ns(struct store *store)
{
    mono_t since = {atomic_load(&store->writing)};

    return since.ns ? mono_between(since, store->options.mono()) : 0;
}

void store_figures(struct store *store, struct store_figures *out)
{
    struct meta meta;

    read_meta(store, &meta);
    if (atomic_load(&store->policy) & POLICY_NOBODY_CONFIRMS)
        meta.unconfirmed = 0; /* nobody is waited for */
    *out = (struct store_figures){.objects = meta.objects,
                                  .tombstones = meta.tombstones,
                                  .held = meta.held,
                                  .held_bytes = meta.held_bytes,
                                  .may_go = policy_may_go(store, &meta),
                                  .limit = store->cache_size,
                                  .wanted = meta.wanted,
                                  .unconfirmed = meta.unconfirmed,
                                  .conflicts = meta.conflicts,
                                  .health = (enum store_status)atomic_load(&store->health),
                                  .busy_ns = busy_ns(store)};
}

/* ---- changes -------------------------------------------------------------------------------- */

enum { CHANGES_MOST = 16384 /* that are looked at for one page: most may be left out */ };

/* *more: it did not fit, and is to come again. */
static void add_change(struct store *store, struct view *view, const struct store_sight *sight,
                       uint64_t sequence, struct text *out, bool *more)
{
    struct record record;
    enum store_status status = ledger_record_at(view, sequence, &record);

    store_note_fault(store, status); /* one that is rotten is passed over */
    if (status != STORE_OK || !store_shows(sight, &record.manifest))
        return;
    *more = record.text.len >= out->cap - out->len;
    if (!*more)
        text_add(out, record.text.at, record.text.len);
}

enum store_status store_changes(struct store *store, const struct store_sight *sight,
                                uint64_t since, struct text *out, uint64_t *last, bool *more)
{
    struct view view;
    struct scan scan;
    struct span key, value;
    size_t seen = 0;
    char number[8];

    MUST_BE(store, STORE_MAGIC);
    *last = since;
    *more = false;
    if (since == UINT64_MAX)
        return STORE_OK;
    view_begin(store->catalogue, &view);
    scan_begin(&scan, &view, TABLE_CHANGES, ledger_number(since + 1, number));
    while (!*more && scan_next(&scan, &key, &value)) {
        uint64_t sequence = ledger_number_of(key);
        *more = seen++ == CHANGES_MOST;
        if (!*more)
            add_change(store, &view, sight, sequence, out, more);
        if (!*more)
            *last = sequence;
    }
    scan_end(&scan);
    view_end(&view);
    return view.status;
}

/* ---- chunk lists ---------------------------------------------------------------------------- */

enum store_status store_chunk_list(struct store *store, const struct manifest *m,
                                   struct digest **list, uint32_t *count)
{
    enum store_status status;

    MUST_BE(store, STORE_MAGIC);
    status = list_read(&store->home, m, list, count);
    return status == STORE_NOT_FOUND ? STORE_NOT_HELD : status;
}

/* ---- by content ------------------------------------------------------------------------------ */

enum { REFERRERS_MOST = 1000 };

enum store_status store_find_content(struct store *store, const struct store_sight *sight,
                                     const struct digest *sha256, struct manifest *out,
                                     bool *newest)
{
    struct view view;
    struct record record;
    enum store_status status = STORE_NOT_FOUND;
    uint64_t behind = 0;
    bool shown = false;

    MUST_BE(store, STORE_MAGIC);
    view_begin(store->catalogue, &view);
    for (size_t i = 0; i < REFERRERS_MOST && !shown; i++) {
        status = ledger_next_referrer(&view, sha256, &behind, &record);
        if (status != STORE_OK)
            break;
        shown = store_shows(sight, &record.manifest);
    }
    view_end(&view);
    store_note_fault(store, status);
    if (shown) {
        *out = record.manifest;
        *newest = !(record.sequence & LEDGER_CONFLICT);
    } else if (status == STORE_OK || status == STORE_ROTTEN) {
        status = STORE_NOT_FOUND;
    }
    return status;
}
