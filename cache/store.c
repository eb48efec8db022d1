/* SPDX-License-Identifier: ISC */
#include "cache/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cache/guard.h"
#include "cache/store_inner.h"
#include "src/base/must.h"

/* Opening and closing, handing jobs to the threads, health. Reading is in read.c. */

const char *store_sentence(enum store_status status)
{
    static const struct {
        int code;
        const char *sentence;
    } rows[] = {
#define STORE_ROW(id, code, sentence) {code, sentence},
        STORE_STATUSES(STORE_ROW)
#undef STORE_ROW
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].code == (int)status)
            return rows[i].sentence;
    }
    return "no status of the store's";
}

uint64_t store_fresh_id(void)
{
    uint64_t id = 0;

    while (id == 0)
        MUST(getrandom(&id, sizeof(id), 0) == sizeof(id));
    return id;
}

/* ---- opening and closing -------------------------------------------------------------------- */

static void store_free(struct store *store)
{
    if (store->shelf)
        shelf_free(store->shelf);
    catalogue_close(store->catalogue);
    journal_close(&store->journal);
    guard_watch("", -1);
    home_close(&store->home);
    pthread_mutex_destroy(&store->told_lock);
    pthread_mutex_destroy(&store->uses_lock);
    pthread_mutex_destroy(&store->touch_lock);
    pthread_mutex_destroy(&store->partials_lock);
    pthread_mutex_destroy(&store->reserve_lock);
    free((void *)(uintptr_t)store->options.home);
    free((void *)(uintptr_t)store->options.node);
    store->magic = 0;
    free(store);
}

static struct store *store_new(const struct store_options *options)
{
    struct store *store = calloc(1, sizeof(*store));

    MUST(store != NULL);
    store->magic = STORE_MAGIC;
    store->options = *options;
    store->cache_size = options->cache_size;
    store->options.home = strdup(options->home);
    store->options.node = strdup(options->node);
    MUST(store->options.home && store->options.node);
    store->journal.fd = -1;
    MUST(pthread_mutex_init(&store->told_lock, NULL) == 0);
    MUST(pthread_mutex_init(&store->uses_lock, NULL) == 0);
    MUST(pthread_mutex_init(&store->touch_lock, NULL) == 0);
    MUST(pthread_mutex_init(&store->partials_lock, NULL) == 0);
    MUST(pthread_mutex_init(&store->reserve_lock, NULL) == 0);
    return store;
}

enum store_status store_open(const struct store_options *options, struct store **out)
{
    struct store *store = store_new(options);
    enum store_status status = home_open(options->home, &store->home);

    if (status == STORE_OK) {
        guard_watch(options->home, store->home.fd[FOLDER_HOME]);
        reserve_load(store);
        status = journal_open(&store->home, &store->journal);
    }
    if (status == STORE_OK) {
        policy_load(store);
        status = mend_open(store);
    }
    if (status == STORE_OK)
        touch_load(store);
    if (status != STORE_OK) {
        store_free(store);
        return status;
    }
    store->options.is_stopping = NULL; /* from now on store_hurry says it */
    store->shelf = shelf_new(store);
    writer_start(store);
    porter_start(store);
    *out = store;
    return STORE_OK;
}

void store_close(struct store *store)
{
    MUST_BE(store, STORE_MAGIC);
    porter_stop(store); /* it hands on to the writer */
    writer_stop(store);
    MUST(store->partials == NULL);
    store_free(store);
}

void store_leave_off(struct store *store)
{
    MUST_BE(store, STORE_MAGIC);
    atomic_store(&store->left_off, true);
}

void store_hurry(struct store *store)
{
    store_leave_off(store);
    atomic_store(&store->hurried, true);
}

bool store_is_stopping(const struct store *store)
{
    return atomic_load(&store->left_off) ||
           (store->options.is_stopping && store->options.is_stopping());
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static bool takes_long(const struct store_job *job)
{
    if (job_brings_draft(job))
        return draft_size(job->draft) > DRAFT_LARGE;
    if (job->kind == STORE_ROOM)
        return true;
    return job->kind == STORE_LAND && !partial_is_checked(job->partial);
}

void store_submit(struct store *store, struct store_job *job)
{
    MUST_BE(store, STORE_MAGIC);
    MUST((int)job->kind < JOB_ERRAND && job->done);
    if (takes_long(job))
        porter_add(store, job);
    else
        writer_add(store, job);
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void note_done(struct store_job *job)
{
    struct waiting *waiting = job->owner;

    pthread_mutex_lock(&waiting->lock);
    waiting->done = true;
    pthread_cond_signal(&waiting->changed);
    pthread_mutex_unlock(&waiting->lock);
}

enum store_status store_do(struct store *store, struct store_job *job)
{
    struct waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

    job->done = note_done;
    job->owner = &waiting;
    store_submit(store, job);
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.done)
        pthread_cond_wait(&waiting.changed, &waiting.lock);
    pthread_mutex_unlock(&waiting.lock);
    return job->status;
}

void store_on_change(struct store *store, store_change *change, void *arg)
{
    pthread_mutex_lock(&store->told_lock);
    store->change = change;
    store->change_arg = arg;
    pthread_mutex_unlock(&store->told_lock);
}

/* ---- health --------------------------------------------------------------------------------- */

void store_note_fault(struct store *store, enum store_status status)
{
    if (status == STORE_ROTTEN)
        atomic_store(&store->suspect, true);
    if (status != STORE_FULL && status != STORE_READ_ONLY && status != STORE_FAILED)
        return;
    if (atomic_exchange(&store->health, (int)status) == STORE_OK)
        log_error("store: changes fail now: %s", store_sentence(status));
}

/* What changes with the help of the reserve is no sign that there is room. */
void store_note_success(struct store *store)
{
    if (!atomic_load(&store->tight) && atomic_exchange(&store->health, STORE_OK) != STORE_OK)
        log_info("store: changes succeed again");
}

void store_note_use(struct store *store, const struct digest *sha256)
{
    wall_t now = store->options.wall();

    pthread_mutex_lock(&store->uses_lock);
    if (store->use_count < USES_MAX)
        store->uses[store->use_count++] = (struct use){*sha256, now.ms > 0 ? (uint64_t)now.ms : 0};
    pthread_mutex_unlock(&store->uses_lock);
}

/* ---- looking after -------------------------------------------------------------------------- */

static enum store_status rebuild(struct store *store, void *arg)
{
    return rebuild_catalogue(store, arg);
}

enum store_status store_rebuild(struct store *store, struct store_report *report)
{
    *report = (struct store_report){0};
    return writer_run_alone(store, rebuild, report);
}

void store_set_cache_size(struct store *store, uint64_t bytes)
{
    MUST_BE(store, STORE_MAGIC);
    store->cache_size = bytes;
}

void store_sweep(struct store *store)
{
    MUST_BE(store, STORE_MAGIC);
    if (!atomic_exchange(&store->sweeping, true))
        porter_send(store, sweep_run);
}
