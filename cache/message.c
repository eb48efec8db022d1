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

/* In each of eight bytes at once: its top bit is set where a byte is below 0x20, but no LF, or is
 * 0x7f. Bytes of 0x80 and above are none of these: what UTF-8 means is up to the value's reader. */
static uint64_t control_bits(uint64_t eight)
{
    const uint64_t each = 0x0101010101010101u, top = 0x80 * each;
    uint64_t low = eight & ~top;                        /* seven bits, so that no carry crosses */
    uint64_t from_space = low + (0x80 - 0x20) * each;   /* top bit set: 0x20 and above */
    uint64_t from_delete = low + (0x80 - 0x7f) * each;  /* top bit set: 0x7f */
    uint64_t no_lf = (low ^ '\n' * each) + 0x7f * each; /* top bit set: another than LF */

    return ((~from_space & no_lf) | from_delete) & ~eight & top;
}

/* Any control character but LF? */
static bool has_control(struct span s)
{
    uint64_t eight, found = 0;

    for (; s.len >= sizeof(eight); s.at += sizeof(eight), s.len -= sizeof(eight)) {
        memcpy(&eight, s.at, sizeof(eight));
        found |= control_bits(eight);
    }
    for (; s.len; s.at++, s.len--)
        found |= control_bits((unsigned char)*s.at | 0x2020202020202000u);
    return found != 0;
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

static const bool name_chars[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true, ['_'] = true};

/* A bit for the name; a name whose bit is not yet set was not there before. */
static uint64_t name_bit(struct span name)
{
    unsigned first = (unsigned char)name.at[0], last = (unsigned char)name.at[name.len - 1];

    return (uint64_t)1 << ((first + 5 * last + 11 * name.len) & 63);
}

static enum message_verdict decode_header(struct span line, struct message *out)
{
    struct span name = {line.at, 0}, value, before;
    uint64_t bit;

    while (name.len < line.len && name_chars[(unsigned char)line.at[name.len]])
        name.len++;
    if (name.len == 0 || name.len == line.len || line.at[name.len] != ':')
        return MESSAGE_BAD_HEADER;
    value = (struct span){name.at + name.len + 1, line.len - name.len - 1};
    while (value.len && *value.at == ' ')
        value.at++, value.len--;
    bit = name_bit(name);
    for (size_t i = 0; (out->names & bit) && i < out->count; i++) {
        before = out->headers[i].name;
        if (span_same(before, name))
            return MESSAGE_REPEATED;
    }
    if (out->count == MESSAGE_HEADERS_MAX)
        return MESSAGE_TOO_MANY;
    out->names |= bit;
    out->headers[out->count++] = (struct message_header){name, value, 0};
    return MESSAGE_OK;
}

static bool is_mark_of(struct span mark, struct span name)
{
    size_t prefix = sizeof(TYPED) - 1;

    return mark.len == prefix + name.len && memcmp(mark.at + prefix, name.at, name.len) == 0;
}

/* Gives each header the type that its mark says. A mark mostly stands right behind its header. */
static void apply_marks(struct message *out)
{
    for (size_t i = 0; i < out->count; i++) {
        struct message_header *mark = &out->headers[i], *marked = i ? mark - 1 : mark;
        if (*mark->name.at != '_' || !span_begins(mark->name, TYPED))
            continue;
        if (!is_mark_of(mark->name, marked->name)) {
            for (marked = out->headers; marked < out->headers + out->count; marked++) {
                if (is_mark_of(mark->name, marked->name))
                    break;
            }
        }
        if (marked < out->headers + out->count)
            marked->type = '?';
        if (marked < out->headers + out->count && mark->value.len == 1)
            marked->type = *mark->value.at;
    }
}

static enum message_verdict decode_headers(struct span *rest, struct message *out)
{
    const char *begin = rest->at;
    struct span line;

    while (take_line(rest, &line)) {
        enum message_verdict verdict;
        if (line.len == 0) {
            apply_marks(out);
            return has_control((struct span){begin, (size_t)(line.at - begin)}) ? MESSAGE_BAD_HEADER
                                                                                : MESSAGE_OK;
        }
        verdict = decode_header(line, out);
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
    out->names = out->count = 0;
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

bool message_may_have(const struct message *m, struct span name)
{
    return name.len > 0 && (m->names & name_bit(name)) != 0;
}

static const struct message_header *find_header(const struct message *m, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < m->count; i++) {
        const struct message_header *h = &m->headers[i];
        if (h->name.len == len && memcmp(h->name.at, name, len) == 0)
            return h;
    }
    return NULL;
}

bool message_get(const struct message *m, const char *name, struct span *value)
{
    const struct message_header *header = find_header(m, name);

    if (header)
        *value = header->value;
    return header != NULL;
}

/* A header without a mark may be of any type. */
static enum message_verdict get_typed(const struct message *m, const char *name, char type,
                                      struct span *value)
{
    const struct message_header *header = find_header(m, name);

    if (!header)
        return MESSAGE_MISSING;
    *value = header->value;
    return header->type && header->type != type ? MESSAGE_BAD_VALUE : MESSAGE_OK;
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

static void put_two_digits(char *at, int n, char tens)
{
    at[0] = n < 10 ? tens : (char)('0' + n / 10);
    at[1] = (char)('0' + n % 10);
}

/* As ctime(3) prints it: "Sun Nov  1 12:00:00 2026". */
static void add_date(struct text *out, wall_t date)
{
    char stamp[] = "Sun Nov  1 12:00:00 ";
    struct calendar utc;

    calendar_of(date.ms / 1000, &utc);
    memcpy(stamp, calendar_weekdays[utc.weekday], 3);
    memcpy(stamp + 4, calendar_months[utc.month], 3);
    put_two_digits(stamp + 8, utc.day, ' ');
    put_two_digits(stamp + 11, utc.hour, '0');
    put_two_digits(stamp + 14, utc.minute, '0');
    put_two_digits(stamp + 17, utc.second, '0');
    text_add(out, stamp, sizeof(stamp) - 1);
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

static bool is_line(struct span s)
{
    return !has_control(s) && (s.len == 0 || !memchr(s.at, '\n', s.len));
}

/* "NAME: VALUE", all of it or nothing. The hot path of every answer: one look at the room, then
 * copies whose lengths are known. */
static void add_line(struct text *out, const char *prefix, const char *name, const char *value,
                     size_t value_len)
{
    size_t prefix_len = strlen(prefix), name_len = strlen(name);
    char *at = out->at + out->len;

    if (out->full || prefix_len + name_len + value_len + 3 >= out->cap - out->len) {
        out->full = true;
        return;
    }
    memcpy(at, prefix, prefix_len);
    at += prefix_len;
    memcpy(at, name, name_len);
    at += name_len;
    *at++ = ':';
    *at++ = ' ';
    if (value_len)
        memcpy(at, value, value_len);
    at += value_len;
    *at++ = '\n';
    *at = '\0';
    out->len = (size_t)(at - out->at);
}

void message_add(struct text *out, const char *name, struct span value)
{
    MUST(is_line(value) && (value.len == 0 || *value.at != ' '));
    add_line(out, "", name, value.at, value.len);
}

static void add_bare_number(struct text *out, const char *name, bool negative, uint64_t n)
{
    char digits[21];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    if (negative)
        digits[--at] = '-';
    add_line(out, "", name, digits + at, sizeof(digits) - at);
}

void message_add_bare_u64(struct text *out, const char *name, uint64_t value)
{
    add_bare_number(out, name, false, value);
}

void message_add_u64(struct text *out, const char *name, uint64_t value)
{
    add_bare_number(out, name, false, value);
    add_line(out, TYPED, name, "i", 1);
}

void message_add_i64(struct text *out, const char *name, int64_t value)
{
    add_bare_number(out, name, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value);
    add_line(out, TYPED, name, "i", 1);
}

void message_add_bare_flag(struct text *out, const char *name, bool value)
{
    add_line(out, "", name, value ? "True" : "False", value ? 4 : 5);
}

void message_add_flag(struct text *out, const char *name, bool value)
{
    message_add_bare_flag(out, name, value);
    add_line(out, TYPED, name, "b", 1);
}

void message_add_address(struct text *out, const char *name, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    message_add(out, name, span_of(address_plain_text(address, text)));
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
