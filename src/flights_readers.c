/* SPDX-License-Identifier: ISC */
#include "src/flights.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/flights_inner.h"

/* ---- waiting: with flying.lock held --------------------------------------------------------- */

static void stop_waiting(struct flight_reader *reader)
{
    if (!reader->waiting)
        return;
    reader->waiting = false;
    *reader->link = reader->next;
    if (reader->next)
        reader->next->link = reader->link;
}

static void start_waiting(struct flight_reader *reader, uint32_t chunk)
{
    struct flight_reader **bucket = &reader->flying->waiting[chunk % FLIGHT_BUCKETS];

    stop_waiting(reader);
    reader->waiting = true;
    reader->chunk = chunk;
    reader->next = *bucket;
    reader->link = bucket;
    if (reader->next)
        reader->next->link = &reader->next;
    *bucket = reader;
}

static void send_note(struct flying *flying)
{
    if (flying->noted)
        return;
    flying->noted = true;
    flying->refs++;
    fetch_call(flying->flights->options.fetch, flying_note, flying);
}

/* Lets the fetch thread know that somebody waits for this chunk; once for many. For more places
 * than there is room for it asks in its time: flying_listen. */
static void note(struct flying *flying, uint32_t chunk)
{
    for (size_t i = 0; i < flying->want_count; i++) {
        if (flying->wants[i] == chunk)
            return;
    }
    if (flying->want_count < FLIGHT_WANTS_MAX)
        flying->wants[flying->want_count++] = chunk;
    else
        flying->crowded = true;
    send_note(flying);
}

/* How far it is to a chunk from where the last turn ended, going round. */
static uint32_t way_to(const struct flying *flying, uint32_t chunk)
{
    return chunk - flying->turn + (chunk < flying->turn ? CHUNK_COUNT_MAX : 0);
}

/* Adds it to the nearest ones, which stand in their order. */
static void note_nearest(struct flying *flying, uint32_t chunk)
{
    uint32_t way = way_to(flying, chunk);
    size_t at = flying->want_count;

    while (at > 0 && way_to(flying, flying->wants[at - 1]) > way)
        at--;
    if (at > 0 && flying->wants[at - 1] == chunk)
        return;
    if (flying->want_count == FLIGHT_WANTS_MAX) {
        flying->crowded = true;
        if (at == FLIGHT_WANTS_MAX)
            return;
        flying->want_count--;
    }
    memmove(&flying->wants[at + 1], &flying->wants[at],
            (flying->want_count - at) * sizeof(*flying->wants));
    flying->wants[at] = chunk;
    flying->want_count++;
}

void flying_listen(struct flying *flying)
{
    pthread_mutex_lock(&flying->lock);
    flying->want_count = 0; /* whoever is on the list waits, and is found again */
    flying->crowded = false;
    for (size_t bucket = 0; bucket < FLIGHT_BUCKETS; bucket++) {
        for (struct flight_reader *reader = flying->waiting[bucket]; reader; reader = reader->next)
            if (reader->chunk != FLYING_LIST)
                note_nearest(flying, reader->chunk);
    }
    if (flying->want_count > 0) {
        flying->turn = flying->wants[flying->want_count - 1] + 1;
        send_note(flying);
    }
    pthread_mutex_unlock(&flying->lock);
}

/* Takes those who wait for `chunk`, or all of the bucket, off it, and adds them to the list; with
 * wake_lock held too. */
static void collect(struct flying *flying, size_t bucket, const uint32_t *chunk,
                    struct flight_reader **list)
{
    struct flight_reader *next;

    for (struct flight_reader *reader = flying->waiting[bucket]; reader; reader = next) {
        next = reader->next;
        if (chunk && reader->chunk != *chunk)
            continue;
        stop_waiting(reader);
        reader->next_woken = *list;
        *list = reader;
    }
}

/* With wake_lock held: nobody on the list can leave before it is let go. */
static void wake_list(struct flight_reader *list)
{
    for (struct flight_reader *reader = list; reader; reader = reader->next_woken)
        reader->wake(reader->arg);
}

void flying_wake(struct flying *flying, uint32_t chunk)
{
    struct flight_reader *list = NULL;

    pthread_mutex_lock(&flying->wake_lock);
    pthread_mutex_lock(&flying->lock);
    collect(flying, chunk % FLIGHT_BUCKETS, &chunk, &list);
    pthread_mutex_unlock(&flying->lock);
    wake_list(list);
    pthread_mutex_unlock(&flying->wake_lock);
}

void flying_wake_all(struct flying *flying)
{
    struct flight_reader *list = NULL;

    pthread_mutex_lock(&flying->wake_lock);
    pthread_mutex_lock(&flying->lock);
    for (size_t bucket = 0; bucket < FLIGHT_BUCKETS; bucket++)
        collect(flying, bucket, NULL, &list);
    pthread_mutex_unlock(&flying->lock);
    wake_list(list);
    pthread_mutex_unlock(&flying->wake_lock);
}

/* ---- readers -------------------------------------------------------------------------------- */

struct flight_reader *flights_join(struct flights *flights, const struct manifest *manifest,
                                   const struct share *share, struct span via,
                                   void (*wake)(void *arg), void *arg)
{
    struct flight_reader *reader = NULL;
    struct flying *flying = NULL;
    bool taken;

    MUST_BE(flights, FLIGHTS_MAGIC);
    taken = portions_take(flights->portions, share_host(share), 1);
    pthread_mutex_lock(&flights->lock);
    if (taken)
        flying = flying_get(flights, manifest, share, via);
    else
        flights_refused(flights, share);
    if (flying) {
        flights->readers++;
        flying->readers++;
    }
    pthread_mutex_unlock(&flights->lock);
    if (!flying) {
        if (taken)
            portions_give(flights->portions, share_host(share), 1);
        return NULL;
    }
    reader = calloc(1, sizeof(*reader));
    MUST(reader != NULL);
    *reader = (struct flight_reader){
        .magic = READER_MAGIC, .flying = flying, .share = *share, .wake = wake, .arg = arg};
    return reader;
}

/* Small content is read before the store has it. Where the store falls behind, its readers wait for
 * it: else what has come would pile up, with nobody to slow it down. With flying.lock held. */
static bool is_held_back(const struct flying *flying)
{
    return flying->state == FLYING_ALOFT && partial_is_small(&flying->manifest) &&
           atomic_load(&flying->flights->landing) > FLIGHTS_BACKLOG;
}

static bool may_read(struct flying *flying)
{
    bool may;

    pthread_mutex_lock(&flying->lock);
    may = !is_held_back(flying);
    pthread_mutex_unlock(&flying->lock);
    return may;
}

/* Begins to wait for the chunk, unless it has come meanwhile: whoever brings it takes the same lock
 * afterwards, so that no wake is lost. */
static ssize_t wait_for(struct flight_reader *reader, uint32_t chunk, bool *came)
{
    struct flying *flying = reader->flying;
    struct partial *partial;
    ssize_t result = FLIGHT_WAIT;

    pthread_mutex_lock(&flying->lock);
    partial = flying->partial;
    *came = partial && partial_has(partial, chunk) && !is_held_back(flying);
    if (*came) {
        stop_waiting(reader);
    } else if (flying->state == FLYING_ALOFT) {
        start_waiting(reader, chunk);
        if (!(partial && partial_has(partial, chunk)))
            note(flying, chunk);
    } else {
        result = FLIGHT_FAILED;
    }
    pthread_mutex_unlock(&flying->lock);
    return result;
}

ssize_t flights_read(struct flight_reader *reader, uint64_t from, void *bytes, size_t len)
{
    const struct manifest *manifest;
    struct partial *partial;
    ssize_t n;
    bool came;

    MUST_BE(reader, READER_MAGIC);
    manifest = &reader->flying->manifest;
    MUST(from < manifest->size && len > 0);
    do {
        partial = reader->flying->partial;
        n = partial && may_read(reader->flying) ? partial_read(partial, from, bytes, len) : 0;
        if (n != 0)
            return n > 0 ? n : FLIGHT_FAILED;
        n = wait_for(reader, (uint32_t)(from / manifest->chunk_size), &came);
    } while (came);
    return n;
}

ssize_t flights_list(struct flight_reader *reader, const struct digest **list)
{
    struct flying *flying = reader->flying;
    const struct manifest *manifest = &flying->manifest;
    ssize_t result = FLIGHT_FAILED;

    MUST_BE(reader, READER_MAGIC);
    pthread_mutex_lock(&flying->lock);
    *list = flying->partial ? partial_list(flying->partial) : NULL;
    if (*list) {
        stop_waiting(reader);
        result = chunk_count(manifest->size, manifest->chunk_size);
    } else if (flying->state == FLYING_ALOFT) {
        start_waiting(reader, FLYING_LIST);
        result = FLIGHT_WAIT;
    }
    pthread_mutex_unlock(&flying->lock);
    return result;
}

bool flights_keeps(const struct flight_reader *reader)
{
    struct flying *flying = reader->flying;
    bool keeps;

    MUST_BE(reader, READER_MAGIC);
    pthread_mutex_lock(&flying->lock);
    keeps = !flying_is_passing(flying);
    pthread_mutex_unlock(&flying->lock);
    return keeps;
}

void flights_unwait(struct flight_reader *reader)
{
    struct flying *flying = reader->flying;

    MUST_BE(reader, READER_MAGIC);
    pthread_mutex_lock(&flying->wake_lock);
    pthread_mutex_lock(&flying->lock);
    stop_waiting(reader);
    pthread_mutex_unlock(&flying->lock);
    pthread_mutex_unlock(&flying->wake_lock);
}

void flights_leave(struct flight_reader *reader)
{
    struct flying *flying = reader->flying;
    struct flights *flights = flying->flights;

    flights_unwait(reader);
    portions_give(flights->portions, share_host(&reader->share), 1);
    reader->magic = 0;
    free(reader);
    pthread_mutex_lock(&flights->lock);
    flights->readers--;
    flying->readers--;
    pthread_mutex_unlock(&flights->lock);
    flying_drop(flying);
}
