/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_ROUTE_H
#define POND_CACHE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Who may fetch from whom: the design's section 9, in both directions. The one place for it, for
 * datagrams and HTTP alike; src/routes.h says what another host is to us. Any thread.
 *
 * Places in one tier: a flat mesh knows peers alone. A candidate which is not known to be master
 * is a backup, whatever it may believe.
 */
enum route_as { ROUTE_AS_PEER, ROUTE_AS_SLAVE, ROUTE_AS_BACKUP, ROUTE_AS_MASTER };

/* What another host is to us: a set, since hosts may share several tiers. 0: a stranger. */
enum route_relation {
    ROUTE_MESH = 1,       /* both peers of a flat mesh; or no tier of ours has roles, and section 3
                             lets it in */
    ROUTE_LED = 2,        /* we are the master of a tier of which it is a member */
    ROUTE_FOLLOWED = 4,   /* it is the master of a tier in which we are backup or slave */
    ROUTE_FELLOW = 8,     /* we are a backup of a tier, and it is another */
    ROUTE_SLAVE = 16,     /* we are a backup of a tier, and it is a slave there */
    ROUTE_CANDIDATE = 32, /* we are a slave of a tier, and it is a backup there */
    ROUTE_SIBLING = 64,   /* both slaves of a tier */

    /* Whatever we think of who is master: */
    ROUTE_ABOVE = 128, /* we are a slave of a tier, and it is a candidate there */
    ROUTE_BESIDE = 256 /* both candidates of a tier */
};

/* What one tier makes of it. Of two masters the one that we know best is ourselves. */
unsigned route_relation(enum route_as own, enum route_as its);

/* What to answer to a request for content, by the best of the rows. */
enum route_serve {
    ROUTE_SERVE_FETCH,    /* served; what we lack we fetch meanwhile */
    ROUTE_SERVE_HELD,     /* served what we have checked; 404 for the rest */
    ROUTE_REDIRECT,       /* 307: the master of its tier */
    ROUTE_NO_MASTER,      /* 503 and Retry-After: its tier has none at the moment */
    ROUTE_REFUSE_SIBLING, /* 403: a slave serves no other slave */
    ROUTE_REFUSE          /* 403, and the connection is closed */
};

/* has_master: does the tier have one in which we are backup and it is slave? */
enum route_serve route_serve(unsigned relations, bool has_master);

/*
 * May we ask it for content, and how? Only a master that we follow ever fetches for us. All others
 * are asked for what they hold, and must be told so (Cache-Control: only-if-cached; RFC 9111,
 * 5.2.1.7): they may take themselves for our master. So no two nodes wait for each other.
 */
enum route_ask {
    ROUTE_ASK_ANY,  /* what it lacks it fetches for us */
    ROUTE_ASK_HELD, /* only-if-cached */
    ROUTE_ASK_NEVER
};
enum route_ask route_ask(unsigned relations);

/* To whom datagrams go: a set. */
enum route_audience {
    AUDIENCE_MESH = 1,    /* the flat meshes that we are in, and the broadcast address */
    AUDIENCE_UP = 2,      /* the masters that we follow; of a tier without one, its candidates */
    AUDIENCE_DOWN = 4,    /* all members of the tiers that we lead */
    AUDIENCE_FELLOWS = 8, /* the other candidates of the tiers in which we are one */
    AUDIENCE_ABOVE = 16   /* the candidates of the tier in which we are a slave */
};

/* The audiences to which it belongs by one tier. has_master: does the tier have one? */
unsigned route_audiences(enum route_as own, enum route_as its, bool has_master);

/* Where we stand in all our tiers together. */
struct route_place {
    bool mesh;      /* in a flat mesh: a tier without roles, or no tiers at all */
    bool follows;   /* slave or backup of a tier, though it may have no master at the moment */
    bool leads;     /* master of a tier */
    bool above;     /* slave of a tier: another one is above ours, and confirms what we put */
    bool candidate; /* of a tier */
    bool top;       /* candidate of a tier, and slave of none: keeps everything */
    bool headless;  /* a tier that we should follow has no master: who knows what is newest? */
};

/* has_master: does that tier have one? `top` counts once route_place_end was called. */
void route_place_add(struct route_place *place, enum route_as own, bool has_master);
void route_place_end(struct route_place *place);

bool route_place_same(const struct route_place *a, const struct route_place *b);

/* Whose word that it holds what we put confirms it: a candidate of the tier above, or, where there
 * is none, another of our own tier. And how all of these are reached. */
bool route_confirms(const struct route_place *place, unsigned relations);
unsigned route_confirmers(const struct route_place *place); /* of enum route_audience */

/* Is what we take from such a host ours to bring up, and kept here until that is confirmed? What
 * comes from below or from beside is. */
bool route_brings_up(const struct route_place *place, unsigned relations);

#endif
