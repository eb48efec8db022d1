/* SPDX-License-Identifier: ISC */
/* Ballots: what is read is within its bounds, and reads the same once it is written again. */
#include "src/advert.h"

#include <string.h>

#include "cache/name.h"
#include "election/elect.h"
#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum message_verdict read_bytes(struct span bytes, struct advert_head *head,
                                       struct ballot *out)
{
    struct message m;
    enum message_verdict verdict = message_decode(bytes, &m);

    return verdict == MESSAGE_OK ? advert_read(&m, head, out) : verdict;
}

static void check_address(const struct address *a)
{
    MUST(a->scope == 0 && !address_is_any(a) && !address_is_multicast(a));
}

static void check_bounds(const struct advert_head *head, const struct ballot *b)
{
    static const struct address none;

    MUST(*head->domain && memchr(head->domain, '\0', sizeof(head->domain)));
    MUST(*b->tier && memchr(b->tier, '\0', sizeof(b->tier)));
    MUST(memchr(b->node, '\0', sizeof(b->node)) && node_name_ok(span_of(b->node)));
    MUST(b->boot > 0 && b->address.port > 0);
    check_address(&b->address);
    if (!address_same(&b->successor, &none))
        check_address(&b->successor);
    if (b->kind == BALLOT_SOLICIT)
        return;
    MUST(b->pair.base_us >= ADVERT_BASE_MIN_US && b->pair.base_us <= ADVERT_BASE_MAX_US);
    MUST(b->demotion <= DEMOTION_MAX && b->epoch <= ELECT_EPOCH_MAX);
    MUST(b->epoch > 0 || b->kind == BALLOT_STANDING);
    MUST(b->role != BALLOT_MASTER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char one[MESSAGE_MAX + 1], other[MESSAGE_MAX + 1];
    struct text text = TEXT_OVER(one), again = TEXT_OVER(other);
    struct advert_head head, head_again;
    struct ballot ballot, ballot_again;

    if (read_bytes((struct span){(const char *)data, size}, &head, &ballot) != MESSAGE_OK)
        return 0;
    check_bounds(&head, &ballot);
    advert_write(&ballot, head.domain, (wall_t){0}, &text);
    MUST(!text.full);
    MUST(read_bytes((struct span){text.at, text.len}, &head_again, &ballot_again) == MESSAGE_OK);
    MUST(strcmp(head.domain, head_again.domain) == 0);
    advert_write(&ballot_again, head_again.domain, (wall_t){0}, &again);
    MUST(!again.full && text.len == again.len && memcmp(one, other, text.len) == 0);
    return 0;
}
