/* SPDX-License-Identifier: ISC */
#include "cache/flight.h"

#include <string.h>

#include "src/base/must.h"

static struct flight_action *add(struct flight_actions *out, enum flight_action_kind kind)
{
    struct flight_action *action = &out->list[out->count];

    MUST(out->count < FLIGHT_ACTIONS_MAX);
    out->count++;
    memset(action, 0, sizeof(*action));
    action->kind = kind;
    return action;
}

/* ---- chunks --------------------------------------------------------------------------------- */

static bool is_missing(const struct flight *flight, uint32_t chunk)
{
    return !chunk_map_has(&flight->had, chunk);
}

static void have(struct flight *flight, uint32_t chunk)
{
    if (!is_missing(flight, chunk))
        return;
    chunk_map_add(&flight->had, chunk);
    flight->had_count++;
    while (flight->low < flight->count && !is_missing(flight, flight->low))
        flight->low++;
}

static void release(struct flight *flight, uint32_t chunk)
{
    if (is_missing(flight, chunk))
        return;
    chunk_map_remove(&flight->had, chunk);
    flight->had_count--;
    if (chunk < flight->low)
        flight->low = chunk;
}

static void have_all_of(struct flight *flight, const struct chunk_map *had)
{
    for (uint32_t chunk = 0; chunk < flight->count; chunk++) {
        if (chunk_map_has(had, chunk))
            have(flight, chunk);
    }
}

/* It got further: whoever lets it down from here on is given all the time again. */
static void progress(struct flight *flight)
{
    flight->rounds = 0;
    flight->hungry_since = MONO_NEVER;
}

/* ---- what readers wait for ------------------------------------------------------------------ */

static void forget_filled_wants(struct flight *flight)
{
    size_t kept = 0;

    for (size_t i = 0; i < flight->want_count; i++) {
        if (is_missing(flight, flight->wants[i]))
            flight->wants[kept++] = flight->wants[i];
    }
    flight->want_count = kept;
}

static void want(struct flight *flight, uint32_t chunk)
{
    if (chunk >= flight->count || !is_missing(flight, chunk))
        return;
    for (size_t i = 0; i < flight->want_count; i++) {
        if (flight->wants[i] == chunk)
            return;
    }
    if (flight->want_count < FLIGHT_WANTS_MAX)
        flight->wants[flight->want_count++] = chunk;
}

/* How many chunks make so many bytes; one at least. */
static uint32_t chunks_of(const struct flight *flight, uint64_t bytes)
{
    return bytes > flight->chunk_size ? (uint32_t)(bytes / flight->chunk_size) : 1;
}

/* How many chunks a run brings before others have their turn. */
static uint32_t turn(const struct flight *flight)
{
    uint64_t bytes = FLIGHT_TURN_BYTES + (uint64_t)flight->turns * FLIGHT_TURN_GROWS;

    return chunks_of(flight, bytes < FLIGHT_TURN_BYTES_MAX ? bytes : FLIGHT_TURN_BYTES_MAX);
}

/* Will the run bring this chunk soon? */
static bool is_near(const struct flight *flight, uint32_t chunk)
{
    return chunk >= flight->next && chunk <= flight->last && chunk - flight->next <= turn(flight);
}

static bool is_wanted(const struct flight *flight, uint32_t chunk)
{
    for (size_t i = 0; i < flight->want_count; i++) {
        if (flight->wants[i] == chunk)
            return true;
    }
    return false;
}

static bool run_is_awaited(const struct flight *flight)
{
    for (size_t i = 0; i < flight->want_count; i++) {
        if (is_near(flight, flight->wants[i]))
            return true;
    }
    return flight->linger > 0;
}

/* Whoever was given this chunk will want the next one, once it has read: a run is not taken from a
 * reader between two chunks. */
static void linger(struct flight *flight, uint32_t chunk)
{
    if (is_wanted(flight, chunk))
        flight->linger = chunks_of(flight, FLIGHT_LINGER_BYTES);
    else if (flight->linger > 0)
        flight->linger--;
}

/* At the end of a chunk: does somebody wait for another place, and is it time to go there? */
static bool worth_cutting(const struct flight *flight)
{
    if (flight->cut || flight->next > flight->last)
        return false;
    if (flight->window > 0 && flight->last - flight->next >= flight->window)
        return true; /* begun when there was room for all of it */
    if (flight->want_count == 0)
        return false;
    if (is_near(flight, flight->wants[0]))
        return false;
    return flight->next - flight->first >= turn(flight) || !run_is_awaited(flight);
}

/* Where the next run begins: with whoever has waited longest, or close behind it. Readers that were
 * together at a source which died stand close to each other, and are together again so. */
static uint32_t run_begin(const struct flight *flight)
{
    uint32_t near = turn(flight), first = flight->wants[0];

    if (flight->window > 0)
        near = flight->window / 2 - 1;
    for (size_t i = 1; i < flight->want_count; i++) {
        uint32_t chunk = flight->wants[i];
        if (chunk < first && flight->wants[0] - chunk <= near)
            first = chunk;
    }
    return first;
}

static uint32_t earlier(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* And where it ends at the latest: a run that ends by itself costs less than one that is cut. */
static uint32_t run_end(const struct flight *flight)
{
    uint32_t end = flight->count - 1, most = turn(flight);

    if (flight->window > 0) { /* there it has an end anyway */
        most = earlier(chunks_of(flight, FLIGHT_TURN_BYTES_MAX), flight->window / 2);
        return earlier(end, flight->first + most - 1);
    }
    if (flight->want_count == 0 || end - flight->wants[0] < most)
        return end;
    end = flight->wants[0] + most - 1;
    for (size_t i = 0; i < flight->want_count; i++) {
        if (flight->wants[i] < flight->first || flight->wants[i] > end)
            return end;
    }
    return flight->count - 1;
}

/* ---- sources -------------------------------------------------------------------------------- */

static struct flight_source *find_source(struct flight *flight, const struct address *http)
{
    for (size_t i = 0; i < flight->source_count; i++) {
        if (address_same(&flight->sources[i].http, http))
            return &flight->sources[i];
    }
    return NULL;
}

/* A place for a new source: a free one, else that of one that is of no use. */
static struct flight_source *make_room(struct flight *flight)
{
    if (flight->source_count < FLIGHT_SOURCES_MAX)
        return &flight->sources[flight->source_count++];
    for (size_t i = 0; i < FLIGHT_SOURCES_MAX; i++) {
        size_t at = flight->victim++ % FLIGHT_SOURCES_MAX;
        if (flight->sources[at].standing >= FLIGHT_SOURCE_LOST)
            return &flight->sources[at];
    }
    return NULL;
}

static void take_source(struct flight *flight, const struct address *http)
{
    struct flight_source *source = find_source(flight, http);

    if (source && source->standing != FLIGHT_SOURCE_LOST)
        return;
    if (!source)
        source = make_room(flight);
    if (source)
        *source = (struct flight_source){.http = *http, .standing = FLIGHT_SOURCE_GOOD};
}

static bool is_usable(struct flight_source *source, mono_t now)
{
    if (source->standing == FLIGHT_SOURCE_BUSY && mono_reached(now, source->until))
        source->standing = FLIGHT_SOURCE_GOOD;
    return source->standing == FLIGHT_SOURCE_GOOD;
}

/* The one that was asked last as long as it is good, else the first good one. */
static bool pick_source(struct flight *flight, mono_t now)
{
    if (flight->source < flight->source_count && is_usable(&flight->sources[flight->source], now))
        return true;
    for (size_t i = 0; i < flight->source_count; i++) {
        if (is_usable(&flight->sources[i], now)) {
            flight->source = i;
            return true;
        }
    }
    return false;
}

static mono_t first_busy_end(const struct flight *flight)
{
    mono_t end = MONO_NEVER;

    for (size_t i = 0; i < flight->source_count; i++) {
        if (flight->sources[i].standing == FLIGHT_SOURCE_BUSY)
            end = mono_earlier(end, flight->sources[i].until);
    }
    return end;
}

/* Who is only gone or slow may come back when it is named anew; who sends what is wrong may not. */
static enum flight_standing standing_after(enum peer_fault fault)
{
    switch (fault) {
    case PEER_FINE:
        return FLIGHT_SOURCE_GOOD;
    case PEER_UNREACHABLE:
    case PEER_SILENT:
    case PEER_SHORT_BODY:
    case PEER_REFUSES:
        return FLIGHT_SOURCE_LOST;
    default:
        return FLIGHT_SOURCE_BAD;
    }
}

static void judge(struct flight *flight, enum peer_fault fault, struct flight_actions *out)
{
    struct flight_source *source = &flight->sources[flight->source];
    struct flight_action *action = add(out, FLIGHT_JUDGE);

    source->standing = standing_after(fault);
    source->busy = 0;
    action->source = source->http;
    action->fault = fault;
}

static void put_off(struct flight_source *source, mono_t now, int64_t retry_ns)
{
    if (retry_ns < FLIGHT_BUSY_LEAST_NS)
        retry_ns = FLIGHT_BUSY_LEAST_NS;
    if (retry_ns > FLIGHT_BUSY_MOST_NS)
        retry_ns = FLIGHT_BUSY_MOST_NS;
    source->until = mono_after(now, retry_ns);
    source->standing = ++source->busy > FLIGHT_BUSY_MAX ? FLIGHT_SOURCE_LOST : FLIGHT_SOURCE_BUSY;
}

static void request_ended(struct flight *flight, const struct flight_event *event,
                          struct flight_actions *out)
{
    struct flight_source *source = &flight->sources[flight->source];

    switch (event->outcome) {
    case FLIGHT_OUTCOME_DONE:
        judge(flight, PEER_FINE, out);
        break;
    case FLIGHT_OUTCOME_GONE:
        source->standing = FLIGHT_SOURCE_LOST;
        break;
    case FLIGHT_OUTCOME_BUSY:
        put_off(source, event->now, event->retry_ns);
        break;
    case FLIGHT_OUTCOME_FAULT:
        MUST(event->fault != PEER_FINE);
        judge(flight, event->fault, out);
        break;
    case FLIGHT_OUTCOME_CUT:
        break;
    }
}

/* ---- what is done next ---------------------------------------------------------------------- */

static void over(struct flight *flight, enum flight_action_kind how, struct flight_actions *out)
{
    flight->state = FLIGHT_OVER;
    add(out, how);
}

static void ask_list(struct flight *flight, struct flight_actions *out)
{
    flight->state = FLIGHT_LISTING;
    add(out, FLIGHT_ASK_LIST)->source = flight->sources[flight->source].http;
}

static void ask_run(struct flight *flight, struct flight_actions *out)
{
    struct flight_action *action = add(out, FLIGHT_ASK_RUN);
    uint32_t end;

    forget_filled_wants(flight);
    flight->first = flight->want_count ? run_begin(flight) : flight->low;
    flight->next = flight->last = flight->first;
    end = run_end(flight);
    while (flight->last < end && is_missing(flight, flight->last + 1))
        flight->last++;
    flight->linger = 0;
    flight->cut = false;
    flight->state = FLIGHT_RUNNING;
    action->source = flight->sources[flight->source].http;
    action->first = flight->first;
    action->last = flight->last;
}

static void rest_until(struct flight *flight, mono_t when)
{
    flight->state = FLIGHT_RESTING;
    flight->rest = when;
}

/* 1 s after the first round that brought nothing, then 2 s, then 4 s. */
static int64_t back_off(uint32_t rounds)
{
    return rounds == 0 ? 0 : MONO_S(1) << (rounds < 3 ? rounds - 1 : 2);
}

static void seek(struct flight *flight, mono_t now, struct flight_actions *out)
{
    if (flight->hungry_since.ns == MONO_NEVER.ns)
        flight->hungry_since = now;
    flight->rounds++;
    flight->turns = 0;
    flight->state = FLIGHT_SEEKING;
    flight->rest = mono_after(now, FLIGHT_NEED_NS);
    add(out, FLIGHT_NEED);
}

static bool out_of_patience(const struct flight *flight, const struct flight_event *event)
{
    int64_t hungry_ns;

    if (flight->rounds == 0)
        return false;
    hungry_ns = mono_between(flight->hungry_since, event->now);
    if (event->readers == 0 || hungry_ns >= FLIGHT_AWAIT_NS)
        return true;
    return !flight->awaited &&
           (flight->rounds >= FLIGHT_ROUNDS_MAX || hungry_ns >= FLIGHT_PATIENCE_NS);
}

/* Nobody can be asked now. */
static void without_source(struct flight *flight, const struct flight_event *event,
                           struct flight_actions *out)
{
    mono_t busy_end = first_busy_end(flight);

    if (flight->rounds == 0)
        seek(flight, event->now, out); /* others may hold it by now */
    else if (busy_end.ns != MONO_NEVER.ns)
        rest_until(flight, busy_end);
    else if (out_of_patience(flight, event))
        over(flight, FLIGHT_GIVE_UP, out);
    else
        rest_until(flight, mono_after(event->now, back_off(flight->rounds)));
}

/* Passing on: has everybody what they want? */
static bool is_idle(struct flight *flight, const struct flight_event *event)
{
    if (event->window == 0 || (event->readers > 0 && !flight->has_list))
        return false;
    forget_filled_wants(flight);
    return event->readers == 0 || flight->want_count == 0;
}

static void idle(struct flight *flight, const struct flight_event *event,
                 struct flight_actions *out)
{
    if (event->readers == 0)
        over(flight, FLIGHT_GIVE_UP, out);
    else
        rest_until(flight, mono_after(event->now, FLIGHT_LOOK_NS));
}

/* Nothing is under way: what now? */
static void go_on(struct flight *flight, const struct flight_event *event,
                  struct flight_actions *out)
{
    if (is_idle(flight, event))
        idle(flight, event, out);
    else if (flight->had_count == flight->count)
        over(flight, FLIGHT_LAND, out);
    else if (!pick_source(flight, event->now))
        without_source(flight, event, out);
    else if (!flight->has_list)
        ask_list(flight, out);
    else
        ask_run(flight, out);
}

/* The rest is over: a busy source is asked again, or sources are asked for. */
static void wake(struct flight *flight, const struct flight_event *event,
                 struct flight_actions *out)
{
    bool due = mono_reached(event->now, flight->rest);

    if (flight->state == FLIGHT_SEEKING && due)
        without_source(flight, event, out);
    else if (flight->state == FLIGHT_RESTING && due) {
        if (is_idle(flight, event) || pick_source(flight, event->now) ||
            first_busy_end(flight).ns != MONO_NEVER.ns)
            go_on(flight, event, out);
        else if (out_of_patience(flight, event))
            over(flight, FLIGHT_GIVE_UP, out);
        else
            seek(flight, event->now, out);
    }
}

/* ---- events --------------------------------------------------------------------------------- */

static void on_opened(struct flight *flight, const struct flight_event *event,
                      struct flight_actions *out)
{
    if (flight->state != FLIGHT_OPENING)
        return;
    flight->has_list = event->has_list || flight->count == 1;
    have_all_of(flight, event->had);
    go_on(flight, event, out);
}

static void on_listed(struct flight *flight, const struct flight_event *event,
                      struct flight_actions *out)
{
    MUST(flight->state == FLIGHT_LISTING);
    flight->has_list = true;
    have_all_of(flight, event->had);
    progress(flight);
    judge(flight, PEER_FINE, out);
    go_on(flight, event, out);
}

static void cut_if_worth_it(struct flight *flight, struct flight_actions *out)
{
    forget_filled_wants(flight);
    if (!worth_cutting(flight))
        return;
    flight->cut = true;
    add(out, FLIGHT_CUT);
}

static void on_chunk(struct flight *flight, const struct flight_event *event,
                     struct flight_actions *out)
{
    MUST(flight->state == FLIGHT_RUNNING && event->chunk == flight->next);
    linger(flight, event->chunk);
    have(flight, event->chunk);
    flight->next++;
    progress(flight);
    cut_if_worth_it(flight, out);
}

static void on_wanted(struct flight *flight, const struct flight_event *event,
                      struct flight_actions *out)
{
    want(flight, event->chunk);
    if (event->window > 0 && flight->state == FLIGHT_RESTING && pick_source(flight, event->now))
        go_on(flight, event, out);
}

static void on_sources(struct flight *flight, const struct flight_event *event,
                       struct flight_actions *out)
{
    bool in_vain = flight->rounds > 1 && flight->had_count == 0; /* all were asked once */

    for (size_t i = 0; i < event->source_count; i++)
        take_source(flight, &event->sources[i]);
    flight->awaited = event->awaited;
    if (flight->state != FLIGHT_SEEKING && flight->state != FLIGHT_RESTING)
        return;
    if (event->superseded && (in_vain || !pick_source(flight, event->now)))
        over(flight, FLIGHT_GIVE_UP, out);
    else if (flight->state == FLIGHT_SEEKING || pick_source(flight, event->now))
        go_on(flight, event, out);
}

static void on_ended(struct flight *flight, const struct flight_event *event,
                     struct flight_actions *out)
{
    MUST(flight->state == FLIGHT_LISTING || flight->state == FLIGHT_RUNNING);
    if (flight->state == FLIGHT_RUNNING)
        flight->turns++;
    flight->state = FLIGHT_RESTING;
    flight->rest = event->now;
    request_ended(flight, event, out);
    go_on(flight, event, out);
}

void flight_step(struct flight *flight, const struct flight_event *event,
                 struct flight_actions *actions)
{
    actions->count = 0;
    flight->window = event->window;
    switch (flight->state == FLIGHT_OVER ? FLIGHT_WAKE : event->kind) {
    case FLIGHT_WAKE:
        wake(flight, event, actions);
        break;
    case FLIGHT_OPENED:
        on_opened(flight, event, actions);
        break;
    case FLIGHT_LISTED:
        on_listed(flight, event, actions);
        break;
    case FLIGHT_CHUNK:
        on_chunk(flight, event, actions);
        break;
    case FLIGHT_WANTED:
        on_wanted(flight, event, actions);
        break;
    case FLIGHT_RELEASED:
        release(flight, event->chunk);
        break;
    case FLIGHT_SOURCES:
        on_sources(flight, event, actions);
        break;
    case FLIGHT_ENDED:
        on_ended(flight, event, actions);
        break;
    case FLIGHT_BROKEN:
        over(flight, FLIGHT_GIVE_UP, actions);
        break;
    }
    actions->deadline = flight->state == FLIGHT_RESTING || flight->state == FLIGHT_SEEKING
                            ? flight->rest
                            : MONO_NEVER;
}

void flight_init(struct flight *flight, uint64_t size, uint64_t chunk_size)
{
    MUST(chunk_size_fits(size, chunk_size));
    memset(flight, 0, offsetof(struct flight, had));
    flight->state = FLIGHT_OPENING;
    flight->chunk_size = chunk_size;
    flight->count = chunk_count(size, chunk_size);
    flight->hungry_since = MONO_NEVER;
    MUST(flight->count <= CHUNK_COUNT_MAX);
    chunk_map_clear(&flight->had, flight->count);
}

const struct address *flight_source_now(const struct flight *flight)
{
    if (flight->state != FLIGHT_LISTING && flight->state != FLIGHT_RUNNING)
        return NULL;
    return &flight->sources[flight->source].http;
}

struct address flight_source_last(const struct flight *flight)
{
    if (flight->source >= flight->source_count)
        return (struct address){.port = 0};
    return flight->sources[flight->source].http;
}
