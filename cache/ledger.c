/* SPDX-License-Identifier: ISC */
#include "cache/ledger.h"

#include <string.h>

#include "cache/ledger_inner.h"
#include "src/base/log.h"
#include "src/base/stats.h"

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

struct span ledger_digest_key(const struct digest *sha256)
{
    return (struct span){(const char *)sha256->bytes, sizeof(sha256->bytes)};
}

struct span ledger_ref_key(const struct digest *sha256, uint64_t sequence, char out[REF_KEY])
{
    memcpy(out, sha256->bytes, 32);
    ledger_number(sequence, out + 32);
    return (struct span){out, REF_KEY};
}

/* Classes are apart, so that who never drops one of them need not pass it by. */
int ledger_class(const struct holding *holding)
{
    return holding->owns ? LEDGER_USES_OWN : LEDGER_USES_FETCHED;
}

struct span ledger_use_key(const struct digest *sha256, const struct holding *holding,
                           char out[USE_KEY])
{
    out[0] = (char)ledger_class(holding);
    ledger_number(holding->used, out + 1);
    memcpy(out + 9, sha256->bytes, 32);
    return (struct span){out, USE_KEY};
}

/* Behind the version the beginning of the name's digest tells tombstones of one moment apart. */
struct span ledger_tombstone_key(const struct manifest *m, char out[TOMBSTONE_KEY])
{
    struct digest digest;

    digest_of(m->name, strlen(m->name), &digest);
    ledger_number(m->version.bits, out);
    memcpy(out + 8, digest.bytes, 8);
    return (struct span){out, TOMBSTONE_KEY};
}

bool ledger_is_known(const struct holding *holding)
{
    return holding->refs > 0 || holding->kept > 0;
}

bool ledger_can_go(const struct holding *holding)
{
    return holding->held && holding->unconfirmed == 0 && holding->kept == 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

enum store_status ledger_rotten(const char *what, struct span key)
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

    if (!view_get(view, TABLE_META, ledger_meta_key, &value))
        return absent(view);
    return meta_decode(value, ledger_meta_key, out) ? STORE_OK
                                                    : ledger_rotten("summary", ledger_meta_key);
}

bool ledger_is_foreign(struct view *view)
{
    struct span value;

    return view_get(view, TABLE_META, ledger_meta_key, &value) &&
           record_is_foreign(value, ledger_meta_key);
}

enum store_status ledger_record_of_key(struct view *view, struct span key, struct record *out)
{
    struct span value;

    if (!view_get(view, TABLE_NAMES, key, &value))
        return absent(view);
    return record_decode(value, key, out) ? STORE_OK : ledger_rotten("record", key);
}

enum store_status ledger_record(struct view *view, struct span name, struct record *out)
{
    struct ledger_key key;
    enum store_status status;

    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return STORE_NOT_FOUND;
    status = ledger_record_of_key(view, ledger_key_of(name, &key), out);
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
    status = ledger_record_of_key(view, key, out);
    if (status == STORE_OK && out->sequence != sequence)
        return ledger_rotten("order of changes", key);
    return status;
}

enum store_status ledger_holding(struct view *view, const struct digest *sha256,
                                 struct holding *out)
{
    struct span value;

    if (!view_get(view, TABLE_CONTENTS, ledger_digest_key(sha256), &value))
        return absent(view);
    return holding_decode(value, ledger_digest_key(sha256), out)
               ? STORE_OK
               : ledger_rotten("holding", ledger_digest_key(sha256));
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
    out->unconfirmed = record->unconfirmed;
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

enum store_status ledger_next_referrer(struct view *view, const struct digest *sha256,
                                       uint64_t *behind, struct record *out)
{
    struct scan scan;
    struct span key, value;
    uint64_t sequence = 0;
    char ref[REF_KEY];

    scan_begin(&scan, view, TABLE_REFS, ledger_ref_key(sha256, *behind + 1, ref));
    if (scan_next(&scan, &key, &value) && key.len == REF_KEY &&
        memcmp(key.at, sha256->bytes, 32) == 0)
        sequence = ledger_number_of((struct span){key.at + 32, 8});
    scan_end(&scan);
    *behind = sequence;
    if (sequence & LEDGER_CONFLICT)
        return ledger_conflict(view, sequence, out);
    return sequence ? ledger_record_at(view, sequence, out) : absent(view);
}

enum store_status ledger_referrer(struct view *view, const struct digest *sha256,
                                  struct record *out)
{
    uint64_t behind = 0;

    return ledger_next_referrer(view, sha256, &behind, out);
}

/* ---- what is derived ------------------------------------------------------------------------- */

bool ledger_is_in_step(struct view *view, const struct record *record, struct span key)
{
    const struct manifest *m = &record->manifest;
    char number[8], ref[REF_KEY], tombstone[TOMBSTONE_KEY];
    struct span value;

    if (!view_get(view, TABLE_CHANGES, ledger_number(record->sequence, number), &value) ||
        !span_same(value, key))
        return false;
    if (record->unconfirmed &&
        !view_get(view, TABLE_UNCONFIRMED, ledger_number(record->sequence, number), &value))
        return false;
    if (!m->deleted)
        return view_get(view, TABLE_REFS, ledger_ref_key(&m->sha256, record->sequence, ref),
                        &value);
    return view_get(view, TABLE_TOMBSTONES, ledger_tombstone_key(m, tombstone), &value) &&
           span_same(value, key);
}

bool ledger_holding_is_in_step(struct view *view, const struct digest *sha256,
                               const struct holding *h)
{
    char number[8], use[USE_KEY];
    struct span value;

    if (ledger_can_go(h) && !view_get(view, TABLE_USES, ledger_use_key(sha256, h, use), &value))
        return false;
    return !h->wanted || (view_get(view, TABLE_WANTED, ledger_number(h->wanted, number), &value) &&
                          span_same(value, ledger_digest_key(sha256)));
}
