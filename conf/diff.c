/* SPDX-License-Identifier: ISC */
#include "conf/diff.h"

#include <stdlib.h>
#include <string.h>

#include "conf/rows.h"
#include "conf/value.h"
#include "src/base/must.h"

/* As it would be printed; free() it. */
static char *printed(const struct conf_row *row, const void *field)
{
    size_t size;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);

    MUST(out != NULL);
    if (value_is_set(row, field))
        value_print(row, field, span_of(""), out);
    MUST(fclose(out) == 0 && text != NULL);
    return text;
}

/* ---- settings -------------------------------------------------------------------------------- */

void conf_restart_wanted(const struct conf *old, const struct conf *new, struct text *out)
{
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++) {
        const struct conf_row *row = &conf_rows[i];
        char *was, *is;
        if (row->live)
            continue;
        was = printed(row, (const char *)old + row->offset);
        is = printed(row, (const char *)new + row->offset);
        if (strcmp(was, is) != 0)
            text_printf(out, "%s%s", out->len ? ", " : "", row->name);
        free(was);
        free(is);
    }
}

bool conf_keys_come_or_go(const struct conf *old, const struct conf *new)
{
    return (old->keys.count > 0) != (new->keys.count > 0);
}

static void diff_setting(const struct conf_differ *differ, const struct conf_row *row,
                         const char *tier, const void *old, const void *new)
{
    char *was = printed(row, old), *is = printed(row, new);

    if (strcmp(was, is) != 0)
        differ->setting(differ->arg, row->name, tier, was, is);
    free(was);
    free(is);
}

static void diff_settings(const struct conf *old, const struct conf *new,
                          const struct conf_differ *differ)
{
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++) {
        const struct conf_row *row = &conf_rows[i];
        if (row->live && row->place != CONF_PLACE_GOSSIP)
            diff_setting(differ, row, NULL, (const char *)old + row->offset,
                         (const char *)new + row->offset);
    }
}

/* Below `gossip`, and nothing of it where that is not there. */
static void diff_gossip(const struct conf *old, const struct conf *new,
                        const struct conf_differ *differ)
{
    bool was_on = conf_gossips(old), is_on = conf_gossips(new);

    for (size_t i = 0; i < CONF_OPTION_COUNT; i++) {
        const struct conf_row *row = &conf_rows[i];
        char memory[64], *was, *is;
        struct text name = TEXT_OVER(memory);
        if (row->place != CONF_PLACE_GOSSIP)
            continue;
        text_printf(&name, "gossip.%s", row->name);
        was = was_on ? printed(row, (const char *)&old->gossip + row->offset) : strdup("");
        is = is_on ? printed(row, (const char *)&new->gossip + row->offset) : strdup("");
        MUST(was != NULL && is != NULL);
        if (strcmp(was, is) != 0)
            differ->setting(differ->arg, memory, NULL, was, is);
        free(was);
        free(is);
    }
}

/* What holds in the tier: its own setting, or the node's. *own: it is its own. */
static const void *tier_field(const struct conf *conf, const char *tier, size_t row, bool *own)
{
    const struct conf_tier *found = conf_tier_find(conf, tier);

    if (!found)
        return (const char *)conf + conf_rows[row].offset;
    *own = *own || found->from[row].file;
    return (const char *)found + conf_rows[row].tier_offset;
}

static void diff_tier_settings(const struct conf *old, const struct conf *new, const char *tier,
                               const struct conf_differ *differ)
{
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++) {
        bool own = false;
        const void *was, *is;
        if (!conf_rows[i].live || conf_rows[i].place != CONF_PLACE_TIER)
            continue;
        was = tier_field(old, tier, i, &own);
        is = tier_field(new, tier, i, &own);
        if (own)
            diff_setting(differ, &conf_rows[i], tier, was, is);
    }
}

static void diff_all_tier_settings(const struct conf *old, const struct conf *new,
                                   const struct conf_differ *differ)
{
    for (size_t i = 0; i < new->tiers.count; i++)
        diff_tier_settings(old, new, new->tiers.list[i].name, differ);
    for (size_t i = 0; i < old->tiers.count; i++)
        if (!conf_tier_find(new, old->tiers.list[i].name))
            diff_tier_settings(old, new, old->tiers.list[i].name, differ);
}

/* ---- members --------------------------------------------------------------------------------- */

static const struct nets *find_tier(const struct conf *conf, const char *tier)
{
    for (size_t i = 0; i < conf->nets.count; i++)
        if (strcmp(conf->nets_files[i]->tier, tier) == 0)
            return conf->nets_files[i];
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const struct nets_member *left = *(const struct nets_member *const *)a;
    const struct nets_member *right = *(const struct nets_member *const *)b;
    int order = address_compare(&left->network.base, &right->network.base);

    return order ? order : (int)left->network.bits - (int)right->network.bits;
}

/* In the order of their networks, each once; free() it. */
static const struct nets_member **sorted(const struct nets *nets, size_t *count)
{
    const struct nets_member **list = calloc(nets->count + 1, sizeof(*list));
    size_t kept = 0;

    MUST(list != NULL);
    for (size_t i = 0; i < nets->count; i++)
        list[i] = &nets->members[i];
    qsort(list, nets->count, sizeof(*list), compare);
    for (size_t i = 0; i < nets->count; i++)
        if (kept == 0 || compare(&list[kept - 1], &list[i]) != 0)
            list[kept++] = list[i];
    *count = kept;
    return list;
}

static void diff_members(const struct nets *old, const struct nets *new,
                         const struct conf_differ *differ)
{
    size_t old_count, new_count, i = 0, j = 0;
    const struct nets_member **was = sorted(old, &old_count), **is = sorted(new, &new_count);

    while (i < old_count || j < new_count) {
        int order = i == old_count ? 1 : j == new_count ? -1 : compare(&was[i], &is[j]);
        const struct nets_member *left = order <= 0 ? was[i++] : NULL;
        const struct nets_member *right = order >= 0 ? is[j++] : NULL;
        if (!left || !right || left->role != right->role)
            differ->member(differ->arg, new->tier, left, right);
    }
    free(was);
    free(is);
}

static void diff_tiers(const struct conf *old, const struct conf *new,
                       const struct conf_differ *differ)
{
    for (size_t i = 0; i < new->nets.count; i++) {
        const struct nets *nets = new->nets_files[i], *was = find_tier(old, nets->tier);
        if (was)
            diff_members(was, nets, differ);
        else
            differ->tier(differ->arg, nets->tier, true);
    }
    for (size_t i = 0; i < old->nets.count; i++)
        if (!find_tier(new, old->nets_files[i]->tier))
            differ->tier(differ->arg, old->nets_files[i]->tier, false);
}

/* ---- rules ----------------------------------------------------------------------------------- */

static bool same_rule(const struct rule *old, const struct rule *new)
{
    char was[RULE_TEXT_SIZE], is[RULE_TEXT_SIZE];
    struct text old_text = TEXT_OVER(was), new_text = TEXT_OVER(is);

    rule_print(old, &old_text);
    rule_print(new, &new_text);
    return strcmp(was, is) == 0;
}

static bool same_rules(const struct rules *old, const struct rules *new)
{
    size_t old_count = old ? old->count : 0, new_count = new ? new->count : 0;

    if (old_count != new_count)
        return false;
    for (size_t i = 0; i < old_count; i++)
        if (!same_rule(&old->list[i], &new->list[i]))
            return false;
    return true;
}

void conf_diff(const struct conf *old, const struct conf *new, const struct conf_differ *differ)
{
    diff_settings(old, new, differ);
    diff_gossip(old, new, differ);
    diff_all_tier_settings(old, new, differ);
    diff_tiers(old, new, differ);
    if (!same_rules(old->rules, new->rules))
        differ->rules(differ->arg);
}
