/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "cache/notice.h"
#include "src/advert.h"
#include "src/base/must.h"
#include "src/clock.h"
#include "src/election_inner.h"

/* Are we a slave here, and a candidate elsewhere? Then that tier hangs below this one. */
static bool is_below(const struct election *election, const struct seat *seat)
{
    bool below = false;

    for (size_t i = 0; i < ELECTION_TIERS_MAX && !seat->tier.rules.candidate; i++) {
        const struct seat *other = &election->seats[i];
        below = below || (other->used && other->tier.rules.candidate);
    }
    return below;
}

/* The ballot as bytes: with our name and next counter, signed. */
static void say(struct election *election, struct seat *seat, struct ballot *ballot,
                struct text *out)
{
    wall_t now = clock_wall();

    ballot->below = ballot->kind == BALLOT_STANDING && is_below(election, seat);
    memcpy(ballot->tier, seat->tier.tier, sizeof(ballot->tier));
    memcpy(ballot->node, election->node, sizeof(ballot->node));
    ballot->boot = election->boot;
    ballot->counter = ++election->counter;
    ballot->head.clock = now.ms <= (int64_t)NOTICE_CLOCK_MAX_MS ? now : (wall_t){0};
    advert_write(ballot, election->domain, now, out);
    if (election->seal && election->auth != AUTH_RECEIVE_ONLY)
        seal_message(election->seal, out, false);
    MUST(!out->full);
}

/* From the address that the ballot names, else nobody believes it: where a reload moves a master,
 * its farewell still names the one that it had. */
static void send_to(struct election *election, const struct ballot *ballot,
                    const struct address *to, const struct text *text)
{
    struct address there = *to;

    there.port = election->port;
    udp_send(election->udp, &there, &ballot->address, (struct span){text->at, text->len});
}

void election_send(struct election *election, struct seat *seat, struct ballot *ballot,
                   const struct address *to)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);

    say(election, seat, ballot, &text);
    send_to(election, ballot, to, &text);
    if (ballot->kind == BALLOT_ADVERT)
        atomic_fetch_add_explicit(&election->adverts_sent, 1, memory_order_relaxed);
}

/* ---- to all --------------------------------------------------------------------------------- */

/* Heard from inside a member network: those that are named singly are on the list anyway. */
static bool is_heard_in_network(const struct election *election, const struct seat *seat,
                                const struct elect_member *heard)
{
    struct member member;

    return members_find_in(election->members, seat->tier.tier, &heard->address, &member) &&
           !network_is_single(&member.network) &&
           !members_is_own(election->members, &heard->address);
}

static void list_hearers(struct election *election, struct seat *seat)
{
    const struct elect_member *heard;
    size_t heard_count = elect_members(seat->machine, &heard);

    free(seat->hearers);
    seat->generation = members_generation(election->members);
    seat->roster = elect_roster(seat->machine);
    seat->listed = true;
    seat->hearer_count = members_singles(election->members, seat->tier.tier, &seat->hearers);
    seat->hearers =
        reallocarray(seat->hearers, seat->hearer_count + heard_count + 1, sizeof(*seat->hearers));
    MUST(seat->hearers != NULL);
    for (size_t i = 0; i < heard_count; i++) {
        if (is_heard_in_network(election, seat, &heard[i]))
            seat->hearers[seat->hearer_count++] = heard[i].address;
    }
}

/* Many members are not searched for anew with each of a hundred adverts a second. A reload changes
 * the members before the election hears of it: where they have us, as we still speak, in the tier
 * no more, who was listed last is told the rest. */
static void keep_hearers(struct election *election, struct seat *seat, const struct address *own)
{
    struct member us;

    if (seat->listed && seat->roster == elect_roster(seat->machine) &&
        seat->generation == members_generation(election->members))
        return;
    if (!seat->listed || members_find_in(election->members, seat->tier.tier, own, &us))
        list_hearers(election, seat);
}

void election_send_all(struct election *election, struct seat *seat, struct ballot *ballot)
{
    char memory[MESSAGE_MAX];
    struct text text = TEXT_OVER(memory);
    struct address group = election_group_of(election, seat);

    say(election, seat, ballot, &text);
    atomic_fetch_add_explicit(&election->adverts_sent, 1, memory_order_relaxed);
    if (!address_is_any(&group)) {
        udp_send_group(election->udp, &group, seat->interface, &ballot->address,
                       (struct span){text.at, text.len});
        return;
    }
    keep_hearers(election, seat, &ballot->address);
    for (size_t i = 0; i < seat->hearer_count; i++)
        send_to(election, ballot, &seat->hearers[i], &text);
}
