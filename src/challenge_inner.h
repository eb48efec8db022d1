/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_CHALLENGE_INNER_H
#define POND_SRC_CHALLENGE_INNER_H

#include "src/challenge.h"

/* What the two sides of a challenge share: the forms of the headers, and what the macs cover. */

/* A parameter of a header: NAME=TOKEN or NAME="STRING". */
struct challenge_param {
    const char *name;
    struct span value; /* NULL: not there */
};

/* Reads a header of the scheme Pond into the parameters listed. Others are passed over. False where
 * it is of another scheme, malformed, or one of those listed stands twice. */
bool challenge_params(struct span header, struct challenge_param *params, size_t count);

enum { CHALLENGE_PIECES_MAX = 2 * 8 + 4 * CHALLENGE_HEADERS_MAX };

/* The pieces of text that a mac covers. They point into what they were made of. */
struct challenge_text {
    struct span pieces[CHALLENGE_PIECES_MAX];
    size_t count;
    bool broken; /* a piece holds a LF: it would cover two texts at once */
    char number[24];
};

void challenge_text_of_request(struct challenge_text *text, const struct challenge_request *request,
                               const struct challenge_claim *claim);

#endif
