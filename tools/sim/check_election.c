/* SPDX-License-Identifier: ISC */
#include "tools/sim/inner.h"

#include <string.h>

#include "src/advert_gate.h"
#include "tools/sim/ballots.h"

/*
 * What must hold after every step of an election, whatever has happened:
 *
 *  - epochs never go back, and no advert rests on one above what is on disk
 *  - what was said before, or by nobody, changes nothing of what is believed
 *  - changes of role alternate, and each has its reason in what has really happened
 *    (check_reason.c)
 *  - one that was late by more than its dead time is no master any more when it speaks
 *  - deadlines lie ahead, and not too far; tables are bounded
 */
static const int64_t DEADLINE_MOST_NS = MONO_S(400);
enum { WAKES_MOST = 20 };

static struct elector *elector_of(const struct step *step)
{
    return &step->node->electors[step->tier];
}

static const char *tier_name(const struct sim *sim, const struct step *step)
{
    return sim->tiers[step->tier].name;
}

/* ---- what is believed ------------------------------------------------------------------------ */

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return sim_hash(&number, sizeof(number), hash);
}

static uint64_t hash_address(uint64_t hash, const struct address *address)
{
    return sim_hash(address->ip, sizeof(address->ip), hash);
}

static uint64_t hash_view(const struct view_tier *view)
{
    uint64_t hash = hash_number(4, view->role);

    hash = hash_number(hash, view->has_master);
    hash = sim_hash(view->master, strlen(view->master), hash);
    hash = hash_address(hash, &view->master_address);
    hash = hash_number(hash, view->pair.base_us);
    hash = hash_number(hash, view->demotion);
    hash = hash_number(hash, view->epoch);
    hash = hash_number(hash, view->head.sequence);
    hash = hash_number(hash, (uint64_t)view->last_advert.ns);
    hash = hash_number(hash, (uint64_t)view->since.ns);
    return hash_number(hash, view->reason);
}

static uint64_t hash_members(const struct elect *machine, uint64_t hash)
{
    const struct elect_member *list;
    size_t count = elect_members(machine, &list);

    for (size_t i = 0; i < count; i++) {
        const struct elect_member *member = &list[i];

        if (!member->proven)
            continue;
        hash = hash_address(hash, &member->address);
        hash = hash_number(hash, member->boot);
        hash = hash_number(hash, member->counter);
        hash = hash_number(hash, member->role);
        hash = hash_number(hash, member->demotion);
        hash = hash_number(hash, (uint64_t)member->heard.ns);
    }
    return hash;
}

static uint64_t hash_believed(const struct step *step, const struct view_tier *view)
{
    const struct elector *elector = elector_of(step);
    uint64_t hash = hash_view(view);

    return hash_members(elector->machine, hash);
}

static void check_worthless(struct sim *sim, const struct step *step)
{
    struct elector *elector = elector_of(step);

    if (elector->worthless && hash_believed(step, &step->is) != step->believed)
        sim_fail(sim, "n%d %s: %s's replayed ballot %llu, %llu changed what it believes",
                 step->node->index, tier_name(sim, step), step->event->ballot->node,
                 (unsigned long long)step->event->ballot->boot,
                 (unsigned long long)step->event->ballot->counter);
    elector->worthless = false;
}

/* ---- ballots --------------------------------------------------------------------------------- */

/* Only one whose home is not what it was, and whose clock went back too, can repeat itself. */
void check_boot(struct sim *sim, struct sim_node *node)
{
    if (node->boot <= node->top_boot && !node->home_changed)
        sim_fail(sim, "n%d starts with boot %llu, and has started with %llu", node->index,
                 (unsigned long long)node->boot, (unsigned long long)node->top_boot);
    if (node->boot <= node->top_boot) {
        sim_set_free(&node->places);
        node->boot_fell = true;
    } else {
        node->home_changed = false;
    }
    if (node->boot > node->top_boot)
        node->top_boot = node->boot;
}

void check_ballot_said(struct sim *sim, struct sim_node *node, int tier,
                       const struct ballot *ballot)
{
    struct elector *elector = &node->electors[tier];
    uint64_t numbers[] = {ballot->boot, ballot->counter};
    uint64_t place = sim_hash(numbers, sizeof(numbers), 5);

    if (!sim_set_add(&node->places, place))
        sim_fail(sim, "n%d says two ballots under the same boot and counter", node->index);
    if (ballot->kind != BALLOT_ADVERT)
        return;
    if (elector->late > check_dead_ns(sim, tier, node->index))
        sim_fail(sim, "n%d %s: adverts, and has stood still for longer than its dead time",
                 node->index, sim->tiers[tier].name);
    if (ballot->epoch > node->disk.home.memory[tier].reserved)
        sim_fail(sim, "n%d %s: leads with epoch %llu, and only %llu are on disk", node->index,
                 sim->tiers[tier].name, (unsigned long long)ballot->epoch,
                 (unsigned long long)node->disk.home.memory[tier].reserved);
    if (ballot->epoch < elector->led)
        sim_fail(sim, "n%d %s: leads with epoch %llu, and has with %llu before", node->index,
                 sim->tiers[tier].name, (unsigned long long)ballot->epoch,
                 (unsigned long long)elector->led);
    elector->led = ballot->epoch;
}

/* Who has taken one, in this life or in another, must not take it again. True where this one must
 * change nothing. */
bool check_ballot_let_in(struct sim *sim, struct sim_node *node, int tier,
                         const struct sim_event *event, const struct ballot *ballot)
{
    struct elector *elector = &node->electors[tier];
    uint64_t id = ballots_id((struct span){event->bytes, event->len});
    int from = sim_node_at(sim, &event->from);

    if (!sim_set_has(&sim->said, id))
        sim_fail(sim, "n%d %s: let in what %s never said", node->index, sim->tiers[tier].name,
                 ballot->node);
    if (strcmp(ballot->tier, sim->tiers[tier].name) != 0)
        sim_fail(sim, "n%d %s: let in what was said in %s", node->index, sim->tiers[tier].name,
                 ballot->tier);
    if (ballot->kind == BALLOT_ADVERT && (from < 0 || node->parts[tier][from] != SIM_CANDIDATE))
        sim_fail(sim, "n%d %s: let in an advert of one that is no candidate", node->index,
                 sim->tiers[tier].name);
    if (event->to_group && event->hops != ADVERT_HOPS)
        sim_fail(sim, "n%d %s: let in what a router passed on", node->index, sim->tiers[tier].name);
    elector->ballot = id;
    elector->worthless = sim_set_has(&node->heard, id);
    return elector->worthless;
}

/* Whom it hears leaving, before what follows from that is judged. */
static void hear_leaving(struct sim *sim, const struct step *step)
{
    struct seen *seen = &elector_of(step)->seen;
    const struct ballot *ballot = step->event->ballot;

    if (step->event->kind != ELECT_HEARD || ballot->kind != BALLOT_ADVERT || !ballot->leaving)
        return;
    seen->left = seen->left || sim_node_at(sim, &step->event->from) == seen->master;
    seen->named = seen->named || address_same_host(&ballot->successor, &step->node->address);
}

static int64_t master_dead_ns(const struct sim *sim, const struct step *step)
{
    const struct seen *seen = &elector_of(step)->seen;
    const struct elect_rules *rules = &elector_of(step)->rules;

    return step->was.has_master && seen->master >= 0
               ? seen->adverts[seen->master].interval / 1000 * rules->dead_ratio_milli
               : check_dead_ns(sim, step->tier, step->node->index);
}

/* Of lateness below the dead time, no more than that is forgiven. */
static void forgive(const struct sim *sim, const struct step *step)
{
    struct seen *seen = &elector_of(step)->seen;
    int64_t dead = master_dead_ns(sim, step);

    if (step->late >= dead || seen->late + step->late <= dead)
        seen->late += step->late;
}

static void count_anew(struct seen *seen)
{
    seen->late = 0;
    seen->solicits = 0;
    seen->left = seen->named = false;
}

static bool is_believed(const struct step *step)
{
    const struct ballot *ballot = step->event->ballot;
    const struct elect_member *list;
    size_t count = elect_members(elector_of(step)->machine, &list);

    for (size_t i = 0; step->event->kind == ELECT_HEARD && i < count; i++)
        if (address_same_host(&list[i].address, &step->event->from))
            return list[i].proven && list[i].boot == ballot->boot &&
                   list[i].counter == ballot->counter;
    return false;
}

static void believe_advert(const struct sim *sim, const struct step *step, int from)
{
    struct seen *seen = &elector_of(step)->seen;
    const struct ballot *ballot = step->event->ballot;

    seen->adverts[from].at = step->event->now;
    seen->adverts[from].simulated = sim->now;
    seen->adverts[from].boot = ballot->boot;
    seen->adverts[from].interval = ballot_interval(ballot->pair);
    if (from == seen->master)
        count_anew(seen);
}

/* What it now believes, and whom it follows. */
static void follow(struct sim *sim, const struct step *step)
{
    struct elector *elector = elector_of(step);
    const struct ballot *ballot = step->event->ballot;
    int master = sim_node_at(sim, &step->is.master_address);

    /* One that was not believed may be, where it comes once more; and is then remembered. */
    if (is_believed(step) && sim_set_add(&step->node->heard, elector->ballot) &&
        ballot->kind == BALLOT_ADVERT && !ballot->leaving)
        believe_advert(sim, step, sim_node_at(sim, &step->event->from));
    if (!step->is.has_master || step->is.role == BALLOT_MASTER || master == elector->seen.master)
        return;
    elector->seen.master = master;
    count_anew(&elector->seen);
}

static void count_solicits(struct sim *sim, const struct step *step)
{
    struct seen *seen = &elector_of(step)->seen;

    for (size_t i = 0; i < step->actions->count; i++) {
        const struct elect_action *action = &step->actions->list[i];

        if (action->kind == ELECT_SEND && action->ballot.kind == BALLOT_SOLICIT &&
            seen->master >= 0 && sim_node_at(sim, &action->to) == seen->master)
            seen->solicits++;
    }
}

/* ---- epochs, deadlines, tables --------------------------------------------------------------- */

static void check_epoch(struct sim *sim, const struct step *step)
{
    struct elector *elector = elector_of(step);

    if (step->is.epoch < elector->seen.epoch)
        sim_fail(sim, "n%d %s: its epoch went back from %llu to %llu", step->node->index,
                 tier_name(sim, step), (unsigned long long)elector->seen.epoch,
                 (unsigned long long)step->is.epoch);
    elector->seen.epoch = step->is.epoch;
    /* Over restarts too, as far as it came to note it. */
    if (step->is.epoch < step->node->disk.home.memory[step->tier].epoch)
        sim_fail(sim, "n%d %s: its epoch is %llu, and a higher one is on its disk",
                 step->node->index, tier_name(sim, step), (unsigned long long)step->is.epoch);
}

static void check_deadline(struct sim *sim, const struct step *step)
{
    struct seen *seen = &elector_of(step)->seen;
    mono_t now = step->event->now, deadline = step->actions->deadline;
    bool ended = elect_state(elector_of(step)->machine) == ELECT_OFF;

    if (step->event->kind == ELECT_WAKE) {
        seen->wakes = seen->woken.ns == now.ns ? seen->wakes + 1 : 1;
        seen->woken = now;
        if (seen->wakes > WAKES_MOST || deadline.ns <= now.ns)
            sim_fail(sim, "n%d %s: wants to be woken at once, again and again", step->node->index,
                     tier_name(sim, step));
    }
    if (!ended && mono_between(now, deadline) > DEADLINE_MOST_NS)
        sim_fail(sim, "n%d %s: does not want to be woken any more", step->node->index,
                 tier_name(sim, step));
}

static void check_tables(struct sim *sim, const struct step *step)
{
    const struct elect_member *list;
    size_t count = elect_members(elector_of(step)->machine, &list);

    if (step->actions->count > ELECT_ACTIONS_MAX || count > (size_t)sim->node_count)
        sim_fail(sim, "n%d %s: a table holds more than it may", step->node->index,
                 tier_name(sim, step));
    for (size_t i = 0; i < count; i++)
        if (address_same_host(&list[i].address, &step->node->address))
            sim_fail(sim, "n%d %s: counts itself among the others", step->node->index,
                     tier_name(sim, step));
}

/* ---- roles ----------------------------------------------------------------------------------- */

static void check_role(struct sim *sim, const struct step *step, const struct elect_action *action)
{
    struct seen *seen = &elector_of(step)->seen;
    bool same = seen->any_role && seen->role == action->role;

    if (action->again && !same)
        sim_fail(sim, "n%d %s: says a role again that it did not say", step->node->index,
                 tier_name(sim, step));
    if (!action->again && same && action->role == BALLOT_MASTER)
        sim_fail(sim, "n%d %s: becomes master twice", step->node->index, tier_name(sim, step));
    if (!same && action->role == BALLOT_MASTER)
        seen->master_since = sim->now;
    check_reason(sim, step, action);
    seen->any_role = true;
    seen->role = action->role;
}

/* Late by more than its dead time: others may have taken over meanwhile. */
static void check_late(struct sim *sim, const struct step *step)
{
    bool too_late = step->before == ELECT_MASTER &&
                    step->late > check_dead_ns(sim, step->tier, step->node->index);
    bool steps_down = false;

    for (size_t i = 0; too_late && i < step->actions->count; i++) {
        const struct elect_action *action = &step->actions->list[i];

        steps_down = steps_down || (action->kind == ELECT_ROLE && action->role == BALLOT_BACKUP);
        if (!steps_down && (action->kind == ELECT_TO_ALL || action->kind == ELECT_SEND))
            sim_fail(sim, "n%d %s: was late by %lld ms, and speaks as master", step->node->index,
                     tier_name(sim, step), (long long)step->late / 1000000);
    }
    if (too_late && elect_state(elector_of(step)->machine) == ELECT_MASTER)
        sim_fail(sim, "n%d %s: was late by %lld ms, and stays master", step->node->index,
                 tier_name(sim, step), (long long)step->late / 1000000);
}

/* A master that stops, and leaves somebody behind, says so three times. */
static void check_leaving(struct sim *sim, const struct step *step)
{
    int said = 0;

    if (step->event->kind != ELECT_END || step->before != ELECT_MASTER)
        return;
    for (size_t i = 0; i < step->actions->count; i++)
        said +=
            step->actions->list[i].kind == ELECT_TO_ALL && step->actions->list[i].ballot.leaving;
    if (said != 3)
        sim_fail(sim, "n%d %s: leaves, and says so %d times", step->node->index,
                 tier_name(sim, step), said);
}

/* What it publishes is what it has said of its role, and what it is. */
static void check_published(struct sim *sim, const struct step *step)
{
    static const enum ballot_role roles[] = {[ELECT_OFF] = BALLOT_BACKUP,
                                             [ELECT_SLAVE] = BALLOT_SLAVE,
                                             [ELECT_BACKUP] = BALLOT_BACKUP,
                                             [ELECT_MASTER] = BALLOT_MASTER};
    const struct elector *elector = elector_of(step);
    enum elect_state state = elect_state(elector->machine);

    if (state == ELECT_OFF)
        return;
    if (step->is.role != roles[state] || !elector->seen.any_role ||
        elector->seen.role != roles[state])
        sim_fail(sim, "n%d %s: is one thing, and has said another", step->node->index,
                 tier_name(sim, step));
    if (state == ELECT_MASTER &&
        (!step->is.has_master || strcmp(step->is.master, step->node->name) != 0))
        sim_fail(sim, "n%d %s: is master, and publishes another", step->node->index,
                 tier_name(sim, step));
}

/* ---- a step ---------------------------------------------------------------------------------- */

void check_begins(struct sim *sim, struct sim_node *node, int tier)
{
    node->electors[tier].seen =
        (struct seen){.began = sim_node_mono(sim, node), .master = -1, .woken = MONO_NEVER};
    node->electors[tier].worthless = false;
}

void check_before(struct sim *sim, struct step *step)
{
    struct elector *elector = elector_of(step);
    int64_t interval = ballot_interval(elector->rules.pair);

    (void)sim;
    if (elector->seen.interval == 0 || interval < elector->seen.interval)
        elector->seen.interval = interval;
    elect_view(elector->machine, step->event->now, &step->was);
    if (elector->worthless)
        step->believed = hash_believed(step, &step->was);
}

void check_step(struct sim *sim, struct step *step)
{
    elect_view(elector_of(step)->machine, step->event->now, &step->is);
    if (sim_planted(sim, SIM_EPOCH_GOES_BACK) && step->event->kind == ELECT_HEARD &&
        step->event->ballot->kind == BALLOT_ADVERT)
        step->is.epoch = step->event->ballot->epoch;
    check_worthless(sim, step);
    check_epoch(sim, step);
    check_deadline(sim, step);
    check_tables(sim, step);
    check_late(sim, step);
    check_leaving(sim, step);
    hear_leaving(sim, step);
    forgive(sim, step);
    for (size_t i = 0; i < step->actions->count; i++)
        if (step->actions->list[i].kind == ELECT_ROLE)
            check_role(sim, step, &step->actions->list[i]);
    check_published(sim, step);
    follow(sim, step);
    count_solicits(sim, step);
    if (elect_state(elector_of(step)->machine) == ELECT_MASTER)
        check_masters(sim, step->tier);
}
