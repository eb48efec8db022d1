/* SPDX-License-Identifier: ISC */
#include "src/audience.h"

#include <stdlib.h>

#include "src/base/must.h"
#include "src/clock.h"

enum { AUDIENCE_MAGIC = 0x61756469, AUDIENCE_SETS = 2 * AUDIENCE_ABOVE };

struct audience {
    unsigned magic;
    const struct routes *routes;
    uint16_t port;
    uint64_t generation; /* of the members, as the lists know them */
    struct {
        struct address *list; /* NULL: not made yet */
        size_t count;
        uint64_t changes; /* heard: of the peers, as the list knows them */
    } singles[AUDIENCE_SETS], heard[AUDIENCE_SETS]; /* by the set of audiences */
};

struct audience *audience_new(const struct routes *routes, uint16_t port)
{
    struct audience *audience = calloc(1, sizeof(*audience));

    MUST(audience != NULL);
    audience->magic = AUDIENCE_MAGIC;
    audience->routes = routes;
    audience->port = port;
    return audience;
}

void audience_forget(struct audience *audience)
{
    MUST_BE(audience, AUDIENCE_MAGIC);
    for (size_t set = 0; set < AUDIENCE_SETS; set++) {
        free(audience->singles[set].list);
        audience->singles[set].list = NULL;
        free(audience->heard[set].list);
        audience->heard[set].list = NULL;
    }
}

void audience_free(struct audience *audience)
{
    if (!audience)
        return;
    audience_forget(audience);
    audience->magic = 0;
    free(audience);
}

static void list_singles(struct audience *audience, unsigned set)
{
    uint64_t generation = members_generation(audience->routes->members);

    if (audience->generation != generation)
        audience_forget(audience);
    audience->generation = generation;
    if (audience->singles[set].list)
        return;
    audience->singles[set].count =
        routes_singles(audience->routes, clock_mono(), set, &audience->singles[set].list);
    for (size_t i = 0; i < audience->singles[set].count; i++)
        audience->singles[set].list[i].port = audience->port;
}

/* Who is known without being named singly has been heard, in the election alone maybe: by a
 * standing that told its head. Hosts of the broadcast address alone are members of nothing, and
 * hear it there. */
static bool is_heard_in(const struct audience *audience, mono_t now, const struct peer *peer,
                        unsigned set)
{
    return !peer->member && members_hold(audience->routes->members, &peer->address) &&
           routes_audiences(audience->routes, now, &peer->address) & set;
}

/* Thousands may have been heard, of whom few are in it. */
static void list_heard(struct audience *audience, unsigned set, const struct peers *heard)
{
    mono_t now = clock_mono();
    struct address *list = audience->heard[set].list;
    size_t count = 0;

    if (list && audience->heard[set].changes == heard->changes)
        return;
    free(list);
    list = calloc(heard->count + 1, sizeof(*list));
    MUST(list != NULL);
    for (size_t i = 0; i < heard->count; i++) {
        list[count] = heard->list[i].address;
        list[count].port = audience->port;
        count += is_heard_in(audience, now, &heard->list[i], set);
    }
    audience->heard[set].list = list;
    audience->heard[set].count = count;
    audience->heard[set].changes = heard->changes;
}

void audience_each(struct audience *audience, unsigned audiences, const struct peers *heard,
                   audience_visit *visit, void *arg)
{
    MUST_BE(audience, AUDIENCE_MAGIC);
    MUST(audiences < AUDIENCE_SETS);
    list_singles(audience, audiences);
    list_heard(audience, audiences, heard);
    for (size_t i = 0; i < audience->singles[audiences].count; i++)
        visit(arg, &audience->singles[audiences].list[i]);
    for (size_t i = 0; i < audience->heard[audiences].count; i++)
        visit(arg, &audience->heard[audiences].list[i]);
}
