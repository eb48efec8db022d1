/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ROUTES_H
#define POND_SRC_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/route.h"
#include "election/view.h"
#include "src/base/address.h"
#include "src/base/time.h"
#include "src/members.h"

/*
 * What other hosts are to us now, by the nets files and the published view of the elections:
 * cache/route.h decides with it. Any thread; looks up, locks nothing for longer than an exchange of
 * a pointer, keeps nothing: who is master is judged at the moment of each decision. A view that is
 * no longer good counts as a tier without a master, even where the master was us.
 */
struct routes {
    const struct members *members;
    const struct view *view; /* NULL: no elections */
    uint16_t http_port;      /* where nothing better is known of a host: main.cf holds for all */
};

/* The set of enum route_relation; 0 for strangers, and for our own addresses. */
unsigned routes_to(const struct routes *routes, mono_t now, const struct address *host);

/* How a request for content from that host is answered, by the best of the rows for all of its
 * addresses: the one that it comes from, and `also`, where its signer was heard. What comes from
 * our own addresses, and yet is not our own host's (src/gate.h), was let in for what we hold. */
struct routes_answer {
    enum route_serve serve;
    unsigned relations;    /* what it is to us: a set of enum route_relation */
    struct address host;   /* the first of its addresses by which it is something to us */
    struct address master; /* ROUTE_REDIRECT: with its HTTP port */
    char tier[TIER_SIZE];  /* ROUTE_SERVE_FETCH: the first that we lead in which it is */
    uint64_t epoch;        /* of that tier, or of the first that we share; 0: it has no master */
};
struct routes_answer routes_serve(const struct routes *routes, mono_t now,
                                  const struct address *host, const struct address *also,
                                  size_t also_count);

/* Do we follow a redirect of `from`, a candidate of a tier in which we are slave, to `to`, another?
 * It may know better than we do who is master; but not once we follow a third. */
bool routes_may_follow(const struct routes *routes, mono_t now, const struct address *from,
                       const struct address *to);

struct route_place routes_place(const struct routes *routes, mono_t now);

/* Who can confirm what is put in here: `others` candidates, of the tier above, or of our own where
 * none is above; and ourselves where we are one of these. */
struct routes_copies {
    size_t others;
    bool own;
};
struct routes_copies routes_copies(const struct routes *routes, mono_t now);

/* ---- whom to ask ---------------------------------------------------------------------------- */

enum { ROUTES_MAX = 128 };

/* The masters that we follow, with their HTTP ports: those of tiers in which we are backup first,
 * since backups mirror from their own master. How many. */
size_t routes_up(const struct routes *routes, mono_t now, struct address out[ROUTES_MAX]);

/* Whom to ask for content of which nobody is known to have it, in this order: those of routes_up(),
 * then the backups of the tiers that we lead. */
struct routes_source {
    struct address http;
    enum route_ask ask;
};
size_t routes_sources(const struct routes *routes, mono_t now,
                      struct routes_source out[ROUTES_MAX]);

/* ---- to whom datagrams go ------------------------------------------------------------------- */

/* The set of enum route_audience in which the host is. */
unsigned routes_audiences(const struct routes *routes, mono_t now, const struct address *host);

/* Members with a single address in any of these audiences, each once, without port, in the order of
 * the nets files. Members of a network are in it too once they were heard: ask routes_audiences()
 * of those. free() the list. */
size_t routes_singles(const struct routes *routes, mono_t now, unsigned audiences,
                      struct address **list);

#endif
