/* SPDX-License-Identifier: ISC */
#include "src/election.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/lock.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/clock.h"
#include "src/election_inner.h"
#include "src/signals.h"

enum { TELL_MAGIC = 0x74656c6c };

/* ---- calls from other threads --------------------------------------------------------------- */

/* The caller waits until the loop has done it. */
struct call {
    struct letter letter;
    void (*run)(struct election *election, void *arg);
    struct election *election;
    void *arg;
    sem_t ran; /* who tells it never waits, as it might for a lock */
};

static void read_call(struct letter *letter)
{
    struct call *call = LETTER_OWNER(letter, struct call, letter);

    MUST_BE(call->election, ELECTION_MAGIC);
    call->run(call->election, call->arg);
    sem_post(&call->ran); /* the call is on the caller's stack, and gone from here on */
}

static void call_loop(struct election *election, void (*run)(struct election *, void *), void *arg)
{
    struct call call = {
        .letter = {.read = read_call}, .run = run, .election = election, .arg = arg};

    MUST_BE(election, ELECTION_MAGIC);
    MUST(sem_init(&call.ran, 0, 0) == 0);
    mailbox_post(election->mailbox, &call.letter);
    while (sem_wait(&call.ran) != 0)
        MUST(errno == EINTR);
    sem_destroy(&call.ran);
}

/* ---- what this node says of itself ---------------------------------------------------------- */

struct tell {
    unsigned magic;
    struct election *election;
    char tier[TIER_SIZE]; /* empty: all */
    struct elect_self self;
    struct letter letter;
};

static void tell_seat(struct election *election, struct seat *seat)
{
    election_step(election, seat, &(struct elect_event){.kind = ELECT_SELF, .self = &seat->self});
}

static void take_tell(struct election *election, const struct tell *tell)
{
    if (!*tell->tier)
        election->self = tell->self;
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        struct seat *seat = &election->seats[i];
        struct ballot_head head = seat->self.head;
        if (!seat->used || (*tell->tier && strcmp(seat->tier.tier, tell->tier) != 0))
            continue;
        seat->self = tell->self;
        seat->self.head = head;
        tell_seat(election, seat);
    }
}

static void read_tell(struct letter *letter)
{
    struct tell *tell = LETTER_OWNER(letter, struct tell, letter);

    MUST_BE(tell, TELL_MAGIC);
    take_tell(tell->election, tell);
    free(tell);
}

void election_tell(struct election *election, const char *tier, const struct elect_self *self)
{
    struct tell *tell = calloc(1, sizeof(*tell));

    MUST_BE(election, ELECTION_MAGIC);
    MUST(tell != NULL);
    *tell = (struct tell){
        .magic = TELL_MAGIC, .election = election, .self = *self, .letter = {.read = read_tell}};
    MUST(span_copy(span_of(tier), tell->tier, sizeof(tell->tier)));
    mailbox_post(election->mailbox, &tell->letter);
}

static void read_head(struct letter *letter)
{
    struct election *election = LETTER_OWNER(letter, struct election, head_letter);
    struct ballot_head head;

    MUST_BE(election, ELECTION_MAGIC);
    pthread_mutex_lock(&election->head_lock);
    head = election->head;
    election->head_posted = false;
    pthread_mutex_unlock(&election->head_lock);
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        struct seat *seat = &election->seats[i];
        if (!seat->used)
            continue;
        seat->self.head = head;
        tell_seat(election, seat);
    }
}

/* Thousands of changes a second are one letter for each turn of the loop. */
void election_head(struct election *election, const struct ballot_head *head)
{
    bool post;

    MUST_BE(election, ELECTION_MAGIC);
    pthread_mutex_lock(&election->head_lock);
    election->head = *head;
    post = !election->head_posted;
    election->head_posted = true;
    pthread_mutex_unlock(&election->head_lock);
    if (post)
        mailbox_post(election->mailbox, &election->head_letter);
}

/* ---- reload, leaving, looks ----------------------------------------------------------------- */

struct reload {
    const struct election_tier *tiers;
    size_t count;
    enum auth_mode auth;
};

static void run_reload(struct election *election, void *arg)
{
    const struct reload *reload = arg;

    election->auth = reload->auth;
    advert_gate_set_auth(election->gate, reload->auth);
    election_apply(election, reload->tiers, reload->count);
}

void election_reload(struct election *election, const struct election_tier *tiers, size_t count,
                     enum auth_mode auth)
{
    call_loop(election, run_reload, &(struct reload){tiers, count, auth});
}

static void run_leave(struct election *election, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        if (election->seats[i].used)
            election_end(election, &election->seats[i]);
    }
}

void election_leave(struct election *election)
{
    call_loop(election, run_leave, NULL);
}

struct members_look {
    const char *tier;
    struct elect_member *list;
    size_t count;
};

static void run_members(struct election *election, void *arg)
{
    struct members_look *look = arg;
    const struct seat *seat = election_seat(election, look->tier);
    const struct elect_member *list = NULL;

    look->count = seat ? elect_members(seat->machine, &list) : 0;
    look->list = calloc(look->count + 1, sizeof(*look->list));
    MUST(look->list != NULL);
    if (look->count)
        memcpy(look->list, list, look->count * sizeof(*look->list));
}

size_t election_members(struct election *election, const char *tier, struct elect_member **list)
{
    struct members_look look = {.tier = tier};

    call_loop(election, run_members, &look);
    *list = look.list;
    return look.count;
}

void election_figures(struct election *election, struct election_figures *out)
{
    MUST_BE(election, ELECTION_MAGIC);
    out->adverts_sent = atomic_load_explicit(&election->adverts_sent, memory_order_relaxed);
    out->ballots_heard = atomic_load_explicit(&election->ballots_heard, memory_order_relaxed);
    out->late_ns = atomic_load_explicit(&election->late_most, memory_order_relaxed);
    out->watched = atomic_load_explicit(&election->watched, memory_order_relaxed);
    for (size_t i = 0; i < REASON_COUNT; i++)
        out->reasons[i] = atomic_load_explicit(&election->reasons[i], memory_order_relaxed);
}

mono_t election_turned(const struct election *election)
{
    MUST_BE(election, ELECTION_MAGIC);
    return (mono_t){atomic_load_explicit(&election->turned, memory_order_relaxed)};
}

/* ---- making and ending ---------------------------------------------------------------------- */

static bool open_sockets(struct election *election, const struct election_options *options)
{
    struct udp_options udp = {.loop = election->loop,
                              .listen = options->listen,
                              .listen_count = options->listen_count,
                              .setting = "advert_port",
                              .urgent = true,
                              .hops = UDP_HOPS,
                              .take = election_take,
                              .batch = election_batch,
                              .arg = election};
    struct watch_options watch = {.loop = election->loop,
                                  .listen = options->listen,
                                  .listen_count = options->listen_count,
                                  .may_watch = election_may_watch,
                                  .gone = election_gone,
                                  .arg = election};

    election->udp = udp_new(&udp);
    election->watch = election->udp ? watch_new(&watch) : NULL;
    return election->watch != NULL;
}

static void make_gate(struct election *election, const struct election_options *options)
{
    struct advert_gate_options gate = {.members = options->members,
                                       .keyring = options->keyring,
                                       .rules = options->rules,
                                       .domain = options->domain,
                                       .node = options->node,
                                       .boot = options->boot,
                                       .port = election->port,
                                       .auth = options->auth};

    election->gate = advert_gate_new(&gate);
    if (options->keyring)
        election->seal = seal_new(options->keyring);
}

static void set_options(struct election *election, const struct election_options *options)
{
    MUST(options->listen_count > 0);
    election->magic = ELECTION_MAGIC;
    election->timer = -1;
    election->auth = options->auth;
    election->members = options->members;
    election->heard = options->rules.heard;
    election->signers = options->signers;
    election->view = options->view;
    election->roles = options->roles;
    election->remember = options->remember;
    election->ears = options->ears;
    election->boot = options->boot;
    election->port = options->listen[0].port;
    election->self = options->self;
    election->head = options->self.head;
    election->head_letter.read = read_head;
    MUST(span_copy(span_of(options->node), election->node, sizeof(election->node)));
    MUST(span_copy(span_of(options->domain), election->domain, sizeof(election->domain)));
    lock_init(&election->head_lock);
}

static bool join_all(struct election *election, const struct election_options *options)
{
    for (size_t i = 0; i < options->tier_count; i++) {
        struct seat *seat = election_join(election, &options->tiers[i]);
        if (!seat || !election_join_group(election, seat))
            return false;
    }
    return true;
}

/* Our part in each tier is known from now on, also until the thread has begun it. */
static void show_all(struct election *election)
{
    mono_t now = clock_mono();

    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        struct view_tier view;

        if (!election->seats[i].used)
            continue;
        elect_view(election->seats[i].machine, now, &view);
        view.since = now;
        view_publish(election->view, &view);
    }
}

static void clear(struct election *election)
{
    workers_free(election->group_looker);
    election->group_looker = NULL;
    /* Before anything is taken down: letters may still be in the box, and their readers step. */
    if (election->mailbox)
        mailbox_free(election->mailbox);
    for (size_t i = 0; i < ELECTION_TIERS_MAX; i++) {
        if (election->seats[i].used)
            election_drop(election, &election->seats[i]);
    }
    watch_free(election->watch);
    udp_free(election->udp);
    election_drive_end(election);
    ev_loop_destroy(election->loop);
    advert_gate_free(election->gate);
    seal_free(election->seal);
    pthread_mutex_destroy(&election->head_lock);
    election->magic = 0;
    free(election);
}

struct election *election_new(const struct election_options *options)
{
    struct election *election = calloc(1, sizeof(*election));
    sigset_t before;

    MUST(election != NULL);
    set_options(election, options);
    for (int i = 0; i < REASON_COUNT; i++)
        election->flood[i].window_ns = ADVERT_FLOOD_WINDOW_NS;
    election->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    MUST(election->loop != NULL);
    election->mailbox = mailbox_new(election->loop);
    election->group_looker = workers_new(1);
    make_gate(election, options);
    if (!open_sockets(election, options) || !join_all(election, options) ||
        !election_drive_begin(election)) {
        clear(election);
        return NULL;
    }
    show_all(election);
    signals_block(&before);
    MUST(pthread_create(&election->thread, NULL, election_drive, election) == 0);
    signals_restore(&before);
    return election;
}

static void run_stop(struct election *election, void *arg)
{
    (void)arg;
    ev_break(election->loop, EVBREAK_ALL);
}

void election_free(struct election *election)
{
    if (!election)
        return;
    call_loop(election, run_stop, NULL);
    pthread_join(election->thread, NULL);
    remember_hush(election->remember, election);
    clear(election);
}
