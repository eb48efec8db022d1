/* SPDX-License-Identifier: ISC */
#include "cache/catalogue.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/guard.h"
#include "src/base/log.h"
#include "src/base/must.h"

/*
 * The map is address space, not memory: set once, since LMDB must not resize it under readers.
 * Every thread that reads at this moment takes a reader's place; HTTP threads are one a core.
 */
static const size_t MAP_SIZE = (size_t)64 << 30;
enum { READERS_MAX = 1022, IDLE_MAX = 256 };

static const char *const table_names[TABLE_COUNT] = {
    [TABLE_META] = "meta",
    [TABLE_NAMES] = "names",
    [TABLE_CHANGES] = "changes",
    [TABLE_CONTENTS] = "contents",
    [TABLE_REFS] = "refs",
    [TABLE_WANTED] = "wanted",
    [TABLE_TOMBSTONES] = "tombstones",
    [TABLE_USES] = "uses",
    [TABLE_UNCONFIRMED] = "unconfirmed",
    [TABLE_CONFLICTS] = "conflicts",
    [TABLE_RIVALS] = "rivals",
};

struct catalogue {
    char *path;
    MDB_env *env;
    MDB_dbi tables[TABLE_COUNT];

    /* Read transactions that are reset, to be renewed by whoever reads next: beginning one anew
     * costs as much as the read. `reading` counts those in use; `closed` holds new ones back.
     * `generation` counts how often the environment was opened. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    MDB_txn *idle[IDLE_MAX];
    size_t idle_count;
    size_t reading;
    bool closed;
    uint64_t generation;

    _Atomic uint64_t edition; /* the writer's thread changes it */
};

static enum store_status status_of(int code)
{
    switch (code) {
    case MDB_SUCCESS:
        return STORE_OK;
    case ENOSPC:
    case EDQUOT:
    case MDB_MAP_FULL:
        return STORE_FULL;
    case EROFS:
    case EACCES:
    case EPERM:
        return STORE_READ_ONLY;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL: /* the tree is deeper than one can be */
    case MDB_BAD_TXN:     /* it came upon one of those before, where it cannot tell of it */
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
        return STORE_ROTTEN;
    default:
        return STORE_FAILED;
    }
}

static enum store_status fault(const struct catalogue *c, const char *what, int code)
{
    log_error("store: cannot %s the catalogue %s: %s", what, c->path, mdb_strerror(code));
    return status_of(code);
}

/* ---- the environment ------------------------------------------------------------------------ */

static int open_tables(struct catalogue *c)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(c->env, NULL, 0, &txn);

    if (code)
        return code;
    for (int i = 0; i < TABLE_COUNT && !code; i++)
        code = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &c->tables[i]);
    if (code) {
        mdb_txn_abort(txn);
        return code;
    }
    return mdb_txn_commit(txn);
}

/* A file that is shorter than its pages would end us with SIGBUS as soon as we touch the rest. */
static int check_length(const struct catalogue *c)
{
    MDB_envinfo info;
    MDB_stat pages;
    struct stat st;
    mdb_filehandle_t fd;
    int code = mdb_env_info(c->env, &info);

    code = code ? code : mdb_env_stat(c->env, &pages);
    code = code ? code : mdb_env_get_fd(c->env, &fd);
    if (code)
        return code;
    if (fstat(fd, &st) != 0)
        return errno;
    if (st.st_size > 0 && (uint64_t)st.st_size < (info.me_last_pgno + 1) * (uint64_t)pages.ms_psize)
        return MDB_CORRUPTED;
    return MDB_SUCCESS;
}

static void on_assertion(MDB_env *env, const char *message)
{
    (void)env;
    guard_give_up(message);
}

static int open_env(struct catalogue *c)
{
    int code = mdb_env_create(&c->env);
    int dead;

    guard_enter();
    MUST(code == MDB_SUCCESS);
    MUST(mdb_env_set_assert(c->env, on_assertion) == MDB_SUCCESS);
    MUST(mdb_env_set_mapsize(c->env, MAP_SIZE) == MDB_SUCCESS);
    MUST(mdb_env_set_maxreaders(c->env, READERS_MAX) == MDB_SUCCESS);
    MUST(mdb_env_set_maxdbs(c->env, TABLE_COUNT) == MDB_SUCCESS);
    if (mkdir(c->path, 0700) != 0 && errno != EEXIST)
        code = errno;
    code = code ? code : mdb_env_open(c->env, c->path, MDB_NOTLS | MDB_NORDAHEAD, 0600);
    code = code ? code : check_length(c);
    code = code ? code : mdb_reader_check(c->env, &dead);
    code = code ? code : open_tables(c);
    if (code) {
        mdb_env_close(c->env);
        c->env = NULL;
    }
    guard_leave();
    return code;
}

enum store_status catalogue_open(const char *path, struct catalogue **out)
{
    struct catalogue *c = calloc(1, sizeof(*c));
    enum store_status status = STORE_OK;
    int code;

    MUST(c != NULL);
    c->path = strdup(path);
    MUST(c->path != NULL);
    MUST(pthread_mutex_init(&c->lock, NULL) == 0);
    MUST(pthread_cond_init(&c->changed, NULL) == 0);
    code = open_env(c);
    if (code) {
        status = fault(c, "open", code);
        catalogue_close(c);
        c = NULL;
    }
    *out = c;
    return status;
}

static void close_env(struct catalogue *c)
{
    while (c->idle_count)
        mdb_txn_abort(c->idle[--c->idle_count]);
    if (c->env)
        mdb_env_close(c->env);
    c->env = NULL;
}

void catalogue_close(struct catalogue *c)
{
    if (!c)
        return;
    MUST(c->reading == 0);
    close_env(c);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    free(c->path);
    free(c);
}

enum store_status catalogue_unsynced(struct catalogue *c, bool on)
{
    int code = mdb_env_set_flags(c->env, MDB_NOSYNC, on);

    if (!code && !on)
        code = mdb_env_sync(c->env, 1);
    return code ? fault(c, "sync", code) : STORE_OK;
}

enum store_status catalogue_reopen(struct catalogue *c, void (*between)(void *arg), void *arg)
{
    int code;

    atomic_fetch_add(&c->edition, 1);
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    while (c->reading)
        pthread_cond_wait(&c->changed, &c->lock);
    close_env(c);
    between(arg);
    code = open_env(c);
    c->closed = false;
    c->generation++;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    atomic_fetch_add(&c->edition, 1);
    return code ? fault(c, "open", code) : STORE_OK;
}

void catalogue_check_readers(struct catalogue *c)
{
    int dead = 0;

    pthread_mutex_lock(&c->lock);
    if (c->env && mdb_reader_check(c->env, &dead) == MDB_SUCCESS && dead)
        log_info("store: %d readers of the catalogue had died without a word", dead);
    pthread_mutex_unlock(&c->lock);
}

uint64_t catalogue_edition(const struct catalogue *c)
{
    return atomic_load(&c->edition);
}

/* ---- views ---------------------------------------------------------------------------------- */

/* Takes part in reading: an idle transaction, or NULL for a new one. */
static MDB_txn *start_reading(struct catalogue *c, uint64_t *generation)
{
    MDB_txn *txn = NULL;

    pthread_mutex_lock(&c->lock);
    while (c->closed)
        pthread_cond_wait(&c->changed, &c->lock);
    c->reading++;
    *generation = c->generation;
    if (c->idle_count)
        txn = c->idle[--c->idle_count];
    pthread_mutex_unlock(&c->lock);
    return txn;
}

static void stop_reading(struct catalogue *c, MDB_txn *txn)
{
    pthread_mutex_lock(&c->lock);
    if (txn && c->idle_count < IDLE_MAX) {
        c->idle[c->idle_count++] = txn;
        txn = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    if (txn)
        mdb_txn_abort(txn);
    pthread_mutex_lock(&c->lock);
    if (--c->reading == 0 && c->closed)
        pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void wait_for_next(struct catalogue *c, uint64_t generation)
{
    pthread_mutex_lock(&c->lock);
    while (c->generation == generation)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

static int try_reading(struct catalogue *c, MDB_txn **out, uint64_t *generation)
{
    MDB_txn *txn = start_reading(c, generation);
    int code = EIO;

    if (txn)
        code = mdb_txn_renew(txn);
    else if (c->env)
        code = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn);
    if (code && txn)
        mdb_txn_abort(txn);
    *out = code ? NULL : txn;
    if (!code)
        guard_enter();
    if (code == MDB_PANIC)
        stop_reading(c, NULL);
    return code;
}

/* A panic lasts until the writer, whose commit it is that failed, has opened all anew. */
void view_begin(struct catalogue *c, struct view *out)
{
    MDB_txn *txn;
    uint64_t generation;
    int code;

    while ((code = try_reading(c, &txn, &generation)) == MDB_PANIC)
        wait_for_next(c, generation);
    *out = (struct view){
        .catalogue = c, .txn = txn, .status = code ? fault(c, "read", code) : STORE_OK};
}

void view_end(struct view *view)
{
    MUST(!view->writing);
    if (view->txn) {
        mdb_txn_reset(view->txn);
        guard_leave();
    }
    stop_reading(view->catalogue, view->txn);
    view->txn = NULL;
}

static void nothing(void *arg)
{
    (void)arg;
}

void change_begin(struct catalogue *c, struct view *out)
{
    MDB_txn *txn = NULL;
    int code = MDB_SUCCESS;

    if (!c->env && catalogue_reopen(c, nothing, NULL) != STORE_OK)
        code = EIO;
    guard_enter();
    code = code ? code : mdb_txn_begin(c->env, NULL, 0, &txn);
    if (code)
        guard_leave();
    *out = (struct view){.catalogue = c,
                         .txn = code ? NULL : txn,
                         .writing = true,
                         .status = code ? fault(c, "change", code) : STORE_OK};
}

/* After a failed write of its meta page LMDB refuses everything until it is opened anew. */
static void leave_panic(struct catalogue *c)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn);

    if (code == MDB_SUCCESS)
        mdb_txn_abort(txn);
    if (code == MDB_PANIC)
        catalogue_reopen(c, nothing, NULL);
}

/* What is ours has been put in before: a commit adds LMDB's own list of free pages alone. Where
 * that cannot be, a damaged page has led it astray, and what it wrote beyond that page comes to
 * light wherever memory is asked for next. */
static bool is_beside_itself(int code)
{
    return code == MDB_BAD_VALSIZE || code == MDB_PAGE_FULL;
}

enum store_status change_commit(struct view *view)
{
    int code;

    MUST(view->writing);
    if (view->status != STORE_OK) {
        change_abort(view);
        return view->status;
    }
    atomic_fetch_add(&view->catalogue->edition, 1);
    code = mdb_txn_commit(view->txn);
    if (is_beside_itself(code))
        guard_give_up(mdb_strerror(code));
    atomic_fetch_add(&view->catalogue->edition, 1);
    view->txn = NULL;
    guard_leave();
    if (code) {
        view->status = fault(view->catalogue, "write", code);
        leave_panic(view->catalogue);
    }
    return view->status;
}

void change_abort(struct view *view)
{
    MUST(view->writing);
    if (view->txn) {
        mdb_txn_abort(view->txn);
        guard_leave();
    }
    view->txn = NULL;
}

/* ---- keys and values ------------------------------------------------------------------------ */

static MDB_val val_of(struct span s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.at};
}

static struct span span_of_val(MDB_val v)
{
    return (struct span){v.mv_data, v.mv_size};
}

/* Notes an error. What is not there is none. */
static bool note(struct view *view, int code, const char *what)
{
    if (code && code != MDB_NOTFOUND)
        view->status = fault(view->catalogue, what, code);
    return code == MDB_SUCCESS;
}

bool view_get(struct view *view, enum table table, struct span key, struct span *value)
{
    MDB_val k = val_of(key), v;

    if (view->status != STORE_OK)
        return false;
    if (!note(view, mdb_get(view->txn, view->catalogue->tables[table], &k, &v), "read"))
        return false;
    *value = span_of_val(v);
    return true;
}

void view_put(struct view *view, enum table table, struct span key, struct span value)
{
    MDB_val k = val_of(key), v = val_of(value);

    MUST(view->writing);
    guard_change();
    if (view->status == STORE_OK)
        note(view, mdb_put(view->txn, view->catalogue->tables[table], &k, &v, 0), "change");
}

void view_delete(struct view *view, enum table table, struct span key)
{
    MDB_val k = val_of(key);

    MUST(view->writing);
    guard_change();
    if (view->status == STORE_OK)
        note(view, mdb_del(view->txn, view->catalogue->tables[table], &k, NULL), "change");
}

void scan_begin(struct scan *scan, struct view *view, enum table table, struct span from)
{
    MDB_cursor *cursor = NULL;

    *scan = (struct scan){.view = view, .table = table, .last = from};
    if (view->status == STORE_OK)
        note(view, mdb_cursor_open(view->txn, view->catalogue->tables[table], &cursor), "read");
    scan->cursor = cursor;
}

/* In a tree that is whole each key is of a length that LMDB takes, and behind the one before it. So
 * who goes on where a walk ended gets to the end, whatever has rotted. */
static bool in_order(const struct scan *scan, MDB_val key)
{
    MDB_val last = val_of(scan->last);
    MDB_dbi table = scan->view->catalogue->tables[scan->table];
    int order = mdb_cmp(scan->view->txn, table, &last, &key);

    return key.mv_size <= CATALOGUE_KEY_MAX && (order < 0 || (order == 0 && !scan->begun));
}

bool scan_next(struct scan *scan, struct span *key, struct span *value)
{
    MDB_cursor_op op = scan->begun ? MDB_NEXT : scan->last.len ? MDB_SET_RANGE : MDB_FIRST;
    MDB_val k = val_of(scan->last), v;

    if (scan->view->status != STORE_OK ||
        !note(scan->view, mdb_cursor_get(scan->cursor, &k, &v, op), "read"))
        return false;
    if (!in_order(scan, k))
        return note(scan->view, MDB_CORRUPTED, "read");
    scan->begun = true;
    scan->last = *key = span_of_val(k);
    *value = span_of_val(v);
    return true;
}

void scan_end(struct scan *scan)
{
    if (scan->cursor)
        mdb_cursor_close(scan->cursor);
    scan->cursor = NULL;
}
