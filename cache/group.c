/* SPDX-License-Identifier: ISC */
#include "cache/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/retention.h"
#include "src/base/must.h"
#include "src/base/stats.h"

struct group *group_new(struct store *store)
{
    struct group *group = calloc(1, sizeof(*group));

    MUST(group != NULL);
    group->store = store;
    return group;
}

void group_free(struct group *group)
{
    free(group->intents.rows);
    free(group);
}

static void begin(struct group *group, struct store_job **jobs, size_t count)
{
    MUST(count <= GROUP_MAX);
    group->jobs = jobs;
    group->count = count;
    group->intents.count = 0;
    group->texts = TEXT_OVER(group->memory);
    group->before = group->store->journal.end;
    memset(group->new_content, 0, sizeof(group->new_content));
    memset(group->new_chunks, 0, sizeof(group->new_chunks));
    memset(group->changed, 0, sizeof(group->changed));
    memset(group->secures, 0, sizeof(group->secures));
    group->kept = false;
    for (size_t i = 0; i < count; i++) {
        jobs[i]->status = STORE_OK;
        jobs[i]->wanted = false;
    }
}

bool group_journal(struct group *group, struct span text, struct span *out)
{
    struct text *all = &group->texts;
    struct text one = text_over(all->at + all->len, all->cap - all->len);

    text_add(&one, text.at, text.len);
    if (!manifest_has_sum(text))
        manifest_stamp(&one);
    if (one.full || one.len > MESSAGE_MAX)
        return false;
    all->len += one.len;
    *out = (struct span){one.at, one.len};
    return true;
}

/* From so many files or folders on, one sync of the whole file system is less work for the disk
 * than one for each; below that, it might have to write much that is not ours. */
enum { SYNC_EACH_MAX = 16 };

/* A sync that fails is not tried again with the same files: the jobs fail. */
static enum store_status sync_all(struct group *group)
{
    const struct home *home = &group->store->home;

    return file_system_sync(home) ? STORE_OK : file_fault(home, "sync", FOLDER_HOME, "");
}

/* Has the disk work on all the small drafts before we wait for the first one. */
static void sync_drafts(struct group *group)
{
    enum store_status all = STORE_OK;
    size_t unsynced = 0;

    for (size_t i = 0; i < group->count; i++) {
        struct store_job *job = group->jobs[i];
        if (!job_brings_draft(job) || draft_is_synced(job->draft))
            continue;
        draft_start_writing(job->draft);
        unsynced++;
    }
    if (unsynced > SYNC_EACH_MAX)
        all = sync_all(group);
    for (size_t i = 0; i < group->count; i++) {
        struct store_job *job = group->jobs[i];
        if (!job_brings_draft(job))
            continue;
        if (unsynced > SYNC_EACH_MAX && !draft_is_synced(job->draft))
            draft_was_synced(job->draft, all);
        job->status = draft_sync(job->draft);
    }
}

static void note_intents(struct group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct store_job *job = group->jobs[i];
        if (job_brings_draft(job) && job->status == STORE_OK)
            intents_add(&group->intents, INTENT_PUT, draft_digest(job->draft));
        if (job->kind == STORE_LAND)
            intents_add(&group->intents, partial_has_file(job->partial) ? INTENT_LAND : INTENT_PUT,
                        &job->manifest.sha256);
    }
}

/* Gives the number of jobs that did something. */
static size_t apply_jobs(struct group *group)
{
    size_t applied = 0;

    for (size_t i = 0; i < group->count && group->view.status == STORE_OK; i++) {
        struct store_job *job = group->jobs[i];
        if (job->status == STORE_OK)
            job->status = job_apply(group, i);
        group->secures[i] &= job->status == STORE_OK;
        applied += job->status == STORE_OK;
    }
    return applied;
}

static enum store_status sync_each(struct group *group, enum folder folder, const bool which[256])
{
    char part[3];

    for (unsigned i = 0; i < 256; i++) {
        snprintf(part, sizeof(part), "%02x", i);
        if (which[i] && !folder_sync(&group->store->home, folder, part))
            return file_fault(&group->store->home, "sync the folder", folder, part);
    }
    return STORE_OK;
}

bool store_must_last(struct store *store, struct view *view, const struct digest *sha256)
{
    struct holding holding;

    return (atomic_load(&store->policy) & POLICY_KEEP_ALL) ||
           (ledger_holding(view, sha256, &holding) == STORE_OK && holding.unconfirmed > 0);
}

/* Content that came from others, and its list. */
static enum store_status sync_file_of(struct group *group, const struct manifest *m)
{
    const struct home *home = &group->store->home;
    char name[FILE_NAME_SIZE];

    if (!file_sync(home, FOLDER_CONTENT, file_of_digest(FOLDER_CONTENT, &m->sha256, name)))
        return file_fault(home, "sync", FOLDER_CONTENT, name);
    if (m->size > m->chunk_size &&
        !file_sync(home, FOLDER_CHUNKS, file_of_digest(FOLDER_CHUNKS, &m->sha256, name)))
        return file_fault(home, "sync the chunk list", FOLDER_CHUNKS, name);
    return STORE_OK;
}

/* How many files are still to be synced; their folders are noted. */
static size_t note_secured(struct group *group)
{
    size_t count = 0;

    for (size_t i = 0; i < group->count; i++) {
        const struct manifest *m = &group->jobs[i]->manifest;
        if (!group->secures[i])
            continue;
        group->new_content[m->sha256.bytes[0]] = true;
        group->new_chunks[m->sha256.bytes[0]] |= m->size > m->chunk_size;
        count++;
    }
    return count;
}

/* What is to be on the disk, and the folders in which names are new. */
static enum store_status sync_places(struct group *group)
{
    enum store_status status = STORE_OK;
    size_t count = note_secured(group);

    for (unsigned i = 0; i < 256; i++)
        count += (size_t)group->new_content[i] + (size_t)group->new_chunks[i];
    if (count > SYNC_EACH_MAX)
        return sync_all(group);
    for (size_t i = 0; i < group->count && status == STORE_OK; i++)
        if (group->secures[i])
            status = sync_file_of(group, &group->jobs[i]->manifest);
    if (status == STORE_OK)
        status = sync_each(group, FOLDER_CHUNKS, group->new_chunks);
    return status == STORE_OK ? sync_each(group, FOLDER_CONTENT, group->new_content) : status;
}

/* What was held and is not held any more, all jobs taken together, will go. */
static void keep_what_goes(struct group *group)
{
    struct ledger *ledger = &group->ledger;
    size_t kept = 0;

    for (size_t i = 0; i < ledger->gone_count; i++) {
        struct holding holding;
        if (ledger_holding(&group->view, &ledger->gone[i], &holding) == STORE_OK && holding.held)
            continue;
        ledger->gone[kept++] = ledger->gone[i];
        intents_add(&group->intents, INTENT_DROP, &ledger->gone[i]);
    }
    ledger->gone_count = kept;
}

static enum store_status write_down(struct group *group)
{
    struct store *store = group->store;
    enum store_status status = sync_places(group);

    if (status != STORE_OK)
        return status;
    keep_what_goes(group);
    status = intents_save(&store->home, &group->intents);
    if (status == STORE_OK && group->texts.len)
        status = journal_append(&store->journal, group->texts.at, group->texts.len);
    if (status != STORE_OK)
        return status;
    group->ledger.meta.segment = store->journal.end.segment;
    group->ledger.meta.offset = store->journal.end.offset;
    return ledger_end(&group->ledger);
}

/* From the first intent to the commit. STORE_NOT_FOUND: there was nothing to commit. */
static enum store_status carry_out(struct group *group)
{
    struct store *store = group->store;
    enum store_status status = intents_save(&store->home, &group->intents);

    if (status != STORE_OK)
        return status;
    change_begin(store->catalogue, &group->view);
    status = ledger_begin(&group->ledger, &group->view, store->options.node, store->options.wall(),
                          store_fresh_id());
    if (status == STORE_OK && apply_jobs(group) == 0 && !group->kept)
        status = STORE_NOT_FOUND;
    if (group->view.status != STORE_OK)
        status = group->view.status;
    if (status == STORE_OK)
        status = write_down(group);
    if (status == STORE_OK)
        status = change_commit(&group->view);
    else
        change_abort(&group->view);
    return status;
}

/* Who has so many is told once; the counter tells the rest. */
static void tell_of_conflicts(struct group *group)
{
    stat_add(STAT_CONFLICTS_DROPPED, group->ledger.pushed_out);
    if (!group->ledger.pushed_out || group->store->told_of_conflicts)
        return;
    group->store->told_of_conflicts = true;
    log_warn("store: more than %d versions are in conflict with newer ones: the oldest of them go "
             "before their %d days are over; see pond conflicts",
             CONFLICTS_MAX, CONFLICT_DAYS);
}

static void succeed(struct group *group)
{
    struct store *store = group->store;

    stat_add(STAT_COMMITS, 1);
    store_note_success(store);
    tell_of_conflicts(group);
    for (size_t i = 0; i < group->ledger.gone_count; i++) {
        shelf_forget(store->shelf, &group->ledger.gone[i]);
        partials_remove_content(store, &group->ledger.gone[i]);
    }
    for (size_t i = 0; i < group->count; i++) {
        stat_add(STAT_PUTS, group->changed[i] && group->jobs[i]->kind == STORE_PUT);
        stat_add(STAT_REMOVALS, group->changed[i] && group->jobs[i]->kind == STORE_REMOVE);
    }
}

/* An unacknowledged change must not come back from the journal. */
static void fail(struct group *group, enum store_status status)
{
    journal_undo(&group->store->journal, group->before);
    store_note_fault(group->store, status);
    if (status == STORE_FULL)
        reserve_give(group->store);
    for (size_t i = 0; i < group->count; i++) {
        if (group->jobs[i]->status == STORE_OK)
            group->jobs[i]->status = status == STORE_ROTTEN ? STORE_FAILED : status;
        group->changed[i] = false;
    }
}

static void tell(struct group *group)
{
    struct store *store = group->store;

    pthread_mutex_lock(&store->told_lock);
    for (size_t i = 0; i < group->count && store->change; i++) {
        if (group->changed[i])
            store->change(store->change_arg, &group->entries[i], group->jobs[i]->kind);
    }
    pthread_mutex_unlock(&store->told_lock);
}

void group_run(struct group *group, struct store_job **jobs, size_t count)
{
    struct store *store = group->store;
    enum store_status status;

    begin(group, jobs, count);
    reserve_spend(store);
    sync_drafts(group);
    note_intents(group);
    group->ledger = (struct ledger){0};
    status = carry_out(group);
    if (status == STORE_OK)
        succeed(group);
    else if (status != STORE_NOT_FOUND)
        fail(group, status);
    for (size_t i = 0; i < count; i++) {
        if (jobs[i]->status != STORE_OK)
            job_undo(group, jobs[i]);
        store_note_fault(store, jobs[i]->status);
        if (job_brings_draft(jobs[i]))
            draft_drop(jobs[i]->draft);
    }
    if (group->ledger.suspect)
        store_note_fault(store, STORE_ROTTEN);
    intents_clear(&store->home, &group->intents);
    ledger_free(&group->ledger);
    tell(group);
}
