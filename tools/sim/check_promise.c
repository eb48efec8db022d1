/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>

#include "src/base/must.h"

/*
 * What an acknowledged put promises, as README has it: its content is on the node where it was put
 * until a candidate of the tier above has confirmed it; then on that one, until the tier above has;
 * in the end on every candidate of the top tier. In a flat mesh the node where it was put keeps it.
 * With --copies it is on so many candidates that all but one may be lost. Where a newer version
 * takes its place whose author did not know of it, who held it keeps it beside that one.
 *
 * Each put is followed to the end: whenever one who has to keep it does so no longer, another one
 * must be left, or what happened is one of the few things (SIM_LOSSES) that may take it away.
 */
struct sim_put {
    struct sim_put *before; /* of the same name */
    struct sim_put *base;   /* what its author saw, and replaced */
    struct version version;
    struct digest sha256;
    bool deleted;
    bool twice; /* two removals in the same moment are the same, whatever each replaced */
    int node;
    uint64_t held_by;  /* now or once: a bit for each node */
    uint64_t gone;     /* those of them whose home was lost */
    uint64_t replaced; /* those who have had a newer version since then */
    uint64_t safe;     /* those to whom the tier above has confirmed it */
    uint64_t counted;  /* the candidates that were counted, where copies were waited for */
    size_t copies;
    enum sim_loss loss;
};

static struct sim_put *put_with(const struct sim *sim, int name, struct version version,
                                const struct digest *sha256)
{
    struct sim_put *put = sim->puts[name];

    while (put && !(version_same(put->version, version) && digest_same(&put->sha256, sha256)))
        put = put->before;
    return put;
}

static struct sim_put *put_of(const struct sim *sim, int name, const struct twin_entry *entry)
{
    return entry->known ? put_with(sim, name, entry->version, &entry->sha256) : NULL;
}

static bool is_this(const struct sim_put *put, const struct twin_entry *entry)
{
    return entry->known && version_same(entry->version, put->version) &&
           digest_same(&entry->sha256, &put->sha256);
}

void check_promise_begin(struct sim *sim)
{
    sim->puts = calloc((size_t)sim->names + 1, sizeof(struct sim_put *));
    MUST(sim->puts != NULL);
}

void check_promise_end(struct sim *sim)
{
    for (int name = 0; sim->puts && name < sim->names; name++) {
        struct sim_put *put = sim->puts[name], *before;

        for (; put; put = before) {
            before = put->before;
            free(put);
        }
    }
    free(sim->puts);
}

/* ---- who keeps it ---------------------------------------------------------------------------- */

static bool is_top(const struct sim *sim, const struct sim_node *node)
{
    bool candidate = false;

    for (int t = 0; t < sim->tier_count; t++) {
        if (node->parts[t][node->index] == SIM_SLAVE)
            return false;
        candidate = candidate || node->parts[t][node->index] == SIM_CANDIDATE;
    }
    return candidate;
}

/* What is known of a removal is never dropped. */
bool check_must_keep(const struct sim *sim, const struct sim_node *node, int name)
{
    const struct twin_entry *entry = &node->twin.entries[name];

    return !sim->by_tiers || entry->deleted || entry->unconfirmed || is_top(sim, node);
}

static bool keeps_beside(const struct sim_node *node, int name, const struct sim_put *put)
{
    const struct twin_rival *rival = twin_rival(&node->twin, name, put->version, &put->sha256);

    return rival && rival->held;
}

static bool keeps(const struct sim *sim, const struct sim_node *node, int name,
                  const struct sim_put *put)
{
    const struct twin_entry *entry = node->twin.entries ? &node->twin.entries[name] : NULL;

    if (!entry)
        return false;
    return (is_this(put, entry) && (entry->held || entry->deleted) &&
            check_must_keep(sim, node, name)) ||
           keeps_beside(node, name, put);
}

static bool is_kept(const struct sim *sim, int name, const struct sim_put *put, int but_for)
{
    for (int i = 0; i < sim->node_count; i++)
        if (i != but_for && keeps(sim, &sim->nodes[i], name, put))
            return true;
    return false;
}

static const struct sim_put *newest(const struct sim *sim, int name)
{
    const struct twin_entry *newest = NULL;

    for (int i = 0; i < sim->node_count; i++) {
        const struct twin *twin = &sim->nodes[i].twin;
        const struct twin_entry *entry = twin->entries ? &twin->entries[name] : NULL;

        if (entry && entry->known && (!newest || check_order(entry, newest) > 0))
            newest = entry;
    }
    return newest ? put_of(sim, name, newest) : NULL;
}

bool check_is_lost(const struct sim *sim, int name)
{
    const struct sim_put *put = newest(sim, name);

    return put && put->loss != SIM_LOSS_NONE;
}

/* ---- puts ------------------------------------------------------------------------------------ */

static void add_put(struct sim *sim, const struct sim_node *node, int name,
                    const struct twin_entry *before)
{
    const struct twin_entry *entry = &node->twin.entries[name];
    struct sim_put *put = calloc(1, sizeof(*put));

    MUST(put != NULL);
    put->base = put_of(sim, name, before);
    put->before = sim->puts[name];
    put->version = entry->version;
    put->sha256 = entry->sha256;
    put->deleted = entry->deleted;
    put->node = node->index;
    sim->puts[name] = put;
    sim->result->puts++;
}

void check_put(struct sim *sim, const struct sim_node *node, int name,
               const struct twin_entry *before)
{
    struct sim_put *put = put_of(sim, name, &node->twin.entries[name]);

    if (put)
        put->twice = true;
    else
        add_put(sim, node, name, before);
    check_held(sim, node, name);
}

void check_held(struct sim *sim, const struct sim_node *node, int name)
{
    struct sim_put *put = put_of(sim, name, &node->twin.entries[name]);

    if (put) {
        put->held_by |= (uint64_t)1 << node->index;
        put->gone &= ~((uint64_t)1 << node->index);
    }
}

static size_t how_many(uint64_t nodes)
{
    return (size_t)__builtin_popcountll(nodes);
}

/* Each of those that it counts on holds it, or did once: another version is no copy. */
void check_copies(struct sim *sim, const struct sim_node *node, const struct sim_ticket *ticket,
                  uint64_t candidates)
{
    struct sim_put *put = put_with(sim, ticket->name, ticket->version, &ticket->sha256);

    MUST(put != NULL);
    sim->result->copies++;
    put->counted = put->held_by & candidates;
    put->copies = ticket->copies;
    if (how_many(put->counted) < ticket->copies)
        sim_fail(sim, "n%d: %zu copies of f%d are confirmed, and %zu hold it", node->index,
                 ticket->copies, ticket->name, how_many(put->counted));
}

/* ---- who keeps it no longer ------------------------------------------------------------------ */

/* Candidates of the top tier keep what they hold: as many must be gone as were counted. */
static bool took_enough(const struct sim *sim, const struct sim_put *put)
{
    for (int i = 0; i < sim->node_count; i++)
        if (put->counted >> i & 1 && !is_top(sim, &sim->nodes[i]) && !(put->gone >> i & 1))
            return true;
    return how_many(put->counted & (put->gone | put->replaced)) >= put->copies;
}

static void lose(struct sim *sim, int name, struct sim_put *put, enum sim_loss loss)
{
    sim_note(sim, "f%d: what n%d put is %s", name, put->node, sim_loss_text(loss));
    put->loss = loss;
    if (put->copies && loss != SIM_LOSS_REPLACED && !took_enough(sim, put))
        sim_fail(sim, "f%d: %zu copies were confirmed, and fewer losses took it", name,
                 put->copies);
}

/* Before its home is: with that goes what this one alone had to keep. */
void check_home_lost(struct sim *sim, const struct sim_node *node)
{
    for (int name = 0; name < sim->names; name++) {
        struct sim_put *put = sim->puts[name];

        for (; put; put = put->before) {
            bool kept = keeps(sim, node, name, put);

            if (put->held_by >> node->index & 1 &&
                (kept || is_this(put, &node->twin.entries[name])))
                put->gone |= (uint64_t)1 << node->index;
            if (kept && !put->loss && !is_kept(sim, name, put, node->index))
                lose(sim, name, put, SIM_LOSS_HOME);
        }
    }
}

/* Its nets files make something else of it: what it kept for the sake of its place is not lost with
 * that. */
void check_place(struct sim *sim, const struct sim_node *node)
{
    for (int name = 0; name < sim->names; name++) {
        const struct sim_put *put = put_of(sim, name, &node->twin.entries[name]);

        if (put && !put->loss && !is_kept(sim, name, put, -1))
            sim_fail(sim, "n%d has another place, and nobody keeps f%d any more", node->index,
                     name);
    }
}

/* Is it among what `newer` is based on? */
static bool is_based_on(const struct sim_put *newer, const struct sim_put *put)
{
    while (newer && newer != put)
        newer = newer->base;
    return newer != NULL;
}

/* The same node wrote another one since then: of what it wrote before that nothing may be told. */
static bool wrote_again(const struct sim_put *newer, const struct sim_put *put)
{
    for (const struct sim_put *one = newer; one; one = one->before)
        if (one->node == put->node && one != put && !version_newer(put->version, one->version))
            return true;
    return false;
}

/* Another version is here now. What that is not based on is nobody's to give up: it stays, with its
 * content; and else it does not. Who lost its home, and with it the right time, may have written
 * what it does not know. */
static void check_beside(struct sim *sim, const struct sim_node *node, int name,
                         const struct sim_put *put, const struct twin_entry *before)
{
    const struct sim_put *newer = put_of(sim, name, &node->twin.entries[name]);
    const struct twin_rival *rival = twin_rival(&node->twin, name, put->version, &put->sha256);

    if (!newer || newer->twice)
        return;
    if (is_based_on(newer, put)) {
        if (rival && !wrote_again(newer, put))
            sim_fail(sim, "n%d keeps f%d of n%d as a conflict, which that of n%d is based on",
                     node->index, name, put->node, newer->node);
        return;
    }
    if (put->deleted || sim->nodes[put->node].lost_home)
        return;
    if (!rival || rival->held < before->held)
        sim_fail(sim, "n%d gives up f%d of n%d, which that of n%d is not based on", node->index,
                 name, put->node, newer->node);
}

/* It has a newer version now. */
void check_replaced(struct sim *sim, const struct sim_node *node, int name,
                    const struct twin_entry *before)
{
    struct sim_put *put = put_of(sim, name, before);

    if (!put)
        return;
    put->replaced |= (uint64_t)1 << node->index;
    check_beside(sim, node, name, put, before);
    if (!put->loss && !is_kept(sim, name, put, -1))
        lose(sim, name, put, SIM_LOSS_REPLACED);
}

/* It keeps it itself, or need not any more. */
static bool answers_for(const struct sim *sim, const struct sim_node *node, int name,
                        const struct sim_put *put)
{
    return keeps(sim, node, name, put) || put->safe >> node->index & 1;
}

/* It says of what is here that it keeps it. */
void check_says_kept(struct sim *sim, const struct sim_node *node, const struct notice *said)
{
    int name = sim_name_number(said->name);
    struct sim_put *put =
        name < 0 || name >= sim->names ? NULL : put_with(sim, name, said->version, &said->sha256);

    if (said->kind == NOTICE_IHAVE && said->kept && put && sim->by_tiers &&
        is_this(put, &node->twin.entries[name]) && !answers_for(sim, node, name, put))
        sim_fail(sim, "n%d says that it keeps f%d, and does not", node->index, name);
}

/* Whoever confirmed it held it, and kept it. It may have been lost with a home since then, or
 * replaced. */
void check_confirmed(struct sim *sim, const struct sim_node *node, int name, int by)
{
    struct sim_put *put = put_of(sim, name, &node->twin.entries[name]);
    bool held, kept;

    if (!put)
        return;
    put->safe |= (uint64_t)1 << node->index;
    if (put->loss)
        return;
    kept = is_kept(sim, name, put, -1);
    held = put->held_by >> by & 1 || node->twin.entries[name].deleted;
    if (!held)
        sim_fail(sim, "n%d took f%d for confirmed by n%d, which never held it", node->index, name,
                 by);
    else if (!((put->gone | put->replaced) >> by & 1) &&
             !answers_for(sim, &sim->nodes[by], name, put))
        sim_fail(sim, "n%d took f%d for confirmed by n%d, which does not keep it", node->index,
                 name, by);
    else if (!kept && !put->gone && !put->replaced)
        sim_fail(sim, "n%d keeps f%d no longer, which n%d has confirmed, and nobody else does",
                 node->index, name, by);
    else if (!kept)
        lose(sim, name, put, put->gone ? SIM_LOSS_HOME : SIM_LOSS_REPLACED);
}

void check_dropped(struct sim *sim, const struct sim_node *node, int name)
{
    const struct sim_put *put = put_of(sim, name, &node->twin.entries[name]);

    if (put && !put->loss && !is_kept(sim, name, put, -1))
        sim_fail(sim, "n%d dropped f%d, and nobody is left who must keep it", node->index, name);
}

/* ---- long after the faults ------------------------------------------------------------------- */

static void count(struct sim *sim, int name)
{
    const struct sim_put *stands = newest(sim, name);

    for (const struct sim_put *put = sim->puts[name]; put; put = put->before) {
        sim->result->losses[put->loss || put == stands ? put->loss : SIM_LOSS_BESIDE]++;
        if (!put->loss && !is_kept(sim, name, put, -1))
            sim_fail(sim, "f%d: what n%d put is lost, and nothing had happened that may take it",
                     name, put->node);
    }
}

/* Somebody else could confirm what it put: a candidate of the tier above, or of its own. */
static bool has_confirmer(const struct sim *sim, const struct sim_node *node)
{
    enum sim_part own = is_top(sim, node) ? SIM_CANDIDATE : SIM_SLAVE;

    for (int t = 0; t < sim->tier_count; t++)
        for (int i = 0; i < sim->node_count && node->parts[t][node->index] == own; i++)
            if (i != node->index && node->parts[t][i] == SIM_CANDIDATE)
                return true;
    return false;
}

/* Of what there is; before anybody has read it. */
void check_kept(struct sim *sim)
{
    for (int name = 0; name < sim->names && !sim_failed(sim); name++)
        for (int i = 0; i < sim->node_count && sim->by_tiers && !check_is_lost(sim, name); i++) {
            const struct sim_node *node = &sim->nodes[i];
            const struct twin_entry *entry = &node->twin.entries[name];

            if (entry->known && !entry->deleted && !entry->held && is_top(sim, node))
                sim_fail(sim, "n%d does not hold f%d, and is to keep everything", i, name);
        }
}

void check_nothing_lost(struct sim *sim)
{
    check_kept(sim);
    for (int name = 0; name < sim->names && !sim_failed(sim); name++) {
        count(sim, name);
        for (int i = 0; i < sim->node_count && sim->by_tiers && !check_is_lost(sim, name); i++) {
            const struct sim_node *node = &sim->nodes[i];
            const struct twin_entry *entry = &node->twin.entries[name];

            if (entry->unconfirmed && has_confirmer(sim, node))
                sim_fail(sim, "n%d: nobody has confirmed f%d", i, name);
        }
    }
}
