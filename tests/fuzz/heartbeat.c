/* SPDX-License-Identifier: ISC */
/* Heartbeats: what is read is within its bounds, and reads the same once it is written again. */
#include "cache/heartbeat.h"

#include <string.h>

#include "cache/name.h"
#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum message_verdict read_bytes(struct span bytes, struct heartbeat *out)
{
    struct message m;
    enum message_verdict verdict = message_decode(bytes, &m);

    return verdict == MESSAGE_OK ? heartbeat_read(&m, out) : verdict;
}

static void check_bounds(const struct heartbeat *beat)
{
    struct span rest = span_of(beat->tiers);
    struct heartbeat_tier tier;

    MUST(*beat->domain && memchr(beat->domain, '\0', sizeof(beat->domain)));
    MUST(memchr(beat->node, '\0', sizeof(beat->node)) && node_name_ok(span_of(beat->node)));
    MUST(memchr(beat->tiers, '\0', sizeof(beat->tiers)));
    MUST(beat->boot > 0 && beat->clock.ms >= 0);
    MUST(beat->port > 0 && beat->http_port > 0 && beat->advert_port > 0);
    MUST(beat->interval_ms >= HEARTBEAT_INTERVAL_MIN_MS &&
         beat->interval_ms <= HEARTBEAT_INTERVAL_MAX_MS);
    MUST(beat->address_count > 0 && beat->address_count <= HEARTBEAT_ADDRESSES_MAX);
    for (size_t i = 0; i < beat->address_count; i++) {
        const struct address *a = &beat->addresses[i];
        MUST(a->scope == 0 && a->port == 0 && !address_is_any(a) && !address_is_multicast(a));
    }
    while (heartbeat_next_tier(&rest, &tier))
        MUST(tier.role.len > 0 && tier.tier.len > 0 && tier.tier.len <= TIER_NAME_MAX &&
             span_is_plain_utf8(tier.tier) && span_is_plain_utf8(tier.role));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char one[MESSAGE_MAX + 1], other[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(one), again = TEXT_OVER(other);
    struct heartbeat beat, same;

    if (read_bytes((struct span){(const char *)data, size}, &beat) != MESSAGE_OK)
        return 0;
    check_bounds(&beat);
    heartbeat_write(&beat, (wall_t){0}, &text);
    MUST(!text.full);
    MUST(read_bytes((struct span){text.at, text.len}, &same) == MESSAGE_OK);
    heartbeat_write(&same, (wall_t){0}, &again);
    MUST(!again.full && text.len == again.len && memcmp(one, other, text.len) == 0);
    return 0;
}
