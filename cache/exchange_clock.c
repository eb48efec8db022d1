/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"
#include "src/base/must.h"

/* No clock of ours is steered by this much between two events; one that moved so was set. */
enum { CLOCK_SET_MS = 1000 };

/* How far our wall clock is from where it stood at the last event, had it gone on as the monotonic
 * one did. */
static int64_t moved_ms(const struct exchange *machine, const struct exchange_event *event)
{
    int64_t went_ms = mono_between(machine->now, event->now) / MONO_MS(1);

    return event->wall.ms - machine->wall.ms - went_ms;
}

void exchange_clock_tick(struct exchange *machine, const struct exchange_event *event)
{
    int64_t moved = machine->wall.ms ? moved_ms(machine, event) : 0;

    if (moved > CLOCK_SET_MS || moved < -CLOCK_SET_MS) {
        for (size_t i = 0; i < machine->peers.count; i++)
            machine->peers.list[i].clock_known = false;
    }
    machine->wall = event->wall;
}

void exchange_clock_heard(struct peer *peer, const struct exchange_event *event, wall_t clock)
{
    peer->clock_heard = event->now;
    peer->clock_known = clock.ms > 0;
    peer->clock_ahead_ms = peer->clock_known ? clock.ms - event->wall.ms : 0;
}

/* The value that `rank` of the others are not above. Found by halving the range: what it costs is
 * known beforehand, whatever the peers say. */
static int64_t ranked(const int64_t *values, size_t count, size_t rank)
{
    int64_t low = INT64_MIN / 4, high = INT64_MAX / 4;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        size_t not_above = 0;
        for (size_t i = 0; i < count; i++)
            not_above += values[i] <= middle;
        if (not_above > rank)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Of an even number, two stand in the middle: ours is off as far as both agree that it is. */
static int64_t median(const int64_t *values, size_t count)
{
    int64_t low = ranked(values, count, (count - 1) / 2), high = ranked(values, count, count / 2);

    return low > 0 ? low : high < 0 ? high : 0;
}

struct exchange_clock exchange_clock(const struct exchange *machine, mono_t now)
{
    struct exchange_clock clock = {0};
    int64_t ahead_ms[PEERS_MAX]; /* ours, of theirs */

    MUST_BE(machine, EXCHANGE_MAGIC);
    for (size_t i = 0; i < machine->peers.count; i++) {
        const struct peer *peer = &machine->peers.list[i];
        if (peer->clock_known && mono_between(peer->clock_heard, now) < EXCHANGE_CLOCK_HEARD_NS)
            ahead_ms[clock.heard++] = -peer->clock_ahead_ms;
    }
    if (clock.heard)
        clock.ahead_ms = median(ahead_ms, clock.heard);
    clock.differs =
        clock.ahead_ms > EXCHANGE_CLOCK_OFF_MS || clock.ahead_ms < -EXCHANGE_CLOCK_OFF_MS;
    clock.off = clock.differs && clock.heard >= EXCHANGE_CLOCK_WITNESSES;
    return clock;
}
