/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "election/elect_inner.h"

void elect_died(struct elect *m, struct elect_actions *out)
{
    int64_t interval = elect_interval(m);
    int newer = elect_newer_master(m);

    /* Its successor was heard before this was known. */
    if (newer != ELECT_NOBODY) {
        elect_take(m, INPUT_HEARD_NEWER, newer, out);
        return;
    }
    elect_take(m, INPUT_DIED, ELECT_NOBODY, out);
    elect_wait_call(m, INPUT_DUE_DIED, interval);
    if (m->state == ELECT_BACKUP)
        elect_wait_judge(m, out);
}

/* A farewell to a mastership that another has followed since names nobody any more: so one that was
 * its successor, and stood still, does not take over anew by what lay in its socket meanwhile. */
static void hear_leaving(struct elect *m, int who, const struct ballot *ballot,
                         struct elect_actions *out)
{
    bool latest = ballot->epoch == m->epoch;
    bool names_us = latest && memcmp(ballot->successor.ip, m->rules.address.ip, 16) == 0;

    if (m->state == ELECT_MASTER || (m->master != ELECT_NOBODY && m->master != who))
        return;
    if (m->master == who)
        elect_take(m, INPUT_LEFT, who, out);
    /* Judged like every deadline: another master may be heard behind this. */
    if (names_us && m->state == ELECT_BACKUP)
        elect_wait_call(m, INPUT_DUE_NAMED, 0);
}

/* A follower that knows a higher epoch than its master tells it, so that it goes above. */
static void tell_epoch(struct elect *m, struct elect_actions *out)
{
    if (m->master == ELECT_NOBODY || m->senders[m->master].epoch >= m->epoch ||
        mono_between(m->told, m->now) < ELECT_STANDING_GAP_NS)
        return;
    m->told = m->now;
    elect_say_standing(m, m->master, out);
}

static void hear_advert(struct elect *m, int who, const struct ballot *ballot,
                        struct elect_actions *out)
{
    struct ballot_rank one = elect_rank(m, who), other = elect_own_rank(m);
    enum elect_input input = INPUT_HEARD_FIRST;

    m->senders[who].advert = m->now;
    m->senders[who].epoch = ballot->epoch;
    m->senders[who].head = ballot->head;
    m->senders[who].successor = ballot->successor;
    if (m->state == ELECT_MASTER && ballot->epoch > m->rival)
        m->rival = ballot->epoch;
    if (ballot->leaving) {
        hear_leaving(m, who, ballot, out);
        return;
    }
    if (m->master != ELECT_NOBODY)
        other = elect_rank(m, m->master);
    if (who == m->master)
        input = INPUT_HEARD_SAME;
    else if (m->state == ELECT_MASTER || m->master != ELECT_NOBODY)
        input = ballot_compare(&one, &other) < 0 ? INPUT_HEARD_BETTER : INPUT_HEARD_WORSE;
    elect_take(m, input, who, out);
    if (input == INPUT_HEARD_WORSE && m->state != ELECT_MASTER &&
        ballot->epoch > m->senders[m->master].epoch)
        elect_wait_doubt(m, out);
    tell_epoch(m, out);
}

static void hear_standing(struct elect *m, int who, const struct ballot *ballot, bool reborn,
                          struct elect_actions *out)
{
    struct ballot_rank one = elect_rank(m, who), own = elect_own_rank(m);

    if (m->state == ELECT_MASTER && ballot->epoch > m->reign && ballot->epoch > m->rival)
        m->rival = ballot->epoch;
    if (who == m->master && reborn)
        elect_died(m, out);
    else if (who == m->master)
        elect_take(m, INPUT_LEFT, who, out);
    if (!ballot->asks)
        return;
    if (m->members[who].role != BALLOT_BACKUP || !m->members[who].candidate)
        elect_note(m, REASON_NO_CANDIDATE, &m->members[who].address, out);
    else
        elect_take(m, ballot_compare(&one, &own) < 0 ? INPUT_ASKED_BY_BETTER : INPUT_ASKED_BY_WORSE,
                   who, out);
}

/* No question of a life that begins is answered yet, however high an earlier one's counter was. */
static void begin_life(struct sender *sender, const struct ballot *ballot)
{
    sender->answered = ELECT_LONG_AGO;
    sender->asked_top = ballot->counter;
    sender->asked_bits = 1; /* this one was none */
}

/* What the ballot tells of its sender. */
static void learn(struct elect *m, int who, const struct ballot *ballot)
{
    struct elect_member *member = &m->members[who];
    bool standing = ballot->kind == BALLOT_STANDING;
    uint32_t unconfirmed = standing ? ballot->unconfirmed : 0;

    if (member->address.port != ballot->address.port)
        m->roster++;
    member->address.port = ballot->address.port;
    memcpy(member->node, ballot->node, NODE_SIZE);
    member->boot = ballot->boot;
    member->counter = ballot->counter;
    member->pair = ballot->pair;
    member->demotion = ballot->demotion;
    member->behind = standing && ballot->behind;
    member->heard = m->now;
    if (standing)
        member->role = ballot->role == BALLOT_SLAVE ? BALLOT_SLAVE : BALLOT_BACKUP;
    else /* who leaves may be about to end: it is a backup again once its standing says so */
        member->role = ballot->leaving ? BALLOT_SLAVE : BALLOT_MASTER;
    elect_set_proven(m, who, true);
    m->unconfirmed += unconfirmed - member->unconfirmed;
    member->unconfirmed = unconfirmed;
    m->dirty = true;
}

void elect_believe(struct elect *m, int who, const struct ballot *ballot, bool reborn,
                   struct elect_actions *out)
{
    bool met = reborn || !elect_is_believed(m, who);

    learn(m, who, ballot);
    if (reborn)
        begin_life(&m->senders[who], ballot);
    m->unkept = m->unkept || (reborn && m->members[who].candidate);
    if (ballot->epoch > m->epoch) {
        m->epoch = ballot->epoch;
        elect_standing_soon(m);
    }
    if (ballot->kind == BALLOT_ADVERT)
        hear_advert(m, who, ballot, out);
    else
        hear_standing(m, who, ballot, reborn, out);
    /* Candidates that have just met know each other both ways. */
    if (met && m->members[who].candidate && m->state == ELECT_BACKUP && m->master != who)
        elect_say_standing(m, who, out);
}
