/* SPDX-License-Identifier: ISC */
#include "cache/slots.h"

#include "src/base/must.h"

uint64_t slots_key(uint64_t seed, const char *string)
{
    uint64_t hash = 0xcbf29ce484222325u ^ seed;

    for (const char *c = string; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    hash ^= hash >> 32;
    return hash ? hash : 1;
}

int slots_find(const struct slots *slots, uint64_t key, int from)
{
    MUST(key && from >= 0);
    for (size_t i = (size_t)from; i < slots->end; i++)
        if (slots->key[i] == key)
            return (int)i;
    return SLOTS_NONE;
}

int slots_take(struct slots *slots, size_t most, uint64_t key, mono_t due)
{
    size_t i = 0;

    MUST(most <= SLOTS_MAX && key);
    if (slots->used >= most)
        return SLOTS_NONE;
    if (slots->used == slots->end)
        i = slots->end;
    while (i < slots->end && slots->key[i])
        i++;
    slots->key[i] = key;
    slots->due[i] = due;
    slots->used++;
    if (i == slots->end)
        slots->end++;
    return (int)i;
}

int slots_take_over(struct slots *slots, size_t most, uint64_t key, mono_t due)
{
    if (slots->used >= most)
        slots_free(slots, slots_first(slots));
    return slots_take(slots, most, key, due);
}

void slots_free(struct slots *slots, int slot)
{
    MUST(slot >= 0 && (size_t)slot < slots->end && slots->key[slot]);
    slots->key[slot] = 0;
    slots->due[slot] = MONO_NEVER;
    slots->used--;
    while (slots->end && !slots->key[slots->end - 1])
        slots->end--;
}

int slots_first(const struct slots *slots)
{
    int first = SLOTS_NONE;
    mono_t due = MONO_NEVER;

    for (size_t i = 0; i < slots->end; i++) {
        if (slots->due[i].ns < due.ns) {
            due = slots->due[i];
            first = (int)i;
        }
    }
    return first;
}

mono_t slots_due(const struct slots *slots)
{
    int first = slots_first(slots);

    return first == SLOTS_NONE ? MONO_NEVER : slots->due[first];
}
