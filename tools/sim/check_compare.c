/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "src/base/must.h"
#include "tools/sim/inner.h"

/*
 * A comparison by ranges of names: who has made it knows all that the other one knew when it began,
 * and has read no more than what differs costs.
 */
struct state {
    bool known;
    struct version version;
    struct digest sha256;
};

struct sim_before {
    const struct sim_node *server;
    uint64_t store_id; /* the server's */
    struct {
        struct state ours, theirs;
    } names[];
};

static struct state state_of(const struct sim_node *node, int name)
{
    const struct twin_entry *entry = node->twin.entries ? &node->twin.entries[name] : NULL;

    if (!entry || !entry->known)
        return (struct state){.known = false};
    return (struct state){true, entry->version, entry->sha256};
}

/* <0: a is older, or not known. */
static int order(const struct state *a, const struct state *b)
{
    if (!a->known || !b->known)
        return (int)a->known - (int)b->known;
    if (!version_same(a->version, b->version))
        return a->version.bits < b->version.bits ? -1 : 1;
    return digest_compare(&a->sha256, &b->sha256);
}

struct sim_before *check_compare_begin(const struct sim *sim, const struct sim_node *node,
                                       const struct sim_node *server)
{
    struct sim_before *before;

    before = calloc(1, sizeof(*before) + (size_t)sim->names * sizeof(*before->names));
    MUST(before != NULL);
    before->server = server;
    before->store_id = server->twin.store_id;
    for (int i = 0; i < sim->names; i++) {
        before->names[i].ours = state_of(node, i);
        before->names[i].theirs = state_of(server, i);
    }
    return before;
}

/* Names that were not the same on both, or have changed since then. */
static uint64_t count_differing(const struct sim *sim, const struct sim_node *node,
                                const struct sim_before *before)
{
    uint64_t count = 0;

    for (int i = 0; i < sim->names; i++) {
        struct state ours = state_of(node, i), theirs = state_of(before->server, i);

        count += order(&before->names[i].ours, &before->names[i].theirs) != 0 ||
                 order(&before->names[i].theirs, &theirs) != 0 ||
                 order(&before->names[i].ours, &ours) != 0;
    }
    return count;
}

void check_compared(struct sim *sim, const struct sim_node *node, const struct sim_before *before,
                    uint64_t store_id, uint64_t read, uint64_t small)
{
    uint64_t differing;

    if (store_id != before->store_id) /* it was made anew before it answered */
        return;
    for (int i = 0; i < sim->names; i++) {
        struct state now = state_of(node, i);

        if (order(&now, &before->names[i].theirs) < 0) {
            sim_fail(sim, "n%d has compared with n%d, and does not know its f%d", node->index,
                     before->server->index, i);
            return;
        }
    }
    differing = count_differing(sim, node, before);
    if (read > small * (differing + 1))
        sim_fail(sim, "n%d has read %llu names of n%d, of which %llu differ", node->index,
                 (unsigned long long)read, before->server->index, (unsigned long long)differing);
}
