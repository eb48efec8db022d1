/* SPDX-License-Identifier: ISC */
#include "cache/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"

enum { REF_KEY = 32 + 8, TOMBSTONE_KEY = 8 + 8, USE_KEY = 8 + 32 };

static const struct span meta_key = {"meta", 4};
static const struct span empty = {"", 0};

/* ---- keys ----------------------------------------------------------------------------------- */

struct span ledger_key_of(struct span name, struct ledger_key *out)
{
    struct digest digest;

    if (name.len <= sizeof(out->bytes)) {
        memcpy(out->bytes, name.at, name.len);
        out->len = name.len;
    } else {
        digest_of(name.at, name.len, &digest);
        memcpy(out->bytes, name.at, LEDGER_STEM);
        memcpy(out->bytes + LEDGER_STEM, digest.bytes, sizeof(digest.bytes));
        out->len = LEDGER_STEM + sizeof(digest.bytes);
    }
    return (struct span){out->bytes, out->len};
}

struct span ledger_number(uint64_t n, char out[8])
{
    for (int i = 7; i >= 0; i--, n >>= 8)
        out[i] = (char)(n & 0xff);
    return (struct span){out, 8};
}

uint64_t ledger_number_of(struct span bytes)
{
    uint64_t n = 0;

    for (size_t i = 0; i < 8 && i < bytes.len; i++)
        n = n << 8 | (unsigned char)bytes.at[i];
    return n;
}

static struct span digest_key(const struct digest *d)
{
    return (struct span){(const char *)d->bytes, sizeof(d->bytes)};
}

static struct span ref_key(const struct digest *sha256, uint64_t sequence, char out[REF_KEY])
{
    memcpy(out, sha256->bytes, 32);
    ledger_number(sequence, out + 32);
    return (struct span){out, REF_KEY};
}

static struct span use_key(uint64_t used, const struct digest *sha256, char out[USE_KEY])
{
    ledger_number(used, out);
    memcpy(out + 8, sha256->bytes, 32);
    return (struct span){out, USE_KEY};
}

/* Behind the version the beginning of the name's digest tells tombstones of one moment apart. */
static struct span tombstone_key(const struct manifest *m, char out[TOMBSTONE_KEY])
{
    struct digest digest;

    digest_of(m->name, strlen(m->name), &digest);
    ledger_number(m->version.bits, out);
    memcpy(out + 8, digest.bytes, 8);
    return (struct span){out, TOMBSTONE_KEY};
}

/* ---- reading -------------------------------------------------------------------------------- */

static enum store_status rotten(const char *what, struct span key)
{
    char quoted[256];
    struct text text = TEXT_OVER(quoted);

    log_quote(&text, key, 60);
    stat_add(STAT_RECORDS_ROTTEN, 1);
    log_error("store: the catalogue's %s of %s is rotten: the catalogue will be rebuilt", what,
              quoted);
    return STORE_ROTTEN;
}

/* Why view_get found nothing. */
static enum store_status absent(const struct view *view)
{
    return view->status != STORE_OK ? view->status : STORE_NOT_FOUND;
}

enum store_status ledger_meta(struct view *view, struct meta *out)
{
    struct span value;

    if (!view_get(view, TABLE_META, meta_key, &value))
        return absent(view);
    return meta_decode(value, meta_key, out) ? STORE_OK : rotten("summary", meta_key);
}

static enum store_status record_of_key(struct view *view, struct span key, struct record *out)
{
    struct span value;

    if (!view_get(view, TABLE_NAMES, key, &value))
        return absent(view);
    return record_decode(value, key, out) ? STORE_OK : rotten("record", key);
}

enum store_status ledger_record(struct view *view, struct span name, struct record *out)
{
    struct ledger_key key;
    enum store_status status;

    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return STORE_NOT_FOUND;
    status = record_of_key(view, ledger_key_of(name, &key), out);
    if (status == STORE_OK && !span_same(span_of(out->manifest.name), name))
        return STORE_NOT_FOUND; /* another name under the same key */
    return status;
}

enum store_status ledger_record_at(struct view *view, uint64_t sequence, struct record *out)
{
    char number[8];
    struct span key;
    enum store_status status;

    if (!view_get(view, TABLE_CHANGES, ledger_number(sequence, number), &key))
        return absent(view);
    status = record_of_key(view, key, out);
    if (status == STORE_OK && out->sequence != sequence)
        return rotten("order of changes", key);
    return status;
}

enum store_status ledger_holding(struct view *view, const struct digest *sha256,
                                 struct holding *out)
{
    struct span value;

    if (!view_get(view, TABLE_CONTENTS, digest_key(sha256), &value))
        return absent(view);
    return holding_decode(value, digest_key(sha256), out) ? STORE_OK
                                                          : rotten("holding", digest_key(sha256));
}

bool ledger_lets_go(struct view *view, const struct digest *sha256)
{
    struct holding holding;
    enum store_status status = ledger_holding(view, sha256, &holding);

    return status == STORE_NOT_FOUND || (status == STORE_OK && !holding.held);
}

enum store_status ledger_entry_of(struct view *view, const struct record *record,
                                  struct store_entry *out)
{
    struct holding holding = {0};
    enum store_status status = STORE_OK;

    if (!record->manifest.deleted)
        status = ledger_holding(view, &record->manifest.sha256, &holding);
    out->manifest = record->manifest;
    out->sequence = record->sequence;
    out->own = record->own;
    out->held = status == STORE_OK && holding.held && holding.size == record->manifest.size;
    out->wanted = status == STORE_OK && holding.wanted != 0;
    return status == STORE_NOT_FOUND ? STORE_ROTTEN : status;
}

enum store_status ledger_entry(struct view *view, struct span name, struct store_entry *out)
{
    struct record record;
    enum store_status status = ledger_record(view, name, &record);

    return status == STORE_OK ? ledger_entry_of(view, &record, out) : status;
}

enum store_status ledger_referrer(struct view *view, const struct digest *sha256,
                                  struct record *out)
{
    struct scan scan;
    struct span key, value;
    uint64_t sequence = 0;

    scan_begin(&scan, view, TABLE_REFS, digest_key(sha256));
    if (scan_next(&scan, &key, &value) && key.len == REF_KEY &&
        memcmp(key.at, sha256->bytes, 32) == 0)
        sequence = ledger_number_of((struct span){key.at + 32, 8});
    scan_end(&scan);
    return sequence ? ledger_record_at(view, sequence, out) : absent(view);
}

/* ---- sums ----------------------------------------------------------------------------------- */

static void entry_digest(const struct manifest *m, uint64_t lanes[4])
{
    char bytes[NAME_SIZE + 8 + 32];
    size_t len = strlen(m->name) + 1;
    struct digest digest;

    memcpy(bytes, m->name, len);
    ledger_number(m->version.bits, bytes + len);
    memcpy(bytes + len + 8, m->sha256.bytes, 32);
    digest_of(bytes, len + 8 + 32, &digest);
    for (size_t i = 0; i < 4; i++)
        lanes[i] = ledger_number_of((struct span){(const char *)digest.bytes + 8 * i, 8});
}

/* Adding each lane modulo 2^64 gives the same sum in any order, and can be undone. */
void ledger_sum_add(uint64_t digest[4], const struct manifest *m)
{
    uint64_t lanes[4];

    entry_digest(m, lanes);
    for (size_t i = 0; i < 4; i++)
        digest[i] += lanes[i];
}

static void sum_subtract(uint64_t digest[4], const struct manifest *m)
{
    uint64_t lanes[4];

    entry_digest(m, lanes);
    for (size_t i = 0; i < 4; i++)
        digest[i] -= lanes[i];
}

/* ---- changing ------------------------------------------------------------------------------- */

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

    view_put(ledger->view, TABLE_META, meta_key, meta_encode(&ledger->meta, meta_key, bytes));
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

/* May it be dropped to make room? Then it stands among the uses. */
static bool can_go(const struct holding *h)
{
    return h->held && h->owns == 0;
}

bool ledger_is_in_step(struct view *view, const struct record *record, struct span key)
{
    const struct manifest *m = &record->manifest;
    char number[8], ref[REF_KEY], tombstone[TOMBSTONE_KEY];
    struct span value;

    if (!view_get(view, TABLE_CHANGES, ledger_number(record->sequence, number), &value) ||
        !span_same(value, key))
        return false;
    if (!m->deleted)
        return view_get(view, TABLE_REFS, ref_key(&m->sha256, record->sequence, ref), &value);
    return view_get(view, TABLE_TOMBSTONES, tombstone_key(m, tombstone), &value) &&
           span_same(value, key);
}

bool ledger_holding_is_in_step(struct view *view, const struct digest *sha256,
                               const struct holding *h)
{
    char number[8], use[USE_KEY];
    struct span value;

    if (can_go(h) && !view_get(view, TABLE_USES, use_key(h->used, sha256, use), &value))
        return false;
    return !h->wanted || (view_get(view, TABLE_WANTED, ledger_number(h->wanted, number), &value) &&
                          span_same(value, digest_key(sha256)));
}

static void move_use(struct view *view, const struct digest *sha256, const struct holding *before,
                     const struct holding *after)
{
    char key[USE_KEY];

    if (can_go(before) == can_go(after) && before->used == after->used)
        return;
    if (can_go(before))
        view_delete(view, TABLE_USES, use_key(before->used, sha256, key));
    if (can_go(after))
        view_put(view, TABLE_USES, use_key(after->used, sha256, key), empty);
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
        view_put(view, TABLE_WANTED, ledger_number(after->wanted, number), digest_key(sha256));
}

/* The one writer of a holding: brings all that is derived from it from `before` to `after`. */
static void holding_change(struct ledger *ledger, const struct digest *sha256,
                           const struct holding *before, const struct holding *after)
{
    struct meta *meta = &ledger->meta;
    char bytes[RECORD_MAX];

    if (after->refs == 0)
        view_delete(ledger->view, TABLE_CONTENTS, digest_key(sha256));
    else
        view_put(ledger->view, TABLE_CONTENTS, digest_key(sha256),
                 holding_encode(after, digest_key(sha256), bytes));
    move_use(ledger->view, sha256, before, after);
    move_want(ledger->view, sha256, before, after);
    meta->held += (after->held ? after->refs : 0) - (uint64_t)(before->held ? before->refs : 0);
    meta->held_bytes += (after->held ? after->size : 0) - (before->held ? before->size : 0);
    meta->wanted += (uint64_t)(after->wanted != 0) - (uint64_t)(before->wanted != 0);
    if (before->held && !after->held)
        note_gone(ledger, sha256);
}

/* Reads a holding to change it; one that is rotten is begun anew. */
static enum store_status holding_take(struct ledger *ledger, const struct digest *sha256,
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

static void refer(struct ledger *ledger, const struct manifest *m, uint64_t sequence, bool own,
                  bool held, bool want)
{
    struct holding before, after;
    char key[REF_KEY];

    holding_take(ledger, &m->sha256, &before);
    after = before;
    after.refs++;
    after.owns += own;
    if (before.refs == 0 || held)
        after.size = m->size; /* else the first who told it is believed, until it has come */
    after.held = before.held || held;
    if (want && !after.wanted)
        after.wanted = sequence;
    if (after.held)
        after.wanted = 0;
    if (!before.held && after.held)
        after.used = ledger->now;
    view_put(ledger->view, TABLE_REFS, ref_key(&m->sha256, sequence, key), empty);
    holding_change(ledger, &m->sha256, &before, &after);
}

/* The sequence of the first entry that refers to the content, or 0. */
static uint64_t first_referrer(struct view *view, const struct digest *sha256)
{
    struct record record;

    return ledger_referrer(view, sha256, &record) == STORE_OK ? record.sequence : 0;
}

static void unrefer(struct ledger *ledger, const struct record *old)
{
    const struct digest *sha256 = &old->manifest.sha256;
    struct holding before, after;
    char key[REF_KEY];

    view_delete(ledger->view, TABLE_REFS, ref_key(sha256, old->sequence, key));
    if (holding_take(ledger, sha256, &before) != STORE_OK)
        return;
    after = before;
    after.refs -= after.refs > 0;
    after.owns -= old->own && after.owns > 0;
    if (after.refs == 0)
        after = (struct holding){0};
    else if (after.wanted == old->sequence)
        after.wanted = first_referrer(ledger->view, sha256);
    holding_change(ledger, sha256, &before, &after);
}

/* Takes what stands under the name out of all that is derived from it; the record itself stays. */
static void retire(struct ledger *ledger, const struct record *old)
{
    const struct manifest *m = &old->manifest;
    char number[8], key[TOMBSTONE_KEY];

    view_delete(ledger->view, TABLE_CHANGES, ledger_number(old->sequence, number));
    sum_subtract(ledger->meta.digest, m);
    ledger->meta.live_bytes -= old->text.len;
    if (m->deleted) {
        ledger->meta.tombstones--;
        view_delete(ledger->view, TABLE_TOMBSTONES, tombstone_key(m, key));
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
    ledger_sum_add(ledger->meta.digest, m);
    ledger->meta.live_bytes += record->text.len;
    if (version_newer(m->version, ledger->meta.clock))
        ledger->meta.clock = m->version;
    if (m->deleted) {
        ledger->meta.tombstones++;
        view_put(ledger->view, TABLE_TOMBSTONES, tombstone_key(m, tombstone), key);
    } else {
        ledger->meta.objects++;
        refer(ledger, m, record->sequence, record->own, held, want);
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
                                bool held, bool want, struct store_entry *entry)
{
    struct record old;
    struct record record = {.manifest = *m,
                            .sequence = ledger->meta.sequence + 1,
                            .own = span_is(span_of(m->node), ledger->node),
                            .text = text};
    struct ledger_key key;
    enum store_status status = old_record(ledger, span_of(m->name), &old);

    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return status;
    ledger->meta.sequence++;
    /* First in, then out: so content that both refer to is never without a referrer. */
    enter(ledger, &record, ledger_key_of(span_of(m->name), &key), held, want);
    if (status == STORE_OK)
        retire(ledger, &old);
    if (ledger->view->status == STORE_OK)
        ledger_entry_of(ledger->view, &record, entry);
    return ledger->view->status;
}

enum store_status ledger_forget_key(struct ledger *ledger, struct span key)
{
    struct record old;
    enum store_status status = record_of_key(ledger->view, key, &old);

    if (status != STORE_OK)
        return status;
    retire(ledger, &old);
    view_delete(ledger->view, TABLE_NAMES, key);
    return ledger->view->status;
}

enum store_status ledger_hold(struct ledger *ledger, const struct manifest *m)
{
    struct holding before, after;
    enum store_status status = holding_take(ledger, &m->sha256, &before);

    if (status != STORE_OK)
        return status;
    after = before;
    after.held = true;
    after.size = m->size;
    after.wanted = 0;
    if (!before.held)
        after.used = ledger->now;
    holding_change(ledger, &m->sha256, &before, &after);
    return ledger->view->status;
}

enum store_status ledger_let_go(struct ledger *ledger, const struct digest *sha256)
{
    struct holding before, after;
    enum store_status status = holding_take(ledger, sha256, &before);

    if (status != STORE_OK)
        return status;
    after = before;
    after.held = false;
    holding_change(ledger, sha256, &before, &after);
    return ledger->view->status;
}

enum store_status ledger_want(struct ledger *ledger, const struct digest *sha256, uint64_t sequence)
{
    struct holding before, after;
    enum store_status status = holding_take(ledger, sha256, &before);

    if (status != STORE_OK)
        return status;
    after = before;
    after.wanted = before.held || sequence == 0 ? 0 : before.wanted ? before.wanted : sequence;
    holding_change(ledger, sha256, &before, &after);
    return ledger->view->status;
}

enum store_status ledger_use(struct ledger *ledger, const struct digest *sha256, uint64_t ms)
{
    struct holding before, after;
    enum store_status status = holding_take(ledger, sha256, &before);

    if (status != STORE_OK)
        return status;
    after = before;
    after.used = ms > before.used ? ms : before.used;
    holding_change(ledger, sha256, &before, &after);
    return ledger->view->status;
}
