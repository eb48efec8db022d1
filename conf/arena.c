/* SPDX-License-Identifier: ISC */
#include "conf/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

struct piece {
    struct piece *next;
    alignas(max_align_t) char memory[];
};

struct conf_arena {
    struct piece *pieces;
};

struct conf_arena *arena_new(void)
{
    struct conf_arena *arena = calloc(1, sizeof(*arena));

    MUST(arena != NULL);
    return arena;
}

void arena_free(struct conf_arena *arena)
{
    struct piece *piece = arena ? arena->pieces : NULL;

    while (piece) {
        struct piece *next = piece->next;
        free(piece);
        piece = next;
    }
    free(arena);
}

void *arena_zeroed(struct conf_arena *arena, size_t count, size_t size)
{
    struct piece *piece;

    MUST(size > 0 && count <= (SIZE_MAX - sizeof(*piece)) / size);
    piece = calloc(1, sizeof(*piece) + count * size);
    MUST(piece != NULL);
    piece->next = arena->pieces;
    arena->pieces = piece;
    return piece->memory;
}

const char *arena_text(struct conf_arena *arena, struct span text)
{
    char *copy = arena_zeroed(arena, text.len + 1, 1);

    span_copy(text, copy, text.len + 1);
    return copy;
}

const char *arena_path(struct conf_arena *arena, struct span folder, struct span path)
{
    bool slash = folder.len && folder.at[folder.len - 1] == '/';
    struct text joined;
    size_t size;

    if (folder.len == 0 || span_begins(path, "/"))
        return arena_text(arena, path);
    size = folder.len + path.len + 2;
    joined = text_over(arena_zeroed(arena, size, 1), size);
    text_add(&joined, folder.at, folder.len);
    if (!slash)
        text_putc(&joined, '/');
    text_add(&joined, path.at, path.len);
    return joined.at;
}
