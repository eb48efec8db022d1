/* SPDX-License-Identifier: ISC */
#include "src/world.h"

#include "src/base/must.h"
#include "src/clock.h"
#include "src/follow.h"
#include "src/manager_reload.h"
#include "src/world_inner.h"

/* Another configuration while the daemon runs. */

static bool on_apply(void *arg, struct conf *old, struct conf *fresh, bool *keys,
                     struct text *complaint)
{
    struct world *world = arg;

    MUST_BE(world, WORLD_MAGIC);
    if (!apply_conf(&world->apply, old, fresh, keys, complaint))
        return false;
    follow_look(&world->wires.follow);
    return true;
}

/* The first tier with roles joins what was a flat mesh: its elections begin when it is applied. */
static bool on_elect(void *arg, const struct conf *fresh)
{
    struct world *world = arg;

    MUST_BE(world, WORLD_MAGIC);
    return world_start_election(world, fresh, NULL, 0);
}

static void on_reload(void *arg, bool begins)
{
    struct world *world = arg;

    MUST_BE(world, WORLD_MAGIC);
    if (begins)
        manager_reload_begins(world->manager_reload, clock_mono());
    else
        manager_reload_ends(world->manager_reload);
}

void world_make_reload(struct world *world)
{
    struct reload_options options = {.mailbox = world->wires.mailbox,
                                     .conf = world->conf,
                                     .apply = on_apply,
                                     .tell = on_reload,
                                     .arg = world};

    world->manager_reload = manager_reload_new(world->loop);
    world->wires.reload = reload_new(&options);
}

void world_fill_apply(struct world *world)
{
    world->apply = (struct apply){
        .own = &world->own,
        .keyring = world->keyring,
        .rekey = world->rekey,
        .gate = world->gate,
        .speaker = world->speaker,
        .fetch = world->fetch,
        .store = world->store,
        .cache = world->wires.cache,
        .http = world->wires.http,
        .hooks = world->hooks,
        .discovery = world->wires.discovery,
        .election = &world->wires.election,
        .elect = on_elect,
        .arg = world,
        .status = &world->wires.status,
    };
}

void world_reload(struct world *world)
{
    MUST_BE(world, WORLD_MAGIC);
    reload_want(world->wires.reload);
}
