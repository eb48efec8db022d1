/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

#include <string.h>

#include "src/base/must.h"

/*
 * Confirmations, both ways: a candidate that was asked whether it holds a version says so as soon
 * as it does; and what a candidate says that it holds of ours confirms it.
 */

/* Who still wants to know asks again long before. */
static const int64_t CONFIRM_KEEP_NS = MONO_S(90);

/* A tombstone is held by whoever knows it. */
static bool holds_it(const struct exchange_local *local, struct version version)
{
    return local->known && (local->held || local->deleted) &&
           !version_newer(version, local->version);
}

/* The next row for the name at or behind the slot `from`. */
static int confirm_find(const struct exchange *machine, const char *name, int from)
{
    const struct confirming *confirming = &machine->confirming;
    uint64_t key = exchange_key(machine, name);
    int slot = slots_find(&confirming->slots, key, from);

    while (slot != SLOTS_NONE && strcmp(confirming->confirms[slot].name, name) != 0)
        slot = slots_find(&confirming->slots, key, slot + 1);
    return slot;
}

/* One row a host and name, for what it asked last. */
static void wait_for_it(struct exchange *machine, const struct exchange_event *event)
{
    const struct notice *notice = event->notice;
    struct confirming *confirming = &machine->confirming;
    mono_t due = mono_after(machine->now, CONFIRM_KEEP_NS);
    struct confirm *confirm;
    int slot = confirm_find(machine, notice->name, 0);

    while (slot != SLOTS_NONE && !address_same(&confirming->confirms[slot].to, &event->from))
        slot = confirm_find(machine, notice->name, slot + 1);
    if (slot == SLOTS_NONE)
        slot = slots_take_over(&confirming->slots, EXCHANGE_CONFIRMS_MAX,
                               exchange_key(machine, notice->name), due);
    confirming->slots.due[slot] = due;
    confirm = &confirming->confirms[slot];
    confirm->to = event->from;
    confirm->version = notice->version;
    exchange_copy_name(confirm->name, notice->name);
    memcpy(confirm->tuid, notice->tuid, sizeof(confirm->tuid));
}

void exchange_confirm_asked(struct exchange *machine, const struct exchange_event *event)
{
    const struct notice *notice = event->notice;

    if (!notice->confirm || !machine->place.candidate ||
        version_is_ahead(notice->version, event->wall))
        return;
    if (holds_it(&event->local, notice->version))
        exchange_say_reply(machine, &event->from, notice->name, notice->tuid, &event->local, 0);
    else
        wait_for_it(machine, event);
}

void exchange_confirm_refresh(struct exchange *machine, const char *name,
                              const struct exchange_local *local)
{
    struct confirming *confirming = &machine->confirming;

    for (int slot = confirm_find(machine, name, 0); slot != SLOTS_NONE;
         slot = confirm_find(machine, name, slot + 1)) {
        const struct confirm *confirm = &confirming->confirms[slot];

        if (!holds_it(local, confirm->version))
            continue;
        exchange_say_reply(machine, &confirm->to, name, confirm->tuid, local, 0);
        slots_free(&confirming->slots, slot);
    }
}

void exchange_confirm_heard(struct exchange *machine, const struct exchange_event *event,
                            struct exchange_actions *actions)
{
    const struct notice *notice = event->notice;
    struct exchange_action *action;

    if (!event->local.unconfirmed || !(notice->held || notice->deleted) ||
        !route_confirms(&machine->place, event->relations) ||
        exchange_order(&event->local, notice->version, &notice->sha256) != 0)
        return;
    action = exchange_act(actions, EXCHANGE_CONFIRMED);
    MUST(action); /* it is the first of this step */
    action->to = event->from;
    action->version = notice->version;
    exchange_copy_name(action->name, notice->name);
}

/* Rows that were given up. */
void exchange_confirm_work(struct exchange *machine)
{
    struct slots *slots = &machine->confirming.slots;

    for (int slot = slots_first(slots);
         slot != SLOTS_NONE && mono_reached(machine->now, slots->due[slot]);
         slot = slots_first(slots))
        slots_free(slots, slot);
}

mono_t exchange_confirm_due(const struct exchange *machine)
{
    return slots_due(&machine->confirming.slots);
}
