/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_LEDGER_H
#define POND_CACHE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/catalogue.h"
#include "cache/record.h"
#include "cache/store.h"

/*
 * What the catalogue's tables mean, and how one change keeps all of them, and the sums in meta, in
 * step. Reading takes any view; a ledger is the session of one group of changes.
 */

/* Names longer than LMDB's keys are filed under their first LEDGER_STEM bytes and their SHA-256: so
 * among names that share such a beginning the order is by that key. */
enum { LEDGER_STEM = 440, LEDGER_KEY_MAX = CATALOGUE_KEY_MAX };
struct ledger_key {
    char bytes[LEDGER_KEY_MAX];
    size_t len;
};
struct span ledger_key_of(struct span name, struct ledger_key *out);

/* ---- reading -------------------------------------------------------------------------------- */

/* STORE_NOT_FOUND, or STORE_ROTTEN (counted and logged), or the view's error. */
enum store_status ledger_meta(struct view *view, struct meta *out);
enum store_status ledger_record(struct view *view, struct span name, struct record *out);
enum store_status ledger_record_at(struct view *view, uint64_t sequence, struct record *out);

/* Was the catalogue written in the form of another version of this program? */
bool ledger_is_foreign(struct view *view);

/* Conflicts have numbers of their own, above all sequences, by which contents know who refers to
 * them. */
#define LEDGER_CONFLICT (UINT64_C(1) << 63)
enum store_status ledger_conflict(struct view *view, uint64_t number, struct record *out);
enum store_status ledger_conflict_of(struct view *view, struct span name, const struct pick *pick,
                                     struct record *out);

/* Is a version of the name kept that this node wrote, newer than `than`? */
bool ledger_has_conflict(struct view *view, struct span name, const char *node,
                         struct version than);
bool ledger_keeps(struct view *view, const struct manifest *m); /* is it kept already? */
enum store_status ledger_record_of_key(struct view *view, struct span key, struct record *out);
enum store_status ledger_holding(struct view *view, const struct digest *sha256,
                                 struct holding *out);

/* Is it sure that this content is not held, so that its file may go? Not where it cannot be read.
 */
bool ledger_lets_go(struct view *view, const struct digest *sha256);

/* The name's record with what is known of its content. */
enum store_status ledger_entry(struct view *view, struct span name, struct store_entry *out);
enum store_status ledger_entry_of(struct view *view, const struct record *record,
                                  struct store_entry *out);

/* Does all that is derived from a record with this key, or from a holding, stand where it should?
 */
bool ledger_is_in_step(struct view *view, const struct record *record, struct span key);
bool ledger_conflict_is_in_step(struct view *view, const struct record *record);
bool ledger_holding_is_in_step(struct view *view, const struct digest *sha256,
                               const struct holding *holding);

/* One of the entries that refer to this content; a conflict where there is no other. */
enum store_status ledger_referrer(struct view *view, const struct digest *sha256,
                                  struct record *out);

/* All of them, conflicts last, one a call: the next one behind *behind, which is moved there; 0 to
 * begin. */
enum store_status ledger_next_referrer(struct view *view, const struct digest *sha256,
                                       uint64_t *behind, struct record *out);

/* What may be dropped to make room, in the order of use: fetched content, and behind it what was
 * put in here. The first byte of the keys of TABLE_USES; the last use and the digest follow. */
enum { LEDGER_USES_FETCHED = 0, LEDGER_USES_OWN = 1 };

/* Eight bytes that order as the number does. */
struct span ledger_number(uint64_t n, char out[8]);
uint64_t ledger_number_of(struct span bytes);

/* ---- changing ------------------------------------------------------------------------------- */

struct ledger {
    struct view *view;
    struct meta meta;
    const char *node;    /* ours: what it is the author of is own */
    uint64_t now;        /* milliseconds: when what comes now is used */
    struct digest *gone; /* contents that were held and are not any more */
    size_t gone_count;
    size_t gone_room;
    uint64_t pushed_out; /* conflicts that went before their time, to make room for others */
    bool suspect;        /* a record that had to be read was rotten */
};

/* Takes up where meta stands; a new catalogue gets the store id `fresh_id`. */
enum store_status ledger_begin(struct ledger *ledger, struct view *view, const char *node,
                               wall_t now, uint64_t fresh_id);

/* Writes meta. The view is still to be committed. */
enum store_status ledger_end(struct ledger *ledger);
void ledger_free(struct ledger *ledger);

struct ledger_marks {
    bool held;        /* the content is here */
    bool want;        /* where it is not here, it should be */
    bool unconfirmed; /* no candidate above has said yet that it holds this version */
};

/* Puts this version in the place of whatever the name had. `entry` gets what stands now. */
enum store_status ledger_change(struct ledger *ledger, const struct manifest *m, struct span text,
                                struct ledger_marks marks, struct store_entry *entry);

/* Is the version that this record is of unconfirmed from now on? The record's text is gone then. */
enum store_status ledger_mark(struct ledger *ledger, struct record *record, bool unconfirmed);

/* Takes the mark of a sequence out that no entry has any more; STORE_NOT_FOUND: it is in step, or
 * there is none. */
enum store_status ledger_drop_mark(struct ledger *ledger, uint64_t sequence);

/* Keeps this version, which another one has replaced or will replace in this change, as a conflict;
 * and keeps it no longer. Until then its content is not dropped where it is here. Beyond
 * CONFLICTS_MAX the oldest one goes. */
enum store_status ledger_keep(struct ledger *ledger, const struct record *record);
enum store_status ledger_keep_no_longer(struct ledger *ledger, uint64_t number);

/* Takes the name with this key out altogether (a tombstone past its time). */
enum store_status ledger_forget_key(struct ledger *ledger, struct span key);

/* The content came (so its size is known), went, is wanted (for the sake of the entry with this
 * sequence; 0: not any more), was used. STORE_NOT_FOUND where no entry refers to it. */
enum store_status ledger_hold(struct ledger *ledger, const struct manifest *m);
enum store_status ledger_let_go(struct ledger *ledger, const struct digest *sha256);
enum store_status ledger_want(struct ledger *ledger, const struct digest *sha256,
                              uint64_t sequence);
enum store_status ledger_use(struct ledger *ledger, const struct digest *sha256, uint64_t ms);

#endif
