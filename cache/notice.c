/* SPDX-License-Identifier: ISC */
#include "cache/notice.h"

#include <string.h>

#include "cache/fields.h"

/* The headers, in the order in which they are written. The first seven are ISconf's. */
static const char FILE_NAME[] = "file", NEWER[] = "newer", TUID[] = "tuid", MTIME[] = "mtime",
                  PORT[] = "port", SCHEME[] = "scheme", HTTP[] = "http", FORMAT[] = "format",
                  DOMAIN[] = "domain", NODE[] = "node", BOOT[] = "boot", COUNTER[] = "counter",
                  CLOCK[] = "clock", VERSION[] = "version", SPREAD[] = "spread",
                  CONTENT[] = "content", HELD[] = "held", DELETED[] = "deleted", SIZE[] = "size",
                  SHA256[] = "sha256", CONFIRM[] = "confirm", LEADS[] = "leads", KEPT[] = "kept",
                  ADDRESS[] = "address";

/* With which the tuid of an announcement begins; no question's does. */
static const char ANNOUNCES[] = "0@";

/* ---- reading --------------------------------------------------------------------------------- */

/* A flag that may be missing. */
static bool flag_of(struct fields *fields, const char *name)
{
    return fields_has(fields, name) && fields_flag(fields, name);
}

/* Printable ASCII without blanks, so that it can stand in a log line as it is. */
static bool tuid_ok(struct span tuid)
{
    for (size_t i = 0; i < tuid.len; i++) {
        if (tuid.at[i] <= ' ' || tuid.at[i] > '~')
            return false;
    }
    return tuid.len > 0 && tuid.len <= TUID_MAX_LEN;
}

static void read_tuid(struct fields *fields, struct notice *out)
{
    struct span tuid = fields_text(fields, TUID);

    fields_demand(fields, tuid_ok(tuid));
    if (!span_begins(tuid, ANNOUNCES))
        fields_demand(fields, span_copy(tuid, out->tuid, sizeof(out->tuid)));
}

static void read_sender(struct fields *fields, struct notice_sender *out)
{
    struct span domain = fields_text(fields, DOMAIN), node = fields_text(fields, NODE);

    fields_demand(fields, node_name_ok(node) && span_copy(node, out->node, sizeof(out->node)));
    fields_demand(fields, domain.len && !memchr(domain.at, '/', domain.len) &&
                              span_is_plain_utf8(domain) &&
                              span_copy(domain, out->domain, sizeof(out->domain)));
    out->boot = fields_u64(fields, BOOT, 0, UINT64_MAX);
    out->counter = fields_u64(fields, COUNTER, 0, UINT64_MAX);
    if (fields_has(fields, CLOCK))
        out->clock.ms = (int64_t)fields_u64(fields, CLOCK, 1, NOTICE_CLOCK_MAX_MS);
    if (fields_has(fields, ADDRESS)) {
        struct address address = fields_address(fields, ADDRESS);
        memcpy(out->address.ip, address.ip, sizeof(address.ip));
    }
}

/* What both kinds have. */
static void read_common(struct fields *fields, struct notice *out)
{
    struct span name = fields_text(fields, FILE_NAME);

    fields_demand(fields, name.len && span_copy(name, out->name, sizeof(out->name)));
    read_sender(fields, &out->sender);
    fields_demand(fields, fields_u64(fields, FORMAT, 0, UINT64_MAX) == NOTICE_FORMAT);
    if (fields_has(fields, VERSION))
        fields_demand(fields, version_parse(fields_text(fields, VERSION), &out->version));
    if (fields_has(fields, PORT))
        out->port = (uint16_t)fields_u64(fields, PORT, 0, UINT16_MAX);
    if (fields_has(fields, SPREAD)) {
        uint64_t spread = fields_u64(fields, SPREAD, 0, UINT64_MAX);
        out->spread_ms = (uint16_t)(spread < NOTICE_SPREAD_MAX_MS ? spread : NOTICE_SPREAD_MAX_MS);
    }
}

static void read_whohas(struct fields *fields, struct notice *out)
{
    read_tuid(fields, out);
    out->time = fields_i64(fields, NEWER);
    out->content = flag_of(fields, CONTENT);
}

/* What a version's content is, or, of a tombstone, that it has none. */
static void read_content(struct fields *fields, struct notice *out)
{
    out->held = flag_of(fields, HELD);
    out->deleted = flag_of(fields, DELETED);
    if (out->deleted) {
        fields_demand(fields,
                      !out->held && !fields_has(fields, SHA256) && !fields_has(fields, SIZE));
        return;
    }
    out->size = fields_u64(fields, SIZE, 0, INT64_MAX);
    fields_demand(fields, digest_parse(fields_text(fields, SHA256), &out->sha256));
}

static void read_ihave(struct fields *fields, struct notice *out)
{
    if (fields_has(fields, TUID))
        read_tuid(fields, out);
    out->time = fields_i64(fields, MTIME);
    if (fields_has(fields, SCHEME))
        fields_demand(fields, span_is(fields_text(fields, SCHEME), HTTP));
    fields_settle(fields, fields_has(fields, VERSION) && fields_has(fields, PORT)
                              ? MESSAGE_OK
                              : MESSAGE_MISSING);
    fields_demand(fields, out->port > 0 && !version_same(out->version, VERSION_NONE));
    out->confirm = flag_of(fields, CONFIRM);
    out->kept = flag_of(fields, KEPT);
    out->leads = flag_of(fields, LEADS);
    read_content(fields, out);
}

static bool read_kind(const struct message *m, struct notice *out)
{
    memset(out, 0, sizeof(*out));
    if (span_is(m->type, "whohas"))
        out->kind = NOTICE_WHOHAS;
    else if (span_is(m->type, "ihave"))
        out->kind = NOTICE_IHAVE;
    else
        return false;
    return true;
}

enum message_verdict notice_read(const struct message *m, struct notice *out)
{
    struct fields fields = fields_of(m);

    if (!read_kind(m, out))
        return MESSAGE_NO_TYPE;
    read_common(&fields, out);
    if (out->kind == NOTICE_WHOHAS)
        read_whohas(&fields, out);
    else
        read_ihave(&fields, out);
    return fields.verdict;
}

/* ---- of ISconf hosts ------------------------------------------------------------------------- */

bool notice_is_isconf(const struct message *m)
{
    static const char *const ours[] = {FORMAT, DOMAIN, NODE, BOOT, COUNTER};
    struct span value;

    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
        if (message_get(m, ours[i], &value))
            return false;
    }
    return true;
}

static void read_isconf_ihave(struct fields *fields, struct notice *out)
{
    out->time = fields_i64(fields, MTIME);
    fields_demand(fields, out->time >= 0 && out->time <= VERSION_MTIME_MAX);
    out->port = (uint16_t)fields_u64(fields, PORT, 1, UINT16_MAX);
    if (fields_has(fields, SCHEME))
        fields_demand(fields, span_is(fields_text(fields, SCHEME), HTTP));
    if (fields->verdict == MESSAGE_OK)
        out->version = version_of_mtime(out->time);
}

enum message_verdict notice_read_isconf(const struct message *m, struct notice *out)
{
    struct fields fields = fields_of(m);
    struct span name;

    if (!read_kind(m, out))
        return MESSAGE_NO_TYPE;
    out->isconf = true;
    name = fields_text(&fields, FILE_NAME);
    while (name.len && *name.at == '/')
        name.at++, name.len--;
    fields_demand(&fields, name.len && span_copy(name, out->name, sizeof(out->name)));
    if (out->kind == NOTICE_WHOHAS)
        out->time = fields_i64(&fields, NEWER);
    else
        read_isconf_ihave(&fields, out);
    return fields.verdict;
}

/* ---- where it comes from ----------------------------------------------------------------------
 */

static bool is_same(const struct address *a, const struct address *b)
{
    return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool notice_is_from(const struct notice_sender *sender, const struct address *host)
{
    return !address_is_any(&sender->address) && is_same(&sender->address, host);
}

bool notice_is_misplaced(const struct notice_sender *sender, const struct address *host)
{
    return !address_is_any(&sender->address) && !is_same(&sender->address, host);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_sender(const struct notice_sender *sender, struct text *out)
{
    message_add_u64(out, FORMAT, NOTICE_FORMAT);
    message_add(out, DOMAIN, span_of(sender->domain));
    message_add(out, NODE, span_of(sender->node));
    message_add_u64(out, BOOT, sender->boot);
    message_add_u64(out, COUNTER, sender->counter);
    if (sender->clock.ms > 0)
        message_add_u64(out, CLOCK, (uint64_t)sender->clock.ms);
    if (!address_is_any(&sender->address))
        message_add_address(out, ADDRESS, &sender->address);
}

static void write_version(struct version version, struct text *out)
{
    char text[VERSION_TEXT_SIZE];

    if (!version_same(version, VERSION_NONE))
        message_add(out, VERSION, span_of(version_text(version, text)));
}

static void write_content(const struct notice *notice, struct text *out)
{
    char hex[DIGEST_HEX_SIZE];

    if (notice->deleted) {
        message_add_flag(out, DELETED, true);
        return;
    }
    message_add_u64(out, SIZE, notice->size);
    message_add(out, SHA256, span_of(digest_hex(&notice->sha256, hex)));
    message_add_flag(out, HELD, notice->held);
}

static void write_tuid(const struct notice *notice, struct text *out)
{
    char memory[TUID_SIZE];
    struct text announces = TEXT_OVER(memory);
    struct span node = span_of(notice->sender.node);

    if (*notice->tuid)
        message_add(out, TUID, span_of(notice->tuid));
    if (*notice->tuid || !notice->isconf)
        return;
    text_puts(&announces, ANNOUNCES);
    node.len = node.len < TUID_MAX_LEN - announces.len ? node.len : TUID_MAX_LEN - announces.len;
    text_add(&announces, node.at, node.len);
    message_add(out, TUID, (struct span){announces.at, announces.len});
}

void notice_write(const struct notice *notice, wall_t date, struct text *out)
{
    bool asks = notice->kind == NOTICE_WHOHAS;

    message_begin(out, date, asks ? "whohas" : "ihave", 0);
    message_add(out, FILE_NAME, span_of(notice->name));
    message_add_i64(out, asks ? NEWER : MTIME, notice->time);
    write_tuid(notice, out);
    message_add_u64(out, PORT, notice->port);
    if (!asks)
        message_add(out, SCHEME, span_of(HTTP));
    write_sender(&notice->sender, out);
    write_version(notice->version, out);
    if (notice->spread_ms)
        message_add_u64(out, SPREAD, notice->spread_ms);
    if (asks && notice->content)
        message_add_flag(out, CONTENT, true);
    if (!asks)
        write_content(notice, out);
    if (!asks && notice->confirm)
        message_add_flag(out, CONFIRM, true);
    if (!asks && notice->kept)
        message_add_flag(out, KEPT, true);
    if (!asks && notice->leads)
        message_add_flag(out, LEADS, true);
    message_end(out, (struct span){"", 0});
}
