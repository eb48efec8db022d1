/* SPDX-License-Identifier: ISC */
#include "src/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/gate.h"
#include "src/status_inner.h"

enum { STATUS_FLIGHTS_MAX = 32 };

char *status_dump(json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));

    MUST(text != NULL);
    json_decref(json);
    return text;
}

/* ---- status --------------------------------------------------------------------------------- */

static json_t *cache_json(const struct status_source *source, const struct store_figures *figures)
{
    json_t *cache = made(json_object());
    struct store_head head;
    char hex[DIGEST_HEX_SIZE], id[20];

    store_head(source->store, &head);
    snprintf(id, sizeof(id), "%016" PRIx64, head.store_id);
    add(cache, "objects", json_integer((json_int_t)figures->objects));
    add(cache, "held", json_integer((json_int_t)figures->held));
    add(cache, "wanted", json_integer((json_int_t)figures->wanted));
    add(cache, "unconfirmed", json_integer((json_int_t)figures->unconfirmed));
    add(cache, "conflicts", json_integer((json_int_t)figures->conflicts));
    add(cache, "tombstones", json_integer((json_int_t)figures->tombstones));
    add(cache, "bytes", json_integer((json_int_t)figures->held_bytes));
    add(cache, "limit", json_integer((json_int_t)figures->limit));
    add(cache, "hits", json_integer((json_int_t)stat_read(STAT_HITS)));
    add(cache, "misses", json_integer((json_int_t)stat_read(STAT_MISSES)));
    add(cache, "store", json_string(id));
    add(cache, "sequence", json_integer((json_int_t)head.sequence));
    add(cache, "digest", json_string(digest_hex(&head.digest, hex)));
    return cache;
}

static json_t *fetches_json(const struct status_source *source)
{
    static struct flight_view views[STATUS_FLIGHTS_MAX]; /* large; main thread alone */
    size_t count = flights_view(source->flights, views, STATUS_FLIGHTS_MAX);
    json_t *fetches = made(json_array());
    char from[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < count; i++) {
        json_t *fetch = made(json_object());
        bool has_source = views[i].source.port != 0;
        add(fetch, "name", json_string(views[i].name));
        add(fetch, "size", json_integer((json_int_t)views[i].size));
        add(fetch, "had", json_integer((json_int_t)views[i].had));
        add(fetch, "rate", json_integer((json_int_t)views[i].rate));
        add(fetch, "readers", json_integer(views[i].readers));
        add(fetch, "source",
            has_source ? json_string(address_text(&views[i].source, from)) : json_null());
        json_array_append_new(fetches, fetch);
    }
    return fetches;
}

static json_t *events_json(struct recent *recent)
{
    struct recent_item items[RECENT_MAX];
    size_t count = recent_list(recent, items);
    json_t *events = made(json_array());

    for (size_t i = 0; i < count; i++) {
        char at[32], line[sizeof(at) + RECENT_LEN + 1];
        utc(items[i].at, at);
        snprintf(line, sizeof(line), "%s %s", at, items[i].what);
        json_array_append_new(events, made(json_string(line)));
    }
    return events;
}

/* What keeps changes from being taken, or "ok". */
static json_t *health_json(const struct status_source *source, enum store_status store)
{
    char sentence[SKEW_SENTENCE_SIZE];

    if (store != STORE_OK)
        return json_string(store_sentence(store));
    return json_string(skew_sentence(source->skew, sentence) ? sentence : "ok");
}

char *status_json(const struct status_source *source, mono_t now)
{
    json_t *status = made(json_object());
    struct store_figures figures;
    struct http_figures http;
    char started[32];

    store_figures(source->store, &figures);
    http_figures(source->http, &http);
    utc(source->started_at, started);
    add(status, "format", json_integer(STATUS_FORMAT));
    add(status, "node", json_string(source->node));
    add(status, "domain", json_string(source->domain));
    add(status, "version", json_string(PACKAGE_VERSION));
    add(status, "uptime_s", json_real(seconds_between(source->started, now)));
    add(status, "started", json_string(started));
    add(status, "tiers", status_tiers(source, now));
    add(status, "cache", cache_json(source, &figures));
    add(status, "health", health_json(source, figures.health));
    add(status, "peers", status_peers_summary(source, now));
    add(status, "fetches", fetches_json(source));
    add(status, "connections", json_integer(http.connections));
    add(status, "requests", json_integer(http.requests));
    add(status, "auth", json_string(source->auth));
    add(status, "log_level", json_string(log_level_name(log_level())));
    add(status, "events", events_json(source->recent));
    return status_dump(status);
}

/* ---- metrics -------------------------------------------------------------------------------- */

static void gate_metrics(FILE *out)
{
    fprintf(out, "# HELP pond_messages_judged_total Datagrams and requests by the gate's verdict.\n"
                 "# TYPE pond_messages_judged_total counter\n");
    for (int verdict = 0; verdict < GATE_VERDICT_COUNT; verdict++)
        fprintf(out, "pond_messages_judged_total{verdict=\"%s\"} %" PRIu64 "\n",
                gate_name((enum gate_verdict)verdict), gate_count((enum gate_verdict)verdict));
}

static void exchange_metrics(FILE *out, const struct exchange *exchange, mono_t now)
{
    struct exchange_clock clock = exchange_clock(exchange, now);
    struct exchange_figures figures;

    exchange_figures(exchange, &figures);
    metric(out, "pond_peers", "gauge", "Hosts that are known",
           (double)exchange_peers(exchange)->count);
    metric(out, "pond_clock_offset_seconds", "gauge",
           "How far this node's clock is ahead of the median of those heard lately; negative: "
           "behind; 0 where none is heard",
           (double)clock.ahead_ms / 1e3);
    metric(out, "pond_questions", "gauge", "Questions that wait for answers of others",
           (double)figures.questions);
    metric(out, "pond_manifests_awaited", "gauge", "Manifests that are to be fetched",
           (double)figures.learns);
    metric(out, "pond_questions_refused_total", "counter",
           "Askers told to come again because too many questions were open",
           (double)figures.tickets_refused);
    metric(out, "pond_announcements_dropped_total", "counter",
           "Announcements left to the comparison of catalogues because too many waited",
           (double)figures.announcements_dropped);
    metric(out, "pond_replies_dropped_total", "counter",
           "Answers not given because too many waited", (double)figures.replies_dropped);
}

static void gauge_metrics(FILE *out, const struct status_source *source, mono_t now)
{
    struct store_figures figures;
    struct http_figures http;

    store_figures(source->store, &figures);
    http_figures(source->http, &http);
    metric(out, "pond_uptime_seconds", "gauge", "Seconds since the start",
           seconds_between(source->started, now));
    metric(out, "pond_objects", "gauge", "Names in the catalogue that are not tombstones",
           (double)figures.objects);
    metric(out, "pond_tombstones", "gauge", "Deleted names that are still remembered",
           (double)figures.tombstones);
    metric(out, "pond_objects_held", "gauge", "Objects whose content is here",
           (double)figures.held);
    metric(out, "pond_objects_wanted", "gauge", "Objects whose content is to be fetched",
           (double)figures.wanted);
    metric(out, "pond_objects_unconfirmed", "gauge",
           "Names whose newest version is put below, and no candidate above is known to hold",
           (double)figures.unconfirmed);
    metric(out, "pond_conflicts", "gauge", "Versions kept beside the newest of their name",
           (double)figures.conflicts);
    metric(out, "pond_cache_bytes", "gauge", "Content on disk", (double)figures.held_bytes);
    metric(out, "pond_cache_limit_bytes", "gauge", "cache_size; 0 means no bound",
           (double)figures.limit);
    metric(out, "pond_store_healthy", "gauge", "1 while changes can be written",
           figures.health == STORE_OK);
    metric(out, "pond_http_connections", "gauge", "HTTP connections that are open",
           http.connections);
    metric(out, "pond_http_requests", "gauge", "HTTP requests under way", http.requests);
}

char *status_metrics(const struct status_source *source, mono_t now)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    MUST(out != NULL);
    fprintf(out,
            "# HELP pond_build_info The version that runs.\n# TYPE pond_build_info gauge\n"
            "pond_build_info{version=\"%s\"} 1\n",
            PACKAGE_VERSION);
    gauge_metrics(out, source, now);
    exchange_metrics(out, source->exchange, now);
    for (int id = 0; id < STAT_COUNT; id++)
        metric(out, stat_rows[id].name, "counter", stat_rows[id].help,
               (double)stat_read((enum stat_id)id));
    gate_metrics(out);
    status_tier_metrics(out, source, now);
    status_beat_metrics(out, source);
    MUST(fclose(out) == 0);
    return text;
}
