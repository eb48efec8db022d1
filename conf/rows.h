/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_ROWS_H
#define POND_CONF_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

/* The table of options.h as data. */
enum conf_type {
    CONF_TYPE_TEXT,
    CONF_TYPE_PATH,
    CONF_TYPE_PATHS,
    CONF_TYPE_ADDRESS,
    CONF_TYPE_ADDRESSES,
    CONF_TYPE_NETWORKS,
    CONF_TYPE_BOOL,
    CONF_TYPE_INT,
    CONF_TYPE_REAL,
    CONF_TYPE_BYTES,
    CONF_TYPE_AUTH,
    CONF_TYPE_LEVEL,
    CONF_TYPE_TIERS_GROUP,
    CONF_TYPE_GOSSIP_GROUP
};

enum conf_place { CONF_PLACE_NODE, CONF_PLACE_TIER, CONF_PLACE_GOSSIP };

struct conf_row {
    const char *name;
    enum conf_type type;
    enum conf_place place;
    const char *preset; /* as it would stand in the environment; NULL: none */
    const char *words;
    double min, max;
    const char *unit;
    bool live;
    const char *help;
    size_t size;        /* of the field */
    size_t offset;      /* in struct conf; of place GOSSIP in struct conf_gossip */
    size_t tier_offset; /* of place TIER: in struct conf_tier */
};

extern const struct conf_row conf_rows[CONF_OPTION_COUNT];

/* Can the row's setting stand in a group of this place? */
bool row_belongs(const struct conf_row *row, enum conf_place place);

/* The row of a setting, by its name as in main.cf or in ISconf's spelling (IS_PORT), or NULL. */
const struct conf_row *row_find(const char *name, enum conf_place place);

/* The name that the writer may have meant, or NULL. */
const char *row_nearest(const char *name, enum conf_place place);

/* The row's number: its place in conf_rows and in `from`. */
size_t row_number(const struct conf_row *row);

/* What can be written, as in "a number from 1 to 65535". */
void row_expects(const struct conf_row *row, struct text *out);

#endif
