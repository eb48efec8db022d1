/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_STORE_H
#define POND_CACHE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cache/manifest.h"
#include "cache/pick.h"
#include "src/base/digest.h"
#include "src/base/text.h"
#include "src/base/time.h"

/*
 * What a node keeps: the catalogue (every name's newest manifest, with a local sequence number),
 * the content that is at hand, and content that is still coming in. Below `home`:
 *
 *     lock                       held while a daemon runs here
 *     catalogue/                 LMDB; can be rebuilt from what stands below
 *     manifests/NNNNNNNN         the journal: manifests one after another, as they were committed
 *     content/AB/ABCD...         whole content under its SHA-256
 *     chunks/AB/ABCD...          its chunk list, where it has more than one chunk
 *     partial/ABCD...            content that is being fetched; survives a restart
 *     tmp/                       drafts; emptied at start
 *     kept                       what is kept for the sake of this node's place: see store_policy
 *     reserve                    room for what is to be noted on a full disk; without content
 *     touch                      when it was last in touch with others: see store_touch
 *
 * Threads. Everything may be called from any thread. Reads never wait for a disk write. All changes
 * go through one writer thread, which commits them in groups: content synced, renamed, folder
 * synced, journal appended and synced, catalogue committed, and only then `done`. Long work on
 * files (syncing and checking large content) is done by further threads, so that it keeps no other
 * change waiting.
 */
struct store;

/* The row makes the enumerator and the sentence for a person. */
#define STORE_STATUSES(ROW)                                                                        \
    ROW(STORE_OK, 0, "done")                                                                       \
    ROW(STORE_NOT_FOUND, -1, "there is no such object")                                            \
    ROW(STORE_NOT_NEWER, -2, "a version at least as new is here already")                          \
    ROW(STORE_AHEAD, -3, "its version lies more than a minute ahead of this node's clock")         \
    ROW(STORE_FULL, -4, "the disk is full: free space below the home folder")                      \
    ROW(STORE_READ_ONLY, -5, "the home folder cannot be written")                                  \
    ROW(STORE_ROTTEN, -6, "what is on the disk does not match its digest")                         \
    ROW(STORE_FAILED, -7, "reading or writing the home folder failed")                             \
    ROW(STORE_STOPPED, -8, "the node is stopping")                                                 \
    ROW(STORE_IN_USE, -9, "another carpond runs in this home folder")                              \
    ROW(STORE_WRONG, -10, "the bytes do not match the digest that was promised")                   \
    ROW(STORE_NOT_HELD, -11, "the object is known, its content is not at hand")                    \
    ROW(STORE_CHANGED, -12, "another version came in its place meanwhile")

enum store_status {
#define STORE_ENUM(id, code, sentence) id = (code),
    STORE_STATUSES(STORE_ENUM)
#undef STORE_ENUM
};
const char *store_sentence(enum store_status status);

struct store_options {
    const char *home;     /* made where it is missing; what it may hold is only ours */
    const char *node;     /* this node's name: the author of what is put here */
    uint64_t cache_size;  /* bytes of fetched content to keep; 0: no bound */
    wall_t (*wall)(void); /* the wall clock */
    mono_t (*mono)(void);
    bool (*is_stopping)(void); /* asked while store_open does what takes long: STORE_STOPPED then.
                                  NULL: never */
};

/* Opens the store, mends what a crash left (drafts go, an unreadable catalogue is rebuilt from the
 * journal, journal records that the catalogue lacks are taken in), starts its threads. On error the
 * reason has been logged with path and cause. */
enum store_status store_open(const struct store_options *options, struct store **out);

/* Finishes the jobs that were submitted, then stops and frees. No other call may be under way. */
void store_close(struct store *store);

/* The node will stop: from now on no rebuild and no renewal of the journal goes on. It ends with
 * STORE_STOPPED, and what was there before stays in its place. */
void store_leave_off(struct store *store);

/* The node is stopping: besides, from now on nothing is checked that takes long. Partial content is
 * had only as far as it was checked, and what would land stays partial (STORE_STOPPED), for the
 * next start. So store_close, and who waits for such work before it, is not held up by large files.
 */
void store_hurry(struct store *store);

/* ---- reading ------------------------------------------------------------------------------- */

struct store_entry {
    struct manifest manifest;
    uint64_t sequence; /* local: grows with each change of the catalogue */
    bool held;         /* the content is here, whole */
    bool wanted;       /* the content should be here and is to be fetched */
    bool own;          /* put in here */
    bool unconfirmed;  /* no candidate above is known to hold this version: never dropped */
};

enum store_status store_find(struct store *store, struct span name, struct store_entry *out);

/* Grows with every change of the catalogue, before the change is told or acknowledged: what was
 * found since the edition was asked for still holds while it is the same. It is odd while a change
 * is made, which may be seen by then, and even when that is over. Costs nothing. */
uint64_t store_edition(const struct store *store);

/* The manifest's text, byte for byte, into `out`. */
enum store_status store_manifest(struct store *store, struct span name, struct text *out);

/*
 * Calls `visit` for up to `most` entries in the order of names: those below `prefix` (cut at a
 * slash; empty for all), behind the name `after` (empty to begin). Tombstones are left out unless
 * asked for. Returns how many were visited: fewer than `most` means that the end was reached. No
 * lock is held over more than one call. `visit` must not call the store.
 */
typedef void store_visit(void *arg, const struct store_entry *entry);
size_t store_list(struct store *store, struct span prefix, struct span after, bool tombstones,
                  size_t most, store_visit *visit, void *arg);

/* Likewise for entries that are `wanted`, in the order of their sequence, behind `after`. */
size_t store_list_wanted(struct store *store, uint64_t after, size_t most, store_visit *visit,
                         void *arg);

/* Likewise for entries that are `unconfirmed`, tombstones included; for none while the policy says
 * that nobody confirms. */
size_t store_list_unconfirmed(struct store *store, uint64_t after, size_t most, store_visit *visit,
                              void *arg);

/*
 * Conflicts: versions that were replaced by one whose author did not know of them. Each is kept for
 * 30 days from when that was seen here, with its content where that was here; then it goes.
 * store_conflicts: in the order in which they were seen, behind the one whose entry.sequence is
 * `after` (0 to begin); returns how many were visited, up to `most`. `visit` must not call the
 * store.
 */
struct store_conflict {
    struct store_entry entry; /* the version that is kept; its sequence is its place in the list */
    struct version newest;    /* what the name has now */
    wall_t until;             /* it is kept so long */
};
typedef void store_conflict_visit(void *arg, const struct store_conflict *conflict);
size_t store_conflicts(struct store *store, uint64_t after, size_t most,
                       store_conflict_visit *visit, void *arg);

/* This version of the name: the newest one, or one that is kept as a conflict; where the pick fits
 * several, the first of them in the order that all nodes share, from the newest on. */
enum store_status store_find_version(struct store *store, struct span name, const struct pick *pick,
                                     struct store_entry *out);

/* What tells two catalogues apart. `digest` covers all (name, version, content digest), in no
 * order: equal digests mean equal catalogues. */
struct store_head {
    uint64_t store_id; /* made at random when the catalogue was made or rebuilt */
    uint64_t sequence;
    struct digest digest;
};
void store_head(struct store *store, struct store_head *out);

/* Which names whoever asks may learn of; NULL: all. `shows` must not call the store. */
struct store_sight {
    bool (*shows)(void *arg, struct span name);
    void *arg;
};

/*
 * A page of what changed behind `since`: manifest texts one after another in the order of their
 * sequence, as many as fit into `out`. *last gets the sequence of the last one that was looked at
 * (or `since`), *more whether others follow.
 */
enum store_status store_changes(struct store *store, const struct store_sight *sight,
                                uint64_t since, struct text *out, uint64_t *last, bool *more);

/*
 * The catalogue by ranges of names, to find where two catalogues differ. The order of names is that
 * of their bytes, as far as these go (cache/ledger.h), and the same on all nodes. A range goes from
 * its first name up to, not including, where the next one begins; an empty name is the begin or the
 * end of all. Tombstones count.
 *
 * Cuts what lies between `from` and `to` into at most `parts` ranges of about as many names each,
 * the first of which begins with `from`, and calls `visit` for each, even for one without names.
 * `visit` must not call the store. What changes meanwhile may be in one range, in two or in none.
 */
struct store_range {
    struct span first;
    uint64_t count;
    struct digest digest; /* as in the head: equal where all (name, version, content) are */
};
typedef void store_range_visit(void *arg, const struct store_range *range);
enum store_status store_ranges(struct store *store, const struct store_sight *sight,
                               struct span from, struct span to, size_t parts,
                               store_range_visit *visit, void *arg);

/* Adds manifest texts to `out`, one after another, in the order of names. `next` gets the name from
 * which to go on; empty: that was all. *full: its manifest did not fit. Otherwise as many names
 * were looked at as one call may, for most may be left out, and the page is yet to be filled by
 * further calls: this name may be one that is not shown, and is nobody else's to know. */
enum { STORE_RANGE_LOOKS = 4096 };
enum store_status store_range_page(struct store *store, const struct store_sight *sight,
                                   struct span from, struct span to, struct text *out,
                                   char next[NAME_SIZE], bool *full);

struct store_figures {
    uint64_t objects; /* names that are not tombstones */
    uint64_t tombstones;
    uint64_t held;       /* of the objects */
    uint64_t held_bytes; /* content on disk; what several names share counts once */
    uint64_t may_go;     /* bytes of these, under the policy, that need not be kept */
    uint64_t limit;      /* cache_size: the bound of may_go */
    uint64_t wanted;
    uint64_t unconfirmed;     /* names whose newest version no candidate above is known to hold; 0
                                 while the policy says that nobody confirms */
    uint64_t conflicts;       /* versions that are kept beside the newest of their name */
    enum store_status health; /* STORE_OK, or why changes fail now */
    int64_t busy_ns;          /* for how long the writer has been at what it does now; 0: idle */
};
void store_figures(struct store *store, struct store_figures *out);

/* ---- content at hand ------------------------------------------------------------------------ */

/*
 * Content that is open for reading; stays readable when it is dropped meanwhile. Each chunk is read
 * and checked against the chunk list before the first time that it is given out since the file
 * last changed; which ones were is remembered while the file stays open here.
 */
struct content;

/* STORE_NOT_HELD where the content is not whole here. Counts as a use of the content. */
enum store_status content_open(struct store *store, const struct manifest *manifest,
                               struct content **out);
void content_close(struct content *content);

/* Checks what is not yet checked of the chunks that bytes from..from+len-1 touch. STORE_ROTTEN: it
 * has been set aside, and the entry marked as wanted. Reads the disk. */
enum store_status content_check(struct content *content, uint64_t from, uint64_t len);

/* Are all those chunks checked, so that content_fd may be given out for them as they are? */
bool content_is_checked(struct content *content, uint64_t from, uint64_t len);

/* Up to len checked bytes from `from`; content_check is done first. Bytes read, or a status. */
ssize_t content_read(struct content *content, uint64_t from, void *bytes, size_t len);

/* The descriptor, for sendfile; the content owns it. */
int content_fd(const struct content *content);

/* The chunk list, 32 bytes a chunk, checked against the manifest; free() it. For held content and
 * for partial content whose list has come. */
enum store_status store_chunk_list(struct store *store, const struct manifest *manifest,
                                   struct digest **list, uint32_t *count);

/* A manifest with this content; *newest: it is the newest of its name. Otherwise, and only where no
 * newest has it, it is kept as a conflict, and read while the content is here: nobody fetches that.
 * STORE_NOT_FOUND. Where many names have it, the first thousand are looked at. */
enum store_status store_find_content(struct store *store, const struct store_sight *sight,
                                     const struct digest *sha256, struct manifest *out,
                                     bool *newest);

/* ---- putting content in --------------------------------------------------------------------- */

/* Content that comes in piece by piece: begin, write, then a STORE_PUT or STORE_TAKE job, which
 * takes it over; or draft_drop. Used by one thread at a time. */
struct draft;

/* size: what is expected, 0 where it is not known; it may come otherwise. STORE_FULL: so much would
 * not find room if all were dropped that need not be kept. */
enum store_status draft_begin(struct store *store, uint64_t size, struct draft **out);

/* STORE_FULL where draft_lacks() tells how much: nothing was written, and a STORE_ROOM job drops
 * what need not be kept, whereupon the same bytes may be written again. Where it tells 0 that would
 * not help, and the draft has failed. */
enum store_status draft_write(struct draft *draft, const void *bytes, size_t len);
uint64_t draft_lacks(const struct draft *draft);
uint64_t draft_size(const struct draft *draft);

/* How large content could be that is fetched, to be kept here: by the room that is free, and by
 * cache_size where that bounds what is fetched. Any thread. */
uint64_t store_room(const struct store *store);

/* Ends the content. The digest is known from then on; nothing can be written any more. */
enum store_status draft_finish(struct draft *draft);
const struct digest *draft_digest(const struct draft *draft); /* after draft_finish */
void draft_drop(struct draft *draft);

/* ---- content from others -------------------------------------------------------------------- */

/*
 * Content that is being fetched. One owner opens, writes and closes it; any thread may ask and
 * read. What was had before a restart is found again by checking it anew, chunk by chunk, when the
 * chunk list is known: nothing that was saved about it is trusted.
 */
struct partial;

/*
 * Small content is one piece in memory until it lands, and has no file before: a file that is made,
 * sized, read again and renamed costs more than fetching it anew after a restart.
 */
enum { PARTIAL_SMALL = 16 * 1024 };
bool partial_is_small(const struct manifest *manifest);

/* Opens or makes it, with its full length. Where the chunk list is here already, what is there is
 * checked, which takes time: not on a loop that others wait for, unless it is small. STORE_WRONG:
 * it is open for another manifest, which tells another size of it. */
enum store_status partial_open(struct store *store, const struct manifest *manifest,
                               struct partial **out);

/* Its chunk list, a digest for each chunk, which stays as it is; NULL: it has not come. */
const struct digest *partial_list(const struct partial *partial);

/* Takes the chunk list; STORE_WRONG where it is not the manifest's. Then checks what is there. */
enum store_status partial_set_list(struct partial *partial, const void *list, size_t len);

uint32_t partial_count(const struct partial *partial); /* chunks in all */
bool partial_has(const struct partial *partial, uint32_t chunk);
uint32_t partial_had(const struct partial *partial); /* how many are there, checked */

/* Takes one chunk, whole. STORE_WRONG where it does not match: nothing was written. */
enum store_status partial_put(struct partial *partial, uint32_t chunk, const void *bytes,
                              size_t len);

/* Up to len bytes from `from`, of chunks that are there; bytes read (0: not there yet) or status.
 */
ssize_t partial_read(const struct partial *partial, uint64_t from, void *bytes, size_t len);

/*
 * Where the disk is full, content can still be passed on to who reads it. partial_open,
 * partial_set_list and partial_put find that out and succeed all the same; from then on the partial
 * is passing: what comes in stays in memory, and partial_put answers STORE_FULL where there is no
 * room for one more chunk until others have been released. It cannot land (STORE_FULL) and is
 * thrown away when it is closed. What was had when that began, in the file, stays had. What
 * could not find room is passing from the begin; where what need not be kept can make some, that is
 * dropped meanwhile.
 */
enum {
    PARTIAL_PASSED_MAX = 8 << 20,     /* bytes of one content in memory, two chunks at least; */
    PARTIAL_PASSED_ALL_MAX = 64 << 20 /* of all: beyond them nobody gets more than two chunks */
};
bool partial_is_passing(const struct partial *partial);

/* While it is passing: nobody needs this chunk any more. It is not had from now on, may be put
 * again, and its room is given back. The owner's to call. */
void partial_release(struct partial *partial, uint32_t chunk);

/* Closes it; what is there is kept for another time, or thrown away. */
void partial_close(struct partial *partial, bool keep);

/* ---- changing ------------------------------------------------------------------------------- */

enum store_job_kind {
    STORE_PUT,    /* manifest.name, mode, mtime_ns and draft: a new version of ours */
    STORE_TAKE,   /* manifest.name, mtime_ns and draft: a file of an ISconf host. It becomes an
                     unverified version, made of its mtime (cache/version.h), which is nobody's own.
                     STORE_NOT_NEWER: there is a newer one, as each is that was put in by a node */
    STORE_REMOVE, /* manifest.name: a tombstone; STORE_NOT_FOUND where there is nothing to remove */
    STORE_ADOPT,  /* text: a manifest from another node. STORE_NOT_NEWER or STORE_AHEAD: not taken.
                     Where it and what stands here were made without knowing of each other, the
                     older one is kept as a conflict.
                     Where the content of an older version was held, the new one becomes wanted. */
    STORE_WANT,   /* manifest.name, version and sha256 (no version: whatever stands here): marks its
                     content as wanted where it is not here, and the version as unconfirmed where
                     `unconfirmed` is set, its content synced where it is here. STORE_NOT_FOUND:
                     there is another version, other content of the same moment, a tombstone, or no
                     name */
    STORE_LAND,   /* manifest and partial, all of whose chunks are there: checked as a whole against
                     manifest.sha256 (STORE_WRONG: thrown away), and becomes held content: synced
                     where it is unconfirmed, or all is kept, else without that. The
                     partial stays readable, and is still the owner's to close. */
    STORE_DROP,   /* manifest.name: drops the content, keeps the manifest */
    STORE_CONFIRM, /* manifest.name, version and sha256: a candidate above holds it.
                      STORE_NOT_FOUND: what stands here is another version, or other content of the
                      same moment, or no name at all */
    STORE_ROOM     /* draft, which stays the caller's, but not until done: drops what need not be
                      kept, so that there is room for what the draft lacks. STORE_FULL: there is
                      not enough of that; nothing was dropped, and the draft has failed */
};

struct store_job {
    enum store_job_kind kind;
    struct manifest manifest; /* in, as above; out: what now stands in the catalogue */
    struct span text;         /* STORE_ADOPT: the caller keeps the bytes until done */
    struct draft *draft;      /* STORE_PUT, STORE_TAKE: taken over; STORE_ROOM */
    struct partial *partial;  /* STORE_LAND */
    bool conditional; /* STORE_PUT, STORE_REMOVE: only where the name's newest version is still */
    struct version expected;       /* this one (none: there is no such name), */
    struct digest expected_sha256; /* of this content. Else STORE_CHANGED */
    bool unconfirmed; /* STORE_PUT, STORE_REMOVE, STORE_ADOPT, STORE_WANT: there are candidates
                         above, and none is known to hold it. Its content is wanted, and never
                         dropped, until STORE_CONFIRM. A restart keeps the mark; a catalogue made
                         anew gives it to all that was put in here. */

    enum store_status status; /* out */
    bool wanted;              /* out: the content is now wanted here */

    /* Called once, when the change is safe on disk (or refused), on a thread of the store's. It
     * must not block; the job is the caller's again from its begin. */
    void (*done)(struct store_job *job);
    void *owner;
    struct store_job *next; /* the store's */
};
void store_submit(struct store *store, struct store_job *job);

/* Submits and waits. Not on a thread of the store's. */
enum store_status store_do(struct store *store, struct store_job *job);

/* Told of each name whose newest version changed, after the commit, on a thread of the store's. */
typedef void store_change(void *arg, const struct store_entry *entry, enum store_job_kind how);
void store_on_change(struct store *store, store_change *change, void *arg);

/* ---- who was away --------------------------------------------------------------------------- */

/*
 * Removals are known for as long as tombstones are kept (cache/retention.h). Whoever was out of
 * touch for longer was away: it may know names that are removed since. Until it has taken its
 * master's catalogue nobody above or beside it reads its own, and what the master's lacks is
 * forgotten here, if that may be said to be removed: if the master was whole since before we were
 * away, and is in touch itself. Any thread; the times stand in the file `touch`, up to an hour old.
 */
struct store_touch {
    wall_t whole; /* since when nothing that others knew was missed here; 0: not told */
    wall_t last;  /* when we were last in touch: of all that was removed before we know */
    bool away;    /* that is too long ago */
};
void store_touch(struct store *store, struct store_touch *out);

/* We have read all that a node has whom we follow, and which told these times of itself; NULL: we
 * follow nobody. Returns at once. */
void store_in_touch(struct store *store, const struct store_touch *told);

/* Do others tell the time that our clock does? While they do, what it said that lies ahead of now
 * was wrong: what is put is not dated behind that, and when we were in touch is not known; so from
 * now on we are, and whole. To be told every few seconds; returns at once. Any thread. */
void store_clock_agrees(struct store *store, bool agrees);

/* We were away, and what a node lacks that tells these times was removed. */
bool store_may_forget(struct store *store, const struct store_touch *told);

/*
 * Takes those names from `from` to `to` out, without a tombstone, that the other catalogue has not:
 * `has` says so; it must not call the store. None that is a tombstone, or newer than tombstones are
 * kept, of whose removal the other would know. What was unconfirmed is kept as a conflict. Waits
 * for the writer: not on a thread of the store's, nor on a loop.
 */
enum store_status store_forget(struct store *store, struct span from, struct span to,
                               bool (*has)(const void *arg, struct span name), const void *arg);

/* ---- looking after -------------------------------------------------------------------------- */

/* What pond verify and pond rebuild tell. */
struct store_report {
    uint64_t objects;   /* looked at */
    uint64_t bytes;     /* read */
    uint64_t rotten;    /* content, lists or records that did not fit; set aside and wanted again */
    uint64_t mended;    /* journal or catalogue records made good from their twin */
    uint64_t recovered; /* rebuild: names taken into the new catalogue */
};

/* Reads all content, lists, journal and catalogue. Takes as long as the disk takes; `progress` (may
 * be NULL) is called now and then and ends it early by returning false. */
enum store_status store_verify(struct store *store, struct store_report *report,
                               bool (*progress)(void *arg, const struct store_report *so_far),
                               void *arg);

/* Makes the catalogue anew from the journal and the content, and puts it in the old one's place,
 * while the store serves on. */
enum store_status store_rebuild(struct store *store, struct store_report *report);

/*
 * What is kept beyond what nobody else is known to hold. The rest goes, least recently used first,
 * where there is more than cache_size. Until a policy was set nothing is dropped. Any thread.
 *
 * What was kept under keep_all or pin_own is not loose under a policy without them: it becomes
 * unconfirmed first (with pin_own, what was put in here), also where the daemon was restarted in
 * between, and none of it goes until all of it is marked.
 */
struct store_policy {
    bool keep_all;        /* a candidate of a top tier: nothing is dropped, all content is wanted */
    bool pin_own;         /* a peer of a flat mesh: what was put in here is not dropped */
    bool nobody_confirms; /* no candidates above now. The marks stay for when there are some again,
                             but nobody is told of them */
};
void store_set_policy(struct store *store, const struct store_policy *policy);

/* Another cache_size, from the next sweep on; any thread. */
void store_set_cache_size(struct store *store, uint64_t bytes);

/* Housekeeping: drops content beyond cache_size, tombstones past their 90 days, shrinks the
 * journal. Call it every few seconds; returns at once, the work is done by the store's threads. */
void store_sweep(struct store *store);

#endif
