/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_COMPOSE_H
#define POND_CONF_COMPOSE_H

#include "conf/conf.h"
#include "conf/pool.h"
#include "conf/tree.h"

/* Whose configuration is wanted. */
struct subject {
    const char *name;            /* NULL: whatever host fits `section` */
    size_t section;              /* tree_sections(): none fits */
    bool local;                  /* it is this very host: its interfaces and `env` count */
    char *const *env;            /* as `environ`; NULL: none */
    const struct conf *in_force; /* what counts from the next start only is taken from here; NULL */
};

/* This host, under the name that -n gives, else IS_NAME, else the kernel. The name is the arena's.
 * False, with an error in the report, where it is none. */
bool subject_local(struct subject *out, const struct tree *tree, const char *name, char *const *env,
                   struct conf_arena *arena, struct report *report);

/* Another host, of which nothing but the name is known. */
bool subject_other(struct subject *out, const struct tree *tree, const char *name,
                   struct report *report);

/* Lays everything over each other, settles it, reads what it names. Never NULL: where errors went
 * to the report, not all of it is there. `pool` must outlive it. */
struct conf *compose(const struct tree *tree, const struct subject *subject, struct pool *pool,
                     struct report *report);

/* Every section by itself, so that faults are found in those too that are for other hosts. */
void compose_check_sections(const struct tree *tree, struct report *report);

/* Warns of settings for tiers of which neither this host nor any section of main.cf names the nets
 * file: most likely the tier's name is not written right. */
void compose_check_tiers(const struct tree *tree, const struct conf *conf, struct report *report);

#endif
