/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_MESSAGE_H
#define POND_CACHE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/address.h"
#include "src/base/text.h"
#include "src/base/time.h"

/*
 * fbp822, ISconf 4's text form, shared by datagrams and manifests:
 *
 *     From fbp822 Sun Nov 22 12:00:00 2026 HMAC=0abf...
 *     _type: whohas
 *     _size: 0
 *     newer: 1795348800
 *     _type_newer: i
 *
 *     payload of _size bytes
 *
 * `_type_X: i` marks X as an integer, `b` as a boolean ("True" or "False"); all else is text. Date
 * and tokens (words with a "=") of the From line are optional. Lines end in LF. Names are
 * case-sensitive, of letters, digits, '-' and '_'; a name stands once. A value is one line without
 * control characters; blanks in front of it are passed over, blanks behind it belong to it.
 *
 * Folded lines are refused. Python's mail library, ISconf's writer, folds values of more than 78
 * bytes at a blank, and the blank is lost: how such a value was meant cannot be known, ISconf's own
 * reader takes it wrongly, and a wrong name is worse than none.
 *
 * Decoding copies nothing: the spans of a `struct message` point into the bytes that were decoded.
 * No allocation anywhere. Any thread.
 */
enum {
    MESSAGE_MAX = 4096,       /* a datagram or a manifest with all its headers */
    MESSAGE_HEADERS_MAX = 40, /* more are refused */
    MESSAGE_FROM_MAX = 256    /* bytes of the From line */
};

struct message_header {
    struct span name;
    struct span value;
    char type; /* what its `_type_NAME` says: one character; 0: nothing; '?': no such type */
};

struct message {
    struct span date;     /* of the From line, as it stands there; decides nothing */
    struct span from_mac; /* what stands behind HMAC= or SUM= there, or empty */
    struct span covered;  /* all that stands below the From line */
    struct span type;     /* _type */
    struct span payload;
    uint64_t names; /* a bit for each header's name, by message_decode(_next) alone: a message made
                       otherwise has no headers for message_may_have, nor for who asks it */
    size_t count;
    struct message_header headers[MESSAGE_HEADERS_MAX];
};

/* The row makes the enumerator, the name for metrics and logs, and the sentence. */
#define MESSAGE_VERDICTS(ROW)                                                                      \
    ROW(MESSAGE_OK, "ok", "well formed")                                                           \
    ROW(MESSAGE_TOO_LONG, "too_long", "longer than a message may be")                              \
    ROW(MESSAGE_NO_FROM, "no_from", "does not begin with a From fbp822 line")                      \
    ROW(MESSAGE_TRUNCATED, "truncated", "ends before its headers or its payload end")              \
    ROW(MESSAGE_BAD_HEADER, "bad_header", "a header line is not of the form NAME: VALUE")          \
    ROW(MESSAGE_REPEATED, "repeated", "a header stands twice")                                     \
    ROW(MESSAGE_TOO_MANY, "too_many", "has more headers than a message may")                       \
    ROW(MESSAGE_NO_TYPE, "no_type", "has no _type header, or an empty one")                        \
    ROW(MESSAGE_BAD_SIZE, "bad_size",                                                              \
        "its _size is missing, no number, or not that of the payload")                             \
    ROW(MESSAGE_BAD_VALUE, "bad_value", "a header's value is not of the type that it should be")   \
    ROW(MESSAGE_MISSING, "missing", "a header that the message must have is missing")

enum message_verdict {
#define MESSAGE_ENUM(id, name, sentence) id,
    MESSAGE_VERDICTS(MESSAGE_ENUM)
#undef MESSAGE_ENUM
};
const char *message_verdict_name(enum message_verdict verdict);
const char *message_verdict_sentence(enum message_verdict verdict);

/* Reads one message that fills `bytes` to their end. */
enum message_verdict message_decode(struct span bytes, struct message *out);

/* Reads the message at the front of *rest and moves *rest behind it: several may follow one
 * another, as in a mailbox. */
enum message_verdict message_decode_next(struct span *rest, struct message *out);

/* False: it has no header of that name; at no cost, for those that mostly are not there. */
bool message_may_have(const struct message *m, struct span name);

/* The value of a header, or false. message_u64 and message_flag want its `_type_NAME` to be i or b
 * where one is given; a value that does not fit is MESSAGE_BAD_VALUE, no header MESSAGE_MISSING. */
bool message_get(const struct message *m, const char *name, struct span *value);
enum message_verdict message_u64(const struct message *m, const char *name, uint64_t max,
                                 uint64_t *out);
enum message_verdict message_i64(const struct message *m, const char *name, int64_t *out);
enum message_verdict message_flag(const struct message *m, const char *name, bool *out);

/*
 * Writing: begin, headers, end. `date` goes into the From line as UTC. begin leaves room behind the
 * date for nothing; a token ("HMAC=...") is put there by message_stamp once the rest is written.
 * What does not fit shows in out->full.
 */
void message_begin(struct text *out, wall_t date, const char *type, size_t payload_len);
void message_add(struct text *out, const char *name, struct span value);
void message_add_u64(struct text *out, const char *name, uint64_t value); /* typed i */
void message_add_i64(struct text *out, const char *name, int64_t value);  /* typed i */
void message_add_flag(struct text *out, const char *name, bool value);    /* typed b */

/* Without port or zone. */
void message_add_address(struct text *out, const char *name, const struct address *address);

/* Without a mark: where ISconf never sees the message, and each byte counts. */
void message_add_bare_u64(struct text *out, const char *name, uint64_t value);
void message_add_bare_flag(struct text *out, const char *name, bool value);

void message_end(struct text *out, struct span payload);

/* Puts " TOKEN" at the end of the From line of the finished message. */
void message_stamp(struct text *out, const char *token);

/* What stands below the From line of a finished message. */
struct span message_covered(const struct text *out);

#endif
