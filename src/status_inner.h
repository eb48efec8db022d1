/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_STATUS_INNER_H
#define POND_SRC_STATUS_INNER_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "src/base/must.h"
#include "src/status.h"

/* What the files behind status.h share. */

static inline double seconds_between(mono_t from, mono_t to)
{
    return (double)(mono_between(from, to) / MONO_MS(1)) / 1e3;
}

static inline void utc(wall_t at, char out[32])
{
    time_t seconds = (time_t)(at.ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static inline json_t *made(json_t *json)
{
    MUST(json != NULL); /* NULL: no memory, or text that is not UTF-8, which ours always is */
    return json;
}

static inline void add(json_t *object, const char *key, json_t *value)
{
    MUST(json_object_set_new(object, key, made(value)) == 0);
}

/* ---- text for Prometheus --------------------------------------------------------------------- */

static inline void metric(FILE *out, const char *name, const char *type, const char *help,
                          double value)
{
    fprintf(out, "# HELP %s %s.\n# TYPE %s %s\n%s %.*f\n", name, help, name, type, name,
            value == (double)(int64_t)value ? 0 : 3, value);
}

/* ---- status.c ------------------------------------------------------------------------------- */

enum { STATUS_FORMAT = 1 };
char *status_dump(json_t *json); /* ends it */

/* ---- status_peers.c ------------------------------------------------------------------------- */

json_t *status_peers_summary(const struct status_source *source, mono_t now);

/* ---- status_beats.c: who is heard by heartbeat ----------------------------------------------- */

struct status_beats;
struct status_beats *status_beats_new(const struct status_source *source);
void status_beats_free(struct status_beats *beats);

/* The node that told of this address of its; NULL: none. */
const struct gossip_node *status_beat_of(struct status_beats *beats, const struct address *host);

/* The next of those that were not asked for and are not lost; NULL: no more. */
const struct gossip_node *status_beats_next(struct status_beats *beats);

json_t *status_beat_json(const struct gossip_node *node, mono_t now); /* of NULL: null */
void status_beat_metrics(FILE *out, const struct status_source *source);

/* ---- status_tiers.c: what the elections say -------------------------------------------------- */

json_t *status_tiers(const struct status_source *source, mono_t now);
void status_tier_metrics(FILE *out, const struct status_source *source, mono_t now);

json_t *status_host(const struct address *host); /* null: none */
json_t *status_ago(mono_t then, mono_t now);     /* seconds; null: never */

/* Of a list in the order that qsort() gave it by `compare`: the place of the first that is not
 * before `key`; the count where all are. */
size_t status_first_of(const void *list, size_t count, size_t size, const void *key,
                       int (*compare)(const void *, const void *));
void status_add_pair(json_t *object, struct ballot_pair pair);
json_t *status_causes(uint16_t demotion); /* in words; null: it is not demoted */

#endif
