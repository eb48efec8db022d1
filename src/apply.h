/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_APPLY_H
#define POND_SRC_APPLY_H

#include "conf/conf.h"
#include "src/cache_loop.h"
#include "src/election.h"
#include "src/hooks.h"
#include "src/http.h"
#include "src/own.h"
#include "src/rekey.h"
#include "src/speak.h"
#include "src/status.h"

/*
 * Puts a configuration in force while everything runs: what the modules took from it at their start
 * is told to them again. Main thread.
 */
struct apply {
    struct own *own;
    struct keyring *keyring; /* NULL: no keys */
    struct rekey *rekey;
    struct gate *gate;
    struct speaker *speaker;
    struct fetch *fetch;
    struct store *store;
    struct cache_loop *cache;
    struct http *http;
    struct hooks *hooks;
    struct discovery *discovery;
    struct election **election; /* at NULL: no tier has had roles yet */
    /* Makes one, of no tiers. False, and logged, where its sockets cannot be had. */
    bool (*elect)(void *arg, const struct conf *fresh);
    void *arg;
    struct status_source *status;
};

/*
 * `fresh` was read by conf_reload() over `old`, which is in force, and takes the place of `old`: it
 * must last until the next one. False, with a sentence in `complaint` and nothing changed, where
 * the system does not let it be. *keys: the keys are others now.
 */
bool apply_conf(const struct apply *apply, struct conf *old, struct conf *fresh, bool *keys,
                struct text *complaint);

/* How messages are signed and checked, by a configuration. */
enum auth_mode apply_auth(const struct conf *conf);
bool apply_signs(const struct conf *conf);          /* we sign, where there are keys */
bool apply_must_be_signed(const struct conf *conf); /* likewise others */

#endif
