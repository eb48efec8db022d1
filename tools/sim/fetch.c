/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

/*
 * The fetches of a node, one for each name, as the daemon's flights go: first of the masters that
 * it follows, which fetch for it what they lack, then of those who say that they hold it. Clients
 * of the node and requests of those whom it leads wait for the same fetch. While anyone waits it is
 * tried again and again, within a bound.
 */
static const int64_t PATIENCE_NS = MONO_S(60);
static const int64_t ROUND_NS = MONO_S(1); /* between two rounds through all sources */
static const int64_t AGAIN_NS = MONO_S(5); /* where nobody waits: ever later */
static const int64_t ENDS_WITHIN_NS = MONO_S(300);

struct sim_waiter {
    struct sim_waiter *next;
    mono_t since;
    bool is_client, must_find;
    struct sim_call call; /* else */
};

static struct sim_fetch *fetch_of(struct sim_node *node, int name)
{
    return &node->fetches[name];
}

void fetch_begin(struct sim *sim, struct sim_node *node)
{
    node->fetches = calloc((size_t)sim->names, sizeof(*node->fetches));
    MUST(node->fetches != NULL || !sim->names);
}

/* ---- those who wait -------------------------------------------------------------------------- */

static void wait_for(struct sim *sim, struct sim_fetch *fetch, const struct sim_waiter *waiter)
{
    struct sim_waiter *added = malloc(sizeof(*added));

    MUST(added != NULL);
    *added = *waiter;
    added->since = sim->now;
    added->next = fetch->waiters;
    fetch->waiters = added;
}

static void tell_client(struct sim *sim, struct sim_node *node, int name, bool must_find)
{
    struct twin_entry *entry = &node->twin.entries[name];

    if (entry->held)
        check_read(sim, node, name);
    else if (must_find && !entry->deleted)
        sim_fail(sim, "n%d cannot read f%d, which is to be had", node->index, name);
}

/* All are told how it ended, or those who have waited long enough. */
static void tell_waiters(struct sim *sim, struct sim_node *node, int name, bool all)
{
    struct sim_waiter **link = &fetch_of(node, name)->waiters;

    while (*link) {
        struct sim_waiter *waiter = *link;

        if (!all && mono_between(waiter->since, sim->now) < PATIENCE_NS) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        if (waiter->is_client)
            tell_client(sim, node, name, waiter->must_find);
        else
            sim_call_goes_on(sim, &waiter->call);
        free(waiter);
    }
}

/* The node is no more: a connection to it breaks, at once where its host can still say so. */
void fetch_end(struct sim *sim, struct sim_node *node, bool with_host)
{
    for (int name = 0; node->fetches && name < sim->names; name++) {
        struct sim_waiter *waiter = node->fetches[name].waiters, *next;

        for (; waiter; waiter = next) {
            next = waiter->next;
            if (!waiter->is_client)
                sim_call_breaks(sim, &waiter->call, with_host);
            free(waiter);
        }
    }
    free(node->fetches);
    node->fetches = NULL;
}

/* ---- its course ------------------------------------------------------------------------------ */

static void go_on(struct sim *sim, struct sim_node *node, int name);

static void want_again(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    const struct twin_entry *entry = &node->twin.entries[event->number];

    if (entry->wanted && !entry->held)
        fetch_want(sim, node, (int)event->number);
}

static void finish(struct sim *sim, struct sim_node *node, int name)
{
    struct sim_fetch *fetch = fetch_of(node, name);
    struct twin_entry *entry = &node->twin.entries[name];

    fetch->active = false;
    fetch->call = 0;
    if (entry->wanted && !entry->held) {
        unsigned tries = entry->tries++;
        sim_at(sim, AGAIN_NS << (tries < 8 ? tries : 8), want_again, node->index)->number =
            (uint64_t)name;
    }
    tell_waiters(sim, node, name, true);
}

/* The masters first; then whoever else may hold it. */
static void begin_round(struct sim *sim, struct sim_node *node, int name)
{
    struct sim_fetch *fetch = fetch_of(node, name);
    struct routes_source list[ROUTES_MAX];
    size_t count = place_sources(sim, node, list);

    fetch->count = fetch->next = 0;
    for (size_t i = 0; i < count && fetch->count < SIM_SOURCES_MAX; i++)
        fetch->sources[fetch->count++] = list[i];
    fetch->asked = false;
    fetch->call = 0;
    fetch->round++;
}

static void next_round(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    int name = (int)event->number;

    if (!fetch_of(node, name)->active || fetch_of(node, name)->round != event->other)
        return;
    begin_round(sim, node, name);
    go_on(sim, node, name);
}

static void end_round(struct sim *sim, struct sim_node *node, int name)
{
    struct sim_fetch *fetch = fetch_of(node, name);
    struct sim_event *event;

    tell_waiters(sim, node, name, false);
    if (!fetch->waiters) {
        finish(sim, node, name);
        return;
    }
    event = sim_at(sim, ROUND_NS, next_round, node->index);
    event->number = (uint64_t)name;
    event->other = fetch->round;
}

static void ask(struct sim *sim, struct sim_node *node, int name,
                const struct routes_source *source)
{
    struct sim_fetch *fetch = fetch_of(node, name);
    struct sim_request request = {.what = SIM_GET_CONTENT,
                                  .name = name,
                                  .version = node->twin.entries[name].version.bits,
                                  .sha256 = node->twin.entries[name].sha256,
                                  .only_held = source->ask == ROUTE_ASK_HELD};

    fetch->source = sim_node_at(sim, &source->http);
    fetch->may_wait = source->ask == ROUTE_ASK_ANY;
    fetch->version = request.version;
    fetch->call = sim_get(sim, node, &source->http, &request);
}

static void go_on(struct sim *sim, struct sim_node *node, int name)
{
    struct sim_fetch *fetch = fetch_of(node, name);
    const struct twin_entry *entry = &node->twin.entries[name];

    if (entry->held || entry->deleted) {
        finish(sim, node, name);
    } else if (fetch->next < fetch->count) {
        ask(sim, node, name, &fetch->sources[fetch->next++]);
    } else if (!fetch->asked) {
        fetch->asked = true;
        if (!cache_ask(sim, node->index, name, EXCHANGE_ASK_CONTENT, true, false))
            end_round(sim, node, name);
    } else {
        end_round(sim, node, name);
    }
}

void fetch_want(struct sim *sim, struct sim_node *node, int name)
{
    const struct twin_entry *entry = &node->twin.entries[name];
    struct sim_fetch *fetch = fetch_of(node, name);

    if (fetch->active || !entry->known || entry->held || entry->deleted)
        return;
    fetch->active = true;
    begin_round(sim, node, name);
    go_on(sim, node, name);
}

/* ---- what comes ------------------------------------------------------------------------------ */

/* The exchange tells who holds it. */
void fetch_told(struct sim *sim, struct sim_node *node, int name,
                const struct exchange_action *action)
{
    struct sim_fetch *fetch = fetch_of(node, name);
    struct twin_entry *entry = &node->twin.entries[name];

    entry->wanted = entry->wanted || (action->found && !entry->held && !entry->deleted);
    if (!fetch->active && entry->wanted)
        sim_at(sim, 0, want_again, node->index)->number = (uint64_t)name;
    if (!fetch->active || fetch->call)
        return;
    for (size_t i = 0; i < action->source_count && fetch->count < SIM_SOURCES_MAX; i++) {
        const struct exchange_source *source = &action->sources[i];
        enum route_ask how = route_ask(place_relations(sim, node, &source->http));

        if (how != ROUTE_ASK_NEVER && version_same(source->version, entry->version))
            fetch->sources[fetch->count++] = (struct routes_source){source->http, how};
    }
    go_on(sim, node, name);
}

/* One redirect, to a candidate that it knows. */
static bool follows_redirect(const struct sim *sim, const struct sim_node *node,
                             const struct sim_call *call, const struct sim_answer *answer)
{
    return answer->redirected && !call->request.redirected &&
           sim_node_at(sim, &answer->master) != node->index &&
           routes_may_follow(&node->routes, sim_node_mono(sim, node), &call->to, &answer->master);
}

static void land(struct sim *sim, struct sim_node *node, const struct sim_call *call)
{
    struct twin_entry *entry = &node->twin.entries[call->request.name];

    entry->held = true;
    check_held(sim, node, call->request.name);
    entry->wanted = false;
    sim_note(sim, "n%d holds f%d", node->index, call->request.name);
    keep_landed(sim, node, call->request.name, &call->to);
}

void fetch_came(struct sim *sim, struct sim_node *node, const struct sim_call *call,
                const struct sim_answer *answer)
{
    struct twin_entry *entry = &node->twin.entries[call->request.name];
    struct sim_fetch *fetch = fetch_of(node, call->request.name);

    if (answer->found && entry->version.bits == call->request.version &&
        digest_same(&entry->sha256, &call->request.sha256) && !entry->held)
        land(sim, node, call);
    if (fetch->call != call->number || !fetch->active)
        return;
    fetch->call = 0;
    if (follows_redirect(sim, node, call, answer)) {
        struct sim_request again = call->request;

        again.redirected = true;
        fetch->source = sim_node_at(sim, &answer->master);
        fetch->call = sim_get(sim, node, &answer->master, &again);
        return;
    }
    go_on(sim, node, call->request.name);
}

/* ---- who asks -------------------------------------------------------------------------------- */

/* Somebody whom it leads. False: it is answered at once. */
bool fetch_for(struct sim *sim, const struct sim_call *call)
{
    struct sim_node *node = &sim->nodes[call->server];
    const struct sim_request *request = &call->request;
    const struct twin_entry *entry;
    struct sim_waiter waiter = {.call = *call};

    if (request->what != SIM_GET_CONTENT || request->only_held)
        return false;
    entry = &node->twin.entries[request->name];
    if (!entry->known || entry->held || entry->version.bits != request->version ||
        !digest_same(&entry->sha256, &request->sha256))
        return false;
    sim_note(sim, "n%d fetches f%d for n%d", node->index, request->name, call->asker);
    wait_for(sim, fetch_of(node, request->name), &waiter);
    fetch_want(sim, node, request->name);
    check_no_knot(sim, node, request->name);
    return true;
}

void fetch_read(struct sim *sim, int index, int name, bool must_find)
{
    struct sim_node *node = &sim->nodes[index];
    const struct twin_entry *entry;
    struct sim_waiter waiter = {.is_client = true, .must_find = must_find};

    if (!node->up || node->paused)
        return;
    entry = &node->twin.entries[name];
    sim_note(sim, "n%d: a client reads f%d", index, name);
    if (!entry->known)
        cache_ask(sim, index, name, EXCHANGE_ASK_NAME, true, must_find);
    else if (entry->held || entry->deleted)
        tell_client(sim, node, name, must_find);
    else
        wait_for(sim, fetch_of(node, name), &waiter);
    fetch_want(sim, node, name);
}

/* Its version is another now: what is under way is worth nothing. */
void fetch_superseded(struct sim *sim, struct sim_node *node, int name)
{
    if (!fetch_of(node, name)->active)
        return;
    begin_round(sim, node, name);
    go_on(sim, node, name);
}

/* Others are followed than before: who may not be asked any more is left at once, and who had
 * nobody to ask looks again. */
void fetch_look(struct sim *sim, struct sim_node *node)
{
    for (int name = 0; name < sim->names; name++) {
        struct sim_fetch *fetch = fetch_of(node, name);
        bool stays = !fetch->may_wait;

        if (!fetch->active)
            continue;
        if (fetch->call && !stays)
            stays = route_ask(place_relations(sim, node, &sim->nodes[fetch->source].address)) ==
                    ROUTE_ASK_ANY;
        if (fetch->call && (stays || sim_planted(sim, SIM_NEVER_CUTS)))
            continue;
        if (!fetch->call && fetch->asked && fetch->next < fetch->count)
            continue;
        begin_round(sim, node, name);
        go_on(sim, node, name);
    }
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* No two nodes wait for each other. */
void check_no_knot(struct sim *sim, const struct sim_node *node, int name)
{
    const struct sim_node *at = node;

    for (int i = 0; i <= sim->node_count; i++) {
        const struct sim_fetch *fetch = at->fetches ? &at->fetches[name] : NULL;

        if (!fetch || !fetch->active || !fetch->call || !fetch->may_wait)
            return;
        at = &sim->nodes[fetch->source];
        if (!at->up || at->paused)
            return;
        if (at == node) {
            sim_fail(sim, "n%d waits for f%d from n%d, which waits for it", node->index, name,
                     node->fetches[name].source);
            return;
        }
    }
}

void check_fetches(struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];

        for (int name = 0; node->up && !node->paused && name < sim->names; name++) {
            const struct sim_waiter *waiter = node->fetches[name].waiters;

            check_no_knot(sim, node, name);
            for (; waiter; waiter = waiter->next)
                if (mono_between(waiter->since, sim->now) > ENDS_WITHIN_NS &&
                    mono_between(node->resumed, sim->now) > ENDS_WITHIN_NS)
                    sim_fail(sim, "n%d: a transfer of f%d does not end", i, name);
        }
    }
}
