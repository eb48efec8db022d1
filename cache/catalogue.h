/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_CATALOGUE_H
#define POND_CACHE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/store.h"
#include "src/base/text.h"

/*
 * Ordered tables of bytes in LMDB, read by many threads while one writes. LMDB's codes and types
 * stop here. What the tables mean is the ledger's (cache/ledger.h).
 *
 * All access is through a view: a snapshot for reading, or the one transaction that writes. Bytes
 * that a view gives are valid until it ends, or until the next change through it. A view's error
 * sticks in `status`, so that it is checked once: after an error nothing is found or changed.
 *
 * A view for reading must be short: as long as it lives, no page that was in use when it began is
 * used again, and the file grows.
 */
enum table {
    TABLE_META,        /* "meta" */
    TABLE_NAMES,       /* name -> record */
    TABLE_CHANGES,     /* sequence -> name key */
    TABLE_CONTENTS,    /* sha256 -> holding */
    TABLE_REFS,        /* sha256, sequence -> nothing: which entries refer to a content */
    TABLE_WANTED,      /* sequence -> sha256 */
    TABLE_TOMBSTONES,  /* version, hash of the name -> name key: the oldest first */
    TABLE_USES,        /* class, used, sha256 -> nothing: what may be dropped: see ledger.h */
    TABLE_UNCONFIRMED, /* sequence -> name key: what no candidate above is known to hold */
    TABLE_CONFLICTS,   /* number -> record: the oldest first */
    TABLE_RIVALS,      /* hash of the name, version, begin of sha256 -> number of the conflict */
    TABLE_COUNT
};

/* LMDB takes no longer keys. */
enum { CATALOGUE_KEY_MAX = 511 };

struct catalogue;

struct view {
    struct catalogue *catalogue;
    void *txn;
    bool writing;
    enum store_status status;
};

/* Opens or makes the one in this folder. STORE_ROTTEN: it cannot be read. The reason of an error
 * has been logged. */
enum store_status catalogue_open(const char *path, struct catalogue **out);
void catalogue_close(struct catalogue *catalogue);

/* No sync with each commit, until it is turned off again, which syncs all: to fill a new one. */
enum store_status catalogue_unsynced(struct catalogue *catalogue, bool on);

/* Closes the environment as soon as no view is left, calls `between`, and opens what is there then.
 * Views that would begin meanwhile wait. On the writer's thread. */
enum store_status catalogue_reopen(struct catalogue *catalogue, void (*between)(void *arg),
                                   void *arg);

/* Gives the places of readers that died back; once a minute. */
void catalogue_check_readers(struct catalogue *catalogue);

/* Grows with each change: odd while a commit is under way, even once a snapshot shows it. Any
 * thread. */
uint64_t catalogue_edition(const struct catalogue *catalogue);

/* Begins and ends a snapshot. Any thread, several at a time. */
void view_begin(struct catalogue *catalogue, struct view *out);
void view_end(struct view *view);

/* Begins the transaction that writes, ends it with all its changes, or without any. A commit that
 * failed has changed nothing, except that after STORE_FAILED the disk may have it nevertheless. */
void change_begin(struct catalogue *catalogue, struct view *out);
enum store_status change_commit(struct view *view);
void change_abort(struct view *view);

bool view_get(struct view *view, enum table table, struct span key, struct span *value);
void view_put(struct view *view, enum table table, struct span key, struct span value);
void view_delete(struct view *view, enum table table, struct span key);

/* Walks a table in the order of its keys, from the first that is not below `from`. The table must
 * not be changed meanwhile. */
struct scan {
    struct view *view;
    void *cursor;
    enum table table;
    struct span last; /* the key that was seen last; at first, where to begin */
    bool begun;
};
void scan_begin(struct scan *scan, struct view *view, enum table table, struct span from);
bool scan_next(struct scan *scan, struct span *key, struct span *value);
void scan_end(struct scan *scan);

#endif
