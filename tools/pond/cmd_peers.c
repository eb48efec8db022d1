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

static void show_peers(const json_t *peers)
{
    static const char *const head[] = {"NODE", "ADDRESS", "MEMBER", "HEARD", "USED"};
    const json_t *peer;
    struct table table;
    size_t i;

    table_begin(&table, 5, "lllll");
    for (i = 0; i < 5; i++)
        table_cell(&table, head[i]);
    json_array_foreach(peers, i, peer)
    {
        table_cell(&table, field_text(peer, "node", "-"));
        table_cell(&table, field_text(peer, "address", "-"));
        table_cell(&table, field_true(peer, "member") ? "yes" : "no");
        show_heard(&table, peer);
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
