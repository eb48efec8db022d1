/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "cache/chunk.h"
#include "cache/group.h"
#include "cache/retention.h"
#include "src/base/must.h"

/* The name's newest version, if there is one. A rotten record is as none: `suspect` will have the
 * catalogue made anew. */
static enum store_status newest(struct group *group, const char *name, struct record *out)
{
    enum store_status status = ledger_record(&group->view, span_of(name), out);

    if (status != STORE_ROTTEN || group->view.status != STORE_OK)
        return status;
    group->ledger.suspect = true;
    return STORE_NOT_FOUND;
}

/* Enters a version that was decided on; the job gets to know it. */
static enum store_status enter(struct group *group, size_t index, const struct manifest *m,
                               struct span text, struct ledger_marks marks)
{
    struct store_job *job = group->jobs[index];
    struct store_entry *entry = &group->entries[index];
    enum store_status status = ledger_change(&group->ledger, m, text, marks, entry);

    if (status != STORE_OK)
        return status;
    group->changed[index] = true;
    job->manifest = entry->manifest;
    job->wanted = entry->wanted;
    return STORE_OK;
}

/* A version that is made here, as a text and in the catalogue. */
static enum store_status enter_own(struct group *group, size_t index, const struct manifest *m,
                                   bool held)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct span one;
    struct ledger_marks marks = {.held = held, .unconfirmed = group->jobs[index]->unconfirmed};

    manifest_write(m, &text);
    MUST(!text.full && group_journal(group, (struct span){text.at, text.len}, &one));
    return enter(group, index, m, one, marks);
}

/* May there be versions of ours that are newer than our last one in what this one is based on?
 * Those that lost against others stand here as conflicts; what another home of this node had is
 * unknown. */
static bool may_have_written_others(struct group *group, const struct manifest *m)
{
    struct version last = manifest_own_last(m);

    return last.bits && (version_ms(last) < group->store->home.born.ms + VERSION_AHEAD_MAX_MS ||
                         ledger_has_conflict(&group->view, span_of(m->name), m->node, last));
}

/* old: what it replaces, if there is something. */
static struct manifest next_version(struct group *group, const struct store_job *job,
                                    const struct manifest *old)
{
    struct store *store = group->store;
    wall_t now = store->options.wall();
    struct manifest m = {0};

    MUST(span_copy(span_of(job->manifest.name), m.name, sizeof(m.name)));
    MUST(span_copy(span_of(store->options.node), m.node, sizeof(m.node)));
    if (old)
        manifest_replace(&m, old);
    if (may_have_written_others(group, &m))
        manifest_forget_own(&m);
    if (atomic_load(&store->clock_agrees))
        version_forget_ahead(&store->clock, now);
    m.version = version_next(&store->clock, now, m.replaces);
    return m;
}

/* What the job replaces, if it is what it wants to replace. */
static enum store_status replaced(struct group *group, const struct store_job *job,
                                  struct record *out)
{
    enum store_status status = newest(group, job->manifest.name, out);
    bool is_expected = job->expected.bits == 0;

    if (!job->conditional || (status != STORE_OK && status != STORE_NOT_FOUND))
        return status;
    if (status == STORE_OK)
        is_expected = manifest_is(&out->manifest, job->expected, &job->expected_sha256);
    return is_expected ? status : STORE_CHANGED;
}

/* Describes what the draft has, and puts it where content stands. */
static enum store_status place_draft(struct group *group, const struct store_job *job,
                                     struct manifest *m)
{
    enum store_status status;

    m->mtime_ns = job->manifest.mtime_ns;
    draft_describe(job->draft, m);
    status = draft_place(job->draft);
    if (status != STORE_OK)
        return status;
    group->new_content[m->sha256.bytes[0]] = true;
    group->new_chunks[m->sha256.bytes[0]] |= m->size > m->chunk_size;
    return STORE_OK;
}

static enum store_status put(struct group *group, size_t index)
{
    struct store_job *job = group->jobs[index];
    struct record old;
    enum store_status status = replaced(group, job, &old);
    struct manifest m;

    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return status;
    m = next_version(group, job, status == STORE_OK ? &old.manifest : NULL);
    m.mode = job->manifest.mode & 07777;
    status = place_draft(group, job, &m);
    return status == STORE_OK ? enter_own(group, index, &m, true) : status;
}

/* The same file makes the same manifest on all nodes. What is newer, or was put in by a node, stays
 * whatever the clock said there. */
static enum store_status take(struct group *group, size_t index)
{
    struct store_job *job = group->jobs[index];
    struct manifest m = {.version = version_of_mtime(job->manifest.mtime_ns / MONO_S(1)),
                         .node = MANIFEST_OF_ISCONF,
                         .mode = 0644};
    struct record old;
    enum store_status status = newest(group, job->manifest.name, &old);
    bool again;

    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return status;
    MUST(span_copy(span_of(job->manifest.name), m.name, sizeof(m.name)));
    draft_describe(job->draft, &m);
    again = status == STORE_OK && manifest_compare(&m, &old.manifest) == 0;
    if (status == STORE_OK && !again &&
        (!version_is_unverified(old.manifest.version) || manifest_compare(&m, &old.manifest) < 0)) {
        job->manifest = old.manifest;
        return STORE_NOT_NEWER;
    }
    status = place_draft(group, job, &m);
    if (status == STORE_OK && again)
        return ledger_hold(&group->ledger, &m);
    return status == STORE_OK ? enter_own(group, index, &m, true) : status;
}

static enum store_status remove_name(struct group *group, size_t index)
{
    struct store_job *job = group->jobs[index];
    struct record old;
    enum store_status status = replaced(group, job, &old);
    struct manifest m;

    if (status != STORE_OK)
        return status;
    if (old.manifest.deleted)
        return STORE_NOT_FOUND;
    m = next_version(group, job, &old.manifest);
    m.deleted = true;
    return enter_own(group, index, &m, false);
}

/* Was the content of this version kept here, or about to be? */
static bool was_wanted_here(struct group *group, const struct manifest *m)
{
    struct holding holding;

    return !m->deleted && ledger_holding(&group->view, &m->sha256, &holding) == STORE_OK &&
           (holding.held || holding.wanted);
}

/* An older version than the one that stands here. It changes nothing, except that it may have to be
 * kept beside that. */
static enum store_status adopt_older(struct group *group, size_t index, const struct manifest *m,
                                     const struct manifest *newest)
{
    struct store_job *job = group->jobs[index];
    struct record older = {.manifest = *m};

    job->manifest = *newest;
    if (manifest_conflicts(newest, m, false) && !ledger_keeps(&group->view, m) &&
        group_journal(group, job->text, &older.text)) {
        ledger_keep(&group->ledger, &older);
        group->kept = true;
    }
    return STORE_NOT_NEWER;
}

static enum store_status adopt_newer(struct group *group, size_t index, const struct manifest *m,
                                     const struct record *old)
{
    struct store_job *job = group->jobs[index];
    struct ledger_marks marks = {.unconfirmed = job->unconfirmed};
    struct span text;

    if (!group_journal(group, job->text, &text))
        return STORE_WRONG;
    version_seen(&group->store->clock, m->version);
    marks.want = job->unconfirmed || (atomic_load(&group->store->policy) & POLICY_KEEP_ALL) ||
                 (old && was_wanted_here(group, &old->manifest));
    if (old && manifest_conflicts(m, &old->manifest, old->unconfirmed))
        ledger_keep(&group->ledger, old);
    return enter(group, index, m, text, marks);
}

static enum store_status adopt(struct group *group, size_t index)
{
    struct store_job *job = group->jobs[index];
    wall_t now = group->store->options.wall();
    struct manifest m;
    struct record old;
    enum store_status status;

    if (manifest_read(job->text, &m) != MESSAGE_OK)
        return STORE_WRONG;
    job->manifest = m;
    if (version_is_ahead(m.version, now))
        return STORE_AHEAD;
    status = newest(group, m.name, &old);
    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return status;
    if (status == STORE_OK && manifest_compare(&m, &old.manifest) <= 0)
        return adopt_older(group, index, &m, &old.manifest);
    if (m.deleted && tombstone_is_old(&m, now) && status == STORE_NOT_FOUND)
        return STORE_NOT_NEWER; /* forgotten here on purpose */
    return adopt_newer(group, index, &m, status == STORE_OK ? &old : NULL);
}

/* Are the files of held content where they should be, as long as they should be? */
static bool has_files(const struct home *home, const struct manifest *m, struct bad_content *bad)
{
    uint64_t list = chunk_count(m->size, m->chunk_size) * sizeof(struct digest), size;
    char name[FILE_NAME_SIZE];

    *bad = (struct bad_content){.sha256 = m->sha256};
    file_of_digest(FOLDER_CONTENT, &m->sha256, name);
    if (!file_look(home, FOLDER_CONTENT, name, &bad->inode, &size) || size != m->size)
        return false;
    return m->size <= m->chunk_size ||
           (file_look(home, FOLDER_CHUNKS, name, NULL, &size) && size == list);
}

/* From now on others are told that it is safe here: it stays, and must be on the disk. What is not
 * there at all comes again, and is no reason for others of the group to fail. A manifest that tells
 * another size for the digest than what is held is wrong: the file is not to be judged by it. */
static enum store_status take_charge(struct group *group, size_t index, struct record *record)
{
    struct bad_content bad;
    struct holding holding;
    enum store_status status = ledger_holding(&group->view, &record->manifest.sha256, &holding);
    bool is_its = status == STORE_OK && holding.held && holding.size == record->manifest.size;
    bool relied_on = is_its && !holding.unconfirmed;

    if (status == STORE_OK)
        status = ledger_mark(&group->ledger, record, true);
    if (status != STORE_OK || !relied_on)
        return status;
    group->secures[index] = has_files(&group->store->home, &record->manifest, &bad);
    if (!group->secures[index])
        status = aside_take(group, &bad);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status want(struct group *group, size_t index)
{
    struct store_job *job = group->jobs[index];
    const struct manifest *meant = &job->manifest;
    struct record record;
    struct store_entry entry;
    enum store_status status = newest(group, job->manifest.name, &record);

    if (status != STORE_OK)
        return status;
    if (record.manifest.deleted ||
        (meant->version.bits && !manifest_is(&record.manifest, meant->version, &meant->sha256)))
        return STORE_NOT_FOUND;
    if (job->unconfirmed && !record.unconfirmed)
        status = take_charge(group, index, &record);
    if (status == STORE_OK)
        status = ledger_want(&group->ledger, &record.manifest.sha256, record.sequence);
    if (status == STORE_OK)
        status = ledger_entry_of(&group->view, &record, &entry);
    if (status != STORE_OK)
        return status;
    job->manifest = record.manifest;
    job->wanted = entry.wanted;
    return STORE_OK;
}

static enum store_status land(struct group *group, size_t index)
{
    struct store_job *job = group->jobs[index];
    struct holding holding;
    enum store_status status = ledger_holding(&group->view, &job->manifest.sha256, &holding);

    if (status != STORE_OK)
        return status;
    status = partial_place(job->partial);
    group->secures[index] =
        status == STORE_OK && store_must_last(group->store, &group->view, &job->manifest.sha256);
    return status == STORE_OK ? ledger_hold(&group->ledger, &job->manifest) : status;
}

static enum store_status drop(struct group *group, size_t index)
{
    struct store_job *job = group->jobs[index];
    struct record record;
    enum store_status status = newest(group, job->manifest.name, &record);

    if (status != STORE_OK)
        return status;
    job->manifest = record.manifest;
    if (record.manifest.deleted)
        return STORE_OK;
    status = ledger_let_go(&group->ledger, &record.manifest.sha256);
    return status == STORE_OK ? ledger_want(&group->ledger, &record.manifest.sha256, 0) : status;
}

static enum store_status confirm(struct group *group, size_t index)
{
    struct store_job *job = group->jobs[index];
    struct record record;
    enum store_status status = newest(group, job->manifest.name, &record);

    if (status != STORE_OK)
        return status;
    if (!manifest_is(&record.manifest, job->manifest.version, &job->manifest.sha256))
        return STORE_NOT_FOUND;
    return ledger_mark(&group->ledger, &record, false);
}

static enum store_status errand(struct group *group, size_t index)
{
    struct errand *errand = (struct errand *)group->jobs[index];

    return errand->within(group, errand->arg);
}

enum store_status job_apply(struct group *group, size_t index)
{
    static enum store_status (*const kinds[])(struct group * group, size_t index) = {
        [STORE_PUT] = put,     [STORE_TAKE] = take,       [STORE_REMOVE] = remove_name,
        [STORE_ADOPT] = adopt, [STORE_WANT] = want,       [STORE_LAND] = land,
        [STORE_DROP] = drop,   [STORE_CONFIRM] = confirm, [JOB_ERRAND] = errand,
    };
    size_t kind = (size_t)group->jobs[index]->kind;

    MUST(kind < sizeof(kinds) / sizeof(*kinds));
    return kinds[kind](group, index);
}

/* May the catalogue, as it stands after all, hold the content? What it cannot tell, it may. */
static bool is_held(struct store *store, const struct digest *sha256)
{
    struct view view;
    bool held;

    view_begin(store->catalogue, &view);
    held = !ledger_lets_go(&view, sha256);
    view_end(&view);
    return held;
}

void job_undo(struct group *group, struct store_job *job)
{
    struct store *store = group->store;

    if (job_brings_draft(job) && draft_is_placed(job->draft) &&
        !is_held(store, draft_digest(job->draft)))
        partials_remove_content(store, draft_digest(job->draft));
    if (job->kind == STORE_LAND && partial_is_placed(job->partial) &&
        !is_held(store, &job->manifest.sha256))
        partial_displace(job->partial);
}
