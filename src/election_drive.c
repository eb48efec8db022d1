/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/clock.h"
#include "src/election_inner.h"
#include "src/privilege.h"

/*
 * One turn of the loop: `check` notes when we woke and by how much that was late; datagrams are
 * read, before all else; letters and watched connections; then `prepare` judges the deadlines that
 * have come, and sets the timer for the next one.
 *
 * Lateness. The loop is never away for long by its own will: it sleeps until the next deadline, or
 * a fraction of the shortest dead time (a heartbeat), whichever is sooner, and reads the clock
 * again after each event. So whoever finds the clock beyond what was to be expected has been
 * stopped, suspended or starved meanwhile, for at least that difference, and all machines are told
 * so with their next event: before anything is judged.
 */
enum { HEARTBEATS = 8 /* in a dead time */ };

static const int64_t HEARTBEAT_LEAST = MONO_MS(2), HEARTBEAT_MOST = MONO_S(1);
static const int64_t LATE_LEAST = MONO_MS(1); /* less is how every loop runs */
static const int64_t DRAIN_MOST = MONO_MS(3); /* a flood delays deadlines by no more */
static const int64_t CHORES_EVERY = MONO_S(5);

/* ---- time ----------------------------------------------------------------------------------- */

void election_pace(struct election *election)
{
    int64_t least = HEARTBEAT_MOST;

    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        const struct seat *seat = &election->seats[i];
        if (seat->used && seat->dead_time / HEARTBEATS < least)
            least = seat->dead_time / HEARTBEATS;
    }
    election->heartbeat = least > HEARTBEAT_LEAST ? least : HEARTBEAT_LEAST;
}

/* All machines are told with their next event. */
static void note_late(struct election *election, int64_t late)
{
    if (late > atomic_load_explicit(&election->late_most, memory_order_relaxed))
        atomic_store_explicit(&election->late_most, late, memory_order_relaxed);
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++)
        election->seats[i].late += election->seats[i].used ? late : 0;
}

mono_t election_now(struct election *election)
{
    int64_t slept = clock_slept();
    mono_t now = clock_mono();
    int64_t late = mono_between(election->awake, now);

    if (late < 0)
        late = 0;
    if (slept > election->slept)
        late += slept - election->slept;
    election->slept = slept;
    if (late >= LATE_LEAST)
        note_late(election, late);
    election->awake = mono_after(now, election->heartbeat);
    return now;
}

/* ---- steps ---------------------------------------------------------------------------------- */

struct seat *election_seat(struct election *election, const char *tier)
{
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        struct seat *seat = &election->seats[i];
        if (seat->used && strcmp(seat->tier.tier, tier) == 0)
            return seat;
    }
    return NULL;
}

void election_step(struct election *election, struct seat *seat, struct elect_event *event)
{
    event->now = election_now(election);
    event->late = seat->late;
    seat->late = 0;
    elect_step(seat->machine, event, &election->actions);
    seat->deadline = election->actions.deadline;
    election_act(election, seat, event);
    udp_flush(election->udp);
}

static void wake(struct election *election, struct seat *seat)
{
    election_step(election, seat, &(struct elect_event){.kind = ELECT_WAKE});
}

/* As the cache's gate does (src/gate.h). */
static void note_heard(struct election *election, enum gate_verdict verdict,
                       const struct advert_datagram *datagram, struct ballot *ballot)
{
    if (verdict != GATE_PASS && verdict != GATE_RULE)
        return;
    if (election->heard && (datagram->is_signed || !election->seal))
        heard_note(election->heard, span_of(ballot->node), &datagram->from);
    ballot->below = ballot->below && datagram->is_signed;
}

void election_take(void *arg, const struct udp_datagram *heard)
{
    struct election *election = arg;
    struct advert_datagram datagram = {
        .from = heard->from, .to_group = heard->to_group, .hops = heard->hops};
    struct ballot ballot;
    struct elect_event event = {.kind = ELECT_HEARD, .ballot = &ballot, .from = heard->from};
    enum gate_verdict verdict;
    struct seat *seat;

    MUST_BE(election, ELECTION_MAGIC);
    verdict = advert_gate_judge(election->gate, heard->bytes, &datagram, &ballot);
    if (verdict != GATE_PASS || datagram.ruled)
        advert_gate_log(election->gate, clock_mono(), verdict, &datagram, &ballot);
    note_heard(election, verdict, &datagram, &ballot);
    if (verdict != GATE_PASS)
        return;
    atomic_fetch_add_explicit(&election->ballots_heard, 1, memory_order_relaxed);
    if (election->signers)
        signers_note(election->signers, &heard->from, datagram.is_signed, datagram.key);
    seat = election_seat(election, ballot.tier);
    if (!seat)
        return; /* it was left, and the members are not replaced yet, or the other way round */
    event.from_candidate = datagram.candidate;
    election_step(election, seat, &event);
}

/* The end of a batch: so the loop is seen to run in a flood too. */
void election_batch(void *arg)
{
    struct election *election = arg;

    MUST_BE(election, ELECTION_MAGIC);
    (void)election_now(election);
}

bool election_may_watch(void *arg, const struct address *from)
{
    struct election *election = arg;
    struct member member;

    MUST_BE(election, ELECTION_MAGIC);
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        const struct seat *seat = &election->seats[i];
        if (seat->used && seat->tier.rules.candidate &&
            members_find_in(election->members, seat->tier.tier, from, &member) &&
            member.role == MEMBER_CANDIDATE)
            return true;
    }
    return false;
}

void election_gone(void *arg, size_t line, const struct address *to)
{
    struct election *election = arg;
    struct seat *seat = &election->seats[line];

    MUST_BE(election, ELECTION_MAGIC);
    /* What it said last may still wait to be read, and be its farewell. */
    udp_drain(election->udp, mono_after(election_now(election), DRAIN_MOST));
    if (seat->used)
        election_step(election, seat,
                      &(struct elect_event){.kind = ELECT_WATCH_REFUSED, .from = *to});
}

/* ---- the loop's turns ----------------------------------------------------------------------- */

static mono_t next_deadline(const struct election *election)
{
    mono_t next = MONO_NEVER;

    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        if (election->seats[i].used)
            next = mono_earlier(next, election->seats[i].deadline);
    }
    return next;
}

/* Has a deadline come, or has somebody to be told of lateness? */
static bool is_due(const struct election *election, mono_t now)
{
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        const struct seat *seat = &election->seats[i];
        if (seat->used && (seat->late > 0 || mono_reached(now, seat->deadline)))
            return true;
    }
    return false;
}

static void judge(struct election *election, mono_t now)
{
    udp_drain(election->udp, mono_after(now, DRAIN_MOST));
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        struct seat *seat = &election->seats[i];
        if (seat->used && (mono_reached(now, seat->deadline) || seat->late > 0))
            wake(election, seat);
    }
}

/* An interface that comes back gives us its groups back. */
static void do_chores(struct election *election, mono_t now)
{
    election->chores = mono_after(now, CHORES_EVERY);
    election_look_for_groups(election);
    atomic_store_explicit(&election->watched, watch_served(election->watch), memory_order_relaxed);
}

static void set_timer(struct election *election, mono_t at)
{
    struct itimerspec when = {.it_value = {at.ns / MONO_S(1), at.ns % MONO_S(1)}};

    if (at.ns <= 0)
        when.it_value = (struct timespec){0, 1}; /* 0 would be no timer at all */
    MUST(timerfd_settime(election->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

static void on_prepare(struct ev_loop *loop, struct ev_prepare *watcher, int events)
{
    struct election *election = watcher->data;
    mono_t now;

    (void)loop, (void)events;
    MUST_BE(election, ELECTION_MAGIC);
    now = election_now(election);
    if (is_due(election, now))
        judge(election, now);
    if (mono_reached(now, election->chores))
        do_chores(election, now);
    now = election_now(election);
    election->awake = mono_earlier(election->awake, next_deadline(election));
    /* A deadline that has passed again meanwhile is judged at once, but behind the sockets. */
    if (election->awake.ns < now.ns)
        election->awake = now;
    set_timer(election, election->awake);
}

static void on_check(struct ev_loop *loop, struct ev_check *watcher, int events)
{
    struct election *election = watcher->data;

    (void)loop, (void)events;
    MUST_BE(election, ELECTION_MAGIC);
    atomic_store_explicit(&election->turned, election_now(election).ns, memory_order_relaxed);
}

/* The timer has done its part by waking the loop: `prepare` judges. */
static void on_timer(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    uint64_t times;

    (void)loop, (void)events;
    (void)!read(watcher->fd, &times, sizeof(times));
}

/* ---- the thread ----------------------------------------------------------------------------- */

bool election_drive_begin(struct election *election)
{
    election->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (election->timer < 0) {
        log_error("election: no timer can be had: %s", strerror(errno));
        return false;
    }
    ev_check_init(&election->check, on_check);
    ev_prepare_init(&election->prepare, on_prepare);
    ev_io_init(&election->timer_io, on_timer, election->timer, EV_READ);
    ev_set_priority(&election->check, EV_MAXPRI);
    ev_set_priority(&election->prepare, EV_MINPRI);
    ev_set_priority(&election->timer_io, EV_MINPRI);
    election->check.data = election->prepare.data = election->timer_io.data = election;
    ev_check_start(election->loop, &election->check);
    ev_prepare_start(election->loop, &election->prepare);
    ev_io_start(election->loop, &election->timer_io);
    election->slept = clock_slept();
    election->awake = mono_after(clock_mono(), HEARTBEAT_MOST);
    atomic_store_explicit(&election->turned, clock_mono().ns, memory_order_relaxed);
    election_pace(election);
    return true;
}

void election_drive_end(struct election *election)
{
    if (election->timer < 0)
        return;
    ev_check_stop(election->loop, &election->check);
    ev_prepare_stop(election->loop, &election->prepare);
    ev_io_stop(election->loop, &election->timer_io);
    close(election->timer);
}

void *election_drive(void *arg)
{
    struct election *election = arg;

    MUST_BE(election, ELECTION_MAGIC);
    privilege_ask("election"); /* what is read in one turn is bounded */
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        if (election->seats[i].used)
            election_begin(election, &election->seats[i]);
    }
    ev_run(election->loop, 0);
    return NULL;
}
