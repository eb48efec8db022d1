/* SPDX-License-Identifier: ISC */
#include "tools/pond/status_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/pond/field.h"
#include "tools/pond/figure.h"
#include "tools/pond/say.h"
#include "tools/pond/table.h"

enum { SHOWN_SIZE = 160, NANOSECONDS = 1000000000 };

/* What came from the daemon, without what could drive a terminal. */
static void put_clean(const char *text, FILE *out)
{
    char *copy = strdup(text);

    if (!copy)
        return;
    say_clean(copy);
    fputs(copy, out);
    free(copy);
}

static void show_head(const json_t *status, FILE *out)
{
    char shown[SHOWN_SIZE];
    struct text text = TEXT_OVER(shown);
    double uptime;

    put_clean(field_text(status, "node", "-"), out);
    if (field_number(status, "uptime_s", &uptime)) {
        text_puts(&text, "   up ");
        text_seconds(&text, (int64_t)(uptime * NANOSECONDS));
    }
    fprintf(out, "%s   carpond ", shown);
    put_clean(field_text(status, "version", "-"), out);
    fputc('\n', out);
}

static void show_interval(struct table *table, const json_t *tier)
{
    double base, skew;

    if (field_number(tier, "base", &base) && field_number(tier, "skew", &skew))
        table_cellf(table, "%g+%g", base, skew);
    else
        table_cell(table, "-");
}

static void show_epoch(struct table *table, const json_t *tier)
{
    if (json_is_integer(json_object_get(tier, "epoch")))
        table_cellf(table, "%" PRIu64, field_count(tier, "epoch"));
    else
        table_cell(table, "-");
}

static void show_advert(struct table *table, const json_t *tier)
{
    char shown[SHOWN_SIZE];
    struct text text = TEXT_OVER(shown);
    double ago;

    if (field_number(tier, "last_advert_s", &ago)) {
        text_seconds(&text, (int64_t)(ago * NANOSECONDS));
        text_puts(&text, " ago");
    } else {
        text_putc(&text, '-');
    }
    table_cell(table, shown);
}

static void show_tiers(const json_t *tiers, FILE *out)
{
    static const char *const head[] = {"TIER",      "ROLE",  "MASTER",     "ADDRESS",
                                       "BASE+SKEW", "EPOCH", "LAST ADVERT"};
    enum { COLUMNS = sizeof(head) / sizeof(*head) };
    const json_t *tier;
    struct table table;
    size_t i;

    if (json_array_size(tiers) == 0)
        return;
    table_begin(&table, COLUMNS, "lllllrl");
    for (i = 0; i < COLUMNS; i++)
        table_cell(&table, head[i]);
    json_array_foreach(tiers, i, tier)
    {
        table_cell(&table, field_text(tier, "tier", "-"));
        table_cell(&table, field_text(tier, "role", "-"));
        table_cell(&table, field_text(tier, "master", "-"));
        table_cell(&table, field_text(tier, "address", "-"));
        show_interval(&table, tier);
        show_epoch(&table, tier);
        show_advert(&table, tier);
    }
    table_print(&table, out);
    table_end(&table);
}

/* "DEMOTED paris: its clock is off, somebody demoted it (for another 14m 3s)". */
static void show_demotion(const json_t *tier, FILE *out)
{
    const json_t *hand = json_object_get(tier, "by_hand");
    const char *why = field_text(tier, "demoted", NULL);
    char shown[SHOWN_SIZE];
    struct text text = TEXT_OVER(shown);
    double left;

    if (!why)
        return;
    fputs("DEMOTED ", out);
    put_clean(field_text(tier, "tier", "-"), out);
    fputs(": ", out);
    put_clean(why, out);
    if (field_number(hand, "left_s", &left)) {
        text_puts(&text, " (for another ");
        text_seconds(&text, (int64_t)(left * NANOSECONDS));
        text_putc(&text, ')');
    } else if (json_is_object(hand)) {
        text_puts(&text, " (until pond restore)");
    }
    fprintf(out, "%s\n", shown);
}

/* A master that nobody can take over from. */
static void show_alone(const json_t *tier, FILE *out)
{
    if (!field_true(tier, "alone"))
        return;
    fputs("ALONE   ", out);
    put_clean(field_text(tier, "tier", "-"), out);
    fprintf(out, ": %s: nobody takes over if this node stops\n",
            field_count(tier, "candidates") > 1 ? "no other candidate is heard"
                                                : "its nets file names no other candidate");
}

/* "LEADS   paris: 4 members heard, 10.27.4.2 stands by, 2 puts not confirmed". */
static void show_led(const json_t *tier, FILE *out)
{
    const char *successor = field_text(tier, "successor", NULL);
    uint64_t unconfirmed = field_count(tier, "unconfirmed");
    char shown[SHOWN_SIZE], puts[SHOWN_SIZE];
    struct text members = TEXT_OVER(shown), waiting = TEXT_OVER(puts);

    if (strcmp(field_text(tier, "role", "-"), "master") != 0)
        return;
    figure_of(&members, field_count(tier, "members"), "member heard", "members heard");
    if (unconfirmed) {
        text_puts(&waiting, ", ");
        figure_of(&waiting, unconfirmed, "put not confirmed", "puts not confirmed");
    }
    fputs("LEADS   ", out);
    put_clean(field_text(tier, "tier", "-"), out);
    fprintf(out, ": %s", shown);
    if (successor) {
        fputs(", ", out);
        put_clean(successor, out);
        fputs(" stands by", out);
    }
    fprintf(out, "%s\n", puts);
}

/* Where that is not to be read in the line of the cache: of which master's catalogue, or that it is
 * not known yet how much of it is lacking. */
static void show_behind(const json_t *tier, bool alone, FILE *out)
{
    const json_t *behind = json_object_get(tier, "behind");
    char shown[SHOWN_SIZE];
    struct text text = TEXT_OVER(shown);

    if (!behind || !field_text(tier, "master", NULL) ||
        strcmp(field_text(tier, "role", "-"), "master") == 0)
        return;
    if (json_is_integer(behind) && (alone || json_integer_value(behind) == 0))
        return;
    if (json_is_integer(behind))
        figure_of(&text, field_count(tier, "behind"), "change", "changes");
    else
        text_puts(&text, "it is not known yet how many changes");
    fputs("BEHIND  ", out);
    put_clean(field_text(tier, "tier", "-"), out);
    fprintf(out, ": %s of its master's catalogue %s not here yet\n", shown,
            json_is_integer(behind) && field_count(tier, "behind") == 1 ? "is" : "are");
}

static void show_standings(const json_t *tiers, FILE *out)
{
    bool alone = json_array_size(tiers) == 1;
    const json_t *tier;
    size_t i;

    json_array_foreach(tiers, i, tier)
    {
        show_led(tier, out);
        show_behind(tier, alone, out);
    }
}

static void show_warnings(const json_t *tiers, FILE *out)
{
    const json_t *tier;
    size_t i;

    json_array_foreach(tiers, i, tier)
    {
        show_demotion(tier, out);
        show_alone(tier, out);
    }
}

/* How many objects a master has that we lack, in the tier where that is the most. */
static void add_behind(struct text *out, const json_t *tiers)
{
    uint64_t most = 0;
    bool known = false;
    const json_t *tier;
    size_t i;

    json_array_foreach(tiers, i, tier)
    {
        if (!json_is_integer(json_object_get(tier, "behind")))
            continue;
        if (field_count(tier, "behind") > most)
            most = field_count(tier, "behind");
        known = true;
    }
    if (!known)
        return;
    text_puts(out, "   behind master by ");
    figure_count(out, most);
}

static void show_cache(const json_t *status, FILE *out)
{
    const json_t *cache = json_object_get(status, "cache");
    uint64_t bytes = field_count(cache, "bytes"), limit = field_count(cache, "limit");
    uint64_t hits = field_count(cache, "hits"), asked = hits + field_count(cache, "misses");
    char shown[SHOWN_SIZE];
    struct text text = TEXT_OVER(shown);

    if (!json_is_object(cache))
        return;
    figure_of(&text, field_count(cache, "objects"), "object   ", "objects   ");
    if (limit)
        figure_part(&text, bytes, limit);
    else
        text_bytes(&text, bytes);
    if (asked) {
        text_puts(&text, "   hits ");
        figure_percent(&text, hits, asked);
    }
    if (field_count(cache, "wanted")) {
        text_puts(&text, "   to be fetched ");
        figure_count(&text, field_count(cache, "wanted"));
    }
    if (field_count(cache, "unconfirmed")) {
        text_puts(&text, "   not confirmed above ");
        figure_count(&text, field_count(cache, "unconfirmed"));
    }
    if (field_count(cache, "conflicts")) {
        text_puts(&text, "   conflicts ");
        figure_count(&text, field_count(cache, "conflicts"));
    }
    add_behind(&text, json_object_get(status, "tiers"));
    fprintf(out, "CACHE   %s\n", shown);
}

static void show_peers(const json_t *peers, FILE *out)
{
    char shown[SHOWN_SIZE];
    struct text text = TEXT_OVER(shown);

    if (!json_is_object(peers))
        return;
    figure_count(&text, field_count(peers, "known"));
    text_puts(&text, " known   ");
    figure_count(&text, field_count(peers, "usable"));
    text_puts(&text, " usable");
    fprintf(out, "PEERS   %s\n", shown);
}

static void show_health(const json_t *status, FILE *out)
{
    const char *health = field_text(status, "health", "ok");

    if (strcmp(health, "ok") == 0)
        return;
    fputs("HEALTH  ", out);
    put_clean(health, out);
    fputc('\n', out);
}

static void show_fetch(struct table *table, const json_t *fetch)
{
    char had[SHOWN_SIZE], share[SHOWN_SIZE], rate[SHOWN_SIZE];
    struct text part = TEXT_OVER(had), percent = TEXT_OVER(share), speed = TEXT_OVER(rate);

    figure_part(&part, field_count(fetch, "had"), field_count(fetch, "size"));
    figure_percent(&percent, field_count(fetch, "had"), field_count(fetch, "size"));
    text_bytes(&speed, field_count(fetch, "rate"));
    text_puts(&speed, "/s");
    table_cell(table, field_text(fetch, "name", "-"));
    table_cell(table, had);
    table_cell(table, share);
    table_cell(table, rate);
    table_cellf(table, "%" PRIu64, field_count(fetch, "readers"));
    table_cell(table, field_text(fetch, "source", "looking for one"));
}

static void show_fetches(const json_t *fetches, FILE *out)
{
    static const char *const head[] = {"FETCH", "HAD", "", "RATE", "READERS", "FROM"};
    enum { COLUMNS = sizeof(head) / sizeof(*head) };
    const json_t *fetch;
    struct table table;
    size_t i;

    if (json_array_size(fetches) == 0)
        return;
    table_begin(&table, COLUMNS, "lrrrrl");
    for (i = 0; i < COLUMNS; i++)
        table_cell(&table, head[i]);
    json_array_foreach(fetches, i, fetch)
    {
        show_fetch(&table, fetch);
    }
    table_print(&table, out);
    table_end(&table);
}

/* Each is a sentence with its time in front. */
static void show_events(const json_t *events, FILE *out)
{
    const json_t *event;
    size_t i;

    if (json_array_size(events) == 0)
        return;
    fputs("LATELY\n", out);
    json_array_foreach(events, i, event)
    {
        fputs("  ", out);
        put_clean(json_is_string(event) ? json_string_value(event) : "-", out);
        fputc('\n', out);
    }
}

void status_text(const json_t *status, FILE *out)
{
    show_head(status, out);
    show_tiers(json_object_get(status, "tiers"), out);
    show_standings(json_object_get(status, "tiers"), out);
    show_warnings(json_object_get(status, "tiers"), out);
    show_cache(status, out);
    show_peers(json_object_get(status, "peers"), out);
    show_health(status, out);
    show_fetches(json_object_get(status, "fetches"), out);
    show_events(json_object_get(status, "events"), out);
}
