/* SPDX-License-Identifier: ISC */
#ifndef POND_BASE_TEXT_H
#define POND_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Text in memory that the caller owns. Nothing here allocates.
 *
 * A `struct text` is a writer whose error sticks: once something did not fit, `full` is set and
 * nothing more is written, so that it is checked once, at the end. The text is always ended by a
 * NUL, which `len` does not count.
 */
struct text {
    char *at;
    size_t len;
    size_t cap;
    bool full;
};

/* A writer into the array `array`. */
#define TEXT_OVER(array) text_over((array), sizeof(array))

/* A writer into `cap` (at least 1) bytes at `memory`. */
struct text text_over(char *memory, size_t cap);

void text_add(struct text *out, const char *bytes, size_t len);
void text_puts(struct text *out, const char *string);
void text_putc(struct text *out, char c);
void text_u64(struct text *out, uint64_t n);
void text_hex(struct text *out, const void *bytes, size_t len);
void text_printf(struct text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A run of bytes that somebody else owns; not ended by NUL. */
struct span {
    const char *at;
    size_t len;
};

/* Inline, so that the length of a literal is known where it is compiled. */
static inline struct span span_of(const char *string)
{
    return (struct span){string, strlen(string)};
}

static inline bool span_same(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool span_is(struct span s, const char *string)
{
    return span_same(s, span_of(string));
}

bool span_begins(struct span s, const char *prefix);

/* Takes the bytes up to the first `end` off the front of *rest, the `end` itself too, and returns
 * them; all of it where there is none. */
struct span span_take(struct span *rest, char end);

/* Without the blanks and tabs at both ends. */
struct span span_trim(struct span s);

/* Copies s and a NUL to `out` of `cap` bytes. False, and an empty string, where it does not fit. */
bool span_copy(struct span s, char *out, size_t cap);

/* Strict numbers: digits alone, no sign, blanks or leading '+', and no value beyond `max`. */
bool span_u64(struct span s, uint64_t max, uint64_t *out);

/* A number with an optional leading '-'. */
bool span_i64(struct span s, int64_t *out);

/* Exactly 2 * len hexadecimal digits, of either case. */
bool span_hex(struct span s, void *out, size_t len);

/* A size as people write it: digits and an optional K, M, G, T or P (powers of 1024; "100G"). */
bool span_bytes(struct span s, uint64_t *out);

/* The same the other way, for people: "41.2 GiB". */
void text_bytes(struct text *out, uint64_t bytes);

/* Seconds for people: "3d 4h", "12m 5s", "0.4 s". */
void text_seconds(struct text *out, int64_t ns);

/* Well-formed UTF-8 without control characters (C0, DEL, C1)? */
bool span_is_plain_utf8(struct span s);

/* The one of `count` words that is nearest to `word` by edit distance, or NULL where none comes
 * near: "did you mean". */
const char *text_nearest(const char *word, const char *const *words, size_t count);

#endif
