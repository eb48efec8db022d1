/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

#include <string.h>

#include "src/base/must.h"

/* When a question is sent, sent again (datagrams get lost), and given up. */
enum { SENDS_MAX = 3 };
struct plan {
    int64_t sends[SENDS_MAX];
    size_t send_count;
    int64_t end;
    int64_t spread_max_ms; /* answers come within this, so that the last still counts */
};

static const struct plan plans[] = {
    [EXCHANGE_ASK_NAME] = {{0, MONO_MS(250), MONO_S(1)}, 3, MONO_S(2), 500},
    [EXCHANGE_ASK_NEWEST] = {{0, MONO_MS(200)}, 2, MONO_MS(500), 200},
    [EXCHANGE_ASK_CONTENT] = {{0, MONO_MS(250), MONO_S(1)}, 3, MONO_S(2), 500},
    [EXCHANGE_ASK_SURVEY] = {{0, MONO_S(1)}, 2, MONO_S(2), 500},
    [EXCHANGE_ASK_COPIES] = {.spread_max_ms = 0}, /* asked until its time is up */
};

/* COPIES is asked until its time is up: after this, and twice as long each time, up to the most. */
static const int64_t COPIES_FIRST_NS = MONO_MS(250), COPIES_MOST_NS = MONO_S(2);

/* How much longer a question stays open for a manifest that is on its way. */
static const int64_t LEARN_PATIENCE_NS = MONO_S(10);

/* ---- how it ends ----------------------------------------------------------------------------- */

/* The answer, as far as it can be told now. */
static bool found_now(const struct exchange *machine, const struct question *question)
{
    switch (question->ask) {
    case EXCHANGE_ASK_CONTENT:
        return question->local.held || exchange_question_holders(question) > 0;
    case EXCHANGE_ASK_SURVEY:
        return question->source_count > 0;
    case EXCHANGE_ASK_COPIES:
        return exchange_copies_are_enough(machine, question);
    case EXCHANGE_ASK_NAME:
    case EXCHANGE_ASK_NEWEST:
        break;
    }
    return question->local.known;
}

static void question_end(struct exchange *machine, int slot)
{
    struct question *question = &machine->asking.questions[slot];

    question->found = found_now(machine, question);
    if (question->ask != EXCHANGE_ASK_SURVEY && question->ask != EXCHANGE_ASK_COPIES)
        exchange_question_keep_holders(question);
    if (question->ask == EXCHANGE_ASK_NAME && !question->found)
        exchange_nobody_remember(machine, question->name);
    question->state = QUESTION_ENDED;
    machine->asking.slots.due[slot] = machine->now;
}

/* Need it wait no longer? NEWEST and SURVEY always wait their time. */
static void question_consider(struct exchange *machine, int slot)
{
    const struct question *question = &machine->asking.questions[slot];
    bool in_vain = (question->ask == EXCHANGE_ASK_CONTENT && question->local.deleted) ||
                   exchange_copies_are_replaced(question);

    if (question->ask == EXCHANGE_ASK_NEWEST || question->ask == EXCHANGE_ASK_SURVEY)
        return;
    if (found_now(machine, question) || in_vain)
        question_end(machine, slot);
}

/* When it is given up. */
static mono_t question_end_at(const struct question *question)
{
    return question->ask == EXCHANGE_ASK_COPIES
               ? question->until
               : mono_after(question->asked, plans[question->ask].end);
}

static bool question_sends(const struct exchange *machine, const struct question *question)
{
    return question->ask == EXCHANGE_ASK_COPIES ? !mono_reached(machine->now, question->until)
                                                : question->sent < plans[question->ask].send_count;
}

/* ---- events --------------------------------------------------------------------------------- */

static struct exchange_action *answer_at_once(struct exchange *machine,
                                              const struct exchange_event *event, bool found,
                                              size_t source_count, struct exchange_actions *actions)
{
    struct exchange_action *action = exchange_act(actions, EXCHANGE_ANSWER);

    MUST(action); /* it is the first of this step */
    action->ticket = event->ticket;
    action->found = found;
    action->sources = machine->asking.at_once;
    action->source_count = source_count;
    return action;
}

/* The open question that one more may wait for: each put has its own. */
static int question_shared(const struct exchange *machine, const char *name, enum exchange_ask ask)
{
    int slot = ask == EXCHANGE_ASK_COPIES ? SLOTS_NONE : exchange_question_find(machine, name, 0);

    while (slot != SLOTS_NONE && machine->asking.questions[slot].ask != ask)
        slot = exchange_question_find(machine, name, slot + 1);
    return slot;
}

static void answer_busy(struct exchange *machine, const struct exchange_event *event,
                        struct exchange_actions *actions)
{
    answer_at_once(machine, event, false, 0, actions)->busy = true;
    machine->figures.tickets_refused++;
}

static bool is_here(const struct exchange_event *event)
{
    return exchange_order(&event->local, event->version, &event->sha256) == 0;
}

/* Who is asked, and is there somebody. A name goes up alone. Content somebody beside us may have,
 * and at the last those below. */
static unsigned ask_audiences(const struct exchange *machine, enum exchange_ask ask, bool last)
{
    unsigned audiences = AUDIENCE_MESH | AUDIENCE_UP;
    bool meshes = machine->broadcast || machine->peers.count;

    if (ask == EXCHANGE_ASK_COPIES)
        audiences = route_confirmers(&machine->place);
    if (ask == EXCHANGE_ASK_CONTENT || ask == EXCHANGE_ASK_SURVEY)
        audiences |= AUDIENCE_FELLOWS;
    if (ask == EXCHANGE_ASK_SURVEY || (ask == EXCHANGE_ASK_CONTENT && last))
        audiences |= AUDIENCE_DOWN;
    return exchange_audiences(machine, meshes ? audiences : audiences & ~AUDIENCE_MESH);
}

/* What needs no asking. */
static bool answered_at_once(struct exchange *machine, const struct exchange_event *event,
                             enum exchange_ask ask, const char *name,
                             struct exchange_actions *actions)
{
    const struct exchange_local *local = &event->local;
    bool alone = !ask_audiences(machine, ask, true);
    bool own = machine->place.top && (local->held || local->deleted);
    size_t sources = 0;

    if (ask == EXCHANGE_ASK_CONTENT && !local->held && !local->deleted)
        sources = exchange_recent_take(machine, name, local, machine->asking.at_once,
                                       EXCHANGE_SOURCES_MAX);
    if (ask == EXCHANGE_ASK_NAME && (local->known || alone || exchange_nobody_has(machine, name)))
        answer_at_once(machine, event, local->known, 0, actions);
    else if (ask == EXCHANGE_ASK_CONTENT && (local->held || local->deleted || alone || sources))
        answer_at_once(machine, event, local->held || sources, sources, actions);
    else if (ask == EXCHANGE_ASK_NEWEST && alone)
        answer_at_once(machine, event, local->known, 0, actions);
    else if (ask == EXCHANGE_ASK_SURVEY && alone)
        answer_at_once(machine, event, false, 0, actions);
    else if (ask == EXCHANGE_ASK_COPIES && !is_here(event))
        answer_at_once(machine, event, false, 0, actions)->replaced = local->known;
    else if (ask == EXCHANGE_ASK_COPIES && own && event->copies == 1)
        answer_at_once(machine, event, true, 0, actions);
    else
        return false;
    return true;
}

void exchange_ask_begin(struct exchange *machine, const struct exchange_event *event,
                        struct exchange_actions *actions)
{
    struct asking *asking = &machine->asking;
    enum exchange_ask ask = event->ask;
    char name[NAME_SIZE];
    int slot;

    MUST(span_copy(event->name, name, sizeof(name)));
    MUST(ask != EXCHANGE_ASK_COPIES || (event->copies && event->copies <= EXCHANGE_COPIES_MAX));
    if (!event->local.known && ask != EXCHANGE_ASK_SURVEY && ask != EXCHANGE_ASK_COPIES)
        ask = EXCHANGE_ASK_NAME;
    exchange_ask_refresh(machine, name, &event->local);
    if (answered_at_once(machine, event, ask, name, actions))
        return;
    slot = question_shared(machine, name, ask);
    if (slot == SLOTS_NONE)
        slot = exchange_question_new(machine, name, ask, event);
    if (slot == SLOTS_NONE) {
        answer_busy(machine, event, actions);
    } else if (!exchange_ticket_add(asking, slot, event->ticket)) {
        if (!asking->questions[slot].tickets)
            exchange_question_free(asking, slot);
        answer_busy(machine, event, actions);
    }
}

void exchange_ask_drop(struct exchange *machine, uint64_t ticket)
{
    struct asking *asking = &machine->asking;
    size_t i = 0;
    uint16_t *link;
    int slot;

    while (i < asking->tickets_end &&
           !(asking->tickets[i].question && asking->tickets[i].id == ticket))
        i++;
    if (i == asking->tickets_end)
        return; /* it was answered meanwhile */
    slot = asking->tickets[i].question - 1;
    link = &asking->questions[slot].tickets;
    while (*link != i + 1)
        link = &asking->tickets[*link - 1].next;
    exchange_ticket_remove(asking, link);
    if (!asking->questions[slot].tickets)
        exchange_question_free(asking, slot);
}

/* What a candidate that we may not ask for content says that it holds still counts as a copy. */
static bool worth_adding(const struct exchange *machine, const struct question *question,
                         const struct exchange_event *event, const struct exchange_source *source,
                         bool usable)
{
    if (question->ask == EXCHANGE_ASK_COPIES)
        return event->notice->kept && notice_is_from(&event->notice->sender, &event->from) &&
               exchange_copies_count(machine, question, source, event->relations);
    return usable || question->ask == EXCHANGE_ASK_SURVEY;
}

void exchange_ask_heard(struct exchange *machine, const struct exchange_event *event,
                        const struct exchange_source *source, bool usable)
{
    const char *name = event->notice->name;

    if (usable)
        exchange_nobody_forget(machine, name);
    if (usable && source->held)
        exchange_recent_remember(machine, name, source);
    for (int slot = exchange_question_find(machine, name, 0); slot != SLOTS_NONE;
         slot = exchange_question_find(machine, name, slot + 1)) {
        struct question *question = &machine->asking.questions[slot];

        if (worth_adding(machine, question, event, source, usable))
            exchange_question_add(question, source);
        question_consider(machine, slot);
    }
}

void exchange_ask_refresh(struct exchange *machine, const char *name,
                          const struct exchange_local *local)
{
    struct asking *asking = &machine->asking;

    if (local->known)
        exchange_nobody_forget(machine, name);
    for (int slot = exchange_question_find(machine, name, 0); slot != SLOTS_NONE;
         slot = exchange_question_find(machine, name, slot + 1)) {
        struct question *question = &asking->questions[slot];

        question->local = *local;
        question_consider(machine, slot);
        if (mono_reached(machine->now, question_end_at(question)))
            asking->slots.due[slot] = machine->now; /* it waited for this manifest alone */
    }
}

bool exchange_ask_waits(const struct exchange *machine, const char *name)
{
    int slot = exchange_question_find(machine, name, 0);

    while (slot != SLOTS_NONE && (machine->asking.questions[slot].ask == EXCHANGE_ASK_SURVEY ||
                                  machine->asking.questions[slot].ask == EXCHANGE_ASK_COPIES))
        slot = exchange_question_find(machine, name, slot + 1);
    return slot != SLOTS_NONE;
}

bool exchange_ask_is_ours(const struct exchange *machine, const char *name, const char *tuid)
{
    int slot = exchange_question_find(machine, name, 0);

    while (slot != SLOTS_NONE && strcmp(machine->asking.questions[slot].tuid, tuid) != 0)
        slot = exchange_question_find(machine, name, slot + 1);
    return slot != SLOTS_NONE;
}

/* Once more at least, and at once; when it is given up stays as it was. */
void exchange_ask_again(struct exchange *machine)
{
    struct asking *asking = &machine->asking;

    for (size_t slot = 0; slot < asking->slots.end; slot++) {
        struct question *question = &asking->questions[slot];

        if (!asking->slots.key[slot] || question->state != QUESTION_OPEN ||
            question->ask == EXCHANGE_ASK_SURVEY ||
            mono_reached(machine->now, question_end_at(question)))
            continue;
        if (question->sent && !question_sends(machine, question))
            question->sent--;
        asking->slots.due[slot] = machine->now;
    }
}

/* ---- work ----------------------------------------------------------------------------------- */

/* A name is asked for among the holders of its content first, who are few; then of all who know. */
static bool wants_content(const struct question *question)
{
    return question->ask == EXCHANGE_ASK_CONTENT ||
           (question->ask == EXCHANGE_ASK_NAME && !question->sent);
}

static void write_question(struct exchange *machine, struct question *question,
                           struct notice *notice)
{
    notice->kind = NOTICE_WHOHAS;
    exchange_copy_name(notice->name, question->name);
    notice->content = wants_content(question);
    notice->port = machine->http_port;
    if (question->ask != EXCHANGE_ASK_SURVEY && question->local.known) {
        notice->version = question->local.version;
        notice->time = question->local.mtime;
        if (!question->local.held && version_is_unverified(question->local.version))
            notice->time--; /* the ISconf host that has this one is to answer */
    }
}

/* When it is sent again, or given up. */
static mono_t next_send(const struct exchange *machine, const struct question *question)
{
    const struct plan *plan = &plans[question->ask];
    int64_t wait = COPIES_FIRST_NS;

    if (question->ask != EXCHANGE_ASK_COPIES)
        return mono_after(question->asked, question->sent < plan->send_count
                                               ? plan->sends[question->sent]
                                               : plan->end);
    for (size_t i = 1; i < question->sent && wait < COPIES_MOST_NS; i++)
        wait *= 2;
    return mono_earlier(question->until, mono_after(machine->now, wait));
}

static void write_send(struct exchange *machine, struct question *question, unsigned audiences,
                       struct exchange_action *action)
{
    struct notice *notice = &action->notice;

    action->audiences = audiences;
    if (question->ask == EXCHANGE_ASK_COPIES)
        exchange_say_write(machine, question->name, &question->local, notice);
    else
        write_question(machine, question, notice);
    notice->confirm = question->ask == EXCHANGE_ASK_COPIES;
    notice->spread_ms = exchange_spread_ms(machine, audiences, plans[question->ask].spread_max_ms);
    memcpy(notice->tuid, question->tuid, TUID_SIZE);
}

/* Where there is nobody to be asked any more it only waits. False: there is no room now. */
static bool question_send(struct exchange *machine, int slot, struct exchange_actions *actions)
{
    struct question *question = &machine->asking.questions[slot];
    bool last = question->sent + 1 >= plans[question->ask].send_count;
    unsigned audiences = ask_audiences(machine, question->ask, last);
    struct exchange_action *action = audiences ? exchange_act(actions, EXCHANGE_SEND) : NULL;

    if (audiences && !action)
        return false;
    if (action)
        write_send(machine, question, audiences, action);
    question->sent++;
    machine->asking.slots.due[slot] = next_send(machine, question);
    return true;
}

/* Its time is up: the end, but for a manifest that is on its way. */
static void question_expire(struct exchange *machine, int slot)
{
    struct question *question = &machine->asking.questions[slot];
    mono_t patience = mono_after(question->asked, plans[question->ask].end + LEARN_PATIENCE_NS);
    bool pending = question->ask != EXCHANGE_ASK_SURVEY && question->ask != EXCHANGE_ASK_COPIES &&
                   exchange_learn_pending(machine, question->name);

    if (pending && !mono_reached(machine->now, patience))
        machine->asking.slots.due[slot] = patience;
    else
        question_end(machine, slot);
}

/* One ticket of a question that has ended. */
static bool answer_one(struct asking *asking, int slot, struct exchange_actions *actions)
{
    struct question *question = &asking->questions[slot];
    struct exchange_action *action = exchange_act(actions, EXCHANGE_ANSWER);

    if (!action)
        return false;
    action->ticket = exchange_ticket_remove(asking, &question->tickets);
    action->found = question->found;
    action->replaced = !question->found && exchange_copies_are_replaced(question);
    action->sources = question->sources;
    action->source_count = question->source_count;
    if (question->tickets)
        return true;
    question->state = QUESTION_SPENT;
    asking->slots.due[slot] = MONO_NEVER;
    asking->spent[asking->spent_count++] = slot;
    return true;
}

void exchange_ask_work(struct exchange *machine, struct exchange_actions *actions)
{
    struct asking *asking = &machine->asking;
    int slot = slots_first(&asking->slots);

    while (slot != SLOTS_NONE && mono_reached(machine->now, asking->slots.due[slot])) {
        const struct question *question = &asking->questions[slot];
        bool room = true;

        if (question->state == QUESTION_ENDED)
            room = answer_one(asking, slot, actions);
        else if (question_sends(machine, question))
            room = question_send(machine, slot, actions);
        else
            question_expire(machine, slot);
        if (!room)
            return;
        slot = slots_first(&asking->slots);
    }
}

void exchange_ask_free_spent(struct exchange *machine)
{
    struct asking *asking = &machine->asking;

    while (asking->spent_count)
        exchange_question_free(asking, asking->spent[--asking->spent_count]);
}
