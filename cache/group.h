/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_GROUP_H
#define POND_CACHE_GROUP_H

#include "cache/intents.h"
#include "cache/ledger.h"
#include "cache/store_inner.h"

/* How many manifests one errand writes into the journal at most (renew.c, touch.c), and how many
 * errands meet in one group: the writer sees to it (writer.c). */
enum { KEEP_MAX = 64, ERRANDS_MAX = 4 };

/*
 * Jobs that are committed together:
 *
 *     content synced -> intents written -> content renamed, folders synced -> journal appended and
 *     synced -> catalogue committed -> content that nobody refers to removed -> intents cleared ->
 *     done
 *
 * Whatever fails on the way undoes what was done before it, and every job of the group fails.
 */
struct group {
    struct store *store;
    struct store_job **jobs;
    size_t count;
    struct view view;
    struct ledger ledger;
    struct intents intents;
    struct text texts;           /* what goes into the journal */
    struct journal_place before; /* its end when the group began */
    bool secures[GROUP_MAX];     /* by job: its content, in its place, is to be synced */
    bool new_content[256];       /* folders content/00 to ff with a new name in them */
    bool new_chunks[256];
    struct store_entry entries[GROUP_MAX]; /* by job: what changed, to tell about it */
    bool changed[GROUP_MAX];
    bool kept; /* a conflict is new: to be committed, whatever the job's status */
    char memory[(GROUP_MAX + ERRANDS_MAX * KEEP_MAX) * MESSAGE_MAX + 1];
};

struct group *group_new(struct store *store);
void group_free(struct group *group);

/* Carries out up to GROUP_MAX jobs, ERRANDS_MAX errands among them; their statuses are set, `done`
 * is the caller's to call. */
void group_run(struct group *group, struct store_job **jobs, size_t count);

/* Adds the text to what goes into the journal, with a sum where it has none; *out is the text as it
 * stands there. False where it does not fit. */
bool group_journal(struct group *group, struct span text, struct span *out);

/* What one job does inside the group (jobs.c). */
enum store_status job_apply(struct group *group, size_t index);

/* What one job did to files, once the group has failed. */
void job_undo(struct group *group, struct store_job *job);

#endif
