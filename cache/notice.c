/* SPDX-License-Identifier: ISC */
#include "cache/notice.h"

#include <string.h>

/* The headers, in the order in which they are written. The first seven are ISconf's. */
static const char FILE_NAME[] = "file", NEWER[] = "newer", TUID[] = "tuid", MTIME[] = "mtime",
                  PORT[] = "port", SCHEME[] = "scheme", HTTP[] = "http", FORMAT[] = "format",
                  DOMAIN[] = "domain", NODE[] = "node", BOOT[] = "boot", COUNTER[] = "counter",
                  CLOCK[] = "clock", VERSION[] = "version", SPREAD[] = "spread",
                  CONTENT[] = "content", HELD[] = "held", DELETED[] = "deleted", SIZE[] = "size",
                  SHA256[] = "sha256";

/* ---- reading --------------------------------------------------------------------------------- */

/*
 * Reads header after header into the notice. The verdict sticks: what follows the first header that
 * is wrong is not looked at, so that it is checked once.
 */
struct reader {
    const struct message *message;
    enum message_verdict verdict;
};

static void settle(struct reader *reader, enum message_verdict verdict)
{
    if (reader->verdict == MESSAGE_OK)
        reader->verdict = verdict;
}

static bool has(struct reader *reader, const char *name)
{
    struct span value;

    return reader->verdict == MESSAGE_OK && message_get(reader->message, name, &value);
}

/* The value of a header that must be there. */
static struct span text_of(struct reader *reader, const char *name)
{
    struct span value = {"", 0};

    if (!message_get(reader->message, name, &value))
        settle(reader, MESSAGE_MISSING);
    return value;
}

static uint64_t number_of(struct reader *reader, const char *name, uint64_t max)
{
    uint64_t n = 0;

    settle(reader, message_u64(reader->message, name, max, &n));
    return reader->verdict == MESSAGE_OK ? n : 0;
}

static bool flag_of(struct reader *reader, const char *name)
{
    bool flag = false;

    if (has(reader, name))
        settle(reader, message_flag(reader->message, name, &flag));
    return flag;
}

static void demand(struct reader *reader, bool condition)
{
    if (!condition)
        settle(reader, MESSAGE_BAD_VALUE);
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

static void read_tuid(struct reader *reader, struct notice *out)
{
    struct span tuid = text_of(reader, TUID);

    demand(reader, tuid_ok(tuid) && span_copy(tuid, out->tuid, sizeof(out->tuid)));
}

static void read_sender(struct reader *reader, struct notice_sender *out)
{
    struct span domain = text_of(reader, DOMAIN), node = text_of(reader, NODE);

    demand(reader, node_name_ok(node) && span_copy(node, out->node, sizeof(out->node)));
    demand(reader, domain.len && !memchr(domain.at, '/', domain.len) &&
                       span_is_plain_utf8(domain) &&
                       span_copy(domain, out->domain, sizeof(out->domain)));
    out->boot = number_of(reader, BOOT, UINT64_MAX);
    out->counter = number_of(reader, COUNTER, UINT64_MAX);
    if (has(reader, CLOCK)) {
        out->clock.ms = (int64_t)number_of(reader, CLOCK, NOTICE_CLOCK_MAX_MS);
        demand(reader, out->clock.ms > 0);
    }
}

/* What both kinds have. */
static void read_common(struct reader *reader, struct notice *out)
{
    struct span name = text_of(reader, FILE_NAME);

    demand(reader, name.len && span_copy(name, out->name, sizeof(out->name)));
    read_sender(reader, &out->sender);
    demand(reader, number_of(reader, FORMAT, UINT64_MAX) == NOTICE_FORMAT);
    if (has(reader, VERSION))
        demand(reader, version_parse(text_of(reader, VERSION), &out->version));
    if (has(reader, PORT))
        out->port = (uint16_t)number_of(reader, PORT, UINT16_MAX);
    if (has(reader, SPREAD)) {
        uint64_t spread = number_of(reader, SPREAD, UINT64_MAX);
        out->spread_ms = (uint16_t)(spread < NOTICE_SPREAD_MAX_MS ? spread : NOTICE_SPREAD_MAX_MS);
    }
}

static void read_whohas(struct reader *reader, struct notice *out)
{
    read_tuid(reader, out);
    settle(reader, message_i64(reader->message, NEWER, &out->time));
    out->content = flag_of(reader, CONTENT);
}

/* What a version's content is, or, of a tombstone, that it has none. */
static void read_content(struct reader *reader, struct notice *out)
{
    out->held = flag_of(reader, HELD);
    out->deleted = flag_of(reader, DELETED);
    if (out->deleted) {
        demand(reader, !out->held && !has(reader, SHA256) && !has(reader, SIZE));
        return;
    }
    out->size = number_of(reader, SIZE, INT64_MAX);
    demand(reader, digest_parse(text_of(reader, SHA256), &out->sha256));
}

static void read_ihave(struct reader *reader, struct notice *out)
{
    if (has(reader, TUID))
        read_tuid(reader, out);
    settle(reader, message_i64(reader->message, MTIME, &out->time));
    if (has(reader, SCHEME))
        demand(reader, span_is(text_of(reader, SCHEME), HTTP));
    settle(reader, has(reader, VERSION) && has(reader, PORT) ? MESSAGE_OK : MESSAGE_MISSING);
    demand(reader, out->port > 0 && !version_same(out->version, VERSION_NONE));
    read_content(reader, out);
}

enum message_verdict notice_read(const struct message *m, struct notice *out)
{
    struct reader reader = {m, MESSAGE_OK};

    memset(out, 0, sizeof(*out));
    if (span_is(m->type, "whohas"))
        out->kind = NOTICE_WHOHAS;
    else if (span_is(m->type, "ihave"))
        out->kind = NOTICE_IHAVE;
    else
        return MESSAGE_NO_TYPE;
    read_common(&reader, out);
    if (out->kind == NOTICE_WHOHAS)
        read_whohas(&reader, out);
    else
        read_ihave(&reader, out);
    return reader.verdict;
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

void notice_write(const struct notice *notice, wall_t date, struct text *out)
{
    bool asks = notice->kind == NOTICE_WHOHAS;

    message_begin(out, date, asks ? "whohas" : "ihave", 0);
    message_add(out, FILE_NAME, span_of(notice->name));
    message_add_i64(out, asks ? NEWER : MTIME, notice->time);
    if (*notice->tuid)
        message_add(out, TUID, span_of(notice->tuid));
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
    message_end(out, (struct span){"", 0});
}
