/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

/*
 * Where a node stands among the others: the published view of its elections, and what the real
 * routes make of that and of its nets files. Where the run goes by a flat mesh, all are peers,
 * whatever the elections say.
 */
void place_begin(struct sim_node *node)
{
    node->view = calloc(1, view_size());
    MUST(node->view != NULL);
    node->routes = (struct routes){node->members, node->view, SIM_HTTP_PORT};
    memset(node->shown, 0, sizeof(node->shown));
}

void place_end(struct sim_node *node)
{
    free(node->view);
    node->view = NULL;
}

/* ---- what the exchange is told --------------------------------------------------------------- */

static void tell_place(struct sim *sim, struct sim_node *node)
{
    struct exchange_event event = {.kind = EXCHANGE_PLACE, .place = place_of(sim, node)};

    cache_step(sim, node, &event);
}

static void tell_head(struct sim *sim, struct sim_node *node, const struct address *from,
                      const struct ballot_head *head)
{
    struct exchange_event event = {.kind = EXCHANGE_HEAD, .from = *from};

    if (sim_planted(sim, SIM_IGNORES_HEADS))
        return;
    event.head = (struct exchange_head){head->store, head->sequence, head->digest};
    event.own = node->twin.digest;
    cache_step(sim, node, &event);
}

/* At start, when the nets files were read anew, and whenever a master is another: those who may not
 * be asked any more are left, and what is unconfirmed is told to the new one. */
void place_look(struct sim *sim, struct sim_node *node)
{
    if (!sim->by_tiers || !node->machine)
        return;
    tell_place(sim, node);
    keep_look(sim, node);
    fetch_look(sim, node);
}

/* ---- the view -------------------------------------------------------------------------------- */

static bool same_master(const struct view_tier *a, const struct view_tier *b)
{
    return *a->tier && a->role == b->role && a->has_master == b->has_master &&
           address_same(&a->master_address, &b->master_address);
}

void place_publish(struct sim *sim, struct sim_node *node, int tier)
{
    struct view_tier before = node->shown[tier], *view = &node->shown[tier];

    elect_view(node->electors[tier].machine, sim_node_mono(sim, node), view);
    view_publish(node->view, view);
    if (!sim->by_tiers)
        return;
    if (!same_master(&before, view))
        place_look(sim, node);
    if (view->has_master && view->role != BALLOT_MASTER &&
        view->last_advert.ns != before.last_advert.ns)
        tell_head(sim, node, &view->master_address, &view->head);
}

void place_withdraw(struct sim *sim, struct sim_node *node, int tier)
{
    view_withdraw(node->view, sim->tiers[tier].name);
    memset(&node->shown[tier], 0, sizeof(node->shown[tier]));
    place_look(sim, node);
}

/* A member's, that was believed. */
void place_standing(struct sim *sim, struct sim_node *node, int tier, const struct ballot *standing)
{
    if (sim->by_tiers && elect_state(node->electors[tier].machine) == ELECT_MASTER)
        tell_head(sim, node, &standing->address, &standing->head);
}

/* ---- the others ------------------------------------------------------------------------------ */

unsigned place_relations(const struct sim *sim, const struct sim_node *node,
                         const struct address *host)
{
    if (!sim->by_tiers)
        return ROUTE_MESH;
    return routes_to(&node->routes, sim_node_mono(sim, node), host);
}

struct routes_answer place_serve(const struct sim *sim, const struct sim_node *node, int asker)
{
    struct routes_answer answer = {.serve = ROUTE_SERVE_HELD};

    if (!sim->by_tiers)
        return answer;
    answer =
        routes_serve(&node->routes, sim_node_mono(sim, node), &sim->nodes[asker].address, NULL, 0);
    if (sim_planted(sim, SIM_FETCHES_FOR_ALL) && answer.serve != ROUTE_REFUSE)
        answer.serve = ROUTE_SERVE_FETCH;
    return answer;
}

size_t place_sources(const struct sim *sim, const struct sim_node *node,
                     struct routes_source out[ROUTES_MAX])
{
    if (!sim->by_tiers)
        return 0;
    return routes_sources(&node->routes, sim_node_mono(sim, node), out);
}

bool place_reaches(const struct sim *sim, const struct sim_node *node, int to, unsigned audiences)
{
    if (!sim->by_tiers)
        return audiences & AUDIENCE_MESH && (to != node->index || sim->broadcast);
    return to != node->index &&
           routes_audiences(&node->routes, sim_node_mono(sim, node), &sim->nodes[to].address) &
               audiences;
}

/* ---- what it keeps --------------------------------------------------------------------------- */

struct route_place place_of(const struct sim *sim, const struct sim_node *node)
{
    if (!sim->by_tiers)
        return (struct route_place){.mesh = true};
    return routes_place(&node->routes, sim_node_mono(sim, node));
}
