/* SPDX-License-Identifier: ISC */
#ifndef POND_SRC_SPEAK_H
#define POND_SRC_SPEAK_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/notice.h"
#include "src/base/text.h"
#include "src/seal.h"

/*
 * The way out: a notice becomes a datagram, with who says it, the next counter of this boot, and
 * the signature. The boot number is on disk before the first is spoken (src/state.h), so that pairs
 * of boot and counter never repeat, whatever happens to the process. One thread.
 */
struct speaker;

struct speaker_options {
    const char *node;
    const char *domain;
    uint64_t boot;
    const struct keyring *keyring; /* NULL: no keys */
    bool isconf;                   /* so that ISconf hosts understand it too */
};
struct speaker *speaker_new(const struct speaker_options *options); /* copies the texts */
void speaker_free(struct speaker *speaker);

/* Does it sign, where there are keys? At first it does. */
void speaker_sign(struct speaker *speaker, bool sign);

/* The notice (whose sender is filled in here) as the bytes of a datagram, into `out`, which has
 * room for MESSAGE_MAX. `from`: our address that it is sent from; NULL: it goes to many, from
 * several of them perhaps. `date`: what our wall clock says. */
void speaker_say(struct speaker *speaker, const struct notice *notice, const struct address *from,
                 wall_t date, struct text *out);

#endif
