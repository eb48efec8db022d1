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

/* "paris backup 1+100 demoted, core slave". */
static void show_tiers(struct table *table, const json_t *peer)
{
    char shown[1024];
    struct text text = TEXT_OVER(shown);
    const json_t *tiers = json_object_get(peer, "tiers"), *tier;
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

/* Flat meshes have no roles to show. */
static bool have_roles(const json_t *peers)
{
    const json_t *peer;
    size_t i;

    json_array_foreach(peers, i, peer)
    {
        if (json_array_size(json_object_get(peer, "tiers")))
            return true;
    }
    return false;
}

static void show_peers(const json_t *peers)
{
    static const char *const head[] = {"NODE", "ADDRESS", "MEMBER", "HEARD", "ROLES", "USED"};
    bool roles = have_roles(peers);
    const json_t *peer;
    struct table table;
    size_t i;

    table_begin(&table, roles ? 6 : 5, roles ? "llllll" : "lllll");
    for (i = 0; i < 6; i++) {
        if (roles || i != 4)
            table_cell(&table, head[i]);
    }
    json_array_foreach(peers, i, peer)
    {
        table_cell(&table, field_text(peer, "node", "-"));
        table_cell(&table, field_text(peer, "address", "-"));
        table_cell(&table, field_true(peer, "member") ? "yes" : "no");
        show_heard(&table, peer);
        if (roles)
            show_tiers(&table, peer);
        show_use(&table, peer);
    }
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
