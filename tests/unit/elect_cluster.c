/* SPDX-License-Identifier: ISC */
#include "tests/unit/elect_cluster.h"

enum { WAKES_MAX = 100000 };

struct address node_address(size_t node)
{
    char text[32];
    struct address address;

    snprintf(text, sizeof(text), "10.0.0.%zu", node + 1);
    assert_true(address_parse(span_of(text), 65028, &address));
    return address;
}

static size_t node_of(const struct cluster *c, const struct address *address)
{
    for (size_t node = 0; node < c->count; node++) {
        struct address its = node_address(node);

        if (address_same_host(&its, address))
            return node;
    }
    return CLUSTER_NODES;
}

struct cluster *cluster_new(size_t count)
{
    struct cluster *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    c->mail = calloc(CLUSTER_MAIL, sizeof(*c->mail));
    c->actions = calloc(1, sizeof(*c->actions));
    assert_non_null(c->mail);
    assert_non_null(c->actions);
    c->now.ns = MONO_S(1000);
    c->count = count;
    c->delay_ns = 100000;
    c->disk_ns = MONO_MS(5);
    for (size_t node = 0; node < count; node++) {
        struct station *s = &c->stations[node];

        s->rules = (struct elect_rules){.candidate = true,
                                        .address = node_address(node),
                                        .pair = {.base_us = 1000000},
                                        .preempt = true,
                                        .preempt_delay_ns = -1,
                                        .dead_ratio_milli = 3000,
                                        .candidate_count = count};
        for (size_t i = 0; i < count; i++)
            s->rules.candidates[i] = node_address(i);
        s->boot = 100;
    }
    return c;
}

struct cluster *cluster_running(size_t count)
{
    struct cluster *c = cluster_new(count);

    cluster_begin_all(c);
    cluster_run(c, MONO_MS(10500));
    assert_int_equal(cluster_master(c), 0);
    return c;
}

void cluster_free(struct cluster *c)
{
    for (size_t node = 0; node < c->count; node++)
        free(c->stations[node].machine);
    for (size_t i = 0; i < c->mail_count; i++)
        free(c->mail[i].memory);
    free(c->mail);
    free(c->actions);
    free(c);
}

static bool is_named(const struct elect_rules *rules, const struct address *address)
{
    for (size_t i = 0; i < rules->candidate_count; i++)
        if (address_same_host(&rules->candidates[i], address))
            return true;
    return false;
}

void cluster_unname(struct cluster *c, size_t node, size_t at)
{
    struct address its = node_address(node);
    struct elect_rules *rules = &c->stations[at].rules;
    size_t kept = 0;

    for (size_t i = 0; i < rules->candidate_count; i++)
        if (!address_same_host(&rules->candidates[i], &its))
            rules->candidates[kept++] = rules->candidates[i];
    rules->candidate_count = kept;
    rules->candidate = rules->candidate && at != node;
}

void cluster_make_slave(struct cluster *c, size_t node)
{
    for (size_t at = 0; at < c->count; at++)
        cluster_unname(c, node, at);
}

void cluster_set_pair(struct cluster *c, size_t node, uint32_t base_us, uint8_t skew)
{
    c->stations[node].rules.pair = (struct ballot_pair){.base_us = base_us, .skew = skew};
}

/* ---- the driver ------------------------------------------------------------------------------ */

static struct mail *post(struct cluster *c, size_t from, size_t to, int64_t delay)
{
    struct mail *mail;

    assert_true(c->mail_count < CLUSTER_MAIL);
    mail = &c->mail[c->mail_count++];
    *mail = (struct mail){.at = mono_after(c->now, delay), .from = from, .to = to};
    return mail;
}

static void post_ballot(struct cluster *c, size_t from, size_t to, const struct ballot *ballot)
{
    unsigned copies = 1 + (rng_below(&c->rng, 100) < c->doubles);

    if (to >= c->count || to == from || c->cut[from][to] || !c->stations[to].machine ||
        rng_below(&c->rng, 100) < c->loss)
        return;
    for (unsigned i = 0; i < copies; i++) {
        int64_t jitter = (int64_t)rng_below(&c->rng, (uint64_t)c->jitter_ns);
        struct mail *mail = post(c, from, to, c->delay_ns + jitter);

        mail->ballot = *ballot;
        c->record[rng_below(&c->rng, CLUSTER_RECORD)] = *mail;
    }
}

void cluster_replay(struct cluster *c)
{
    const struct mail *old = &c->record[rng_below(&c->rng, CLUSTER_RECORD)];

    if (old->from != old->to && c->stations[old->to].machine)
        post(c, old->from, old->to, 0)->ballot = old->ballot;
}

static void send_ballot(struct cluster *c, size_t node, struct ballot ballot,
                        const struct address *to)
{
    struct station *s = &c->stations[node];

    snprintf(ballot.tier, sizeof(ballot.tier), "paris");
    snprintf(ballot.node, sizeof(ballot.node), "node%zu", node);
    ballot.boot = s->boot;
    ballot.counter = ++s->counter;
    s->adverts += ballot.kind == BALLOT_ADVERT && !ballot.leaving;
    s->leavings += ballot.kind == BALLOT_ADVERT && ballot.leaving;
    s->standings += ballot.kind == BALLOT_STANDING;
    s->answers += ballot.has_echo;
    s->solicits += ballot.kind == BALLOT_SOLICIT;
    s->asks += ballot.kind == BALLOT_STANDING && ballot.asks;
    if (ballot.kind == BALLOT_ADVERT)
        assert_true(ballot.epoch <= s->disk.reserved);
    for (size_t i = 0; i < c->count; i++)
        if (!to || node_of(c, to) == i)
            post_ballot(c, node, i, &ballot);
}

/* The disk takes what is to be remembered now; where it cannot, as soon as it can. */
static void persist(struct cluster *c, size_t node)
{
    struct station *s = &c->stations[node];
    struct mail *mail;

    s->owed = s->disk_stuck;
    if (s->disk_stuck)
        return;
    mail = post(c, node, node, c->disk_ns);
    mail->memory = calloc(1, sizeof(*mail->memory));
    assert_non_null(mail->memory);
    elect_memory(s->machine, mail->memory);
    mail->reserved = mail->memory->reserved;
}

void cluster_stick_disk(struct cluster *c, size_t node, bool stuck)
{
    struct station *s = &c->stations[node];

    s->disk_stuck = stuck;
    if (s->owed && s->machine)
        persist(c, node);
}

static void carry_out(struct cluster *c, size_t node, const struct elect_action *action)
{
    struct station *s = &c->stations[node];

    switch (action->kind) {
    case ELECT_PERSIST:
        s->persists++;
        persist(c, node);
        break;
    case ELECT_ROLE:
        if (action->role == BALLOT_MASTER && !action->again) {
            assert_true(action->epoch > s->reigned);
            s->reigned = action->epoch;
        }
        s->roles++;
        s->again += action->again;
        s->reason = action->reason;
        break;
    case ELECT_SEND:
        send_ballot(c, node, action->ballot, &action->to);
        break;
    case ELECT_TO_ALL:
        send_ballot(c, node, action->ballot, NULL);
        break;
    case ELECT_WATCH:
        s->watched = action->to;
        break;
    case ELECT_NOTE:
        break;
    }
}

void cluster_event(struct cluster *c, size_t node, struct elect_event event)
{
    struct station *s = &c->stations[node];
    struct view_tier view;

    assert_non_null(s->machine);
    event.now = c->now;
    elect_step(s->machine, &event, c->actions);
    s->deadline = c->actions->deadline;
    for (size_t i = 0; i < c->actions->count; i++)
        carry_out(c, node, &c->actions->list[i]);
    elect_view(s->machine, c->now, &view);
    assert_true(view.epoch >= s->epoch);
    s->epoch = view.epoch;
}

void cluster_begin(struct cluster *c, size_t node)
{
    struct station *s = &c->stations[node];
    struct elect_options *options = calloc(1, sizeof(*options));

    assert_non_null(options);
    assert_null(s->machine);
    s->machine = calloc(1, elect_size());
    assert_non_null(s->machine);
    snprintf(options->tier, sizeof(options->tier), "paris");
    snprintf(options->node, sizeof(options->node), "node%zu", node);
    options->boot = ++s->boot;
    options->seed[0] = (uint8_t)(node + 1);
    options->seed[1] = (uint8_t)s->boot;
    options->standing_ns = ELECT_STANDING_NS;
    options->rules = s->rules;
    options->self = s->self;
    options->memory = s->disk;
    s->counter = s->epoch = 0;
    s->owed = false;
    elect_init(s->machine, options);
    free(options);
    cluster_event(c, node, (struct elect_event){.kind = ELECT_BEGIN});
}

void cluster_begin_all(struct cluster *c)
{
    for (size_t node = 0; node < c->count; node++)
        cluster_begin(c, node);
}

void cluster_kill(struct cluster *c, size_t node)
{
    size_t kept = 0;

    free(c->stations[node].machine);
    c->stations[node].machine = NULL;
    c->stations[node].paused = false;
    c->stations[node].watched = (struct address){0};
    for (size_t i = 0; i < c->mail_count; i++) {
        if (c->mail[i].to == node)
            free(c->mail[i].memory);
        else
            c->mail[kept++] = c->mail[i];
    }
    c->mail_count = kept;
}

void cluster_end(struct cluster *c, size_t node)
{
    cluster_event(c, node, (struct elect_event){.kind = ELECT_END});
    elect_memory(c->stations[node].machine, &c->stations[node].disk);
    cluster_kill(c, node);
}

void cluster_pause(struct cluster *c, size_t node)
{
    c->stations[node].paused = true;
}

void cluster_cut(struct cluster *c, size_t a, size_t b, bool cut)
{
    c->cut[a][b] = c->cut[b][a] = cut;
}

void cluster_tell_self(struct cluster *c, size_t node)
{
    cluster_event(c, node,
                  (struct elect_event){.kind = ELECT_SELF, .self = &c->stations[node].self});
}

void cluster_tell_rules(struct cluster *c, size_t node)
{
    cluster_event(c, node,
                  (struct elect_event){.kind = ELECT_RULES, .rules = &c->stations[node].rules});
}

void cluster_demote(struct cluster *c, size_t node, uint16_t demotion)
{
    c->stations[node].self.demotion = demotion;
    cluster_tell_self(c, node);
}

void cluster_refuse_watch(struct cluster *c, size_t dead)
{
    struct address its = node_address(dead);

    for (size_t node = 0; node < c->count; node++)
        if (c->stations[node].machine && !c->stations[node].paused &&
            address_same_host(&c->stations[node].watched, &its))
            cluster_event(c, node, (struct elect_event){.kind = ELECT_WATCH_REFUSED, .from = its});
}

/* ---- time ------------------------------------------------------------------------------------ */

/* The first that has come, for a node that can take it; CLUSTER_MAIL: there is none. */
static size_t first_mail(const struct cluster *c, mono_t until)
{
    size_t first = CLUSTER_MAIL;

    for (size_t i = 0; i < c->mail_count; i++)
        if (!c->stations[c->mail[i].to].paused && mono_reached(until, c->mail[i].at) &&
            (first == CLUSTER_MAIL || c->mail[i].at.ns < c->mail[first].at.ns))
            first = i;
    return first;
}

void cluster_lose(struct cluster *c, size_t which)
{
    assert_true(which < c->mail_count);
    memmove(&c->mail[which], &c->mail[which + 1],
            (c->mail_count - which - 1) * sizeof(struct mail));
    c->mail_count--;
}

static void deliver(struct cluster *c, size_t which, int64_t late)
{
    struct mail mail = c->mail[which];
    struct elect_event event = {.kind = ELECT_HEARD, .late = late};

    cluster_lose(c, which);
    if (mail.from == mail.to) {
        c->stations[mail.to].disk = *mail.memory;
        free(mail.memory);
        event.kind = ELECT_PERSISTED;
        event.reserved = mail.reserved;
    } else {
        event.ballot = &mail.ballot;
        event.from = node_address(mail.from);
        event.from_candidate = is_named(&c->stations[mail.to].rules, &event.from);
    }
    cluster_event(c, mail.to, event);
}

/* All that has come for it, then the deadline. */
static void wake(struct cluster *c, size_t node, int64_t late)
{
    cluster_event(c, node, (struct elect_event){.kind = ELECT_WAKE, .late = late});
}

void cluster_continue(struct cluster *c, size_t node)
{
    struct station *s = &c->stations[node];
    int64_t late = mono_between(s->deadline, c->now);

    s->paused = false;
    late = late > 0 ? late : 0;
    for (size_t i = 0; i < c->mail_count;) {
        if (c->mail[i].to == node && mono_reached(c->now, c->mail[i].at)) {
            deliver(c, i, late);
            late = 0;
        } else {
            i++;
        }
    }
    if (mono_reached(c->now, s->deadline))
        wake(c, node, late);
}

static size_t first_to_wake(const struct cluster *c, mono_t until)
{
    size_t first = CLUSTER_NODES;

    for (size_t node = 0; node < c->count; node++) {
        const struct station *s = &c->stations[node];

        if (s->machine && !s->paused && mono_reached(until, s->deadline) &&
            (first == CLUSTER_NODES || s->deadline.ns < c->stations[first].deadline.ns))
            first = node;
    }
    return first;
}

void cluster_run(struct cluster *c, int64_t ns)
{
    mono_t until = mono_after(c->now, ns), last = c->now;
    unsigned wakes = 0;

    for (;;) {
        size_t node = first_to_wake(c, until);
        mono_t next = node == CLUSTER_NODES ? until : c->stations[node].deadline;
        size_t mail = first_mail(c, next);

        if (mail != CLUSTER_MAIL)
            next = c->mail[mail].at;
        else if (node == CLUSTER_NODES)
            break;
        if (next.ns > c->now.ns)
            c->now = next;
        wakes = c->now.ns == last.ns ? wakes + 1 : 0;
        last = c->now;
        assert_true(wakes < WAKES_MAX);
        if (mail != CLUSTER_MAIL)
            deliver(c, mail, 0);
        else
            wake(c, node, 0);
    }
    c->now = until;
}

/* ---- what came of it --------------------------------------------------------------------------
 */

enum elect_state cluster_state(const struct cluster *c, size_t node)
{
    return elect_state(c->stations[node].machine);
}

struct view_tier cluster_view(const struct cluster *c, size_t node)
{
    struct view_tier view;

    elect_view(c->stations[node].machine, c->now, &view);
    return view;
}

size_t cluster_masters(const struct cluster *c)
{
    size_t masters = 0;

    for (size_t node = 0; node < c->count; node++)
        masters += c->stations[node].machine && cluster_state(c, node) == ELECT_MASTER;
    return masters;
}

size_t cluster_master(const struct cluster *c)
{
    assert_int_equal(cluster_masters(c), 1);
    for (size_t node = 0; node < c->count; node++)
        if (c->stations[node].machine && cluster_state(c, node) == ELECT_MASTER)
            return node;
    fail();
    return CLUSTER_NODES;
}

static bool is_settled(const struct cluster *c)
{
    struct address its;

    if (cluster_masters(c) != 1)
        return false;
    its = node_address(cluster_master(c));
    for (size_t node = 0; node < c->count; node++) {
        struct view_tier view;

        if (!c->stations[node].machine)
            continue;
        view = cluster_view(c, node);
        if (!view.has_master || !address_same_host(&view.master_address, &its))
            return false;
    }
    return true;
}

int64_t cluster_settle(struct cluster *c, int64_t most)
{
    mono_t from = c->now;

    while (!is_settled(c)) {
        cluster_run(c, MONO_MS(1) / 4);
        assert_true(mono_between(from, c->now) <= most);
    }
    return mono_between(from, c->now);
}
