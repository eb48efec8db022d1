/* SPDX-License-Identifier: ISC */
#include "src/follow.h"

#include <string.h>

#include "src/clock.h"

/* ---- whom to ask: any thread ---------------------------------------------------------------- */

static void add_source(struct flights_found *found, const struct address *http)
{
    for (size_t i = 0; i < found->count; i++) {
        if (address_same(&found->list[i], http))
            return;
    }
    if (found->count < FLIGHT_SOURCES_MAX)
        found->list[found->count++] = *http;
}

/* Half of the places at most: whoever says much must not keep us from our master. */
static void add_holders(const struct follow *follow, mono_t now, const struct digest *sha256,
                        struct flights_found *found)
{
    struct address list[FLIGHT_SOURCES_MAX / 2];
    size_t count = holders_find(follow->holders, sha256, list, FLIGHT_SOURCES_MAX / 2);

    for (size_t i = 0; i < count; i++) {
        if (route_ask(routes_to(follow->routes, now, &list[i])) != ROUTE_ASK_NEVER)
            add_source(found, &list[i]);
    }
}

void follow_sources(const struct follow *follow, const struct digest *sha256,
                    struct flights_found *found)
{
    struct routes_source list[ROUTES_MAX];
    mono_t now = clock_mono();
    size_t count = routes_sources(follow->routes, now, list);

    if (sha256)
        add_holders(follow, now, sha256, found);
    for (size_t i = 0; i < count; i++)
        add_source(found, &list[i].http);
    found->awaited = routes_place(follow->routes, now).headless;
}

/* ---- what has changed: the main thread ------------------------------------------------------ */

static void set_policy(struct follow *follow, const struct route_place *place)
{
    struct store_policy policy = {.keep_all = place->top,
                                  .pin_own = place->mesh,
                                  .nobody_confirms =
                                      routes_copies(follow->routes, clock_mono()).others == 0};

    store_set_policy(follow->store, &policy);
}

/* Is somebody followed who was not? */
static bool take_masters(struct follow *follow)
{
    struct address now[ROUTES_MAX];
    size_t count = routes_up(follow->routes, clock_mono(), now);
    bool others = count != follow->master_count;

    for (size_t i = 0; i < count && !others; i++)
        others = !address_same(&now[i], &follow->masters[i]);
    memcpy(follow->masters, now, count * sizeof(*now));
    follow->master_count = count;
    return others;
}

void follow_look(struct follow *follow)
{
    struct route_place place = routes_place(follow->routes, clock_mono());
    struct flights_found found = {.count = 0};
    bool others = take_masters(follow);

    set_policy(follow, &place);
    cache_loop_viewed(follow->cache);
    fetch_recheck(follow->fetch);
    follow_sources(follow, NULL, &found);
    flights_reroute(follow->flights, &found);
    if (!others)
        return;
    confirm_anew(follow->confirm);
    filler_poke(follow->filler);
}

void follow_view(struct follow *follow, const char *tier)
{
    struct view_tier seen;
    struct exchange_head head;

    if (!view_find(follow->view, tier, &seen) || !seen.has_master || seen.role == BALLOT_MASTER)
        return;
    head = (struct exchange_head){seen.head.store, seen.head.sequence, seen.head.digest,
                                  seen.head.clock};
    cache_loop_head(follow->cache, &seen.master_address, &head);
}

void follow_standing(struct follow *follow, const struct ballot *standing)
{
    struct exchange_head head = {standing->head.store, standing->head.sequence,
                                 standing->head.digest, standing->head.clock};

    cache_loop_head(follow->cache, &standing->address, &head);
}
