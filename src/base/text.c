/* SPDX-License-Identifier: ISC */
#include "src/base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "src/base/must.h"

struct text text_over(char *memory, size_t cap)
{
    MUST(cap > 0);
    memory[0] = '\0';
    return (struct text){.at = memory, .cap = cap};
}

void text_add(struct text *out, const char *bytes, size_t len)
{
    if (out->full || len >= out->cap - out->len) {
        out->full = true;
        return;
    }
    if (len) /* there may be no bytes to point at */
        memcpy(out->at + out->len, bytes, len);
    out->len += len;
    out->at[out->len] = '\0';
}

void text_puts(struct text *out, const char *string)
{
    text_add(out, string, strlen(string));
}

void text_putc(struct text *out, char c)
{
    text_add(out, &c, 1);
}

void text_u64(struct text *out, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    text_add(out, digits + at, sizeof(digits) - at);
}

void text_hex(struct text *out, const void *bytes, size_t len)
{
    static const char digit[] = "0123456789abcdef";
    const unsigned char *b = bytes;

    if (out->full || len >= (out->cap - out->len + 1) / 2) {
        out->full = true;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        out->at[out->len++] = digit[b[i] >> 4];
        out->at[out->len++] = digit[b[i] & 15];
    }
    out->at[out->len] = '\0';
}

void text_printf(struct text *out, const char *format, ...)
{
    va_list args;
    int n;

    if (out->full)
        return;
    va_start(args, format);
    n = vsnprintf(out->at + out->len, out->cap - out->len, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= out->cap - out->len) {
        out->at[out->len] = '\0';
        out->full = true;
        return;
    }
    out->len += (size_t)n;
}

bool span_begins(struct span s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && memcmp(s.at, prefix, len) == 0;
}

struct span span_take(struct span *rest, char end)
{
    const char *stop = rest->len ? memchr(rest->at, end, rest->len) : NULL;
    struct span taken = *rest;

    if (!stop) {
        *rest = (struct span){rest->at + rest->len, 0};
        return taken;
    }
    taken.len = (size_t)(stop - rest->at);
    rest->at = stop + 1;
    rest->len -= taken.len + 1;
    return taken;
}

struct span span_trim(struct span s)
{
    while (s.len && (*s.at == ' ' || *s.at == '\t'))
        s.at++, s.len--;
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool span_copy(struct span s, char *out, size_t cap)
{
    bool fits = s.len < cap;
    size_t len = fits ? s.len : 0;

    MUST(cap > 0);
    if (len)
        memcpy(out, s.at, len);
    out[len] = '\0';
    return fits;
}

bool span_u64(struct span s, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;

    if (s.len == 0 || s.len > 20)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.at[i] - (unsigned)'0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    if (n > max)
        return false;
    *out = n;
    return true;
}

bool span_i64(struct span s, int64_t *out)
{
    bool negative = s.len && *s.at == '-';
    uint64_t n;

    if (negative)
        s.at++, s.len--;
    if (!span_u64(s, INT64_MAX, &n))
        return false;
    *out = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

/* What a hexadecimal digit is worth, and one more: 0 is none. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

bool span_hex(struct span s, void *out, size_t len)
{
    const unsigned char *at = (const unsigned char *)s.at;
    unsigned char *b = out;
    bool good = true;

    if (s.len != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned high = hex_digits[at[2 * i]], low = hex_digits[at[2 * i + 1]];
        good = good && high && low;
        b[i] = (unsigned char)((high - 1) << 4 | (low - 1));
    }
    return good;
}

bool span_bytes(struct span s, uint64_t *out)
{
    static const char units[] = "KMGTP";
    const char *unit = s.len ? strchr(units, s.at[s.len - 1]) : NULL;
    unsigned shift = 0;
    uint64_t n;

    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        s.len--;
    }
    if (!span_u64(s, UINT64_MAX >> shift, &n))
        return false;
    *out = n << shift;
    return true;
}

void text_bytes(struct text *out, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    double scaled = (double)bytes;
    size_t unit = 0;

    if (bytes < 1024) {
        text_printf(out, "%" PRIu64 " B", bytes);
        return;
    }
    for (scaled /= 1024; scaled >= 1024 && unit + 1 < sizeof(units) / sizeof(*units); unit++)
        scaled /= 1024;
    text_printf(out, "%.1f %s", scaled, units[unit]);
}

void text_seconds(struct text *out, int64_t ns)
{
    int64_t s = ns / 1000000000;

    if (s < 10)
        text_printf(out, "%.1f s", (double)ns / 1e9);
    else if (s < 60)
        text_printf(out, "%" PRId64 " s", s);
    else if (s < 3600)
        text_printf(out, "%" PRId64 "m %" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
        text_printf(out, "%" PRId64 "h %" PRId64 "m", s / 3600, s / 60 % 60);
    else
        text_printf(out, "%" PRId64 "d %" PRId64 "h", s / 86400, s / 3600 % 24);
}

/* Length of the well-formed UTF-8 sequence at s (RFC 3629), and its code point; 0 where it is not
 * one: overlong, a surrogate, or beyond U+10FFFF. */
static size_t utf8_sequence(struct span s, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)s.at[0];
    size_t len = first < 0x80       ? 1
                 : first >> 5 == 6  ? 2
                 : first >> 4 == 14 ? 3
                 : first >> 3 == 30 ? 4
                                    : 0;

    if (len == 0 || len > s.len)
        return 0;
    *code = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char next = (unsigned char)s.at[i];
        if (next >> 6 != 2)
            return 0;
        *code = *code << 6 | (next & 0x3f);
    }
    if (*code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
        return 0;
    return len;
}

bool span_is_plain_utf8(struct span s)
{
    while (s.len) {
        uint32_t code = 0;
        size_t len = utf8_sequence(s, &code);
        if (len == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0))
            return false;
        s.at += len;
        s.len -= len;
    }
    return true;
}

enum { NEAREST_WORD_MAX = 64 };

/* Levenshtein's distance of two short words, one row of the table at a time. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NEAREST_WORD_MAX + 1], la = strlen(a), lb = strlen(b);

    if (la > NEAREST_WORD_MAX || lb > NEAREST_WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[lb];
}

const char *text_nearest(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2;

    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, words[i]);
        if (distance < best) {
            best = distance;
            nearest = words[i];
        }
    }
    return nearest;
}
