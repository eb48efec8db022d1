/* SPDX-License-Identifier: ISC */
#include "tools/sim/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

/*
 * The fetches of a node: the real cache/flight.h for each content that is on its way here, driven
 * as the daemon's flights are. Sources are the masters that it follows, which fetch for it what
 * they lack, then those who say that they hold it. What came is kept over a restart.
 */
static const int64_t SOON_NS = MONO_MS(1);
static const int64_t STALL_NS = MONO_S(10); /* nothing came for so long: the request is given up */
static const int64_t AGAIN_NS = MONO_S(5);  /* where nobody waits: ever later */
static const int64_t ENDS_WITHIN_NS = MONO_S(300);
enum { RETRY_S = 1 };

/* ---- what is fetched ------------------------------------------------------------------------- */

struct sim_content content_of(const struct sim_node *node, int name)
{
    const struct twin_entry *entry = &node->twin.entries[name];

    return (struct sim_content){name, entry->version, entry->sha256, entry->size};
}

bool content_is_newest(const struct sim_node *node, const struct sim_content *content)
{
    const struct twin_entry *entry = &node->twin.entries[content->name];

    return entry->known && version_same(entry->version, content->version) &&
           digest_same(&entry->sha256, &content->sha256);
}

bool content_is_here(const struct sim_node *node, const struct sim_content *content)
{
    return content_is_newest(node, content) && node->twin.entries[content->name].held;
}

struct sim_flight *flight_find(const struct sim_node *node, uint64_t id)
{
    struct sim_flight *flight = node->flights;

    while (flight && flight->id != id)
        flight = flight->next;
    return flight;
}

struct sim_flight *flight_of(const struct sim_node *node, const struct sim_content *content)
{
    struct sim_flight *flight = node->flights;

    while (flight && !(flight->content.name == content->name &&
                       digest_same(&flight->content.sha256, &content->sha256)))
        flight = flight->next;
    return flight;
}

struct sim_flight *flight_asking(const struct sim_node *node, uint64_t call)
{
    struct sim_flight *flight = node->flights;

    while (flight && flight->call != call)
        flight = flight->next;
    return flight;
}

static void take_out(struct sim_node *node, struct sim_flight *flight)
{
    struct sim_flight **link = &node->flights;

    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
}

/* ---- one step -------------------------------------------------------------------------------- */

static void carry_out(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                      const struct flight_actions *actions);

static void alarm(struct sim *sim, struct sim_event *event);

/* It may be over, and gone, after this. */
void flight_goes(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                 struct flight_event event)
{
    struct flight_actions actions;
    struct sim_event *wakes;

    event.now = sim_node_mono(sim, node);
    event.readers = readers_count(node, flight->id);
    event.window = flight->passes ? SIM_WINDOW : 0;
    flight_step(&flight->machine, &event, &actions);
    sim->result->steps++;
    flight->wake++;
    if (actions.deadline.ns != MONO_NEVER.ns) {
        wakes = sim_at(sim, sim_node_wait(sim, node, actions.deadline), alarm, node->index);
        wakes->number = flight->id;
        wakes->other = flight->wake;
    }
    carry_out(sim, node, flight, &actions);
}

static void alarm(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_flight *flight = flight_find(node, event->number);

    if (flight && flight->wake == event->other)
        flight_goes(sim, node, flight, (struct flight_event){.kind = FLIGHT_WAKE});
}

void flight_wanted(struct sim *sim, struct sim_node *node, uint64_t id, uint32_t chunk)
{
    flight_goes(sim, node, flight_find(node, id),
                (struct flight_event){.kind = FLIGHT_WANTED, .chunk = chunk});
}

/* ---- its begin ------------------------------------------------------------------------------- */

/* What an earlier life left. */
static void open_it(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_flight *flight = flight_find(node, event->number);
    const struct twin_entry *entry = &node->twin.entries[flight->content.name];
    struct flight_event opened = {.kind = FLIGHT_OPENED};
    struct chunk_map had = {{0}};

    if (content_is_newest(node, &flight->content) && !sim_planted(sim, SIM_FETCHES_ANEW)) {
        had.words[0] = entry->had;
        opened.has_list = entry->listed;
        memcpy(flight->chunks, entry->chunks, sizeof(flight->chunks));
    }
    opened.had = &had;
    flight->passes = !content_has_room(sim, node);
    flight_goes(sim, node, flight, opened);
    readers_go_on(sim, node, event->number);
}

/* The one that there is, or a new one. */
struct sim_flight *flight_get(struct sim *sim, struct sim_node *node,
                              const struct sim_content *content)
{
    struct sim_flight *flight = flight_of(node, content);

    if (flight)
        return flight;
    flight = calloc(1, sizeof(*flight));
    MUST(flight != NULL);
    flight->id = ++sim->next_id;
    flight->content = *content;
    flight->began = sim->now;
    flight->next = node->flights;
    node->flights = flight;
    flight_init(&flight->machine, content->size, chunk_size_for(content->size));
    sim_at(sim, 0, open_it, node->index)->number = flight->id;
    return flight;
}

void fetch_want(struct sim *sim, struct sim_node *node, int name)
{
    const struct twin_entry *entry = &node->twin.entries[name];
    struct sim_content content = content_of(node, name);

    if (entry->known && !entry->held && !entry->deleted)
        flight_get(sim, node, &content);
}

/* ---- its end --------------------------------------------------------------------------------- */

void fetch_end(struct sim *sim, struct sim_node *node, bool with_host)
{
    readers_end(sim, node, with_host);
    while (node->flights) {
        struct sim_flight *flight = node->flights;

        node->flights = flight->next;
        free(flight);
    }
}

static void want_again(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];

    if (node->twin.entries[event->number].wanted)
        fetch_want(sim, node, (int)event->number);
}

static void land(struct sim *sim, struct sim_node *node, struct sim_flight *flight)
{
    struct address source = flight_source_last(&flight->machine);
    struct twin_entry *entry = &node->twin.entries[flight->content.name];
    bool is_to_stay = content_is_newest(node, &flight->content) && !entry->held;
    int name = flight->content.name;

    MUST(!flight->passes);
    take_out(node, flight);
    if (is_to_stay) {
        entry->held = true;
        entry->wanted = entry->listed = false;
        entry->had = 0;
        memcpy(entry->chunks, flight->chunks, sizeof(entry->chunks));
        check_held(sim, node, name);
        sim_note(sim, "n%d holds f%d", node->index, name);
    }
    readers_landed(sim, node, flight);
    if (is_to_stay)
        keep_landed(sim, node, name, source.port ? &source : NULL);
    free(flight);
}

static void give_up(struct sim *sim, struct sim_node *node, struct sim_flight *flight)
{
    int name = flight->content.name;
    struct twin_entry *entry = &node->twin.entries[name];

    sim_note(sim, "n%d %s f%d", node->index,
             flight->passes ? "has no room to keep" : "gives up fetching", name);
    take_out(node, flight);
    if (entry->wanted && content_is_newest(node, &flight->content)) {
        unsigned tries = entry->tries++;

        sim_at(sim, AGAIN_NS << (tries < 8 ? tries : 8), want_again, node->index)->number =
            (uint64_t)name;
    }
    readers_failed(sim, node, flight->id);
    free(flight);
}

/* ---- whom it asks ---------------------------------------------------------------------------- */

enum route_ask flight_ask_of(const struct sim *sim, const struct sim_node *node,
                             const struct address *server)
{
    return route_ask(place_relations(sim, node, server));
}

/* The request that was under way is over. */
void flight_ended(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                  enum flight_outcome outcome, enum peer_fault fault)
{
    flight->call = 0;
    flight_goes(
        sim, node, flight,
        (struct flight_event){
            .kind = FLIGHT_ENDED, .outcome = outcome, .fault = fault, .retry_ns = MONO_S(RETRY_S)});
}

void flight_barred(struct sim *sim, struct sim_node *node, struct sim_flight *flight)
{
    readers_cut(sim, &flight->goal, flight->call);
    flight_ended(sim, node, flight, FLIGHT_OUTCOME_GONE, PEER_FINE);
}

/* We end it ourselves. */
void flight_break_off(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                      enum flight_outcome outcome, enum peer_fault fault)
{
    readers_cut(sim, &flight->goal, flight->call);
    flight_ended(sim, node, flight, outcome, fault);
}

static void is_cut(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_flight *flight = flight_asking(node, event->number);

    if (flight)
        flight_break_off(sim, node, flight, FLIGHT_OUTCOME_CUT, PEER_FINE);
}

static void is_barred(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_flight *flight = flight_asking(node, event->number);

    if (flight)
        flight_ended(sim, node, flight, FLIGHT_OUTCOME_GONE, PEER_FINE);
}

static void look_for_stall(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_flight *flight = flight_asking(node, event->number);
    int64_t silent;

    if (!flight || sim_planted(sim, SIM_LOSES_ENDS))
        return;
    silent = mono_between(flight->heard, sim->now);
    if (silent >= STALL_NS)
        flight_break_off(sim, node, flight, FLIGHT_OUTCOME_FAULT, PEER_SILENT);
    else
        sim_at(sim, STALL_NS - silent, look_for_stall, node->index)->number = event->number;
}

static void ask(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                const struct flight_action *action)
{
    enum route_ask how = flight_ask_of(sim, node, &action->source);
    struct sim_request request = {.what =
                                      action->kind == FLIGHT_ASK_LIST ? SIM_GET_LIST : SIM_GET_RUN,
                                  .name = flight->content.name,
                                  .version = flight->content.version.bits,
                                  .sha256 = flight->content.sha256,
                                  .first = action->first,
                                  .last = action->last,
                                  .only_held = how == ROUTE_ASK_HELD};

    flight->server = flight->goal = action->source;
    flight->may_wait = how == ROUTE_ASK_ANY;
    flight->may_go_on = true;
    flight->begun = false;
    flight->heard = sim->now;
    flight->last = action->last;
    if (how == ROUTE_ASK_NEVER) {
        flight->call = ++sim->calls;
        sim_at(sim, 0, is_barred, node->index)->number = flight->call;
        return;
    }
    flight->call = sim_get(sim, node, &action->source, &request);
    sim_at(sim, STALL_NS, look_for_stall, node->index)->number = flight->call;
}

/* ---- what comes ------------------------------------------------------------------------------ */

static void list_came(struct sim *sim, struct sim_node *node, struct sim_flight *flight)
{
    struct chunk_map had = {{0}};
    uint64_t id = flight->id;

    flight->call = 0;
    if (sim_chance(sim, sim->faults.http_wrong)) {
        flight_ended(sim, node, flight, FLIGHT_OUTCOME_FAULT, PEER_WRONG_LIST);
        return;
    }
    flight->passes = flight->passes || !content_has_room(sim, node);
    if (!flight->passes && content_is_newest(node, &flight->content))
        node->twin.entries[flight->content.name].listed = true;
    had.words[0] = flight->machine.had.words[0];
    flight_goes(sim, node, flight, (struct flight_event){.kind = FLIGHT_LISTED, .had = &had});
    readers_go_on(sim, node, id);
}

/* One redirect, to a candidate that it knows. */
static bool follow_redirect(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                            const struct sim_call *call, const struct address *master)
{
    if (!flight->may_go_on || sim_node_at(sim, master) == node->index ||
        !routes_may_follow(&node->routes, sim_node_mono(sim, node), &call->to, master))
        return false;
    flight->may_go_on = false;
    flight->goal = *master;
    flight->heard = sim->now;
    flight->call = sim_get(sim, node, master, &call->request);
    sim_at(sim, STALL_NS, look_for_stall, node->index)->number = flight->call;
    return true;
}

static void is_gone(struct sim *sim, struct sim_node *node, struct sim_flight *flight)
{
    holders_gone(node->holders, &flight->content.sha256, &flight->server);
    flight_ended(sim, node, flight, FLIGHT_OUTCOME_GONE, PEER_FINE);
}

/* The end of a request for content; or its list. */
void fetch_came(struct sim *sim, struct sim_node *node, const struct sim_call *call,
                const struct sim_answer *answer)
{
    struct sim_flight *flight = flight_asking(node, call->number);

    if (!flight || (!answer->reached && sim_planted(sim, SIM_LOSES_ENDS)))
        return;
    if (!answer->reached)
        flight_ended(sim, node, flight, FLIGHT_OUTCOME_FAULT,
                     flight->begun ? PEER_SHORT_BODY : PEER_UNREACHABLE);
    else if (answer->found)
        list_came(sim, node, flight);
    else if (answer->refused)
        flight_ended(sim, node, flight, FLIGHT_OUTCOME_FAULT, PEER_REFUSES);
    else if (answer->busy)
        flight_ended(sim, node, flight, FLIGHT_OUTCOME_BUSY, PEER_FINE);
    else if (!answer->redirected)
        is_gone(sim, node, flight);
    else if (!follow_redirect(sim, node, flight, call, &answer->master))
        flight_ended(sim, node, flight, FLIGHT_OUTCOME_BUSY, PEER_FINE);
}

/* ---- actions --------------------------------------------------------------------------------- */

static void judge(struct sim *sim, struct sim_node *node, const struct flight_action *action)
{
    struct exchange_event blamed = {
        .kind = EXCHANGE_BLAMED, .from = action->source, .fault = action->fault};

    if (action->fault != PEER_FINE)
        holders_forget(node->holders, &action->source);
    cache_step(sim, node, &blamed);
}

static void ask_readers(struct sim *sim, struct sim_event *event)
{
    readers_go_on(sim, &sim->nodes[event->node], event->number);
}

static void carry_out(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                      const struct flight_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++) {
        const struct flight_action *action = &actions->list[i];

        switch (action->kind) {
        case FLIGHT_ASK_LIST:
        case FLIGHT_ASK_RUN:
            ask(sim, node, flight, action);
            break;
        case FLIGHT_CUT:
            sim_at(sim, 0, is_cut, node->index)->number = flight->call;
            break;
        case FLIGHT_LISTEN:
            sim_at(sim, 0, ask_readers, node->index)->number = flight->id;
            break;
        case FLIGHT_NEED:
            sim_at(sim, SOON_NS, sources_need, node->index)->number = flight->id;
            break;
        case FLIGHT_JUDGE:
            judge(sim, node, action);
            break;
        case FLIGHT_LAND:
            land(sim, node, flight);
            break;
        case FLIGHT_LEAVE_OFF:
        case FLIGHT_GIVE_UP:
            give_up(sim, node, flight); /* the last one: it is gone */
            break;
        }
    }
}

/* ---- checks ---------------------------------------------------------------------------------- */

static const struct sim_flight *waiting(const struct sim_node *node, int name)
{
    const struct sim_flight *flight = node->flights;

    while (flight && !(flight->content.name == name && flight->call && flight->may_wait))
        flight = flight->next;
    return flight;
}

/* No two nodes wait for each other. */
void check_no_knot(struct sim *sim, const struct sim_node *node, int name)
{
    const struct sim_node *at = node;

    for (int i = 0; i <= sim->node_count; i++) {
        const struct sim_flight *flight = waiting(at, name);

        if (!flight)
            return;
        at = &sim->nodes[sim_node_at(sim, &flight->goal)];
        if (!at->up || at->paused)
            return;
        if (at == node) {
            sim_fail(sim, "n%d waits for f%d from n%d, which waits for it", node->index, name,
                     sim_node_at(sim, &waiting(node, name)->goal));
            return;
        }
    }
}

void check_fetches(struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];

        if (!node->up || node->paused)
            continue;
        for (const struct sim_flight *flight = node->flights; flight; flight = flight->next)
            check_no_knot(sim, node, flight->content.name);
        readers_check(sim, node, ENDS_WITHIN_NS);
    }
}
