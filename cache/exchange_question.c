/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

#include <string.h>

#include "src/base/must.h"

/* ---- tickets -------------------------------------------------------------------------------- */

bool exchange_ticket_add(struct asking *asking, int slot, uint64_t id)
{
    struct question *question = &asking->questions[slot];
    uint16_t place = asking->free_tickets;

    if (place)
        asking->free_tickets = asking->tickets[place - 1].next;
    else if (asking->tickets_end < EXCHANGE_TICKETS_MAX)
        place = (uint16_t)++asking->tickets_end;
    else
        return false;
    asking->tickets[place - 1] = (struct ticket){id, (uint16_t)(slot + 1), question->tickets};
    question->tickets = place;
    asking->tickets_used++;
    return true;
}

uint64_t exchange_ticket_remove(struct asking *asking, uint16_t *link)
{
    uint16_t place = *link;
    struct ticket *ticket = &asking->tickets[place - 1];

    *link = ticket->next;
    ticket->question = 0;
    ticket->next = asking->free_tickets;
    asking->free_tickets = place;
    asking->tickets_used--;
    return ticket->id;
}

/* ---- questions ------------------------------------------------------------------------------ */

int exchange_question_find(const struct exchange *machine, const char *name, int from)
{
    const struct asking *asking = &machine->asking;
    uint64_t key = exchange_key(machine, name);
    int slot = slots_find(&asking->slots, key, from);

    while (slot != SLOTS_NONE && (asking->questions[slot].state != QUESTION_OPEN ||
                                  strcmp(asking->questions[slot].name, name) != 0))
        slot = slots_find(&asking->slots, key, slot + 1);
    return slot;
}

static struct survey *survey_take(struct asking *asking)
{
    for (size_t i = 0; i < EXCHANGE_SURVEYS_MAX; i++) {
        if (!asking->surveys[i].taken) {
            asking->surveys[i].taken = true;
            return &asking->surveys[i];
        }
    }
    return NULL;
}

void exchange_question_free(struct asking *asking, int slot)
{
    const struct question *question = &asking->questions[slot];

    MUST(!question->tickets);
    for (size_t i = 0; i < EXCHANGE_SURVEYS_MAX; i++)
        if (question->sources == asking->surveys[i].sources)
            asking->surveys[i].taken = false;
    if (question->ask == EXCHANGE_ASK_COPIES)
        asking->copies_asked--;
    slots_free(&asking->slots, slot);
}

int exchange_question_new(struct exchange *machine, const char *name, enum exchange_ask ask,
                          const struct exchange_event *event)
{
    struct asking *asking = &machine->asking;
    struct survey *survey = ask == EXCHANGE_ASK_SURVEY ? survey_take(asking) : NULL;
    struct question *question;
    int slot = SLOTS_NONE;

    if (ask == EXCHANGE_ASK_COPIES && asking->copies_asked == EXCHANGE_COPIES_ASKED_MAX)
        return slot;
    if (survey || ask != EXCHANGE_ASK_SURVEY)
        slot = slots_take(&asking->slots, EXCHANGE_QUESTIONS_MAX, exchange_key(machine, name),
                          machine->now);
    if (slot == SLOTS_NONE) {
        if (survey)
            survey->taken = false;
        return slot;
    }
    asking->copies_asked += ask == EXCHANGE_ASK_COPIES;
    question = &asking->questions[slot];
    *question = (struct question){.ask = ask,
                                  .local = event->local,
                                  .asked = machine->now,
                                  .copies = event->copies,
                                  .version = event->version,
                                  .sha256 = event->sha256,
                                  .until = event->until};
    question->sources = survey ? survey->sources : question->few;
    exchange_copy_name(question->name, name);
    exchange_make_tuid(machine, question->tuid);
    return slot;
}

static size_t sources_most(const struct question *question)
{
    return question->ask == EXCHANGE_ASK_SURVEY ? EXCHANGE_SURVEY_MAX : EXCHANGE_SOURCES_MAX;
}

/* Of many answers, those of who can ask others are kept: then the last that is not. */
static size_t source_to_replace(const struct question *question, const struct exchange_source *by)
{
    size_t i = question->source_count;

    while (by->leads && i > 0 && question->sources[i - 1].leads)
        i--;
    return by->leads && i > 0 ? i - 1 : sources_most(question);
}

void exchange_question_add(struct question *question, const struct exchange_source *source)
{
    size_t i = 0;

    while (i < question->source_count &&
           !address_same_host(&question->sources[i].http, &source->http))
        i++;
    if (i == sources_most(question))
        i = source_to_replace(question, source);
    if (i == sources_most(question))
        return;
    question->sources[i] = *source;
    if (i == question->source_count)
        question->source_count++;
}

size_t exchange_question_holders(const struct question *question)
{
    size_t count = 0;

    for (size_t i = 0; i < question->source_count; i++)
        count += exchange_holds(&question->sources[i], &question->local);
    return count;
}

void exchange_question_keep_holders(struct question *question)
{
    size_t kept = 0;

    for (size_t i = 0; i < question->source_count; i++)
        if (exchange_holds(&question->sources[i], &question->local))
            question->sources[kept++] = question->sources[i];
    question->source_count = kept;
}
