/* SPDX-License-Identifier: ISC */
#include "src/hooks.h"

#include <ev.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/log.h"
#include "src/base/must.h"
#include "src/base/stats.h"
#include "src/hook_env.h"
#include "src/hook_run.h"
#include "src/mailbox.h"
#include "src/privilege.h"
#include "src/signals.h"

enum {
    HOOKS_MAGIC = 0x686b7331,
    CHANGE_MAGIC = 0x686b6368,
    TIER_MAGIC = 0x686b7469,
    NAME_SIZE_MAX = TIER_SIZE + sizeof(": on_master")
};
static const double STOP_GRACE = 1.0; /* seconds beyond the limits, for what SIGKILL takes */

struct tier {
    unsigned magic;
    struct hooks *hooks;
    struct tier *next;
    char tier[TIER_SIZE];
    char *command[ROLES_QUEUE_COUNT];
    bool gone;    /* out of the configuration */
    bool begun;   /* a change has come, and it was not the last one */
    bool reigned; /* the last hook begun was on_master: it may hold what is the master's alone */
    bool waits;
    struct role_change change; /* that waits */
    struct hook_run *run;      /* that runs; NULL: none */
    char name[NAME_SIZE_MAX];  /* of what runs */
};

struct hooks {
    unsigned magic;
    char node[NODE_SIZE];
    int64_t limit_ns;
    struct ev_loop *loop;
    struct mailbox *mailbox;
    pthread_t thread;
    struct letter stop;
    struct ev_timer patience;

    /* The thread's: */
    struct tier *tiers;
    bool stopping;
};

/* ---- tiers ---------------------------------------------------------------------------------- */

static struct tier *tier_new(struct hooks *hooks, const struct hooks_tier *from)
{
    struct tier *tier = calloc(1, sizeof(*tier));

    MUST(tier != NULL);
    tier->magic = TIER_MAGIC;
    tier->hooks = hooks;
    MUST(span_copy(span_of(from->tier), tier->tier, sizeof(tier->tier)));
    for (size_t i = 0; i < ROLES_QUEUE_COUNT; i++) {
        tier->command[i] = from->command[i] ? strdup(from->command[i]) : NULL;
        MUST(!from->command[i] || tier->command[i]);
    }
    return tier;
}

static void tier_free(struct tier *tier)
{
    for (size_t i = 0; i < ROLES_QUEUE_COUNT; i++)
        free(tier->command[i]);
    tier->magic = 0;
    free(tier);
}

static struct tier *tiers_new(struct hooks *hooks, const struct hooks_tier *from, size_t count)
{
    struct tier *first = NULL;

    for (size_t i = 0; i < count; i++) {
        struct tier *tier = tier_new(hooks, &from[i]);
        tier->next = first;
        first = tier;
    }
    return first;
}

static struct tier **find(struct tier **at, const char *name)
{
    while (*at && strcmp((*at)->tier, name) != 0)
        at = &(*at)->next;
    return at;
}

static bool is_idle(const struct tier *tier)
{
    return !tier->run && !tier->waits;
}

/* It has left the configuration, and the election: nothing of it counts any more. */
static bool is_over(const struct tier *tier)
{
    return tier->gone && !tier->begun;
}

static void drop_gone(struct hooks *hooks)
{
    struct tier **at = &hooks->tiers;

    while (*at) {
        struct tier *tier = *at;
        if (is_over(tier) && is_idle(tier)) {
            *at = tier->next;
            tier_free(tier);
        } else {
            at = &tier->next;
        }
    }
}

/* ---- running -------------------------------------------------------------------------------- */

static void end_if_idle(struct hooks *hooks)
{
    for (const struct tier *tier = hooks->tiers; tier; tier = tier->next)
        if (!is_idle(tier))
            return;
    if (hooks->stopping)
        ev_break(hooks->loop, EVBREAK_ALL);
}

static void on_ended(void *arg);

/* Who stops being a slave holds nothing: there is no command for that. */
static const char *command_for(const struct tier *tier, const struct role_change *change)
{
    return change->ended && change->queue == ROLES_SLAVE ? NULL : tier->command[change->queue];
}

static void begin(struct tier *tier, const struct role_change *change)
{
    struct hooks *hooks = tier->hooks;
    struct hook_run_options options = {.loop = hooks->loop,
                                       .name = tier->name,
                                       .command = command_for(tier, change),
                                       .limit_ns = hooks->limit_ns,
                                       .ended = on_ended,
                                       .arg = tier};
    struct text name = TEXT_OVER(tier->name);
    char **env;

    if (!options.command)
        return;
    text_printf(&name, "%s: on_%s", tier->tier, roles_name(change->queue));
    env = hook_env_new(environ, hooks->node, change);
    options.env = env;
    tier->run = hook_run_new(&options);
    hook_env_free(env);
}

/* A master that becomes slave, for a reload says so, gives up as a backup first. */
static void begin_next(struct tier *tier)
{
    struct role_change change = tier->change;

    if (change.queue == ROLES_SLAVE && tier->reigned)
        change.queue = ROLES_BACKUP;
    else
        tier->waits = false;
    tier->reigned = change.queue == ROLES_MASTER;
    begin(tier, &change);
}

static void go_on(struct tier *tier)
{
    struct hooks *hooks = tier->hooks;

    while (!tier->run && tier->waits)
        begin_next(tier);
    drop_gone(hooks);
    end_if_idle(hooks);
}

static void on_ended(void *arg)
{
    struct tier *tier = arg;

    MUST_BE(tier, TIER_MAGIC);
    tier->run = NULL;
    go_on(tier);
}

static void take_change(struct tier *tier, const struct role_change *change)
{
    if (tier->waits) {
        stat_add(STAT_HOOKS_SKIPPED, 1);
        log_info("%s: on_%s is passed over: while another hook ran, the role changed again",
                 tier->tier, roles_name(tier->change.queue));
    }
    tier->change = *change;
    tier->waits = true;
    tier->begun = !change->ended;
    go_on(tier);
}

/* ---- letters -------------------------------------------------------------------------------- */

struct change {
    unsigned magic;
    struct hooks *hooks;
    struct role_change change;
    struct letter letter;
};

static void read_change(struct letter *letter)
{
    struct change *change = LETTER_OWNER(letter, struct change, letter);
    struct tier *tier;

    MUST_BE(change, CHANGE_MAGIC);
    tier = *find(&change->hooks->tiers, change->change.tier);
    if (tier && !is_over(tier))
        take_change(tier, &change->change);
    free(change);
}

/* On the queues' thread. */
static void on_change(void *arg, const struct role_change *role_change)
{
    struct change *change = malloc(sizeof(*change));

    MUST(change != NULL);
    MUST_BE((struct hooks *)arg, HOOKS_MAGIC);
    *change = (struct change){CHANGE_MAGIC, arg, *role_change, {.read = read_change}};
    mailbox_post(change->hooks->mailbox, &change->letter);
}

struct reload {
    struct hooks *hooks;
    struct tier *tiers;
    struct letter letter;
};

static void swap_commands(struct tier *a, struct tier *b)
{
    for (size_t i = 0; i < ROLES_QUEUE_COUNT; i++) {
        char *command = a->command[i];
        a->command[i] = b->command[i];
        b->command[i] = command;
    }
}

static void read_reload(struct letter *letter)
{
    struct reload *reload = LETTER_OWNER(letter, struct reload, letter);
    struct hooks *hooks = reload->hooks;

    for (struct tier *tier = hooks->tiers; tier; tier = tier->next)
        tier->gone = true;
    while (reload->tiers) {
        struct tier *fresh = reload->tiers, *tier = *find(&hooks->tiers, fresh->tier);
        reload->tiers = fresh->next;
        if (tier) {
            swap_commands(tier, fresh);
            tier->gone = false;
            tier_free(fresh);
        } else {
            fresh->next = hooks->tiers;
            hooks->tiers = fresh;
        }
    }
    drop_gone(hooks);
    free(reload);
}

void hooks_reload(struct hooks *hooks, const struct hooks_tier *tiers, size_t count)
{
    struct reload *reload = malloc(sizeof(*reload));

    MUST_BE(hooks, HOOKS_MAGIC);
    MUST(reload != NULL);
    *reload = (struct reload){hooks, tiers_new(hooks, tiers, count), {.read = read_reload}};
    mailbox_post(hooks->mailbox, &reload->letter);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void on_patience(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct hooks *hooks = timer->data;

    (void)events;
    MUST_BE(hooks, HOOKS_MAGIC);
    for (const struct tier *tier = hooks->tiers; tier; tier = tier->next)
        if (tier->run)
            log_error("%s was killed, and is still there: it is not waited for", tier->name);
    ev_break(loop, EVBREAK_ALL);
}

static void read_stop(struct letter *letter)
{
    struct hooks *hooks = LETTER_OWNER(letter, struct hooks, stop);

    MUST_BE(hooks, HOOKS_MAGIC);
    hooks->stopping = true;
    ev_timer_init(&hooks->patience, on_patience, 2 * (double)hooks->limit_ns / 1e9 + STOP_GRACE,
                  0.);
    hooks->patience.data = hooks;
    ev_timer_start(hooks->loop, &hooks->patience);
    end_if_idle(hooks);
}

static void *run(void *arg)
{
    struct hooks *hooks = arg;

    MUST_BE(hooks, HOOKS_MAGIC);
    privilege_ask("hooks");
    ev_run(hooks->loop, 0);
    return NULL;
}

struct hooks *hooks_new(const struct hooks_options *options)
{
    struct hooks *hooks = calloc(1, sizeof(*hooks));
    sigset_t before;

    MUST(hooks != NULL);
    hooks->magic = HOOKS_MAGIC;
    hooks->limit_ns = options->limit_ns;
    MUST(span_copy(span_of(options->node), hooks->node, sizeof(hooks->node)));
    hooks->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    MUST(hooks->loop != NULL);
    hooks->mailbox = mailbox_new(hooks->loop);
    hooks->stop.read = read_stop;
    hooks->tiers = tiers_new(hooks, options->tiers, options->count);
    signals_block(&before);
    MUST(pthread_create(&hooks->thread, NULL, run, hooks) == 0);
    signals_restore(&before);
    for (int queue = 0; queue < ROLES_QUEUE_COUNT; queue++)
        roles_register(options->roles, (enum roles_queue)queue, on_change, hooks);
    return hooks;
}

void hooks_free(struct hooks *hooks)
{
    if (!hooks)
        return;
    MUST_BE(hooks, HOOKS_MAGIC);
    mailbox_post(hooks->mailbox, &hooks->stop);
    MUST(pthread_join(hooks->thread, NULL) == 0);
    while (hooks->tiers) {
        struct tier *tier = hooks->tiers;
        hooks->tiers = tier->next;
        if (tier->run)
            hook_run_abandon(tier->run);
        tier_free(tier);
    }
    ev_timer_stop(hooks->loop, &hooks->patience);
    mailbox_free(hooks->mailbox);
    ev_loop_destroy(hooks->loop);
    hooks->magic = 0;
    free(hooks);
}
