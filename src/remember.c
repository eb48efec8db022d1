/* SPDX-License-Identifier: ISC */
#include "src/remember.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/files.h"
#include "src/base/lock.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/clock.h"
#include "src/remember_inner.h"
#include "src/signals.h"

enum { REMEMBER_MAGIC = 0x72656d62 };

static const int64_t RETRY = MONO_S(1); /* after a write that failed */

static const char file_name[] = "election", new_name[] = "election.new";

/* What is remembered of a tier. */
struct place {
    struct remembered now;
    uint64_t touched; /* the places that were touched least lately go first */
    bool posted;      /* `now.memory` is not on the disk yet */
    void (*kept)(void *arg, const char *tier, uint64_t reserved);
    void *arg;
    bool turns;   /* somebody waits for `hand` to be on the disk */
    bool turning; /* it is part of what is being written */
    bool turned;  /* out: the disk took it */
    struct remember_hand hand;
};

struct remember {
    unsigned magic;
    char *home;
    int folder;
    pthread_t thread;
    pthread_mutex_t turn; /* one demotion by hand at a time; taken before `lock` */

    pthread_mutex_t lock; /* guards the rest; never held while the disk is waited for */
    pthread_cond_t wanted, done;
    struct place *places[REMEMBERED_TIERS_MAX];
    size_t count;
    uint64_t touches;
    bool stale; /* the file is not what the places say */
    bool urgent;
    _Atomic bool failing; /* the last write; read without the lock */
    bool ending;
    mono_t retry;
    const void *calling; /* whom the thread calls back now */
};

/* ---- places ---------------------------------------------------------------------------------- */

static struct place *find_place(struct remember *r, const char *tier)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->places[i]->now.tier, tier) == 0)
            return r->places[i];
    }
    return NULL;
}

/* There is room for twice as many tiers as a node can be in, so this is one that was left. */
static struct place *oldest_place(struct remember *r)
{
    struct place *oldest = r->places[0];

    for (size_t i = 1; i < r->count; i++) {
        if (r->places[i]->touched < oldest->touched)
            oldest = r->places[i];
    }
    return oldest;
}

static struct place *touch_place(struct remember *r, const char *tier)
{
    struct place *place = find_place(r, tier);

    if (!place && r->count == REMEMBERED_TIERS_MAX) {
        place = oldest_place(r);
        memset(place, 0, sizeof(*place));
    } else if (!place) {
        place = calloc(1, sizeof(*place));
        MUST(place != NULL);
        r->places[r->count++] = place;
    }
    place->touched = ++r->touches;
    MUST(span_copy(span_of(tier), place->now.tier, sizeof(place->now.tier)));
    return place;
}

static void forget_places(struct remember *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->places[i]);
    r->count = 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool take_tier(void *arg, const struct remembered *one)
{
    struct remember *r = arg;

    if (r->count == REMEMBERED_TIERS_MAX || find_place(r, one->tier))
        return false;
    touch_place(r, one->tier)->now = *one;
    return true;
}

static void take_file(struct remember *r, int fd)
{
    char *bytes = malloc(REMEMBERED_FILE_MAX + 1);
    ssize_t len;

    MUST(bytes != NULL);
    len = file_read(fd, bytes, REMEMBERED_FILE_MAX + 1, 0);
    if (len < 0) {
        log_warn("cannot read %s/%s: %s: elections begin without it", r->home, file_name,
                 strerror(errno));
    } else if (len > REMEMBERED_FILE_MAX ||
               !remembered_read((struct span){bytes, (size_t)len}, take_tier, r)) {
        forget_places(r);
        log_warn("%s/%s is malformed: taken for lost; epochs and counters are learned from the "
                 "other candidates, and demotions by hand (pond demote) are to be said again",
                 r->home, file_name);
    }
    free(bytes);
}

static void read_file(struct remember *r)
{
    int fd = openat(r->folder, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0) {
        take_file(r, fd);
        close(fd);
    } else if (errno != ENOENT) {
        log_warn("cannot read %s/%s: %s: elections begin without it", r->home, file_name,
                 strerror(errno));
    }
}

/* Beside the old one, synced, then in its place, and the folder synced. A file of its own each
 * time: what a disk once failed to sync is not written again in place. */
static bool write_file(const struct remember *r, struct span text)
{
    int fd;
    bool good;

    unlinkat(r->folder, new_name, 0);
    fd = openat(r->folder, new_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return false;
    good = file_write(fd, text.at, text.len, 0) && fsync(fd) == 0;
    if (close(fd) == 0 && good && renameat(r->folder, new_name, r->folder, file_name) == 0)
        return fsync(r->folder) == 0;
    unlinkat(r->folder, new_name, 0);
    return false;
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* What one write holds, and to whom it is then told. */
struct round {
    struct text text;
    size_t count;
    struct promise {
        char tier[TIER_SIZE];
        uint64_t reserved;
    } promises[REMEMBERED_TIERS_MAX];
};

/* With the lock. */
static void add_place(struct round *round, struct place *place)
{
    struct remember_hand before = place->now.hand;

    place->turning = place->turns;
    if (place->turning)
        place->now.hand = place->hand;
    remembered_add(&round->text, &place->now);
    place->now.hand = before;
    if (place->posted) {
        struct promise *promise = &round->promises[round->count++];
        memcpy(promise->tier, place->now.tier, sizeof(promise->tier));
        promise->reserved = place->now.memory.reserved;
    }
    place->posted = false;
}

/* The lock is let go between two tiers, so that who posts waits for one of them at most. */
static struct round *compose(struct remember *r)
{
    struct round *round = calloc(1, sizeof(*round));
    char *memory = malloc(REMEMBERED_FILE_MAX);

    MUST(round != NULL && memory != NULL);
    round->text = text_over(memory, REMEMBERED_FILE_MAX);
    remembered_begin(&round->text);
    r->stale = r->urgent = false;
    for (size_t i = 0; i < r->count; i++) {
        add_place(round, r->places[i]);
        pthread_mutex_unlock(&r->lock);
        pthread_mutex_lock(&r->lock);
    }
    remembered_end(&round->text);
    MUST(!round->text.full);
    return round;
}

static void log_outcome(struct remember *r, bool good, int error)
{
    if (!good && !r->failing)
        log_error("cannot write %s/%s: %s: elections go on with what is reserved there, and it is "
                  "tried again every second; make the folder writable",
                  r->home, file_name, strerror(error));
    else if (good && r->failing)
        log_info("%s/%s can be written again", r->home, file_name);
    r->failing = !good;
}

static void end_turns(struct remember *r, bool good)
{
    for (size_t i = 0; i < r->count; i++) {
        struct place *place = r->places[i];
        if (!place->turning)
            continue;
        place->turned = good;
        place->turns = place->turning = false;
        if (good)
            place->now.hand = place->hand;
    }
    pthread_cond_broadcast(&r->done);
}

/* Calls without the lock; remember_hush waits for the one that is under way. */
static void keep_promise(struct remember *r, const struct promise *promise)
{
    const struct place *place = find_place(r, promise->tier);
    void (*kept)(void *arg, const char *tier, uint64_t reserved);
    void *arg;

    if (!place || !place->kept)
        return;
    kept = place->kept; /* which others change as soon as the lock is let go */
    arg = place->arg;
    r->calling = arg;
    pthread_mutex_unlock(&r->lock);
    kept(arg, promise->tier, promise->reserved);
    pthread_mutex_lock(&r->lock);
    r->calling = NULL;
    pthread_cond_broadcast(&r->done);
}

/* Nothing is known of the file then: perhaps it holds what was refused. */
static void break_promises(struct remember *r, const struct round *round)
{
    for (size_t i = 0; i < round->count; i++) {
        struct place *place = find_place(r, round->promises[i].tier);
        if (place)
            place->posted = true;
    }
    r->stale = true;
    r->retry = mono_after(clock_mono(), RETRY);
}

/* With the lock, which it lets go. */
static void write_round(struct remember *r)
{
    struct round *round = compose(r);
    bool good;
    int error;

    pthread_mutex_unlock(&r->lock);
    good = write_file(r, (struct span){round->text.at, round->text.len});
    error = errno;
    pthread_mutex_lock(&r->lock);
    log_outcome(r, good, error);
    end_turns(r, good);
    if (!good)
        break_promises(r, round);
    for (size_t i = 0; good && i < round->count; i++)
        keep_promise(r, &round->promises[i]);
    free(round->text.at);
    free(round);
}

static void wait_until(struct remember *r, mono_t until)
{
    struct timespec at = {.tv_sec = until.ns / MONO_S(1), .tv_nsec = until.ns % MONO_S(1)};

    pthread_cond_timedwait(&r->wanted, &r->lock, &at);
}

/* What is posted at the end is tried once more, however it went before. */
static void *run(void *arg)
{
    struct remember *r = arg;

    MUST_BE(r, REMEMBER_MAGIC);
    pthread_mutex_lock(&r->lock);
    while (!r->ending) {
        if (!r->stale)
            pthread_cond_wait(&r->wanted, &r->lock);
        else if (r->failing && !r->urgent && !mono_reached(clock_mono(), r->retry))
            wait_until(r, r->retry);
        else
            write_round(r);
    }
    if (r->stale)
        write_round(r);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- the way in ------------------------------------------------------------------------------ */

/* Its timed waits go by the clock that nobody steps. */
static void make_locks(struct remember *r)
{
    pthread_condattr_t monotonic;

    MUST(pthread_condattr_init(&monotonic) == 0);
    MUST(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    MUST(pthread_cond_init(&r->wanted, &monotonic) == 0);
    MUST(pthread_cond_init(&r->done, NULL) == 0);
    lock_init(&r->lock);
    MUST(pthread_mutex_init(&r->turn, NULL) == 0);
    pthread_condattr_destroy(&monotonic);
}

struct remember *remember_open(const char *home)
{
    struct remember *r;
    int folder = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sigset_t before;

    if (folder < 0) {
        log_error("cannot open %s: %s: elections have no place to remember anything", home,
                  strerror(errno));
        return NULL;
    }
    r = calloc(1, sizeof(*r));
    MUST(r != NULL);
    r->magic = REMEMBER_MAGIC;
    r->folder = folder;
    r->home = strdup(home);
    MUST(r->home != NULL);
    make_locks(r);
    read_file(r);
    signals_block(&before);
    MUST(pthread_create(&r->thread, NULL, run, r) == 0);
    signals_restore(&before);
    return r;
}

void remember_close(struct remember *r)
{
    if (!r)
        return;
    MUST_BE(r, REMEMBER_MAGIC);
    pthread_mutex_lock(&r->lock);
    r->ending = true;
    pthread_cond_broadcast(&r->wanted);
    pthread_mutex_unlock(&r->lock);
    MUST(pthread_join(r->thread, NULL) == 0);
    pthread_cond_destroy(&r->wanted);
    pthread_cond_destroy(&r->done);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->turn);
    forget_places(r);
    close(r->folder);
    free(r->home);
    r->magic = 0;
    free(r);
}

void remember_memory(struct remember *r, const char *tier, struct elect_memory *out)
{
    struct place *place;

    MUST_BE(r, REMEMBER_MAGIC);
    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&r->lock);
    place = find_place(r, tier);
    if (place) {
        place->touched = ++r->touches;
        *out = place->now.memory;
    }
    pthread_mutex_unlock(&r->lock);
}

/* Epochs order a tier's history: the highest that was ever known does not go back. `reserved` does,
 * when who reserved it leaves in good order and says what it did not use. */
void remember_post(struct remember *r, const struct remember_post *post)
{
    struct place *place;
    uint64_t epoch;

    MUST_BE(r, REMEMBER_MAGIC);
    MUST(post->memory.count <= ELECT_CANDIDATES_MAX);
    pthread_mutex_lock(&r->lock);
    MUST(!r->ending);
    place = touch_place(r, post->tier);
    epoch = place->now.memory.epoch;
    place->now.memory = post->memory;
    if (place->now.memory.epoch < epoch)
        place->now.memory.epoch = epoch;
    place->posted = true;
    place->kept = post->kept;
    place->arg = post->arg;
    r->stale = true;
    pthread_cond_signal(&r->wanted);
    pthread_mutex_unlock(&r->lock);
}

void remember_hush(struct remember *r, const void *arg)
{
    MUST_BE(r, REMEMBER_MAGIC);
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->count; i++) {
        if (r->places[i]->arg == arg)
            r->places[i]->kept = NULL;
    }
    while (r->calling && r->calling == arg)
        pthread_cond_wait(&r->done, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

bool remember_is_sound(const struct remember *remember)
{
    MUST_BE(remember, REMEMBER_MAGIC);
    return !atomic_load(&remember->failing);
}

bool remember_set_hand(struct remember *r, const char *tier, const struct remember_hand *hand)
{
    struct place *place;
    bool turned;

    MUST_BE(r, REMEMBER_MAGIC);
    pthread_mutex_lock(&r->turn);
    pthread_mutex_lock(&r->lock);
    MUST(!r->ending);
    place = touch_place(r, tier);
    place->hand = *hand;
    place->turns = r->stale = r->urgent = true;
    pthread_cond_signal(&r->wanted);
    while (place->turns)
        pthread_cond_wait(&r->done, &r->lock);
    turned = place->turned;
    pthread_mutex_unlock(&r->lock);
    pthread_mutex_unlock(&r->turn);
    return turned;
}

void remember_hand(struct remember *r, const char *tier, struct remember_hand *out)
{
    struct place *place;

    MUST_BE(r, REMEMBER_MAGIC);
    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&r->lock);
    place = find_place(r, tier);
    if (place)
        *out = place->now.hand;
    pthread_mutex_unlock(&r->lock);
}

void remember_hand_over(struct remember *r, const char *tier, const struct remember_hand *hand)
{
    struct place *place;

    MUST_BE(r, REMEMBER_MAGIC);
    pthread_mutex_lock(&r->lock);
    place = find_place(r, tier);
    if (place && place->now.hand.since.ms == hand->since.ms &&
        place->now.hand.until.ms == hand->until.ms) {
        place->now.hand = (struct remember_hand){0};
        r->stale = true;
        pthread_cond_signal(&r->wanted);
    }
    pthread_mutex_unlock(&r->lock);
}
