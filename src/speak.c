/* SPDX-License-Identifier: ISC */
#include "src/speak.h"

#include <stdlib.h>

#include "src/base/must.h"

enum { SPEAKER_MAGIC = 0x73706561 };

struct speaker {
    unsigned magic;
    struct notice_sender sender; /* of the last notice */
    struct seal *seal;           /* NULL: no keys */
    bool sign;
    bool isconf;
    struct notice notice;
};

struct speaker *speaker_new(const struct speaker_options *options)
{
    struct speaker *speaker = calloc(1, sizeof(*speaker));

    MUST(speaker != NULL);
    speaker->magic = SPEAKER_MAGIC;
    MUST(span_copy(span_of(options->node), speaker->sender.node, sizeof(speaker->sender.node)));
    MUST(span_copy(span_of(options->domain), speaker->sender.domain,
                   sizeof(speaker->sender.domain)));
    speaker->sender.boot = options->boot;
    speaker->isconf = options->isconf;
    if (options->keyring)
        speaker->seal = seal_new(options->keyring);
    speaker->sign = true;
    return speaker;
}

void speaker_sign(struct speaker *speaker, bool sign)
{
    MUST_BE(speaker, SPEAKER_MAGIC);
    speaker->sign = sign;
}

void speaker_free(struct speaker *speaker)
{
    if (!speaker)
        return;
    MUST_BE(speaker, SPEAKER_MAGIC);
    seal_free(speaker->seal);
    speaker->magic = 0;
    free(speaker);
}

void speaker_say(struct speaker *speaker, const struct notice *notice, const struct address *from,
                 wall_t date, struct text *out)
{
    MUST_BE(speaker, SPEAKER_MAGIC);
    speaker->sender.counter++;
    speaker->notice = *notice;
    speaker->notice.sender = speaker->sender;
    speaker->notice.sender.clock = date;
    speaker->notice.isconf = speaker->isconf;
    if (from)
        speaker->notice.sender.address = *from;
    notice_write(&speaker->notice, date, out);
    if (speaker->seal && speaker->sign)
        seal_message(speaker->seal, out, speaker->isconf);
    MUST(!out->full);
}
