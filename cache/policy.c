/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/group.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/*
 * What the policy asks of the catalogue beside the limit (sweep.c): a store that keeps all wants
 * what it lacks; and one that kept content for the sake of its place alone, and is elsewhere now,
 * marks it as unconfirmed, since nobody else may have it. On the porter's thread, in bounded steps.
 */
enum { POLICY_BATCH = 256, POLICY_ROUNDS = 1024 };

/* The kinds of keeping that are not LRU. */
enum { POLICY_KEEPS = POLICY_KEEP_ALL | POLICY_PIN_OWN };

void store_set_policy(struct store *store, const struct store_policy *policy)
{
    unsigned bits = POLICY_SET | (policy->keep_all ? POLICY_KEEP_ALL : 0) |
                    (policy->pin_own ? POLICY_PIN_OWN : 0) |
                    (policy->nobody_confirms ? POLICY_NOBODY_CONFIRMS : 0);
    unsigned before;

    MUST_BE(store, STORE_MAGIC);
    before = atomic_exchange(&store->policy, bits);
    if (policy->keep_all && !(before & POLICY_KEEP_ALL))
        atomic_store(&store->want_anew, true);
    if (before & POLICY_KEEPS & ~bits) { /* it may have been in force too shortly to be noted */
        atomic_store(&store->mark_anew, true);
        atomic_fetch_or(&store->kept, before & POLICY_KEEPS);
    }
    if (bits != before || (atomic_load(&store->kept) & ~bits))
        store_sweep(store);
}

unsigned policy_bits(const struct store *store)
{
    unsigned policy = atomic_load(&store->policy), kept = atomic_load(&store->kept);

    if (!(policy & POLICY_SET) || ((kept & POLICY_LOST) && !(policy & POLICY_KEEPS)))
        return policy | kept | POLICY_KEEP_ALL;
    return policy | kept;
}

uint64_t policy_may_go(const struct store *store, const struct meta *meta)
{
    unsigned policy = policy_bits(store);

    if (policy & POLICY_KEEP_ALL)
        return 0;
    return meta->loose[LEDGER_USES_FETCHED] +
           (policy & POLICY_PIN_OWN ? 0 : meta->loose[LEDGER_USES_OWN]);
}

/* ---- walking through the names -------------------------------------------------------------- */

/* Entries to be changed. */
struct picked {
    uint64_t sequence[POLICY_BATCH];
    size_t count;
};

typedef bool pick_fn(const struct store *store, const struct store_entry *entry);

static void look_at(struct store *store, struct view *view, struct span key, struct span value,
                    pick_fn *pick, struct picked *picked)
{
    struct record record;
    struct store_entry entry;

    if (record_decode(value, key, &record) && !record.manifest.deleted &&
        ledger_entry_of(view, &record, &entry) == STORE_OK && pick(store, &entry))
        picked->sequence[picked->count++] = record.sequence;
}

/* Goes through the next few names. The key where a batch ended is looked at twice: then what was to
 * be done for it was done. */
static void gather(struct store *store, struct policy_walk *walk, pick_fn *pick,
                   struct picked *picked)
{
    struct view view;
    struct scan scan;
    struct span key, value;

    picked->count = 0;
    view_begin(store->catalogue, &view);
    scan_begin(&scan, &view, TABLE_NAMES, (struct span){walk->at.bytes, walk->at.len});
    for (size_t i = 0; i < POLICY_BATCH && walk->going; i++) {
        walk->going = scan_next(&scan, &key, &value);
        if (!walk->going)
            break;
        look_at(store, &view, key, value, pick, picked);
        memcpy(walk->at.bytes, key.at, key.len);
        walk->at.len = key.len;
    }
    scan_end(&scan);
    view_end(&view);
}

/* As far as it comes this time. False: what was picked could not be changed. */
static bool walk_on(struct store *store, struct policy_walk *walk, pick_fn *pick,
                    enum store_status (*change)(struct group *group, void *arg))
{
    struct picked picked;

    for (int round = 0; round < POLICY_ROUNDS && walk->going; round++) {
        gather(store, walk, pick, &picked);
        if (picked.count && writer_run(store, change, &picked) != STORE_OK)
            return false;
    }
    return true;
}

static void walk_anew(struct policy_walk *walk)
{
    walk->at.len = 0;
    walk->going = true;
}

/* ---- wanting all ---------------------------------------------------------------------------- */

static bool is_lacking(const struct store *store, const struct store_entry *entry)
{
    (void)store;
    return !entry->held && !entry->wanted;
}

/* An entry that was replaced meanwhile was wanted by who replaced it. */
static enum store_status want_them(struct group *group, void *arg)
{
    const struct picked *picked = arg;
    struct record record;

    for (size_t i = 0; i < picked->count; i++) {
        if (ledger_record_at(&group->view, picked->sequence[i], &record) == STORE_OK)
            ledger_want(&group->ledger, &record.manifest.sha256, record.sequence);
    }
    return STORE_OK;
}

static void want_all(struct store *store)
{
    if (atomic_exchange(&store->want_anew, false))
        walk_anew(&store->want_walk);
    if (!(atomic_load(&store->policy) & POLICY_KEEP_ALL))
        store->want_walk.going = false;
    if (!walk_on(store, &store->want_walk, is_lacking, want_them))
        atomic_store(&store->want_anew, true);
}

/* ---- another place -------------------------------------------------------------------------- */

/*
 * What this place, or an earlier one, keeps beyond what is confirmed stands in a file, so that a
 * restart in another place finds it: "all", "own", "lost", a line each. A kind that is not in force
 * any more is given up when all that it kept is marked; until then it counts (policy_bits). After
 * "lost" anything that is here may be unconfirmed; not in a place that keeps for its own sake.
 */
static const char KEPT[] = "kept";
static const struct {
    unsigned bit;
    const char *word;
} kinds[] = {{POLICY_KEEP_ALL, "all"}, {POLICY_PIN_OWN, "own"}, {POLICY_LOST, "lost"}};
enum { KINDS = sizeof(kinds) / sizeof(*kinds), KEPT_SIZE = 16 };

void policy_load(struct store *store)
{
    char bytes[KEPT_SIZE];
    struct span rest = {bytes, 0};
    int fd = file_open(&store->home, FOLDER_HOME, KEPT, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : file_read(fd, bytes, sizeof(bytes), 0);
    unsigned kept = 0;

    if (fd < 0 ? errno != ENOENT : n < 0) {
        file_fault(&store->home, "read", FOLDER_HOME, KEPT);
        kept = POLICY_KEEPS; /* rather told too much upward than lost */
    }
    if (fd >= 0)
        close(fd);
    rest.len = n > 0 ? (size_t)n : 0;
    while (rest.len) {
        struct span line = span_take(&rest, '\n');
        for (size_t i = 0; i < KINDS; i++)
            kept |= span_is(line, kinds[i].word) ? kinds[i].bit : 0;
    }
    atomic_store(&store->kept, kept);
    store->noted = kept;
}

static bool write_kept(const struct home *home, unsigned kept)
{
    char bytes[KEPT_SIZE];
    struct text text = TEXT_OVER(bytes);

    for (size_t i = 0; i < KINDS; i++)
        text_printf(&text, "%s%s", kept & kinds[i].bit ? kinds[i].word : "",
                    kept & kinds[i].bit ? "\n" : "");
    return file_renew(home, FOLDER_HOME, KEPT, (struct span){text.at, text.len});
}

/* Less is kept only when that is on disk, and no place was left meanwhile; more is at once. */
static enum store_status note_kept(struct store *store, unsigned kept)
{
    enum store_status status = STORE_OK;
    unsigned less = (atomic_fetch_or(&store->kept, kept) | kept) & ~kept;

    if (write_kept(&store->home, kept)) {
        store->noted = kept;
        atomic_fetch_and(&store->kept, ~less);
        if (atomic_load(&store->mark_anew))
            atomic_fetch_or(&store->kept, less);
    } else
        status = file_fault(&store->home, "write", FOLDER_HOME, KEPT);
    store_note_fault(store, status);
    return status;
}

enum store_status policy_note_lost(struct store *store)
{
    return note_kept(store, atomic_load(&store->kept) | POLICY_LOST);
}

static bool was_kept(const struct store *store, const struct store_entry *entry)
{
    unsigned past = atomic_load(&store->kept) & ~atomic_load(&store->policy);

    return entry->held && !entry->unconfirmed &&
           (entry->own || (past & (POLICY_KEEP_ALL | POLICY_LOST)));
}

static enum store_status mark_them(struct group *group, void *arg)
{
    const struct picked *picked = arg;
    struct record record;

    for (size_t i = 0; i < picked->count; i++) {
        if (ledger_record_at(&group->view, picked->sequence[i], &record) == STORE_OK)
            ledger_mark(&group->ledger, &record, true);
    }
    return STORE_OK;
}

/* Where nobody is there to confirm, what was kept stays so, until somebody is. A flat mesh is there
 * to stay: what was kept is marked all the same, which pins it, so that the limit holds for what
 * comes later. */
static bool keeps_on(unsigned policy)
{
    return (policy & POLICY_NOBODY_CONFIRMS) && !(policy & POLICY_PIN_OWN);
}

static void give_up_place(struct store *store)
{
    bool anew = atomic_exchange(&store->mark_anew, false);
    unsigned policy = atomic_load(&store->policy), kept = atomic_load(&store->kept);

    if (!(policy & POLICY_SET))
        return;
    if (policy & POLICY_KEEPS)
        kept = (kept & ~(unsigned)POLICY_LOST) | (policy & POLICY_KEEPS);
    if (kept != store->noted)
        note_kept(store, kept);
    if (!(kept & ~policy) || keeps_on(policy)) {
        store->mark_walk.going = false;
        return;
    }
    if (anew || !store->mark_walk.going)
        walk_anew(&store->mark_walk);
    if (!walk_on(store, &store->mark_walk, was_kept, mark_them))
        store->mark_walk.going = false; /* from the begin, the next time */
    else if (!store->mark_walk.going && !atomic_load(&store->mark_anew))
        note_kept(store, policy & POLICY_KEEPS);
}

static enum store_status drop_marks(struct group *group, void *arg)
{
    const struct policy_dangling *dangling = arg;
    enum store_status status = STORE_NOT_FOUND;

    for (size_t i = 0; i < dangling->count; i++) {
        if (ledger_drop_mark(&group->ledger, dangling->sequence[i]) == STORE_OK)
            status = STORE_OK;
    }
    return status;
}

void policy_drop_marks(struct store *store, const struct policy_dangling *dangling)
{
    struct policy_dangling *copy;

    if (dangling->count == 0)
        return;
    copy = malloc(sizeof(*copy));
    MUST(copy != NULL);
    *copy = *dangling;
    writer_send(store, drop_marks, copy);
}

void policy_apply(struct store *store)
{
    want_all(store);
    give_up_place(store);
}
