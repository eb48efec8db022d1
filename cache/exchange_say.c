/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

#include <string.h>

#include "src/base/must.h"

/*
 * Announcements are paced: each goes to every peer, and whoever puts in ten thousand files at once
 * must not drown the others. The pace is so many datagrams a second in all.
 */
enum { ANNOUNCE_DATAGRAMS_PER_S = 5000 };

/* Upward, and beside us, there are few. */
enum { AUDIENCE_FEW = AUDIENCE_UP | AUDIENCE_FELLOWS };

/* A driver that wakes up late may catch up so much. */
static const int64_t ANNOUNCE_SLACK_NS = MONO_MS(20);

/* An announcement is repeated once, after this and up to as much again: the first may get lost. */
static const int64_t REPEAT_NS = MONO_MS(700);

/* How often one peer is corrected about one name: two that go wrong together must not go round. */
static const int64_t CORRECTION_NS = MONO_S(5);

/* ---- replies: to one peer, when their time has come ----------------------------------------- */

static bool reply_waits(const struct exchange *machine, uint64_t key, const struct address *to,
                        const char *name, const char *tuid)
{
    const struct saying *saying = &machine->saying;

    for (int slot = slots_find(&saying->reply_slots, key, 0); slot != SLOTS_NONE;
         slot = slots_find(&saying->reply_slots, key, slot + 1)) {
        const struct reply *reply = &saying->replies[slot];

        if (address_same(&reply->to, to) && strcmp(reply->tuid, tuid) == 0 &&
            strcmp(reply->name, name) == 0)
            return true;
    }
    return false;
}

void exchange_say_reply(struct exchange *machine, const struct address *to, const char *name,
                        const char *tuid, const struct exchange_local *local, int64_t ns)
{
    struct saying *saying = &machine->saying;
    uint64_t key = exchange_key(machine, name);
    struct reply *reply;
    int slot;

    if (reply_waits(machine, key, to, name, tuid))
        return;
    slot = slots_take(&saying->reply_slots, EXCHANGE_REPLIES_MAX, key,
                      ns ? exchange_within(machine, ns) : machine->now);
    if (slot == SLOTS_NONE) {
        machine->figures.replies_dropped++;
        return;
    }
    reply = &saying->replies[slot];
    reply->to = *to;
    reply->local = *local;
    exchange_copy_name(reply->name, name);
    MUST(span_copy(span_of(tuid), reply->tuid, sizeof(reply->tuid)));
}

/* What a notice asks for, or lacks, within the spread that it asks for. */
static void reply_to(struct exchange *machine, const struct exchange_event *event)
{
    const struct notice *notice = event->notice;

    exchange_say_reply(machine, &event->from, notice->name, notice->tuid, &event->local,
                       MONO_MS(notice->spread_ms));
}

/* An ISconf host asks for content with a later mtime. */
static bool worth_an_isconf_answer(const struct notice *question,
                                   const struct exchange_local *local, bool led)
{
    return (local->held || led) && !local->deleted && local->mtime > question->time;
}

/* Do we know what the asker wants to know? For one whom we lead we fetch what we know of. */
static bool worth_an_answer(const struct notice *question, const struct exchange_local *local,
                            bool led)
{
    if (!local->known)
        return false;
    if (question->isconf)
        return worth_an_isconf_answer(question, local, led);
    if (!question->version.bits)
        return led || !question->content || local->held || local->deleted;
    if (version_newer(local->version, question->version))
        return true;
    return question->content && local->held && version_same(local->version, question->version);
}

void exchange_say_asked(struct exchange *machine, const struct exchange_event *event)
{
    bool led = event->relations & ROUTE_LED;

    if (worth_an_answer(event->notice, &event->local, led))
        reply_to(machine, event);
    else if (led)
        exchange_relay_asked(machine, event);
}

static bool corrected_lately(struct exchange *machine, uint64_t key)
{
    struct slots *corrections = &machine->saying.corrections;
    int slot = slots_find(corrections, key, 0);

    if (slot != SLOTS_NONE && !mono_reached(machine->now, corrections->due[slot]))
        return true;
    if (slot == SLOTS_NONE)
        slot = slots_take_over(corrections, EXCHANGE_CORRECTIONS_MAX, key, machine->now);
    corrections->due[slot] = mono_after(machine->now, CORRECTION_NS);
    return false;
}

void exchange_say_correction(struct exchange *machine, const struct exchange_event *event)
{
    uint64_t key = exchange_key(machine, event->notice->name);

    key ^= exchange_host_key(machine, &event->from);
    if (!corrected_lately(machine, key ? key : 1))
        reply_to(machine, event);
}

void exchange_say_hello(struct exchange *machine, const struct address *to,
                        struct exchange_actions *actions)
{
    struct exchange_action *action = exchange_act(actions, EXCHANGE_SEND);

    MUST(action);
    action->audiences = to ? 0 : AUDIENCE_MESH;
    if (to)
        action->to = *to;
    action->notice.kind = NOTICE_WHOHAS;
    action->notice.content = true;
    action->notice.port = machine->http_port;
    exchange_copy_name(action->notice.name, machine->hello);
    exchange_make_tuid(machine, action->notice.tuid);
}

/* ---- announcements: to many ------------------------------------------------------------------ */

static int announcement_find(const struct exchange *machine, const char *name)
{
    const struct saying *saying = &machine->saying;
    uint64_t key = exchange_key(machine, name);
    int slot = slots_find(&saying->announcement_slots, key, 0);

    while (slot != SLOTS_NONE && strcmp(saying->announcements[slot].name, name) != 0)
        slot = slots_find(&saying->announcement_slots, key, slot + 1);
    return slot;
}

/* Where no room is, the repetition of another gives way: it is due last; and what is said once is
 * made good by heads. */
static int announcement_take(struct exchange *machine, uint64_t key)
{
    struct saying *saying = &machine->saying;
    struct slots *slots = &saying->announcement_slots;

    for (int i = 0; slots->used == EXCHANGE_ANNOUNCEMENTS_MAX && i < EXCHANGE_ANNOUNCEMENTS_MAX;
         i++)
        if (saying->announcements[i].once)
            slots_free(slots, i);
    return slots_take(slots, EXCHANGE_ANNOUNCEMENTS_MAX, key, machine->now);
}

void exchange_say_announce(struct exchange *machine, const char *name,
                           const struct exchange_local *local, unsigned audiences, bool once)
{
    struct saying *saying = &machine->saying;
    int slot = announcement_find(machine, name);
    struct announcement *announcement;

    audiences = exchange_audiences(machine, audiences);
    if (!audiences)
        return;
    if (slot == SLOTS_NONE) {
        slot = announcement_take(machine, exchange_key(machine, name));
        if (slot == SLOTS_NONE) {
            machine->figures.announcements_dropped++;
            return;
        }
        saying->announcements[slot] = (struct announcement){.once = once};
        exchange_copy_name(saying->announcements[slot].name, name);
    }
    announcement = &saying->announcements[slot];
    announcement->local = *local;
    announcement->audiences |= audiences;
    announcement->told = 0;
    announcement->once &= once;
    saying->announcement_slots.due[slot] = machine->now;
}

void exchange_say_confirmed(struct exchange *machine, const char *name,
                            const struct exchange_local *confirmed)
{
    int slot = announcement_find(machine, name);
    struct exchange_local *local;

    if (slot == SLOTS_NONE)
        return;
    local = &machine->saying.announcements[slot].local;
    if (exchange_order(local, confirmed->version, &confirmed->sha256) == 0)
        local->unconfirmed = false;
}

/* ---- work ----------------------------------------------------------------------------------- */

void exchange_say_write(const struct exchange *machine, const char *name,
                        const struct exchange_local *local, struct notice *out)
{
    out->kind = NOTICE_IHAVE;
    exchange_copy_name(out->name, name);
    out->version = local->version;
    out->time = local->mtime;
    out->port = machine->http_port;
    out->held = local->held;
    out->deleted = local->deleted;
    out->kept = exchange_confirm_keeps(machine, name, local);
    out->size = local->size;
    out->sha256 = local->sha256;
}

static void reply_work(struct exchange *machine, struct exchange_actions *actions)
{
    struct saying *saying = &machine->saying;
    int slot = slots_first(&saying->reply_slots);

    while (slot != SLOTS_NONE && mono_reached(machine->now, saying->reply_slots.due[slot])) {
        const struct reply *reply = &saying->replies[slot];
        struct exchange_action *action = exchange_act(actions, EXCHANGE_SEND);

        if (!action)
            return;
        action->to = reply->to;
        exchange_say_write(machine, reply->name, &reply->local, &action->notice);
        memcpy(action->notice.tuid, reply->tuid, sizeof(action->notice.tuid));
        action->notice.leads = machine->place.leads;
        slots_free(&saying->reply_slots, slot);
        slot = slots_first(&saying->reply_slots);
    }
}

static bool is_to_many(unsigned audiences)
{
    return audiences & ~(unsigned)AUDIENCE_FEW;
}

/* Takes the next place in time. */
static void announcement_pace(struct exchange *machine, unsigned audiences, mono_t *from)
{
    enum { FEW = 4 };
    int64_t hosts = is_to_many(audiences) ? (int64_t)machine->peers.count + 1 : FEW;

    if (mono_between(*from, machine->now) > ANNOUNCE_SLACK_NS)
        *from = mono_after(machine->now, -ANNOUNCE_SLACK_NS);
    *from = mono_after(*from, MONO_S(1) * hosts / ANNOUNCE_DATAGRAMS_PER_S);
}

/* All of its audiences have heard it. */
static void announcement_said(struct exchange *machine, int slot)
{
    struct announcement *announcement = &machine->saying.announcements[slot];
    struct slots *slots = &machine->saying.announcement_slots;

    announcement->told = 0;
    if (announcement->once) {
        slots_free(slots, slot);
        return;
    }
    announcement->once = true;
    slots->due[slot] =
        mono_after(machine->now, REPEAT_NS + (int64_t)rng_below(&machine->rng, REPEAT_NS));
}

/* To those of its audiences; false: no room for the action. */
static bool announcement_say(struct exchange *machine, int slot, unsigned audiences, mono_t *from,
                             struct exchange_actions *actions)
{
    struct announcement *announcement = &machine->saying.announcements[slot];
    struct exchange_action *action = exchange_act(actions, EXCHANGE_SEND);

    if (!action)
        return false;
    action->audiences = audiences;
    exchange_say_write(machine, announcement->name, &announcement->local, &action->notice);
    action->notice.confirm = announcement->local.unconfirmed;
    action->notice.spread_ms = exchange_spread_ms(machine, audiences, NOTICE_SPREAD_MAX_MS);
    announcement_pace(machine, audiences, from);
    announcement->told |= audiences;
    if (announcement->told == announcement->audiences)
        announcement_said(machine, slot);
    return true;
}

/* The first that is due and has not been said to the few, or SLOTS_NONE. */
static int announcement_for_few(const struct saying *saying)
{
    const struct slots *slots = &saying->announcement_slots;
    int first = SLOTS_NONE;

    for (size_t i = 0; i < slots->end; i++) {
        const struct announcement *one = &saying->announcements[i];
        if (slots->key[i] && (first == SLOTS_NONE || slots->due[i].ns < slots->due[first].ns) &&
            one->audiences & ~one->told & AUDIENCE_FEW)
            first = (int)i; /* that one is read last: it lies in another line of memory each time */
    }
    return first;
}

/* While what goes to many must wait: those below may be thousands, and what is put here must not
 * come up later for it. */
static void few_work(struct exchange *machine, struct exchange_actions *actions)
{
    struct saying *saying = &machine->saying;

    while (!mono_reached(machine->now, saying->announce_from) &&
           mono_reached(machine->now, saying->announce_few_from)) {
        int slot = announcement_for_few(saying);
        const struct announcement *one;

        if (slot == SLOTS_NONE || !mono_reached(machine->now, saying->announcement_slots.due[slot]))
            return;
        one = &saying->announcements[slot];
        if (!announcement_say(machine, slot, one->audiences & ~one->told & AUDIENCE_FEW,
                              &saying->announce_few_from, actions))
            return;
    }
}

static void announcement_work(struct exchange *machine, struct exchange_actions *actions)
{
    struct saying *saying = &machine->saying;
    struct slots *slots = &saying->announcement_slots;
    int slot = slots_first(slots);

    while (slot != SLOTS_NONE && mono_reached(machine->now, slots->due[slot]) &&
           mono_reached(machine->now, saying->announce_from)) {
        const struct announcement *one = &saying->announcements[slot];

        if (!announcement_say(machine, slot, one->audiences & ~one->told, &saying->announce_from,
                              actions))
            return;
        slot = slots_first(slots);
    }
    few_work(machine, actions);
}

void exchange_say_work(struct exchange *machine, struct exchange_actions *actions)
{
    reply_work(machine, actions);
    announcement_work(machine, actions);
}

/* When one that waits behind those to many can go to the few. */
static mono_t few_due(const struct exchange *machine)
{
    const struct saying *saying = &machine->saying;
    int slot = announcement_for_few(saying);

    if (slot == SLOTS_NONE)
        return MONO_NEVER;
    return saying->announcement_slots.due[slot].ns > saying->announce_few_from.ns
               ? saying->announcement_slots.due[slot]
               : saying->announce_few_from;
}

mono_t exchange_say_due(const struct exchange *machine)
{
    const struct saying *saying = &machine->saying;
    mono_t announce = slots_due(&saying->announcement_slots);

    if (announce.ns < saying->announce_from.ns)
        announce = mono_earlier(saying->announce_from, few_due(machine));
    return mono_earlier(slots_due(&saying->reply_slots), announce);
}
