/* SPDX-License-Identifier: ISC */
#include "cache/flight.h"

#include "cache/flight_inner.h"

/* ---- what is had ---------------------------------------------------------------------------- */

static bool is_missing(const struct flight *flight, uint32_t chunk)
{
    return !chunk_map_has(&flight->had, chunk);
}

void flight_have(struct flight *flight, uint32_t chunk)
{
    if (!is_missing(flight, chunk))
        return;
    chunk_map_add(&flight->had, chunk);
    flight->had_count++;
    while (flight->low < flight->count && !is_missing(flight, flight->low))
        flight->low++;
}

void flight_release(struct flight *flight, uint32_t chunk)
{
    if (is_missing(flight, chunk))
        return;
    chunk_map_remove(&flight->had, chunk);
    flight->had_count--;
    if (chunk < flight->low)
        flight->low = chunk;
}

void flight_have_all_of(struct flight *flight, const struct chunk_map *had)
{
    for (uint32_t chunk = 0; chunk < flight->count; chunk++) {
        if (chunk_map_has(had, chunk))
            flight_have(flight, chunk);
    }
}

/* ---- what readers wait for ------------------------------------------------------------------ */

void flight_forget_filled(struct flight *flight)
{
    size_t kept = 0;

    for (size_t i = 0; i < flight->want_count; i++) {
        if (is_missing(flight, flight->wants[i]))
            flight->wants[kept++] = flight->wants[i];
    }
    flight->want_count = kept;
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

/* Whoever reads along with the run that is under way takes nobody's turn. */
static bool comes_anyway(const struct flight *flight, uint32_t chunk)
{
    return flight->state == FLIGHT_RUNNING && is_near(flight, chunk);
}

void flight_want(struct flight *flight, uint32_t chunk)
{
    if (chunk >= flight->count || !is_missing(flight, chunk))
        return;
    for (size_t i = 0; i < flight->want_count; i++) {
        if (flight->wants[i] == chunk)
            return;
    }
    if (flight->want_count == FLIGHT_WANTS_MAX || (flight->crowded && !comes_anyway(flight, chunk)))
        flight->crowded = true;
    else
        flight->wants[flight->want_count++] = chunk;
}

bool flight_wants_others(struct flight *flight)
{
    if (!flight->crowded)
        return false;
    flight_forget_filled(flight);
    flight->crowded = flight->want_count > 0;
    return !flight->crowded;
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

void flight_linger(struct flight *flight, uint32_t chunk)
{
    if (is_wanted(flight, chunk))
        flight->linger = chunks_of(flight, FLIGHT_LINGER_BYTES);
    else if (flight->linger > 0)
        flight->linger--;
}

bool flight_worth_cutting(const struct flight *flight)
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

void flight_plan_run(struct flight *flight)
{
    uint32_t end;

    flight_forget_filled(flight);
    flight->first = flight->want_count ? run_begin(flight) : flight->low;
    flight->next = flight->last = flight->first;
    end = run_end(flight);
    while (flight->last < end && is_missing(flight, flight->last + 1))
        flight->last++;
    flight->linger = 0;
    flight->cut = false;
}
