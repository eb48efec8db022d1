/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_ADVERT_H
#define POND_SRC_ADVERT_H

#include <stdint.h>

#include "cache/message.h"
#include "election/ballot.h"
#include "src/base/text.h"

/*
 * The text form of ballots, on advert_port: messages of the types advert, standing and solicit
 * (design, sections 5 and 6). Each says which tier it is for, so that one said in one tier is worth
 * nothing in another. Numbers and flags carry no `_type_` line: ISconf never sees them, and masters
 * advert up to a hundred times a second. There is no payload: `_size` is 0.
 *
 *     header         value
 *     _type          advert, standing or solicit
 *     format         1
 *     domain, node   the cluster's, and the sender's name
 *     boot, counter  its incarnation, not 0; and its place in the order of what it said since
 *     tier           the tier's name
 *     address        the sender's own in the tier, without port or zone
 *     http_port      where it serves HTTP, 1 to 65535
 *     echo           optional: the nonce of the solicit that this answers; 32 hexadecimal digits
 *
 *     of an advert and of a standing:
 *     base_us, skew  its pair: microseconds, 10000 to 3600000000; 256ths of a second, 0 to 255
 *     demotion       the sum of what demotes it, 0 to 1023
 *     epoch          of an advert: of this mastership, 1 to 2^62; of a standing: the highest known
 *     store          its catalogue's head: the store's id, 16 hexadecimal digits,
 *     sequence       the number of the last change,
 *     digest         and the digest over all names and versions, 64 hexadecimal digits
 *     clock          optional: what its wall clock says, milliseconds since 1970, of 48 bits
 *
 *     of an advert:
 *     leaving        True or False
 *     successor      optional: the address of the best other candidate
 *
 *     of a standing:
 *     role           backup or slave
 *     asks           True or False: whether it wants to take over
 *     behind         True or False: whether its catalogue is behind its master's
 *     unconfirmed    how many of its puts no candidate has confirmed, 0 to 2^32 - 1
 *
 *     of a solicit:
 *     nonce          32 hexadecimal digits
 *
 * All but the optional ones must be there. seal_message() puts `hmac256` behind the last.
 */
enum { ADVERT_FORMAT = 1, ADVERT_BASE_MIN_US = 10000 };
#define ADVERT_BASE_MAX_US UINT32_C(3600000000)

/* What a ballot says beside itself. */
struct advert_head {
    char domain[NODE_SIZE];
};

/*
 * Typed from a decoded message; unknown headers are passed over. MESSAGE_NO_TYPE for another _type.
 * Where the verdict is not MESSAGE_OK, *out holds no more than a log line may want: kind, tier and
 * node as far as they were read. Addresses have no scope: a zone means something to one host alone.
 */
enum message_verdict advert_read(const struct message *m, struct advert_head *head,
                                 struct ballot *out);

/* As text, unsigned (src/seal.h signs). `date` is for the From line alone. */
void advert_write(const struct ballot *ballot, const char *domain, wall_t date, struct text *out);

const char *advert_name(enum ballot_kind kind); /* "advert", "standing", "solicit" */

#endif
