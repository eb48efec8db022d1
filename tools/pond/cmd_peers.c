/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <stdio.h>

#include "tools/pond/ask.h"
#include "tools/pond/table.h"

static void show_heard(struct table *table, const json_t *peer)
{
    char heard[64];
    struct text text = TEXT_OVER(heard);
    double seconds;

    if (field_number(peer, "heard_s", &seconds)) {
        text_seconds(&text, (int64_t)(seconds * 1e9));
        text_puts(&text, " ago");
    } else {
        text_puts(&text, "never");
    }
    table_cell(table, heard);
}

/* "1.2 s ago from 10.27.4.9". */
static void show_heartbeat(struct table *table, const json_t *peer)
{
    char heard[128];
    struct text text = TEXT_OVER(heard);
    const json_t *beat = json_object_get(peer, "heartbeat");
    double seconds;

    if (json_is_object(beat) && field_number(beat, "heard_s", &seconds)) {
        text_seconds(&text, (int64_t)(seconds * 1e9));
        text_printf(&text, " ago from %s", field_text(beat, "from", "-"));
    } else {
        text_puts(&text, "none");
    }
    table_cell(table, heard);
}

/* "yes", or "no: sent a chunk that does not match its digest; tried again in 8.0 s". */
static void show_use(struct table *table, const json_t *peer)
{
    char use[512];
    struct text text = TEXT_OVER(use);
    const char *why = field_text(peer, "why", NULL);
    double seconds;

    text_puts(&text, field_true(peer, "used") ? "yes" : "no");
    if (why)
        text_printf(&text, ": %s", why);
    if (field_number(peer, "avoided_for_s", &seconds) && seconds > 0) {
        text_puts(&text, "; tried again in ");
        text_seconds(&text, (int64_t)(seconds * 1e9));
    }
    table_cell(table, use);
}

/* A candidate that is not believed any more may be anything by now. */
static const char *role_of(const json_t *tier)
{
    if (json_is_false(json_object_get(tier, "believed")) && field_true(tier, "candidate"))
        return "candidate";
    return field_text(tier, "role", "-");
}

/* "1": with the first of the key file. */
static void show_key(struct table *table, const json_t *peer)
{
    char shown[32];
    struct text text = TEXT_OVER(shown);
    double key;

    if (!field_number(peer, "key", &key))
        text_puts(&text, "-");
    else if (key < 1)
        text_puts(&text, "unsigned");
    else
        text_printf(&text, "%.0f", key);
    table_cell(table, shown);
}

/* As the elections here have it; where they do not know it, as it says itself. */
static const json_t *tiers_of(const json_t *peer)
{
    const json_t *tiers = json_object_get(peer, "tiers");

    if (json_array_size(tiers) == 0)
        tiers = json_object_get(json_object_get(peer, "heartbeat"), "tiers");
    return tiers;
}

/* "paris backup 1+100 demoted, core slave". */
static void show_tiers(struct table *table, const json_t *peer)
{
    char shown[1024];
    struct text text = TEXT_OVER(shown);
    const json_t *tiers = tiers_of(peer), *tier;
    double base, skew;
    size_t i;

    json_array_foreach(tiers, i, tier)
    {
        text_printf(&text, "%s%s %s", i ? ", " : "", field_text(tier, "tier", "-"), role_of(tier));
        if (field_true(tier, "candidate") && field_number(tier, "base", &base) &&
            field_number(tier, "skew", &skew))
            text_printf(&text, " %g+%g", base, skew);
        if (field_text(tier, "demoted", NULL))
            text_puts(&text, " demoted");
    }
    table_cell(table, json_array_size(tiers) ? shown : "-");
}

/* Columns that would be empty are left out: flat meshes have no roles to show, some clusters have
 * no keys, and where there is no discovery nobody is heard by heartbeat. */
struct columns {
    bool keys;
    bool heartbeats;
    bool roles;
};

static struct columns columns_of(const json_t *peers)
{
    struct columns columns = {false, false, false};
    const json_t *peer;
    size_t i;

    json_array_foreach(peers, i, peer)
    {
        columns.keys |= json_is_number(json_object_get(peer, "key"));
        columns.heartbeats |= json_is_object(json_object_get(peer, "heartbeat"));
        columns.roles |= json_array_size(tiers_of(peer)) > 0;
    }
    return columns;
}

static void show_peer(struct table *table, const json_t *peer, struct columns columns)
{
    table_cell(table, field_true(peer, "isconf") ? "(ISconf)" : field_text(peer, "node", "-"));
    table_cell(table, field_text(peer, "address", "-"));
    table_cell(table, field_true(peer, "member") ? "yes" : "no");
    show_heard(table, peer);
    if (columns.keys)
        show_key(table, peer);
    if (columns.heartbeats)
        show_heartbeat(table, peer);
    if (columns.roles)
        show_tiers(table, peer);
    show_use(table, peer);
}

static void show_peers(const json_t *peers)
{
    struct columns columns = columns_of(peers);
    const struct {
        const char *name;
        bool shown;
    } head[] = {{"NODE", true},           {"ADDRESS", true},     {"MEMBER", true},
                {"HEARD", true},          {"KEY", columns.keys}, {"HEARTBEAT", columns.heartbeats},
                {"ROLES", columns.roles}, {"USED", true}};
    const size_t hidden = !columns.keys + !columns.heartbeats + !columns.roles;
    const json_t *peer;
    struct table table;
    size_t i;

    table_begin(&table, sizeof(head) / sizeof(*head) - hidden, &"llllllll"[hidden]);
    for (i = 0; i < sizeof(head) / sizeof(*head); i++) {
        if (head[i].shown)
            table_cell(&table, head[i].name);
    }
    json_array_foreach(peers, i, peer) show_peer(&table, peer, columns);
    table_print(&table, stdout);
    table_end(&table);
}

int cmd_peers(struct pond *pond)
{
    json_t *json;
    enum pond_exit status = ask_json(pond, "peers", "/.pond/peers", &json);

    if (status != POND_DONE)
        return status;
    if (args_given(pond->args, OPTION_JSON))
        ask_print_json(json);
    else
        show_peers(json_object_get(json, "peers"));
    json_decref(json);
    return POND_DONE;
}
