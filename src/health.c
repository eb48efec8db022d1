/* SPDX-License-Identifier: ISC */
#include "src/health.h"

#include "src/base/must.h"

/* ---- the node as a whole --------------------------------------------------------------------- */

static uint16_t weigh(struct health_cause *cause, bool seen, int64_t after_ns, mono_t now,
                      enum demotion demotion)
{
    if (seen != cause->seen)
        *cause = (struct health_cause){cause->counts, seen, now};
    if (seen != cause->counts &&
        mono_reached(now, mono_after(cause->since, seen ? after_ns : HEALTH_STEADY_NS)))
        cause->counts = seen;
    return cause->counts ? (uint16_t)demotion : 0;
}

static bool store_fails(const struct health_look *look)
{
    return look->store != STORE_OK || !look->remembers;
}

/* How many of the last so many. */
static int failed_of(unsigned probes, int last)
{
    return __builtin_popcount(probes & ((1U << last) - 1));
}

/* With a good end, what was before it is forgotten: it would be a new cause at once. */
static bool http_fails(struct health *health)
{
    if (!health->http.seen)
        return failed_of(health->probes, HEALTH_PROBES) >= HEALTH_PROBES_FAILED;
    if (failed_of(health->probes, HEALTH_PROBES_GOOD) == 0)
        health->probes = 0;
    return health->probes != 0;
}

uint16_t health_judge(struct health *health, const struct health_look *look)
{
    bool stuck = look->store_busy_ns >= HEALTH_STUCK_NS;
    bool fails = store_fails(look) || stuck;
    unsigned sum;

    sum = weigh(&health->store, fails, stuck ? 0 : HEALTH_STORE_NS, look->now, DEMOTION_STORE);
    sum += weigh(&health->clock, look->clock_off, HEALTH_CLOCK_NS, look->now, DEMOTION_CLOCK);
    sum += weigh(&health->http, http_fails(health), 0, look->now, DEMOTION_HTTP);
    return (uint16_t)sum;
}

void health_probed(struct health *health, bool answered)
{
    health->probes = health->probes << 1 | !answered;
}

/* ---- by hand --------------------------------------------------------------------------------- */

static bool is_same(const struct remember_hand *a, const struct remember_hand *b)
{
    return a->demoted == b->demoted && a->since.ms == b->since.ms && a->until.ms == b->until.ms;
}

/* In ns, without overflow whatever the clock says. */
static int64_t span_between(wall_t from, wall_t to)
{
    int64_t ms;

    if (__builtin_sub_overflow(to.ms, from.ms, &ms))
        ms = to.ms > from.ms ? INT64_MAX : INT64_MIN;
    if (ms > INT64_MAX / MONO_MS(1))
        return INT64_MAX;
    return ms < 0 ? -1 : ms * MONO_MS(1);
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void health_hand_begin(struct health_hand *h, const struct remember_hand *hand, int64_t for_ns,
                       mono_t now)
{
    *h = (struct health_hand){.hand = *hand, .seen = now};
    h->end = for_ns ? mono_after(now, for_ns) : MONO_NEVER;
}

/* What is left of it by this clock. */
static int64_t left_by(const struct remember_hand *hand, wall_t wall)
{
    return lesser(span_between(wall, hand->until), span_between(hand->since, hand->until));
}

/* One that was read from the disk. */
static void look_at(struct health_hand *h, const struct remember_hand *hand, mono_t now)
{
    health_hand_begin(h, hand, 0, now);
    if (hand->until.ms != 0) {
        h->end = mono_after(now, HEALTH_DOUBT_NS);
        h->doubted = true;
    }
}

static void settle(struct health_hand *h, mono_t now, wall_t wall, int64_t ahead_ms)
{
    wall_t corrected = {wall.ms - (ahead_ms > 0 ? lesser(ahead_ms, wall.ms) : 0)};
    int64_t left = left_by(&h->hand, wall);

    if (left <= 0 && corrected.ms > 0)
        left = left_by(&h->hand, corrected);
    if (left <= 0)
        return;
    h->end = mono_after(now, left);
    h->doubted = false;
}

bool health_hand_ended(struct health_hand *h, const struct remember_hand *hand, mono_t now,
                       wall_t wall, int64_t ahead_ms)
{
    MUST(hand->demoted);
    if (!is_same(&h->hand, hand))
        look_at(h, hand, now);
    if (h->doubted)
        settle(h, now, wall, ahead_ms);
    return mono_reached(now, h->end);
}

int64_t health_hand_left(const struct health_hand *h, mono_t now)
{
    if (h->end.ns == MONO_NEVER.ns || mono_reached(now, h->end))
        return 0;
    return mono_between(now, h->end);
}

/* ---- behind ---------------------------------------------------------------------------------- */

bool health_is_behind(struct health_sync *sync, const struct view_tier *tier,
                      const struct store_head *own)
{
    if (tier->role == BALLOT_MASTER) {
        *sync = (struct health_sync){own->store_id, true};
        return false;
    }
    if (!tier->has_master || tier->head.store == 0)
        return !sync->synced;
    if (sync->store != tier->head.store)
        *sync = (struct health_sync){tier->head.store, false};
    if (digest_same(&own->digest, &tier->head.digest))
        sync->synced = true;
    return !sync->synced;
}

void health_compared(struct health_sync *sync, const struct view_tier *tier,
                     const struct address *from, uint64_t store_id)
{
    if (tier->role != BALLOT_MASTER && tier->has_master && tier->head.store == store_id &&
        sync->store == store_id && address_same_host(from, &tier->master_address))
        sync->synced = true;
}
