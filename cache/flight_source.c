/* SPDX-License-Identifier: ISC */
#include "cache/flight.h"

#include <string.h>

#include "cache/flight_inner.h"
#include "src/base/must.h"

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

void flight_take_source(struct flight *flight, const struct address *http)
{
    struct flight_source *source = find_source(flight, http);

    if (source && source->standing != FLIGHT_SOURCE_LOST)
        return;
    if (source) { /* how often it has failed is not forgotten */
        source->standing = FLIGHT_SOURCE_GOOD;
        source->busy = 0;
        return;
    }
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

/* The less the better. To say "later" twice in a row is as bad as to have failed once. */
static uint32_t let_downs(const struct flight_source *source)
{
    return 2 * source->failed + source->busy;
}

/* Is somebody better only busy, for a short while? */
static bool waits_rather(const struct flight *flight, const struct flight_source *best, mono_t now)
{
    mono_t soon = mono_after(now, FLIGHT_BUSY_WAIT_NS);
    bool waits = false;

    for (size_t i = 0; i < flight->source_count; i++) {
        const struct flight_source *source = &flight->sources[i];
        waits = waits || (source->standing == FLIGHT_SOURCE_BUSY &&
                          let_downs(source) < let_downs(best) && mono_reached(soon, source->until));
    }
    return waits;
}

bool flight_pick_source(struct flight *flight, mono_t now)
{
    const struct flight_source *best = NULL;

    for (size_t i = 0; i < flight->source_count; i++) {
        struct flight_source *source = &flight->sources[i];
        if (!is_usable(source, now))
            continue;
        if (!best || let_downs(source) < let_downs(best) ||
            (let_downs(source) == let_downs(best) && i == flight->source))
            best = source;
    }
    if (!best || waits_rather(flight, best, now))
        return false;
    flight->source = (size_t)(best - flight->sources);
    return true;
}

mono_t flight_first_busy_end(const struct flight *flight)
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

void flight_judge(struct flight *flight, enum peer_fault fault, struct flight_actions *out)
{
    struct flight_source *source = &flight->sources[flight->source];
    struct flight_action *action = flight_add(out, FLIGHT_JUDGE);

    source->standing = standing_after(fault);
    source->busy = 0;
    if (fault == PEER_FINE)
        source->failed = 0;
    else if (fault == PEER_SILENT || fault == PEER_UNREACHABLE) /* the others cost no time */
        source->failed++;
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
    source->failed += source->standing == FLIGHT_SOURCE_LOST;
}

void flight_request_ended(struct flight *flight, const struct flight_event *event,
                          struct flight_actions *out)
{
    struct flight_source *source = &flight->sources[flight->source];

    switch (event->outcome) {
    case FLIGHT_OUTCOME_DONE:
        flight_judge(flight, PEER_FINE, out);
        break;
    case FLIGHT_OUTCOME_GONE:
        source->standing = FLIGHT_SOURCE_LOST;
        source->failed++;
        break;
    case FLIGHT_OUTCOME_BUSY:
        put_off(source, event->now, event->retry_ns);
        break;
    case FLIGHT_OUTCOME_FAULT:
        MUST(event->fault != PEER_FINE);
        flight_judge(flight, event->fault, out);
        break;
    case FLIGHT_OUTCOME_CUT:
        break;
    }
}
