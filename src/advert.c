/* SPDX-License-Identifier: ISC */
#include "src/advert.h"

#include <string.h>

#include "cache/fields.h"
#include "cache/name.h"
#include "cache/notice.h"
#include "election/elect.h"
#include "src/base/must.h"

/* The headers, in the order in which they are written, and thus found fastest. */
static const char FORMAT[] = "format", DOMAIN[] = "domain", NODE[] = "node", BOOT[] = "boot",
                  COUNTER[] = "counter", TIER[] = "tier", ADDRESS[] = "address",
                  HTTP_PORT[] = "http_port", ECHO[] = "echo", BASE[] = "base_us", SKEW[] = "skew",
                  DEMOTION[] = "demotion", EPOCH[] = "epoch", STORE[] = "store",
                  SEQUENCE[] = "sequence", DIGEST[] = "digest", CLOCK[] = "clock",
                  LEAVING[] = "leaving", SUCCESSOR[] = "successor", ROLE[] = "role",
                  ASKS[] = "asks", BEHIND[] = "behind", UNCONFIRMED[] = "unconfirmed",
                  BELOW[] = "below", NONCE[] = "nonce";

static const char *const kinds[] = {
    [BALLOT_ADVERT] = "advert",
    [BALLOT_STANDING] = "standing",
    [BALLOT_SOLICIT] = "solicit",
};
enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

const char *advert_name(enum ballot_kind kind)
{
    return kinds[kind];
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_copy(struct fields *fields, struct span text, char *out, size_t cap)
{
    fields_demand(fields, text.len > 0 && span_copy(text, out, cap));
}

static void read_nonce(struct fields *fields, const char *name, struct ballot_nonce *out)
{
    fields_demand(fields, span_hex(fields_text(fields, name), out->bytes, sizeof(out->bytes)));
}

/* What all three have. */
static void read_sender(struct fields *fields, struct advert_head *head, struct ballot *out)
{
    struct span node;

    fields_demand(fields, fields_u64(fields, FORMAT, 0, UINT64_MAX) == ADVERT_FORMAT);
    read_copy(fields, fields_text(fields, DOMAIN), head->domain, sizeof(head->domain));
    node = fields_text(fields, NODE);
    fields_demand(fields, node_name_ok(node) && span_copy(node, out->node, sizeof(out->node)));
    out->boot = fields_u64(fields, BOOT, 1, UINT64_MAX);
    out->counter = fields_u64(fields, COUNTER, 0, UINT64_MAX);
    read_copy(fields, fields_text(fields, TIER), out->tier, sizeof(out->tier));
    out->address = fields_address(fields, ADDRESS);
    out->address.port = (uint16_t)fields_u64(fields, HTTP_PORT, 1, UINT16_MAX);
    out->has_echo = fields_has(fields, ECHO);
    if (out->has_echo)
        read_nonce(fields, ECHO, &out->echo);
}

static void read_store(struct fields *fields, uint64_t *out)
{
    uint8_t bytes[sizeof(*out)] = {0};

    fields_demand(fields, span_hex(fields_text(fields, STORE), bytes, sizeof(bytes)));
    for (size_t i = 0; i < sizeof(bytes); i++)
        *out = *out << 8 | bytes[i];
}

/* What an advert and a standing have. */
static void read_stand(struct fields *fields, struct ballot *out)
{
    uint64_t lowest = out->kind == BALLOT_ADVERT ? 1 : 0;

    out->pair.base_us = (uint32_t)fields_u64(fields, BASE, ADVERT_BASE_MIN_US, ADVERT_BASE_MAX_US);
    out->pair.skew = (uint8_t)fields_u64(fields, SKEW, 0, UINT8_MAX);
    out->demotion = (uint16_t)fields_u64(fields, DEMOTION, 0, DEMOTION_MAX);
    out->epoch = fields_u64(fields, EPOCH, lowest, ELECT_EPOCH_MAX);
    read_store(fields, &out->head.store);
    out->head.sequence = fields_u64(fields, SEQUENCE, 0, UINT64_MAX);
    fields_demand(fields, digest_parse(fields_text(fields, DIGEST), &out->head.digest));
    if (fields_has(fields, CLOCK))
        out->head.clock.ms = (int64_t)fields_u64(fields, CLOCK, 1, NOTICE_CLOCK_MAX_MS);
}

static void read_advert(struct fields *fields, struct ballot *out)
{
    out->leaving = fields_flag(fields, LEAVING);
    if (fields_has(fields, SUCCESSOR))
        out->successor = fields_address(fields, SUCCESSOR);
}

static void read_standing(struct fields *fields, struct ballot *out)
{
    struct span role = fields_text(fields, ROLE);

    out->role = span_is(role, ballot_role_name(BALLOT_BACKUP)) ? BALLOT_BACKUP : BALLOT_SLAVE;
    fields_demand(fields, span_is(role, ballot_role_name(out->role)));
    out->asks = fields_flag(fields, ASKS);
    out->behind = fields_flag(fields, BEHIND);
    out->unconfirmed = (uint32_t)fields_u64(fields, UNCONFIRMED, 0, UINT32_MAX);
    out->below = fields_has(fields, BELOW) && fields_flag(fields, BELOW);
}

static bool read_kind(struct span type, enum ballot_kind *out)
{
    for (size_t i = 0; i < KINDS; i++) {
        *out = (enum ballot_kind)i;
        if (span_is(type, kinds[i]))
            return true;
    }
    return false;
}

enum message_verdict advert_read(const struct message *m, struct advert_head *head,
                                 struct ballot *out)
{
    struct fields fields = fields_of(m);

    memset(head, 0, sizeof(*head));
    memset(out, 0, sizeof(*out));
    if (!read_kind(m->type, &out->kind))
        return MESSAGE_NO_TYPE;
    if (m->payload.len > 0)
        return MESSAGE_BAD_SIZE;
    read_sender(&fields, head, out);
    if (out->kind != BALLOT_SOLICIT)
        read_stand(&fields, out);
    if (out->kind == BALLOT_ADVERT)
        read_advert(&fields, out);
    if (out->kind == BALLOT_STANDING)
        read_standing(&fields, out);
    if (out->kind == BALLOT_SOLICIT)
        read_nonce(&fields, NONCE, &out->nonce);
    return fields.verdict;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_hex(struct text *out, const char *name, const void *bytes, size_t len)
{
    char memory[2 * sizeof(struct digest) + 1];
    struct text hex = TEXT_OVER(memory);

    text_hex(&hex, bytes, len);
    message_add(out, name, (struct span){hex.at, hex.len});
}

static void write_sender(const struct ballot *ballot, const char *domain, struct text *out)
{
    message_add_bare_u64(out, FORMAT, ADVERT_FORMAT);
    message_add(out, DOMAIN, span_of(domain));
    message_add(out, NODE, span_of(ballot->node));
    message_add_bare_u64(out, BOOT, ballot->boot);
    message_add_bare_u64(out, COUNTER, ballot->counter);
    message_add(out, TIER, span_of(ballot->tier));
    message_add_address(out, ADDRESS, &ballot->address);
    message_add_bare_u64(out, HTTP_PORT, ballot->address.port);
    if (ballot->has_echo)
        write_hex(out, ECHO, ballot->echo.bytes, sizeof(ballot->echo.bytes));
}

static void write_stand(const struct ballot *ballot, struct text *out)
{
    uint8_t store[sizeof(ballot->head.store)];

    for (size_t i = 0; i < sizeof(store); i++)
        store[i] = (uint8_t)(ballot->head.store >> (56 - 8 * i));
    message_add_bare_u64(out, BASE, ballot->pair.base_us);
    message_add_bare_u64(out, SKEW, ballot->pair.skew);
    message_add_bare_u64(out, DEMOTION, ballot->demotion);
    message_add_bare_u64(out, EPOCH, ballot->epoch);
    write_hex(out, STORE, store, sizeof(store));
    message_add_bare_u64(out, SEQUENCE, ballot->head.sequence);
    write_hex(out, DIGEST, ballot->head.digest.bytes, sizeof(ballot->head.digest.bytes));
    if (ballot->head.clock.ms > 0)
        message_add_bare_u64(out, CLOCK, (uint64_t)ballot->head.clock.ms);
}

static void write_advert(const struct ballot *ballot, struct text *out)
{
    static const struct address none;

    message_add_bare_flag(out, LEAVING, ballot->leaving);
    if (!address_same_host(&ballot->successor, &none))
        message_add_address(out, SUCCESSOR, &ballot->successor);
}

static void write_standing(const struct ballot *ballot, struct text *out)
{
    MUST(ballot->role != BALLOT_MASTER);
    message_add(out, ROLE, span_of(ballot_role_name(ballot->role)));
    message_add_bare_flag(out, ASKS, ballot->asks);
    message_add_bare_flag(out, BEHIND, ballot->behind);
    message_add_bare_u64(out, UNCONFIRMED, ballot->unconfirmed);
    if (ballot->below)
        message_add_bare_flag(out, BELOW, true);
}

void advert_write(const struct ballot *ballot, const char *domain, wall_t date, struct text *out)
{
    message_begin(out, date, advert_name(ballot->kind), 0);
    write_sender(ballot, domain, out);
    if (ballot->kind != BALLOT_SOLICIT)
        write_stand(ballot, out);
    if (ballot->kind == BALLOT_ADVERT)
        write_advert(ballot, out);
    if (ballot->kind == BALLOT_STANDING)
        write_standing(ballot, out);
    if (ballot->kind == BALLOT_SOLICIT)
        write_hex(out, NONCE, ballot->nonce.bytes, sizeof(ballot->nonce.bytes));
    message_end(out, (struct span){"", 0});
}
