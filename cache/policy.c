/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "cache/group.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/*
 * What the policy asks of the catalogue beside the limit (sweep.c): a store that keeps all wants
 * what it lacks, and one above which nobody confirms lets go what waits for that. On the porter's
 * thread, in bounded steps.
 */
enum { POLICY_BATCH = 256, POLICY_ROUNDS = 1024 };

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
    if (bits & ~before & (POLICY_KEEP_ALL | POLICY_NOBODY_CONFIRMS))
        store_sweep(store);
}

uint64_t policy_may_go(const struct store *store, const struct meta *meta)
{
    unsigned policy = atomic_load(&store->policy);

    if (!(policy & POLICY_SET) || (policy & POLICY_KEEP_ALL))
        return 0;
    return meta->loose[LEDGER_USES_FETCHED] +
           (policy & POLICY_PIN_OWN ? 0 : meta->loose[LEDGER_USES_OWN]);
}

/* ---- wanting all ---------------------------------------------------------------------------- */

/* Contents that are not here and not wanted, and the entries that have them. */
struct lacking {
    struct digest sha256[POLICY_BATCH];
    uint64_t sequence[POLICY_BATCH];
    size_t count;
};

static void look_at(struct view *view, struct span key, struct span value, struct lacking *lacking)
{
    struct record record;
    struct store_entry entry;

    if (!record_decode(value, key, &record) || record.manifest.deleted ||
        ledger_entry_of(view, &record, &entry) != STORE_OK || entry.held || entry.wanted)
        return;
    lacking->sha256[lacking->count] = record.manifest.sha256;
    lacking->sequence[lacking->count++] = record.sequence;
}

/* Goes through the next few names. */
static void gather(struct store *store, struct lacking *lacking)
{
    struct ledger_key *at = &store->want_at;
    struct view view;
    struct scan scan;
    struct span key, value;

    lacking->count = 0;
    view_begin(store->catalogue, &view);
    scan_begin(&scan, &view, TABLE_NAMES, (struct span){at->bytes, at->len});
    for (size_t i = 0; i < POLICY_BATCH && store->wanting; i++) {
        store->wanting = scan_next(&scan, &key, &value);
        if (!store->wanting)
            break;
        look_at(&view, key, value, lacking);
        memcpy(at->bytes, key.at, key.len);
        at->len = key.len;
    }
    scan_end(&scan);
    view_end(&view);
}

/* An entry that was replaced meanwhile was wanted by who replaced it. */
static enum store_status want_them(struct group *group, void *arg)
{
    const struct lacking *lacking = arg;
    struct record record;

    for (size_t i = 0; i < lacking->count; i++) {
        if (ledger_record_at(&group->view, lacking->sequence[i], &record) == STORE_OK)
            ledger_want(&group->ledger, &lacking->sha256[i], record.sequence);
    }
    return STORE_OK;
}

/* The key where a batch ended is looked at twice: then its content is wanted already. */
static void want_all(struct store *store)
{
    struct lacking lacking;

    if (atomic_exchange(&store->want_anew, false)) {
        store->want_at.len = 0;
        store->wanting = true;
    }
    if (!(atomic_load(&store->policy) & POLICY_KEEP_ALL))
        store->wanting = false;
    for (int round = 0; round < POLICY_ROUNDS && store->wanting; round++) {
        gather(store, &lacking);
        if (lacking.count && writer_run(store, want_them, &lacking) != STORE_OK)
            atomic_store(&store->want_anew, true);
    }
}

/* ---- waiting in vain ------------------------------------------------------------------------ */

static enum store_status confirm_some(struct group *group, void *arg)
{
    uint64_t sequences[POLICY_BATCH];
    struct record record;
    struct scan scan;
    struct span key, value;
    size_t count = 0;

    (void)arg;
    scan_begin(&scan, &group->view, TABLE_UNCONFIRMED, (struct span){"", 0});
    while (count < POLICY_BATCH && scan_next(&scan, &key, &value))
        sequences[count++] = ledger_number_of(key);
    scan_end(&scan);
    for (size_t i = 0; i < count; i++) {
        if (ledger_record_at(&group->view, sequences[i], &record) == STORE_OK)
            ledger_mark(&group->ledger, &record, false);
    }
    return count ? STORE_OK : STORE_NOT_FOUND;
}

static void confirm_all(struct store *store)
{
    for (int round = 0; round < POLICY_ROUNDS; round++) {
        if (!(atomic_load(&store->policy) & POLICY_NOBODY_CONFIRMS) ||
            writer_run(store, confirm_some, NULL) != STORE_OK)
            return;
    }
}

void policy_apply(struct store *store)
{
    want_all(store);
    confirm_all(store);
}
