/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "cache/store_inner.h"
#include "src/base/log.h"

/*
 * Room that is set apart, so that names are still heard of, confirmations noted and content dropped
 * when the disk is full: each of them is a change of journal and catalogue. The writer spends it
 * before a group that might find no room, and after one that found none, whatever the file system
 * tells (a quota may be over long before); then content, of which there is always more, takes
 * nothing, until the reserve is whole again.
 */
static const char NAME[] = "reserve";

/* Not so near the end that the next group would spend it again. */
static const uint64_t MAKE_LEAST = RESERVE_SIZE + 2 * (uint64_t)RESERVE_LOW;

static bool make(const struct home *home)
{
    int fd, error;

    if (home_free(home) < MAKE_LEAST)
        return false;
    fd = file_open(home, FOLDER_HOME, NAME, O_RDWR | O_CREAT);
    if (fd < 0)
        return false;
    error = posix_fallocate(fd, 0, (off_t)MAKE_LEAST); /* a quota tells by nothing else */
    if (!error && ftruncate(fd, RESERVE_SIZE) != 0)
        error = errno;
    close(fd);
    if (error)
        file_remove(home, FOLDER_HOME, NAME);
    return error == 0;
}

void reserve_load(struct store *store)
{
    uint64_t size;

    if (file_look(&store->home, FOLDER_HOME, NAME, NULL, &size) && size == RESERVE_SIZE &&
        home_free(&store->home) >= RESERVE_LOW)
        return;
    file_remove(&store->home, FOLDER_HOME, NAME);
    if (make(&store->home))
        return;
    atomic_store(&store->tight, true);
    store_note_fault(store, STORE_FULL);
}

void reserve_give(struct store *store)
{
    uint64_t free = home_free(&store->home);

    if (atomic_load(&store->tight))
        return;
    pthread_mutex_lock(&store->reserve_lock);
    file_remove(&store->home, FOLDER_HOME, NAME);
    atomic_store(&store->tight, true);
    pthread_mutex_unlock(&store->reserve_lock);
    log_warn("store: there is no room below %s (%" PRIu64 " bytes are free, or fewer where there "
             "is a quota): content is not kept any more until there are %" PRIu64
             "; what is known of it still is, for as long as the %d bytes last that were set apart",
             store->home.path, free, MAKE_LEAST, RESERVE_SIZE);
    store_note_fault(store, STORE_FULL);
    sweep_want_room(store, 0);
}

void reserve_spend(struct store *store)
{
    if (home_free(&store->home) < RESERVE_LOW)
        reserve_give(store);
}

bool reserve_hold(struct store *store)
{
    bool holds;

    if (!atomic_load(&store->tight))
        return true;
    pthread_mutex_lock(&store->reserve_lock);
    holds = !atomic_load(&store->tight) || make(&store->home);
    atomic_store(&store->tight, !holds);
    pthread_mutex_unlock(&store->reserve_lock);
    if (!holds)
        errno = ENOSPC;
    return holds;
}

uint64_t reserve_lacks(const struct store *store)
{
    return RESERVE_LOW + (atomic_load(&store->tight) ? MAKE_LEAST : 0);
}
