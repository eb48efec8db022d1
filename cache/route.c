/* SPDX-License-Identifier: ISC */
#include "cache/route.h"

#include "src/base/must.h"

enum { PLACES = ROUTE_AS_MASTER + 1 };

/* Tiers with and without roles do not mix: nets files are one or the other. */
static const unsigned relations[PLACES][PLACES] = {
    [ROUTE_AS_PEER] = {[ROUTE_AS_PEER] = ROUTE_MESH},
    [ROUTE_AS_SLAVE] = {[ROUTE_AS_SLAVE] = ROUTE_SIBLING,
                        [ROUTE_AS_BACKUP] = ROUTE_CANDIDATE | ROUTE_ABOVE,
                        [ROUTE_AS_MASTER] = ROUTE_FOLLOWED | ROUTE_ABOVE},
    [ROUTE_AS_BACKUP] = {[ROUTE_AS_SLAVE] = ROUTE_SLAVE,
                         [ROUTE_AS_BACKUP] = ROUTE_FELLOW | ROUTE_BESIDE,
                         [ROUTE_AS_MASTER] = ROUTE_FOLLOWED | ROUTE_BESIDE},
    [ROUTE_AS_MASTER] = {[ROUTE_AS_SLAVE] = ROUTE_LED,
                         [ROUTE_AS_BACKUP] = ROUTE_LED | ROUTE_BESIDE,
                         [ROUTE_AS_MASTER] = ROUTE_LED | ROUTE_BESIDE},
};

unsigned route_relation(enum route_as own, enum route_as its)
{
    MUST((unsigned)own < PLACES && (unsigned)its < PLACES);
    return relations[own][its];
}

enum route_serve route_serve(unsigned relation, bool has_master)
{
    if (relation & ROUTE_LED)
        return ROUTE_SERVE_FETCH;
    if (relation & (ROUTE_MESH | ROUTE_FELLOW | ROUTE_FOLLOWED | ROUTE_CANDIDATE))
        return ROUTE_SERVE_HELD;
    if (relation & ROUTE_SLAVE)
        return has_master ? ROUTE_REDIRECT : ROUTE_NO_MASTER;
    return relation & ROUTE_SIBLING ? ROUTE_REFUSE_SIBLING : ROUTE_REFUSE;
}

/* A candidate of which we are a slave, and which is not our master, would send us to that. */
enum route_ask route_ask(unsigned relation)
{
    if (relation & ROUTE_FOLLOWED)
        return ROUTE_ASK_ANY;
    if (relation & (ROUTE_MESH | ROUTE_LED | ROUTE_FELLOW | ROUTE_SLAVE))
        return ROUTE_ASK_HELD;
    return ROUTE_ASK_NEVER;
}

static bool is_candidate(enum route_as as)
{
    return as == ROUTE_AS_BACKUP || as == ROUTE_AS_MASTER;
}

unsigned route_audiences(enum route_as own, enum route_as its, bool has_master)
{
    unsigned audiences = 0;

    if (own == ROUTE_AS_PEER)
        return its == ROUTE_AS_PEER ? AUDIENCE_MESH : 0;
    if (own == ROUTE_AS_MASTER)
        audiences |= AUDIENCE_DOWN;
    else if (its == ROUTE_AS_MASTER || (its == ROUTE_AS_BACKUP && !has_master))
        audiences |= AUDIENCE_UP;
    if (is_candidate(own) && is_candidate(its))
        audiences |= AUDIENCE_FELLOWS;
    if (own == ROUTE_AS_SLAVE && is_candidate(its))
        audiences |= AUDIENCE_ABOVE;
    return audiences;
}

void route_place_add(struct route_place *place, enum route_as own, bool has_master)
{
    bool follows = own == ROUTE_AS_SLAVE || own == ROUTE_AS_BACKUP;

    place->mesh |= own == ROUTE_AS_PEER;
    place->leads |= own == ROUTE_AS_MASTER;
    place->above |= own == ROUTE_AS_SLAVE;
    place->candidate |= is_candidate(own);
    place->follows |= follows;
    place->headless |= follows && !has_master;
}

void route_place_end(struct route_place *place)
{
    place->top = place->candidate && !place->above;
    place->mesh |= !place->follows && !place->leads;
}

bool route_place_same(const struct route_place *a, const struct route_place *b)
{
    return a->mesh == b->mesh && a->follows == b->follows && a->leads == b->leads &&
           a->above == b->above && a->candidate == b->candidate && a->top == b->top &&
           a->headless == b->headless;
}

bool route_confirms(const struct route_place *place, unsigned relation)
{
    return relation & (place->above ? ROUTE_ABOVE : ROUTE_BESIDE);
}

unsigned route_confirmers(const struct route_place *place)
{
    return place->above ? AUDIENCE_ABOVE : AUDIENCE_FELLOWS;
}

bool route_brings_up(const struct route_place *place, unsigned relation)
{
    return place->follows && !(relation & ROUTE_FOLLOWED) && !route_confirms(place, relation);
}
