/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <inttypes.h>
#include <stdio.h>

#include "cache/pick.h"
#include "src/base/must.h"
#include "tools/pond/ask.h"
#include "tools/pond/figure.h"
#include "tools/pond/table.h"

enum { MILLISECONDS = 1000, SHOWN_DIGITS = 8 };

struct conflicts {
    bool json;
    struct table table;
    uint64_t shown;
};

static void show_head(struct conflicts *all)
{
    static const char *const head[] = {"VERSION", "SIZE", "NODE", "STATE", "KEPT UNTIL", "NAME"};

    for (size_t i = 0; i < sizeof(head) / sizeof(*head); i++)
        table_cell(&all->table, head[i]);
}

/* As `get --version` takes it: another one may be of the same moment. */
static void put_version(struct text *out, const json_t *one)
{
    text_puts(out, field_text(one, "version", "-"));
    if (!field_true(one, "deleted"))
        text_printf(out, "/%.*s", SHOWN_DIGITS, field_text(one, "sha256", ""));
}

static void show(struct conflicts *all, const json_t *one)
{
    bool deleted = field_true(one, "deleted");
    char version[PICK_SIZE], size[32], until[64];
    struct text pick = TEXT_OVER(version), text = TEXT_OVER(size), when = TEXT_OVER(until);
    double ms;

    if (deleted)
        text_putc(&text, '-');
    else
        figure_count(&text, field_count(one, "size"));
    if (field_number(one, "until_ms", &ms))
        figure_time(&when, (int64_t)(ms / MILLISECONDS));
    else
        text_putc(&when, '-');
    put_version(&pick, one);
    table_cell(&all->table, version);
    table_cell(&all->table, size);
    table_cell(&all->table, field_text(one, "node", "-"));
    table_cell(&all->table, deleted ? "removal" : field_true(one, "held") ? "here" : "away");
    table_cell(&all->table, until);
    table_cell(&all->table, field_text(one, "name", "-"));
}

static void show_page(struct conflicts *all, const json_t *page)
{
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(page, "conflicts"), i, one)
    {
        if (all->json) {
            fputs(all->shown ? ",\n  " : "\n  ", stdout);
            json_dumpf(one, stdout, ASK_JSON_FLAGS);
        } else {
            if (all->shown == 0)
                show_head(all);
            show(all, one);
        }
        all->shown++;
    }
    if (!all->json)
        table_print(&all->table, stdout);
}

/* *after: the place behind which the next page begins; 0 at the end. A page that does not lead on
 * would keep us for ever. */
static enum pond_exit turn_page(const json_t *page, uint64_t *after)
{
    const json_t *list = json_object_get(page, "conflicts");
    size_t count = json_array_size(list);
    uint64_t last = count ? field_count(json_array_get(list, count - 1), "place") : 0;
    bool more = field_true(page, "more");

    if (more && last <= *after)
        return say_exit(POND_FAILED, "conflicts: the daemon's list does not go on: see its log");
    *after = more ? last : 0;
    return POND_DONE;
}

int cmd_conflicts(struct pond *pond)
{
    struct conflicts all = {.json = args_given(pond->args, OPTION_JSON)};
    enum pond_exit status;
    uint64_t after = 0;

    table_begin(&all.table, 6, "lrllll");
    if (all.json)
        fputs("{\"format\": 1, \"conflicts\": [", stdout);
    do {
        char target[64];
        json_t *page;

        snprintf(target, sizeof(target), "/.pond/conflicts?after=%" PRIu64, after);
        status = ask_json(pond, "conflicts", target, &page);
        if (status != POND_DONE)
            break;
        show_page(&all, page);
        status = turn_page(page, &after);
        json_decref(page);
    } while (status == POND_DONE && after);
    if (all.json && status == POND_DONE)
        fputs(all.shown ? "\n]}\n" : "]}\n", stdout);
    table_end(&all.table);
    return status;
}
