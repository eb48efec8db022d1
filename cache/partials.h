/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_PARTIALS_H
#define POND_CACHE_PARTIALS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache/files.h"
#include "src/base/digest.h"

/*
 * The partial content that is open, so that no file goes which a fetch goes on with: what removes
 * content, its list or partial content asks here, under one lock with who opens it. Any thread,
 * where nothing else is said.
 */
struct store;

/* One that is open; its owner's memory. */
struct partials_row {
    char name[FILE_NAME_SIZE]; /* below partial/ */
    uint64_t size;
    atomic_bool landed; /* its file has become content */
    struct partials_row *next, **link;
};

/* Before it has a file, so that no sweep takes that for a stray. False: it is open with another
 * size. */
bool partials_add(struct store *store, struct partials_row *row);
void partials_remove(struct store *store, struct partials_row *row);

/* Removes the file below partial/ unless it is open. */
bool partials_remove_idle(struct store *store, const char *name);

/* Removes a chunk list unless partial content, open or not, may need it. Whose content is not held:
 * on the writer's thread, or before it runs; or has it done there some time, where it is not. */
void partials_remove_list(struct store *store, const struct digest *sha256);
void partials_forget_list(struct store *store, const struct digest *sha256);

/* Removes content that is not held (any more) and its list; or has it become partial content, where
 * it is not being fetched. On the writer's thread, or before it runs. */
void partials_remove_content(struct store *store, const struct digest *sha256);
void partials_set_aside(struct store *store, const struct digest *sha256);

#endif
