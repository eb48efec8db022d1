/* SPDX-License-Identifier: ISC */
#include "election/view.h"

#include <stdatomic.h>
#include <string.h>

#include "src/base/must.h"

/*
 * Each tier has two copies of its view. `turn` counts how often it was published; its lowest bit
 * says which copy counts. The writer fills the other copy, then counts on: so a reader finds a
 * whole copy even while the writer is held up in the middle, and reads again only if `turn` went on
 * meanwhile, without which nobody can have written into the copy that it read.
 *
 * All words are atomic, written with release and read with acquire order: a reader who has got a
 * word of a later turn therefore sees, when it looks at `turn` once more, that it went on.
 */
enum { WORDS = (sizeof(struct view_tier) + sizeof(uint64_t) - 1) / sizeof(uint64_t) };

struct place {
    _Atomic uint64_t turn;
    _Atomic uint64_t copies[2][WORDS];
};

struct view {
    _Atomic size_t used; /* the places from here on were never used */
    struct place places[VIEW_TIERS_MAX];
};

size_t view_size(void)
{
    return sizeof(struct view);
}

/* A place without a tier's name is free. */
static void read_place(const struct place *place, struct view_tier *out)
{
    uint64_t words[WORDS], turn;

    do {
        turn = atomic_load_explicit(&place->turn, memory_order_acquire);
        for (size_t i = 0; i < WORDS; i++)
            words[i] = atomic_load_explicit(&place->copies[turn & 1][i], memory_order_acquire);
    } while (atomic_load_explicit(&place->turn, memory_order_relaxed) != turn);
    memcpy(out, words, sizeof(*out));
}

static void write_place(struct place *place, const struct view_tier *tier)
{
    uint64_t words[WORDS] = {0};
    uint64_t next = atomic_load_explicit(&place->turn, memory_order_relaxed) + 1;

    memcpy(words, tier, sizeof(*tier));
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&place->copies[next & 1][i], words[i], memory_order_release);
    atomic_store_explicit(&place->turn, next, memory_order_release);
}

/* The place with this name, or VIEW_TIERS_MAX. An empty name: a free one. */
static size_t find(const struct view *view, const char *name, struct view_tier *out)
{
    size_t used = atomic_load_explicit(&view->used, memory_order_acquire);

    for (size_t i = 0; i < used; i++) {
        read_place(&view->places[i], out);
        if (strcmp(out->tier, name) == 0)
            return i;
    }
    return VIEW_TIERS_MAX;
}

void view_publish(struct view *view, const struct view_tier *tier)
{
    size_t used = atomic_load_explicit(&view->used, memory_order_relaxed), at;
    struct view_tier old;

    MUST(*tier->tier != '\0');
    at = find(view, tier->tier, &old);
    if (at == VIEW_TIERS_MAX)
        at = find(view, "", &old);
    if (at == VIEW_TIERS_MAX)
        at = used;
    MUST(at < VIEW_TIERS_MAX);
    write_place(&view->places[at], tier);
    if (at == used)
        atomic_store_explicit(&view->used, used + 1, memory_order_release);
}

void view_withdraw(struct view *view, const char *tier)
{
    static const struct view_tier nothing;
    struct view_tier old;
    size_t at = find(view, tier, &old);

    if (at < VIEW_TIERS_MAX)
        write_place(&view->places[at], &nothing);
}

bool view_find(const struct view *view, const char *tier, struct view_tier *out)
{
    return *tier && find(view, tier, out) < VIEW_TIERS_MAX;
}

/* Puts it where its name belongs among the `count` of `list`. A tier that left and came back in
 * another place while the list was read is in it once: as it was read last. */
static size_t insert(struct view_tier *list, size_t count, const struct view_tier *tier)
{
    size_t at = 0;

    while (at < count && strcmp(list[at].tier, tier->tier) < 0)
        at++;
    if (at < count && strcmp(list[at].tier, tier->tier) == 0) {
        list[at] = *tier;
        return count;
    }
    memmove(&list[at + 1], &list[at], (count - at) * sizeof(*list));
    list[at] = *tier;
    return count + 1;
}

size_t view_list(const struct view *view, struct view_tier out[VIEW_TIERS_MAX])
{
    size_t used = atomic_load_explicit(&view->used, memory_order_acquire), count = 0;
    struct view_tier tier;

    for (size_t i = 0; i < used; i++) {
        read_place(&view->places[i], &tier);
        if (*tier.tier)
            count = insert(out, count, &tier);
    }
    return count;
}
