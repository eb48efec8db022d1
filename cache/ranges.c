/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "cache/store_inner.h"
#include "cache/sum.h"
#include "src/base/must.h"

/* The catalogue by ranges of names, for whoever compares it with another one. */

enum { RANGE_BATCH = 1024 }; /* names that are looked at in one view */

void range_start(struct range_walk *walk, struct store *store, struct span from, struct span to)
{
    *walk = (struct range_walk){.store = store, .bounded = to.len > 0};
    ledger_key_of(from, &walk->at);
    ledger_key_of(to, &walk->end);
}

static bool is_end(const struct range_walk *walk, struct span key)
{
    size_t least = key.len < walk->end.len ? key.len : walk->end.len;
    int order = memcmp(key.at, walk->end.bytes, least);

    return walk->bounded && (order > 0 || (order == 0 && key.len >= walk->end.len));
}

static bool was_seen(const struct range_walk *walk, struct span key)
{
    return walk->behind && key.len == walk->at.len && memcmp(key.at, walk->at.bytes, key.len) == 0;
}

void range_batch(struct range_walk *walk,
                 bool (*take)(void *arg, struct span key, struct span value), void *arg)
{
    struct view view;
    struct scan scan;
    struct span key, value;

    view_begin(walk->store->catalogue, &view);
    scan_begin(&scan, &view, TABLE_NAMES, (struct span){walk->at.bytes, walk->at.len});
    for (size_t i = 0; i < RANGE_BATCH; i++) {
        walk->ended = !scan_next(&scan, &key, &value) || is_end(walk, key);
        if (walk->ended || (!was_seen(walk, key) && !take(arg, key, value)))
            break;
        memcpy(walk->at.bytes, key.at, key.len);
        walk->at.len = key.len;
        walk->behind = true;
    }
    scan_end(&scan);
    walk->status = view.status;
    view_end(&view);
    if (walk->status != STORE_OK)
        walk->ended = true;
}

/* ---- digests -------------------------------------------------------------------------------- */

struct counting {
    const struct store_sight *sight;
    uint64_t count;
};

/* Where all is shown no record needs to be read. */
static bool count_one(void *arg, struct span key, struct span value)
{
    struct counting *counting = arg;
    struct record record;

    if (!counting->sight ||
        (record_decode(value, key, &record) && store_shows(counting->sight, &record.manifest)))
        counting->count++;
    return true;
}

static enum store_status count_names(struct store *store, const struct store_sight *sight,
                                     struct span from, struct span to, uint64_t *count)
{
    struct counting counting = {.sight = sight};
    struct range_walk walk;

    range_start(&walk, store, from, to);
    while (!walk.ended)
        range_batch(&walk, count_one, &counting);
    *count = counting.count;
    return walk.status;
}

struct cutting {
    struct store *store;
    const struct store_sight *sight;
    uint64_t each; /* names to a range */
    size_t left;   /* ranges that may still be begun */
    char first[NAME_SIZE];
    uint64_t count;
    uint64_t lanes[SUM_LANES];
    store_range_visit *visit;
    void *arg;
};

static void end_range(struct cutting *cutting)
{
    struct store_range range = {.first = span_of(cutting->first),
                                .count = cutting->count,
                                .digest = sum_digest(cutting->lanes)};

    cutting->visit(cutting->arg, &range);
}

static void begin_range(struct cutting *cutting, struct span first)
{
    MUST(span_copy(first, cutting->first, sizeof(cutting->first)));
    cutting->count = 0;
    memset(cutting->lanes, 0, sizeof(cutting->lanes));
    cutting->left--;
}

static bool add_to_range(void *arg, struct span key, struct span value)
{
    struct cutting *cutting = arg;
    struct record record;

    if (!record_decode(value, key, &record)) {
        store_note_fault(cutting->store, STORE_ROTTEN);
        return true;
    }
    if (!store_shows(cutting->sight, &record.manifest))
        return true;
    if (cutting->count == cutting->each && cutting->left) {
        end_range(cutting);
        begin_range(cutting, span_of(record.manifest.name));
    }
    cutting->count++;
    sum_add(cutting->lanes, &record.manifest);
    return true;
}

enum store_status store_ranges(struct store *store, const struct store_sight *sight,
                               struct span from, struct span to, size_t parts,
                               store_range_visit *visit, void *arg)
{
    struct cutting cutting = {
        .store = store, .sight = sight, .left = parts, .visit = visit, .arg = arg};
    struct range_walk walk;
    uint64_t count = 0;
    enum store_status status = STORE_OK;

    MUST_BE(store, STORE_MAGIC);
    MUST(parts > 0 && from.len < NAME_SIZE);
    if (parts > 1)
        status = count_names(store, sight, from, to, &count);
    if (status != STORE_OK)
        return status;
    cutting.each = (count + parts - 1) / parts;
    begin_range(&cutting, from);
    range_start(&walk, store, from, to);
    while (!walk.ended)
        range_batch(&walk, add_to_range, &cutting);
    if (walk.status == STORE_OK)
        end_range(&cutting);
    return walk.status;
}

/* ---- manifests ------------------------------------------------------------------------------ */

struct page {
    struct store *store;
    const struct store_sight *sight;
    struct text *out;
    char *next; /* empty, as long as it goes on */
    bool *full;
    size_t looked;
};

/* False where it ends before this name. */
static bool add_to_page(void *arg, struct span key, struct span value)
{
    struct page *page = arg;
    struct record record;
    bool shown;

    page->looked++;
    if (!record_decode(value, key, &record)) {
        store_note_fault(page->store, STORE_ROTTEN);
        return true;
    }
    if (page->looked > STORE_RANGE_LOOKS) {
        MUST(span_copy(span_of(record.manifest.name), page->next, NAME_SIZE));
        return false;
    }
    shown = store_shows(page->sight, &record.manifest);
    *page->full = shown && record.text.len >= page->out->cap - page->out->len;
    if (*page->full)
        MUST(span_copy(span_of(record.manifest.name), page->next, NAME_SIZE));
    else if (shown)
        text_add(page->out, record.text.at, record.text.len);
    return !*page->full;
}

enum store_status store_range_page(struct store *store, const struct store_sight *sight,
                                   struct span from, struct span to, struct text *out,
                                   char next[NAME_SIZE], bool *full)
{
    struct page page = {.store = store, .sight = sight, .out = out, .next = next, .full = full};
    struct range_walk walk;

    MUST_BE(store, STORE_MAGIC);
    next[0] = '\0';
    *full = false;
    range_start(&walk, store, from, to);
    while (!walk.ended && !next[0])
        range_batch(&walk, add_to_page, &page);
    return walk.status;
}
