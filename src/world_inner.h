/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_WORLD_INNER_H
#define POND_SRC_WORLD_INNER_H

#include <ev.h>

#include "src/apply.h"
#include "src/challenge.h"
#include "src/manager_reload.h"
#include "src/remember.h"
#include "src/tidings.h"
#include "src/watchdog.h"
#include "src/wires.h"
#include "src/world.h"

/* What src/world.c, which builds and takes down, shares with src/world_reload.c. */
enum { WORLD_MAGIC = 0x776f726c };

struct world {
    unsigned magic;
    struct ev_loop *loop;
    struct conf *conf; /* as it was at the start */
    struct own own;
    uint64_t boot;
    struct keyring *keyring; /* NULL: no keys */
    struct rekey *rekey;
    struct gate *gate;
    struct challenge_server *challenges;
    struct speaker *speaker;
    struct store *store;
    struct fetch *fetch;
    struct view *view;
    struct routes routes;
    struct remember *remember;
    struct roles *roles;
    struct hooks *hooks;
    struct tidings *tidings; /* NULL: no elections */
    struct apply apply;
    struct wires wires;
    struct ev_timer sweep;
    struct manager_reload *manager_reload;
    struct watchdog *watchdog; /* NULL: nobody waits for a sign of life */
};

/* ---- world.c -------------------------------------------------------------------------------- */

/* False, and logged, where its sockets cannot be had. */
bool world_start_election(struct world *world, const struct conf *conf,
                          const struct election_tier *tiers, size_t count);

/* ---- world_reload.c ------------------------------------------------------------------------- */

void world_make_reload(struct world *world);
void world_fill_apply(struct world *world); /* once every module is there */

#endif
