/* SPDX-License-Identifier: ISC */
#include "src/status_inner.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/lone.h"
#include "src/vitals.h"

/* What the elections say of themselves: the tiers of pond status, and metrics. */

json_t *status_host(const struct address *host)
{
    char text[ADDRESS_TEXT_SIZE];

    return address_is_any(host) ? json_null() : json_string(address_host_text(host, text));
}

json_t *status_ago(mono_t then, mono_t now)
{
    return then.ns == MONO_NEVER.ns ? json_null() : json_real(seconds_between(then, now));
}

size_t status_first_of(const void *list, size_t count, size_t size, const void *key,
                       int (*compare)(const void *, const void *))
{
    size_t from = 0, to = count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare((const char *)list + middle * size, key) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

void status_add_pair(json_t *object, struct ballot_pair pair)
{
    add(object, "base", json_real((double)pair.base_us / 1e6));
    add(object, "skew", json_integer(pair.skew));
}

json_t *status_causes(uint16_t demotion)
{
    char memory[256];
    struct text text = TEXT_OVER(memory);

    if (demotion == 0)
        return json_null();
    vitals_causes(demotion, &text);
    return json_string(memory);
}

static void add_no_pair(json_t *object)
{
    add(object, "base", json_null());
    add(object, "skew", json_null());
}

/* ---- tiers ----------------------------------------------------------------------------------- */

static json_t *flat_tier(const struct status_source *source, const struct status_tier *tier,
                         mono_t now)
{
    json_t *json = made(json_object());

    add(json, "tier", json_string(tier->tier));
    add(json, "role", json_string("peer"));
    add(json, "master", json_null());
    add(json, "address", json_string(tier->address));
    add_no_pair(json);
    add(json, "epoch", json_null());
    add(json, "last_advert_s", json_null());
    add(json, "since", json_real(seconds_between(source->started, now)));
    add(json, "reason", json_string("a flat mesh: its nets file has no roles"));
    add(json, "behind", json_null());
    return json;
}

static const struct peer *find_peer(const struct peers *peers, const struct address *host)
{
    for (size_t i = 0; i < peers->count; i++) {
        if (address_same_host(&peers->list[i].address, host))
            return &peers->list[i];
    }
    return NULL;
}

/* How many changes of the master's catalogue we lack, at most: 0 where they are equal. Null where
 * that is not known. */
static json_t *behind_json(const struct status_source *source, const struct view_tier *view)
{
    const struct peer *master;
    struct store_head own;
    uint64_t lacks;

    if (view->role == BALLOT_MASTER || !view->has_master)
        return json_null();
    store_head(source->store, &own);
    if (digest_same(&own.digest, &view->head.digest))
        return json_integer(0);
    master = find_peer(exchange_peers(source->exchange), &view->master_address);
    if (!master || master->store_id != view->head.store)
        return json_null();
    lacks = view->head.sequence > master->position ? view->head.sequence - master->position : 1;
    return json_integer((json_int_t)lacks);
}

/* Since when somebody demoted it, and how long it goes on: null is until it is restored. */
static json_t *hand_json(const struct status_source *source, const char *tier)
{
    struct vitals_hand hand;
    json_t *json;
    char since[32];

    if (!source->vitals || !vitals_hand(source->vitals, tier, &hand))
        return json_null();
    json = made(json_object());
    utc(hand.since, since);
    add(json, "since", json_string(since));
    add(json, "left_s",
        hand.left_ns ? json_real((double)(hand.left_ns / MONO_MS(1)) / 1e3) : json_null());
    return json;
}

static json_t *tier_json(const struct status_source *source, const struct view_tier *view,
                         mono_t now)
{
    json_t *json = made(json_object());

    add(json, "tier", json_string(view->tier));
    add(json, "role", json_string(ballot_role_name(view->role)));
    add(json, "master", view->has_master ? json_string(view->master) : json_null());
    add(json, "address", view->has_master ? status_host(&view->master_address) : json_null());
    if (view->has_master)
        status_add_pair(json, view->pair);
    else
        add_no_pair(json);
    add(json, "epoch", json_integer((json_int_t)view->epoch));
    add(json, "last_advert_s", status_ago(view->last_advert, now));
    add(json, "since", json_real(seconds_between(view->since, now)));
    add(json, "reason", json_string(reason_sentence(view->reason)));
    add(json, "behind", behind_json(source, view));
    add(json, "reason_name", json_string(reason_name(view->reason)));
    add(json, "own_address", status_host(&view->address));
    add(json, "successor", status_host(&view->successor));
    add(json, "candidates", json_integer(view->others + (view->role != BALLOT_SLAVE)));
    add(json, "candidates_heard", json_integer(view->others_heard));
    add(json, "alone", json_boolean(lone_is(view)));
    add(json, "members", json_integer(view->members));
    add(json, "unconfirmed", json_integer(view->unconfirmed));
    add(json, "master_demotion", json_integer(view->demotion));
    add(json, "demotion", json_integer(view->own_demotion));
    add(json, "demoted", status_causes(view->role == BALLOT_SLAVE ? 0 : view->own_demotion));
    add(json, "by_hand", hand_json(source, view->tier));
    add(json, "stale", json_boolean(mono_reached(now, view->good_until)));
    return json;
}

json_t *status_tiers(const struct status_source *source, mono_t now)
{
    json_t *tiers = made(json_array());
    struct view_tier view;

    for (size_t i = 0; i < source->tier_count; i++) {
        const struct status_tier *tier = &source->tiers[i];
        bool elects = view_find(source->view, tier->tier, &view);
        json_array_append_new(tiers, elects ? tier_json(source, &view, now)
                                            : flat_tier(source, tier, now));
    }
    return tiers;
}

/* ---- metrics --------------------------------------------------------------------------------- */

/* A value of a label: what would end it is escaped. */
static void put_label(FILE *out, const char *name)
{
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            fputc('\\', out);
        fputc(*name, out);
    }
}

static void head_of(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name, type);
}

static void role_metrics(FILE *out, const struct view_tier *tiers, size_t count)
{
    head_of(out, "pond_tier_role", "gauge", "1 for the role that this node has in the tier");
    for (size_t i = 0; i < count; i++) {
        for (int role = BALLOT_SLAVE; role <= BALLOT_MASTER; role++) {
            fputs("pond_tier_role{tier=\"", out);
            put_label(out, tiers[i].tier);
            fprintf(out, "\",role=\"%s\"} %d\n", ballot_role_name((enum ballot_role)role),
                    (int)tiers[i].role == role);
        }
    }
}

static double epoch_of(const struct view_tier *tier, mono_t now)
{
    (void)now;
    return (double)tier->epoch;
}

static double has_master(const struct view_tier *tier, mono_t now)
{
    return tier->has_master && !mono_reached(now, tier->good_until);
}

static double demotion_of(const struct view_tier *tier, mono_t now)
{
    (void)now;
    return tier->own_demotion;
}

static double members_of(const struct view_tier *tier, mono_t now)
{
    (void)now;
    return tier->members;
}

static double alone_in(const struct view_tier *tier, mono_t now)
{
    (void)now;
    return lone_is(tier);
}

static double since_of(const struct view_tier *tier, mono_t now)
{
    return seconds_between(tier->since, now);
}

/* A gauge with one value a tier. */
static const struct {
    const char *name;
    const char *help;
    double (*value)(const struct view_tier *tier, mono_t now);
} gauges[] = {
    {"pond_tier_epoch", "The highest epoch that is known of the tier", epoch_of},
    {"pond_tier_has_master", "1 while the tier has a master that is heard", has_master},
    {"pond_tier_demotion", "This node's demotion in the tier; 0: it is not demoted", demotion_of},
    {"pond_tier_members", "Members of the tier that were heard lately", members_of},
    {"pond_tier_alone", "1 while this node is master and hears no candidate that could take over",
     alone_in},
    {"pond_tier_steady_seconds", "For how long this node's role and master have been the same",
     since_of},
};

static void tier_gauges(FILE *out, const struct view_tier *tiers, size_t count, mono_t now)
{
    for (size_t g = 0; g < sizeof(gauges) / sizeof(*gauges); g++) {
        head_of(out, gauges[g].name, "gauge", gauges[g].help);
        for (size_t i = 0; i < count; i++) {
            double value = gauges[g].value(&tiers[i], now);
            fprintf(out, "%s{tier=\"", gauges[g].name);
            put_label(out, tiers[i].tier);
            fprintf(out, "\"} %.*f\n", value == (double)(int64_t)value ? 0 : 3, value);
        }
    }
}

#define REASON_ID(id, name, sentence) id,
static const enum reason changes[] = {REASON_CHANGES(REASON_ID)};
static const enum reason refusals[] = {REASON_REFUSALS(REASON_ID)};
static const enum reason waits[] = {REASON_WAITS(REASON_ID)};
#undef REASON_ID

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

static void reason_metrics(FILE *out, const char *name, const char *help,
                           const struct election_figures *figures, const enum reason *reasons,
                           size_t count)
{
    head_of(out, name, "counter", help);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s{reason=\"%s\"} %" PRIu64 "\n", name, reason_name(reasons[i]),
                figures->reasons[reasons[i]]);
}

static void election_metrics(FILE *out, struct election *election)
{
    struct election_figures figures;

    election_figures(election, &figures);
    metric(out, "pond_adverts_sent_total", "counter", "Adverts sent as master",
           (double)figures.adverts_sent);
    metric(out, "pond_ballots_received_total", "counter",
           "Adverts, standings and solicits that the gate let in", (double)figures.ballots_heard);
    metric(out, "pond_election_watchers", "gauge", "Connections held for backups that watch us",
           (double)figures.watched);
    metric(out, "pond_election_late_seconds", "gauge",
           "The most that the election's loop ever was late", (double)figures.late_ns / 1e9);
    reason_metrics(out, "pond_role_changes_total", "Changes of role or master, by their reason",
                   &figures, changes, COUNT_OF(changes));
    reason_metrics(out, "pond_election_refused_total",
                   "Ballots that changed nothing, by the reason", &figures, refusals,
                   COUNT_OF(refusals));
    reason_metrics(out, "pond_election_waits_total",
                   "Times that a backup did not become master yet, by the reason", &figures, waits,
                   COUNT_OF(waits));
}

void status_tier_metrics(FILE *out, const struct status_source *source, mono_t now)
{
    struct view_tier *tiers;
    size_t count;

    if (!source->election)
        return;
    tiers = calloc(VIEW_TIERS_MAX, sizeof(*tiers));
    MUST(tiers != NULL);
    count = view_list(source->view, tiers);
    role_metrics(out, tiers, count);
    tier_gauges(out, tiers, count, now);
    election_metrics(out, source->election);
    free(tiers);
}
