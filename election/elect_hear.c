/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "election/elect_inner.h"
#include "src/base/must.h"

/*
 * Three standings of one who makes them as seldom as it may: every standing_ns + 20 %.
 */
int64_t elect_memory_ns(const struct elect *m)
{
    return 3 * (m->standing_ns + m->standing_ns / 5);
}

bool elect_is_believed(const struct elect *m, int row)
{
    const struct elect_member *member = &m->members[row];
    int64_t life = elect_memory_ns(m);

    if (member->role == BALLOT_MASTER)
        life = elect_dead_of(m, member->pair);
    /* Of the one that is followed, whatever comes before we take over is in time. */
    if (row == m->master)
        life = elect_wait_ns(m);
    return member->proven && mono_between(member->heard, m->now) <= life;
}

/* Does the ballot come from the same life of the same node as what was last believed? */
static bool is_same_life(const struct elect_member *member, const struct ballot *ballot)
{
    return member->boot == ballot->boot && strcmp(member->node, ballot->node) == 0;
}

void elect_forget_nonces(struct elect *m, int row)
{
    memset(m->senders[row].nonces, 0, sizeof(m->senders[row].nonces));
}

/* An echo of one of our nonces to this sender, in time? Then none of them is good again. Where its
 * counter is not above the one that it had when it was asked, it was `set_back` since. */
static bool take_nonce(struct elect *m, int row, const struct ballot *ballot, bool *set_back)
{
    struct sender *sender = &m->senders[row];
    bool found = false;

    *set_back = false;
    for (size_t i = 0; ballot->has_echo && !found && i < ELECT_NONCES; i++) {
        found = !mono_reached(m->now, sender->nonces[i].until) &&
                memcmp(&sender->nonces[i].value, &ballot->echo, sizeof(ballot->echo)) == 0;
        *set_back = found && ballot->counter <= sender->nonces[i].counter;
    }
    if (found)
        elect_forget_nonces(m, row);
    return found;
}

/* The row of the sender, made where it is new. Candidates have theirs for ever; others leave that
 * many rows free, so that a change of the candidates finds room. */
static int row_of(struct elect *m, const struct address *from)
{
    int row = elect_find(m, from);

    if (row == ELECT_NOBODY && m->count < ELECT_MEMBERS_MAX - ELECT_CANDIDATES_MAX)
        row = elect_add(m, from);
    if (row != ELECT_NOBODY)
        m->senders[row].seen = m->now;
    return row;
}

/* Why an advert or standing is refused that is neither believed nor proves itself. */
static enum reason why_unproven(const struct elect_member *member, const struct ballot *ballot)
{
    if (ballot->has_echo)
        return REASON_OTHER_NONCE;
    return is_same_life(member, ballot) && ballot->counter <= member->counter ? REASON_REPLAYED
                                                                              : REASON_UNPROVEN;
}

/* Of a master the next word may be an interval away: what is lost of a question or its answer is
 * made good sooner. One row of questions in an interval, whatever is heard. */
static void begin_asking(struct elect *m, int row)
{
    struct sender *sender = &m->senders[row];
    int64_t interval = elect_interval(m);

    if (mono_between(sender->asking, m->now) < interval)
        return;
    sender->asking = m->now;
    sender->ask_left = ELECT_ASKS_AGAIN;
    sender->ask_again = mono_after(m->now, interval / ELECT_STEPS_PER_INTERVAL);
    m->ask_again = mono_earlier(m->ask_again, sender->ask_again);
    m->deadline = mono_earlier(m->deadline, m->ask_again);
}

void elect_hear_again(struct elect *m, struct elect_actions *out)
{
    int64_t gap = elect_interval(m) / ELECT_STEPS_PER_INTERVAL;

    if (!mono_reached(m->now, m->ask_again))
        return;
    m->ask_again = MONO_NEVER;
    for (size_t row = 0; row < m->peers; row++) {
        struct sender *sender = &m->senders[row];

        if (elect_is_believed(m, (int)row))
            sender->ask_left = 0;
        if (sender->ask_left == 0)
            continue;
        if (mono_reached(m->now, sender->ask_again)) {
            elect_say_solicit(m, (int)row, out);
            sender->ask_left--;
            sender->ask_again = mono_after(m->now, gap);
        }
        if (sender->ask_left)
            m->ask_again = mono_earlier(m->ask_again, sender->ask_again);
    }
}

static bool hear_voice(struct elect *m, int row, const struct ballot *ballot,
                       struct elect_actions *out)
{
    struct elect_member *member = &m->members[row];
    bool same = is_same_life(member, ballot), set_back;
    /* Also where the counter is enough: recorded, it would prove its sender once more when that is
     * not believed any longer. */
    bool answers = take_nonce(m, row, ballot, &set_back);

    if (same && !set_back && elect_is_believed(m, row)) {
        if (ballot->counter <= member->counter) {
            elect_note(m, REASON_REPLAYED, &member->address, out);
            return false;
        }
    } else if (!answers) {
        elect_note(m, why_unproven(member, ballot), &member->address, out);
        elect_say_solicit(m, row, out);
        if (ballot->kind == BALLOT_ADVERT)
            begin_asking(m, row);
        return false;
    }
    elect_believe(m, row, ballot, !same || set_back, out);
    return true;
}

/* Is this solicit of its sender's life new? They decide nothing, so one may overtake another; but
 * what is far behind, or was heard before, is not. */
static bool is_new_question(struct sender *sender, const struct ballot *ballot)
{
    uint64_t ahead = ballot->counter - sender->asked_top;
    uint64_t behind = sender->asked_top - ballot->counter;

    if (ballot->counter > sender->asked_top) {
        sender->asked_bits = ahead < 64 ? sender->asked_bits << ahead | 1 : 1;
        sender->asked_top = ballot->counter;
        return true;
    }
    if (behind >= 64 || sender->asked_bits >> behind & 1)
        return false;
    sender->asked_bits |= UINT64_C(1) << behind;
    return true;
}

/* Who solicits is answered, but not too often: the answer goes to where the question says that it
 * came from. Who is believed is answered once for each ballot of its, however often that is
 * repeated. Whoever else asks by its name may be an earlier life of it, recorded: that takes away
 * none of its answers. */
static void hear_solicit(struct elect *m, int row, const struct ballot *ballot,
                         struct elect_actions *out)
{
    struct elect_member *member = &m->members[row];
    struct sender *sender = &m->senders[row];
    bool believed = is_same_life(member, ballot) && elect_is_believed(m, row);
    mono_t *answered = believed ? &sender->answered : &sender->answered_others;

    if (believed && !is_new_question(sender, ballot)) {
        elect_note(m, REASON_REPLAYED, &member->address, out);
        return;
    }
    if (mono_between(*answered, m->now) < ELECT_SOLICIT_GAP_NS) {
        elect_note(m, REASON_TOO_OFTEN, &member->address, out);
        return;
    }
    *answered = m->now;
    /* It may be a master too that is about to give way: it shall say so first. */
    if (!believed && member->candidate && m->state == ELECT_MASTER)
        elect_say_solicit(m, row, out);
    elect_say_answer(m, row, &ballot->nonce, out);
}

/* What is wrong with a ballot whoever sent it; REASON_COUNT: nothing. */
static enum reason why_never(const struct elect *m, const struct elect_event *event)
{
    const struct ballot *ballot = event->ballot;
    int row = elect_find(m, &event->from);

    if (memcmp(ballot->address.ip, event->from.ip, sizeof(event->from.ip)) != 0)
        return REASON_OTHER_ADDRESS;
    if (ballot->kind == BALLOT_SOLICIT)
        return REASON_COUNT;
    if (ballot->epoch > ELECT_EPOCH_MAX || (ballot->kind == BALLOT_ADVERT && ballot->epoch == 0))
        return REASON_BAD_EPOCH;
    if (ballot->kind == BALLOT_ADVERT &&
        (!event->from_candidate || row == ELECT_NOBODY || !m->members[row].candidate))
        return REASON_NO_CANDIDATE;
    return REASON_COUNT;
}

bool elect_hear(struct elect *m, const struct elect_event *event, struct elect_actions *out)
{
    const struct ballot *ballot = event->ballot;
    enum reason never;
    int row;

    MUST(ballot);
    if (m->state == ELECT_OFF || address_same_host(&event->from, &m->rules.address))
        return false;
    never = why_never(m, event);
    row = never == REASON_COUNT ? row_of(m, &event->from) : ELECT_NOBODY;
    if (row == ELECT_NOBODY)
        elect_note(m, never == REASON_COUNT ? REASON_NO_ROOM : never, &event->from, out);
    else if (ballot->kind == BALLOT_SOLICIT)
        hear_solicit(m, row, ballot, out);
    else
        return hear_voice(m, row, ballot, out);
    return false;
}
