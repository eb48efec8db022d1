/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_LAYER_H
#define POND_CONF_LAYER_H

#include "conf/conf.h"
#include "conf/rows.h"
#include "conf/value.h"

/*
 * One group of settings that is laid over what a configuration has already: the node's, one tier's,
 * or gossip's; whether they come from main.cf, the environment or the table's defaults.
 */
struct layer {
    struct conf *conf;
    enum conf_place place;
    void *base; /* the struct that has the fields */
    struct conf_origin *from;
    struct span folder; /* of relative paths */
    struct report *report;
};

struct layer layer_node(struct conf *conf, struct span folder, struct report *report);
struct layer layer_gossip(const struct layer *node);

/* The tier is added where it is new. */
struct layer layer_tier(const struct layer *node, const char *tier, struct conf_origin origin);

void *layer_field(const struct layer *layer, const struct conf_row *row);

/* An error goes to the report, and the setting stays as it was. */
void layer_set(const struct layer *layer, const struct conf_row *row, const struct value *value,
               struct conf_origin origin);

/* A fresh configuration with the table's defaults and nothing else. */
struct conf *layer_defaults(const char *file, struct report *report);

/* What counts from the next start only is as it is in force; so are keys that come or go. */
void layer_pin(struct conf *conf, const struct conf *in_force);

/* Each tier takes from the node what is not made for it. */
void layer_settle_tiers(struct conf *conf);

#endif
