/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <string.h>

#include "src/base/must.h"

/*
 * The planted mistakes of the elections' driver (SIM_PLANTS): what it does to an event before the
 * machine gets it, and to the actions before they are carried out. Elsewhere: those of the gate
 * (ballots.c), of the disk (disk.c), of the order in which deadlines and sockets are looked at
 * (node.c).
 */

/* ---- events ---------------------------------------------------------------------------------- */

/* As if it had just been said, for the first time. */
static void as_new(const struct step *step, struct ballot *ballot)
{
    const struct elect_member *list;
    size_t count = elect_members(step->node->electors[step->tier].machine, &list);

    for (size_t i = 0; i < count; i++)
        if (list[i].proven && address_same_host(&list[i].address, &step->event->from)) {
            ballot->boot = list[i].boot;
            ballot->counter = list[i].counter + 1;
        }
}

static void as_answer(const struct sim *sim, const struct step *step, struct ballot *ballot)
{
    const struct elector *elector = &step->node->electors[step->tier];
    int from = sim_node_at(sim, &step->event->from);

    if (ballot->kind == BALLOT_SOLICIT || from < 0)
        return;
    ballot->has_echo = true;
    ballot->echo = elector->planted.nonces[from];
}

bool mistake_in_event(const struct sim *sim, const struct step *step, struct elect_event *event,
                      struct ballot *memory)
{
    bool leads = step->before == ELECT_MASTER;

    if (sim_planted(sim, SIM_BACKUP_LATE_UNTOLD) && !leads)
        event->late = 0;
    if (event->kind != ELECT_HEARD)
        return true;
    *memory = *event->ballot;
    event->ballot = memory;
    if (sim_planted(sim, SIM_TAKES_OLD_BALLOTS))
        as_new(step, memory);
    if (sim_planted(sim, SIM_TAKES_ANY_NONCE))
        as_answer(sim, step, memory);
    if (sim_planted(sim, SIM_IGNORES_DEMOTION))
        memory->demotion = 0;
    return !(sim_planted(sim, SIM_HEARS_NO_MASTER) && leads && memory->kind == BALLOT_ADVERT);
}

/* ---- actions --------------------------------------------------------------------------------- */

static bool is_dropped(const struct sim *sim, const struct step *step,
                       const struct elect_action *action)
{
    bool follows = step->before == ELECT_BACKUP;

    if (action->kind == ELECT_SEND && action->ballot.kind == BALLOT_SOLICIT)
        return sim_planted(sim, SIM_NEVER_SOLICITS) && follows;
    if (action->kind == ELECT_TO_ALL && action->ballot.leaving)
        return sim_planted(sim, SIM_LEAVES_UNSAID);
    if (action->kind == ELECT_ROLE && action->role == BALLOT_BACKUP)
        return sim_planted(sim, SIM_STAYS_ON) && step->before == ELECT_MASTER;
    return false;
}

static void drop(const struct sim *sim, const struct step *step, struct elect_actions *actions)
{
    size_t kept = 0;

    for (size_t i = 0; i < actions->count; i++)
        if (!is_dropped(sim, step, &actions->list[i]))
            memmove(&actions->list[kept++], &actions->list[i], sizeof(actions->list[i]));
    actions->count = kept;
}

/* It knows already what the machine is about to find out. */
static void write_the_role(const struct step *step, struct elect_actions *actions)
{
    struct elect_action *action = &actions->list[actions->count];

    if (step->event->kind != ELECT_WATCH_REFUSED || step->before != ELECT_BACKUP ||
        elect_state(step->node->electors[step->tier].machine) != ELECT_BACKUP)
        return;
    MUST(actions->count++ < ELECT_ACTIONS_MAX);
    *action = (struct elect_action){
        .kind = ELECT_ROLE, .role = BALLOT_MASTER, .reason = REASON_PROCESS_DIED};
}

static void remember(const struct sim *sim, struct planted *planted,
                     const struct elect_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++) {
        const struct elect_action *action = &actions->list[i];

        if (action->kind == ELECT_SEND && action->ballot.kind == BALLOT_SOLICIT)
            planted->nonces[sim_node_at(sim, &action->to)] = action->ballot.nonce;
        if (action->kind == ELECT_TO_ALL)
            planted->advert = action->ballot;
    }
}

void mistake_in_actions(const struct sim *sim, const struct step *step,
                        struct elect_actions *actions)
{
    drop(sim, step, actions);
    if (sim->options.plant != SIM_SOUND)
        remember(sim, &step->node->electors[step->tier].planted, actions);
    if (sim_planted(sim, SIM_WRITES_THE_ROLE))
        write_the_role(step, actions);
}

/* Whoever would ask takes over by itself. */
bool mistake_takes_over(const struct sim *sim, const struct elect_action *action,
                        struct elect_event *event)
{
    if (!sim_planted(sim, SIM_PREEMPTS_UNASKED) || !action->ballot.asks)
        return false;
    *event = (struct elect_event){.kind = ELECT_WATCH_REFUSED, .from = action->to};
    return true;
}

/* Its timers have run before anything else. */
void mistake_before_late(struct sim *sim, struct sim_node *node)
{
    for (int t = 0; t < sim->tier_count; t++) {
        struct elector *elector = &node->electors[t];

        if (!elector->machine)
            continue;
        if (sim_planted(sim, SIM_DEADLINE_FIRST)) {
            elector->late = 0;
            elector_wake_now(sim, node, t);
        } else if (sim_planted(sim, SIM_ADVERTS_FIRST) &&
                   elect_state(elector->machine) == ELECT_MASTER) {
            elector_say(sim, node, t, &elector->planted.advert);
        }
    }
}
