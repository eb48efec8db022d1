/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <stdio.h>

#include "tools/pond/ask.h"
#include "tools/pond/figure.h"
#include "tools/pond/table.h"

static void show_verdicts(const json_t *verdicts)
{
    const json_t *verdict;
    struct table table;
    size_t i;

    table_begin(&table, 3, "rll");
    table_cell(&table, "COUNT");
    table_cell(&table, "VERDICT");
    table_cell(&table, "WHICH MEANS");
    json_array_foreach(verdicts, i, verdict)
    {
        char count[32];
        struct text text = TEXT_OVER(count);

        figure_count(&text, field_count(verdict, "count"));
        table_cell(&table, count);
        table_cell(&table, field_text(verdict, "verdict", "-"));
        table_cell(&table, field_text(verdict, "sentence", "-"));
    }
    table_print(&table, stdout);
    table_end(&table);
}

int cmd_gate(struct pond *pond)
{
    json_t *json;
    enum pond_exit status = ask_json(pond, "gate", "/.pond/gate", &json);

    if (status != POND_DONE)
        return status;
    if (args_given(pond->args, OPTION_JSON)) {
        ask_print_json(json);
    } else {
        if (json_array_size(json_object_get(json, "rules")) == 0)
            puts("RULES   none: nets, nobroadcast and the keys decide");
        show_verdicts(json_object_get(json, "verdicts"));
    }
    json_decref(json);
    return POND_DONE;
}
