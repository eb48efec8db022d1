/* SPDX-License-Identifier: ISC */
#include "tools/sim/fetch.h"

#include <string.h>

#include "src/base/must.h"

/*
 * Content as it comes, chunk by chunk. A number stands for the bytes of each (twin_chunk): it is
 * passed from node to node, may be spoilt on its way, and is checked where it comes in.
 */

bool content_has_room(const struct sim *sim, const struct sim_node *node)
{
    return sim->now.ns >= node->disk.until.full;
}

/* What came first has been read first, or is asked for again. */
static void release_first(struct sim *sim, struct sim_node *node, struct sim_flight *flight)
{
    uint32_t chunk = flight->passed[0];

    flight->passed_count--;
    memmove(flight->passed, flight->passed + 1, flight->passed_count * sizeof(*flight->passed));
    flight->chunks[chunk] = 0;
    if (!sim_planted(sim, SIM_RELEASES_UNTOLD))
        flight_goes(sim, node, flight,
                    (struct flight_event){.kind = FLIGHT_RELEASED, .chunk = chunk});
}

/* What is had is never fetched again. */
static void note_had(struct sim *sim, struct sim_node *node, const struct sim_flight *flight,
                     uint32_t chunk)
{
    struct twin_entry *entry = &node->twin.entries[flight->content.name];
    uint64_t bit = (uint64_t)1 << chunk;

    if (!content_is_newest(node, &flight->content) || entry->held)
        return;
    if (entry->had & bit)
        sim_fail(sim, "n%d fetched chunk %u of f%d again", node->index, (unsigned)chunk,
                 flight->content.name);
    entry->had |= bit;
    entry->chunks[chunk] = flight->chunks[chunk];
}

/* From the first one on for which there is no room, all are only passed on. */
static void keep(struct sim *sim, struct sim_node *node, struct sim_flight *flight, uint32_t chunk,
                 uint64_t bytes)
{
    flight->passes = flight->passes || !content_has_room(sim, node);
    if (flight->passes && flight->passed_count == SIM_WINDOW)
        release_first(sim, node, flight);
    flight->chunks[chunk] = bytes;
    if (flight->passes)
        flight->passed[flight->passed_count++] = chunk;
    else
        note_had(sim, node, flight, chunk);
}

static bool is_right(const struct sim *sim, const struct sim_flight *flight, uint32_t chunk,
                     uint64_t bytes)
{
    return bytes == twin_chunk(&flight->content.sha256, chunk) ||
           sim_planted(sim, SIM_TAKES_WRONG_CHUNKS);
}

static void came(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_flight *flight = flight_asking(node, event->number);
    uint32_t chunk = (uint32_t)event->other;
    uint64_t id, bytes;

    if (!flight || flight->machine.cut)
        return;
    memcpy(&bytes, event->bytes, sizeof(bytes));
    bytes ^= sim_chance(sim, sim->faults.http_wrong);
    if (!is_right(sim, flight, chunk, bytes)) {
        flight_break_off(sim, node, flight, FLIGHT_OUTCOME_FAULT, PEER_WRONG_CHUNK);
        return;
    }
    id = flight->id;
    flight->heard = sim->now;
    flight->begun = true;
    keep(sim, node, flight, chunk, bytes);
    flight_goes(sim, node, flight, (struct flight_event){.kind = FLIGHT_CHUNK, .chunk = chunk});
    readers_go_on(sim, node, id);
    if (flight_asking(node, event->number) && chunk == flight->last && !flight->machine.cut)
        flight_ended(sim, node, flight, FLIGHT_OUTCOME_DONE, PEER_FINE);
}

void chunk_goes(struct sim *sim, const struct sim_call *call, uint32_t chunk, uint64_t bytes)
{
    struct sim_event *event = sim_at(sim, SIM_WIRE_LEAST_NS, came, call->asker);

    event->number = call->number;
    event->other = chunk;
    sim_event_bytes(event, &bytes, sizeof(bytes));
}
