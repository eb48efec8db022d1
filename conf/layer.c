/* SPDX-License-Identifier: ISC */
#include "conf/layer.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

struct layer layer_node(struct conf *conf, struct span folder, struct report *report)
{
    return (struct layer){conf, CONF_PLACE_NODE, conf, conf->from, folder, report};
}

struct layer layer_gossip(const struct layer *node)
{
    struct layer layer = *node;

    layer.place = CONF_PLACE_GOSSIP;
    layer.base = &node->conf->gossip;
    return layer;
}

static struct conf_origin keep_origin(struct conf *conf, struct conf_origin origin)
{
    if (origin.file)
        origin.file = arena_text(conf->arena, span_of(origin.file));
    return origin;
}

static struct conf_tier *add_tier(struct conf *conf, const char *name, struct conf_origin origin)
{
    struct conf_tiers *tiers = &conf->tiers;
    struct conf_tier *list = arena_zeroed(conf->arena, tiers->count + 1, sizeof(*list));

    if (tiers->count)
        memcpy(list, tiers->list, tiers->count * sizeof(*list));
    tiers->list = list;
    list[tiers->count].name = arena_text(conf->arena, span_of(name));
    list[tiers->count].at = keep_origin(conf, origin);
    return &list[tiers->count++];
}

struct layer layer_tier(const struct layer *node, const char *name, struct conf_origin origin)
{
    struct layer layer = *node;
    struct conf_tier *tier = NULL;

    for (size_t i = 0; i < node->conf->tiers.count && !tier; i++)
        if (strcmp(node->conf->tiers.list[i].name, name) == 0)
            tier = &node->conf->tiers.list[i];
    if (!tier)
        tier = add_tier(node->conf, name, origin);
    layer.place = CONF_PLACE_TIER;
    layer.base = tier;
    layer.from = tier->from;
    return layer;
}

void *layer_field(const struct layer *layer, const struct conf_row *row)
{
    bool of_tier = layer->place == CONF_PLACE_TIER;

    return (char *)layer->base + (of_tier ? row->tier_offset : row->offset);
}

void layer_set(const struct layer *layer, const struct conf_row *row, const struct value *value,
               struct conf_origin origin)
{
    struct value_context context = {layer->conf->arena, layer->folder, layer->report, origin};

    if (value_parse(row, value, &context, layer_field(layer, row)))
        layer->from[row_number(row)] = keep_origin(layer->conf, origin);
}

static void set_default(const struct layer *layer, const struct conf_row *row)
{
    struct value value = {.count = 1};

    if (row->type == CONF_TYPE_REAL)
        *(double *)layer_field(layer, row) = -1; /* not set */
    if (!row->preset)
        return;
    value.items[0] = span_of(row->preset);
    layer_set(layer, row, &value, (struct conf_origin){0});
}

struct conf *layer_defaults(const char *file, struct report *report)
{
    struct conf *conf = calloc(1, sizeof(*conf));
    struct layer node, gossip;

    MUST(conf != NULL);
    conf->arena = arena_new();
    conf->file = arena_text(conf->arena, span_of(file));
    node = layer_node(conf, span_of(""), report);
    gossip = layer_gossip(&node);
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        set_default(conf_rows[i].place == CONF_PLACE_GOSSIP ? &gossip : &node, &conf_rows[i]);
    return conf;
}

void layer_settle_tiers(struct conf *conf)
{
    for (size_t i = 0; i < conf->tiers.count; i++)
        for (size_t j = 0; j < CONF_OPTION_COUNT; j++) {
            const struct conf_row *row = &conf_rows[j];
            struct conf_tier *tier = &conf->tiers.list[i];
            if (row->place == CONF_PLACE_TIER && !tier->from[j].file)
                memcpy((char *)tier + row->tier_offset, (char *)conf + row->offset, row->size);
        }
}

static void copy_addresses(struct conf_arena *arena, struct conf_addresses *addresses)
{
    struct address *list = arena_zeroed(arena, addresses->count + 1, sizeof(*list));

    if (addresses->count)
        memcpy(list, addresses->list, addresses->count * sizeof(*list));
    addresses->list = list;
}

/* Only such types as settings have that are pinned. */
static void pin_field(struct conf_arena *arena, const struct conf_row *row, void *to,
                      const void *from)
{
    memcpy(to, from, row->size);
    switch (row->type) {
    case CONF_TYPE_TEXT:
    case CONF_TYPE_PATH:
        if (*(const char **)to)
            *(const char **)to = arena_text(arena, span_of(*(const char **)to));
        break;
    case CONF_TYPE_ADDRESSES:
        copy_addresses(arena, to);
        break;
    case CONF_TYPE_PATHS:
    case CONF_TYPE_NETWORKS:
    case CONF_TYPE_TIERS_GROUP:
    case CONF_TYPE_GOSSIP_GROUP:
        MUST(!"a type that has pointers, and that no pinned setting has");
        break;
    default:
        break;
    }
}

static void pin(struct conf *conf, const struct conf *in_force, size_t option)
{
    const struct conf_row *row = &conf_rows[option];

    MUST(row->place != CONF_PLACE_GOSSIP); /* whose fields stand elsewhere, and are all LIVE */
    pin_field(conf->arena, row, (char *)conf + row->offset, (const char *)in_force + row->offset);
    conf->from[option] = keep_origin(conf, in_force->from[option]);
}

void layer_pin(struct conf *conf, const struct conf *in_force)
{
    for (size_t i = 0; i < CONF_OPTION_COUNT; i++)
        if (!conf_rows[i].live)
            pin(conf, in_force, i);
    if (!conf->hmac_keys != !in_force->hmac_keys)
        pin(conf, in_force, CONF_NODE_hmac_keys);
}
