/* SPDX-License-Identifier: ISC */
#include "src/routes.h"

#include <stdlib.h>
#include <string.h>

/* What is known of a tier at this moment. */
struct standing {
    bool has_master;
    bool is_ours; /* we are its master */
    struct address master;
    uint64_t epoch;
};

static struct standing standing_in(const struct routes *routes, mono_t now, const char *tier)
{
    struct view_tier seen;

    if (!routes->view || !view_find(routes->view, tier, &seen) || !seen.has_master ||
        now.ns > seen.good_until.ns)
        return (struct standing){.has_master = false};
    return (struct standing){.has_master = true,
                             .is_ours = seen.role == BALLOT_MASTER,
                             .master = seen.master_address,
                             .epoch = seen.epoch};
}

static enum route_as as_of(enum member_role role, bool is_master)
{
    switch (role) {
    case MEMBER_PEER:
        return ROUTE_AS_PEER;
    case MEMBER_SLAVE:
        return ROUTE_AS_SLAVE;
    case MEMBER_CANDIDATE:
        break;
    }
    return is_master ? ROUTE_AS_MASTER : ROUTE_AS_BACKUP;
}

static enum route_as own_as(const struct members_pair *pair, const struct standing *standing)
{
    return as_of(pair->own, standing->has_master && standing->is_ours);
}

static enum route_as its_as(const struct members_pair *pair, const struct standing *standing,
                            const struct address *host)
{
    return as_of(pair->its, standing->has_master && !standing->is_ours &&
                                address_same_host(&standing->master, host));
}

/* ---- one host -------------------------------------------------------------------------------- */

/* All that is to be known of a host, from one look. */
struct look {
    unsigned relations;
    unsigned audiences;
    bool has_master; /* of a tier in which we are backup and it is slave */
    struct address master;
    char led[TIER_SIZE]; /* the first that we lead in which it is */
    uint64_t epoch;      /* of that one, or of the first that we share */
};

static void look_in(struct look *look, const struct members_pair *pair,
                    const struct standing *standing, const struct address *host)
{
    enum route_as own = own_as(pair, standing), its = its_as(pair, standing, host);
    unsigned relation = route_relation(own, its);

    look->relations |= relation;
    look->audiences |= route_audiences(own, its, standing->has_master);
    if (relation && (!look->epoch || (relation & ROUTE_LED && !look->led[0])))
        look->epoch = standing->epoch;
    if (relation & ROUTE_LED && !look->led[0])
        memcpy(look->led, pair->tier, sizeof(look->led));
    if (relation == ROUTE_SLAVE && standing->has_master && !look->has_master) {
        look->has_master = true;
        look->master = standing->master;
    }
}

static bool have_roles(const struct routes *routes)
{
    struct members_pair tiers[MEMBERS_TIERS_MAX];
    size_t count = members_shared(routes->members, NULL, tiers);

    for (size_t i = 0; i < count; i++) {
        if (tiers[i].own != MEMBER_PEER)
            return true;
    }
    return false;
}

/* Adds what is to be known by one more of its addresses. */
static void look_also(struct look *look, const struct routes *routes, mono_t now,
                      const struct address *host)
{
    struct members_pair shared[MEMBERS_TIERS_MAX];
    size_t count;

    if (members_is_own(routes->members, host))
        return;
    count = members_shared(routes->members, host, shared);
    for (size_t i = 0; i < count; i++) {
        struct standing standing = standing_in(routes, now, shared[i].tier);
        look_in(look, &shared[i], &standing, host);
    }
    if (count == 0 && members_take_request(routes->members, host) && !have_roles(routes)) {
        look->relations |= ROUTE_MESH;
        look->audiences |= AUDIENCE_MESH;
    }
}

static struct look look_at(const struct routes *routes, mono_t now, const struct address *host)
{
    struct look look = {.relations = 0};

    look_also(&look, routes, now, host);
    return look;
}

unsigned routes_to(const struct routes *routes, mono_t now, const struct address *host)
{
    return look_at(routes, now, host).relations;
}

unsigned routes_audiences(const struct routes *routes, mono_t now, const struct address *host)
{
    return look_at(routes, now, host).audiences;
}

struct routes_answer routes_serve(const struct routes *routes, mono_t now,
                                  const struct address *host, const struct address *also,
                                  size_t also_count)
{
    struct look look = look_at(routes, now, host);
    struct routes_answer answer = {.host = *host};

    for (size_t i = 0; i < also_count; i++) {
        bool is_new = look.relations == 0;
        look_also(&look, routes, now, &also[i]);
        if (is_new && look.relations != 0)
            answer.host = also[i];
    }
    answer.serve = route_serve(look.relations, look.has_master);
    if (answer.serve != ROUTE_SERVE_FETCH && members_is_own(routes->members, host))
        answer.serve = ROUTE_SERVE_HELD;
    answer.relations = look.relations;
    answer.master = look.master;
    memcpy(answer.tier, look.led, sizeof(answer.tier));
    answer.epoch = look.epoch;
    return answer;
}

static bool is_candidate(const struct routes *routes, const char *tier, const struct address *host)
{
    struct member member;

    return members_find_in(routes->members, tier, host, &member) && member.role == MEMBER_CANDIDATE;
}

bool routes_may_follow(const struct routes *routes, mono_t now, const struct address *from,
                       const struct address *to)
{
    struct members_pair shared[MEMBERS_TIERS_MAX];
    size_t count = members_shared(routes->members, from, shared);

    for (size_t i = 0; i < count; i++) {
        const struct members_pair *pair = &shared[i];
        struct standing standing;

        if (pair->own != MEMBER_SLAVE || pair->its != MEMBER_CANDIDATE ||
            !is_candidate(routes, pair->tier, to))
            continue;
        standing = standing_in(routes, now, pair->tier);
        if (!standing.has_master || address_same_host(&standing.master, from) ||
            address_same_host(&standing.master, to))
            return true;
    }
    return false;
}

/* ---- ourselves ------------------------------------------------------------------------------- */

struct route_place routes_place(const struct routes *routes, mono_t now)
{
    struct members_pair tiers[MEMBERS_TIERS_MAX];
    size_t count = members_shared(routes->members, NULL, tiers);
    struct route_place place = {.mesh = false};

    for (size_t i = 0; i < count; i++) {
        struct standing standing = standing_in(routes, now, tiers[i].tier);
        route_place_add(&place, own_as(&tiers[i], &standing), standing.has_master);
    }
    route_place_end(&place);
    return place;
}

/* ---- whom to ask ----------------------------------------------------------------------------- */

static bool is_listed(const struct address *list, size_t count, const struct address *one)
{
    for (size_t i = 0; i < count; i++) {
        if (address_same_host(&list[i], one))
            return true;
    }
    return false;
}

/* The masters of tiers in which we are just that. */
static size_t add_masters(const struct routes *routes, mono_t now, enum route_as wanted,
                          struct address *out, size_t count)
{
    struct members_pair tiers[MEMBERS_TIERS_MAX];
    size_t tier_count = members_shared(routes->members, NULL, tiers);

    for (size_t i = 0; i < tier_count && count < ROUTES_MAX; i++) {
        struct standing standing = standing_in(routes, now, tiers[i].tier);
        if (standing.has_master && own_as(&tiers[i], &standing) == wanted &&
            routes_to(routes, now, &standing.master) & ROUTE_FOLLOWED &&
            !is_listed(out, count, &standing.master))
            out[count++] = standing.master;
    }
    return count;
}

size_t routes_up(const struct routes *routes, mono_t now, struct address out[ROUTES_MAX])
{
    size_t count = add_masters(routes, now, ROUTE_AS_BACKUP, out, 0);

    return add_masters(routes, now, ROUTE_AS_SLAVE, out, count);
}

/* What is said to those below and to the other candidates alike is said by a master to backups. */
static bool is_own_backup(unsigned audiences)
{
    return audiences & AUDIENCE_DOWN && audiences & AUDIENCE_FELLOWS;
}

static size_t add_backups(const struct routes *routes, mono_t now, struct address *out,
                          size_t count)
{
    struct address *candidates;
    size_t most = members_candidates(routes->members, &candidates);

    for (size_t i = 0; i < most && count < ROUTES_MAX; i++) {
        if (!is_own_backup(routes_audiences(routes, now, &candidates[i])) ||
            is_listed(out, count, &candidates[i]))
            continue;
        out[count] = candidates[i];
        out[count++].port = routes->http_port;
    }
    free(candidates);
    return count;
}

size_t routes_sources(const struct routes *routes, mono_t now, struct routes_source out[ROUTES_MAX])
{
    struct address list[ROUTES_MAX];
    size_t up = routes_up(routes, now, list);
    size_t count = routes_place(routes, now).leads ? add_backups(routes, now, list, up) : up;

    for (size_t i = 0; i < count; i++)
        out[i] = (struct routes_source){list[i], i < up ? ROUTE_ASK_ANY : ROUTE_ASK_HELD};
    return count;
}

/* ---- to whom datagrams go -------------------------------------------------------------------- */

size_t routes_singles(const struct routes *routes, mono_t now, unsigned audiences,
                      struct address **list)
{
    size_t all = members_singles(routes->members, NULL, list), count = 0;

    for (size_t i = 0; i < all; i++) {
        if (routes_audiences(routes, now, &(*list)[i]) & audiences)
            (*list)[count++] = (*list)[i];
    }
    return count;
}

/* Whoever confirms is a candidate. */
struct routes_copies routes_copies(const struct routes *routes, mono_t now)
{
    struct route_place place = routes_place(routes, now);
    struct routes_copies copies = {.own = place.top};
    struct address *candidates;
    size_t count = members_candidates(routes->members, &candidates);

    for (size_t i = 0; i < count; i++) {
        if (routes_audiences(routes, now, &candidates[i]) & route_confirmers(&place))
            copies.others++;
    }
    free(candidates);
    return copies;
}
