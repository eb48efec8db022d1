/* SPDX-License-Identifier: ISC */
#ifndef POND_CACHE_SURVEY_H
#define POND_CACHE_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/name.h"
#include "src/base/digest.h"
#include "src/base/text.h"

/*
 * Decides which ranges of names are asked for next where another node's catalogue is compared with
 * ours: what differs by its digest is cut into smaller ranges, and read where it is small, or where
 * we have nothing. One request after the other: survey_next(), then survey_answered(), and then
 * survey_ranges() or survey_page() as survey.piece.read says. src/catchup.c carries it out.
 *
 * No answer makes it go on for longer than an honest server with twice as many names as it said at
 * first that it has: a page or range counts as so many names at least.
 */
enum {
    SURVEY_PARTS = 256,         /* that an answer may have */
    SURVEY_NAMES_MAX = 1 << 26, /* that a part may be said to have */
    SURVEY_SPARE = 16384        /* names that may come beyond twice those that were told */
};

/* A range that is still to be looked at; empty: no end there. */
struct survey_piece {
    char from[NAME_SIZE];
    char to[NAME_SIZE];
    unsigned depth; /* of cuts */
    bool read;      /* not cut any more */
};

struct survey_part {
    struct span first;
    uint64_t count;
    struct digest digest;
};

/* What it asks about the own catalogue. False: it cannot be read. */
struct survey_own {
    bool (*sum)(void *arg, struct span from, struct span to, struct survey_part *out);
    bool (*gone)(void *arg, struct span from, struct span to); /* they have nothing there; NULL */
    void *arg;
};

enum survey_verdict {
    SURVEY_FINE,
    SURVEY_NO_STORE,     /* it does not say whose catalogue it is */
    SURVEY_OTHER_STORE,  /* it was made anew meanwhile */
    SURVEY_WRONG_RANGES, /* not those that were asked for */
    SURVEY_WRONG_PAGE,   /* it does not go on from the one before it */
    SURVEY_TOO_MUCH,     /* it goes on long after all that there was said to be */
    SURVEY_UNREAD        /* our own catalogue cannot be read */
};

struct survey {
    const char *domain; /* all names lie below it */
    uint64_t small;     /* names: so few are read, not cut */

    struct survey_piece *todo; /* the caller's memory; the next one is the last */
    size_t count, room;

    struct survey_piece piece; /* what was asked for last */
    unsigned asked;            /* how often */
    uint64_t store_id;         /* whose catalogue it is; 0: not known yet, */
    uint64_t last;             /* and where its head stood: lowest of the answers' */
    uint64_t credit;           /* names that may still come */
    struct survey_part parts[SURVEY_PARTS + 1];
};

/* In `todo` there is always room for so many more before an answer is looked at. */
enum { SURVEY_ROOM = SURVEY_PARTS };

void survey_begin(struct survey *survey); /* all above `piece` is set, and there is room for one */

/* False: nothing is left to ask for. */
bool survey_next(struct survey *survey);

/* An answer has come, from this store, whose head stood there. */
enum survey_verdict survey_answered(struct survey *survey, uint64_t store_id, uint64_t last);

/* Ranges: lines of "COUNT DIGEST NAME". */
enum survey_verdict survey_ranges(struct survey *survey, struct span body,
                                  const struct survey_own *own);

/* A page with so many names. Where there is `more`, what did not fit into it begins with its last
 * name, which comes once more; *covered is what this one covers. */
enum survey_verdict survey_page(struct survey *survey, uint64_t names, struct span last, bool more,
                                struct survey_piece *covered);

const char *survey_sentence(enum survey_verdict verdict); /* of those where it is at fault */

/* Does the name stand behind the other one in every catalogue, as far as can be told from outside?
 */
bool survey_is_forward(struct span before, struct span name);

#endif
