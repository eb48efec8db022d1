/* SPDX-License-Identifier: ISC */
#include "tests/unit/flights_script.h"

#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

struct script script = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct flight_reader *flights_join(struct flights *flights, const struct manifest *manifest,
                                   const struct share *share, struct span via,
                                   void (*wake)(void *arg), void *arg)
{
    struct flight_reader *reader = NULL;

    (void)flights, (void)manifest;
    pthread_mutex_lock(&script.lock);
    for (size_t i = 0; i < READERS_MAX && !reader && !script.full; i++) {
        if (!script.readers[i].here)
            reader = &script.readers[i];
    }
    if (reader) {
        assert_true(span_copy(via, script.via, sizeof(script.via)));
        script.share = *share;
        *reader = (struct flight_reader){.wake = wake, .arg = arg, .here = true};
        script.joined++;
        script.failed = false; /* one that failed is not joined: a new one begins */
    }
    pthread_mutex_unlock(&script.lock);
    return reader;
}

bool flights_start(struct flights *flights, const struct manifest *manifest,
                   const struct share *share)
{
    (void)flights, (void)manifest, (void)share;
    pthread_mutex_lock(&script.lock);
    script.started++;
    pthread_mutex_unlock(&script.lock);
    return true;
}

ssize_t flights_read(struct flight_reader *reader, uint64_t from, void *bytes, size_t len)
{
    ssize_t n = FLIGHT_WAIT;

    pthread_mutex_lock(&script.lock);
    if (script.failed) {
        n = FLIGHT_FAILED;
    } else if (from < script.had) {
        n = (ssize_t)(script.had - from < len ? script.had - from : len);
        memcpy(bytes, script.bytes + from, (size_t)n);
    } else {
        reader->waits = true;
        script.waits++;
    }
    pthread_mutex_unlock(&script.lock);
    return n;
}

bool flights_keeps(const struct flight_reader *reader)
{
    bool passes;

    (void)reader;
    pthread_mutex_lock(&script.lock);
    passes = script.passes;
    pthread_mutex_unlock(&script.lock);
    return !passes;
}

ssize_t flights_list(struct flight_reader *reader, const struct digest **list)
{
    ssize_t result;

    pthread_mutex_lock(&script.lock);
    result = (ssize_t)script.list_count;
    *list = script.list;
    if (!script.listed) {
        reader->waits = true;
        result = FLIGHT_WAIT;
    }
    pthread_mutex_unlock(&script.lock);
    return result;
}

void flights_unwait(struct flight_reader *reader)
{
    pthread_mutex_lock(&script.lock);
    reader->waits = false;
    pthread_mutex_unlock(&script.lock);
}

void flights_leave(struct flight_reader *reader)
{
    pthread_mutex_lock(&script.lock);
    assert_true(reader->here);
    reader->here = false;
    script.left++;
    pthread_mutex_unlock(&script.lock);
}

static void wake_readers(void)
{
    for (size_t i = 0; i < READERS_MAX; i++) {
        struct flight_reader *reader = &script.readers[i];
        if (reader->waits) {
            reader->waits = false;
            reader->wake(reader->arg);
        }
    }
}

void let_in(size_t bytes, bool failed)
{
    pthread_mutex_lock(&script.lock);
    script.had += bytes;
    script.failed = failed;
    wake_readers();
    pthread_mutex_unlock(&script.lock);
}

void let_in_list(size_t count)
{
    pthread_mutex_lock(&script.lock);
    script.list_count = count;
    memset(script.list, 11, count * sizeof(*script.list));
    script.listed = true;
    wake_readers();
    pthread_mutex_unlock(&script.lock);
}

unsigned count_of(const unsigned *counter)
{
    unsigned n;

    pthread_mutex_lock(&script.lock);
    n = *counter;
    pthread_mutex_unlock(&script.lock);
    return n;
}

void until(const unsigned *counter, unsigned n)
{
    for (int i = 0; count_of(counter) < n; i++) {
        if (i == 10000)
            fail_msg("%u came, not %u", count_of(counter), n);
        usleep(1000);
    }
}
