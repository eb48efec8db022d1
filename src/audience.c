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
    } singles[AUDIENCE_SETS]; /* by the set of audiences */
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

void audience_each(struct audience *audience, unsigned audiences, const struct peers *heard,
                   audience_visit *visit, void *arg)
{
    mono_t now = clock_mono();

    MUST_BE(audience, AUDIENCE_MAGIC);
    MUST(audiences < AUDIENCE_SETS);
    list_singles(audience, audiences);
    for (size_t i = 0; i < audience->singles[audiences].count; i++)
        visit(arg, &audience->singles[audiences].list[i]);
    for (size_t i = 0; i < heard->count; i++) {
        struct address to = heard->list[i].address;
        to.port = audience->port;
        if (is_heard_in(audience, now, &heard->list[i], audiences))
            visit(arg, &to);
    }
}
