/* SPDX-License-Identifier: ISC */
#ifndef POND_CONF_ARENA_H
#define POND_CONF_ARENA_H

#include <stddef.h>

#include "src/base/text.h"

/* Memory that a configuration is made of: given out piece by piece, taken back at once. Running out
 * of it stops the program: a configuration is a few kilobytes. */
struct conf_arena;

struct conf_arena *arena_new(void);
void arena_free(struct conf_arena *arena);

void *arena_zeroed(struct conf_arena *arena, size_t count, size_t size);
const char *arena_text(struct conf_arena *arena, struct span text);

/* `path`, or where it is relative and `folder` is not empty, the path of it below `folder`. */
const char *arena_path(struct conf_arena *arena, struct span folder, struct span path);

#endif
