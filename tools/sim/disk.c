/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <string.h>

#include "src/base/must.h"

/*
 * What a node has on disk for its elections: its last boot, as src/state.h keeps it, and the memory
 * of each tier, as src/remember.h does: what is posted while it writes is written together next
 * time; what the disk does not take is tried again; what is not yet written is lost in a crash.
 */
static const int64_t WRITE_LEAST_NS = MONO_MS(1), WRITE_MOST_NS = MONO_MS(30);
static const int64_t RETRY_NS = MONO_S(1);

enum { BOOT_SPREAD = 65536 };

static bool is_failing(const struct sim *sim, const struct disk *disk)
{
    return sim->now.ns < disk->until.failing;
}

bool disk_open(struct sim *sim, struct sim_node *node)
{
    struct disk *disk = &node->disk;
    wall_t wall = sim_node_wall(sim, node);
    uint64_t clock = wall.ms > 0 ? (uint64_t)wall.ms : 0, last = disk->home.boot;

    if (is_failing(sim, disk))
        return false;
    if (sim_planted(sim, SIM_FORGETS_BOOT)) {
        node->boot = 1;
        check_boot(sim, node);
        return true;
    }
    node->boot = (last >= clock ? last + 1 : clock) + rng_below(&sim->rng, BOOT_SPREAD);
    disk->home.boot = node->boot;
    check_boot(sim, node);
    return true;
}

static void write_posted(struct sim *sim, struct sim_node *node);

static void tell(struct sim *sim, struct sim_node *node, int tier, uint64_t reserved)
{
    struct elect_event kept = {.kind = ELECT_PERSISTED, .reserved = reserved};

    elector_step(sim, node, tier, &kept);
}

static void write_done(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct disk *disk = &node->disk;

    if (is_failing(sim, disk)) {
        sim_at(sim, RETRY_NS, write_done, node->index);
        return;
    }
    disk->writing = false;
    for (int t = 0; t < sim->tier_count; t++)
        if (disk->is_written[t])
            disk->home.memory[t] = disk->written[t];
    for (int t = 0; t < sim->tier_count; t++)
        if (disk->is_written[t])
            tell(sim, node, t, disk->written[t].reserved);
    write_posted(sim, node);
}

static void write_posted(struct sim *sim, struct sim_node *node)
{
    struct disk *disk = &node->disk;
    int64_t stall = disk->until.stalled - sim->now.ns;
    bool any = false;

    for (int t = 0; t < sim->tier_count; t++) {
        any = any || disk->is_posted[t];
        disk->is_written[t] = disk->is_posted[t];
        if (disk->is_posted[t])
            disk->written[t] = disk->posted[t];
        disk->is_posted[t] = false;
    }
    if (!any)
        return;
    disk->writing = true;
    sim_at(sim, sim_between(sim, WRITE_LEAST_NS, WRITE_MOST_NS) + (stall > 0 ? stall : 0),
           write_done, node->index);
}

void disk_post(struct sim *sim, struct sim_node *node, int tier, const struct elect_memory *memory)
{
    node->disk.posted[tier] = *memory;
    node->disk.is_posted[tier] = true;
    if (!node->disk.writing)
        write_posted(sim, node);
}

void disk_close(struct sim *sim, struct sim_node *node)
{
    struct disk *disk = &node->disk;

    for (int t = 0; t < sim->tier_count && !is_failing(sim, disk); t++) {
        if (disk->is_posted[t])
            disk->home.memory[t] = disk->posted[t];
        else if (disk->writing && disk->is_written[t])
            disk->home.memory[t] = disk->written[t];
    }
}

void disk_copy(struct sim_node *node)
{
    node->disk.older = node->disk.home;
}

void disk_restore(struct sim_node *node)
{
    node->disk.home = node->disk.older;
}

void disk_lose(struct sim_node *node)
{
    memset(&node->disk.home, 0, sizeof(node->disk.home));
}
