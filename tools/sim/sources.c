/* SPDX-License-Identifier: ISC */
#include "tools/sim/fetch.h"

/*
 * Whom flights ask: who lately said that it holds the content, the masters that the node follows,
 * and whom the exchange finds; and what becomes of it when the view changes.
 */

struct found {
    struct address list[FLIGHT_SOURCES_MAX];
    size_t count;
};

static void add_source(struct found *found, const struct address *http)
{
    for (size_t i = 0; i < found->count; i++)
        if (address_same(&found->list[i], http))
            return;
    if (found->count < FLIGHT_SOURCES_MAX)
        found->list[found->count++] = *http;
}

static void add_routes(const struct sim *sim, const struct sim_node *node, struct found *found)
{
    struct routes_source list[ROUTES_MAX];
    size_t count = place_sources(sim, node, list);

    for (size_t i = 0; i < count; i++)
        add_source(found, &list[i].http);
}

/* Who lately said that it holds it, then whom the routes tell of. */
static void add_all(const struct sim *sim, const struct sim_node *node,
                    const struct sim_content *content, struct found *found)
{
    struct address list[FLIGHT_SOURCES_MAX / 2];
    size_t count = holders_find(node->holders, &content->sha256, list, FLIGHT_SOURCES_MAX / 2);

    for (size_t i = 0; i < count; i++)
        if (flight_ask_of(sim, node, &list[i]) != ROUTE_ASK_NEVER)
            add_source(found, &list[i]);
    add_routes(sim, node, found);
}

static void take_sources(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                         const struct found *found, bool superseded)
{
    flight_goes(sim, node, flight,
                (struct flight_event){.kind = FLIGHT_SOURCES,
                                      .sources = found->list,
                                      .source_count = found->count,
                                      .superseded = superseded,
                                      .awaited = place_of(sim, node).headless});
}

/* Whoever is known to serve it is asked without asking around. */
void sources_need(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_flight *flight = flight_find(node, event->number);
    struct found found = {.count = 0};

    if (!flight)
        return;
    add_all(sim, node, &flight->content, &found);
    if (found.count && flight->machine.rounds <= 1) {
        take_sources(sim, node, flight, &found, false);
        return;
    }
    flight->asking = true;
    if (!cache_ask(sim, node->index, flight->content.name, EXCHANGE_ASK_CONTENT, true, false))
        take_sources(sim, node, flight, &found, false);
}

static void told(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                 const struct exchange_action *action)
{
    struct found found = {.count = 0};

    flight->asking = false;
    for (size_t i = 0; i < action->source_count && found.count < FLIGHT_SOURCES_MAX / 2; i++) {
        const struct exchange_source *source = &action->sources[i];

        if (source->held && version_same(source->version, flight->content.version) &&
            digest_same(&source->sha256, &flight->content.sha256))
            add_source(&found, &source->http);
    }
    add_all(sim, node, &flight->content, &found);
    take_sources(sim, node, flight, &found, !content_is_newest(node, &flight->content));
}

/* Each flight that there is now: a step may end it, and begin others. */
static void each_flight(struct sim *sim, struct sim_node *node,
                        void (*each)(struct sim *sim, struct sim_node *node,
                                     struct sim_flight *flight, const void *arg),
                        const void *arg)
{
    uint64_t top = sim->next_id;

    for (uint64_t id = 0;;) {
        struct sim_flight *next = NULL;

        for (struct sim_flight *at = node->flights; at; at = at->next)
            if (at->id > id && at->id <= top && (!next || at->id < next->id))
                next = at;
        if (!next)
            return;
        id = next->id;
        each(sim, node, next, arg);
    }
}

static void tell_if_asking(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                           const void *arg)
{
    const struct exchange_action *action = arg;

    if (flight->asking && flight->content.name == sim_name_number(action->name))
        told(sim, node, flight, action);
}

/* The exchange tells who holds it. */
void fetch_told(struct sim *sim, struct sim_node *node, int name,
                const struct exchange_action *action)
{
    struct exchange_action named = *action;

    sim_name(name, named.name);
    each_flight(sim, node, tell_if_asking, &named);
}

/* Somebody says that it holds it. */
void fetch_offered(struct sim *sim, struct sim_node *node, const struct notice *notice,
                   const struct address *from)
{
    int name = sim_name_number(notice->name);
    struct address http = *from;
    struct found found = {.count = 0};
    struct sim_content content;
    struct sim_flight *flight;

    if (notice->kind != NOTICE_IHAVE || !notice->held || name < 0 || name >= sim->names)
        return;
    http.port = SIM_HTTP_PORT;
    holders_note(node->holders, &notice->sha256, &http);
    content = content_of(node, name);
    if (!digest_same(&content.sha256, &notice->sha256))
        return;
    add_all(sim, node, &content, &found);
    flight = flight_of(node, &content);
    if (flight && flight->machine.state != FLIGHT_OPENING)
        take_sources(sim, node, flight, &found, false);
    else if (node->twin.entries[name].wanted)
        fetch_want(sim, node, name);
}

/* May the request go on, as the view is now? */
static bool may_go_on(const struct sim *sim, const struct sim_node *node,
                      const struct sim_flight *flight)
{
    enum route_ask asked = flight->may_wait ? ROUTE_ASK_ANY : ROUTE_ASK_HELD;

    if (sim_planted(sim, SIM_NEVER_CUTS))
        return true;
    if (!flight->may_go_on)
        return routes_may_follow(&node->routes, sim_node_mono(sim, node), &flight->server,
                                 &flight->goal);
    return flight_ask_of(sim, node, &flight->server) <=
           (asked == ROUTE_ASK_ANY ? asked : ROUTE_ASK_HELD);
}

static void reroute(struct sim *sim, struct sim_node *node, struct sim_flight *flight,
                    const void *arg)
{
    uint64_t id = flight->id;

    if (flight->call && !may_go_on(sim, node, flight))
        flight_barred(sim, node, flight);
    flight = flight_find(node, id);
    if (flight && flight->machine.state != FLIGHT_OPENING)
        take_sources(sim, node, flight, arg, false);
}

/* Others are followed than before: who may not be asked any more is left at once, and who had
 * nobody to ask looks again. */
void fetch_look(struct sim *sim, struct sim_node *node)
{
    struct found found = {.count = 0};

    add_routes(sim, node, &found);
    each_flight(sim, node, reroute, &found);
    for (int name = 0; name < sim->names; name++)
        if (node->twin.entries[name].wanted)
            fetch_want(sim, node, name);
}
