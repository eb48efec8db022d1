/* SPDX-License-Identifier: ISC */
/* The exchange under any events in any order, as long as the driver keeps its part of the contract:
 * it never runs out of bounds, never wants to be woken up at once for ever, and never answers a
 * ticket twice. The first bytes of each event choose its kind, time, peer, name and version. */
#include "cache/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS_MAX = 3000, ROUNDS_MAX = 1000, TICKETS = 256 };

static const wall_t WALL = {1795348800000};

/* The input, taken byte by byte; zeros behind its end. */
struct dice {
    const uint8_t *at;
    size_t left;
};

static uint8_t roll(struct dice *dice)
{
    if (!dice->left)
        return 0;
    dice->left--;
    return *dice->at++;
}

static bool waiting[TICKETS];

static struct version roll_version(struct dice *dice)
{
    uint8_t n = roll(dice);

    if (n == 0)
        return VERSION_NONE;
    return (struct version){((uint64_t)WALL.ms + (n > 250 ? 100000 : 0)) * 65536 + n % 8};
}

static struct exchange_local roll_local(struct dice *dice, bool known)
{
    uint8_t flags = roll(dice);
    struct exchange_local local = {.known = known || (flags & 1)};

    local.held = local.known && (flags & 2);
    local.deleted = local.known && (flags & 4);
    local.unconfirmed = local.known && (flags & 8);
    local.version = (struct version){(uint64_t)WALL.ms * 65536 + (flags >> 4) + 1};
    if (flags >> 4 > 11)
        local.version = version_of_mtime(flags >> 4 & 3);
    local.mtime = flags >> 4 & 3;
    local.sha256.bytes[0] = flags >> 3 & 1;
    return local;
}

/* What such a host can say. */
static void make_isconf(struct notice *out)
{
    out->isconf = true;
    out->time = (int64_t)(out->version.bits % 8);
    out->version = out->kind == NOTICE_IHAVE ? version_of_mtime(out->time) : VERSION_NONE;
    out->port = out->kind == NOTICE_IHAVE;
    out->content = out->held = out->confirm = false;
    out->spread_ms = 0;
    out->sender = (struct notice_sender){.boot = 0};
    out->sha256.bytes[0] = 0;
}

static void roll_notice(struct dice *dice, const char *name, const struct address *from,
                        struct notice *out)
{
    uint8_t flags = roll(dice);

    *out = (struct notice){.kind = flags & 1 ? NOTICE_IHAVE : NOTICE_WHOHAS};
    MUST(span_copy(span_of(name), out->name, sizeof(out->name)));
    if (flags & 2)
        snprintf(out->tuid, sizeof(out->tuid), "%d.x@y", flags >> 5);
    if (flags & 4)
        snprintf(out->sender.node, sizeof(out->sender.node), "node%d", flags >> 5);
    out->content = flags & 8;
    out->held = flags & 16;
    out->confirm = flags & 32;
    out->sender.boot = flags >> 6;
    if (flags & 64)
        out->sender.address = *from;
    out->spread_ms = (uint16_t)(roll(dice) * 4);
    out->version = roll_version(dice);
    out->sha256.bytes[0] = flags >> 3 & 1;
    if (!(flags & 6))
        make_isconf(out);
}

static void take(const struct exchange_actions *actions)
{
    MUST(actions->count <= EXCHANGE_ACTIONS_MAX);
    for (size_t i = 0; i < actions->count; i++) {
        const struct exchange_action *action = &actions->list[i];

        if (action->kind == EXCHANGE_COMPARE && !action->store_id)
            MUST(!action->since);
        if (action->kind != EXCHANGE_ANSWER)
            continue;
        MUST(action->ticket < TICKETS && waiting[action->ticket]);
        MUST(action->source_count <= EXCHANGE_SURVEY_MAX);
        for (size_t s = 0; s < action->source_count; s++)
            MUST(memchr(action->sources[s].node, 0, NODE_SIZE) != NULL);
        waiting[action->ticket] = false;
    }
}

static void step(struct exchange *machine, struct exchange_event *event,
                 struct exchange_actions *actions)
{
    int rounds = 0;

    exchange_step(machine, event, actions);
    take(actions);
    event->kind = EXCHANGE_WAKE;
    while (actions->more) {
        MUST(rounds++ < ROUNDS_MAX);
        exchange_step(machine, event, actions);
        take(actions);
    }
    MUST(actions->deadline.ns > event->now.ns);
}

/* Any, even such as no nets files bring about. */
static struct route_place roll_place(struct dice *dice)
{
    uint8_t flags = roll(dice);

    return (struct route_place){.mesh = flags & 1,
                                .follows = flags & 2,
                                .leads = flags & 4,
                                .above = flags & 8,
                                .candidate = flags & 16,
                                .top = flags & 32};
}

static void roll_head(struct dice *dice, struct exchange_event *event)
{
    uint8_t flags = roll(dice);

    event->head = (struct exchange_head){.store = flags % 3, .sequence = flags >> 4};
    event->head.digest.bytes[0] = flags >> 2 & 1;
}

/* What only some kinds have; false where the driver would not say such a thing. */
static bool roll_details(struct dice *dice, struct exchange_event *event)
{
    bool asked = event->kind == EXCHANGE_ASKED;

    if (event->kind == EXCHANGE_PLACE)
        event->place = roll_place(dice);
    if (event->kind == EXCHANGE_HEAD)
        roll_head(dice, event);
    if (asked) {
        event->copies = 1 + roll(dice) % EXCHANGE_COPIES_MAX;
        event->until = mono_after(event->now, MONO_MS(roll(dice) * 100));
    }
    if (asked && waiting[event->ticket])
        return false;
    if (asked || event->kind == EXCHANGE_DROPPED)
        waiting[event->ticket] = asked;
    return true;
}

/* False where the driver would not say such a thing. */
static bool roll_event(struct dice *dice, struct exchange_event *event, struct notice *notice,
                       char name[32])
{
    bool ours;

    event->kind = (enum exchange_event_kind)(roll(dice) % (EXCHANGE_BLAMED + 1));
    event->from = (struct address){.ip = {[15] = roll(dice)}, .port = 1};
    event->relations = roll(dice) * 2U + (event->from.ip[15] & 1U);
    ours = event->kind == EXCHANGE_CHANGED || event->kind == EXCHANGE_LANDED ||
           event->kind == EXCHANGE_AGAIN;
    snprintf(name, 32, "example.com/%d", roll(dice) % 16);
    event->name = span_of(name);
    event->notice = notice;
    event->local = roll_local(dice, ours);
    if (event->kind == EXCHANGE_HEARD)
        roll_notice(dice, name, &event->from, notice);
    event->ticket = roll(dice);
    event->version = event->local.version;
    event->ask = (enum exchange_ask)(roll(dice) % (EXCHANGE_ASK_COPIES + 1));
    event->result = (enum exchange_result)(roll(dice) % (EXCHANGE_FAULTY + 1));
    event->fault = (enum peer_fault)(roll(dice) % PEER_FAULT_COUNT);
    event->page = (struct exchange_page){.store_id = roll(dice) % 3, .last = roll(dice)};
    event->page.more = roll(dice) & 1;
    event->page.ahead = event->result == EXCHANGE_AHEAD;
    return roll_details(dice, event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = {data, size};
    struct exchange_options options = {.seed = 1,
                                       .node = "node0",
                                       .domain = "example.com",
                                       .broadcast = roll(&dice) & 1,
                                       .http_port = 2,
                                       .compare_ns = MONO_S(30),
                                       .now = {MONO_S(1)}};
    struct exchange *machine = calloc(1, exchange_size());
    struct exchange_actions *actions = calloc(1, sizeof(*actions));
    mono_t now = options.now;

    MUST(machine != NULL && actions != NULL);
    memset(waiting, 0, sizeof(waiting));
    exchange_init(machine, &options);
    for (int i = 0; i < EVENTS_MAX && dice.left; i++) {
        struct notice notice;
        char name[32];
        uint8_t pause = roll(&dice);
        struct exchange_event event = {.wall = WALL};

        now = mono_after(now, pause < 128 ? pause : MONO_MS((pause - 127) * (pause - 127)));
        event.now = now;
        if (roll_event(&dice, &event, &notice, name))
            step(machine, &event, actions);
    }
    free(actions);
    free(machine);
    return 0;
}
