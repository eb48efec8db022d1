/* SPDX-License-Identifier: ISC */
#include "cache/name.h"

#include <string.h>

const char *name_sentence(enum name_verdict verdict)
{
    switch (verdict) {
    case NAME_OK:
        return "the name is well formed";
    case NAME_EMPTY:
        return "the name is empty: a name is DOMAIN/PATH";
    case NAME_TOO_LONG:
        return "the name is too long: at most 1024 bytes are taken";
    case NAME_BAD_PART:
        return "the name has an empty part, \".\" or \"..\": each part between slashes must be a "
               "plain word";
    case NAME_BAD_CHARACTER:
        return "the name has control characters or is not UTF-8";
    case NAME_OTHER_DOMAIN:
        return "the name is not below this cluster's domain: it must begin with DOMAIN/";
    case NAME_BAD_ESCAPE:
        return "the name's percent-encoding is broken: \"%\" must be followed by two hexadecimal "
               "digits";
    }
    return "the name is malformed";
}

static bool part_ok(struct span part)
{
    return part.len > 0 && !span_is(part, ".") && !span_is(part, "..");
}

/* What holds for every name, whatever its domain. */
static enum name_verdict check_form(struct span name)
{
    const char *end = name.at + name.len;

    if (name.len == 0)
        return NAME_EMPTY;
    if (name.len > NAME_MAX_LEN)
        return NAME_TOO_LONG;
    if (!span_is_plain_utf8(name))
        return NAME_BAD_CHARACTER;
    if (end[-1] == '/')
        return NAME_BAD_PART;
    while (name.len) {
        if (!part_ok(span_take(&name, '/')))
            return NAME_BAD_PART;
    }
    return NAME_OK;
}

enum name_verdict name_check(struct span name, const char *domain)
{
    enum name_verdict verdict = check_form(name);
    struct span path = name;

    if (verdict != NAME_OK)
        return verdict;
    return span_is(span_take(&path, '/'), domain) && path.len ? NAME_OK : NAME_OTHER_DOMAIN;
}

enum name_verdict name_complete(struct span typed, const char *domain, char out[NAME_SIZE])
{
    struct text whole = text_over(out, NAME_SIZE);
    struct span path = typed;

    if (typed.len == 0)
        return NAME_EMPTY;
    if (!span_is(span_take(&path, '/'), domain)) {
        text_puts(&whole, domain);
        text_putc(&whole, '/');
    } else if (path.len == 0) {
        return NAME_EMPTY; /* the domain alone names nothing */
    }
    text_add(&whole, typed.at, typed.len);
    return whole.full ? NAME_TOO_LONG : name_check((struct span){whole.at, whole.len}, domain);
}

/* Replaces each %XX by its byte. */
static enum name_verdict unescape(struct span encoded, struct text *out)
{
    while (encoded.len) {
        char c = *encoded.at;
        size_t used = 1;
        if (c == '%') {
            used = 3;
            if (encoded.len < used || !span_hex((struct span){encoded.at + 1, 2}, &c, 1))
                return NAME_BAD_ESCAPE;
            if (!c) /* the end of a text in C: told here, while it can be told */
                return NAME_BAD_CHARACTER;
        }
        text_putc(out, c);
        encoded.at += used;
        encoded.len -= used;
    }
    return out->full ? NAME_TOO_LONG : NAME_OK;
}

enum name_verdict name_from_target(struct span path, const char *domain, char out[NAME_SIZE])
{
    struct text name = text_over(out, NAME_SIZE);
    enum name_verdict verdict;

    if (path.len == 0 || *path.at != '/')
        return NAME_BAD_PART;
    verdict = unescape((struct span){path.at + 1, path.len - 1}, &name);
    if (verdict != NAME_OK)
        return verdict;
    return name_check((struct span){name.at, name.len}, domain);
}

/* RFC 3986, section 3.3: the characters of a path that stand for themselves. */
static bool stands_for_itself(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~!$&'()*+,;=:@/", c));
}

void name_to_target(struct span name, struct text *out)
{
    static const char digit[] = "0123456789ABCDEF";

    text_putc(out, '/');
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        char escaped[3] = {'%', digit[c >> 4], digit[c & 15]};
        if (stands_for_itself(name.at[i]))
            text_putc(out, name.at[i]);
        else
            text_add(out, escaped, sizeof(escaped));
    }
}

bool name_below(struct span name, struct span prefix)
{
    if (prefix.len && prefix.at[prefix.len - 1] == '/')
        prefix.len--;
    if (prefix.len == 0)
        return true;
    return name.len >= prefix.len && memcmp(name.at, prefix.at, prefix.len) == 0 &&
           (name.len == prefix.len || name.at[prefix.len] == '/');
}

struct span name_base(struct span name)
{
    for (size_t at = name.len; at > 0; at--) {
        if (name.at[at - 1] == '/')
            return (struct span){name.at + at, name.len - at};
    }
    return name;
}
