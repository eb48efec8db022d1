/* SPDX-License-Identifier: ISC */
#include "cache/version.h"

#include <inttypes.h>

#include "src/base/must.h"

enum { COUNTER_BITS = 16, COUNTER_MAX = 0xffff };

static const uint64_t MS_MAX = ((uint64_t)1 << 48) - 1;

bool version_is_ahead(struct version v, wall_t now)
{
    return version_ms(v) > now.ms + VERSION_AHEAD_MAX_MS;
}

struct version version_of_mtime(int64_t seconds)
{
    MUST(seconds >= 0 && seconds <= VERSION_MTIME_MAX);
    return (struct version){(uint64_t)seconds << COUNTER_BITS | COUNTER_MAX};
}

bool version_is_unverified(struct version v)
{
    return version_ms(v) <= VERSION_MTIME_MAX && (v.bits & COUNTER_MAX) == COUNTER_MAX;
}

const char *version_text(struct version v, char out[VERSION_TEXT_SIZE])
{
    struct text text = text_over(out, VERSION_TEXT_SIZE);

    text_u64(&text, v.bits >> COUNTER_BITS);
    text_putc(&text, '.');
    text_u64(&text, v.bits & COUNTER_MAX);
    return out;
}

bool version_parse(struct span text, struct version *out)
{
    uint64_t ms, counter;
    struct span head = span_take(&text, '.');

    if (!span_u64(head, MS_MAX, &ms) || !span_u64(text, COUNTER_MAX, &counter))
        return false;
    out->bits = ms << COUNTER_BITS | counter;
    return true;
}

struct version version_next(struct version_clock *clock, wall_t now, struct version than)
{
    uint64_t ms = now.ms < 0 ? 0 : (uint64_t)now.ms > MS_MAX ? MS_MAX : (uint64_t)now.ms;
    struct version next = {ms << COUNTER_BITS};

    version_seen(clock, than);
    if (!version_newer(next, clock->last))
        next.bits = clock->last.bits + 1; /* a full counter runs over into the milliseconds */
    MUST(version_newer(next, clock->last));
    clock->last = next;
    return next;
}

void version_forget_ahead(struct version_clock *clock, wall_t now)
{
    if (version_is_ahead(clock->last, now))
        clock->last = VERSION_NONE;
}

void version_seen(struct version_clock *clock, struct version v)
{
    if (version_newer(v, clock->last))
        clock->last = v;
}
