/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "cache/group.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/*
 * The journal written anew: every manifest that the catalogue still has goes into new segments, and
 * the old ones are removed. So it shrinks, and so what rotted in it is made good. Changes go on
 * meanwhile: they go into the new segments as well.
 */

struct keeping {
    struct ledger_key at; /* the key that was kept last */
    bool names_ended;
    uint64_t conflict; /* the number of the conflict that was kept last */
    struct span texts[KEEP_MAX];
    size_t count;
    bool ended;
    bool rotten; /* a record was: what the old segments say of it must stay */
    enum store_status status;
    char memory[KEEP_MAX * MESSAGE_MAX];
};

static void copy(struct keeping *keeping, struct text *text, const struct record *record)
{
    keeping->texts[keeping->count++] = (struct span){text->at + text->len, record->text.len};
    text_add(text, record->text.at, record->text.len);
}

static void gather_names(struct keeping *keeping, struct view *view, struct text *text)
{
    struct scan scan;
    struct span key, value;
    struct record record;

    scan_begin(&scan, view, TABLE_NAMES, (struct span){keeping->at.bytes, keeping->at.len});
    while (keeping->count < KEEP_MAX - 1) {
        keeping->names_ended = !scan_next(&scan, &key, &value);
        if (keeping->names_ended)
            break;
        if (key.len == keeping->at.len && memcmp(key.at, keeping->at.bytes, key.len) == 0)
            continue;
        memcpy(keeping->at.bytes, key.at, key.len);
        keeping->at.len = key.len;
        if (record_decode(value, key, &record))
            copy(keeping, text, &record);
        else
            keeping->rotten = true;
    }
    scan_end(&scan);
}

/* Behind the names, so that each is read when what it is in conflict with stands. */
static void gather_conflicts(struct keeping *keeping, struct view *view, struct text *text)
{
    struct scan scan;
    struct span key, value;
    struct record record;
    char number[8];

    scan_begin(&scan, view, TABLE_CONFLICTS, ledger_number(keeping->conflict + 1, number));
    while (keeping->count < KEEP_MAX - 1) {
        keeping->ended = !scan_next(&scan, &key, &value);
        if (keeping->ended)
            break;
        keeping->conflict = ledger_number_of(key);
        if (record_decode(value, key, &record))
            copy(keeping, text, &record);
        else
            keeping->rotten = true;
    }
    scan_end(&scan);
}

/* Copies the next few manifests. */
static void gather(struct store *store, struct keeping *keeping)
{
    struct view view;
    struct text text = TEXT_OVER(keeping->memory);

    keeping->count = 0;
    view_begin(store->catalogue, &view);
    if (!keeping->names_ended)
        gather_names(keeping, &view, &text);
    else
        gather_conflicts(keeping, &view, &text);
    MUST(!text.full);
    view_end(&view);
    if (view.status != STORE_OK)
        keeping->status = view.status;
}

/* Those that were replaced meanwhile stand in the new segments already; once more does no harm. */
static enum store_status keep(struct group *group, void *arg)
{
    struct keeping *keeping = arg;
    struct span out;

    for (size_t i = 0; i < keeping->count; i++) {
        if (!group_journal(group, keeping->texts[i], &out))
            return STORE_FAILED;
    }
    return STORE_OK;
}

static enum store_status turn(struct store *store, void *arg)
{
    uint32_t *last = arg;

    journal_turn(&store->journal);
    *last = store->journal.end.segment;
    return journal_settle(&store->journal);
}

enum store_status renew_turn(struct store *store, uint32_t *last)
{
    return writer_run_alone(store, turn, last);
}

static enum store_status forget(struct store *store, void *arg)
{
    return journal_forget(&store->journal, *(uint32_t *)arg + 1);
}

/* The old segments go only where the catalogue has all that stands in them: what it has lost would
 * be lost for good. */
static enum store_status forget_old(struct store *store, uint32_t last)
{
    struct comparison found;
    enum store_status status = compare_journal(store, 0, last, NULL, NULL, &found);

    if (status == STORE_OK && found.lost)
        status = STORE_ROTTEN;
    return status == STORE_OK ? writer_run_alone(store, forget, &last) : status;
}

enum store_status renew_journal(struct store *store)
{
    struct keeping *keeping = calloc(1, sizeof(*keeping));
    uint32_t last;
    enum store_status status = renew_turn(store, &last);

    MUST(keeping != NULL);
    keeping->status = status;
    while (keeping->status == STORE_OK && !keeping->ended) {
        gather(store, keeping);
        if (store_is_stopping(store))
            keeping->status = STORE_STOPPED;
        if (keeping->status == STORE_OK && keeping->count)
            keeping->status = writer_run(store, keep, keeping);
    }
    if (keeping->status == STORE_OK)
        keeping->status = keeping->rotten ? STORE_ROTTEN : forget_old(store, last);
    status = keeping->status;
    store_note_fault(store, status);
    if (status == STORE_OK)
        atomic_store(&store->renew, false);
    free(keeping);
    return status;
}
