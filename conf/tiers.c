/* SPDX-License-Identifier: ISC */
#include "conf/tiers.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

enum { ADDRESSES_SHOWN = 4 };

/* A candidate of `below` is a slave in `above`. */
struct hang {
    const struct nets *below, *above;
    const struct nets_member *candidate;
    bool sure; /* the files say so, not the interfaces of the host that reads them */
};

/* Two tiers that one host names together. */
struct pair {
    const struct nets *a, *b;
};

struct tiers {
    struct hang *hangs;
    size_t hang_count, hang_room;
    struct pair *pairs;
    size_t pair_count, pair_room;
};

static struct conf_origin nets_origin(const struct conf *conf)
{
    struct conf_origin origin = conf->from[CONF_NODE_nets];

    return origin.file ? origin : (struct conf_origin){conf->file, 0};
}

static const struct nets_member *own_member(const struct conf *conf, const struct nets *nets)
{
    size_t own;

    return conf->own_known && nets ? nets_find_own(nets, conf->own.list, conf->own.count, &own)
                                   : NULL;
}

static void report_stranger(const struct conf *conf, const struct nets *nets, struct report *report)
{
    struct conf_origin origin = nets_origin(conf);
    char memory[ADDRESSES_SHOWN * (ADDRESS_TEXT_SIZE + 2)], one[ADDRESS_TEXT_SIZE];
    struct text list = TEXT_OVER(memory);

    for (size_t i = 0; i < conf->own.count && i < ADDRESSES_SHOWN; i++)
        text_printf(&list, "%s%s", i ? ", " : "", address_host_text(&conf->own.list[i], one));
    report_error(report, origin.file, origin.line,
                 "%s has none of %s's own addresses (%s%s) in it: add the right one there, or take "
                 "the file out of nets%s",
                 nets->file, conf->node ? conf->node : "this host", memory,
                 conf->own.count > ADDRESSES_SHOWN ? ", ..." : "",
                 conf_on_loopback_alone(conf) && !conf->from[CONF_NODE_address].file
                     ? "; without keys it is on loopback alone"
                     : "");
}

static void check_names(const struct conf *conf, size_t i, struct report *report)
{
    const struct nets *nets = conf->nets_files[i];
    struct conf_origin origin = nets_origin(conf);

    for (size_t j = 0; j < i; j++)
        if (conf->nets_files[j] && strcmp(conf->nets_files[j]->tier, nets->tier) == 0)
            report_error(report, origin.file, origin.line,
                         "nets names the tier %s twice (%s, %s): a tier is named after its file, "
                         "so leave one out or rename it",
                         nets->tier, conf->nets_files[j]->file, nets->file);
}

/* A group is of the family of our address in the tier, by which adverts are sent to it. */
static void check_group(const struct conf *conf, const struct nets *nets, struct report *report)
{
    const struct conf_tier *tier = conf_tier_find(conf, nets->tier);
    const struct address *group = tier ? &tier->advert_addr : &conf->advert_addr;
    struct conf_origin origin = conf->from[CONF_TIER_advert_addr];
    size_t own = 0;

    if (tier && tier->from[CONF_TIER_advert_addr].file)
        origin = tier->from[CONF_TIER_advert_addr];
    if (!nets->roles || address_is_any(group) ||
        !nets_find_own(nets, conf->own.list, conf->own.count, &own) ||
        address_is_v4(group) == address_is_v4(&conf->own.list[own]))
        return;
    report_error(report, origin.file, origin.line,
                 "advert_addr is an %s group, and this host's address in the tier %s is an %s one: "
                 "say another for it in `tiers`, or \"\" for unicast",
                 address_is_v4(group) ? "IPv4" : "IPv6", nets->tier,
                 address_is_v4(group) ? "IPv6" : "IPv4");
}

void tiers_check_host(const struct conf *conf, struct report *report)
{
    struct conf_origin origin = nets_origin(conf);
    const struct nets *followed = NULL;

    for (size_t i = 0; i < conf->nets.count; i++) {
        const struct nets *nets = conf->nets_files[i];
        const struct nets_member *self = own_member(conf, nets);
        if (!nets)
            continue;
        check_names(conf, i, report);
        if (conf->own_known && !self)
            report_stranger(conf, nets, report);
        if (self)
            check_group(conf, nets, report);
        if (!self || self->role != NETS_SLAVE)
            continue;
        if (followed)
            report_error(report, origin.file, origin.line,
                         "%s is a slave in %s and in %s: a host can follow one tier only",
                         conf->node ? conf->node : "this host", followed->file, nets->file);
        followed = nets;
    }
}

struct tiers *tiers_new(void)
{
    struct tiers *tiers = calloc(1, sizeof(*tiers));

    MUST(tiers != NULL);
    return tiers;
}

void tiers_free(struct tiers *tiers)
{
    if (!tiers)
        return;
    free(tiers->hangs);
    free(tiers->pairs);
    free(tiers);
}

static void add_hang(struct tiers *tiers, struct hang hang)
{
    for (size_t i = 0; i < tiers->hang_count; i++) {
        struct hang *h = &tiers->hangs[i];
        if (h->candidate == hang.candidate && h->above == hang.above) {
            h->sure = h->sure || hang.sure;
            return;
        }
    }
    if (tiers->hang_count == tiers->hang_room) {
        tiers->hang_room = tiers->hang_room ? 2 * tiers->hang_room : 16;
        tiers->hangs = realloc(tiers->hangs, tiers->hang_room * sizeof(*tiers->hangs));
        MUST(tiers->hangs != NULL);
    }
    tiers->hangs[tiers->hang_count++] = hang;
}

/* False where the pair was there before. */
static bool add_pair(struct tiers *tiers, const struct nets *a, const struct nets *b)
{
    for (size_t i = 0; i < tiers->pair_count; i++)
        if (tiers->pairs[i].a == a && tiers->pairs[i].b == b)
            return false;
    if (tiers->pair_count == tiers->pair_room) {
        tiers->pair_room = tiers->pair_room ? 2 * tiers->pair_room : 16;
        tiers->pairs = realloc(tiers->pairs, tiers->pair_room * sizeof(*tiers->pairs));
        MUST(tiers->pairs != NULL);
    }
    tiers->pairs[tiers->pair_count++] = (struct pair){a, b};
    return true;
}

static void find_hangs(struct tiers *tiers, const struct nets *below, const struct nets *above)
{
    for (size_t i = 0; i < below->count; i++) {
        const struct nets_member *m = &below->members[i], *up;
        if (m->role != NETS_CANDIDATE)
            continue;
        up = nets_find(above, &m->network.base);
        if (up && up->role == NETS_SLAVE)
            add_hang(tiers, (struct hang){below, above, m, true});
    }
}

static bool is_single_slave(const struct nets_member *member)
{
    return member->role == NETS_SLAVE && network_is_single(&member->network);
}

static int by_address(const void *a, const void *b)
{
    const struct nets_member *m = *(const struct nets_member *const *)a;
    const struct nets_member *n = *(const struct nets_member *const *)b;

    return address_compare(&m->network.base, &n->network.base);
}

/* The single slaves of a tier, sorted by address; free() it. */
static const struct nets_member **single_slaves(const struct nets *nets, size_t *count)
{
    const struct nets_member **list = calloc(nets->count + 1, sizeof(*list));

    MUST(list != NULL);
    *count = 0;
    for (size_t i = 0; i < nets->count; i++)
        if (is_single_slave(&nets->members[i]))
            list[(*count)++] = &nets->members[i];
    qsort(list, *count, sizeof(*list), by_address);
    return list;
}

/* An address that is written down as a slave in both is one host that would follow two tiers. */
static void check_two_slaves(const struct nets *a, const struct nets *b, struct report *report)
{
    char text[ADDRESS_TEXT_SIZE];
    size_t count;
    const struct nets_member **slaves = single_slaves(a, &count);

    for (size_t i = 0; i < b->count && count; i++) {
        const struct nets_member *m = &b->members[i];
        const struct nets_member **same;
        if (!is_single_slave(m))
            continue;
        same = bsearch(&m, slaves, count, sizeof(*slaves), by_address);
        if (same)
            report_error(report, b->file, m->line,
                         "%s is a slave here and on line %u of %s: a host can follow one tier only",
                         address_host_text(&m->network.base, text), (*same)->line, a->file);
    }
    free(slaves);
}

/* A host whose addresses are known may be candidate by one and slave by another. */
static void add_own_hang(struct tiers *tiers, const struct conf *conf, const struct nets *below,
                         const struct nets *above)
{
    const struct nets_member *here = own_member(conf, below), *up = own_member(conf, above);

    if (here && up && here->role == NETS_CANDIDATE && up->role == NETS_SLAVE)
        add_hang(tiers,
                 (struct hang){below, above, here, conf->from[CONF_NODE_address].file != NULL});
}

void tiers_add_host(struct tiers *tiers, const struct conf *conf, struct report *report)
{
    for (size_t i = 0; i < conf->nets.count; i++)
        for (size_t j = 0; j < conf->nets.count; j++) {
            const struct nets *a = conf->nets_files[i], *b = conf->nets_files[j];
            if (!a || !b || a == b)
                continue;
            add_own_hang(tiers, conf, a, b);
            if (!add_pair(tiers, a, b))
                continue;
            find_hangs(tiers, a, b);
            if (add_pair(tiers, b, a)) { /* its other half: both ways at once */
                find_hangs(tiers, b, a);
                check_two_slaves(a, b, report);
            }
        }
}

/* Is there a way up from `from` to `to`? `seen` has room for each hang. */
static bool reaches(const struct tiers *tiers, const struct nets *from, const struct nets *to,
                    bool *seen)
{
    for (size_t i = 0; i < tiers->hang_count; i++) {
        const struct hang *h = &tiers->hangs[i];
        if (seen[i] || h->below != from)
            continue;
        seen[i] = true;
        if (h->above == to || reaches(tiers, h->above, to, seen))
            return true;
    }
    return false;
}

static void check_circles(const struct tiers *tiers, struct report *report)
{
    bool *seen = calloc(tiers->hang_count + 1, sizeof(*seen));
    char text[ADDRESS_TEXT_SIZE];

    MUST(seen != NULL);
    for (size_t i = 0; i < tiers->hang_count; i++) {
        const struct hang *h = &tiers->hangs[i];
        memset(seen, 0, tiers->hang_count * sizeof(*seen));
        if (reaches(tiers, h->above, h->below, seen))
            report_error(report, h->below->file, h->candidate->line,
                         "a circle: the candidate %s makes %s hang below %s, which hangs below %s "
                         "already: make it no slave in one of the two",
                         address_host_text(&h->candidate->network.base, text), h->below->tier,
                         h->above->tier, h->below->tier);
    }
    free(seen);
}

static bool hangs_below(const struct tiers *tiers, const struct nets_member *candidate,
                        const struct nets *above)
{
    for (size_t i = 0; i < tiers->hang_count; i++)
        if (tiers->hangs[i].candidate == candidate && tiers->hangs[i].above == above)
            return true;
    return false;
}

/* Each candidate hangs below whatever any of them hangs below. */
static void check_alike(const struct tiers *tiers, struct report *report)
{
    char one[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < tiers->hang_count; i++) {
        const struct hang *h = &tiers->hangs[i];
        for (size_t j = 0; j < h->below->count && h->sure; j++) {
            const struct nets_member *m = &h->below->members[j];
            if (m->role != NETS_CANDIDATE || hangs_below(tiers, m, h->above))
                continue;
            report_warn(report, h->below->file, m->line,
                        "the candidate %s is no slave in %s, as %s is: while it is master of %s, "
                        "the tier does not hang below %s",
                        address_host_text(&m->network.base, one), h->above->tier,
                        address_host_text(&h->candidate->network.base, other), h->below->tier,
                        h->above->tier);
        }
    }
}

void tiers_check(const struct tiers *tiers, struct report *report)
{
    check_circles(tiers, report);
    check_alike(tiers, report);
}

void tiers_above(const struct tiers *tiers, const struct nets *nets, struct text *out)
{
    for (size_t i = 0; i < tiers->hang_count; i++) {
        const struct hang *h = &tiers->hangs[i];
        bool named = h->below != nets;
        for (size_t j = 0; j < i && !named; j++)
            named = tiers->hangs[j].below == nets && tiers->hangs[j].above == h->above;
        if (!named)
            text_printf(out, "%s%s", out->len ? ", " : "", h->above->tier);
    }
}
