/* SPDX-License-Identifier: ISC */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/frames.h"
#include "src/http_reply.h"

/* Everything below /.pond/. */
enum { API_LIST_PAGE = 1000, API_ARG_SIZE = 3 * NAME_SIZE };

static const char json_body[] = "application/json";
static const char text_body[] = "text/plain; charset=utf-8";

/* The name that stands behind the route's path, as a whole name. False: it was answered. */
static bool name_behind(struct request *r, size_t route_len, char name[NAME_SIZE], enum step *step)
{
    struct span path = {r->path.at + route_len - 1, r->path.len - route_len + 1};
    enum name_verdict verdict = name_from_target(path, r->http->domain, name);

    if (verdict == NAME_OK)
        return true;
    *step = reply_refuse(r, verdict == NAME_OTHER_DOMAIN ? 404 : 400, name_sentence(verdict));
    return false;
}

/* ---- what the main loop tells ---------------------------------------------------------------- */

static enum step from_world(struct request *r, char *(*tell)(void *), const char *type)
{
    struct http *http = r->http;
    struct reply reply;
    char *text = NULL;

    /* Counted before it is looked whether we stop: who stops waits for those who are counted, and
     * runs the main loop for them. */
    atomic_fetch_add(&http->in_world, 1);
    if (!atomic_load(&http->stopping))
        text = tell(http->options.world.arg);
    atomic_fetch_sub(&http->in_world, 1);
    if (!text)
        return reply_refuse(r, 503, "this node is stopping");
    reply_begin(&reply, r, MHD_HTTP_OK);
    reply_add(&reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return reply_memory(&reply, type, text, strlen(text));
}

static enum step status_step(struct request *r)
{
    return from_world(r, r->http->options.world.status_json, json_body);
}

static enum step peers_step(struct request *r)
{
    return from_world(r, r->http->options.world.peers_json, json_body);
}

static enum step metrics_step(struct request *r)
{
    return from_world(r, r->http->options.world.metrics,
                      "text/plain; version=0.0.4; charset=utf-8");
}

/* ---- manifests: for other nodes -------------------------------------------------------------- */

#define ROUTE_MANIFEST "/.pond/manifest/"

static enum step manifest_step(struct request *r)
{
    char name[NAME_SIZE], memory[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(memory);
    enum store_status status;
    struct reply reply;
    enum step step;

    if (!name_behind(r, sizeof(ROUTE_MANIFEST) - 1, name, &step))
        return step;
    if (!request_admit_name(r, GATE_SENDME, span_of(name)))
        return STEP_DONE;
    status = store_manifest(r->http->options.world.store, span_of(name), &text);
    if (status != STORE_OK)
        return reply_store(r, status);
    reply_begin(&reply, r, MHD_HTTP_OK);
    return reply_text(&reply, text_body, text.at, text.len);
}

/* ---- for the pond command -------------------------------------------------------------------- */

static void list_entry(void *arg, const struct store_entry *entry)
{
    const struct manifest *m = &entry->manifest;
    char version[VERSION_TEXT_SIZE], hex[DIGEST_HEX_SIZE];
    json_t *one =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:i, s:s, s:b, s:b, s:b}", "name", m->name, "version",
                  version_text(m->version, version), "node", m->node, "size", (json_int_t)m->size,
                  "mtime_ns", (json_int_t)m->mtime_ns, "mode", (int)m->mode, "sha256",
                  digest_hex(&m->sha256, hex), "held", (int)entry->held, "own", (int)entry->own,
                  "unverified", (int)version_is_unverified(m->version));

    MUST(one != NULL && json_array_append_new(arg, one) == 0);
}

/* ?prefix= with or without the domain, ?after= a whole name; tombstones are left out. */
static enum step list_step(struct request *r)
{
    char typed[API_ARG_SIZE] = "", prefix[NAME_SIZE] = "", after[API_ARG_SIZE] = "";
    json_t *objects;
    size_t n;

    (void)request_arg(r, "prefix", typed, sizeof(typed));
    (void)request_arg(r, "after", after, sizeof(after));
    if (*typed && strcmp(typed, r->http->domain) != 0) {
        enum name_verdict verdict = name_complete(span_of(typed), r->http->domain, prefix);
        if (verdict != NAME_OK)
            return reply_refuse(r, 400, name_sentence(verdict));
    }
    objects = json_array();
    MUST(objects != NULL);
    n = store_list(r->http->options.world.store, span_of(prefix), span_of(after), false,
                   API_LIST_PAGE, list_entry, objects);
    return reply_json(r, json_pack("{s:i, s:o, s:b}", "format", 1, "objects", objects, "more",
                                   (int)(n == API_LIST_PAGE)));
}

static void list_conflict(void *arg, const struct store_conflict *conflict)
{
    const struct manifest *m = &conflict->entry.manifest;
    char version[VERSION_TEXT_SIZE], newest[VERSION_TEXT_SIZE], hex[DIGEST_HEX_SIZE];
    json_t *one = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:b, s:b, s:I}", "place",
                            (json_int_t)conflict->entry.sequence, "name", m->name, "version",
                            version_text(m->version, version), "newest",
                            version_text(conflict->newest, newest), "node", m->node, "size",
                            (json_int_t)m->size, "mtime_ns", (json_int_t)m->mtime_ns, "sha256",
                            digest_hex(&m->sha256, hex), "deleted", (int)m->deleted, "held",
                            (int)conflict->entry.held, "until_ms", (json_int_t)conflict->until.ms);

    MUST(one != NULL && json_array_append_new(arg, one) == 0);
}

/* ?after= the place of the last one seen. */
static enum step conflicts_step(struct request *r)
{
    json_t *list;
    uint64_t after;
    size_t n;

    if (!request_arg_u64(r, "after", &after))
        return reply_refuse(r, 400, "after= is a number");
    list = json_array();
    MUST(list != NULL);
    n = store_conflicts(r->http->options.world.store, after, API_LIST_PAGE, list_conflict, list);
    return reply_json(r, json_pack("{s:i, s:o, s:b}", "format", 1, "conflicts", list, "more",
                                   (int)(n == API_LIST_PAGE)));
}

static enum step log_level_step(struct request *r)
{
    char text[32] = "";
    enum log_level level;
    struct reply reply;

    if (!request_arg(r, "level", text, sizeof(text)) || !log_level_parse(span_of(text), &level))
        return reply_refuse(r, 400, "level= is one of error, warn, info, debug");
    log_set_level(level);
    log_info("log_level is %s now, by pond log-level", log_level_name(level));
    reply_begin(&reply, r, MHD_HTTP_OK);
    return reply_text(&reply, text_body, "done\n", 5);
}

/* ---- demotion by hand ------------------------------------------------------------------------ */

static const char no_tier[] = "tier= is the name of one of this node's tiers";

static enum step tell_verdict(struct request *r, enum vitals_verdict verdict, const char *sentence)
{
    static const unsigned statuses[] = {[VITALS_DONE] = 200,
                                        [VITALS_NO_TIER] = 404,
                                        [VITALS_NO_CANDIDATE] = 409,
                                        [VITALS_NOT_KEPT] = 507};
    char line[VITALS_SENTENCE_SIZE + 1];
    struct text text = TEXT_OVER(line);
    struct reply reply;

    if (verdict != VITALS_DONE)
        return reply_refuse(r, statuses[verdict], sentence);
    text_printf(&text, "%s\n", sentence);
    reply_begin(&reply, r, MHD_HTTP_OK);
    return reply_text(&reply, text_body, text.at, text.len);
}

/* for=: seconds; without it, for ever. One that cannot be read is not the same as none. */
static bool for_arg(const struct request *r, uint64_t *seconds)
{
    return !request_has_arg(r, "for") ||
           (request_arg_u64(r, "for", seconds) && *seconds > 0 && *seconds <= VITALS_FOR_MAX_S);
}

static enum step demote_step(struct request *r)
{
    const struct http_world *world = &r->http->options.world;
    char tier[TIER_SIZE] = "", sentence[VITALS_SENTENCE_SIZE];
    uint64_t for_s = 0;

    if (!for_arg(r, &for_s))
        return reply_refuse(r, 400, "for= is a number of seconds, from 1 to ten years' worth");
    if (!request_arg(r, "tier", tier, sizeof(tier)) || !*tier)
        return reply_refuse(r, 400, no_tier);
    return tell_verdict(r, world->demote(world->arg, tier, (int64_t)for_s, sentence), sentence);
}

static enum step restore_step(struct request *r)
{
    const struct http_world *world = &r->http->options.world;
    char tier[TIER_SIZE] = "", sentence[VITALS_SENTENCE_SIZE];

    if (!request_arg(r, "tier", tier, sizeof(tier)) || !*tier)
        return reply_refuse(r, 400, no_tier);
    return tell_verdict(r, world->restore(world->arg, tier, sentence), sentence);
}

/* ---- the routes ------------------------------------------------------------------------------ */

struct route {
    const char *path; /* one that ends in a slash goes on behind it */
    const char *allow;
    enum gate_message message;
    unsigned admit; /* a set of enum admit */
    enum step (*step)(struct request *r);
};

static const struct route routes[] = {
    {"/.pond/status", "GET, HEAD", GATE_READ_API, ADMIT_MONITORS, status_step},
    {"/.pond/metrics", "GET, HEAD", GATE_READ_API, ADMIT_MONITORS, metrics_step},
    {ROUTE_MANIFEST, "GET, HEAD", GATE_READ_API, ADMIT_ROUTED, manifest_step},
    {HTTP_CHUNKS, "GET, HEAD", GATE_READ_API, ADMIT_ROUTED, chunks_step},
    {FRAMES_PATH, "GET", GATE_READ_API, ADMIT_ROUTED, contents_step},
    {"/.pond/catalogue", "GET, HEAD", GATE_READ_API, ADMIT_ROUTED, catalogue_step},
    {"/.pond/ranges", "GET, HEAD", GATE_READ_API, ADMIT_ROUTED, ranges_step},
    {"/.pond/peers", "GET, HEAD", GATE_READ_API, ADMIT_OWN_ONLY, peers_step},
    {"/.pond/gate", "GET, HEAD", GATE_READ_API, ADMIT_OWN_ONLY, gate_step},
    {"/.pond/list", "GET, HEAD", GATE_READ_API, ADMIT_OWN_ONLY, list_step},
    {"/.pond/conflicts", "GET, HEAD", GATE_READ_API, ADMIT_OWN_ONLY, conflicts_step},
    {"/.pond/whohas", "GET, HEAD", GATE_READ_API, ADMIT_OWN_ONLY, whohas_step},
    {HTTP_WHOHAS, "GET, HEAD", GATE_READ_API, ADMIT_ROUTED, whohas_of_others_step},
    {"/.pond/events", "GET", GATE_READ_API, ADMIT_OWN_ONLY, events_step},
    {"/.pond/verify", "POST", GATE_CONTROL, 0, verify_step},
    {"/.pond/rebuild", "POST", GATE_CONTROL, 0, rebuild_step},
    {"/.pond/reload", "POST", GATE_CONTROL, 0, reload_step},
    {"/.pond/log-level", "POST", GATE_CONTROL, 0, log_level_step},
    {"/.pond/demote", "POST", GATE_CONTROL, 0, demote_step},
    {"/.pond/restore", "POST", GATE_CONTROL, 0, restore_step},
};

static const struct route *find_route(struct span path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        const char *route = routes[i].path;
        if (route[strlen(route) - 1] == '/' ? span_begins(path, route) : span_is(path, route))
            return &routes[i];
    }
    return NULL;
}

static bool allows(const char *allow, struct span method)
{
    struct span rest = span_of(allow);

    while (rest.len) {
        if (span_same(span_trim(span_take(&rest, ',')), method))
            return true;
    }
    return false;
}

enum step api_begin(struct request *r)
{
    const struct route *route = find_route(r->path);
    struct span what = {r->path.at + 1, r->path.len - 1};

    if (!route)
        return reply_refuse(r, 404, "there is nothing of that name below /.pond/");
    if (!allows(route->allow, r->head.method))
        return reply_not_allowed(r, route->allow);
    if (!request_admit(r, route->message, route->admit, what))
        return STEP_DONE;
    r->step = route->step;
    return STEP_WAIT;
}
