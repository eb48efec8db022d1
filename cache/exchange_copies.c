/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

/*
 * pond put --copies: who counts as a holder of what was put. Only those count who keep it: the
 * candidates of the tier above, or of our own where there is none, as long as they are.
 */

/* A newer version is no copy: it may be in conflict with the one that was put, and an ihave does
 * not say what it replaces. */
static bool covers(const struct exchange_source *source, const struct question *question)
{
    return (source->held || source->deleted) && version_same(source->version, question->version) &&
           digest_same(&source->sha256, &question->sha256);
}

bool exchange_copies_count(const struct exchange *machine, const struct question *question,
                           const struct exchange_source *source, unsigned relations)
{
    return route_confirms(&machine->place, relations) && covers(source, question);
}

bool exchange_copies_are_enough(const struct exchange *machine, const struct question *question)
{
    bool own = machine->place.top && (question->local.held || question->local.deleted);

    return question->source_count + own >= question->copies;
}

bool exchange_copies_are_replaced(const struct question *question)
{
    return question->ask == EXCHANGE_ASK_COPIES && question->local.known &&
           exchange_order(&question->local, question->version, &question->sha256) != 0;
}

static bool still_counts(struct exchange *machine, const struct question *question,
                         const struct exchange_source *source)
{
    const struct peer *peer = peers_find(&machine->peers, &source->http);

    return peer && exchange_copies_count(machine, question, source, peer->relations);
}

void exchange_copies_recount(struct exchange *machine)
{
    struct asking *asking = &machine->asking;

    for (size_t slot = 0; slot < asking->slots.end; slot++) {
        struct question *question = &asking->questions[slot];
        size_t kept = 0;

        if (!asking->slots.key[slot] || question->state != QUESTION_OPEN ||
            question->ask != EXCHANGE_ASK_COPIES)
            continue;
        for (size_t i = 0; i < question->source_count; i++)
            if (still_counts(machine, question, &question->sources[i]))
                question->sources[kept++] = question->sources[i];
        question->source_count = kept;
    }
}
