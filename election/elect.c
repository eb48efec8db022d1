/* SPDX-License-Identifier: ISC */
#include "election/elect.h"

#include <string.h>

#include "election/elect_inner.h"
#include "src/base/must.h"

size_t elect_size(void)
{
    return sizeof(struct elect);
}

/* The counters that the candidates had when we last lived: what is not above them was said before.
 */
static void recall(struct elect *m, const struct elect_memory *memory)
{
    MUST(memory->count <= ELECT_CANDIDATES_MAX);
    for (size_t i = 0; i < memory->count; i++) {
        int row = elect_find(m, &memory->known[i].address);

        if (row == ELECT_NOBODY)
            continue;
        memcpy(m->members[row].node, memory->known[i].node, NODE_SIZE);
        m->members[row].boot = memory->known[i].boot;
        m->members[row].counter = memory->known[i].counter;
    }
    m->reserved = m->asked = memory->reserved;
    m->asked_epoch = memory->epoch;
    m->epoch = memory->epoch;
    m->floor = memory->reserved;
}

void elect_init(struct elect *machine, const struct elect_options *options)
{
    struct elect *m = machine;

    MUST(m->magic == 0 && options->boot && options->standing_ns > 0);
    m->magic = ELECT_MAGIC;
    m->state = ELECT_OFF;
    m->master = ELECT_NOBODY;
    m->now = ELECT_LONG_AGO;
    memcpy(m->tier, options->tier, sizeof(m->tier));
    memcpy(m->node, options->node, sizeof(m->node));
    memcpy(m->seed, options->seed, sizeof(m->seed));
    memcpy(&m->rng.state, options->seed, sizeof(m->rng.state));
    m->nonce_count = options->boot;
    m->standing_ns = options->standing_ns;
    m->outbid_gap = ELECT_OUTBID_GAP_NS;
    m->rules = options->rules;
    m->self = options->self;
    m->last_advert = m->disputed = m->last_standing = m->told = m->last_ask = m->outbid =
        ELECT_LONG_AGO;
    m->next_advert = m->next_standing = m->ask_again = m->deadline = MONO_NEVER;
    elect_arrange(m);
    recall(m, &options->memory);
}

/* ---- the role -------------------------------------------------------------------------------- */

static enum ballot_role role_of(const struct elect *m)
{
    if (m->state == ELECT_MASTER)
        return BALLOT_MASTER;
    return m->state == ELECT_BACKUP || (m->state == ELECT_OFF && m->rules.candidate) ? BALLOT_BACKUP
                                                                                     : BALLOT_SLAVE;
}

static void say_role(struct elect *m, enum reason reason, bool again, struct elect_actions *out)
{
    struct elect_action *action = elect_act(out, ELECT_ROLE);

    action->role = role_of(m);
    action->reason = reason;
    action->again = again;
    action->epoch = m->epoch;
    m->counts[reason]++;
}

/* The one writer of the state, and of who is followed. */
static void become(struct elect *m, enum elect_state next, int master, enum reason reason,
                   struct elect_actions *out)
{
    enum elect_state before = m->state;
    bool keeps = master != ELECT_NOBODY && master == m->master;

    MUST(master == ELECT_NOBODY || (size_t)master < m->peers);
    /* Who is followed no longer answers to what is asked from now on, not to what it was asked. */
    if (m->master != ELECT_NOBODY && m->master != master)
        elect_forget_nonces(m, m->master);
    m->state = next;
    m->master = master;
    m->reason = reason;
    m->since = m->now;
    m->conflict = false;
    m->dirty = true;
    m->doubted = ELECT_LONG_AGO;
    if (next != before)
        say_role(m, reason, next == ELECT_OFF && before != ELECT_MASTER, out);
    else
        m->counts[reason]++;
    if (!keeps) /* else it goes on waiting as it does, with what it forgave itself */
        elect_wait_from(m, master == ELECT_NOBODY ? m->now : m->senders[master].advert);
    elect_standing_soon(m);
}

/* Follows nobody. One that was late has not been steady. */
static void listen_anew(struct elect *m, const struct elect_rule *rule, struct elect_actions *out)
{
    become(m, rule->next, ELECT_NOBODY, rule->reason, out);
    if (rule->reason == REASON_LATE || rule->reason == REASON_STARTED)
        m->steady = m->now;
}

/* What none of our epochs may be below or at: the highest known, and what an earlier life of ours
 * may have used without living to note it. */
static uint64_t highest(const struct elect *m)
{
    return m->epoch > m->floor ? m->epoch : m->floor;
}

static uint64_t above(uint64_t epoch, uint64_t by)
{
    return epoch < ELECT_EPOCH_MAX - by ? epoch + by : ELECT_EPOCH_MAX;
}

uint64_t elect_next_epoch(const struct elect *m)
{
    return above(highest(m), 1);
}

static void reign(struct elect *m, const struct elect_rule *rule, struct elect_actions *out)
{
    m->reign = m->epoch = elect_next_epoch(m);
    m->rival = 0;
    become(m, rule->next, ELECT_NOBODY, rule->reason, out);
    m->next_advert = m->now;
    elect_say_advert(m, out);
    /* Once more before the next is due: who lost this one is not to wait for that. */
    m->next_advert = mono_after(m->now, elect_interval(m) / 8);
}

static void leave(struct elect *m, const struct elect_rule *rule, int who,
                  struct elect_actions *out)
{
    elect_say_leaving(m, who == ELECT_NOBODY ? elect_successor(m) : who, out);
    become(m, rule->next, ELECT_NOBODY, rule->reason, out);
    /* A standing that overtook the adverts would make them worthless. */
    m->next_standing = mono_after(m->now, ELECT_STANDING_GAP_NS);
}

/* Tells the worse master at once, and the world outside when the conflict begins. */
static void dispute(struct elect *m, const struct elect_rule *rule, struct elect_actions *out)
{
    if (!m->conflict)
        say_role(m, rule->reason, true, out);
    m->conflict = true;
    if (mono_between(m->disputed, m->now) < ELECT_CONFLICT_GAP_NS)
        return;
    m->disputed = m->now;
    elect_say_advert(m, out);
}

void elect_take(struct elect *m, enum elect_input input, int who, struct elect_actions *out)
{
    struct elect_rule rule = elect_rule(m->state, input);

    switch (rule.deed) {
    case DEED_NONE:
        break;
    case DEED_NOTE:
        elect_note(m, rule.reason, &m->members[who].address, out);
        break;
    case DEED_LISTEN:
        listen_anew(m, &rule, out);
        break;
    case DEED_FOLLOW:
        become(m, rule.next, who, rule.reason, out);
        break;
    case DEED_KEEP:
        become(m, rule.next, m->master, rule.reason, out);
        break;
    case DEED_REFRESH:
        elect_wait_from(m, m->now);
        break;
    case DEED_REIGN:
        reign(m, &rule, out);
        break;
    case DEED_DISPUTE:
        dispute(m, &rule, out);
        break;
    case DEED_LEAVE:
        leave(m, &rule, who, out);
        break;
    }
}

/* ---- what else happens ----------------------------------------------------------------------- */

static void watch_refused(struct elect *m, const struct address *from, struct elect_actions *out)
{
    if (m->state != ELECT_BACKUP || m->master == ELECT_NOBODY ||
        !address_same_host(&m->members[m->master].address, from))
        return;
    /* What of it is still on its way says nothing any more. */
    elect_set_proven(m, m->master, false);
    elect_died(m, out);
}

static void take_self(struct elect *m, const struct elect_self *self, struct elect_actions *out)
{
    uint16_t before = elect_demotion(m), after;
    struct ballot_rank own, other;
    int best;

    if (self->behind != m->self.behind)
        elect_standing_soon(m);
    else if ((self->unconfirmed == 0) != (m->self.unconfirmed == 0))
        elect_standing_unconfirmed(m);
    m->self = *self;
    after = elect_demotion(m);
    if (after == before)
        return;
    m->steady = m->now;
    m->dirty = true;
    elect_standing_soon(m);
    if (m->state != ELECT_MASTER)
        return;
    best = after > before ? elect_successor(m) : ELECT_NOBODY;
    own = elect_own_rank(m);
    if (best != ELECT_NOBODY)
        other = elect_rank(m, best);
    if (best != ELECT_NOBODY && !m->members[best].behind && ballot_compare(&other, &own) < 0)
        elect_take(m, INPUT_DEMOTED, best, out);
    else
        elect_say_advert(m, out);
}

static void persisted(struct elect *m, uint64_t reserved)
{
    if (reserved > m->asked)
        reserved = m->asked;
    if (reserved > m->reserved)
        m->reserved = reserved;
    if (elect_next_epoch(m) <= m->reserved)
        m->wait.blocked = false;
}

static bool is_candidate(const struct elect_rules *rules, const struct address *address)
{
    bool found = false;

    for (size_t i = 0; i < rules->candidate_count; i++)
        found = found || address_same_host(&rules->candidates[i], address);
    return found && !address_same_host(&rules->address, address);
}

static void check_rules(const struct elect_rules *rules)
{
    MUST(rules->candidate_count >= 1 && rules->candidate_count <= ELECT_CANDIDATES_MAX);
    MUST(rules->dead_ratio_milli >= 1500);
}

static void take_rules(struct elect *m, const struct elect_rules *rules, struct elect_actions *out)
{
    bool same_pair = memcmp(&rules->pair, &m->rules.pair, sizeof(rules->pair)) == 0;

    check_rules(rules);
    if (m->rules.candidate != rules->candidate)
        elect_take(m, rules->candidate ? INPUT_MADE_CANDIDATE : INPUT_MADE_MEMBER, ELECT_NOBODY,
                   out);
    if (!address_same_host(&m->rules.address, &rules->address))
        elect_take(m, INPUT_MOVED, ELECT_NOBODY, out);
    if (m->master != ELECT_NOBODY && !is_candidate(rules, &m->members[m->master].address))
        elect_take(m, INPUT_REMOVED, ELECT_NOBODY, out);
    m->rules = *rules;
    elect_arrange(m);
    m->dirty = true;
    elect_standing_soon(m);
    /* The others reckon our death by the pair: they learn it before that. */
    if (!same_pair && m->state == ELECT_MASTER)
        elect_say_advert(m, out);
}

static void end(struct elect *m, struct elect_actions *out)
{
    struct elect_action *action;

    if (m->state == ELECT_OFF)
        return;
    elect_take(m, INPUT_END, ELECT_NOBODY, out);
    m->asked = highest(m);
    action = elect_act(out, ELECT_PERSIST);
    action->epoch = m->epoch;
    action->reserved = m->asked;
}

/* ---- a step ---------------------------------------------------------------------------------- */

/* Whoever was late, or silent for so long that the others have given it up, listens first. */
static void judge_lateness(struct elect *m, int64_t late, struct elect_actions *out)
{
    int64_t dead = elect_dead(m);

    if (m->state != ELECT_MASTER)
        elect_wait_late(m, late, out);
    else if (late > dead || mono_between(m->last_advert, m->now) > dead)
        elect_take(m, INPUT_LATE, ELECT_NOBODY, out);
}

/* Two masters that do not hear each other, and a third node that hears both and tells what it
 * knows, must not drive each other up for ever: they do it ever less often. */
static bool may_outbid(struct elect *m)
{
    int64_t ago = mono_between(m->outbid, m->now);

    if (ago < m->outbid_gap)
        return false;
    if (ago > 4 * m->outbid_gap)
        m->outbid_gap = ELECT_OUTBID_GAP_NS;
    else if (m->outbid_gap < ELECT_OUTBID_MAX_NS)
        m->outbid_gap *= 2;
    m->outbid = m->now;
    return true;
}

/* Above the epoch that a rival or a follower told, once that is on disk. */
static void outbid(struct elect *m, struct elect_actions *out)
{
    uint64_t next = elect_next_epoch(m);

    if (m->state != ELECT_MASTER || m->rival < m->reign || next == m->reign || next > m->reserved ||
        !may_outbid(m))
        return;
    m->reign = m->epoch = next;
    m->dirty = true;
    /* There was another mastership: what it changed in the world outside is to be undone. */
    if (!m->conflict)
        say_role(m, REASON_CONFLICT, true, out);
    elect_say_advert(m, out);
}

/* Is the conflict over? Then the world outside is told once more whose the role is. */
static void judge_conflict(struct elect *m, struct elect_actions *out)
{
    if (!m->conflict)
        return;
    for (size_t row = 0; row < m->peers; row++)
        if (m->members[row].role == BALLOT_MASTER && elect_is_believed(m, (int)row))
            return;
    m->conflict = false;
    say_role(m, REASON_CONFLICT, true, out);
    elect_say_advert(m, out);
}

/* What is to be on disk: epochs ahead of their use, and what others must not make us forget. */
static void reserve(struct elect *m, struct elect_actions *out)
{
    struct elect_action *action;

    if (m->rules.candidate && m->asked < above(highest(m), ELECT_EPOCHS_LEFT))
        m->asked = above(highest(m), ELECT_EPOCHS_AHEAD);
    else if (m->asked_epoch == m->epoch && !m->unkept)
        return;
    m->asked_epoch = m->epoch;
    m->unkept = false;
    action = elect_act(out, ELECT_PERSIST);
    action->epoch = m->epoch;
    action->reserved = m->asked;
}

static void watch(struct elect *m, struct elect_actions *out)
{
    struct address wanted = {0};

    if (m->state == ELECT_BACKUP && m->master != ELECT_NOBODY)
        wanted = m->members[m->master].address;
    if (address_same_host(&wanted, &m->watched) &&
        (address_is_any(&wanted) || address_same_host(&m->rules.address, &m->watched_from)))
        return;
    m->watched = wanted;
    m->watched_from = m->rules.address;
    elect_act(out, ELECT_WATCH)->to = wanted;
}

static mono_t deadline(const struct elect *m)
{
    mono_t at = mono_earlier(m->next_scan, mono_after(m->shown, elect_dead(m) / 2));

    if (m->state == ELECT_OFF)
        return MONO_NEVER;
    at = mono_earlier(at, mono_earlier(elect_say_next(m), m->ask_again));
    at = mono_earlier(at, mono_earlier(m->wait.solicit, m->wait.seek));
    at = mono_earlier(at, m->wait.doubt);
    return m->wait.blocked ? at : mono_earlier(at, elect_wait_due(m));
}

/* What follows from the state, whatever changed it. */
static void settle(struct elect *m, struct elect_actions *out)
{
    if (m->state != ELECT_OFF) {
        if (mono_reached(m->now, m->next_scan)) {
            elect_scan(m);
            m->next_scan = mono_after(m->now, m->standing_ns / 4);
        }
        outbid(m, out);
        judge_conflict(m, out);
        elect_say_due(m, out);
        reserve(m, out);
    }
    watch(m, out);
}

/* True where something may follow from it. */
static bool take_event(struct elect *m, const struct elect_event *event, struct elect_actions *out)
{
    switch (event->kind) {
    case ELECT_BEGIN:
        elect_take(m, m->rules.candidate ? INPUT_BEGIN_CANDIDATE : INPUT_BEGIN_MEMBER, ELECT_NOBODY,
                   out);
        break;
    case ELECT_WAKE:
        elect_hear_again(m, out);
        elect_wait_wake(m, out);
        break;
    case ELECT_HEARD:
        return elect_hear(m, event, out);
    case ELECT_WATCH_REFUSED:
        watch_refused(m, &event->from, out);
        break;
    case ELECT_SELF:
        take_self(m, event->self, out);
        break;
    case ELECT_PERSISTED:
        persisted(m, event->reserved);
        break;
    case ELECT_RULES:
        take_rules(m, event->rules, out);
        break;
    case ELECT_END:
        end(m, out);
        break;
    }
    return true;
}

void elect_step(struct elect *machine, const struct elect_event *event,
                struct elect_actions *actions)
{
    struct elect *m = machine;
    bool moved, follows;

    MUST_BE(m, ELECT_MAGIC);
    if (event->now.ns > m->now.ns)
        m->now = event->now;
    actions->count = 0;
    judge_lateness(m, event->late, actions);
    /* A ballot that is refused moves nothing: floods of them are to cost little. */
    moved = actions->count || event->late;
    follows = take_event(m, event, actions);
    actions->believed = follows && event->kind == ELECT_HEARD;
    moved = moved || follows;
    if (moved)
        settle(m, actions);
    actions->changed = m->dirty || mono_between(m->shown, m->now) > elect_dead(m) / 4;
    if (actions->changed)
        m->shown = m->now;
    if (moved || actions->changed)
        m->deadline = deadline(m);
    actions->deadline = m->deadline;
    m->dirty = false;
}
