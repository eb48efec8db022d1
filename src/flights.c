/* SPDX-License-Identifier: ISC */
#include "src/flights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"
#include "src/flights_inner.h"
#include "src/frames.h"

struct flights *flights_new(const struct flights_options *options)
{
    struct flights *flights = calloc(1, sizeof(*flights));

    MUST(flights != NULL);
    flights->magic = FLIGHTS_MAGIC;
    flights->options = *options;
    flights->portions = portions_new(
        &(struct portions_most){FLIGHTS_READERS_MAX, FLIGHTS_READERS_OTHERS, FLIGHTS_READERS_HOST});
    flights->small_workers = workers_new(1);
    flights->large_workers = workers_new(1);
    MUST(pthread_mutex_init(&flights->lock, NULL) == 0);
    MUST(pthread_cond_init(&flights->changed, NULL) == 0);
    return flights;
}

/* ---- the table: with flights.lock held ------------------------------------------------------ */

static struct flying **bucket_of(struct flights *flights, const struct digest *sha256)
{
    return &flights->table[sha256->bytes[0] % FLIGHTS_BUCKETS];
}

static struct flying *find(struct flights *flights, const struct digest *sha256)
{
    struct flying *flying = *bucket_of(flights, sha256);

    while (flying && !digest_same(&flying->manifest.sha256, sha256))
        flying = flying->next;
    return flying;
}

static void enter(struct flying *flying)
{
    struct flying **bucket = bucket_of(flying->flights, &flying->manifest.sha256);

    flying->next = *bucket;
    *bucket = flying;
    flying->in_table = true;
    flying->flights->count++;
}

static void leave_table(struct flying *flying)
{
    struct flying **at = bucket_of(flying->flights, &flying->manifest.sha256);

    if (!flying->in_table)
        return;
    while (*at != flying)
        at = &(*at)->next;
    *at = flying->next;
    flying->in_table = false;
    flying->flights->count--;
}

/* Two manifests that claim different shapes of the same content: one of them lies, and only one
 * of them can be fetched at a time. */
static bool same_shape(const struct manifest *a, const struct manifest *b)
{
    return a->size == b->size && a->chunk_size == b->chunk_size &&
           digest_same(&a->chunks, &b->chunks);
}

static struct flying *flying_new(struct flights *flights, const struct manifest *manifest)
{
    struct flying *flying = malloc(sizeof(*flying));

    MUST(flying != NULL && !manifest->deleted);
    memset(flying, 0, offsetof(struct flying, machine));
    flying->magic = FLYING_MAGIC;
    flying->flights = flights;
    flying->manifest = *manifest;
    flying->state = FLYING_FAILED; /* not yet aloft */
    MUST(pthread_mutex_init(&flying->wake_lock, NULL) == 0);
    MUST(pthread_mutex_init(&flying->lock, NULL) == 0);
    flights->alive++;
    enter(flying);
    return flying;
}

/* Makes it fly, for the first time or again: it may have failed, and still have readers. */
static void take_off(struct flying *flying, struct span via)
{
    struct flights *flights = flying->flights;

    if (!span_copy(via, flying->via, sizeof(flying->via)))
        flying->via[0] = '\0'; /* longer than any chain of tiers: a circle is found without it */

    flying->refs++;
    flights->aloft++;
    pthread_mutex_lock(&flying->lock);
    flying->state = FLYING_ALOFT;
    fetch_call(flights->options.fetch, flying_begin, flying); /* ahead of any note of a reader's */
    pthread_mutex_unlock(&flying->lock);
}

/* What is only on its way into the store has left its place to the next one: how many fetches there
 * may be does not hang on the disk. */
static bool holds_place(const struct flights *flights, const struct flying *flying)
{
    return !flying->landing || flying->share.kind == SHARE_FILLER ||
           atomic_load(&flights->landing) > FLIGHTS_LANDING_MAX;
}

/* Those that ended count too, as long as they have readers: so their memory is bounded. */
static bool has_place(struct flights *flights, const struct share *share)
{
    struct shares_taken taken = {.all = 0};

    for (size_t i = 0; i < FLIGHTS_BUCKETS; i++) {
        for (struct flying *flying = flights->table[i]; flying; flying = flying->next) {
            if (holds_place(flights, flying))
                shares_count(&taken, &flying->share, share);
        }
    }
    return shares_allow(&taken, share->kind);
}

void flights_refused(struct flights *flights, const struct share *share)
{
    char host[ADDRESS_TEXT_SIZE];
    uint64_t missed;

    stat_add(STAT_FETCHES_REFUSED, 1);
    if (share->kind == SHARE_FILLER || !log_flood_pass(&flights->refused, clock_mono(), &missed))
        return;
    log_warn("%s, and %" PRIu64 " requests before it, must ask again: all places for fetches that "
             "it may take are taken (%zu are under way)",
             share->kind == SHARE_MEMBER ? address_host_text(&share->host, host) : "this host",
             missed, flights->aloft);
}

struct flying *flying_get(struct flights *flights, const struct manifest *manifest,
                          const struct share *share, struct span via)
{
    struct flying *flying = find(flights, &manifest->sha256);

    if (flights->stopping || (flying && !same_shape(&flying->manifest, manifest)))
        return NULL;
    if (!flying) {
        if (!has_place(flights, share)) {
            flights_refused(flights, share);
            return NULL;
        }
        flying = flying_new(flights, manifest);
        flying->share = *share;
    }
    flying->refs++;
    if (flying->state != FLYING_ALOFT)
        take_off(flying, via);
    return flying;
}

/* What readers look at stays as it is: they come by any name. */
void flying_rename(struct flying *flying, const struct manifest *manifest)
{
    if (!same_shape(&flying->manifest, manifest))
        return;
    pthread_mutex_lock(&flying->flights->lock);
    memcpy(flying->manifest.name, manifest->name, sizeof(flying->manifest.name));
    flying->manifest.version = manifest->version;
    pthread_mutex_unlock(&flying->flights->lock);
}

/* Closing a partial only closes a file; it is done under the lock so that no new flight of the
 * same content opens it meanwhile. */
static void drop(struct flying *flying)
{
    struct flights *flights = flying->flights;

    MUST_BE(flying, FLYING_MAGIC);
    if (--flying->refs > 0)
        return;
    leave_table(flying);
    if (flying->partial) /* where the disk was full, what lies there would keep it full */
        partial_close(flying->partial, flying->status != STORE_FULL);
    pthread_mutex_destroy(&flying->wake_lock);
    pthread_mutex_destroy(&flying->lock);
    flying->magic = 0;
    free(flying);
    flights->alive--;
}

void flying_drop(struct flying *flying)
{
    struct flights *flights = flying->flights;

    pthread_mutex_lock(&flights->lock);
    drop(flying);
    pthread_mutex_unlock(&flights->lock);
}

void flying_lands(struct flying *flying)
{
    struct flights *flights = flying->flights;

    if (!partial_is_small(&flying->manifest))
        return; /* it has a file, and its check takes long */
    pthread_mutex_lock(&flights->lock);
    flying->landing = true;
    flights->landing++;
    pthread_mutex_unlock(&flights->lock);
}

/* With flights.lock held. */
static void settle(struct flying *flying, enum flying_state state, bool gone)
{
    pthread_mutex_lock(&flying->lock);
    flying->state = state;
    pthread_mutex_unlock(&flying->lock);
    flying->flights->landing -= flying->landing;
    flying->landing = false;
    if (gone)
        leave_table(flying);
}

void flying_settle(struct flying *flying, enum flying_state state, bool gone)
{
    pthread_mutex_lock(&flying->flights->lock);
    settle(flying, state, gone);
    pthread_mutex_unlock(&flying->flights->lock);
}

bool flying_settle_unread(struct flying *flying)
{
    bool unread;

    pthread_mutex_lock(&flying->flights->lock);
    unread = flying->readers == 0;
    if (unread)
        settle(flying, FLYING_FAILED, false);
    pthread_mutex_unlock(&flying->flights->lock);
    return unread;
}

void flying_end(struct flying *flying, enum flights_end how)
{
    struct flights *flights = flying->flights;
    struct address source = flight_source_last(&flying->machine);

    flying_wake_all(flying);
    flights->options.ended(flights->options.arg, &flying->manifest, how, &source);

    pthread_mutex_lock(&flights->lock);
    drop(flying);
    flights->aloft--;
    pthread_cond_broadcast(&flights->changed);
    pthread_mutex_unlock(&flights->lock);
}

/* ---- starting, sources: any thread ---------------------------------------------------------- */

bool flights_start(struct flights *flights, const struct manifest *manifest,
                   const struct share *share)
{
    struct flying *flying;

    MUST_BE(flights, FLIGHTS_MAGIC);
    pthread_mutex_lock(&flights->lock);
    flying = flying_get(flights, manifest, share, span_of(""));
    if (flying)
        drop(flying);
    pthread_mutex_unlock(&flights->lock);
    return flying != NULL;
}

struct flights_filling flights_filling(struct flights *flights)
{
    struct flights_filling filling = {0};

    MUST_BE(flights, FLIGHTS_MAGIC);
    pthread_mutex_lock(&flights->lock);
    for (size_t i = 0; i < FLIGHTS_BUCKETS; i++) {
        for (struct flying *flying = flights->table[i]; flying; flying = flying->next) {
            if (flying->state != FLYING_ALOFT || flying->share.kind != SHARE_FILLER)
                continue;
            filling.all++;
            filling.large += flying->manifest.size > FRAME_CONTENT_MAX;
        }
    }
    pthread_mutex_unlock(&flights->lock);
    return filling;
}

/* Sources on their way to the fetch thread. */
struct finding {
    struct flights *flights;
    struct digest sha256; /* of one flight */
    struct flights_found found;
};

static void take_finding(void *arg)
{
    struct finding *finding = arg;
    struct flying *flying;
    bool aloft;

    pthread_mutex_lock(&finding->flights->lock);
    flying = find(finding->flights, &finding->sha256);
    aloft = flying && flying->state == FLYING_ALOFT;
    pthread_mutex_unlock(&finding->flights->lock);
    if (aloft) /* and stays so: it ends on this thread */
        flying_take_sources(flying, &finding->found);
    free(finding);
}

/* Calls `each` for all that are aloft, which end on this thread alone; without the lock. Those that
 * are about to land hold no place: there may be more of them than places. */
static void each_aloft(struct flights *flights, void (*each)(struct flying *flying, void *arg),
                       void *arg)
{
    struct flying **list;
    size_t count = 0;

    pthread_mutex_lock(&flights->lock);
    list = calloc(flights->aloft + 1, sizeof(*list));
    MUST(list != NULL);
    for (size_t i = 0; i < FLIGHTS_BUCKETS; i++) {
        for (struct flying *flying = flights->table[i]; flying; flying = flying->next) {
            if (flying->state != FLYING_ALOFT)
                continue;
            MUST(count < flights->aloft);
            list[count++] = flying;
        }
    }
    pthread_mutex_unlock(&flights->lock);
    for (size_t i = 0; i < count; i++) /* one that ends by it takes no other along */
        each(list[i], arg);
    free(list);
}

static void take_found(struct flying *flying, void *arg)
{
    const struct finding *finding = arg;

    flying_take_sources(flying, &finding->found);
}

static void take_finding_for_all(void *arg)
{
    struct finding *finding = arg;

    each_aloft(finding->flights, take_found, finding);
    free(finding);
}

static void send_finding(struct flights *flights, const struct digest *sha256,
                         const struct flights_found *found)
{
    struct finding *finding = calloc(1, sizeof(*finding));

    MUST_BE(flights, FLIGHTS_MAGIC);
    MUST(finding != NULL && found->count <= FLIGHT_SOURCES_MAX);
    finding->flights = flights;
    finding->found = *found;
    if (sha256)
        finding->sha256 = *sha256;
    pthread_mutex_lock(&flights->lock);
    if (flights->stopping)
        free(finding);
    else
        fetch_call(flights->options.fetch, sha256 ? take_finding : take_finding_for_all, finding);
    pthread_mutex_unlock(&flights->lock);
}

void flights_sources(struct flights *flights, const struct manifest *manifest,
                     const struct flights_found *found)
{
    send_finding(flights, &manifest->sha256, found);
}

void flights_reroute(struct flights *flights, const struct flights_found *found)
{
    send_finding(flights, NULL, found);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void stop_one(struct flying *flying, void *arg)
{
    (void)arg;
    flying_stop(flying);
}

static void stop_all(void *arg)
{
    struct flights *flights = arg;

    MUST_BE(flights, FLIGHTS_MAGIC);
    each_aloft(flights, stop_one, NULL);
}

static void come_through(void *arg)
{
    struct flights *flights = arg;

    pthread_mutex_lock(&flights->lock);
    flights->barriers++;
    pthread_cond_broadcast(&flights->changed);
    pthread_mutex_unlock(&flights->lock);
}

/* Until the fetch thread has done all that was asked of it before. */
static void wait_for_thread(struct flights *flights)
{
    unsigned before = flights->barriers;

    fetch_call(flights->options.fetch, come_through, flights);
    while (flights->barriers == before)
        pthread_cond_wait(&flights->changed, &flights->lock);
}

void flights_stop(struct flights *flights)
{
    MUST_BE(flights, FLIGHTS_MAGIC);
    pthread_mutex_lock(&flights->lock);
    flights->stopping = true;
    fetch_call(flights->options.fetch, stop_all, flights);
    while (flights->aloft > 0)
        pthread_cond_wait(&flights->changed, &flights->lock);
    wait_for_thread(flights); /* notes and sources that were still on their way */
    pthread_mutex_unlock(&flights->lock);
}

void flights_free(struct flights *flights)
{
    if (!flights)
        return;
    MUST_BE(flights, FLIGHTS_MAGIC);
    MUST(flights->stopping && flights->readers == 0 && flights->alive == 0);
    MUST(portions_taken(flights->portions) == 0);
    workers_free(flights->small_workers);
    workers_free(flights->large_workers);
    portions_free(flights->portions);
    pthread_cond_destroy(&flights->changed);
    pthread_mutex_destroy(&flights->lock);
    flights->magic = 0;
    free(flights);
}

/* ---- for status ----------------------------------------------------------------------------- */

static void view(struct flying *flying, mono_t now, struct flight_view *out)
{
    const struct manifest *manifest = &flying->manifest;
    const struct partial *partial = flying->partial;
    uint64_t had = partial ? partial_had(partial) * manifest->chunk_size : 0;

    memset(out, 0, sizeof(*out));
    memcpy(out->name, manifest->name, sizeof(out->name));
    out->size = manifest->size;
    out->had = had < manifest->size ? had : manifest->size; /* the last chunk may be shorter */
    out->readers = flying->readers;
    pthread_mutex_lock(&flying->lock);
    out->source = flying->source;
    out->rate = rate_read(&flying->rate, now);
    pthread_mutex_unlock(&flying->lock);
}

size_t flights_view(struct flights *flights, struct flight_view *views, size_t most)
{
    mono_t now = clock_mono();
    size_t count = 0;

    MUST_BE(flights, FLIGHTS_MAGIC);
    pthread_mutex_lock(&flights->lock);
    for (size_t i = 0; i < FLIGHTS_BUCKETS; i++) {
        for (struct flying *flying = flights->table[i]; flying && count < most;
             flying = flying->next) {
            if (flying->state == FLYING_ALOFT)
                view(flying, now, &views[count++]);
        }
    }
    pthread_mutex_unlock(&flights->lock);
    return count;
}
