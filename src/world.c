/* SPDX-License-Identifier: ISC */
#include "src/world.h"

#include <ev.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/cache_loop.h"
#include "src/clock.h"
#include "src/fetch.h"
#include "src/filler.h"
#include "src/flights.h"
#include "src/gate.h"
#include "src/hooks.h"
#include "src/http.h"
#include "src/manager.h"
#include "src/meet.h"
#include "src/own.h"
#include "src/passed.h"
#include "src/recent.h"
#include "src/rekey.h"
#include "src/roles.h"
#include "src/routes.h"
#include "src/signals.h"
#include "src/speak.h"
#include "src/state.h"
#include "src/world_inner.h"

enum { SOCKET_PATH_MAX = 100 /* sun_path is 108 bytes, unix(7) */ };

static const double SWEEP_EVERY = 5.0;        /* seconds */
static const int64_t DRAIN_MOST = MONO_S(20); /* for what is being served at the end */

/* ---- building, in the order of need --------------------------------------------------------- */

static void make_routes(struct world *world)
{
    world->view = calloc(1, view_size());
    MUST(world->view != NULL);
    world->routes = (struct routes){world->own.members, world->view,
                                    .http_port = (uint16_t)world->conf->http_port};
}

static bool open_store(struct world *world)
{
    struct store_options options = {.home = world->conf->home,
                                    .node = world->conf->node,
                                    .cache_size = world->conf->cache_size,
                                    .wall = clock_wall,
                                    .mono = clock_mono,
                                    .is_stopping = signals_ask_to_end};

    if (store_open(&options, &world->store) != STORE_OK)
        return false;
    return state_open(world->conf->home, clock_wall(), &world->boot);
}

static void make_gate(struct world *world)
{
    const struct conf *conf = world->conf;
    struct gate_options gate = {.members = world->own.members,
                                .rules = conf->rules,
                                .domain = conf->domain,
                                .node = conf->node,
                                .boot = world->boot,
                                .port = (uint16_t)conf->port,
                                .http_port = (uint16_t)conf->http_port,
                                .auth = apply_auth(conf),
                                .plain_get = conf->plain_get,
                                .isconf = conf->isconf};

    if (conf->keys.count > 0)
        world->keyring = keyring_new(conf->keys.list, conf->keys.count, conf->keys.any);
    world->rekey = rekey_new(world->loop, conf->hmac_keys, world->keyring);
    gate.keyring = world->keyring;
    world->gate = gate_new(&gate);
    world->challenges = challenge_server_new();
}

static bool source_for(void *arg, const struct address *to, struct address *out)
{
    struct world *world = arg;

    return members_own_for(world->own.members, to, out);
}

static enum route_ask may_ask(void *arg, const struct address *server)
{
    struct world *world = arg;

    return route_ask(routes_to(&world->routes, clock_mono(), server));
}

static bool may_follow(void *arg, const struct address *server, const struct address *goal)
{
    struct world *world = arg;

    return routes_may_follow(&world->routes, clock_mono(), server, goal);
}

static void make_speaker_and_fetch(struct world *world)
{
    const struct conf *conf = world->conf;
    struct speaker_options speaker = {.node = conf->node,
                                      .domain = conf->domain,
                                      .boot = world->boot,
                                      .keyring = world->keyring,
                                      .isconf = conf->isconf};
    struct fetch_options fetch = {.node = conf->node,
                                  .domain = conf->domain,
                                  .keyring = world->keyring,
                                  .gate = world->gate,
                                  .sign = apply_signs(conf),
                                  .must_be_signed = apply_must_be_signed(conf),
                                  .may_ask = may_ask,
                                  .may_follow = may_follow,
                                  .source_for = source_for,
                                  .arg = world};

    world->speaker = speaker_new(&speaker);
    speaker_sign(world->speaker, apply_signs(conf));
    world->fetch = fetch_new(&fetch);
}

static void make_flights(struct world *world)
{
    struct flights_options options = {.store = world->store,
                                      .fetch = world->fetch,
                                      .need = wires_need,
                                      .ended = wires_ended,
                                      .blame = wires_blame,
                                      .gone = wires_gone,
                                      .arg = &world->wires};

    world->wires.flights = flights_new(&options);
    world->wires.filler = filler_new(world->loop, world->store, world->wires.flights);
}

static bool make_cache_loop(struct world *world)
{
    struct cache_loop_options options = {.loop = world->loop,
                                         .mailbox = world->wires.mailbox,
                                         .store = world->store,
                                         .gate = world->gate,
                                         .fetch = world->fetch,
                                         .members = world->own.members,
                                         .routes = &world->routes,
                                         .speaker = world->speaker,
                                         .node = world->conf->node,
                                         .domain = world->conf->domain,
                                         .port = (uint16_t)world->conf->port,
                                         .http_port = (uint16_t)world->conf->http_port,
                                         .listen = world->own.udp,
                                         .listen_count = world->own.listen_count,
                                         .fault = wires_fault,
                                         .clock = wires_clock,
                                         .compared = wires_compared,
                                         .offered = wires_offered,
                                         .wanted = wires_wanted,
                                         .moved = wires_moved,
                                         .arg = &world->wires};

    if (members_broadcast(world->own.members))
        options.broadcast = &world->own.broadcast;
    MUST(getrandom(&options.seed, sizeof(options.seed), 0) == sizeof(options.seed));
    world->wires.cache = cache_loop_new(&options);
    return world->wires.cache != NULL;
}

/* Before anybody asks: nobody is followed yet. */
static void make_follow(struct world *world)
{
    struct wires *wires = &world->wires;
    struct confirm_options confirm = {
        .loop = world->loop, .store = world->store, .say = wires_again, .arg = wires};

    wires->follow = (struct follow){.routes = &world->routes,
                                    .view = world->view,
                                    .store = world->store,
                                    .fetch = world->fetch,
                                    .flights = wires->flights,
                                    .cache = wires->cache,
                                    .filler = wires->filler,
                                    .confirm = confirm_new(&confirm),
                                    .holders = holders_new()};
    follow_look(&wires->follow);
}

static bool make_discovery(struct world *world)
{
    struct meet_options options = {.loop = world->loop,
                                   .mailbox = world->wires.mailbox,
                                   .own = &world->own,
                                   .conf = world->conf,
                                   .keyring = world->keyring,
                                   .rules = gate_rules_of(world->gate),
                                   .boot = world->boot,
                                   .signers = gate_signers(world->gate),
                                   .cache = world->wires.cache};

    world->wires.discovery = meet_new(&options);
    return world->wires.discovery != NULL;
}

static unsigned thread_count(const struct conf *conf)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (conf->http_threads > 0)
        return (unsigned)conf->http_threads;
    return cores > 0 ? (unsigned)cores : 1;
}

static bool make_http(struct world *world)
{
    const struct conf *conf = world->conf;
    char path[SOCKET_PATH_MAX];
    struct text socket = TEXT_OVER(path);
    struct http_options options = {.loop = world->loop,
                                   .listen = world->own.http,
                                   .listen_count = world->own.listen_count,
                                   .socket_path = path,
                                   .socket_group = conf->socket_group,
                                   .threads = thread_count(conf),
                                   .max_connections = (unsigned)conf->max_connections,
                                   .world = {.store = world->store,
                                             .flights = world->wires.flights,
                                             .fetch = world->fetch,
                                             .gate = world->gate,
                                             .routes = &world->routes,
                                             .challenges = world->challenges,
                                             .skew = &world->wires.skew,
                                             .keyring = world->keyring,
                                             .node = conf->node,
                                             .domain = conf->domain,
                                             .ask = wires_ask,
                                             .drop = wires_drop,
                                             .status_json = wires_status,
                                             .peers_json = wires_peers,
                                             .metrics = wires_metrics,
                                             .reload = wires_reload,
                                             .demote = wires_demote,
                                             .restore = wires_restore,
                                             .arg = &world->wires}};
    bool good;

    text_printf(&socket, "%s/carpond.sock", conf->home);
    if (socket.full) {
        log_error("%s: too long for the path of a socket: choose a shorter home", conf->home);
        return false;
    }
    options.passed = passed_new();
    world->wires.http = http_new(&options);
    good = world->wires.http && passed_all_taken(options.passed);
    passed_free(options.passed);
    return good;
}

static bool make_roles(struct world *world)
{
    struct hooks_tier *tiers;
    struct hooks_options options = {.node = world->conf->node, .limit_ns = HOOKS_LIMIT};

    world->roles = roles_new();
    options.roles = world->roles;
    options.count = own_hooks(world->conf, &tiers);
    options.tiers = tiers;
    world->hooks = hooks_new(&options);
    free(tiers);
    for (int queue = 0; queue < ROLES_QUEUE_COUNT; queue++)
        roles_register(world->roles, (enum roles_queue)queue, wires_role, &world->wires);
    world->remember = remember_open(world->conf->home);
    return world->remember != NULL;
}

static void watch_vitals(struct world *world)
{
    struct vitals_options options = {.store = world->store,
                                     .remember = world->remember,
                                     .view = world->view,
                                     .skew = &world->wires.skew,
                                     .recent = world->wires.recent,
                                     .http = http_address(world->wires.http, 0),
                                     .tell = wires_tell_self,
                                     .head = wires_tell_head,
                                     .arg = &world->wires};

    atomic_store(&world->wires.vitals, vitals_new(&options));
}

static struct election_ears make_ears(struct world *world)
{
    struct tidings_options options = {.mailbox = world->wires.mailbox,
                                      .viewed = wires_viewed,
                                      .standing = wires_standing,
                                      .arg = &world->wires};

    if (!world->tidings)
        world->tidings = tidings_new(&options);
    return (struct election_ears){tidings_viewed, tidings_standing, world->tidings};
}

bool world_start_election(struct world *world, const struct conf *conf,
                          const struct election_tier *tiers, size_t count)
{
    struct election_options options = {.node = conf->node,
                                       .domain = conf->domain,
                                       .boot = world->boot,
                                       .members = world->own.members,
                                       .keyring = world->keyring,
                                       .auth = apply_auth(conf),
                                       .rules = gate_rules_of(world->gate),
                                       .signers = gate_signers(world->gate),
                                       .listen = world->own.advert,
                                       .listen_count = world->own.listen_count,
                                       .view = world->view,
                                       .roles = world->roles,
                                       .remember = world->remember,
                                       .tiers = tiers,
                                       .tier_count = count,
                                       .ears = make_ears(world)};

    options.self = (struct elect_self){.behind = true, .head = wires_head(&world->wires)};
    world->wires.election = election_new(&options);
    if (!world->wires.election)
        return false;
    watch_vitals(world);
    return true;
}

/* Where no tier has roles there is nothing to elect, and nobody listens on advert_port. */
static bool make_election(struct world *world)
{
    struct election_tier *tiers;
    size_t count = own_elections(world->conf, &tiers);
    bool good = count == 0 || world_start_election(world, world->conf, tiers, count);

    free(tiers);
    return good;
}

static void on_sweep(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct world *world = timer->data;

    (void)loop, (void)events;
    MUST_BE(world, WORLD_MAGIC);
    if (!routes_place(&world->routes, clock_mono()).follows)
        store_in_touch(world->store, NULL);
    store_sweep(world->store);
}

static void start_sweeping(struct world *world)
{
    ev_timer_init(&world->sweep, on_sweep, SWEEP_EVERY, SWEEP_EVERY);
    world->sweep.data = world;
    ev_timer_start(world->loop, &world->sweep);
}

static mono_t elections_turned(void *arg)
{
    struct world *world = arg;

    MUST_BE(world, WORLD_MAGIC);
    return world->wires.election ? election_turned(world->wires.election) : MONO_NEVER;
}

static void start_watchdog(struct world *world)
{
    struct watchdog_options options = {.loop = world->loop,
                                       .limit_ns = manager_watchdog(),
                                       .turned = elections_turned,
                                       .arg = world};

    world->watchdog = watchdog_new(&options);
}

static void fill_status(struct world *world)
{
    world->wires.status = (struct status_source){
        .node = world->conf->node,
        .domain = world->conf->domain,
        .auth = world->keyring ? conf_auth_name(world->conf->auth) : "none",
        .started = clock_mono(),
        .started_at = clock_wall(),
        .tiers = world->own.tiers,
        .tier_count = world->own.tier_count,
        .store = world->store,
        .flights = world->wires.flights,
        .http = world->wires.http,
        .recent = world->wires.recent,
        .skew = &world->wires.skew,
        .members = world->own.members,
        .view = world->view,
        .discovery = world->wires.discovery,
        .signers = gate_signers(world->gate),
    };
}

/* ---- all of it ------------------------------------------------------------------------------ */

static bool build(struct world *world)
{
    if (!own_init(&world->own, world->conf) || !open_store(world))
        return false;
    world->wires.mailbox = mailbox_new(world->loop);
    world->wires.recent = recent_new();
    world->wires.store = world->store;
    make_routes(world);
    world_make_reload(world);
    make_gate(world);
    make_speaker_and_fetch(world);
    make_flights(world);
    if (!make_cache_loop(world))
        return false;
    make_follow(world);
    if (!make_http(world))
        return false;
    if (!make_roles(world) || !make_election(world) || !make_discovery(world))
        return false;
    fill_status(world);
    world_fill_apply(world);
    store_on_change(world->store, wires_changed, &world->wires);
    start_sweeping(world);
    start_watchdog(world);
    return true;
}

struct world *world_new(struct ev_loop *loop, struct conf *conf)
{
    struct world *world = calloc(1, sizeof(*world));

    MUST(world != NULL);
    world->magic = WORLD_MAGIC;
    world->loop = loop;
    world->conf = conf;
    wires_init(&world->wires);
    if (!build(world)) {
        world_free(world);
        return NULL;
    }
    return world;
}

/* ---- taking down ---------------------------------------------------------------------------- */

/* Before all else: mastership is handed over while this node still serves. */
static void leave_tiers(struct world *world)
{
    if (!world->wires.election)
        return;
    election_leave(world->wires.election);
    roles_settle(world->roles);
    mailbox_read(world->wires.mailbox); /* who listens to events hears it too, before they end */
}

/* Their last changes are told, to the hooks too, and are on disk. */
static void end_elections(struct world *world)
{
    struct wires *wires = &world->wires;

    election_free(wires->election);
    wires->election = NULL;
    if (world->remember)
        remember_close(world->remember);
    roles_free(world->roles);
    hooks_free(world->hooks);
}

/* Nothing new from outside; those who wait inside are answered; then the threads end, those first
 * that call others. Mail that they post on their way is read at the end, and changes nothing more.
 */
static void stop_serving(struct world *world)
{
    struct wires *wires = &world->wires;

    if (world->store)
        store_leave_off(world->store); /* its client would keep us draining */
    if (wires->http)
        http_drain(wires->http, DRAIN_MOST);
    discovery_free(wires->discovery); /* it reads the mail, for which all must still be there */
    wires->discovery = NULL;
    wires->status.discovery = NULL;
    ev_timer_stop(world->loop, &world->sweep);
    rekey_free(world->rekey);
    filler_free(wires->filler);
    wires->filler = NULL;
    confirm_free(wires->follow.confirm);
    if (wires->cache)
        cache_loop_stop(wires->cache);
    if (world->store)
        store_hurry(world->store);
    if (wires->flights)
        flights_stop(wires->flights);
    if (wires->mailbox)
        wires_stop(wires);
    http_free(wires->http);
    wires->http = NULL;
    if (world->fetch)
        fetch_free(world->fetch);
}

void world_free(struct world *world)
{
    struct wires *wires = &world->wires;

    if (!world)
        return;
    MUST_BE(world, WORLD_MAGIC);
    if (wires->reload)
        reload_stop(wires->reload);             /* it could join a tier again */
    manager_reload_free(world->manager_reload); /* the manager knows that it stops */
    vitals_stop(atomic_load(&wires->vitals));
    leave_tiers(world);
    stop_serving(world);
    end_elections(world);
    vitals_free(atomic_load(&wires->vitals));
    watchdog_free(world->watchdog);
    if (world->store)
        store_close(world->store);
    if (wires->mailbox)
        mailbox_free(wires->mailbox);
    tidings_free(world->tidings);
    reload_free(wires->reload);
    if (wires->flights)
        flights_free(wires->flights);
    cache_loop_free(wires->cache);
    holders_free(wires->follow.holders);
    speaker_free(world->speaker);
    challenge_server_free(world->challenges);
    gate_free(world->gate);
    keyring_free(world->keyring);
    recent_free(wires->recent);
    wires_clear(wires);
    free(world->view);
    own_clear(&world->own);
    world->magic = 0;
    free(world);
}
