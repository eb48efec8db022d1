/* SPDX-License-Identifier: ISC */
#include "src/reload_news.h"

#include <stdlib.h>
#include <string.h>

#include "conf/diff.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/reload.h"

enum { FORMAT = 1, RESTART_SIZE = 512 };

struct reload_news {
    json_t *settings, *tiers, *members;
    size_t added, removed, changed;
    bool keys;
    bool rules;
    char restart[RESTART_SIZE];
};

static json_t *made(json_t *json)
{
    MUST(json != NULL);
    return json;
}

static void append(json_t *list, json_t *one)
{
    MUST(json_array_append_new(list, made(one)) == 0);
}

/* Names of files, and what the settings say, may hold bytes that JSON cannot. NULL: null. */
static json_t *text_json(const char *line)
{
    json_t *json = line ? json_string(line) : json_null();
    char quoted[4096];
    struct text text = TEXT_OVER(quoted);

    if (json)
        return json;
    log_quote(&text, span_of(line), sizeof(quoted) / 4 - 4);
    return json_string(quoted);
}

struct reload_news *reload_news_new(void)
{
    struct reload_news *news = calloc(1, sizeof(*news));

    MUST(news != NULL);
    news->settings = made(json_array());
    news->tiers = made(json_array());
    news->members = made(json_array());
    return news;
}

void reload_news_free(struct reload_news *news)
{
    if (!news)
        return;
    json_decref(news->settings);
    json_decref(news->tiers);
    json_decref(news->members);
    free(news);
}

/* ---- gathering ------------------------------------------------------------------------------- */

static void on_setting(void *arg, const char *name, const char *tier, const char *was,
                       const char *is)
{
    struct reload_news *news = arg;

    append(news->settings, json_pack("{s:s, s:o, s:o, s:o}", "name", name, "tier", text_json(tier),
                                     "was", text_json(was), "is", text_json(is)));
}

static void on_tier(void *arg, const char *tier, bool joined)
{
    struct reload_news *news = arg;

    append(news->tiers,
           json_pack("{s:o, s:s}", "tier", text_json(tier), "change", joined ? "joined" : "left"));
}

static void on_member(void *arg, const char *tier, const struct nets_member *was,
                      const struct nets_member *is)
{
    struct reload_news *news = arg;
    char member[ADDRESS_TEXT_SIZE];

    *(!was ? &news->added : !is ? &news->removed : &news->changed) += 1;
    if (json_array_size(news->members) == RELOAD_LISTED_MAX)
        return;
    append(news->members, json_pack("{s:o, s:s, s:s?, s:s?}", "tier", text_json(tier), "member",
                                    network_text(&(is ? is : was)->network, member), "was",
                                    was ? nets_role_name(was->role) : NULL, "is",
                                    is ? nets_role_name(is->role) : NULL));
}

static void on_rules(void *arg)
{
    struct reload_news *news = arg;

    news->rules = true;
}

void reload_news_compare(struct reload_news *news, const struct conf *old, const struct conf *new)
{
    const struct conf_differ differ = {on_setting, on_tier, on_member, on_rules, news};

    conf_diff(old, new, &differ);
}

void reload_news_restart(struct reload_news *news, const char *settings)
{
    struct text text = TEXT_OVER(news->restart);

    text_puts(&text, settings);
}

void reload_news_keys(struct reload_news *news)
{
    news->keys = true;
}

bool reload_news_empty(const struct reload_news *news)
{
    return json_array_size(news->settings) == 0 && json_array_size(news->tiers) == 0 &&
           news->added + news->removed + news->changed == 0 && !news->keys && !news->rules;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void item(struct text *out, const char *what)
{
    text_printf(out, "%s%s", out->len ? ", " : "", what);
}

static void add_settings(const struct reload_news *news, struct text *out)
{
    const json_t *one;
    size_t i;

    json_array_foreach(news->settings, i, one)
    {
        const char *tier = json_string_value(json_object_get(one, "tier"));
        item(out, tier ? tier : "");
        text_printf(out, "%s%s", tier ? "/" : "", json_string_value(json_object_get(one, "name")));
    }
}

static void add_tiers(const struct reload_news *news, struct text *out)
{
    const json_t *one;
    size_t i;

    json_array_foreach(news->tiers, i, one)
    {
        item(out, "tier ");
        text_printf(out, "%s %s", json_string_value(json_object_get(one, "tier")),
                    json_string_value(json_object_get(one, "change")));
    }
}

static void add_count(struct text *out, size_t count, const char *what)
{
    if (count == 0)
        return;
    item(out, "");
    text_printf(out, "%zu member%s %s", count, count == 1 ? "" : "s", what);
}

void reload_news_sentence(const struct reload_news *news, struct text *out)
{
    add_settings(news, out);
    add_tiers(news, out);
    add_count(out, news->added, "added");
    add_count(out, news->removed, "removed");
    add_count(out, news->changed, "of another role");
    if (news->keys)
        item(out, "other keys");
    if (news->rules)
        item(out, "other rules of the gate");
    if (out->len == 0)
        text_puts(out, "nothing has changed");
    if (*news->restart)
        text_printf(out, "; until the next start it waits with %s", news->restart);
}

static json_t *restart_json(const struct reload_news *news)
{
    json_t *list = made(json_array());
    struct span rest = span_of(news->restart);

    while (rest.len) {
        struct span one = span_trim(span_take(&rest, ','));
        append(list, json_stringn(one.at, one.len));
    }
    return list;
}

static json_t *lines_json(const struct report *report, bool warnings)
{
    json_t *list = made(json_array());

    for (size_t i = 0; i < report_count(report); i++) {
        bool warning;
        const char *line = report_line(report, i, &warning);
        if (warning == warnings)
            append(list, text_json(line));
    }
    return list;
}

char *reload_news_json(const struct reload_news *news, const char *result,
                       const struct report *report, const char *complaint,
                       struct reload_times times)
{
    json_t *errors = lines_json(report, false);
    json_t *json;
    char *text;

    if (*complaint)
        append(errors, text_json(complaint));
    json = json_pack("{s:i, s:s, s:O, s:O, s:{s:I, s:I, s:I, s:O}, s:b, s:b, s:o, s:o, s:o, s:f, "
                     "s:f}",
                     "format", FORMAT, "result", result, "settings", news->settings, "tiers",
                     news->tiers, "members", "added", (json_int_t)news->added, "removed",
                     (json_int_t)news->removed, "changed", (json_int_t)news->changed, "list",
                     news->members, "keys", news->keys, "rules", news->rules, "restart",
                     restart_json(news), "errors", errors, "warnings", lines_json(report, true),
                     "read_ms", times.read_ms, "applied_ms", times.applied_ms);
    text = json_dumps(made(json), JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    json_decref(json);
    MUST(text != NULL);
    return text;
}
