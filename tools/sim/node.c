/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <stdlib.h>

#include "src/base/must.h"

static const wall_t WALL = {1795348800000};

wall_t sim_node_wall(const struct sim *sim, const struct sim_node *node)
{
    return (wall_t){WALL.ms + sim->now.ns / 1000000 + node->wall_offset_ms};
}

/* ---- life and death ---------------------------------------------------------------------------
 */

static struct members *new_members(struct sim *sim, const struct sim_node *node)
{
    struct member list[SIM_NODES_MAX] = {0};
    struct members_options options = {
        .list = list, .own = &node->address, .own_count = 1, .nobroadcast = !sim->broadcast};

    for (int i = 0; i < sim->node_count && !sim->broadcast; i++)
        list[options.count++] =
            (struct member){.network = {.base = sim->nodes[i].address, .bits = 128}, .tier = "all"};
    options.nets_given = !sim->broadcast;
    return members_new(&options);
}

static void new_edge(struct sim *sim, struct sim_node *node)
{
    struct speaker_options speaker = {
        .node = node->name, .domain = SIM_DOMAIN, .boot = node->boot, .keyring = sim->keyring};
    struct gate_options gate = {.keyring = sim->keyring,
                                .domain = SIM_DOMAIN,
                                .node = node->name,
                                .boot = node->boot,
                                .auth = AUTH_ENFORCE};

    node->members = new_members(sim, node);
    gate.members = node->members;
    node->gate = gate_new(&gate);
    node->speaker = speaker_new(&speaker);
}

static void new_machine(struct sim *sim, struct sim_node *node)
{
    struct exchange_options options = {.seed = rng_next(&sim->rng),
                                       .node = node->name,
                                       .domain = SIM_DOMAIN,
                                       .broadcast = sim->broadcast,
                                       .http_port = SIM_HTTP_PORT,
                                       .compare_ns = MONO_S(30),
                                       .now = sim->now};

    node->machine = calloc(1, exchange_size());
    node->actions = calloc(1, sizeof(*node->actions));
    MUST(node->machine != NULL && node->actions != NULL);
    exchange_init(node->machine, &options);
}

void sim_node_free(struct sim_node *node)
{
    free(node->machine);
    free(node->actions);
    gate_free(node->gate);
    members_free(node->members);
    speaker_free(node->speaker);
    sim_set_free(&node->passed);
    twin_free(&node->twin);
}

static void stop(struct sim_node *node)
{
    struct twin twin = node->twin;

    node->twin = (struct twin){0};
    sim_node_free(node);
    node->twin = twin;
    node->machine = NULL;
    node->actions = NULL;
    node->gate = NULL;
    node->members = NULL;
    node->speaker = NULL;
    node->ticket_count = 0;
}

void sim_node_crash(struct sim *sim, int index)
{
    sim_note(sim, "n%d crashes", index);
    sim->nodes[index].up = false;
    stop(&sim->nodes[index]);
}

void sim_node_start(struct sim *sim, int index, bool keep_catalogue)
{
    struct sim_node *node = &sim->nodes[index];
    struct exchange_event event = {.kind = EXCHANGE_WAKE};

    keep_catalogue = keep_catalogue && node->twin.entries;
    sim_note(sim, "n%d starts%s", index, keep_catalogue ? "" : " with an empty catalogue");
    node->up = true;
    node->life++;
    node->boot++;
    if (!keep_catalogue)
        twin_begin(&node->twin, rng_next(&sim->rng), (size_t)sim->names);
    new_edge(sim, node);
    new_machine(sim, node);
    cache_step(sim, node, &event);
    for (int i = 0; i < sim->node_count && !sim->broadcast; i++) {
        event = (struct exchange_event){.kind = EXCHANGE_MEMBER, .from = sim->nodes[i].address};
        if (i != index)
            cache_step(sim, node, &event);
    }
    for (int i = 0; i < sim->names; i++)
        if (node->twin.entries[i].wanted)
            cache_want_content(sim, node, i);
}
