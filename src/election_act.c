/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/clock.h"
#include "src/election_inner.h"

enum { KEPT_MAGIC = 0x6b657074 };

/* ---- what is known, and told ---------------------------------------------------------------- */

/* Should somebody look? A change by order is none of these, nor the first election. */
static bool is_alarming(enum reason reason, bool had_master)
{
    return reason == REASON_LATE ||
           (had_master && (reason == REASON_SILENCE || reason == REASON_PROCESS_DIED ||
                           reason == REASON_LOST_MASTER));
}

static void log_change(const struct view_tier *before, const struct view_tier *view)
{
    enum log_level level = is_alarming(view->reason, before->has_master) ? LEVEL_WARN : LEVEL_INFO;
    char text[ADDRESS_TEXT_SIZE];

    if (view->role == BALLOT_MASTER)
        log_at(level, "tier %s: now master, epoch %" PRIu64 ": %s", view->tier, view->epoch,
               reason_sentence(view->reason));
    else if (view->has_master)
        log_at(level, "tier %s: %s of %s, %s, epoch %" PRIu64 ": %s", view->tier,
               ballot_role_name(view->role), view->master,
               address_host_text(&view->master_address, text), view->epoch,
               reason_sentence(view->reason));
    else
        log_at(level, "tier %s: %s without a master, epoch %" PRIu64 ": %s", view->tier,
               ballot_role_name(view->role), view->epoch, reason_sentence(view->reason));
}

/* A few of the candidates, so that it is known where to look. */
static void put_others(struct text *out, const struct elect_rules *rules)
{
    enum { NAMED_MAX = 4 };
    char text[ADDRESS_TEXT_SIZE];
    size_t named = 0;

    for (size_t i = 0; i < rules->candidate_count && named < NAMED_MAX; i++) {
        if (address_same_host(&rules->candidates[i], &rules->address))
            continue;
        text_printf(out, "%s%s", named++ ? ", " : "",
                    address_host_text(&rules->candidates[i], text));
    }
    if (rules->candidate_count > NAMED_MAX + 1)
        text_puts(out, ", ...");
}

static void log_lone(const struct seat *seat, enum lone_news news)
{
    const char *tier = seat->tier.tier;
    char memory[(NODE_SIZE + ADDRESS_TEXT_SIZE) * 2], backup[ADDRESS_TEXT_SIZE];
    struct text others = TEXT_OVER(memory);

    put_others(&others, &seat->tier.rules);
    if (news == LONE_UNLISTED)
        log_info("tier %s: this master has no backup: its nets file names no other candidate, so "
                 "while this node is down the tier has no master",
                 tier);
    else if (news == LONE_UNHEARD)
        log_warn("tier %s: this master has no backup: no other candidate (%s) is heard, so while "
                 "this node is down the tier has no master; see whether carpond runs there",
                 tier, memory);
    else if (news == LONE_BACKED && !address_is_any(&seat->shown.successor))
        log_info("tier %s: this master has a backup now: %s", tier,
                 address_host_text(&seat->shown.successor, backup));
    else if (news == LONE_BACKED)
        log_info("tier %s: this master hears another candidate now", tier);
}

static bool is_other(const struct view_tier *a, const struct view_tier *b)
{
    return a->role != b->role || a->has_master != b->has_master ||
           strcmp(a->master, b->master) != 0;
}

/* What a tier's dead time is follows from whom we follow. */
static void set_dead_time(struct election *election, struct seat *seat)
{
    int64_t before = seat->dead_time;

    seat->dead_time = ballot_interval(seat->shown.pair) * seat->tier.rules.dead_ratio_milli / 1000;
    if (seat->dead_time != before)
        election_pace(election);
}

/* Each advert tells its head, the same as before or not: what was missed of it is made good. */
static void tell_ears(struct election *election, const struct view_tier *before,
                      const struct view_tier *view)
{
    bool other = !*before->tier || is_other(before, view) ||
                 !address_same(&before->master_address, &view->master_address);

    if (!election->ears.viewed)
        return;
    if (other || (view->role != BALLOT_MASTER && view->last_advert.ns != before->last_advert.ns))
        election->ears.viewed(election->ears.arg, view->tier, other);
}

static void publish(struct election *election, struct seat *seat, const struct elect_event *event)
{
    struct view_tier view = {.has_master = false};

    elect_view(seat->machine, event->now, &view);
    view_publish(election->view, &view);
    tell_ears(election, &seat->shown, &view);
    if (event->kind != ELECT_END && (!*seat->shown.tier || is_other(&seat->shown, &view)))
        log_change(&seat->shown, &view);
    seat->shown = view;
    if (event->kind != ELECT_END)
        log_lone(seat, lone_judge(&seat->lone, &view, seat->dead_time, event->now));
}

/* ---- persist -------------------------------------------------------------------------------- */

struct kept {
    unsigned magic;
    struct election *election;
    char tier[TIER_SIZE];
    uint64_t reserved;
    struct letter letter;
};

static void read_kept(struct letter *letter)
{
    struct kept *kept = LETTER_OWNER(letter, struct kept, letter);
    struct seat *seat;

    MUST_BE(kept, KEPT_MAGIC);
    seat = election_seat(kept->election, kept->tier);
    if (seat)
        election_step(kept->election, seat,
                      &(struct elect_event){.kind = ELECT_PERSISTED, .reserved = kept->reserved});
    free(kept);
}

/* On the thread of src/remember.h. */
static void on_kept(void *arg, const char *tier, uint64_t reserved)
{
    struct election *election = arg;
    struct kept *kept = calloc(1, sizeof(*kept));

    MUST(kept != NULL);
    *kept = (struct kept){.magic = KEPT_MAGIC,
                          .election = election,
                          .reserved = reserved,
                          .letter = {.read = read_kept}};
    MUST(span_copy(span_of(tier), kept->tier, sizeof(kept->tier)));
    mailbox_post(election->mailbox, &kept->letter);
}

/* What the action reserves ahead of its use; without one, the last of a tier: what was reserved and
 * not used is free again. */
static void persist(struct election *election, struct seat *seat, const struct elect_action *action)
{
    struct remember_post post = {.kept = on_kept, .arg = election};

    memcpy(post.tier, seat->tier.tier, sizeof(post.tier));
    elect_memory(seat->machine, &post.memory);
    if (action) {
        post.memory.epoch = action->epoch;
        post.memory.reserved = action->reserved;
    }
    remember_post(election->remember, &post);
}

/* ---- roles and notes ------------------------------------------------------------------------ */

static enum roles_queue queue_of(enum ballot_role role)
{
    return role == BALLOT_MASTER   ? ROLES_MASTER
           : role == BALLOT_BACKUP ? ROLES_BACKUP
                                   : ROLES_SLAVE;
}

static void count(struct election *election, enum reason reason)
{
    atomic_fetch_add_explicit(&election->reasons[reason], 1, memory_order_relaxed);
}

static void post_change(struct election *election, const struct seat *seat, enum ballot_role role,
                        bool again, enum reason reason, const struct elect_event *event)
{
    const struct view_tier *view = &seat->shown;
    struct role_change change = {.queue = queue_of(role),
                                 .again = again,
                                 .ended = event->kind == ELECT_END,
                                 .epoch = view->epoch,
                                 .master_address = view->master_address,
                                 .address = seat->tier.rules.address,
                                 .reason = reason,
                                 .at = event->now,
                                 .wall = clock_wall()};

    memcpy(change.tier, seat->tier.tier, sizeof(change.tier));
    memcpy(change.master, view->master, sizeof(change.master));
    roles_post(election->roles, &change);
}

/* Two masters met, and we stay. Who the other one is, its advert says, where it was one that told.
 */
static void log_conflict(const struct view_tier *view, const struct elect_action *action,
                         const struct elect_event *event)
{
    const struct ballot *ballot = event->kind == ELECT_HEARD ? event->ballot : NULL;
    char memory[NODE_SIZE + ADDRESS_TEXT_SIZE + 32] = "", address[ADDRESS_TEXT_SIZE];
    struct text other = TEXT_OVER(memory);

    if (ballot && ballot->kind == BALLOT_ADVERT)
        text_printf(&other, " (the other one is %s, %s)", ballot->node,
                    address_host_text(&event->from, address));
    log_warn("tier %s: still master, epoch %" PRIu64 ": %s%s", view->tier, view->epoch,
             reason_sentence(action->reason), memory);
}

static void tell_role(struct election *election, struct seat *seat,
                      const struct elect_action *action, const struct elect_event *event)
{
    count(election, action->reason);
    if (action->again && event->kind != ELECT_END)
        log_conflict(&seat->shown, action, event);
    post_change(election, seat, action->role, action->again, action->reason, event);
}

/* The role is the same, and another master is followed: whoever acts on the role, as a slave's hook
 * that points somewhere, wants to know whose it is. That none is known is no news for them. */
static bool follows_another(const struct view_tier *before, const struct view_tier *now)
{
    return before->role == now->role && now->role != BALLOT_MASTER && now->has_master &&
           strcmp(before->master, now->master) != 0;
}

/* What belongs to every start, loss or handover is for those who look closely. */
static enum log_level level_of(enum reason reason)
{
    switch (reason) {
    case REASON_UNPROVEN:
    case REASON_OTHER_NONCE:
    case REASON_TOO_OFTEN:
    case REASON_WORSE:
    case REASON_OWN_LATENESS:
        return LEVEL_DEBUG;
    default:
        return LEVEL_INFO;
    }
}

/* Whom the reason is about: us, who wait, or the sender of a ballot that changed nothing. */
static void put_subject(struct text *out, const struct elect_action *action)
{
    char text[ADDRESS_TEXT_SIZE];

    if (action->reason == REASON_EPOCH_NOT_KEPT || action->reason == REASON_OWN_LATENESS)
        text_puts(out, "not master yet: ");
    else if (!address_is_any(&action->from))
        text_printf(out, "passes over what %s says: ", address_host_text(&action->from, text));
}

static void note(struct election *election, struct seat *seat, const struct elect_action *action,
                 mono_t now)
{
    enum reason reason = action->reason;
    char memory[ADDRESS_TEXT_SIZE + 32] = "", more[48] = "";
    struct text subject = TEXT_OVER(memory), held = TEXT_OVER(more);
    uint64_t missed;

    count(election, reason);
    if (log_level() < level_of(reason) || !log_flood_pass(&election->flood[reason], now, &missed))
        return;
    put_subject(&subject, action);
    if (missed)
        text_printf(&held, " (and %" PRIu64 " more)", missed);
    log_at(level_of(reason), "tier %s: %s%s%s", seat->tier.tier, memory, reason_sentence(reason),
           more);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void watch(struct election *election, struct seat *seat, const struct address *to)
{
    struct address there = *to;

    there.port = election->port;
    watch_hold(election->watch, (size_t)(seat - election->seats),
               address_is_any(to) ? NULL : &there, &seat->tier.rules.address);
}

static void act(struct election *election, struct seat *seat, struct elect_action *action,
                const struct elect_event *event)
{
    switch (action->kind) {
    case ELECT_PERSIST:
        persist(election, seat, action);
        break;
    case ELECT_ROLE:
        tell_role(election, seat, action, event);
        break;
    case ELECT_SEND:
        election_send(election, seat, &action->ballot, &action->to);
        break;
    case ELECT_TO_ALL:
        election_send_all(election, seat, &action->ballot);
        break;
    case ELECT_WATCH:
        watch(election, seat, &action->to);
        break;
    case ELECT_NOTE:
        note(election, seat, action, event->now);
        break;
    }
}

static void hear_standing(const struct election *election, const struct ballot *standing)
{
    if (election->heard)
        heard_tell_below(election->heard, span_of(standing->node), standing->below);
    if (election->ears.standing)
        election->ears.standing(election->ears.arg, standing);
}

void election_act(struct election *election, struct seat *seat, const struct elect_event *event)
{
    struct elect_actions *actions = &election->actions;
    struct view_tier before = seat->shown;

    if (event->kind == ELECT_END)
        log_info("tier %s: left, as %s", seat->tier.tier, ballot_role_name(seat->shown.role));
    if (actions->changed)
        publish(election, seat, event);
    if (actions->believed && event->ballot->kind == BALLOT_STANDING)
        hear_standing(election, event->ballot);
    set_dead_time(election, seat);
    for (size_t i = 0; i < actions->count; i++)
        act(election, seat, &actions->list[i], event);
    if (*before.tier && follows_another(&before, &seat->shown))
        post_change(election, seat, seat->shown.role, true, seat->shown.reason, event);
    if (event->kind == ELECT_END)
        persist(election, seat, NULL);
}
