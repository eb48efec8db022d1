/* SPDX-License-Identifier: ISC */
#include "src/mailbox.h"

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "src/base/lock.h"
#include "src/base/must.h"

/* Letters that letters bring are read at once, but so often only: the loop has more to do. */
enum { MAILBOX_MAGIC = 0x6d61696c, ROUNDS_MAX = 16 };

struct mailbox {
    unsigned magic;
    struct ev_loop *loop;
    struct ev_async watcher;
    pthread_mutex_t lock; /* guards the rest */
    struct letter *first;
    struct letter **last;
    bool awake;              /* the loop has been woken, or is reading, and will look here again */
    _Atomic unsigned waking; /* posters that still send a wake */
};

static struct letter *take_all(struct mailbox *mailbox)
{
    struct letter *first;

    pthread_mutex_lock(&mailbox->lock);
    first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

static bool read_all(struct mailbox *mailbox)
{
    struct letter *first = take_all(mailbox), *next;

    for (struct letter *letter = first; letter; letter = next) {
        next = letter->next; /* the letter may be gone once it is read */
        letter->read(letter);
    }
    return first != NULL;
}

void mailbox_read(struct mailbox *mailbox)
{
    MUST_BE(mailbox, MAILBOX_MAGIC);
    read_all(mailbox);
}

static void on_wake(struct ev_loop *loop, struct ev_async *watcher, int events)
{
    struct mailbox *mailbox = watcher->data;
    unsigned round = 0;

    (void)events;
    MUST_BE(mailbox, MAILBOX_MAGIC);
    while (round < ROUNDS_MAX && read_all(mailbox))
        round++;
    pthread_mutex_lock(&mailbox->lock);
    mailbox->awake = mailbox->first != NULL;
    if (mailbox->awake)
        ev_async_send(loop, watcher);
    pthread_mutex_unlock(&mailbox->lock);
}

struct mailbox *mailbox_new(struct ev_loop *loop)
{
    struct mailbox *mailbox = calloc(1, sizeof(*mailbox));

    MUST(mailbox != NULL);
    mailbox->magic = MAILBOX_MAGIC;
    mailbox->loop = loop;
    mailbox->last = &mailbox->first;
    lock_init(&mailbox->lock);
    ev_async_init(&mailbox->watcher, on_wake);
    mailbox->watcher.data = mailbox;
    ev_async_start(loop, &mailbox->watcher);
    return mailbox;
}

/* The wake is sent outside of the lock, which the one who is woken takes first of all. */
void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    bool asleep;

    MUST_BE(mailbox, MAILBOX_MAGIC);
    letter->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    *mailbox->last = letter;
    mailbox->last = &letter->next;
    asleep = !mailbox->awake;
    mailbox->awake = true;
    mailbox->waking += asleep;
    pthread_mutex_unlock(&mailbox->lock);
    if (!asleep)
        return;
    ev_async_send(mailbox->loop, &mailbox->watcher);
    atomic_fetch_sub(&mailbox->waking, 1);
}

/* Whose letter told that it is the last one may still be about to send its wake. */
static void await_wakers(struct mailbox *mailbox)
{
    const struct timespec moment = {.tv_nsec = 100000};

    while (atomic_load(&mailbox->waking))
        nanosleep(&moment, NULL);
}

void mailbox_free(struct mailbox *mailbox)
{
    MUST_BE(mailbox, MAILBOX_MAGIC);
    while (mailbox->first)
        mailbox_read(mailbox);
    await_wakers(mailbox);
    ev_async_stop(mailbox->loop, &mailbox->watcher);
    pthread_mutex_destroy(&mailbox->lock);
    mailbox->magic = 0;
    free(mailbox);
}
