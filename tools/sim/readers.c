/* SPDX-License-Identifier: ISC */
#include "tools/sim/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

/*
 * Those who are given content, chunk by chunk: clients of the node, and requests of other nodes.
 * What is whole here they are given from there; else a flight brings it, and they wait for it.
 */
static const int64_t CHUNK_LEAST_NS = MONO_MS(1), CHUNK_MOST_NS = MONO_MS(8);
static const int64_t SLOW_MOST_NS = MONO_MS(500); /* for who is slow */
static const int64_t LATE_NS = MONO_S(4);         /* without a byte: 503, come again */

static struct sim_reader *reader_find(const struct sim_node *node, uint64_t id)
{
    struct sim_reader *reader = node->readers;

    while (reader && reader->id != id)
        reader = reader->next;
    return reader;
}

static void leave(struct sim_node *node, struct sim_reader *reader)
{
    struct sim_reader **link = &node->readers;

    while (*link != reader)
        link = &(*link)->next;
    *link = reader->next;
    free(reader);
}

uint32_t readers_count(const struct sim_node *node, uint64_t flight)
{
    uint32_t count = 0;

    for (const struct sim_reader *reader = node->readers; reader; reader = reader->next)
        count += reader->flight == flight;
    return count;
}

/* ---- what they are given --------------------------------------------------------------------- */

static void go_on(struct sim *sim, struct sim_node *node, struct sim_reader *reader);

static bool is_here(const struct sim_node *node, const struct sim_reader *reader)
{
    const struct sim_flight *flight = reader->flight ? flight_find(node, reader->flight) : NULL;

    MUST(flight || !reader->flight);
    if (flight && reader->is_list)
        return flight->machine.has_list;
    return !flight || chunk_map_has(&flight->machine.had, reader->at);
}

/* The chunk that is next. */
static uint64_t give(struct sim *sim, const struct sim_node *node, const struct sim_reader *reader)
{
    const struct sim_flight *flight = reader->flight ? flight_find(node, reader->flight) : NULL;
    uint64_t bytes = flight ? flight->chunks[reader->at] : reader->chunks[reader->at];

    check_given(sim, node, &reader->content.sha256, reader->at, bytes);
    return bytes;
}

static void has_all(struct sim *sim, struct sim_node *node, struct sim_reader *reader)
{
    if (reader->is_client)
        check_read(sim, node, reader->content.name, reader->content.version, reader->least);
    leave(node, reader);
}

/* A chunk is on the wire. Where that is cut, nobody hears of it. */
static void sent(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_reader *reader = reader_find(node, event->number);

    if (!reader)
        return;
    if (!reader->is_client &&
        (sim_call_is_gone(sim, &reader->call) || !sim_path(sim, node->index, reader->call.asker))) {
        leave(node, reader);
        return;
    }
    if (!reader->is_client)
        chunk_goes(sim, &reader->call, reader->at, reader->goes);
    reader->sending = false;
    if (reader->at++ == reader->last)
        has_all(sim, node, reader);
    else
        go_on(sim, node, reader);
}

static void hand_out(struct sim *sim, struct sim_node *node, struct sim_reader *reader)
{
    reader->begun = true;
    if (reader->is_list) {
        sim_call_answers(sim, &reader->call, &(struct sim_answer){.reached = true, .found = true});
        leave(node, reader);
    } else if (!reader->sending) {
        reader->sending = true;
        reader->goes = give(sim, node, reader);
        sim_at(sim, sim_between(sim, CHUNK_LEAST_NS, reader->slow ? SLOW_MOST_NS : CHUNK_MOST_NS),
               sent, node->index)
            ->number = reader->id;
    }
}

static void go_on(struct sim *sim, struct sim_node *node, struct sim_reader *reader)
{
    while (reader->is_client && !reader->slow && is_here(node, reader)) {
        give(sim, node, reader);
        if (reader->at++ == reader->last) {
            has_all(sim, node, reader);
            return;
        }
    }
    if (is_here(node, reader))
        hand_out(sim, node, reader);
    else if (!reader->is_list)
        flight_wanted(sim, node, reader->flight, reader->at);
}

/* Each of those at this flight that are there now. */
static void each_of(struct sim *sim, struct sim_node *node, uint64_t flight,
                    void (*each)(struct sim *sim, struct sim_node *node, struct sim_reader *reader))
{
    uint64_t top = sim->next_id;

    for (uint64_t id = 0;;) {
        struct sim_reader *next = NULL;

        for (struct sim_reader *at = node->readers; at; at = at->next)
            if (at->flight == flight && at->id > id && at->id <= top &&
                (!next || at->id < next->id))
                next = at;
        if (!next)
            return;
        id = next->id;
        each(sim, node, next);
    }
}

void readers_go_on(struct sim *sim, struct sim_node *node, uint64_t flight)
{
    if (!sim_planted(sim, SIM_WAKES_NO_READER))
        each_of(sim, node, flight, go_on);
}

/* ---- how it ends ----------------------------------------------------------------------------- */

static void is_whole(struct sim *sim, struct sim_node *node, struct sim_reader *reader)
{
    reader->flight = 0;
    go_on(sim, node, reader);
}

/* The flight is over, and all of it is here. */
void readers_landed(struct sim *sim, struct sim_node *node, const struct sim_flight *flight)
{
    for (struct sim_reader *reader = node->readers; reader; reader = reader->next)
        if (reader->flight == flight->id)
            memcpy(reader->chunks, flight->chunks, sizeof(reader->chunks));
    each_of(sim, node, flight->id, is_whole);
}

static void fail_client(struct sim *sim, struct sim_node *node, struct sim_reader *reader)
{
    struct sim_content content = reader->content, now = content_of(node, content.name);
    bool must_find = reader->must_find;

    leave(node, reader);
    if (!version_same(now.version, content.version) || content_is_here(node, &now))
        fetch_read(sim, node->index, content.name, must_find);
    else if (must_find)
        sim_fail(sim, "n%d cannot read f%d, which is to be had", node->index, content.name);
}

/* As long as nothing was sent it can be said that there is nothing. */
static void fail(struct sim *sim, struct sim_node *node, struct sim_reader *reader)
{
    if (reader->is_client) {
        fail_client(sim, node, reader);
        return;
    }
    if (reader->begun)
        sim_call_breaks(sim, &reader->call, false);
    else
        sim_call_answers(sim, &reader->call, &(struct sim_answer){.reached = true, .busy = true});
    leave(node, reader);
}

void readers_failed(struct sim *sim, struct sim_node *node, uint64_t flight)
{
    each_of(sim, node, flight, fail);
}

/* The node is no more: a connection to it breaks, at once where its host can still say so. */
void readers_end(struct sim *sim, struct sim_node *node, bool with_host)
{
    while (node->readers) {
        if (!node->readers->is_client)
            sim_call_breaks(sim, &node->readers->call, with_host);
        leave(node, node->readers);
    }
}

/* ---- who comes ------------------------------------------------------------------------------- */

static bool is_slow(struct sim *sim)
{
    if (!sim->faults.slow || !sim_chance(sim, sim->faults.slow))
        return false;
    sim_count(sim, SIM_SLOW);
    return true;
}

static struct sim_reader *join(struct sim *sim, struct sim_node *node,
                               const struct sim_content *content)
{
    struct sim_reader *reader = calloc(1, sizeof(*reader));

    MUST(reader != NULL);
    reader->id = ++sim->next_id;
    reader->content = *content;
    reader->since = sim->now;
    reader->slow = is_slow(sim);
    reader->last = chunk_count(content->size, chunk_size_for(content->size)) - 1;
    if (content_is_here(node, content))
        memcpy(reader->chunks, node->twin.entries[content->name].chunks, sizeof(reader->chunks));
    else
        reader->flight = flight_get(sim, node, content)->id;
    reader->next = node->readers;
    node->readers = reader;
    return reader;
}

static void is_late(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_reader *reader = reader_find(node, event->number);

    if (reader && !reader->begun)
        fail(sim, node, reader);
}

/* A request for content. False: it is answered at once. */
bool readers_take(struct sim *sim, const struct sim_call *call, bool may_fetch)
{
    struct sim_node *node = &sim->nodes[call->server];
    const struct sim_request *request = &call->request;
    struct sim_content content = content_of(node, request->name);
    struct sim_reader *reader;

    if (content.version.bits != request->version || !digest_same(&content.sha256, &request->sha256))
        return false;
    if (!content_is_here(node, &content) && (!may_fetch || request->only_held))
        return false;
    if (!content_is_here(node, &content))
        sim_note(sim, "n%d fetches f%d for n%d", node->index, request->name, call->asker);
    reader = join(sim, node, &content);
    reader->call = *call;
    reader->is_list = request->what == SIM_GET_LIST;
    reader->at = request->first;
    reader->last = request->last;
    sim_at(sim, LATE_NS, is_late, node->index)->number = reader->id;
    go_on(sim, node, reader);
    check_no_knot(sim, node, request->name);
    return true;
}

/* Who asked has enough of it. */
static void is_cut(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];

    for (struct sim_reader *reader = node->readers; reader; reader = reader->next)
        if (!reader->is_client && reader->call.number == event->number) {
            leave(node, reader);
            return;
        }
}

void readers_cut(struct sim *sim, const struct address *server, uint64_t call)
{
    int index = sim_node_at(sim, server);

    if (sim->nodes[index].up)
        sim_at(sim, SIM_WIRE_LEAST_NS, is_cut, index)->number = call;
}

static void read_it(struct sim *sim, int index, int name, bool must_find, bool from_within)
{
    struct sim_node *node = &sim->nodes[index];
    const struct twin_entry *entry;
    struct sim_content content;
    struct sim_reader *reader;

    if (!node->up || node->paused)
        return;
    entry = &node->twin.entries[name];
    sim_note(sim, "n%d: a client reads f%d", index, name);
    if (!entry->known)
        cache_ask(sim, index, name, EXCHANGE_ASK_NAME, true, must_find);
    if (!entry->known || entry->deleted)
        return;
    content = content_of(node, name);
    reader = join(sim, node, &content);
    reader->is_client = true;
    reader->must_find = must_find;
    reader->least = entry->read;
    if (from_within)
        reader->at = (uint32_t)sim_between(sim, 0, reader->last);
    go_on(sim, node, reader);
}

void fetch_read(struct sim *sim, int index, int name, bool must_find)
{
    read_it(sim, index, name, must_find, false);
}

void fetch_read_within(struct sim *sim, int index, int name)
{
    read_it(sim, index, name, false, true);
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* What has come is given on at once. One of another node ends with that, though the server may not
 * have heard of it yet. */
void readers_check(struct sim *sim, const struct sim_node *node, int64_t within_ns)
{
    for (const struct sim_reader *reader = node->readers; reader; reader = reader->next) {
        int name = reader->content.name;

        if (!reader->sending && is_here(node, reader))
            sim_fail(sim, "n%d keeps a chunk of f%d from who waits for it", node->index, name);
        if (mono_between(reader->since, sim->now) > within_ns &&
            mono_between(node->resumed, sim->now) > within_ns &&
            (reader->is_client || !sim_call_is_gone(sim, &reader->call)))
            sim_fail(sim, "n%d: a transfer of f%d does not end", node->index, name);
    }
}
