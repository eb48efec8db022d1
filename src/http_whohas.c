/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"
#include "src/clock.h"
#include "src/fetch.h"
#include "src/http_reply.h"
#include "src/whohas.h"

/*
 * pond whohas, across the tiers. A node asks all that it reaches by datagram (a survey, two
 * seconds), and the masters that it follows over HTTP: these do the same, and ask above. Once its
 * survey is over, it asks those members of the tiers that it leads which lead a tier themselves.
 * What comes from above goes only down, nothing goes back to where it came from, and Via ends what
 * would go in a circle. Each host that is asked on has less time than who asked it, so that what
 * it has gathered by then comes back.
 */
enum {
    INQUIRY_MS =
        9000, /* for all of it: less than FETCH_STALL_S, after which the silent are given up */
    INQUIRY_HOP_MS = 750,     /* less for each that is asked on: who waits is woken at ticks */
    INQUIRY_SURVEY_MS = 2000, /* nobody is asked on who could not make a survey in time */
    INQUIRY_HOPS_MAX = 64,
    INQUIRY_BODY_MAX = 1024 * 1024
};

/* Two own it, as with a question (http_ask.c): the inquiry, and the fetcher until it is done. */
struct hop {
    struct fetch_request fetch;
    struct request *request;
    _Atomic unsigned owners;
    _Atomic bool done;
    bool merged;
};

struct inquiry {
    struct whohas *whohas;
    char name[NAME_SIZE];
    struct question *survey; /* NULL: none was made, or it was taken in */
    mono_t until;
    size_t hop_count;
    struct hop *hops[INQUIRY_HOPS_MAX];
};

/* ---- hosts that are asked on ----------------------------------------------------------------- */

static void let_go(struct hop *hop)
{
    if (atomic_fetch_sub(&hop->owners, 1) > 1)
        return;
    request_release(hop->request);
    free(hop->fetch.body);
    free(hop);
}

/* On the fetch thread. The server may have ended meanwhile: only the request is touched. */
static void hop_done(struct fetch_request *fetch)
{
    struct hop *hop = fetch->owner;

    atomic_store(&hop->done, true);
    request_wake(hop->request);
    let_go(hop);
}

static bool is_asked(const struct request *r, const struct inquiry *inquiry,
                     const struct address *http)
{
    for (size_t i = 0; i < inquiry->hop_count; i++) {
        if (address_same_host(&inquiry->hops[i]->fetch.server, http))
            return true;
    }
    return !r->own_host && address_same_host(&r->share.host, http);
}

static int64_t ms_left(const struct inquiry *inquiry)
{
    return mono_between(clock_mono(), inquiry->until) / MONO_MS(1);
}

static struct hop *hop_new(struct request *r, const struct address *http)
{
    struct hop *hop = calloc(1, sizeof(*hop));

    MUST(hop != NULL);
    hop->request = r;
    request_hold(r);
    atomic_store(&hop->owners, 2);
    hop->fetch.server = *http;
    hop->fetch.stay = true;
    hop->fetch.most = INQUIRY_BODY_MAX;
    hop->fetch.done = hop_done;
    hop->fetch.owner = hop;
    return hop;
}

static void ask_on(struct request *r, struct inquiry *inquiry, const struct address *http)
{
    int64_t within = ms_left(inquiry) - INQUIRY_HOP_MS;
    char address[ADDRESS_TEXT_SIZE];
    struct text target;
    struct hop *hop;

    if (!r->http->options.world.fetch || is_asked(r, inquiry, http))
        return;
    if (inquiry->hop_count == INQUIRY_HOPS_MAX || within <= INQUIRY_SURVEY_MS ||
        request_via(r).len >= FETCH_VIA_SIZE) {
        whohas_gap(inquiry->whohas,
                   "%s was not asked: there are too many hosts, or tiers, before "
                   "it: ask on a node that is nearer to it",
                   address_text(http, address));
        return;
    }
    hop = hop_new(r, http);
    target = TEXT_OVER(hop->fetch.target);
    text_puts(&target, "/.pond/whohas");
    name_to_target(span_of(inquiry->name), &target);
    text_printf(&target, "?within=%" PRId64, within);
    MUST(!target.full);
    MUST(span_copy(request_via(r), hop->fetch.via, sizeof(hop->fetch.via)));
    inquiry->hops[inquiry->hop_count++] = hop;
    fetch_submit(r->http->options.world.fetch, &hop->fetch);
}

/* The tier in which we know it; "" where we do not. */
static const char *tier_of(const struct request *r, const struct address *http,
                           struct member *member)
{
    bool found = members_find(r->http->options.world.routes->members, http, member);

    return found ? member->tier : "";
}

static void merge(struct request *r, struct inquiry *inquiry, struct hop *hop)
{
    const struct fetch_request *fetch = &hop->fetch;
    char address[ADDRESS_TEXT_SIZE];
    struct member member;
    const char *tier = tier_of(r, &fetch->server, &member);

    hop->merged = true;
    if (fetch->result != FETCH_OK ||
        !whohas_merge(inquiry->whohas, fetch->body, fetch->body_len, &fetch->server, tier))
        whohas_gap(inquiry->whohas,
                   "%s did not tell what is known in its tiers: its log, or this node's, says why",
                   address_text(&fetch->server, address));
}

/* ---- the survey ------------------------------------------------------------------------------ */

static bool goes_down(const struct request *r)
{
    return r->own_host || r->relations & (ROUTE_LED | ROUTE_FOLLOWED);
}

static void add_source(struct request *r, struct inquiry *inquiry, const struct exchange_source *s)
{
    const struct routes *routes = r->http->options.world.routes;
    struct whohas_row row = {.http = s->http,
                             .version = s->version,
                             .size = s->size,
                             .held = s->held,
                             .deleted = s->deleted};
    struct member member;

    MUST(span_copy(span_of(s->node), row.node, sizeof(row.node)));
    MUST(span_copy(span_of(tier_of(r, &s->http, &member)), row.tier, sizeof(row.tier)));
    whohas_add(inquiry->whohas, &row);
    if (s->leads && routes_to(routes, clock_mono(), &s->http) & ROUTE_LED)
        ask_on(r, inquiry, &s->http);
}

static void take_survey(struct request *r, struct inquiry *inquiry)
{
    const struct ask *ask = question_ask_of(inquiry->survey);

    for (size_t i = 0; i < ask->source_count; i++)
        add_source(r, inquiry, &ask->sources[i]);
    if (ask->busy)
        whohas_gap(inquiry->whohas, "%s waits for too many answers already: ask again later",
                   r->http->node);
    if (ask->source_count == EXCHANGE_SURVEY_MAX)
        whohas_gap(inquiry->whohas, "%s takes %d answers of its tiers: there may be more",
                   r->http->node, EXCHANGE_SURVEY_MAX);
    question_end(inquiry->survey);
    inquiry->survey = NULL;
}

/* ---- the inquiry ----------------------------------------------------------------------------- */

static void end_inquiry(void *work)
{
    struct inquiry *inquiry = work;

    question_end(inquiry->survey);
    for (size_t i = 0; i < inquiry->hop_count; i++)
        let_go(inquiry->hops[i]);
    whohas_free(inquiry->whohas);
    free(inquiry);
}

/* What this node would have answered. */
static void add_own(struct request *r, struct inquiry *inquiry)
{
    struct whohas_row row = {.own = true};
    struct store_entry entry;

    if (store_find(r->http->options.world.store, span_of(inquiry->name), &entry) != STORE_OK)
        return;
    MUST(span_copy(span_of(r->http->node), row.node, sizeof(row.node)));
    row.version = entry.manifest.version;
    row.size = entry.manifest.size;
    row.held = entry.held;
    row.deleted = entry.manifest.deleted;
    whohas_add(inquiry->whohas, &row);
}

static void ask_above(struct request *r, struct inquiry *inquiry)
{
    const struct routes *routes = r->http->options.world.routes;
    struct address up[ROUTES_MAX];
    size_t count = routes_up(routes, clock_mono(), up);

    for (size_t i = 0; i < count; i++)
        ask_on(r, inquiry, &up[i]);
    if (routes_place(routes, clock_mono()).headless)
        whohas_gap(inquiry->whohas,
                   "a tier of %s has no master at the moment: what is beyond it was not asked",
                   r->http->node);
}

static bool begin(struct request *r, const char *name, uint64_t within_ms)
{
    struct inquiry *inquiry = calloc(1, sizeof(*inquiry));

    MUST(inquiry != NULL);
    MUST(span_copy(span_of(name), inquiry->name, sizeof(inquiry->name)));
    inquiry->whohas = whohas_new(name);
    inquiry->until = mono_after(clock_mono(), MONO_MS((int64_t)within_ms));
    r->work = inquiry;
    r->work_end = end_inquiry;
    r->answer_by = inquiry->until;
    add_own(r, inquiry);
    if (!goes_down(r))
        return true;
    inquiry->survey = question_ask(r, EXCHANGE_ASK_SURVEY, span_of(name));
    if (inquiry->survey && (r->own_host || r->relations & ROUTE_LED))
        ask_above(r, inquiry);
    return inquiry->survey != NULL;
}

/* Takes in what has come, what is nearer first. Is that all? */
static bool is_over(struct request *r, struct inquiry *inquiry)
{
    bool over = true;

    if (inquiry->survey && question_answered(inquiry->survey))
        take_survey(r, inquiry);
    if (inquiry->survey)
        return false;
    for (size_t i = 0; i < inquiry->hop_count; i++) {
        struct hop *hop = inquiry->hops[i];
        if (!hop->merged && atomic_load(&hop->done))
            merge(r, inquiry, hop);
        over = over && hop->merged;
    }
    return over;
}

static void tell_late(struct request *r, struct inquiry *inquiry)
{
    char address[ADDRESS_TEXT_SIZE];

    if (inquiry->survey)
        whohas_gap(inquiry->whohas, "%s had no time left to ask its tiers", r->http->node);
    for (size_t i = 0; i < inquiry->hop_count; i++) {
        if (!inquiry->hops[i]->merged)
            whohas_gap(inquiry->whohas, "%s did not answer in time",
                       address_text(&inquiry->hops[i]->fetch.server, address));
    }
}

static enum step go_on(struct request *r)
{
    struct inquiry *inquiry = r->work;
    struct reply reply;
    char *text;

    if (!is_over(r, inquiry)) {
        if (!request_is_late(r))
            return STEP_WAIT;
        tell_late(r, inquiry);
    }
    r->answer_by = MONO_NEVER;
    text = whohas_json(inquiry->whohas);
    reply_begin(&reply, r, MHD_HTTP_OK);
    reply_add(&reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return reply_memory(&reply, "application/json", text, strlen(text));
}

static enum step begin_or_refuse(struct request *r, const char *name, uint64_t within_ms)
{
    if (!begin(r, name, within_ms))
        return reply_refuse(r, 503, "too many questions wait for an answer");
    return go_on(r);
}

enum step whohas_step(struct request *r)
{
    char typed[3 * NAME_SIZE] = "", name[NAME_SIZE];
    enum name_verdict verdict;

    if (r->work)
        return go_on(r);
    (void)request_arg(r, "name", typed, sizeof(typed));
    verdict = name_complete(span_of(typed), r->http->domain, name);
    if (verdict != NAME_OK)
        return reply_refuse(r, 400, name_sentence(verdict));
    return begin_or_refuse(r, name, INQUIRY_MS);
}

enum step whohas_of_others_step(struct request *r)
{
    struct span path = {r->path.at + strlen(HTTP_WHOHAS) - 1,
                        r->path.len - strlen(HTTP_WHOHAS) + 1};
    char name[NAME_SIZE];
    enum name_verdict verdict;
    uint64_t within;

    if (r->work)
        return go_on(r);
    verdict = name_from_target(path, r->http->domain, name);
    if (verdict != NAME_OK)
        return reply_refuse(r, 400, name_sentence(verdict));
    if (!request_arg_u64(r, "within", &within) || within == 0 || within > INQUIRY_MS)
        return reply_refuse(r, 400, "within= is a number of milliseconds, from 1 to 9000");
    if (!request_admit_name(r, GATE_WHOHAS, span_of(name)))
        return STEP_DONE;
    return begin_or_refuse(r, name, within);
}
