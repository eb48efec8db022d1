/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_FLIGHT_INNER_H
#define POND_CACHE_FLIGHT_INNER_H

#include "cache/flight.h"

/*
 * What the files of a flight share; nobody else includes it. flight.c takes the events and decides
 * what is done next; flight_run.c knows what is had, what readers wait for, and so which run of
 * chunks is asked for and when it is cut; flight_source.c whom to ask.
 */

/* ---- flight.c ------------------------------------------------------------------------------- */

struct flight_action *flight_add(struct flight_actions *out, enum flight_action_kind kind);

/* ---- flight_run.c --------------------------------------------------------------------------- */

void flight_have(struct flight *flight, uint32_t chunk);
void flight_have_all_of(struct flight *flight, const struct chunk_map *had);
void flight_release(struct flight *flight, uint32_t chunk);

/* A reader waits for this chunk. */
void flight_want(struct flight *flight, uint32_t chunk);
void flight_forget_filled(struct flight *flight);

/* Were all of them served, and did others have to stand back? It is so once. */
bool flight_wants_others(struct flight *flight);

/* Sets first, next and last: where something is missing. */
void flight_plan_run(struct flight *flight);

/* Whoever was given this chunk will want the next one, once it has read: a run is not taken from a
 * reader between two chunks. Before it is had. */
void flight_linger(struct flight *flight, uint32_t chunk);

/* At the end of a chunk: does somebody wait for another place, and is it time to go there? */
bool flight_worth_cutting(const struct flight *flight);

/* ---- flight_source.c ------------------------------------------------------------------------ */

void flight_take_source(struct flight *flight, const struct address *http);

/* Of those that are good: whoever has failed least often, and of these the one that was asked last,
 * else the first; false: none is, or it had better wait for one that is busy and has failed less.
 */
bool flight_pick_source(struct flight *flight, mono_t now);
mono_t flight_first_busy_end(const struct flight *flight);

/* What the source that was asked proved to be: by itself, and as a request's end tells. */
void flight_judge(struct flight *flight, enum peer_fault fault, struct flight_actions *out);
void flight_request_ended(struct flight *flight, const struct flight_event *event,
                          struct flight_actions *out);

#endif
