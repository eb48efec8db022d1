/* SPDX-License-Identifier: ISC */
#include "tools/pond/pond.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/pond/ask.h"

/* pond reload: what the daemon says that it changed, for people; src/reload.h has the format. */
enum { SHOWN_MAX = 40 /* members: of more it is said how many */ };

static void print_line(const char *line)
{
    char shown[1024];
    struct text text = TEXT_OVER(shown);

    text_puts(&text, line);
    say_clean(shown);
    puts(shown);
}

/* A value as in main.cf, or that there is none. */
static const char *value(const json_t *setting, const char *key)
{
    const char *text = field_text(setting, key, "");

    return *text ? text : "not set";
}

static void print_settings(const json_t *list)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        const char *tier = field_text(one, "tier", NULL);
        char line[1024];
        snprintf(line, sizeof(line), "%s%s%s: %s -> %s", tier ? tier : "", tier ? "/" : "",
                 field_text(one, "name", "?"), value(one, "was"), value(one, "is"));
        print_line(line);
    }
}

static void print_tiers(const json_t *list)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        char line[256];
        snprintf(line, sizeof(line), "tier %s: %s", field_text(one, "tier", "?"),
                 field_text(one, "change", "?"));
        print_line(line);
    }
}

static void print_member(const json_t *one)
{
    const char *was = field_text(one, "was", NULL), *is = field_text(one, "is", NULL);
    const char *tier = field_text(one, "tier", "?"), *member = field_text(one, "member", "?");
    char line[256];

    if (!was)
        snprintf(line, sizeof(line), "%s: %s added, %s", tier, member, is ? is : "?");
    else if (!is)
        snprintf(line, sizeof(line), "%s: %s removed", tier, member);
    else
        snprintf(line, sizeof(line), "%s: %s is %s now, was %s", tier, member, is, was);
    print_line(line);
}

static void print_members(const json_t *members)
{
    const json_t *list = json_object_get(members, "list"), *one;
    uint64_t all = field_count(members, "added") + field_count(members, "removed") +
                   field_count(members, "changed");
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (i == SHOWN_MAX)
            break;
        print_member(one);
    }
    if (all > i)
        printf("and %" PRIu64 " more: %" PRIu64 " members added, %" PRIu64 " removed, %" PRIu64
               " of another role in all\n",
               all - i, field_count(members, "added"), field_count(members, "removed"),
               field_count(members, "changed"));
}

static void print_restart(const json_t *list)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        char line[256];
        snprintf(line, sizeof(line), "%s: counts from the next start: restart carpond",
                 json_string_value(one) ? json_string_value(one) : "?");
        print_line(line);
    }
}

static void say_all(const json_t *list)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
        say("%s", json_string_value(one) ? json_string_value(one) : "?");
}

static void print_changes(const json_t *outcome)
{
    if (strcmp(field_text(outcome, "result", ""), "unchanged") == 0)
        puts("nothing has changed");
    print_settings(json_object_get(outcome, "settings"));
    print_tiers(json_object_get(outcome, "tiers"));
    print_members(json_object_get(outcome, "members"));
    if (field_true(outcome, "keys"))
        puts("keys: others");
    if (field_true(outcome, "rules"))
        puts("rules of the gate: others");
    print_restart(json_object_get(outcome, "restart"));
}

int cmd_reload(struct pond *pond)
{
    json_t *outcome;
    enum pond_exit status = ask_json_by(pond, "reload", "POST", "/.pond/reload", &outcome);
    bool faulty;

    if (status != POND_DONE)
        return status;
    faulty = strcmp(field_text(outcome, "result", ""), "faulty") == 0;
    if (args_given(pond->args, OPTION_JSON)) {
        ask_print_json(outcome);
    } else {
        say_all(json_object_get(outcome, "warnings"));
        say_all(json_object_get(outcome, "errors"));
        if (!faulty)
            print_changes(outcome);
    }
    json_decref(outcome);
    return faulty ? (int)say_exit(POND_FAILED, "reload: nothing was changed") : POND_DONE;
}
