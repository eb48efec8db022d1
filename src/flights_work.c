/* SPDX-License-Identifier: ISC */
#include "src/flights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cache/chunk.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/clock.h"
#include "src/flights_inner.h"
#include "src/frames.h"

/* All of this runs on the fetch thread, but for the three small functions that say otherwise. */

/* Who is to be judged for what came from the source: it may have sent us on. */
static const struct address *answerer(const struct flying *flying, const struct address *source)
{
    const struct fetch_request *request = &flying->request;

    return address_same(source, &request->server) ? &request->answered : source;
}

static void carry_out(struct flying *flying, const struct flight_actions *actions,
                      uint32_t readers);

/* The flight may be over, and gone, after this. */
static void step(struct flying *flying, struct flight_event event)
{
    struct flight_actions actions;
    const struct address *source;

    MUST_BE(flying, FLYING_MAGIC);
    event.now = clock_mono();
    event.readers = flying->readers;
    event.window = flying_is_passing(flying) ? flying->window : 0;
    flight_step(&flying->machine, &event, &actions);
    source = flight_source_now(&flying->machine);
    pthread_mutex_lock(&flying->lock);
    flying->source = source ? *source : (struct address){.port = 0};
    pthread_mutex_unlock(&flying->lock);
    fetch_alarm_set(flying->alarm, actions.deadline);
    carry_out(flying, &actions, event.readers);
}

static void on_alarm(void *arg)
{
    step(arg, (struct flight_event){.kind = FLIGHT_WAKE});
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Does the flight end here, because all are being stopped? Then it is gone. */
static bool is_ending(struct flying *flying)
{
    if (!flying->ending)
        return false;
    flying_finish(flying, FLYING_FAILED, false, "the node is stopping");
    return true;
}

void flying_stop(struct flying *flying)
{
    flying->ending = true;
    if (flying->busy == FLYING_ASKING)
        fetch_cancel(flying->flights->options.fetch, &flying->request);
    else if (flying->busy == FLYING_IDLE && flying->alarm)
        is_ending(flying);
    /* else what it waits for comes back, and finds it ending */
}

/* ---- opening -------------------------------------------------------------------------------- */

static void step_with_had(struct flying *flying, enum flight_event_kind kind)
{
    static struct chunk_map had; /* of this thread alone; too large for a stack */
    const struct partial *partial = flying->partial;

    chunk_map_clear(&had, partial_count(partial));
    for (uint32_t chunk = 0; chunk < partial_count(partial); chunk++) {
        if (partial_has(partial, chunk))
            chunk_map_add(&had, chunk);
    }
    step(flying, (struct flight_event){
                     .kind = kind, .had = &had, .has_list = partial_list(partial) != NULL});
}

static void opened(void *arg)
{
    struct flying *flying = arg;

    MUST_BE(flying, FLYING_MAGIC);
    flying->busy = FLYING_IDLE;
    if (is_ending(flying))
        return;
    if (flying->status != STORE_OK) {
        flying_finish(flying, FLYING_FAILED, false, store_sentence(flying->status));
        return;
    }
    flying_wake_all(flying); /* for what an earlier life left */
    step_with_had(flying, FLIGHT_OPENED);
}

static void hand_to_worker(struct flying *flying, void (*work)(struct task *task))
{
    struct flights *flights = flying->flights;
    bool is_large = flying->manifest.size >= FLIGHT_LARGE;

    flying->task.work = work;
    workers_post(is_large ? flights->large_workers : flights->small_workers, &flying->task);
}

/* Empty content is here as soon as its file is. */
static void open_partial(struct flying *flying)
{
    struct partial *partial = NULL;

    flying->status = partial_open(flying->flights->options.store, &flying->manifest, &partial);
    if (flying->status == STORE_OK) {
        flying->partial = partial;
        if (flying->manifest.size == 0)
            flying->status = partial_put(partial, 0, "", 0);
    }
}

/* On a worker. */
static void open_slowly(struct task *task)
{
    struct flying *flying = TASK_OWNER(task, struct flying, task);

    MUST_BE(flying, FLYING_MAGIC);
    open_partial(flying);
    fetch_call(flying->flights->options.fetch, opened, flying);
}

void flying_begin(void *arg)
{
    struct flying *flying = arg;
    struct flights *flights = flying->flights;

    MUST_BE(flying, FLYING_MAGIC);
    MUST(flying->busy == FLYING_IDLE && !flying->alarm);
    stat_add(STAT_FETCHES, 1);
    flight_init(&flying->machine, flying->manifest.size, flying->manifest.chunk_size);
    flying->alarm = fetch_alarm_new(flights->options.fetch, on_alarm, flying);
    flying->began = clock_mono();
    flying->brought = 0;
    pthread_mutex_lock(&flying->lock);
    rate_begin(&flying->rate, flying->began);
    pthread_mutex_unlock(&flying->lock);
    flying->broken = flying->told = false;
    flying->window = (uint32_t)(PARTIAL_PASSED_MAX / flying->manifest.chunk_size);
    if (flying->window < 2)
        flying->window = 2;
    flying->status = STORE_OK;
    if (is_ending(flying))
        return;
    if (flying->manifest.chunk_size > FLIGHT_CHUNK_MAX) {
        flying_finish(flying, FLYING_FAILED, false, "its chunks are larger than a node takes");
        return;
    }
    flying->busy = FLYING_OPENING;
    if (!flying->partial && !partial_is_small(&flying->manifest)) {
        hand_to_worker(flying, open_slowly);
        return;
    }
    if (!flying->partial) /* else an earlier flight's, that readers still hold */
        open_partial(flying);
    opened(flying);
}

/* ---- asking --------------------------------------------------------------------------------- */

static void request_ended(struct flying *flying)
{
    static const enum flight_outcome by_result[] = {
        [FETCH_OK] = FLIGHT_OUTCOME_DONE,      [FETCH_NOT_FOUND] = FLIGHT_OUTCOME_GONE,
        [FETCH_CHANGED] = FLIGHT_OUTCOME_GONE, [FETCH_BUSY] = FLIGHT_OUTCOME_BUSY,
        [FETCH_FAULT] = FLIGHT_OUTCOME_FAULT,  [FETCH_CANCELLED] = FLIGHT_OUTCOME_CUT,
        [FETCH_BARRED] = FLIGHT_OUTCOME_GONE,  [FETCH_STOPPED] = FLIGHT_OUTCOME_CUT,
    };
    const struct flights_options *options = &flying->flights->options;
    const struct fetch_request *request = &flying->request;

    flying->busy = FLYING_IDLE;
    if (request->result == FETCH_NOT_FOUND || request->result == FETCH_CHANGED)
        options->gone(options->arg, &request->server, &flying->manifest.sha256);
    if (request->result == FETCH_STOPPED)
        flying->ending = true;
    if (is_ending(flying))
        return;
    if (flying->broken)
        step(flying, (struct flight_event){.kind = FLIGHT_BROKEN});
    else
        step(flying, (struct flight_event){.kind = FLIGHT_ENDED,
                                           .outcome = by_result[request->result],
                                           .fault = request->fault,
                                           .retry_ns = MONO_S(request->retry_after_s)});
}

static void submit(struct flying *flying, const struct address *server)
{
    flying_log_begin(flying, server);
    flying->request.server = *server;
    flying->request.owner = flying;
    flying->request.of = flying->manifest.name;
    memcpy(flying->request.via, flying->via, sizeof(flying->via));
    flying->busy = FLYING_ASKING;
    fetch_submit(flying->flights->options.fetch, &flying->request);
}

/* ---- the chunk list ------------------------------------------------------------------------- */

static void listed(void *arg)
{
    struct flying *flying = arg;

    MUST_BE(flying, FLYING_MAGIC);
    free(flying->request.body);
    flying->request.body = NULL;
    if (flying->status == STORE_OK) {
        flying->busy = FLYING_IDLE;
        flying_wake_all(flying); /* what was here counts from now on */
        if (!is_ending(flying))
            step_with_had(flying, FLIGHT_LISTED);
        return;
    }
    flying->broken = flying->status != STORE_WRONG;
    flying->request.result = FETCH_FAULT;
    flying->request.fault = PEER_WRONG_LIST;
    request_ended(flying);
}

/* On a worker: what an earlier life left is checked against the list. */
static void set_list(struct task *task)
{
    struct flying *flying = TASK_OWNER(task, struct flying, task);

    MUST_BE(flying, FLYING_MAGIC);
    flying->status =
        partial_set_list(flying->partial, flying->request.body, flying->request.body_len);
    fetch_call(flying->flights->options.fetch, listed, flying);
}

static void list_came(struct fetch_request *request)
{
    struct flying *flying = request->owner;

    MUST_BE(flying, FLYING_MAGIC);
    if (request->result != FETCH_OK) {
        request_ended(flying);
        return;
    }
    flying->busy = FLYING_LISTING;
    hand_to_worker(flying, set_list);
}

static void ask_list(struct flying *flying, const struct flight_action *action)
{
    struct fetch_request *request = &flying->request;
    struct text target = TEXT_OVER(request->target);
    char hex[DIGEST_HEX_SIZE];

    request->range = request->content = false;
    request->whole = NULL;
    request->etag[0] = '\0';
    request->most = (uint64_t)flying->machine.count * sizeof(struct digest);
    request->take = NULL;
    request->done = list_came;
    text_printf(&target, "/.pond/chunks/%s", digest_hex(&flying->manifest.sha256, hex));
    MUST(!target.full);
    submit(flying, &action->source);
}

/* ---- runs of chunks ------------------------------------------------------------------------- */

static void count_rate(struct flying *flying, uint64_t len)
{
    flying->brought += len;
    pthread_mutex_lock(&flying->lock);
    rate_add(&flying->rate, clock_mono(), len);
    pthread_mutex_unlock(&flying->lock);
}

/* Makes room in memory: what came first was read first, or will be asked for again. */
static void release_first(struct flying *flying)
{
    uint32_t chunk = flying->passed[0];

    flying->passed_count--;
    memmove(flying->passed, flying->passed + 1, flying->passed_count * sizeof(*flying->passed));
    partial_release(flying->partial, chunk);
    step(flying, (struct flight_event){.kind = FLIGHT_RELEASED, .chunk = chunk});
}

/* Where much is passed on, there is less memory for each: then less is asked for at a time. */
static enum store_status put_chunk(struct flying *flying, uint32_t chunk, size_t len)
{
    enum store_status status = partial_put(flying->partial, chunk, flying->bytes, len);

    if (status == STORE_FULL && flying->passed_count < flying->window)
        flying->window = flying->passed_count > 2 ? flying->passed_count : 2;
    while (status == STORE_FULL && flying->passed_count > 0) {
        release_first(flying);
        status = partial_put(flying->partial, chunk, flying->bytes, len);
    }
    if (status == STORE_OK && flying_is_passing(flying)) {
        MUST(flying->passed_count < FLYING_PASSED_MAX);
        flying->passed[flying->passed_count++] = chunk;
    }
    return status;
}

/* The chunk that came in is whole: false where it is not what it should be. */
static bool keep_chunk(struct flying *flying, size_t len)
{
    uint32_t chunk = flying->chunk;
    enum store_status status = put_chunk(flying, chunk, len);

    if (status == STORE_WRONG) {
        stat_add(STAT_CHUNKS_WRONG, 1);
        flying->request.fault = PEER_WRONG_CHUNK;
        return false;
    }
    if (status != STORE_OK) {
        flying->status = status;
        flying->broken = true;
        return false;
    }
    stat_add(STAT_FETCHED_BYTES, len);
    count_rate(flying, len);
    flying_wake(flying, chunk);
    flying->chunk++;
    flying->filled = 0;
    step(flying, (struct flight_event){.kind = FLIGHT_CHUNK, .chunk = chunk});
    return true;
}

static bool make_buffer(struct flying *flying)
{
    const struct manifest *manifest = &flying->manifest;

    if (!flying->bytes)
        flying->bytes = malloc(chunk_len(0, manifest->size, manifest->chunk_size));
    if (flying->bytes)
        return true;
    flying->status = STORE_FAILED;
    flying->broken = true;
    return false;
}

/* The body of a run, piece by piece. */
static bool take_bytes(struct fetch_request *request, const void *bytes, size_t len)
{
    struct flying *flying = request->owner;
    const struct manifest *manifest = &flying->manifest;
    const uint8_t *at = bytes;

    MUST_BE(flying, FLYING_MAGIC);
    if (!make_buffer(flying))
        return false;
    while (len > 0 && !flying->machine.cut) {
        size_t whole = chunk_len(flying->chunk, manifest->size, manifest->chunk_size);
        size_t n = whole - flying->filled < len ? whole - flying->filled : len;
        memcpy(flying->bytes + flying->filled, at, n);
        flying->filled += n;
        at += n;
        len -= n;
        if (flying->filled == whole && !keep_chunk(flying, whole))
            return false;
    }
    return true;
}

static void run_ended(struct fetch_request *request)
{
    struct flying *flying = request->owner;

    MUST_BE(flying, FLYING_MAGIC);
    free(flying->bytes);
    flying->bytes = NULL;
    request_ended(flying);
}

static void ask_run(struct flying *flying, const struct flight_action *action)
{
    const struct manifest *manifest = &flying->manifest;
    struct fetch_request *request = &flying->request;
    struct text target = TEXT_OVER(request->target), etag = TEXT_OVER(request->etag);
    char hex[DIGEST_HEX_SIZE];

    request->range = request->content = true;
    request->from = chunk_at(action->first, manifest->chunk_size);
    request->to = chunk_at(action->last, manifest->chunk_size) +
                  chunk_len(action->last, manifest->size, manifest->chunk_size) - 1;
    request->total = manifest->size;
    request->most = request->to - request->from + 1;
    request->take = take_bytes;
    request->done = run_ended;
    request->whole = request->total <= FRAME_CONTENT_MAX && request->most == request->total
                         ? &manifest->sha256
                         : NULL;
    name_to_target(span_of(manifest->name), &target);
    text_printf(&etag, "\"%s\"", digest_hex(&manifest->sha256, hex));
    MUST(!target.full && !etag.full);
    flying->chunk = action->first;
    flying->filled = 0;
    submit(flying, &action->source);
}

/* ---- landing -------------------------------------------------------------------------------- */

static void landed(void *arg)
{
    struct flying *flying = arg;
    enum store_status status = flying->job.status;

    MUST_BE(flying, FLYING_MAGIC);
    flying->busy = FLYING_IDLE;
    if (status == STORE_OK)
        flying_finish(flying, FLYING_LANDED, true, "");
    else if (status == STORE_NOT_FOUND)
        flying_finish_replaced(flying);
    else /* STORE_WRONG: all chunks fit, the whole does not; the store has thrown it away */
        flying_finish(flying, FLYING_FAILED, status == STORE_WRONG, store_sentence(status));
}

/* On a thread of the store's. */
static void job_done(struct store_job *job)
{
    struct flying *flying = job->owner;

    MUST_BE(flying, FLYING_MAGIC);
    fetch_call(flying->flights->options.fetch, landed, flying);
}

static void land(struct flying *flying)
{
    flying->busy = FLYING_LANDING;
    flying_lands(flying);
    flying->job = (struct store_job){.kind = STORE_LAND,
                                     .manifest = flying->manifest,
                                     .partial = flying->partial,
                                     .done = job_done,
                                     .owner = flying};
    store_submit(flying->flights->options.store, &flying->job);
}

/* ---- what the machine wants ----------------------------------------------------------------- */

static const char *why_given_up(const struct flying *flying)
{
    if (flying->broken)
        return store_sentence(flying->status);
    return "nobody who can be reached has its content";
}

/* readers: of whom the machine knew. For those it would have asked longer. */
static void give_up(struct flying *flying, uint32_t readers)
{
    if (readers || flying->broken)
        flying_finish(flying, FLYING_FAILED, false, why_given_up(flying));
    else
        flying_put_off(flying, why_given_up(flying));
}

/* Every flight praises its source: of one source once a second is enough. */
static void judge(struct flights *flights, const struct address *source, enum peer_fault fault)
{
    mono_t now = clock_mono();

    if (fault == PEER_FINE && address_same(&flights->praised, source) &&
        !mono_reached(now, flights->praise_again))
        return;
    flights->praised = *source;
    flights->praise_again = fault == PEER_FINE ? mono_after(now, MONO_S(1)) : now;
    flights->options.blame(flights->options.arg, source, fault);
}

static void carry_out(struct flying *flying, const struct flight_actions *actions, uint32_t readers)
{
    const struct flights_options *options = &flying->flights->options;

    for (size_t i = 0; i < actions->count; i++) {
        const struct flight_action *action = &actions->list[i];
        switch (action->kind) {
        case FLIGHT_ASK_LIST:
            ask_list(flying, action);
            break;
        case FLIGHT_ASK_RUN:
            ask_run(flying, action);
            break;
        case FLIGHT_CUT:
            fetch_cancel(options->fetch, &flying->request);
            break;
        case FLIGHT_LISTEN:
            flying_listen(flying);
            break;
        case FLIGHT_NEED:
            options->need(options->arg, &flying->manifest, flying->machine.rounds > 1);
            break;
        case FLIGHT_JUDGE:
            judge(flying->flights, answerer(flying, &action->source), action->fault);
            break;
        case FLIGHT_LAND:
            land(flying);
            break;
        case FLIGHT_LEAVE_OFF:
            flying_leave_off(flying); /* the last one: it may be gone */
            break;
        case FLIGHT_GIVE_UP:
            give_up(flying, readers); /* the last one: it may be gone */
            break;
        }
    }
}

/* ---- what comes from other threads ---------------------------------------------------------- */

void flying_take_sources(struct flying *flying, const struct flights_found *found)
{
    if (!flying->alarm || flying->ending)
        return; /* it has not begun, or will not go on */
    if (found->renamed && flying->busy != FLYING_OPENING)
        flying_rename(flying, &found->manifest);
    step(flying, (struct flight_event){.kind = FLIGHT_SOURCES,
                                       .sources = found->list,
                                       .source_count = found->count,
                                       .superseded = found->superseded,
                                       .awaited = found->awaited});
}

void flying_note(void *arg)
{
    struct flying *flying = arg;
    uint32_t wants[FLIGHT_WANTS_MAX];
    bool crowded;
    size_t count;

    MUST_BE(flying, FLYING_MAGIC);
    pthread_mutex_lock(&flying->lock);
    count = flying->want_count;
    memcpy(wants, flying->wants, sizeof(wants));
    crowded = flying->crowded;
    flying->want_count = 0;
    flying->noted = flying->crowded = false;
    pthread_mutex_unlock(&flying->lock);
    for (size_t i = 0; i < count && flying->alarm && !flying->ending; i++)
        step(flying, (struct flight_event){.kind = FLIGHT_WANTED,
                                           .chunk = wants[i],
                                           .crowded = crowded && i == count - 1});
    flying_drop(flying);
}
