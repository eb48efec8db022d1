/* SPDX-License-Identifier: ISC */
#include "src/apply.h"

#include <stdlib.h>

#include "src/base/log.h"

enum auth_mode apply_auth(const struct conf *conf)
{
    return conf->auth == CONF_AUTH_ENFORCE      ? AUTH_ENFORCE
           : conf->auth == CONF_AUTH_PERMISSIVE ? AUTH_PERMISSIVE
                                                : AUTH_RECEIVE_ONLY;
}

bool apply_signs(const struct conf *conf)
{
    return conf->auth != CONF_AUTH_RECEIVE_ONLY;
}

bool apply_must_be_signed(const struct conf *conf)
{
    return conf->auth == CONF_AUTH_ENFORCE;
}

/* What the system may refuse comes first. An election without tiers is no change that shows. */
static bool ready_election(const struct apply *apply, const struct conf *fresh,
                           struct text *complaint)
{
    struct election_tier *tiers;
    size_t count = own_elections(fresh, &tiers);

    free(tiers);
    if (count == 0 || *apply->election || apply->elect(apply->arg, fresh))
        return true;
    text_printf(complaint,
                "%s: advert_port cannot be listened on: see the log; free it for the "
                "tiers with roles",
                fresh->file);
    return false;
}

static bool apply_broadcast(const struct apply *apply, const struct conf *fresh,
                            struct text *complaint)
{
    struct address to = fresh->broadcast_addr;

    to.port = (uint16_t)fresh->port;
    if (cache_loop_broadcast(apply->cache, fresh->nobroadcast ? NULL : &to))
        return true;
    text_printf(complaint,
                "%s: broadcast_addr cannot be listened on: see the log; write another one, or say "
                "nobroadcast = true",
                fresh->file);
    return false;
}

static bool ready_discovery(const struct apply *apply, const struct discovery_settings *settings,
                            const struct conf *fresh, struct text *complaint)
{
    if (discovery_ready(apply->discovery, settings))
        return true;
    text_printf(complaint,
                "%s: the port of gossip cannot be listened on: see the log; write another one, or "
                "free it",
                fresh->file);
    return false;
}

/* Keys that come or go wait for the next start: what is in force stays with what is in force. */
static bool apply_keys(const struct apply *apply, struct conf *old, struct conf *fresh)
{
    struct keys keys = fresh->keys;

    if (conf_keys_come_or_go(old, fresh)) {
        fresh->keys = old->keys;
        old->keys = keys;
        return false;
    }
    if (!apply->keyring)
        return false;
    rekey_follow(apply->rekey, fresh->hmac_keys);
    return keyring_replace(apply->keyring, keys.list, keys.count, keys.any);
}

static void apply_trust(const struct apply *apply, const struct conf *fresh)
{
    gate_change(apply->gate, apply_auth(fresh), fresh->plain_get);
    gate_set_rules(apply->gate, fresh->rules);
    speaker_sign(apply->speaker, apply_signs(fresh));
    fetch_sign(apply->fetch, apply_signs(fresh), apply_must_be_signed(fresh));
}

static void apply_hooks(const struct apply *apply, const struct conf *fresh)
{
    struct hooks_tier *tiers;
    size_t count = own_hooks(fresh, &tiers);

    hooks_reload(apply->hooks, tiers, count);
    free(tiers);
}

/* From the replacement on, strangers are refused; then those who have become so are dropped. */
static void apply_members(const struct apply *apply, const struct conf *fresh)
{
    own_reload(apply->own, fresh);
    http_recheck(apply->http);
    fetch_recheck(apply->fetch);
    cache_loop_recheck(apply->cache);
    discovery_recheck(apply->discovery);
}

static void apply_election(const struct apply *apply, const struct conf *fresh)
{
    struct election_tier *tiers;
    size_t count = own_elections(fresh, &tiers);

    if (*apply->election)
        election_reload(*apply->election, tiers, count, apply_auth(fresh));
    free(tiers);
}

static void apply_status(const struct apply *apply, const struct conf *fresh)
{
    apply->status->auth = apply->keyring ? conf_auth_name(fresh->auth) : "none";
    apply->status->tiers = apply->own->tiers;
    apply->status->tier_count = apply->own->tier_count;
}

bool apply_conf(const struct apply *apply, struct conf *old, struct conf *fresh, bool *keys,
                struct text *complaint)
{
    struct discovery_settings discovery;

    own_discovery(apply->own, fresh, &discovery);
    if (!ready_election(apply, fresh, complaint) ||
        !ready_discovery(apply, &discovery, fresh, complaint) ||
        !apply_broadcast(apply, fresh, complaint))
        return false;
    *keys = apply_keys(apply, old, fresh);
    apply_trust(apply, fresh);
    apply_hooks(apply, fresh);
    discovery_apply(apply->discovery, &discovery);
    apply_members(apply, fresh);
    apply_election(apply, fresh);
    apply_status(apply, fresh);
    store_set_cache_size(apply->store, fresh->cache_size);
    if (fresh->log_level != old->log_level) /* else what `pond log-level` said stays */
        log_set_level(fresh->log_level);
    return true;
}
