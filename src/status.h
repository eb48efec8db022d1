/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_STATUS_H
#define POND_SRC_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "cache/exchange.h"
#include "cache/store.h"
#include "election/view.h"
#include "src/discovery.h"
#include "src/election.h"
#include "src/flights.h"
#include "src/http.h"
#include "src/members.h"
#include "src/recent.h"
#include "src/skew.h"

/*
 * What a node says of itself: JSON for pond status and pond peers (design section 11; fields are
 * only ever added), and the metrics in Prometheus's text format 0.0.4. Main thread: it looks at the
 * peers.
 */
struct status_tier {
    const char *tier;
    const char *address; /* ours in it */
};

struct status_source {
    const char *node;
    const char *domain;
    const char *auth; /* "none", or the mode in force */
    mono_t started;
    wall_t started_at;
    const struct status_tier *tiers;
    size_t tier_count;
    struct store *store;
    struct flights *flights;
    struct http *http;
    const struct exchange *exchange;
    struct recent *recent;
    const struct skew *skew;
    const struct members *members;
    const struct view *view;
    const struct discovery *discovery;
    struct signers *signers;   /* NULL: no keys */
    struct election *election; /* NULL: no tier has roles. These two are filled in at each look */
    struct vitals *vitals;     /* likewise */
};

/* Each to be freed by the caller. */
char *status_json(const struct status_source *source, mono_t now);
char *status_peers_json(const struct status_source *source, mono_t now);
char *status_metrics(const struct status_source *source, mono_t now);

#endif
