/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cache/group.h"
#include "cache/retention.h"
#include "cache/store_inner.h"
#include "src/base/log.h"
#include "src/base/must.h"

/*
 * Who was away, and what it forgets. The file is written by sweeps, on the porter's thread, and no
 * more often than is of use: a time that is some minutes old errs to the side of having been away.
 */
static const char TOUCH[] = "touch";
enum { TOUCH_SIZE = 64 };
static const int64_t WRITE_MS = INT64_C(3600) * 1000;

/* Out of touch for longer than this, one may have missed what nobody is left to tell: an hour is
 * what the file may be old, another what agreeing catalogues are not compared, see exchange.h. */
static const int64_t MISSED_MS = INT64_C(3) * 3600 * 1000;

/* ---- the two times -------------------------------------------------------------------------- */

/* "WHOLE LAST\n", milliseconds since 1970. */
static bool read_touch(struct store *store)
{
    char bytes[TOUCH_SIZE];
    int fd = file_open(&store->home, FOLDER_HOME, TOUCH, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : file_read(fd, bytes, sizeof(bytes), 0);
    struct span rest = {bytes, n > 0 ? (size_t)n : 0}, line = span_take(&rest, '\n');
    struct span first = span_take(&line, ' ');
    uint64_t whole, last;

    if (n < 0 && errno != ENOENT)
        file_fault(&store->home, "read", FOLDER_HOME, TOUCH);
    if (fd >= 0)
        close(fd);
    if (!span_u64(first, INT64_MAX, &whole) || !span_u64(line, INT64_MAX, &last))
        return false;
    store->touch_whole.ms = (int64_t)whole;
    store->touch_last.ms = (int64_t)last;
    return true;
}

/* Of a store that tells nothing, or has nothing, nothing is known before now: so that nobody
 * forgets by it. */
void touch_load(struct store *store)
{
    wall_t now = store->options.wall();
    struct store_head head;

    store_head(store, &head);
    if (!read_touch(store) || head.sequence == 0) {
        store->touch_whole = store->touch_last = now;
        store->touch_changed = true;
    } else if (store->touch_lost) {
        store->touch_whole = now;
        store->touch_changed = true;
    }
    store->touch_written = store->touch_last;
}

void touch_keep(struct store *store)
{
    char bytes[TOUCH_SIZE];
    struct text text = TEXT_OVER(bytes);
    wall_t last;
    bool due;

    pthread_mutex_lock(&store->touch_lock);
    last = store->touch_last;
    due = store->touch_changed || last.ms < store->touch_written.ms ||
          last.ms - store->touch_written.ms > WRITE_MS;
    store->touch_changed = false;
    text_printf(&text, "%" PRId64 " %" PRId64 "\n", store->touch_whole.ms, last.ms);
    pthread_mutex_unlock(&store->touch_lock);
    if (!due)
        return;
    due = !file_renew(&store->home, FOLDER_HOME, TOUCH, (struct span){text.at, text.len});
    if (due)
        store_note_fault(store, file_fault(&store->home, "write", FOLDER_HOME, TOUCH));
    pthread_mutex_lock(&store->touch_lock);
    store->touch_written = last;
    store->touch_changed = store->touch_changed || due;
    pthread_mutex_unlock(&store->touch_lock);
}

void store_touch(struct store *store, struct store_touch *out)
{
    wall_t now = store->options.wall();

    MUST_BE(store, STORE_MAGIC);
    pthread_mutex_lock(&store->touch_lock);
    out->whole = store->touch_whole;
    out->last = store->touch_last;
    pthread_mutex_unlock(&store->touch_lock);
    out->away = retention_is_over(out->last, now);
}

/* Had it missed nothing that was there when we were last in touch, nor since? */
static bool covers(const struct store *store, const struct store_touch *own,
                   const struct store_touch *told)
{
    return told->whole.ms > 0 && told->whole.ms <= own->last.ms &&
           !retention_is_over(told->last, store->options.wall());
}

bool store_may_forget(struct store *store, const struct store_touch *told)
{
    struct store_touch own;

    store_touch(store, &own);
    return own.away && covers(store, &own, told);
}

/* Was there something between when we were last in touch and now that we cannot know of? */
static bool missed_some(const struct store_touch *own, const struct store_touch *told, wall_t now)
{
    if (!told)
        return now.ms - own->last.ms > MISSED_MS;
    return told->whole.ms <= 0 || told->whole.ms - own->last.ms > MISSED_MS;
}

/* A time that our clock has not reached is that of a clock that was wrong: at that time, or, until
 * others tell the same time as ours does, now. Where nobody tells it stays open, and the times stay
 * as they are (see store_clock_agrees): to lower them to a clock that is behind would be to know of
 * years that we missed. */
static bool is_clock_wrong(const struct store_touch *own, const struct store_touch *told,
                           wall_t now)
{
    return own->last.ms > now.ms && (!told || told->last.ms - now.ms > MISSED_MS);
}

/* The times as they are from now on. */
static void join(const struct store_touch *told, wall_t now, struct store_touch *own)
{
    wall_t last = told && told->last.ms < now.ms ? told->last : now;

    if (is_clock_wrong(own, told, now) || (last.ms < own->last.ms && own->last.ms <= now.ms))
        return;
    if (missed_some(own, told, now))
        own->whole = now;
    else if (told && told->whole.ms < own->whole.ms)
        own->whole = told->whole;
    if (own->whole.ms > now.ms)
        own->whole = now; /* it was noted while our clock was ahead */
    own->last = last;
}

void store_in_touch(struct store *store, const struct store_touch *told)
{
    wall_t now = store->options.wall();
    struct store_touch touch;

    MUST_BE(store, STORE_MAGIC);
    pthread_mutex_lock(&store->touch_lock);
    touch = (struct store_touch){.whole = store->touch_whole, .last = store->touch_last};
    join(told, now, &touch);
    store->touch_changed = store->touch_changed || touch.whole.ms != store->touch_whole.ms;
    store->touch_whole = touch.whole;
    store->touch_last = touch.last;
    pthread_mutex_unlock(&store->touch_lock);
}

/* A little ahead is soon over. Else a master whom nobody tells would vouch for nothing until then,
 * and what was removed would come back with everyone who was away. */
void store_clock_agrees(struct store *store, bool agrees)
{
    wall_t now = store->options.wall();

    MUST_BE(store, STORE_MAGIC);
    atomic_store(&store->clock_agrees, agrees);
    pthread_mutex_lock(&store->touch_lock);
    if (agrees && store->touch_last.ms - now.ms > MISSED_MS) {
        store->touch_last = store->touch_whole = now;
        store->touch_changed = true;
    }
    pthread_mutex_unlock(&store->touch_lock);
}

/* ---- what is forgotten ---------------------------------------------------------------------- */

/* One errand's; each may have a manifest in the journal. */
enum { FORGET_MAX = KEEP_MAX - 1 };

struct forgetting {
    wall_t now;
    bool (*has)(const void *arg, struct span name);
    const void *arg;
    struct ledger_key keys[FORGET_MAX];
    struct version versions[FORGET_MAX];
    size_t count;
};

static bool pick(void *arg, struct span key, struct span value)
{
    struct forgetting *f = arg;
    struct record record;

    if (!record_decode(value, key, &record) || record.manifest.deleted ||
        !tombstone_is_old(&record.manifest, f->now) ||
        f->has(f->arg, span_of(record.manifest.name)))
        return true;
    if (f->count == FORGET_MAX)
        return false;
    memcpy(f->keys[f->count].bytes, key.at, key.len);
    f->keys[f->count].len = key.len;
    f->versions[f->count++] = record.manifest.version;
    return true;
}

/* So the name does not come back from the journal; but what was kept as a conflict does. */
static bool journal_end(struct group *group, const struct manifest *old)
{
    struct manifest m = forgotten_end(old);
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct span one;

    MUST(span_copy(span_of(old->name), m.name, sizeof(m.name)));
    MUST(span_copy(span_of(group->store->options.node), m.node, sizeof(m.node)));
    manifest_write(&m, &text);
    return !text.full && group_journal(group, (struct span){text.at, text.len}, &one);
}

/* Unless it was replaced meanwhile. */
static enum store_status forget_one(struct group *group, struct span key, struct version version)
{
    struct record record;
    enum store_status status = ledger_record_of_key(&group->view, key, &record);

    if (status != STORE_OK || !version_same(record.manifest.version, version))
        return group->view.status;
    if (!journal_end(group, &record.manifest))
        return STORE_FAILED;
    if (record.unconfirmed)
        ledger_keep(&group->ledger, &record);
    return ledger_forget_key(&group->ledger, key);
}

static enum store_status forget(struct group *group, void *arg)
{
    const struct forgetting *f = arg;
    enum store_status status = STORE_OK;

    for (size_t i = 0; i < f->count && status == STORE_OK; i++)
        status = forget_one(group, (struct span){f->keys[i].bytes, f->keys[i].len}, f->versions[i]);
    return status;
}

enum store_status store_forget(struct store *store, struct span from, struct span to,
                               bool (*has)(const void *arg, struct span name), const void *arg)
{
    struct forgetting f = {.now = store->options.wall(), .has = has, .arg = arg};
    enum store_status status = STORE_OK;
    uint64_t forgotten = 0;
    struct range_walk walk;

    MUST_BE(store, STORE_MAGIC);
    range_start(&walk, store, from, to);
    while (!walk.ended && status == STORE_OK) {
        f.count = 0;
        range_batch(&walk, pick, &f);
        if (f.count > 0)
            status = writer_run(store, forget, &f);
        forgotten += f.count;
    }
    if (forgotten > 0 && status == STORE_OK)
        log_info("store: %" PRIu64 " names were removed while this node was away", forgotten);
    return status != STORE_OK ? status : walk.status;
}
