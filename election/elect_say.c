/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "election/elect_inner.h"
#include "src/base/digest.h"
#include "src/base/must.h"

struct elect_action *elect_act(struct elect_actions *out, enum elect_action_kind kind)
{
    struct elect_action *action;

    MUST(out->count < ELECT_ACTIONS_MAX);
    action = &out->list[out->count++];
    memset(action, 0, sizeof(*action));
    action->kind = kind;
    return action;
}

void elect_note(struct elect *m, enum reason reason, const struct address *from,
                struct elect_actions *out)
{
    struct elect_action *action = elect_act(out, ELECT_NOTE);

    action->reason = reason;
    action->from = *from;
    m->counts[reason]++;
}

/* ---- who is better --------------------------------------------------------------------------- */

uint16_t elect_demotion(const struct elect *m)
{
    bool behind = m->self.behind && m->state != ELECT_MASTER;

    return (uint16_t)(m->self.demotion | (behind ? DEMOTION_BEHIND : 0));
}

struct ballot_rank elect_own_rank(const struct elect *m)
{
    return (struct ballot_rank){
        .demotion = elect_demotion(m), .pair = m->rules.pair, .address = m->rules.address};
}

struct ballot_rank elect_rank(const struct elect *m, int row)
{
    const struct elect_member *member = &m->members[row];

    return (struct ballot_rank){
        .demotion = member->demotion, .pair = member->pair, .address = member->address};
}

/* The best of the backups that are believed. */
int elect_successor(const struct elect *m)
{
    int best = ELECT_NOBODY;

    for (size_t i = 0; i < m->peers; i++) {
        struct ballot_rank one = elect_rank(m, (int)i), other;

        if (m->members[i].role != BALLOT_BACKUP || !elect_is_believed(m, (int)i))
            continue;
        if (best != ELECT_NOBODY)
            other = elect_rank(m, best);
        if (best == ELECT_NOBODY || ballot_compare(&one, &other) < 0)
            best = (int)i;
    }
    return best;
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static void fill_advert(const struct elect *m, int successor, struct ballot *ballot)
{
    ballot->kind = BALLOT_ADVERT;
    ballot->role = BALLOT_MASTER;
    ballot->address = m->rules.address;
    ballot->pair = m->rules.pair;
    ballot->demotion = elect_demotion(m);
    ballot->epoch = m->reign;
    ballot->head = m->self.head;
    if (successor != ELECT_NOBODY)
        ballot->successor = m->members[successor].address;
}

static void fill_standing(const struct elect *m, struct ballot *ballot)
{
    ballot->kind = BALLOT_STANDING;
    ballot->role = m->state == ELECT_BACKUP ? BALLOT_BACKUP : BALLOT_SLAVE;
    ballot->address = m->rules.address;
    ballot->pair = m->rules.pair;
    ballot->demotion = elect_demotion(m);
    ballot->epoch = m->epoch;
    ballot->head = m->self.head;
    ballot->behind = m->self.behind;
    ballot->unconfirmed = m->self.unconfirmed;
}

void elect_say_advert(struct elect *m, struct elect_actions *out)
{
    int64_t interval = elect_interval(m);
    mono_t planned = mono_after(m->next_advert, interval);

    MUST(m->state == ELECT_MASTER && m->reign <= m->reserved);
    fill_advert(m, elect_successor(m), &elect_act(out, ELECT_TO_ALL)->ballot);
    /* On the beat, unless it was lost. */
    m->next_advert = mono_reached(m->now, planned) || !mono_reached(m->now, m->next_advert)
                         ? mono_after(m->now, interval)
                         : planned;
    m->last_advert = m->now;
    m->dirty = true;
}

/* Three times, so that the loss of one or two costs nothing. */
void elect_say_leaving(struct elect *m, int successor, struct elect_actions *out)
{
    for (size_t i = 0; i < 3; i++) {
        struct ballot *ballot = &elect_act(out, ELECT_TO_ALL)->ballot;

        fill_advert(m, successor, ballot);
        ballot->leaving = true;
    }
}

void elect_say_answer(struct elect *m, int row, const struct ballot_nonce *nonce,
                      struct elect_actions *out)
{
    struct elect_action *action = elect_act(out, ELECT_SEND);

    action->to = m->members[row].address;
    if (m->state == ELECT_MASTER)
        fill_advert(m, elect_successor(m), &action->ballot);
    else
        fill_standing(m, &action->ballot);
    action->ballot.has_echo = true;
    action->ballot.echo = *nonce;
}

/* A nonce for this sender: the last one again while it is young, so that questions that follow each
 * other faster than answers come do not make each other's answers worthless. */
static struct ballot_nonce nonce_for(struct elect *m, int row, int64_t life)
{
    struct sender *sender = &m->senders[row];
    struct {
        uint8_t seed[32];
        uint64_t count;
    } bytes;
    struct digest digest;

    if (mono_between(m->now, sender->nonces[0].until) > life / 2)
        return sender->nonces[0].value;
    memcpy(bytes.seed, m->seed, sizeof(bytes.seed));
    bytes.count = ++m->nonce_count;
    digest_of(&bytes, sizeof(bytes), &digest);
    sender->nonces[1] = sender->nonces[0];
    memcpy(&sender->nonces[0].value, digest.bytes, BALLOT_NONCE_SIZE);
    sender->nonces[0].until = mono_after(m->now, life);
    sender->nonces[0].counter = m->members[row].counter;
    return sender->nonces[0].value;
}

/* The ways may be longer than a dead time of some milliseconds is. */
static int64_t nonce_life(const struct elect *m)
{
    int64_t own = elect_dead_of(m, m->rules.pair), life = elect_dead(m) > own ? elect_dead(m) : own;

    return life > ELECT_NONCE_NS ? life : ELECT_NONCE_NS;
}

void elect_say_solicit(struct elect *m, int row, struct elect_actions *out)
{
    struct sender *sender = &m->senders[row];
    struct elect_action *action;

    if (mono_between(sender->solicited, m->now) < ELECT_SOLICIT_GAP_NS)
        return;
    sender->solicited = m->now;
    action = elect_act(out, ELECT_SEND);
    action->to = m->members[row].address;
    action->ballot.kind = BALLOT_SOLICIT;
    action->ballot.address = m->rules.address;
    action->ballot.nonce = nonce_for(m, row, nonce_life(m));
}

/* ---- standings ------------------------------------------------------------------------------- */

static void send_standing(struct elect *m, int row, bool asks, struct elect_actions *out)
{
    struct elect_action *action = elect_act(out, ELECT_SEND);

    action->to = m->members[row].address;
    fill_standing(m, &action->ballot);
    action->ballot.asks = asks;
}

void elect_say_standing(struct elect *m, int row, struct elect_actions *out)
{
    send_standing(m, row, false, out);
}

/* Thousands of slaves that hear of a new master at the same moment spread over an interval. */
static int64_t spread(struct elect *m)
{
    int64_t interval = elect_interval(m);

    if (m->state != ELECT_SLAVE || m->last_standing.ns == ELECT_LONG_AGO.ns)
        return 0;
    return (int64_t)rng_below(&m->rng, (uint64_t)(interval < MONO_S(1) ? interval : MONO_S(1)));
}

void elect_standing_soon(struct elect *m)
{
    mono_t soon = mono_after(m->last_standing, ELECT_STANDING_GAP_NS);

    if (soon.ns < m->now.ns)
        soon = m->now;
    soon = mono_after(soon, spread(m));
    m->next_standing = mono_earlier(m->next_standing, soon);
}

/* One who puts now and then, and is confirmed each time, says so once in a while. */
void elect_standing_unconfirmed(struct elect *m)
{
    mono_t soon = mono_after(m->last_standing, ELECT_UNCONFIRMED_GAP_NS);

    m->next_standing = mono_earlier(m->next_standing, soon.ns < m->now.ns ? m->now : soon);
}

static void say_standings(struct elect *m, struct elect_actions *out)
{
    int64_t fifth = m->standing_ns / 5;

    for (size_t row = 0; row < m->peers; row++)
        elect_say_standing(m, (int)row, out);
    m->last_standing = m->now;
    m->next_standing =
        mono_after(m->now, 4 * fifth + (int64_t)rng_below(&m->rng, 2 * (uint64_t)fifth));
}

/* Whose next epoch is not on disk could not take what it was given, and would ask for it again as
 * soon as another had taken that: a slow disk must not keep the tier without a master. */
static bool would_take_over(const struct elect *m)
{
    struct ballot_rank own = elect_own_rank(m), master;

    if (m->state != ELECT_BACKUP || m->master == ELECT_NOBODY || elect_next_epoch(m) > m->reserved)
        return false;
    master = elect_rank(m, m->master);
    return ballot_compare(&own, &master) < 0;
}

mono_t elect_ask_at(const struct elect *m)
{
    int64_t delay = m->rules.preempt_delay_ns;
    mono_t from = m->now;

    if (!would_take_over(m))
        return MONO_NEVER;
    if (m->members[m->master].demotion <= elect_demotion(m)) {
        if (!m->rules.preempt)
            return MONO_NEVER;
        from = mono_after(m->steady, delay < 0 ? 3 * elect_dead(m) : delay);
    }
    if (from.ns < m->last_ask.ns + elect_interval(m))
        from.ns = m->last_ask.ns + elect_interval(m);
    return from;
}

void elect_say_due(struct elect *m, struct elect_actions *out)
{
    if (m->state == ELECT_OFF)
        return;
    if (m->state == ELECT_MASTER) {
        if (mono_reached(m->now, m->next_advert))
            elect_say_advert(m, out);
        return;
    }
    if (mono_reached(m->now, m->next_standing))
        say_standings(m, out);
    if (mono_reached(m->now, elect_ask_at(m))) {
        m->last_ask = m->now;
        send_standing(m, m->master, true, out);
    }
}

mono_t elect_say_next(const struct elect *m)
{
    if (m->state == ELECT_OFF)
        return MONO_NEVER;
    return m->state == ELECT_MASTER ? m->next_advert
                                    : mono_earlier(m->next_standing, elect_ask_at(m));
}
