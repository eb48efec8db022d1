/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cache/group.h"
#include "cache/retention.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/*
 * Housekeeping, on the porter's thread. What changes the catalogue is an errand for the writer, a
 * bounded number of entries each, so that puts never wait long; the rest comes with the next sweep.
 */
enum { DROPS_MAX = 256, DROP_ROUNDS = 64, TOMBSTONES_MAX = 256 };
static const int64_t READERS_NS = MONO_S(60);
static const int64_t PARTIALS_NS = MONO_S(3600);
static const int64_t REBUILD_NS = MONO_S(600);

static bool is_due(mono_t *last, mono_t now, int64_t every_ns)
{
    if (last->ns && mono_between(*last, now) < every_ns)
        return false;
    *last = now;
    return true;
}

/* ---- uses ----------------------------------------------------------------------------------- */

struct uses {
    struct use list[USES_MAX];
    size_t count;
};

static enum store_status note_uses(struct group *group, void *arg)
{
    struct uses *uses = arg;

    for (size_t i = 0; i < uses->count; i++)
        ledger_use(&group->ledger, &uses->list[i].sha256, uses->list[i].ms);
    return STORE_OK;
}

static void flush_uses(struct store *store)
{
    struct uses uses;

    pthread_mutex_lock(&store->uses_lock);
    uses.count = store->use_count;
    memcpy(uses.list, store->uses, uses.count * sizeof(*uses.list));
    store->use_count = 0;
    pthread_mutex_unlock(&store->uses_lock);
    if (uses.count)
        writer_run(store, note_uses, &uses);
}

/* ---- room ----------------------------------------------------------------------------------- */

/* What has to go, by a limit that may be another one next time. */
struct drop {
    uint64_t limit;
    size_t count; /* of contents, this time */
};

/* A walk over the uses of one class, the least recent first. */
struct line {
    struct scan scan;
    char class;
    uint64_t used; /* of the content in front */
    struct digest sha256;
    bool ended;
};

static void line_step(struct line *line)
{
    struct span key, value;

    line->ended = !scan_next(&line->scan, &key, &value) ||
                  key.len != 1 + 8 + sizeof(line->sha256) || key.at[0] != line->class;
    if (line->ended)
        return;
    line->used = ledger_number_of((struct span){key.at + 1, 8});
    memcpy(line->sha256.bytes, key.at + 9, sizeof(line->sha256));
}

static void line_begin(struct line *line, struct view *view, char class)
{
    *line = (struct line){.class = class};
    scan_begin(&line->scan, view, TABLE_USES, (struct span){&line->class, 1});
    line_step(line);
}

/* The one with the less recent use in front; NULL: both have ended. */
static struct line *older(struct line *a, struct line *b)
{
    if (a->ended || b->ended)
        return !a->ended ? a : !b->ended ? b : NULL;
    return a->used <= b->used ? a : b;
}

/* The least recently used contents that are to go. */
static size_t oldest_uses(struct group *group, const struct drop *drop, struct digest *out)
{
    uint64_t bytes = policy_may_go(group->store, &group->ledger.meta);
    struct line fetched, own, *line;
    struct holding holding;
    size_t count = 0;

    line_begin(&fetched, &group->view, LEDGER_USES_FETCHED);
    line_begin(&own, &group->view, LEDGER_USES_OWN);
    own.ended = own.ended || (policy_bits(group->store) & POLICY_PIN_OWN);
    while (bytes > drop->limit && count < DROPS_MAX && (line = older(&fetched, &own))) {
        if (ledger_holding(&group->view, &line->sha256, &holding) == STORE_OK) {
            bytes -= holding.size < bytes ? holding.size : bytes;
            out[count++] = line->sha256;
        }
        line_step(line);
    }
    scan_end(&fetched.scan);
    scan_end(&own.scan);
    return count;
}

static enum store_status make_room(struct group *group, void *arg)
{
    struct digest oldest[DROPS_MAX];
    struct drop *drop = arg;

    drop->count = oldest_uses(group, drop, oldest);
    for (size_t i = 0; i < drop->count; i++)
        ledger_let_go(&group->ledger, &oldest[i]);
    return drop->count ? STORE_OK : STORE_NOT_FOUND;
}

static void keep_limit(struct store *store)
{
    struct store_figures figures;
    struct drop drop = {.count = DROPS_MAX};

    for (int round = 0; round < DROP_ROUNDS && drop.count == DROPS_MAX; round++) {
        store_figures(store, &figures);
        drop.limit = figures.limit;
        if (!figures.limit || figures.may_go <= figures.limit ||
            writer_run(store, make_room, &drop) != STORE_OK)
            return;
    }
}

bool sweep_could_fit(struct store *store, uint64_t bytes)
{
    struct store_figures figures;

    store_figures(store, &figures);
    return figures.may_go > 0 && bytes <= INT64_MAX &&
           home_free(&store->home) + figures.may_go >= bytes + reserve_lacks(store);
}

/* Where the disk is full although the file system tells of room (a quota, what is set apart), that
 * room does not count. */
bool sweep_make_room(struct store *store, uint64_t bytes)
{
    uint64_t free = home_free(&store->home);
    struct store_figures figures;
    struct drop drop = {.count = DROPS_MAX};
    bool dropped = false;

    if (!sweep_could_fit(store, bytes))
        return false;
    if (bytes + reserve_lacks(store) > free)
        bytes += reserve_lacks(store) - free;
    if (bytes < ROOM_LEAST)
        bytes = ROOM_LEAST;
    store_figures(store, &figures);
    drop.limit = figures.may_go > bytes ? figures.may_go - bytes : 0;
    for (int round = 0; round < DROP_ROUNDS && drop.count == DROPS_MAX; round++) {
        drop.count = 0;
        if (writer_run(store, make_room, &drop) != STORE_OK)
            break;
        dropped = dropped || drop.count > 0;
    }
    return dropped;
}

void sweep_want_room(struct store *store, uint64_t bytes)
{
    uint64_t before = atomic_load(&store->room);

    while (before < bytes && !atomic_compare_exchange_weak(&store->room, &before, bytes))
        continue;
    atomic_store(&store->wants_room, true);
    store_sweep(store);
}

/* ---- tombstones ----------------------------------------------------------------------------- */

/* Few at a time: a clock that was stepped forward by mistake is seen before all are gone. */
static enum store_status forget_tombstones(struct group *group, void *arg)
{
    wall_t now = group->store->options.wall();
    struct ledger_key keys[TOMBSTONES_MAX];
    struct scan scan;
    struct span key, value;
    size_t count = 0;

    (void)arg;
    scan_begin(&scan, &group->view, TABLE_TOMBSTONES, (struct span){"", 0});
    while (count < TOMBSTONES_MAX && scan_next(&scan, &key, &value)) {
        struct manifest m = {.version = {ledger_number_of(key)}};
        if (!tombstone_is_old(&m, now) || value.len > sizeof(keys->bytes))
            break;
        memcpy(keys[count].bytes, value.at, value.len);
        keys[count++].len = value.len;
    }
    scan_end(&scan);
    for (size_t i = 0; i < count; i++)
        ledger_forget_key(&group->ledger, (struct span){keys[i].bytes, keys[i].len});
    return count ? STORE_OK : STORE_NOT_FOUND;
}

/* ---- journal, catalogue, health -------------------------------------------------------------- */

/* The journal is due when more than half of it is of no use any more. */
static bool journal_is_long(struct store *store)
{
    struct view view;
    struct meta meta;
    enum store_status status;

    view_begin(store->catalogue, &view);
    status = ledger_meta(&view, &meta);
    view_end(&view);
    return status == STORE_OK && atomic_load(&store->journal.bytes) >
                                     2 * meta.live_bytes + 2 * (uint64_t)JOURNAL_SEGMENT_SIZE;
}

/* While changes fail nobody may make any; so this finds out whether they would succeed again. */
static enum store_status try_disk(struct group *group, void *arg)
{
    static const char name[] = "probe";
    const struct home *home = &group->store->home;
    char bytes[4096] = {0};
    enum store_status status;
    bool done;
    int fd;

    (void)arg;
    if (!reserve_hold(group->store))
        return STORE_FULL;
    fd = file_open(home, FOLDER_TMP, name, O_WRONLY | O_CREAT | O_TRUNC);
    done = fd >= 0 && file_write(fd, bytes, sizeof(bytes), 0) && fdatasync(fd) == 0;
    status = done ? STORE_OK : file_fault(home, "write", FOLDER_TMP, name);
    if (fd >= 0)
        close(fd);
    file_remove(home, FOLDER_TMP, name);
    return status;
}

static void look_after(struct store *store, mono_t now)
{
    struct store_report report;

    if (atomic_load(&store->health) != STORE_OK)
        writer_run(store, try_disk, NULL);
    if (atomic_load(&store->suspect) && is_due(&store->rebuilt, now, REBUILD_NS))
        store_rebuild(store, &report);
    else if (atomic_load(&store->renew) || journal_is_long(store))
        renew_journal(store);
    if (is_due(&store->checked_readers, now, READERS_NS))
        catalogue_check_readers(store->catalogue);
    if (is_due(&store->cleaned_partials, now, PARTIALS_NS))
        strays_remove_partials(store);
}

enum store_status sweep_run(struct store *store, void *arg)
{
    (void)arg;
    flush_uses(store);
    policy_apply(store);
    touch_keep(store);
    keep_limit(store);
    if (atomic_exchange(&store->wants_room, false))
        sweep_make_room(store, atomic_exchange(&store->room, 0));
    writer_run(store, forget_tombstones, NULL);
    writer_run(store, conflicts_forget_old, NULL);
    look_after(store, store->options.mono());
    atomic_store(&store->sweeping, false);
    return STORE_OK;
}
