/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

#include <string.h>

static const int64_t NOBODY_NS = MONO_S(1);
static const int64_t RECENT_NS = MONO_S(5);

static int nobody_find(const struct exchange *machine, const char *name)
{
    const struct asking *asking = &machine->asking;
    uint64_t key = exchange_key(machine, name);
    int slot = slots_find(&asking->nobody_slots, key, 0);

    while (slot != SLOTS_NONE && strcmp(asking->nobody[slot], name) != 0)
        slot = slots_find(&asking->nobody_slots, key, slot + 1);
    return slot;
}

bool exchange_nobody_has(const struct exchange *machine, const char *name)
{
    int slot = nobody_find(machine, name);

    return slot != SLOTS_NONE &&
           !mono_reached(machine->now, machine->asking.nobody_slots.due[slot]);
}

void exchange_nobody_forget(struct exchange *machine, const char *name)
{
    int slot = nobody_find(machine, name);

    if (slot != SLOTS_NONE)
        slots_free(&machine->asking.nobody_slots, slot);
}

void exchange_nobody_remember(struct exchange *machine, const char *name)
{
    struct asking *asking = &machine->asking;
    int slot;

    exchange_nobody_forget(machine, name);
    slot = slots_take_over(&asking->nobody_slots, EXCHANGE_NOBODY_MAX, exchange_key(machine, name),
                           mono_after(machine->now, NOBODY_NS));
    exchange_copy_name(asking->nobody[slot], name);
}

void exchange_recent_remember(struct exchange *machine, const char *name,
                              const struct exchange_source *source)
{
    struct asking *asking = &machine->asking;
    uint64_t key = exchange_key(machine, name);
    mono_t due = mono_after(machine->now, RECENT_NS);
    int slot = slots_find(&asking->recent_slots, key, 0);

    while (slot != SLOTS_NONE && (!address_same(&asking->recent[slot].source.http, &source->http) ||
                                  strcmp(asking->recent[slot].name, name) != 0))
        slot = slots_find(&asking->recent_slots, key, slot + 1);
    if (slot == SLOTS_NONE)
        slot = slots_take_over(&asking->recent_slots, EXCHANGE_RECENT_MAX, key, due);
    asking->recent_slots.due[slot] = due;
    exchange_copy_name(asking->recent[slot].name, name);
    asking->recent[slot].source = *source;
}

bool exchange_holds(const struct exchange_source *source, const struct exchange_local *local)
{
    return source->held && local->known && version_same(source->version, local->version) &&
           digest_same(&source->sha256, &local->sha256);
}

/* Who lately said that it holds this version. Each is given out once: one who asks again found
 * them wanting, and the network is asked anew. */
size_t exchange_recent_take(struct exchange *machine, const char *name,
                            const struct exchange_local *local, struct exchange_source *out,
                            size_t most)
{
    struct asking *asking = &machine->asking;
    uint64_t key = exchange_key(machine, name);
    size_t count = 0;

    for (int slot = slots_find(&asking->recent_slots, key, 0); slot != SLOTS_NONE && count < most;
         slot = slots_find(&asking->recent_slots, key, slot + 1)) {
        const struct recent *recent = &asking->recent[slot];
        bool fresh = !mono_reached(machine->now, asking->recent_slots.due[slot]);
        const struct peer *peer = peers_find(&machine->peers, &recent->source.http);

        if (strcmp(recent->name, name) != 0)
            continue;
        if (fresh && exchange_holds(&recent->source, local) && peer && exchange_asks(peer) &&
            peer_usable(peer, machine->now))
            out[count++] = recent->source;
        slots_free(&asking->recent_slots, slot);
    }
    return count;
}
