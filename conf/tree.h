/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_TREE_H
#define POND_CONF_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

/*
 * main.cf as libconfig reads it. libconfig's types stop here. What libconfig takes without a word
 * and should not (unknown settings, numbers of another type) is found by walking the whole tree.
 */
struct tree;

/* NULL, with errors in the report, where the text is no libconfig syntax. `folder`: of the text's
 * file, which paths in it are relative to; empty: the working folder. */
struct tree *tree_read(const char *path, struct report *report);
struct tree *tree_parse(struct span text, const char *file, struct span folder,
                        struct report *report);
void tree_free(struct tree *tree);

const char *tree_file(const struct tree *tree);

/* The sections of `hosts`. */
size_t tree_sections(const struct tree *tree);
const char *tree_match(const struct tree *tree, size_t section); /* NULL: it has none */
struct conf_origin tree_origin(const struct tree *tree, size_t section);

/* The first section whose `match` fits the name; tree_sections() where none does. */
size_t tree_find(const struct tree *tree, const char *name);

/* Lays `defaults`, or a section, over the settings that are there. Errors go to the report. */
void tree_lay_defaults(const struct tree *tree, struct conf *conf, struct report *report);
void tree_lay_section(const struct tree *tree, size_t section, struct conf *conf,
                      struct report *report);

/* What stands at the top and is neither `defaults` nor `hosts`, sections that are none. */
void tree_check(const struct tree *tree, struct report *report);

#endif
