/* SPDX-License-Identifier: ISC */
#include "election/elect_inner.h"
#include "src/base/must.h"

/*
 * When silence becomes death. A wait begins with each advert of the master that is followed, or
 * when there is none any more; all its deadlines are reckoned from there.
 */
static int64_t interval_of(struct ballot_pair pair)
{
    int64_t interval = ballot_interval(pair);

    return interval > MONO_MS(1) ? interval : MONO_MS(1);
}

int64_t elect_interval(const struct elect *m)
{
    return interval_of(m->master == ELECT_NOBODY ? m->rules.pair : m->members[m->master].pair);
}

int64_t elect_dead_of(const struct elect *m, struct ballot_pair pair)
{
    return interval_of(pair) / 1000 * m->rules.dead_ratio_milli;
}

int64_t elect_dead(const struct elect *m)
{
    return elect_interval(m) / 1000 * m->rules.dead_ratio_milli;
}

/* After two adverts that did not come, and a little; where death comes too early for that, half
 * way between the first that did not come and death. */
static int64_t solicit_after(const struct elect *m)
{
    int64_t interval = elect_interval(m), dead = elect_dead(m);

    return dead >= interval * 5 / 2 ? 2 * interval + interval / 8
                                    : interval + (dead - interval) / 2;
}

/* So that there are three of them before death at least, as far as the gap allows. */
static int64_t solicit_again(const struct elect *m)
{
    int64_t quarter = elect_interval(m) / 4, third = (elect_dead(m) - solicit_after(m)) / 3;
    int64_t gap = quarter < third ? quarter : third;

    return gap > ELECT_SOLICIT_GAP_NS ? gap : ELECT_SOLICIT_GAP_NS;
}

void elect_wait_from(struct elect *m, mono_t from)
{
    int64_t interval = elect_interval(m);

    m->wait = (struct wait){.from = from,
                            .solicit = MONO_NEVER,
                            .doubt = MONO_NEVER,
                            .seek = MONO_NEVER,
                            .called = MONO_NEVER,
                            .until = from};
    if (m->state != ELECT_SLAVE && m->state != ELECT_BACKUP)
        return;
    if (m->master != ELECT_NOBODY) {
        m->wait.solicit = mono_after(from, solicit_after(m));
        return;
    }
    m->wait.seek_gap = interval / 2;
    m->wait.seek =
        mono_after(from, interval / 2 + (int64_t)rng_below(&m->rng, (uint64_t)interval / 8));
}

static void ask(struct elect *m, struct elect_actions *out)
{
    elect_say_solicit(m, m->master, out);
    m->wait.solicit = mono_after(m->now, solicit_again(m));
    if (!m->wait.asked)
        m->wait.until = m->wait.solicit;
    m->wait.asked = true;
}

/* It answers within i/8; who adverts often may be as far away as who does not. */
static int64_t doubt_ns(const struct elect *m)
{
    int64_t interval = elect_interval(m), eighth = interval / 8;

    if (eighth < ELECT_DOUBT_MIN_NS)
        eighth = ELECT_DOUBT_MIN_NS;
    return eighth < interval / 2 ? eighth : interval / 2;
}

void elect_wait_doubt(struct elect *m, struct elect_actions *out)
{
    int64_t doubt = doubt_ns(m);

    if (mono_between(m->doubted, m->now) < elect_dead(m))
        return;
    m->doubted = m->now;
    ask(m, out);
    m->wait.doubt = mono_after(m->now, doubt);
    m->wait.solicit = mono_earlier(m->wait.solicit, mono_after(m->now, doubt / 2));
}

/* i/8 for each that would be a better master and may be alive. */
static int64_t steps(const struct elect *m, int64_t interval)
{
    struct ballot_rank own = elect_own_rank(m);
    int64_t count = 0;

    for (size_t row = 0; row < m->peers && count < ELECT_STEPS_MAX; row++) {
        struct ballot_rank other = elect_rank(m, (int)row);

        if ((int)row != m->master && m->members[row].role != BALLOT_SLAVE &&
            elect_is_believed(m, (int)row) && ballot_compare(&other, &own) < 0)
            count++;
    }
    return count * (interval / ELECT_STEPS_PER_INTERVAL);
}

void elect_wait_call(struct elect *m, enum elect_input call, int64_t interval)
{
    m->wait.call = call;
    m->wait.called = mono_after(m->now, interval ? steps(m, interval) : 0);
}

/* From the last advert to the loss of the master, by who is best. */
static int64_t patience(const struct elect *m)
{
    return elect_dead(m) + (int64_t)m->rules.pair.skew * (1000000000 / 256);
}

int64_t elect_wait_ns(const struct elect *m)
{
    return patience(m) + ELECT_STEPS_MAX * (elect_interval(m) / ELECT_STEPS_PER_INTERVAL);
}

mono_t elect_wait_due(const struct elect *m)
{
    mono_t silent = mono_after(m->wait.from, patience(m));

    if (silent.ns < m->wait.until.ns)
        silent = m->wait.until;
    if (m->state == ELECT_BACKUP)
        return mono_earlier(m->wait.called, mono_after(silent, steps(m, elect_interval(m))));
    return m->state == ELECT_SLAVE && m->master != ELECT_NOBODY ? silent : MONO_NEVER;
}

/*
 * What we were late ourselves is no silence of others. But one who is always a little late must
 * not wait for ever: of lateness below the dead time no more than that is forgiven in one wait.
 */
void elect_wait_late(struct elect *m, int64_t late, struct elect_actions *out)
{
    int64_t dead = elect_dead(m);
    bool was_due;

    if (late <= 0 || (late < dead && m->wait.forgiven + late > dead))
        return;
    was_due = mono_reached(m->now, elect_wait_due(m));
    m->wait.forgiven += late;
    m->wait.from = mono_earlier(m->now, mono_after(m->wait.from, late));
    m->wait.solicit = mono_after(m->wait.solicit, late < dead ? late : 0);
    m->wait.doubt = mono_after(m->wait.doubt, late);
    if (was_due && !mono_reached(m->now, elect_wait_due(m)))
        elect_note(m, REASON_OWN_LATENESS, &m->rules.address, out);
}

/* Has this one, which is not followed, adverted within its dead time? */
static bool adverts(const struct elect *m, int row)
{
    return row != m->master && m->members[row].role == BALLOT_MASTER && elect_is_believed(m, row) &&
           mono_between(m->senders[row].advert, m->now) < elect_dead_of(m, m->members[row].pair);
}

/* The best of them whose epoch is above that. */
static int other_master(const struct elect *m, uint64_t epoch)
{
    int best = ELECT_NOBODY;

    for (size_t i = 0; i < m->peers; i++) {
        int row = (int)i;
        struct ballot_rank one = elect_rank(m, row), other;

        if (!adverts(m, row) || m->senders[row].epoch <= epoch)
            continue;
        if (best != ELECT_NOBODY)
            other = elect_rank(m, best);
        if (best == ELECT_NOBODY || ballot_compare(&one, &other) < 0)
            best = row;
    }
    return best;
}

/* The epoch that the next mastership would take is not on disk: it waits for that. */
static void wait_for_epoch(struct elect *m, enum elect_input input, struct elect_actions *out)
{
    if (m->wait.blocked)
        return;
    elect_note(m, REASON_EPOCH_NOT_KEPT, &m->rules.address, out);
    if (m->master != ELECT_NOBODY)
        elect_take(m, INPUT_LOST, ELECT_NOBODY, out);
    elect_wait_call(m, input, 0);
    m->wait.blocked = true;
}

void elect_wait_judge(struct elect *m, struct elect_actions *out)
{
    bool called = mono_reached(m->now, m->wait.called);
    enum elect_input input = called ? m->wait.call : INPUT_DUE_SILENT;
    int other;

    if (!mono_reached(m->now, elect_wait_due(m)))
        return;
    /* However late we were: nobody is given up unasked. */
    if (!called && m->master != ELECT_NOBODY && !m->wait.asked) {
        ask(m, out);
        return;
    }
    other = called ? ELECT_NOBODY : other_master(m, 0);
    if (other != ELECT_NOBODY)
        elect_take(m, INPUT_HEARD_FIRST, other, out);
    else if (m->state == ELECT_SLAVE)
        elect_take(m, INPUT_LOST, ELECT_NOBODY, out);
    else if (elect_next_epoch(m) > m->reserved)
        wait_for_epoch(m, input, out);
    else
        elect_take(m, input, ELECT_NOBODY, out);
}

int elect_newer_master(const struct elect *m)
{
    return other_master(m, m->senders[m->master].epoch);
}

static void judge_doubt(struct elect *m, struct elect_actions *out)
{
    int newer;

    if (!mono_reached(m->now, m->wait.doubt))
        return;
    m->wait.doubt = MONO_NEVER;
    newer = elect_newer_master(m);
    if (newer != ELECT_NOBODY)
        elect_take(m, INPUT_HEARD_NEWER, newer, out);
}

/* Asks all candidates, ever less often. */
static void seek(struct elect *m, struct elect_actions *out)
{
    int64_t gap = m->wait.seek_gap;

    for (size_t row = 0; row < m->peers; row++)
        elect_say_solicit(m, (int)row, out);
    m->wait.seek = mono_after(m->now, gap + (int64_t)rng_below(&m->rng, (uint64_t)gap / 8));
    m->wait.seek_gap = gap < ELECT_SEEK_MAX_NS / 2 ? 2 * gap : ELECT_SEEK_MAX_NS;
}

void elect_wait_wake(struct elect *m, struct elect_actions *out)
{
    if (m->state != ELECT_SLAVE && m->state != ELECT_BACKUP)
        return;
    elect_wait_judge(m, out);
    judge_doubt(m, out);
    if (mono_reached(m->now, m->wait.solicit))
        ask(m, out);
    if (mono_reached(m->now, m->wait.seek))
        seek(m, out);
}
