/* SPDX-License-Identifier: ISC */
#include "cache/heartbeat.h"

#include <string.h>

#include "cache/fields.h"
#include "cache/name.h"
#include "cache/notice.h"
#include "src/base/must.h"

/* The headers, in the order in which they are written, and thus found fastest. */
static const char GOSSIP[] = "gossip", FORMAT[] = "format", DOMAIN[] = "domain", NODE[] = "node",
                  BOOT[] = "boot", COUNTER[] = "counter", CLOCK[] = "clock",
                  INTERVAL[] = "interval_ms", PORT[] = "port", HTTP_PORT[] = "http_port",
                  ADVERT_PORT[] = "advert_port", ADDRESSES[] = "addresses", TIERS[] = "tiers";

/* ---- reading --------------------------------------------------------------------------------- */

static void read_sender(struct fields *fields, struct heartbeat *out)
{
    struct span domain, node;

    fields_demand(fields, fields_u64(fields, FORMAT, 0, UINT64_MAX) == HEARTBEAT_FORMAT);
    domain = fields_text(fields, DOMAIN);
    fields_demand(fields, domain.len && !memchr(domain.at, '/', domain.len) &&
                              span_is_plain_utf8(domain) &&
                              span_copy(domain, out->domain, sizeof(out->domain)));
    node = fields_text(fields, NODE);
    fields_demand(fields, node_name_ok(node) && span_copy(node, out->node, sizeof(out->node)));
    out->boot = fields_u64(fields, BOOT, 1, UINT64_MAX);
    out->counter = fields_u64(fields, COUNTER, 0, UINT64_MAX);
    out->clock.ms = (int64_t)fields_u64(fields, CLOCK, 0, NOTICE_CLOCK_MAX_MS);
}

static void read_addresses(struct fields *fields, struct heartbeat *out)
{
    struct span rest = fields_text(fields, ADDRESSES);

    fields_demand(fields, rest.len > 0);
    while (rest.len > 0 && fields->verdict == MESSAGE_OK) {
        struct span one = span_take(&rest, ' ');
        struct address address = {.port = 0};
        fields_demand(fields, out->address_count < HEARTBEAT_ADDRESSES_MAX &&
                                  address_plain_parse(one, &address) && !address_is_any(&address) &&
                                  !address_is_multicast(&address));
        if (fields->verdict == MESSAGE_OK)
            out->addresses[out->address_count++] = address;
    }
}

bool heartbeat_next_tier(struct span *tiers, struct heartbeat_tier *out)
{
    if (tiers->len == 0)
        return false;
    out->tier = span_take(tiers, '/');
    out->role = span_take(&out->tier, ' ');
    return true;
}

static void read_tiers(struct fields *fields, struct heartbeat *out)
{
    struct span text = fields_text(fields, TIERS), rest = text;
    struct heartbeat_tier tier;

    fields_demand(fields, span_copy(text, out->tiers, sizeof(out->tiers)));
    while (heartbeat_next_tier(&rest, &tier))
        fields_demand(fields, tier.role.len > 0 && tier.tier.len > 0 &&
                                  tier.role.len <= TIER_NAME_MAX &&
                                  tier.tier.len <= TIER_NAME_MAX && span_is_plain_utf8(text));
}

enum message_verdict heartbeat_read(const struct message *m, struct heartbeat *out)
{
    struct fields fields = fields_of(m);

    memset(out, 0, sizeof(*out));
    if (!span_is(m->type, GOSSIP))
        return MESSAGE_NO_TYPE;
    if (m->payload.len > 0)
        return MESSAGE_BAD_SIZE;
    read_sender(&fields, out);
    out->interval_ms = (uint32_t)fields_u64(&fields, INTERVAL, HEARTBEAT_INTERVAL_MIN_MS,
                                            HEARTBEAT_INTERVAL_MAX_MS);
    out->port = (uint16_t)fields_u64(&fields, PORT, 1, UINT16_MAX);
    out->http_port = (uint16_t)fields_u64(&fields, HTTP_PORT, 1, UINT16_MAX);
    out->advert_port = (uint16_t)fields_u64(&fields, ADVERT_PORT, 1, UINT16_MAX);
    read_addresses(&fields, out);
    if (fields_has(&fields, TIERS))
        read_tiers(&fields, out);
    return fields.verdict;
}

bool heartbeat_tells(const struct heartbeat *beat, const struct address *host)
{
    for (size_t i = 0; i < beat->address_count; i++)
        if (address_same_host(&beat->addresses[i], host))
            return true;
    return false;
}

/* ---- writing --------------------------------------------------------------------------------- */

void heartbeat_add_tier(struct heartbeat *beat, const char *role, const char *tier)
{
    size_t used = strlen(beat->tiers);
    struct text text = {beat->tiers, used, sizeof(beat->tiers), false};

    text_printf(&text, "%s%s %s", used ? "/" : "", role, tier); /* as a whole or not at all */
}

static void write_addresses(const struct heartbeat *beat, struct text *out)
{
    char memory[HEARTBEAT_ADDRESSES_MAX * ADDRESS_TEXT_SIZE], one[ADDRESS_TEXT_SIZE];
    struct text list = TEXT_OVER(memory);

    for (size_t i = 0; i < beat->address_count; i++)
        text_printf(&list, "%s%s", i ? " " : "", address_plain_text(&beat->addresses[i], one));
    message_add(out, ADDRESSES, (struct span){list.at, list.len});
}

void heartbeat_write(const struct heartbeat *beat, wall_t date, struct text *out)
{
    MUST(beat->address_count > 0 && beat->address_count <= HEARTBEAT_ADDRESSES_MAX);
    message_begin(out, date, GOSSIP, 0);
    message_add_bare_u64(out, FORMAT, HEARTBEAT_FORMAT);
    message_add(out, DOMAIN, span_of(beat->domain));
    message_add(out, NODE, span_of(beat->node));
    message_add_bare_u64(out, BOOT, beat->boot);
    message_add_bare_u64(out, COUNTER, beat->counter);
    message_add_bare_u64(out, CLOCK, (uint64_t)beat->clock.ms);
    message_add_bare_u64(out, INTERVAL, beat->interval_ms);
    message_add_bare_u64(out, PORT, beat->port);
    message_add_bare_u64(out, HTTP_PORT, beat->http_port);
    message_add_bare_u64(out, ADVERT_PORT, beat->advert_port);
    write_addresses(beat, out);
    if (*beat->tiers)
        message_add(out, TIERS, span_of(beat->tiers));
    message_end(out, (struct span){"", 0});
}
