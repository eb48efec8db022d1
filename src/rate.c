/* SPDX-License-Identifier: ISC */
#include "src/rate.h"

void rate_begin(struct rate *rate, mono_t now)
{
    *rate = (struct rate){.began = now, .slot = now.ns / RATE_SLOT_NS};
}

/* The first slot that counts now. */
static int64_t oldest(mono_t now)
{
    return now.ns / RATE_SLOT_NS - (RATE_SLOTS - 1);
}

void rate_add(struct rate *rate, mono_t now, uint64_t bytes)
{
    int64_t slot = now.ns / RATE_SLOT_NS;

    if (slot - rate->slot > RATE_SLOTS)
        rate->slot = slot - RATE_SLOTS;
    while (rate->slot < slot)
        rate->bytes[++rate->slot % RATE_SLOTS] = 0;
    rate->bytes[rate->slot % RATE_SLOTS] += bytes;
}

uint64_t rate_read(const struct rate *rate, mono_t now)
{
    mono_t from = {oldest(now) * RATE_SLOT_NS};
    uint64_t sum = 0;
    int64_t ns;

    for (int64_t slot = oldest(now); slot <= rate->slot; slot++)
        if (slot > rate->slot - RATE_SLOTS && slot >= 0)
            sum += rate->bytes[slot % RATE_SLOTS];
    if (mono_reached(rate->began, from))
        from = rate->began;
    ns = mono_between(from, now);
    if (ns < RATE_SLOT_NS)
        ns = RATE_SLOT_NS; /* so little time says little */
    return (uint64_t)((double)sum * 1e9 / (double)ns);
}
