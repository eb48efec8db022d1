/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "cache/group.h"
#include "cache/ledger_inner.h"
#include "cache/retention.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/*
 * Conflicts: versions that another one has replaced whose author did not know of them. A record of
 * each stands in TABLE_CONFLICTS under its number, in the order in which they came about; its
 * content is held for its sake. TABLE_RIVALS finds them by name and version.
 */

enum { RIVAL_NAME = 16, RIVAL_STEM = RIVAL_NAME + 8, RIVAL_KEY = RIVAL_STEM + 8, LIST_BATCH = 32 };

static const struct span empty = {"", 0};

static struct span rival_key(struct span name, struct version version, const struct digest *sha256,
                             char out[RIVAL_KEY])
{
    struct digest digest;

    digest_of(name.at, name.len, &digest);
    memcpy(out, digest.bytes, 16);
    ledger_number(version.bits, out + 16);
    memcpy(out + RIVAL_STEM, sha256->bytes, 8);
    return (struct span){out, RIVAL_KEY};
}

static struct span key_of(const struct manifest *m, char out[RIVAL_KEY])
{
    return rival_key(span_of(m->name), m->version, &m->sha256, out);
}

/* ---- in the catalogue ----------------------------------------------------------------------- */

enum store_status ledger_conflict(struct view *view, uint64_t number, struct record *out)
{
    char bytes[8];
    struct span key = ledger_number(number, bytes), value;

    if (!view_get(view, TABLE_CONFLICTS, key, &value))
        return view->status != STORE_OK ? view->status : STORE_NOT_FOUND;
    return record_decode(value, key, out) ? STORE_OK : ledger_rotten("conflict", key);
}

/* Rivals of one moment stand in the order of their digests: of those that fit the last one wins. */
enum store_status ledger_conflict_of(struct view *view, struct span name, const struct pick *pick,
                                     struct record *out)
{
    static const struct digest least = {{0}};
    char from[RIVAL_KEY];
    struct scan scan;
    struct span key, value;
    struct record one;
    enum store_status status = STORE_NOT_FOUND;

    scan_begin(&scan, view, TABLE_RIVALS, rival_key(name, pick->version, &least, from));
    while (scan_next(&scan, &key, &value) && key.len == RIVAL_KEY &&
           memcmp(key.at, from, RIVAL_STEM) == 0) {
        enum store_status read = ledger_conflict(view, ledger_number_of(value), &one);
        /* another name may have the same beginning of its digest */
        if (read == STORE_OK && span_same(span_of(one.manifest.name), name) &&
            pick_fits(pick, one.manifest.version, &one.manifest.sha256)) {
            *out = one;
            status = STORE_OK;
        } else if (read != STORE_OK && status == STORE_NOT_FOUND) {
            status = read;
        }
    }
    scan_end(&scan);
    return view->status != STORE_OK ? view->status : status;
}

bool ledger_has_conflict(struct view *view, struct span name, const char *node, struct version than)
{
    static const struct digest least = {{0}};
    const struct version next = {than.bits + 1};
    char from[RIVAL_KEY];
    struct scan scan;
    struct span key, value;
    struct record one;
    bool found = false;

    scan_begin(&scan, view, TABLE_RIVALS, rival_key(name, next, &least, from));
    while (!found && scan_next(&scan, &key, &value) && key.len == RIVAL_KEY &&
           memcmp(key.at, from, RIVAL_NAME) == 0)
        found = ledger_conflict(view, ledger_number_of(value), &one) == STORE_OK &&
                span_same(span_of(one.manifest.name), name) && strcmp(one.manifest.node, node) == 0;
    scan_end(&scan);
    return found;
}

bool ledger_conflict_is_in_step(struct view *view, const struct record *record)
{
    const struct manifest *m = &record->manifest;
    char rival[RIVAL_KEY], ref[REF_KEY];
    struct holding holding;
    struct span value;

    return view_get(view, TABLE_RIVALS, key_of(m, rival), &value) &&
           ledger_number_of(value) == record->sequence &&
           view_get(view, TABLE_REFS, ledger_ref_key(&m->sha256, record->sequence, ref), &value) &&
           ledger_holding(view, &m->sha256, &holding) == STORE_OK && holding.kept > 0;
}

bool ledger_keeps(struct view *view, const struct manifest *m)
{
    char rival[RIVAL_KEY];
    struct span value;

    return view_get(view, TABLE_RIVALS, key_of(m, rival), &value);
}

static void push_out_oldest(struct ledger *ledger)
{
    struct scan scan;
    struct span key, value;
    uint64_t oldest = 0;

    scan_begin(&scan, ledger->view, TABLE_CONFLICTS, empty);
    if (scan_next(&scan, &key, &value))
        oldest = ledger_number_of(key);
    scan_end(&scan);
    if (!oldest || ledger_keep_no_longer(ledger, oldest) == STORE_ROTTEN)
        ledger->suspect = true;
    else
        ledger->pushed_out++;
}

enum store_status ledger_keep(struct ledger *ledger, const struct record *record)
{
    const struct manifest *m = &record->manifest;
    struct record kept = *record;
    char bytes[RECORD_MAX], number[8], rival[RIVAL_KEY], ref[REF_KEY];
    struct holding before, after;

    if (ledger_keeps(ledger->view, m))
        return STORE_OK;
    key_of(m, rival);
    kept.sequence = LEDGER_CONFLICT | ++ledger->meta.conflict_last;
    kept.since = ledger->now;
    kept.unconfirmed = false;
    ledger_number(kept.sequence, number);
    view_put(ledger->view, TABLE_CONFLICTS, (struct span){number, 8},
             record_encode(&kept, (struct span){number, 8}, bytes));
    view_put(ledger->view, TABLE_RIVALS, (struct span){rival, RIVAL_KEY}, (struct span){number, 8});
    view_put(ledger->view, TABLE_REFS, ledger_ref_key(&m->sha256, kept.sequence, ref), empty);
    ledger->meta.conflicts++;
    ledger->meta.live_bytes += record->text.len;
    ledger_holding_take(ledger, &m->sha256, &before);
    after = before;
    after.kept++;
    if (!ledger_is_known(&before))
        after.size = m->size;
    ledger_holding_change(ledger, &m->sha256, &before, &after);
    if (ledger->meta.conflicts > CONFLICTS_MAX)
        push_out_oldest(ledger);
    return ledger->view->status;
}

static void let_go(struct ledger *ledger, const struct digest *sha256)
{
    struct holding before, after;

    if (ledger_holding_take(ledger, sha256, &before) != STORE_OK)
        return;
    after = before;
    after.kept -= after.kept > 0;
    if (!ledger_is_known(&after))
        after = (struct holding){0};
    ledger_holding_change(ledger, sha256, &before, &after);
}

enum store_status ledger_keep_no_longer(struct ledger *ledger, uint64_t number)
{
    struct record record;
    char bytes[8], rival[RIVAL_KEY], ref[REF_KEY];
    enum store_status status = ledger_conflict(ledger->view, number, &record);
    const struct digest sha256 = record.manifest.sha256;

    if (status != STORE_OK)
        return status;
    ledger->meta.conflicts--;
    ledger->meta.live_bytes -= record.text.len;
    view_delete(ledger->view, TABLE_RIVALS, key_of(&record.manifest, rival));
    view_delete(ledger->view, TABLE_REFS, ledger_ref_key(&sha256, number, ref));
    view_delete(ledger->view, TABLE_CONFLICTS, ledger_number(number, bytes));
    let_go(ledger, &sha256);
    return ledger->view->status;
}

/* ---- time ----------------------------------------------------------------------------------- */

enum store_status conflicts_forget_old(struct group *group, void *arg)
{
    enum { MOST = 256 };
    uint64_t old[MOST];
    wall_t now = group->store->options.wall();
    struct scan scan;
    struct span key, value;
    struct record record;
    size_t count = 0;

    (void)arg;
    scan_begin(&scan, &group->view, TABLE_CONFLICTS, empty);
    while (count < MOST && scan_next(&scan, &key, &value)) {
        if (record_decode(value, key, &record) && !conflict_is_old(record.since, now))
            break;
        old[count++] = ledger_number_of(key);
    }
    scan_end(&scan);
    for (size_t i = 0; i < count; i++) {
        if (ledger_keep_no_longer(&group->ledger, old[i]) == STORE_ROTTEN)
            group->ledger.suspect = true;
    }
    if (count)
        group->store->told_of_conflicts = false;
    return count ? STORE_OK : STORE_NOT_FOUND;
}

/* ---- for others ----------------------------------------------------------------------------- */

/* To others they are told without what tells them from sequences: so they fit into JSON. */
static uint64_t place_of(uint64_t number)
{
    return number & ~LEDGER_CONFLICT;
}

static enum store_status describe(struct view *view, const struct record *record,
                                  struct store_conflict *out)
{
    struct record newest;
    enum store_status status = ledger_record(view, span_of(record->manifest.name), &newest);

    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return status;
    out->newest = status == STORE_OK ? newest.manifest.version : VERSION_NONE;
    out->until = conflict_end(record->since);
    status = ledger_entry_of(view, record, &out->entry);
    out->entry.sequence = place_of(record->sequence);
    return status;
}

/* Those behind `after`, up to `most`; *last gets the place of the last that was looked at. */
static size_t batch_of(struct store *store, uint64_t after, size_t most,
                       struct store_conflict *batch, uint64_t *last)
{
    struct view view;
    struct scan scan;
    struct span key, value;
    struct record record;
    char number[8];
    size_t count = 0;

    *last = after;
    view_begin(store->catalogue, &view);
    scan_begin(&scan, &view, TABLE_CONFLICTS, ledger_number(LEDGER_CONFLICT | (after + 1), number));
    while (count < most && scan_next(&scan, &key, &value)) {
        enum store_status status =
            record_decode(value, key, &record) ? STORE_OK : ledger_rotten("conflict", key);
        *last = place_of(ledger_number_of(key));
        if (status == STORE_OK)
            status = describe(&view, &record, &batch[count]);
        count += status == STORE_OK;
        store_note_fault(store, status);
    }
    scan_end(&scan);
    view_end(&view);
    return count;
}

size_t store_conflicts(struct store *store, uint64_t after, size_t most,
                       store_conflict_visit *visit, void *arg)
{
    struct store_conflict *batch = malloc(LIST_BATCH * sizeof(*batch));
    size_t visited = 0, count, want;

    MUST_BE(store, STORE_MAGIC);
    MUST(batch != NULL);
    do {
        want = most - visited < LIST_BATCH ? most - visited : LIST_BATCH;
        count = after < LEDGER_CONFLICT - 1 ? batch_of(store, after, want, batch, &after) : 0;
        for (size_t i = 0; i < count; i++)
            visit(arg, &batch[i]);
        visited += count;
    } while (visited < most && count == want);
    free(batch);
    return visited;
}

enum store_status store_find_version(struct store *store, struct span name, const struct pick *pick,
                                     struct store_entry *out)
{
    struct view view;
    struct record record;
    enum store_status status;

    MUST_BE(store, STORE_MAGIC);
    view_begin(store->catalogue, &view);
    status = ledger_record(&view, name, &record);
    if (status == STORE_NOT_FOUND ||
        (status == STORE_OK && !pick_fits(pick, record.manifest.version, &record.manifest.sha256)))
        status = ledger_conflict_of(&view, name, pick, &record);
    if (status == STORE_OK)
        status = ledger_entry_of(&view, &record, out);
    view_end(&view);
    store_note_fault(store, status);
    return status == STORE_ROTTEN ? STORE_NOT_FOUND : status;
}
