/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_WALK_H
#define POND_CONF_WALK_H

#include <libconfig.h>
#include <stdbool.h>

#include "conf/arena.h"
#include "conf/layer.h"

/* One walk over a group of settings in libconfig's tree, which checks each and lays it over those
 * that are there. For tree.c alone: libconfig's types stop there. */
struct walk {
    const char *file;
    struct span folder;           /* of included files */
    const struct report *wrapped; /* the lines with numbers that are not what was written */
    struct conf_arena *arena;     /* for the names of included files */
    const struct layer *layer;    /* where the settings go, and the report */
};

/* `section`: it is one of `hosts`, with a `match`, which is none of the settings. */
void walk_group(const struct walk *walk, const config_setting_t *group, bool section);

struct conf_origin walk_origin(const struct walk *walk, const config_setting_t *setting);

/* What a setting is, in words: "a whole number". */
const char *walk_type_name(const config_setting_t *setting);

#endif
