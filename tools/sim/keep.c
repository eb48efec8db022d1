/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include "src/base/must.h"

/*
 * What a node keeps, as the daemon's store and its policy have it: candidates of the top tier keep
 * everything; what nobody above has confirmed is kept, and told again and again; the rest may be
 * dropped at any time.
 */
static const int64_t LOOK_NS = MONO_S(1);
static const int64_t WANT_MOST_NS = MONO_MS(10); /* until the store has noted it */
static const int64_t HEAD_NS = MONO_MS(20);      /* until the elections know of a change */
static const int64_t AGAIN_LEAST_NS = MONO_S(1), AGAIN_MOST_NS = MONO_S(60);

/* Is there another who could confirm what this one put? */
static bool can_be_confirmed(const struct sim *sim, const struct sim_node *node)
{
    return sim->by_tiers && routes_copies(&node->routes, sim_node_mono(sim, node)).others > 0;
}

static void be_unconfirmed(const struct sim *sim, struct twin_entry *entry, bool unconfirmed)
{
    entry->unconfirmed = unconfirmed;
    entry->again_ns = AGAIN_LEAST_NS;
    entry->again = mono_after(sim->now, AGAIN_LEAST_NS);
}

/* A put or rm of our own. */
void keep_put(struct sim *sim, struct sim_node *node, int name)
{
    be_unconfirmed(sim, &node->twin.entries[name], can_be_confirmed(sim, node));
}

/* What we took from another. */
void keep_adopted(struct sim *sim, struct sim_node *node, int name, int from)
{
    struct twin_entry *entry = &node->twin.entries[name];
    struct route_place place = place_of(sim, node);

    if (!sim->by_tiers)
        return;
    be_unconfirmed(sim, entry,
                   route_brings_up(&place, place_relations(sim, node, &sim->nodes[from].address)));
    if (!entry->deleted && (place.top || entry->unconfirmed))
        entry->wanted = !sim_planted(sim, SIM_KEEPS_NOTHING);
    keep_changed(sim, node);
}

/* The journal does not tell what was confirmed. */
void keep_rebuilt(struct sim *sim, struct sim_node *node)
{
    bool keeps_all = !sim->by_tiers || place_of(sim, node).top;

    for (int name = 0; name < sim->names; name++) {
        struct twin_entry *entry = &node->twin.entries[name];
        bool lies_here = entry->held && !keeps_all;

        if (entry->known && sim->by_tiers && !sim_planted(sim, SIM_REBUILDS_AS_TOLD))
            be_unconfirmed(sim, entry, lies_here || twin_is_by(&node->twin, name, node->name));
    }
}

/* Content may be dropped at any time, but what must be kept. */
void keep_drop(struct sim *sim, struct sim_node *node, int name)
{
    struct twin_entry *entry;
    bool may;

    if (!sim->by_tiers || !node->up || node->paused)
        return;
    entry = &node->twin.entries[name];
    may = entry->held;
    if (may && (entry->unconfirmed || place_of(sim, node).top))
        may = sim_planted(sim, SIM_DROPS_UNCONFIRMED);
    if (!may)
        return;
    sim_note(sim, "n%d drops f%d", node->index, name);
    sim_count(sim, SIM_DROP);
    entry->held = entry->unconfirmed = false;
    check_dropped(sim, node, name);
}

/* ---- confirmation ---------------------------------------------------------------------------- */

static void tell(struct sim *sim, struct sim_node *node, enum exchange_event_kind kind, int name,
                 const struct address *from)
{
    struct exchange_event event = {.kind = kind};
    char whole[NAME_SIZE];

    sim_name(name, whole);
    event.name = span_of(whole);
    event.local = cache_local(sim, node, name);
    if (from)
        event.from = *from;
    cache_step(sim, node, &event);
}

void keep_landed(struct sim *sim, struct sim_node *node, int name, const struct address *from)
{
    if (sim->by_tiers)
        tell(sim, node, EXCHANGE_LANDED, name, from);
}

void keep_confirmed(struct sim *sim, struct sim_node *node, const struct exchange_action *action)
{
    int name = sim_name_number(action->name);
    struct twin_entry *entry = &node->twin.entries[name];

    if (!version_same(entry->version, action->version) ||
        !digest_same(&entry->sha256, &action->sha256) || !entry->unconfirmed)
        return;
    sim_note(sim, "n%d: n%d has confirmed f%d", node->index, sim_node_at(sim, &action->to), name);
    entry->unconfirmed = false;
    check_confirmed(sim, node, name, sim_node_at(sim, &action->to));
    keep_changed(sim, node);
}

/* The exchange decided that its content is to be here; the store notes that a little later. */
static void want(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    int name = (int)event->number;
    struct twin_entry *entry = &node->twin.entries[name];

    if (!version_same(entry->version, (struct version){event->other}) ||
        !digest_same(&entry->sha256, &event->sha256))
        return;
    if (event->peer && !entry->unconfirmed)
        be_unconfirmed(sim, entry, true);
    entry->wanted = !entry->held && !sim_planted(sim, SIM_KEEPS_NOTHING);
    if (entry->wanted)
        fetch_want(sim, node, name);
    else if (entry->held)
        tell(sim, node, EXCHANGE_LANDED, name, NULL);
    if (entry->wanted && entry->unconfirmed)
        tell(sim, node, EXCHANGE_AGAIN, name, NULL);
}

void keep_want(struct sim *sim, struct sim_node *node, const struct exchange_action *action)
{
    struct sim_event *event;

    sim_note(sim, "n%d is to hold %s", node->index, action->name);
    event = sim_at(sim, (int64_t)rng_below(&sim->rng, (uint64_t)WANT_MOST_NS), want, node->index);
    event->number = (uint64_t)sim_name_number(action->name);
    event->other = action->version.bits;
    event->sha256 = action->sha256;
    event->peer = action->unconfirmed;
}

/* Tells what is unconfirmed once more, ever later; nobody where nobody could confirm it. */
static void look(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    bool can_be = can_be_confirmed(sim, node);

    for (int name = 0; can_be && name < sim->names; name++) {
        struct twin_entry *entry = &node->twin.entries[name];

        if (!entry->unconfirmed || !mono_reached(sim->now, entry->again))
            continue;
        entry->again = mono_after(sim->now, entry->again_ns);
        if (2 * entry->again_ns <= AGAIN_MOST_NS)
            entry->again_ns *= 2;
        tell(sim, node, EXCHANGE_AGAIN, name, NULL);
    }
    sim_at(sim, LOOK_NS, look, node->index);
}

void keep_begin(struct sim *sim, struct sim_node *node)
{
    node->changing = false;
    if (sim->by_tiers && !sim_planted(sim, SIM_TELLS_ONCE))
        sim_at(sim, LOOK_NS, look, node->index);
}

/* It kept everything, and is elsewhere now: nobody else may have it. */
static void give_up_place(struct sim *sim, struct sim_node *node)
{
    for (int name = 0; name < sim->names; name++) {
        struct twin_entry *entry = &node->twin.entries[name];

        if (entry->held && !sim_planted(sim, SIM_FORGETS_ITS_PLACE))
            be_unconfirmed(sim, entry, true);
    }
    keep_changed(sim, node);
}

/* There is another master, and what is unconfirmed is told to that one soon; or we have come to be
 * one who keeps everything, or are that no longer. */
void keep_look(struct sim *sim, struct sim_node *node)
{
    bool top = place_of(sim, node).top;
    bool keeps_all = top && !sim_planted(sim, SIM_KEEPS_NOTHING);

    if (node->twin.keeps_all && !top)
        give_up_place(sim, node);
    node->twin.keeps_all = top;
    for (int name = 0; name < sim->names; name++) {
        struct twin_entry *entry = &node->twin.entries[name];

        if (entry->unconfirmed)
            be_unconfirmed(sim, entry, true);
        if (keeps_all && entry->known && !entry->held && !entry->deleted) {
            entry->wanted = true;
            fetch_want(sim, node, name);
        }
    }
}

static void tell_elections(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];

    node->changing = false;
    for (int t = 0; t < sim->tier_count; t++)
        if (node->electors[t].machine)
            elector_self(sim, node, t);
}

/* The catalogue's head is another. */
void keep_changed(struct sim *sim, struct sim_node *node)
{
    if (!sim->by_tiers || node->changing)
        return;
    node->changing = true;
    sim_at(sim, HEAD_NS, tell_elections, node->index);
}
