/* SPDX-License-Identifier: ISC */
#include "cache/message.h"

#include <string.h>

#include "src/base/calendar.h"
#include "src/base/must.h"

static const char FROM[] = "From fbp822";
static const char TYPED[] = "_type_";

static const struct {
    const char *name;
    const char *sentence;
} verdicts[] = {
#define MESSAGE_ROW(id, name, sentence) {name, sentence},
    MESSAGE_VERDICTS(MESSAGE_ROW)
#undef MESSAGE_ROW
};

const char *message_verdict_name(enum message_verdict verdict)
{
    return verdicts[verdict].name;
}

const char *message_verdict_sentence(enum message_verdict verdict)
{
    return verdicts[verdict].sentence;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Takes a line off the front of *rest, without its LF; false where there is none. */
static bool take_line(struct span *rest, struct span *line)
{
    const char *end = rest->len ? memchr(rest->at, '\n', rest->len) : NULL;

    if (!end)
        return false;
    *line = (struct span){rest->at, (size_t)(end - rest->at)};
    rest->at = end + 1;
    rest->len -= line->len + 1;
    return true;
}

/* Has it a control character? UTF-8's later bytes are none: what a value means is its reader's. */
static bool has_control(struct span s)
{
    unsigned found = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        found |= (unsigned)(c < 0x20) | (unsigned)(c == 0x7f);
    }
    return found;
}

/* The last word of the line, taken off it, where it is a token: a word with a "=" in it. */
static bool take_token(struct span *line, struct span *token)
{
    size_t from;

    *line = span_trim(*line);
    for (from = line->len; from > 0 && line->at[from - 1] != ' ';)
        from--;
    *token = (struct span){line->at + from, line->len - from};
    if (!token->len || !memchr(token->at, '=', token->len))
        return false;
    line->len = from;
    return true;
}

static bool decode_from(struct span line, struct message *out)
{
    struct span token;

    if (line.len > MESSAGE_FROM_MAX || !span_begins(line, FROM) || has_control(line))
        return false;
    line.at += sizeof(FROM) - 1;
    line.len -= sizeof(FROM) - 1;
    if (line.len && *line.at != ' ')
        return false;
    while (take_token(&line, &token)) {
        struct span key = span_take(&token, '=');
        if (span_is(key, "HMAC") || span_is(key, "SUM"))
            out->from_mac = token;
    }
    out->date = line;
    return true;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* A bit for the name; a name whose bit is not yet set was not there before. */
static uint64_t name_bit(struct span name)
{
    unsigned first = (unsigned char)name.at[0], last = (unsigned char)name.at[name.len - 1];

    return (uint64_t)1 << ((first + 5 * last + 11 * name.len) & 63);
}

static enum message_verdict decode_header(struct span line, struct message *out, uint64_t *seen)
{
    struct span name = {line.at, 0}, value, before;
    uint64_t bit;

    while (name.len < line.len && is_name_char(line.at[name.len]))
        name.len++;
    if (name.len == 0 || name.len == line.len || line.at[name.len] != ':')
        return MESSAGE_BAD_HEADER;
    value = (struct span){name.at + name.len + 1, line.len - name.len - 1};
    while (value.len && *value.at == ' ')
        value.at++, value.len--;
    if (has_control(value))
        return MESSAGE_BAD_HEADER;
    bit = name_bit(name);
    for (size_t i = 0; (*seen & bit) && i < out->count; i++) {
        before = out->headers[i].name;
        if (span_same(before, name))
            return MESSAGE_REPEATED;
    }
    if (out->count == MESSAGE_HEADERS_MAX)
        return MESSAGE_TOO_MANY;
    *seen |= bit;
    out->headers[out->count++] = (struct message_header){name, value};
    return MESSAGE_OK;
}

static enum message_verdict decode_headers(struct span *rest, struct message *out)
{
    uint64_t seen = 0;
    struct span line;

    while (take_line(rest, &line)) {
        enum message_verdict verdict;
        if (line.len == 0)
            return MESSAGE_OK;
        verdict = decode_header(line, out, &seen);
        if (verdict != MESSAGE_OK)
            return verdict;
    }
    return MESSAGE_TRUNCATED;
}

/* What every message must have, once its headers are read; *rest begins with the payload. */
static enum message_verdict decode_body(struct span *rest, struct message *out)
{
    struct span size;
    uint64_t len;

    if (!message_get(out, "_type", &out->type) || out->type.len == 0)
        return MESSAGE_NO_TYPE;
    if (!message_get(out, "_size", &size) || !span_u64(size, MESSAGE_MAX, &len))
        return MESSAGE_BAD_SIZE;
    if (len > rest->len)
        return MESSAGE_TRUNCATED;
    out->payload = (struct span){rest->at, (size_t)len};
    rest->at += len;
    rest->len -= (size_t)len;
    return MESSAGE_OK;
}

enum message_verdict message_decode_next(struct span *rest, struct message *out)
{
    bool cut = rest->len > MESSAGE_MAX;
    struct span left = {rest->at, cut ? MESSAGE_MAX : rest->len}, line;
    enum message_verdict verdict;

    out->date = out->from_mac = out->covered = out->type = out->payload = (struct span){"", 0};
    out->count = 0;
    if (!take_line(&left, &line) || !decode_from(line, out))
        return MESSAGE_NO_FROM;
    out->covered.at = left.at;
    verdict = decode_headers(&left, out);
    if (verdict == MESSAGE_OK)
        verdict = decode_body(&left, out);
    if (verdict == MESSAGE_TRUNCATED && cut)
        return MESSAGE_TOO_LONG;
    if (verdict != MESSAGE_OK)
        return verdict;
    out->covered.len = (size_t)(left.at - out->covered.at);
    rest->len -= (size_t)(left.at - rest->at);
    rest->at = left.at;
    return MESSAGE_OK;
}

enum message_verdict message_decode(struct span bytes, struct message *out)
{
    enum message_verdict verdict;

    if (bytes.len > MESSAGE_MAX)
        return MESSAGE_TOO_LONG;
    verdict = message_decode_next(&bytes, out);
    if (verdict == MESSAGE_OK && bytes.len > 0)
        return MESSAGE_BAD_SIZE;
    return verdict;
}

bool message_get(const struct message *m, const char *name, struct span *value)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < m->count; i++) {
        const struct message_header *h = &m->headers[i];
        if (h->name.len == len && memcmp(h->name.at, name, len) == 0) {
            *value = h->value;
            return true;
        }
    }
    return false;
}

/* Is the header marked as of another type? Without a mark it may be any. */
static bool marked_otherwise(const struct message *m, const char *name, char type)
{
    size_t prefix = sizeof(TYPED) - 1, len = strlen(name);

    for (size_t i = 0; i < m->count; i++) {
        const struct message_header *h = &m->headers[i];
        if (h->name.len == prefix + len && memcmp(h->name.at, TYPED, prefix) == 0 &&
            memcmp(h->name.at + prefix, name, len) == 0)
            return h->value.len != 1 || *h->value.at != type;
    }
    return false;
}

static enum message_verdict get_typed(const struct message *m, const char *name, char type,
                                      struct span *value)
{
    if (!message_get(m, name, value))
        return MESSAGE_MISSING;
    return marked_otherwise(m, name, type) ? MESSAGE_BAD_VALUE : MESSAGE_OK;
}

enum message_verdict message_u64(const struct message *m, const char *name, uint64_t max,
                                 uint64_t *out)
{
    struct span value;
    enum message_verdict verdict = get_typed(m, name, 'i', &value);

    if (verdict == MESSAGE_OK && !span_u64(value, max, out))
        return MESSAGE_BAD_VALUE;
    return verdict;
}

enum message_verdict message_i64(const struct message *m, const char *name, int64_t *out)
{
    struct span value;
    enum message_verdict verdict = get_typed(m, name, 'i', &value);

    if (verdict == MESSAGE_OK && !span_i64(value, out))
        return MESSAGE_BAD_VALUE;
    return verdict;
}

enum message_verdict message_flag(const struct message *m, const char *name, bool *out)
{
    struct span value;
    enum message_verdict verdict = get_typed(m, name, 'b', &value);

    if (verdict != MESSAGE_OK)
        return verdict;
    *out = span_is(value, "True");
    return *out || span_is(value, "False") ? MESSAGE_OK : MESSAGE_BAD_VALUE;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void add_two_digits(struct text *out, int n, char tens)
{
    char digits[2] = {n < 10 ? tens : (char)('0' + n / 10), (char)('0' + n % 10)};

    text_add(out, digits, sizeof(digits));
}

/* As ctime(3) prints it: "Sun Nov  1 12:00:00 2026". */
static void add_date(struct text *out, wall_t date)
{
    struct calendar utc;

    calendar_of(date.ms / 1000, &utc);
    text_puts(out, calendar_weekdays[utc.weekday]);
    text_putc(out, ' ');
    text_puts(out, calendar_months[utc.month]);
    text_putc(out, ' ');
    add_two_digits(out, utc.day, ' ');
    text_putc(out, ' ');
    add_two_digits(out, utc.hour, '0');
    text_putc(out, ':');
    add_two_digits(out, utc.minute, '0');
    text_putc(out, ':');
    add_two_digits(out, utc.second, '0');
    text_putc(out, ' ');
    text_u64(out, (uint64_t)utc.year);
}

void message_begin(struct text *out, wall_t date, const char *type, size_t payload_len)
{
    MUST(out->len == 0);
    text_add(out, FROM, sizeof(FROM) - 1);
    text_putc(out, ' ');
    add_date(out, date);
    text_putc(out, '\n');
    message_add(out, "_type", span_of(type));
    text_puts(out, "_size: ");
    text_u64(out, payload_len);
    text_putc(out, '\n');
}

static void add_name(struct text *out, const char *name)
{
    text_puts(out, name);
    text_add(out, ": ", 2);
}

static void add_mark(struct text *out, const char *name, const char *type)
{
    text_add(out, TYPED, sizeof(TYPED) - 1);
    add_name(out, name);
    text_puts(out, type);
    text_putc(out, '\n');
}

void message_add(struct text *out, const char *name, struct span value)
{
    MUST(!has_control(value) && (value.len == 0 || *value.at != ' '));
    add_name(out, name);
    text_add(out, value.at, value.len);
    text_putc(out, '\n');
}

void message_add_u64(struct text *out, const char *name, uint64_t value)
{
    add_name(out, name);
    text_u64(out, value);
    text_putc(out, '\n');
    add_mark(out, name, "i");
}

void message_add_i64(struct text *out, const char *name, int64_t value)
{
    add_name(out, name);
    if (value < 0)
        text_putc(out, '-');
    text_u64(out, value < 0 ? -(uint64_t)value : (uint64_t)value);
    text_putc(out, '\n');
    add_mark(out, name, "i");
}

void message_add_flag(struct text *out, const char *name, bool value)
{
    add_name(out, name);
    text_puts(out, value ? "True\n" : "False\n");
    add_mark(out, name, "b");
}

void message_end(struct text *out, struct span payload)
{
    text_putc(out, '\n');
    text_add(out, payload.at, payload.len);
}

void message_stamp(struct text *out, const char *token)
{
    size_t len = strlen(token) + 1;
    char *line_end = memchr(out->at, '\n', out->len);

    if (out->full || len >= out->cap - out->len) {
        out->full = true;
        return;
    }
    MUST(line_end != NULL);
    memmove(line_end + len, line_end, out->len - (size_t)(line_end - out->at) + 1);
    *line_end = ' ';
    memcpy(line_end + 1, token, len - 1);
    out->len += len;
}

struct span message_covered(const struct text *out)
{
    const char *line_end = memchr(out->at, '\n', out->len);

    MUST(line_end != NULL);
    return (struct span){line_end + 1, out->len - (size_t)(line_end + 1 - out->at)};
}
