/* SPDX-License-Identifier: ISC */
#include "conf/print.h"

#include <string.h>

#include "conf/file.h"
#include "conf/rows.h"
#include "conf/tiers.h"
#include "conf/value.h"

enum { TIERS_SHOWN = 1024 };

static struct span folder_of(const char *file)
{
    const char *base = file_base_name(file);
    size_t len = (size_t)(base - file);

    return (struct span){file, len ? len - 1 : 0};
}

static void print_setting(const struct conf *conf, const struct conf_row *row, const void *field,
                          const char *indent, FILE *out)
{
    if (!value_is_set(row, field))
        return;
    fprintf(out, "%s%s = ", indent, row->name);
    value_print(row, field, folder_of(conf->file), out);
    fputs(";\n", out);
}

/* Those that were made for the tier itself. */
static void print_tier_settings(const struct conf *conf, const struct conf_tier *tier, FILE *out)
{
    fprintf(out, "    %s = {\n", tier->name);
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if (conf_rows[i].place == CONF_PLACE_TIER && tier->from[i].file)
            print_setting(conf, &conf_rows[i], (const char *)tier + conf_rows[i].tier_offset,
                          "      ", out);
    fputs("    };\n", out);
}

static void print_tiers(const struct conf *conf, FILE *out)
{
    if (conf->tiers.count == 0)
        return;
    fputs("  tiers = {\n", out);
    for (size_t i = 0; i < conf->tiers.count; i++)
        print_tier_settings(conf, &conf->tiers.list[i], out);
    fputs("  };\n", out);
}

static void print_gossip(const struct conf *conf, FILE *out)
{
    if (!conf->from[CONF_NODE_gossip].file)
        return;
    fputs("  gossip = {\n", out);
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if (conf_rows[i].place == CONF_PLACE_GOSSIP)
            print_setting(conf, &conf_rows[i], (const char *)&conf->gossip + conf_rows[i].offset,
                          "    ", out);
    fputs("  };\n", out);
}

static void print_settings(const struct conf *conf, FILE *out)
{
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++) {
        const struct conf_row *row = &conf_rows[i];
        if (row->type == CONF_TYPE_TIERS_GROUP)
            print_tiers(conf, out);
        else if (row->type == CONF_TYPE_GOSSIP_GROUP)
            print_gossip(conf, out);
        else if (row->place != CONF_PLACE_GOSSIP)
            print_setting(conf, row, (const char *)conf + row->offset, "  ", out);
    }
}

static void print_keys(const struct conf *conf, FILE *out)
{
    if (conf->hmac_keys)
        fprintf(out, "// keys: %zu%s\n", conf->keys.count, conf->keys.any ? ", and +ANY+" : "");
    else
        fputs("// keys: none\n", out);
}

static void print_rules(const struct conf *conf, FILE *out)
{
    if (conf->rules)
        fprintf(out, "// rules: %zu\n", conf->rules->count);
}

/* The candidates but this host itself: whom a slave follows, and a backup. */
static void print_followed(const struct nets *nets, const struct nets_member *self, FILE *out)
{
    char text[ADDRESS_TEXT_SIZE];
    bool any = false;

    for (size_t i = 0; i < nets->count; i++) {
        const struct nets_member *m = &nets->members[i];
        if (m->role != NETS_CANDIDATE || m == self)
            continue;
        fprintf(out, "%s%s", any ? ", " : "; could follow ", network_text(&m->network, text));
        any = true;
    }
    if (!any)
        fputs("; has nobody to follow", out);
}

/* Of a host whose addresses are not known: what it may be. */
static void print_possible(const struct nets *nets, FILE *out)
{
    char text[ADDRESS_TEXT_SIZE];
    bool any = false;

    if (!nets->roles) {
        fputs("peer", out);
        return;
    }
    for (size_t i = 0; i < nets->count; i++) {
        const struct nets_member *m = &nets->members[i];
        if (m->role != NETS_CANDIDATE)
            continue;
        fprintf(out, "%s%s", any ? " or " : "candidate if it is ", network_text(&m->network, text));
        any = true;
    }
    fputs(any ? ", else slave" : "slave", out);
}

static void print_role(const struct conf *conf, const struct nets *nets, FILE *out)
{
    const struct nets_member *self = NULL;
    char text[ADDRESS_TEXT_SIZE];
    size_t own;

    if (conf->own_known)
        self = nets_find_own(nets, conf->own.list, conf->own.count, &own);
    if (self)
        fprintf(out, "%s, at %s", nets_role_name(self->role),
                address_host_text(&conf->own.list[own], text));
    else
        print_possible(nets, out);
    if (nets->roles)
        print_followed(nets, self, out);
}

static void print_tier(const struct conf *conf, const struct nets *nets, const struct tiers *tiers,
                       FILE *out)
{
    char memory[TIERS_SHOWN];
    struct text above = TEXT_OVER(memory);

    fprintf(out, "// tier %s: ", nets->tier);
    print_role(conf, nets, out);
    tiers_above(tiers, nets, &above);
    if (above.len)
        fprintf(out, "; hangs below %s", memory);
    putc('\n', out);
}

/* What this host's tiers are to each other, as far as it is in them. */
static void print_nets(const struct conf *conf, FILE *out)
{
    struct report *unheard = report_new();
    struct tiers *tiers = tiers_new();

    tiers_add_host(tiers, conf, unheard);
    for (size_t i = 0; i < conf->nets.count; i++)
        if (conf->nets_files[i])
            print_tier(conf, conf->nets_files[i], tiers, out);
    tiers_free(tiers);
    report_free(unheard);
}

void print_conf(const struct conf *conf, FILE *out)
{
    fprintf(out, "// %s\n", conf->node);
    if (conf->match) {
        fputs("hosts = ( {\n  match = ", out);
        value_print_text(conf->match, out);
        fputs(";\n", out);
    } else {
        fputs("defaults = {\n", out);
    }
    print_settings(conf, out);
    fputs(conf->match ? "} );\n" : "};\n", out);
    print_keys(conf, out);
    print_rules(conf, out);
    print_nets(conf, out);
}
