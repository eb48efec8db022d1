/* SPDX-License-Identifier: ISC */
#include "src/roles.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/lock.h"
#include "src/base/log.h"
#include "src/base/must.h"
#include "src/clock.h"
#include "src/privilege.h"
#include "src/signals.h"

enum { ROLES_MAGIC = 0x726f6c65, LISTENERS_MAX = 32, WAITING_MAX = 1024 };

struct listener {
    enum roles_queue queue;
    roles_call *call;
    void *arg;
};

struct waiting {
    struct role_change change;
    struct waiting *next;
};

struct roles {
    unsigned magic;
    pthread_t thread;

    /* Held by posters, and never while anybody is called. */
    pthread_mutex_t lock;
    pthread_cond_t posted;
    struct waiting *first;
    struct waiting **last;
    size_t count;
    bool calling_now; /* one that has been taken is being delivered */
    pthread_cond_t settled;
    bool ending;
    struct log_flood flood;

    /* Held while the listeners of a change are called: so who has been unregistered has returned.
     */
    pthread_mutex_t calling;
    struct listener listeners[LISTENERS_MAX]; /* in the order of registration */
    size_t listener_count;
};

const char *roles_name(enum roles_queue queue)
{
    static const char *const names[ROLES_QUEUE_COUNT] = {
        [ROLES_MASTER] = "master", [ROLES_BACKUP] = "backup", [ROLES_SLAVE] = "slave"};

    return names[queue];
}

/* ---- the queues' thread --------------------------------------------------------------------- */

static struct waiting *unlink_at(struct roles *roles, struct waiting **at)
{
    struct waiting *waiting = *at;

    *at = waiting->next;
    if (!waiting->next)
        roles->last = at;
    roles->count--;
    return waiting;
}

/* The next change, or NULL when there will be none any more. */
static struct waiting *take(struct roles *roles)
{
    struct waiting *waiting = NULL;

    pthread_mutex_lock(&roles->lock);
    roles->calling_now = false;
    if (!roles->first)
        pthread_cond_broadcast(&roles->settled);
    while (!roles->first && !roles->ending)
        pthread_cond_wait(&roles->posted, &roles->lock);
    if (roles->first)
        waiting = unlink_at(roles, &roles->first);
    roles->calling_now = waiting != NULL;
    pthread_mutex_unlock(&roles->lock);
    return waiting;
}

static void deliver(struct roles *roles, const struct role_change *change)
{
    pthread_mutex_lock(&roles->calling);
    for (size_t i = 0; i < roles->listener_count; i++) {
        const struct listener *listener = &roles->listeners[i];
        if (listener->queue == change->queue)
            listener->call(listener->arg, change);
    }
    pthread_mutex_unlock(&roles->calling);
}

static void *run(void *arg)
{
    struct roles *roles = arg;
    struct waiting *waiting;

    MUST_BE(roles, ROLES_MAGIC);
    privilege_ask("roles");
    while ((waiting = take(roles))) {
        deliver(roles, &waiting->change);
        free(waiting);
    }
    return NULL;
}

void roles_settle(struct roles *roles)
{
    MUST_BE(roles, ROLES_MAGIC);
    pthread_mutex_lock(&roles->lock);
    while (roles->first || roles->calling_now)
        pthread_cond_wait(&roles->settled, &roles->lock);
    pthread_mutex_unlock(&roles->lock);
}

/* ---- posting -------------------------------------------------------------------------------- */

static bool superseded(const struct waiting *waiting)
{
    for (const struct waiting *later = waiting->next; later; later = later->next)
        if (strcmp(later->change.tier, waiting->change.tier) == 0)
            return true;
    return false;
}

/* Somebody who is called does not return. The last change of each tier must not be lost, and there
 * are more changes than tiers: so one that a later one of its tier supersedes goes. Says how many
 * have gone, where it is time to say it. */
static struct waiting *forget_one(struct roles *roles, uint64_t *gone)
{
    struct waiting **at = &roles->first;
    uint64_t missed;

    while (*at && !superseded(*at))
        at = &(*at)->next;
    if (!*at)
        return NULL;
    if (log_flood_pass(&roles->flood, clock_mono(), &missed))
        *gone = missed + 1;
    return unlink_at(roles, at);
}

void roles_post(struct roles *roles, const struct role_change *change)
{
    struct waiting *waiting = malloc(sizeof(*waiting)), *forgotten = NULL;
    uint64_t gone = 0;

    MUST_BE(roles, ROLES_MAGIC);
    MUST(waiting != NULL && change->queue < ROLES_QUEUE_COUNT);
    *waiting = (struct waiting){.change = *change};
    pthread_mutex_lock(&roles->lock);
    MUST(!roles->ending);
    *roles->last = waiting;
    roles->last = &waiting->next;
    if (++roles->count > WAITING_MAX)
        forgotten = forget_one(roles, &gone);
    pthread_cond_signal(&roles->posted);
    pthread_mutex_unlock(&roles->lock);
    if (gone)
        log_warn("more than %d changes of role wait for who listens: %" PRIu64 " that later ones "
                 "supersede are passed over",
                 WAITING_MAX, gone);
    free(forgotten);
}

/* ---- registering ---------------------------------------------------------------------------- */

void roles_register(struct roles *roles, enum roles_queue queue, roles_call *call, void *arg)
{
    MUST_BE(roles, ROLES_MAGIC);
    pthread_mutex_lock(&roles->calling);
    MUST(roles->listener_count < LISTENERS_MAX && queue < ROLES_QUEUE_COUNT);
    roles->listeners[roles->listener_count++] = (struct listener){queue, call, arg};
    pthread_mutex_unlock(&roles->calling);
}

void roles_unregister(struct roles *roles, enum roles_queue queue, roles_call *call, void *arg)
{
    struct listener *list = roles->listeners;
    size_t i = 0;

    MUST_BE(roles, ROLES_MAGIC);
    pthread_mutex_lock(&roles->calling);
    while (i < roles->listener_count &&
           (list[i].queue != queue || list[i].call != call || list[i].arg != arg))
        i++;
    MUST(i < roles->listener_count);
    roles->listener_count--;
    memmove(&list[i], &list[i + 1], (roles->listener_count - i) * sizeof(*list));
    pthread_mutex_unlock(&roles->calling);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct roles *roles_new(void)
{
    struct roles *roles = calloc(1, sizeof(*roles));
    sigset_t before;

    MUST(roles != NULL);
    roles->magic = ROLES_MAGIC;
    roles->last = &roles->first;
    lock_init(&roles->lock);
    MUST(pthread_mutex_init(&roles->calling, NULL) == 0);
    MUST(pthread_cond_init(&roles->posted, NULL) == 0);
    MUST(pthread_cond_init(&roles->settled, NULL) == 0);
    signals_block(&before);
    MUST(pthread_create(&roles->thread, NULL, run, roles) == 0);
    signals_restore(&before);
    return roles;
}

void roles_free(struct roles *roles)
{
    if (!roles)
        return;
    MUST_BE(roles, ROLES_MAGIC);
    pthread_mutex_lock(&roles->lock);
    roles->ending = true;
    pthread_cond_signal(&roles->posted);
    pthread_mutex_unlock(&roles->lock);
    MUST(pthread_join(roles->thread, NULL) == 0);
    pthread_cond_destroy(&roles->settled);
    pthread_cond_destroy(&roles->posted);
    pthread_mutex_destroy(&roles->calling);
    pthread_mutex_destroy(&roles->lock);
    roles->magic = 0;
    free(roles);
}
