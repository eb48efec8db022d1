/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_NOTICE_H
#define POND_CACHE_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/message.h"
#include "cache/name.h"
#include "cache/version.h"
#include "src/base/address.h"
#include "src/base/digest.h"

/*
 * The two datagrams of the cache, typed: whohas (a question) and ihave (an answer to one, or an
 * announcement). sendme and hereis travel over HTTP: a GET and its answer.
 */
enum notice_kind { NOTICE_WHOHAS, NOTICE_IHAVE };

enum {
    TUID_MAX_LEN = 64,
    TUID_SIZE = TUID_MAX_LEN + 1,
    NOTICE_FORMAT = 1,          /* `format`; what speaks another one is not understood */
    NOTICE_SPREAD_MAX_MS = 1000 /* a greater `spread` is taken as this */
};

/* The latest `clock`: what the 48 bits of a version can hold. */
#define NOTICE_CLOCK_MAX_MS ((UINT64_C(1) << 48) - 1)

/* Who speaks, when by its own clock, and its place in the order of what it said. */
struct notice_sender {
    char domain[NODE_SIZE];
    char node[NODE_SIZE];
    uint64_t boot;          /* incarnation: grows at every start */
    uint64_t counter;       /* grows with every message of one boot */
    wall_t clock;           /* `clock`: what its wall clock said; 0: it did not tell */
    struct address address; /* `address`: its own, that this was sent from, without port or zone;
                               all zero: it did not tell (what goes to many does not) */
};

struct notice {
    enum notice_kind kind;
    bool isconf; /* read: an ISconf host said it, and `sender` is empty; written: ISconf hosts are
                    to understand it too */
    struct notice_sender sender;
    char name[NAME_SIZE];   /* `file`: the whole name */
    char tuid[TUID_SIZE];   /* ties an answer to its question; empty in an announcement */
    struct version version; /* whohas: the newest that the asker knows, or none; ihave: this one */
    int64_t time;           /* whohas `newer`, ihave `mtime`: seconds since 1970, ISconf's order */
    uint16_t port;          /* of HTTP, where the sender serves; both kinds */
    uint16_t spread_ms;     /* `spread`: within how many milliseconds the many who are asked or told
                               should spread what they do about it; 0: at once */

    /* whohas: */
    bool content; /* asks for a holder of the content; else for anyone who knows a newer version */

    /* ihave: */
    bool held;    /* the sender has the content, whole and checked */
    bool deleted; /* this version is a tombstone */
    bool confirm; /* `confirm`: who is a candidate is to answer as soon as it holds this version */
    bool kept;    /* `kept`: it is safe with the sender, or the tier above has it: what it holds it
                     does not drop before that */
    bool leads;   /* `leads`: in an answer: the sender is the master of a tier */
    uint64_t size;
    struct digest sha256; /* of the content; zeros for a tombstone */
};

/*
 * Typed from a decoded message of _type whohas or ihave. Unknown headers are passed over, a flag or
 * number that may be missing is then false or 0. The name is not yet checked against the domain:
 * that is the gate's. MESSAGE_NO_TYPE for another _type. Where the verdict is not MESSAGE_OK, *out
 * holds no more than a log line may want: sender and name as far as they were read.
 */
enum message_verdict notice_read(const struct message *m, struct notice *out);

/*
 * Did an ISconf 4.2.8 host write it: has it none of the headers that all of ours have? Then it is
 * typed by notice_read_isconf:
 *  - `sender` is empty. Nothing counts its messages: the same one comes until it is answered.
 *  - A slash in front of the name is passed over.
 *  - Its `tuid` names the host, and no question: it is not kept. An ISconf host passes over what
 *    has its own, so no answer to it may.
 *  - An ihave tells neither version nor digest: the version is made of the mtime (cache/version.h),
 *    the digest is zero.
 */
bool notice_is_isconf(const struct message *m);
enum message_verdict notice_read_isconf(const struct message *m, struct notice *out);

/*
 * Does the sender say that it spoke from this host; or from another one? Neither, where it did not
 * tell. Whoever captures a datagram can send it again from any address, but not make it say so.
 */
bool notice_is_from(const struct notice_sender *sender, const struct address *host);
bool notice_is_misplaced(const struct notice_sender *sender, const struct address *host);

/* As text, unsigned (src/seal.h signs). `date` is for the From line alone. ISconf's ihave always
 * has a tuid: where it announces, that is one which we read as empty. */
void notice_write(const struct notice *notice, wall_t date, struct text *out);

#endif
