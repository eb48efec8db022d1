/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "src/status_inner.h"

/* Who is heard by heartbeat, for pond peers. */

/* An address that a node told of; it is looked for by those of the peers. */
struct beat_place {
    struct address host;
    size_t node; /* its place in the table */
};

struct status_beats {
    const struct gossip *gossip; /* NULL: there is no discovery */
    struct beat_place *places;   /* by address */
    size_t count;
    bool *asked;
    size_t next;
};

static int by_host(const void *a, const void *b)
{
    return address_compare(&((const struct beat_place *)a)->host,
                           &((const struct beat_place *)b)->host);
}

static void add_places(struct status_beats *beats)
{
    size_t most = gossip_count(beats->gossip);

    beats->asked = calloc(most + 1, sizeof(*beats->asked));
    beats->places = calloc(most * HEARTBEAT_ADDRESSES_MAX + 1, sizeof(*beats->places));
    MUST(beats->asked != NULL && beats->places != NULL);
    for (size_t i = 0; i < most; i++) {
        const struct heartbeat *beat = &gossip_node_at(beats->gossip, i)->beat;
        for (size_t j = 0; j < beat->address_count; j++)
            beats->places[beats->count++] = (struct beat_place){beat->addresses[j], i};
    }
    qsort(beats->places, beats->count, sizeof(*beats->places), by_host);
}

struct status_beats *status_beats_new(const struct status_source *source)
{
    struct status_beats *beats = calloc(1, sizeof(*beats));

    MUST(beats != NULL);
    beats->gossip = source->discovery ? discovery_gossip(source->discovery) : NULL;
    if (beats->gossip)
        add_places(beats);
    return beats;
}

void status_beats_free(struct status_beats *beats)
{
    free(beats->places);
    free(beats->asked);
    free(beats);
}

/* Several nodes may have told of one address, one after another. */
const struct gossip_node *status_beat_of(struct status_beats *beats, const struct address *host)
{
    struct beat_place key = {.host = *host};
    const struct gossip_node *newest = NULL;
    size_t first;

    key.host.port = 0;
    first = status_first_of(beats->places, beats->count, sizeof(*beats->places), &key, by_host);
    for (size_t i = first; i < beats->count && by_host(&beats->places[i], &key) == 0; i++) {
        const struct gossip_node *node = gossip_node_at(beats->gossip, beats->places[i].node);
        beats->asked[beats->places[i].node] = true;
        if (!newest || mono_reached(node->heard, newest->heard))
            newest = node;
    }
    return newest;
}

const struct gossip_node *status_beats_next(struct status_beats *beats)
{
    while (beats->gossip && beats->next < gossip_count(beats->gossip)) {
        size_t i = beats->next++;
        if (!beats->asked[i] && !gossip_node_at(beats->gossip, i)->lost)
            return gossip_node_at(beats->gossip, i);
    }
    return NULL;
}

static json_t *tiers_json(const struct heartbeat *beat)
{
    json_t *tiers = made(json_array());
    struct span rest = span_of(beat->tiers);
    struct heartbeat_tier tier;

    while (heartbeat_next_tier(&rest, &tier)) {
        json_t *one = made(json_object());
        add(one, "tier", json_stringn(tier.tier.at, tier.tier.len));
        add(one, "role", json_stringn(tier.role.at, tier.role.len));
        json_array_append_new(tiers, one);
    }
    return tiers;
}

json_t *status_beat_json(const struct gossip_node *node, mono_t now)
{
    json_t *json;

    if (!node)
        return json_null();
    json = made(json_object());
    add(json, "heard_s", json_real(seconds_between(node->heard, now)));
    add(json, "from", status_host(&node->from));
    add(json, "interval_s", json_real((double)node->beat.interval_ms / 1e3));
    add(json, "lost", json_boolean(node->lost));
    add(json, "tiers", tiers_json(&node->beat));
    return json;
}

void status_beat_metrics(FILE *out, const struct status_source *source)
{
    const struct gossip *gossip = source->discovery ? discovery_gossip(source->discovery) : NULL;

    if (gossip)
        metric(out, "pond_heartbeat_nodes", "gauge", "Nodes that are heard by heartbeat",
               (double)gossip_known(gossip));
}
