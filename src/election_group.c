/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/election_inner.h"
#include "src/interface.h"

/*
 * The kernel answers which interface has an address only when nobody changes any: on a host where
 * containers come and go that takes a tenth of a second now and then. So while elections run
 * another thread asks, and what it has found comes back as a letter.
 */
struct address election_group_of(const struct election *election, const struct seat *seat)
{
    struct address group = seat->tier.group;

    group.port = election->port;
    return group;
}

static void log_group(struct seat *seat, const char *why)
{
    char group[ADDRESS_TEXT_SIZE], own[ADDRESS_TEXT_SIZE];
    const char *interface = *seat->tier.group_if ? seat->tier.group_if : "the interface of ";

    if (seat->group_failed)
        return;
    seat->group_failed = true;
    log_error("tier %s: cannot take part in the group %s on %s%s: %s: see `advert_addr` and "
              "`advert_if` in main.cf",
              seat->tier.tier, address_host_text(&seat->tier.group, group), interface,
              *seat->tier.group_if ? "" : address_host_text(&seat->tier.rules.address, own), why);
}

/* 0: there is no such interface now. */
static bool join_by(struct election *election, struct seat *seat, unsigned interface)
{
    struct address group = election_group_of(election, seat);

    if (interface && interface == seat->interface)
        return true;
    election_leave_group(election, seat);
    if (!interface || !udp_join(election->udp, &group, interface)) {
        log_group(seat, strerror(interface ? errno : ENODEV));
        return false;
    }
    if (seat->group_failed)
        log_info("tier %s: takes part in its group again", seat->tier.tier);
    seat->group_failed = false;
    seat->interface = interface;
    return true;
}

bool election_join_group(struct election *election, struct seat *seat)
{
    return address_is_any(&seat->tier.group) ||
           join_by(election, seat, interface_find(seat->tier.group_if, &seat->tier.rules.address));
}

void election_leave_group(struct election *election, struct seat *seat)
{
    struct address group = election_group_of(election, seat);

    if (seat->interface)
        udp_leave(election->udp, &group, seat->interface);
    seat->interface = 0;
}

/* ---- while elections run ------------------------------------------------------------------- */

/* On the other thread. */
static void look(struct task *task)
{
    struct group_look *look = TASK_OWNER(task, struct group_look, task);

    for (size_t i = 0; i < look->count; i++)
        look->found[i] = interface_find(look->of[i].group_if, &look->of[i].rules.address);
    mailbox_post(look->election->mailbox, &look->letter);
}

/* The seat as it was when it was looked for? */
static bool is_same(const struct election_tier *a, const struct election_tier *b)
{
    return strcmp(a->group_if, b->group_if) == 0 && address_same_host(&a->group, &b->group) &&
           address_same_host(&a->rules.address, &b->rules.address);
}

static void read_look(struct letter *letter)
{
    struct group_look *look = LETTER_OWNER(letter, struct group_look, letter);
    struct election *election = look->election;

    MUST_BE(election, ELECTION_MAGIC);
    for (size_t i = 0; i < look->count; i++) {
        struct seat *seat = election_seat(election, look->of[i].tier);
        if (seat && is_same(&seat->tier, &look->of[i]))
            (void)join_by(election, seat, look->found[i]);
    }
    look->under_way = false;
    if (look->again)
        election_look_for_groups(election);
}

void election_look_for_groups(struct election *election)
{
    struct group_look *look_for = &election->group_look;

    look_for->again = look_for->under_way;
    if (look_for->under_way || !election->group_looker)
        return;
    look_for->count = 0;
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        const struct seat *seat = &election->seats[i];
        if (seat->used && !address_is_any(&seat->tier.group))
            look_for->of[look_for->count++] = seat->tier;
    }
    if (look_for->count == 0)
        return;
    look_for->under_way = true;
    look_for->election = election;
    look_for->task.work = look;
    look_for->letter.read = read_look;
    workers_post(election->group_looker, &look_for->task);
}
