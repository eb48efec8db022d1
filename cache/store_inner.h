/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_STORE_INNER_H
#define POND_CACHE_STORE_INNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache/catalogue.h"
#include "cache/files.h"
#include "cache/journal.h"
#include "cache/ledger.h"
#include "cache/partials.h"
#include "cache/queue.h"
#include "cache/shelf.h"
#include "cache/store.h"
#include "src/base/log.h"

/*
 * What the files behind store.h share, and nobody else sees.
 *
 * The writer (writer.c) owns journal, clock and the catalogue's changes. What else must happen in
 * its order is handed to it as an errand. The porter (porter.c) does what takes long.
 */
enum {
    STORE_MAGIC = 0x53746f72,
    GROUP_MAX = 512, /* about as many as there are manifests in a page of another's catalogue */
    USES_MAX = 1024
};

/* A kind of job behind those of store.h: an errand. */
enum { JOB_ERRAND = STORE_ROOM + 1 };

struct group;

/* The policy in force, as bits. */
enum { POLICY_SET = 1, POLICY_KEEP_ALL = 2, POLICY_PIN_OWN = 4, POLICY_NOBODY_CONFIRMS = 8 };

/* Of what was kept: the marks of what is unconfirmed were lost, so that it may be anything. */
enum { POLICY_LOST = 16 };

/* A walk through the names that goes on with each sweep. */
struct policy_walk {
    struct ledger_key at; /* the name up to which it has come */
    bool going;           /* the end was not reached yet */
};

/*
 * Something to be done on the writer's thread. `within` runs inside the transaction of a group, and
 * its changes are committed or lost with the group. `alone` runs outside of any. `status` is its
 * answer once it is done.
 */
struct errand {
    struct store_job job;
    enum store_status (*within)(struct group *group, void *arg);
    enum store_status (*alone)(struct store *store, void *arg);
    void *arg;
};

struct store {
    uint32_t magic;
    struct store_options options;
    struct home home;
    struct catalogue *catalogue;
    struct journal journal;     /* the writer's, once it runs */
    struct version_clock clock; /* likewise */
    struct queue writer;
    struct queue porter;
    struct queue lander; /* the porter's second thread */
    struct shelf *shelf;

    _Atomic uint64_t cache_size; /* that of the options, to begin with */
    _Atomic unsigned policy;     /* POLICY_ bits; 0: none was set */
    _Atomic unsigned kept;       /* POLICY_KEEP_ALL, POLICY_PIN_OWN: what earlier ones kept, too */
    _Atomic unsigned noted;      /* the porter's: what of that its file says */
    atomic_bool mark_anew;       /* a place was left: what it kept is to be marked */
    atomic_bool want_anew;       /* all is wanted from now on: go through the names */
    atomic_bool left_off;        /* long work on catalogue and journal is ended early */
    atomic_bool hurried;         /* likewise long checks of content */
    _Atomic int health;          /* enum store_status */
    _Atomic int64_t writing;     /* since when the writer is at it (mono_t); 0: idle */
    atomic_bool suspect;         /* something in the catalogue was rotten: make it anew */
    atomic_bool renew;           /* something in the journal was: write it anew */
    atomic_bool wants_room;      /* the next sweep is to make room for so many bytes: */
    _Atomic uint64_t room;
    atomic_bool clock_agrees;   /* with those of others, as far as they are known now */
    atomic_bool sweeping;       /* a sweep is queued or under way */
    _Atomic uint64_t drafts;    /* names of drafts: a number each */
    _Atomic unsigned gathering; /* drafts that gather bits to pieces */

    pthread_mutex_t told_lock;
    store_change *change;
    void *change_arg;

    pthread_mutex_t uses_lock; /* contents opened since the last sweep */
    struct use {
        struct digest sha256;
        uint64_t ms;
    } uses[USES_MAX];
    size_t use_count;

    pthread_mutex_t reserve_lock;
    atomic_bool tight; /* the reserve is spent, and content takes no room */

    pthread_mutex_t partials_lock;
    struct partials_row *partials; /* those that are open */
    _Atomic uint64_t passed_bytes; /* in memory, for all partials that are only passed on */

    pthread_mutex_t touch_lock;
    wall_t touch_whole, touch_last;
    wall_t touch_written; /* `last` as it stands in the file */
    bool touch_changed;   /* the file is to be written soon */
    bool touch_lost;      /* at start: names may have been lost with the catalogue */

    bool told_of_conflicts; /* the writer's: that there are too many */

    struct policy_walk want_walk; /* the porter's: wanting all */
    struct policy_walk mark_walk; /* likewise: marking what was kept */

    mono_t checked_readers; /* the porter's: when sweeps last did what is not done each time */
    mono_t cleaned_partials;
    mono_t rebuilt;
};

/* ---- group.c -------------------------------------------------------------------------------- */

/* Is the content kept for the sake of others, who are told that it is safe here? */
bool store_must_last(struct store *store, struct view *view, const struct digest *sha256);

/* ---- writer.c ------------------------------------------------------------------------------- */

void writer_start(struct store *store);
void writer_stop(struct store *store);
void writer_add(struct store *store, struct store_job *job);

/* Has the errand done, and waits for it. Not on the writer's thread. */
enum store_status writer_run(struct store *store,
                             enum store_status (*within)(struct group *group, void *arg),
                             void *arg);
enum store_status writer_run_alone(struct store *store,
                                   enum store_status (*alone)(struct store *store, void *arg),
                                   void *arg);

/* Has it done some time, without waiting; `arg` is freed then. From any thread. */
void writer_send(struct store *store, enum store_status (*within)(struct group *group, void *arg),
                 void *arg);

/* ---- aside.c -------------------------------------------------------------------------------- */

/* The content file with this inode is rotten (or, without one, missing): has it become partial
 * content that is wanted again, unless that is not so any more. Without waiting; or not on the
 * writer's thread, whether it was so. */
void aside_send(struct store *store, const struct digest *sha256, uint64_t inode);
bool aside_set(struct store *store, const struct digest *sha256, uint64_t inode);

/* Likewise, as one of a group's jobs; arg is a struct bad_content. STORE_NOT_FOUND: it is not so
 * any more. */
struct bad_content {
    struct digest sha256;
    uint64_t inode; /* 0: it is missing */
};
enum store_status aside_take(struct group *group, void *arg);

/* Puts a chunk list in the place of one that is rotten or missing; false where the content is not
 * held any more. Not on the writer's thread. */
bool aside_put_list(struct store *store, const struct manifest *m, const struct digest *list,
                    uint32_t count);

/* ---- reserve.c ------------------------------------------------------------------------------ */

enum {
    RESERVE_SIZE = 4 << 20, /* names by the thousand */
    RESERVE_LOW = 1 << 20   /* what one group may take: with less it is spent; content leaves it */
};

/* At start, before anything else is written. */
void reserve_load(struct store *store);

/* Before a group: spends it where the group might find no room; and after one that found none, so
 * that the next does. */
void reserve_spend(struct store *store);
void reserve_give(struct store *store);

/* May content take room: is the reserve whole, or has been made whole now? False with errno, as a
 * write that found no room. Any thread. */
bool reserve_hold(struct store *store);

/* Bytes that are to be free beside those of content, so that it may take them. */
uint64_t reserve_lacks(const struct store *store);

/* ---- porter.c ------------------------------------------------------------------------------- */

void porter_start(struct store *store);
void porter_stop(struct store *store);

/* Large puts and what has landed go this way before they go to the writer. */
void porter_add(struct store *store, struct store_job *job);

/* Has it done on the porter's thread, some time. */
void porter_send(struct store *store, enum store_status (*alone)(struct store *store, void *arg));

/* ---- draft.c, partial.c: what the writer and the porter do with them ------------------------- */

static inline bool job_brings_draft(const struct store_job *job)
{
    return job->kind == STORE_PUT || job->kind == STORE_TAKE;
}

enum { DRAFT_LARGE = 1 << 20 }; /* bytes from which on syncing is the porter's */

/* Syncs what the draft has written. */
enum store_status draft_sync(struct draft *draft);
bool draft_is_synced(const struct draft *draft);

/* The whole file system was synced, or that failed with this status. */
void draft_was_synced(struct draft *draft, enum store_status status);

/* Has the kernel begin to write what there is, without waiting. */
void draft_start_writing(struct draft *draft);

/* What STORE_ROOM does. On the porter's thread. */
enum store_status draft_make_room(struct draft *draft);

/* Fills in size, chunk size and digests. */
void draft_describe(const struct draft *draft, struct manifest *m);

/* Gives the file (and its list) its place among the content. */
enum store_status draft_place(struct draft *draft);
bool draft_is_placed(const struct draft *draft);

/* Was all of it checked when its one chunk came? Then partial_check_whole would tell nothing new.
 */
bool partial_is_checked(const struct partial *partial);

/* Has it a file of its own before it has landed? */
bool partial_has_file(const struct partial *partial);

/* Checks all of it against the manifest's digest: STORE_WRONG. Takes long. */
enum store_status partial_check_whole(struct partial *partial, const struct manifest *m);

/* Gives it its place among the content; and takes it back. */
enum store_status partial_sync(struct partial *partial); /* what is in its file */
enum store_status partial_place(struct partial *partial);
bool partial_is_placed(const struct partial *partial);
void partial_displace(struct partial *partial);
void partial_throw_away(struct partial *partial);

/* ---- store.c -------------------------------------------------------------------------------- */

void store_note_use(struct store *store, const struct digest *sha256);

/* Is what takes long to end early, beside content? */
bool store_is_stopping(const struct store *store);

/* Takes note of a status: the health follows, and what was rotten in the catalogue has it made anew
 * by the next sweep. */
void store_note_fault(struct store *store, enum store_status status);
void store_note_success(struct store *store);

/* A number that no other store has. */
uint64_t store_fresh_id(void);

/* ---- mend.c --------------------------------------------------------------------------------- */

/* Opens the catalogue, makes it anew where it cannot be used, takes in what only the journal has,
 * and finishes what a crash left of the last group. */
enum store_status mend_open(struct store *store);

/* Takes into the catalogue what the journal has behind `from` and is newer; *end is how far it was
 * read, *taken how many manifests were news. */
enum store_status mend_take(struct store *store, struct catalogue *catalogue,
                            struct journal_place from, struct journal_reading *reading,
                            uint64_t *taken);

/* ---- compare.c ------------------------------------------------------------------------------ */

struct comparison {
    struct journal_reading reading;
    uint64_t lost;      /* names, or newer versions, that the catalogue should have and has not */
    uint64_t unwritten; /* changes up to `sequence` that the journal should have and has not */
};

/* Holds the journal up to its segment `last`, to which nothing is appended any more, against the
 * catalogue, which had come to `sequence` before that. `go_on` (may be NULL) ends it early; then
 * the counts mean nothing. Not on the writer's thread: it takes long. */
enum store_status compare_journal(struct store *store, uint64_t sequence, uint32_t last,
                                  bool (*go_on)(void *arg, uint64_t bytes), void *arg,
                                  struct comparison *out);

/* ---- conflicts.c ---------------------------------------------------------------------------- */

/* Some of those whose time is over. STORE_NOT_FOUND: there was none. */
enum store_status conflicts_forget_old(struct group *group, void *arg);

/* ---- ranges.c ------------------------------------------------------------------------------- */

/* A walk over the names from `at` on, up to but not including `end`. */
struct range_walk {
    struct store *store;
    struct ledger_key at;
    struct ledger_key end;
    bool bounded; /* there is an end */
    bool behind;  /* the key `at` itself was seen */
    bool ended;
    enum store_status status;
};
void range_start(struct range_walk *walk, struct store *store, struct span from, struct span to);

/* Shows the next names to `take`, until it wants no more (false: that one will come again), or
 * enough were seen for one view. */
void range_batch(struct range_walk *walk,
                 bool (*take)(void *arg, struct span key, struct span value), void *arg);

/* ---- touch.c -------------------------------------------------------------------------------- */

/* At start: what an earlier run wrote; and has it written, by the sweeps. */
void touch_load(struct store *store);
void touch_keep(struct store *store);

/* ---- rebuild.c, renew.c, strays.c, policy.c, sweep.c
 * -------------------------------------------------- */

/* Makes the catalogue anew; at start, or alone on the writer's thread. */
enum store_status rebuild_catalogue(struct store *store, struct store_report *report);

/* Writes all that is live into new segments of the journal and removes the old ones. Not on the
 * writer's thread. */
enum store_status renew_journal(struct store *store);

/* Has the journal go on in a new segment; gives the number of the last one before it. */
enum store_status renew_turn(struct store *store, uint32_t *last);

/* Removes content and lists in the folders "00" to "ff" (by number) that the catalogue does not
 * hold. Alone on the writer's thread, or at start. */
void strays_remove(struct store *store, unsigned part);

/* Removes partial content that nobody will go on with. */
void strays_remove_partials(struct store *store);

/* At start: what an earlier run kept for the sake of its place. */
void policy_load(struct store *store);

/* What the policy wants, and what the one before it leaves behind. On the porter's thread. */
void policy_apply(struct store *store);

/* The marks of what is unconfirmed are lost: safe on disk when it returns STORE_OK. */
enum store_status policy_note_lost(struct store *store);

/* Takes marks of the unconfirmed out of the catalogue that no entry has. Any thread, not waiting.
 */
enum { POLICY_DANGLING_MAX = 64 };
struct policy_dangling {
    uint64_t sequence[POLICY_DANGLING_MAX];
    size_t count;
};
void policy_drop_marks(struct store *store, const struct policy_dangling *dangling);

/* The POLICY_ bits by which content is kept now. */
unsigned policy_bits(const struct store *store);

/* How many bytes need not be kept. */
uint64_t policy_may_go(const struct store *store, const struct meta *meta);

enum store_status sweep_run(struct store *store, void *arg);

/* Would so many bytes fit, were all dropped that need not be kept? False where nothing may go. */
bool sweep_could_fit(struct store *store, uint64_t bytes);

/* The disk is full: drops what need not be kept, so much of it, or somewhat more, that so many
 * bytes fit. False: nothing was dropped, because that would not be enough, or cannot be. On the
 * porter's thread, so that two never reckon from the same figures. */
enum { ROOM_LEAST = 1 << 20 }; /* not each time for a little alone */
bool sweep_make_room(struct store *store, uint64_t bytes);

/* Has that done by the next sweep, which begins at once. Any thread. */
void sweep_want_room(struct store *store, uint64_t bytes);

/* ---- what is shown --------------------------------------------------------------------------- */

static inline bool store_shows(const struct store_sight *sight, const struct manifest *manifest)
{
    return !sight || sight->shows(sight->arg, span_of(manifest->name));
}

#endif
