/* SPDX-License-Identifier: ISC */
#include "tools/sim/elector.h"

#include <stdlib.h>
#include <string.h>

#include "src/advert_gate.h"
#include "src/base/must.h"
#include "tools/sim/ballots.h"
#include "tools/sim/inner.h"

/*
 * Drives the elections of a node as the daemon's thread does: actions are carried out in their
 * order; ballots that have come are handed in before a deadline is judged; what the loop was late
 * by is told with the first event.
 */
static const int64_t LOOP_LEAST_NS = 10000, LOOP_MOST_NS = 400000; /* later than the deadline */
static const int64_t LATE_LEAST_NS = MONO_MS(1);                   /* less is how every loop runs */
enum { HEARTBEATS = 8 };                                           /* in a dead time */

static struct elector *elector_of(struct sim_node *node, int tier)
{
    return &node->electors[tier];
}

/* ---- actions --------------------------------------------------------------------------------- */

static struct sim_packet packet_of(const struct sim_node *node, const struct text *text)
{
    return (struct sim_packet){.bytes = text->at,
                               .len = text->len,
                               .from = node->address,
                               .port = SIM_ADVERT_PORT,
                               .hops = ADVERT_HOPS};
}

static bool is_heard(const struct elect *machine, const struct address *address)
{
    const struct elect_member *list;
    size_t count = elect_members(machine, &list);

    for (size_t i = 0; i < count; i++)
        if (list[i].proven && address_same_host(&list[i].address, address))
            return true;
    return false;
}

/* To the group; or to each candidate, and to each other member that was heard. */
static bool is_reached(const struct sim *sim, const struct sim_node *node, int tier, int to)
{
    enum sim_part part = node->parts[tier][to];

    if (to == node->index || part == SIM_STRANGER)
        return false;
    return sim->tiers[tier].multicast || part == SIM_CANDIDATE ||
           is_heard(node->electors[tier].machine, &sim->nodes[to].address);
}

static void note_ballot(struct sim *sim, const struct sim_node *node, int tier,
                        const struct ballot *ballot, const char *to)
{
    if (!sim->options.hash && !sim->options.trace)
        return;
    if (ballot->kind == BALLOT_ADVERT)
        sim_note(sim, "n%d %s: advert, epoch %llu%s%s, to %s", node->index, sim->tiers[tier].name,
                 (unsigned long long)ballot->epoch, ballot->leaving ? ", leaving" : "",
                 ballot->has_echo ? ", in answer" : "", to);
    else if (ballot->kind == BALLOT_STANDING)
        sim_note(sim, "n%d %s: standing as %s, epoch %llu%s%s%s, to %s", node->index,
                 sim->tiers[tier].name, ballot_role_name(ballot->role),
                 (unsigned long long)ballot->epoch, ballot->asks ? ", asks" : "",
                 ballot->behind ? ", behind" : "", ballot->has_echo ? ", in answer" : "", to);
    else
        sim_note(sim, "n%d %s: solicit, to %s", node->index, sim->tiers[tier].name, to);
}

/* As bytes, with what the driver fills in. */
static struct text say(struct sim *sim, struct sim_node *node, int tier, const struct ballot *said,
                       char memory[MESSAGE_MAX])
{
    struct text text = text_over(memory, MESSAGE_MAX);
    struct ballot ballot = *said;

    ballot.boot = node->boot;
    ballot.counter = ++node->counter;
    MUST(span_copy(span_of(sim->tiers[tier].name), ballot.tier, sizeof(ballot.tier)));
    MUST(span_copy(span_of(node->name), ballot.node, sizeof(ballot.node)));
    ballots_say(node, &ballot, sim_node_wall(sim, node), &text);
    check_ballot_said(sim, node, tier, &ballot);
    sim_set_add(&sim->said, ballots_id((struct span){text.at, text.len}));
    return text;
}

static void tell_later(struct sim *sim, struct sim_event *event)
{
    struct elect_event told;

    memcpy(&told, event->bytes, sizeof(told));
    elector_step(sim, &sim->nodes[event->node], (int)event->other, &told);
}

static void tell_soon(struct sim *sim, struct sim_node *node, int tier,
                      const struct elect_event *what)
{
    struct sim_event *event = sim_at(sim, 0, tell_later, node->index);

    event->other = (uint64_t)tier;
    sim_event_bytes(event, what, sizeof(*what));
}

static void to_one(struct sim *sim, struct sim_node *node, int tier,
                   const struct elect_action *action)
{
    int to = sim_node_at(sim, &action->to);
    char memory[MESSAGE_MAX];
    struct text text = say(sim, node, tier, &action->ballot, memory);
    struct sim_packet packet = packet_of(node, &text);
    struct elect_event event;

    if (to < 0) {
        sim_fail(sim, "n%d %s: a ballot goes to an address that nobody has", node->index,
                 sim->tiers[tier].name);
        return;
    }
    note_ballot(sim, node, tier, &action->ballot, sim->nodes[to].name);
    sim_send(sim, node, to, &packet);
    sim_capture(sim, node, &packet);
    if (mistake_takes_over(sim, action, &event))
        tell_soon(sim, node, tier, &event);
}

void elector_say(struct sim *sim, struct sim_node *node, int tier, const struct ballot *ballot)
{
    char memory[MESSAGE_MAX];
    struct text text = say(sim, node, tier, ballot, memory);
    struct sim_packet packet = packet_of(node, &text);

    packet.to_group = sim->tiers[tier].multicast;
    note_ballot(sim, node, tier, ballot, "all");
    for (int to = 0; to < sim->node_count; to++)
        if (is_reached(sim, node, tier, to))
            sim_send(sim, node, to, &packet);
    sim_capture(sim, node, &packet);
}

static void persist(struct sim *sim, struct sim_node *node, int tier,
                    const struct elect_action *action)
{
    struct elect_memory memory;

    elect_memory(elector_of(node, tier)->machine, &memory);
    memory.epoch = action->epoch;
    memory.reserved = action->reserved;
    disk_post(sim, node, tier, &memory);
    if (sim_planted(sim, SIM_FORGETS_EPOCH))
        tell_soon(sim, node, tier,
                  &(struct elect_event){.kind = ELECT_PERSISTED, .reserved = action->reserved});
}

static void note_role(struct sim *sim, const struct sim_node *node, int tier,
                      const struct elect_action *action)
{
    const char *again = action->again ? " again" : "";

    sim_note(sim, "n%d %s: %s%s, since %s", node->index, sim->tiers[tier].name,
             ballot_role_name(action->role), again, reason_sentence(action->reason));
    if (!action->again)
        sim->changed = sim->now;
}

static void carry_out(struct sim *sim, struct sim_node *node, int tier,
                      const struct elect_actions *actions)
{
    for (size_t i = 0; i < actions->count && !sim_failed(sim); i++) {
        const struct elect_action *action = &actions->list[i];

        switch (action->kind) {
        case ELECT_PERSIST:
            persist(sim, node, tier, action);
            break;
        case ELECT_ROLE:
            note_role(sim, node, tier, action);
            break;
        case ELECT_SEND:
            to_one(sim, node, tier, action);
            break;
        case ELECT_TO_ALL:
            elector_say(sim, node, tier, &action->ballot);
            break;
        case ELECT_WATCH:
            watch_set(sim, node, tier, &action->to);
            break;
        case ELECT_NOTE:
            sim_note(sim, "n%d %s: passes over, since %s", node->index, sim->tiers[tier].name,
                     reason_sentence(action->reason));
            break;
        }
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void wake(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    int tier = (int)event->other;
    struct elect_event wakes = {.kind = ELECT_WAKE};

    if (event->number != elector_of(node, tier)->wake)
        return;
    elector_step(sim, node, tier, &wakes);
}

/* A loop comes a little later than it wanted to, always. */
static void wake_later(struct sim *sim, struct sim_node *node, int tier)
{
    struct elector *elector = elector_of(node, tier);
    int64_t wait;
    struct sim_event *event;

    elector->wake++;
    if (elector->deadline.ns == MONO_NEVER.ns)
        return;
    wait = sim_node_wait(sim, node, elector->deadline);
    event = sim_at(sim, wait + sim_between(sim, LOOP_LEAST_NS, LOOP_MOST_NS), wake, node->index);
    event->number = elector->wake;
    event->other = (uint64_t)tier;
}

void elector_wake_now(struct sim *sim, struct sim_node *node, int tier)
{
    struct elect_event wakes = {.kind = ELECT_WAKE};

    if (node->electors[tier].machine)
        elector_step(sim, node, tier, &wakes);
}

/* It sleeps until the next deadline, and never for long. */
static int64_t heartbeat_ns(const struct sim *sim, const struct sim_node *node)
{
    int64_t least = MONO_S(1);

    for (int t = 0; t < sim->tier_count; t++) {
        const struct elector *elector = &node->electors[t];
        int64_t dead = check_dead_ns(sim, t, node->index);

        if (elector->machine && dead / HEARTBEATS < least)
            least = dead / HEARTBEATS;
    }
    return least > MONO_MS(2) ? least : MONO_MS(2);
}

void elector_falls_asleep(struct sim *sim, struct sim_node *node)
{
    mono_t now = sim_node_mono(sim, node);

    node->awake = mono_after(now, sim_between(sim, 0, heartbeat_ns(sim, node)));
    for (int t = 0; t < sim->tier_count; t++)
        if (node->electors[t].machine)
            node->awake = mono_earlier(node->awake, node->electors[t].deadline);
}

void elector_was_late(struct sim *sim, struct sim_node *node)
{
    int64_t late = mono_between(node->awake, sim_node_mono(sim, node));

    for (int t = 0; t < sim->tier_count; t++)
        if (node->electors[t].machine && late >= LATE_LEAST_NS)
            node->electors[t].late += late;
}

void elector_step(struct sim *sim, struct sim_node *node, int tier, struct elect_event *event)
{
    struct elector *elector = elector_of(node, tier);
    struct elect_actions *actions = sim->elected;
    struct step step = {.node = node, .tier = tier, .event = event, .actions = actions};
    struct ballot memory;

    if (!elector->machine || sim_failed(sim))
        return;
    event->now = sim_node_mono(sim, node);
    event->late = step.late = elector->late;
    elector->late = 0;
    step.before = elect_state(elector->machine);
    check_before(sim, &step);
    if (!mistake_in_event(sim, &step, event, &memory))
        return;
    elect_step(elector->machine, event, actions);
    mistake_in_actions(sim, &step, actions);
    sim->result->steps++;
    check_step(sim, &step);
    elector->deadline = actions->deadline;
    if (actions->changed)
        place_publish(sim, node, tier);
    if (actions->believed && event->ballot->kind == BALLOT_STANDING)
        place_standing(sim, node, tier, event->ballot);
    carry_out(sim, node, tier, actions);
    if (elector->machine)
        wake_later(sim, node, tier);
}

/* ---- what comes in --------------------------------------------------------------------------- */

/* So that what follows is not taken for what came of a ballot. */
static void do_what_is_due(struct sim *sim, struct sim_node *node, int tier)
{
    struct elector *elector = elector_of(node, tier);
    struct elect_event nothing = {.kind = ELECT_PERSISTED};

    elector->worthless = false;
    elector_step(sim, node, tier, &nothing);
    elector->worthless = true;
}

void elector_datagram(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->peer];
    struct ballot ballot;
    struct elect_event heard = {.kind = ELECT_HEARD, .ballot = &ballot, .from = event->from};
    const char *refused = ballots_judge(sim, node, event, &ballot, &heard.from_candidate);
    int tier = 0;

    if (refused) {
        sim_note(sim, "n%d refuses a ballot: %s", node->index, refused);
        return;
    }
    while (tier < sim->tier_count && strcmp(sim->tiers[tier].name, ballot.tier) != 0)
        tier++;
    if (tier == sim->tier_count || !node->electors[tier].machine)
        return;
    if (sim_planted(sim, SIM_TAKES_OTHER_TIERS) &&
        node->electors[(tier + 1) % SIM_TIERS_MAX].machine)
        tier = (tier + 1) % SIM_TIERS_MAX;
    if (check_ballot_let_in(sim, node, tier, event, &ballot))
        do_what_is_due(sim, node, tier);
    elector_step(sim, node, tier, &heard);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct elect_self self_of(const struct sim *sim, const struct sim_node *node, int tier)
{
    struct elect_self self = {.demotion = sim->tiers[tier].demotion[node->index],
                              .behind = sim->tiers[tier].behind[node->index]};

    self.head.store = node->twin.store_id;
    self.head.sequence = node->twin.sequence;
    if (!sim->by_tiers)
        return self;
    self.head.digest = node->twin.digest;
    for (size_t i = 0; i < node->twin.count; i++)
        self.unconfirmed += node->twin.entries[i].unconfirmed;
    return self;
}

static void make_options(struct sim *sim, const struct sim_node *node, int tier,
                         struct elect_options *options)
{
    memset(options, 0, sizeof(*options));
    MUST(span_copy(span_of(sim->tiers[tier].name), options->tier, sizeof(options->tier)));
    MUST(span_copy(span_of(node->name), options->node, sizeof(options->node)));
    options->boot = node->boot;
    for (size_t i = 0; i < sizeof(options->seed); i++)
        options->seed[i] = (uint8_t)rng_next(&sim->rng);
    options->standing_ns = ELECT_STANDING_NS;
    options->rules = sim->tiers[tier].rules[node->index];
    options->self = self_of(sim, node, tier);
    options->memory = node->disk.home.memory[tier];
}

void elector_begin(struct sim *sim, struct sim_node *node, int tier)
{
    struct elector *elector = elector_of(node, tier);
    struct elect_event begins = {.kind = ELECT_BEGIN};
    struct elect_options options;

    make_options(sim, node, tier, &options);
    elector->machine = calloc(1, elect_size());
    MUST(elector->machine != NULL);
    elector->watch.peer = -1;
    elector->deadline = MONO_NEVER;
    elector->late = 0;
    elector->watch.held = false;
    elector->watch.number++;
    elector->rules = options.rules;
    check_begins(sim, node, tier);
    elect_init(elector->machine, &options);
    elector_step(sim, node, tier, &begins);
}

void elector_end(struct sim *sim, struct sim_node *node, int tier)
{
    struct elector *elector = elector_of(node, tier);
    struct elect_event ends = {.kind = ELECT_END};
    struct elect_memory memory;

    if (!elector->machine)
        return;
    elector_step(sim, node, tier, &ends);
    elect_memory(elector->machine, &memory);
    disk_post(sim, node, tier, &memory);
    elector_free(elector);
    place_withdraw(sim, node, tier);
}

void elector_free(struct elector *elector)
{
    free(elector->machine);
    elector->machine = NULL;
    elector->wake++;
}

void elector_self(struct sim *sim, struct sim_node *node, int tier)
{
    struct elect_self self = self_of(sim, node, tier);
    struct elect_event changed = {.kind = ELECT_SELF, .self = &self};

    elector_step(sim, node, tier, &changed);
}

void elector_rules(struct sim *sim, struct sim_node *node, int tier)
{
    struct elector *elector = elector_of(node, tier);
    struct elect_event changed = {.kind = ELECT_RULES, .rules = &elector->rules};

    elector->rules = sim->tiers[tier].rules[node->index];
    elector_step(sim, node, tier, &changed);
}
