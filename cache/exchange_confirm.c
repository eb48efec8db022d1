/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

#include <string.h>

#include "src/base/must.h"

/*
 * Confirmations, both ways: a candidate that was asked whether it holds a version says so as soon
 * as it does; and what a candidate says that it keeps of ours confirms it.
 *
 * Whoever is told that we hold it leaves it to us. Below another tier content that nobody needs may
 * be dropped, and a candidate may hold what it merely fetched for somebody: so it is first marked
 * as unconfirmed here too, and kept until the tier above has it.
 *
 * Two nodes may put at the same moment: a version is meant with its content throughout.
 */

/* Who still wants to know asks again long before. */
static const int64_t CONFIRM_KEEP_NS = MONO_S(90);

/* Is what is here older than, the same as, or newer than what it speaks of? */
static int order_of(const struct exchange_local *local, const struct confirm *confirm)
{
    return exchange_order(local, confirm->version, &confirm->sha256);
}

/* A tombstone is held by whoever knows it. */
static bool holds_it(const struct exchange_local *local, const struct confirm *confirm)
{
    return (local->held || local->deleted) && order_of(local, confirm) >= 0;
}

/* ---- what was confirmed to us ---------------------------------------------------------------- */

static uint64_t confirmed_key(const struct exchange *machine, const char *name,
                              struct version version, const struct digest *sha256)
{
    char hex[DIGEST_HEX_SIZE];
    uint64_t key = exchange_key(machine, name) ^ version.bits;

    key ^= exchange_key(machine, digest_hex(sha256, hex));
    return key ? key : 1;
}

static bool was_confirmed(const struct exchange *machine, const char *name, struct version version,
                          const struct digest *sha256)
{
    const struct slots *confirmed = &machine->confirming.confirmed;
    int slot = slots_find(confirmed, confirmed_key(machine, name, version, sha256), 0);

    return slot != SLOTS_NONE && !mono_reached(machine->now, confirmed->due[slot]);
}

static void note_confirmed(struct exchange *machine, const char *name,
                           const struct exchange_local *local)
{
    struct slots *confirmed = &machine->confirming.confirmed;
    uint64_t key = confirmed_key(machine, name, local->version, &local->sha256);
    mono_t due = mono_after(machine->now, CONFIRM_KEEP_NS);
    int slot = slots_find(confirmed, key, 0);

    if (slot == SLOTS_NONE)
        slot = slots_take_over(confirmed, EXCHANGE_CONFIRMED_MAX, key, due);
    confirmed->due[slot] = due;
}

/* ---- who waits for us ------------------------------------------------------------------------ */

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

static bool is_row_of(const struct confirm *row, const struct confirm *confirm)
{
    return address_same(&row->to, &confirm->to) && row->asked == confirm->asked;
}

/* One row a host and name for what it said last, and one for what it asked last. */
static void wait_for_it(struct exchange *machine, const struct confirm *confirm)
{
    struct confirming *confirming = &machine->confirming;
    mono_t due = mono_after(machine->now, CONFIRM_KEEP_NS);
    int slot = confirm_find(machine, confirm->name, 0);

    while (slot != SLOTS_NONE && !is_row_of(&confirming->confirms[slot], confirm))
        slot = confirm_find(machine, confirm->name, slot + 1);
    if (slot == SLOTS_NONE)
        slot = slots_take_over(&confirming->slots, EXCHANGE_CONFIRMS_MAX,
                               exchange_key(machine, confirm->name), due);
    confirming->slots.due[slot] = due;
    confirming->confirms[slot] = *confirm;
}

bool exchange_confirm_keeps(const struct exchange *machine, const char *name,
                            const struct exchange_local *local)
{
    if (!machine->place.candidate || !(local->held || local->deleted))
        return false;
    return !machine->place.above || local->unconfirmed || local->deleted ||
           was_confirmed(machine, name, local->version, &local->sha256);
}

/* Is what is here pinned until a candidate above has it, wherever one is to have it? */
static bool is_kept(const struct exchange *machine, const struct confirm *confirm,
                    const struct exchange_local *local)
{
    return !confirm->ours || !machine->place.above || local->unconfirmed || local->deleted ||
           order_of(local, confirm) != 0 ||
           was_confirmed(machine, confirm->name, confirm->version, &confirm->sha256);
}

static void want(struct exchange *machine, const struct confirm *confirm)
{
    struct confirming *confirming = &machine->confirming;
    struct exchange_action *action = &confirming->want;
    bool unconfirmed = confirm->asked && machine->place.above &&
                       !was_confirmed(machine, confirm->name, confirm->version, &confirm->sha256);

    action->unconfirmed = unconfirmed || (confirming->wants && action->unconfirmed);
    action->version = confirm->version;
    action->sha256 = confirm->sha256;
    exchange_copy_name(action->name, confirm->name);
    confirming->wants = true;
}

/* Whether nothing is left to wait for; whoever asked has been answered then. */
static bool is_settled(struct exchange *machine, const struct confirm *confirm,
                       const struct exchange_local *local)
{
    bool holds = holds_it(local, confirm), kept = is_kept(machine, confirm, local);

    if (holds && (kept || !confirm->asked)) {
        if (confirm->asked)
            exchange_say_reply(machine, &confirm->to, confirm->name, confirm->tuid, local, 0);
        return true;
    }
    if (!confirm->ours || order_of(local, confirm) != 0)
        return false;
    if (!kept || !(local->held || local->wanted))
        want(machine, confirm);
    return !confirm->asked;
}

/* What somebody below or beside wants confirmed; and what a backup hears that its master, or
 * another backup, holds from now on. Who keeps everything wants that anyway. */
static bool is_ours_to_hold(const struct exchange *machine, const struct notice *notice,
                            unsigned relations)
{
    bool mirrored = relations & (ROUTE_FOLLOWED | ROUTE_FELLOW) && relations & ROUTE_BESIDE;

    if (notice->confirm)
        return relations & (ROUTE_LED | ROUTE_SLAVE | ROUTE_BESIDE);
    return mirrored && notice->held && !*notice->tuid && machine->place.above;
}

void exchange_confirm_asked(struct exchange *machine, const struct exchange_event *event)
{
    const struct notice *notice = event->notice;
    struct confirm confirm = {.version = notice->version,
                              .sha256 = notice->sha256,
                              .to = event->from,
                              .asked = notice->confirm,
                              .ours = is_ours_to_hold(machine, notice, event->relations)};

    if (!machine->place.candidate || !(confirm.asked || confirm.ours) || !notice->version.bits ||
        version_is_ahead(notice->version, event->wall))
        return;
    exchange_copy_name(confirm.name, notice->name);
    memcpy(confirm.tuid, notice->tuid, sizeof(confirm.tuid));
    if (!is_settled(machine, &confirm, &event->local))
        wait_for_it(machine, &confirm);
}

void exchange_confirm_refresh(struct exchange *machine, const char *name,
                              const struct exchange_local *local)
{
    struct confirming *confirming = &machine->confirming;

    for (int slot = confirm_find(machine, name, 0); slot != SLOTS_NONE;
         slot = confirm_find(machine, name, slot + 1))
        if (is_settled(machine, &confirming->confirms[slot], local))
            slots_free(&confirming->slots, slot);
}

/* ---- who confirms what is ours --------------------------------------------------------------- */

void exchange_confirm_heard(struct exchange *machine, const struct exchange_event *event,
                            struct exchange_actions *actions)
{
    const struct notice *notice = event->notice;
    struct exchange_action *action;

    if (!event->local.unconfirmed || !notice->kept || !(notice->held || notice->deleted) ||
        !notice_is_from(&notice->sender, &event->from) ||
        !route_confirms(&machine->place, event->relations) ||
        exchange_order(&event->local, notice->version, &notice->sha256) != 0)
        return;
    action = exchange_act(actions, EXCHANGE_CONFIRMED);
    MUST(action); /* it is the first of this step */
    action->to = event->from;
    action->version = notice->version;
    action->sha256 = notice->sha256;
    exchange_copy_name(action->name, notice->name);
    note_confirmed(machine, notice->name, &event->local);
    exchange_say_confirmed(machine, notice->name, &event->local);
}

/* ---- work ------------------------------------------------------------------------------------ */

static void want_work(struct exchange *machine, struct exchange_actions *actions)
{
    struct confirming *confirming = &machine->confirming;
    struct exchange_action *action;

    if (!confirming->wants)
        return;
    action = exchange_act(actions, EXCHANGE_WANT);
    MUST(action); /* there are only those of the event itself yet */
    confirming->want.kind = EXCHANGE_WANT;
    *action = confirming->want;
    confirming->wants = false;
}

/* Rows that were given up. */
void exchange_confirm_work(struct exchange *machine, struct exchange_actions *actions)
{
    struct slots *slots = &machine->confirming.slots;

    want_work(machine, actions);
    for (int slot = slots_first(slots);
         slot != SLOTS_NONE && mono_reached(machine->now, slots->due[slot]);
         slot = slots_first(slots))
        slots_free(slots, slot);
}

mono_t exchange_confirm_due(const struct exchange *machine)
{
    return slots_due(&machine->confirming.slots);
}
