/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_JOURNAL_H
#define POND_CACHE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/files.h"
#include "cache/manifest.h"
#include "cache/store.h"

/*
 * The journal: every manifest that was committed, in that order, as in a mailbox, each with a sum
 * on its From line. It lies in segments manifests/00000001, 00000002, ..., which are only appended
 * to. The catalogue can be made from it.
 *
 * Appending is the writer's alone; reading may happen on any thread meanwhile.
 */
enum { JOURNAL_SEGMENT_SIZE = 64 << 20 };

struct journal_place {
    uint32_t segment;
    uint64_t offset;
};

struct journal {
    const struct home *home;
    int fd;                   /* of the segment that is appended to; -1: a new one is due */
    uint32_t first;           /* the oldest segment; 0: there is none */
    struct journal_place end; /* where the next manifest goes */
    struct journal_place
        torn;               /* what stands behind it is still to be taken back; segment 0: none */
    _Atomic uint64_t bytes; /* in all segments */
};

/* Finds the segments; nothing is appended to what is there until journal_resume. */
enum store_status journal_open(const struct home *home, struct journal *journal);
void journal_close(struct journal *journal);

/* Does the journal reach as far as this place? */
bool journal_reaches(const struct journal *journal, struct journal_place place);

/* Goes on appending at this place, if it lies in the last segment: what stands behind it was torn
 * by a crash and is cut off. Else the next append begins a new segment. */
enum store_status journal_resume(struct journal *journal, struct journal_place place);

/*
 * Appends and syncs. Where that fails nothing was appended, and the next append begins a new
 * segment: a file whose sync failed once is not trusted again.
 */
enum store_status journal_append(struct journal *journal, const char *bytes, size_t len);

/* Takes back all that was appended behind this place. Where that fails, nothing more is appended
 * before it has been made good: by the next append, or journal_settle. */
void journal_undo(struct journal *journal, struct journal_place place);

enum store_status journal_settle(struct journal *journal);

/* Begins a new segment with the next append. */
void journal_turn(struct journal *journal);

/* Removes the segments below this one. */
enum store_status journal_forget(struct journal *journal, uint32_t segment);

/* ---- reading -------------------------------------------------------------------------------- */

struct journal_reading {
    uint64_t manifests;
    uint64_t bytes;
    uint64_t rotten;          /* places where no manifest could be read until the next one */
    struct journal_place end; /* behind the last manifest that was read */
};

/* Sees one manifest, and the place behind it. False ends the reading. */
typedef bool journal_visit(void *arg, const struct manifest *m, struct span text,
                           struct journal_place behind);

/* Reads what stands behind `from`, up to the end of the segment `last` (0: of all). What is torn or
 * rotten is passed over, to the next manifest; what a later version wrote, too (manifest.h), and is
 * not counted as rotten. What the disk does not give back is no rot: what stands there is not
 * known, and the reading fails. */
enum store_status journal_read(const struct home *home, struct journal_place from, uint32_t last,
                               journal_visit *visit, void *arg, struct journal_reading *reading);

#endif
