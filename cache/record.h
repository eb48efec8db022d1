/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_RECORD_H
#define POND_CACHE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/manifest.h"
#include "src/base/digest.h"
#include "src/base/text.h"

/*
 * The catalogue's records as bytes. LMDB notices no rot, so each record begins with an XXH3 of its
 * key and of all that follows it in the value, then a format byte. What does not fit is rotten, and
 * is treated as if it were absent. No allocation; any thread. Numbers are little-endian.
 */
enum { RECORD_MAX = 2 * MESSAGE_MAX + 512 };

/* A name's newest version. */
struct record {
    struct manifest manifest;
    uint64_t sequence;
    bool own;
    bool unconfirmed; /* no candidate above is known to hold it */
    uint64_t since;   /* of a conflict: the wall clock, milliseconds, when it became one */
    struct span text; /* the manifest as it came; points into the bytes that were decoded */
};

/* What is known of a content, whoever refers to it. */
struct holding {
    uint64_t size;
    uint64_t used;   /* wall clock, milliseconds: when it was last opened, about */
    uint64_t wanted; /* the sequence of the entry for whose sake it should be here; 0: not wanted */
    uint32_t refs;   /* entries whose newest version has this content */
    uint32_t owns;   /* of these, those that were put in here */
    uint32_t unconfirmed; /* and those that no candidate above is known to hold */
    uint32_t kept;        /* conflicts that have this content */
    bool held;
};

/* What is known of the catalogue as a whole; always written with what it sums up. */
struct meta {
    uint64_t store_id;
    uint64_t sequence;
    uint64_t digest[4];   /* the sum, lane by lane, over all entries: see ledger.c */
    struct version clock; /* the version clock's last reading */
    uint32_t segment;     /* of the journal: all before this place is in the catalogue */
    uint64_t offset;
    uint64_t objects;
    uint64_t tombstones;
    uint64_t held;
    uint64_t held_bytes;
    uint64_t wanted;
    uint64_t loose[2]; /* bytes that may be dropped, by class: LEDGER_USES_ */
    uint64_t unconfirmed;
    uint64_t conflicts;
    uint64_t conflict_last; /* the number of the last one */
    uint64_t live_bytes; /* of manifests, as the journal would hold them if it held nothing else */
};

/* The bytes, in `out`; what they are is returned. */
struct span record_encode(const struct record *record, struct span key, char out[RECORD_MAX]);
struct span holding_encode(const struct holding *holding, struct span key, char out[RECORD_MAX]);
struct span meta_encode(const struct meta *meta, struct span key, char out[RECORD_MAX]);

/* False: rotten. */
bool record_decode(struct span bytes, struct span key, struct record *out);
bool holding_decode(struct span bytes, struct span key, struct holding *out);
bool meta_decode(struct span bytes, struct span key, struct meta *out);

/* Is it whole, and in another form: that of another version of this program? All have the sum and
 * the format byte in one place. */
bool record_is_foreign(struct span bytes, struct span key);

#endif
