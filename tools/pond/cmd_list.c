/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "src/base/must.h"
#include "tools/pond/ask.h"
#include "tools/pond/figure.h"
#include "tools/pond/table.h"

enum { RM_MOST_S = 60, NANOSECONDS = 1000000000, STATE_SIZE = 32 };

/* ---- ls -------------------------------------------------------------------------------------- */

struct listing {
    bool json;
    struct table table;
    uint64_t shown;
};

/* What a person typed as a prefix: nothing, the domain or anything below it, with or without a
 * slash at its end. */
static enum pond_exit complete_prefix(struct pond *pond, const char *typed, char out[NAME_SIZE])
{
    struct span prefix = span_of(typed ? typed : "");
    enum pond_exit status = pond_domain(pond);
    enum name_verdict verdict;

    out[0] = '\0';
    if (status != POND_DONE)
        return status;
    while (prefix.len && prefix.at[prefix.len - 1] == '/')
        prefix.len--;
    if (prefix.len == 0 || span_is(prefix, pond->domain))
        return POND_DONE;
    verdict = name_complete(prefix, pond->domain, out);
    if (verdict != NAME_OK)
        return say_exit(POND_USAGE, "\"%s\" is no prefix of names: %s", typed,
                        name_sentence(verdict));
    return POND_DONE;
}

static void list_as_json(struct listing *listing, const json_t *object)
{
    fputs(listing->shown ? ",\n  " : "\n  ", stdout);
    json_dumpf(object, stdout, ASK_JSON_FLAGS);
}

/* "here, unverified" */
static const char *state_of(const json_t *object, const char *state, char out[STATE_SIZE])
{
    struct text text = text_over(out, STATE_SIZE);

    text_puts(&text, state);
    if (field_true(object, "unverified"))
        text_puts(&text, ", unverified");
    return out;
}

static void list_as_row(struct listing *listing, const json_t *object)
{
    char size[32], date[64], state[STATE_SIZE];
    struct text text = TEXT_OVER(size), when = TEXT_OVER(date);
    double mtime_ns;

    figure_count(&text, field_count(object, "size"));
    if (field_number(object, "mtime_ns", &mtime_ns))
        figure_time(&when, (int64_t)(mtime_ns / NANOSECONDS));
    else
        text_putc(&when, '-');
    table_cell(&listing->table, size);
    table_cell(&listing->table, date);
    table_cell(&listing->table, field_text(object, "version", "-"));
    table_cell(&listing->table,
               state_of(object, field_true(object, "held") ? "here" : "away", state));
    table_cell(&listing->table, field_text(object, "name", "-"));
}

static void list_page(struct listing *listing, const json_t *page)
{
    const json_t *object;
    size_t i;

    json_array_foreach(json_object_get(page, "objects"), i, object)
    {
        if (listing->json)
            list_as_json(listing, object);
        else
            list_as_row(listing, object);
        listing->shown++;
    }
    if (!listing->json)
        table_print(&listing->table, stdout);
}

/* The name that the next page begins behind, or an empty one at the end. A page that does not lead
 * on would keep us for ever. */
static enum pond_exit turn_page(const json_t *page, char after[NAME_SIZE])
{
    const json_t *objects = json_object_get(page, "objects");
    size_t count = json_array_size(objects);
    const char *last = count ? field_text(json_array_get(objects, count - 1), "name", "") : "";
    bool more = field_true(page, "more");

    if (more && (strcmp(last, after) <= 0 || !span_copy(span_of(last), after, NAME_SIZE)))
        return say_exit(POND_FAILED, "ls: the daemon's list does not go on: see its log");
    if (!more)
        after[0] = '\0';
    return POND_DONE;
}

static enum pond_exit list_all(struct pond *pond, struct listing *listing, const char *prefix)
{
    char after[NAME_SIZE] = "";
    enum pond_exit status;

    do {
        char target[TARGET_SIZE];
        struct text text = TEXT_OVER(target);
        json_t *page;

        text_puts(&text, "/.pond/list?");
        pond_query(&text, "prefix", prefix);
        text_putc(&text, '&');
        pond_query(&text, "after", after);
        MUST(!text.full);
        status = ask_json(pond, "ls", target, &page);
        if (status != POND_DONE)
            return status;
        list_page(listing, page);
        status = turn_page(page, after);
        json_decref(page);
    } while (status == POND_DONE && after[0]);
    return status;
}

int cmd_ls(struct pond *pond)
{
    const char *typed = pond->args->words[0];
    struct listing listing = {.json = args_given(pond->args, OPTION_JSON)};
    char prefix[NAME_SIZE];
    enum pond_exit status = complete_prefix(pond, typed, prefix);

    if (status != POND_DONE)
        return status;
    table_begin(&listing.table, 5, "rlrll");
    if (listing.json)
        fputs("{\"format\": 1, \"objects\": [", stdout);
    status = list_all(pond, &listing, prefix);
    if (listing.json && status == POND_DONE)
        fputs(listing.shown ? "\n]}\n" : "]}\n", stdout);
    table_end(&listing.table);
    if (status == POND_DONE && prefix[0] && listing.shown == 0)
        return say_exit(POND_NOT_FOUND, "ls: there is nothing below %s", prefix);
    return status;
}

/* ---- rm -------------------------------------------------------------------------------------- */

int cmd_rm(struct pond *pond)
{
    char name[NAME_SIZE], target[TARGET_SIZE], what[NAME_SIZE + 8];
    struct text text = TEXT_OVER(target);
    struct call call = {.method = "DELETE", .target = target, .most_s = RM_MOST_S};
    struct answer answer;
    enum pond_exit status = pond_name(pond, pond->args->words[0], name);

    if (status != POND_DONE)
        return status;
    name_to_target(span_of(name), &text);
    snprintf(what, sizeof(what), "rm %s", name);
    return pond_do(pond, what, &call, &answer);
}

/* ---- whohas ---------------------------------------------------------------------------------- */

static void show_answer(struct table *table, const json_t *answer)
{
    bool deleted = field_true(answer, "deleted"), held = field_true(answer, "held");
    char size[32], state[STATE_SIZE];
    struct text text = TEXT_OVER(size);

    if (deleted)
        text_putc(&text, '-');
    else
        figure_count(&text, field_count(answer, "size"));
    table_cell(table, field_text(answer, "node", "-"));
    table_cell(table, field_text(answer, "tier", "-"));
    table_cell(table, field_true(answer, "own") ? "this node" : field_text(answer, "address", "-"));
    table_cell(table, field_text(answer, "version", "-"));
    table_cell(table, size);
    table_cell(table,
               deleted ? "removed" : state_of(answer, held ? "has it" : "knows of it", state));
}

static void show_answers(const json_t *answers)
{
    static const char *const head[] = {"NODE", "TIER", "ADDRESS", "VERSION", "SIZE", "STATE"};
    const json_t *answer;
    struct table table;
    size_t i;

    table_begin(&table, 6, "lllrrl");
    for (i = 0; i < 6; i++)
        table_cell(&table, head[i]);
    json_array_foreach(answers, i, answer)
    {
        show_answer(&table, answer);
    }
    table_print(&table, stdout);
    table_end(&table);
}

/* Who reads the list is to know that it is not all. */
static void say_missing(const char *what, const json_t *missing)
{
    const json_t *sentence;
    size_t i;

    json_array_foreach(missing, i, sentence)
    {
        if (json_is_string(sentence))
            say("%s: %s", what, json_string_value(sentence));
    }
}

int cmd_whohas(struct pond *pond)
{
    char name[NAME_SIZE], target[TARGET_SIZE], what[NAME_SIZE + 8];
    struct text text = TEXT_OVER(target);
    enum pond_exit status = pond_name(pond, pond->args->words[0], name);
    bool any;
    json_t *json;

    if (status != POND_DONE)
        return status;
    text_puts(&text, "/.pond/whohas?");
    pond_query(&text, "name", name);
    snprintf(what, sizeof(what), "whohas %s", name);
    status = ask_json(pond, what, target, &json);
    if (status != POND_DONE)
        return status;
    any = json_array_size(json_object_get(json, "answers")) > 0;
    if (args_given(pond->args, OPTION_JSON))
        ask_print_json(json);
    else if (any)
        show_answers(json_object_get(json, "answers"));
    say_missing(what, json_object_get(json, "missing"));
    json_decref(json);
    return any ? POND_DONE : say_exit(POND_NOT_FOUND, "whohas %s: nobody answered for it", name);
}
