/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "cache/ledger.h"
#include "cache/ledger_inner.h"
#include "cache/sum.h"
#include "src/base/must.h"

/* How one change keeps all tables, and the sums in meta, in step. */

static const struct span empty = {"", 0};

enum store_status ledger_begin(struct ledger *ledger, struct view *view, const char *node,
                               wall_t now, uint64_t fresh_id)
{
    enum store_status status;

    *ledger = (struct ledger){.view = view, .node = node, .now = now.ms > 0 ? (uint64_t)now.ms : 0};
    status = ledger_meta(view, &ledger->meta);
    if (status != STORE_NOT_FOUND)
        return status;
    ledger->meta = (struct meta){.store_id = fresh_id};
    return STORE_OK;
}

enum store_status ledger_end(struct ledger *ledger)
{
    char bytes[RECORD_MAX];

    view_put(ledger->view, TABLE_META, ledger_meta_key,
             meta_encode(&ledger->meta, ledger_meta_key, bytes));
    return ledger->view->status;
}

void ledger_free(struct ledger *ledger)
{
    free(ledger->gone);
    ledger->gone = NULL;
}

static void note_gone(struct ledger *ledger, const struct digest *sha256)
{
    if (ledger->gone_count == ledger->gone_room) {
        ledger->gone_room = ledger->gone_room ? 2 * ledger->gone_room : 64;
        ledger->gone = realloc(ledger->gone, ledger->gone_room * sizeof(*ledger->gone));
        MUST(ledger->gone != NULL);
    }
    ledger->gone[ledger->gone_count++] = *sha256;
}

static void move_use(struct view *view, const struct digest *sha256, const struct holding *before,
                     const struct holding *after)
{
    char key[USE_KEY];

    if (ledger_can_go(before) == ledger_can_go(after) && before->used == after->used &&
        ledger_class(before) == ledger_class(after))
        return;
    if (ledger_can_go(before))
        view_delete(view, TABLE_USES, ledger_use_key(sha256, before, key));
    if (ledger_can_go(after))
        view_put(view, TABLE_USES, ledger_use_key(sha256, after, key), empty);
}

static void move_want(struct view *view, const struct digest *sha256, const struct holding *before,
                      const struct holding *after)
{
    char number[8];

    if (before->wanted == after->wanted)
        return;
    if (before->wanted)
        view_delete(view, TABLE_WANTED, ledger_number(before->wanted, number));
    if (after->wanted)
        view_put(view, TABLE_WANTED, ledger_number(after->wanted, number),
                 ledger_digest_key(sha256));
}

void ledger_holding_change(struct ledger *ledger, const struct digest *sha256,
                           const struct holding *before, const struct holding *after)
{
    struct meta *meta = &ledger->meta;
    char bytes[RECORD_MAX];

    if (!ledger_is_known(after))
        view_delete(ledger->view, TABLE_CONTENTS, ledger_digest_key(sha256));
    else
        view_put(ledger->view, TABLE_CONTENTS, ledger_digest_key(sha256),
                 holding_encode(after, ledger_digest_key(sha256), bytes));
    move_use(ledger->view, sha256, before, after);
    move_want(ledger->view, sha256, before, after);
    meta->held += (after->held ? after->refs : 0) - (uint64_t)(before->held ? before->refs : 0);
    meta->held_bytes += (after->held ? after->size : 0) - (before->held ? before->size : 0);
    meta->wanted += (uint64_t)(after->wanted != 0) - (uint64_t)(before->wanted != 0);
    if (ledger_can_go(before))
        meta->loose[ledger_class(before)] -= before->size;
    if (ledger_can_go(after))
        meta->loose[ledger_class(after)] += after->size;
    if (before->held && !after->held)
        note_gone(ledger, sha256);
}

/* One that is rotten is begun anew. */
enum store_status ledger_holding_take(struct ledger *ledger, const struct digest *sha256,
                                      struct holding *out)
{
    enum store_status status = ledger_holding(ledger->view, sha256, out);

    if (status == STORE_ROTTEN && ledger->view->status == STORE_OK) {
        ledger->suspect = true;
        status = STORE_NOT_FOUND;
    }
    if (status == STORE_NOT_FOUND)
        *out = (struct holding){0};
    return status;
}

static void refer(struct ledger *ledger, const struct record *record, bool held, bool want)
{
    const struct manifest *m = &record->manifest;
    struct holding before, after;
    char key[REF_KEY];

    ledger_holding_take(ledger, &m->sha256, &before);
    after = before;
    after.refs++;
    after.owns += record->own;
    after.unconfirmed += record->unconfirmed;
    if (!ledger_is_known(&before) || held)
        after.size = m->size; /* else the first who told it is believed, until it has come */
    after.held = before.held || held;
    if (want && !after.wanted)
        after.wanted = record->sequence;
    if (after.held)
        after.wanted = 0;
    if (!before.held && after.held)
        after.used = ledger->now;
    view_put(ledger->view, TABLE_REFS, ledger_ref_key(&m->sha256, record->sequence, key), empty);
    ledger_holding_change(ledger, &m->sha256, &before, &after);
}

/* The sequence of the first entry that refers to the content, or 0. */
static uint64_t first_referrer(struct view *view, const struct digest *sha256)
{
    struct record record;

    if (ledger_referrer(view, sha256, &record) != STORE_OK)
        return 0;
    return record.sequence & LEDGER_CONFLICT ? 0 : record.sequence;
}

static void unrefer(struct ledger *ledger, const struct record *old)
{
    const struct digest *sha256 = &old->manifest.sha256;
    struct holding before, after;
    char key[REF_KEY];

    view_delete(ledger->view, TABLE_REFS, ledger_ref_key(sha256, old->sequence, key));
    if (ledger_holding_take(ledger, sha256, &before) != STORE_OK)
        return;
    after = before;
    after.refs -= after.refs > 0;
    after.owns -= old->own && after.owns > 0;
    after.unconfirmed -= old->unconfirmed && after.unconfirmed > 0;
    if (!ledger_is_known(&after))
        after = (struct holding){0};
    else if (after.wanted == old->sequence)
        after.wanted = first_referrer(ledger->view, sha256);
    ledger_holding_change(ledger, sha256, &before, &after);
}

/* Takes what stands under the name out of all that is derived from it; the record itself stays. */
static void retire(struct ledger *ledger, const struct record *old)
{
    const struct manifest *m = &old->manifest;
    char number[8], key[TOMBSTONE_KEY];

    view_delete(ledger->view, TABLE_CHANGES, ledger_number(old->sequence, number));
    sum_subtract(ledger->meta.digest, m);
    ledger->meta.live_bytes -= old->text.len;
    if (old->unconfirmed) {
        ledger->meta.unconfirmed--;
        view_delete(ledger->view, TABLE_UNCONFIRMED, ledger_number(old->sequence, number));
    }
    if (m->deleted) {
        ledger->meta.tombstones--;
        view_delete(ledger->view, TABLE_TOMBSTONES, ledger_tombstone_key(m, key));
    } else {
        ledger->meta.objects--;
        unrefer(ledger, old);
    }
}

static void enter(struct ledger *ledger, const struct record *record, struct span key, bool held,
                  bool want)
{
    const struct manifest *m = &record->manifest;
    char bytes[RECORD_MAX], number[8], tombstone[TOMBSTONE_KEY];

    view_put(ledger->view, TABLE_NAMES, key, record_encode(record, key, bytes));
    view_put(ledger->view, TABLE_CHANGES, ledger_number(record->sequence, number), key);
    sum_add(ledger->meta.digest, m);
    ledger->meta.live_bytes += record->text.len;
    if (version_newer(m->version, ledger->meta.clock))
        ledger->meta.clock = m->version;
    if (record->unconfirmed) {
        ledger->meta.unconfirmed++;
        view_put(ledger->view, TABLE_UNCONFIRMED, ledger_number(record->sequence, number), key);
    }
    if (m->deleted) {
        ledger->meta.tombstones++;
        view_put(ledger->view, TABLE_TOMBSTONES, ledger_tombstone_key(m, tombstone), key);
    } else {
        ledger->meta.objects++;
        refer(ledger, record, held, want);
    }
}

/* A record to be replaced: its text must outlive the changes that make LMDB move its bytes. */
static enum store_status old_record(struct ledger *ledger, struct span name, struct record *out)
{
    enum store_status status = ledger_record(ledger->view, name, out);

    if (status == STORE_ROTTEN && ledger->view->status == STORE_OK) {
        ledger->suspect = true;
        return STORE_NOT_FOUND;
    }
    out->text.at = NULL; /* only its length is wanted */
    return status;
}

enum store_status ledger_change(struct ledger *ledger, const struct manifest *m, struct span text,
                                struct ledger_marks marks, struct store_entry *entry)
{
    struct record old;
    struct record record = {.manifest = *m,
                            .sequence = ledger->meta.sequence + 1,
                            .own = span_is(span_of(m->node), ledger->node),
                            .unconfirmed = marks.unconfirmed,
                            .text = text};
    struct ledger_key key;
    enum store_status status = old_record(ledger, span_of(m->name), &old);

    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return status;
    ledger->meta.sequence++;
    /* First in, then out: so content that both refer to is never without a referrer. */
    enter(ledger, &record, ledger_key_of(span_of(m->name), &key), marks.held, marks.want);
    if (status == STORE_OK)
        retire(ledger, &old);
    if (ledger->view->status == STORE_OK)
        ledger_entry_of(ledger->view, &record, entry);
    return ledger->view->status;
}

enum store_status ledger_forget_key(struct ledger *ledger, struct span key)
{
    struct record old;
    enum store_status status = ledger_record_of_key(ledger->view, key, &old);

    if (status != STORE_OK)
        return status;
    retire(ledger, &old);
    view_delete(ledger->view, TABLE_NAMES, key);
    return ledger->view->status;
}

/* The record is written again; its text must outlive that. */
static void write_mark(struct ledger *ledger, struct record *record, bool unconfirmed)
{
    char bytes[RECORD_MAX], text[RECORD_MAX], number[8];
    struct ledger_key room;
    struct span key = ledger_key_of(span_of(record->manifest.name), &room);

    MUST(record->text.len <= sizeof(text));
    memcpy(text, record->text.at, record->text.len);
    record->text.at = text;
    record->unconfirmed = unconfirmed;
    view_put(ledger->view, TABLE_NAMES, key, record_encode(record, key, bytes));
    record->text.at = NULL;
    ledger_number(record->sequence, number);
    if (unconfirmed)
        view_put(ledger->view, TABLE_UNCONFIRMED, (struct span){number, 8}, key);
    else
        view_delete(ledger->view, TABLE_UNCONFIRMED, (struct span){number, 8});
    ledger->meta.unconfirmed += unconfirmed ? 1 : UINT64_MAX;
}

enum store_status ledger_mark(struct ledger *ledger, struct record *record, bool unconfirmed)
{
    struct holding before, after;

    if (record->unconfirmed == unconfirmed)
        return ledger->view->status;
    write_mark(ledger, record, unconfirmed);
    if (record->manifest.deleted ||
        ledger_holding_take(ledger, &record->manifest.sha256, &before) != STORE_OK)
        return ledger->view->status;
    after = before;
    if (unconfirmed)
        after.unconfirmed++;
    else
        after.unconfirmed -= after.unconfirmed > 0;
    ledger_holding_change(ledger, &record->manifest.sha256, &before, &after);
    return ledger->view->status;
}

enum store_status ledger_drop_mark(struct ledger *ledger, uint64_t sequence)
{
    struct record record;
    struct span value;
    char number[8];
    enum store_status status = ledger_record_at(ledger->view, sequence, &record);

    if (status != STORE_NOT_FOUND && (status != STORE_OK || record.unconfirmed))
        return STORE_NOT_FOUND;
    if (!view_get(ledger->view, TABLE_UNCONFIRMED, ledger_number(sequence, number), &value))
        return STORE_NOT_FOUND;
    view_delete(ledger->view, TABLE_UNCONFIRMED, (struct span){number, 8});
    ledger->meta.unconfirmed -= ledger->meta.unconfirmed > 0;
    return ledger->view->status;
}

enum store_status ledger_hold(struct ledger *ledger, const struct manifest *m)
{
    struct holding before, after;
    enum store_status status = ledger_holding_take(ledger, &m->sha256, &before);

    if (status != STORE_OK)
        return status;
    after = before;
    after.held = true;
    after.size = m->size;
    after.wanted = 0;
    if (!before.held)
        after.used = ledger->now;
    ledger_holding_change(ledger, &m->sha256, &before, &after);
    return ledger->view->status;
}

enum store_status ledger_let_go(struct ledger *ledger, const struct digest *sha256)
{
    struct holding before, after;
    enum store_status status = ledger_holding_take(ledger, sha256, &before);

    if (status != STORE_OK)
        return status;
    after = before;
    after.held = false;
    ledger_holding_change(ledger, sha256, &before, &after);
    return ledger->view->status;
}

enum store_status ledger_want(struct ledger *ledger, const struct digest *sha256, uint64_t sequence)
{
    struct holding before, after;
    enum store_status status = ledger_holding_take(ledger, sha256, &before);

    if (status != STORE_OK)
        return status;
    after = before;
    if (sequence & LEDGER_CONFLICT)
        sequence = 0; /* nothing is fetched for the sake of a conflict */
    after.wanted = before.held || sequence == 0 ? 0 : before.wanted ? before.wanted : sequence;
    ledger_holding_change(ledger, sha256, &before, &after);
    return ledger->view->status;
}

enum store_status ledger_use(struct ledger *ledger, const struct digest *sha256, uint64_t ms)
{
    struct holding before, after;
    enum store_status status = ledger_holding_take(ledger, sha256, &before);

    if (status != STORE_OK)
        return status;
    after = before;
    after.used = ms > before.used ? ms : before.used;
    ledger_holding_change(ledger, sha256, &before, &after);
    return ledger->view->status;
}
