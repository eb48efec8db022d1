/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/election_inner.h"

static struct elect *make_machine(struct election *election, const struct seat *seat)
{
    struct elect_options options = {.boot = election->boot,
                                    .standing_ns = ELECT_STANDING_NS,
                                    .rules = seat->tier.rules,
                                    .self = seat->self};
    struct elect *machine = calloc(1, elect_size());

    MUST(machine != NULL);
    memcpy(options.tier, seat->tier.tier, sizeof(options.tier));
    memcpy(options.node, election->node, sizeof(options.node));
    MUST(getrandom(options.seed, sizeof(options.seed), 0) == sizeof(options.seed));
    remember_memory(election->remember, seat->tier.tier, &options.memory);
    elect_init(machine, &options);
    return machine;
}

static struct seat *free_seat(struct election *election)
{
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        if (!election->seats[i].used)
            return &election->seats[i];
    }
    return NULL;
}

struct seat *election_join(struct election *election, const struct election_tier *tier)
{
    struct seat *seat = free_seat(election);

    if (!seat) {
        log_error(
            "tier %s: a node takes part in at most %d elections, and this is one more: take a "
            "nets file out of nets, or spread the tiers over several hosts",
            tier->tier, ELECTION_TIERS_MAX);
        return NULL;
    }
    *seat =
        (struct seat){.used = true, .tier = *tier, .self = election->self, .deadline = MONO_NEVER};
    pthread_mutex_lock(&election->head_lock);
    seat->self.head = election->head;
    pthread_mutex_unlock(&election->head_lock);
    seat->dead_time = ballot_interval(tier->rules.pair) * tier->rules.dead_ratio_milli / 1000;
    seat->machine = make_machine(election, seat);
    election_pace(election);
    return seat;
}

void election_begin(struct election *election, struct seat *seat)
{
    election_step(election, seat, &(struct elect_event){.kind = ELECT_BEGIN});
}

void election_end(struct election *election, struct seat *seat)
{
    election_step(election, seat, &(struct elect_event){.kind = ELECT_END});
}

void election_drop(struct election *election, struct seat *seat)
{
    watch_hold(election->watch, (size_t)(seat - election->seats), NULL, NULL);
    election_leave_group(election, seat);
    free(seat->machine);
    free(seat->hearers);
    memset(seat, 0, sizeof(*seat));
    election_pace(election);
}

/* ---- reload --------------------------------------------------------------------------------- */

static bool is_among(const char *tier, const struct election_tier *tiers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tiers[i].tier, tier) == 0)
            return true;
    }
    return false;
}

static void leave_others(struct election *election, const struct election_tier *tiers, size_t count)
{
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        struct seat *seat = &election->seats[i];
        if (!seat->used || is_among(seat->tier.tier, tiers, count))
            continue;
        election_end(election, seat);
        view_withdraw(election->view, seat->tier.tier);
        if (election->ears.viewed)
            election->ears.viewed(election->ears.arg, seat->tier.tier, true);
        election_drop(election, seat);
    }
}

/* The old group is left last: it is there that a master says that it leaves. */
static void change(struct election *election, struct seat *seat, const struct election_tier *tier)
{
    seat->tier.rules = tier->rules;
    election_step(election, seat,
                  &(struct elect_event){.kind = ELECT_RULES, .rules = &tier->rules});
    if (!address_same_host(&seat->tier.group, &tier->group) ||
        strcmp(seat->tier.group_if, tier->group_if) != 0) {
        election_leave_group(election, seat);
        seat->group_failed = false;
    }
    seat->tier = *tier;
}

void election_apply(struct election *election, const struct election_tier *tiers, size_t count)
{
    leave_others(election, tiers, count);
    for (size_t i = 0; i < count; i++) {
        struct seat *seat = election_seat(election, tiers[i].tier);
        if (seat) {
            change(election, seat, &tiers[i]);
            continue;
        }
        seat = election_join(election, &tiers[i]);
        if (!seat)
            continue;
        election_begin(election, seat);
    }
    election_look_for_groups(election);
}
