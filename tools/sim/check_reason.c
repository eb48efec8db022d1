/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

/* Each change of role has its reason in what has really happened. */

static const int64_t SLACK_NS = MONO_MS(1);

int64_t check_dead_ns(const struct sim *sim, int tier, int index)
{
    const struct elector *elector = &sim->nodes[index].electors[tier];
    const struct elect_rules *rules =
        elector->machine ? &elector->rules : &sim->tiers[tier].rules[index];

    return ballot_interval(rules->pair) / 1000 * rules->dead_ratio_milli;
}

/* Does something of the master's lie in its socket, unread? */
static bool lies_unread(const struct sim_node *node, const struct address *from)
{
    for (size_t i = 0; i < node->socket.count; i++)
        if (node->socket.at[i]->port == SIM_ADVERT_PORT &&
            address_same_host(&node->socket.at[i]->from, from))
            return true;
    return false;
}

/* Its master was silent for long enough, was asked, and did not answer. */
static const char *silence(const struct sim *sim, const struct step *step)
{
    const struct sim_node *node = step->node;
    const struct seen *seen = &node->electors[step->tier].seen;
    const struct elect_rules *rules = &node->electors[step->tier].rules;
    bool follows = seen->master >= 0 && !seen->left && step->was.has_master;
    int64_t interval = follows ? seen->adverts[seen->master].interval : seen->interval;
    int64_t dead = interval / 1000 * rules->dead_ratio_milli;
    mono_t from = follows ? seen->adverts[seen->master].at : seen->began;

    if (mono_between(from, step->event->now) < dead - SLACK_NS)
        return "it was not silent for that long";
    if (!follows)
        return NULL;
    if (mono_between(from, step->event->now) < dead + seen->late - SLACK_NS)
        return "it was late itself for a part of that time";
    if (seen->solicits == 0)
        return "it did not ask it";
    if (lies_unread(node, &sim->nodes[seen->master].address))
        return "something of it lies unread in the socket";
    return NULL;
}

/* The life that it heard of is not over. */
static bool lives_on(const struct sim_node *master, const struct seen *seen)
{
    return master->up && master->boot == seen->adverts[master->index].boot &&
           master->started.ns < seen->adverts[master->index].simulated.ns;
}

static const char *became_master(const struct sim *sim, const struct step *step, enum reason reason)
{
    const struct seen *seen = &step->node->electors[step->tier].seen;

    switch (reason) {
    case REASON_SILENCE:
        return silence(sim, step);
    case REASON_PROCESS_DIED:
        if (seen->master < 0)
            return "it followed nobody";
        return lives_on(&sim->nodes[seen->master], seen) ? "it lives" : NULL;
    case REASON_NAMED:
        return seen->named ? NULL : "nobody named it";
    default:
        return "that makes no master";
    }
}

static bool heard_better(const struct step *step, enum ballot_kind kind)
{
    const struct ballot *ballot = step->event->ballot;
    const struct elect_rules *rules = &step->node->electors[step->tier].rules;
    struct ballot_rank own = {step->was.own_demotion, rules->pair, step->node->address};
    struct ballot_rank other;

    if (step->event->kind != ELECT_HEARD || ballot->kind != kind)
        return false;
    other = (struct ballot_rank){ballot->demotion, ballot->pair, step->event->from};
    return ballot_compare(&other, &own) < 0;
}

static const char *became_backup(const struct step *step, enum reason reason)
{
    switch (reason) {
    case REASON_BETTER_MASTER:
        return heard_better(step, BALLOT_ADVERT) ? NULL : "no better one was heard";
    case REASON_ASKED:
        return heard_better(step, BALLOT_STANDING) && step->event->ballot->asks
                   ? NULL
                   : "no better one has asked";
    case REASON_DEMOTED:
        return step->is.own_demotion ? NULL : "it is not demoted";
    case REASON_LATE:
        return step->late > 0 ? NULL : "it was not late";
    case REASON_RECONFIGURED:
        return step->event->kind == ELECT_RULES ? NULL : "its rules did not change";
    case REASON_STOPPING:
        return step->event->kind == ELECT_END ? NULL : "it is not stopping";
    default:
        return "that makes no backup of a master";
    }
}

void check_reason(struct sim *sim, const struct step *step, const struct elect_action *action)
{
    const struct seen *seen = &step->node->electors[step->tier].seen;
    const char *wrong = NULL;

    if (action->role == BALLOT_MASTER && !action->again)
        wrong = became_master(sim, step, action->reason);
    else if (action->role == BALLOT_BACKUP && seen->any_role && seen->role == BALLOT_MASTER)
        wrong = became_backup(step, action->reason);
    if (wrong)
        sim_fail(sim, "n%d %s: changes its role since %s, but %s", step->node->index,
                 sim->tiers[step->tier].name, reason_sentence(action->reason), wrong);
}
