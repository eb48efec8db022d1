/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "cache/retention.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/*
 * The journal held against the catalogue. LMDB may lose keys without a word; what the journal tells
 * of them shows it. A name may be in the journal alone only where a removal that is past its time
 * was the last that was said of it; so those that are missing are gathered until all was read.
 */
enum { MISSING_MAX = 1 << 20 };

struct missing {
    struct digest name;
    struct version version;
    bool forgotten; /* a tombstone that has had its time, or the end of what was forgotten */
    uint32_t place; /* in the journal, of those that are missing */
};

struct comparing {
    struct store *store;
    struct missing *missing;
    size_t count, room;
    uint64_t lost;
    uint64_t sequence;   /* the changes up to this one should be in the journal */
    unsigned char *seen; /* a bit for each of them */
    bool (*go_on)(void *arg, uint64_t bytes);
    void *arg;
};

static void note_missing(struct comparing *c, const struct manifest *m, struct version version,
                         bool forgotten)
{
    struct missing *missing;

    if (c->count == MISSING_MAX) {
        c->lost++;
        return;
    }
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 64;
        c->missing = realloc(c->missing, c->room * sizeof(*c->missing));
        MUST(c->missing != NULL);
    }
    missing = &c->missing[c->count];
    digest_of(m->name, strlen(m->name), &missing->name);
    missing->version = version;
    missing->forgotten = forgotten;
    missing->place = (uint32_t)c->count++;
}

static void see_newest(struct comparing *c, const struct manifest *m, enum store_status status,
                       const struct record *record)
{
    int order = status == STORE_OK ? manifest_compare(m, &record->manifest) : 0;

    if (status == STORE_NOT_FOUND)
        note_missing(c, m, m->version, m->deleted && tombstone_is_old(m, c->store->options.wall()));
    else if (status != STORE_OK || order > 0)
        c->lost++;
    else if (order == 0 && record->sequence <= c->sequence)
        c->seen[record->sequence / 8] |= (unsigned char)(1U << record->sequence % 8);
}

/* What stands again since then is in the journal behind it. */
static void see_end(struct comparing *c, const struct manifest *end, enum store_status status,
                    const struct record *record)
{
    struct version version = forgotten_version(end);

    if (status == STORE_NOT_FOUND)
        note_missing(c, end, version, true);
    else if (status != STORE_OK)
        c->lost++;
    else if (version_same(record->manifest.version, version) && record->sequence <= c->sequence)
        c->seen[record->sequence / 8] &= (unsigned char)~(1U << record->sequence % 8);
}

static bool see_manifest(void *arg, const struct manifest *m, struct span text,
                         struct journal_place behind)
{
    struct comparing *c = arg;
    struct view view;
    struct record record;
    enum store_status status;

    (void)behind;
    view_begin(c->store->catalogue, &view);
    status = ledger_record(&view, span_of(m->name), &record);
    view_end(&view);
    if (forgotten_is_end(m, span_of(c->store->options.node)))
        see_end(c, m, status, &record);
    else
        see_newest(c, m, status, &record);
    return !c->go_on || c->go_on(c->arg, text.len);
}

/* By name, the newest version first, and of that what was said last. */
static int order(const void *a, const void *b)
{
    const struct missing *x = a, *y = b;
    int names = memcmp(x->name.bytes, y->name.bytes, sizeof(x->name.bytes));

    if (names)
        return names;
    if (version_same(x->version, y->version))
        return y->place > x->place ? 1 : -1;
    return version_newer(y->version, x->version) ? 1 : -1;
}

static void count_missing(struct comparing *c)
{
    if (c->count)
        qsort(c->missing, c->count, sizeof(*c->missing), order);
    for (size_t i = 0; i < c->count; i++) {
        if (i == 0 || !digest_same(&c->missing[i].name, &c->missing[i - 1].name))
            c->lost += !c->missing[i].forgotten;
    }
}

/* Changes that still stand, and of which the journal says nothing. */
static uint64_t count_unwritten(struct comparing *c)
{
    enum { BATCH = 1024 };
    uint64_t unwritten = 0, at = 0;
    bool ended = false;

    while (!ended) {
        struct view view;
        struct scan scan;
        struct span key, value;
        struct record record;
        char number[8];
        view_begin(c->store->catalogue, &view);
        scan_begin(&scan, &view, TABLE_CHANGES, ledger_number(at + 1, number));
        for (int i = 0; i < BATCH && !ended; i++) {
            ended = !scan_next(&scan, &key, &value) || ledger_number_of(key) > c->sequence;
            if (ended)
                break;
            at = ledger_number_of(key);
            unwritten += !(c->seen[at / 8] & 1U << at % 8) &&
                         ledger_record_at(&view, at, &record) == STORE_OK;
        }
        scan_end(&scan);
        view_end(&view);
    }
    return unwritten;
}

enum store_status compare_journal(struct store *store, uint64_t sequence, uint32_t last,
                                  bool (*go_on)(void *arg, uint64_t bytes), void *arg,
                                  struct comparison *out)
{
    struct comparing c = {.store = store, .sequence = sequence, .go_on = go_on, .arg = arg};
    struct journal_place begin = {0};
    enum store_status status = STORE_OK;

    *out = (struct comparison){0};
    c.seen = calloc(1, sequence / 8 + 1);
    MUST(c.seen != NULL);
    if (last)
        status = journal_read(&store->home, begin, last, see_manifest, &c, &out->reading);
    if (status == STORE_OK) {
        count_missing(&c);
        out->lost = c.lost;
        out->unwritten = count_unwritten(&c);
    }
    free(c.missing);
    free(c.seen);
    return status;
}
