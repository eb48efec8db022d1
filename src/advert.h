/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ADVERT_H
#define POND_SRC_ADVERT_H

#include <stdint.h>

#include "cache/message.h"
#include "election/ballot.h"
#include "src/base/text.h"

/*
 * The text form of ballots, on advert_port: messages of the types advert, standing and solicit
 * (design, sections 5 and 6), with the headers that every message of carpond has. Each says which
 * tier it is for, so that one said in one tier is worth nothing in another. Numbers carry no
 * `_type_` line: ISconf never sees them, and masters advert up to a hundred times a second.
 */
enum { ADVERT_FORMAT = 1 };

/* What a ballot says beside itself. */
struct advert_head {
    char domain[NODE_SIZE];
};

/* Typed from a decoded message; unknown headers are passed over. */
enum message_verdict advert_read(const struct message *m, struct advert_head *head,
                                 struct ballot *out);

/* As text, unsigned (src/seal.h signs). `date` is for the From line alone. */
void advert_write(const struct ballot *ballot, const char *domain, wall_t date, struct text *out);

const char *advert_name(enum ballot_kind kind); /* "advert", "standing", "solicit" */

#endif
