/* SPDX-License-Identifier: ISC */
#include "cache/exchange_inner.h"

#include <string.h>

/*
 * Questions from below for what we do not know better: they go on up, under their own tuid, and
 * whoever asked is answered when we have learned it. A row stays after that, so that no tuid goes
 * up twice, even where tiers hang together in a circle for a moment.
 */
enum { RELAY_SENDS = 3 };
static const int64_t RELAY_AT_NS[RELAY_SENDS] = {0, MONO_MS(250), MONO_S(1)};
static const int64_t RELAY_KEEP_NS = MONO_S(4);

/* The next row for the name at or behind the slot `from`. */
static int relay_find(const struct exchange *machine, const char *name, int from)
{
    const struct relaying *relaying = &machine->relaying;
    uint64_t key = exchange_key(machine, name);
    int slot = slots_find(&relaying->slots, key, from);

    while (slot != SLOTS_NONE && strcmp(relaying->relays[slot].name, name) != 0)
        slot = slots_find(&relaying->slots, key, slot + 1);
    return slot;
}

static bool relay_is_known(const struct exchange *machine, const char *name, const char *tuid)
{
    int slot = relay_find(machine, name, 0);

    while (slot != SLOTS_NONE && strcmp(machine->relaying.relays[slot].tuid, tuid) != 0)
        slot = relay_find(machine, name, slot + 1);
    return slot != SLOTS_NONE;
}

/* An ISconf host has none for its questions: it gets one, which is the same each time it repeats
 * the question. */
static void tuid_of(const struct exchange *machine, const struct exchange_event *event,
                    char out[TUID_SIZE])
{
    struct text text = text_over(out, TUID_SIZE);
    struct span node = span_of(machine->node);

    if (!event->notice->isconf) {
        memcpy(out, event->notice->tuid, TUID_SIZE);
        return;
    }
    text_hex(&text, event->from.ip, sizeof(event->from.ip));
    text_putc(&text, '@');
    text_add(&text, node.at,
             node.len < TUID_MAX_LEN - text.len ? node.len : TUID_MAX_LEN - text.len);
}

/* Does another row ask for the name already, and for no less? The answer serves both. */
static bool relay_is_asked(const struct exchange *machine, const struct notice *notice)
{
    for (int slot = relay_find(machine, notice->name, 0); slot != SLOTS_NONE;
         slot = relay_find(machine, notice->name, slot + 1)) {
        const struct relay *relay = &machine->relaying.relays[slot];

        if (relay->speaks && !version_newer(relay->version, notice->version) &&
            (!relay->content || notice->content))
            return true;
    }
    return false;
}

static bool worth_relaying(const struct exchange *machine, const struct notice *notice,
                           const struct exchange_local *local)
{
    if (!machine->place.follows || !(*notice->tuid || notice->isconf) ||
        strcmp(notice->name, machine->hello) == 0)
        return false;
    if (!local->known)
        return true;
    return !notice->content && !version_newer(local->version, notice->version);
}

void exchange_relay_asked(struct exchange *machine, const struct exchange_event *event)
{
    const struct notice *notice = event->notice;
    struct relaying *relaying = &machine->relaying;
    struct relay *relay;
    char tuid[TUID_SIZE];
    bool speaks;
    int slot;

    tuid_of(machine, event, tuid);
    if (!worth_relaying(machine, notice, &event->local) ||
        relay_is_known(machine, notice->name, tuid) ||
        exchange_ask_is_ours(machine, notice->name, tuid))
        return;
    speaks = !relay_is_asked(machine, notice);
    slot = slots_take(&relaying->slots, EXCHANGE_RELAYS_MAX, exchange_key(machine, notice->name),
                      speaks ? machine->now : mono_after(machine->now, RELAY_KEEP_NS));
    if (slot == SLOTS_NONE) {
        machine->figures.relays_dropped++;
        return;
    }
    relay = &relaying->relays[slot];
    *relay = (struct relay){.to = event->from,
                            .version = notice->version,
                            .time = notice->time,
                            .content = notice->content,
                            .asked = machine->now,
                            .speaks = speaks};
    exchange_copy_name(relay->name, notice->name);
    memcpy(relay->tuid, tuid, sizeof(relay->tuid));
}

void exchange_relay_refresh(struct exchange *machine, const char *name,
                            const struct exchange_local *local)
{
    if (!local->known)
        return;
    for (int slot = relay_find(machine, name, 0); slot != SLOTS_NONE;
         slot = relay_find(machine, name, slot + 1)) {
        struct relay *relay = &machine->relaying.relays[slot];

        if (relay->answered || !version_newer(local->version, relay->version))
            continue;
        exchange_say_reply(machine, &relay->to, name, relay->tuid, local, 0);
        relay->answered = true;
        relay->speaks = false;
        machine->relaying.slots.due[slot] = mono_after(machine->now, RELAY_KEEP_NS);
    }
}

static void relay_send(struct exchange *machine, int slot, struct exchange_action *action)
{
    struct relay *relay = &machine->relaying.relays[slot];
    struct notice *notice = &action->notice;

    action->audiences = AUDIENCE_UP;
    notice->kind = NOTICE_WHOHAS;
    exchange_copy_name(notice->name, relay->name);
    memcpy(notice->tuid, relay->tuid, TUID_SIZE);
    notice->version = relay->version;
    notice->time = relay->time;
    notice->content = relay->content && !relay->sent;
    notice->port = machine->http_port;
    relay->sent++;
    machine->relaying.slots.due[slot] = mono_after(
        relay->asked, relay->sent < RELAY_SENDS ? RELAY_AT_NS[relay->sent] : RELAY_KEEP_NS);
}

void exchange_relay_work(struct exchange *machine, struct exchange_actions *actions)
{
    struct relaying *relaying = &machine->relaying;
    int slot = slots_first(&relaying->slots);

    while (slot != SLOTS_NONE && mono_reached(machine->now, relaying->slots.due[slot])) {
        struct relay *relay = &relaying->relays[slot];

        if (relay->speaks && relay->sent < RELAY_SENDS) {
            struct exchange_action *action = exchange_act(actions, EXCHANGE_SEND);
            if (!action)
                return;
            relay_send(machine, slot, action);
        } else {
            slots_free(&relaying->slots, slot);
        }
        slot = slots_first(&relaying->slots);
    }
}

mono_t exchange_relay_due(const struct exchange *machine)
{
    return slots_due(&machine->relaying.slots);
}
